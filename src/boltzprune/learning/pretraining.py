"""Pre-training of a deep machine: one RBM per weight layer, on what the one below makes of the data; then stacking."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boltzprune.core.machine import BoltzmannMachine, require_rbm
from boltzprune.core.streams import fork, uniform_double
from boltzprune.errors import InputError
from boltzprune.learning.training import Run, train

if TYPE_CHECKING:
    from boltzprune.backend.arrays import Backend


def layer_rbm(
    mask: npt.NDArray[np.bool_], layer: int, start: Any, seed: int, other_weights: bool = False
) -> BoltzmannMachine:
    """The RBM of one weight layer before training: W ~ N(0, weight_sd^2) where the mask has a weight, constant biases.

    Parameters
    ----------
    mask : (n_lower, n_upper) bool
    layer : int
        Of the lower units.
    start : config.DeepMachine
        Its weight_sd, visible_bias and hidden_bias are read.
    seed : int
    other_weights : bool
        Whether they are drawn from the second stream of the seed, for a machine that begins differently.

    Returns
    -------
    BoltzmannMachine
    """
    from scipy.special import ndtri

    key = fork(seed, "other initial weights", layer) if other_weights else fork(seed, "initial weights", layer)
    u = uniform_double(key, 0, 0, np.arange(len(mask)), mask.shape[1])
    weights = (start.weight_sd * ndtri(u) * mask).astype(np.float32)
    biases = [np.full(n, bias, np.float32) for n, bias in zip(mask.shape, (start.visible_bias, start.hidden_bias))]
    return BoltzmannMachine((weights,), tuple(biases), (mask,))


def gains(layer: int, n_layers: int) -> tuple[float, float]:
    """Factors of the input upwards and downwards: doubled where the deep machine has a neighbour that the RBM lacks."""
    return (2.0 if layer < n_layers - 1 else 1.0, 2.0 if layer > 0 else 1.0)


def states_above(
    states: Any, weights: Any, bias: Any, up: float, place: tuple[np.uint64, int, int], backend: "Backend"
) -> Any:
    """States of a layer given the one below: h ~ s(up (b + v.W)).

    Parameters
    ----------
    states : (n, n_lower) uint8
        On the host, or where the backend computes, as weights and bias.
    weights : (n_lower, n_upper) float32
    bias : (n_upper,) float32
    up : float
        See `gains`.
    place : (np.uint64, int, int)
        Key, step and layer of the random numbers.
    backend : Backend

    Returns
    -------
    (n, n_upper) uint8, where the backend computes
    """
    fields = np.float32(up) * (states.astype(np.float32) @ weights + bias)
    return backend.sample_layer(fields, *place, 0)


def hidden_data(rbm: BoltzmannMachine, cases: Any, how: str, up: float, key: np.uint64, backend: "Backend") -> Any:
    """What the next RBM learns from.

    Parameters
    ----------
    rbm : BoltzmannMachine
        Trained.
    cases : (n, n_visible) uint8
    how : str
        sampled: h ~ s(up (b_h + v.W)); reconstructed: from there v' ~ p(v|h), then h' ~ s(up (b_h + v'.W)).
    up : float
        Factor of the input upwards.
    key : np.uint64
    backend : Backend

    Returns
    -------
    (n, n_hidden) uint8, where the backend computes
    """
    require_rbm(rbm, "pretraining.hidden_data", "an RBM")
    rbm, cases = backend.on_device(rbm), backend.asarray(cases)
    weights, (visible_bias, hidden_bias) = rbm.weights[0], rbm.biases
    hidden = states_above(cases, weights, hidden_bias, up, (key, 0, 1), backend)
    if how == "sampled":
        return hidden
    visible = backend.sample_layer(hidden.astype(np.float32) @ weights.T + visible_bias, key, 0, 0, 0)
    return states_above(visible, weights, hidden_bias, up, (key, 1, 1), backend)


def stack(rbms: Sequence[BoltzmannMachine]) -> BoltzmannMachine:
    """One deep machine: weights as they are, the bias of a layer that two RBMs share is the mean of both."""
    for rbm in rbms:
        require_rbm(rbm, "pretraining.stack", "the RBMs that it was stacked of")
    biases = [rbms[0].biases[0]]
    for lower, upper in zip(rbms[:-1], rbms[1:]):
        if lower.layer_sizes[1] != upper.layer_sizes[0]:
            raise InputError(f"cannot stack an RBM of {upper.layer_sizes[0]} on one of {lower.layer_sizes[1]} units")
        biases.append((0.5 * (lower.biases[1] + upper.biases[0])).astype(np.float32))
    biases.append(rbms[-1].biases[1])
    units = (*(rbm.units[0] for rbm in rbms), rbms[-1].units[1])
    return BoltzmannMachine(tuple(r.weights[0] for r in rbms), tuple(biases), tuple(r.masks[0] for r in rbms), units)


def pretrain(
    stacks: Sequence[Sequence[BoltzmannMachine]],
    cases: npt.NDArray[np.uint8],
    pretraining: Any,
    n_chains: int,
    seeds: Sequence[int],
    runs: Sequence[Run],
) -> list[tuple[BoltzmannMachine, tuple[npt.NDArray[np.uint8], ...]]]:
    """Train the RBMs of every seed's machine side by side, stack them, and start chains at the first training cases.

    Parameters
    ----------
    stacks : list of lists of BoltzmannMachine
        Of each seed its RBMs before training, the lowest first, see `layer_rbm`; units may differ between seeds.
    cases : (n, n_visible) uint8
    pretraining : config.PreTraining
        With first and second, the training of these RBMs (see `training.train`), doubled_inputs and second_data.
    n_chains : int
    seeds : sequence of int
    runs : sequence of training.Run
        Of the first and of the second RBM's training, on one backend; the names are given here.

    Returns
    -------
    list of tuples
        For each seed: BoltzmannMachine, and its chains: a tuple of (n_chains, n_units) uint8, all layers.
    """
    rbms: list[list[BoltzmannMachine]] = [[] for _ in seeds]
    layers: list[list[Any]] = [[cases] for _ in seeds]
    trainings, backend = (pretraining.first, pretraining.second), runs[0].backend
    for layer, (training, run) in enumerate(zip(trainings, runs, strict=True)):
        up, down = gains(layer, len(trainings)) if pretraining.doubled_inputs else (1.0, 1.0)
        keys = [fork(seed, "pre-training", layer) for seed in seeds]
        run = dataclasses.replace(run, names=[f"pretrain, RBM {layer + 1}, seed {seed}" for seed in seeds])
        new, data = [stack[layer] for stack in stacks], [known[-1] for known in layers]
        trained = train(new, data, training, keys, run, (up, down))
        if run.checkpoint:
            run.checkpoint.flush()
        for seed, rbm, mine, known in zip(seeds, trained, rbms, layers):
            key = fork(seed, "hidden data", layer)
            mine.append(rbm)
            known.append(hidden_data(rbm, known[-1], pretraining.second_data, up, key, backend))
    chosen = np.arange(n_chains) % len(cases)
    return [(stack(mine), tuple(backend.to_host(x)[chosen] for x in known)) for mine, known in zip(rbms, layers)]
