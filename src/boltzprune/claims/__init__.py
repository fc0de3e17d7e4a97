"""THE list of claims that the paper makes in words, and the verdict on each from the results of a study.

A claim is one function in one of the modules and one line of their `CLAIMS`. Its rule is fixed from the statement, and
no option changes it.
"""

import numpy as np
import pandas as pd

from boltzprune.claims import digits, digits_generation, patches
from boltzprune.claims.claim import Finding
from boltzprune.claims.collected import NotTestable
from boltzprune.claims.statistics import LEVEL, MIN_SEEDS, Comparison, holm

CLAIMS = (*patches.CLAIMS, *digits.CLAIMS, *digits_generation.CLAIMS)
"""All of them, in the order of the paper."""

HOLDS, FAILS, NOT_TESTABLE = "holds", "fails", "not testable"
COLUMNS = (
    "claim experiment statement rule criterion measured value low high n effect p p_corrected verdict reason"
).split()


def judge(results, claims=CLAIMS):
    """Every claim, measured and decided.

    p-values of one experiment are corrected together (Holm). A claim with a test holds if its corrected p-value is
    below `LEVEL`, else it fails: it is not shown. It is not testable with fewer than `MIN_SEEDS` seeds, nor where so
    few seeds allow no corrected p-value below `LEVEL`, whatever they show.

    Parameters
    ----------
    results : collected.Results
    claims : tuple of claim.Claim, optional

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`; one row per claim and criterion. low, high: first and third quartile.
    """
    found = [
        (claim, criterion, _measure(claim, results, criterion)) for claim in claims for criterion in claim.criteria
    ]
    rows = []
    for experiment in dict.fromkeys(claim.experiment for claim in claims):
        mine = [row for row in found if row[0].experiment == experiment]
        p = np.array([finding.comparison.p if finding.comparison else np.nan for *_, finding in mine])
        corrected, tested = np.full(len(p), np.nan), ~np.isnan(p)
        corrected[tested] = holm(p[tested])
        for row, one in zip(mine, corrected):
            rows.append(_row(*row, float(one), np.count_nonzero(tested)))
    return pd.DataFrame(rows, columns=COLUMNS)


def _measure(claim, results, criterion):
    """What a claim finds, or why nothing."""
    try:
        results.require(claim.experiment)
        return claim.measure(results, criterion)
    except NotTestable as error:
        return Finding(reason=str(error))


def _row(claim, criterion, finding, corrected, n_comparisons):
    """One line of the table."""
    about = [claim.name, claim.experiment, claim.statement, claim.rule, criterion]
    number = [finding.measured, finding.value, finding.low, finding.high]
    test = finding.comparison or Comparison(finding.n, np.nan, np.nan)
    return [*about, *number, test.n, test.effect, test.p, corrected, *_verdict(finding, corrected, n_comparisons)]


def _verdict(finding, corrected, n_comparisons):
    """Verdict and reason."""
    if finding.reason:
        return NOT_TESTABLE, finding.reason
    if finding.comparison is None:
        return (HOLDS if finding.holds else FAILS), ""
    n = finding.comparison.n
    if n < MIN_SEEDS:
        return NOT_TESTABLE, f"too few seeds: n = {n}, a test needs {MIN_SEEDS}"
    if corrected < LEVEL:
        return HOLDS, ""
    smallest = n_comparisons * 0.5**n  # of a one-sided signed-rank test, all differences on one side
    if smallest >= LEVEL:
        return NOT_TESTABLE, f"too few seeds for {n_comparisons} tests: n = {n}, corrected p at best {smallest:.2g}"
    return FAILS, f"not shown: corrected p = {corrected:.2g}"
