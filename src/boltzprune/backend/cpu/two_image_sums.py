"""Compiled sums of rows of weights into the fields of two images, which share a pass over the weights."""

from numba import float32

from boltzprune.backend.arrays import Floats, Places
from boltzprune.backend.cpu.arithmetic import FAST
from boltzprune.backend.cpu.cache import njit

EXACT = {**FAST, "fastmath": {"contract", "nsz"}}
"""Sums in the order that is written, so that an image's do not depend on the image beside it."""
PAIR = 2
"""Images that share a pass over the weights."""


@njit(**EXACT)
def _add_three_rows(field0: Floats, field1: Floats, row0: Floats, row1: Floats, row2: Floats, factors: Floats) -> None:
    """Add three rows of weights to the fields of two images: as many arrays as the compiler still tells apart.

    All but the factors are (n_units,) float32. Factors are (3, PAIR), one for each row and image.
    """
    a0, a1, b0, b1, c0, c1 = factors[0, 0], factors[0, 1], factors[1, 0], factors[1, 1], factors[2, 0], factors[2, 1]
    for j in range(field0.size):
        w0, w1, w2 = row0[j], row1[j], row2[j]
        field0[j] = ((field0[j] + a0 * w0) + b0 * w1) + c0 * w2
        field1[j] = ((field1[j] + a1 * w0) + b1 * w1) + c1 * w2


@njit(**EXACT)
def add_rows_to_pair(
    fields: Floats,
    factors: Floats,
    rows: Floats,
    first: Places,
    last: Places,
    chosen: Places,
    n_chosen: int,
    is_full: bool,
) -> None:
    """Fields[g] <- fields[g] + sum_k factors[k, g] rows[chosen[k]], rows one after the other, for two images.

    Parameters
    ----------
    fields : (PAIR, width) float32
    factors : (n_chosen, PAIR) float32, or more
    rows, first, last, is_full
        See `gibbs.Layers`.
    chosen, n_chosen : (n_chosen,) int64, or more, and int
    """
    field0, field1, k = fields[0, : rows.shape[1]], fields[1, : rows.shape[1]], 0
    if is_full:
        while k + 3 <= n_chosen:
            row0, row1, row2 = rows[chosen[k]], rows[chosen[k + 1]], rows[chosen[k + 2]]
            _add_three_rows(field0, field1, row0, row1, row2, factors[k : k + 3])
            k += 3
    while k < n_chosen:
        start, stop = first[chosen[k]], last[chosen[k]]
        row, part0, part1 = rows[chosen[k], start:stop], field0[start:stop], field1[start:stop]
        scale0, scale1 = factors[k, 0], factors[k, 1]
        for j in range(row.size):
            part0[j] += scale0 * row[j]
            part1[j] += scale1 * row[j]
        k += 1


@njit(**FAST)
def dot_rows(fields: Floats, changes: Floats, rows: Floats, n_upper: int) -> None:
    """Fields[g, i] <- fields[g, i] + rows[i].changes[g] for two images: downwards with the weights that go upwards.

    Many changes: both directions read one copy of the weights, which then stays in second-level cache.

    Parameters
    ----------
    fields, changes : (PAIR, width) float32
    rows : (n_rows, n_upper) float32
    n_upper : int
    """
    change0, change1, n_rows = changes[0], changes[1], rows.shape[0]
    for i in range(0, n_rows - n_rows % 4, 4):
        row0, row1, row2, row3 = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
        sum0, sum1, sum2, sum3 = float32(0), float32(0), float32(0), float32(0)
        also0, also1, also2, also3 = float32(0), float32(0), float32(0), float32(0)
        for j in range(n_upper):
            w0, w1, w2, w3, x0, x1 = row0[j], row1[j], row2[j], row3[j], change0[j], change1[j]
            sum0 += w0 * x0
            sum1 += w1 * x0
            sum2 += w2 * x0
            sum3 += w3 * x0
            also0 += w0 * x1
            also1 += w1 * x1
            also2 += w2 * x1
            also3 += w3 * x1
        field0, field1 = fields[0], fields[1]
        field0[i] += sum0
        field0[i + 1] += sum1
        field0[i + 2] += sum2
        field0[i + 3] += sum3
        field1[i] += also0
        field1[i + 1] += also1
        field1[i + 2] += also2
        field1[i + 3] += also3
    for i in range(n_rows - n_rows % 4, n_rows):
        row, sum0, sum1 = rows[i], float32(0), float32(0)
        for j in range(n_upper):
            sum0 += row[j] * change0[j]
            sum1 += row[j] * change1[j]
        fields[0, i] += sum0
        fields[1, i] += sum1
