"""The fields and the update of a small machine, whose hidden units are padded to whole vectors, sums in registers."""

from typing import Any

from numba import float32

from boltzprune.backend.arrays import Float, Floats
from boltzprune.backend.cpu.arithmetic import FAST, INLINE, logistic
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.vectors import LANES, load, minus, plus, plus_times, splat, store, times, total

NARROW = 128
"""Columns up to which a matrix is updated column by column."""


@njit(**{**FAST, **INLINE})
def hidden_probability(visible: Floats, weights: Floats, bias: Floats, gain: Float, out: Floats) -> None:
    """s(gain (b + v.W)), the sums of four rows at a time in registers.

    Parameters
    ----------
    visible : (n_visible,) float32
    weights : (n_visible, n_hidden) float32
    bias, out : (n_hidden,) float32
    gain : float32
    """
    n_visible, n_hidden = weights.shape
    whole = n_visible // 4 * 4
    for j in range(0, n_hidden, LANES):
        s0, s1, s2, s3 = load(bias, j), splat(float32(0)), splat(float32(0)), splat(float32(0))
        for i in range(0, whole, 4):
            at = i * n_hidden + j
            s0 = plus_times(s0, splat(visible[i]), load(weights, at))
            s1 = plus_times(s1, splat(visible[i + 1]), load(weights, at + n_hidden))
            s2 = plus_times(s2, splat(visible[i + 2]), load(weights, at + 2 * n_hidden))
            s3 = plus_times(s3, splat(visible[i + 3]), load(weights, at + 3 * n_hidden))
        for i in range(whole, n_visible):
            s1 = plus_times(s1, splat(visible[i]), load(weights, i * n_hidden + j))
        store(out, j, plus(plus(s0, s1), plus(s2, s3)))
    for j in range(n_hidden):
        out[j] = logistic(gain * out[j])


@njit(**{**FAST, **INLINE})
def visible_field(hidden: Floats, weights: Floats, bias: Floats, out: Floats) -> None:
    """B + W.h, four rows at a time.

    Parameters
    ----------
    hidden : (n_hidden,) float32
    weights : (n_visible, n_hidden) float32
    bias, out : (n_visible,) float32
    """
    n_visible, n_hidden = weights.shape
    whole = n_visible // 4 * 4
    for i in range(0, whole, 4):
        s0 = s1 = s2 = s3 = splat(float32(0))
        for j in range(0, n_hidden, LANES):
            h, at = load(hidden, j), i * n_hidden + j
            s0 = plus_times(s0, load(weights, at), h)
            s1 = plus_times(s1, load(weights, at + n_hidden), h)
            s2 = plus_times(s2, load(weights, at + 2 * n_hidden), h)
            s3 = plus_times(s3, load(weights, at + 3 * n_hidden), h)
        out[i], out[i + 1] = bias[i] + total(s0), bias[i + 1] + total(s1)
        out[i + 2], out[i + 3] = bias[i + 2] + total(s2), bias[i + 3] + total(s3)
    for i in range(whole, n_visible):
        s0 = splat(float32(0))
        for j in range(0, n_hidden, LANES):
            s0 = plus_times(s0, load(weights, i * n_hidden + j), load(hidden, j))
        out[i] = bias[i] + total(s0)


@njit(**INLINE)
def _step_vector(weights: Floats, steps: Floats, mask: Floats, at: int, slope: Any, decay: Any) -> None:
    """Step <- decay step + mask slope; weights <- weights + step, for one vector."""
    change = plus_times(times(decay, load(steps, at)), load(mask, at), slope)
    store(steps, at, change)
    store(weights, at, plus(load(weights, at), change))


@njit(**{**FAST, **INLINE})
def step_weights(weights: Floats, steps: Floats, mask: Floats, factors: Any, decay: Float) -> None:
    """Step <- decay step + mask (a p0 - b p1); weights <- weights + step, for every row's a and b.

    Columns first spares loads of p0 and p1; rows first is the order in which wide matrices lie in memory.

    Parameters
    ----------
    weights, steps, mask : (n_visible, n_hidden) float32
    factors : (a, b, p0, p1)
        The first two (n_visible,), the others (n_hidden,) float32.
    decay : float32
    """
    (a, b, p0, p1), (n_visible, n_hidden), fading = factors, weights.shape, splat(decay)
    if n_hidden <= NARROW:
        for j in range(0, n_hidden, LANES):
            positive, negative = load(p0, j), load(p1, j)
            for i in range(n_visible):
                slope = minus(times(splat(a[i]), positive), times(splat(b[i]), negative))
                _step_vector(weights, steps, mask, i * n_hidden + j, slope, fading)
    else:
        for i in range(n_visible):
            plus_data, minus_visible = splat(a[i]), splat(b[i])
            for j in range(0, n_hidden, LANES):
                slope = minus(times(plus_data, load(p0, j)), times(minus_visible, load(p1, j)))
                _step_vector(weights, steps, mask, i * n_hidden + j, slope, fading)
