"""What a claim is, and what measuring it gives."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from boltzprune.claims.collected import NotTestable
from boltzprune.claims.statistics import LEVEL, Comparison, quartiles

DIFFERENCES, LOG_RATIOS = (
    f"one-sided signed-rank test of {what} over seeds, corrected p < {LEVEL:g}"
    for what in ("differences", "log ratios")
)
"""Words of rules."""


@dataclass(frozen=True)
class Finding:
    """What was measured for a claim, for one criterion; the verdict follows once all p-values are corrected.

    Attributes
    ----------
    measured : str
        In words.
    value, low, high : float
        The number that the rule is about: median and quartiles over seeds unless `measured` says otherwise.
    n : int
        Seeds, or pairs of them.
    holds : bool or None
        Outcome of a rule without a test.
    comparison : Comparison or None
        Of a rule with one: the claim holds if its corrected p-value is small enough.
    reason : str
        Why these results can neither support nor contradict the claim; empty if they can.
    """

    measured: str = ""
    value: float = np.nan
    low: float = np.nan
    high: float = np.nan
    n: int = 0
    holds: bool | None = None
    comparison: Comparison | None = None
    reason: str = ""


@dataclass(frozen=True)
class Claim:
    """One row of the list.

    Attributes
    ----------
    name : str
    experiment : str
        patches or digits.
    statement : str
    rule : str
        When it holds: from the statement alone, never from results.
    measure : callable
        (Results, criterion) -> Finding; raises NotTestable.
    criteria : tuple of str
        It is decided for each of them; ("",) if it is about no criterion.
    """

    name: str
    experiment: str
    statement: str
    rule: str
    measure: Callable
    criteria: tuple = ("",)


def claim(experiment, statement, rule, criteria=("",)):
    """Decorator: a function `measure(results, criterion)` becomes the `Claim` of its name."""

    def make(measure):
        return Claim(measure.__name__, experiment, statement, rule, measure, tuple(criteria))

    return make


def show(values, digits=3):
    """Median and quartiles in words, to that many significant digits."""
    median, low, high = (f"{x:.{digits}g}" for x in quartiles(values))
    return f"{median} ({low} to {high})"


def percent(share, digits=3):
    """A share in words."""
    return f"{100 * share:.{digits}g} %"


def found(values, measured, **decision):
    """A `Finding` about one number per seed: its median, quartiles and n; NotTestable if one is not finite."""
    if not np.all(np.isfinite(values)):
        raise NotTestable(f"not a finite number for every seed: {measured}")
    return Finding(measured, *quartiles(values), len(values), **decision)
