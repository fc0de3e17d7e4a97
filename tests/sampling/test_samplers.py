"""Every sampler on many random machines: independent chains against enumeration give p-values that are uniform.

A chain that starts from the machine's distribution must keep it, whatever the number of steps; one that starts anywhere
must reach it. Each machine gives one p-value. Those of 200 machines together also show what is too small for one, and
chains that are not independent of each other.
"""

import by_hand
import numpy as np
import pytest
import sampler_tests as samplers
from scipy import stats

from boltzprune.backend import get_backend
from boltzprune.backend.cpu import loops
from boltzprune.core import streams
from boltzprune.core.contrastive import Epoch, Velocity
from boltzprune.core.joint import JointEpoch, JointState
from boltzprune.sampling import ais, exact, gibbs, statistics
from boltzprune.study.config.digits import DeepSampling

pytestmark = pytest.mark.torture
KINDS = {"RBM": samplers.RBM, "DBM": samplers.DBM}


@pytest.fixture
def scale(backend, at_scale):
    """How many machines, how many chains of each, and what the table calls the backend: few where a GPU is emulated."""
    if getattr(getattr(backend, "card", None), "name", "") == "emulated card":
        return at_scale(2, 40), at_scale(211, 307), "emulated GPU"
    name = type(backend).__module__.rpartition(".")[2]
    return at_scale(20, 200), at_scale(1009, 2003), {"numba_": "CPU"}.get(name, name)


def _key(number):
    return streams.fork(number, "samples", 3)


def _p_values(promise, what, scale, sizes, seed, p_value, **machines):
    """The promise that p_value(machine, key, seeds) of random machines is uniform."""
    n_machines, _, backend = scale
    with promise(f"{what}, {backend}: p-values of random machines are uniform") as count:
        made = samplers.random_machines(sizes, n_machines, seed, **machines)
        samplers.count_p_values(count, [p_value(m, _key(1000 * seed + k), [seed, k, 2]) for k, m in made])


@pytest.mark.parametrize("kind", ["RBM", "DBM"])
def test_gibbs_steps_keep_the_distribution(kind, backend, scale, promise):
    def p_value(machine, key, seeds):
        states, probability = samplers.distribution(machine)
        start = samplers.draw(states, probability, scale[1], seeds)
        found = backend.advance(machine, start, key, 1, 3, 0)
        return samplers.p_of_states(by_hand.on_host(backend, found), probability)

    _p_values(promise, f"Gibbs steps of {kind}s keep the joint distribution", scale, KINDS[kind], 11, p_value)


@pytest.mark.parametrize("kind", ["RBM", "DBM"])
def test_chains_from_random_states_reach_the_distribution(kind, backend, scale, promise):
    def p_value(machine, key, seeds):
        _, probability = samplers.distribution(machine)
        found = gibbs.sample(machine, scale[1], 29, key, backend)
        return samplers.p_of_states(by_hand.on_host(backend, found), probability)

    _p_values(promise, f"Gibbs samples of {kind}s", scale, KINDS[kind], 13, p_value, strength=0.8)


def test_exact_samples(backend, scale, promise):
    def p_value(machine, key, seeds):
        _, probability = samplers.distribution(machine)
        return samplers.p_of_states(
            by_hand.on_host(backend, exact.sample(machine, scale[1], key, backend)), probability
        )

    _p_values(promise, "exact samples of RBMs", scale, samplers.RBM, 17, p_value)


@pytest.mark.parametrize("kind", ["RBM", "DBM"])
def test_clamped_chains_reach_the_posterior(kind, backend, scale, promise):
    def p_value(machine, key, seeds):
        states, probability = samplers.distribution(machine)
        pattern = by_hand.patterns(1, machine.layer_sizes[0], seeds, 0.5)[0]
        start = [np.zeros((scale[1], n), np.uint8) for n in machine.layer_sizes]
        start[0][:] = pattern
        found = backend.advance(machine, start, key, 1, 1 if kind == "RBM" else 23, 0, first_layer=1)
        chance = samplers.given_visible(states, probability, pattern)
        there = chance > 0
        found = by_hand.on_host(backend, found)
        assert (found[0] == pattern).all()
        place = np.cumsum(there) - 1
        return samplers.p_of_counts(np.bincount(place[samplers.codes(found)], minlength=there.sum()), chance[there])

    _p_values(promise, f"hidden layers of {kind}s with clamped images", scale, KINDS[kind], 19, p_value, strength=0.8)


def test_persistent_chains_of_joint_training(backend, scale, promise):
    def p_value(machine, key, seeds):
        states, probability = samplers.distribution(machine)
        chains = samplers.draw(states, probability, scale[1], seeds)
        cases = by_hand.patterns(5, machine.layer_sizes[0], seeds)
        epoch = JointEpoch(0.0, 0.5, 2, 2, 7, np.inf, 1e-3, 3)
        same, state, _ = backend.joint_epoch(machine, JointState.at_rest(machine, chains), key, cases, epoch, int)
        assert all((a == b).all() for a, b in zip(machine.weights + machine.biases, same.weights + same.biases))
        return samplers.p_of_states(by_hand.on_host(backend, state.chains), probability)

    _p_values(promise, "persistent chains while parameters rest", scale, samplers.DBM, 23, p_value)


@pytest.mark.parametrize("chains", ["fresh", "persistent"])
def test_statistics_of_deep_machines(chains, backend, scale, promise):
    settings = DeepSampling(chains=chains, n_gibbs_steps=19)

    def p_value(machine, key, seeds):
        states, probability = samplers.distribution(machine)
        start = samplers.draw(states, probability, scale[1] // 3 + 1, seeds)
        found, visible = statistics.deep_statistics(machine, start, scale[1], settings, key, backend)
        bits = np.unpackbits(visible, axis=1)[:, : machine.layer_sizes[0]]
        assert np.allclose(bits.mean(axis=0), found.rates[0], atol=1e-12) and len(bits) == found.n_samples == scale[1]
        means = np.concatenate([*found.rates, *(pair.ravel() for pair in found.pair_means)])
        return samplers.p_of_means(means, samplers.moments(states), probability, scale[1])

    _p_values(promise, f"rates and pair means, {chains} chains", scale, samplers.DBM, 29, p_value, strength=0.5)


def test_the_negative_phase_of_single_cases(backend, scale, promise):
    _p_values(
        promise, "negative phase of CD-1", scale, samplers.RBM, 31, _negative_phase(backend, max(101, scale[1] // 8), 1)
    )


def test_the_negative_phase_of_several_steps(backend, scale, promise):
    _p_values(
        promise, "negative phase of CD-3", scale, samplers.RBM, 41, _negative_phase(backend, max(101, scale[1] // 8), 3)
    )


def test_the_negative_phase_of_large_machines(at_scale, promise, monkeypatch):
    monkeypatch.setattr(loops, "SMALL", 0)
    scale, p_value = (at_scale(20, 200), 2003, "CPU"), _negative_phase(get_backend("cpu"), at_scale(127, 257), 1)
    _p_values(promise, "negative phase of CD-1, loop for large machines", scale, samplers.RBM, 37, p_value, density=1.0)


def _transition(machine, n_gibbs_steps):
    """Every visible pattern, and the chance of each after so many Gibbs steps from each."""
    (visible, _), probability = samplers.distribution(machine)
    joint = probability.reshape(1 << machine.layer_sizes[0], -1)
    once = (joint / joint.sum(axis=1, keepdims=True)) @ (joint / joint.sum(axis=0)).T
    return visible[:: joint.shape[1]], np.linalg.matrix_power(once, n_gibbs_steps)


def _hidden_mean(machine, visible):
    return 1 / (1 + np.exp(-(visible @ machine.weights[0].astype(float) + machine.biases[1])))


def _negative_phase(backend, n, n_gibbs_steps):
    """The p-value of n updates, a case each: where reconstructions are. Each gradient is what they make of it."""

    def p_value(machine, key, seeds):
        case = by_hand.patterns(1, machine.layer_sizes[0], seeds, 0.5)
        keys = [streams.fork(seeds[1], "training", place) for place in range(n)]
        at_rest, epoch = [Velocity.zero(machine)] * n, Epoch(1.0, 0.5, n_gibbs_steps, 1, 3)
        moved = [new for new, _ in backend.cd_epoch([machine] * n, at_rest, keys, case, epoch, int)]
        weights, below, above = (np.array(x) for x in zip(*((new.weights[0], *new.biases) for new in moved)))
        v = np.rint(case - (below - machine.biases[0])).astype(int)
        p0, p1 = _hidden_mean(machine, case), _hidden_mean(machine, v)
        slopes = (case[:, :, None] * p0[:, None] - v[:, :, None] * p1[:, None]) * machine.masks[0]
        assert np.allclose(weights - machine.weights[0], slopes, atol=1e-5)
        assert np.allclose(above - machine.biases[1], p0 - p1, atol=1e-5)
        patterns, chance = _transition(machine, n_gibbs_steps)
        counts = np.bincount(samplers.codes([v]), minlength=len(patterns))
        return samplers.p_of_counts(counts, chance[samplers.codes([case])[0]])

    return p_value


def test_the_negative_phase_of_batches(backend, scale, promise):
    n, n_gibbs_steps = scale[1], 2

    def p_value(machine, key, seeds):
        case = by_hand.patterns(1, machine.layer_sizes[0], seeds, 0.5)
        work = [machine], [Velocity.zero(machine)], [key], np.repeat(case, n, axis=0)
        ((moved, _),) = backend.cd_epoch(*work, Epoch(1.0, 0.0, n_gibbs_steps, n, 3), int)
        patterns, chance = _transition(machine, n_gibbs_steps)
        found = case[0] - (moved.biases[0].astype(float) - machine.biases[0])
        return samplers.p_of_means(found, patterns.astype(float), chance[samplers.codes([case])[0]], n)

    _p_values(promise, "negative phase of CD-2 in batches", scale, samplers.RBM, 43, p_value)


@pytest.mark.parametrize("kind", ["RBM", "DBM"])
def test_annealed_importance_sampling_estimates_z_without_bias(kind, backend, scale, promise):
    n_temperatures = 7

    def p_value(machine, key, seeds):
        found = ais.ais(machine, 2 * scale[1], n_temperatures, key, backend)
        z = np.expm1(found.log_z - exact.log_z(machine)) / found.sd
        return 2 * stats.norm.sf(abs(z))

    _p_values(promise, f"AIS of {kind}s: the mean of Z is Z", scale, KINDS[kind], 47, p_value, strength=0.8)
