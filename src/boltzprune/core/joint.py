"""Joint training of a deep Boltzmann machine: the records that every backend shares, and the plain-array specification.

The likelihood's gradient is <s_l s_(l+1)>_data - <s_l s_(l+1)>_model for the weights, <s_l>_data - <s_l>_model for the
biases. The data term is taken under a factorised posterior found by mean-field iteration, the model term over
persistent Markov chains (Salakhutdinov & Hinton 2009).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np

from boltzprune.core.contrastive import NotFiniteError
from boltzprune.core.machine import BoltzmannMachine, sigmoid


@dataclass(frozen=True)
class JointEpoch:
    """What one epoch of joint training needs to know.

    Attributes
    ----------
    learning_rate : float
    decay : float, in [0, 1)
        step <- decay step + learning_rate gradient; parameters <- parameters + step.
    n_gibbs_steps : int
        Steps of the chains per update.
    batch_size : int
    first_update : int
        Updates before this epoch; update t uses Gibbs steps k t ... k t + k - 1 of the stream.
    max_norm : float
        Largest L2 norm of the incoming weights of a hidden unit; infinite: none.
    tolerance : float
    max_sweeps : int
        See `mean_field`.
    """

    learning_rate: float
    decay: float
    n_gibbs_steps: int
    batch_size: int
    first_update: int
    max_norm: float
    tolerance: float
    max_sweeps: int


@dataclass(frozen=True)
class JointState:
    """What joint training changes besides the machine.

    Attributes
    ----------
    weight_steps, bias_steps : tuple of float32 arrays, shaped as the machine's weights and biases
        The step of the last update.
    chains : tuple of (n_chains, n_units) uint8
        States of the persistent chains, all layers.
    """

    weight_steps: tuple[np.ndarray, ...]
    bias_steps: tuple[np.ndarray, ...]
    chains: tuple[np.ndarray, ...]

    @classmethod
    def at_rest(cls, machine: BoltzmannMachine, chains: Sequence[np.ndarray]) -> Self:
        """No step yet."""
        weights, biases = (tuple(np.zeros_like(x) for x in group) for group in (machine.weights, machine.biases))
        return cls(weights, biases, tuple(chains))


class Parameters(NamedTuple):
    """What of a machine changes with every update."""

    weights: tuple[Any, ...]
    biases: tuple[Any, ...]


class Arithmetic(NamedTuple):
    """What the plain-array version computes with; its arrays lie where `xp` computes.

    Attributes
    ----------
    probability : callable
        (machine, means, layer, gain) -> probabilities of a layer, see `probability`.
    advance : callable
        (machine, states, key, first_step, n_gibbs_steps, first_chain) -> states of all layers, see
        `reference.Backend.advance`.
    dtype : type
        Of probabilities, steps and gradients.
    xp : module
        NumPy or CuPy.
    """

    probability: Callable[..., Any]
    advance: Callable[..., list[Any]]
    dtype: type[np.floating] = np.float64
    xp: Any = np


def probability(
    machine: BoltzmannMachine | Parameters, means: Sequence[Any], layer: int, gain: float, xp: Any = np
) -> Any:
    """s(b + gain input) of a layer given the layers around it; one above that `means` does not hold does not count.

    Parameters
    ----------
    machine : BoltzmannMachine or Parameters
    means : list of (n, n_units) float
        Layers from the visible one upwards.
    layer : int
    gain : float
        Of the input from below; 1 where there is a layer above.
    xp : module

    Returns
    -------
    (n, n_units) array of the dtype of the weights
    """
    total = machine.biases[layer] + gain * (means[layer - 1] @ machine.weights[layer - 1])
    if layer + 1 < len(means):
        total = total + means[layer + 1] @ machine.weights[layer].T
    return sigmoid(total, xp)


def mean_field(
    machine: BoltzmannMachine | Parameters, visible: Any, tolerance: float, max_sweeps: int, arithmetic: Arithmetic
) -> tuple[list[Any], Any]:
    """Mean-field posterior of the hidden units given visible states, each case on its own.

    Start: a bottom-up pass with doubled input below the top layer, mu_l = s(b_l + 2 mu_(l-1).W_(l-1)). Then sweeps,
    layer by layer from below, mu_l = s(b_l + mu_(l-1).W_(l-1) + W_l.mu_(l+1)), until no probability of the case changes
    by more than the tolerance, or max_sweeps times.

    Parameters
    ----------
    machine : BoltzmannMachine or Parameters
    visible : (n, n_visible) array in {0, 1}
    tolerance : float
    max_sweeps : int
    arithmetic : Arithmetic

    Returns
    -------
    tuple
        List of (n, n_units) arrays of the arithmetic's dtype: the visible states, then the probabilities of every
        hidden layer; and (n,) int64, the sweeps of each case.
    """
    xp, dtype, top = arithmetic.xp, arithmetic.dtype, len(machine.weights)
    machine = Parameters(*(tuple(x.astype(dtype) for x in group) for group in (machine.weights, machine.biases)))
    means = [visible.astype(dtype)]
    for layer in range(1, top + 1):
        means.append(arithmetic.probability(machine, means, layer, 2 if layer < top else 1))
    n_sweeps, open_cases = xp.zeros(len(visible), dtype=xp.int64), xp.arange(len(visible))
    for _ in range(max_sweeps):
        if not len(open_cases):
            break
        part = [layer[open_cases] for layer in means]
        change = xp.zeros(len(open_cases))
        for layer in range(1, top + 1):
            new = arithmetic.probability(machine, part, layer, 1)
            if new.size:
                change = xp.maximum(change, xp.abs(new - part[layer]).max(axis=1))
            part[layer] = means[layer][open_cases] = new
        n_sweeps[open_cases] += 1
        open_cases = open_cases[~(change <= tolerance)]
    return means, n_sweeps


def limit_norms(weights: Any, max_norm: float, xp: Any = np) -> Any:
    """Weights whose columns, the incoming weights of a hidden unit, are scaled back to max_norm where longer.

    Parameters
    ----------
    weights : (n_lower, n_upper) float
    max_norm : float
    xp : module

    Returns
    -------
    (n_lower, n_upper) of the same dtype
    """
    norms = xp.sqrt((weights.astype(xp.float64) ** 2).sum(axis=0))
    return (weights * xp.where(norms > max_norm, max_norm / xp.maximum(norms, 1e-300), 1.0)).astype(weights.dtype)


def phase_means(layers: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Pair means of neighbouring layers and means of all layers over the first axis."""
    n = len(layers[0])
    pairs = [lower.T @ upper / n for lower, upper in zip(layers[:-1], layers[1:])]
    return pairs, [layer.mean(axis=0) for layer in layers]


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is looked for
def array_joint_epoch(
    machine: BoltzmannMachine,
    state: JointState,
    key: np.uint64,
    cases: Any,
    epoch: JointEpoch,
    report: Callable[[int], object],
    arithmetic: Arithmetic,
) -> tuple[BoltzmannMachine, JointState, int]:
    """One epoch with plain arrays, parameters rounded to float32 after every update.

    Parameters
    ----------
    machine : BoltzmannMachine
    state : JointState
    key : np.uint64
        Stream of the chains.
    cases : (n_cases, n_visible) uint8
        Presented in this order.
    epoch : JointEpoch
    report : callable
        report(1) is called after every update.
    arithmetic : Arithmetic

    Returns
    -------
    tuple
        BoltzmannMachine, JointState, and the mean-field sweeps of all cases in sum.

    Raises
    ------
    NotFiniteError
        At the first update that leaves a parameter which is not finite.
    """
    chains, n_mean_field, dtype, xp = list(state.chains), 0, arithmetic.dtype, arithmetic.xp
    parameters = Parameters(machine.weights, machine.biases)
    steps = [[x.astype(dtype) for x in group] for group in (state.weight_steps, state.bias_steps)]
    for update, start in enumerate(range(0, len(cases), epoch.batch_size)):
        batch = cases[start : start + epoch.batch_size]
        means, n_sweeps = mean_field(parameters, batch, epoch.tolerance, epoch.max_sweeps, arithmetic)
        first_step = (epoch.first_update + update) * epoch.n_gibbs_steps
        chains = arithmetic.advance(parameters, chains, key, first_step, epoch.n_gibbs_steps, 0)
        data, model = phase_means(means), phase_means([layer.astype(dtype) for layer in chains])
        parameters = _updated(parameters, machine.masks, steps, data, model, epoch, xp)
        n_mean_field += int(n_sweeps.sum())
        if not all(bool(xp.isfinite(x).all()) for x in (*parameters.weights, *parameters.biases)):
            raise NotFiniteError(update)
        report(1)
    weight_steps, bias_steps = (tuple(x.astype(np.float32) for x in group) for group in steps)
    machine = BoltzmannMachine(*parameters, machine.masks, machine.units, must_be_finite=False)
    return machine, JointState(weight_steps, bias_steps, tuple(chains)), n_mean_field


def _updated(
    parameters: Parameters,
    masks: Sequence[Any],
    steps: Sequence[list[Any]],
    data: tuple[list[Any], list[Any]],
    model: tuple[list[Any], list[Any]],
    epoch: JointEpoch,
    xp: Any,
) -> Parameters:
    """Parameters one step up the gradient, steps changed in place: the only place of the specification that learns."""
    groups = []
    for group, moving, positive, negative in zip(parameters, steps, data, model):
        new = []
        for place, (parameter, plus, minus) in enumerate(zip(group, positive, negative)):
            slope = plus - minus
            if parameter.ndim == 2:
                slope = slope * masks[place]
            moving[place] = epoch.decay * moving[place] + epoch.learning_rate * slope
            new.append((parameter + moving[place]).astype(np.float32))
        groups.append(tuple(new))
    return Parameters(tuple(limit_norms(w, epoch.max_norm, xp) for w in groups[0]), groups[1])
