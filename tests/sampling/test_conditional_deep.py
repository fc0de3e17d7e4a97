"""Rao-Blackwellised statistics of deep machines: by hand, unbiased, never less certain, the same however drawn."""

import tracemalloc

import by_hand
import deep_by_hand as deep
import numpy as np
import pytest
import sampler_tests as samplers

from boltzprune.backend import get_backend
from boltzprune.core.fisher import Statistics
from boltzprune.core.streams import fork
from boltzprune.sampling import exact, statistics
from boltzprune.sampling.statistics import conditional_deep_statistics, deep_statistics, deep_statistics_of_all
from boltzprune.study.config import DeepSampling

CPU = get_backend("cpu")
KEY = fork(5, "samples", 3)
N, N_REPETITIONS = 211, 401


def packed(layers):
    return [np.packbits(layer, axis=1) for layer in layers]


def sampled_of(layers, **effective):
    """Rates and pair means of joint states."""
    rates = tuple(layer.mean(axis=0) for layer in layers)
    pairs = tuple(a.T.astype(float) @ b / len(a) for a, b in zip(layers[:-1], layers[1:]))
    return Statistics(len(layers[0]), rates, pairs, **effective)


def conditional_of(machine, layers):
    return conditional_deep_statistics(machine, packed(layers), sampled_of(layers))


def means_of(found):
    """All hidden rates and all pair means, in a row."""
    return np.concatenate([*found.rates[1:], *(pair.ravel() for pair in found.pair_means)])


def bits_of(found):
    every = (*found.rates, *found.pair_means, *found.rate_effective, *found.pair_effective)
    return found.n_samples, [(array.shape, array.tobytes()) for array in every]


def random_states(machine, n, seed):
    return [by_hand.patterns(n, n_units, seed + layer) for layer, n_units in enumerate(machine.layer_sizes)]


# What is computed


@pytest.mark.parametrize("sizes", [(7, 5, 11, 3), (5, 3, 7), (3, 5, 2, 3, 2), (5, 3)])
@pytest.mark.parametrize("piece", [4, 1 << 10])
def test_by_hand(sizes, piece, monkeypatch):
    """A loop over samples and pairs of units, in Python's floats: each unit of a hidden layer given its neighbours."""
    monkeypatch.setattr(statistics, "CONDITIONAL_PIECE", piece)
    machine, n = by_hand.machine(sizes, seed=3, scale=1.5, density=0.7), 13
    layers = random_states(machine, n, seed=5)
    found = conditional_of(machine, layers)
    rates, pairs = [np.zeros(k) for k in sizes], [np.zeros(shape) for shape in zip(sizes[:-1], sizes[1:])]
    for state in zip(*layers):
        for layer in range(1, len(sizes)):
            for unit in range(sizes[layer]):
                p = by_hand.logistic(deep.field(machine, state, layer, unit))
                rates[layer][unit] += p / n
                for below in range(sizes[layer - 1]):
                    pairs[layer - 1][below, unit] += int(state[layer - 1][below]) * p / n
    assert found.n_samples == n
    assert np.array_equal(found.rates[0], layers[0].mean(axis=0))
    for one, other in zip((*found.rates[1:], *found.pair_means), (*rates[1:], *pairs), strict=True):
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, other, rtol=1e-11, atol=0)


def test_weights_that_are_gone_count_for_nothing():
    """With no weight left above it, h1 is a unit of an RBM; h2 is independent of everything."""
    whole = by_hand.machine((5, 3, 7), seed=7)
    cut = type(whole)(
        (whole.weights[0], np.zeros((3, 7), np.float32)), whole.biases, (whole.masks[0], np.zeros((3, 7), bool))
    )
    layers = random_states(cut, 53, seed=11)
    found = conditional_of(cut, layers)
    rbm = type(whole)(whole.weights[:1], whole.biases[:2], whole.masks[:1])
    expected = statistics.conditional_statistics(rbm, layers[0])
    assert found.pair_means[0] == pytest.approx(expected.pair_means[0], rel=1e-12)
    h2 = [by_hand.logistic(float(bias)) for bias in cut.biases[2]]
    assert found.rates[2] == pytest.approx(h2)
    assert found.pair_means[1] == pytest.approx(np.outer(layers[1].mean(axis=0), h2))


@pytest.mark.parametrize("bias", [30, 36, 37, 100])
def test_means_of_certain_units_stay_in_their_range(bias):
    """Shares 1 / n of units that are always on would add up to 1 + 2e-16, which is no mean."""
    machine = by_hand.machine((5, 3, 7), seed=13)
    biases = (machine.biases[0], *(np.full(n, bias, np.float32) for n in (3, 7)))
    certain = type(machine)(machine.weights, biases, machine.masks)
    for n in range(1, 60):
        layers = [np.ones((n, size), np.uint8) for size in (5, 3, 7)]
        found = conditional_of(certain, layers)
        assert 1 - 1e-9 < min(array.min() for array in found.pair_means)
        assert max(array.max() for array in (*found.rates, *found.pair_means)) <= 1


def test_memory_is_that_of_a_piece():
    """Single-precision states of all samples alone would take 16 MB."""
    machine, n = by_hand.machine((67, 61, 71), seed=37, scale=0.1), 20_011
    layers = random_states(machine, n, seed=41)
    given = packed(layers), sampled_of(layers)
    tracemalloc.start()
    try:
        conditional_deep_statistics(machine, *given)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * 8 * statistics.CONDITIONAL_PIECE * 71


# What the means are worth


@pytest.fixture(scope="module", params=[3, 7, 11])
def repeated(request):
    """Sampled and conditional means of many independent sets of independent samples, and the exact ones."""
    [(_, machine)] = samplers.random_machines([(5, 3, 7)], 1, request.param, strength=1.5)
    states = exact.sample(machine, N * N_REPETITIONS, fork(request.param, "samples"), CPU)
    sets = [*zip(*(layer.reshape(N_REPETITIONS, N, -1) for layer in states))]
    sampled, conditional = (
        np.array([means_of(function(layers)) for layers in sets])
        for function in (sampled_of, lambda layers: conditional_of(machine, layers))
    )
    return sampled, conditional, means_of(exact.statistics(machine))


def test_they_are_unbiased(repeated):
    _, conditional, truth = repeated
    error = conditional.std(axis=0, ddof=1) / np.sqrt(N_REPETITIONS)
    assert np.abs((conditional.mean(axis=0) - truth) / error).max() < 4.2


def test_their_variance_is_never_larger(repeated):
    """By the theorem; within what 401 repetitions tell: a variance has a relative error of 7 %, three of them 21 %."""
    sampled, conditional, _ = repeated
    ratios = conditional.var(axis=0) / sampled.var(axis=0)
    assert ratios.max() < 1.21
    assert np.mean(ratios) < 0.5, "and on average it is clearly smaller"


def test_of_chains_that_hardly_move_no_rate_has_a_larger_variance():
    """Reads one Gibbs step apart, in equilibrium."""
    [(_, machine)] = samplers.random_machines([(5, 3, 7)], 1, 17, strength=2.5)
    n_chains, n_reads, repetitions = 23, 11, 301
    starts = exact.sample(machine, n_chains * repetitions, fork(17, "samples"), CPU)
    starts = [*zip(*(layer.reshape(repetitions, n_chains, -1) for layer in starts))]
    rates = {}
    for kind in ("sampled", "conditional"):
        how = DeepSampling(n_gibbs_steps=1, statistics=kind)
        runs = enumerate(starts)
        found = [deep_statistics(machine, one, n_chains * n_reads, how, fork(k, "samples"), CPU)[0] for k, one in runs]
        rates[kind] = np.array([np.concatenate(one.rates[1:]) for one in found])
    naive = rates["sampled"].mean(axis=0) * (1 - rates["sampled"].mean(axis=0)) / (n_chains * n_reads)
    assert (rates["sampled"].var(axis=0) / naive).max() > 2, "the reads depend on each other"
    ratios = rates["conditional"].var(axis=0) / rates["sampled"].var(axis=0)
    assert ratios.max() < 1.21 and ratios.mean() < 0.9


# How samples reach it


@pytest.mark.parametrize("chains", ["persistent", "fresh"])
@pytest.mark.parametrize("sizes", [(11, 7, 5), (3, 7, 5, 2), (5, 7, 0), (5, 3)])
@pytest.mark.parametrize("block", [7, 13, 8192])
def test_they_are_those_of_the_samples_that_are_counted(sizes, chains, block, monkeypatch, backend):
    """Whatever the backend, and however many samples it draws at once, to the last bit."""
    monkeypatch.setattr(statistics, "CONDITIONAL_PIECE", 11)
    machine, drawn = by_hand.machine(sizes, seed=19), []
    start, n_samples = tuple(random_states(machine, 13, seed=23)), 31
    how = DeepSampling(chains=chains, n_gibbs_steps=3, statistics="conditional")
    add = statistics._Tally.add

    def listen(self, states):
        drawn.append(by_hand.on_host(backend, list(states)))
        add(self, states)

    monkeypatch.setattr(statistics._Tally, "add", listen)
    monkeypatch.setattr(type(backend), "piece", lambda self, n, bytes_each: min(n, block))
    found, visible = deep_statistics(machine, start, n_samples, how, KEY, backend)
    layers = [np.concatenate(layer) for layer in zip(*drawn)]
    drawn.clear()
    off = how.model_copy(update={"statistics": "sampled"})
    plain, same = deep_statistics(machine, start, n_samples, off, KEY, backend)
    assert len(layers[0]) == n_samples and np.array_equal(visible, same)
    assert bits_of(found) == bits_of(conditional_deep_statistics(machine, packed(layers), plain))
    assert (len(found.rate_effective) > 0) == (chains == "persistent")


@pytest.mark.parametrize("chains", ["persistent", "fresh"])
def test_neither_the_machines_beside_nor_threads_change_a_bit(chains, backend):
    sizes = [(11, 7, 5), (11, 5, 3), (11, 7, 2)]
    machines = [by_hand.machine(one, seed=29 + k, density=0.8) for k, one in enumerate(sizes)]
    starts = [tuple(random_states(machine, 7, seed=31 + k)) for k, machine in enumerate(machines)]
    keys = [fork(k, "samples", 2) for k in range(3)]
    how = DeepSampling(chains=chains, n_gibbs_steps=2, statistics="conditional")
    threads = get_backend("cpu", 3) if isinstance(backend, type(CPU)) else backend
    together = deep_statistics_of_all(machines, starts, 31, how, keys, threads)
    alone = [deep_statistics(*work, 31, how, key, backend) for *work, key in zip(machines, starts, keys)]
    assert [bits_of(found) for found, _ in together] == [bits_of(found) for found, _ in alone]
