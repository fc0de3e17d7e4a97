"""What the low-rank loop of CD changes, remembers and has room for."""

from typing import NamedTuple, Self

import numpy as np

from boltzprune.backend.arrays import Bytes, Floats, Ints
from boltzprune.backend.cpu.tiles import TILE
from boltzprune.backend.cpu.vectors import LANES, zeros

BLOCK = 16
"""Updates that are kept as vectors, an even number: at least `loops.MAX_MEMORY`."""


class Combined(NamedTuple):
    """What the updates change in place: U in tiles, by visible and by hidden units, biases and their steps, float32."""

    by_visible: Floats
    by_hidden: Floats
    visible_bias: Floats
    hidden_bias: Floats
    visible_steps: Floats
    hidden_steps: Floats


class Past(NamedTuple):
    """What of the weights is not in U: the last `BLOCK` updates, and the step at the start of the epoch.

    Update t has rows 2 s and 2 s + 1, s = t % BLOCK, of the first three: v0 and p0, v1 and p1. Layers are padded.

    Attributes
    ----------
    states : (2 BLOCK, n_visible) uint8
    packed : (2 BLOCK, n_visible / LANES) int32
        The same as bits.
    probabilities : (2 BLOCK, n_hidden) float32
    shares : (BLOCK, BLOCK) float32
        a_k of the update in place k, before an update in place s: shares[s, k].
    by_visible, by_hidden : float32
        D_0 in tiles.
    n_start : int
        Updates in which D_0 counts.
    """

    states: Bytes
    packed: Ints
    probabilities: Floats
    shares: Floats
    by_visible: Floats
    by_hidden: Floats
    n_start: int


class Room(NamedTuple):
    """Memory that the updates of an epoch use again and again.

    Attributes
    ----------
    rows, shares : (2 BLOCK,) int32, float32
        The remembered updates that count in one update: rows of `Past`, and their shares, negative for v1 and p1.
    sums, factors : (2 BLOCK,) float32
        What a field multiplies those rows with.
    on : int32 array
        Units of a layer that are on.
    uniform, visible_field, field, hidden : float32 arrays
    codes, table : int32, float32
        See `add_waiting`.
    """

    rows: Ints
    shares: Floats
    sums: Floats
    factors: Floats
    on: Ints
    uniform: Floats
    visible_field: Floats
    field: Floats
    hidden: Floats
    codes: Ints
    table: Floats

    @classmethod
    def of(cls, n_visible: int, n_hidden: int, n_uniform: int) -> Self:
        """For padded layers and so many uniform numbers."""
        return cls(
            rows=zeros(2 * BLOCK, np.int32),
            shares=zeros(2 * BLOCK),
            sums=zeros(2 * BLOCK),
            factors=zeros(2 * BLOCK),
            on=zeros(max(n_visible, n_hidden) + LANES, np.int32),
            uniform=zeros(n_uniform),
            visible_field=zeros(n_visible),
            field=zeros(n_hidden),
            hidden=zeros(n_hidden),
            codes=zeros((n_visible, BLOCK // 2), np.int32),
            table=zeros((BLOCK // 2, 16, TILE)),
        )
