"""THE list of claims that the paper makes in words, and of ours about controls; the verdict on each from a study.

A claim is one function in one of the modules and one line of their `CLAIMS`. Its rule is fixed from the statement, and
no option changes it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from boltzprune.report.claims import digits, digits_course, digits_generation, digits_size, patches, patches_fit
from boltzprune.report.claims.claim import CONTRADICTED, NOT_TESTABLE, SUPPORTED, UNDECIDED, Claim, Finding
from boltzprune.report.claims.collected import NotTestable, Results
from boltzprune.report.claims.power import fewest_seeds, in_words, seeds_needed
from boltzprune.report.claims.statistics import LEVEL, MIN_SEEDS, Comparison, holm

CLAIMS = (
    *patches.CLAIMS,
    *patches_fit.CLAIMS,
    *digits.CLAIMS,
    *digits_course.CLAIMS,
    *digits_size.CLAIMS,
    *digits_generation.CLAIMS,
)
"""Those of the paper, in its order. `controls.claims_of` gives those about the controls of a study."""

COLUMNS = (
    "origin claim experiment statement rule criterion measured value low high quantity estimate estimate_low "
    "estimate_high n effect p p_corrected p_opposite p_opposite_corrected seeds_needed verdict reason"
).split()


def judge(results: Results, claims: Sequence[Claim] = CLAIMS) -> pd.DataFrame:
    """Every claim, measured and decided.

    p-values of the claims of one origin about one experiment are corrected together (Holm), those of the rules and
    those of their opposites each as a family. A claim is supported if its corrected p-value is below `LEVEL`,
    contradicted if that of the opposite is, and else undecided: `seeds_needed` says how many seeds would decide it.
    It is not testable with fewer than `MIN_SEEDS` seeds, nor with so few that no corrected p-value can be below
    `LEVEL`, whatever they show.

    Parameters
    ----------
    results : collected.Results
    claims : tuple of claim.Claim, optional

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`; one row per claim and criterion. low, high: first and third quartile; estimate, estimate_low and
        estimate_high: of the `quantity`, with an interval of 95 %; seeds_needed: text, empty where it is decided.
    """
    measured = [
        (claim, criterion, _measure(claim, results, criterion)) for claim in claims for criterion in claim.criteria
    ]
    rows = []
    for family in dict.fromkeys((claim.origin, claim.experiment) for claim in claims):
        mine = [row for row in measured if (row[0].origin, row[0].experiment) == family]
        tests = [finding.comparison or Comparison(finding.n, np.nan, np.nan, np.nan) for *_, finding in mine]
        both = [_corrected(np.array([getattr(test, name) for test in tests])) for name in ("p", "p_opposite")]
        n_tests = (
            int(np.count_nonzero(np.isfinite(both[0]))),
            sum(finding.comparison is not None for *_, finding in mine),
        )
        rows += [_row(*row, test, corrected, n_tests) for row, test, corrected in zip(mine, tests, zip(*both))]
    return pd.DataFrame(rows, columns=COLUMNS)


def _measure(claim: Claim, results: Results, criterion: str) -> Finding:
    """What a claim finds, or why nothing."""
    try:
        results.require(claim.experiment)
        return claim.measure(results, criterion)
    except NotTestable as error:
        return Finding(reason=str(error))


def _corrected(p: np.ndarray) -> list[float]:
    """p-values of one family, corrected; NaN where nothing was tested."""
    corrected, tested = np.full(len(p), np.nan), ~np.isnan(p)
    corrected[tested] = holm(p[tested])
    return corrected.tolist()


def _row(
    claim: Claim,
    criterion: str,
    finding: Finding,
    test: Comparison,
    corrected: tuple[float, float],
    n_tests: tuple[int, int],
) -> list[Any]:
    """One line of the table; n_tests: how many are corrected for, and how many would be with more seeds."""
    about = [claim.origin, claim.name, claim.experiment, claim.statement, claim.rule, criterion]
    number = [finding.measured, finding.value, finding.low, finding.high]
    estimate = [finding.quantity, test.estimate, test.low, test.high]
    p_values = [test.p, corrected[0], test.p_opposite, corrected[1]]
    verdict = (NOT_TESTABLE, finding.reason) if finding.reason else _verdict(test, corrected, n_tests[0])
    seeds = "" if finding.reason else _seeds(verdict[0], test, n_tests[1])
    return [*about, *number, *estimate, test.n, test.effect, *p_values, seeds, *verdict]


def _verdict(test: Comparison, corrected: tuple[float, float], n_tests: int) -> tuple[str, str]:
    """Verdict and reason of a claim that was measured."""
    if test.n < MIN_SEEDS:
        return NOT_TESTABLE, f"too few seeds: n = {test.n}, a test needs {MIN_SEEDS}"
    if corrected[0] < LEVEL:
        return SUPPORTED, ""
    if corrected[1] < LEVEL:
        return CONTRADICTED, ""
    smallest = n_tests * min(test.smallest)
    if smallest >= LEVEL:
        return NOT_TESTABLE, f"too few seeds for {n_tests} tests: n = {test.n}, corrected p at best {smallest:.2g}"
    return UNDECIDED, ""


def _seeds(verdict: str, test: Comparison, n_tests: int) -> str:
    """How many seeds would decide, in words; of what has too few for any test, how many could."""
    if verdict == UNDECIDED:
        return in_words(seeds_needed(test, n_tests))
    return in_words(fewest_seeds(test, n_tests)) if verdict == NOT_TESTABLE else ""
