"""Controls of the patches: how well the last architectures match the data without the weights that were kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from boltzprune.report import figures
from boltzprune.report.figures import anew
from boltzprune.report.figures.style import Look
from boltzprune.results import tidy

FIGURE = figures.Figure(
    inputs=("metrics",),
    panels=("a.csv", "b.csv"),
    by_criterion=True,
    experiment="patches",
    anew=True,
    caption="**Controls, patches.** What are architectures worth without the weights they kept? A: divergence of the "
    "model from the data (exact where the patterns can be enumerated, else from samples) of the architecture that the"
    " last iteration of each criterion leaves: with the weights that pruning and retraining have kept, trained anew "
    "from the weights that the machine began with, and trained anew from other weights; all for as many epochs, with "
    "the same data, schedules and random numbers. Medians and quartiles over seeds; lower is better. Dotted: initial "
    "machines, which were trained for fewer epochs. Dashed, if the study has the control `unpruned`: the whole "
    "machine, trained for as long. B: the machines trained anew as a ratio to the one of the same seed that kept its "
    "weights, pseudo-median over seeds with 95 % interval. Below 1 the architecture does better without the weights "
    "that it was found with.",
)


def panels(inputs: Mapping[str, Sequence[Path]]) -> dict[str, pd.DataFrame]:
    """Tidy tables of panels A (divergence) and B (ratios)."""
    metrics = tidy.read(inputs["metrics"], "metrics", ["kl_exact", "kl_sampled"])
    measure = "kl_exact" if metrics["kl_exact"].notna().any() else "kl_sampled"
    return anew.tables(metrics, measure)


def draw(panels: Mapping[str, pd.DataFrame], look: Look) -> Figure:
    """The figure, from the tables."""
    how = "exact" if "kl_exact" in set(panels["a.csv"]["measure"]) else "from samples"
    return anew.draw(panels, look, f"KL(data ‖ model), {how} (nats)")
