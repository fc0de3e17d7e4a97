"""Tests behind the verdicts: p-values by hand and by brute force, intervals by simulation, Holm's correction."""

import itertools

import numpy as np
import pytest

from boltzprune.report.claims.statistics import (
    Comparison,
    above,
    below,
    every,
    hits,
    holm,
    pseudo_median,
    quartiles,
    ratio_above,
    ratio_below,
    share,
)


def test_holm_by_hand():
    # sorted 0.005 0.01 0.03 0.04: times 4 3 2 1 gives 0.02 0.03 0.06 0.04, which may not fall: 0.06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_at_most_one_and_ties():
    assert holm([0.4, 0.9, 0.6]) == pytest.approx([1.0, 1.0, 1.0])
    assert holm([0.01, 0.01, 0.01]) == pytest.approx([0.03, 0.03, 0.03])
    assert holm([0.02]) == pytest.approx([0.02])
    assert len(holm([])) == 0


def test_all_above_zero():
    found = above([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    assert (found.n, found.effect, found.favours) == (7, 1, True)
    assert (found.p, found.p_opposite) == pytest.approx((1 / 2**7, 1))
    found = above([-0.1, -0.2, -0.3, -0.4, -0.5, -0.6, -0.7])
    assert (found.p, found.p_opposite) == pytest.approx((1, 1 / 2**7))
    assert (found.effect, found.favours) == (-1, False)


def test_by_hand():
    # ranks of -1 and -3 are 1 and 3: W- = 4, W+ = 17; subsets of 1..6 with a sum <= 4: 7 of 64, with <= 17: 60 of 64
    found = above([-1, 2, -3, 4, 5, 6])
    assert (found.p, found.p_opposite) == pytest.approx(
        (7 / 64, 59 / 64)
    )  # 64 - 5: of the sums above 17, 18 (1) ... 21
    assert found.effect == pytest.approx((17 - 4) / 21)


def test_ties_take_mean_ranks():
    found = above([1, 1, -1, 2, 2, 3, 5])  # ranks 2 2 2 4.5 4.5 6 7
    assert found.effect == pytest.approx((26 - 2) / 28)
    assert found.p == pytest.approx(4 / 2**7)  # W- = 0 or a single 2: one and three of 128


def by_brute_force(differences):
    """Both one-sided p-values by going through all signs of the ranks of what is not 0."""
    from scipy.stats import rankdata

    moved = np.array([d for d in differences if d != 0])
    ranks = rankdata(np.abs(moved))
    total = ranks[moved > 0].sum()
    sums = np.array([np.dot(signs, ranks) for signs in itertools.product((0, 1), repeat=len(ranks))])
    return np.mean(sums >= total - 1e-9), np.mean(sums <= total + 1e-9)


def test_both_p_values_are_those_of_scipy_and_of_all_sign_flips():
    from scipy.stats import wilcoxon

    rng = np.random.default_rng(37)
    for n in (6, 7, 11, 13):
        d = rng.normal(0.3, 1, n)
        expected = [wilcoxon(d, alternative=side, method="exact").pvalue for side in ("greater", "less")]
        assert (above(d).p, above(d).p_opposite) == pytest.approx(expected)
        assert (above(d).p, above(d).p_opposite) == pytest.approx(by_brute_force(d))
        assert (below(d).p, below(d).p_opposite) == pytest.approx(expected[::-1])
        tied = rng.integers(-3, 5, n)
        assert (above(tied).p, above(tied).p_opposite) == pytest.approx(by_brute_force(tied))
    for n in (23, 29):
        d = rng.normal(-0.2, 1, n)
        expected = [wilcoxon(d, alternative=side, method="exact").pvalue for side in ("greater", "less")]
        assert (above(d).p, above(d).p_opposite) == pytest.approx(expected)
    assert above(np.arange(1, 1001)).p < 1e-300


def test_a_bound_and_a_side():
    values = np.array([3.1, 3.2, 3.3, 3.4, 2.95, 3.6, 3.7])
    assert above(values, 3).p == above(values - 3).p == below(values, 3).p_opposite == below(3 - values).p
    assert above(values, 3).estimate == pytest.approx(above(values - 3).estimate + 3)
    assert below(values, 3).estimate == above(values, 3).estimate
    assert (above(values, 3).effect, below(values, 3).effect) == pytest.approx((26 / 28, -26 / 28))  # 2.95 has rank 1


def test_ratios_go_by_their_logarithms():
    ratios = np.array([0.25, 2.1, 2.2, 4.3, 5, 7.1, 7.9])
    found, logs = ratio_above(ratios, 1.5), above(np.log(ratios) - np.log(1.5))
    assert (found.p, found.p_opposite, found.effect) == (logs.p, logs.p_opposite, logs.effect)
    assert found.p != above(ratios, 1.5).p
    expected = [np.exp(x) * 1.5 for x in (logs.estimate, logs.low, logs.high)]
    assert [found.estimate, found.low, found.high] == pytest.approx(expected)
    assert ratio_below(ratios, 1.5).p == found.p_opposite
    assert ratio_above(ratios).p == above(np.log(ratios)).p


def test_pseudo_median_by_hand():
    # means of two of 1 2 3 4 5 26, and the values themselves; C = 1 for six values
    values = np.array([5.0, 1, 26, 3, 2, 4])
    walsh = sorted((a + b) / 2 for i, a in enumerate(values) for b in values[: i + 1])
    assert pseudo_median(values) == (np.median(walsh), 1, 26)
    # nine values: P(T <= 5) = 10 / 512 <= 2.5 % < P(T <= 6) = 14 / 512, so the sixth smallest and largest
    values = np.array([1.0, 2, 4, 8, 16, 32, 64, 128, 256])
    walsh = sorted((a + b) / 2 for i, a in enumerate(values) for b in values[: i + 1])
    assert pseudo_median(values) == (walsh[22], walsh[5], walsh[-6])
    assert pseudo_median(np.array([1.0, 2, 6]))[0] == 2.75  # 1 1.5 2 3.5 4 6
    assert np.isnan(pseudo_median(np.array([1.0, 2, 6]))[1:]).all()
    assert np.isnan(pseudo_median(np.arange(5.0))[1:]).all()
    assert np.isnan(pseudo_median(np.array([1.0, np.inf]))).all()


@pytest.mark.parametrize("n", [6, 8, 10, 13])
def test_the_interval_covers_as_often_as_promised(n):
    """Exactly 1 - 2 P(T <= C - 1) of the time, at least 95 %, for any symmetric distribution."""
    rng = np.random.default_rng(41)
    draws = rng.standard_t(3, (4000, n)) + 1.7
    covered = np.mean([low <= 1.7 <= high for _, low, high in map(pseudo_median, draws)])
    sums = np.array([sum(subset) for k in range(n + 1) for subset in itertools.combinations(range(1, n + 1), k)])
    c = max(c for c in range(1, n * n) if np.mean(sums <= c - 1) <= 0.025)
    expected = 1 - 2 * np.mean(sums <= c - 1)
    assert expected >= 0.95
    assert abs(covered - expected) < 4 * np.sqrt(expected * (1 - expected) / 4000)


def test_the_interval_and_the_test_agree():
    """A bound outside the interval is one that a two-sided test at 5 % rejects."""
    rng = np.random.default_rng(43)
    for _ in range(200):
        values = rng.normal(0.5, 1, rng.integers(6, 15))
        found = above(values)
        assert (found.low > 0) == (found.p <= 0.025)
        assert (found.high < 0) == (found.p_opposite <= 0.025)


def test_seeds_at_the_bound_count_but_have_no_say():
    found = above([0, 0, 1, 2, 3, 4])
    assert (found.n, found.effect) == (6, 1)
    assert found.p == pytest.approx(1 / 2**4)
    found = above([0.0] * 6)
    assert (found.n, found.p, found.p_opposite, found.effect, found.favours) == (6, 1, 1, 0, False)


def test_a_rounding_error_is_no_difference():
    third = 0.1 + 0.2 - 0.3
    assert third > 0
    assert above([third] * 7).p == above([third] * 7).p_opposite == 1


def test_five_seeds_have_an_effect_but_no_p():
    found = above([1, 2, 3, 4, 5])
    assert (found.n, found.effect, found.estimate) == (5, 1, 3)
    assert np.isnan([found.p, found.p_opposite, found.low, found.high]).all()
    assert not np.isnan(above([1, 2, 3, 4, 5, 6]).p)
    assert np.isnan(above([0, 0]).p)
    assert np.isnan(share([True] * 5).p) and not np.isnan(share([True] * 5).low)


def test_shares_by_hand():
    found = share([True] * 6 + [False])
    assert (found.p, found.p_opposite) == pytest.approx((8 / 2**7, 127 / 2**7))
    assert (found.estimate, found.effect, found.n, found.favours) == (6 / 7, pytest.approx(5 / 7), 7, True)
    found = share([False] * 7)
    assert (found.p, found.p_opposite, found.effect, found.low) == (1, pytest.approx(1 / 2**7), -1, 0)
    assert found.high == pytest.approx(1 - 0.025 ** (1 / 7))
    found = share([True] * 8)
    assert (found.low, found.high) == (pytest.approx(0.025 ** (1 / 8)), 1)
    assert share([True, False] * 4).effect == 0


def test_shares_are_those_of_scipy():
    from scipy.stats import binomtest

    for k, n in ((3, 11), (9, 13), (17, 29)):
        found = share(np.arange(n) < k)
        expected = binomtest(k, n).proportion_ci(0.95, "exact")
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
        assert found.p == pytest.approx(binomtest(k, n, alternative="greater").pvalue)
        assert found.p_opposite == pytest.approx(binomtest(k, n, alternative="less").pvalue)


def test_hits_against_chances_of_their_own():
    chances = np.array([0.2, 0.4, 0.4, 0.3, 0.2, 0.5, 0.4])
    agrees = [True, True, False, True, True, True, False]
    at_least = at_most = 0.0
    for outcome in itertools.product((0, 1), repeat=7):
        chance = np.prod([c if one else 1 - c for one, c in zip(outcome, chances)])
        at_least += chance * (sum(outcome) >= 5)
        at_most += chance * (sum(outcome) <= 5)
    found = hits(agrees, chances)
    assert (found.p, found.p_opposite) == pytest.approx((at_least, at_most))
    assert found.effect == pytest.approx((5 / 7 - 2.4 / 7) / (1 - 2.4 / 7))
    assert hits([False] * 7, chances).effect == -1
    assert hits([False] * 7, chances).p_opposite == pytest.approx(np.prod(1 - chances))
    assert found.smallest == pytest.approx((np.prod(chances), np.prod(1 - chances)))


def part(n=9, p=0.2, p_opposite=0.7, effect=0.3, estimate=1.5, favours=True):
    return Comparison(n, p, p_opposite, effect, estimate, favours=favours)


def test_every_needs_all_and_falls_with_one():
    found = every([part(9, 0.2, 0.7, 0.1), part(7, 0.01, 0.99, 0.9, 2.5), part(8, 0.3, 0.6, 0.5, 3.5)])
    assert (found.n, found.p) == (7, 0.3)
    assert found.p_opposite == 1  # 3 times 0.6
    assert (found.effect, found.estimate) == (0.5, 3.5)  # of the one that is shown least clearly
    found = every([part(p=0.001, p_opposite=1), part(p=0.99, p_opposite=0.004, favours=False)])
    assert (found.p, found.p_opposite, found.favours) == (0.99, 0.008, False)
    assert every([part(), part()]).favours
    assert found.smallest == (0.5**9, 2 * 0.5**9)


def test_every_without_enough_seeds_is_not_tested():
    few = part(5, np.nan, np.nan)
    for parts in ((few, part()), (part(), few)):
        assert np.isnan([every(parts).p, every(parts).p_opposite]).all()


def test_every_keeps_its_error_rate():
    """All null: neither direction is found in more than 5 % of studies."""
    rng = np.random.default_rng(47)
    found = [every([above(rng.normal(0, 1, 11)) for _ in range(3)]) for _ in range(1500)]
    for p in ([c.p for c in found], [c.p_opposite for c in found]):
        assert np.mean(np.array(p) < 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 1500)
    assert np.mean([c.p_opposite < 0.05 for c in found]) > 0.03  # and is not much too cautious


def test_quartiles():
    assert quartiles([5, 1, 2, 4, 3]) == (3, 2, 4)
    assert np.isnan(quartiles([1, np.inf, 2])).all()
