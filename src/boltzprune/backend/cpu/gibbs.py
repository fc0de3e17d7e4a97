"""Compiled Gibbs sampling, one chain at a time: of an RBM in first-level cache, and of a machine of any depth.

The field of a layer is a sum of rows of weights, one per active unit below or above: states are 0 or 1 and few units of
the upper layers are on, so that rows are added, never multiplied, and most are not touched. A row is added between its
first and its last existing weight, which is what receptive fields leave. Nothing depends on which chains are computed
together.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from boltzprune.backend.arrays import Bytes, Floats, Places
from boltzprune.backend.cpu.arithmetic import FAST, Words, Words32, blocks_for, fill_uniform, halves, logistic
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.cd import gibbs_step
from boltzprune.core.contrastive import Parameters
from boltzprune.core.machine import BoltzmannMachine

Mask = npt.NDArray[np.bool_]
Rows = tuple[Floats, Places, Places, bool]
"""See `Layers`."""


class Layers(NamedTuple):
    """A machine as the loops over its layers read it, row by row in both directions.

    Attributes
    ----------
    up, down : tuple of (rows, first, last, is_full)
        Of every weight layer. rows: (n_lower, n_upper) float32, and its transpose; first, last: (n_rows,) int64, where
        the weights of a row begin and end; is_full: whether to take rows whole.
    biases : tuple of (n_units,) float32
    """

    up: tuple[Rows, ...]
    down: tuple[Rows, ...]
    biases: tuple[Floats, ...]

    @classmethod
    def of(cls, machine: BoltzmannMachine) -> Self:
        """Those of a machine; arrays that are float32 row by row are not copied."""
        spans = [(_spans(mask), _spans(mask.T)) for mask in machine.masks]
        biases = tuple(np.ascontiguousarray(bias, dtype=np.float32) for bias in machine.biases)
        weights = [np.ascontiguousarray(w, dtype=np.float32) for w in machine.weights]
        up = tuple((w, *forward) for w, (forward, _) in zip(weights, spans))
        down = tuple((np.ascontiguousarray(w.T), *backward) for w, (_, backward) in zip(weights, spans))
        return cls(up, down, biases)

    def refresh(self) -> None:
        """After the weights in `up` changed: their transposes."""
        for (weights, *_), (transposed, *_) in zip(self.up, self.down):
            np.copyto(transposed, weights.T)


class Draws(NamedTuple):
    """Where the random numbers of all layers come from.

    Attributes
    ----------
    blocks, tags : tuple of (n_blocks,) uint32
        Of every layer, from `blocks_for`.
    k0, k1 : np.uint32
        The two words of the stream's key.
    """

    blocks: tuple[Words32, ...]
    tags: tuple[Words32, ...]
    k0: np.uint32
    k1: np.uint32

    @classmethod
    def of(cls, key: np.uint64, layer_sizes: Sequence[int]) -> Self:
        """Those of a stream."""
        blocks, tags, _ = zip(*(blocks_for((layer, n)) for layer, n in enumerate(layer_sizes)))
        return cls(blocks, tags, *halves(key))


def _spans(mask: Mask) -> tuple[Places, Places, bool]:
    """Of each row, where its existing weights begin and end, and whether to take rows whole, being mostly full.

    Weights that do not exist are 0, so that taking them along changes nothing.
    """
    some = mask.any(axis=1) if mask.size else np.zeros(len(mask), dtype=bool)
    if not some.any():
        return np.zeros(len(mask), np.int64), np.zeros(len(mask), np.int64), False
    first = np.where(some, mask.argmax(axis=1), 0)
    last = np.where(some, mask.shape[1] - mask[:, ::-1].argmax(axis=1), 0)
    return first, last, bool((last - first).sum() > 0.5 * mask.size)


@njit(**FAST)
def rbm_steps(
    parameters: Parameters,
    visible: Bytes,
    hidden: Bytes,
    first_step: int,
    n_gibbs_steps: int,
    first_chain: int,
    words: Words,
) -> None:
    """Gibbs steps of an RBM in first-level cache, chain by chain; states are changed in place.

    Parameters
    ----------
    parameters : contrastive.Parameters
        Of float32 arrays, hidden units padded to `LANES`.
    visible, hidden : (n_chains, n_visible), (n_chains, n_hidden) uint8
        The hidden ones are not read.
    first_step, n_gibbs_steps, first_chain : int
    words : Words
        Of the padded hidden layer, then of the visible one.
    """
    weights, visible_bias, hidden_bias = parameters
    blocks, layers, offset, k0, k1 = words
    uniform = np.empty(4 * blocks.size, np.float32)
    v, h = np.empty(visible.shape[1], np.float32), np.empty(hidden_bias.size, np.float32)
    for c in range(visible.shape[0]):  # all steps of one chain, so that weights and states stay in cache
        v[:] = visible[c]
        for step in range(first_step, first_step + n_gibbs_steps):
            fill_uniform(uniform, blocks, layers, first_chain + c, step, k0, k1)
            gibbs_step(weights, visible_bias, hidden_bias, v, h, uniform, offset)
        visible[c] = v.astype(np.uint8)
        hidden[c] = h[: hidden.shape[1]].astype(np.uint8)


@njit(**FAST)
def _add_rows(
    field: Floats,
    factors: Floats,
    rows: Floats,
    first: Places,
    last: Places,
    chosen: Places,
    n_chosen: int,
    is_full: bool,
) -> None:
    """Field <- field + sum_k factors[k] rows[chosen[k]], eight rows at a time where rows are full.

    Parameters
    ----------
    field : (n_units,) float32
    factors : (n_chosen,) float32, or more
    rows, first, last, is_full
        See `Layers`.
    chosen : (n_chosen,) int64, or more
    n_chosen : int
    """
    k = 0
    if is_full:
        while k + 8 <= n_chosen:
            a, b, c, d = factors[k], factors[k + 1], factors[k + 2], factors[k + 3]
            e, f, g, h = factors[k + 4], factors[k + 5], factors[k + 6], factors[k + 7]
            row0, row1, row2, row3 = rows[chosen[k]], rows[chosen[k + 1]], rows[chosen[k + 2]], rows[chosen[k + 3]]
            row4, row5, row6, row7 = rows[chosen[k + 4]], rows[chosen[k + 5]], rows[chosen[k + 6]], rows[chosen[k + 7]]
            for j in range(field.size):
                lower = (a * row0[j] + b * row1[j]) + (c * row2[j] + d * row3[j])
                upper = (e * row4[j] + f * row5[j]) + (g * row6[j] + h * row7[j])
                field[j] += lower + upper
            k += 8
    while k < n_chosen:
        start, stop = first[chosen[k]], last[chosen[k]]
        row, part, factor = rows[chosen[k], start:stop], field[start:stop], factors[k]
        for j in range(part.size):
            part[j] += factor * row[j]
        k += 1


@njit(**FAST)
def add_active(
    field: Floats, states: Bytes, rows: Floats, first: Places, last: Places, chosen: Places, ones: Floats, is_full: bool
) -> None:
    """Field <- field + states.rows for states in {0, 1}.

    Parameters
    ----------
    field : (n_units,) float32
    states : (n_rows,) uint8
    rows, first, last, is_full
        See `Layers`.
    chosen : (n_rows + 1,) int64, or more
        Room.
    ones : (n_rows,) float32, or more
        All 1.
    """
    n = 0
    for i in range(states.size):  # without a branch, which states would make unpredictable
        chosen[n] = i
        n += states[i]
    _add_rows(field, ones, rows, first, last, chosen, n, is_full)


@njit(**FAST)
def gibbs_layers(
    machine: Layers,
    states: tuple[Bytes, ...],
    first_layer: int,
    first_step: int,
    n_gibbs_steps: int,
    first_chain: int,
    draws: Draws,
) -> None:
    """Block Gibbs sampling in place: odd layers, then even ones.

    Parameters
    ----------
    machine : Layers
    states : tuple of (n_chains, n_units) uint8
    first_layer : int
        Layers below it are clamped.
    first_step, n_gibbs_steps, first_chain : int
    draws : Draws
    """
    (up, down, biases), (blocks, tags, k0, k1) = machine, draws
    n_layers, width = len(states), 0
    for layer in range(n_layers):
        width = max(width, 4 * blocks[layer].size)
    uniform, buffer = np.empty(width, np.float32), np.empty(width, np.float32)
    chosen, ones = np.empty(width + 1, np.int64), np.ones(width, np.float32)
    for c in range(states[0].shape[0]):  # all steps of one chain: its states stay in cache, the weights pass by
        for step in range(first_step, first_step + n_gibbs_steps):
            for parity in (1, 0):
                for layer in range(parity, n_layers, 2):
                    if layer < first_layer:
                        continue
                    state = states[layer][c]
                    field = buffer[: state.size]
                    field[:] = biases[layer]
                    if layer > 0:
                        rows, first, last, is_full = up[layer - 1]
                        add_active(field, states[layer - 1][c], rows, first, last, chosen, ones, is_full)
                    if layer < n_layers - 1:
                        rows, first, last, is_full = down[layer]
                        add_active(field, states[layer + 1][c], rows, first, last, chosen, ones, is_full)
                    fill_uniform(uniform, blocks[layer], tags[layer], first_chain + c, step, k0, k1)
                    for j in range(state.size):
                        state[j] = 1 if uniform[j] < logistic(field[j]) else 0
