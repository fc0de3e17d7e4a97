"""Which whole units go: those that a criterion of whole units chooses, and those that are left leading nowhere."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from boltzprune.pruning.weights import n_kept

Orders = Sequence[npt.NDArray[np.integer]]
"""The units of each hidden layer, the first to go first."""
Masks = Sequence[npt.NDArray[np.bool_]]
"""Which weights exist, of each weight layer."""


@dataclass(frozen=True)
class UnitRule:
    """How a criterion of whole units chooses them, by a value of the key `pruning.whole_units`.

    Attributes
    ----------
    how_many : callable
        A function of orders, masks and fractions as those below: how many units of each hidden layer go.
    ties_at_random : bool
        Whether units of equal saliency go in a random order; else in that of their places.
    """

    how_many: Callable[[Orders, Masks, Sequence[float]], list[int]]
    ties_at_random: bool


def nearest_in_weights(orders: Orders, masks: Masks, fractions: Sequence[float]) -> list[int]:
    """The same share of every hidden layer, as many units as bring the removed weights nearest to what should go.

    Parameters
    ----------
    orders : list of (n_units,) int
        The units of each hidden layer, the first to go first.
    masks : sequence of (n_lower, n_upper) bool
    fractions : list of float
        Of each weight layer; the sum of the weights that they are is what should go. Of two numbers of units that are
        equally near, the smaller.

    Returns
    -------
    list of int
    """
    counts = [int(mask.sum()) for mask in masks]
    aim = sum(n - n_kept(n, fraction) for n, fraction in zip(counts, fractions))
    ranks, n_units = [np.argsort(order) for order in orders], max(1, sum(map(len, orders)))

    def numbers(n_removed: int) -> list[int]:
        return [round(n_removed * len(order) / n_units) for order in orders]

    def weights_removed(n_removed: int) -> int:
        stay = [np.ones(len(masks[0]), dtype=bool), *(rank >= n for rank, n in zip(ranks, numbers(n_removed)))]
        return sum(counts) - sum(int(m[a][:, b].sum()) for m, a, b in zip(masks, stay[:-1], stay[1:]))

    low, high = 0, n_units
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if weights_removed(middle) < aim else (low, middle)
    return numbers(min((n for n in (low - 1, low) if n >= 0), key=lambda n: (abs(weights_removed(n) - aim), n)))


def fraction_of_units(orders: Orders, masks: Masks, fractions: Sequence[float]) -> list[int]:
    """Of each hidden layer of n units int(fraction n), whatever weights they have (the authors' rule for RBMs).

    Parameters
    ----------
    orders, masks, fractions
        As of `nearest_in_weights`.

    Returns
    -------
    list of int
    """
    return [int(Fraction(str(fraction)) * len(order)) for order, fraction in zip(orders, fractions, strict=True)]


def within_fraction_of_weights(orders: Orders, masks: Masks, fractions: Sequence[float]) -> list[int]:
    """Of each hidden layer one unit after the other, until one more would exceed its fraction of the weights.

    Only the weights below a unit count, each layer's by itself: the authors' rule for DBMs, which stops at the first
    unit that would be too much, even if a later one would not.

    Parameters
    ----------
    orders, masks, fractions
        As of `nearest_in_weights`.

    Returns
    -------
    list of int
    """
    numbers = []
    for order, mask, fraction in zip(orders, masks, fractions, strict=True):
        removed = np.cumsum(mask.sum(axis=0)[order])
        n_most = int(Fraction(str(fraction)) * int(mask.sum()))
        numbers.append(int(np.searchsorted(removed, n_most, side="right")))
    return numbers


UNIT_RULES = {
    "weights": UnitRule(nearest_in_weights, ties_at_random=True),
    "count": UnitRule(fraction_of_units, ties_at_random=True),
    "proportion": UnitRule(nearest_in_weights, ties_at_random=False),
    "layer": UnitRule(within_fraction_of_weights, ties_at_random=False),
}
"""Value of the key `pruning.whole_units`, of the patches or of the digits -> rule."""


def mean_of_units(saliency: np.ndarray, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Mean saliency of each upper unit's existing weights, 0 where it has none: (n_upper,) float64."""
    return np.where(mask, saliency, 0.0).sum(axis=0) / np.maximum(mask.sum(axis=0), 1)


def drop_units(
    saliencies: Sequence[np.ndarray],
    masks: Masks,
    fractions: Sequence[float],
    whole_units: str,
    tie_breakers: Sequence[np.ndarray],
) -> tuple[list[npt.NDArray[np.bool_]], list[npt.NDArray[np.bool_]]]:
    """The masks without whole hidden units: those whose existing weights below have the lowest mean saliency.

    Parameters
    ----------
    saliencies : list of (n_lower, n_upper) float
        Of each weight layer.
    masks : sequence of (n_lower, n_upper) bool
    fractions : list of float
    whole_units : str
        A key of `UNIT_RULES`.
    tie_breakers : list of (n_lower, n_upper) float

    Returns
    -------
    tuple
        The masks, a list; and which units of each hidden layer were chosen, a list of (n_units,) bool.
    """
    rule = UNIT_RULES[whole_units]
    orders: list[npt.NDArray[np.integer]] = []
    chosen: list[npt.NDArray[np.bool_]] = []
    for saliency, mask, ties in zip(saliencies, masks, tie_breakers, strict=True):
        means = mean_of_units(saliency, mask)
        orders.append(np.lexsort((ties.sum(axis=0), means) if rule.ties_at_random else (means,)))
    for order, n in zip(orders, rule.how_many(orders, masks, fractions), strict=True):
        chosen.append(np.zeros(len(order), dtype=bool))
        chosen[-1][order[:n]] = True
    left = [mask & ~upper for mask, upper in zip(masks, chosen)]
    left[1:] = [mask & ~lower[:, None] for mask, lower in zip(left[1:], chosen[:-1])]
    return left, chosen


def dead_ends(masks: Masks) -> tuple[list[npt.NDArray[np.bool_]], list[npt.NDArray[np.str_]]]:
    """Remove hidden units without weights on a side, with their remaining weights, until nothing changes.

    A unit of the top layer has one side. Visible units stay.

    Parameters
    ----------
    masks : list of (n_lower, n_upper) bool

    Returns
    -------
    tuple
        The masks, a list; and per hidden layer an array of (n_units,) str: "" where a unit stays, else its reason (see
        `prune.RemovedUnit`).
    """
    masks = [mask.copy() for mask in masks]
    reasons = [np.full(mask.shape[1], "", dtype="<U8") for mask in masks]
    is_first, changed = True, True
    while changed:
        found = []
        for layer, reason in enumerate(reasons):
            below = ~masks[layer].any(axis=0)
            above = ~masks[layer + 1].any(axis=1) if layer + 1 < len(masks) else np.zeros_like(below)
            new = (reason == "") & (below | above)
            why = np.where(below & above, "both", np.where(below, "below", "above")) if is_first else "cascade"
            found.append((new, np.where(new, why, reason)))
        for layer, (new, reason) in enumerate(found):
            reasons[layer] = reason
            masks[layer][:, new] = False
            if layer + 1 < len(masks):
                masks[layer + 1][new] = False
        is_first, changed = False, any(new.any() for new, _ in found)
    return masks, reasons
