"""Sums over the rows of a matrix for contrastive divergence of large machines, their accumulators in registers.

All rows are whole vectors: columns are padded to a multiple of `vectors.LANES`. Every sum has one order, whoever asks.
"""

import numpy as np
from numba import float32, int64, uint64

from boltzprune.backend.arrays import Bytes, Float, Floats
from boltzprune.backend.cpu.arithmetic import FAST, Words32, popcount
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.vectors import (
    LANES,
    are_on,
    load,
    plus,
    plus_times,
    put_chosen,
    splat,
    store,
    times,
    to_floats,
    total,
)

ROWS = 8
"""Rows whose products are summed side by side: as many sums as hide the latency of an addition."""
TILE = 4 * LANES
"""Columns that `add_waiting` updates at a time, so that its table lies in first-level cache."""


def whole_vectors(n: int) -> int:
    """The next multiple of `LANES`."""
    return -(-n // LANES) * LANES


@njit(**FAST)
def dots(matrix: Floats, first: int, vector: Floats, out: Floats) -> None:
    """Add row.vector to out for `ROWS` rows of a matrix from the first on.

    Parameters
    ----------
    matrix : (n_rows, n_columns) float32
    first : int
    vector, out : (n_columns,), (n_rows,) float32
    """
    n = matrix.shape[1]
    s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = splat(float32(0))
    for j in range(0, n, LANES):
        at, x = first * n + j, load(vector, j)
        s0 = plus_times(s0, load(matrix, at), x)
        s1 = plus_times(s1, load(matrix, at + n), x)
        s2 = plus_times(s2, load(matrix, at + 2 * n), x)
        s3 = plus_times(s3, load(matrix, at + 3 * n), x)
        s4 = plus_times(s4, load(matrix, at + 4 * n), x)
        s5 = plus_times(s5, load(matrix, at + 5 * n), x)
        s6 = plus_times(s6, load(matrix, at + 6 * n), x)
        s7 = plus_times(s7, load(matrix, at + 7 * n), x)
    out[first] += total(s0)
    out[first + 1] += total(s1)
    out[first + 2] += total(s2)
    out[first + 3] += total(s3)
    out[first + 4] += total(s4)
    out[first + 5] += total(s5)
    out[first + 6] += total(s6)
    out[first + 7] += total(s7)


@njit(**FAST)
def add_rows(out: Floats, matrix: Floats, rows: Words32, done: int, n: int, is_last: bool) -> int:
    """Add the rows that are listed from `done` to n, four at a time; how many are done: all if these are the last.

    Parameters
    ----------
    out : (n_columns,) float32
    matrix : (n_rows, n_columns) float32
    rows : int32 array
    done, n, is_last : int, int, bool
    """
    m = matrix.shape[1]
    while done + 4 <= n:
        a, b = int64(rows[done]) * m, int64(rows[done + 1]) * m
        c, d = int64(rows[done + 2]) * m, int64(rows[done + 3]) * m
        for j in range(0, m, LANES):
            pairs = plus(plus(load(matrix, a + j), load(matrix, b + j)), plus(load(matrix, c + j), load(matrix, d + j)))
            store(out, j, plus(load(out, j), pairs))
        done += 4
    while is_last and done < n:
        a = int64(rows[done]) * m
        for j in range(0, m, LANES):
            store(out, j, plus(load(out, j), load(matrix, a + j)))
        done += 1
    return done


@njit(**FAST)
def combine(out: Floats, matrix: Floats | Bytes, rows: Words32, factors: Floats, n: int) -> None:
    """Add the sum over k < n of factors[k] times row rows[k] of a matrix of float32 or bytes.

    Parameters
    ----------
    out : (n_columns,) float32
    matrix : (n_rows, n_columns) float32 or uint8
    rows, factors : int32 and float32 arrays
    n : int
    """
    m = matrix.shape[1]
    whole = m // TILE * TILE
    for j in range(0, whole, TILE):
        s0, s1, s2, s3 = load(out, j), load(out, j + LANES), load(out, j + 2 * LANES), load(out, j + 3 * LANES)
        for k in range(n):
            at, factor = int64(rows[k]) * m + j, splat(factors[k])
            s0 = plus_times(s0, to_floats(load(matrix, at)), factor)
            s1 = plus_times(s1, to_floats(load(matrix, at + LANES)), factor)
            s2 = plus_times(s2, to_floats(load(matrix, at + 2 * LANES)), factor)
            s3 = plus_times(s3, to_floats(load(matrix, at + 3 * LANES)), factor)
        store(out, j, s0)
        store(out, j + LANES, s1)
        store(out, j + 2 * LANES, s2)
        store(out, j + 3 * LANES, s3)
    for j in range(whole, m, LANES):
        s0 = load(out, j)
        for k in range(n):
            s0 = plus_times(s0, to_floats(load(matrix, int64(rows[k]) * m + j)), splat(factors[k]))
        store(out, j, s0)


@njit(**FAST)
def list_on(states: Bytes, rows: Words32, packed: Words32) -> int:
    """List the units that are on, and pack the states into bits; how many are on.

    Parameters
    ----------
    states : (n_units,) uint8
    rows : (n_units + LANES,) int32
    packed : (n_units / LANES,) int32
    """
    n = 0
    for i in range(0, states.size, LANES):
        bits = are_on(load(states, i))
        packed[i // LANES] = bits
        put_chosen(rows, n, bits, i)
        n += int64(popcount(bits))
    return n


@njit(**FAST)
def pack(states: Bytes, packed: Words32) -> None:
    """Pack states into bits, as `list_on` does."""
    for i in range(0, states.size, LANES):
        packed[i // LANES] = are_on(load(states, i))


@njit(**FAST)
def n_common(packed: Words32, a: int, b: int) -> Float:
    """How many units are on in row a and in row b, as float32; packed : (n_rows, n_units / LANES) int32."""
    n = uint64(0)
    for k in range(packed.shape[1]):
        n += popcount(uint64(packed[a, k] & packed[b, k]))
    return float32(int64(n))


@njit(**FAST)
def add_waiting(matrix: Floats, states: Bytes, factors: Floats, rate: Float, n_rows: int, codes: Words32) -> None:
    """Add rate times the sum over k < n_rows of (-1)^k states[k] factors[k]^T to a matrix, in one pass over it.

    Two updates are four rows: a table holds the 16 sums that a row of the matrix can get from them, so that it gets
    one sum instead of up to four rows (the method of the four Russians).

    Parameters
    ----------
    matrix : (n_visible, n_hidden) float32
    states : (a multiple of 4, n_visible or more) uint8
        In {0, 1}.
    factors : (as many, n_hidden) float32
    rate : float32
    n_rows : int
        The other rows count as zero.
    codes : (n_rows / 4, n_visible) int32
        Room for the places in the table.
    """
    n_visible, n_hidden = matrix.shape
    n_groups = (n_rows + 3) // 4
    table, group = np.zeros((n_groups, 16, TILE), np.float32), 16 * TILE
    for g in range(n_groups):
        for i in range(n_visible):
            code = 0
            for bit in range(min(4, n_rows - 4 * g)):
                code += int64(states[4 * g + bit, i]) << bit
            codes[i, g] = g * group + code * TILE
    for start in range(0, n_hidden, TILE):
        end = min(TILE, n_hidden - start)
        for k in range(n_rows):
            step, place = splat(-rate if k % 2 else rate), k // 4 * group
            n_sums = 1 << (k % 4)
            for j in range(0, end, LANES):
                one = times(step, load(factors, k * n_hidden + start + j))
                for code in range(n_sums):
                    at = place + code * TILE + j
                    store(table, at + n_sums * TILE, plus(load(table, at), one))
        for i in range(n_visible):
            for j in range(0, end, LANES):
                at = i * n_hidden + start + j
                row = load(matrix, at)
                for g in range(n_groups):
                    row = plus(row, load(table, int64(codes[i, g]) + j))
                store(matrix, at, row)
