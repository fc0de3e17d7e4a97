"""Enumeration of RBMs: their Fisher information, their samples, the order of their sums, and what is refused."""

import dataclasses
import itertools
import math

import by_hand
import deep_by_hand as deep
import numpy as np
import pytest

from boltzprune.core import streams
from boltzprune.core.machine import BoltzmannMachine, sigmoid
from boltzprune.errors import InputError
from boltzprune.sampling import enumeration, exact

MACHINES = [((3, 5), 1.0, 3), ((3, 5), 0.6, 5), ((5, 3), 0.6, 7), ((1, 2), 1.0, 11), ((7, 1), 0.7, 13)]


@pytest.fixture(params=MACHINES, ids=lambda m: f"{m[0][0]}x{m[0][1]} density {m[1]}")
def machine(request):
    sizes, density, seed = request.param
    return by_hand.machine(sizes, seed, scale=1.5, density=density)


@pytest.fixture(params=[1 << 13, 3])
def block(request, monkeypatch):
    """Blocks of patterns larger than all, and blocks with a shorter last one."""
    monkeypatch.setattr(enumeration, "BLOCK", request.param)


def _assert_exact(found, expected):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


def test_visible_states_count_upwards():
    expected = np.array(list(itertools.product((0, 1), repeat=5)))
    found = exact.visible_states(5)
    assert found.dtype == np.uint8 and (found == expected).all()


def test_log_probabilities_of_strong_weights_stay_finite(no_warnings):
    machine = BoltzmannMachine((np.full((3, 5), 2000.0),), (np.zeros(3), np.zeros(5)), (np.ones((3, 5), dtype=bool),))
    assert exact.log_z(machine) == 30000.0
    assert exact.visible_log_probabilities(machine)[[0, 3, 7]].tolist() == [5 * math.log(2) - 30000.0, -10000.0, 0.0]


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


def test_more_than_twenty_visible_units_are_refused_where_their_patterns_are_listed():
    machine = by_hand.machine((21, 2), seed=31)
    for function in (exact.visible_log_probabilities, exact.fisher_matrix):
        with pytest.raises(
            InputError, match=r"patterns of 21 visible units cannot .* \(at most 20 units\); use .* gibbs"
        ):
            function(machine)
    assert exact.visible_states(20).shape == (2**20, 20)


@pytest.mark.parametrize("sizes", [(13, 7), (5, 11), (7, 2)])
def test_an_rbm_of_few_visible_units_has_the_sums_over_its_visible_patterns_to_the_last_bit(sizes):
    """The numbers of finished studies rest on these sums in this order."""
    machine = by_hand.machine(sizes, seed=33, scale=1.5, density=0.8)
    v, (w, b, c) = exact.visible_states(sizes[0]).astype(float), (x.astype(float) for x in deep.parameters(machine))
    fields = v @ w + c
    log_weights = v @ b + np.logaddexp(0.0, fields).sum(axis=1)
    assert exact.log_z(machine) == np.logaddexp.reduce(log_weights)
    log_p = exact.visible_log_probabilities(machine)
    assert (log_p == log_weights - np.logaddexp.reduce(log_weights)).all()
    assert (exact.free_energy(machine, v) == -log_weights).all()
    p, q, found = np.exp(log_p), sigmoid(fields), exact.statistics(machine)
    assert (found.rates[0] == (v * p[:, None]).sum(axis=0)).all() and (found.rates[1] == p @ q).all()
    assert (found.pair_means[0] == (v * p[:, None]).T @ q).all()


@pytest.mark.parametrize("sizes", [(3, 5), (5, 3), (2, 5, 3), (5, 2, 3), (3, 2, 1, 3)])
def test_samples_follow_the_joint_distribution(sizes, backend):
    machine = by_hand.machine(sizes, seed=37, density=0.8)
    layers = by_hand.on_host(backend, exact.sample(machine, 40_009, streams.fork(41, "samples"), backend))
    assert [(layer.shape, layer.dtype) for layer in layers] == [((40_009, n), np.uint8) for n in sizes]
    by_hand.assert_samples_follow(machine, layers)


def test_a_sample_is_the_inversion_of_its_uniform_numbers(backend):
    machine = by_hand.machine((3, 5), seed=43, density=0.8)
    key = streams.fork(47, "samples")
    visible, hidden = by_hand.on_host(backend, exact.sample(machine, 31, key, backend))
    p = np.exp(exact.visible_log_probabilities(machine))
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
