"""Weights that grow again after a pruning: how many, in place of which others, and where.

A pruning with regrowth leaves as many weights in every layer, and the same units, as the same pruning of the same
machine without. Whole courses can differ in both: later prunings start from other machines. A pruning with regrowth
removes more of the least salient weights, and as many others grow where two units that remain have had no weight. So
the weights that are left lie elsewhere: structural plasticity, as the paper's outlook asks for, and as sparse
evolutionary training has it (Mocanu et al. 2018, "Scalable training of artificial neural networks with adaptive sparse
connectivity inspired by network science", Nature Communications 9, 2383).

A weight that grows is 0 at first, so that nothing that the machine shows is changed by growing: retraining alone gives
it a value.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boltzprune.core.streams import fork
from boltzprune.pruning.evidence import numbers_per_weight

if TYPE_CHECKING:
    from boltzprune.core.fisher import Statistics
    from boltzprune.core.machine import BoltzmannMachine

Masks = Sequence[npt.NDArray[np.bool_]]
"""Which weights exist, or may, of each weight layer."""


def covariance(statistics: "Statistics", layer: int) -> npt.NDArray[np.float64]:
    """|<s_i s_j> - <s_i><s_j>| of all pairs of units on the two sides of a weight layer: (n_lower, n_upper) float64."""
    lower, upper = statistics.rates[layer : layer + 2]
    return np.abs(statistics.pair_means[layer] - np.outer(lower, upper))


def nothing(statistics: "Statistics", layer: int) -> npt.NDArray[np.float64]:
    """The same for all pairs, so that chance alone decides: (n_lower, n_upper) float64."""
    return np.zeros_like(statistics.pair_means[layer])


RULES: dict[str, Callable[["Statistics", int], npt.NDArray[np.float64]]] = {
    "random": nothing,
    "correlation": covariance,
}
"""Value of the key `pruning.regrowth.by` -> what speaks for a weight at each place; what is equal goes by chance."""


def regrown(
    machine: "BoltzmannMachine",
    kept: Masks,
    remaining: Masks,
    saliencies: Sequence[np.ndarray],
    ties: Sequence[np.ndarray],
    statistics: "Statistics",
    regrowth: Any,
    allowed: Masks | None,
    seed: int,
    iteration: int,
) -> tuple[list[npt.NDArray[np.bool_]], tuple[int, ...]]:
    """The masks of a pruning in which some of the weights that are left have given way to others.

    Of the number of weights that the pruning has removed from a layer, floor(fraction n) grow. They grow where both
    units remain and the machine had no weight before this pruning. As many of the weights that were kept go for them,
    the least salient first, but never the last weight that a hidden unit has in that layer, so that no unit goes.
    There are fewer where there are fewer such places, or such weights.

    Parameters
    ----------
    machine : BoltzmannMachine
        Before the pruning.
    kept : sequence of (n_lower, n_upper) bool
        After it and after what it left leading nowhere has gone, in the places of the machine before.
    remaining : sequence of (n_units,) bool
        Which units of each layer remain.
    saliencies, ties : sequence of (n_lower, n_upper) float
        By which the pruning has chosen, high = keep, and among equal ones.
    statistics : fisher.Statistics
        Of the machine before the pruning.
    regrowth : config.Regrowth
    allowed : sequence of (n_lower, n_upper) bool or None
        Where there may be a weight, for example within receptive fields; None: everywhere.
    seed, iteration : int
        Random numbers depend on them and on the original indices of the units.

    Returns
    -------
    tuple
        The masks, a list, with as many weights as those given; and the number that has grown in each layer.
    """
    key, masks, n_grown = fork(seed, "regrowth", iteration), list[npt.NDArray[np.bool_]](), list[int]()
    for layer, (before, left) in enumerate(zip(machine.masks, kept, strict=True)):
        places = ~before & np.outer(*remaining[layer : layer + 2])
        if allowed is not None:
            places &= allowed[layer]
        n = int(Fraction(str(regrowth.fraction)) * int(before.sum() - left.sum()))
        n = min(n, int(places.sum()))
        fewer = _without_least(left, n, saliencies[layer], ties[layer], lower_can_lose_all=layer == 0)
        n = int(left.sum() - fewer.sum())
        lower, upper = machine.units[layer : layer + 2]
        chance = numbers_per_weight(lower, upper, layer, key)
        order = np.lexsort((chance[places], -RULES[regrowth.by](statistics, layer)[places]))
        grown = np.zeros(len(order), dtype=bool)
        grown[order[:n]] = True
        masks.append(fewer)
        masks[-1][places] = grown
        n_grown.append(n)
    return masks, tuple(n_grown)


def _without_least(
    mask: npt.NDArray[np.bool_], n: int, saliency: np.ndarray, ties: np.ndarray, lower_can_lose_all: bool
) -> npt.NDArray[np.bool_]:
    """The mask without n weights, the least salient of which no unit loses the last one; without fewer if need be.

    Parameters
    ----------
    mask : (n_lower, n_upper) bool
    n : int
    saliency, ties : (n_lower, n_upper) float
    lower_can_lose_all : bool
        Whether the lower units are visible, which stay without weights, too.

    Returns
    -------
    (n_lower, n_upper) bool
    """
    left, of_lower, of_upper = mask.copy(), mask.sum(axis=1), mask.sum(axis=0)
    order = np.lexsort((ties[mask], saliency[mask]))
    for lower, upper in np.argwhere(mask)[order]:
        if n == 0:
            break
        if of_upper[upper] > 1 and (lower_can_lose_all or of_lower[lower] > 1):
            left[lower, upper] = False
            of_lower[lower] -= 1
            of_upper[upper] -= 1
            n -= 1
    return left
