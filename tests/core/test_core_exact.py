"""Enumeration of the visible patterns against sums over all joint states."""

import dataclasses
import itertools
import math

import core_by_hand as by_hand
import numpy as np
import pytest

from boltzprune.backend import get_backend
from boltzprune.core import streams
from boltzprune.core.machine import BoltzmannMachine
from boltzprune.errors import InputError
from boltzprune.sampling import exact

MACHINES = [((3, 5), 1.0, 3), ((3, 5), 0.6, 5), ((5, 3), 0.6, 7), ((1, 2), 1.0, 11), ((7, 1), 0.7, 13)]
SMALL_BLOCKS = [1 << 13, 3]


@pytest.fixture(params=MACHINES, ids=lambda m: f"{m[0][0]}x{m[0][1]} density {m[1]}")
def machine(request):
    sizes, density, seed = request.param
    return by_hand.machine(sizes, seed, scale=1.5, density=density)


@pytest.fixture(params=SMALL_BLOCKS)
def block(request, monkeypatch):
    """Blocks of patterns larger than all, and blocks with a shorter last one."""
    monkeypatch.setattr(exact, "BLOCK", request.param)


def _assert_exact(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_visible_states_count_upwards():
    expected = np.array(list(itertools.product((0, 1), repeat=5)))
    found = exact.visible_states(5)
    assert found.dtype == np.uint8 and (found == expected).all()


def test_log_z_and_log_probabilities(machine, block):
    states = by_hand.joint_states(machine.layer_sizes)
    boltzmann = np.array([math.exp(-by_hand.energy(machine, state)) for state in zip(*states)])
    _assert_exact(exact.log_z(machine), math.log(boltzmann.sum()))
    marginal = boltzmann.reshape(2 ** machine.layer_sizes[0], -1).sum(axis=1) / boltzmann.sum()
    found = exact.log_probabilities(machine)
    _assert_exact(found, np.log(marginal))
    _assert_exact(np.exp(found).sum(), 1.0)


def test_log_probabilities_of_strong_weights_stay_finite(no_warnings):
    machine = BoltzmannMachine((np.full((3, 5), 2000.0),), (np.zeros(3), np.zeros(5)), (np.ones((3, 5), dtype=bool),))
    assert exact.log_z(machine) == 30000.0
    assert exact.log_probabilities(machine)[[0, 3, 7]].tolist() == [5 * math.log(2) - 30000.0, -10000.0, 0.0]


def test_rates_and_pair_means(machine, block):
    (v, h), p = by_hand.joint_distribution(machine)
    found = exact.statistics(machine)
    assert found.n_samples == 0
    _assert_exact(found.rates[0], p @ v)
    _assert_exact(found.rates[1], p @ h)
    _assert_exact(found.pair_means[0], np.einsum("s,si,sj->ij", p, v, h))


def test_fisher_matrix_is_the_covariance_of_the_derivatives(machine, block):
    (v, h), p = by_hand.joint_distribution(machine)
    d = by_hand.derivatives(v, h, machine.masks[0])
    centred = d - p @ d
    found = exact.fisher_matrix(machine)
    assert found.shape == (d.shape[1],) * 2
    _assert_exact(found, (centred * p[:, None]).T @ centred)


def test_fisher_matrix_is_the_curvature_of_log_z():
    machine = by_hand.machine((3, 5), seed=17, density=0.7, dtype=np.float64)
    i, j = np.nonzero(machine.masks[0])
    d = 1e-3

    def log_z(direction):
        weights = machine.weights[0].copy()
        weights[i, j] += direction[: len(i)]
        biases = machine.biases[0] + direction[len(i) : len(i) + 3], machine.biases[1] + direction[len(i) + 3 :]
        return exact.log_z(dataclasses.replace(machine, weights=(weights,), biases=biases))

    x = np.random.default_rng(19).normal(0, 1, len(i) + 8)
    curvature = (log_z(d * x) - 2 * log_z(0 * x) + log_z(-d * x)) / d**2
    assert x @ exact.fisher_matrix(machine) @ x == pytest.approx(curvature, rel=1e-4)


def test_gradient_is_the_slope_of_the_mean_log_likelihood(block):
    machine = by_hand.machine((3, 5), seed=23, density=0.7, dtype=np.float64)
    cases = by_hand.patterns(17, 3, seed=29)
    codes = cases @ np.array([4, 2, 1])
    found = exact.log_likelihood_gradient(machine, cases)
    d = 1e-5

    def slope(name, where):
        values = []
        for sign in (1, -1):
            parts = {"weights": [machine.weights[0].copy()], "biases": [b.copy() for b in machine.biases]}
            parts[name][where[0]][where[1]] += sign * d
            moved = dataclasses.replace(machine, **{key: tuple(arrays) for key, arrays in parts.items()})
            values.append(exact.log_probabilities(moved)[codes].mean())
        return (values[0] - values[1]) / (2 * d)

    for i, j in itertools.product(range(3), range(5)):
        expected = slope("weights", (0, (i, j))) if machine.masks[0][i, j] else 0.0
        assert found[0][i, j] == pytest.approx(expected, abs=1e-9)
    for layer, n_units in enumerate((3, 5)):
        expected = [slope("biases", (layer, unit)) for unit in range(n_units)]
        np.testing.assert_allclose(found[1 + layer], expected, rtol=0, atol=1e-9)


def test_more_than_twenty_visible_units_are_refused():
    machine = by_hand.machine((21, 2), seed=31)
    for function in (exact.log_z, exact.log_probabilities, exact.statistics, exact.fisher_matrix):
        with pytest.raises(InputError, match="21 visible units cannot be enumerated"):
            function(machine)
    with pytest.raises(InputError, match="at most 20"):
        exact.sample(machine, 3, streams.fork(0, "samples"), get_backend("reference"))
    assert exact.visible_states(20).shape == (2**20, 20)


@pytest.mark.parametrize("sizes", [(3, 5), (5, 3)])
def test_samples_follow_the_joint_distribution(sizes, backend):
    machine = by_hand.machine(sizes, seed=37, density=0.8)
    visible, hidden = by_hand.on_host(backend, exact.sample(machine, 40_009, streams.fork(41, "samples"), backend))
    assert visible.shape == (40_009, sizes[0]) and hidden.shape == (40_009, sizes[1])
    assert visible.dtype == hidden.dtype == np.uint8
    by_hand.assert_samples_follow(machine, [visible, hidden])


def test_a_sample_is_the_inversion_of_its_uniform_numbers(backend):
    machine = by_hand.machine((3, 5), seed=43, density=0.8)
    key = streams.fork(47, "samples")
    visible, hidden = by_hand.on_host(backend, exact.sample(machine, 31, key, backend))
    p = np.exp(exact.log_probabilities(machine))
    w, b = machine.weights[0].astype(float), machine.biases[1].astype(float)
    for c in range(31):
        code = int((p.cumsum() <= streams.uniform_double(key, 0, 0, [c], 1)[0, 0]).sum())
        assert visible[c].tolist() == [code >> 2 & 1, code >> 1 & 1, code & 1]
        field = visible[c] @ w + b
        assert hidden[c].tolist() == [by_hand.uniform(key, 0, 1, c, j) < by_hand.logistic(field[j]) for j in range(5)]


def test_a_sample_depends_on_its_number_alone(backend):
    machine = by_hand.machine((3, 5), seed=43)
    few = by_hand.on_host(backend, exact.sample(machine, 7, streams.fork(47, "samples"), backend))
    many = by_hand.on_host(backend, exact.sample(machine, 131, streams.fork(47, "samples"), backend))
    assert all((a == b[:7]).all() for a, b in zip(few, many))


def test_samples_of_a_certain_pattern_are_that_pattern(backend):
    biases = np.array([90.0, -90.0, 90.0], dtype=np.float32), np.array([-90.0, 90.0], dtype=np.float32)
    machine = BoltzmannMachine((np.zeros((3, 2), np.float32),), biases, (np.zeros((3, 2), dtype=bool),))
    visible, hidden = by_hand.on_host(backend, exact.sample(machine, 13, streams.fork(1, "samples"), backend))
    assert (visible == [1, 0, 1]).all() and (hidden == [0, 1]).all()
