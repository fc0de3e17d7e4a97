"""By which rule the weights of one layer go: the least salient, by rank or at a percentile, or all of saliency 0."""

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from boltzprune.pruning.criteria import Criterion


def n_kept(n: int, fraction: float) -> int:
    """How many of n remain when a fraction goes: floor((1 - fraction) n).

    The fraction is taken as the decimal it is written as. At one half, 910 -> 455 -> 227 -> 113.
    """
    return int((1 - Fraction(str(fraction))) * n)


def drop_lowest(
    saliency: np.ndarray, mask: npt.NDArray[np.bool_], fraction: float, tie_breaker: np.ndarray
) -> npt.NDArray[np.bool_]:
    """The mask without the given fraction of existing weights, the least salient; ties go by a random number.

    Parameters
    ----------
    saliency : (n_lower, n_upper) float
        High = keep.
    mask : (n_lower, n_upper) bool
    fraction : float in (0, 1)
    tie_breaker : (n_lower, n_upper) float

    Returns
    -------
    (n_lower, n_upper) bool, with exactly `n_kept(mask.sum(), fraction)` True
    """
    of_weights = saliency[mask]
    n_go = len(of_weights) - n_kept(len(of_weights), fraction)
    kept = mask.copy()
    if n_go:
        last = np.partition(of_weights, n_go - 1)[n_go - 1]
        keep, equal = of_weights >= last, np.flatnonzero(of_weights == last)
        n_equal = n_go - int(np.count_nonzero(~keep))
        keep[equal[np.argsort(tie_breaker[mask][equal], kind="stable")[:n_equal]]] = False
        kept[mask] = keep
    return kept


def drop_at_percentile(
    saliency: np.ndarray, mask: npt.NDArray[np.bool_], fraction: float, ties_stay: bool
) -> npt.NDArray[np.bool_]:
    """The mask without every existing weight whose saliency is at or below that percentile (the authors' rule).

    Weights of just that saliency go together, so that more than the fraction can go; with `ties_stay` they stay
    together, so that less can go, as in the authors' Anti-FI, which keeps what is at or below a percentile of the FI.

    Parameters
    ----------
    saliency : (n_lower, n_upper) float
    mask : (n_lower, n_upper) bool
    fraction : float in (0, 1)
    ties_stay : bool

    Returns
    -------
    (n_lower, n_upper) bool
    """
    percentile = np.percentile(saliency[mask], 100.0 * fraction)
    return mask & ((saliency >= percentile) if ties_stay else (saliency > percentile))


def drop_weights(
    saliency: np.ndarray,
    mask: npt.NDArray[np.bool_],
    fraction: float,
    criterion: "Criterion",
    pruning: Any,
    tie_breaker: np.ndarray,
) -> npt.NDArray[np.bool_]:
    """The mask of one layer without its least salient weights, by the rule that the configuration has for them.

    Parameters
    ----------
    saliency : (n_lower, n_upper) float
    mask : (n_lower, n_upper) bool
    fraction : float in (0, 1)
    criterion : criteria.Criterion
    pruning : config.Pruning or config.DeepPruning
        The key that `criterion.threshold` names is read.
    tie_breaker : (n_lower, n_upper) float

    Returns
    -------
    (n_lower, n_upper) bool
    """
    if getattr(pruning, criterion.threshold) == "percentile":
        return drop_at_percentile(saliency, mask, fraction, criterion.ties_stay)
    return drop_lowest(saliency, mask, fraction, tie_breaker)


def drop_zeros(
    saliency: np.ndarray, mask: npt.NDArray[np.bool_], fraction: float, rule: str
) -> npt.NDArray[np.bool_] | None:
    """The mask without all weights of saliency exactly 0, if they are too many; else None.

    Parameters
    ----------
    saliency : (n_lower, n_upper) float
    mask : (n_lower, n_upper) bool
    fraction : float in (0, 1)
    rule : str
        share: zeros / weights > fraction; ratio: zeros / non-zeros > fraction.

    Returns
    -------
    (n_lower, n_upper) bool, or None
    """
    kept = mask & (saliency != 0)
    n_others = int(kept.sum())
    n_zeros = int(mask.sum()) - n_others
    too_many = n_zeros > Fraction(str(fraction)) * (n_others if rule == "ratio" else n_zeros + n_others)
    return kept if too_many else None
