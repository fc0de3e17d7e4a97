"""Rao-Blackwellised statistics: by hand, unbiased, and never less certain than the states that they stand for."""

import numpy as np
import pytest
import sampler_tests as samplers

from boltzprune.backend import get_backend
from boltzprune.core.fisher import fisher_diagonal, fisher_interval
from boltzprune.core.streams import fork
from boltzprune.errors import InputError
from boltzprune.sampling import exact
from boltzprune.sampling.mixing import LARGEST
from boltzprune.sampling.statistics import conditional_statistics, estimate
from boltzprune.study.config import Sampling

CPU = get_backend("cpu")
N, N_REPETITIONS = 307, 401


def machine_of(seed=3, sizes=(5, 3)):
    [(_, machine)] = samplers.random_machines([sizes], 1, seed, strength=1.5)
    return machine


def test_by_hand():
    machine = machine_of()
    visible = np.random.default_rng(5).integers(0, 2, (11, 5)).astype(np.uint8)
    found = conditional_statistics(machine, visible)
    weights, (below, above) = machine.weights[0].astype(float), machine.biases
    rates, pairs = np.zeros(3), np.zeros((5, 3))
    for row in visible:
        p = 1 / (1 + np.exp(-(above + row @ weights)))
        rates += p / 11
        pairs += np.outer(row, p) / 11
    assert found.n_samples == 11
    assert found.rates[0] == pytest.approx(visible.mean(axis=0)) and found.rates[1] == pytest.approx(rates)
    assert found.pair_means[0] == pytest.approx(pairs)
    assert found.pair_means[0].shape == (5, 3) and below.shape == (5,)


@pytest.fixture(scope="module", params=[3, 7, 11, 19])
def repeated(request):
    """Sampled and conditional means of many sets of samples of one machine, and the exact ones."""
    machine = machine_of(request.param)
    states = exact.sample(machine, N * N_REPETITIONS, fork(request.param, "samples"), CPU)
    sets = [layer.reshape(N_REPETITIONS, N, -1) for layer in states]
    sampled = np.einsum("rsi,rsj->rij", *sets, dtype=np.float64) / N, sets[1].mean(axis=1)
    found = [conditional_statistics(machine, visible) for visible in sets[0]]
    conditional = np.array([one.pair_means[0] for one in found]), np.array([one.rates[1] for one in found])
    truth = exact.statistics(machine)
    return sampled, conditional, (truth.pair_means[0], truth.rates[1])


def test_they_are_unbiased(repeated):
    _, conditional, truth = repeated
    for found, expected in zip(conditional, truth):
        error = found.std(axis=0, ddof=1) / np.sqrt(N_REPETITIONS)
        assert np.abs((found.mean(axis=0) - expected) / error).max() < 4.2


def test_their_variance_is_never_larger(repeated):
    """By the theorem; within what 401 repetitions tell: a variance has a relative error of 7 %, three of them 21 %."""
    sampled, conditional, _ = repeated
    ratios = [one.var(axis=0) / other.var(axis=0) for one, other in zip(conditional, sampled)]
    assert max(ratio.max() for ratio in ratios) < 1.21
    assert np.median(ratios[1]) < 0.9, "and for rates it is clearly smaller"


def test_criteria_see_them_and_the_matrix_does_not():
    machine, key = machine_of(), fork(0, "samples")
    samples = exact.sample(machine, 1009, key, CPU)
    plain, matrix = estimate(machine, samples, Sampling(), CPU)
    found, same = estimate(machine, samples, Sampling(statistics="conditional"), CPU)
    expected = conditional_statistics(machine, samples[0])
    assert found.pair_means[0].tobytes() == expected.pair_means[0].tobytes()
    assert found.rates[0] == pytest.approx(plain.rates[0]) and (found.rates[1] != plain.rates[1]).all()
    assert np.array_equal(matrix(), same())
    truth = fisher_diagonal(exact.statistics(machine).pair_means[0])
    off = [np.abs(fisher_diagonal(one.pair_means[0], 1009) - truth).mean() for one in (found, plain)]
    assert off[0] < off[1]


def test_means_of_certain_units_stay_in_their_range():
    """Sums of shares can be 1 + 2e-16, which is no mean."""
    machine = machine_of()
    big = type(machine)(machine.weights, (machine.biases[0], np.full(3, 100, np.float32)), machine.masks)
    for n in range(1, 60):
        visible = np.random.default_rng(n).integers(0, 2, (n, 5)).astype(np.uint8)
        visible[:, 2] = 1
        found = conditional_statistics(big, visible)
        assert max(array.max() for array in (*found.rates, *found.pair_means)) <= 1


# What the means are worth


@pytest.mark.parametrize("shift", [0, -9])
def test_effective_numbers_by_hand(shift):
    """A loop over samples: n p (1 - p) / (<x^2> - p^2); of silent units many times n."""
    machine = machine_of()
    machine = type(machine)(machine.weights, (machine.biases[0], machine.biases[1] + np.float32(shift)), machine.masks)
    visible = np.random.default_rng(5).integers(0, 2, (101, 5)).astype(np.uint8)
    found = conditional_statistics(machine, visible)
    weights, above = machine.weights[0].astype(float), machine.biases[1].astype(float)
    p = np.array([1 / (1 + np.exp(-(above + row @ weights))) for row in visible])
    for j in range(3):
        for i in (None, *range(5)):
            x = p[:, j] * (1 if i is None else visible[:, i])
            mean = sum(x) / 101
            expected = 101 * mean * (1 - mean) / (sum((x - mean) ** 2) / 101)
            told = found.rate_effective[1][j] if i is None else found.pair_effective[0][i, j]
            assert told == pytest.approx(expected, rel=1e-5) and told >= 101
    assert found.rate_effective[0].tolist() == [101] * 5
    assert all(one.dtype == np.float32 for one in (*found.rate_effective, *found.pair_effective))
    assert (found.rate_effective[1].min() > 101 * 50) == (shift == -9)


def test_what_does_not_scatter_is_known_and_what_never_changed_was_counted():
    """Without a weight p_j is a constant; a visible unit that was never on may be on in other samples."""
    machine, key = machine_of(), fork(7, "samples")
    weights = machine.weights[0].copy()
    weights[:, 1:] = 0
    machine = type(machine)((weights,), machine.biases, machine.masks)
    visible = exact.sample(machine, 211, key, CPU)[0]
    visible[:, 2], visible[:, 4] = 0, 1
    found = conditional_statistics(machine, visible)
    assert found.rate_effective[1][0] < 1e6 and (found.rate_effective[1][1:] == LARGEST).all()
    assert (found.pair_means[0][2] == 0).all() and (found.pair_effective[0][2] == 211).all()
    assert (found.pair_effective[0][4, 1:] == LARGEST).all(), "always on, with units that do not scatter"
    drawn = np.random.default_rng(3).binomial(int(LARGEST), found.rates[1][1], 53) / LARGEST
    assert drawn == pytest.approx(found.rates[1][1], abs=1e-8)


@pytest.mark.parametrize("seed", [3, 7, 11, 19])
def test_intervals_cover_the_fisher_information(seed):
    """95 % intervals, of independent sample sets, in 93 to 97 %; those of the number of samples in nearly all."""
    machine = machine_of(seed)
    truth = fisher_diagonal(exact.statistics(machine).pair_means[0])
    covered, naive = [], []
    for run in range(200):
        found = conditional_statistics(machine, exact.sample(machine, 1009, fork(run, "samples"), CPU)[0])
        for n, kept in ((found.pair_effective[0], covered), (found.n_samples, naive)):
            low, high = fisher_interval(found.pair_means[0], n)
            kept.append((low <= truth) & (truth <= high))
    assert 0.93 < np.mean(covered) < 0.97
    assert np.mean(naive) > 0.98


def test_deep_machines_are_refused():
    sizes = (3, 2, 2)
    shapes = list(zip(sizes[:-1], sizes[1:]))
    machine = type(machine_of())(
        tuple(np.zeros(shape, np.float32) for shape in shapes),
        tuple(np.zeros(n, np.float32) for n in sizes),
        tuple(np.ones(shape, bool) for shape in shapes),
    )
    with pytest.raises(InputError, match="deep_statistics"):
        conditional_statistics(machine, np.zeros((5, 3), np.uint8))
