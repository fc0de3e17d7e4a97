"""How many seeds would decide a comparison, planned from what was measured."""

import math

import numpy as np

from boltzprune.report.claims.statistics import LEVEL, MIN_SEEDS, Comparison

POWER = 0.8
MOST = 1000
"""Larger numbers of seeds are not told apart."""


def seeds_needed(comparison: Comparison, n_tests: int) -> float:
    """Seeds that give the test the power `POWER` at level `LEVEL` / n_tests, if what was measured is the truth.

    Signed ranks: N = (z_alpha + z_beta)^2 / (3 (p' - 1/2)^2), p' = P(D + D' > 0)  (Noether 1987). A share against 1/2:
    N = (z_alpha + z_beta)^2 / (4 (share - 1/2)^2), the same paper. At least as many as the exact test needs to reach
    that level at all, and one more than there are. A rule of several parts needs the most of them, if all favour it;
    else the fewest that contradict it, at a level divided by their number.

    Parameters
    ----------
    comparison
    n_tests
        How many are corrected for.

    Returns
    -------
    int or inf
        Infinite if what was measured points neither way.
    """
    n = _planned(comparison, LEVEL / n_tests)
    return max(n, comparison.n + 1)


def _planned(comparison: Comparison, alpha: float) -> float:
    """Seeds for one level, of a comparison or of its parts."""
    from scipy.stats import norm

    if comparison.parts and comparison.favours:
        return max(_planned(part, alpha) for part in comparison.parts)
    if comparison.parts:
        against = [part for part in comparison.parts if not part.favours]
        return min(_planned(part, alpha / len(comparison.parts)) for part in against)
    if np.isinf(comparison.need).any():
        return math.inf
    z = norm.isf([alpha, 1 - POWER])
    return max(
        math.ceil(float(np.dot(comparison.need, z)) ** 2), _reaching(comparison.odds[not comparison.favours], alpha)
    )


def _reaching(odds: float, alpha: float) -> int:
    """Smallest number of seeds, all on one side, whose chance is below that level."""
    n = MIN_SEEDS
    while odds**n >= alpha:
        n += 1
    return n


def fewest_seeds(comparison: Comparison, n_tests: int) -> int:
    """Smallest number of seeds with which the comparison can be decided at all, one way or the other."""
    alpha = LEVEL / n_tests
    if comparison.parts:
        for_it = max(_reaching(part.odds[0], alpha) for part in comparison.parts)
        return min(for_it, *(_reaching(part.odds[1], alpha / len(comparison.parts)) for part in comparison.parts))
    return min(_reaching(odds, alpha) for odds in comparison.odds)


def in_words(n: float) -> str:
    """A number of seeds as text."""
    return f"more than {MOST}" if n > MOST else str(n)
