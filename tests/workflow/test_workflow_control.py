"""The control of the patches through the rules: which file is made of which, and the machines, bit for bit."""

import re

import numpy as np
import pandas as pd
import pytest
from workflow_copy import TINY, Copy

from boltzprune.backend import get_backend
from boltzprune.core.streams import fork
from boltzprune.evaluation.patterns import count_patterns, divergence, exact_log_model
from boltzprune.learning.training import Run, train
from boltzprune.results.prepared import read_states
from boltzprune.results.store import Arrays, checksum, read_machine
from boltzprune.sampling import exact
from boltzprune.study.progress import Progress
from boltzprune.study.settings import merged, study_from

pytestmark = pytest.mark.slow

RETRAINING = {"learning_rate": [0.2, 0.03], "momentum": [0.7, 0.4], "momentum_rule": "classical", "batch_size": 3}
"""Other than the training."""
VALUES = merged(TINY, {"device": "reference", "seeds": 2, "patches": {"retraining": RETRAINING, "iterations": 3}})
CHAIN = "results/tiny/patches/seeds0-1"


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    """The patches of a study, as far as the control goes; the last iteration takes those before with it."""
    workflow = Copy(tmp_path_factory.mktemp("control"), VALUES)
    targets = [f"{CHAIN}/unpruned/iteration{k}/metrics.csv" for k in (1, 2, 3)]
    done = workflow.snakemake("--cores", "2", *targets)
    assert done.returncode == 0, done.stdout
    return workflow


def arrays(workflow, name):
    return Arrays(workflow.folder / CHAIN / f"{name}.npz")


@pytest.mark.parametrize("seed", [0, 1])
def test_the_machines_are_the_initial_ones_trained_on(control, seed):
    cases = read_states(Arrays(control.folder / "results/tiny/patches/patterns.npz"))
    schedule, backend = study_from(VALUES).patches.retraining, get_backend("reference")
    expected = read_machine(arrays(control, "initial/initial"), seed)
    for iteration in (1, 2, 3):
        key = fork(seed, "training", iteration)
        with Progress(2 * -(-len(cases) // 3), "updates", "by hand") as progress:
            [expected] = train([expected], cases, schedule, [key], Run(backend, progress, ["by hand"]))
        found = read_machine(arrays(control, f"unpruned/iteration{iteration}/retrained"), seed)
        assert found.n_weights == (13 * 7,)
        for mine, other in zip((*found.weights, *found.biases), (*expected.weights, *expected.biases), strict=True):
            assert np.array_equal(mine, other), iteration


def test_every_file_is_made_from_the_right_ones(control):
    data = checksum(control.folder / "results/tiny/patches/patterns.npz")
    before = control.folder / CHAIN / "initial" / "initial.npz"
    for iteration in (1, 2, 3):
        folder = control.folder / CHAIN / "unpruned" / f"iteration{iteration}"
        assert {path.name for path in folder.iterdir()} == {"retrained.npz", "retrained_statistics.npz", "metrics.csv"}
        retrained, sampled = (
            Arrays(folder / f"{name}.npz").provenance for name in ("retrained", "retrained_statistics")
        )
        assert retrained["inputs"] == {"machine": [checksum(before)], "patterns": [data]}
        assert retrained["stage"] == "retrain" and retrained["spec"]["iteration"] == iteration
        before = folder / "retrained.npz"
        assert sampled["inputs"] == {"machine": [checksum(before)], "patterns": [data]}
        spec = {key: sampled["spec"][key] for key in ("criterion", "iteration", "phase", "eigenvector")}
        assert spec == {"criterion": "unpruned", "iteration": iteration, "phase": "retrained", "eigenvector": False}
        rows = pd.read_csv(folder / "metrics.csv")
        assert rows[["criterion", "iteration", "phase", "seed", "n_weights"]].to_numpy().tolist() == [
            ["unpruned", iteration, "retrained", seed, 13 * 7] for seed in (0, 1)
        ]


def test_its_metrics_are_those_of_its_machines(control):
    patterns, counts = count_patterns(read_states(Arrays(control.folder / "results/tiny/patches/patterns.npz")))
    for iteration in (1, 2, 3):
        rows = pd.read_csv(control.folder / CHAIN / "unpruned" / f"iteration{iteration}" / "metrics.csv")
        for row in rows.to_dict("records"):
            machine = read_machine(arrays(control, f"unpruned/iteration{iteration}/retrained"), row["seed"])
            log_model = exact_log_model(patterns, 13, exact.visible_log_probabilities(machine))
            assert row["kl_exact"] == pytest.approx(divergence(counts, log_model), rel=1e-9)


def test_without_it_no_job_is_of_it(control):
    control.write(merged(VALUES, {"patches": {"controls": []}}))
    planned = control.planned("patches")
    control.write(VALUES)
    assert not [rule for rule in planned if "unpruned" in rule]
    assert planned["sample"] == 2 * 2 * 3


def test_nobody_prunes_it(control):
    done = control.snakemake("--dry-run", f"{CHAIN}/unpruned/iteration1/pruned.npz")
    assert done.returncode == 1 and "MissingRuleException" in done.stdout


def test_status_shows_it_among_the_chains(control):
    done = control.boltzprune("status", "--configfile", "study.yaml")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^unpruned +3  0-1$", done.stdout, flags=re.MULTILINE)
    assert re.search(r"^variance_fi +0  0-1$", done.stdout, flags=re.MULTILINE)
    for rule in ("retrain_unpruned", "evaluate_unpruned"):
        assert re.search(rf"^  {rule} +3 +3 ", done.stdout, flags=re.MULTILINE)
