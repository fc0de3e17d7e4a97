"""What a developer adds in one file: a figure, a data source."""

FIGURE_FILE = "src/boltzprune/report/figures/mine.py"
FIGURE = '''"""Weights of each machine after retraining."""

from boltzprune.report import figures
from boltzprune.report.figures.style import constrained
from boltzprune.results import tidy

FIGURE = figures.Figure(
    inputs=("metrics",),
    panels=("a.csv",),
    by_criterion=True,
    experiment="patches",
    caption="**Weights.** Mean number of weights over seeds.",
)


def panels(inputs):
    """Mean number of weights of each criterion and iteration."""
    metrics = tidy.read(inputs["metrics"], "metrics")
    metrics = metrics[metrics["phase"] == "retrained"]
    return {"a.csv": metrics.groupby(["criterion", "iteration"], as_index=False)["n_weights"].mean()}


def draw(panels, look):
    """The figure, from the table."""
    figure = constrained((4, 3), (0, 0, 1, 1))
    axes = figure.add_subplot(xlabel="iteration", ylabel="weights")
    for name, line in panels["a.csv"].groupby("criterion"):
        if name in look.labels:
            axes.plot(line["iteration"], line["n_weights"], "o-", color=look.colours[name], label=look.labels[name])
    axes.legend()
    return figure
'''

SOURCE_FILE = "src/boltzprune/datasets/stripes.py"
SOURCE = '''"""Patterns of stripes, computed."""

import numpy as np

from boltzprune.datasets.raw import Raw, Source
from boltzprune.datasets.sizes import PatchSizes


def locate(settings):
    """No files."""
    return []


def read(paths, settings):
    """Eleven patterns of seven units."""
    return Raw(patterns=np.tri(11, 7, dtype=np.uint8), notes=["stripes, computed"])


def sizes(settings):
    """Known without a file."""
    return PatchSizes(n_patterns=11, n_units=7)


SOURCE = Source(
    name="stripes",
    experiment="patches",
    summary="stripes, computed",
    citation="nobody",
    locate=locate,
    read=read,
    sizes=sizes,
    place=None,
)
'''
