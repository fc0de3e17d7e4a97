"""Gibbs sampling of deep machines: against enumeration, clamped layers, and statistics of reads of chains."""

import by_hand
import deep_by_hand as deep
import numpy as np
import pytest

from boltzprune.backend import get_backend
from boltzprune.core import streams
from boltzprune.core.machine import field_of, sigmoid
from boltzprune.sampling import exact, gibbs
from boltzprune.sampling.statistics import deep_statistics
from boltzprune.study.config import DeepSampling

KEY = streams.fork(5, "samples", 3)
CPU, REFERENCE = get_backend("cpu"), get_backend("reference")
FIELDS = ((3, 5), 3)
LARGE = [(131, 67, 139), (61, 131, 17, 67)]


def _random_states(machine, n_chains, seed):
    return [by_hand.patterns(n_chains, n, seed + layer, rate=0.5) for layer, n in enumerate(machine.layer_sizes)]


def _equal(a, b):
    return len(a) == len(b) and all(x.dtype == y.dtype == np.uint8 and np.array_equal(x, y) for x, y in zip(a, b))


def _assert_statistics(machine, layers):
    """Rates and pair means of independent samples against the enumerated ones."""
    n, expected = len(layers[0]), exact.statistics(machine)
    for layer, rate in zip(layers, expected.rates):
        by_hand.assert_within_standard_errors(layer.mean(axis=0), rate, np.sqrt(rate * (1 - rate) / n))
    for lower, upper, pair in zip(layers[:-1], layers[1:], expected.pair_means):
        found = lower.T.astype(float) @ upper / n
        by_hand.assert_within_standard_errors(found, pair, np.sqrt(np.clip(pair * (1 - pair), 0, None) / n))


@pytest.mark.parametrize("sizes", deep.SIZES)
@pytest.mark.parametrize("first_layer", [0, 1, 2])
def test_steps_by_hand(sizes, first_layer, backend):
    machine = by_hand.machine(sizes, seed=3, density=0.8)
    states = _random_states(machine, 5, seed=7)
    found = by_hand.on_host(backend, backend.advance(machine, states, KEY, 11, 3, 101, first_layer))
    for c, state in enumerate(zip(*states)):
        expected = deep.gibbs_steps(machine, state, KEY, 11, 3, 101 + c, first_layer)
        if first_layer < len(sizes):
            assert [layer[c].tolist() for layer in found] == expected


@pytest.mark.parametrize("sizes", LARGE)
@pytest.mark.parametrize("density", [1.0, 0.4])
def test_backends_agree_except_near_ties(sizes, density):
    machine, n_different = by_hand.machine(sizes, seed=11, scale=0.3, density=density), 0
    states = _random_states(machine, 53, seed=13)
    for step in range(1, 6):
        found, expected = (b.advance(machine, states, KEY, step, 1, 0) for b in (CPU, REFERENCE))
        different = np.zeros(53, dtype=bool)
        for layer in (*range(1, len(sizes), 2), *range(0, len(sizes), 2)):
            uniform = streams.uniform(KEY, step, layer, np.arange(53), sizes[layer])
            away = np.abs(uniform - sigmoid(field_of(machine, found, layer).astype(float))) > 1e-5
            same = found[layer] == expected[layer]
            assert (same | ~away | different[:, None]).all()
            different |= ~same.all(axis=1)
        n_different += different.sum()
        states = found
    assert n_different <= 1


def test_backends_agree_with_receptive_fields():
    machine = deep.with_receptive_fields((5, 7), 3, 13, seed=17, scale=0.7)
    states = _random_states(machine, 101, seed=19)
    assert _equal(*(b.advance(machine, states, KEY, 1, 13, 0) for b in (CPU, REFERENCE)))


@pytest.mark.parametrize("density", [1.0, 0.6])
@pytest.mark.parametrize("sizes", [(3, 5, 2), (3, 2, 5, 2)])
def test_samples_follow_the_joint_distribution(sizes, density, backend):
    machine = by_hand.machine(sizes, seed=23, scale=0.8, density=density)
    n = by_hand.enough(backend, 20_011)
    layers = by_hand.on_host(backend, gibbs.sample(machine, n, 31, KEY, backend))
    by_hand.assert_samples_follow(machine, layers)
    _assert_statistics(machine, layers)


def test_samples_of_a_machine_with_receptive_fields():
    machine = deep.with_receptive_fields(*FIELDS, 2, seed=29, scale=0.7)
    _assert_statistics(machine, gibbs.sample(machine, 20_011, 31, KEY, CPU))


def test_a_step_leaves_the_distribution_as_it_is(backend):
    machine = by_hand.machine((3, 5, 2), seed=31, scale=1.5)
    layers = deep.exact_samples(machine, by_hand.enough(backend, 20_011), seed=37)
    for _ in range(2):
        by_hand.assert_samples_follow(machine, layers)
        layers = by_hand.on_host(backend, backend.advance(machine, layers, KEY, 1, 1, 0))


@pytest.mark.parametrize("sizes", [(3, 5, 2), (3, 2, 3, 2)])
def test_clamped_layers_give_the_conditional_distribution(sizes, backend):
    machine, n = by_hand.machine(sizes, seed=41, scale=0.8), by_hand.enough(backend, 10_007)
    case = by_hand.patterns(1, 3, seed=43)
    states = _random_states(machine, n, seed=47)
    states[0] = np.repeat(case, n, axis=0)
    found = by_hand.on_host(backend, backend.advance(machine, states, KEY, 1, 29, 0, 1))
    assert (found[0] == case).all() and found[0].dtype == np.uint8
    expected = exact.clamped_statistics(machine, case)
    for layer, rate in zip(found[1:], expected.rates[1:]):
        by_hand.assert_within_standard_errors(layer.mean(axis=0), rate, np.sqrt(rate * (1 - rate) / n))
    pair, found_pair = expected.pair_means[1], found[1].T.astype(float) @ found[2] / n
    by_hand.assert_within_standard_errors(found_pair, pair, np.sqrt(pair * (1 - pair) / n))


def test_clamping_an_rbm_samples_its_posterior(backend):
    machine = by_hand.machine((5, 7), seed=53)
    states = _random_states(machine, 31, seed=59)
    visible, hidden = by_hand.on_host(backend, backend.advance(machine, states, KEY, 1, 3, 0, 1))
    fields = field_of(machine, states, 1)
    assert (visible == states[0]).all() and (
        hidden == by_hand.on_host(backend, backend.sample_layer(fields, KEY, 3, 1, 0))
    ).all()


@pytest.mark.parametrize("sizes", [(5, 7, 0), (5, 0, 3), (5, 0), (0, 5, 3), (5, 7, 0, 3)])
def test_layers_without_units(sizes, backend):
    machine = by_hand.machine(sizes, seed=61)
    states = _random_states(machine, 7, seed=67)
    found = by_hand.on_host(backend, backend.advance(machine, states, KEY, 1, 3, 0))
    assert [layer.shape for layer in found] == [(7, n) for n in sizes]
    for c, state in enumerate(zip(*states)):
        assert [layer[c].tolist() for layer in found] == deep.gibbs_steps(machine, state, KEY, 1, 3, c)


# Statistics of reads


def _statistics_of(layers):
    """Rates and pair means of joint states, by hand."""
    layers = [layer.astype(float) for layer in layers]
    n = len(layers[0])
    return [layer.sum(axis=0) / n for layer in layers], [a.T @ b / n for a, b in zip(layers[:-1], layers[1:])]


def _assert_read(found, layers):
    """Statistics and packed visible states are those of these joint states."""
    statistics, packed = found
    assert statistics.n_samples == len(layers[0]) == len(packed)
    rates, pairs = _statistics_of(layers)
    for a, b in zip((*statistics.rates, *statistics.pair_means), (*rates, *pairs), strict=True):
        assert a.dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-12)
    assert packed.dtype == np.uint8
    assert np.array_equal(np.unpackbits(packed, axis=1, count=layers[0].shape[1]), layers[0])


def _reads_by_hand(machine, chains, n_samples, n_gibbs_steps, backend):
    """All chains after every n_gibbs_steps, one read after the other, as many as asked for."""
    reads, n_done = [], 0
    while len(reads) * len(chains[0]) < n_samples:
        n_done += n_gibbs_steps
        reads.append(by_hand.on_host(backend, backend.advance(machine, chains, KEY, 1, n_done, 0)))
    return [np.concatenate(layer)[:n_samples] for layer in zip(*reads)]


@pytest.mark.parametrize("sizes", [(11, 7, 5), (5, 3), (3, 7, 5, 2), (5, 7, 0)])
@pytest.mark.parametrize(("n_samples", "n_gibbs_steps"), [(26, 3), (31, 2), (13, 5), (5, 3), (53, 1)])
@pytest.mark.parametrize("block", [1, 13, 30, 8192])
def test_persistent_chains_are_read_every_so_many_steps(sizes, n_samples, n_gibbs_steps, block, monkeypatch, progress):
    monkeypatch.setattr(type(CPU), "piece", lambda self, n, bytes_each: min(n, block))
    machine = by_hand.machine(sizes, seed=71)
    chains = tuple(_random_states(machine, 13, seed=73))
    sampling = DeepSampling(chains="persistent", n_gibbs_steps=n_gibbs_steps)
    found = deep_statistics(machine, chains, n_samples, sampling, KEY, CPU, progress)
    _assert_read(found, _reads_by_hand(machine, chains, n_samples, n_gibbs_steps, CPU))
    assert progress.done == n_samples


@pytest.mark.parametrize("sizes", [(11, 7, 5), (3, 7, 5, 2)])
@pytest.mark.parametrize("n_samples", [13, 31])
@pytest.mark.parametrize("block", [7, 13, 8192])
def test_fresh_chains_are_read_once(sizes, n_samples, block, monkeypatch, backend):
    machine = by_hand.machine(sizes, seed=79)
    expected = by_hand.on_host(backend, gibbs.sample(machine, n_samples, 3, KEY, backend))
    monkeypatch.setattr(type(backend), "piece", lambda self, n, bytes_each: min(n, block))
    chains = tuple(_random_states(machine, 5, seed=83))
    found = deep_statistics(machine, chains, n_samples, DeepSampling(chains="fresh", n_gibbs_steps=3), KEY, backend)
    _assert_read(found, expected)


@pytest.mark.parametrize("how", ["persistent", "fresh"])
def test_statistics_are_those_of_the_machine(how):
    machine = by_hand.machine((3, 5, 2), seed=89, scale=0.7)
    expected, n = exact.statistics(machine), 20_011
    chains = tuple(_random_states(machine, 503, seed=97))
    found, packed = deep_statistics(machine, chains, n, DeepSampling(chains=how, n_gibbs_steps=37), KEY, CPU)
    for a, b in zip((*found.rates, *found.pair_means), (*expected.rates, *expected.pair_means)):
        by_hand.assert_within_standard_errors(a, b, np.sqrt(b * (1 - b) / n))
    counts = np.bincount(packed[:, 0] >> 5, minlength=8)
    assert by_hand.chi_square_p_value(counts, np.exp(exact.visible_log_probabilities(machine))) > 1e-3


def test_the_chains_that_go_in_are_not_changed(backend):
    machine = by_hand.machine((5, 7, 3), seed=101)
    chains = tuple(_random_states(machine, 7, seed=103))
    before = [layer.copy() for layer in chains]
    deep_statistics(machine, chains, 11, DeepSampling(n_gibbs_steps=2), KEY, backend)
    assert _equal(chains, before)


def test_threads_do_not_change_a_bit():
    machine = by_hand.machine((13, 11, 7), seed=107)
    chains = tuple(_random_states(machine, 7, seed=109))
    one, other = (
        deep_statistics(machine, chains, 31, DeepSampling(n_gibbs_steps=2), KEY, get_backend("cpu", threads))
        for threads in (1, 3)
    )
    assert np.array_equal(one[1], other[1]) and np.array_equal(one[0].pair_means[1], other[0].pair_means[1])
