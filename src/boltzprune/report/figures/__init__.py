"""THE list of figures: rules, targets, report and configuration read it. A figure is one module of this folder.

The module has `FIGURE`, which says what the figure is; `panels(inputs)`, which computes a tidy DataFrame per panel; and
`draw(panels, look)`, which makes the figure from those tables and nothing else. Modules without `FIGURE` help others.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boltzprune.errors import InputError

FORMATS = ("pdf", "svg", "png")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """What a figure is. Its name is that of its module.

    Attributes
    ----------
    inputs : tuple of str
        What it reads. Of the patches: patterns, statistics (of the initial machines), metrics, pattern_probabilities,
        survival, overlap, agreement; of the digits: digits (the data), digits_metrics, digits_pixels, digits_examples,
        digits_references, digits_survival, digits_overlap, digits_agreement.
    panels : tuple of str
        Names of the tables behind it, each a file {figure}_{panel}.csv (or .csv.gz where it ends so).
    by_criterion : bool
        Whether it shows criteria, and so depends on their colours and labels.
    experiment : str
    caption : str
        What a reader of the report has to know, in reStructuredText; a line about the study follows.
    target : str
        What a user asks for to get it; several figures can share one. Empty: the name of the figure.
    all_iterations : bool
        Whether it shows all iterations of every criterion, whatever the configuration says of the last one shown.
    published : bool
        Whether it shows numbers of `report.published` where the study has the paper's size.
    repeats : str
        The figure that shows the same where the configuration leaves out no iteration. A study then does without this
        one, unless its target is asked for.
    anew : bool
        Whether it shows controls that train architectures anew. A study without such controls does without it.
    machines : bool
        Whether what it reads is made of all machines. A study that is put together from the tables of others (see
        `study.parts`) has none, and does without it.
    """

    inputs: tuple[str, ...]
    panels: tuple[str, ...]
    by_criterion: bool
    experiment: str
    caption: str
    target: str = ""
    all_iterations: bool = False
    published: bool = False
    repeats: str = ""
    anew: bool = False
    machines: bool = False


def _declared(path: Path) -> Figure | None:
    """What a module declares as FIGURE; None if it does not.

    Every command of the package reads this list, and matplotlib takes longer to load than most of them run. So the
    module is not imported: this one statement of it is read, up to the bracket that closes it on a line of its own.
    """
    text = path.read_text(encoding="utf-8")
    if (found := re.search(r"^FIGURE\b", text, re.MULTILINE)) is None:
        return None
    statement, closed, _ = text[found.start() :].partition("\n)\n")
    try:
        call: Any = ast.parse(statement + closed).body[0]
        return Figure(**{one.arg: _literal(one) for one in call.value.keywords})
    except (AttributeError, SyntaxError, TypeError, ValueError) as error:
        line = text.count("\n", 0, found.start()) + 1
        raise InputError(
            f"{path}, line {line}: expected FIGURE = figures.Figure(...) with named values that are literals, without "
            f"variables, and its closing bracket on a line of its own ({error})"
        ) from error


def _literal(given: ast.keyword) -> Any:
    """The value that is given under a name; ValueError shows one that only running the module would tell."""
    try:
        return ast.literal_eval(given.value)
    except ValueError as error:
        raise ValueError(f"{ast.unparse(given)} is no literal") from error


FIGURES = {
    path.stem: figure for path in sorted(Path(__file__).parent.glob("*.py")) if (figure := _declared(path)) is not None
}
"""Name -> figure."""


def module_of(name: str) -> str:
    """Where a figure is made: the module's name, to be imported."""
    return f"{__name__}.{name}"


def targets() -> dict[str, list[str]]:
    """Target -> names of its figures."""
    found: dict[str, list[str]] = {}
    for name, row in FIGURES.items():
        found.setdefault(row.target or name, []).append(name)
    return found
