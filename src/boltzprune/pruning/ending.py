"""Which courses will end early (see `pruning`), from the rules alone, before anything is computed."""

import dataclasses
import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boltzprune.core.fisher import Statistics
from boltzprune.core.machine import BoltzmannMachine
from boltzprune.pruning.criteria import random_units
from boltzprune.pruning.prune import fractions_of, prune
from boltzprune.pruning.weights import drop_weights

if TYPE_CHECKING:
    from boltzprune.pruning.criteria import Criterion


def ends_at(masks: Sequence[npt.NDArray[np.bool_]], criterion: "Criterion", prunings: Sequence[Any]) -> int | None:
    """The iteration with whose pruning the courses of a criterion end, at the latest.

    A criterion that removes weights: most are left if all saliencies differ and none is 0 (more than that only by the
    ratio reading of the zero rule, which is counted). The course of every seed has ended by then; ties and dead ends
    can end one sooner. A criterion that removes whole units: exactly then, if all units of a layer have as many
    weights; with receptive fields, this is so for one order of the units, and another can differ by a little.

    Parameters
    ----------
    masks : sequence of (n_lower, n_upper) bool
        Weights of the initial machine, one array for each weight layer.
    criterion : criteria.Criterion
    prunings : sequence of config.Pruning or config.DeepPruning
        Of each iteration, as for `prune.prune`.

    Returns
    -------
    int or None
        None if a machine can be left after all of them.
    """
    masks, numbers = tuple(masks), [int(np.count_nonzero(mask)) for mask in masks]
    for iteration, pruning in enumerate(prunings, start=1):
        fractions = fractions_of(pruning, len(masks))
        if criterion.whole_units:
            masks = _without_units(masks, criterion, pruning)
            numbers = [int(np.count_nonzero(mask)) for mask in masks]
        else:
            numbers = [_most_left(*pair, criterion, pruning) for pair in zip(numbers, fractions)]
        if 0 in numbers:
            return iteration
    return None


def _most_left(n: int, fraction: float, criterion: "Criterion", pruning: Any) -> int:
    """The most weights of n that one pruning can leave.

    Parameters
    ----------
    n : int
        Weights of one layer.
    fraction : float in (0, 1)
    criterion : criteria.Criterion
    pruning : config.Pruning or config.DeepPruning

    Returns
    -------
    int
    """
    order = np.arange(n, dtype=np.float64)[None]
    left = int(drop_weights(order, np.ones((1, n), dtype=bool), fraction, criterion, pruning, order).sum())
    if criterion.zeros_go and getattr(pruning, "zero_rule", "share") == "ratio":
        left = max(left, math.ceil(n / (1 + Fraction(str(fraction)))) - 1)
    return left


def _without_units(
    masks: tuple[npt.NDArray[np.bool_], ...], criterion: "Criterion", pruning: Any
) -> tuple[npt.NDArray[np.bool_], ...]:
    """The masks after whole units went, in a random order.

    Parameters
    ----------
    masks : sequence of (n_lower, n_upper) bool
    criterion : criteria.Criterion
    pruning : config.Pruning or config.DeepPruning

    Returns
    -------
    tuple of (n_lower, n_upper) bool
    """
    sizes = [len(masks[0]), *(mask.shape[1] for mask in masks)]
    machine = BoltzmannMachine(
        tuple(np.zeros(mask.shape, dtype=np.float32) for mask in masks),
        tuple(np.zeros(n, dtype=np.float32) for n in sizes),
        masks,
    )
    silent = Statistics(0, machine.biases, machine.weights)
    at_random = dataclasses.replace(criterion, saliency=random_units, needs="statistics")
    return prune(machine, silent, at_random, criterion.label, pruning, seed=0, iteration=1).machine.masks
