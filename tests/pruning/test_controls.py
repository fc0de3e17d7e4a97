"""The control of the patches: the unpruned machine, trained for as many epochs as the pruned ones."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from tiny_study import Runner, tiny_values, write_patterns

from boltzprune.backend import get_backend
from boltzprune.core.streams import fork
from boltzprune.errors import InputError
from boltzprune.learning.training import Run, train
from boltzprune.pruning.controls import CONTROLS
from boltzprune.pruning.criteria import CRITERIA
from boltzprune.results.prepared import read_states
from boltzprune.results.store import Arrays, read_machine
from boltzprune.study import jobs, settings
from boltzprune.study.progress import Progress

RETRAINING = {"learning_rate": [0.2, 0.05, 0.01], "momentum": [0.3, 0.7, 0.9], "batch_size": 3}
"""Other than the training."""
SEEDS = (0, 1)


@pytest.fixture(scope="module")
def control(tmp_path_factory):
    """A study of 3 iterations, as far as the control goes."""
    folder = tmp_path_factory.mktemp("control")
    write_patterns(folder / "my_patterns.npz")
    values = tiny_values(folder / "my_patterns.npz", retraining=RETRAINING, iterations=3)
    runner = Runner(values, folder)
    runner.initial()
    runner.control("unpruned")
    return runner


def machine(runner, name, seed):
    return read_machine(Arrays(runner.folder / f"{name}.npz"), seed)


def parameters(found):
    """Everything that a machine is, as bytes."""
    return [array.tobytes() for array in (*found.weights, *found.biases, *found.masks, *found.units)]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_control_is_the_initial_machine_trained_on(control, seed):
    cases, backend = read_states(Arrays(control.folder / "patterns.npz")), get_backend("reference")
    expected, seen = machine(control, "initial", seed), []
    for iteration in (1, 2, 3):
        settings_of_it, key = control.study.patches.retraining, fork(seed, "training", iteration)
        with Progress(3 * 71, "updates", "by hand") as progress:
            [expected] = train([expected], cases, settings_of_it, [key], Run(backend, progress, ["by hand"]))
        found = machine(control, f"unpruned{iteration}_retrained", seed)
        assert parameters(found) == parameters(expected)
        assert found.n_weights == (35,) and found.masks[0].all()
        seen.append(found.weights[0].tobytes())
    assert len({*seen, machine(control, "initial", seed).weights[0].tobytes()}) == 4


def test_its_rows_are_of_retrained_machines_and_nothing_else(tiny):
    metrics = pd.read_csv(tiny.folder / "metrics.csv")
    mine = metrics[metrics["criterion"] == "unpruned"]
    assert list(zip(mine["iteration"], mine["phase"], mine["seed"])) == [
        (iteration, "retrained", seed) for iteration in (1, 2) for seed in SEEDS
    ]
    assert set(mine["n_weights"]) == {35} and set(mine["n_hidden"]) == {7} and set(mine["n_visible_connected"]) == {5}
    assert mine["eigenvalue_1"].isna().all()
    assert mine["kl_exact"].nunique() == len(mine)
    for iteration in (1, 2):
        names = Arrays(tiny.folder / f"unpruned{iteration}_retrained_statistics.npz").names
        assert not any("eigen" in name or "fisher" in name for name in names)


def test_it_is_retrained_and_sampled_as_a_criterion_is():
    study = settings.study_from({})
    like = {"criterion": "anti_fi", "iteration": 2, "phase": "retrained"}
    jobs_of = [jobs.sample_job(study, **like | {"criterion": name}) for name in ("unpruned", "anti_fi")]
    specs = [json.loads(job["spec"]) for job in jobs_of]
    assert specs[0] == specs[1] | {"criterion": "unpruned"}
    assert specs[0]["eigenvector"] is False


def test_it_is_no_criterion(tiny):
    assert not {*CONTROLS} & {*CRITERIA}
    for name in ("table1.csv", "pattern_probabilities.csv", "figures/fig2_a.csv", "figures/fig2_b.csv"):
        assert "unpruned" not in set(pd.read_csv(tiny.folder / name)["criterion"]), name
    assert not re.search("unpruned", (tiny.folder / "table1.md").read_text(), flags=re.IGNORECASE)
    study = settings.study_from({})
    for experiment in ("patches", "digits"):
        assert not {*CONTROLS} & {*jobs.labels(study, experiment), *jobs.colours(study, experiment)}


def test_figure_2_shows_it_after_retraining_and_says_what_it_is(tiny):
    table, metrics = pd.read_csv(tiny.folder / "figures" / "fig2_c.csv"), pd.read_csv(tiny.folder / "metrics.csv")
    mine = table[table["criterion"] == "unpruned"]
    assert sorted(zip(mine["measure"], mine["iteration"])) == [
        (m, k) for m in ("kl_exact", "kl_sampled") for k in (1, 2)
    ]
    assert set(mine["phase"]) == {"retrained"}
    for row in mine.to_dict("records"):
        values = metrics[(metrics["criterion"] == "unpruned") & (metrics["iteration"] == row["iteration"])]
        assert row["median"] == pytest.approx(np.median(values[row["measure"]]))
        assert row["n"] == len(SEEDS)
    svg = (tiny.folder / "figures" / "fig2.svg").read_text()
    assert svg.count("Unpruned, trained as long") >= 1 and svg.count(">initial level<") == 1


def test_without_a_control_figure_2_has_no_line_of_it(tiny, tmp_path):
    frame = pd.read_csv(tiny.folder / "metrics.csv")
    frame[frame["criterion"] != "unpruned"].to_csv(tmp_path / "metrics.csv", index=False)
    inputs = {"metrics": str(tmp_path / "metrics.csv"), "pattern_probabilities": "pattern_probabilities.csv"}
    tiny("figure", jobs.figure_job(tiny.study, "fig2"), inputs, {"folder": tmp_path / "figures"})
    assert "Unpruned" not in (tmp_path / "figures" / "fig2.svg").read_text()


def test_a_criterion_may_not_lie_where_a_control_does(monkeypatch):
    monkeypatch.setitem(CRITERIA, "unpruned", CRITERIA["anti_fi"])
    with pytest.raises(
        InputError, match=r"patches\.criteria = 'unpruned': .* same folder as those of 'control unpruned'"
    ):
        settings.study_from({"patches": {"criteria": ["unpruned"]}})


@pytest.mark.parametrize("name", ["./unpruned.py:unpruned", "x/unpruned.py:f", "a.py:unpruned"])
def test_an_own_criterion_never_lies_there(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / name.split(":")[0]
    path.parent.mkdir(exist_ok=True)
    path.write_text("def unpruned(evidence):\n    return evidence.weights\n\n\nf = unpruned\n")
    assert not {*CONTROLS} & {*jobs.criteria(settings.study_from({"patches": {"criteria": [name]}}))}
