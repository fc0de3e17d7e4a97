"""Rao-Blackwellised statistics of deep machines: by hand, unbiased, never less certain, the same however drawn."""

import hashlib
import tracemalloc
from dataclasses import replace

import by_hand
import deep_by_hand as deep
import numpy as np
import pytest
import sampler_tests as samplers

from boltzprune.backend import get_backend
from boltzprune.core.fisher import Statistics, fisher_diagonal, fisher_interval
from boltzprune.core.streams import fork
from boltzprune.results.store import Arrays, read_statistics, statistics_arrays, write_arrays
from boltzprune.sampling import exact, mixing, statistics
from boltzprune.sampling.mixing import LARGEST, persistent_warning
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


def conditional_of(machine, layers, n_chains=0):
    return conditional_deep_statistics(machine, packed(layers), sampled_of(layers), n_chains)


def means_of(found):
    """All hidden rates and all pair means, in a row."""
    return np.concatenate([*found.rates[1:], *(pair.ravel() for pair in found.pair_means)])


def bits_of(found):
    every = (*found.rates, *found.pair_means, *found.rate_effective, *found.pair_effective)
    return found.n_samples, found.chain_time, [(array.shape, array.tobytes()) for array in every]


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


@pytest.mark.parametrize("n_chains", [0, 397])
def test_memory_is_that_of_a_piece(n_chains, monkeypatch):
    """Single-precision states of all samples alone would take 16 MB."""
    monkeypatch.setattr(mixing, "MAX_BYTES", 1 << 18)
    machine, n = by_hand.machine((67, 61, 71), seed=37, scale=0.1), 20_011
    layers = random_states(machine, n, seed=41)
    given = packed(layers), sampled_of(layers)
    tracemalloc.start()
    try:
        conditional_deep_statistics(machine, *given, n_chains)
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


def by_blocks(x, n_chains):
    """p (1 - p) / Var(mean) by the scatter of blocks, in a loop over samples; without chains by that of samples."""
    p, n_reads = x.mean(), -(-len(x) // n_chains) if n_chains else 1
    if not n_chains:
        return len(x) * p * (1 - p) / np.mean((x - p) ** 2)
    n_parts, blocks = min(-(-20 // n_chains), n_reads), {}
    for s in range(len(x)):
        part = next(k for k in range(n_parts) if s // n_chains < (k + 1) * n_reads // n_parts)
        blocks.setdefault((s % n_chains, part), []).append(x[s])
    off = sum((np.sum(values) - p * len(values)) ** 2 for values in blocks.values())
    return p * (1 - p) / (len(blocks) / (len(blocks) - 1) * off / len(x) ** 2)


@pytest.mark.parametrize("n_chains", [0, 23, 5, 1])
@pytest.mark.parametrize("sizes", [(7, 5, 3), (5, 3, 2, 3)])
def test_effective_numbers_by_hand(sizes, n_chains):
    """Of silent units of the top layer they exceed the number of samples by far."""
    whole, n = by_hand.machine(sizes, seed=43, scale=1.5), 211
    machine = type(whole)(whole.weights, (*whole.biases[:-1], whole.biases[-1] - np.float32(9)), whole.masks)
    layers = random_states(machine, n, seed=47)
    found = conditional_of(machine, layers, n_chains)
    for layer in range(1, len(sizes)):
        for unit in range(sizes[layer]):
            p = np.array([by_hand.logistic(deep.field(machine, state, layer, unit)) for state in zip(*layers)])
            assert found.rate_effective[layer][unit] == pytest.approx(by_blocks(p, n_chains), rel=1e-5)
            for below in range(sizes[layer - 1]):
                expected = by_blocks(layers[layer - 1][:, below] * p, n_chains)
                assert found.pair_effective[layer - 1][below, unit] == pytest.approx(expected, rel=1e-5)
    most = n if n_chains else np.inf
    counted = [min(most, by_blocks(x, n_chains)) if n_chains else n for x in layers[0].T.astype(float)]
    assert found.rate_effective[0] == pytest.approx(np.array(counted), rel=1e-5)
    assert found.pair_effective[-1].min() > 50 * n
    assert all(one.dtype == np.float32 for one in (*found.rate_effective, *found.pair_effective))


@pytest.mark.parametrize("n_chains", [0, 13])
def test_what_does_not_scatter_is_known_and_what_never_changed_was_counted(n_chains):
    whole = by_hand.machine((5, 3, 7), seed=53)
    weights = tuple(weights.copy() for weights in whole.weights)
    weights[1][:, 2:] = 0
    machine, layers = type(whole)(weights, whole.biases, whole.masks), random_states(whole, 101, seed=59)
    layers[0][:, 2], layers[1][:, 1] = 0, 1
    found = conditional_of(machine, layers, n_chains)
    assert (found.rate_effective[2][2:] == LARGEST).all() and (found.pair_effective[1][1, 2:] == LARGEST).all()
    assert (found.rate_effective[2][:2] < 1e6).all()
    assert (found.pair_effective[0][2] == 101).all() and found.rate_effective[0][2] == 101


@pytest.mark.parametrize("seed", [3, 11])
@pytest.mark.parametrize(("chains", "n_gibbs_steps", "n"), [("fresh", 40, 1009), ("persistent", 1, 101 * 30)])
def test_intervals_cover_the_fisher_information(seed, chains, n_gibbs_steps, n):
    """95 % intervals, of independent sample sets, in 93 to 97 %; those of sampled states in nearly all."""
    [(_, machine)] = samplers.random_machines([(5, 3, 7)], 1, seed, strength=1.5)
    truth = [fisher_diagonal(pairs) for pairs in exact.statistics(machine).pair_means]
    how, covered, naive = DeepSampling(chains=chains, n_gibbs_steps=n_gibbs_steps), [[], []], [[], []]
    for run in range(200):
        start, key = exact.sample(machine, 101, fork(run, "samples", 1), CPU), fork(run, "samples", 2)
        found, plain = (
            deep_statistics(machine, start, n, how.model_copy(update={"statistics": kind}), key, CPU)[0]
            for kind in ("conditional", "sampled")
        )
        for worth, kept in ((found.worth[1], covered), (plain.worth[1], naive)):
            for layer in range(2):
                low, high = fisher_interval(found.pair_means[layer], worth[layer])
                kept[layer].append((low <= truth[layer]) & (truth[layer] <= high))
    for layer in range(2):
        assert 0.93 < np.mean(covered[layer]) < 0.97
        assert np.mean(naive[layer]) > 0.98


@pytest.mark.parametrize(("n_gibbs_steps", "n_reads"), [(1, 13), (1, 211), (7, 13)])
def test_chains_are_warned_of_by_their_states_whatever_is_averaged(n_gibbs_steps, n_reads):
    [(_, machine)] = samplers.random_machines([(5, 3, 7)], 1, 17, strength=2.5)
    start, told = exact.sample(machine, 53, fork(3, "samples"), CPU), {}
    for kind in ("sampled", "conditional"):
        how = DeepSampling(n_gibbs_steps=n_gibbs_steps, statistics=kind)
        found, _ = deep_statistics(machine, start, 53 * n_reads, how, KEY, CPU)
        told[kind] = persistent_warning(found, 53)
        assert found.chain_time >= 1
    assert told["sampled"] == told["conditional"] and (told["sampled"] == "") == (n_reads == 211)
    fresh = DeepSampling(chains="fresh", n_gibbs_steps=2, statistics="conditional")
    assert persistent_warning(deep_statistics(machine, start, 101, fresh, KEY, CPU)[0], 53) == ""
    once = DeepSampling(n_gibbs_steps=2, statistics="conditional")  # each chain is read once
    assert persistent_warning(deep_statistics(machine, start, 53, once, KEY, CPU)[0], 53) == ""


# How samples reach it


@pytest.mark.parametrize(("chains", "digest"), [("persistent", "30a1a36e332ab37d"), ("fresh", "163048f7d1001161")])
def test_what_is_stored_of_sampled_statistics_stays_what_it_was(chains, digest, backend):
    """Names and bits of the arrays, as they were before means had numbers of their own: finished studies go on."""
    machine, found = by_hand.machine((11, 7, 5), seed=19), hashlib.sha256()
    start = tuple(random_states(machine, 13, seed=23))
    how = DeepSampling(chains=chains, n_gibbs_steps=3)
    sampled, _ = deep_statistics(machine, start, 211, how, fork(5, "samples", 3), backend)
    for name, array in statistics_arrays(3, sampled).items():
        found.update(name.encode() + array.tobytes())
    assert found.hexdigest().startswith(digest)


@pytest.mark.parametrize("chains", ["persistent", "fresh"])
def test_they_are_read_as_they_were_written(chains, tmp_path):
    machine = by_hand.machine((5, 3, 7), seed=61)
    start = tuple(random_states(machine, 13, seed=67))
    how = DeepSampling(chains=chains, n_gibbs_steps=2, statistics="conditional")
    found, _ = deep_statistics(machine, start, 53, how, KEY, CPU)
    write_arrays(tmp_path / "statistics.npz", statistics_arrays(3, found), {})
    read, _ = read_statistics(Arrays(tmp_path / "statistics.npz"), 3)
    assert bits_of(read) == bits_of(replace(found, chain_time=0.0))


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
    n_chains = 13 if chains == "persistent" else 0
    assert bits_of(found) == bits_of(conditional_deep_statistics(machine, packed(layers), plain, n_chains))
    assert (len(plain.rate_effective) > 0) == (chains == "persistent") and len(found.rate_effective) == len(sizes)


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
