"""Ground truth by enumeration: an RBM's visible patterns are listed, its hidden units sum out one by one.

Everything is float64. Time and memory grow with 2**n_visible, whatever the number of hidden units.
"""

import numpy as np

from boltzprune.core.fisher import Statistics, check_n_parameters
from boltzprune.core.machine import check_states, free_energy, require_rbm, sigmoid
from boltzprune.core.streams import uniform_double
from boltzprune.errors import InputError

MAX_VISIBLE = 20
BLOCK = 1 << 13
OF_DEEP_MACHINES = {
    "log_z": "exact_deep.log_z",
    "log_probabilities": "exact_deep.visible_log_probabilities",
    "statistics": "exact_deep.statistics",
    "fisher_matrix": "exact_deep.statistics and, for each weight layer, fisher.fisher_diagonal",
    "log_likelihood_gradient": "exact_deep.log_likelihood_gradient",
    "sample": "gibbs.sample",
}
"""Function of this module -> what does the same for a machine of several weight layers."""


def visible_states(n_visible):
    """All patterns, pattern k holding the bits of k, most significant first: (2**n_visible, n_visible) uint8.

    Raises
    ------
    InputError
        If n_visible exceeds `MAX_VISIBLE`.
    """
    if n_visible > MAX_VISIBLE:
        raise InputError(
            f"{n_visible} visible units cannot be enumerated (at most {MAX_VISIBLE}); "
            "use patches.sampling.method gibbs and statistics sampled"
        )
    codes = np.arange(1 << n_visible, dtype=np.uint32)[:, None]
    return (codes >> np.arange(n_visible - 1, -1, -1, dtype=np.uint32) & 1).astype(np.uint8)


def _check(machine, function):
    """InputError for a machine of several weight layers, of which only the lowest would be seen."""
    require_rbm(machine, f"exact.{function}", OF_DEEP_MACHINES[function])


def log_z(machine):
    """Log Z of an RBM = log sum_v exp(-F(v)), nats (Eq. 8); of a deep machine: `exact_deep.log_z`."""
    _check(machine, "log_z")
    return float(np.logaddexp.reduce(-_free_energies(machine)))


def log_probabilities(machine):
    """Log p(v) of every pattern, in the order of `visible_states`: (2**n_visible,) float64, nats (Eq. 8)."""
    _check(machine, "log_probabilities")
    negative = -_free_energies(machine)
    return negative - np.logaddexp.reduce(negative)


def _free_energies(machine):
    """F(v) of every pattern, in blocks so that memory stays small."""
    states = visible_states(machine.layer_sizes[0])
    return np.concatenate([free_energy(machine, states[i : i + BLOCK]) for i in range(0, len(states), BLOCK)])


def _weighted_blocks(machine):
    """Blocks of (v, p(v), p(h|v)): what every mean below sums over."""
    states = visible_states(machine.layer_sizes[0])
    p = np.exp(log_probabilities(machine))
    weights, bias = machine.weights[0].astype(np.float64), machine.biases[1].astype(np.float64)
    for i in range(0, len(states), BLOCK):
        v = states[i : i + BLOCK].astype(np.float64)
        yield v, p[i : i + BLOCK], sigmoid(v @ weights + bias)


def statistics(machine):
    """Exact rates <v_i>, <h_j> and pair means <v_i h_j> of the joint distribution: `Statistics` with n_samples 0."""
    _check(machine, "statistics")
    n_visible, n_hidden = machine.layer_sizes
    visible, hidden, pair = np.zeros(n_visible), np.zeros(n_hidden), np.zeros((n_visible, n_hidden))
    for v, p, q in _weighted_blocks(machine):
        weighted = v * p[:, None]
        visible += weighted.sum(axis=0)
        hidden += p @ q
        pair += weighted.T @ q
    return Statistics(0, (visible, hidden), (pair,))


def fisher_matrix(machine):
    """Exact FIM over the existing weights (row by row), the visible and the hidden biases (Eqs. 2, 3).

    Given v the hidden units are independent: <h_j h_l | v> = q_j q_l, plus q_j (1 - q_j) where j = l.

    Returns
    -------
    (n_parameters, n_parameters) float64, symmetric, nats per squared parameter

    Raises
    ------
    InputError
        If there are more than `fisher.MAX_PARAMETERS`, or several weight layers.
    """
    _check(machine, "fisher_matrix")
    n_visible, n_hidden = machine.layer_sizes
    i, j = np.nonzero(machine.masks[0])
    n_weights = len(i)
    n_parameters = n_weights + n_visible + n_hidden
    check_n_parameters(n_parameters)
    second, mean = np.zeros((n_parameters, n_parameters)), np.zeros(n_parameters)
    hidden_of = np.concatenate([j, np.full(n_visible, -1), np.arange(n_hidden)])
    visible_of = np.concatenate([i, np.arange(n_visible), np.full(n_hidden, n_visible)])
    extra = np.zeros((n_hidden, n_visible + 1, n_visible + 1))
    for v, p, q in _weighted_blocks(machine):
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


def log_likelihood_gradient(machine, visible):
    """Gradient of the mean log p(v) over the given patterns: dW = <v h>_data - <v h>_model, likewise the biases.

    Parameters
    ----------
    machine : BoltzmannMachine
    visible : (n, n_visible) array in {0, 1}

    Returns
    -------
    tuple
        (n_visible, n_hidden), (n_visible,), (n_hidden,) float64, nats per parameter; zero outside the mask.
    """
    _check(machine, "log_likelihood_gradient")
    check_states([visible], machine.layer_sizes[:1], "visible")
    v = np.asarray(visible, dtype=np.float64)
    q = sigmoid(v @ machine.weights[0].astype(np.float64) + machine.biases[1])
    model = statistics(machine)
    pair = (v.T @ q / len(v) - model.pair_means[0]) * machine.masks[0]
    return pair, v.mean(axis=0) - model.rates[0], q.mean(axis=0) - model.rates[1]


def sample(machine, n_samples, key, backend):
    """Independent exact draws of the joint state: v from p(v) by inversion, then h from p(h|v).

    Parameters
    ----------
    machine : BoltzmannMachine
        With one weight layer and at most `MAX_VISIBLE` visible units.
    n_samples : int
    key : np.uint64
        Stream of these samples; sample c is chain c.
    backend : Backend

    Returns
    -------
    tuple
        (n_samples, n_visible) and (n_samples, n_hidden) uint8, where the backend computes
    """
    _check(machine, "sample")
    cumulative = np.cumsum(np.exp(log_probabilities(machine)))
    u = uniform_double(key, 0, 0, np.arange(n_samples), 1)[:, 0]
    code = np.minimum(np.searchsorted(cumulative, u * cumulative[-1], side="right"), len(cumulative) - 1)
    visible = visible_states(machine.layer_sizes[0])
    fields = (visible.astype(np.float32) @ machine.weights[0] + machine.biases[1]).astype(np.float32)
    hidden = backend.sample_layer(fields[code], key, step=0, layer=1, first_chain=0)
    return backend.asarray(visible[code]), hidden
