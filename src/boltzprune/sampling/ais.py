"""log Z of large machines by annealed importance sampling (AIS), and the variational bound that rests on it.

Sources: Neal (2001), "Annealed importance sampling"; Salakhutdinov & Murray (2008), "On the quantitative analysis of
deep belief networks", ICML; Salakhutdinov & Hinton (2009), "Deep Boltzmann machines", AISTATS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boltzprune.core.machine import BoltzmannMachine, check_states
from boltzprune.errors import InputError

if TYPE_CHECKING:
    from boltzprune.backend.arrays import Backend

IMAGES_PER_BLOCK = 1 << 10


@dataclass(frozen=True)
class AnnealedLogZ:
    """An estimate of log Z.

    Attributes
    ----------
    log_z : float
        Nats.
    sd : float
        Standard error of log_z from the spread of the chains' weights, nats. Too small where few chains dominate.
    effective_chains : float
        (sum w)^2 / sum w^2, between 1 and the number of chains. If few chains of many are effective, take more
        temperatures.
    """

    log_z: float
    sd: float
    effective_chains: float


def ais(
    machine: BoltzmannMachine, n_chains: int, n_temperatures: int, key: np.uint64, backend: "Backend"
) -> AnnealedLogZ:
    """Annealed importance sampling from the machine without weights (biases kept, Z known) to the machine itself.

    At inverse temperature beta all weights are multiplied by beta. The layers split into even and odd ones; the side x
    with fewer units is sampled, the other sums out: p*_beta(x) = exp(b.x) prod_j (1 + exp(b_j + beta f_j(x))), f the
    field without bias. A chain starts at beta_0 = 0 and has the weight w = prod_k p*_k(x_(k-1)) / p*_(k-1)(x_(k-1)),
    where x_k follows x_(k-1) by one block Gibbs step at beta_k. The mean of w estimates Z / Z_0: the estimate of Z is
    unbiased, that of log Z is too low by about sd^2 / 2 on average.

    Parameters
    ----------
    machine : BoltzmannMachine
        With any number of weight layers.
    n_chains : int, >= 2
    n_temperatures : int, >= 2
        beta = 0, ..., 1, evenly spaced.
    key : np.uint64
        Stream of these chains; step k, layer and chain count within it.
    backend : Backend

    Returns
    -------
    AnnealedLogZ

    Raises
    ------
    InputError
        If there is one chain, which has no spread, or one temperature.
    """
    for name, value in (("n_chains", n_chains), ("n_temperatures", n_temperatures)):
        if value < 2:
            raise InputError(f"AIS: {name} is {value}, expected at least 2")
    log_z_base = sum(np.logaddexp(0.0, bias.astype(np.float64)).sum() for bias in machine.biases)
    _, sampled = _sides(machine)
    nothing = {layer: backend.xp.zeros((n_chains, machine.layer_sizes[layer]), dtype=np.float32) for layer in sampled}
    states = _sample(backend.on_device(machine), nothing, 0.0, key, 0, backend)
    betas = np.linspace(0.0, 1.0, n_temperatures)
    log_weight = backend.log_weights(machine, states, betas.astype(np.float32), key)
    if log_weight is None:
        log_weight = _log_weight(backend.on_device(machine), states, betas, key, backend)
    return _estimate(log_z_base, log_weight)


def _log_weight(
    machine: BoltzmannMachine, states: Mapping[int, Any], betas: np.ndarray, key: np.uint64, backend: "Backend"
) -> np.ndarray:
    """Log weights of the chains, (n_chains,) float64, by array code; the machine and the states are on the device."""
    summed, sampled = _sides(machine)
    xp = backend.xp
    log_weight = xp.zeros(len(next(iter(states.values()))))
    for step, (before, beta) in enumerate(zip(betas[:-1], betas[1:]), start=1):
        inputs = {layer: _input(machine, states, layer) for layer in summed}
        for layer in summed:
            bias = machine.biases[layer]
            log_weight += _sum_softplus(inputs[layer], beta, bias, xp) - _sum_softplus(inputs[layer], before, bias, xp)
        others = _sample(machine, inputs, beta, key, step, backend)
        inputs = {layer: _input(machine, others, layer) for layer in sampled}
        states = _sample(machine, inputs, beta, key, step, backend)
    return backend.to_host(log_weight)


def _sides(machine: BoltzmannMachine) -> list[list[int]]:
    """Layers to sum out, the even or the odd ones, whichever have more units, and layers to sample."""
    layers = range(len(machine.biases))
    sides = [[layer for layer in layers if layer % 2 == parity] for parity in (0, 1)]
    return sorted(sides, key=lambda side: sum(machine.layer_sizes[layer] for layer in side), reverse=True)


def _input(machine: BoltzmannMachine, states: Mapping[int, Any], layer: int) -> Any:
    """Field of a layer without its bias, from the states of its neighbours: (n_chains, n_units) float32."""
    total: Any = np.float32(0)
    if layer > 0:
        total = total + states[layer - 1].astype(np.float32) @ machine.weights[layer - 1].astype(np.float32, copy=False)
    if layer < len(machine.weights):
        total = total + states[layer + 1].astype(np.float32) @ machine.weights[layer].T.astype(np.float32, copy=False)
    return total


def _sample(
    machine: BoltzmannMachine, inputs: Mapping[int, Any], beta: float, key: np.uint64, step: int, backend: "Backend"
) -> dict[int, Any]:
    """States of the layers given their inputs, at inverse temperature beta; a layer without units has empty ones."""
    fields = {layer: np.float32(beta) * field + machine.biases[layer] for layer, field in inputs.items()}
    return {layer: backend.sample_layer(x, key, step, layer, 0) if x.size else x for layer, x in fields.items()}


def _sum_softplus(inputs: Any, beta: float, bias: Any, xp: Any) -> Any:
    """sum_j log(1 + exp(b_j + beta f_j)) of each chain, (n_chains,) float64; its terms are float32 like the fields."""
    x = np.float32(beta) * inputs + bias.astype(np.float32)
    return (xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x)))).sum(axis=1, dtype=np.float64)


def _estimate(log_z_base: float, log_weight: np.ndarray) -> AnnealedLogZ:
    """Log of the mean weight, its standard error by the delta method, sd(w) / (mean(w) sqrt(n)), effective chains."""
    largest = log_weight.max()
    w = np.exp(log_weight - largest)
    log_z = log_z_base + largest + np.log(w.mean())
    sd = w.std(ddof=1) / (w.mean() * np.sqrt(len(w)))
    return AnnealedLogZ(float(log_z), float(sd), float(w.sum() ** 2 / (w**2).sum()))


def variational_bounds(
    machine: BoltzmannMachine, visible: np.ndarray, means: Sequence[np.ndarray], log_z: float
) -> npt.NDArray[np.float64]:
    """Lower bound of log p(v) of each image: E_q[-E(v, h)] + H(q) - log Z, nats.

    q(h) = prod_j mu_j^h_j (1 - mu_j)^(1 - h_j), so E_q[-E] is -E at the means. The bound misses log p(v) by
    KL(q || p(h|v)), and by the error of log_z.

    Parameters
    ----------
    machine : BoltzmannMachine
    visible : (n, n_visible) array in {0, 1}
    means : list of (n, n_units) arrays in [0, 1]
        Mean-field probabilities mu of the hidden layers, bottom first.
    log_z : float
        Nats, from `ais` or by enumeration.

    Returns
    -------
    (n,) float64, nats

    Raises
    ------
    InputError
        If these are not patterns and means of all layers of the machine.
    """
    check_states([visible, *means], machine.layer_sizes, "[visible, *means]")
    bounds = np.empty(len(visible))
    for i in range(0, len(visible), IMAGES_PER_BLOCK):
        layers = [np.asarray(layer[i : i + IMAGES_PER_BLOCK], dtype=np.float64) for layer in (visible, *means)]
        total = sum(layer @ bias.astype(np.float64) for layer, bias in zip(layers, machine.biases))
        for lower, weights, upper in zip(layers[:-1], machine.weights, layers[1:]):
            total = total + ((lower @ weights.astype(np.float64)) * upper).sum(axis=1)
        bounds[i : i + IMAGES_PER_BLOCK] = total + sum(_entropy(layer) for layer in layers[1:])
    return bounds - log_z


def _entropy(probability: np.ndarray) -> npt.NDArray[np.float64]:
    """Entropy of independent units, of each row: sum of -mu log mu - (1 - mu) log(1 - mu), nats; 0 log 0 = 0."""
    from scipy.special import entr

    return (entr(probability) + entr(1.0 - probability)).sum(axis=1)
