"""Comparisons over seeds: exact signed-rank tests, their effect size, Holm's correction."""

from dataclasses import dataclass

import numpy as np

LEVEL = 0.05
"""A comparison counts if its corrected p-value is below this."""
MIN_SEEDS = 6
"""Fewer pairs are not tested."""


@dataclass(frozen=True)
class Comparison:
    """Whether differences between pairs are above 0.

    Attributes
    ----------
    n : int
        Pairs, those without a difference included.
    p : float
        Of the one-sided signed-rank test, not corrected; NaN for fewer than `MIN_SEEDS` pairs.
    effect : float, in [-1, 1]
        Rank-biserial correlation: 1 if every difference is above 0, -1 if every one is below.
    """

    n: int
    p: float
    effect: float


def compare(differences):
    """Wilcoxon's signed-rank test of differences, alternative: above 0; those that are 0 have no say.

    Parameters
    ----------
    differences : (n,) float
        One for each seed, finite.

    Returns
    -------
    Comparison
    """
    from scipy.stats import rankdata

    differences = np.round(np.asarray(differences, dtype=np.float64), 12)  # a rounding error is no difference
    n, moved = len(differences), differences[differences != 0]
    if len(moved) == 0:
        return Comparison(n, 1.0 if n >= MIN_SEEDS else np.nan, 0.0)
    ranks = np.rint(2 * rankdata(np.abs(moved))).astype(np.int64)  # twice the rank: equal ones share their mean
    effect = float(np.sum(np.sign(moved) * ranks) / np.sum(ranks))
    p = _chance_of_at_least(ranks[moved > 0].sum(), ranks) if n >= MIN_SEEDS else np.nan
    return Comparison(n, p, effect)


def _chance_of_at_least(total, ranks):
    """Chance that ranks with random signs sum to at least that over the positive ones: by counting, ties included."""
    chance = np.zeros(ranks.sum() + 1)
    chance[0] = 1.0
    for rank in ranks:
        chance[rank:] = chance[rank:] + chance[:-rank]
        chance *= 0.5
    return float(min(1.0, chance[total:].sum()))


def every(comparisons):
    """Several comparisons that must all hold, as one (intersection-union): the largest p, the smallest effect and n."""
    n, p, effect = np.array([(c.n, c.p, c.effect) for c in comparisons]).T
    return Comparison(int(n.min()), float(p.max()), float(effect.min()))


def holm(p_values):
    """p-values corrected for their number (Holm 1979): max over ranks j <= i of (m - j + 1) p_(j), at most 1.

    Parameters
    ----------
    p_values : (m,) float, in [0, 1]

    Returns
    -------
    (m,) float64, in the order given
    """
    p_values = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p_values, kind="stable")
    steps = np.maximum.accumulate(np.arange(len(p_values), 0, -1) * p_values[order])
    corrected = np.empty_like(p_values)
    corrected[order] = np.minimum(steps, 1.0)
    return corrected


def quartiles(values):
    """Median, first and third quartile: three floats; NaN if a value is not finite."""
    values = np.asarray(values, dtype=np.float64)
    return tuple(map(float, np.quantile(values, [0.5, 0.25, 0.75]))) if np.isfinite(values).all() else (np.nan,) * 3
