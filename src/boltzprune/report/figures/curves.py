"""Curves against the remaining weights: means with SD, baselines, logarithmic axes, the legend."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import FigureBase
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from boltzprune.pruning.controls import CONTROLS, UNPRUNED
from boltzprune.report.figures import digits
from boltzprune.report.figures.style import INK, Look
from boltzprune.report.published import of_column

MARKS: dict[str, Any] = {"marker": "o", "ms": 3, "elinewidth": 0.7}
INITIAL: dict[str, Any] = {"marker": "D", "ms": 4.5, "color": INK, "ls": "none", "elinewidth": 0.7, "zorder": 5}
PUBLISHED: dict[str, Any] = {"marker": "o", "ms": 3.4, "ls": "none", "mfc": "none", "mew": 0.7, "zorder": 1}
PUBLISHED_LABEL = "open: a run of the authors, preprint's code"
WIDEST = 3.2
"""Points of the first of several curves that may cover each other."""
REFERENCES: dict[str, Any] = {"color": INK, "lw": 0.9, "zorder": 0.5}
QUARTILES: dict[str, Any] = {
    "median": "median",
    "q25": lambda values: values.quantile(0.25),
    "q75": lambda values: values.quantile(0.75),
    "n": "count",
}
"""Columns of a table over seeds -> what they are of the seeds' values, of those that are numbers."""


def quartile_bars(table: pd.DataFrame, scale: float = 1.0) -> np.ndarray:
    """Lengths of bars from each median to the quartiles: (2, n) float64, from a table with columns of `QUARTILES`."""
    return np.abs(scale * table[["q25", "q75"]].to_numpy(float).T - scale * table["median"].to_numpy(float))


def reference_line(axes: Axes, table: pd.DataFrame, name: str, label: str, scale: float = 1.0, **line: Any) -> None:
    """A horizontal line at a baseline, where the table has it.

    Parameters
    ----------
    axes
    table
        Of `with_references`.
    name
        Of the baseline.
    label
        In the legend.
    scale
        What the baseline is multiplied with.
    **line
        Look of the line.
    """
    rows = table[(table["phase"] == "reference") & (table["criterion"] == name)]
    for value in rows["mean"]:
        axes.axhline(scale * value, label=label, **(REFERENCES | line))


def unpruned_line(axes: Axes, table: pd.DataFrame, scale: float = 1.0) -> None:
    """A horizontal line at the control unpruned after its last iteration, where the table of `over_seeds` has it."""
    rows = table[table["criterion"] == UNPRUNED].sort_values("iteration")
    for value in rows["mean"].tail(1):
        axes.axhline(scale * value, label=CONTROLS[UNPRUNED].label, ls="--", **REFERENCES)


def on_log_axis(mean: npt.ArrayLike, sd: npt.ArrayLike, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """A mean of at least `floor`, and bars (2, n) of one SD that end above 0; one seed has none.

    Parameters
    ----------
    mean, sd : (n,)
        NaN as SD: of one seed.
    floor
        The smallest mean that the axis shows.
    """
    shown, spread = np.maximum(np.asarray(mean, float), floor), np.nan_to_num(np.asarray(sd, float))
    return shown, np.stack([np.minimum(spread, 0.999 * shown), spread])


def curve(
    axes: Axes, line: pd.DataFrame, scale: float = 1.0, floor: float | None = None, **marks: Any
) -> ErrorbarContainer:
    """Mean and SD against the remaining weights.

    Parameters
    ----------
    axes
    line
        From `path`.
    scale
        What mean and SD are multiplied with.
    floor
        The smallest mean, before scaling, that a logarithmic axis shows; None: the axis is linear.
    **marks
        Look of the curve.
    """
    x, x_bars = on_log_axis(line["n_weights_mean"], line["n_weights_sd"], 0.5)
    y, y_bars = scale * line["mean"].to_numpy(float), scale * np.nan_to_num(line["sd"].to_numpy(float))
    if floor is not None:
        y, y_bars = on_log_axis(y, y_bars, scale * floor)
    return axes.errorbar(x, y, y_bars, x_bars, **(MARKS | marks))


def per_criterion(
    axes: Axes,
    table: pd.DataFrame,
    names: Sequence[str],
    look: Look,
    stacked: bool = False,
    aside: float = 0.0,
    **how: Any,
) -> None:
    """One curve per criterion, retrained machines, and a mark for the initial ones.

    Parameters
    ----------
    axes
    table
        Of `over_seeds`.
    names
        Criteria, in the order wanted.
    look
        Has their colours and labels.
    stacked
        Whether each curve is narrower than the one before, so that those below a curve that covers them are seen.
    aside
        How far, as a factor minus 1, neighbouring curves are moved from each other along the remaining weights, so that
        bars stand beside each other.
    **how
        Handed to `curve`.
    """
    for place, name in enumerate(names):
        width = {"lw": WIDEST - (WIDEST - 0.9) * place / max(1, len(names) - 1)} if stacked else {}
        factor = (1 + aside) ** (place - (len(names) - 1) / 2)
        line = digits.path(table, name, "retrained")
        line = line.assign(n_weights_mean=line["n_weights_mean"] * factor)
        curve(axes, line, color=look.colours[name], label=look.labels[name], **(how | width))
    curve(axes, table[table["phase"] == "initial"], label="initial machine", **(how | INITIAL))


def published_marks(axes: Axes, column: str, names: Sequence[str], look: Look, scale: float = 1.0) -> np.ndarray:
    """Open marks at what the authors have published of machines that were pruned, against their remaining weights.

    Parameters
    ----------
    axes
    column
        Of the metrics.
    names
        Criteria.
    look
        Says whether they are drawn.
    scale
        What the numbers are multiplied with.

    Returns
    -------
    (n,) float64
        The numbers that are drawn, scaled.
    """
    if not look.published:
        return np.array([])
    weights = {(one.criterion, one.iteration): one.low for one in of_column("n_weights")}
    drawn = []
    for name in ("none", *names):
        mine = [one for one in of_column(column) if (one.criterion, one.iteration) in weights and one.criterion == name]
        x, y = [weights[name, one.iteration] for one in mine], [scale * one.low for one in mine]
        mark = {"mec": look.colours[name]} if name != "none" else {"mec": INK, "marker": "D", "ms": 4.5}
        axes.plot(x, y, **(PUBLISHED | mark))
        drawn += y
    return np.array(drawn)


def published_handles(look: Look) -> list[Line2D]:
    """The entry of the legend for `published_marks`, where they are drawn."""
    return [sample_handle(PUBLISHED_LABEL, **PUBLISHED, mec=INK)] if look.published else []


def log_ticks(low: float, high: float) -> np.ndarray:
    """Three to about seven places between two positive numbers."""
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7), (1, 2, 3, 4, 5, 6, 7, 8, 9)):
        ticks = np.outer(decades, steps).ravel()
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        if len(ticks) >= 3:
            return ticks[:: -(-len(ticks) // 7)]
    ticks = np.asarray(MaxNLocator(4).tick_values(low, high))
    return ticks[(ticks >= low) & (ticks <= high)]


def log_axis(
    axes: Axes,
    which: Literal["x", "y"],
    mean: npt.ArrayLike,
    sd: npt.ArrayLike,
    include: Iterable[float] = (),
    text: Callable[[float], str] = "{:g}".format,
) -> None:
    """Make x or y logarithmic, from the lowest to the highest mean with its SD (a bar beyond half a mean may leave).

    Parameters
    ----------
    axes
    which
    mean, sd : (n,)
        What is shown; NaN as SD: of one seed.
    include
        Other values that the axis shows.
    text
        Makes the label of a tick.
    """
    mean, sd = np.asarray(mean, float), np.nan_to_num(np.asarray(sd, float))
    low = min([*np.maximum(mean - sd, mean / 2), *include]) / 1.15
    high = max([*(mean + sd), *include]) * 1.15
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(FixedLocator(log_ticks(low, high).tolist()))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))


def thousands(value: float) -> str:
    """10000 -> 10k, 2.5e6 -> 2.5M."""
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


def weights_axis(axes: Axes, table: pd.DataFrame) -> None:
    """The remaining weights, logarithmic."""
    rows = table[table["phase"] != "reference"]
    log_axis(axes, "x", np.maximum(rows["n_weights_mean"], 0.5), rows["n_weights_sd"], text=thousands)
    axes.set_xlabel("remaining weights (pruning: ←)")


def legend(figure: FigureBase, axes: Sequence[Axes], look: Look, about: str, extra: Iterable[Line2D] = ()) -> None:
    """One legend below for what the axes show, each label once, criteria first.

    Parameters
    ----------
    figure
    axes
        Those whose curves it names.
    look
        Has the labels of criteria.
    about
        Title of the legend: what the bars are.
    extra
        Entries of no curve, from `sample_handle`.
    """
    pairs = [pair for one in axes for pair in zip(*one.get_legend_handles_labels())]
    pairs += [(handle, handle.get_label()) for handle in extra]
    found = {label: handle for handle, label in reversed(pairs)}
    labels = sorted(dict.fromkeys(label for _, label in pairs), key=lambda label: label not in look.labels.values())
    handles = [found[label] for label in labels]
    title = {"title": about, "title_fontsize": 7}
    figure.legend(handles, labels, loc="outside lower center", ncol=4, **title)


def sample_handle(label: str, **line: Any) -> Line2D:
    """An entry of a legend that stands for no single curve."""
    look: dict[str, Any] = {"color": "#777777", "marker": "o", "ms": 3.5, "lw": 1.2} | line
    return Line2D([], [], label=label, **look)
