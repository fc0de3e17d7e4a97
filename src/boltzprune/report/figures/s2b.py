"""S2 Figure B: Figure 4, all criteria after all iterations."""

from boltzprune.report import figures
from boltzprune.report.figures.fig4 import draw, panels

__all__ = ["FIGURE", "draw", "panels"]

FIGURE = figures.Figure(
    inputs=("digits", "digits_metrics", "digits_examples", "digits_references"),
    panels=("a.csv", "b.csv", "c.csv"),
    by_criterion=True,
    experiment="digits",
    target="s2",
    all_iterations=True,
    repeats="fig4",
    published=True,
    caption="**S2 Figure B.** Quality (A), diversity (B) and generated samples (C) as in Figure 4, with every "
    "criterion shown after all its iterations.",
)
