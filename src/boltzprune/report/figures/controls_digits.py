"""Controls of the digits: how well the last architectures encode without the weights that were kept."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from boltzprune.report import figures
from boltzprune.report.figures import anew
from boltzprune.report.figures.style import Look
from boltzprune.results import tidy

FIGURE = figures.Figure(
    inputs=("digits_metrics",),
    panels=("a.csv", "b.csv"),
    by_criterion=True,
    experiment="digits",
    anew=True,
    all_iterations=True,
    caption="**Controls, digits.** What are architectures worth without the weights they kept? A: share of the test "
    "images that a logistic regression on h2 gets wrong, of the architecture that the last iteration of each "
    "criterion leaves: with the weights that pruning and retraining have kept, trained anew from the weights that the"
    " machine began with, and trained anew from other weights; all with the same pre-training, joint training and "
    "retrainings. Medians and quartiles over seeds; lower is better. Dotted: initial machines, which were trained for"
    " fewer epochs. Dashed, if the study has the control `unpruned`: the whole machine, trained for as long. B: the "
    "machines trained anew as a ratio to the one of the same seed that kept its weights, pseudo-median over seeds "
    "with 95 % interval. Below 1 the architecture does better without the weights that it was found with.",
)


def panels(inputs: Mapping[str, Sequence[Path]]) -> dict[str, pd.DataFrame]:
    """Tidy tables of panels A (encoding error) and B (ratios)."""
    return anew.tables(tidy.read(inputs["digits_metrics"], "digits_metrics", ["encoding_error"]), "encoding_error")


def draw(panels: Mapping[str, pd.DataFrame], look: Look) -> Figure:
    """The figure, from the tables."""
    return anew.draw(panels, look, "encoding error (%)", 100)
