"""A study of one experiment has no job, claim or page of the other."""

import re

import numpy as np
import pandas as pd
import pytest
import yaml
from workflow_copy import TINY, Copy

from boltzprune.__main__ import main
from boltzprune.errors import InputError
from boltzprune.study import jobs
from boltzprune.study.settings import merged, study_from

SHARED = {"all", "claims", "study"}
DIGITS = {"fetch_digits", "prepare_digits", "reference", "pretrain", "train_jointly", "collect_digits", "per_digit"}


def rules(workflow, *words):
    """Rules of a dry run."""
    done = workflow.snakemake("--dry-run", *words)
    assert done.returncode == 0, done.stdout
    return set(re.findall(r"^(?:local)?rule (\w+):$", done.stdout, re.MULTILINE))


@pytest.mark.slow
def test_each_experiment_alone(tmp_path):
    found = {}
    for names in (["patches"], ["digits"], ["patches", "digits"]):
        workflow = Copy(tmp_path, merged(TINY, {"experiments": names}))
        found[len(names), names[0]] = rules(workflow)
    patches, digits, both = found.values()
    assert patches & digits == SHARED
    assert patches | digits == both
    assert DIGITS <= digits
    assert "claims" in rules(Copy(tmp_path, merged(TINY, {"experiments": ["digits"]})), "claims")


def test_a_target_of_the_other_experiment_is_refused_by_name(tmp_path):
    for name, target in (("digits", "fig2"), ("patches", "per_digit")):
        other = "patches" if name == "digits" else "digits"
        done = Copy(tmp_path, merged(TINY, {"experiments": [name]})).snakemake("--dry-run", target)
        assert done.returncode == 1
        assert f"this needs experiment {other}, and `experiments` of study tiny is ['{name}']" in done.stdout


@pytest.mark.slow
def test_own_patterns_end_to_end_without_digits(tmp_path):
    """Who brings a recording gets machines, tables and claims of it, and nothing of handwritten digits."""
    patterns = np.random.default_rng(3).random((199, 5)) < 0.3
    np.savez(tmp_path / "recording.npz", patterns=patterns)
    patches = {"data": {"source": "npz", "file": "recording.npz", "n_patterns": 199}, "criteria": ["variance_fi"]}
    workflow = Copy(tmp_path, merged(TINY, {"experiments": ["patches"], "device": "reference", "patches": patches}))
    done = workflow.snakemake("--cores", "2")
    assert done.returncode == 0, done.stdout
    results = tmp_path / "results" / "tiny"
    assert not [path for path in results.rglob("*") if "digit" in path.name]
    claims = pd.read_csv(results / "tables" / "claims.csv")
    assert set(claims["experiment"]) == {"patches"}
    assert "digits" not in (results / "tables" / "claims.md").read_text()
    study = yaml.safe_load((results / "study.yaml").read_text())
    assert "digits" not in study
    assert study_from(study).patches.data.file == "recording.npz"


def test_keys_of_an_experiment_that_is_left_out_change_no_job():
    base = {"experiments": ["patches"]}
    one, other = (study_from(merged(base, {"digits": {"iterations": n, "machine": {"weight_sd": n}}})) for n in (2, 7))
    assert jobs.study_job(one) == jobs.study_job(other)
    assert jobs.claims_job(one) == jobs.claims_job(other)
    assert study_from(merged(base, {"digits": {"data": {"source": "npz"}}}))  # whose file nobody will read
    with pytest.raises(InputError, match=r"digits.data.file = None"):
        study_from({"digits": {"data": {"source": "npz"}}})


def test_what_a_study_will_do_is_said_of_its_experiments_only():
    one, both = (study_from({"seeds": 7} | values) for values in ({"experiments": ["digits"]}, {}))
    assert len(jobs.prospect(both)) == 2
    assert jobs.prospect(one) == jobs.prospect(both)[1:]
    assert "7 trained machines, 6 criteria, 3 iterations: 126 prunings" in jobs.prospect(one)[0]


def test_claims_of_nothing(capsys, tmp_path):
    rest = [f"--out=published={tmp_path}/b.csv", '--spec={"criteria": {}, "study": "x"}']
    assert main(["claims", f"--out=csv={tmp_path}/a.csv", f"--out=markdown={tmp_path}/a.md", *rest]) == 2
    assert "claims: no --in is given; expected some of metrics" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "problem"), [([], "at least 1 item"), (["patches"] * 2, "listed twice"), (["a"], "'p")]
)
def test_experiments_that_are_none(value, problem):
    with pytest.raises(InputError, match=f"experiments.*{problem}"):
        study_from({"experiments": value})
