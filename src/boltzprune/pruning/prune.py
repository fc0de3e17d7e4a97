"""One pruning step: saliency of every weight -> which weights go -> which units go -> a smaller machine.

When a sequence ends. The prune-retrain sequence of a seed under a criterion ends with the first pruning after which a
weight layer has no weight (`BoltzmannMachine.is_empty`). In an RBM that is when the last weight goes, and with it the
last hidden unit. In a DBM a hidden unit without weights on a side goes too (`deep.dead_ends`), so that the
weight layers run out together: it ends when no way is left from a visible unit to the top layer, and then neither h1
nor h2 has a unit. Visible units do not count: they stay, with weights or without. The machines of the iterations before
remain results, and the seed has none of that iteration or of later ones.

A pruning that removes nothing is an iteration like any other: the machine is retrained as it is. The authors' ways to
remove whole units (count, layer) never take the last one, a percentile at which ties stay never takes the last weight,
and the paper's (weights, proportion) take no unit where that is nearest to the fraction. A fraction of the weights by
rank, or at a percentile where ties go, always takes one at least. `ending.ends_at` says how many iterations that makes.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from boltzprune.core.fisher import n_parameters, not_computed, weight_entries
from boltzprune.core.machine import BoltzmannMachine, require_rbm
from boltzprune.core.streams import fork, uniform_double
from boltzprune.errors import InputError
from boltzprune.pruning.criteria import Evidence, saliency_of


@dataclass(frozen=True)
class Pruned:
    """A pruned machine and the record of what went.

    Attributes
    ----------
    machine : BoltzmannMachine
        Compact: removed units are gone, `machine.units` says which remain. If it `is_empty`, the sequence ends here.
    n_weights_removed : int
    units_removed : (n,) int64
        Original indices of the hidden units that lost their last weight.
    visible_disconnected : (n,) int64
        Indices of the visible units without weights; they stay.
    """

    machine: BoltzmannMachine
    n_weights_removed: int
    units_removed: np.ndarray
    visible_disconnected: np.ndarray


def n_kept(n, fraction):
    """How many of n remain when a fraction goes: floor((1 - fraction) n).

    The fraction is taken as the decimal it is written as. At one half, 910 -> 455 -> 227 -> 113.
    """
    return int((1 - Fraction(str(fraction))) * n)


def drop_lowest(saliency, mask, fraction, tie_breaker):
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
    order = np.lexsort((tie_breaker[mask], saliency[mask]))
    keep = np.zeros(len(order), dtype=bool)
    keep[order[len(order) - n_kept(len(order), fraction) :]] = True
    kept = np.zeros_like(mask)
    kept[mask] = keep
    return kept


def drop_at_percentile(saliency, mask, fraction, ties_stay):
    """The mask without every existing weight whose saliency is at or below that percentile (the authors' rule).

    Weights of just that saliency go together, so that more than the fraction can go; with `ties_stay` they stay
    together, so that less can go, as in the authors' Anti-FI, which keeps what is at or below a percentile of the FI.
    """
    percentile = np.percentile(saliency[mask], 100.0 * fraction)
    return mask & ((saliency >= percentile) if ties_stay else (saliency > percentile))


def drop_weights(saliency, mask, fraction, criterion, pruning, tie_breaker):
    """The mask of one layer without its least salient weights, by the rule that the configuration has for them.

    Parameters
    ----------
    saliency : (n_lower, n_upper) float
    mask : (n_lower, n_upper) bool
    fraction : float in (0, 1)
    criterion : criteria.Criterion
    pruning : config.Pruning or config.DeepPruning
    tie_breaker : (n_lower, n_upper) float

    Returns
    -------
    (n_lower, n_upper) bool
    """
    if getattr(pruning, criterion.threshold) == "percentile":
        return drop_at_percentile(saliency, mask, fraction, criterion.ties_stay)
    return drop_lowest(saliency, mask, fraction, tie_breaker)


def mean_of_units(saliency, mask):
    """Mean saliency of each upper unit's existing weights, 0 where it has none: (n_upper,) float64."""
    return np.where(mask, saliency, 0.0).sum(axis=0) / np.maximum(mask.sum(axis=0), 1)


def drop_units(saliency, mask, fraction, how_many, tie_breaker):
    """The mask without whole upper units: those whose existing weights have the lowest mean saliency.

    Parameters
    ----------
    saliency : (n_lower, n_upper) float
    mask : (n_lower, n_upper) bool
    fraction : float in (0, 1)
    how_many : str
        weights: as many units as bring the removed weights nearest to the fraction; count: int(fraction n) of n units.
    tie_breaker : (n_lower, n_upper) float

    Returns
    -------
    (n_lower, n_upper) bool
    """
    order = np.lexsort((tie_breaker.sum(axis=0), mean_of_units(saliency, mask)))
    if how_many == "count":
        n_units = int(Fraction(str(fraction)) * len(order))
    else:
        removed = np.concatenate([[0], np.cumsum(mask.sum(axis=0)[order])])
        n_units = int(np.argmin(np.abs(removed - (mask.sum() - n_kept(int(mask.sum()), fraction)))))
    kept = mask.copy()
    kept[:, order[:n_units]] = False
    return kept


def prune(machine, statistics, leading_eigenvector, criterion, name, pruning, seed, iteration):
    """Remove the least salient weights of an RBM, then the hidden units left without any.

    Parameters
    ----------
    machine : BoltzmannMachine
        With one weight layer, not empty.
    statistics : fisher.Statistics
    leading_eigenvector : (n_parameters,) float64 or None
    criterion : criteria.Criterion
    name : str
        Of the criterion, for messages.
    pruning : config.Pruning
    seed, iteration : int
        Random numbers depend on them and on the original indices of the units.

    Returns
    -------
    Pruned

    Raises
    ------
    InputError
        If the criterion misbehaves (see `criteria.saliency_of`), the machine has several weight layers, or the
        statistics or the eigenvector are not of this machine.
    """
    require_rbm(machine, "prune.prune", "deep.prune_deep")
    _check_vector(machine, leading_eigenvector, criterion, name)
    mask = machine.masks[0]
    evidence = evidence_of(machine, 0, statistics, leading_eigenvector, criterion, pruning, seed, iteration)
    saliency = saliency_of(criterion, name, evidence)
    ties = numbers_per_weight(*machine.units, 0, fork(seed, "ties", iteration))
    if criterion.whole_units:
        kept = drop_units(saliency, mask, pruning.fraction, pruning.whole_units, ties)
    else:
        kept = drop_weights(saliency, mask, pruning.fraction, criterion, pruning, ties)
    connected = kept.any(axis=0)
    return Pruned(
        compact(machine, (kept,), (np.ones(len(kept), dtype=bool), connected)),
        int(mask.sum() - kept.sum()),
        machine.units[1][~connected],
        machine.units[0][~kept.any(axis=1)],
    )


def _check_vector(machine, vector, criterion, name):
    """InputError if the leading eigenvector is missing where the criterion needs it, or is of another machine."""
    n = n_parameters(machine)
    if vector is None and criterion.needs == "eigenvector":
        raise InputError(
            f"criterion {name!r} needs the leading eigenvector of the full FIM, which is missing "
            f"({not_computed(n) or 'not asked for when the machine was sampled'}); leave the criterion out, or use a "
            "smaller machine"
        )
    if vector is not None and np.shape(vector) != (n,):
        raise InputError(
            f"leading_eigenvector has shape {np.shape(vector)}; expected one entry for each parameter, ({n},)"
        )


def _check_statistics(machine, statistics):
    """InputError if statistics are of another machine."""
    sizes = machine.layer_sizes
    expected = [*((n,) for n in sizes), *zip(sizes[:-1], sizes[1:])]
    found = [np.shape(mean) for mean in (*statistics.rates, *statistics.pair_means)]
    if found != expected:
        raise InputError(f"statistics have shapes {found}; expected those of the machine, {expected}")


def evidence_of(machine, layer, statistics, leading_eigenvector, criterion, pruning, seed, iteration):
    """What the criterion may look at in one weight layer."""
    _check_statistics(machine, statistics)
    lower, upper = machine.units[layer], machine.units[layer + 1]
    vector = None if leading_eigenvector is None else weight_entries(leading_eigenvector, machine.masks[layer])
    of_weights = numbers_per_weight(lower, upper, layer, fork(seed, "random weights", iteration))
    key, n_units = fork(seed, "random units", iteration), upper.max(initial=-1) + 1
    of_units = uniform_double(key, 0, layer + 1, np.zeros(1), n_units)
    return Evidence(
        weights=_read_only(machine.weights[layer]),
        mask=_read_only(machine.masks[layer]),
        lower_rate=_read_only(statistics.rates[layer]),
        upper_rate=_read_only(statistics.rates[layer + 1]),
        pair_mean=_read_only(statistics.pair_means[layer]),
        n_samples=statistics.n_samples,
        eigenvector=None if vector is None else _read_only(vector),
        uniform_weights=_read_only(of_weights),
        uniform_units=_read_only(of_units[0][upper]),
        options={name: getattr(pruning, name) for name in criterion.options if hasattr(pruning, name)},
    )


def _read_only(array):
    """A view that a user's criterion cannot write to."""
    view = array.view()
    view.flags.writeable = False
    return view


def numbers_per_weight(lower, upper, layer, key):
    """One uniform number per weight that depends on the original indices of its units: (n_lower, n_upper) float64."""
    return uniform_double(key, 0, layer, lower, upper.max(initial=-1) + 1)[:, upper]


def compact(machine, masks, remaining):
    """The machine with those masks, one per weight layer, and only the remaining units; surviving values unchanged."""
    weights = tuple(
        np.where(mask, w, np.float32(0))[np.ix_(a, b)]
        for w, mask, a, b in zip(machine.weights, masks, remaining[:-1], remaining[1:])
    )
    return BoltzmannMachine(
        weights,
        tuple(bias[keep] for bias, keep in zip(machine.biases, remaining)),
        tuple(mask[np.ix_(a, b)] for mask, a, b in zip(masks, remaining[:-1], remaining[1:])),
        tuple(units[keep] for units, keep in zip(machine.units, remaining)),
    )
