"""Who survives: which weights and units a pruning leaves, and how far criteria and seeds agree on them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure, FigureBase
from matplotlib.ticker import MaxNLocator

from boltzprune.report.figures import curves
from boltzprune.report.figures.style import INK, Look, below_each_other, constrained, from_to, panel_letter
from boltzprune.results import tidy

MARKS: dict[str, Any] = {"marker": "o", "ms": 3, "elinewidth": 0.7, "lw": 1.0}
UNITS = {0: "pixels", 1: "units of h1"}
"""Layer -> its units, of those that are the same in every seed."""
GAP, SPAN = 0.05, 0.4
"""How far lines of criteria stand beside each other, in iterations, and all of them together at most."""
COLOURS, GREY = LinearSegmentedColormap.from_list("overlap", ["#F1A340", "#FFFFFF", "#998EC3"]), "#d8d8d8"
"""From -1 to 1, so light that ink is read on them; where there is no number."""


def tables(inputs: Mapping[str, Sequence[Path]], prefix: str = "") -> dict[str, pd.DataFrame]:
    """Tidy tables of panels A (weights), B (units), C (criteria) and D (seeds).

    Parameters
    ----------
    inputs
        Name -> files.
    prefix
        Of the names of the tables of the experiment.

    Returns
    -------
    dict of str -> pandas.DataFrame
        a.csv, b.csv: criterion, iteration, layer, median, q25, q75, n, of the share of the initial weights or units,
        over the seeds that have a machine. c.csv: criterion, other, iteration (the last one), layer and the same of the
        overlap, one row for each pair. d.csv: criterion, iteration, layer (0: visible) and the same of the mean
        correlation of each seed with the others. n counts the seeds with a number; where it is 0, there is none.
    """
    survival, overlap, agreement = (
        tidy.read(inputs[f"{prefix}{name}"], f"{prefix}{name}") for name in ("survival", "overlap", "agreement")
    )
    survival, keys = tidy.of_machines(survival), ["criterion", "iteration", "layer"]
    last = overlap[overlap["iteration"] == overlap["iteration"].max()]
    return {
        "a.csv": _over_seeds(survival, keys, "share_weights"),
        "b.csv": _over_seeds(survival, keys, "share_units"),
        "c.csv": _over_seeds(last, ["criterion", "other", "iteration", "layer"], "overlap"),
        "d.csv": _over_seeds(agreement, keys, "agreement"),
    }


def _over_seeds(table: pd.DataFrame, keys: list[str], column: str) -> pd.DataFrame:
    """Median and quartiles over seeds, and how many there are."""
    return table.groupby(keys, sort=False)[column].agg(**curves.QUARTILES).reset_index()


def draw(panels: Mapping[str, pd.DataFrame], look: Look) -> Figure:
    """The figure, from the tables: a column for each layer of weights, and the panels of an RBM two by two."""
    weights, pairs, seeds = panels["a.csv"], panels["c.csv"], panels["d.csv"]
    names = [name for name in look.labels if name in set(seeds["criterion"])]
    layers, common = sorted(pairs["layer"].unique()), sorted(seeds["layer"].unique())
    deep = len(layers) > 1
    map_height = 1.9 + 0.13 * len(names)
    heights = [2.0, map_height, 2.0] if deep else [2.1, map_height]
    figure = constrained((7.5, sum(heights) + 0.9), (0, 0.02, 1, 0.98))
    (body,) = below_each_other(figure, [1])
    grid = body.add_gridspec(len(heights), 12, height_ratios=heights)
    first = _row(body, grid[0, :], 2 * len(layers))
    maps = _row(body, grid[1, :], len(layers) if deep else 2)
    last = _row(body, grid[2, :], len(common)) if deep else maps[1:]
    for place, layer in enumerate(layers):
        of_layer = weights[weights["layer"] == layer]
        _lines(first[place], of_layer, names, look, 100)
        curves.log_axis(first[place], "y", 100 * of_layer["median"], 0 * of_layer["median"], _ends(of_layer, 100))
        first[place].set(title=f"Weights{_between(layer, deep)}", ylabel="" if place else "weights left (%)")
        axes = first[len(layers) + place]
        _lines(axes, panels["b.csv"][panels["b.csv"]["layer"] == layer], names, look, 100)
        axes.set(title=f"Units of h{layer}" if deep else "Hidden units", ylim=(0, 105))
        axes.set_ylabel("" if place else "units left (%)")
        _map(maps[place], pairs[pairs["layer"] == layer], names, look, with_names=place == 0)
        maps[place].set_title(f"The same weights{_between(layer, deep)}, iteration {pairs['iteration'].max()}")
    for place, layer in enumerate(common):
        of_layer = seeds[seeds["layer"] == layer]
        _lines(last[place], of_layer, names, look)
        last[place].axhline(0, color=INK, lw=0.8, ls=":", zorder=0.5)
        last[place].set(title=f"Where weights are left: {UNITS[layer]}", ylim=(min(-0.1, *_ends(of_layer), 0), 1.05))
        last[place].set_ylabel("" if place else "correlation of seeds")
        if not of_layer["n"].any():
            last[place].text(0.5, 0.5, "no two seeds to compare", ha="center", transform=last[place].transAxes)
    for axes in [*first, *last[: len(common)]]:
        axes.set_xlabel("pruning iteration")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    wide = -0.2 if deep else -0.12
    for axes, letter, dx in zip((first[0], first[len(layers)], maps[0], last[0]), "ABCD", (wide, wide, -0.03, -0.1)):
        panel_letter(axes, letter, dx)
    curves.legend(body, [*first, *last], look, f"median and quartiles, n = {from_to(weights['n'])} seeds")
    return figure


def _row(figure: FigureBase, place: Any, n: int) -> list[Axes]:
    """So many axes side by side."""
    return [figure.add_subplot(one) for one in place.subgridspec(1, n)]


def _between(layer: int, deep: bool) -> str:
    """Which layers the weights of a deep machine lie between."""
    return f" {'v' if layer == 1 else f'h{layer - 1}'}-h{layer}" if deep else ""


def _ends(table: pd.DataFrame, scale: float = 1.0) -> np.ndarray:
    """Ends of all bars, those that there are."""
    ends = scale * table[["q25", "q75"]].to_numpy(float)
    return ends[np.isfinite(ends)]


def _lines(axes: Axes, table: pd.DataFrame, names: Sequence[str], look: Look, scale: float = 1.0) -> None:
    """A line for each criterion over the iterations, from the initial machines on where the table has them."""
    step = min(GAP, SPAN / max(1, len(names)))
    for place, name in enumerate(names):
        line = table[(table["criterion"].isin([name, "none"])) & (table["n"] > 0)].sort_values("iteration")
        x = line["iteration"] + step * (place - (len(names) - 1) / 2)
        middle, bars = scale * line["median"], curves.quartile_bars(line, scale)
        axes.errorbar(x, middle, bars, color=look.colours[name], label=look.labels[name], **MARKS)


def _map(axes: Axes, pairs: pd.DataFrame, names: Sequence[str], look: Look, with_names: bool) -> None:
    """C: the overlap of every pair of criteria as a colour and a number."""
    image = np.full((len(names), len(names)), np.nan)
    for row in pairs[pairs["criterion"].isin(names) & pairs["other"].isin(names)].to_dict("records"):
        i, j = names.index(row["criterion"]), names.index(row["other"])
        image[i, j] = image[j, i] = row["median"]
    axes.set_facecolor(GREY)
    axes.imshow(image, cmap=COLOURS, vmin=-1, vmax=1, interpolation="nearest", aspect="auto")
    size = 6 if len(names) <= 7 else 5
    for (i, j), value in np.ndenumerate(image):
        text = "–" if np.isnan(value) else f"{round(value, 2) + 0.0:.2f}".replace("-", "−")  # no −0.00
        axes.text(j, i, text, ha="center", va="center", fontsize=size, color=INK)
    labels = [look.labels[name] for name in names]
    axes.set_xticks(range(len(names)), labels, rotation=90)
    axes.set_yticks(range(len(names)), labels if with_names else [])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
