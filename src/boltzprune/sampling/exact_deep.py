"""Ground truth for any number of layers by enumeration: half of the layers are listed, the other half sums out.

Given the odd layers the units of the even ones are independent, and the other way round. So the states of whichever
side has fewer units are enumerated. Everything is float64. Time grows with 2**(units of that side), memory does not.
"""

from dataclasses import replace

import numpy as np

from boltzprune.core.fisher import Statistics
from boltzprune.core.machine import check_states, field_of, sigmoid
from boltzprune.errors import InputError
from boltzprune.sampling.exact import visible_states

MAX_ENUMERATED = 20
MAX_VISIBLE = 16
BLOCK = 1 << 13
"""Rows, each a joint state of the known layers, that are handled at once."""
MAX_ROWS = 1 << 20
"""Log-weights of patterns times states that are kept at once."""


def log_z(machine):
    """Log Z = log sum_s exp(-E(s)) over all joint states s, nats.

    Parameters
    ----------
    machine : BoltzmannMachine
        With at least one weight layer; the even layers or the odd ones have at most `MAX_ENUMERATED` units in all.

    Returns
    -------
    float

    Raises
    ------
    InputError
        If both sides have more units.
    """
    machine, listed = _prepare(machine, range(len(machine.biases)))
    return float(np.logaddexp.reduce(_log_weights(machine, listed, None)[0]))


def statistics(machine):
    """Exact rates <s_i> of all layers and pair means <s_i s_j> of neighbouring ones: `Statistics` with n_samples 0."""
    machine, listed = _prepare(machine, range(len(machine.biases)))
    log_weights = _log_weights(machine, listed, None)[0]
    return _weighted_means(machine, listed, None, np.exp(log_weights - np.logaddexp.reduce(log_weights)))


def visible_log_probabilities(machine):
    """Log p(v) = log sum_h exp(-E(v, h)) - log Z of every pattern, in the order of `exact.visible_states`.

    Returns
    -------
    (2**n_visible,) float64, nats

    Raises
    ------
    InputError
        If there are more than `MAX_VISIBLE` visible units, or hidden layers that are too large.
    """
    n_visible = machine.layer_sizes[0]
    if n_visible > MAX_VISIBLE:
        raise InputError(
            f"{n_visible} visible units: the probability of every pattern is computed for at most {MAX_VISIBLE}; "
            "estimate log Z by boltzprune.sampling.ais instead, and use its variational bound"
        )
    machine, listed = _prepare(machine, range(1, len(machine.biases)))
    chunks = _chunks(machine, listed, visible_states(n_visible))
    log_p = np.concatenate([np.logaddexp.reduce(_log_weights(machine, listed, v), axis=1) for v in chunks])
    return log_p - np.logaddexp.reduce(log_p)


def clamped_statistics(machine, visible):
    """Rates and pair means under p(h|v), averaged over the given patterns: `Statistics` with n_samples 0.

    Parameters
    ----------
    machine : BoltzmannMachine
        The hidden layers are enumerated as in `log_z`.
    visible : (n, n_visible) array in {0, 1}

    Returns
    -------
    Statistics
    """
    check_states([visible], machine.layer_sizes[:1], "visible")
    machine, listed = _prepare(machine, range(1, len(machine.biases)))
    parts = []
    for v in _chunks(machine, listed, np.asarray(visible)):
        log_weights = _log_weights(machine, listed, v)
        posterior = np.exp(log_weights - np.logaddexp.reduce(log_weights, axis=1)[:, None])
        parts.append(_weighted_means(machine, listed, v, posterior.ravel() / len(visible)))
    rates, pairs = zip(*((part.rates, part.pair_means) for part in parts))
    return Statistics(0, tuple(map(sum, zip(*rates))), tuple(map(sum, zip(*pairs))))


def log_likelihood_gradient(machine, visible):
    """Gradient of the mean log p(v) over the patterns: dW = <s_i s_j>_clamped - <s_i s_j>_free, likewise the biases.

    Parameters
    ----------
    machine : BoltzmannMachine
    visible : (n, n_visible) array in {0, 1}

    Returns
    -------
    tuple
        Of (n_lower, n_upper) float64 for each weight layer, zero outside the mask, and of (n_units,) float64 for each
        layer's biases; nats per parameter.
    """
    clamped, free = clamped_statistics(machine, visible), statistics(machine)
    weights = tuple((c - f) * mask for c, f, mask in zip(clamped.pair_means, free.pair_means, machine.masks))
    return weights, tuple(c - f for c, f in zip(clamped.rates, free.rates))


def _prepare(machine, layers):
    """The machine in float64, and which of the unknown layers to enumerate: the even or the odd, of fewer units."""
    sides = [layer for layer in layers if layer % 2 == 0], [layer for layer in layers if layer % 2 == 1]
    sizes = [sum(machine.layer_sizes[layer] for layer in side) for side in sides]
    if min(sizes) > MAX_ENUMERATED:
        raise InputError(
            f"layers of {machine.layer_sizes} units cannot be enumerated: {sizes[0]} unknown units in even layers, "
            f"{sizes[1]} in odd ones, at most {MAX_ENUMERATED} in one of the two; use a smaller machine, "
            "or estimate log Z by boltzprune.sampling.ais"
        )
    weights, biases = (tuple(a.astype(np.float64) for a in arrays) for arrays in (machine.weights, machine.biases))
    return replace(machine, weights=weights, biases=biases), sides[int(np.argmin(sizes))]


def _n_states(machine, listed):
    """Joint states of the enumerated layers."""
    return 1 << sum(machine.layer_sizes[layer] for layer in listed)


def _chunks(machine, listed, visible):
    """Patterns in pieces whose log-weights fit into memory."""
    length = max(1, MAX_ROWS // _n_states(machine, listed))
    return [visible[i : i + length] for i in range(0, len(visible), length)]


def _blocks(machine, listed, visible):
    """Blocks of rows (pattern, state of the enumerated layers): log sum exp(-E) over the other layers, and the means.

    The rows of the first pattern come first; with `visible` None no layer is clamped. The means are the states of the
    known layers and the probabilities of the others given these.
    """
    n_states = _n_states(machine, listed)
    n_rows = n_states * (1 if visible is None else len(visible))
    sizes = [machine.layer_sizes[layer] for layer in listed]
    shifts = np.arange(sum(sizes) - 1, -1, -1)
    for start in range(0, n_rows, BLOCK):
        rows = np.arange(start, min(start + BLOCK, n_rows))
        bits = ((rows % n_states)[:, None] >> shifts & 1).astype(np.float64)
        means = [None] * len(machine.biases)
        if visible is not None:
            means[0] = visible[rows // n_states].astype(np.float64)
        for layer, states in zip(listed, np.split(bits, np.cumsum(sizes)[:-1], axis=1)):
            means[layer] = states
        yield _sum_out(machine, means), means


def _sum_out(machine, means):
    """Log sum exp(-E) over the layers whose entry is None: (n_rows,) nats. Fills these entries with probabilities."""
    known = [layer for layer, state in enumerate(means) if state is not None]
    total = sum(means[layer] @ machine.biases[layer] for layer in known)
    for layer, weights in enumerate(machine.weights):
        if layer in known and layer + 1 in known:
            total = total + ((means[layer] @ weights) * means[layer + 1]).sum(axis=1)
    for layer in set(range(len(means))) - set(known):
        fields = field_of(machine, means, layer)
        total = total + np.logaddexp(0.0, fields).sum(axis=1)
        means[layer] = sigmoid(fields)
    return total


def _log_weights(machine, listed, visible):
    """Unnormalised log-probability of every row: (n_patterns, n_states) float64, one pattern if none is clamped."""
    rows = np.concatenate([total for total, _ in _blocks(machine, listed, visible)])
    return rows.reshape(-1, _n_states(machine, listed))


def _weighted_means(machine, listed, visible, probability):
    """Rates and pair means, each row counted with its probability."""
    rates = [np.zeros(n) for n in machine.layer_sizes]
    pairs = [np.zeros(weights.shape) for weights in machine.weights]
    start = 0
    for total, means in _blocks(machine, listed, visible):
        p = probability[start : start + len(total)]
        start += len(total)
        for rate, mean in zip(rates, means):
            rate += p @ mean
        for pair, lower, upper in zip(pairs, means[:-1], means[1:]):
            pair += (lower * p[:, None]).T @ upper
    return Statistics(0, tuple(rates), tuple(pairs))
