"""Figures of the digits as objects: letters, labels, legends and marks of each panel, and where it lies."""

import numpy as np
import pytest
from digit_figures import LAST, axes_titled, drawn, small_study, tables
from matplotlib.colors import to_hex
from patch_figures import legend_entries, letters

from boltzprune.report.figures.style import INK

ERROR, WEIGHTS = "Error of the classifier, test images", "remaining weights (pruning: ←)"
LETTERS = {
    "fig3": {
        "A": "One image of each class, 11 × 7 pixels",
        "B": ERROR,
        "C": "Units of h1",
        "D": "Variance FI\niteration 2",
    },
    "s2a": {"A": ERROR, "B": "Units of h1", "C": "Variance FI\niteration 3"},
    "fig4": {
        "A": "Winning probability, mean over samples (higher: better)",
        "B": "Entropy of the classes (higher: more even)",
        "C": "Initial machine, seed 0",
    },
    "s1": {
        "A": "Units of h1, free-running",
        "B": "Units of h2, free-running",
        "C": "Error of the classifier on h2, test images",
    },
}
LETTERS["s2b"] = LETTERS["fig4"]
CURVES = {
    "fig3": {
        ERROR: (WEIGHTS, "encoding error (%)"),
        "Units of h1": (WEIGHTS, "units"),
        "Units of h2": (WEIGHTS, "units"),
    },
    "fig4": {
        LETTERS["fig4"]["A"]: (WEIGHTS, "quality"),
        LETTERS["fig4"]["B"]: (WEIGHTS, "diversity (nats)"),
    },
    "s1": {
        LETTERS["s1"]["A"]: ("pruning iteration", "mean activity of h1"),
        LETTERS["s1"]["B"]: ("pruning iteration", "mean activity of h2"),
        LETTERS["s1"]["C"]: ("pruning iteration", "encoding error (%)"),
    },
}
CURVES |= {"s2a": CURVES["fig3"], "s2b": CURVES["fig4"]}
LEGENDS = {
    "fig3": ["raw pixels", "Unpruned, trained as long", "initial machine"],
    "fig4": ["test digits", "random patterns", "initial machine", "even over 3 classes", "after retraining"],
    "s1": ["raw pixels", "activity of h1 starts to rise", "activity of h2 starts to rise", "lowest error"],
}
LEGENDS["fig4"] += ["before retraining"]
LEGENDS |= {"s2a": LEGENDS["fig3"], "s2b": LEGENDS["fig4"]}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return small_study(tmp_path_factory.mktemp("digits"))


@pytest.fixture(scope="module")
def made(small):
    """Every figure, those with a last iteration shown with one."""
    return {name: drawn(small, name, last_iterations=LAST if name in ("fig3", "fig4") else {}) for name in LETTERS}


@pytest.mark.parametrize("name", LETTERS)
def test_each_letter_stands_at_its_panel(made, name):
    titles = {key: axes.get_title() + axes.get_title("left") for key, axes in letters(made[name]).items()}
    assert titles == LETTERS[name]


@pytest.mark.parametrize("name", CURVES)
def test_axes_say_what_they_are_of(made, name):
    for title, labels in CURVES[name].items():
        axes = axes_titled(made[name], title)
        assert (axes.get_xlabel(), axes.get_ylabel()) == labels
        assert axes.get_xscale() == ("log" if labels[0] == WEIGHTS else "linear")


@pytest.mark.parametrize("name", LEGENDS)
def test_the_legend_has_every_entry_once_and_says_what_the_bars_are(small, made, name):
    assert list(legend_entries(made[name])) == [*small.spec(name)["criteria"].values(), *LEGENDS[name]]
    titles = [one.get_title().get_text() for part in made[name].subfigs for one in part.legends]
    assert titles == ["mean ± SD, n = 5 seeds"]


@pytest.mark.parametrize("name", ["fig3", "s2a", "s1"])
def test_references_of_the_error_and_the_initial_machine(made, name):
    entries = legend_entries(made[name])
    raw = entries["raw pixels"]
    assert (raw.get_color(), raw.get_linestyle()) == (INK, ":")
    if name != "s1":
        assert to_hex(entries["initial machine"].get_color()[0]) == INK


@pytest.mark.parametrize("name", ["fig4", "s2b"])
def test_the_legend_tells_before_from_after_and_one_reference_from_another(made, name):
    entries = legend_entries(made[name])
    before, after = entries["before retraining"], entries["after retraining"]
    assert (before.get_linestyle(), before.get_markerfacecolor()) == ("--", "white")
    assert after.get_linestyle() == "-" and after.get_markerfacecolor() == after.get_color()
    for title in list(CURVES[name]):
        for container in axes_titled(made[name], title).containers:
            line, has_label = container[0], not container.get_label().startswith("_")
            marks = ("-", True) if has_label else ("--", False)
            if container.get_label() != "initial machine":
                assert (line.get_linestyle(), line.get_markerfacecolor() == line.get_color()) == marks
    styles = {label: (entries[label].get_color(), entries[label].get_linestyle()) for label in LEGENDS[name][:4:3]}
    assert styles == {"test digits": (INK, "--"), "even over 3 classes": ("#8a8a8a", ":")}
    assert (entries["random patterns"].get_color(), entries["random patterns"].get_linestyle()) == ("#8a8a8a", "--")


def test_marks_of_the_stop_signals_are_those_of_the_legend(small):
    frames = tables(small, "s1")
    frames["stop_signals.csv"]["iteration_of_rise"] = 2  # numbers drawn at random rise nowhere beyond their error
    made = drawn(small, "s1", frames)
    entries, places = legend_entries(made), letters(made)
    for letter, layer, marker in (("A", "h1", "o"), ("B", "h2", "s")):
        ring = entries[f"activity of {layer} starts to rise"]
        assert (ring.get_marker(), ring.get_markerfacecolor()) == (marker, "none")
        rings = [line for line in places[letter].lines if len(line.get_xdata()) == 1]
        assert rings and {line.get_marker() for line in rings} == {marker}
    assert entries["lowest error"].get_marker() == "*"


@pytest.mark.parametrize("name", ["fig3", "s2a"])
def test_maps_say_what_their_grey_means(made, name):
    maps = [axes for axes in made[name].axes if "\niteration" in axes.get_title()]
    [bar] = (axes for axes in made[name].axes if axes.get_ylabel().startswith("pixel disconnected"))
    assert bar.get_ylabel() == "pixel disconnected\n(fraction of 5 seeds)"
    assert len(maps) == 3 and np.diff([axes.get_position().x0 for axes in maps]).min() > 0


@pytest.mark.parametrize("name", ["s1", "fig4", "s2b"])
def test_panels_lie_from_left_to_right(made, name):
    places = {letter: axes.get_position() for letter, axes in letters(made[name]).items()}
    assert places["A"].x1 < places["B"].x0
    assert name != "s1" or places["A"].y0 > places["C"].y1
