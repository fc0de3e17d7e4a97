"""Situations from public reports about what users call: own criteria, the Python API, CuPy, what `check` finds."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from claims_tables import CLAIMS_FILES
from small_machines import random_evidence
from tiny_study import Runner, tiny_values

from boltzprune.__main__ import main
from boltzprune.backend import explained
from boltzprune.core.machine import BoltzmannMachine
from boltzprune.errors import InputError
from boltzprune.evaluation.patterns import MAX_MISSING_SHARE, count_patterns, counts_of, missing_share
from boltzprune.pruning.criteria import resolve, saliency_of
from boltzprune.sampling import exact
from boltzprune.study import jobs
from boltzprune.study.settings import study_from
from boltzprune.study.stages import Job, run


def test_an_own_criterion_that_imports_a_module_beside_it(tmp_path):
    """snakemake/snakemake#1063, #2914: the same answer wherever the command is started."""
    rules = tmp_path / "rules"
    rules.mkdir()
    (rules / "with_helper.py").write_text("from helper_rules import base\ndef rule(e): return base(e.weights)\n")
    (rules / "helper_rules.py").write_text("import numpy as np\ndef base(w): return np.abs(w)\n")
    text = "study: crit\nseeds: 1\npatches: {criteria: ['../rules/with_helper.py:rule']}\n"
    for folder in ("one", "rules"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "c.yaml").write_text(text)
        command = [sys.executable, "-m", "boltzprune", "check", "c.yaml"]
        done = subprocess.run(command, cwd=tmp_path / folder, capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout.startswith("study: crit"), done.stderr
    assert resolve(f"{rules}/with_helper.py:rule").files == (rules / "with_helper.py", rules / "helper_rules.py")


def test_a_criterion_in_a_file_with_an_apostrophe(tmp_path):
    """snakemake/snakemake#85, #2981: the file is loaded, and its faults are told like those of any other."""
    (tmp_path / "it's.py").write_text("def needs_vector(e): return abs(e.eigenvector)\n")
    name = f"{tmp_path}/it's.py:needs_vector"
    with pytest.raises(InputError, match=r"it's\.py, line 1; expected .* set needs = 'eigenvector'"):
        saliency_of(resolve(name), name, random_evidence(eigenvector=None))


def test_cupy_without_its_compiler():
    """cupy/cupy: from the plain wheel of version 14 the error is a RuntimeError of cuda-pathfinder."""
    text = 'Failure finding "libnvrtc.so.13 or libnvrtc.so.12": No such file: libnvrtc.so.13 or libnvrtc.so.12'
    error = type("DynamicLibNotFoundError", (RuntimeError,), {"__module__": "cuda.pathfinder"})(text)
    told = explained(error)
    assert isinstance(told, InputError)
    assert "libnvrtc.so.13 or libnvrtc.so.12" in str(told) and "'cupy-cuda13x[ctk]'" in str(told)


def test_the_fit_of_a_deep_machine_is_not_that_of_its_lowest_rbm():
    """dfdx/Boltzmann.jl#8, albertbup/deep-belief-network#47: the first was the worst, log Z of the lower RBM."""
    f, rng = np.float32, np.random.default_rng(0)
    w1, w2, ones = rng.normal(0, 1, (5, 3)).astype(f), rng.normal(0, 1, (3, 2)).astype(f), np.ones((5, 3), bool)
    biases = (np.zeros(5, f), np.zeros(3, f), np.zeros(2, f))
    deep = BoltzmannMachine((w1, w2), biases, (ones, np.ones((3, 2), bool)))
    expected = exact.log_z(BoltzmannMachine((w1,), biases[:2], (ones,)))
    patterns = np.array(list(np.ndindex(*[2] * 10)), dtype=float)
    v, h1, h2 = patterns[:, :5], patterns[:, 5:8], patterns[:, 8:]
    log_z = np.log(np.exp(((v @ w1) * h1).sum(axis=1) + ((h1 @ w2) * h2).sum(axis=1)).sum())
    assert exact.log_z(deep) == pytest.approx(log_z, abs=1e-9) and abs(log_z - expected) > 0.1
    for dtype in (int, np.uint8):
        assert exact.log_z(BoltzmannMachine((w1,), biases[:2], (ones.astype(dtype),))) == expected
    for name, over in {
        "masks": (ones.astype(float),),
        "weights": (np.full((5, 3), np.nan, f),),
        "biases": (np.zeros((5, 1), f), np.zeros(3, f)),
    }.items():
        with pytest.raises(InputError, match=rf"machine: {name}\[0\]"):
            BoltzmannMachine(**{"weights": (w1,), "biases": biases[:2], "masks": (ones,), name: over})


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    """Recordings of 307 cells: one study whose criterion does without the full FIM, computed."""
    folder = tmp_path_factory.mktemp("cells")
    np.savez(folder / "cells.npz", patterns=np.random.default_rng(0).random((31, 307)) < 0.1)
    data = {"source": "npz", "file": str(folder / "cells.npz"), "n_patterns": 31}
    machine, sampling = {"n_hidden": 67}, {"n_gibbs_steps": 2, "n_samples": 31}
    values = tiny_values("", data=data, criteria=["variance_fi"], iterations=1, machine=machine, sampling=sampling)
    made = Runner(values | {"device": "cpu", "figures": {"dpi": 30, "formats": ["svg"]}}, folder).everything(["fig1"])
    inputs = {"metrics": [folder / "metrics.csv"], "statistics": [folder / "initial_statistics.npz"]}
    outputs = {name: folder / file for name, file in CLAIMS_FILES.items()}
    run(Job("claims", inputs, outputs, json.loads(jobs.claims_job(made.study)["spec"]), made.seeds))
    return folder


WORDS = "not computed: 20,943 parameters are more than 20,000"


def test_many_cells_have_table_1_and_a_figure_1_with_words(cells):
    """scikit-learn/scikit-learn#9694: a wide, sparse matrix given to an RBM; no criterion needs its full FIM."""
    assert len(pd.read_csv(cells / "table1.csv"))
    text = (cells / "figures" / "fig1.svg").read_text()
    assert text.count(f">{WORDS}<") == 3  # B, C and E
    assert "Diagonal of the FIM" in text and "Leading eigenvector of the FIM" in text
    sizes = [len(pd.read_csv(cells / "figures" / f"fig1_{name}")) for name in ("b.csv.gz", "c.csv", "d.csv", "e.csv")]
    assert sizes == [0, 0, 20_943, 0]


def test_claims_about_the_matrix_of_many_cells_say_why_they_are_not_testable(cells):
    claims = pd.read_csv(cells / "claims.csv", keep_default_na=False).set_index("claim")
    names = ["fisher_matrix_is_sparse", "leading_eigenvalue_dominates", "diagonal_follows_eigenvector"]
    assert set(claims.loc[names, "reason"]) == {f"the full Fisher information matrix was {WORDS}"}
    assert WORDS not in claims.loc["important_weights_cluster", "reason"]


def test_a_criterion_that_needs_the_matrix_of_many_cells_says_so_too(cells):
    """Where `check` could not know the size, because the file was not there yet."""
    job = jobs.prune_job(study_from(tiny_values(cells / "not_there_yet.npz")), "eigenvector", 1)
    inputs = {"machine": [cells / "initial.npz"], "statistics": [cells / "initial_statistics.npz"]}
    outputs = {"machine": cells / "no.npz", "record": cells / "no.csv"}
    with pytest.raises(
        InputError, match=rf"criterion 'eigenvector' needs .* missing \({WORDS}\); leave the criterion out"
    ):
        run(Job("prune", inputs, outputs, json.loads(job["spec"]), (0,)))


def test_check_finds_what_it_called_good(tmp_path, monkeypatch, capsys):
    """Configurations that cannot work, each told by the key."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.py").write_text("def mine(e): return abs(e.weights)\n")
    few, one = "data: {radius: 3, n_patterns: 7}", "patches: {criteria: [anti_fi]}\ndigits: {criteria: [anti_fi]}\n"
    for text, expected in {
        f"patches: {{{few}, sampling: {{statistics: enumerated}}}}": "patches.sampling.statistics = 'enumerated'",
        f"patches: {{{few}, sampling: {{method: exact}}}}": "patches.sampling.method = 'exact'",
        "patches: {criteria: ['rules.py:yours']}": "patches.criteria: criterion 'rules.py:yours': rules.py has no",
        f"{one}figures: {{colours: {{variance_fi: '#aa0000'}}}}": "figures.colours.variance_fi: no such criterion here",
        f"{one}figures: {{last_iterations: {{variance_fi: 2}}}}": "figures.last_iterations.variance_fi: no such",
    }.items():
        (tmp_path / "s.yaml").write_text(f"study: a\n{text}\n")
        assert main(["check", "s.yaml"]) == 2
        assert f"s.yaml: {expected}" in capsys.readouterr().err


def test_samples_that_show_no_pattern_of_the_data_are_told_apart_from_a_fit():
    """martinosorb/rbm_utils, DsysDML/rbms: a raster of 60 neurons; the sampled divergence is that of every model."""
    rng = np.random.default_rng(0)
    patterns, counts = count_patterns((rng.random((199, 60)) < 0.15).astype(np.uint8))
    for rate in (0.15, 0.95, 1.0):
        samples = count_patterns((rng.random((199, 60)) < rate).astype(np.uint8))
        assert missing_share(counts, counts_of(patterns, *samples)) > MAX_MISSING_SHARE
