"""Tests behind the verdicts: hand-computed p-values, effects and corrections."""

import numpy as np
import pytest

from boltzprune.claims.statistics import Comparison, compare, every, holm, quartiles


def test_holm_by_hand():
    # sorted 0.005 0.01 0.03 0.04: times 4 3 2 1 gives 0.02 0.03 0.06 0.04, which may not fall: 0.06
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_at_most_one_and_ties():
    assert holm([0.4, 0.9, 0.6]) == pytest.approx([1.0, 1.0, 1.0])
    assert holm([0.01, 0.01, 0.01]) == pytest.approx([0.03, 0.03, 0.03])
    assert holm([0.02]) == pytest.approx([0.02])
    assert len(holm([])) == 0


def test_compare_all_above_zero():
    found = compare([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7])
    assert found.n == 7
    assert found.p == pytest.approx(1 / 2**7)
    assert found.effect == 1


def test_compare_is_one_sided():
    found = compare([-0.1, -0.2, -0.3, -0.4, -0.5, -0.6, -0.7])
    assert found.p == pytest.approx(1)
    assert found.effect == -1


def test_compare_by_hand():
    # ranks of -1 and -3 are 1 and 3: W- = 4, W+ = 17; subsets of 1..6 with a sum <= 4: 7 of 64
    found = compare([-1, 2, -3, 4, 5, 6])
    assert found.p == pytest.approx(7 / 64)
    assert found.effect == pytest.approx((17 - 4) / 21)


def test_compare_with_ties_takes_mean_ranks():
    found = compare([1, 1, -1, 2, 2, 3, 5])  # ranks 2 2 2 4.5 4.5 6 7
    assert found.effect == pytest.approx((26 - 2) / 28)
    assert found.p == pytest.approx(4 / 2**7)  # W- = 0 or a single 2: one and three of 128


def test_compare_agrees_with_scipy():
    from scipy.stats import PermutationMethod, wilcoxon

    rng = np.random.default_rng(37)
    for n in (6, 7, 11, 23):
        d = rng.normal(0.3, 1, n)
        assert compare(d).p == pytest.approx(wilcoxon(d, alternative="greater", method="exact").pvalue)
    tied = rng.integers(1, 4, 7) * rng.choice([-1, 1, 1], 7)
    assert compare(tied).p == pytest.approx(
        wilcoxon(tied, alternative="greater", method=PermutationMethod(n_resamples=np.inf)).pvalue
    )
    assert compare(np.arange(1, 1001)).p < 1e-300


def test_pairs_without_difference_count_but_have_no_say():
    found = compare([0, 0, 1, 2, 3, 4])
    assert (found.n, found.effect) == (6, 1)
    assert found.p == pytest.approx(1 / 2**4)
    assert compare([0.0] * 6) == Comparison(6, 1.0, 0.0)


def test_a_rounding_error_is_no_difference():
    third = 0.1 + 0.2 - 0.3
    assert third > 0
    assert compare([third] * 7) == Comparison(7, 1.0, 0.0)


def test_five_seeds_have_an_effect_but_no_p():
    found = compare([1, 2, 3, 4, 5])
    assert (found.n, found.effect) == (5, 1)
    assert np.isnan(found.p)
    assert not np.isnan(compare([1, 2, 3, 4, 5, 6]).p)
    assert np.isnan(compare([0, 0]).p)


def test_every_is_the_weakest():
    assert every([Comparison(9, 0.2, 0.1), Comparison(7, 0.01, 0.9), Comparison(8, 0.3, 0.5)]) == Comparison(
        7, 0.3, 0.1
    )
    assert np.isnan(every([Comparison(9, 0.01, 1.0), Comparison(5, np.nan, 1.0)]).p)
    assert np.isnan(every([Comparison(5, np.nan, 1.0), Comparison(9, 0.01, 1.0)]).p)


def test_quartiles():
    assert quartiles([5, 1, 2, 4, 3]) == (3, 2, 4)
    assert np.isnan(quartiles([1, np.inf, 2])).all()
