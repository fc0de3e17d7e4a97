"""Compiled loops of contrastive divergence (CD-1, one training case per update).

Two ways to the same numbers. `dense_updates` keeps weights and steps and takes any mask: for machines that fit into the
first-level cache, and for strong momentum. `low_rank_updates` is for large unmasked machines at weak momentum, where
memory traffic is the cost.
"""

import numpy as np
from numba import float32

from boltzprune.backend.cpu.arithmetic import FAST, INLINE, fill_uniform, logistic
from boltzprune.backend.cpu.cache import njit


@njit(**{**FAST, **INLINE})
def _hidden_probability(visible, weights, bias, gain, out):
    """s(gain (b + v.W)), four rows at a time to keep sums in registers."""
    n_visible, n_hidden = weights.shape
    whole = n_visible // 4 * 4
    for j in range(n_hidden):
        out[j] = bias[j]
    for i in range(0, whole, 4):
        v0, v1, v2, v3 = visible[i], visible[i + 1], visible[i + 2], visible[i + 3]
        w0, w1, w2, w3 = weights[i], weights[i + 1], weights[i + 2], weights[i + 3]
        for j in range(n_hidden):
            out[j] += (v0 * w0[j] + v1 * w1[j]) + (v2 * w2[j] + v3 * w3[j])
    for i in range(whole, n_visible):
        v0, w0 = visible[i], weights[i]
        for j in range(n_hidden):
            out[j] += v0 * w0[j]
    for j in range(n_hidden):
        out[j] = logistic(gain * out[j])


@njit(**{**FAST, **INLINE})
def _visible_field(hidden, weights, bias, out):
    """b + W.h, four rows at a time."""
    n_visible, n_hidden = weights.shape
    whole = n_visible // 4 * 4
    for i in range(0, whole, 4):
        w0, w1, w2, w3 = weights[i], weights[i + 1], weights[i + 2], weights[i + 3]
        s0 = s1 = s2 = s3 = float32(0)
        for j in range(n_hidden):
            h = hidden[j]
            s0 += w0[j] * h
            s1 += w1[j] * h
            s2 += w2[j] * h
            s3 += w3[j] * h
        out[i], out[i + 1], out[i + 2], out[i + 3] = bias[i] + s0, bias[i + 1] + s1, bias[i + 2] + s2, bias[i + 3] + s3
    for i in range(whole, n_visible):
        w0 = weights[i]
        s0 = float32(0)
        for j in range(n_hidden):
            s0 += w0[j] * hidden[j]
        out[i] = bias[i] + s0


@njit(**{**FAST, **INLINE})
def _bias_steps(positive, negative, bias, step, learning_rate, decay):
    """Step <- decay step + learning_rate (positive - negative); bias <- bias + step."""
    for j in range(bias.size):
        change = decay * step[j] + learning_rate * (positive[j] - negative[j])
        step[j] = change
        bias[j] += change


@njit(**FAST)
def gibbs_step(weights, visible_bias, hidden_bias, visible, hidden, uniform, offset):
    """h ~ p(h|v), then v ~ p(v|h), in place: uniform[j] decides hidden unit j, uniform[offset + i] visible unit i."""
    _hidden_probability(visible, weights, hidden_bias, float32(1.0), hidden)
    for j in range(hidden.size):
        hidden[j] = float32(1.0) if uniform[j] < hidden[j] else float32(0.0)
    _visible_field(hidden, weights, visible_bias, visible)
    for i in range(visible.size):
        visible[i] = float32(1.0) if uniform[offset + i] < logistic(visible[i]) else float32(0.0)


@njit(**FAST)
def dense_updates(parameters, steps, mask, cases, first_step, k0, k1, rates, gains, blocks, layers, offset):
    """One update per case, in place; how many were done before a field or a bias stopped being finite, else all.

    parameters, steps : (weights, visible_bias, hidden_bias), hidden units padded to `LANES`.
    mask : (n_visible, n_hidden) float32, 1 where a weight exists.
    rates, gains : (learning_rate, decay), (up, down) float32, see `contrastive.Epoch`.
    Per update and weight: 3 loads, 2 stores, 9 operations, all in first-level cache at the paper's size.
    """
    learning_rate, decay = rates
    up, down = gains
    weights, visible_bias, hidden_bias = parameters
    weight_steps, visible_steps, hidden_steps = steps
    n_visible, n_hidden = weights.shape
    uniform = np.empty(4 * blocks.size, np.float32)
    data, visible = np.empty(n_visible, np.float32), np.empty(n_visible, np.float32)
    vectors = np.empty((3, n_hidden), np.float32)
    hidden, positive, negative = vectors[0], vectors[1], vectors[2]
    for t in range(cases.shape[0]):
        for i in range(n_visible):
            data[i] = cases[t, i]
        fill_uniform(uniform, blocks, layers, 0, first_step + t, k0, k1)
        _hidden_probability(data, weights, hidden_bias, up, positive)
        for j in range(n_hidden):
            hidden[j] = float32(1.0) if uniform[j] < positive[j] else float32(0.0)
        _visible_field(hidden, weights, visible_bias, visible)
        not_finite = float32(0)
        for j in range(n_hidden):
            not_finite += hidden_bias[j] * float32(0)  # which reaches no visible field while it is infinite
        for i in range(n_visible):
            not_finite += visible[i] * float32(0)
        if not_finite != float32(0):
            return t
        for i in range(n_visible):
            visible[i] = float32(1.0) if uniform[offset + i] < logistic(down * visible[i]) else float32(0.0)
        _hidden_probability(visible, weights, hidden_bias, up, negative)
        for i in range(n_visible):
            plus, minus = learning_rate * data[i], learning_rate * visible[i]
            row, step, exists = weights[i], weight_steps[i], mask[i]
            for j in range(n_hidden):
                change = decay * step[j] + exists[j] * (plus * positive[j] - minus * negative[j])
                step[j] = change
                row[j] += change
        _bias_steps(data, visible, visible_bias, visible_steps, learning_rate, decay)
        _bias_steps(positive, negative, hidden_bias, hidden_steps, learning_rate, decay)
    return cases.shape[0]
