"""What a claim is, and what measuring it gives."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from boltzprune.report.claims.collected import NotTestable, Results
from boltzprune.report.claims.statistics import Comparison, every, quartiles, weakest

SUPPORTED, CONTRADICTED, UNDECIDED, NOT_TESTABLE = "supported", "contradicted", "undecided", "not testable"
VERDICTS = (SUPPORTED, CONTRADICTED, UNDECIDED, NOT_TESTABLE)
RANKS = "signed-rank test over seeds"
LOG_RANKS = f"{RANKS}, of logarithms"
SIGNS = "sign test over seeds"
EACH = "it is supported if each of these is, and contradicted if one of them is"
"""Words of rules."""
OF_PAPER, OF_CONTROLS = "paper", "controls"
"""Who makes a claim: the paper, or this project about its controls. Each is tested as a family of its own."""
Values = TypeVar("Values", bound=Sequence[float] | np.ndarray | pd.Series)


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
    quantity : str
        What the comparison estimates, with its unit.
    comparison : Comparison or None
        The claim is supported or contradicted if a corrected p-value is small enough.
    reason : str
        Why these results can neither support nor contradict the claim; empty if they can.
    """

    measured: str = ""
    value: float = np.nan
    low: float = np.nan
    high: float = np.nan
    n: int = 0
    quantity: str = ""
    comparison: Comparison | None = None
    reason: str = ""


Measure = Callable[[Results, str], Finding]
"""Measures a claim for one criterion; NotTestable if these results cannot tell."""


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
        When it is supported: from the statement alone, never from results.
    measure : Measure
    criteria : tuple of str
        It is decided for each of them; ("",) if it is about no criterion.
    origin : str
        `OF_PAPER` or `OF_CONTROLS`.
    """

    name: str
    experiment: str
    statement: str
    rule: str
    measure: Measure
    criteria: tuple[str, ...] = ("",)
    origin: str = OF_PAPER


def claim(experiment: str, statement: str, rule: str, criteria: Sequence[str] = ("",)) -> Callable[[Measure], Claim]:
    """Decorator: a function `measure(results, criterion)` becomes the `Claim` of its name.

    Parameters
    ----------
    experiment, statement, rule, criteria
        Of the `Claim`.
    """

    def make(measure: Measure) -> Claim:
        return Claim(measure.__name__, experiment, statement, rule, measure, tuple(criteria))

    return make


def show(values: npt.ArrayLike, digits: int = 3) -> str:
    """Median and quartiles in words, to that many significant digits."""
    median, low, high = (f"{x:.{digits}g}" for x in quartiles(values))
    return f"{median} ({low} to {high})"


def percent(share: float, digits: int = 3) -> str:
    """A share in words."""
    return f"{100 * share:.{digits}g} %"


def interval(estimate: float, low: float, high: float) -> str:
    """An estimate with its interval in words, or alone.

    Parameters
    ----------
    estimate
    low, high
        NaN where there is no interval.
    """
    return f"{estimate:.3g}" + (f" ({low:.3g} to {high:.3g})" if np.isfinite([low, high]).all() else "")


def apart(parts: Mapping[str, Comparison]) -> str:
    """The parts of a rule in words, each with its estimate, interval and p-values, which are not corrected.

    Parameters
    ----------
    parts : dict of str -> Comparison
        What each is about.
    """

    def one(part: Comparison) -> str:
        p = f", p {part.p:.2g}, opposite {part.p_opposite:.2g}" if np.isfinite(part.p) else ""
        return f"{interval(part.estimate, part.low, part.high)}{p}"

    return "; ".join(f"{name}: {one(part)}" for name, part in parts.items())


def joined(parts: Mapping[str, Comparison]) -> tuple[str, Comparison]:
    """The parts of a rule as one comparison, and what the one that is shown least clearly is about.

    Parameters
    ----------
    parts : dict of str -> Comparison

    Returns
    -------
    tuple
        What the estimate is of, and the Comparison: the last two arguments of `found`.
    """
    least = weakest(parts.values())
    return next(name for name, part in parts.items() if part is least), every(parts.values())


def found(
    values: Sequence[float] | np.ndarray | pd.Series, measured: str, quantity: str, comparison: Comparison
) -> Finding:
    """A `Finding` about one number per seed: its median, quartiles and n; NotTestable if one is not finite.

    Parameters
    ----------
    values
        One per seed.
    measured, quantity, comparison
        Of the `Finding`.
    """
    if not np.all(np.isfinite(values)):
        raise NotTestable(f"not a finite number for every seed: {measured}")
    return Finding(measured, *quartiles(values), len(values), quantity, comparison)


def positive(values: Values, what: str) -> Values:
    """The values, whose ratios a rule is about; NotTestable unless all are above 0."""
    if not np.all(np.asarray(values) > 0):
        raise NotTestable(f"{what} is not above 0 everywhere, so ratios have no meaning")
    return values
