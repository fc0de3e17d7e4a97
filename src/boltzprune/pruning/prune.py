"""One pruning of a machine of any depth: a saliency per weight, which weights or units go, a smaller machine.

Every weight layer is pruned on its own: a criterion is shown what the layer shows (`evidence`), and the least salient
weights of the layer go (`weights`), or whole units of all hidden layers (`units`). Then hidden units without weights on
a side go too, and weights may grow again between those that remain (`regrowth`). An RBM is the machine of one weight
layer. When nothing is left, see `pruning`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from boltzprune.core.machine import BoltzmannMachine
from boltzprune.core.streams import fork
from boltzprune.errors import InputError
from boltzprune.pruning.criteria import saliency_of
from boltzprune.pruning.evidence import check_eigenvector, check_statistics, evidence_of, numbers_per_weight
from boltzprune.pruning.regrowth import Masks, regrown
from boltzprune.pruning.units import dead_ends, drop_units
from boltzprune.pruning.weights import drop_weights, drop_zeros

if TYPE_CHECKING:
    from boltzprune.core.fisher import Statistics
    from boltzprune.pruning.criteria import Criterion, Evidence


class RemovedUnit(NamedTuple):
    """A hidden unit that a pruning removed.

    Attributes
    ----------
    layer : int
        1 is the lowest hidden one.
    unit : int
        Index in the machine before any pruning.
    reason : str
        below (its last weight below went), above, both, chosen (by a criterion that removes whole units), or cascade
        (others went and left it behind).
    """

    layer: int
    unit: int
    reason: str


@dataclass(frozen=True)
class Pruned:
    """A pruned machine and the record of what went.

    Attributes
    ----------
    machine : BoltzmannMachine
        Compact: removed units are gone, `machine.units` says which remain. If it `is_empty`, it has no hidden unit, and
        the course ends here.
    n_weights_removed : tuple of int
        Of each weight layer, how many fewer there are; weights that have grown count as never removed.
    units_removed : list of RemovedUnit
        By layer and place.
    remaining : tuple of (n_units,) bool
        Which units of each layer remain, in the order of the machine before; layer 0, the visible one, keeps all.
    visible_disconnected : (n,) int64
        Indices of the visible units without weights; they stay.
    n_weights_grown : tuple of int
        Of each weight layer, weights that have grown; empty without regrowth.
    """

    machine: BoltzmannMachine
    n_weights_removed: tuple[int, ...]
    units_removed: list[RemovedUnit]
    remaining: tuple[npt.NDArray[np.bool_], ...]
    visible_disconnected: npt.NDArray[np.integer]
    n_weights_grown: tuple[int, ...] = ()


def prune(
    machine: BoltzmannMachine,
    statistics: "Statistics",
    criterion: "Criterion",
    name: str,
    pruning: Any,
    seed: int,
    iteration: int,
    leading_eigenvector: np.ndarray | None = None,
    allowed: Sequence[npt.NDArray[np.bool_]] | None = None,
) -> Pruned:
    """Remove the least salient weights of every layer, or whole units, then the hidden units that lead nowhere.

    Parameters
    ----------
    machine : BoltzmannMachine
        Not empty, of one weight layer or several.
    statistics : fisher.Statistics
    criterion : criteria.Criterion
    name : str
        Of the criterion, for messages.
    pruning : config.Pruning or config.DeepPruning
        Its fraction is read, and what the criterion goes by: whole_units, or its thresholds, its zero_rule if it has
        one, its regrowth, and the options that the criterion declares.
    seed, iteration : int
        Random numbers depend on them and on the original indices of the units.
    leading_eigenvector : (n_parameters,) float64 or None
        Of the full FIM, for a criterion that needs it; of RBMs only.
    allowed : sequence of (n_lower, n_upper) bool or None
        Where weights may grow, of each weight layer; None: everywhere.

    Returns
    -------
    Pruned

    Raises
    ------
    InputError
        If the criterion misbehaves (see `criteria.saliency_of`), the statistics or the eigenvector are not of this
        machine, the criterion needs an eigenvector that is missing, or there is not one fraction for each weight layer.
    """
    shown = shown_of(machine, statistics, criterion, name, pruning, seed, iteration, leading_eigenvector)
    of_weights = saliencies(criterion, name, shown)
    ties = tie_breakers(machine, seed, iteration)
    masks, units = chosen(machine, of_weights, criterion, pruning, ties)
    if criterion.whole_units or pruning.regrowth is None:
        return _without_dead_ends(machine, masks, units)
    chosen_by = {"saliencies": of_weights, "ties": ties, "statistics": statistics, "regrowth": pruning.regrowth}
    grow = partial(regrown, machine, **chosen_by, allowed=allowed, seed=seed, iteration=iteration)
    return _without_dead_ends(machine, masks, units, grow)


def tie_breakers(machine: BoltzmannMachine, seed: int, iteration: int) -> list[npt.NDArray[np.float64]]:
    """A random number for each weight of each layer, by which equal weights go: list of (n_lower, n_upper) float64."""
    key, units = fork(seed, "ties", iteration), machine.units
    return [numbers_per_weight(*pair, layer, key) for layer, pair in enumerate(zip(units[:-1], units[1:]))]


def chosen(
    machine: BoltzmannMachine,
    of_weights: Sequence[np.ndarray],
    criterion: "Criterion",
    pruning: Any,
    ties: Sequence[np.ndarray],
) -> tuple[list[npt.NDArray[np.bool_]], list[npt.NDArray[np.bool_]]]:
    """What the rules choose by the saliencies of every weight layer, of equal ones by ties; others as of `prune`.

    Returns
    -------
    tuple
        Which weights of each layer stay, and which units of each hidden layer go: two lists of arrays of bool.
    """
    fractions = fractions_of(pruning, len(machine.weights))
    if criterion.whole_units:
        return drop_units(of_weights, machine.masks, fractions, pruning.whole_units, ties)
    layers = zip(of_weights, machine.masks, fractions, ties, strict=True)
    masks = [_without_weights(*of_layer, criterion, pruning) for of_layer in layers]
    return masks, [np.zeros(mask.shape[1], dtype=bool) for mask in masks]


def saliencies(criterion: "Criterion", name: str, shown: "Sequence[Evidence]") -> list[npt.NDArray[np.float64]]:
    """Saliency of every weight layer by what the criterion is shown of it; errors as of `prune`.

    Returns
    -------
    list of (n_lower, n_upper) float64
        High = keep; of what has no weight, whatever the criterion returns there.
    """
    return [saliency_of(criterion, name, evidence) for evidence in shown]


def shown_of(
    machine: BoltzmannMachine,
    statistics: "Statistics",
    criterion: "Criterion",
    name: str,
    pruning: Any,
    seed: int,
    iteration: int,
    leading_eigenvector: np.ndarray | None = None,
) -> "list[Evidence]":
    """What the criterion is shown of every weight layer, checked; parameters and errors as of `prune`."""
    check_statistics(machine, statistics)
    check_eigenvector(machine, leading_eigenvector, criterion, name)
    others = criterion, pruning, seed, iteration, leading_eigenvector
    return [evidence_of(machine, layer, statistics, *others) for layer in range(len(machine.weights))]


def fractions_of(pruning: Any, n_weight_layers: int) -> list[float]:
    """The fraction of each weight layer; one number is that of every layer.

    Parameters
    ----------
    pruning : config.Pruning or config.DeepPruning
    n_weight_layers : int

    Returns
    -------
    list of float

    Raises
    ------
    InputError
        If there is a list of another length.
    """
    if isinstance(pruning.fraction, float):
        return [pruning.fraction] * n_weight_layers
    if len(pruning.fraction) != n_weight_layers:
        raise InputError(
            f"pruning.fraction has {len(pruning.fraction)} entries; expected one for each weight layer of the machine, "
            f"{n_weight_layers}"
        )
    return list(pruning.fraction)


def _without_weights(
    saliency: np.ndarray,
    mask: npt.NDArray[np.bool_],
    fraction: float,
    ties: np.ndarray,
    criterion: "Criterion",
    pruning: Any,
) -> npt.NDArray[np.bool_]:
    """The mask of one layer after its least salient weights went.

    Parameters
    ----------
    saliency : (n_lower, n_upper) float
    mask : (n_lower, n_upper) bool
    fraction : float in (0, 1)
    ties : (n_lower, n_upper) float
    criterion : criteria.Criterion
    pruning : config.Pruning or config.DeepPruning
        Without a key zero_rule, as that of the patches is, zeros go like other weights.
    """
    zero_rule = getattr(pruning, "zero_rule", None)
    if criterion.zeros_go and zero_rule is not None:
        kept = drop_zeros(saliency, mask, fraction, zero_rule)
        if kept is not None:
            return kept
    return drop_weights(saliency, mask, fraction, criterion, pruning, ties)


def _without_dead_ends(
    machine: BoltzmannMachine,
    masks: Masks,
    chosen: Sequence[npt.NDArray[np.bool_]],
    grow: Callable[[Masks, Masks], tuple[Masks, tuple[int, ...]]] | None = None,
) -> Pruned:
    """The machine with what is left of its weights, without units that were chosen or lead nowhere, and the record.

    Parameters
    ----------
    machine : BoltzmannMachine
        Before.
    masks : list of (n_lower, n_upper) bool
    chosen : list of (n_units,) bool
        Of each hidden layer.
    grow : callable or None
        From these masks and the units that remain to masks with other weights, and how many have grown.

    Returns
    -------
    Pruned
    """
    masks, reasons = dead_ends(masks)
    reasons = [np.where(units, "chosen", reason) for units, reason in zip(chosen, reasons)]
    remaining = (np.ones(machine.layer_sizes[0], dtype=bool), *(reason == "" for reason in reasons))
    removed = [
        RemovedUnit(layer, int(machine.units[layer][place]), str(reason[place]))
        for layer, reason in enumerate(reasons, start=1)
        for place in np.flatnonzero(reason != "")
    ]
    masks, n_grown = grow(masks, remaining) if grow else (masks, ())
    left = compact(machine, masks, remaining)
    n_removed = tuple(before - after for before, after in zip(machine.n_weights, left.n_weights))
    return Pruned(left, n_removed, removed, remaining, machine.units[0][~masks[0].any(axis=1)], n_grown)


def compact(
    machine: BoltzmannMachine, masks: Sequence[npt.NDArray[np.bool_]], remaining: Sequence[npt.NDArray[np.bool_]]
) -> BoltzmannMachine:
    """The machine with those masks and only the remaining units; surviving values unchanged.

    Parameters
    ----------
    machine : BoltzmannMachine
    masks : sequence of (n_lower, n_upper) bool
        One per weight layer.
    remaining : sequence of (n_units,) bool
        One per layer, visible first.

    Returns
    -------
    BoltzmannMachine
    """
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
