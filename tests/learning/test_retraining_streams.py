"""Each training has a stream of its own, by seed and iteration; that of the control: test_controls.py."""

import json

import pytest
from deep_study import CHAINS as DEEP_CHAINS

from boltzprune.backend import get_backend
from boltzprune.core.streams import fork
from boltzprune.learning.training import Run
from boltzprune.learning.training import train as by_library
from boltzprune.results.prepared import read_states
from boltzprune.results.store import Arrays, read_machine
from boltzprune.study import jobs
from boltzprune.study.progress import Progress
from boltzprune.study.stages import Job, run, train, train_jointly

SEEDS = (0, 1)
CHAINS = [(criterion, iteration) for criterion in ("eigenvector", "anti_fi") for iteration in (1, 2)]


def machine(tiny, name, seed):
    return read_machine(Arrays(tiny.folder / f"{name}.npz"), seed)


def retrained(tiny, name, seed, iteration):
    """What the library makes of a machine with the stream of an iteration."""
    cases, progress = read_states(Arrays(tiny.folder / "patterns.npz")), Progress(1, "updates", "test", bar=False)
    given = tiny.study.patches.retraining, [fork(seed, "training", iteration)]
    how = Run(get_backend("reference"), progress, ["by hand"])
    return by_library([machine(tiny, name, seed)], cases, *given, how)[0]


def parameters(found):
    return [array.tobytes() for array in (*found.weights, *found.biases)]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("criterion", "iteration"), CHAINS)
def test_pruned_rbms_are_retrained_with_the_stream_of_their_iteration(tiny, criterion, iteration, seed):
    chain = f"{criterion}{iteration}"
    found = parameters(machine(tiny, f"{chain}_retrained", seed))
    for other in (0, 1, 2):
        assert (found == parameters(retrained(tiny, f"{chain}_pruned", seed, other))) == (other == iteration)


@pytest.fixture
def streams(monkeypatch):
    """Every stream that a training asks for: (purpose, indices) -> key, by seed."""
    asked = []

    def noted(seed, purpose, *indices):
        asked.append((seed, purpose, *indices))
        return fork(seed, purpose, *indices)

    for stage in (train, train_jointly):
        monkeypatch.setattr(stage, "fork", noted)
    return asked


def test_streams_of_the_rbms(streams, tiny, tmp_path):
    for stage, iteration, before in (("train", 0, None), ("retrain", 1, "anti_fi1_pruned"), ("retrain", 2, "initial")):
        job = jobs.job(tiny.study, stage, **({"iteration": iteration} if before else {}))
        inputs = {"patterns": [tiny.folder / "patterns.npz"]}
        inputs |= {"machine": [tiny.folder / f"{before}.npz"]} if before else {}
        run(Job(stage, inputs, {"machine": tmp_path / "machine.npz"}, json.loads(job["spec"]), SEEDS))
    assert streams == [(seed, "training", iteration) for iteration in (0, 1, 2) for seed in SEEDS]


def test_streams_of_the_deep_machines(streams, deep, tmp_path):
    for name, stage in (("pretrained", "train_jointly"), *((chain, "retrain_jointly") for chain in DEEP_CHAINS)):
        iteration = {"iteration": int(name[-1])} if stage == "retrain_jointly" else {}
        spec = json.loads(jobs.job(deep.study, stage, **iteration)["spec"])
        path = deep.folder / (f"{name}_pruned.npz" if iteration else f"{name}.npz")
        inputs = {"machine": [path], "digits": [deep.folder / "digits.npz"]}
        run(Job(stage, inputs, {"machine": tmp_path / "machine.npz"}, spec, SEEDS))
        purposes = ("restart of chains", "training") if iteration else ("training",)
        expected = [(seed, purpose, iteration.get("iteration", 0)) for purpose in purposes for seed in SEEDS]
        assert streams == expected, name
        streams.clear()


def test_the_stream_of_a_training_is_that_of_no_other():
    keys = {
        (seed, purpose, iteration): int(fork(seed, purpose, iteration))
        for seed in range(11)
        for purpose in ("training", "restart of chains", "pre-training")
        for iteration in range(13)
    }
    assert len(set(keys.values())) == len(keys) == 11 * 3 * 13
