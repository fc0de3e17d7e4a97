"""Compiled loops over the layers of a deep machine: Gibbs sampling, one chain at a time, and steps up the gradient.

The field of a layer is a sum of rows of weights, one per active unit below or above: states are 0 or 1 and few units of
the upper layers are on, so that rows are added, never multiplied, and most are not touched. A row is added between its
first and its last existing weight, which is what receptive fields leave. Nothing depends on which chains are computed
together.
"""

import numpy as np
from numba import float32

from boltzprune.backend.cpu.arithmetic import FAST, fill_uniform, logistic
from boltzprune.backend.cpu.cache import njit


@njit(**FAST)
def _add_rows(field, factors, rows, first, last, chosen, n_chosen, is_full):
    """Field <- field + sum_k factors[k] rows[chosen[k]], eight rows at a time where rows are full."""
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
def add_active(field, states, rows, first, last, chosen, ones, is_full):
    """Field <- field + states.rows for states in {0, 1}."""
    n = 0
    for i in range(states.size):
        chosen[n] = i
        n += states[i]
    _add_rows(field, ones, rows, first, last, chosen, n, is_full)


@njit(**FAST)
def gibbs_layers(up, down, biases, states, first_layer, first_step, n_steps, first_chain, blocks, tags, k0, k1):
    """Block Gibbs sampling in place: odd layers, then even ones; layers below `first_layer` are clamped.

    up, down : tuples over the weight layers of (rows, first, last, is_full), rows being float32 (n_lower, n_upper) and
    its transpose, first and last where a row's weights begin and end.
    states : tuple of (n_chains, n_units) uint8.
    blocks, tags : tuples over the layers, from `blocks_for`.
    """
    n_layers, width = len(states), 0
    for layer in range(n_layers):
        width = max(width, 4 * blocks[layer].size)
    uniform, buffer = np.empty(width, np.float32), np.empty(width, np.float32)
    chosen, ones = np.empty(width + 1, np.int64), np.ones(width, np.float32)
    for c in range(states[0].shape[0]):
        for step in range(first_step, first_step + n_steps):
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


@njit(**FAST)
def add_outer(slope, lower, upper, first, last):
    """Slope <- sum_c lower_c^T upper_c between the first and the last weight of each row; for rows with few."""
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
def climb(weights, steps, mask, slope, rates, first, last):
    """Step <- decay step + learning_rate mask slope; weights <- weights + step; 0 if all are finite.

    rates : (learning_rate, decay) float32; first, last : where the weights of each row begin and end.
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
            not_finite += row[j] * float32(0)
    return not_finite


@njit(**FAST)
def limit_columns(weights, max_norm):
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
