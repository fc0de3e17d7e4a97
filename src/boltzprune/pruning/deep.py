"""One pruning step of a deep machine: every weight layer on its own, then all units that lead nowhere."""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from boltzprune.core.machine import BoltzmannMachine
from boltzprune.core.streams import fork
from boltzprune.errors import InputError
from boltzprune.pruning.criteria import saliency_of
from boltzprune.pruning.prune import compact, drop_weights, evidence_of, mean_of_units, n_kept, numbers_per_weight


@dataclass(frozen=True)
class DeepPruned:
    """A pruned deep machine and the record of what went.

    Attributes
    ----------
    machine : BoltzmannMachine
        Compact: removed units are gone, `machine.units` says which remain. If it `is_empty`, it has no hidden unit, and
        the sequence ends here (see `pruning`).
    remaining : tuple of (n_units,) bool
        Which units of each layer remain, in the order of the machine before.
    went : list of (int, int, str)
        Layer, original index and reason of every removed unit: below (its last weight below went), above, both, chosen
        (by a criterion that removes whole units), or cascade (others went and left it behind).
    visible_disconnected : (n,) int64
        Indices of the visible units without weights; they stay.
    """

    machine: BoltzmannMachine
    remaining: tuple
    went: list
    visible_disconnected: np.ndarray


def drop_zeros(saliency, mask, fraction, rule):
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


def drop_units_in_proportion(of_units, masks, fractions):
    """Whole hidden units, the same share of every hidden layer, until about as many weights went as the fractions say.

    Parameters
    ----------
    of_units : list of (n_units,) float
        Saliency of the units of each hidden layer; the lowest go.
    masks : tuple of (n_lower, n_upper) bool
    fractions : list of float
        Of each weight layer; their sum of weights is the aim, which the nearest number of units meets.

    Returns
    -------
    list of (n_units,) bool
        Which hidden units stay.
    """
    counts = [int(mask.sum()) for mask in masks]
    aim = sum(n - n_kept(n, fraction) for n, fraction in zip(counts, fractions))
    ranks = [np.argsort(np.argsort(values, kind="stable")) for values in of_units]
    n_units = max(1, sum(map(len, ranks)))

    def staying(n_removed):
        return [rank >= round(n_removed * len(rank) / n_units) for rank in ranks]

    def weights_removed(n_removed):
        stay = [np.ones(len(masks[0]), dtype=bool), *staying(n_removed)]
        return sum(counts) - sum(int(m[a][:, b].sum()) for m, a, b in zip(masks, stay[:-1], stay[1:]))

    low, high = 0, n_units
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if weights_removed(middle) < aim else (low, middle)
    nearest = min((n for n in (low - 1, low) if n >= 0), key=lambda n: (abs(weights_removed(n) - aim), n))
    return staying(nearest)


def drop_units_of_layers(of_units, masks, fractions):
    """Whole hidden units of each layer, one after the other, until one more would exceed its fraction of the weights.

    Only the weights below a unit count, each layer's by itself: the authors' rule, which stops at the first unit that
    would be too much, even if a later one would not.

    Parameters
    ----------
    of_units : list of (n_units,) float
        Saliency of the units of each hidden layer; the lowest go first.
    masks : tuple of (n_lower, n_upper) bool
    fractions : list of float
        Of each weight layer.

    Returns
    -------
    list of (n_units,) bool
        Which hidden units stay.
    """
    stay = []
    for values, mask, fraction in zip(of_units, masks, fractions, strict=True):
        order = np.argsort(values, kind="stable")
        removed = np.cumsum(mask.sum(axis=0)[order])
        n_most = int(Fraction(str(fraction)) * int(mask.sum()))
        goes = np.zeros(len(values), dtype=bool)
        goes[order[: int(np.searchsorted(removed, n_most, side="right"))]] = True
        stay.append(~goes)
    return stay


def dead_ends(masks):
    """Remove hidden units without weights on a side, with their remaining weights, until nothing changes.

    A unit of the top layer has one side. Visible units stay.

    Parameters
    ----------
    masks : list of (n_lower, n_upper) bool

    Returns
    -------
    tuple
        The masks, and per hidden layer a list of (n_units,) str: "" where a unit stays, else its reason.
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


def prune_deep(machine, statistics, criterion, name, pruning, seed, iteration):
    """Remove the least salient weights of every layer, then the hidden units that lead nowhere.

    Parameters
    ----------
    machine : BoltzmannMachine
        Not empty.
    statistics : fisher.Statistics
    criterion : criteria.Criterion
    name : str
        Of the criterion, for messages.
    pruning : config.DeepPruning
        fraction has one entry per weight layer.
    seed, iteration : int
        Random numbers depend on them and on the original indices of the units.

    Returns
    -------
    DeepPruned

    Raises
    ------
    InputError
        If the criterion misbehaves (see `criteria.saliency_of`) or needs the eigenvector, the statistics are of another
        machine, or there is not one fraction for each weight layer.
    """
    if len(pruning.fraction) != len(machine.weights):
        raise InputError(
            f"pruning.fraction has {len(pruning.fraction)} entries; expected one for each weight layer of the machine, "
            f"{len(machine.weights)}"
        )
    if criterion.needs == "eigenvector":
        raise InputError(f"criterion {name!r} needs the full FIM, which is computed for RBMs only; use pruning.prune")
    saliencies = []
    for layer in range(len(machine.weights)):
        evidence = evidence_of(machine, layer, statistics, None, criterion, pruning, seed, iteration)
        saliencies.append(saliency_of(criterion, name, evidence))
    if criterion.whole_units:
        masks, chosen = _without_units(machine, saliencies, pruning)
    else:
        masks = [_without_weights(machine, i, s, criterion, pruning, seed, iteration) for i, s in enumerate(saliencies)]
        chosen = [np.zeros(mask.shape[1], dtype=bool) for mask in masks]
    masks, reasons = dead_ends(masks)
    reasons = [np.where(c, "chosen", reason) for c, reason in zip(chosen, reasons)]
    remaining = (np.ones(machine.layer_sizes[0], dtype=bool), *(reason == "" for reason in reasons))
    went = [
        (layer, int(machine.units[layer][unit]), str(reason[unit]))
        for layer, reason in enumerate(reasons, start=1)
        for unit in np.flatnonzero(reason != "")
    ]
    disconnected = machine.units[0][~masks[0].any(axis=1)]
    return DeepPruned(compact(machine, masks, remaining), remaining, went, disconnected)


def _without_weights(machine, layer, saliency, criterion, pruning, seed, iteration):
    """The mask of one layer after its least salient weights went."""
    mask, fraction = machine.masks[layer], pruning.fraction[layer]
    if criterion.zeros_go:
        kept = drop_zeros(saliency, mask, fraction, pruning.zero_rule)
        if kept is not None:
            return kept
    lower, upper = machine.units[layer : layer + 2]
    ties = numbers_per_weight(lower, upper, layer, fork(seed, "ties", iteration))
    return drop_weights(saliency, mask, fraction, criterion, pruning, ties)


def _without_units(machine, saliencies, pruning):
    """The masks after whole units went, and which units of each hidden layer were chosen."""
    of_units = [mean_of_units(saliency, mask) for saliency, mask in zip(saliencies, machine.masks)]
    choose = {"proportion": drop_units_in_proportion, "layer": drop_units_of_layers}[pruning.whole_units]
    stay = choose(of_units, machine.masks, pruning.fraction)
    masks = [mask & upper for mask, upper in zip(machine.masks, stay)]
    masks[1:] = [mask & lower[:, None] for mask, lower in zip(masks[1:], stay[:-1])]
    return masks, [~units for units in stay]
