"""One colour per criterion everywhere: lines, bars, titles and legends of every figure have the one that jobs says."""

import json

import numpy as np
import pytest
from digit_figures import CRITERIA as DIGIT_CRITERIA
from digit_figures import drawn, small_study
from matplotlib.colors import to_hex, to_rgb
from matplotlib.text import Text
from patch_figures import CRITERIA, PatchStudy, legend_entries

from boltzprune.pruning.criteria import CRITERIA as LIST
from boltzprune.report.figures import FIGURES
from boltzprune.report.figures.style import DATA_COLOUR, INK
from boltzprune.study import jobs
from boltzprune.study.settings import study_from

NAMES = [name for name, row in FIGURES.items() if row.by_criterion]
STUDY = study_from(
    {
        "patches": {"criteria": CRITERIA},
        "digits": {"criteria": DIGIT_CRITERIA},
        "figures": {"colours": {"anti_fi": "#3D1F07"}, "last_iterations": {}},
    }
)
NOBODYS = {INK.upper(), "#999999", "#FFFFFF"}
"""Colours of what belongs to no criterion."""


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """Every figure that shows criteria, drawn as its job says: name -> figure, labels, colours."""
    studies = {
        "patches": PatchStudy(tmp_path_factory.mktemp("patches")),
        "digits": small_study(tmp_path_factory.mktemp("digits")),
    }
    found = {}
    for name in NAMES:
        spec = json.loads(jobs.figure_job(STUDY, name)["spec"])
        found[name] = drawn(studies[FIGURES[name].experiment], name, spec=spec), spec["criteria"], spec["colours"]
    return found


def hexadecimal(colours):
    """Colours of an artist, one or several, as "#RRGGBB"; none for what is not drawn."""
    if isinstance(colours, str):
        return {to_hex(colours).upper()} - ({"#000000"} if colours == "none" else set())
    return {to_hex(colour).upper() for colour in np.atleast_2d(colours)}


def of_line(line):
    """Colours of a line and its marks, but for white ones."""
    return (
        hexadecimal(line.get_color())
        | hexadecimal(line.get_markeredgecolor())
        | (hexadecimal(line.get_markerfacecolor()) - {"#FFFFFF"})
    )


def of_bars(container):
    """Colours of a line, its marks and its bars."""
    line, caps, bars = container
    return set().union(of_line(line), *map(of_line, caps), *(hexadecimal(one.get_color()) for one in bars))


def labelled(made):
    """Everything with a label or a title, as text on one line, and its colours."""
    for axes in made.axes:
        line = axes.spines["top"]
        for title in (axes.title, axes._left_title):
            if title.get_text() and line.get_visible() and line.get_linewidth() > 2:  # the line below it
                yield title.get_text(), hexadecimal([line.get_edgecolor()])
        for container in axes.containers:
            yield container.get_label(), of_bars(container)
        for line in axes.lines:
            yield line.get_label(), of_line(line)
    for label, handle in legend_entries(made).items():
        yield label, hexadecimal(handle.get_color())


def drawn_as(made, label):
    """Colours of everything that says it is of a criterion."""
    return [colours for text, colours in labelled(made) if " ".join(text.split()).startswith(label)]


@pytest.mark.parametrize("name", NAMES)
def test_everything_of_a_criterion_has_its_colour(figures, name):
    made, labels, colours = figures[name]
    for criterion, label in labels.items():
        found = drawn_as(made, label)
        assert len(found) >= 3, label
        assert found == [{colours[criterion].upper()}] * len(found), label
    assert set(legend_entries(made)) >= set(labels.values())


def contrast(colour):
    """Of a colour with white, from 1 to 21  (WCAG 2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    return 1.05 / (np.dot(linear, [0.2126, 0.7152, 0.0722]) + 0.05)


@pytest.mark.parametrize("name", NAMES)
def test_text_can_be_read_whatever_the_colour_of_its_criterion(figures, name):
    assert contrast("#767676") == pytest.approx(4.54, abs=0.01)
    made, _, _ = figures[name]
    texts = [text for text in made.findobj(Text) if text.get_text().strip() and text.get_visible()]
    assert len(texts) > 20 and min(contrast(text.get_color()) for text in texts) > 4.5


@pytest.mark.parametrize("name", NAMES)
def test_nothing_else_has_a_colour_of_a_criterion(figures, name):
    made, labels, colours = figures[name]
    used = {colour.upper() for colour in colours.values()}
    for text, found in labelled(made):
        one_line = " ".join(text.split())
        if not one_line.startswith((*labels.values(), "_")):  # what begins with _ has no label
            assert not found & used, text


def test_the_colours_are_those_of_the_list_and_of_the_configuration(figures):
    expected = {name: LIST[name].colour for name in (*CRITERIA, *DIGIT_CRITERIA)} | {"anti_fi": "#3D1F07"}
    for name in NAMES:
        _, labels, colours = figures[name]
        experiment = FIGURES[name].experiment
        assert colours == jobs.colours(STUDY, experiment) == {c: expected[c] for c in labels}
        assert labels == {c: LIST[c].label for c in getattr(STUDY, experiment).criteria}


def test_nobody_has_the_colour_of_a_control_or_of_the_ink():
    assert not {row.colour.upper() for row in LIST.values()} & NOBODYS
    assert DATA_COLOUR == LIST["variance_fi"].colour  # the data, in panels that show no criterion
