"""Figures of the digits: nothing overlaps, equal tables give equal bytes, the stage writes what the row says."""

import importlib
import warnings

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from digit_figures import CRITERIA, LAST, assert_laid_out, drawn, small_study, tables
from digit_tables import Digits

from boltzprune.errors import InputError
from boltzprune.report.figures import FIGURES, curves, module_of, targets
from boltzprune.report.figures.style import save
from boltzprune.study.stages import Job
from boltzprune.study.stages import figure as stage

NAMES = [name for name, row in FIGURES.items() if row.experiment == "digits"]


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return small_study(tmp_path_factory.mktemp("digits"))


def test_targets():
    expected = {name: [name] for name in ("fig1", "fig2", "fig3", "fig4", "s1")} | {"s2": ["s2a", "s2b"]}
    assert {name: names for name, names in targets().items() if name in expected} == expected


@pytest.mark.parametrize(("low", "high"), [(4.1, 4.9), (3, 30), (0.1, 99), (5e3, 3e5), (7.1, 13), (1e-4, 1e4)])
def test_a_logarithmic_axis_has_three_to_nine_ticks(low, high):
    ticks = curves.log_ticks(low, high)
    assert 3 <= len(ticks) <= 9
    assert (low <= ticks).all() and (ticks <= high).all()


def crowd(folder, variant):
    """Studies that strain the layout."""
    if variant == "paper":
        return Digits(folder)
    if variant == "least":
        return Digits(folder, ["anti_fi"], iterations=1, seeds=1, shape=(8, 8), n_classes=2)
    if variant == "many classes":
        return Digits(folder, CRITERIA, iterations=2, seeds=2, shape=(5, 13), n_classes=26)
    return Digits(folder, [f"my_rules.py:criterion_{i}" for i in range(12)], iterations=2, seeds=3, shape=(13, 5))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("variant", ["paper", "least", "many classes", "twelve"])
def test_nothing_overlaps_and_nothing_is_cut(variant, name, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = drawn(crowd(tmp_path, variant), name)
    assert_laid_out(made)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_equal_tables_give_equal_bytes(small, name, tmp_path):
    module, seen = importlib.import_module(module_of(name)), {}
    for turn, formats in enumerate((["pdf", "svg", "png"], ["svg", "png"], ["pdf"])):
        save(module, tables(small, name), small.spec(name, formats=formats, quality="mean"), tmp_path / str(turn))
        for path in sorted((tmp_path / str(turn)).iterdir()):
            seen.setdefault(path.name, set()).add(path.read_bytes())
    assert {key: len(contents) for key, contents in seen.items()} == dict.fromkeys(seen, 1)
    assert set(seen) == {f"{name}_{panel}" for panel in FIGURES[name].panels} | {
        f"{name}.{e}" for e in ("pdf", "svg", "png")
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_figure_is_drawn_from_the_written_tables_alone(small, name, tmp_path):
    module = importlib.import_module(module_of(name))
    save(module, tables(small, name), small.spec(name), tmp_path / "one")
    read = {
        panel: pd.read_csv(tmp_path / "one" / f"{name}_{panel}", dtype={"pattern": str})
        for panel in FIGURES[name].panels
    }
    save(module, read, small.spec(name), tmp_path / "other")
    one, other = (matplotlib.image.imread(tmp_path / folder / f"{name}.png") for folder in ("one", "other"))
    assert one.shape == other.shape
    assert np.abs(one - other).max() < 0.02


@pytest.mark.parametrize("name", NAMES)
def test_the_stage_writes_the_panels_of_the_row(small, name, tmp_path):
    spec = small.spec(
        name,
        formats=["svg"],
        last_iterations=LAST,
        quality="class_mean",
        colours={**small.spec(name)["colours"], "anti_fi": "#12ab34"},
    )
    job = Job("figure", small.inputs(name), {"folder": tmp_path}, spec, (0,))
    stage.run(job)
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.svg"} | {f"{name}_{p}" for p in FIGURES[name].panels}
    text = (tmp_path / f"{name}.svg").read_text()
    assert "#12ab34" in text
    assert "Study made up" in text
    assert ("mean of the class means" in text) == ("examples" in str(FIGURES[name].inputs))
    if name != "s1":
        assert ("iteration 1" in text) == (name in ("fig3", "fig4"))  # where the last one shown is configured
    assert FIGURES[name].all_iterations == (name not in ("fig3", "fig4"))


def test_a_missing_input_is_named(small, tmp_path):
    inputs = {key: paths for key, paths in small.inputs("fig4").items() if key != "digits_examples"}
    with pytest.raises(InputError, match="fig4: --in digits_examples is missing"):
        stage.run(Job("figure", inputs, {"folder": tmp_path}, small.spec("fig4"), (0,)))


@pytest.mark.parametrize("name", NAMES)
def test_a_criterion_without_results_is_left_out(small, name):
    frames = {
        panel: frame[frame["criterion"] != "anti_fi"] if "criterion" in frame else frame
        for panel, frame in tables(small, name).items()
    }
    made = drawn(small, name, frames)
    words = [text for axes in made.axes for text in (axes.get_title(), axes.get_title("left"))]
    words += [text.get_text() for part in (made, *made.subfigs) for one in part.legends for text in one.get_texts()]
    assert any("Variance FI" in word for word in words)
    assert not any("Anti-FI" in word for word in words)
