"""Annealed importance sampling and the variational bound against enumeration."""

import by_hand
import numpy as np
import pytest

from boltzprune.backend import get_backend
from boltzprune.core import streams
from boltzprune.core.machine import BoltzmannMachine, energy
from boltzprune.errors import InputError
from boltzprune.sampling import ais, exact

CASES = [
    ((3, 5, 2), 1.0, 3),
    ((5, 3, 7), 1.5, 5),  # more units in even layers
    ((2, 11, 3), 1.5, 7),  # more units in odd layers
    ((7, 5), 1.0, 11),
    ((3, 7), 2.0, 13),
    ((3, 5, 2, 5), 1.0, 17),
    ((13, 11, 5), 0.7, 19),
]
CPU = get_backend("cpu")


def _key(*indices):
    return streams.fork(61, "samples", *indices)


def _posterior(machine, pattern):
    """All hidden states, and log p(v, h) - log Z of each with this v."""
    hidden = by_hand.joint_states(machine.layer_sizes[1:])
    visible = np.tile(pattern, (len(hidden[0]), 1))
    return hidden, -energy(machine, [visible, *hidden]) - exact.log_z(machine)


@pytest.mark.parametrize("seed", [2, 3])
@pytest.mark.parametrize(("sizes", "scale", "machine_seed"), CASES)
def test_log_z_is_within_three_standard_errors(sizes, scale, machine_seed, seed):
    machine = by_hand.machine(sizes, machine_seed, scale)
    found = ais.ais(machine, 211, 307, _key(seed), CPU)
    assert 0 < found.sd < 0.1 and 100 < found.effective_chains <= 211
    assert abs(found.log_z - exact.log_z(machine)) < 3 * found.sd


@pytest.mark.parametrize("n_temperatures", [2, 3, 7])
@pytest.mark.parametrize("sizes", [(3, 5, 2), (5, 3, 7), (5, 7)])
def test_the_estimate_of_z_is_unbiased_at_few_temperatures(sizes, n_temperatures, backend):
    machine = by_hand.machine(sizes, seed=67, scale=0.7, density=0.8)
    found = ais.ais(machine, 40_009, n_temperatures, _key(5), backend)
    ratio = np.exp(found.log_z - exact.log_z(machine))
    assert found.sd < 0.01
    assert abs(ratio - 1) < 5 * found.sd  # 18 comparisons that share draws


def test_the_standard_error_is_that_of_repetitions():
    machine = by_hand.machine((3, 5, 2), seed=71, scale=1.0)
    log_z = exact.log_z(machine)
    runs = [ais.ais(machine, 101, 23, _key(7, repetition), CPU) for repetition in range(128)]
    z = np.array([(run.log_z - log_z) / run.sd for run in runs])
    assert abs(z.mean()) < 3 / np.sqrt(128)
    assert abs(z.std(ddof=1) - 1) < 3 / np.sqrt(2 * 127)
    ratio = np.exp([run.log_z - log_z for run in runs])
    assert abs(ratio.mean() - 1) < 3 * ratio.std(ddof=1) / np.sqrt(128)


def test_two_temperatures_are_importance_sampling_from_the_biases():
    machine = by_hand.machine((3, 2, 5), seed=73)  # 3 + 5 units sum out, 2 are drawn
    n_chains, log_z_base = 7, sum(np.logaddexp(0, bias.astype(float)).sum() for bias in machine.biases)
    w = []
    for c in range(n_chains):
        h = np.array([by_hand.uniform(_key(), 0, 1, c, j) < by_hand.logistic(machine.biases[1][j]) for j in range(2)])
        ratio = 1.0
        for weights, bias in ((machine.weights[0], machine.biases[0]), (machine.weights[1].T, machine.biases[2])):
            ratio *= np.prod((1 + np.exp(bias + weights @ h)) / (1 + np.exp(bias)))
        w.append(ratio)
    found = ais.ais(machine, n_chains, 2, _key(), CPU)
    assert found.log_z == pytest.approx(log_z_base + np.log(np.mean(w)), abs=1e-5)
    assert found.sd == pytest.approx(np.std(w, ddof=1) / np.mean(w) / np.sqrt(n_chains), rel=1e-4)
    assert found.effective_chains == pytest.approx(np.sum(w) ** 2 / np.sum(np.square(w)), rel=1e-4)


def test_more_temperatures_narrow_the_spread():
    machine = by_hand.machine((13, 11, 5), seed=79)
    spread = [ais.ais(machine, 211, n, _key(11), CPU).sd for n in (11, 101, 1009)]
    assert spread[0] > 1.5 * spread[1] > 2 * spread[2]


def test_without_weights_the_estimate_is_exact(no_warnings):
    machine = by_hand.machine((3, 5, 2), seed=83, density=0.0)
    found = ais.ais(machine, 7, 11, _key(), CPU)
    assert found.log_z == pytest.approx(exact.log_z(machine), abs=1e-12)
    assert found.sd == 0 and found.effective_chains == pytest.approx(7)


def test_a_layer_without_units_changes_nothing():
    machine = by_hand.machine((3, 5), seed=89)
    nothing = np.zeros((5, 0), dtype=np.float32)
    biases = (*machine.biases, np.zeros(0, dtype=np.float32))
    deep = BoltzmannMachine((*machine.weights, nothing), biases, (*machine.masks, nothing.astype(bool)))
    assert ais.ais(deep, 7, 11, _key(), CPU) == ais.ais(machine, 7, 11, _key(), CPU)


def test_strong_weights_stay_finite(no_warnings):
    machine = by_hand.machine((3, 5, 2), seed=97, scale=200.0)
    found = ais.ais(machine, 31, 1009, _key(), CPU)
    assert all(np.isfinite([found.log_z, found.sd, found.effective_chains]))


def test_a_key_gives_one_result_on_any_backend():
    machine = by_hand.machine((3, 5, 2), seed=101)
    found = ais.ais(machine, 31, 37, _key(13), CPU)
    assert ais.ais(machine, 31, 37, _key(13), CPU) == found
    assert ais.ais(machine, 31, 37, _key(13), get_backend("reference")).log_z == pytest.approx(found.log_z, abs=1e-4)
    assert abs(ais.ais(machine, 31, 37, _key(17), CPU).log_z - found.log_z) > 1e-4


def test_one_chain_and_one_temperature_are_refused():
    machine = by_hand.machine((3, 2), seed=103)
    with pytest.raises(InputError, match="n_chains is 1, expected at least 2"):
        ais.ais(machine, 1, 11, _key(), CPU)
    with pytest.raises(InputError, match="n_temperatures is 1, expected at least 2"):
        ais.ais(machine, 11, 1, _key(), CPU)


@pytest.mark.parametrize("per_block", [1024, 3])
@pytest.mark.parametrize("sizes", [(3, 5, 2), (5, 3), (3, 2, 5, 2)])
def test_the_bound_misses_the_log_likelihood_by_the_divergence(sizes, per_block, monkeypatch):
    monkeypatch.setattr(ais, "IMAGES_PER_BLOCK", per_block)
    machine = by_hand.machine(sizes, seed=107)
    rng = np.random.default_rng(109)
    visible = by_hand.patterns(11, sizes[0], seed=113)
    means = [rng.random((11, n)) for n in sizes[1:]]
    log_p = exact.visible_log_probabilities(machine)[visible @ (1 << np.arange(sizes[0] - 1, -1, -1))]
    divergences = []
    for image, pattern in enumerate(visible):
        hidden, log_joint = _posterior(machine, pattern)
        q = np.prod([np.prod(np.where(h, m[image], 1 - m[image]), axis=1) for h, m in zip(hidden, means)], axis=0)
        divergences.append(q @ (np.log(q) - log_joint) + log_p[image])
    found = ais.variational_bounds(machine, visible, means, exact.log_z(machine))
    assert found == pytest.approx(log_p - divergences, abs=1e-10)
    assert (found < log_p).all()


def test_the_bound_is_the_log_likelihood_without_upper_weights():
    machine = by_hand.machine((3, 5, 2), seed=127)
    off = np.zeros((5, 2), dtype=bool)
    machine = BoltzmannMachine((machine.weights[0], off.astype(np.float32)), machine.biases, (machine.masks[0], off))
    visible = by_hand.patterns(11, 3, seed=131)
    fields = visible @ machine.weights[0].astype(float) + machine.biases[1]
    means = [1 / (1 + np.exp(-fields)), np.tile(1 / (1 + np.exp(-machine.biases[2].astype(float))), (11, 1))]
    expected = exact.visible_log_probabilities(machine)[visible @ [4, 2, 1]]
    found = ais.variational_bounds(machine, visible, means, exact.log_z(machine))
    assert found == pytest.approx(expected, abs=1e-10)


def test_the_bound_of_certain_units_has_no_entropy(no_warnings):
    machine = by_hand.machine((3, 5, 2), seed=137)
    states = [by_hand.patterns(7, n, seed=139 + n) for n in (3, 5, 2)]
    means = [state.astype(np.float32) for state in states[1:]]
    assert ais.variational_bounds(machine, states[0], means, 1.7) == pytest.approx(-energy(machine, states) - 1.7)
