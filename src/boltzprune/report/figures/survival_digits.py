"""Who survives the pruning of the digits: weights, units, and the agreement of criteria and of seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from boltzprune.report import figures
from boltzprune.report.figures import survival
from boltzprune.report.figures.style import Look

FIGURE = figures.Figure(
    inputs=("digits_survival", "digits_overlap", "digits_agreement"),
    panels=("a.csv", "b.csv", "c.csv", "d.csv"),
    by_criterion=True,
    experiment="digits",
    all_iterations=True,
    machines=True,
    caption="**Survivors, digits.** Which weights and units of the deep machines do the criteria leave? A: share of "
    "the initial weights that each pruning leaves, of each layer. B: the same of hidden units. Lines stand beside "
    "each other so that all are seen. C: do two criteria keep the same weights of the same machine? Overlap after the "
    "last pruning, corrected for chance: 1 if the weights of one lie among those of the other, 0 if they have as many "
    "in common as random choices of these sizes, -1 if as few as possible. A dash: no seed has both machines, or "
    "there is nothing to choose. D: does a criterion keep the same in other seeds? Hidden units of two seeds have "
    "nothing to do with each other, since each seed begins with weights of its own, but pixels are the same in all "
    "(and units of h1, where each has a receptive field of its own). So what is compared is the share of its weights "
    "between pixels and h1 that each pixel or unit keeps: correlation with the other seeds, mean over them. Weights "
    "that go at random give 0 on average; where all have the same share left, there is no correlation and no mark. "
    "All: medians and quartiles over seeds; C: medians.",
)


def panels(inputs: Mapping[str, Sequence[Path]]) -> dict[str, pd.DataFrame]:
    """Tidy tables of panels A (weights), B (units), C (criteria) and D (seeds)."""
    return survival.tables(inputs, "digits_")


def draw(panels: Mapping[str, pd.DataFrame], look: Look) -> Figure:
    """The figure, from the tables."""
    return survival.draw(panels, look)
