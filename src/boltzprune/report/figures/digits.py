"""What the figures of the digits share: means over seeds, curves against the remaining weights, rows of images."""

import textwrap

import numpy as np
import pandas as pd
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from boltzprune.report.figures.style import INK
from boltzprune.results import tidy
from boltzprune.results.tidy import KEYS

MARKS = {"marker": "o", "ms": 3, "elinewidth": 0.7}
INITIAL = {"marker": "D", "ms": 4.5, "color": INK, "ls": "none", "elinewidth": 0.7, "zorder": 5}
REFERENCES = {"color": INK, "lw": 0.9, "zorder": 0.5}
FRAME = "#a8a8a8"


def read(inputs, name, needs=()):
    """The table of that name, with the columns needed."""
    return tidy.read(inputs[name], name, needs)


def over_seeds(metrics, measures):
    """Mean and standard deviation over seeds of each measure, and of the remaining weights of the same machines.

    Parameters
    ----------
    metrics : pandas.DataFrame
        One row per criterion, iteration, phase and seed; an empty field or an infinite number is no value. Rows of
        sequences that have ended do not count.
    measures : list of str
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


def with_references(table, references, wanted):
    """The table of `over_seeds`, and one line per reference with a value: its name as criterion, phase "reference".

    Parameters
    ----------
    table, references : pandas.DataFrame
    wanted : list of (str, str, str)
        Reference, its column, the measure that it belongs to.
    """
    values = references.set_index("reference")
    rows = [
        {"measure": measure, "criterion": name, "phase": "reference", "mean": values.loc[name, column]}
        for name, column, measure in wanted
        if name in values.index and np.isfinite(values.loc[name, column])
    ]
    return pd.concat([table, pd.DataFrame(rows).astype({"mean": float})], ignore_index=True) if rows else table


def reference_line(axes, table, name, label, scale=1.0, **line):
    """A horizontal line at a reference, where the table has it."""
    rows = table[(table["phase"] == "reference") & (table["criterion"] == name)]
    for value in rows["mean"]:
        axes.axhline(scale * value, label=label, **(REFERENCES | line))


def names_in(table, look):
    """Criteria of the table, in the order of the configuration."""
    return [name for name in look.labels if name in set(table["criterion"])]


def up_to_last(table, look):
    """Rows up to the last iteration shown of their criterion."""
    last = table["criterion"].map(look.last_iterations).astype(float).fillna(np.inf)
    return table[(table["iteration"].astype(float) <= last) | (table["phase"] == "reference")]


def last_of(table, name, look):
    """The last iteration shown of a criterion that the table has."""
    mine = table[table["criterion"] == name]
    return int(mine.loc[mine["iteration"] <= look.last_iterations.get(name, np.inf), "iteration"].max())


def path(table, name, phase):
    """The initial machines, then those of a criterion after each pruning ("pruned") or retraining ("retrained")."""
    mine = (table["criterion"] == name) & (table["phase"] == phase)
    return table[mine | (table["phase"] == "initial")].sort_values("iteration")


def on_log_axis(mean, sd, floor):
    """A mean of at least `floor`, and bars (2, n) of one SD that end above 0; one seed has none."""
    mean, sd = np.maximum(np.asarray(mean, float), floor), np.nan_to_num(np.asarray(sd, float))
    return mean, np.stack([np.minimum(sd, 0.999 * mean), sd])


def curve(axes, line, scale=1.0, floor=None, **marks):
    """Mean and SD against the remaining weights; with `floor` (before scaling) for a logarithmic axis."""
    x, x_bars = on_log_axis(line["n_weights_mean"], line["n_weights_sd"], 0.5)
    y, y_bars = scale * line["mean"].to_numpy(float), scale * np.nan_to_num(line["sd"].to_numpy(float))
    if floor is not None:
        y, y_bars = on_log_axis(y, y_bars, scale * floor)
    return axes.errorbar(x, y, y_bars, x_bars, **(MARKS | marks))


def curves(axes, table, names, look, **how):
    """One curve per criterion, retrained machines, and a mark for the initial ones."""
    for name in names:
        curve(axes, path(table, name, "retrained"), color=look.colours[name], label=look.labels[name], **how)
    curve(axes, table[table["phase"] == "initial"], label="initial machine", **(how | INITIAL))


def log_ticks(low, high):
    """Three to about seven places between two positive numbers."""
    decades = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for digits in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7), (1, 2, 3, 4, 5, 6, 7, 8, 9)):
        ticks = np.outer(decades, digits).ravel()
        ticks = ticks[(ticks >= low) & (ticks <= high)]
        if len(ticks) >= 3:
            return ticks[:: -(-len(ticks) // 7)]
    ticks = MaxNLocator(4).tick_values(low, high)
    return ticks[(ticks >= low) & (ticks <= high)]


def log_axis(axes, which, mean, sd, include=(), text="{:g}".format):
    """Make x or y logarithmic, from the lowest to the highest mean with its SD (a bar beyond half a mean may leave)."""
    mean, sd = np.asarray(mean, float), np.nan_to_num(np.asarray(sd, float))
    low = min([*np.maximum(mean - sd, mean / 2), *include]) / 1.15
    high = max([*(mean + sd), *include]) * 1.15
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    axis = getattr(axes, f"{which}axis")
    axis.set_major_locator(FixedLocator(log_ticks(low, high)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))


def thousands(value):
    """10000 -> 10k, 2.5e6 -> 2.5M."""
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


def weights_axis(axes, table):
    """The remaining weights, logarithmic."""
    rows = table[table["phase"] != "reference"]
    log_axis(axes, "x", np.maximum(rows["n_weights_mean"], 0.5), rows["n_weights_sd"], text=thousands)
    axes.set_xlabel("remaining weights (pruning: ←)")


def seeds_text(table):
    """How many seeds are behind a table, and what the bars are."""
    low, high = int(table["n"].min()), int(table["n"].max())
    if high == 1:
        return "1 seed, no spread"
    return f"mean ± SD, n = {low} seeds" if low == high else f"mean ± SD, n = {low} to {high} seeds"


def legend(figure, axes, look, about, extra=()):
    """One legend below for what the axes show, each label once, criteria first; its title says what the bars are."""
    pairs = [pair for one in axes for pair in zip(*one.get_legend_handles_labels())]
    pairs += [(handle, handle.get_label()) for handle in extra]
    found = {label: handle for handle, label in reversed(pairs)}
    labels = sorted(dict.fromkeys(label for _, label in pairs), key=lambda label: label not in look.labels.values())
    handles = [found[label] for label in labels]
    title = {"title": about, "title_fontsize": 7}
    figure.legend(handles, labels, loc="outside lower center", ncol=4, **title)


def sample_handle(label, **line):
    """An entry of a legend that stands for no single curve."""
    return Line2D([], [], label=label, **({"color": "#777777", "marker": "o", "ms": 3.5, "lw": 1.2} | line))


def title(label, width=17):
    """A label on as many lines as it needs above a small panel."""
    return "\n".join(textwrap.wrap(label, width))


def mosaic(images, n_columns):
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


def show(axes, image):
    """An image without axes: 0 white, 1 black."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    return axes.imshow(image, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")


def show_images(axes, images, n_columns):
    """Images in rows, with a grey line around each."""
    n, height, width = images.shape
    show(axes, mosaic(images, n_columns))
    axes.spines[:].set_visible(False)
    for i in range(n):
        corner = i % n_columns * width - 0.5, i // n_columns * height - 0.5
        axes.add_patch(Rectangle(corner, width, height, fill=False, color=FRAME, lw=0.9, clip_on=False))
