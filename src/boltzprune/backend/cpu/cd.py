"""Contrastive divergence of one machine: compiled loops (CD-1, one training case per update), and arrays for the rest.

Three ways to the same numbers, of which `loops` chooses. `dense_updates` keeps weights and steps and takes any mask:
for machines that fit into the first-level cache, and for strong momentum. `low_rank_updates` is for large unmasked
machines at weak momentum, where memory traffic is the cost; `listed_updates` for large machines with few weights, and
their mini-batches.
"""

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np
from numba import float32

from boltzprune.backend.arrays import Bytes, Float, Floats, Report, Trained
from boltzprune.backend.cpu.arithmetic import (
    FAST,
    INLINE,
    Words,
    decide,
    fill_uniform,
    logistic,
    words_for,
)
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.dense_sums import hidden_probability, step_weights, visible_field
from boltzprune.backend.cpu.vectors import LANES
from boltzprune.backend.cpu.working_copy import from_working_copy, padded, working_copy
from boltzprune.core import contrastive
from boltzprune.core.contrastive import Epoch, NotFiniteError, Parameters, Velocity
from boltzprune.core.machine import BoltzmannMachine

CHUNK = 3e8
"""Weights updated between two reports of progress, a tenth of a second or less."""


class Rates(NamedTuple):
    """Numbers of an `Epoch` in float32, as one argument of a compiled loop."""

    learning_rate: Float
    decay: Float
    up: Float
    down: Float

    @classmethod
    def of(cls, epoch: Epoch) -> Self:
        """Those of an epoch."""
        return cls(*(np.float32(x) for x in (epoch.learning_rate, epoch.decay, epoch.up, epoch.down)))


@njit(**{**FAST, **INLINE})
def _bias_steps(
    positive: Floats, negative: Floats, bias: Floats, step: Floats, learning_rate: Float, decay: Float
) -> None:
    """Step <- decay step + learning_rate (positive - negative); bias <- bias + step.

    Parameters
    ----------
    positive, negative : (n_units,) float32
        States or probabilities, of the case and of its reconstruction.
    bias, step : (n_units,) float32
        Changed in place.
    learning_rate, decay : float32
    """
    for j in range(bias.size):
        change = decay * step[j] + learning_rate * (positive[j] - negative[j])
        step[j] = change
        bias[j] += change


@njit(**FAST)
def dense_updates(
    parameters: Parameters, steps: Parameters, mask: Floats, cases: Bytes, first_step: int, words: Words, rates: Rates
) -> int:
    """One update per case, in place; how many were done before a field or a bias stopped being finite, else all.

    Per update and weight: 3 loads, 2 stores, 9 operations, all in first-level cache at the paper's size.

    Parameters
    ----------
    parameters, steps : Parameters
        Of float32 arrays, hidden units padded to whole vectors.
    mask : (n_visible, n_hidden) float32
        1 where a weight exists.
    cases : (n_cases, n_visible) uint8
    first_step : int
        Of the stream, for the first case.
    words : Words
    rates : Rates
    """
    learning_rate, decay, up, down = rates
    blocks, layers, offset, k0, k1 = words
    weights, visible_bias, hidden_bias = parameters
    weight_steps, visible_steps, hidden_steps = steps
    n_visible, n_hidden = weights.shape
    uniform = np.empty(4 * blocks.size, np.float32)
    data, visible = np.empty(n_visible, np.float32), np.empty(n_visible, np.float32)
    plus, minus = np.empty(n_visible, np.float32), np.empty(n_visible, np.float32)
    vectors = np.empty((3, n_hidden), np.float32)
    hidden, positive, negative = vectors[0], vectors[1], vectors[2]
    for t in range(cases.shape[0]):
        for i in range(n_visible):  # bytes become float32 once, since both products of the update read them
            data[i] = cases[t, i]
        fill_uniform(uniform, blocks, layers, 0, first_step + t, k0, k1)
        hidden_probability(data, weights, hidden_bias, up, positive)
        for j in range(n_hidden):
            hidden[j] = float32(1.0) if uniform[j] < positive[j] else float32(0.0)
        visible_field(hidden, weights, visible_bias, visible)
        not_finite = float32(0)
        for j in range(n_hidden):
            not_finite += hidden_bias[j] * float32(0)  # which reaches no visible field while it is infinite
        for i in range(n_visible):
            not_finite += visible[i] * float32(0)
        if not_finite != float32(0):
            return t
        for i in range(n_visible):
            visible[i] = float32(1.0) if uniform[offset + i] < logistic(down * visible[i]) else float32(0.0)
        hidden_probability(visible, weights, hidden_bias, up, negative)
        for i in range(n_visible):  # the rate goes to the row's factors: a multiplication fewer for each weight
            plus[i], minus[i] = learning_rate * data[i], learning_rate * visible[i]
        step_weights(weights, weight_steps, mask, (plus, minus, positive, negative), decay)
        _bias_steps(data, visible, visible_bias, visible_steps, learning_rate, decay)
        _bias_steps(positive, negative, hidden_bias, hidden_steps, learning_rate, decay)
    return cases.shape[0]


def chunks(n_cases: int, n_weights: int, report: Report) -> Iterator[tuple[int, int]]:
    """Starts and lengths of the pieces of an epoch; reports each piece when the next one is asked for.

    Parameters
    ----------
    n_cases, n_weights : int
    report : callable
        Called with the number of updates of a piece.

    Returns
    -------
    iterator of (int, int)
    """
    length = max(100, int(CHUNK / n_weights))
    for start in range(0, n_cases, length):
        n = min(length, n_cases - start)
        yield start, n
        report(n)


@np.errstate(over="ignore")
def dense_epoch(
    machine: BoltzmannMachine, velocity: Velocity, key: np.uint64, cases: Bytes, epoch: Epoch, report: Report
) -> Trained:
    """One epoch of CD-1 of one machine with `dense_updates`; see `contrastive.array_epoch`."""
    n_visible, n_hidden = machine.layer_sizes
    cases, n_padded = np.ascontiguousarray(cases, dtype=np.uint8), -(-n_hidden // LANES) * LANES
    parameters, steps = working_copy(machine, velocity, n_padded)
    mask, rates = padded(machine.masks[0], n_padded), Rates.of(epoch)
    words = words_for(key, (1, n_padded), (0, n_visible))
    for start, n in chunks(len(cases), mask.size, report):
        piece = cases[start : start + n]
        done = dense_updates(parameters, steps, mask, piece, epoch.first_update + start, words, rates)
        if done < n:
            raise NotFiniteError(start + done)
    return from_working_copy(machine, parameters, steps)


def array_epoch(
    machine: BoltzmannMachine, velocity: Velocity, key: np.uint64, cases: Bytes, epoch: Epoch, report: Report
) -> Trained:
    """One epoch of CD-k of one machine, for mini-batches and k > 1: the specification in float32, with compiled draws.

    See `contrastive.array_epoch`.
    """
    cases = np.ascontiguousarray(cases, dtype=np.uint8)
    return contrastive.array_epoch(machine, velocity, key, cases, epoch, report, ARITHMETIC)


def _drawn(probability: Floats, key: np.uint64, step: int, layer: int) -> Floats:
    """States of a layer from their probabilities, (n_cases, n_units), as float32, which products of arrays want.

    Key, step and layer say which uniform numbers decide; the case is the chain.
    """
    return decide(probability, False, key, step, layer, 0).astype(np.float32)


ARITHMETIC = contrastive.Arithmetic(_drawn, np.float32)
