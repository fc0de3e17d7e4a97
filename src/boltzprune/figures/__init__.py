"""THE list of figures: rules, targets, report and configuration read it. A figure is one module and one line here.

The module has `panels(inputs)`, which computes a tidy DataFrame per panel, and `draw(panels, look)`, which makes the
figure from those tables and nothing else.
"""

from dataclasses import dataclass

FORMATS = ("pdf", "svg", "png")


@dataclass(frozen=True)
class Figure:
    """One row of the list.

    Attributes
    ----------
    module : str
    inputs : tuple of str
        What it reads: patterns, statistics (of the initial machines), metrics, pattern_probabilities.
    panels : tuple of str
        Names of the tables behind it, each a file {figure}_{panel}.csv (or .csv.gz where it ends so).
    by_criterion : bool
        Whether it shows criteria, and so depends on their colours and labels.
    experiment : str
    """

    module: str
    inputs: tuple
    panels: tuple
    by_criterion: bool
    experiment: str


FIGURES = {
    "fig1": Figure(
        "boltzprune.figures.fig1",
        ("patterns", "statistics"),
        ("a.csv", "b.csv.gz", "c.csv", "d.csv", "e.csv"),
        False,
        "patches",
    ),
    "fig2": Figure(
        "boltzprune.figures.fig2",
        ("metrics", "pattern_probabilities"),
        ("a.csv", "b.csv", "c.csv"),
        True,
        "patches",
    ),
}
"""Name -> figure."""
