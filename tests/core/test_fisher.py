"""Activity statistics and Fisher information against plain matrix products and covariances."""

import dataclasses
import math

import by_hand
import numpy as np
import pytest

from boltzprune.backend import get_backend
from boltzprune.core import fisher, streams
from boltzprune.errors import InputError
from boltzprune.sampling import exact, statistics
from boltzprune.study.config import Sampling

REFERENCE = get_backend("reference")
WORD_TAILS = [1, 63, 64, 65, 257]
TILE_BOUNDARIES = [64 * 256 - 1, 64 * 256, 64 * 256 + 1, 64 * 513 + 7]


def _samples(n_samples, seed):
    """Samples of units of all rates, silent and always-on ones among them: 7 visible and 11 hidden."""
    rng = np.random.default_rng(seed)
    visible = rng.random((n_samples, 7)) < np.array([0, 0.01, 0.3, 0.5, 0.7, 0.99, 1])
    hidden = (rng.random((n_samples, 11)) < np.linspace(0, 1, 11)) ^ visible[:, 3:4]
    return visible.astype(np.uint8), hidden.astype(np.uint8)


@pytest.mark.parametrize("n_samples", [1, 63, 64, 65])
def test_packed_bits_are_the_samples_in_order(n_samples, backend):
    states = by_hand.patterns(n_samples, 5, seed=3)
    bits = backend.to_host(backend.pack(states))
    assert bits.dtype == np.uint64 and bits.shape == (5, -(-n_samples // 64))
    for unit in range(5):
        expected = sum(int(states[s, unit]) << s for s in range(n_samples))
        assert sum(int(word) << (64 * k) for k, word in enumerate(bits[unit])) == expected


@pytest.mark.parametrize("n_samples", WORD_TAILS + TILE_BOUNDARIES)
def test_pair_counts_are_matrix_products(n_samples, backend):
    visible, hidden = _samples(n_samples, seed=n_samples)
    found = backend.to_host(backend.pair_counts(backend.pack(visible), backend.pack(hidden)))
    assert found.shape == (7, 11)
    assert (found == visible.T.astype(np.int64) @ hidden.astype(np.int64)).all()


@pytest.mark.parametrize("n_samples", [65, TILE_BOUNDARIES[-1]])
def test_pairs_within_a_layer_are_counted_for_both_of_their_places(n_samples, backend):
    _, hidden = _samples(n_samples, seed=n_samples)
    bits = backend.pack(hidden)
    found = backend.to_host(backend.pair_counts(bits, bits))
    np.testing.assert_array_equal(found, hidden.astype(int).T @ hidden)


def test_pair_counts_read_every_bit_of_a_word(backend):
    every_bit = np.uint64(1) << np.arange(64, dtype=np.uint64)[:, None]
    full = np.full((1, 1), 2**64 - 1, dtype=np.uint64)
    counts = [backend.to_host(backend.pair_counts(every_bit, upper)) for upper in (full, every_bit)]
    assert counts[0].ravel().tolist() == [1] * 64 and (counts[1] == np.eye(64)).all()
    assert backend.to_host(backend.pair_counts(full, full)).tolist() == [[64]]


@pytest.mark.parametrize("n_samples", WORD_TAILS)
def test_sampled_statistics_are_means(n_samples, backend):
    layers = [*_samples(n_samples, seed=5), by_hand.patterns(n_samples, 3, seed=7)]
    found = fisher.sampled_statistics([backend.pack(s) for s in layers], n_samples, backend)
    assert found.n_samples == n_samples and len(found.rates) == 3 and len(found.pair_means) == 2
    for rate, states in zip(found.rates, layers):
        np.testing.assert_allclose(rate, states.mean(axis=0), rtol=1e-14)
    for pair, a, b in zip(found.pair_means, layers[:-1], layers[1:]):
        np.testing.assert_allclose(pair, a.T.astype(float) @ b / n_samples, rtol=1e-14)


def test_diagonal_of_exact_and_of_sampled_means():
    mean = np.array([[0.0, 0.25, 0.5], [0.9, 1.0, 1e-3]])
    np.testing.assert_allclose(fisher.fisher_diagonal(mean), mean - mean**2, rtol=1e-14)
    np.testing.assert_allclose(fisher.fisher_diagonal(mean, 7), (mean - mean**2) * 7 / 6, rtol=1e-14)
    assert fisher.fisher_diagonal(np.float32(0.5)).dtype == np.float64
    with pytest.raises(ValueError, match="n_samples >= 2"):
        fisher.fisher_diagonal(mean, 1)


@pytest.mark.parametrize("n_samples", [2, 3, 131])
def test_diagonal_is_the_unbiased_variance(n_samples, backend):
    visible, hidden = _samples(n_samples, seed=11)
    means = fisher.sampled_statistics([backend.pack(visible), backend.pack(hidden)], n_samples, backend).pair_means[0]
    products = visible[:, :, None].astype(float) * hidden[:, None, :]
    np.testing.assert_allclose(fisher.fisher_diagonal(means, n_samples), products.var(axis=0, ddof=1), atol=1e-14)


def test_heuristic_is_the_equation_for_speaking_units(no_warnings):
    rng = np.random.default_rng(13)
    weights, v, h = rng.normal(0, 3, (5, 7)), rng.uniform(0.001, 0.999, 5), rng.uniform(0.001, 0.999, 7)
    found = fisher.heuristic_diagonal(weights.astype(np.float32), v, h)
    for i in range(5):
        for j in range(7):
            w = float(np.float32(weights[i, j]))
            p = h[j] / (1 + math.exp(-(math.log(v[i] / (1 - v[i])) + w * (1 - h[j]))))
            assert found[i, j] == pytest.approx(p * (1 - p), rel=1e-12)


def test_heuristic_of_silent_and_always_on_units_is_nothing(no_warnings):
    v, h = np.array([0.0, 1e-9, 0.5, 1.0, 1 - 1e-9]), np.array([0.0, 0.5, 1.0])
    for scale in (0.0, 1.0, -40.0, 1e4, -1e4):
        found = fisher.heuristic_diagonal(np.full((5, 3), scale), v, h)
        assert np.isfinite(found).all() and (found >= 0).all() and (found <= 0.25).all()
        assert (found[[0, 3]] == 0).all() and (found[:, [0, 2]] == 0).all()
        assert found[2, 1] > 0 or scale == -1e4


@pytest.mark.parametrize("n_samples", [2, 63, 64, 65, 257])
def test_sampled_fisher_matrix_is_the_covariance(n_samples, backend):
    visible, hidden = _samples(n_samples, seed=17)
    mask = by_hand.patterns(7, 11, seed=19, rate=0.6).astype(bool)
    packed = backend.pack(visible), backend.pack(hidden)
    found = backend.to_host(fisher.sampled_fisher_matrix(*packed, mask, n_samples, backend))
    expected = np.cov(by_hand.derivatives(visible, hidden, mask), rowvar=False, ddof=1)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-13)
    assert (found == found.T).all()


def test_sampled_fisher_matrix_converges_to_the_exact_one(backend):
    n = 40_009
    machine = by_hand.machine((3, 5), seed=23, density=0.7)
    visible, hidden = exact.sample(machine, n, streams.fork(29, "samples"), backend)
    packed = backend.pack(visible), backend.pack(hidden)
    found = backend.to_host(fisher.sampled_fisher_matrix(*packed, machine.masks[0], n, backend))
    (v, h), p = by_hand.joint_distribution(machine)
    d = by_hand.derivatives(v, h, machine.masks[0])
    centred = d - p @ d
    matrix = exact.fisher_matrix(machine)
    spread = np.einsum("s,sa,sb->ab", p, centred**2, centred**2) - matrix**2
    by_hand.assert_within_standard_errors(found, matrix, np.sqrt(spread / n))
    assert np.median(np.abs(found - matrix) / np.sqrt(spread / n)) < 1.5


def test_a_matrix_of_too_many_parameters_is_refused(backend, monkeypatch):
    visible, hidden = (backend.pack(s) for s in _samples(13, seed=31))
    mask = np.ones((7, 11), dtype=bool)
    monkeypatch.setattr(fisher, "MAX_PARAMETERS", 7 * 11 + 7 + 11)
    assert fisher.sampled_fisher_matrix(visible, hidden, mask, 13, backend).shape == (95, 95)
    monkeypatch.setattr(fisher, "MAX_PARAMETERS", 7 * 11 + 7 + 11 - 1)
    with pytest.raises(InputError, match=r"95 parameters.*at most 94"):
        fisher.sampled_fisher_matrix(visible, hidden, mask, 13, backend)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_eigenvectors_are_ordered_oriented_and_of_unit_length(sign, backend):
    q = np.linalg.qr(np.random.default_rng(37).normal(0, 1, (7, 7)))[0]
    q = q * np.sign(q.sum(axis=0))
    values = np.array([0.0, 0.5, 11.0, 2.0, 7.0, 1.0, 3.0])
    found, leading = fisher.eigen_decomposition(((sign * q) * values) @ (sign * q).T, backend)
    np.testing.assert_allclose(found, np.sort(values)[::-1], atol=1e-12)
    assert leading.shape == (2, 7)
    np.testing.assert_allclose(leading, q[:, [2, 4]].T, atol=1e-12)
    assert (leading.sum(axis=1) > 0).all()
    np.testing.assert_allclose(np.linalg.norm(leading, axis=1), 1.0, rtol=1e-12)


def test_eigenvectors_do_not_keep_the_orientation_of_the_solver(monkeypatch):
    import scipy.linalg

    solve = scipy.linalg.eigh
    matrix = exact.fisher_matrix(by_hand.machine((3, 5), seed=41))
    expected = fisher.eigen_decomposition(matrix, REFERENCE)
    monkeypatch.setattr(scipy.linalg, "eigh", lambda a: (solve(a)[0], -solve(a)[1]))
    found = fisher.eigen_decomposition(matrix, REFERENCE)
    assert (found[1] == expected[1]).all() and (found[1].sum(axis=1) > 0).all()


def test_entries_of_weights_lie_where_the_weights_do():
    mask = by_hand.patterns(3, 5, seed=43, rate=0.5).astype(bool)
    n = int(mask.sum())
    entries = fisher.weight_entries(np.arange(1.0, n + 9), mask)
    assert 0 < n < 15 and entries.shape == (3, 5) and (entries[~mask] == 0).all()
    assert entries[mask].tolist() == list(range(1, n + 1))
    i, j = np.argwhere(mask)[1]
    assert entries[i, j] == 2.0


@pytest.mark.parametrize("kind", ["sampled", "enumerated"])
def test_estimate_gives_what_the_configuration_asks_for(kind):
    backend, machine = get_backend("cpu"), by_hand.machine((3, 5), seed=47, density=0.7)
    samples = exact.sample(machine, 131, streams.fork(53, "samples"), backend)
    found, matrix = statistics.estimate(machine, samples, Sampling(statistics=kind), backend)
    if kind == "enumerated":
        expected, expected_matrix = exact.statistics(machine).pair_means[0], exact.fisher_matrix(machine)
    else:
        expected = samples[0].T.astype(float) @ samples[1] / 131
        expected_matrix = np.cov(by_hand.derivatives(*samples, machine.masks[0]), rowvar=False, ddof=1)
    assert found.n_samples == (131 if kind == "sampled" else 0)
    np.testing.assert_allclose(found.pair_means[0], expected, atol=1e-13)
    np.testing.assert_allclose(matrix(), expected_matrix, atol=1e-13)


def _divergence_without(machine, layer, i, j):
    """KL(P || P without a weight) over all joint states, and <s_i s_j>, by enumeration."""
    states, before = by_hand.joint_distribution(machine)
    weights = [w.copy() for w in machine.weights]
    weights[layer][i, j] = 0
    _, after = by_hand.joint_distribution(dataclasses.replace(machine, weights=tuple(weights)))
    both = states[layer][:, i].astype(float) * states[layer + 1][:, j]
    return math.fsum(before * np.log(before / after)), math.fsum(before * both)


@pytest.mark.parametrize("sizes", [(3, 5), (2, 3, 5)])
@pytest.mark.parametrize("scale", [0.1, 1.0, 5.0])
def test_the_cost_of_a_deletion_is_the_divergence_of_all_units(sizes, scale):
    machine = by_hand.machine(sizes, seed=41, scale=scale)
    for layer, weights in enumerate(machine.weights):
        for i, j in np.argwhere(machine.masks[layer]):
            expected, pair_mean = _divergence_without(machine, layer, i, j)
            found = fisher.deletion_cost(float(weights[i, j]), pair_mean)
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-14)


def test_the_second_order_of_the_cost_is_the_saliency_of_optimal_brain_damage():
    mean = np.array([0.0, 0.03, 0.5, 0.97, 1.0])
    for weight in (1e-3, -1e-3):
        second = fisher.fisher_diagonal(mean) * weight**2 / 2
        np.testing.assert_allclose(fisher.deletion_cost(np.full(5, weight), mean), second, rtol=1e-3, atol=1e-16)


def test_the_cost_of_a_deletion_where_units_never_change_and_weights_are_extreme():
    weights = np.array([-1e4, -700.0, -3.0, 0.0, 3.0, 700.0, 1e4])
    for mean in (0.0, 1.0):
        assert (fisher.deletion_cost(weights, np.full(7, mean)) == 0).all()
    found = fisher.deletion_cost(weights, np.full(7, 0.5))
    assert np.isfinite(found).all() and (found >= 0).all() and found[3] == 0
    np.testing.assert_allclose(found, found[::-1])  # of w and -w, with the mean at 1 / 2
    assert found[-1] == pytest.approx(5000 + math.log(0.5))
    with pytest.raises(InputError, match=r"^pair_mean has shape \(3,\); expected that of the weights, \(7,\)"):
        fisher.deletion_cost(weights, np.full(3, 0.5))
