"""Seeds that would decide: Noether's numbers by hand, against simulated power, never too few for the exact test."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

from boltzprune.report.claims.power import fewest_seeds, in_words, seeds_needed
from boltzprune.report.claims.statistics import LEVEL, above, every, hits, share

Z = norm.ppf([0.95, 0.8]).sum()


def test_noether_by_hand():
    # sums of two of -1 2 -3 4 5 -6 7: above 0 in 14 of 21 pairs, one of them 0... counted one by one
    values = [-1, 2, -3, 4, 5, -6, 7]
    sums = [a + b for i, a in enumerate(values) for b in values[:i]]
    p = sum(1 if s > 0 else 0.5 if s == 0 else 0 for s in sums) / 21
    assert p != 0.5
    assert seeds_needed(above(values), 1) == math.ceil(Z**2 / (3 * (p - 0.5) ** 2))
    corrected = (norm.ppf(1 - 0.05 / 9) + norm.ppf(0.8)) ** 2
    assert seeds_needed(above(values), 9) == math.ceil(corrected / (3 * (p - 0.5) ** 2))
    assert seeds_needed(above(-np.array(values)), 9) == seeds_needed(above(values), 9)  # either direction decides


def test_shares_by_hand():
    test = share([True] * 8 + [False] * 5)
    assert seeds_needed(test, 1) == math.ceil(Z**2 / (4 * (8 / 13 - 0.5) ** 2))
    assert seeds_needed(share([True] * 5 + [False] * 8), 1) == seeds_needed(test, 1)


@pytest.mark.parametrize("shift", [0.3, 0.5])
def test_noether_has_the_power_it_promises(shift):
    """Differences are normal: p' = Phi(sqrt 2 shift); the exact test at that n rejects in about 80 % of studies."""
    p, rng = norm.cdf(math.sqrt(2) * shift), np.random.default_rng(53)
    alpha = LEVEL / 5
    planned = above(rng.normal(shift, 1, 400))
    lead = p - 0.5
    n = seeds_needed(replace(planned, n=6, need=(1 / (math.sqrt(3) * lead),) * 2), 5)
    power = np.mean([above(rng.normal(shift, 1, n)).p < alpha for _ in range(600)])
    assert 0.75 < power < 0.88
    assert planned.need[0] == pytest.approx(1 / (math.sqrt(3) * lead), rel=0.2)  # and it estimates p'


def test_the_sign_test_has_the_power_it_promises():
    rng, rate = np.random.default_rng(59), 0.75
    n = seeds_needed(share(np.arange(20) < 15), 5)
    power = np.mean([share(rng.random(n) < rate).p < LEVEL / 5 for _ in range(800)])
    assert 0.7 < power < 0.92
    chances = np.full(20, 0.3)
    n = seeds_needed(hits(np.arange(20) < 12, chances), 5)
    power = np.mean([hits(rng.random(n) < 0.6, np.full(n, 0.3)).p < LEVEL / 5 for _ in range(800)])
    assert 0.7 < power < 0.92


def test_never_fewer_than_the_exact_test_can_decide_with():
    for m, expected in ((1, 6), (10, 8), (28, 10), (51, 10), (52, 11)):
        assert fewest_seeds(above(np.arange(1.0, 4)), m) == expected
        assert expected == 6 or m * 0.5**expected < 0.05 <= m * 0.5 ** (expected - 1)
    assert seeds_needed(above([1.0, 2, 3]), 1000) >= 15  # 1000 / 2^14 is above 0.05
    # all agree, but a chance of 2/3 is beaten only with (2/3)^n < 0.05 / 34: n = 17
    likely = hits([True] * 9, np.full(9, 2 / 3))
    assert seeds_needed(likely, 34) >= 17
    assert fewest_seeds(likely, 34) == 6  # it could be contradicted: 34 / 3^6 < 0.05
    # the normal approximation would be content with 5, but 1 / 3^6 is not below 0.05 / 50
    assert seeds_needed(hits([True] * 3, np.full(3, 1 / 3)), 50) == 7


def test_always_more_than_there_are():
    assert seeds_needed(above([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, -0.5]), 1) == 13


def test_what_points_nowhere_needs_no_number():
    assert seeds_needed(above([0.0] * 7), 3) == math.inf
    assert in_words(math.inf) == in_words(1001) == "more than 1000"
    assert in_words(1000) == "1000"


def test_a_rule_of_parts():
    clear, weak = above(np.arange(1.0, 10)), above([-1, 2, -3, 4, 5, -6, 7, 8, 9])
    assert seeds_needed(every([clear, weak]), 4) == seeds_needed(weak, 4)
    against = above(-np.arange(1.0, 10) + np.array([9, 0, 0, 0, 0, 0, 9, 0, 0]))
    # one against it: the others do not matter, at half the level
    assert seeds_needed(every([weak, against]), 4) == seeds_needed(against, 8)
    assert fewest_seeds(every([clear, weak]), 28) == 10
    assert seeds_needed(every([above([0.0] * 7), clear]), 2) == math.inf
