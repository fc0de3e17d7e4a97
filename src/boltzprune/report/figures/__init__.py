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
        What it reads. Of the patches: patterns, statistics (of the initial machines), metrics, pattern_probabilities;
        of the digits: digits (the data), digits_metrics, digits_pixels, digits_examples, digits_references.
    panels : tuple of str
        Names of the tables behind it, each a file {figure}_{panel}.csv (or .csv.gz where it ends so).
    by_criterion : bool
        Whether it shows criteria, and so depends on their colours and labels.
    experiment : str
    target : str
        What a user asks for to get it; several figures can share one. Empty: the name of the figure.
    all_iterations : bool
        Whether it shows all iterations of every criterion, whatever the configuration says of the last one shown.
    """

    module: str
    inputs: tuple[str, ...]
    panels: tuple[str, ...]
    by_criterion: bool
    experiment: str
    target: str = ""
    all_iterations: bool = False


_DIGITS_3 = ("digits", "digits_metrics", "digits_pixels", "digits_references")
_DIGITS_4 = ("digits", "digits_metrics", "digits_examples", "digits_references")

FIGURES = {
    "fig1": Figure(
        "boltzprune.report.figures.fig1",
        ("patterns", "statistics"),
        ("a.csv", "b.csv.gz", "c.csv", "d.csv", "e.csv"),
        False,
        "patches",
    ),
    "fig2": Figure(
        "boltzprune.report.figures.fig2",
        ("metrics", "pattern_probabilities"),
        ("a.csv", "b.csv", "c.csv"),
        True,
        "patches",
    ),
    "fig3": Figure("boltzprune.report.figures.fig3", _DIGITS_3, ("a.csv", "b.csv", "c.csv", "d.csv"), True, "digits"),
    "fig4": Figure("boltzprune.report.figures.fig4", _DIGITS_4, ("a.csv", "b.csv", "c.csv"), True, "digits"),
    "s1": Figure(
        "boltzprune.report.figures.s1",
        ("digits_metrics", "digits_references"),
        ("a.csv", "b.csv", "c.csv", "stop_signals.csv"),
        True,
        "digits",
        all_iterations=True,
    ),
    "s2a": Figure("boltzprune.report.figures.s2a", _DIGITS_3, ("a.csv", "b.csv", "c.csv"), True, "digits", "s2", True),
    "s2b": Figure("boltzprune.report.figures.fig4", _DIGITS_4, ("a.csv", "b.csv", "c.csv"), True, "digits", "s2", True),
}
"""Name -> figure."""


def targets() -> dict[str, list[str]]:
    """Target -> names of its figures."""
    found: dict[str, list[str]] = {}
    for name, row in FIGURES.items():
        found.setdefault(row.target or name, []).append(name)
    return found
