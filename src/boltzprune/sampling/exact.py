"""Exact results for small machines of any depth, by enumeration: the ground truth of samplers, estimators and criteria.

`enumeration` says which states are listed and how the other units sum out. An RBM of at most `MAX_VISIBLE` visible
units can have any number of hidden units. Besides what the studies use, this module has what samplers and training are
tested against and what a machine of your own may need: `free_energy`, `clamped_statistics`, `log_likelihood_gradient`.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boltzprune.core.fisher import Statistics, check_n_parameters
from boltzprune.core.machine import BoltzmannMachine, field_of, require_rbm
from boltzprune.core.streams import uniform_double
from boltzprune.errors import InputError
from boltzprune.sampling.enumeration import MAX_VISIBLE, clamped, free, unpacked

if TYPE_CHECKING:
    from boltzprune.backend.reference import Backend

MAX_TOGETHER = 30
"""Visible units and listed hidden units, where the hidden states are listed for every visible pattern."""


def visible_states(n_visible: int) -> npt.NDArray[np.uint8]:
    """All visible patterns, pattern k holding the bits of k, most significant first: (2**n_visible, n_visible) uint8.

    Raises
    ------
    InputError
        If n_visible exceeds `MAX_VISIBLE`.
    """
    _check_n_visible(n_visible)
    return unpacked(np.arange(1 << n_visible), [n_visible])[0]


def _check_n_visible(n_visible: int) -> None:
    """InputError for more visible units than those whose patterns are listed."""
    if n_visible > MAX_VISIBLE:
        raise InputError(
            f"the patterns of {n_visible} visible units cannot be enumerated (at most {MAX_VISIBLE} units); use fewer, "
            "or samples: in a study patches.sampling.method gibbs and statistics sampled, in a program gibbs.sample"
        )


def log_z(machine: BoltzmannMachine) -> float:
    """log Z = log sum exp(-E) over all joint states, nats (Eq. 7).

    Parameters
    ----------
    machine : BoltzmannMachine
        Of any depth. Either its even layers or its odd layers have at most `enumeration.MAX_LISTED` units in all.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If the even and the odd layers both have more units.
    """
    return float(np.logaddexp.reduce(free(machine).log_weights()[0]))


def free_energy(machine: BoltzmannMachine, visible: np.ndarray) -> npt.NDArray[np.float64]:
    """Free energy of visible patterns, F(v) = -log sum_h exp(-E(v, h)), so that log p(v) = -F(v) - log Z (Eq. 8).

    In an RBM, whatever its size, F(v) = -b_v.v - sum_j softplus(b_h_j + (v.W)_j).

    Parameters
    ----------
    machine : BoltzmannMachine
        Of any depth. Either its even hidden layers or its odd ones have at most `enumeration.MAX_LISTED` units in all.
        (An RBM has no even ones.)
    visible : (n, n_visible) array in {0, 1}, n >= 1

    Returns
    -------
    (n,) float64, nats

    Raises
    ------
    InputError
        If the patterns are not of the visible layer, or the even and the odd hidden layers both have more units.
    """
    return -np.concatenate([np.logaddexp.reduce(part.log_weights(), axis=1) for part in clamped(machine, visible)])


def visible_log_probabilities(machine: BoltzmannMachine) -> npt.NDArray[np.float64]:
    """log p(v) = -F(v) - log Z of every visible pattern (Eq. 8).

    Parameters
    ----------
    machine : BoltzmannMachine
        As for `free_energy`, with at most `MAX_VISIBLE` visible units.

    Returns
    -------
    (2**n_visible,) float64, nats
        In the order of `visible_states`.

    Raises
    ------
    InputError
        If there are more visible units, hidden layers that `free_energy` refuses, or more than `MAX_TOGETHER` units to
        list.
    """
    patterns = visible_states(machine.layer_sizes[0])
    n_listed = sum(clamped(machine, patterns)[0].sizes)
    if machine.layer_sizes[0] + n_listed > MAX_TOGETHER:
        raise InputError(
            f"layers of {machine.layer_sizes} units: the states of {n_listed} hidden units would be listed for each "
            f"pattern of {machine.layer_sizes[0]} visible units, and at most {MAX_TOGETHER} units are listed in all; "
            "use exact.free_energy for single patterns and exact.log_z or boltzprune.sampling.ais for log Z"
        )
    negative = -free_energy(machine, patterns)
    return negative - np.logaddexp.reduce(negative)


def statistics(machine: BoltzmannMachine) -> Statistics:
    """Exact rates <s_i> of all layers and pair means <s_i s_j> of neighbouring layers of the free-running machine.

    Parameters
    ----------
    machine : BoltzmannMachine
        As for `log_z`, with the same errors.

    Returns
    -------
    Statistics
        With n_samples 0, which stands for exact means.
    """
    return free(machine).statistics()


def clamped_statistics(machine: BoltzmannMachine, visible: np.ndarray) -> Statistics:
    """Exact rates and pair means under p(h|v), averaged over visible patterns: the data term of the gradient.

    Parameters
    ----------
    machine : BoltzmannMachine
    visible : (n, n_visible) array in {0, 1}, n >= 1
        Both as for `free_energy`, with the same errors.

    Returns
    -------
    Statistics
        With n_samples 0, which stands for exact means.
    """
    parts = [(part.n_patterns / len(visible), part.statistics()) for part in clamped(machine, visible)]

    def mean(name: str) -> tuple[np.ndarray, ...]:
        return tuple(sum(layers) for layers in zip(*([share * x for x in getattr(one, name)] for share, one in parts)))

    return Statistics(0, mean("rates"), mean("pair_means"))


def log_likelihood_gradient(
    machine: BoltzmannMachine, visible: np.ndarray
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Gradient of the mean log p(v) over visible patterns: dW = <s_i s_j>_clamped - <s_i s_j>_free, biases alike.

    Contrastive divergence and joint training estimate it by Markov chains.

    Parameters
    ----------
    machine : BoltzmannMachine
    visible : (n, n_visible) array in {0, 1}, n >= 1
        Both as for `log_z` and `free_energy`, with the same errors.

    Returns
    -------
    tuple of two tuples
        (n_lower, n_upper) float64 for each weight layer, zero outside the mask, and (n_units,) float64 for the biases
        of each layer; nats per parameter.
    """
    data, model = clamped_statistics(machine, visible), statistics(machine)
    weights = tuple((c - f) * mask for c, f, mask in zip(data.pair_means, model.pair_means, machine.masks))
    return weights, tuple(c - f for c, f in zip(data.rates, model.rates))


def fisher_matrix(machine: BoltzmannMachine) -> npt.NDArray[np.float64]:
    """Exact FIM of an RBM over its existing weights (row by row), visible biases and hidden biases (Eqs. 2, 3).

    Given v the hidden units are independent: <h_j h_l | v> = q_j q_l, plus q_j (1 - q_j) where j = l.

    Parameters
    ----------
    machine : BoltzmannMachine
        With one weight layer and at most `MAX_VISIBLE` visible units.

    Returns
    -------
    (n_parameters, n_parameters) float64, symmetric, nats per squared parameter

    Raises
    ------
    InputError
        If there are several weight layers, more visible units, or more than `fisher.MAX_PARAMETERS` parameters.
    """
    require_rbm(machine, "exact.fisher_matrix", "exact.statistics and, for each weight layer, fisher.fisher_diagonal")
    n_visible, n_hidden = machine.layer_sizes
    i, j = np.nonzero(machine.masks[0])
    n_parameters = len(i) + n_visible + n_hidden
    check_n_parameters(n_parameters)
    _check_n_visible(n_visible)
    second, mean = np.zeros((n_parameters, n_parameters)), np.zeros(n_parameters)
    hidden_of = np.concatenate([j, np.full(n_visible, -1), np.arange(n_hidden)])
    visible_of = np.concatenate([i, np.arange(n_visible), np.full(n_hidden, n_visible)])
    extra = np.zeros((n_hidden, n_visible + 1, n_visible + 1))
    for p, (v, q) in free(machine).weighted_blocks():
        features = np.concatenate([v[:, i] * q[:, j], v, q], axis=1)
        second += features.T @ (features * p[:, None])
        mean += p @ features
        v1 = np.concatenate([v, np.ones((len(v), 1))], axis=1)
        for unit in range(n_hidden):
            extra[unit] += v1.T @ (v1 * (p * q[:, unit] * (1.0 - q[:, unit]))[:, None])
    for unit in range(n_hidden):
        own = np.nonzero(hidden_of == unit)[0]
        second[np.ix_(own, own)] += extra[unit][np.ix_(visible_of[own], visible_of[own])]
    return second - np.outer(mean, mean)


def sample(machine: BoltzmannMachine, n_samples: int, key: np.uint64, backend: "Backend") -> tuple[Any, ...]:
    """Independent exact draws of the joint state: the listed layers by inversion, then the others given these (Eq. 9).

    Of an RBM of at most `MAX_VISIBLE` visible units v is drawn from p(v), then h from p(h|v).

    Parameters
    ----------
    machine : BoltzmannMachine
        As for `log_z`, with the same errors.
    n_samples : int
    key : np.uint64
        Stream of these samples; sample c is chain c.
    backend : Backend

    Returns
    -------
    tuple of (n_samples, n_units) uint8
        All layers, where the backend computes.
    """
    one = free(machine)
    cumulative = np.cumsum(one.probabilities()[0])
    u = uniform_double(key, 0, one.listed[0], np.arange(n_samples), 1)[:, 0]
    code = np.minimum(np.searchsorted(cumulative, u * cumulative[-1], side="right"), len(cumulative) - 1)
    listing = dict(zip(one.listed, unpacked(np.arange(len(cumulative)), one.sizes)))
    states = [listing.get(layer) for layer in range(len(machine.biases))]

    def drawn(layer: int) -> Any:
        if layer in listing:
            return backend.asarray(listing[layer][code])
        fields = field_of(machine, states, layer).astype(np.float32)  # of every listed state: most are drawn many times
        return backend.sample_layer(fields[code], key, step=0, layer=layer, first_chain=0)

    return tuple(drawn(layer) for layer in range(len(states)))
