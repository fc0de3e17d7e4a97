"""The controls rewind and scratch: the last architecture of every criterion, trained anew for as long, bit for bit."""

import numpy as np
import pandas as pd
import pytest
from deep_study import machine as deep_machine
from deep_study import metrics as deep_metrics
from scipy.special import ndtri

from boltzprune.backend import get_backend
from boltzprune.core.machine import BoltzmannMachine, with_architecture
from boltzprune.core.masks import receptive_fields
from boltzprune.core.streams import fork, uniform_double
from boltzprune.learning.joint_training import restarted, train_jointly
from boltzprune.learning.pretraining import hidden_data, stack
from boltzprune.learning.training import Run, train
from boltzprune.pruning.controls import ANEW, CONTROLS, COURSES
from boltzprune.results import tidy
from boltzprune.results.prepared import read_digits, read_states
from boltzprune.results.store import Arrays, read_chains, read_machine
from boltzprune.sampling import statistics
from boltzprune.study.progress import Progress

REFERENCE = get_backend("reference")
PURPOSE = {"rewind": "initial weights", "scratch": "other initial weights"}
SEEDS = (0, 1)


def how(n=1):
    return Run(REFERENCE, Progress(n, "updates", "by hand", bar=False), ["by hand"])


def machine(tiny, name, seed):
    return read_machine(Arrays(tiny.folder / f"{name}.npz"), seed)


def parameters(found):
    """Everything that a machine is, as bytes."""
    return [array.tobytes() for array in (*found.weights, *found.biases, *found.masks, *found.units)]


def test_the_list():
    assert (*COURSES, *ANEW) == tuple(CONTROLS) == ("unpruned", "rewind", "scratch")
    assert set(statistics.PHASES) == set(tidy.PHASES)
    assert len({statistics.PHASES[phase] for phase in ("retrained", "pruned", *ANEW)}) == 4, "samples of their own"


def test_an_architecture_of_a_machine():
    """Layers of 3, 4 and 5 units, of which 3, 2 and 3 are left, in another order than before."""
    rng = np.random.default_rng(41)
    shapes, sizes = [(3, 4), (4, 5)], (3, 4, 5)
    weights = tuple(rng.normal(size=shape).astype(np.float32) for shape in shapes)
    biases = tuple(rng.normal(size=n).astype(np.float32) for n in sizes)
    whole = BoltzmannMachine(weights, biases, tuple(np.ones(shape, bool) for shape in shapes))
    units = (np.array([0, 1, 2]), np.array([3, 1]), np.array([0, 4, 2]))
    masks = (np.array([[1, 0], [0, 1], [1, 1]], bool), np.array([[0, 1, 1], [1, 0, 0]], bool))
    found = with_architecture(whole, masks, units)
    assert found.layer_sizes == (3, 2, 3) and found.n_weights == (4, 3)
    for layer, mask in enumerate(masks):
        for i, lower in enumerate(units[layer]):
            for j, upper in enumerate(units[layer + 1]):
                assert found.weights[layer][i, j] == weights[layer][lower, upper] * mask[i, j]
    for mine, bias, kept in zip(found.biases, biases, units):
        assert mine.tolist() == [bias[unit] for unit in kept]
    assert all(np.array_equal(a, b) for a, b in zip((*found.masks, *found.units), (*masks, *units)))


@pytest.mark.parametrize("phase", ANEW)
@pytest.mark.parametrize("criterion", ["eigenvector", "anti_fi"])
@pytest.mark.parametrize("seed", SEEDS)
def test_rbms_trained_anew(tiny, criterion, phase, seed):
    """Start, training and both retrainings by hand; 5 x 7 units, of which the pruned machine has fewer."""
    cases, study = read_states(Arrays(tiny.folder / "patterns.npz")), tiny.study.patches
    pruned = machine(tiny, f"{criterion}2_retrained", seed)
    mask, kept = pruned.masks[0], pruned.units[1]
    assert pruned.n_weights[0] < 35 and pruned.units[0].tolist() == [*range(5)]
    key = fork(seed, PURPOSE[phase])
    draw = (study.machine.weight_sd * ndtri(uniform_double(key, 0, 0, np.arange(5), 7))).astype(np.float32)
    rate = np.clip(cases.mean(axis=0), 0.5 / len(cases), 1 - 0.5 / len(cases))
    biases = np.log(rate / (1 - rate)).astype(np.float32), np.full(len(kept), study.machine.hidden_bias, np.float32)
    expected = BoltzmannMachine((draw[:, kept] * mask,), biases, (mask,), pruned.units)
    for iteration, training in ((0, study.training), (1, study.retraining), (2, study.retraining)):
        [expected] = train([expected], cases, training, [fork(seed, "training", iteration)], how())
    found = machine(tiny, f"{criterion}2_{phase}", seed)
    assert parameters(found) == parameters(expected)
    assert found.weights[0].tobytes() != pruned.weights[0].tobytes()


@pytest.mark.parametrize("phase", ANEW)
@pytest.mark.parametrize("criterion", ["random_units", "anti_fi"])
@pytest.mark.parametrize("seed", SEEDS)
def test_dbms_trained_anew(deep, criterion, phase, seed):
    """RBMs with what is left of their layers, stacked, trained jointly and retrained twice, by hand; 15 x 15 x 11."""
    cases, study = read_digits(Arrays(deep.folder / "digits.npz")).cases, deep.study.digits
    pruned = deep_machine(deep, f"{criterion}2_retrained", seed)
    fields, layers, rbms = [receptive_fields((5, 3), 3), np.ones((15, 11), bool)], [cases], []
    for layer, training in enumerate((study.pretraining.first, study.pretraining.second)):
        (lower, upper), mask = pruned.units[layer : layer + 2], pruned.masks[layer]
        assert not (mask & ~fields[layer][np.ix_(lower, upper)]).any()
        u = uniform_double(fork(seed, PURPOSE[phase], layer), 0, 0, np.arange(15), fields[layer].shape[1])
        draw = (study.machine.weight_sd * ndtri(u)).astype(np.float32)[np.ix_(lower, upper)] * mask
        biases = np.full(len(lower), -1.0, np.float32), np.full(len(upper), -0.5, np.float32)
        start = BoltzmannMachine((draw,), biases, (mask,), (lower, upper))
        gains = ((2.0, 1.0), (1.0, 2.0))[layer]
        rbms += train([start], layers[-1], training, [fork(seed, "pre-training", layer)], how(), gains)
        key = fork(seed, "hidden data", layer)
        layers.append(hidden_data(rbms[-1], layers[-1], study.pretraining.second_data, gains[0], key, REFERENCE))
    expected, chains = stack(rbms), tuple(layer[:13] for layer in layers)
    for iteration, training in ((0, study.training), (1, study.retraining), (2, study.retraining)):
        if iteration:
            chains = restarted(expected, cases, 13, fork(seed, "restart of chains", iteration), REFERENCE)
        settings = training, study.mean_field, [fork(seed, "training", iteration)]
        [(expected, chains)] = train_jointly([expected], [chains], cases, *settings, how())
    found = deep_machine(deep, f"{criterion}2_{phase}", seed)
    assert parameters(found) == parameters(expected)
    stored = read_chains(Arrays(deep.folder / f"{criterion}2_{phase}.npz"), seed, found.layer_sizes)
    assert all(np.array_equal(a, b) for a, b in zip(stored, chains, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_the_unpruned_dbm_is_the_initial_one_trained_on(deep, seed):
    cases, study = read_digits(Arrays(deep.folder / "digits.npz")).cases, deep.study.digits
    expected = deep_machine(deep, "initial", seed)
    for iteration in (1, 2):
        chains = restarted(expected, cases, 13, fork(seed, "restart of chains", iteration), REFERENCE)
        settings = study.retraining, study.mean_field, [fork(seed, "training", iteration)]
        [(expected, _)] = train_jointly([expected], [chains], cases, *settings, how())
        found = deep_machine(deep, f"unpruned{iteration}_retrained", seed)
        assert parameters(found) == parameters(expected)


def test_their_rows_are_of_the_last_iteration_and_have_the_sizes_of_the_pruned_machine(tiny, deep):
    keys = ["criterion", "iteration", "phase", "seed"]
    patches = pd.read_csv(tiny.folder / "metrics.csv").set_index(keys)
    for found, sizes in ((patches, ["n_weights", "n_hidden"]), (deep_metrics(deep), ["n_weights_2", "n_units_1"])):
        anew = found[found.index.get_level_values("phase").isin(ANEW)].reset_index()
        assert len(anew) == 2 * 2 * 2 and set(anew["iteration"]) == {2}
        for row in anew.to_dict("records"):
            kept = found.loc[(row["criterion"], 2, "retrained", row["seed"])]
            assert [row[size] for size in sizes] == [kept[size] for size in sizes]
        rewound, others = (anew[anew["phase"] == phase].drop(columns=["phase", *sizes]) for phase in ANEW)
        assert not rewound.reset_index(drop=True).equals(others.reset_index(drop=True))


def test_their_samples_are_drawn_anew(tiny):
    paths = [tiny.folder / f"anti_fi2_{phase}_statistics.npz" for phase in ("retrained", *ANEW)]
    specs = [Arrays(path).provenance["spec"] for path in paths]
    assert [(one["criterion"], one["iteration"], one["phase"]) for one in specs] == [
        ("anti_fi", 2, phase) for phase in ("retrained", *ANEW)
    ]
    assert [one["eigenvector"] for one in specs] == [False] * 3
