"""What a criterion is shown of one weight layer, and the random numbers that belong to weights and units."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boltzprune.core.fisher import n_parameters, not_computed, weight_entries
from boltzprune.core.streams import fork, uniform_double
from boltzprune.errors import InputError
from boltzprune.pruning.criteria import Evidence

if TYPE_CHECKING:
    from boltzprune.core.fisher import Statistics
    from boltzprune.core.machine import BoltzmannMachine
    from boltzprune.pruning.criteria import Criterion


def evidence_of(
    machine: "BoltzmannMachine",
    layer: int,
    statistics: "Statistics",
    criterion: "Criterion",
    pruning: Any,
    seed: int,
    iteration: int,
    leading_eigenvector: np.ndarray | None = None,
) -> Evidence:
    """What the criterion may look at in one weight layer; no array of it can be written to.

    Parameters
    ----------
    machine : BoltzmannMachine
    layer : int
        Of weights, 0 is the lowest.
    statistics : fisher.Statistics
    criterion : criteria.Criterion
    pruning : config.Pruning or config.DeepPruning
        The criterion is shown its keys that it declares (`criterion.options`), as far as the section has them.
    seed, iteration : int
        Random numbers depend on them and on the original indices of the units.
    leading_eigenvector : (n_parameters,) float64 or None

    Returns
    -------
    criteria.Evidence
    """
    lower, upper = machine.units[layer : layer + 2]
    vector = None if leading_eigenvector is None else weight_entries(leading_eigenvector, machine.masks[layer])
    of_weights = numbers_per_weight(lower, upper, layer, fork(seed, "random weights", iteration))
    of_units = uniform_double(
        fork(seed, "random units", iteration), 0, layer + 1, np.zeros(1), upper.max(initial=-1) + 1
    )
    return Evidence(
        weights=read_only(machine.weights[layer]),
        mask=read_only(machine.masks[layer]),
        lower_rate=read_only(statistics.rates[layer]),
        upper_rate=read_only(statistics.rates[layer + 1]),
        pair_mean=read_only(statistics.pair_means[layer]),
        n_samples=statistics.n_samples,
        eigenvector=None if vector is None else read_only(vector),
        uniform_weights=read_only(of_weights),
        uniform_units=read_only(of_units[0][upper]),
        options={name: getattr(pruning, name) for name in criterion.options if hasattr(pruning, name)},
    )


def numbers_per_weight(
    lower: npt.NDArray[np.integer], upper: npt.NDArray[np.integer], layer: int, key: np.uint64
) -> npt.NDArray[np.float64]:
    """One uniform number per weight that depends on the original indices of its units.

    Parameters
    ----------
    lower, upper : (n_units,) int64
        Original indices of the units on both sides of the weights.
    layer : int
        Of weights, 0 is the lowest.
    key : np.uint64
        Of the stream, from `streams.fork`.

    Returns
    -------
    (n_lower, n_upper) float64, in (0, 1)
    """
    return uniform_double(key, 0, layer, lower, upper.max(initial=-1) + 1)[:, upper]


def check_statistics(machine: "BoltzmannMachine", statistics: "Statistics") -> None:
    """InputError if statistics are of another machine."""
    sizes = machine.layer_sizes
    expected = [*((n,) for n in sizes), *zip(sizes[:-1], sizes[1:])]
    found = [np.shape(mean) for mean in (*statistics.rates, *statistics.pair_means)]
    if found != expected:
        raise InputError(f"statistics have shapes {found}; expected those of the machine, {expected}")


def check_eigenvector(
    machine: "BoltzmannMachine", vector: np.ndarray | None, criterion: "Criterion", name: str
) -> None:
    """InputError if the leading eigenvector is missing where the criterion needs it, or is of another machine.

    Parameters
    ----------
    machine : BoltzmannMachine
    vector : (n_parameters,) float64 or None
    criterion : criteria.Criterion
    name : str
        Of the criterion, for the message.
    """
    n, is_needed = n_parameters(machine), criterion.needs == "eigenvector"
    if is_needed and not machine.is_rbm:
        raise InputError(f"criterion {name!r} needs the full FIM, which is computed for RBMs only; leave it out")
    if is_needed and vector is None:
        raise InputError(
            f"criterion {name!r} needs the leading eigenvector of the full FIM, which is missing "
            f"({not_computed(n) or 'not asked for when the machine was sampled'}); leave the criterion out, or use a "
            "smaller machine"
        )
    if vector is not None and not machine.is_rbm:
        raise InputError(
            f"leading_eigenvector is given with a machine of {len(machine.weights)} weight layers; expected None: the "
            "full FIM is computed for RBMs only"
        )
    if vector is not None and np.shape(vector) != (n,):
        raise InputError(
            f"leading_eigenvector has shape {np.shape(vector)}; expected one entry for each parameter, ({n},)"
        )


def read_only(array: np.ndarray) -> np.ndarray:
    """A view that a user's criterion cannot write to."""
    view = array.view()
    view.flags.writeable = False
    return view
