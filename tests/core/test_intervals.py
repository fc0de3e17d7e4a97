"""Intervals and standard errors that are stated: how often they cover what enumeration gives."""

import numpy as np
import pytest
import sampler_tests as samplers
from scipy import stats

from boltzprune.backend import get_backend
from boltzprune.core import streams
from boltzprune.core.fisher import fisher_diagonal, fisher_interval
from boltzprune.sampling import ais, exact

CPU = get_backend("cpu")


def _coverage(rates, n):
    """How often the interval covers p (1 - p), for every p: the sum over all counts."""
    k = np.arange(n + 1)
    low, high = fisher_interval(k / n, n)
    return np.array([stats.binom.pmf(k, n, p)[(low <= p * (1 - p)) & (p * (1 - p) <= high)].sum() for p in rates])


@pytest.mark.parametrize("n", [101, 1009, 10_007])
def test_the_coverage_of_the_interval_is_what_its_text_says(n):
    far = np.geomspace(10 / n, 0.5 - 1.2 / np.sqrt(n), 61)
    covered = _coverage(np.concatenate([far, 1 - far]), n)
    assert 0.93 < covered.min() and covered.max() < 0.965
    assert abs(covered.mean() - 0.95) < 0.002
    near = _coverage(np.linspace(0.5 - 1.2 / np.sqrt(n), 0.5, 31), n)
    assert 0.935 < near.min() and near.max() < 0.981
    rare = _coverage(np.geomspace(0.1 / n, 10 / n, 61), n)
    assert 0.88 < rare.min() and abs(rare.mean() - 0.955) < 0.01


def test_ends_of_the_interval_by_hand():
    low, high = fisher_interval(np.array([0, 0.25, 0.5, 0.75, 1]), 16)
    beta = stats.beta(4.5, 12.5)
    a, b = beta.ppf(0.025), beta.ppf(0.975)
    assert low[[1, 3]] == pytest.approx(a * (1 - a)) and high[[1, 3]] == pytest.approx(b * (1 - b))
    assert low[0] == low[4] == 0 and high[[0, 4]] == pytest.approx(0.143 * 0.857, abs=5e-4)
    assert (low[2], high[2]) == (pytest.approx(0.272 * 0.728, abs=5e-4), 0.25)
    narrow, wide = (np.subtract(*fisher_interval(0.25, 16, level)) for level in (0.5, 0.99))
    assert 0 > narrow > wide


def test_exact_means_have_no_width():
    means = np.array([0.0, 0.1, 0.5, 1.0])
    low, high = fisher_interval(means, 0)
    assert (low == high).all() and (low == fisher_diagonal(means)).all()


@pytest.mark.torture
def test_intervals_of_machines_cover_their_fisher_information(promise, at_scale):
    n, n_repetitions = 503, at_scale(401, 2003)
    with promise("95 % intervals of the FI cover it in 93 to 97 % of repetitions") as count:
        for k, machine in samplers.random_machines(samplers.RBM, at_scale(7, 200), 53):
            key = streams.fork(k, "samples", 5)
            states = [x.reshape(n_repetitions, n, -1) for x in exact.sample(machine, n * n_repetitions, key, CPU)]
            found = [*(x.mean(axis=1) for x in states), np.einsum("rsi,rsj->rij", *states, dtype=np.float32) / n]
            truth = exact.statistics(machine)
            truth = fisher_diagonal(np.concatenate([x.ravel() for x in (*truth.rates, *truth.pair_means)]))
            low, high = fisher_interval(np.concatenate([x.reshape(n_repetitions, -1) for x in found], axis=1), n)
            covered = ((low <= truth) & (truth <= high)).mean()
            count(0.93 <= covered <= 0.97, f"machine {k}: {covered:.4f}")


@pytest.mark.torture
def test_standard_errors_of_log_z_cover_it(promise, at_scale):
    n_machines, n_runs = at_scale(0, 20), 1009
    with promise("log Z within 1.96 standard errors of AIS in 93 to 97 % of runs") as count:
        for k, machine in samplers.random_machines(samplers.DBM, n_machines, 59, strength=0.8):
            runs = [ais.ais(machine, 211, 31, streams.fork(k, "log Z", run), CPU) for run in range(n_runs)]
            log_z = exact.log_z(machine)
            covered = np.mean([abs(run.log_z - log_z) <= 1.96 * run.sd for run in runs])
            count(0.93 <= covered <= 0.97, f"machine {k}: {covered:.4f}")
