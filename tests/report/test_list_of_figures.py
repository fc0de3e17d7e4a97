"""The list of figures: what modules declare is read as Python would, and what cannot be read is told."""

import importlib

import pytest

from boltzprune.errors import InputError
from boltzprune.report import figures

LINES = """
    inputs=("metrics", "statistics"),
    panels=("a.csv",),
    by_criterion=True,
    experiment="patches",
    caption="one "
    "two",
"""
DECLARED = figures.Figure(
    inputs=("metrics", "statistics"), panels=("a.csv",), by_criterion=True, experiment="patches", caption="one two"
)


@pytest.fixture
def declared(tmp_path):
    def through_file(text):
        path = tmp_path / "mine.py"
        path.write_text(text)
        return figures._declared(path)

    return through_file


def test_the_list_has_what_the_modules_have():
    for name, row in figures.FIGURES.items():
        assert importlib.import_module(figures.module_of(name)).FIGURE == row
    assert not {"curves", "digits", "style", "tiles"} & set(figures.FIGURES)


@pytest.mark.parametrize(
    "text",
    [
        f"import x\n\nFIGURE = figures.Figure({LINES})\n\nOTHER = {{\n    1: (\n2,\n)\n}}\n",
        f"FIGURE: figures.Figure = figures.Figure({LINES})",
        f"FIGURE = figures.Figure({' '.join(LINES.split())})\nOTHER = f(\n    1,\n)\n",
    ],
    ids=["as here", "annotated, at the end", "in one line"],
)
def test_a_declaration_is_read_as_it_stands(declared, text):
    assert declared(text) == DECLARED


def test_a_module_without_a_declaration_is_no_figure(declared):
    assert declared("FIGURES = 3\nprint(FIGURE)\n") is None


@pytest.mark.parametrize(
    "text",
    [
        f"FIGURE = figures.Figure({LINES})".replace('"patches"', "EXPERIMENT"),
        f"FIGURE = figures.Figure({LINES})".replace("by_criterion", "by_criteria"),
        f"FIGURE = figures.Figure({LINES}".rstrip(),
        "FIGURE = 3",
        "FIGURE",
        "FIGURE = figures.Figure(*those)",
    ],
    ids=["variable", "unknown name", "not closed", "number", "nothing", "no names"],
)
def test_what_cannot_be_read_is_told_with_its_line(declared, text):
    with pytest.raises(InputError, match=r"mine\.py, line 3: expected FIGURE = figures\.Figure\("):
        declared(f"import x\n\n{text}\n")


def test_a_value_that_is_no_literal_is_shown(declared):
    with pytest.raises(InputError, match=r"without variables, .* \(experiment=EXPERIMENT is no literal\)"):
        declared(f"FIGURE = figures.Figure({LINES})".replace('"patches"', "EXPERIMENT"))
