"""Deep machines, their activity and one pruning step, for the tests of deep pruning."""

import numpy as np

from boltzprune.core.fisher import Statistics
from boltzprune.core.machine import BoltzmannMachine
from boltzprune.pruning.criteria import Criterion
from boltzprune.pruning.prune import prune
from boltzprune.study.config import DeepPruning


def machine_of(masks, seed=11, units=()):
    """A machine with these masks and random weights, none of them 0."""
    rng = np.random.default_rng(seed)
    masks = tuple(np.asarray(mask, dtype=bool) for mask in masks)
    sizes = (len(masks[0]), *(mask.shape[1] for mask in masks))
    weights = tuple(np.where(mask, rng.normal(0, 0.7, mask.shape), 0).astype(np.float32) for mask in masks)
    return BoltzmannMachine(weights, tuple(rng.normal(0, 0.5, n).astype(np.float32) for n in sizes), masks, units)


def full_machine(*sizes, seed=11):
    """A machine with all weights."""
    return machine_of([np.ones(shape) for shape in zip(sizes[:-1], sizes[1:])], seed)


def activity(machine, seed=13, n_samples=101):
    """Rates and pair means that fit a machine in shape, in (0, 1)."""
    rng = np.random.default_rng(seed)
    sizes = machine.layer_sizes
    rates = tuple(rng.uniform(0.1, 0.9, n) for n in sizes)
    return Statistics(n_samples, rates, tuple(rng.uniform(0.02, 0.48, s) for s in zip(sizes[:-1], sizes[1:])))


def prune_deeply(function, machine, fraction=(0.1, 0.25), seed=3, iteration=1, statistics=None, **options):
    """One pruning step by a criterion or a function of the evidence, by exact rank unless said otherwise.

    `units` is the key whole_units of the configuration; `whole_units` says whether the criterion removes whole ones.
    """
    fields = {key: options.pop(key) for key in ("whole_units", "zeros_go") if key in options}
    options = {"threshold": "rank", "whole_units": options.pop("units", "proportion")} | options
    row = function if isinstance(function, Criterion) else Criterion(function, "Test", "#123456", "nobody", **fields)
    settings = DeepPruning(**options).model_copy(update={"fraction": list(fraction)})
    return prune(machine, statistics or activity(machine), row, "test", settings, seed, iteration)


def by_layer(*saliencies):
    """A criterion with one given array of saliencies per weight layer; layers must differ in shape."""
    by_shape = {np.shape(s): np.asarray(s, dtype=float) for s in saliencies}
    return lambda evidence: by_shape[evidence.weights.shape]


def original_masks(machine, sizes):
    """The masks of a pruned machine in terms of the original units."""
    masks = [np.zeros(shape, dtype=bool) for shape in zip(sizes[:-1], sizes[1:])]
    for mask, part, lower, upper in zip(masks, machine.masks, machine.units[:-1], machine.units[1:]):
        mask[np.ix_(lower, upper)] = part
    return masks


def permuted(machine, statistics, seed):
    """The same machine and activity with the units of every hidden layer in another order."""
    rng = np.random.default_rng(seed)
    orders = [np.arange(machine.layer_sizes[0]), *(rng.permutation(n) for n in machine.layer_sizes[1:])]

    def pairs(arrays):
        return tuple(array[np.ix_(a, b)] for array, a, b in zip(arrays, orders[:-1], orders[1:]))

    def units(arrays):
        return tuple(array[order] for array, order in zip(arrays, orders))

    other = BoltzmannMachine(pairs(machine.weights), units(machine.biases), pairs(machine.masks), units(machine.units))
    return other, Statistics(statistics.n_samples, units(statistics.rates), pairs(statistics.pair_means))
