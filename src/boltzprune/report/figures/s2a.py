"""S2 Figure A: Figure 3 without the digits, all criteria after all iterations."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from boltzprune.report import figures
from boltzprune.report.figures import fig3
from boltzprune.report.figures.style import Look

FIGURE = figures.Figure(
    inputs=("digits", "digits_metrics", "digits_pixels", "digits_references"),
    panels=("a.csv", "b.csv", "c.csv"),
    by_criterion=True,
    experiment="digits",
    target="s2",
    all_iterations=True,
    repeats="fig3",
    published=True,
    caption="**S2 Figure A.** Encoding error (A), remaining units (B) and disconnected pixels (C) as in Figure 3 B to "
    "D, with every criterion shown after all its iterations.",
)


def panels(inputs: Mapping[str, Sequence[Path]]) -> dict[str, pd.DataFrame]:
    """Tidy tables of panels A (encoding error), B (units, weights of each layer), C (pixels)."""
    tables = fig3.panels(inputs)
    return {name: tables[same] for name, same in (("a.csv", "b.csv"), ("b.csv", "c.csv"), ("c.csv", "d.csv"))}


def draw(panels: Mapping[str, pd.DataFrame], look: Look) -> Figure:
    """The figure, from the tables."""
    return fig3.draw(panels, look)
