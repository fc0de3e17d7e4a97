"""A figure and a data source are a file each: added to a copy of the project, the workflow has them."""

import matplotlib.image
import pandas as pd
import pytest
from additions import FIGURE, FIGURE_FILE, SOURCE, SOURCE_FILE

from boltzprune.results.prepared import read_states
from boltzprune.results.store import Arrays
from boltzprune.study.settings import merged

pytestmark = pytest.mark.slow


@pytest.fixture
def added(finished, tmp_path):
    """The finished study in a checkout that has both files more."""
    made = finished.beside(tmp_path)
    (made.folder / FIGURE_FILE).write_text(FIGURE)
    (made.folder / SOURCE_FILE).write_text(SOURCE)
    return made


def test_a_figure_is_drawn_by_its_name_and_nothing_else_runs(added):
    assert added.planned() == {"draw_mine": 1}
    done = added.snakemake("mine", "--cores", "1")
    assert done.returncode == 0, done.stdout
    folder = added.folder / "results" / "tiny" / "figures"
    assert matplotlib.image.imread(folder / "mine.png").shape == (150, 200, 4)
    table = pd.read_csv(folder / "mine_a.csv")
    assert list(table) == ["criterion", "iteration", "n_weights"] and "unpruned" in set(table["criterion"])
    assert added.planned() == {}
    report = added.snakemake("mine", "--report", "report.html")
    assert report.returncode == 0, report.stdout
    assert "Mean number of weights over seeds." in (added.folder / "report.html").read_text()


def test_a_data_source_is_known_by_its_name(added):
    added.write(merged(added.values, {"patches": {"data": {"source": "stripes", "n_patterns": 11}}}))
    plan = added.boltzprune("plan", "study.yaml")
    assert plan.returncode == 0, plan.stderr
    done = added.snakemake("results/tiny/patches/patterns.npz", "--cores", "1")
    assert done.returncode == 0, done.stdout
    states = read_states(Arrays(added.folder / "results" / "tiny" / "patches" / "patterns.npz"))
    assert sorted(states.sum(axis=1)) == [1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 7]


def test_a_source_that_is_there_already_and_a_figure_with_variables_are_refused(added):
    (added.folder / SOURCE_FILE).write_text(SOURCE.replace('"stripes"', '"cifar10"', 1))
    refused = added.boltzprune("check", "study.yaml")
    assert refused.returncode == 2 and "stripes: SOURCE has name 'cifar10'" in refused.stderr
    (added.folder / SOURCE_FILE).unlink()
    (added.folder / FIGURE_FILE).write_text(FIGURE.replace('("metrics",)', "INPUTS"))
    refused = added.boltzprune("check", "study.yaml")
    assert refused.returncode == 2 and "mine.py, line 7: expected FIGURE = figures.Figure(...)" in refused.stderr
