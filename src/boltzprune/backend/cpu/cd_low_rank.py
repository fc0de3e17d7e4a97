"""CD-1 on a large unmasked machine: one array instead of two, and every row read from memory twice per update.

With step D_t = d D_(t-1) + lr G_t and weights W_t = W_(t-1) + D_t, the combination U = W + c D, c = d / (1 - d), obeys

    U_t = U_(t-1) + lr / (1 - d) G_t,

so an update touches only the rows of units that are on in G_t = v0 p0^T - v1 p1^T. Fields need W = U - c D, and

    D_t = d^t D_0 + lr sum_k d^k G_(t-k),

whose terms fade: the last K updates are kept as vectors, and D_0, the step that the previous epoch left, matters for
the first K updates only. Error: d^K relative to the step, below float32 rounding of the weights.

The pass that reconstructs visible unit i also adds row i to the hidden field where the unit is on, and the pass that
updates row i adds it to the next case's field: 2 x 4 n_visible n_hidden bytes read, about half of it written.
"""

from typing import NamedTuple

import numpy as np
from numba import float32

from boltzprune.backend.arrays import Bytes, Float, Floats, Report, Trained
from boltzprune.backend.cpu import loops
from boltzprune.backend.cpu.arithmetic import FAST, Words, fill_uniform, logistic, words_for
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.cd import Rates, chunks
from boltzprune.backend.cpu.working_copy import from_working_copy, working_copy
from boltzprune.core.contrastive import Epoch, NotFiniteError, Velocity
from boltzprune.core.machine import BoltzmannMachine


class Combined(NamedTuple):
    """What the updates change in place: U, biases and their steps, float32."""

    weights: Floats
    visible_bias: Floats
    hidden_bias: Floats
    visible_steps: Floats
    hidden_steps: Floats


class Past(NamedTuple):
    """What of the step is not in U: rings of the last K updates, and the step at the start of the epoch.

    Attributes
    ----------
    data, reconstruction : (K, n_visible) uint8
    positive, negative : (K, n_hidden) float32
    start_step : (n_visible, n_hidden) float32
        D_0.
    """

    data: Bytes
    reconstruction: Bytes
    positive: Floats
    negative: Floats
    start_step: Floats


@njit(**FAST)
def _add(total: Floats, row: Floats, factor: Float) -> None:
    """Total <- total + factor row, of (n_hidden,) float32 arrays, in place."""
    for j in range(total.size):
        total[j] += factor * row[j]


@njit(**FAST)
def _dot(a: Floats, b: Floats) -> Float:
    """a.b of two (n_hidden,) float32 arrays."""
    s = float32(0)
    for j in range(a.size):
        s += a[j] * b[j]
    return s


@njit(**FAST)
def _subtract_from_hidden(
    field: Floats, visible: Bytes, past: Past, n_past: int, newest: int, scale: Float, decay: Float, start_scale: Float
) -> None:
    """Field <- field - c v.D, D being the remembered updates and the step at the start of the epoch.

    Parameters
    ----------
    field : (n_hidden,) float32
    visible : (n_visible,) uint8
    past : Past
    n_past, newest : int
        How many updates the rings hold, and the row of the last.
    scale : float32
        c times the learning rate.
    decay, start_scale : float32
        start_scale: c times what is left of D_0.
    """
    data, reconstruction, positive, negative, start_step = past
    n_memory = data.shape[0]
    for k in range(n_past):
        row = (newest - k) % n_memory
        n_on_data, n_on_reconstruction = 0, 0
        for i in range(visible.size):
            n_on_data += visible[i] & data[row, i]
            n_on_reconstruction += visible[i] & reconstruction[row, i]
        _add(field, positive[row], -scale * float32(n_on_data))
        _add(field, negative[row], scale * float32(n_on_reconstruction))
        scale *= decay
    if start_scale != float32(0):
        for i in range(visible.size):
            if visible[i]:
                _add(field, start_step[i], -start_scale)


@njit(**FAST)
def _subtract_from_visible(
    field: Floats, hidden: Floats, past: Past, n_past: int, newest: int, scale: Float, decay: Float, start_scale: Float
) -> None:
    """Field <- field - c D.h.

    Parameters
    ----------
    field : (n_visible,) float32
    hidden : (n_hidden,) float32
        In {0, 1}.
    past, n_past, newest, scale, decay, start_scale
        See `_subtract_from_hidden`.
    """
    data, reconstruction, positive, negative, start_step = past
    n_memory = data.shape[0]
    for k in range(n_past):
        row = (newest - k) % n_memory
        on_data, on_reconstruction = scale * _dot(positive[row], hidden), scale * _dot(negative[row], hidden)
        for i in range(field.size):
            field[i] -= on_data * data[row, i] - on_reconstruction * reconstruction[row, i]
        scale *= decay
    if start_scale != float32(0):
        for i in range(field.size):
            field[i] -= start_scale * _dot(start_step[i], hidden)


@njit(**FAST)
def _reconstruct(
    combined: Floats, field: Floats, hidden: Floats, uniform: Floats, gain: Float, visible: Bytes, hidden_field: Floats
) -> Float:
    """v ~ p(v|h), and v.U, in one pass over the rows; 0 if the visible field is finite.

    Parameters
    ----------
    combined : (n_visible, n_hidden) float32
        U.
    field : (n_visible,) float32
        Without U.h.
    hidden : (n_hidden,) float32
        In {0, 1}.
    uniform : (n_visible,) float32, or more
    gain : float32
    visible, hidden_field : (n_visible,) uint8, (n_hidden,) float32
        Filled.
    """
    hidden_field[:] = float32(0)
    not_finite = float32(0)
    for i in range(visible.size):
        x = field[i] + _dot(combined[i], hidden)
        not_finite += x * float32(0)
        visible[i] = 0
        if uniform[i] < logistic(gain * x):
            visible[i] = 1
            _add(hidden_field, combined[i], float32(1))
    return not_finite


@njit(**FAST)
def _update_rows(
    combined: Floats,
    data: Bytes,
    visible: Bytes,
    positive: Floats,
    negative: Floats,
    rate: Float,
    next_case: Bytes,
    next_field: Floats,
) -> None:
    """U <- U + rate (v0 p0^T - v1 p1^T), and next_case.U, in one pass over the rows.

    Parameters
    ----------
    combined : (n_visible, n_hidden) float32
        U, changed in place.
    data, visible, next_case : (n_visible,) uint8
        v0, v1 and the case of the next update.
    positive, negative : (n_hidden,) float32
        p0, p1.
    rate : float32
    next_field : (n_hidden,) float32
        Filled.
    """
    next_field[:] = float32(0)
    for i in range(data.size):
        row = combined[i]
        if data[i] and visible[i]:
            for j in range(row.size):
                row[j] += rate * (positive[j] - negative[j])
        elif data[i]:
            _add(row, positive, rate)
        elif visible[i]:
            _add(row, negative, -rate)
        if next_case[i]:
            _add(next_field, row, float32(1))


@njit(**FAST)
def low_rank_updates(
    machine: Combined, past: Past, cases: Bytes, piece: tuple[int, int], first_step: int, words: Words, rates: Rates
) -> int:
    """Some updates of an epoch, in place; how many were done before a field or a bias was not finite.

    Parameters
    ----------
    machine : Combined
    past : Past
    cases : (n_cases, n_visible) uint8
        Of the whole epoch.
    piece : (int, int)
        The first case and the number of cases.
    first_step : int
        Of the stream, for the first case of the epoch.
    words : Words
    rates : Rates
    """
    learning_rate, decay, up, down = rates
    blocks, layers, offset, k0, k1 = words
    combined, visible_bias, hidden_bias, visible_steps, hidden_steps = machine
    (done, n), (past_data, past_reconstruction, past_positive, past_negative, _) = piece, past
    n_visible, n_hidden = combined.shape
    n_memory = past_data.shape[0]
    share = decay / (float32(1) - decay)
    uniform = np.empty(4 * blocks.size, np.float32)
    visible, nothing = np.empty(n_visible, np.uint8), np.zeros(n_visible, np.uint8)
    visible_field = np.empty(n_visible, np.float32)
    vectors = np.empty((4, n_hidden), np.float32)
    field, hidden, positive, negative = vectors[0], vectors[1], vectors[2], vectors[3]
    # No unit is on in `nothing`: this pass changes no row, it only begins the field of the first case.
    _update_rows(combined, nothing, nothing, positive, negative, float32(0), cases[done], field)
    for t in range(done, done + n):
        data = cases[t]
        n_past, newest = min(n_memory, t), (t - 1) % n_memory
        start_scale = share * decay ** np.float32(t) if t < n_memory else float32(0)
        memory = (past, n_past, newest, learning_rate * share, decay, start_scale)
        fill_uniform(uniform, blocks, layers, 0, first_step + t, k0, k1)
        _subtract_from_hidden(field, data, *memory)
        not_finite = float32(0)
        for j in range(n_hidden):
            not_finite += hidden_bias[j] * float32(0)  # which reaches no visible field while it is infinite
        for j in range(n_hidden):
            positive[j] = logistic(up * (field[j] + hidden_bias[j]))
            hidden[j] = float32(1.0) if uniform[j] < positive[j] else float32(0.0)
        visible_field[:] = visible_bias
        _subtract_from_visible(visible_field, hidden, *memory)
        not_finite += _reconstruct(combined, visible_field, hidden, uniform[offset:], down, visible, field)
        if not_finite != float32(0):
            return t - done
        _subtract_from_hidden(field, visible, *memory)
        for j in range(n_hidden):
            negative[j] = logistic(up * (field[j] + hidden_bias[j]))
            change = decay * hidden_steps[j] + learning_rate * (positive[j] - negative[j])
            hidden_steps[j] = change
            hidden_bias[j] += change
        for i in range(n_visible):
            change = decay * visible_steps[i] + learning_rate * (float32(data[i]) - float32(visible[i]))
            visible_steps[i] = change
            visible_bias[i] += change
        next_case = cases[t + 1] if t + 1 < cases.shape[0] else nothing
        _update_rows(
            combined, data, visible, positive, negative, learning_rate / (float32(1) - decay), next_case, field
        )
        row = t % n_memory
        past_data[row], past_reconstruction[row] = data, visible
        past_positive[row], past_negative[row] = positive, negative
    return n


@np.errstate(over="ignore")
def low_rank_epoch(
    machine: BoltzmannMachine, velocity: Velocity, key: np.uint64, cases: Bytes, epoch: Epoch, report: Report
) -> Trained:
    """One epoch of CD-1 of one machine with `low_rank_updates`: W and D become U = W + c D, and back.

    See `contrastive.array_epoch`.
    """
    cases = np.ascontiguousarray(cases, dtype=np.uint8)
    (weights, *biases), (start_step, *bias_steps) = working_copy(machine, velocity, machine.layer_sizes[1])
    (n_visible, n_hidden), n_memory, rates = weights.shape, loops.memory(epoch.decay), Rates.of(epoch)
    share = rates.decay / (np.float32(1) - rates.decay)
    combined = Combined(weights + share * start_step, *biases, *bias_steps)
    data, reconstruction = (np.zeros((n_memory, n_visible), np.uint8) for _ in range(2))
    positive, negative = (np.zeros((n_memory, n_hidden), np.float32) for _ in range(2))
    past = Past(data, reconstruction, positive, negative, start_step)
    words = words_for(key, (1, n_hidden), (0, n_visible))
    for start, n in chunks(len(cases), weights.size, report):
        done = low_rank_updates(combined, past, cases, (start, n), epoch.first_update, words, rates)
        if done < n:
            raise NotFiniteError(start + done)
    step = _last_step(past, len(cases), rates)
    return from_working_copy(machine, (combined.weights - share * step, *biases), (step, *bias_steps))


def _last_step(past: Past, n_cases: int, rates: Rates) -> Floats:
    """D after an epoch, from what is remembered of it.

    Parameters
    ----------
    past, n_cases, rates : Past, int, Rates

    Returns
    -------
    (n_visible, n_hidden) float32
    """
    n_memory, decay = len(past.data), rates.decay
    step = past.start_step * decay ** np.float32(n_cases) if n_cases <= n_memory else np.zeros_like(past.start_step)
    for k in range(min(n_memory, n_cases)):
        data, reconstruction, positive, negative = (ring[(n_cases - 1 - k) % n_memory] for ring in past[:4])
        factor = rates.learning_rate * decay ** np.float32(k)
        step += factor * (np.outer(data, positive) - np.outer(reconstruction, negative)).astype(np.float32)
    return step
