"""Compiled steps up the gradient of the likelihood, of one weight layer of a deep machine: slopes, updates, norms."""

import numpy as np
from numba import float32

from boltzprune.backend.arrays import Float, Floats, Places
from boltzprune.backend.cpu.arithmetic import FAST
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.gibbs import Mask


@njit(**FAST)
def add_outer(slope: Floats, lower: Floats, upper: Floats, first: Places, last: Places) -> None:
    """Slope <- sum_c lower_c^T upper_c between the first and the last weight of each row; for rows with few.

    Parameters
    ----------
    slope : (n_lower, n_upper) float32
        Filled between first and last.
    lower, upper : (n_cases, n_lower), (n_cases, n_upper) float32
    first, last : (n_lower,) int64
    """
    for i in range(slope.shape[0]):
        start, stop = first[i], last[i]
        part = slope[i, start:stop]
        part[:] = float32(0)
        for c in range(lower.shape[0]):
            factor, row = lower[c, i], upper[c, start:stop]
            if factor != float32(0):
                for j in range(part.size):
                    part[j] += factor * row[j]


@njit(**FAST)
def climb(
    weights: Floats, steps: Floats, mask: Mask, slope: Floats, rates: tuple[Float, Float], first: Places, last: Places
) -> Float:
    """Step <- decay step + learning_rate mask slope; weights <- weights + step; 0 if all are finite.

    Parameters
    ----------
    weights, steps, slope : (n_lower, n_upper) float32
        Weights and steps change.
    mask : (n_lower, n_upper) bool
    rates : (float32, float32)
        Learning rate and decay.
    first, last : (n_lower,) int64
        Where the weights of each row begin and end.
    """
    learning_rate, decay = rates
    not_finite = float32(0)
    for i in range(weights.shape[0]):
        start, stop = first[i], last[i]
        row, step, exists, up = weights[i, start:stop], steps[i, start:stop], mask[i, start:stop], slope[i, start:stop]
        for j in range(row.size):
            change = decay * step[j] + learning_rate * (float32(exists[j]) * up[j])
            step[j] = change
            row[j] += change
            not_finite += row[j] * float32(0)  # NaN if it is not finite: no branch keeps the loop from being a vector's
    return not_finite


@njit(**FAST)
def limit_columns(weights: Floats, max_norm: Float) -> None:
    """Columns longer than max_norm are scaled back to it, in place."""
    squares = np.zeros(weights.shape[1], np.float32)
    for i in range(weights.shape[0]):
        row = weights[i]
        for j in range(row.size):
            squares[j] += row[j] * row[j]
    n_long = 0
    for j in range(squares.size):
        n_long += 1 if squares[j] > max_norm * max_norm else 0
    if n_long == 0:
        return
    for j in range(squares.size):
        squares[j] = max_norm / np.sqrt(squares[j]) if squares[j] > max_norm * max_norm else float32(1)
    for i in range(weights.shape[0]):
        for j in range(squares.size):
            weights[i, j] *= squares[j]
