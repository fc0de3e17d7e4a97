"""Chains: autocorrelation times of known truth, starts that are remembered, and what dependent samples are worth."""

from dataclasses import replace

import numpy as np
import pytest
import sampler_tests as samplers
from scipy import stats

from boltzprune.backend import get_backend
from boltzprune.core.fisher import Statistics, fisher_diagonal, fisher_interval
from boltzprune.core.machine import BoltzmannMachine, energy
from boltzprune.core.streams import fork
from boltzprune.sampling import exact, mixing
from boltzprune.sampling.mixing import (
    autocorrelation_time,
    chain_time,
    diagnose,
    effective_samples,
    persistent_warning,
    state_times,
)
from boltzprune.sampling.statistics import deep_statistics
from boltzprune.study.config import DeepSampling

CPU = get_backend("cpu")


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, 0.97])
def test_the_time_of_an_autoregressive_process(phi):
    random, n_steps, n_chains = np.random.default_rng(3), 4001, 61
    series = np.zeros((n_steps, n_chains))
    series[0] = random.normal(size=n_chains)
    for step in range(1, n_steps):
        series[step] = phi * series[step - 1] + np.sqrt(1 - phi**2) * random.normal(size=n_chains)
    truth = (1 + phi) / (1 - phi)
    error = truth * np.sqrt(2 * (2 * 5 * truth + 1) / series.size)  # Sokal 1997
    assert autocorrelation_time(series) == pytest.approx(truth, abs=3.3 * error + 0.02)


def test_chains_that_stay_apart_have_a_long_time():
    noise = np.random.default_rng(5).normal(size=(101, 67))
    places = np.where(np.arange(67) < 31, 3.0, -3.0)
    assert autocorrelation_time(noise) < 1.3
    assert autocorrelation_time(noise + places) > 60
    assert autocorrelation_time(np.full((11, 3), 0.7)) == 1


def test_times_of_states_are_those_of_each_unit_as_a_series():
    random = np.random.default_rng(11)
    flips = random.random((29, 13, 71)) < random.uniform(0.02, 0.6, 71)
    states = (np.cumsum(flips, axis=0) % 2).astype(np.uint8)
    states[:, :, 3], states[:, :, 41] = 0, 1
    expected = [autocorrelation_time(states[:, :, unit]) for unit in range(71)]
    np.testing.assert_allclose(state_times(states), expected, rtol=0, atol=2e-9)
    assert expected[3] == expected[41] == 1 and max(expected) > 10 and len(set(expected)) > 50


def two_modes(strength, n_visible=17, n_hidden=11, seed=3):
    """An RBM of rank one whose two modes are each other's negatives, equally deep, and one of the two."""
    random = np.random.default_rng(seed)
    below, above = (random.choice([-1.0, 1.0], n) for n in (n_visible, n_hidden))
    weights = strength * np.outer(below, above) / 4
    biases = tuple((-weights.sum(axis=axis) / 2).astype(np.float32) for axis in (1, 0))
    return BoltzmannMachine((weights.astype(np.float32),), biases, (np.ones(weights.shape, bool),)), below > 0


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_two_modes_are_remembered_and_a_weak_machine_is_forgotten(share):
    machine, mode = two_modes(4.0)
    cases = np.where(np.random.default_rng(7).random((503, 1)) < share, mode, ~mode).astype(np.uint8)
    found = diagnose(machine, cases, 200, 5, CPU)
    assert found.p_memory < 1e-20 and "raise sampling.n_gibbs_steps" in found.warning
    assert (found.p_starts < 1e-6) == (share == 0.8)  # data in both modes alike are no other start
    assert found.rate_time > 150
    weak = diagnose(two_modes(0.5)[0], cases, 200, 5, CPU)
    assert weak.warning == "" and weak.rate_time < 2 and weak.energy_time < 2


def test_few_steps_leave_another_distribution_at_the_end():
    machine, mode = two_modes(1.4)
    cases = np.tile(mode, (101, 1)).astype(np.uint8)
    found = [diagnose(machine, cases, n, 7, CPU) for n in (3, 1000)]
    assert found[0].p_starts < 1e-4 and "forgotten" in found[0].warning and found[1].warning == ""


def test_machines_that_mix_are_seldom_warned_of():
    found = []
    for seed, (_, machine) in enumerate(samplers.random_machines([(7, 5)], 60, 11, strength=0.5)):
        cases = samplers_states(machine, 101, seed)
        found.append(diagnose(machine, cases, 53, seed, CPU))
    assert sum(one.warning != "" for one in found) == 0
    for name in ("p_memory", "p_starts"):  # at most as often as they say
        assert np.mean([getattr(one, name) < 0.1 for one in found]) < 0.2


def samplers_states(machine, n, seed):
    return exact.sample(machine, n, fork(seed, "samples"), CPU)[0]


def test_agreement_is_that_of_fishers_exact_test():
    random = np.random.default_rng(61)
    for _ in range(101):
        n, rates = random.integers(5, 61), random.random(7)
        a, new = (random.random((n, 7)) < rates for _ in range(2))
        b = np.where(random.random((n, 7)) < 0.5, a, new)
        both, law = (a & b).sum(axis=0), stats.hypergeom(n, a.sum(axis=0), b.sum(axis=0))
        more, less = law.sf(both - 1), law.cdf(both)
        assert mixing._agreement(a, b, two_sided=False) == pytest.approx(min(1, 7 * more.min()), rel=1e-8)
        expected = min(1, 7 * 2 * np.minimum(more, less).min())
        assert mixing._agreement(a, b, two_sided=True) == pytest.approx(expected, rel=1e-8)


def test_every_unit_and_both_starts_are_looked_at(monkeypatch):
    """One visible unit, the last one, keeps its state: no other does."""
    machine, _ = two_modes(0.0, 13, 2)
    weights = machine.weights[0].copy()
    weights[12, 1] = 40.0
    biases = (np.zeros(13, np.float32), np.zeros(2, np.float32))
    biases[0][12], biases[1][1] = -20.0, -20.0
    stuck = BoltzmannMachine((weights,), biases, machine.masks)
    cases = np.random.default_rng(13).integers(0, 2, (211, 13)).astype(np.uint8)
    assert diagnose(stuck, cases, 101, 3, CPU).p_memory < 1e-20
    cases[:, 12] = 1
    assert diagnose(stuck, cases, 101, 3, CPU).p_starts < 1e-20
    monkeypatch.setattr(mixing, "MAX_READS", 11)  # fewer reads, the same end
    thinned = diagnose(stuck, cases, 101, 3, CPU)
    assert thinned.p_starts == diagnose(stuck, cases, 101, 3, CPU).p_starts and thinned.rate_time > 40


def test_energies_are_those_of_the_machine_whatever_the_order():
    [(_, machine)] = samplers.random_machines([(7, 5, 3)], 1, 17, strength=1.5)
    states = [np.random.default_rng(n).integers(0, 2, (101, n)).astype(np.uint8) for n in (7, 5, 3)]
    found = mixing._energies(machine, states)
    assert found == pytest.approx(energy(machine, states), abs=1e-4)
    order = [np.random.default_rng(n).permutation(n) for n in (7, 5, 3)]
    mixed = BoltzmannMachine(
        tuple(w[np.ix_(a, b)] for w, a, b in zip(machine.weights, order[:-1], order[1:])),
        tuple(bias[place] for bias, place in zip(machine.biases, order)),
        tuple(mask[np.ix_(a, b)] for mask, a, b in zip(machine.masks, order[:-1], order[1:])),
    )
    assert (mixing._energies(mixed, [layer[:, place] for layer, place in zip(states, order)]) == found).all()


def sticky(n_chains, n_reads, rates, stay, seed):
    """States of chains that are drawn anew with probability 1 - stay, else stay: tau = (1 + stay) / (1 - stay)."""
    random = np.random.default_rng(seed)
    new = random.random((n_reads, n_chains, len(rates))) < rates
    for read in range(1, n_reads):
        stays = random.random((n_chains, len(rates))) < stay
        new[read] = np.where(stays, new[read - 1], new[read])
    return new.reshape(n_reads * n_chains, len(rates)).astype(np.uint8)


def statistics_of(layers):
    pairs = [a.T.astype(float) @ b / len(a) for a, b in zip(layers[:-1], layers[1:])]
    return Statistics(len(layers[0]), tuple(x.mean(axis=0) for x in layers), tuple(pairs))


def packed(layers):
    return [np.packbits(layer, axis=1) for layer in layers]


@pytest.mark.parametrize(("n_chains", "n_samples"), [(23, 211), (5, 211), (1, 101), (3, 7)])
def test_effective_samples_by_hand(n_chains, n_samples):
    random = np.random.default_rng(19)
    layers = [random.integers(0, 2, (n_samples, n)).astype(np.uint8) for n in (7, 5)]
    n_reads = -(-n_samples // n_chains)
    n_parts = min(-(-20 // n_chains), n_reads)
    blocks = {}
    for s in range(n_samples):
        read = s // n_chains
        part = next(p for p in range(n_parts) if p * n_reads // n_parts <= read < (p + 1) * n_reads // n_parts)
        blocks.setdefault((s % n_chains, part), []).append(s)
    found = effective_samples(packed(layers), n_chains, statistics_of(layers), CPU)
    for i, j, value in [(2, 3, found[1][0][2, 3]), (6, 4, found[1][0][6, 4]), (4, None, found[0][0][4])]:
        x = layers[0][:, i].astype(float) * (1 if j is None else layers[1][:, j])
        p, b = x.mean(), len(blocks)
        off = sum((x[which].sum() - p * len(which)) ** 2 for which in blocks.values())
        expected = min(n_samples, p * (1 - p) / (b / (b - 1) * off / n_samples**2)) if off else n_samples
        assert value == pytest.approx(expected, rel=1e-5)


def test_effective_samples_of_dependent_chains_are_those_of_their_time():
    n_chains, n_reads, stay = 101, 307, 0.8
    layers = [sticky(n_chains, n_reads, [0.5, 0.1, 0.02, 0.0, 1.0], stay, 23), sticky(n_chains, n_reads, [0.3], 0, 29)]
    rates, _ = effective_samples(packed(layers), n_chains, statistics_of(layers), CPU)
    expected = n_chains * n_reads * (1 - stay) / (1 + stay)
    assert rates[0][:3] == pytest.approx(expected, rel=4 * np.sqrt(2 / 100))
    assert (rates[0][3:] == n_chains * n_reads).all()  # what is always the same is known
    assert rates[1][0] == pytest.approx(n_chains * n_reads, rel=4 * np.sqrt(2 / 100))


def test_neither_the_memory_nor_missing_reads_change_effective_samples(monkeypatch):
    layers = [sticky(11, 31, [0.5, 0.2, 0.1], 0.5, 31)[:-3], sticky(11, 31, [0.4, 0.6], 0.5, 37)[:-3]]
    found = []
    for n_bytes in (1 << 26, 1 << 7):
        monkeypatch.setattr(mixing, "MAX_BYTES", n_bytes)
        found.append(effective_samples(packed(layers), 11, statistics_of(layers), CPU))
    for one, other in zip(*found):
        assert all((a == b).all() and a.dtype == np.float32 for a, b in zip(one, other))


def test_intervals_of_persistent_chains_cover_the_fisher_information():
    """95 % intervals, of the effective samples, in 93 to 97 %; those of the number of samples would not."""
    random = np.random.default_rng(41)
    weights = 2.5 * random.normal(size=(7, 5))
    biases = tuple((-weights.sum(axis=a) / 2 + random.normal(size=n)).astype(np.float32) for a, n in ((1, 7), (0, 5)))
    machine = BoltzmannMachine((weights.astype(np.float32),), biases, (np.ones((7, 5), bool),))
    expected = fisher_diagonal(exact.statistics(machine).pair_means[0])
    how = DeepSampling(chains="persistent", n_gibbs_steps=1)
    covered, naive, worth = [], [], []
    for run in range(200):
        chains = exact.sample(machine, 101, fork(run, "samples", 1), CPU)
        found, _ = deep_statistics(machine, chains, 101 * 30, how, fork(run, "samples", 2), CPU)
        for n, kept in ((found.pair_effective[0], covered), (found.n_samples, naive)):
            low, high = fisher_interval(found.pair_means[0], n)
            kept.append((low <= expected) & (expected <= high))
        worth.append(found.pair_effective[0] / found.n_samples)
    assert np.mean(worth) < 0.4
    assert 0.93 < np.mean(covered) < 0.97
    assert np.mean(naive) < 0.8


def test_a_persistent_chain_that_is_too_short_is_warned_of():
    for stay, n_reads, says in ((0.9, 41, "for 1"), (0.9, 997, ""), (0.0, 41, "")):
        layers = [sticky(53, n_reads, [0.5, 0.2, 0.1], stay, 43), sticky(53, n_reads, [0.4, 0.6], stay, 47)]
        found = statistics_of(layers)
        of_rates, _ = effective_samples(packed(layers), 53, found, CPU)
        time = chain_time(found.rates, of_rates, found.n_samples)
        assert time == pytest.approx((1 + stay) / (1 - stay), rel=0.35)
        told = persistent_warning(replace(found, chain_time=time), 53)
        assert (says in told) if says else not told
    assert persistent_warning(statistics_of(layers), 53) == ""
