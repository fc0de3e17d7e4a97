"""Sums over the rows of a matrix for contrastive divergence of large machines, their accumulators in registers.

Matrices are cut into tiles. Layers are padded to whole ones with zeros.
"""

from numba import float32, int64, uint64

from boltzprune.backend.arrays import Bytes, Float, Floats, Ints
from boltzprune.backend.cpu.arithmetic import FAST, popcount
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.tiles import TILE
from boltzprune.backend.cpu.vector_functions import put_chosen, transpose
from boltzprune.backend.cpu.vectors import (
    LANES,
    are_on,
    load,
    plus,
    plus_times,
    splat,
    store,
    times,
    to_floats,
    total,
)

ROWS = 8
"""Products that are summed side by side: as many as hide the latency of an addition."""


@njit(**FAST)
def add_rows(out: Floats, tiles: Floats, rows: Ints, n: int, factor: Float) -> None:
    """Add factor times the sum of the first n rows that are listed.

    Parameters
    ----------
    out : (n_columns,) float32
    tiles : (n_tiles, n_rows, TILE) float32
    rows : int32 array
    n, factor : int, float32
    """
    scale, even = splat(factor), n // 2 * 2
    for tile in range(tiles.shape[0]):
        start = tile * tiles.shape[1]
        a0 = a1 = b0 = b1 = splat(float32(0))
        for k in range(0, even, 2):
            a, b = (start + int64(rows[k])) * TILE, (start + int64(rows[k + 1])) * TILE
            a0, a1 = plus(a0, load(tiles, a)), plus(a1, load(tiles, a + LANES))
            b0, b1 = plus(b0, load(tiles, b)), plus(b1, load(tiles, b + LANES))
        if even < n:
            a = (start + int64(rows[even])) * TILE
            a0, a1 = plus(a0, load(tiles, a)), plus(a1, load(tiles, a + LANES))
        j = tile * TILE
        store(out, j, plus_times(load(out, j), plus(a0, b0), scale))
        store(out, j + LANES, plus_times(load(out, j + LANES), plus(a1, b1), scale))


@njit(**FAST)
def combine(out: Floats, matrix: Floats | Bytes, rows: Ints, factors: Floats, n: int) -> None:
    """Add the sum over k < n of factors[k] times row rows[k] of a matrix, which is not cut into tiles.

    Parameters
    ----------
    out : (n_columns,) float32
    matrix : (n_rows, n_columns) float32 or uint8
    rows, factors : int32 and float32 arrays
    n : int, even
    """
    m = matrix.shape[1]
    for j in range(0, m, TILE):
        a0, a1 = load(out, j), load(out, j + LANES)
        b0 = b1 = splat(float32(0))
        for k in range(0, n, 2):
            at, factor = int64(rows[k]) * m + j, splat(factors[k])
            a0 = plus_times(a0, to_floats(load(matrix, at)), factor)
            a1 = plus_times(a1, to_floats(load(matrix, at + LANES)), factor)
            at, factor = int64(rows[k + 1]) * m + j, splat(factors[k + 1])
            b0 = plus_times(b0, to_floats(load(matrix, at)), factor)
            b1 = plus_times(b1, to_floats(load(matrix, at + LANES)), factor)
        store(out, j, plus(a0, b0))
        store(out, j + LANES, plus(a1, b1))


@njit(**FAST)
def products(out: Floats, matrix: Floats, rows: Ints, n: int, vector: Floats) -> None:
    """Fill out with the products of a vector and the first n rows that are listed; up to `ROWS` - 1 more are filled.

    Parameters
    ----------
    out : float32 array
    matrix : (n_rows, n_columns) float32
    rows, n : int32 array, int
    vector : (n_columns,) float32
    """
    m = matrix.shape[1]
    for k in range(0, n, ROWS):
        r0, r1, r2, r3 = int64(rows[k]), int64(rows[k + 1]), int64(rows[k + 2]), int64(rows[k + 3])
        r4, r5, r6, r7 = int64(rows[k + 4]), int64(rows[k + 5]), int64(rows[k + 6]), int64(rows[k + 7])
        s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = splat(float32(0))
        for j in range(0, m, LANES):
            x = load(vector, j)
            s0 = plus_times(s0, load(matrix, r0 * m + j), x)
            s1 = plus_times(s1, load(matrix, r1 * m + j), x)
            s2 = plus_times(s2, load(matrix, r2 * m + j), x)
            s3 = plus_times(s3, load(matrix, r3 * m + j), x)
            s4 = plus_times(s4, load(matrix, r4 * m + j), x)
            s5 = plus_times(s5, load(matrix, r5 * m + j), x)
            s6 = plus_times(s6, load(matrix, r6 * m + j), x)
            s7 = plus_times(s7, load(matrix, r7 * m + j), x)
        out[k], out[k + 1], out[k + 2], out[k + 3] = total(s0), total(s1), total(s2), total(s3)
        out[k + 4], out[k + 5], out[k + 6], out[k + 7] = total(s4), total(s5), total(s6), total(s7)


@njit(**FAST)
def list_on(states: Floats | Bytes, rows: Ints) -> int:
    """List the units that are on; how many they are. The list has room for `LANES` more than there are units."""
    n = 0
    for i in range(0, states.size, LANES):
        bits = are_on(load(states, i))
        put_chosen(rows, n, bits, i, 1)
        n += int64(popcount(bits))
    return n


@njit(**FAST)
def pack(states: Bytes, packed: Ints) -> None:
    """States as bits, `LANES` in a number."""
    for i in range(0, states.size, LANES):
        packed[i // LANES] = are_on(load(states, i))


@njit(**FAST)
def n_common(packed: Ints, a: int, b: int) -> Float:
    """How many units are on in row a and in row b, as float32; packed : (n_rows, n_units / LANES) int32."""
    n = uint64(0)
    for k in range(packed.shape[1]):
        n += popcount(uint64(packed[a, k] & packed[b, k]))
    return float32(int64(n))


@njit(**FAST)
def _table(table: Floats, factors: Floats, n_rows: int, column: int, rate: Float) -> None:
    """Fill the table of `add_waiting` for the tile that begins with a column."""
    for k in range(n_rows):
        step, n_sums = splat(-rate if k % 2 else rate), 1 << (k % 4)
        for j in range(0, TILE, LANES):
            one = times(step, load(factors, k * factors.shape[1] + column + j))
            for code in range(n_sums):
                at = (k // 4 * 16 + code) * TILE + j
                store(table, at + n_sums * TILE, plus(load(table, at), one))


@njit(**FAST)
def add_waiting(
    tiles: Floats, across: Floats, states: Bytes, factors: Floats, rate: Float, n_rows: int, codes: Ints, table: Floats
) -> Float:
    """Add rate times the sum over k < n_rows of (-1)^k states[k] factors[k]^T to a matrix; 0 if it is finite then.

    Two updates are four rows: a table holds the 16 sums that a row of the matrix can get from them, so that it gets
    one sum instead of up to four rows (the method of the four Russians).

    Parameters
    ----------
    tiles, across : float32
        Tiles of the matrix, (n_visible, n_hidden), and of its transpose, which becomes that of the sum.
    states : (n_rows or more, n_visible) uint8
        In {0, 1}.
    factors : (n_rows or more, n_hidden) float32
    rate : float32
    n_rows : int
    codes, table : (n_visible, n_rows / 4) int32, (n_rows / 4, 16, TILE) float32
        Room; table[:, 0] is zero.
    """
    n_tiles, n_visible, _ = tiles.shape
    n_groups, n_hidden = (n_rows + 3) // 4, factors.shape[1]
    for i in range(n_visible):
        for g in range(n_groups):
            code = 0
            for k in range(4 * g, min(4 * g + 4, n_rows)):
                code += int64(states[k, i]) << (k % 4)
            codes[i, g] = (g * 16 + code) * TILE
    not_finite = splat(float32(0))
    for tile in range(n_tiles):
        _table(table, factors, n_rows, tile * TILE, rate)
        for i in range(n_visible):
            at = (tile * n_visible + i) * TILE
            a, b = load(tiles, at), load(tiles, at + LANES)
            for g in range(n_groups):
                place = int64(codes[i, g])
                a, b = plus(a, load(table, place)), plus(b, load(table, place + LANES))
            store(tiles, at, a)
            store(tiles, at + LANES, b)
            not_finite = plus_times(not_finite, plus(a, b), splat(float32(0)))
        for i in range(0, n_visible, LANES):
            for j in range(0, TILE, LANES):
                to = (i // TILE * n_hidden + tile * TILE + j) * TILE + i % TILE
                transpose(tiles, (tile * n_visible + i) * TILE + j, TILE, across, to, TILE)
    return total(not_finite)
