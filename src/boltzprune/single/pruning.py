"""One pruning of one machine by a criterion of the list or of your own."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from boltzprune.core.machine import BoltzmannMachine
from boltzprune.errors import InputError
from boltzprune.pruning import prune as rules
from boltzprune.pruning.criteria import Criterion, Evidence, resolve
from boltzprune.pruning.prune import Pruned
from boltzprune.pruning.redraws import decided
from boltzprune.single.activity import Activity
from boltzprune.single.settings import section
from boltzprune.study.config import Pruning
from boltzprune.study.config.digits import DeepPruning

Rule = str | Callable[[Evidence], np.ndarray]
"""A criterion: its name in the list, file.py:function, or a function from Evidence to a saliency per weight."""


OF_STUDIES = {
    "schedule": "here every pruning is given its own fraction",
    "regrowth": "here it is not known where the machine had weights before any pruning; leave it out",
}
"""Keys of section `pruning` that functions for one machine do not take -> why."""


def criterion_and_name(criterion: Rule) -> tuple[Criterion, str]:
    """A row of the list, or the like of it for a criterion of one's own, and what messages call it."""
    name = criterion if isinstance(criterion, str) else getattr(criterion, "__name__", type(criterion).__name__)
    return resolve(criterion), name


def _section(machine: BoltzmannMachine, settings: dict[str, Any], name: str) -> Pruning | DeepPruning:
    """How an RBM, or a DBM, is pruned."""
    for key, why in OF_STUDIES.items():
        if settings.get(key) is not None:
            raise InputError(f"{name}: {key} is a key of studies; {why}")
    if machine.is_rbm:
        return section(Pruning, settings, name)
    fraction = settings.get("fraction")
    if isinstance(fraction, float):
        settings = settings | {"fraction": [fraction] * len(machine.weights)}
    return section(DeepPruning, settings, name)


def importance(
    machine: BoltzmannMachine,
    activity: Activity,
    criterion: Rule = "variance_fi",
    *,
    seed: int = 0,
    iteration: int = 1,
    **settings: Any,
) -> tuple[npt.NDArray[np.float64], ...]:
    """What a criterion thinks of every weight: the higher, the more it matters. By default its Fisher information.

    Parameters
    ----------
    machine : BoltzmannMachine
    activity : Activity
        From `observe`.
    criterion : str or callable
        A name of the list (variance_fi, heuristic_fi, eigenvector, weight_magnitude, random_weights, anti_fi,
        random_units, deletion_cost, obd, variance_fi_of_units, deletion_cost_of_units), file.py:function, or a function
        from `Evidence` to an array of one number per weight.
    seed, iteration : int
        Of the random numbers of random criteria.
    **settings
        Keys of section `pruning` of the configuration that the criterion reads, such as eigenvector_entry.

    Returns
    -------
    tuple of (n_lower, n_upper) float64
        Of each weight layer; NaN where the machine has no weight. Of variance_fi in nats per squared weight.

    Raises
    ------
    InputError
        If the criterion misbehaves, or needs what the activity has not.

    Examples
    --------
    >>> import numpy as np, boltzprune
    >>> machine = boltzprune.new_rbm(np.eye(5), n_hidden=3)
    >>> (fisher,) = boltzprune.importance(machine, boltzprune.observe(machine, 1000, device="cpu"))
    >>> fisher.shape, bool((fisher >= 0).all() and (fisher <= 0.26).all())
    ((5, 3), True)
    """
    rule, name = criterion_and_name(criterion)
    how = _section(machine, settings, "importance")
    shown = rules.shown_of(machine, activity.statistics, rule, name, how, seed, iteration, activity.eigenvector)
    found = rules.saliencies(rule, name, shown)
    return tuple(np.where(mask, saliency, np.nan) for mask, saliency in zip(machine.masks, found))


def prune(
    machine: BoltzmannMachine,
    activity: Activity,
    criterion: Rule = "variance_fi",
    *,
    seed: int = 0,
    iteration: int = 1,
    **settings: Any,
) -> Pruned:
    """Remove the weights that matter least, and hidden units that are left without weights on a side.

    Parameters
    ----------
    machine : BoltzmannMachine
    activity : Activity
        From `observe`.
    criterion : str or callable
        As of `importance`.
    seed, iteration : int
        Of the random numbers: of random criteria, and of the choice among equal weights.
    **settings
        Keys of section `pruning` of the configuration: fraction (of the weights; of a DBM one number, or one for each
        weight layer), threshold, anti_fi_threshold, whole_units, ...

    Returns
    -------
    Pruned
        Its `machine` is the smaller machine; the other attributes tell what went.

    Raises
    ------
    InputError
        If a setting is not what it has to be, or the criterion misbehaves.

    Examples
    --------
    >>> import numpy as np, boltzprune
    >>> machine = boltzprune.new_rbm(np.eye(5), n_hidden=3)
    >>> activity = boltzprune.observe(machine, 1000, device="cpu")
    >>> boltzprune.prune(machine, activity, "weight_magnitude", fraction=0.4, threshold="rank").machine.n_weights
    (9,)
    >>> def strongest_input(evidence):
    ...     return evidence.weights
    >>> boltzprune.prune(machine, activity, strongest_input).n_weights_removed
    (8,)
    """
    rule, name = criterion_and_name(criterion)
    how = _section(machine, settings, "prune")
    return rules.prune(machine, activity.statistics, rule, name, how, seed, iteration, activity.eigenvector)


def kept_probability(
    machine: BoltzmannMachine,
    activity: Activity,
    criterion: Rule = "variance_fi",
    *,
    seed: int = 0,
    iteration: int = 1,
    **settings: Any,
) -> tuple[npt.NDArray[np.float64], ...]:
    """P(kept): how likely every weight would stay if other samples of the same machine were behind its activity.

    The statistics are drawn again 40 times from what the samples say of their distribution (`pruning.redraws`), and
    the criterion chooses every time. Weights of 0 or 1 are decided; the others depend on the samples that happened to
    be drawn, and more samples would decide them.

    Parameters
    ----------
    machine, activity, criterion, seed, iteration, **settings
        As of `prune`; a criterion by the leading eigenvector is refused, since its matrix is not drawn again.

    Returns
    -------
    tuple of (n_lower, n_upper) float64, in [0, 1]
        Of each weight layer; NaN where the machine has no weight.

    Raises
    ------
    InputError
        As of `prune`.

    Examples
    --------
    >>> import numpy as np, boltzprune
    >>> machine = boltzprune.new_rbm(np.eye(5), n_hidden=3)
    >>> activity = boltzprune.observe(machine, 1000, device="cpu")
    >>> (by_size,) = boltzprune.kept_probability(machine, activity, "weight_magnitude")
    >>> sorted(set(by_size.ravel().tolist()))
    [0.0, 1.0]
    """
    rule, name = criterion_and_name(criterion)
    how = _section(machine, settings, "kept_probability")
    if rule.needs == "eigenvector":
        raise InputError(
            f"kept_probability: criterion {name!r} goes by the leading eigenvector, whose matrix is not drawn again; "
            "expected a criterion by rates, pair means or weights"
        )
    found = decided(machine, activity.statistics, rule, name, how, seed, iteration)
    return tuple(layer.probability for layer in found)
