"""Gibbs sampling: one step by hand, the stationary distribution by enumeration, and what may not change the result."""

import by_hand
import numpy as np
import pytest

from boltzprune.backend import get_backend
from boltzprune.core import streams
from boltzprune.core.machine import BoltzmannMachine
from boltzprune.sampling import exact, gibbs, statistics
from boltzprune.study.config import Sampling

KEY = streams.fork(3, "samples", 2)


def _start(machine, n_chains, key=KEY):
    """The random states that chains start from."""
    n = machine.layer_sizes
    return [(streams.uniform(key, 0, k, np.arange(n_chains), n[k]) < 0.5).astype(np.uint8) for k in range(len(n))]


def _equal(a, b):
    return len(a) == len(b) and all(x.dtype == y.dtype == np.uint8 and (x == y).all() for x, y in zip(a, b))


@pytest.mark.parametrize("sizes", [(3, 5), (5, 3), (13, 11), (1, 1), (2, 17)])
def test_steps_of_an_rbm_by_hand(sizes, backend):
    machine = by_hand.machine(sizes, seed=5, density=0.8)
    parameters = [x.astype(float) for x in (machine.weights[0], *machine.biases)]
    visible, hidden = by_hand.on_host(backend, gibbs.sample(machine, 7, 3, KEY, backend))
    for c, start in enumerate(_start(machine, 7)[0]):
        chain, v = by_hand.Chain(*parameters, KEY, c), start.tolist()
        for step in (1, 2, 3):
            h = chain.draw(chain.hidden_probability(v), step, layer=1)
            v = chain.draw(chain.visible_probability(h), step, layer=0)
        assert visible[c].tolist() == v and hidden[c].tolist() == h


def test_steps_of_a_dbm_draw_the_odd_layers_first(backend):
    machine = by_hand.machine((2, 3, 5, 7), seed=7, density=0.9)
    weights, biases = [w.astype(float) for w in machine.weights], [b.astype(float) for b in machine.biases]
    found = by_hand.on_host(backend, gibbs.sample(machine, 11, 2, KEY, backend))
    for c, state in enumerate(zip(*_start(machine, 11))):
        s = [x.astype(float) for x in state]
        for step in (1, 2):
            for layer in (1, 3, 0, 2):
                field = biases[layer].copy()
                if layer > 0:
                    field += s[layer - 1] @ weights[layer - 1]
                if layer < 3:
                    field += weights[layer] @ s[layer + 1]
                draws = [by_hand.uniform(KEY, step, layer, c, unit) for unit in range(len(field))]
                s[layer] = np.array([float(u < by_hand.logistic(x)) for u, x in zip(draws, field)])
        assert [layer[c].tolist() for layer in found] == [x.tolist() for x in s]


@pytest.mark.parametrize("sizes", [(3, 5), (5, 3), (2, 3, 5)])
def test_samples_follow_the_joint_distribution(sizes, backend):
    machine = by_hand.machine(sizes, seed=11, scale=0.8, density=0.9)
    n = by_hand.enough(backend, 20_011)
    layers = by_hand.on_host(backend, gibbs.sample(machine, n, 29, KEY, backend))
    assert [layer.shape for layer in layers] == [(n, n_units) for n_units in sizes]
    by_hand.assert_samples_follow(machine, layers)


@pytest.mark.parametrize("sizes", [(13, 1), (1, 7), (13, 7), (13, 8), (13, 9), (13, 16), (13, 17)])
def test_backends_agree_on_states(sizes):
    machine = by_hand.machine(sizes, seed=13)
    a, b = (gibbs.sample(machine, 101, 13, KEY, get_backend(device)) for device in ("reference", "cpu"))
    assert _equal(a, b)


@pytest.mark.parametrize("sizes", [(13, 11), (3, 5, 7)])
def test_chains_handled_at_once_do_not_matter(sizes, backend, monkeypatch, progress):
    machine = by_hand.machine(sizes, seed=17)
    expected = by_hand.on_host(backend, gibbs.sample(machine, 31, 5, KEY, backend))
    for n in (1, 7, 31):
        monkeypatch.setattr(type(backend), "piece", lambda self, n_chains, bytes_each, n=n: min(n, n_chains))
        assert _equal(by_hand.on_host(backend, gibbs.sample(machine, 31, 5, KEY, backend, progress)), expected)
    assert progress.done == 3 * 31


@pytest.mark.parametrize("sizes", [(13, 11), (3, 5, 7)])
def test_a_chain_depends_on_its_number_alone(sizes, backend):
    machine = by_hand.machine(sizes, seed=17)
    start = _start(machine, 31)
    expected = by_hand.on_host(backend, backend.advance(machine, start, KEY, 1, 5, 0))
    some = by_hand.on_host(backend, backend.advance(machine, [s[11:24] for s in start], KEY, 1, 5, 11))
    assert _equal(some, [s[11:24] for s in expected])


@pytest.mark.parametrize("sizes", [(13, 11), (3, 5, 7)])
def test_stopping_and_going_on_does_not_matter(sizes, backend):
    machine = by_hand.machine(sizes, seed=19)
    start = _start(machine, 7)
    kept = [s.copy() for s in start]
    expected = by_hand.on_host(backend, backend.advance(machine, start, KEY, 1, 5, 0))
    assert _equal(start, kept)
    half = by_hand.on_host(backend, backend.advance(machine, start, KEY, 1, 2, 0))
    assert _equal(by_hand.on_host(backend, backend.advance(machine, half, KEY, 3, 3, 0)), expected)
    assert _equal(by_hand.on_host(backend, backend.advance(machine, half, KEY, 3, 0, 0)), half)


@pytest.mark.parametrize("sizes", [(13, 11), (3, 5, 7)])
def test_odd_layers_are_not_read(sizes, backend):
    machine = by_hand.machine(sizes, seed=19)
    start = _start(machine, 7)
    other = [1 - s if layer % 2 else s for layer, s in enumerate(start)]
    assert _equal(
        by_hand.on_host(backend, backend.advance(machine, start, KEY, 1, 2, 0)),
        by_hand.on_host(backend, backend.advance(machine, other, KEY, 1, 2, 0)),
    )


def test_threads_do_not_matter(weights_in):
    machine = by_hand.machine((13, 11), seed=23)
    expected = gibbs.sample(machine, 31, 5, KEY, get_backend("cpu"))
    assert _equal(gibbs.sample(machine, 31, 5, KEY, get_backend("cpu", threads=2)), expected)


@pytest.mark.parametrize("sizes", [(13, 11), (5, 67, 131), (7, 5, 11, 3)])
def test_lists_and_rows_give_the_same_bits(sizes, request):
    machine = by_hand.machine(sizes, seed=29, scale=0.5, density=0.8)
    listed = gibbs.sample(machine, 301, 7, KEY, get_backend("cpu"))
    request.getfixturevalue("in_rows")
    assert _equal(gibbs.sample(machine, 301, 7, KEY, get_backend("cpu")), listed)


def test_sums_too_large_for_whole_numbers(weights_in):
    """The field of a hidden unit is the sum of most of 1009 weights of equal size, nearly 2**22 units each."""
    weights = np.full((1009, 3), 0.0156, np.float32)
    machine = BoltzmannMachine(
        (weights,), (np.full(1009, 1.0, np.float32), np.full(3, -11.5, np.float32)), (weights > 0,)
    )
    expected = gibbs.sample(machine, 29, 3, KEY, get_backend("reference"))
    found = gibbs.sample(machine, 29, 3, KEY, get_backend("cpu"))
    assert _equal(found, expected) and 0.3 < expected[1].mean() < 0.9


def test_a_layer_is_drawn_from_its_fields(backend):
    fields = np.random.default_rng(31).normal(0, 2, (5, 13))
    found = by_hand.on_host(backend, backend.sample_layer(fields, KEY, step=7, layer=2, first_chain=3))
    expected = [
        [int(by_hand.uniform(KEY, 7, 2, 3 + c, unit) < by_hand.logistic(fields[c, unit])) for unit in range(13)]
        for c in range(5)
    ]
    assert found.dtype == np.uint8 and found.tolist() == expected


def test_strong_fields_decide(backend):
    field = np.array([[-200.0, 200.0, -np.inf, np.inf, -1e30, 1e30, 90.0]])
    assert by_hand.on_host(backend, backend.sample_layer(field, KEY, 0, 0, 0)).tolist() == [[0, 1, 0, 1, 0, 1, 1]]


def test_auto_enumerates_small_rbms_only(backend, monkeypatch):
    monkeypatch.setattr(statistics, "MAX_VISIBLE_AUTO", 5)
    by_method = {
        "exact": lambda machine: by_hand.on_host(backend, exact.sample(machine, 13, KEY, backend)),
        "gibbs": lambda machine: by_hand.on_host(backend, gibbs.sample(machine, 13, 3, KEY, backend)),
    }
    for sizes, method, expected in [
        ((5, 3), "auto", "exact"),
        ((7, 3), "auto", "gibbs"),
        ((5, 3, 2), "auto", "gibbs"),
        ((7, 3), "exact", "exact"),
        ((5, 3), "gibbs", "gibbs"),
    ]:
        machine = by_hand.machine(sizes, seed=37)
        found = by_hand.on_host(
            backend, statistics.draw(machine, 13, Sampling(method=method, n_gibbs_steps=3), KEY, backend)
        )
        assert _equal(found, by_method[expected](machine))


def test_units_without_weights_are_coins_of_their_bias(backend):
    biases = np.array([-1.0, 2.0, 0.0], np.float32), np.array([0.5, -3.0], np.float32)
    machine = BoltzmannMachine((np.zeros((3, 2), np.float32),), biases, (np.zeros((3, 2), dtype=bool),))
    layers = by_hand.on_host(backend, gibbs.sample(machine, 10_007, 1, KEY, backend))
    for layer, bias in zip(layers, biases):
        p = 1 / (1 + np.exp(-bias.astype(float)))
        by_hand.assert_within_standard_errors(layer.mean(axis=0), p, np.sqrt(p * (1 - p) / 10_007))
