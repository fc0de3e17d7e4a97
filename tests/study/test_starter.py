"""`boltzprune init` and `boltzprune check-criterion`: what a stranger begins with."""

import subprocess
import sys

import numpy as np
import pytest

from boltzprune.__main__ import main
from boltzprune.errors import InputError
from boltzprune.pruning import trial
from boltzprune.pruning.criteria import CRITERIA
from boltzprune.study import starter
from boltzprune.study.settings import study_of

RULES = """
import numpy as np
from scipy.special import expit

def used(evidence):
    return np.abs(evidence.weights) * evidence.pair_mean

def relative(evidence):
    with np.errstate(all="ignore"):
        return evidence.pair_mean / (evidence.lower_rate[:, None] * evidence.upper_rate)

def flat(evidence):
    return evidence.weights[0]

def _private(evidence):
    return evidence.weights

def helper(one, other):
    return one

RATE = 3
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.py").write_text(RULES)
    return tmp_path


def test_the_file_is_good_as_it_is_and_is_written_once(here, capsys):
    assert main(["init"]) == 0
    assert capsys.readouterr().out.startswith("Written: my.yaml. Change it, then:\n  boltzprune check my.yaml\n")
    study = study_of(["my.yaml"])
    assert (study.study, study.experiments, study.seeds) == ("my", ["patches", "digits"], 5)
    before = (here / "my.yaml").read_text()
    assert main(["init"]) == 2 and (here / "my.yaml").read_text() == before


@pytest.mark.parametrize(
    ("arrays", "experiment", "n"),
    [
        ({"patterns": np.eye(29)[:, :7]}, "patches", 29),
        ({"images": np.random.default_rng(3).random((11, 23, 29))}, "patches", 220),
        ({"images": np.random.default_rng(3).random((53, 11, 13)), "labels": np.arange(53) % 5}, "digits", None),
    ],
)
def test_own_data_choose_the_experiment(here, arrays, experiment, n):
    np.savez("mine.npz", **arrays)
    starter.write("own.yaml", "mine.npz")
    study = study_of(["own.yaml"])
    assert (study.study, study.experiments) == ("own", [experiment])
    data = getattr(study, experiment).data
    assert (data.source, data.file) == ("npz", "mine.npz") and (n is None or data.n_patterns == n)


def test_what_cannot_be_begun_with_leaves_no_file(here):
    np.savez("other.npz", spikes=np.zeros((3, 5)))
    for name, data, message in (
        ("own.yaml", "other.npz", r"other.npz: has spikes; expected patterns, images, or images and labels"),
        ("own.yaml", "none.npz", r"none.npz: not a readable .npz file"),
        ("own.txt", None, r"own.txt; expected a name that ends in .yaml"),
        ("my study.yaml", None, r"study = 'my study'"),
    ):
        with pytest.raises(InputError, match=message):
            starter.write(name, data)
    assert not list(here.glob("*.yaml"))


@pytest.mark.parametrize("name", CRITERIA)
def test_criteria_of_the_list_pass(name):
    found = trial.trial(name)
    assert found.problems == () and found.seconds > 0 and name not in found.correlations


def test_what_is_shown_is_what_studies_show():
    for _, evidence in trial.cases():
        shape = evidence.weights.shape
        assert (
            evidence.mask.any() and evidence.weights.dtype == np.float32 and not evidence.weights[~evidence.mask].any()
        )
        assert ((evidence.pair_mean >= 0) & (evidence.pair_mean <= 1)).all() and evidence.pair_mean.shape == shape
        assert (evidence.pair_mean <= np.minimum.outer(evidence.lower_rate, evidence.upper_rate) + 1e-3).all()
        for value in (evidence.weights, evidence.pair_mean, evidence.lower_rate):
            with pytest.raises(ValueError, match="read-only"):
                value[0] = 0
    silent = trial.cases()[1].evidence
    assert (silent.upper_rate == 0).sum() == 2 and (silent.lower_rate == 1).sum() == 1


def test_each_function_of_a_file_is_tried(here, capsys):
    assert main(["check-criterion", "rules.py"]) == 2
    text = capsys.readouterr().out
    assert "rules.py:used: good (weights go; label 'used', colour #" in text
    assert "criteria: [variance_fi, heuristic_fi, weight_magnitude, rules.py:used]" in text
    assert (
        "rules.py:relative: cannot be used\n  units that are never active, and one that always is: criterion "
        "'rules.py:relative' returned NaN or infinity for 17 existing weights"
    ) in text
    assert "rules.py:flat: cannot be used\n  always: criterion 'rules.py:flat' returned shape (11,)" in text
    assert not any(name in text for name in ("expit", "_private", "helper", "RATE"))
    assert main(["check-criterion", "rules.py:used"]) == 0
    assert "rank correlation with variance_fi 0." in capsys.readouterr().out


def test_a_file_without_a_criterion_is_told(here):
    (here / "empty.py").write_text("RATE = 3\n")
    done = subprocess.run(
        [sys.executable, "-m", "boltzprune", "check-criterion", "empty.py"], capture_output=True, text=True
    )
    assert done.returncode == 2 and "empty.py: has no function of one argument, the evidence" in done.stderr
    assert main(["check-criterion", "none.py"]) == 2
