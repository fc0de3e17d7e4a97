"""Enumeration of machines of any depth against sums over all joint states."""

import dataclasses
import itertools

import by_hand
import deep_by_hand as deep
import numpy as np
import pytest

from boltzprune.backend import get_backend
from boltzprune.core import streams
from boltzprune.core.machine import BoltzmannMachine, energy
from boltzprune.errors import InputError
from boltzprune.sampling import enumeration, exact

MACHINES = [
    ((3, 5, 2), 1.0, 3),  # even and odd layers of the same size
    ((2, 7, 3), 0.7, 5),  # fewer units in even layers
    ((5, 3, 2), 0.7, 7),  # fewer units in odd layers
    ((3, 2, 5, 1), 0.8, 11),
    ((2, 3, 1, 2, 3), 0.8, 13),
    ((3, 5), 0.6, 17),
    ((5, 3), 0.6, 17),
    ((1, 2), 1.0, 11),
    ((7, 1), 0.7, 13),
    ((3, 5, 0), 1.0, 19),  # a layer that lost its units
]


@pytest.fixture(params=MACHINES, ids=lambda m: f"{'-'.join(map(str, m[0]))} density {m[1]}")
def machine(request):
    sizes, density, seed = request.param
    return by_hand.machine(sizes, seed, scale=1.5, density=density)


@pytest.fixture(params=[None, (3, 5)], ids=["whole", "blocks"])
def block(request, monkeypatch):
    """Everything at once, and blocks of 3 rows, of as many patterns as have 5 rows."""
    if request.param:
        monkeypatch.setattr(enumeration, "BLOCK", request.param[0])
        monkeypatch.setattr(enumeration, "MAX_ROWS", request.param[1])


def _assert_exact(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def _boltzmann(machine):
    """All joint states, and exp(-E) of each, those of one visible pattern in a row."""
    states = by_hand.joint_states(machine.layer_sizes)
    return states, np.exp(-energy(machine, states)).reshape(2 ** machine.layer_sizes[0], -1)


def _assert_means(found, states, probability):
    assert found.n_samples == 0
    assert len(found.rates) == len(states) and len(found.pair_means) == len(states) - 1
    for rate, s in zip(found.rates, states):
        _assert_exact(rate, probability @ s)
    for pair, lower, upper in zip(found.pair_means, states[:-1], states[1:]):
        _assert_exact(pair, np.einsum("s,si,sj->ij", probability, lower, upper))


def test_the_energy_of_the_anchor_is_the_definition():
    machine = by_hand.machine((3, 5, 2), 3, scale=1.5)
    states = by_hand.joint_states((3, 5, 2))
    _assert_exact(energy(machine, states), [by_hand.energy(machine, state) for state in zip(*states)])


def test_log_z(machine, block):
    _, boltzmann = _boltzmann(machine)
    _assert_exact(exact.log_z(machine), np.log(boltzmann.sum()))


def test_log_probability_of_every_pattern(machine, block):
    _, boltzmann = _boltzmann(machine)
    found = exact.visible_log_probabilities(machine)
    _assert_exact(found, np.log(boltzmann.sum(axis=1) / boltzmann.sum()))


def test_rates_and_pair_means(machine, block):
    states, boltzmann = _boltzmann(machine)
    _assert_means(exact.statistics(machine), states, boltzmann.ravel() / boltzmann.sum())


def test_rates_and_pair_means_given_patterns(machine, block):
    states, boltzmann = _boltzmann(machine)
    n_visible = machine.layer_sizes[0]
    visible = by_hand.patterns(7, n_visible, seed=23)
    codes = visible @ (1 << np.arange(n_visible - 1, -1, -1))
    how_often = np.bincount(codes, minlength=len(boltzmann)) / len(visible)
    posterior = boltzmann / boltzmann.sum(axis=1, keepdims=True) * how_often[:, None]
    _assert_means(exact.clamped_statistics(machine, visible), states, posterior.ravel())


@pytest.mark.parametrize("sizes", [(3, 5), (3, 5, 2), (2, 3, 2, 1)])
def test_gradient_is_the_slope_of_the_mean_log_likelihood(sizes):
    machine = by_hand.machine(sizes, seed=29, density=0.7, dtype=np.float64)
    cases = by_hand.patterns(17, sizes[0], seed=31)
    codes = cases @ (1 << np.arange(sizes[0] - 1, -1, -1))
    d = 1e-5

    def slope(name, layer, where):
        values = []
        for sign in (1, -1):
            arrays = [array.copy() for array in getattr(machine, name)]
            arrays[layer][where] += sign * d
            moved = dataclasses.replace(machine, **{name: tuple(arrays)})
            values.append(exact.visible_log_probabilities(moved)[codes].mean())
        return (values[0] - values[1]) / (2 * d)

    weights, biases = exact.log_likelihood_gradient(machine, cases)
    for layer, mask in enumerate(machine.masks):
        assert weights[layer].shape == mask.shape
        for where in itertools.product(*map(range, mask.shape)):
            expected = slope("weights", layer, where) if mask[where] else 0.0
            assert weights[layer][where] == pytest.approx(expected, abs=1e-9)
    for layer, n_units in enumerate(sizes):
        expected = [slope("biases", layer, unit) for unit in range(n_units)]
        np.testing.assert_allclose(biases[layer], expected, rtol=0, atol=1e-9)


def test_free_energy_of_patterns(machine, block):
    _, boltzmann = _boltzmann(machine)
    n_visible = machine.layer_sizes[0]
    visible = by_hand.patterns(7, n_visible, seed=37)
    codes = visible @ (1 << np.arange(n_visible - 1, -1, -1))
    _assert_exact(exact.free_energy(machine, visible), -np.log(boltzmann.sum(axis=1))[codes])


@pytest.mark.parametrize("sizes", [(3, 7), (7, 3), (7, 2)])
def test_which_side_of_an_rbm_is_listed_changes_rounding_alone(sizes, monkeypatch):
    machine = by_hand.machine(sizes, seed=37, density=0.7)
    assert enumeration.free(machine).listed == [0]
    expected, log_z = exact.statistics(machine), exact.log_z(machine)
    monkeypatch.setattr(enumeration, "MAX_VISIBLE", 2)
    assert enumeration.free(machine).listed == [int(sizes[1] < sizes[0])]
    found = exact.statistics(machine)
    _assert_exact(exact.log_z(machine), log_z)
    for a, b in zip((*found.rates, *found.pair_means), (*expected.rates, *expected.pair_means), strict=True):
        _assert_exact(a, b)


def test_many_visible_units_are_no_obstacle_where_few_hidden_ones_are_listed():
    machine = by_hand.machine((23, 3), seed=41, scale=0.5)
    h, (w, b, c) = by_hand.joint_states([3])[0].astype(float), (x.astype(float) for x in deep.parameters(machine))
    log_weights = h @ c + np.logaddexp(0, b + h @ w.T).sum(axis=1)
    p = np.exp(log_weights - exact.log_z(machine))
    _assert_exact(p.sum(), 1.0)
    _assert_exact(exact.statistics(machine).rates[1], p @ h)
    layers = exact.sample(machine, 11, streams.fork(43, "samples"), get_backend("reference"))
    assert [layer.shape for layer in layers] == [(11, 23), (11, 3)]


@pytest.mark.parametrize("sizes", [(5, 2, 3), (2, 5, 3)])
def test_a_draw_is_an_inversion_then_the_other_layers_given_the_listed_ones(sizes, backend):
    machine, key = by_hand.machine(sizes, seed=61, density=0.8), streams.fork(67, "samples")
    layers = by_hand.on_host(backend, exact.sample(machine, 31, key, backend))
    states, boltzmann = _boltzmann(machine)
    listed = [0, 2] if sizes[1] == 5 else [1]
    p = {}
    for state, weight in zip(zip(*states), boltzmann.ravel() / boltzmann.sum()):
        bits = tuple(np.concatenate([state[layer] for layer in listed]).tolist())
        p[bits] = p.get(bits, 0.0) + weight
    bits, cumulative = sorted(p), np.cumsum([p[key] for key in sorted(p)])
    for c in range(31):
        u = streams.uniform_double(key, 0, listed[0], [c], 1)[0, 0]
        assert (
            tuple(np.concatenate([layers[layer][c] for layer in listed]).tolist()) == bits[int((cumulative <= u).sum())]
        )
        for layer in {0, 1, 2} - set(listed):
            field = [deep.field(machine, [x[c] for x in layers], layer, unit) for unit in range(sizes[layer])]
            expected = [by_hand.uniform(key, 0, layer, c, unit) < by_hand.logistic(x) for unit, x in enumerate(field)]
            assert layers[layer][c].tolist() == expected


def test_two_layers_joined_to_one_have_the_same_log_z():
    machine = by_hand.machine((5, 101, 7), seed=43, scale=0.3)
    weights = np.concatenate([machine.weights[0], machine.weights[1].T])
    biases = np.concatenate([machine.biases[0], machine.biases[2]]), machine.biases[1]
    joined = BoltzmannMachine((weights,), biases, (np.ones_like(weights, dtype=bool),))
    assert exact.log_z(machine) == pytest.approx(exact.log_z(joined), abs=1e-9)


def test_strong_weights_stay_finite(no_warnings):
    masks = np.ones((3, 5), dtype=bool), np.ones((5, 2), dtype=bool)
    machine = BoltzmannMachine(tuple(2000.0 * mask for mask in masks), tuple(map(np.zeros, (3, 5, 2))), masks)
    assert exact.log_z(machine) == 2000.0 * (15 + 10)
    assert exact.visible_log_probabilities(machine)[[0, 7]].tolist() == [-30000.0, 0.0]
    assert (exact.clamped_statistics(machine, np.zeros((3, 3))).rates[2] == 1).all()


def test_machines_too_large_are_refused():
    machine = by_hand.machine((11, 21, 10), seed=47)
    with pytest.raises(InputError, match=r"\(11, 21, 10\) units cannot be enumerated: 21 unknown .* 21 in odd"):
        exact.log_z(machine)
    for function in (
        exact.statistics,
        lambda m: exact.sample(m, 3, streams.fork(0, "samples"), get_backend("reference")),
    ):
        with pytest.raises(InputError, match="at most 20"):
            function(machine)
    assert exact.visible_log_probabilities(by_hand.machine((2, 23, 3), 53)).shape == (4,)
    with pytest.raises(InputError, match=r"\(17, 15, 14\) .* 14 hidden .* 17 visible units, and at most 30 .* in all"):
        exact.visible_log_probabilities(by_hand.machine((17, 15, 14), 59))
    with pytest.raises(InputError, match="visible holds no pattern; expected at least one"):
        exact.clamped_statistics(machine, np.zeros((0, 11), np.uint8))
