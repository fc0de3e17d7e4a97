"""Which prune-retrain sequences will end early (see `pruning`), from the rules alone, before anything is computed."""

import dataclasses
import math
from fractions import Fraction

import numpy as np

from boltzprune.core.fisher import Statistics
from boltzprune.core.machine import BoltzmannMachine
from boltzprune.pruning.criteria import random_units
from boltzprune.pruning.deep import prune_deep
from boltzprune.pruning.prune import drop_weights, prune


def ends_at(masks, criterion, pruning, n_iterations):
    """The iteration with whose pruning the sequences of a criterion end, at the latest.

    A criterion that removes weights: most are left if all saliencies differ and none is 0 (more than that only by the
    ratio reading of the zero rule, which is counted). The sequence of every seed has ended by then; ties and dead ends
    can end one sooner. A criterion that removes whole units: exactly then, if all units of a layer have as many
    weights; with receptive fields, this is so for one order of the units, and another can differ by a little.

    Parameters
    ----------
    masks : sequence of (n_lower, n_upper) bool
        Weights of the initial machine, one array for each weight layer.
    criterion : criteria.Criterion
    pruning : config.Pruning or config.DeepPruning
        fraction is one number for an RBM, a list for a DBM.
    n_iterations : int
        How far to look.

    Returns
    -------
    int or None
        None if a machine can be left after all of them.
    """
    masks, numbers = tuple(masks), [int(np.count_nonzero(mask)) for mask in masks]
    for iteration in range(1, n_iterations + 1):
        if criterion.whole_units:
            masks = _without_units(masks, criterion, pruning)
            numbers = [int(np.count_nonzero(mask)) for mask in masks]
        else:
            numbers = [_most_left(*pair, criterion, pruning) for pair in zip(numbers, np.atleast_1d(pruning.fraction))]
        if 0 in numbers:
            return iteration
    return None


def _most_left(n, fraction, criterion, pruning):
    """The most weights of n that one pruning can leave."""
    order, fraction = np.arange(n, dtype=np.float64)[None], float(fraction)
    left = int(drop_weights(order, np.ones((1, n), dtype=bool), fraction, criterion, pruning, order).sum())
    if criterion.zeros_go and getattr(pruning, "zero_rule", "share") == "ratio":
        left = max(left, math.ceil(n / (1 + Fraction(str(fraction)))) - 1)
    return left


def _without_units(masks, criterion, pruning):
    """The masks after whole units went, in a random order."""
    sizes = [len(masks[0]), *(mask.shape[1] for mask in masks)]
    rates, pairs = tuple(map(np.zeros, sizes)), tuple(np.zeros(mask.shape) for mask in masks)
    zeros = tuple(pair.astype(np.float32) for pair in pairs)
    machine = BoltzmannMachine(zeros, tuple(rate.astype(np.float32) for rate in rates), masks)
    at_random = dataclasses.replace(criterion, saliency=random_units)
    settings = at_random, criterion.label, pruning, 0, 1
    if machine.is_rbm:
        return prune(machine, Statistics(0, rates, pairs), None, *settings).machine.masks
    return prune_deep(machine, Statistics(0, rates, pairs), *settings).machine.masks
