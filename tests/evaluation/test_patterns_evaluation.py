"""Patterns of data and samples: counts, divergence and squared error by hand and by property."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_machines import random_machine

from boltzprune.evaluation.patterns import (
    count_patterns,
    counts_of,
    divergence,
    errors_by_frequency,
    exact_log_model,
    mean_squared_error,
    missing_share,
    sampled_log_probabilities,
)
from boltzprune.sampling import exact


def packed(*rows):
    """Patterns written as text, bit-packed."""
    return np.packbits(np.array([[int(bit) for bit in row] for row in rows], dtype=np.uint8), axis=1)


def states(text):
    return np.array([[int(bit) for bit in row] for row in text.split()], dtype=np.uint8)


def test_counts_by_hand():
    patterns, counts = count_patterns(states("101 001 101 111 101 001"))
    assert patterns.tolist() == packed("001", "101", "111").tolist()
    assert counts.tolist() == [2, 3, 1]
    assert counts.dtype == np.int64


@pytest.mark.parametrize("n_visible", [1, 7, 8, 9, 13, 17, 67])
def test_counts_of_any_width(n_visible):
    data = (np.random.default_rng(n_visible).random((211, n_visible)) < 0.2).astype(np.uint8)
    patterns, counts = count_patterns(data)
    expected, expected_counts = np.unique(data, axis=0, return_counts=True)  # lexicographic too
    assert np.array_equal(np.unpackbits(patterns, axis=1)[:, :n_visible], expected)
    assert np.array_equal(counts, expected_counts)
    assert counts.sum() == 211


def test_counts_of_patterns_among_others():
    found = counts_of(packed("000", "011", "111"), packed("011", "100", "111"), np.array([4, 5, 6]))
    assert found.tolist() == [0, 4, 6]


DATA = packed("00", "01", "11"), np.array([1, 1, 2])
MODEL = packed("01", "10", "11"), np.array([2, 1, 5])


def test_half_by_hand():
    # of 8 samples none shows 00, which counts as 1/2 of now 8.5
    log_q = sampled_log_probabilities(DATA[0], *MODEL, "half")
    assert np.exp(log_q) == pytest.approx([0.5 / 8.5, 2 / 8.5, 5 / 8.5], rel=1e-14)
    expected = 0.25 * math.log(0.25 * 8.5 / 0.5) + 0.25 * math.log(0.25 * 8.5 / 2) + 0.5 * math.log(0.5 * 8.5 / 5)
    assert divergence(DATA[1], log_q) == pytest.approx(expected, rel=1e-13)
    squares = [math.log(0.25 * 8.5 / 0.5) ** 2, math.log(0.25 * 8.5 / 2) ** 2, math.log(0.5 * 8.5 / 5) ** 2]
    assert mean_squared_error(DATA[1], log_q) == pytest.approx(sum(squares) / 3, rel=1e-13)


def test_drop_by_hand():
    log_q = sampled_log_probabilities(DATA[0], *MODEL, "drop")
    assert np.isnan(log_q).tolist() == [True, False, False]
    assert np.exp(log_q[1:]) == pytest.approx([2 / 8, 5 / 8], rel=1e-14)
    expected = 0.25 * math.log(0.25 / (2 / 8)) + 0.5 * math.log(0.5 / (5 / 8))
    assert divergence(DATA[1], log_q) == pytest.approx(expected, rel=1e-13)
    assert expected < 0  # not a divergence
    squares = [math.log(0.25 / (2 / 8)) ** 2, math.log(0.5 / (5 / 8)) ** 2]
    assert mean_squared_error(DATA[1], log_q) == pytest.approx(sum(squares) / 2, rel=1e-13)


def test_the_share_that_no_sample_shows():
    assert missing_share(np.array([3, 2, 1, 4, 1]), np.array([5, 0, 0, 7, 1])) == pytest.approx(3 / 11)
    assert missing_share(np.array([3, 2]), np.array([1, 2])) == 0
    assert missing_share(np.array([3, 2]), np.array([0, 0])) == 1


def test_errors_of_rare_and_frequent_patterns_by_hand():
    counts = np.array([1, 9, 3, 1, 5, 2, 2])  # median 2, mean 3.3: four rare, three frequent
    p = counts / 23
    off = np.array([0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7])
    rare, frequent = errors_by_frequency(counts, np.log(p) + off)
    assert rare == pytest.approx((0.01 + 0.16 + 0.36 + 0.49) / 4)
    assert frequent == pytest.approx((0.04 + 0.09 + 0.25) / 3)
    off[[0, 4]] = np.nan  # no log q
    rare, frequent = errors_by_frequency(counts, np.log(p) + off)
    assert (rare, frequent) == (pytest.approx((0.16 + 0.36 + 0.49) / 3), pytest.approx(0.065))
    off[[1, 2]] = np.nan
    assert np.isnan(errors_by_frequency(counts, np.log(p) + off)[1])


def test_of_patterns_that_are_all_equally_frequent_none_is_frequent():
    rare, frequent = errors_by_frequency(np.array([3, 3, 3]), np.log([0.2, 0.3, 0.5]))
    assert rare == pytest.approx(np.mean((np.log([0.6, 0.9, 1.5])) ** 2))
    assert np.isnan(frequent)


def test_the_divergence_is_of_the_data_from_the_model():
    p, q = np.array([0.75, 0.25]), np.array([0.5, 0.5])
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert divergence(np.array([3, 1]), np.log(q)) == pytest.approx(expected, rel=1e-14)
    reverse = float(np.sum(q * np.log(q / p)))
    assert abs(expected - reverse) > 0.01


def test_equal_distributions_have_no_divergence():
    patterns, counts = count_patterns(states("101 001 101 111 101 001"))
    for missing in ("half", "drop"):
        log_q = sampled_log_probabilities(patterns, patterns, 7 * counts, missing)
        assert divergence(counts, log_q) == pytest.approx(0, abs=1e-15)
        assert mean_squared_error(counts, log_q) == pytest.approx(0, abs=1e-15)


def test_samples_that_show_none_of_the_patterns():
    log_q = sampled_log_probabilities(packed("00", "01"), packed("11"), np.array([10]), "half")
    assert np.exp(log_q) == pytest.approx([0.5 / 11, 0.5 / 11])


PATTERNS = st.lists(st.lists(st.integers(0, 1), min_size=5, max_size=5), min_size=1, max_size=60)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(PATTERNS, PATTERNS)
def test_half_keeps_a_distribution_and_so_a_divergence(data, samples):
    patterns, counts = count_patterns(np.array(data, dtype=np.uint8))
    shown = count_patterns(np.array(samples, dtype=np.uint8))
    log_q = sampled_log_probabilities(patterns, *shown, "half")
    assert np.isfinite(log_q).all()
    assert np.exp(log_q).sum() <= 1 + 1e-12
    assert divergence(counts, log_q) >= -1e-12
    assert mean_squared_error(counts, log_q) >= 0


@settings(max_examples=50, deadline=None, derandomize=True)
@given(PATTERNS, PATTERNS)
def test_half_and_drop_agree_where_nothing_is_missing(data, samples):
    patterns, _ = count_patterns(np.array(data, dtype=np.uint8))
    shown = count_patterns(np.array(samples + data, dtype=np.uint8))
    half, drop = (sampled_log_probabilities(patterns, *shown, missing) for missing in ("half", "drop"))
    assert np.array_equal(half, drop)


@pytest.mark.parametrize("n_visible", [3, 5, 9, 11])
def test_the_exact_model_gives_each_pattern_its_own_probability(n_visible):
    machine = random_machine(n_visible, 7)
    data = (np.random.default_rng(2).random((53, n_visible)) < 0.4).astype(np.uint8)
    patterns, _ = count_patterns(data)
    log_p = exact.visible_log_probabilities(machine)
    found = exact_log_model(patterns, n_visible, log_p)
    everything = exact.visible_states(n_visible)
    for bits, value in zip(np.unpackbits(patterns, axis=1)[:, :n_visible], found):
        assert value == log_p[(everything == bits).all(axis=1).nonzero()[0][0]]
    assert len(set(found)) == len(found)  # so that a wrong order could not pass


def test_the_exact_divergence_of_many_samples_goes_to_zero():
    machine = random_machine(5, 7)
    p = np.exp(exact.visible_log_probabilities(machine))
    counts = np.round(p * 1e9).astype(np.int64)
    patterns, counts = np.packbits(exact.visible_states(5), axis=1)[counts > 0], counts[counts > 0]
    log_q = exact_log_model(patterns, 5, exact.visible_log_probabilities(machine))
    assert divergence(counts, log_q) == pytest.approx(0, abs=1e-7)
