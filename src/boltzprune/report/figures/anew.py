"""What pruned architectures are worth: machines trained anew beside those that kept their weights, seed by seed."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from boltzprune.pruning.controls import ANEW, CONTROLS, UNPRUNED
from boltzprune.report.claims.statistics import pseudo_median
from boltzprune.report.figures.curves import QUARTILES, log_axis, quartile_bars, sample_handle
from boltzprune.report.figures.style import INK, Look, below_each_other, constrained, from_to, panel_letter
from boltzprune.results.tidy import KEYS, of_machines

PLACES = {
    "retrained": "kept weights\n(pruned, retrained)",
    "rewind": "first weights\n(rewound)",
    "scratch": "others\n(scratch)",
}
"""Phase -> what stands below it: which weights the last architecture was trained from."""
WORDS = {"rewind": "rewound to first weights", "scratch": "from scratch"}
MARKS: dict[str, dict[str, Any]] = {"rewind": {"marker": "<", "mfc": "white"}, "scratch": {"marker": "o"}}
BARS: dict[str, Any] = {"ms": 4, "elinewidth": 0.9, "lw": 1.0}
LEVELS: dict[str, tuple[str, dict[str, Any]]] = {
    "none": ("Initial machines", {"color": INK, "lw": 0.8, "ls": ":"}),
    UNPRUNED: (CONTROLS[UNPRUNED].label, {"color": INK, "lw": 0.9, "ls": "--"}),
}
"""Of what is no architecture that a criterion has left: label and look of its level."""


def tables(metrics: pd.DataFrame, measure: str) -> dict[str, pd.DataFrame]:
    """Tidy tables of panels A (the measure of every machine, over seeds) and B (ratios, seed by seed).

    Parameters
    ----------
    metrics
        Of all machines of an experiment.
    measure
        Column of it, above 0.

    Returns
    -------
    dict of str -> pandas.DataFrame
        a.csv: measure, criterion, phase, median, q25, q75, n (seeds), of the machines after the last iteration with
        controls, and of the initial ones. b.csv: criterion, phase, estimate (pseudo-median of the ratio to the machine
        that kept its weights), low, high (95 %), n.
    """
    metrics = of_machines(metrics)
    metrics = metrics[np.isfinite(metrics[measure]) & (metrics[measure] > 0)]
    last = metrics.loc[metrics["phase"].isin(ANEW), "iteration"].max()
    shown = metrics[(metrics["iteration"] == last) | (metrics["phase"] == "initial")]
    shown = shown[shown["phase"].isin(["initial", *PLACES])]
    levels = shown.groupby(KEYS, sort=False)[measure].agg(**QUARTILES)
    return {"a.csv": levels.reset_index().assign(measure=measure), "b.csv": _ratios(shown, measure)}


def _ratios(shown: pd.DataFrame, measure: str) -> pd.DataFrame:
    """Each control as a ratio to the machine of the same seed and criterion that kept its weights."""
    rows = []
    by_seed = shown.set_index(["criterion", "phase", "seed"])[measure].sort_index()
    for criterion, phase in dict.fromkeys((name, phase) for name, phase, _ in by_seed.index if phase in ANEW):
        kept = by_seed.get((criterion, "retrained"), pd.Series(dtype=float))
        ratios = (by_seed[criterion, phase] / kept).dropna()
        estimate = np.exp(pseudo_median(np.log(ratios.to_numpy(float))))
        rows.append([criterion, phase, *estimate, len(ratios)])
    return pd.DataFrame(rows, columns=["criterion", "phase", "estimate", "low", "high", "n"])


def draw(panels: Mapping[str, pd.DataFrame], look: Look, what: str, scale: float = 1.0) -> Figure:
    """The figure, from the tables.

    Parameters
    ----------
    panels
        From `tables`.
    look
    what
        The measure, in words.
    scale
        What it is multiplied with.
    """
    table, ratios = panels["a.csv"], panels["b.csv"]
    names = [name for name in look.labels if name in set(ratios["criterion"])]
    if not names:
        return _nothing()
    figure = constrained((7.5, 3.3 + 0.12 * max(0, len(names) - 7)), (0, 0.03, 1, 0.97))
    (body,) = below_each_other(figure, [1])
    left, right = body.subplots(1, 2, width_ratios=[1.25, 1])
    _draw_levels(left, table, names, look, scale)
    shown = table[table["criterion"].isin([*names, *LEVELS])]
    ends = scale * shown[["q25", "q75"]].to_numpy().ravel()
    log_axis(left, "y", scale * shown["median"], 0 * shown["median"], ends)
    left.set(ylabel=what, title="The last architectures, by what they start from")
    left.set_xlabel(f"starting weights (n = {from_to(table['n'])} seeds, median and quartiles)")
    _draw_ratios(right, ratios, names, look)
    for axes, letter, dx in ((left, "A", -0.1), (right, "B", -0.28)):
        panel_letter(axes, letter, dx)
    kinds = [phase for phase in MARKS if phase in set(ratios["phase"])]
    extra = [sample_handle(f"B: {WORDS[phase]}", ls="none", **MARKS[phase]) for phase in kinds]
    handles = [*left.get_legend_handles_labels()[0], *extra]
    body.legend(handles, [handle.get_label() for handle in handles], loc="outside lower center", ncol=4)
    return figure


def _nothing() -> Figure:
    """The figure of a study that has no architecture to train anew, or no control that would."""
    figure = constrained((7.5, 1.2), (0, 0.1, 1, 0.9))
    axes = figure.add_subplot()
    axes.axis("off")
    why = "no course has a machine after the last iteration, or `controls` has neither rewind nor scratch."
    axes.text(0.5, 0.5, f"No architecture was trained anew: {why}", ha="center", va="center")
    return figure


def _draw_levels(axes: Axes, table: pd.DataFrame, names: Sequence[str], look: Look, scale: float) -> None:
    """A: a line for each criterion across the starts, and levels of machines that no criterion has pruned."""
    places = {phase: place for place, phase in enumerate(PLACES) if phase in set(table["phase"])}
    for place, name in enumerate(names):
        line = table[(table["criterion"] == name) & table["phase"].isin(places)]
        line = line.assign(x=line["phase"].map(places)).sort_values("x")
        middle, bars = scale * line["median"], quartile_bars(line, scale)
        x = line["x"] + 0.05 * (place - (len(names) - 1) / 2)
        axes.errorbar(x, middle, bars, marker="o", color=look.colours[name], label=look.labels[name], **BARS)
    for name, (label, level) in LEVELS.items():
        for value in table.loc[table["criterion"] == name, "median"]:
            axes.axhline(scale * value, label=label, zorder=0.5, **level)
    axes.set_xticks(list(places.values()), [PLACES[phase] for phase in places])
    axes.set_xlim(-0.4, max(places.values()) + 0.4)


def _draw_ratios(axes: Axes, ratios: pd.DataFrame, names: Sequence[str], look: Look) -> None:
    """B: for each criterion, what training anew changes against keeping the weights."""
    for phase, marks in MARKS.items():
        for place, name in enumerate(names):
            for row in ratios[(ratios["criterion"] == name) & (ratios["phase"] == phase)].to_dict("records"):
                y = place + (0.16 if phase == "scratch" else -0.16)
                ends = [[row["estimate"] - row["low"]], [row["high"] - row["estimate"]]]
                about = {"color": look.colours[name], "label": f"{look.labels[name]}, {WORDS[phase]}", "ls": "none"}
                axes.errorbar([row["estimate"]], [y], xerr=np.nan_to_num(ends), **(BARS | marks | about))
    axes.axvline(1, color=INK, lw=0.8, ls=":", zorder=0.5)
    known = ratios[ratios["criterion"].isin(names)]
    ends = known[["estimate", "low", "high"]].to_numpy(float)
    log_axis(axes, "x", known["estimate"], 0 * known["estimate"], [1, *ends[np.isfinite(ends)]])
    axes.set_yticks(range(len(names)), [look.labels[name] for name in names])
    axes.set_ylim(len(names) - 0.5, -0.5)  # the first one at the top
    axes.set_xlabel("ratio (pseudo-median, 95 % interval)")
    axes.set_title("Trained anew, relative to kept weights")
