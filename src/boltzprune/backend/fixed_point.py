"""Weights as whole numbers, so that sums over binary states are exact, and byte digits for the tensor cores.

Where states are drawn for thousands of chains, a field is a sum of weights over the units that are on. With weights
that are multiples of one power of two for each unit of the layer, that sum is exact: it does not depend on the order of
its terms, on which kernel computes it, or on which chains are computed together.
"""

from dataclasses import dataclass
from types import ModuleType

import numpy as np

from boltzprune.backend.arrays import Array

BITS = 22
"""|q| <= 2^BITS: the largest weight of a unit keeps its 24 significant bits but for the last one or two."""
N_DIGITS = 3
"""Signed bytes that hold a whole number of up to 2^BITS: 127 + 127 * 256 + 127 * 65536 > 2^BITS."""
MIN_EXPONENT = -100
"""Of the largest weight: smaller ones count as 0, so that `unit` stays a normal float32."""


@dataclass(frozen=True)
class FixedPoint:
    """Weights into one layer: w = unit q + error.

    |error| <= unit / 2 <= 2^-(BITS + 1) times twice the largest |w| into that unit, so a field is within
    n_on 2^-BITS max |w| of the exact sum over the n_on neighbours that are on, and 2^-24 of itself besides.

    Attributes
    ----------
    below : (n_below, n_units) int32
        q of the weights from the layer below; n_below is 0 if there is none.
    above : (n_above, n_units) int32
        q of the weights from the layer above.
    unit : (n_units,) float32
        Powers of two; NaN where a weight is not finite, so that the field is not.
    """

    below: Array
    above: Array
    unit: Array


def fixed_point(below: Array, above: Array, xp: ModuleType) -> FixedPoint:
    """Round the weights into one layer to whole multiples of a power of two for each of its units.

    unit_j = 2^(e_j - BITS) with max_i |w_ij| < 2^e_j, q_ij = w_ij / unit_j rounded to the nearest, ties to even.

    Parameters
    ----------
    below : (n_below, n_units) float32
    above : (n_above, n_units) float32
    xp : module
        numpy or cupy, where the arrays lie.

    Returns
    -------
    FixedPoint
    """
    every = xp.concatenate([below, above])
    nothing = xp.zeros((1, every.shape[1]), dtype=np.float32)
    largest = xp.abs(xp.concatenate([every, nothing])).max(axis=0)
    finite = xp.isfinite(largest)
    exponent = xp.maximum(xp.frexp(xp.where(finite, largest, 0))[1], MIN_EXPONENT) - BITS
    q = xp.rint(xp.ldexp(xp.where(finite, every, 0), -exponent)).astype(np.int32)
    unit = xp.where(finite, xp.ldexp(xp.ones_like(largest), exponent), np.float32(np.nan))
    return FixedPoint(q[: len(below)], q[len(below) :], unit)


def digits(fixed: FixedPoint, multiple: int, xp: ModuleType) -> Array:
    """The whole numbers as signed bytes, q = sum_d 256^d digit_d, unit by unit as kernels/draw.cu reads them.

    Parameters
    ----------
    fixed : FixedPoint
    multiple : int
        Units of every layer are padded to a multiple of it, with zeros.
    xp : module

    Returns
    -------
    (N_DIGITS, padded n_units, padded n_below + padded n_above) uint8
        Two's complement.
    """
    n_units, starts = fixed.unit.size, (0, padded(len(fixed.below), multiple))
    depth = starts[1] + padded(len(fixed.above), multiple)
    found = xp.zeros((N_DIGITS, padded(n_units, multiple), depth), dtype=np.uint8)
    for start, rest in zip(starts, (fixed.below, fixed.above)):
        place = slice(start, start + len(rest))
        for digit in range(N_DIGITS):
            low = (rest + 128) % 256 - 128  # the signed byte whose difference from the rest is a multiple of 256
            found[digit, :n_units, place] = (low % 256).astype(np.uint8).T
            rest = (rest - low) // 256
    return found


def padded(n: int, multiple: int) -> int:
    """The next multiple."""
    return -(-n // multiple) * multiple
