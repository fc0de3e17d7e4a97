"""Compiled count of the samples in which two units are both 1."""

import numpy as np
import numpy.typing as npt
from numba import uint64

from boltzprune.backend.arrays import Places
from boltzprune.backend.cpu.arithmetic import FAST, INLINE, popcount
from boltzprune.backend.cpu.cache import njit

TILE = 256
"""Words of a row that are counted before the next rows come: what every pair of rows reads stays in cache."""


@njit(**{**FAST, **INLINE})
def _common_ones(a: npt.NDArray[np.uint64], b: npt.NDArray[np.uint64]) -> np.uint64:
    """Ones of a & b."""
    total = uint64(0)
    for k in range(a.size):
        total += popcount(a[k] & b[k])
    return total


@njit(**FAST)
def count_pairs(lower: npt.NDArray[np.uint64], upper: npt.NDArray[np.uint64], counts: Places, one_layer: bool) -> None:
    """Add the common ones of every pair of rows to counts.

    Parameters
    ----------
    lower, upper : (n_lower, n_words), (n_upper, n_words) uint64
    counts : (n_lower, n_upper) int64
        Zeros if there is one layer.
    one_layer : bool
        Whether upper is lower: then each pair is counted once, for both of its places.
    """
    for start in range(0, lower.shape[1], TILE):
        end = min(start + TILE, lower.shape[1])
        for i in range(lower.shape[0]):
            a = lower[i, start:end]
            for j in range(i if one_layer else 0, upper.shape[0]):
                counts[i, j] += _common_ones(a, upper[j, start:end])
    if one_layer:
        for i in range(lower.shape[0]):
            for j in range(i):
                counts[i, j] = counts[j, i]
