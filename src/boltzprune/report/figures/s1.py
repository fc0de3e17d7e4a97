"""S1 Figure A: activity of the hidden units during pruning, and whether its first rise marks the best size."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from boltzprune.evaluation.activity import stop_signals
from boltzprune.report import figures
from boltzprune.report.figures import curves, digits
from boltzprune.report.figures.style import INK, Look, below_each_other, constrained, panel_letter
from boltzprune.report.published import of_column

FIGURE = figures.Figure(
    inputs=("digits_metrics", "digits_references"),
    panels=("a.csv", "b.csv", "c.csv", "stop_signals.csv"),
    by_criterion=True,
    experiment="digits",
    all_iterations=True,
    published=True,
    caption="**S1 Figure A.** Mean activity of the units of h1 (A) and h2 (B) in the free-running machine over the "
    "iterations, after retraining, and the encoding error of the same machines (C); mean and standard "
    "deviation over seeds. Circle and square: the first iteration at which the activity of h1 or h2 has risen "
    "from that before by more than two standard errors, which may be a signal to stop pruning. Star: lowest "
    "error. Dotted: classifier on raw pixels. Bracket at iteration 0, where the study has the paper's size: the "
    "range that the paper gives.",
)

Mark = tuple[str, Any, dict[str, Any]]
"""Criterion, iteration (missing: no mark), and the look of a mark."""

LAYERS = {1: "h1", 2: "h2"}
BEST: dict[str, Any] = {"marker": "*", "ms": 8}
RANGE: dict[str, Any] = {"color": INK, "ls": "none", "capsize": 3, "elinewidth": 0.9}
RANGE_LABEL = "range in the paper"
RINGS: dict[int, dict[str, Any]] = {1: {"marker": "o", "ms": 9}, 2: {"marker": "s", "ms": 8}}


def panels(inputs: Mapping[str, Sequence[Path]]) -> dict[str, pd.DataFrame]:
    """Tidy tables of panels A, B (activity of h1, h2), C (encoding error), and the stop signals."""
    metrics = digits.read(inputs, "digits_metrics", ["encoding_error", "n_weights", "activity_1", "activity_2"])
    references = digits.read(inputs, "digits_references", ["n_test"])
    metrics = metrics[metrics["phase"].isin(["initial", "retrained"])]
    errors = digits.over_seeds(metrics, ["encoding_error"])
    errors = digits.with_references(errors, references, [("raw", "error", "encoding_error")])
    return {
        "a.csv": digits.over_seeds(metrics, ["activity_1"]),
        "b.csv": digits.over_seeds(metrics, ["activity_2"]),
        "c.csv": errors.assign(n_test=int(references["n_test"].max())),
        "stop_signals.csv": stop_signals(metrics),
    }


def draw(panels: Mapping[str, pd.DataFrame], look: Look) -> Figure:
    """The figure, from the tables."""
    activity = {1: digits.up_to_last(panels["a.csv"], look), 2: digits.up_to_last(panels["b.csv"], look)}
    errors = digits.up_to_last(panels["c.csv"], look)
    figure = constrained((7.5, 5.4), (0.005, 0.02, 0.99, 0.98))
    (body,) = below_each_other(figure, [1])  # so that the legend stays above the line at the bottom
    grid = body.add_gridspec(2, 2)
    axes = [body.add_subplot(place) for place in (grid[0, 0], grid[0, 1], grid[1, :])]
    for layer in LAYERS:
        _draw_activity(axes[layer - 1], activity[layer], panels["stop_signals.csv"], layer, look)
    _draw_errors(axes[2], errors, panels["stop_signals.csv"], look)
    for axis, letter, dx in zip(axes, "ABC", (-0.12, -0.12, -0.05)):
        axis.set_xlabel("pruning iteration")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        panel_letter(axis, letter, dx)
    extra = [
        curves.sample_handle(f"activity of {name} starts to rise", ls="none", mfc="none", color=INK, **RINGS[layer])
        for layer, name in LAYERS.items()
    ]
    extra.append(curves.sample_handle("lowest error", ls="none", **BEST))
    curves.legend(body, axes, look, digits.seeds_text(pd.concat([*activity.values(), errors])), extra)
    return figure


def _places(table: pd.DataFrame, look: Look, step: float) -> dict[str, float]:
    """Criterion -> its shift, so that bars at the same iteration stand beside each other."""
    names = digits.names_in(table, look)
    step = min(step, 0.6 / max(1, len(names)))
    return {name: step * (i - (len(names) - 1) / 2) for i, name in enumerate(names)}


def _draw_lines(
    axes: Axes,
    table: pd.DataFrame,
    places: Mapping[str, float],
    look: Look,
    scale: float = 1.0,
    floor: float = 0.0,
) -> None:
    """Mean and SD over iterations, a line per criterion from the initial machines on."""
    for name, shift in places.items():
        line = digits.path(table, name, "retrained")
        mean, bars = curves.on_log_axis(scale * line["mean"], scale * line["sd"], scale * floor)
        look_of = curves.MARKS | {"color": look.colours[name], "label": look.labels[name]}
        axes.errorbar(line["iteration"].to_numpy(float) + shift, mean, bars, **look_of)


def _mark(
    axes: Axes,
    table: pd.DataFrame,
    places: Mapping[str, float],
    marked: Iterable[Mark],
    scale: float = 1.0,
    floor: float = 0.0,
) -> None:
    """Marks at given iterations of the lines."""
    for name, iteration, mark in marked:
        if name in places and pd.notna(iteration):
            line = digits.path(table, name, "retrained")
            for mean in line.loc[line["iteration"].astype(int) == iteration, "mean"]:
                axes.plot(iteration + places[name], scale * max(mean, floor), zorder=4, **mark)


def _rises(signals: pd.DataFrame, layer: int, look: Look) -> Iterator[Mark]:
    """Rows for `_mark`: a ring where the mean activity of a layer first rises."""
    rows = signals[(signals["layer"] == layer) & signals["criterion"].isin(list(look.labels))]
    for name, iteration in zip(rows["criterion"], rows["iteration_of_rise"]):
        yield name, iteration, {"mfc": "none", "mec": look.colours[name], "mew": 1.1, **RINGS[layer]}


def _draw_activity(axes: Axes, table: pd.DataFrame, signals: pd.DataFrame, layer: int, look: Look) -> None:
    """A, B: activity of one layer; a logarithmic axis where it spans more than a decade."""
    places = _places(table, look, 0.05)
    _draw_lines(axes, table, places, look)
    _mark(axes, table, places, _rises(signals, layer, look))
    mean, include = table["mean"].to_numpy(float), []
    for one in of_column(f"activity_{layer}") if look.published else ():
        middle, half = (one.low + one.high) / 2, (one.high - one.low) / 2
        axes.errorbar([-0.35], [middle], [half], label=RANGE_LABEL, **RANGE)
        include += [one.low, one.high]
    if mean.min() > 0 and max(mean.max(), *include, 0) > 10 * min(mean.min(), *include, 1):
        curves.log_axis(axes, "y", mean, table["sd"], include)
    axes.set(ylabel=f"mean activity of {LAYERS[layer]}", title=f"Units of {LAYERS[layer]}, free-running")


def _draw_errors(axes: Axes, errors: pd.DataFrame, signals: pd.DataFrame, look: Look) -> None:
    """C: encoding error, with both signals and the lowest error."""
    floor, places = 0.5 / errors["n_test"].max(), _places(errors, look, 0.1)
    measured = errors[errors["phase"] != "reference"]
    _draw_lines(axes, measured, places, look, 100, floor)
    best = signals.drop_duplicates("criterion")
    best = [
        (name, iteration, {"color": look.colours[name], **BEST})
        for name, iteration in zip(best["criterion"], best["iteration_best"])
        if name in places
    ]
    for marked in (*(_rises(signals, layer, look) for layer in LAYERS), best):
        _mark(axes, measured, places, marked, 100, floor)
    curves.reference_line(axes, errors, "raw", "raw pixels", 100, ls=":")
    raw = 100 * errors.loc[errors["phase"] == "reference", "mean"].clip(lower=floor)
    curves.log_axis(axes, "y", 100 * measured["mean"].clip(lower=floor), 100 * measured["sd"], raw)
    axes.set(ylabel="encoding error (%)", title="Error of the classifier on h2, test images")
