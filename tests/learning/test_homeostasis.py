"""Homeostasis: rates against plain NumPy, what a move does, and that it enters a study as it should."""

import itertools
import json

import numpy as np
import pytest
from deep_machines import full_machine, machine_of
from deep_study import DeepRunner, deep_values, write_images
from tiny_study import Runner, tiny_values, write_patterns

from boltzprune.backend import get_backend
from boltzprune.core.machine import sigmoid
from boltzprune.core.streams import fork
from boltzprune.errors import InputError
from boltzprune.learning.homeostasis import Homeostasis, data_of, drawn_back, rates
from boltzprune.learning.joint_training import restarted, train_jointly
from boltzprune.learning.training import Run, train
from boltzprune.results.prepared import read_digits, read_states
from boltzprune.results.store import Arrays, read_chains, read_machine
from boltzprune.single.training import train_dbm
from boltzprune.study import jobs
from boltzprune.study.progress import Progress
from boltzprune.study.settings import study_from
from boltzprune.study.stages import Job, run

CASES = (np.random.default_rng(41).random((103, 7)) < 0.4).astype(np.uint8)
REFERENCE = get_backend("reference")
SILENT = Progress(1, "updates", "test", bar=False)


def by_numpy(machine, cases, n_sweeps=200):
    """Mean activation of each hidden layer over all cases, one by one, after many sweeps."""
    weights = [w.astype(np.float64) for w in machine.weights]
    found = []
    for case in cases:
        means = [case.astype(np.float64), *(np.full(n, 0.5) for n in machine.layer_sizes[1:])]
        for _ in range(n_sweeps):
            for layer in range(1, len(means)):
                above = weights[layer] @ means[layer + 1] if layer + 1 < len(means) else 0
                means[layer] = sigmoid(machine.biases[layer] + means[layer - 1] @ weights[layer - 1] + above)
        found.append(means[1:])
    return [np.mean(layer, axis=0) for layer in zip(*found)]


@pytest.mark.parametrize("sizes", [(7, 11), (7, 11, 5)])
@pytest.mark.parametrize("device", ["reference", "cpu"])
def test_rates_are_those_of_numpy_and_of_no_order(sizes, device):
    machine, backend = full_machine(*sizes, seed=43), get_backend(device)
    found = rates(machine, data_of(CASES, 1e-9, 300), backend)
    for one, expected in zip(found, by_numpy(machine, CASES), strict=True):
        np.testing.assert_allclose(one, expected, rtol=0, atol=2e-6)
    again = rates(machine, data_of(CASES[::-1], 1e-9, 300), backend)
    more = get_backend(device, 2)
    threads = rates(machine, data_of(CASES, 1e-9, 300), more)
    for one, other, third in zip(found, again, threads):
        assert one.tobytes() == other.tobytes() == third.tobytes()


def test_a_case_counts_as_often_as_it_occurs():
    machine = full_machine(7, 11, seed=43)
    cases = CASES[[0, 0, 0, 1]]
    [found] = rates(machine, data_of(cases), REFERENCE)
    [[one], [other]] = (rates(machine, data_of(CASES[k : k + 1]), REFERENCE) for k in (0, 1))
    np.testing.assert_allclose(found, 0.75 * one + 0.25 * other, atol=1e-11)


def test_a_unit_with_the_same_input_for_all_data_is_at_its_target_at_once():
    machine = machine_of([np.zeros((7, 11), dtype=bool)])
    target = np.random.default_rng(47).uniform(0.05, 0.9, 11)
    moved = Homeostasis(1.0, [(target,)], data_of(CASES), REFERENCE).moved(0, machine)
    np.testing.assert_allclose(sigmoid(moved.biases[1].astype(np.float64)), target, atol=1e-6)
    part = Homeostasis(0.3, [(target,)], data_of(CASES), REFERENCE).moved(0, machine)
    np.testing.assert_allclose(part.biases[1], 0.7 * machine.biases[1] + 0.3 * np.log(target / (1 - target)), atol=1e-6)


@pytest.mark.parametrize("sizes", [(7, 11), (7, 11, 5)])
def test_moves_bring_rates_to_their_targets(sizes):
    """The whole machine's rates are those that a machine without some of its weights is drawn back to."""
    whole = full_machine(*sizes, seed=43)
    rng = np.random.default_rng(53)
    lacking = machine_of([rng.random(mask.shape) < 0.6 for mask in whole.masks], seed=43)
    data = data_of(CASES, 1e-7, 300)
    held = drawn_back(0.5, [whole], [lacking], data, REFERENCE)
    distances, machine = [], lacking
    for _ in range(30):
        found = rates(machine, data, REFERENCE)
        distances.append(max(np.abs(rate - target).max() for rate, target in zip(found, held.targets[0])))
        machine = held.moved(0, machine)
    assert distances[0] > 0.1 and distances[-1] < 1e-4
    assert distances[1] < distances[0]
    assert machine.biases[0] is lacking.biases[0] and machine.weights is lacking.weights


def test_targets_are_those_of_the_same_units():
    whole = full_machine(7, 11, seed=43)
    units = np.array([1, 4, 5, 10])
    left = machine_of([np.ones((7, 4))], units=(np.arange(7), units))
    held = drawn_back(0.5, [whole], [left], data_of(CASES), REFERENCE)
    assert np.array_equal(held.targets[0][0], rates(whole, data_of(CASES), REFERENCE)[0][units])


def test_silent_and_ever_active_units_move_by_finite_steps():
    machine = machine_of([np.zeros((7, 2), dtype=bool)])
    held = Homeostasis(1.0, [(np.array([0.0, 1.0]),)], data_of(CASES), REFERENCE)
    half = np.log(0.5 / (len(CASES) - 0.5))
    np.testing.assert_allclose(held.moved(0, machine).biases[1], [half, -half], atol=1e-5)


# in a study

SHARE = 0.4


@pytest.fixture(scope="module")
def held_tiny(tmp_path_factory):
    """A study of patches with homeostasis, of one criterion and the unpruned control."""
    folder = tmp_path_factory.mktemp("tiny")
    write_patterns(folder / "data.npz")
    retraining = {"learning_rate": [0.1, 0.05], "momentum": [0.5, 0.5], "homeostasis": SHARE}
    values = tiny_values(
        folder / "data.npz", criteria=["anti_fi"], retraining=retraining, controls=["unpruned", "scratch"]
    )
    made = Runner(values, folder)
    made.initial()
    made.chain("anti_fi")
    made.control("unpruned")
    made.anew("anti_fi")
    return made


@pytest.fixture(scope="module")
def held_deep(tmp_path_factory):
    """The same of digits."""
    folder = tmp_path_factory.mktemp("deep")
    write_images(folder / "data.npz")
    values = deep_values(folder / "data.npz", criteria=["anti_fi"])
    values["digits"]["retraining"] |= {"homeostasis": SHARE}
    made = DeepRunner(values, folder)
    made.initial()
    made.chain("anti_fi")
    return made


def machine(study, name, seed):
    return read_machine(Arrays(study.folder / f"{name}.npz"), seed)


def parameters(found):
    return [array.tobytes() for array in (*found.weights, *found.biases)]


COURSE = (("initial", "anti_fi1"), ("anti_fi1_retrained", "anti_fi2"))


@pytest.mark.parametrize("seed", [0, 1])
def test_rbms_are_drawn_back_to_the_rates_before_their_pruning(held_tiny, seed):
    """Epoch by epoch: the training of one epoch by the library, then a move."""
    cases = read_states(Arrays(held_tiny.folder / "patterns.npz"))
    training = held_tiny.study.patches.retraining
    control = ("initial", "unpruned1"), ("unpruned1_retrained", "unpruned2")
    for iteration, (before, chain) in [*enumerate(COURSE, 1), *enumerate(control, 1)]:
        start = machine(held_tiny, before if chain.startswith("unpruned") else f"{chain}_pruned", seed)
        held = drawn_back(SHARE, [machine(held_tiny, before, seed)], [start], data_of(cases), REFERENCE)
        how = Run(REFERENCE, SILENT, ["by hand"])
        key = [fork(seed, "training", iteration)]
        [found] = train([start], cases, training, key, how, homeostasis=held)
        assert parameters(found) == parameters(machine(held_tiny, f"{chain}_retrained", seed))
        [first] = train(
            [start], cases, training.model_copy(update={"learning_rate": [0.1], "momentum": [0.5]}), key, how
        )
        assert not np.array_equal(found.biases[1], first.biases[1])
        (target,) = held.targets[0]
        [rate] = rates(found, data_of(cases), REFERENCE)
        [without] = train([start], cases, training, key, how)
        [other] = rates(without, data_of(cases), REFERENCE)
        if not chain.startswith("unpruned"):
            assert np.abs(rate - target).mean() < np.abs(other - target).mean()


@pytest.mark.parametrize("seed", [0, 1])
def test_dbms_are_drawn_back_to_the_rates_before_their_pruning(held_deep, seed):
    digits, section = read_digits(Arrays(held_deep.folder / "digits.npz")), held_deep.study.digits
    how = section.mean_field
    data = data_of(digits.cases, how.tolerance, how.max_updates)
    for iteration, (before, chain) in enumerate(COURSE, 1):
        start = machine(held_deep, f"{chain}_pruned", seed)
        held = drawn_back(SHARE, [machine(held_deep, before, seed)], [start], data, REFERENCE)
        old = read_chains(Arrays(held_deep.folder / f"{chain}_pruned.npz"), seed, start.layer_sizes)
        again = restarted(start, digits.cases, len(old[0]), fork(seed, "restart of chains", iteration), REFERENCE)
        given = [start], [again], digits.cases, section.retraining, how, [fork(seed, "training", iteration)]
        how_run = Run(REFERENCE, SILENT, ["by hand"])
        [(found, _)], [(without, _)] = (train_jointly(*given, how_run, one) for one in (held, None))
        assert parameters(found) == parameters(machine(held_deep, f"{chain}_retrained", seed))
        for layer, target in enumerate(held.targets[0]):
            near, far = (np.abs(rates(one, data, REFERENCE)[layer] - target).mean() for one in (found, without))
            assert near < far


def test_what_is_trained_anew_has_none(held_tiny, tmp_path):
    spec = json.loads(jobs.job(held_tiny.study, "train_anew", iteration=2, phase="scratch")["spec"])
    assert "homeostasis" not in spec["retraining"]
    deep = study_from({"digits": {"retraining": {"homeostasis": 0.3}}})
    assert "homeostasis" not in jobs.job(deep, "train_deep_anew", iteration=2, phase="scratch")["spec"]
    assert '"homeostasis": 0.3' in jobs.job(deep, "retrain_jointly", iteration=2)["spec"]
    assert "homeostasis" not in jobs.job(study_from({}), "retrain", iteration=2)["spec"]
    assert "homeostasis" not in jobs.job(study_from({}), "retrain_jointly", iteration=2)["spec"]


class Killed(BaseException):
    """What stands in for the end of the process."""


@pytest.mark.parametrize("kind", ["tiny", "deep"])
@pytest.mark.parametrize("device", ["reference", "cpu"])
def test_a_killed_retraining_goes_on_with_the_same_bits_and_seeds_do_not_depend_on_each_other(
    kind, device, request, tmp_path, monkeypatch
):
    monkeypatch.setenv("BOLTZPRUNE_CHECKPOINT_SECONDS", "0")
    study, stage = request.getfixturevalue(f"held_{kind}"), {"tiny": "retrain", "deep": "retrain_jointly"}[kind]
    spec = json.loads(jobs.job(study.study, stage, iteration=1)["spec"]) | {"device": device}
    data = {"tiny": "patterns", "deep": "digits"}[kind]
    names = {"machine": "anti_fi1_pruned", "before": "initial", data: data}
    inputs = {name: [study.folder / f"{file}.npz"] for name, file in names.items()}

    def job(name, seeds=(0, 1), threads=1):
        return Job(stage, inputs, {"machine": tmp_path / f"{name}.npz"}, spec, seeds, threads)

    run(job("whole"))
    whole = Arrays(tmp_path / "whole.npz")
    moved, looks = Homeostasis.moved, itertools.count()

    def killed(self, place, machine):
        if next(looks) == 2:  # of the second epoch
            raise Killed
        return moved(self, place, machine)

    monkeypatch.setattr(Homeostasis, "moved", killed)
    again = job("again")
    with pytest.raises(Killed):
        run(again)
    assert (tmp_path / "again.npz.checkpoint").is_file()
    monkeypatch.setattr(Homeostasis, "moved", moved)
    run(again)
    run(job("threads", threads=2))
    run(job("alone", seeds=(1,)))
    for name, seeds in (("again", (0, 1)), ("threads", (0, 1)), ("alone", (1,))):
        found = Arrays(tmp_path / f"{name}.npz")
        for seed in seeds:
            assert parameters(read_machine(found, seed)) == parameters(read_machine(whole, seed)), name


def test_without_the_machines_before_nothing_runs(held_tiny, tmp_path):
    spec = json.loads(jobs.job(held_tiny.study, "retrain", iteration=1)["spec"])
    names = {"machine": "anti_fi1_pruned", "patterns": "patterns"}
    inputs = {name: [held_tiny.folder / f"{file}.npz"] for name, file in names.items()}
    with pytest.raises(InputError, match=r"retrain: --in before is missing; retraining\.homeostasis needs these"):
        run(Job("retrain", inputs, {"machine": tmp_path / "x.npz"}, spec, (0,)))


@pytest.mark.parametrize("value", [0, 1.5, "much"])
def test_what_is_no_share(value):
    for experiment in ("patches", "digits"):
        with pytest.raises(InputError, match=rf"{experiment}\.retraining\.homeostasis = "):
            study_from({experiment: {"retraining": {"homeostasis": value}}})


def test_functions_for_one_machine_refuse_it():
    dbm = full_machine(7, 5, 3)
    chains = tuple(np.zeros((2, n), dtype=np.uint8) for n in dbm.layer_sizes)
    with pytest.raises(InputError, match=r"train_dbm: homeostasis is a key of studies; .* leave it out"):
        train_dbm(dbm, chains, CASES, iteration=1, homeostasis=0.3, device="reference")
