"""What the figures of the digits share: means over seeds, curves against the remaining weights, rows of images."""

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import FigureBase
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from boltzprune.report.figures.style import INK, Look
from boltzprune.results import tidy
from boltzprune.results.tidy import KEYS

MARKS: dict[str, Any] = {"marker": "o", "ms": 3, "elinewidth": 0.7}
INITIAL: dict[str, Any] = {"marker": "D", "ms": 4.5, "color": INK, "ls": "none", "elinewidth": 0.7, "zorder": 5}
REFERENCES: dict[str, Any] = {"color": INK, "lw": 0.9, "zorder": 0.5}
FRAME = "#a8a8a8"


def read(inputs: Mapping[str, Sequence[Path]], name: str, needs: Sequence[str] = ()) -> pd.DataFrame:
    """The table of that name, with the columns needed.

    Parameters
    ----------
    inputs
        Name -> files.
    name
        One of `tidy.TABLES`.
    needs
        Columns besides those that it always has.
    """
    return tidy.read(inputs[name], name, needs)


def over_seeds(metrics: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """Mean and standard deviation over seeds of each measure, and of the remaining weights of the same machines.

    Parameters
    ----------
    metrics
        One row per criterion, iteration, phase and seed; an empty field or an infinite number is no value. Rows of
        courses that have ended do not count.
    measures
        Columns of it.

    Returns
    -------
    pandas.DataFrame
        measure, criterion, iteration, phase, n_weights_mean, n_weights_sd, mean, sd, n (seeds with a value). Errors,
        qualities and activities are fractions, diversity is in nats; sd divides by n - 1 and is empty for one seed.
    """
    parts, metrics = [], tidy.of_machines(metrics)
    for measure in measures:
        given = metrics.assign(measure=measure, value=metrics[measure])[np.isfinite(metrics[measure])]
        parts.append(
            given.groupby(["measure", *KEYS], as_index=False).agg(
                n_weights_mean=("n_weights", "mean"),
                n_weights_sd=("n_weights", "std"),
                mean=("value", "mean"),
                sd=("value", "std"),
                n=("value", "count"),
            )
        )
    return pd.concat(parts, ignore_index=True).astype({"iteration": "Int64"})


def with_references(
    table: pd.DataFrame, references: pd.DataFrame, wanted: Sequence[tuple[str, str, str]]
) -> pd.DataFrame:
    """The table of `over_seeds`, and one line per baseline with a value: its name as criterion, phase "reference".

    Parameters
    ----------
    table, references
    wanted
        Baseline, its column, the measure that it belongs to.
    """
    values = references.set_index("reference")
    rows = [
        {"measure": measure, "criterion": name, "phase": "reference", "mean": values.loc[name, column]}
        for name, column, measure in wanted
        if name in values.index and np.isfinite(values.loc[name, column])
    ]
    return pd.concat([table, pd.DataFrame(rows).astype({"mean": float})], ignore_index=True) if rows else table


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


def names_in(table: pd.DataFrame, look: Look) -> list[str]:
    """Criteria of the table, in the order of the configuration."""
    return [name for name in look.labels if name in set(table["criterion"])]


def up_to_last(table: pd.DataFrame, look: Look) -> pd.DataFrame:
    """Rows up to the last iteration shown of their criterion."""
    last = table["criterion"].map(look.last_iterations).astype(float).fillna(np.inf)
    return table[(table["iteration"].astype(float) <= last) | (table["phase"] == "reference")]


def last_of(table: pd.DataFrame, name: str, look: Look) -> int:
    """The last iteration shown of a criterion that the table has.

    Parameters
    ----------
    table
        With the columns criterion and iteration.
    name
        Of the criterion.
    look
        Says of some criteria which iteration is the last one shown.
    """
    mine = table[table["criterion"] == name]
    return int(mine.loc[mine["iteration"] <= look.last_iterations.get(name, np.inf), "iteration"].max())


def path(table: pd.DataFrame, name: str, phase: str) -> pd.DataFrame:
    """The initial machines, then those of a criterion, iteration by iteration.

    Parameters
    ----------
    table
        Of `over_seeds`.
    name
        Of the criterion.
    phase
        "pruned": after each pruning; "retrained": after each retraining.
    """
    mine = (table["criterion"] == name) & (table["phase"] == phase)
    return table[mine | (table["phase"] == "initial")].sort_values("iteration")


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


def curves(axes: Axes, table: pd.DataFrame, names: Sequence[str], look: Look, **how: Any) -> None:
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
    **how
        Handed to `curve`.
    """
    for name in names:
        curve(axes, path(table, name, "retrained"), color=look.colours[name], label=look.labels[name], **how)
    curve(axes, table[table["phase"] == "initial"], label="initial machine", **(how | INITIAL))


def log_ticks(low: float, high: float) -> np.ndarray:
    """Three to about seven places between two positive numbers."""
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for digits in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7), (1, 2, 3, 4, 5, 6, 7, 8, 9)):
        ticks = np.outer(decades, digits).ravel()
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


def seeds_text(table: pd.DataFrame) -> str:
    """How many seeds are behind a table, and what the bars are."""
    low, high = int(table["n"].min()), int(table["n"].max())
    if high == 1:
        return "1 seed, no spread"
    return f"mean ± SD, n = {low} seeds" if low == high else f"mean ± SD, n = {low} to {high} seeds"


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


def title(label: str, width: int = 17) -> str:
    """A label on as many lines as it needs above a small panel."""
    return "\n".join(textwrap.wrap(label, width))


def mosaic(images: np.ndarray, n_columns: int) -> np.ndarray:
    """Images side by side, in rows.

    Parameters
    ----------
    images : (n, height, width) array in [0, 1]
    n_columns : int

    Returns
    -------
    (rows * height, n_columns * width) float
        0 where no image is left.
    """
    n, height, width = images.shape
    n_rows = -(-n // n_columns)
    whole = np.zeros((n_rows * n_columns, height, width))
    whole[:n] = images
    return whole.reshape(n_rows, n_columns, height, width).swapaxes(1, 2).reshape(n_rows * height, n_columns * width)


def show(axes: Axes, image: np.ndarray) -> AxesImage:
    """An image without axes: 0 white, 1 black."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    return axes.imshow(image, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")


def show_images(axes: Axes, images: np.ndarray, n_columns: int) -> None:
    """Images in rows, with a grey line around each.

    Parameters
    ----------
    axes
    images : (n, height, width), in [0, 1]
    n_columns
    """
    n, height, width = images.shape
    show(axes, mosaic(images, n_columns))
    axes.spines[:].set_visible(False)
    for i in range(n):
        corner = i % n_columns * width - 0.5, i // n_columns * height - 0.5
        axes.add_patch(Rectangle(corner, width, height, fill=False, color=FRAME, lw=0.9, clip_on=False))
