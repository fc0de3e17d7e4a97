"""CD-1 on a large unmasked machine: one array instead of two, read once per update and written once for many.

With step D_t = d D_(t-1) + lr G_t and weights W_t = W_(t-1) + D_t, the combination U = W + c D, c = d / (1 - d), obeys

    U_t = U_(t-1) + r G_t,  r = lr / (1 - d),  G_t = v0 p0^T - v1 p1^T,

and fields need W = U - c D with D_t = d^t D_0 + lr sum_k d^k G_(t-k), whose terms fade: d^K is below float32 rounding.
So updates are kept as vectors, for as long as D needs them, and U takes `BLOCK` of them at once:

    W_t = U + sum over remembered updates of a_k G_k - c d^t D_0,  a_k = (r if U lacks it) - c lr d^age,

where D_0 is the step that the previous epoch left. A remembered update costs a field a count of units that both have
on, and a sum of vectors in cache. The pass that reconstructs visible units also adds the rows of those that are on to
the hidden field, and the rows of the next case's units to that case's: 4 n_visible n_hidden bytes are read per update,
and in every `BLOCK`-th read and written once more.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, int64

from boltzprune.backend.arrays import Bytes, Float, Floats, Report, Trained
from boltzprune.backend.cpu import loops
from boltzprune.backend.cpu.arithmetic import FAST, Words, Words32, fill_uniform, logistic, words_for
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.cd import Rates, chunks
from boltzprune.backend.cpu.cd_sums import (
    ROWS,
    add_rows,
    add_waiting,
    combine,
    dots,
    list_on,
    n_common,
    pack,
    whole_vectors,
)
from boltzprune.backend.cpu.vectors import LANES
from boltzprune.backend.cpu.working_copy import from_working_copy, padded, working_copy
from boltzprune.core.contrastive import Epoch, NotFiniteError, Velocity
from boltzprune.core.machine import BoltzmannMachine

BLOCK = 16
"""Updates that are kept as vectors, an even number: at least `loops.MAX_MEMORY`."""


class Combined(NamedTuple):
    """What the updates change in place: U, biases and their steps, float32, layers padded to whole vectors."""

    weights: Floats
    visible_bias: Floats
    hidden_bias: Floats
    visible_steps: Floats
    hidden_steps: Floats


class Past(NamedTuple):
    """What of the weights is not in U: the last `BLOCK` updates, and the step at the start of the epoch.

    Update t has rows 2 s and 2 s + 1, s = t % BLOCK, of the first three: v0 and p0, v1 and p1.

    Attributes
    ----------
    states : (2 BLOCK, n_visible) uint8
    packed : (2 BLOCK, n_visible / LANES) int32
        The same as bits.
    probabilities : (2 BLOCK, n_hidden) float32
    shares : (BLOCK, BLOCK) float32
        a_k of the update in place k, before an update in place s: shares[s, k].
    start_step : (n_visible, n_hidden) float32
        D_0.
    n_start : int
        Updates that it counts in.
    """

    states: Bytes
    packed: Words32
    probabilities: Floats
    shares: Floats
    start_step: Floats
    n_start: int


class Terms(NamedTuple):
    """The remembered updates that count in one update: rows of `Past`, and their shares, negative for v1 and p1.

    Attributes
    ----------
    rows, shares, factors : (2 BLOCK,) int32, float32, float32
        factors: room for what a field multiplies the rows with.
    """

    rows: Words32
    shares: Floats
    factors: Floats


@njit(**FAST)
def _list_terms(terms: Terms, shares: Floats, place: int) -> int:
    """Fill rows and shares of `Terms` before the update in that place; how many there are."""
    n = 0
    for k in range(BLOCK):
        if shares[place, k] != float32(0):
            terms.rows[n], terms.rows[n + 1] = 2 * k, 2 * k + 1
            terms.shares[n], terms.shares[n + 1] = shares[place, k], -shares[place, k]
            n += 2
    return n


@njit(**FAST)
def _complete_hidden(field: Floats, row: int, past: Past, terms: Terms, n_terms: int, start_scale: Float) -> None:
    """Field <- field + v.(W - U), for the states v in a row of `Past`.

    Parameters
    ----------
    field : (n_hidden,) float32
    row : int
    past, terms, n_terms : Past, Terms, int
    start_scale : float32
        What is left of D_0, times c.
    """
    for k in range(n_terms):
        terms.factors[k] = terms.shares[k] * n_common(past.packed, row, terms.rows[k])
    combine(field, past.probabilities, terms.rows, terms.factors, n_terms)
    if start_scale != float32(0):
        for i in range(past.states.shape[1]):
            if past.states[row, i]:
                for j in range(field.size):
                    field[j] -= start_scale * past.start_step[i, j]


@njit(**FAST)
def _complete_visible(
    field: Floats, hidden: Floats, past: Past, terms: Terms, n_terms: int, sums: Floats, start_scale: Float
) -> None:
    """Field <- field + (W - U).h.

    Parameters
    ----------
    field, hidden : (n_visible,), (n_hidden,) float32
        hidden: in {0, 1}.
    past, terms, n_terms, start_scale
        See `_complete_hidden`.
    sums : (2 BLOCK,) float32
        Room.
    """
    sums[:] = float32(0)
    for first in range(0, 2 * BLOCK, ROWS):
        dots(past.probabilities, first, hidden, sums)
    for k in range(n_terms):
        terms.factors[k] = terms.shares[k] * sums[terms.rows[k]]
    combine(field, past.states, terms.rows, terms.factors, n_terms)
    if start_scale != float32(0):
        for i in range(field.size):
            s = float32(0)
            for j in range(hidden.size):
                s += past.start_step[i, j] * hidden[j]
            field[i] -= start_scale * s


@njit(**FAST)
def _reconstruct(
    combined: Floats,
    field: Floats,
    hidden: Floats,
    chances: tuple[Floats, int, int, Float],
    visible: Bytes,
    fields: Floats,
    following: Words32,
    n_following: int,
) -> Float:
    """v ~ p(v|h), v.U and the field of the next case, in one pass over the rows; 0 if the visible field is finite.

    Parameters
    ----------
    combined : (n_visible, n_hidden) float32
        U.
    field : (n_visible,) float32
        Without U.h, which is added.
    hidden : (n_hidden,) float32
        In {0, 1}.
    chances : (float32 array, int, int, float32)
        Uniform numbers, where those of the visible units begin, how many units there are without padding, the gain.
    visible : (n_visible,) uint8
        Filled; units that are padding are off.
    fields : (2, n_hidden) float32
        Filled: v.U, and that of the next case.
    following, n_following : int32 array, int
        Units that are on in the next case.
    """
    uniform, offset, n_units, gain = chances
    fields[:] = float32(0)
    on, n_on, done, next_done, reached = np.empty(visible.size, np.int32), 0, 0, 0, 0
    not_finite = float32(0)
    for first in range(0, visible.size, ROWS):
        dots(combined, first, hidden, field)
        for i in range(first, first + ROWS):
            not_finite += field[i] * float32(0)
            visible[i] = uniform[offset + i] < logistic(gain * field[i])
        for i in range(first, min(first + ROWS, n_units)):
            on[n_on] = i
            n_on += int64(visible[i])
        while reached < n_following and following[reached] < first + ROWS:
            reached += 1
        done = add_rows(fields[0], combined, on, done, n_on, False)
        next_done = add_rows(fields[1], combined, following, next_done, reached, False)
    visible[n_units:] = 0
    add_rows(fields[0], combined, on, done, n_on, True)
    add_rows(fields[1], combined, following, next_done, n_following, True)
    return not_finite


@njit(**FAST)
def _take_waiting(combined: Floats, past: Past, n_waiting: int, rates: Rates) -> None:
    """U takes the updates that it lacks."""
    rate = rates.learning_rate / (float32(1) - rates.decay)
    codes = np.empty((combined.shape[0], BLOCK // 2), np.int32)
    add_waiting(combined, past.states, past.probabilities, rate, 2 * n_waiting, codes)


@njit(**FAST)
def _take_case(past: Past, place: int, case: Bytes, rows: Words32) -> int:
    """Put a case to its place in `Past` and list its units that are on; how many there are."""
    states = past.states[2 * place]
    for i in range(case.size):
        states[i] = case[i]
    return list_on(states, rows, past.packed[2 * place])


@njit(**FAST)
def _decide_hidden(field: Floats, machine: Combined, uniform: Floats, up: Float, out: Floats, hidden: Floats) -> Float:
    """p(h|v) and h from a field without biases; 0 if the biases are finite. Units that are padding keep their zeros."""
    not_finite = float32(0)
    for j in range(machine.hidden_bias.size):
        not_finite += machine.hidden_bias[j] * float32(0)  # which reaches no visible field while it is infinite
    for j in range(machine.hidden_bias.size):
        out[j] = logistic(up * (field[j] + machine.hidden_bias[j]))
        hidden[j] = float32(1.0) if uniform[j] < out[j] else float32(0.0)
    return not_finite


@njit(**FAST)
def _step_biases(machine: Combined, past: Past, place: int, rates: Rates) -> None:
    """The update of the biases, from the states and probabilities in that place."""
    data, visible = past.states[2 * place], past.states[2 * place + 1]
    for i in range(machine.visible_bias.size):
        slope = float32(int64(data[i]) - int64(visible[i]))
        change = rates.decay * machine.visible_steps[i] + rates.learning_rate * slope
        machine.visible_steps[i] = change
        machine.visible_bias[i] += change
    positive, negative = past.probabilities[2 * place], past.probabilities[2 * place + 1]
    for j in range(machine.hidden_bias.size):
        change = rates.decay * machine.hidden_steps[j] + rates.learning_rate * (positive[j] - negative[j])
        machine.hidden_steps[j] = change
        machine.hidden_bias[j] += change


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
    blocks, layers, offset, k0, k1 = words
    (start, n), (n_cases, n_units), (n_visible, n_hidden) = piece, cases.shape, machine.weights.shape
    share = rates.decay / (float32(1) - rates.decay)
    uniform = np.empty(4 * blocks.size + LANES, np.float32)
    terms = Terms(np.empty(2 * BLOCK, np.int32), np.empty(2 * BLOCK, np.float32), np.empty(2 * BLOCK, np.float32))
    sums, visible_field = np.empty(2 * BLOCK, np.float32), np.zeros(n_visible, np.float32)
    fields, hidden = np.empty((2, n_hidden), np.float32), np.zeros(n_hidden, np.float32)
    on, n_on = np.empty(n_visible + LANES, np.int32), 0
    for t in range(start, start + n):
        place = t % BLOCK
        start_scale = share * rates.decay ** np.float32(t) if t < past.n_start else float32(0)
        if t == start or place == 0:
            if place == 0 and t > 0:
                _take_waiting(machine.weights, past, BLOCK, rates)
            n_on = _take_case(past, place, cases[t], on)
            fields[1] = float32(0)
            add_rows(fields[1], machine.weights, on, 0, n_on, True)
        fill_uniform(uniform, blocks, layers, 0, first_step + t, k0, k1)
        n_terms = _list_terms(terms, past.shares, place)
        rows, probabilities = 2 * place, past.probabilities
        _complete_hidden(fields[1], rows, past, terms, n_terms, start_scale)
        not_finite = _decide_hidden(fields[1], machine, uniform, rates.up, probabilities[rows], hidden)
        visible_field[:n_units] = machine.visible_bias
        _complete_visible(visible_field, hidden, past, terms, n_terms, sums, start_scale)
        n_on = 0
        if t + 1 < n_cases and place + 1 < BLOCK:  # else U changes before that case
            n_on = _take_case(past, place + 1, cases[t + 1], on)
        chances = uniform, offset, n_units, rates.down
        not_finite += _reconstruct(
            machine.weights, visible_field, hidden, chances, past.states[rows + 1], fields, on, n_on
        )
        if not_finite != float32(0):
            return t - start
        pack(past.states[rows + 1], past.packed[rows + 1])
        _complete_hidden(fields[0], rows + 1, past, terms, n_terms, start_scale)
        _decide_hidden(fields[0], machine, uniform, rates.up, probabilities[rows + 1], hidden)
        _step_biases(machine, past, place, rates)
    return n


@np.errstate(over="ignore")
def low_rank_epoch(
    machine: BoltzmannMachine, velocity: Velocity, key: np.uint64, cases: Bytes, epoch: Epoch, report: Report
) -> Trained:
    """One epoch of CD-1 of one machine with `low_rank_updates`: W and D become U = W + c D, and back.

    See `contrastive.array_epoch`.
    """
    cases, rates = np.ascontiguousarray(cases, dtype=np.uint8), Rates.of(epoch)
    (n_visible, n_hidden), size = machine.layer_sizes, tuple(whole_vectors(n) for n in machine.layer_sizes)
    (weights, *biases), (start_step, *bias_steps) = working_copy(machine, velocity, n_hidden)
    share = rates.decay / (np.float32(1) - rates.decay)
    start_step = padded(start_step, *size)
    combined = Combined(padded(weights, *size) + share * start_step, *biases, *bias_steps)
    past = Past(
        np.zeros((2 * BLOCK, size[0]), np.uint8),
        np.zeros((2 * BLOCK, size[0] // LANES), np.int32),
        np.zeros((2 * BLOCK, size[1]), np.float32),
        _shares(rates, loops.memory(epoch.decay)),
        start_step,
        loops.memory(epoch.decay) if start_step.any() else 0,
    )
    words = words_for(key, (1, n_hidden), (0, n_visible))
    for start, n in chunks(len(cases), weights.size, report):
        done = low_rank_updates(combined, past, cases, (start, n), epoch.first_update, words, rates)
        if done < n:
            raise NotFiniteError(start + done)
    if len(cases):
        _take_waiting(combined.weights, past, (len(cases) - 1) % BLOCK + 1, rates)
    step = _last_step(past, len(cases), rates, loops.memory(epoch.decay))
    weights = combined.weights - share * step
    return from_working_copy(machine, (weights[:n_visible], *biases), (step[:n_visible], *bias_steps))


def _shares(rates: Rates, n_memory: int) -> Floats:
    """`Past.shares`."""
    place, k = np.ogrid[:BLOCK, :BLOCK]
    age = (place - 1 - k) % BLOCK
    rate = rates.learning_rate / (np.float32(1) - rates.decay)
    fading = np.where(age < n_memory, rates.decay * rate * rates.decay ** age.astype(np.float32), np.float32(0))
    return np.where(k < place, rate, np.float32(0)) - fading


def _last_step(past: Past, n_cases: int, rates: Rates, n_memory: int) -> Floats:
    """D after an epoch, from what is remembered of it.

    Parameters
    ----------
    past, n_cases, rates, n_memory : Past, int, Rates, int

    Returns
    -------
    (n_visible, n_hidden) float32
    """
    decay, start_step = rates.decay, past.start_step
    step = start_step * decay ** np.float32(n_cases) if n_cases <= n_memory else np.zeros_like(start_step)
    for k in range(min(n_memory, n_cases)):
        row = 2 * ((n_cases - 1 - k) % BLOCK)
        products = [np.outer(past.states[r], past.probabilities[r]) for r in (row, row + 1)]
        step += rates.learning_rate * decay ** np.float32(k) * (products[0] - products[1]).astype(np.float32)
    return step
