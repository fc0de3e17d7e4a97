"""The workflow itself: one tiny study for real, on the default device, and what a user meets when something fails."""

import re

import pandas as pd
import pytest
import yaml
from workflow_copy import TINY, Copy

from boltzprune import exact
from boltzprune.evaluation.patterns import count_patterns, divergence, exact_log_model
from boltzprune.figures import FIGURES
from boltzprune.patterns import read_states
from boltzprune.settings import merged, study_from
from boltzprune.store import Arrays, read_machine

OWN = """
import numpy as np

def closest(evidence):
    return -np.abs(evidence.pair_mean - 0.25)

closest.label = "Closest & 100 %"
"""
VALUES = merged(TINY, {"seeds": 2, "seeds_per_job": 2, "patches": {"criteria": ["eigenvector", "rules.py:closest"]}})


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study with a criterion of one's own, computed through the Snakefile of the catalogue."""
    workflow = Copy(tmp_path_factory.mktemp("small"), VALUES)
    (workflow.folder / "rules.py").write_text(OWN)
    done = workflow.snakemake("--cores", "2", "--snakefile", "workflow/Snakefile")
    assert done.returncode == 0, done.stdout
    return workflow


@pytest.fixture
def study(finished):
    """The finished study, its configuration as it was."""
    yield finished
    finished.write(VALUES)


@pytest.mark.slow
def test_every_result_is_there(study):
    results = study.folder / "results" / "tiny"
    figures = {f"{name}.png" for name in FIGURES}
    figures |= {f"{name}_{panel}" for name, row in FIGURES.items() for panel in row.panels}
    assert {path.name for path in (results / "figures").iterdir()} == figures
    tables = {"metrics.csv", "pattern_probabilities.csv", "table1.csv", "table1.md", "table1.tex"}
    assert {path.name for path in (results / "tables").iterdir()} == tables
    assert not list(results.rglob("*.partial*"))
    table = pd.read_csv(results / "tables" / "table1.csv")
    assert table["criterion"].tolist() == ["eigenvector", "rules.py:closest"]
    assert table["label"].tolist() == ["FIM eigenvector", "Closest & 100 %"]
    assert r"Closest \& 100 \% &" in (results / "tables" / "table1.tex").read_text()
    machines = Arrays(results / "patches" / "seeds0-1" / "rules.closest" / "iteration1" / "retrained.npz")
    assert [read_machine(machines, seed).n_weights for seed in (0, 1)] == [(45,), (45,)]  # of 13 x 7


@pytest.mark.slow
def test_metrics_are_those_of_the_machines(study):
    results = study.folder / "results" / "tiny"
    metrics = pd.read_csv(results / "tables" / "metrics.csv")
    assert len(metrics) == 2 * (1 + 2 * 2)
    patterns, counts = count_patterns(read_states(Arrays(results / "patches" / "patterns.npz")))
    folders = {
        "none": "initial",
        "eigenvector": "eigenvector/iteration1",
        "rules.py:closest": "rules.closest/iteration1",
    }
    for row in metrics.to_dict("records"):
        path = results / "patches" / "seeds0-1" / folders[row["criterion"]] / f"{row['phase']}.npz"
        log_p = exact.log_probabilities(read_machine(Arrays(path), row["seed"]))
        assert row["kl_exact"] == pytest.approx(divergence(counts, exact_log_model(patterns, 13, log_p)), rel=1e-9)
    assert metrics["kl_exact"].nunique() == len(metrics)


@pytest.mark.slow
def test_every_job_has_a_log_and_a_benchmark(study):
    results = study.folder / "results" / "tiny"
    logs = {path.relative_to(results / "logs").with_suffix("") for path in (results / "logs").rglob("*.log")}
    times = {path.relative_to(results / "benchmarks").with_suffix("") for path in results.rglob("*.tsv")}
    assert {path for path in logs if path.name != "study"} == times
    assert not any("Traceback" in path.read_text() for path in (results / "logs").rglob("*.log"))
    assert "updates in" in (results / "logs" / "seeds0-1" / "train.log").read_text()


@pytest.mark.slow
def test_the_file_beside_the_results_repeats_the_study(study, monkeypatch):
    monkeypatch.chdir(study.folder)  # where rules.py lies
    kept = study.folder / "results" / "tiny" / "study.yaml"
    values = yaml.safe_load(kept.read_text())
    assert study_from(merged(values, {"figures": VALUES["figures"]})) == study_from(VALUES)
    study.write(merged(values, {"figures": VALUES["figures"]}))
    assert study.planned() == {}


@pytest.mark.slow
def test_either_snakefile_finds_nothing_to_do(study):
    assert study.planned() == {}
    assert study.planned("--snakefile", "workflow/Snakefile") == {}


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The workflow without results."""
    return Copy(tmp_path_factory.mktemp("bare"), TINY)


def test_the_shipped_configuration_builds_the_whole_graph(bare):
    done = bare.snakemake("--dry-run", configfile=None)
    assert done.returncode == 0, done.stdout
    counts = dict(line.split() for line in done.stdout.splitlines() if line.startswith(("prune ", "train ", "sample ")))
    assert counts == {"prune": "21", "train": "1", "sample": "42"}  # 7 criteria, 3 iterations, 1 block


def test_an_iteration_starts_from_the_retrained_machines_of_the_one_before(bare):
    done = bare.snakemake("--dry-run", configfile=None)
    jobs = re.findall(r"^rule prune:\n    input: (.*)\n    output: (\S+),", done.stdout, flags=re.MULTILINE)
    inputs = {output: set(text.split(", ")) for text, output in jobs}
    block = "results/demo/patches/seeds0-9"
    for iteration in (2, 3):
        folder, before = (f"{block}/anti_fi/iteration{k}" for k in (iteration, iteration - 1))
        expected = {f"{before}/retrained.npz", f"{before}/retrained_statistics.npz"}
        assert inputs[f"{folder}/pruned.npz"] == expected
    expected = {f"{block}/initial/initial.npz", f"{block}/initial/initial_statistics.npz"}
    assert inputs[f"{block}/anti_fi/iteration1/pruned.npz"] == expected


def test_lint(bare):
    done = bare.snakemake("--lint")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"sedes": 3, "patches": {"pruning": {"fraction": 2}}},
            ["sedes = 3: unknown key, did you mean seeds?", "fraction = 2:"],
        ),
        ({"patches": {"criteria": ["rules.py:mine"]}}, ["there is no file rules.py"]),
    ],
)
def test_a_wrong_configuration_ends_with_its_problems(bare, values, expected):
    bare.write(merged(TINY, values))
    done = bare.snakemake("--dry-run")
    bare.write(TINY)
    assert done.returncode == 1
    assert all(text in done.stdout for text in expected)
    assert "study.yaml: " in done.stdout
    assert "Traceback" not in done.stdout


def test_a_job_that_fails_says_why_and_leaves_no_output(bare):
    bare.write(merged(TINY, {"study": "failing", "patches": {"data": {"source": "npz", "file": "none.npz"}}}))
    done = bare.snakemake("--cores", "1")
    bare.write(TINY)
    assert done.returncode == 1
    log = bare.folder / "results" / "failing" / "logs" / "fetch.log"
    assert "ERROR patches.data.file is 'none.npz', which is not there" in log.read_text()
    assert "ERROR patches.data.file is 'none.npz', which is not there" in done.stdout
    assert "Traceback" not in done.stdout + log.read_text()
    assert not (bare.folder / "results" / "failing" / "patches").exists() or not list(
        (bare.folder / "results" / "failing" / "patches").iterdir()
    )
