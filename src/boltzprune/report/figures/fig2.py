"""Figure 2: patterns under the data against patterns of the model; divergence before and after each retraining."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from matplotlib.figure import Figure, FigureBase
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, MaxNLocator

from boltzprune.evaluation.patterns import MAX_MISSING_SHARE
from boltzprune.pruning.controls import CONTROLS, COURSES
from boltzprune.report import figures
from boltzprune.report.figures import curves
from boltzprune.report.figures.style import (
    INK,
    Look,
    below_each_other,
    constrained,
    criterion_title,
    from_to,
    panel_letter,
)
from boltzprune.results import tidy

FIGURE = figures.Figure(
    inputs=("metrics", "pattern_probabilities"),
    panels=("a.csv", "b.csv", "c.csv"),
    by_criterion=True,
    experiment="patches",
    caption="**Figure 2.** A: log-probability of every pattern of the data against its log-probability among the "
    "samples of the initial machines, mean over seeds (darker: more patterns; MSE: mean over patterns of the "
    "squared difference, mean and SD over seeds). Lines: quartiles over seeds, medians over patterns that are "
    "about as probable in the data. Dotted: a pattern that no sample shows counts as half a sample. B: the "
    "same after the last pruning iteration and retraining, per criterion. C: divergence of the model from the "
    "data after each pruning and, on another scale, after each retraining; median and quartiles over seeds; lower is "
    "better. It is exact where the patterns can be enumerated, else from samples; the table behind the panel has "
    "both. Samples miss patterns that pruned machines find improbable, so that divergences from samples "
    "saturate, and the order of criteria can differ there. Dotted: initial machines. Dashed, if "
    "`patches.controls` has `unpruned`: the control, which is the initial machines trained on, without "
    "pruning, for as many epochs as the pruned ones have been retrained, with the same data, schedule and random "
    "numbers.",
)

QUARTILES = ["log_model_q25", "log_model_q75"]
MARKS: dict[str, Any] = {"marker": "o", "ms": 3, "elinewidth": 0.8}
N_CELLS, N_GROUPS = 30, 12
"""Hexagons along an axis; groups of patterns that are about as probable."""
DENSITY = LinearSegmentedColormap.from_list("density", ["#d0d0d0", "#000000"])
CONTROL_MARKS: dict[str, Any] = {"color": INK, "lw": 0.8, "ls": "--", "elinewidth": 0.8, "zorder": 3}
HALO = [withStroke(linewidth=2.2, foreground="white")]
"""Around lines that run over dark cells."""
MEASURES = {"kl_exact": "exact", "kl_sampled": "from samples"}


def panels(inputs: Mapping[str, Sequence[Path]]) -> dict[str, pd.DataFrame]:
    """Tidy tables of panels A and B (patterns) and C (divergence, summarised over seeds)."""
    patterns = tidy.read(inputs["pattern_probabilities"], "pattern_probabilities", QUARTILES)
    metrics = tidy.read(inputs["metrics"], "metrics", ["mse_sampled", "missing_share", *MEASURES])
    metrics = tidy.of_courses(metrics)
    keys, missing = ["criterion", "iteration", "phase"], _missing(metrics)
    patterns = patterns.merge(_errors(metrics).merge(missing, on=keys), on=keys, how="left")
    initial, divergence = patterns["iteration"] == 0, _divergence(metrics).merge(missing, on=keys, how="left")
    return {"a.csv": patterns[initial], "b.csv": patterns[~initial], "c.csv": divergence}


def _missing(metrics: pd.DataFrame) -> pd.DataFrame:
    """Largest share of the data, over the seeds, whose pattern no sample shows."""
    return metrics.groupby(["criterion", "iteration", "phase"])["missing_share"].max().reset_index()


def _errors(metrics: pd.DataFrame) -> pd.DataFrame:
    """Mean squared error of the log-probabilities: mean, SD and number of the seeds with a finite one."""
    metrics = metrics[np.isfinite(metrics["mse_sampled"])]
    groups = metrics.groupby(["criterion", "iteration", "phase"])["mse_sampled"]
    return groups.agg(mse_mean="mean", mse_sd="std", mse_n="count").reset_index()


def _divergence(metrics: pd.DataFrame) -> pd.DataFrame:
    """KL(data || model) per criterion, iteration and phase: mean, SD, median, quartiles, n; of finite ones."""
    long = metrics.melt(["criterion", "iteration", "phase", "seed"], list(MEASURES), "measure", "kl")
    groups = long[np.isfinite(long["kl"])].groupby(["measure", "criterion", "iteration", "phase"])["kl"]
    return groups.agg(mean="mean", sd="std", **curves.QUARTILES).reset_index()


def draw(panels: Mapping[str, pd.DataFrame], look: Look) -> Figure:
    """The figure, from the tables."""
    names = [name for name in look.labels if name in {*panels["b.csv"]["criterion"], *panels["c.csv"]["criterion"]}]
    known = set(panels["c.csv"]["measure"])
    measure = next((measure for measure in MEASURES if measure in known), "kl_sampled")
    n_rows = -(-(len(names) + 1) // 4)
    warned = any(_warning(panels[name]["missing_share"]) for name in ("a.csv", "b.csv"))
    heights = [(2.4 if warned else 2.05) * n_rows, 2.9]
    figure = constrained((7.5, sum(heights)), (0, 0.018, 1, 0.982), hspace=0.04)
    upper, lower = below_each_other(figure, heights)
    _draw_patterns(upper, (n_rows, 4), panels, names, look)
    _draw_divergence(lower, panels["c.csv"], measure, names, look)
    return figure


def _draw_patterns(
    figure: FigureBase, shape: tuple[int, int], panels: Mapping[str, pd.DataFrame], names: Sequence[str], look: Look
) -> None:
    """A, B: how many patterns there are of each log-probability in the data and among the model's samples."""
    both = pd.concat([panels["a.csv"], panels["b.csv"]])
    grid = figure.add_gridspec(*shape)
    columns = ["log_data", *QUARTILES]
    low, high = np.nanmin(both[columns].to_numpy()) - 0.4, np.nanmax(both[columns].to_numpy()) + 0.4
    shown = [("A", panels["a.csv"], "Initial model", INK)]
    shown += [
        (
            "B" if i == 0 else "",
            panels["b.csv"][panels["b.csv"]["criterion"] == name],
            look.labels[name],
            look.colours[name],
        )
        for i, name in enumerate(names)
    ]
    first: Axes | None = None
    for place, (letter, table, title, colour) in enumerate(shown):
        axes = first = figure.add_subplot(grid[place // 4, place % 4], sharex=first, sharey=first)
        panel_letter(axes, letter, dx=-0.3 if letter == "B" else -0.42)
        axes.plot([low, high], [low, high], color="#999999", lw=0.7, zorder=3)
        if not table.empty:
            _draw_density(axes, table, (low, high), colour)
        about = _ended(panels["c.csv"], names[place - 1]) if table.empty else _error(table, both["mse_n"].max())
        criterion_title(axes, f"{title}\n{about}", colour)
        axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
        axes.tick_params(labelleft=place % 4 == 0)
        if place % 4 == 0:
            axes.set_ylabel("log p, model (nats)")
        if place >= len(shown) - 4:
            axes.set_xlabel("log p, data (nats)")


def _draw_density(axes: Axes, table: pd.DataFrame, ends: tuple[float, float], colour: str) -> None:
    """Patterns counted in hexagons, the quartiles over seeds, and where patterns lie that no sample shows.

    Parameters
    ----------
    axes
    table
        Of the patterns of one panel.
    ends
        Of both axes.
    colour
        Of the lines.
    """
    x, y = table["log_data"].to_numpy(float), table["log_model_mean"].to_numpy(float)
    seen = np.isfinite(y)
    cells: dict[str, Any] = {"gridsize": N_CELLS, "extent": (*ends, *ends), "mincnt": 1, "linewidths": 0.1}
    axes.hexbin(x[seen], y[seen], norm=LogNorm(1, 100), cmap=DENSITY, zorder=1, **cells)
    edges = np.linspace(*ends, N_GROUPS + 1)
    groups = table.groupby(np.digitize(x, edges))
    middle = groups["log_data"].median()
    for column in QUARTILES:
        axes.plot(middle, groups[column].median(), color=colour, lw=0.9, zorder=4, path_effects=HALO)
    if table["missing_share"].max() > 0:
        floor = np.nanmin(table[QUARTILES].to_numpy(float))
        axes.axhline(floor, color=INK, lw=0.7, ls=":", zorder=3)
        axes.text(ends[1], floor, "no sample", ha="right", va="bottom", fontsize=6, color=INK)


def _error(table: pd.DataFrame, most: int) -> str:
    """What a panel says of its points: their squared error, over how many seeds if fewer than most, and a warning."""
    mean, sd, n = (table[f"mse_{name}"].iloc[0] for name in ("mean", "sd", "n"))
    spread = f" ± {sd:.2f}" if np.isfinite(sd) else ""
    fewer = f" [n = {n:g}]" if n < most else ""
    return f"MSE {mean:.2f}{spread}{fewer}{_warning(table['missing_share'])}"


def _ended(divergence: pd.DataFrame, name: str) -> str:
    """What the panel of a criterion says of which no seed has a machine after the last iteration."""
    mine = divergence[(divergence["criterion"] == name) & (divergence["phase"] == "retrained")]
    return f"until iteration {mine['iteration'].max()}"


def _sparse(value: float, _: int | None) -> str:
    """Labels 2, 3 and 5 of each decade between its ends, so that a short logarithmic axis has enough of them."""
    return f"{value:g}" if f"{value:e}"[0] in "235" else ""


def _draw_line(axes: Axes, line: pd.DataFrame, shift: float, label: str, marks: Mapping[str, Any]) -> None:
    """Medians along the iterations with quartiles as bars, moved aside so that bars of other lines stay readable."""
    line = line.sort_values("iteration").astype({"iteration": float, "median": float})
    bars = curves.quartile_bars(line)
    axes.errorbar(line["iteration"] + shift, line["median"], bars, label=label, **marks)


def _warning(missing: pd.Series) -> str:
    """What a panel says of numbers from samples that miss too much of the data, else nothing."""
    missed = missing.max()
    return f"\nunreliable: samples miss\nup to {100 * missed:.0f} % of the data" if missed > MAX_MISSING_SHARE else ""


def _draw_divergence(figure: FigureBase, table: pd.DataFrame, measure: str, names: Sequence[str], look: Look) -> None:
    """C: divergence after pruning (left) and after retraining (right, with the controls), over seeds."""
    controls = {name: CONTROLS[name].label for name in COURSES if name in set(table["criterion"])}
    part = table[table["measure"] == measure]
    start = part[part["iteration"] == 0].iloc[0]
    grid = figure.add_gridspec(1, 2)
    titles = {"pruned": "after pruning", "retrained": "after retraining (another scale)"}
    for column, (phase, title) in enumerate(titles.items()):
        axes = figure.add_subplot(grid[column])
        axes.axhline(start["median"], color=INK, lw=0.8, ls=":", zorder=0, label="initial level")
        mine = part[part["phase"] == phase]
        lines = [(name, look.labels[name], MARKS | {"color": look.colours[name]}) for name in names]
        lines += [(name, label, CONTROL_MARKS) for name, label in controls.items() if phase == "retrained"]
        for i, (name, label, marks) in enumerate(lines):
            shift = 0.04 * (i - (len(names) - 1) / 2)
            _draw_line(axes, pd.concat([start.to_frame().T, mine[mine["criterion"] == name]]), shift, label, marks)
        axes.set_yscale("log" if part["q25"].min() > 0 else "linear")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(FuncFormatter(_sparse))
        shown = part.loc[part["phase"].isin(["initial", phase]), "missing_share"]
        warning = _warning(shown) if measure == "kl_sampled" else ""
        axes.set_title(f"{title}, KL {MEASURES[measure]}{warning}")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel(f"pruning iteration (n = {from_to(table['n'])} seeds, median and quartiles)")
        if phase == "pruned":
            axes.set_ylabel("KL(data ‖ model) (nats)")
            panel_letter(axes, "C", dx=-0.06)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncol=4)
