"""The paper's claims about the RBMs on patches of natural images: their Fisher information, and which units remain."""

from collections.abc import Iterable

import numpy as np

from boltzprune.core.fisher import NEGLIGIBLE, fisher_diagonal, not_computed
from boltzprune.report.claims.claim import (
    EACH,
    LOG_RANKS,
    RANKS,
    Finding,
    apart,
    claim,
    found,
    joined,
    percent,
    positive,
    show,
)
from boltzprune.report.claims.collected import NotTestable, Results, pair
from boltzprune.report.claims.statistics import above, below, ratio_above

MOST = 0.5
ORDER_OF_MAGNITUDE = 10.0
CLOSE_CORRELATION = 0.8
SHARE_OF_FI, FEW_UNITS = 0.8, 0.5
FI_RULES = ("variance_fi", "heuristic_fi", "eigenvector")
OTHERS = ("weight_magnitude", "random_weights", "anti_fi")


def _no_matrix(results: Results, otherwise: str) -> NotTestable:
    """Why the initial machines have no full FIM, as far as their statistics say."""
    for _arrays, _seed, statistics, _vector in results.initial_statistics() if results.statistics else ():
        if reason := not_computed(statistics.pair_means[0].size + sum(map(len, statistics.rates))):
            return NotTestable(f"the full Fisher information matrix was {reason}")
    return NotTestable(otherwise)


@claim(
    "patches",
    "The Fisher information matrix of the initial machine is sparse.",
    f"More than {percent(MOST)} of its entries are smaller in size than {percent(NEGLIGIBLE)} of the largest: {RANKS}.",
)
def fisher_matrix_is_sparse(results: Results, _: str) -> Finding:
    """Share of negligible entries."""
    shares = []
    for arrays, seed, *_unused in results.initial_statistics():
        if f"seed{seed}/negligible_share" in arrays.names:
            shares.append(float(arrays.checked(f"seed{seed}/negligible_share", "f", ())))
    if not shares:
        raise _no_matrix(results, "the statistics do not say how many entries of the matrix are negligible")
    return found(shares, f"{show(shares)} of the entries are negligible", "share of entries", above(shares, MOST))


@claim(
    "patches",
    "The largest eigenvalue of the Fisher information matrix exceeds the second by an order of magnitude.",
    f"Their ratio is above {ORDER_OF_MAGNITUDE:g} in the initial machines: {LOG_RANKS}.",
)
def leading_eigenvalue_dominates(results: Results, _: str) -> Finding:
    """Ratio of the two largest eigenvalues."""
    try:
        values = [results.patches.initial(name) for name in ("eigenvalue_1", "eigenvalue_2")]
    except NotTestable as error:
        raise _no_matrix(results, str(error)) from None
    first, second = pair(*(positive(value, value.name) for value in values))
    ratio = first / second
    text = f"ratio {show(ratio)}; eigenvalues {show(first)} and {show(second)}"
    return found(ratio, text, "ratio of eigenvalues", ratio_above(ratio, ORDER_OF_MAGNITUDE))


@claim(
    "patches",
    "The diagonal of the Fisher information matrix correlates closely with its leading eigenvector.",
    "Pearson's correlation of the diagonal with the size of the eigenvector's entries, over all parameters of the "
    f"initial machine, is above {CLOSE_CORRELATION:g}: {RANKS}.",
)
def diagonal_follows_eigenvector(results: Results, _: str) -> Finding:
    """Correlation of diagonal and leading eigenvector."""
    from scipy.stats import spearmanr

    correlations, of_ranks = [], []
    for _arrays, _seed, statistics, vector in results.initial_statistics():
        if vector is not None:
            means = np.concatenate([statistics.pair_means[0].ravel(), *statistics.rates])
            diagonal = fisher_diagonal(means, statistics.n_samples)
            correlations.append(np.corrcoef(np.abs(vector), diagonal)[0, 1])
            of_ranks.append(spearmanr(np.abs(vector), diagonal)[0])
    if not correlations:
        raise _no_matrix(results, "no eigenvector is kept")
    text = f"correlation {show(correlations)}; of the ranks {show(of_ranks)}"
    return found(correlations, text, "correlation", above(correlations, CLOSE_CORRELATION))


@claim(
    "patches",
    "Important weights cluster on few hidden units.",
    f"The smallest share of hidden units that together hold {percent(SHARE_OF_FI)} of the Fisher information of all "
    f"weights (initial machines, diagonal) is below {percent(FEW_UNITS)}: {RANKS}.",
)
def important_weights_cluster(results: Results, _: str) -> Finding:
    """Share of hidden units that hold most of the weights' FI."""
    shares, n_hidden = [], 0
    for _arrays, _seed, statistics, _vector in results.initial_statistics():
        of_units = fisher_diagonal(statistics.pair_means[0], statistics.n_samples).sum(axis=0)
        of_units = np.sort(of_units)[::-1].cumsum()
        n_hidden = len(of_units)
        shares.append((int(np.searchsorted(of_units, SHARE_OF_FI * of_units[-1])) + 1) / n_hidden)
    text = f"{show(np.multiply(shares, n_hidden))} of {n_hidden} units hold {percent(SHARE_OF_FI)}"
    return found(shares, text, "share of hidden units", below(shares, FEW_UNITS))


@claim(
    "patches",
    "The heuristic estimate of Fisher information is surprisingly accurate.",
    "Pearson's correlation of the heuristic with the variance estimate, over the weights of the initial machine, is "
    f"above {CLOSE_CORRELATION:g}: {RANKS}. How far its values are off is measured beside it, and decides nothing.",
)
def heuristic_is_accurate(results: Results, _: str) -> Finding:
    """Heuristic against variance estimate over weights."""
    correlation = results.patches.initial("heuristic_correlation")
    off = results.patches.initial("heuristic_relative_difference")
    text = f"correlation {show(correlation)}; half of the weights are off by more than {show(100 * off)} %"
    return found(correlation, text, "correlation", above(correlation, CLOSE_CORRELATION))


def _fewer_units(results: Results, criterion: str, iterations: Iterable[int]) -> Finding:
    """A `Finding`: fewer hidden units remain than under each other criterion, after each of those iterations."""
    courses, parts, n_units = results.patches, {}, {}
    for iteration in iterations:
        mine = n_units[iteration] = courses.after(criterion, "n_hidden", iteration)
        for name in OTHERS:
            other = courses.after(name, "n_hidden", iteration)
            label = f"units less the {other.median():.3g} of {name}, iteration {iteration}"
            parts[label] = below(np.subtract(*pair(mine, other)))
    left = ", ".join(f"{show(mine)} after iteration {iteration}" for iteration, mine in n_units.items())
    return found(mine, f"units that remain: {left}. {apart(parts)}", *joined(parts))


_FEWER = f"fewer hidden units remain than under each of the three: {RANKS}, of differences; {EACH}."


@claim(
    "patches",
    "Fisher information leaves fewer hidden units than weight magnitude, random weights and Anti-FI.",
    f"After the last iteration {_FEWER}",
    FI_RULES,
)
def fisher_leaves_fewer_units(results: Results, criterion: str) -> Finding:
    """Hidden units after the last iteration against the three other criteria."""
    return _fewer_units(results, criterion, [results.patches.last(criterion)])


@claim(
    "patches",
    "Fisher information leaves fewer hidden units than the three after the earlier iterations, too (Table 1).",
    f"After each iteration before the last {_FEWER}",
    FI_RULES,
)
def fisher_leaves_fewer_units_early(results: Results, criterion: str) -> Finding:
    """Hidden units after all iterations but the last against the three other criteria."""
    if (last := results.patches.last(criterion)) == 1:
        raise NotTestable("there is one iteration only")
    return _fewer_units(results, criterion, range(1, last))


CLAIMS = (
    fisher_matrix_is_sparse,
    leading_eigenvalue_dominates,
    diagonal_follows_eigenvector,
    important_weights_cluster,
    heuristic_is_accurate,
    fisher_leaves_fewer_units,
    fisher_leaves_fewer_units_early,
)
