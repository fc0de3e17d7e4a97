"""Exact tests of one number per seed, in both directions, their effects and intervals, and Holm's correction."""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

LEVEL = 0.05
"""A comparison decides if a corrected p-value is below this."""
MIN_SEEDS = 6
"""Fewer seeds are not tested: their signed-rank test cannot reach 0.025, and there is no interval of 95 %."""
CONFIDENCE = 0.95
"""Of every interval, which is that of its row alone: not corrected for the number of rows."""


@dataclass(frozen=True)
class Comparison:
    """What one number per seed says about a rule.

    Attributes
    ----------
    n : int
        Seeds, those at the bound included.
    p, p_opposite : float
        One-sided p-values of the rule and of its opposite, not corrected; NaN for fewer than `MIN_SEEDS` seeds.
    effect : float, in [-1, 1]
        1 if every seed agrees with the rule, -1 if every one contradicts it: rank-biserial correlation of signed ranks,
        difference of shares of a sign test.
    estimate, low, high : float
        The rule's own quantity with an interval of `CONFIDENCE`; NaN where there is none.
    odds : tuple of float
        Chance, under the hypothesis tested, that a single seed agrees with the rule, and that it contradicts it.
    need : tuple of float
        (a, b): with (a z_alpha + b z_beta)^2 seeds a test at level alpha has the power 1 - beta, if what was measured
        is the truth. Infinite if the measured effect points nowhere.
    favours : bool
        Whether the measured effect points the rule's way.
    parts : tuple of Comparison
        Of a rule that joins several.
    """

    n: int
    p: float
    p_opposite: float
    effect: float
    estimate: float = np.nan
    low: float = np.nan
    high: float = np.nan
    odds: tuple[float, float] = (0.5, 0.5)
    need: tuple[float, float] = (np.inf, np.inf)
    favours: bool = False
    parts: tuple["Comparison", ...] = ()

    @property
    def smallest(self) -> tuple[float, float]:
        """The smallest p-values that so many seeds can give, for the rule and against it."""
        if self.parts:
            for_it, against = zip(*(part.smallest for part in self.parts))
            return max(for_it), min(1.0, len(self.parts) * min(against))
        return self.odds[0] ** self.n, self.odds[1] ** self.n


def above(values: npt.ArrayLike, bound: float = 0.0) -> Comparison:
    """Wilcoxon's signed-rank test of values, one per seed, finite: above a bound. Estimate: their pseudo-median."""
    return _signed_rank(np.asarray(values, dtype=np.float64), bound, 1)


def below(values: npt.ArrayLike, bound: float = 0.0) -> Comparison:
    """The same: below the bound."""
    return _signed_rank(np.asarray(values, dtype=np.float64), bound, -1)


def ratio_above(ratios: npt.ArrayLike, bound: float = 1.0) -> Comparison:
    """The same of ratios, > 0, by their logarithms: above a bound. Estimate: a ratio again."""
    return _signed_rank(np.log(np.asarray(ratios, dtype=np.float64)), np.log(bound), 1, np.exp)


def ratio_below(ratios: npt.ArrayLike, bound: float = 1.0) -> Comparison:
    """The same: below the bound."""
    return _signed_rank(np.log(np.asarray(ratios, dtype=np.float64)), np.log(bound), -1, np.exp)


def _signed_rank(
    values: npt.NDArray[np.float64], bound: float, side: int, shown: Callable[[float], float] = float
) -> Comparison:
    """Signed-rank test of side (values - bound) > 0; differences of 0 have no say, equal ones share their mean rank."""
    from scipy.stats import rankdata

    differences = np.round(side * (values - bound), 12)  # a rounding error is no difference
    n, moved = len(differences), differences[differences != 0]
    estimate, low, high = (float(shown(x)) for x in pseudo_median(values))
    p = (1.0, 1.0) if n >= MIN_SEEDS else (np.nan, np.nan)
    if len(moved) == 0:
        return Comparison(n, *p, 0.0, estimate, low, high)
    ranks = np.rint(2 * rankdata(np.abs(moved))).astype(np.int64)  # twice the rank, so that mean ranks are whole
    effect, total = float(np.sum(np.sign(moved) * ranks) / np.sum(ranks)), ranks[moved > 0].sum()
    if n >= MIN_SEEDS:
        chance = _chances(tuple(ranks))
        p = _at_most_one(chance[total:].sum()), _at_most_one(chance[: total + 1].sum())
    lead = _lead(differences)
    need = (1 / (np.sqrt(3) * abs(lead)),) * 2 if lead else (np.inf, np.inf)
    return Comparison(n, *p, effect, estimate, low, high, need=need, favours=lead > 0)


def _lead(differences: npt.NDArray[np.float64]) -> float:
    """P(D + D' > 0) - 1/2 for two different seeds, ties half; 0 for a single seed: what Noether (1987) plans with."""
    i, j = np.triu_indices(len(differences), 1)
    return float(np.mean(np.sign(differences[i] + differences[j]))) / 2 if len(i) else 0.0


@functools.lru_cache(maxsize=16)
def _chances(ranks: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Chance of each sum of the positive ones, 0, 1, ..., if the signs of the ranks are random: by counting."""
    chance = np.zeros(sum(ranks) + 1)
    chance[0] = 1.0
    for rank in ranks:
        chance[rank:] = chance[rank:] + chance[:-rank]
        chance *= 0.5
    return chance


def _at_most_one(p: float) -> float:
    """A sum of chances without its rounding error; NaN stays."""
    return float(np.minimum(p, 1.0))


def pseudo_median(values: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Hodges-Lehmann estimate of the centre and its exact signed-rank interval.

    The interval runs from the C-th smallest to the C-th largest mean of two values (Walsh averages, a value with itself
    included), C the largest number with P(T <= C - 1) <= 2.5 % for the signed-rank statistic T.

    Parameters
    ----------
    values : (n,)

    Returns
    -------
    tuple of float
        Estimate, lower and upper end; NaN if a value is not finite, and as ends of fewer than `MIN_SEEDS` values.
    """
    n = len(values)
    if n == 0 or not np.isfinite(values).all():
        return np.nan, np.nan, np.nan
    i, j = np.triu_indices(n)
    walsh = np.sort((values[i] + values[j]) / 2)
    if n < MIN_SEEDS:
        return float(np.median(walsh)), np.nan, np.nan
    below_it = np.cumsum(_chances(tuple(range(1, n + 1))))
    place = int(np.searchsorted(below_it, (1 - CONFIDENCE) / 2, side="right"))
    return float(np.median(walsh)), float(walsh[place - 1]), float(walsh[-place])


def share(agrees: "Sequence[bool] | np.ndarray | pd.Series") -> Comparison:
    """Exact sign test that more than half of the seeds agree with a rule; Clopper-Pearson interval of their share.

    Parameters
    ----------
    agrees : sequence of bool
        One per seed.
    """
    return hits(agrees, np.full(len(agrees), 0.5))


def hits(agrees: "Sequence[bool] | np.ndarray | pd.Series", chances: npt.ArrayLike) -> Comparison:
    """Exact test that more seeds agree with a rule than by chance: their number is Poisson-binomial then.

    Parameters
    ----------
    agrees : sequence of bool
    chances : (n,) float, in (0, 1)
        Chance that a seed agrees under the hypothesis tested.

    Returns
    -------
    Comparison
        Estimate: share of seeds that agree, with the Clopper-Pearson interval. Effect: that share minus the mean
        chance, as a fraction of the largest such difference.
    """
    from scipy.stats import beta

    n, k, chances = len(agrees), int(np.count_nonzero(agrees)), np.asarray(chances, dtype=np.float64)
    number = np.ones(1)
    for chance in chances:
        number = np.convolve(number, [1 - chance, chance])
    p = (number[k:].sum(), number[: k + 1].sum()) if n >= MIN_SEEDS else (np.nan, np.nan)
    tail, rate, mean = (1 - CONFIDENCE) / 2, k / n, float(chances.mean())
    low = float(beta.ppf(tail, k, n - k + 1)) if k else 0.0
    high = float(beta.isf(tail, k + 1, n - k)) if k < n else 1.0
    gap = 0.0 if abs(rate - mean) < 1e-12 else rate - mean
    effect = gap / (1 - mean) if gap > 0 else gap / mean
    spreads = np.sqrt(mean * (1 - mean)), (np.sqrt(rate * (1 - rate)) if mean != 0.5 else 0.5)
    need = (float(spreads[0] / abs(gap)), float(spreads[1] / abs(gap))) if gap else (np.inf, np.inf)
    odds = float(np.exp(np.mean(np.log(chances)))), float(np.exp(np.mean(np.log1p(-chances))))
    p_values = _at_most_one(p[0]), _at_most_one(p[1])
    return Comparison(n, *p_values, float(effect), rate, low, high, odds, need, gap > 0)


def weakest(parts: Iterable[Comparison]) -> Comparison:
    """The comparison that is shown least clearly: the largest p, then the smallest effect."""
    return min(parts, key=lambda part: (-np.nan_to_num(part.p), part.effect))


def every(parts: Iterable[Comparison]) -> Comparison:
    """Several comparisons that must all hold, as one.

    Intersection-union: the largest p counts for the rule. It is contradicted by any of them: against it counts the
    smallest opposite p times their number (Bonferroni). Effect, estimate and interval are those of the weakest part.
    """
    parts = tuple(parts)
    n, p, opposite = np.array([(part.n, part.p, part.p_opposite) for part in parts]).T
    against = np.nan if np.isnan(opposite).any() else min(1.0, len(parts) * float(opposite.min()))
    least = weakest(parts)
    numbers = least.effect, least.estimate, least.low, least.high
    favours = all(part.favours for part in parts)
    return Comparison(int(n.min()), float(p.max()), against, *numbers, favours=favours, parts=parts)


def holm(p_values: npt.ArrayLike) -> npt.NDArray[np.float64]:
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


def quartiles(values: npt.ArrayLike) -> tuple[float, float, float]:
    """Median, first and third quartile; NaN if a value is not finite."""
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).all():
        return np.nan, np.nan, np.nan
    median, low, high = map(float, np.quantile(values, [0.5, 0.25, 0.75]))
    return median, low, high
