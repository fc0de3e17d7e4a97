"""Small machines, activity and evidence for the tests of this folder; prime sizes, so that swapped axes cannot pass."""

import numpy as np

from boltzprune.core.fisher import Statistics
from boltzprune.core.machine import BoltzmannMachine
from boltzprune.pruning.criteria import Criterion, Evidence
from boltzprune.pruning.prune import prune
from boltzprune.study.config import Pruning


def random_machine(n_visible=5, n_hidden=7, seed=11, share=1.0):
    """An RBM with random weights, of which about that share exists; no unit is disconnected."""
    rng = np.random.default_rng(seed)
    mask = rng.random((n_visible, n_hidden)) < share
    mask[np.arange(n_hidden) % n_visible, np.arange(n_hidden)] = True
    weights = np.where(mask, rng.normal(0, 0.7, mask.shape), 0).astype(np.float32)
    biases = tuple(rng.normal(0, 0.5, n).astype(np.float32) for n in mask.shape)
    return BoltzmannMachine((weights,), biases, (mask,))


def random_statistics(machine, seed=13, n_samples=101):
    """Rates and pair means that fit a machine in shape, in (0, 1)."""
    rng = np.random.default_rng(seed)
    n_visible, n_hidden = machine.layer_sizes
    rates = rng.uniform(0.1, 0.9, n_visible), rng.uniform(0.1, 0.9, n_hidden)
    return Statistics(n_samples, rates, (rng.uniform(0.02, 0.48, (n_visible, n_hidden)),))


def random_evidence(n_lower=5, n_upper=7, seed=17, **changed):
    """Evidence with every field filled, read-only."""
    rng = np.random.default_rng(seed)
    shape = n_lower, n_upper
    values = {
        "weights": rng.normal(0, 1, shape).astype(np.float32),
        "mask": rng.random(shape) < 0.8,
        "lower_rate": rng.uniform(0.1, 0.9, n_lower),
        "upper_rate": rng.uniform(0.1, 0.9, n_upper),
        "pair_mean": rng.uniform(0.02, 0.48, shape),
        "n_samples": 101,
        "eigenvector": rng.normal(0, 0.1, shape),
        "uniform_weights": rng.random(shape),
        "uniform_units": rng.random(n_upper),
        "options": {"eigenvector_entry": "magnitude"},
    } | changed
    for value in values.values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    return Evidence(**values)


def criterion(function, **fields):
    """A criterion for tests."""
    return Criterion(function, "Test", "#123456", "nobody", **fields)


def prune_with(function, machine, fraction=0.5, seed=3, iteration=1, statistics=None, vector=None, **fields):
    """One pruning step by a function of the evidence, by exact rank unless said otherwise; `units`: whole_units."""
    options = {"threshold": "rank", "anti_fi_threshold": "rank", "whole_units": fields.pop("units", "weights")}
    options |= {
        key: fields.pop(key) for key in (*options, "eigenvector_entry") if key in fields and key != "whole_units"
    }
    row = function if isinstance(function, Criterion) else criterion(function, **fields)
    settings = Pruning(fraction=fraction, **options)
    return prune(machine, statistics or random_statistics(machine), row, "test", settings, seed, iteration, vector)


def units_gone(pruned):
    """Original indices of the hidden units of an RBM that went."""
    return [removed.unit for removed in pruned.units_removed]


def by_weight(evidence):
    """The magnitude of each weight."""
    return np.abs(evidence.weights)


def constant(evidence):
    """Nothing but ties."""
    return np.ones(evidence.weights.shape)


def kept_places(pruned):
    """The mask of a machine pruned from 7 x 11 units, in terms of the original units, as bytes."""
    return original_mask(pruned.machine, 7, 11).tobytes()


def original_mask(machine, n_visible, n_hidden):
    """The mask of a pruned machine in terms of the original units."""
    mask = np.zeros((n_visible, n_hidden), dtype=bool)
    mask[np.ix_(*machine.units)] = machine.masks[0]
    return mask


def high_in(columns, n_visible, n_hidden, extra=()):
    """Saliency high in these columns."""
    value = np.random.default_rng(3).random((n_visible, n_hidden)) * 0.1
    value[:, list(columns)] += 1
    for place in extra:
        value[place] += 1
    return value
