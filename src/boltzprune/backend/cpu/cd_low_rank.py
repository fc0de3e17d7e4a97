"""CD-1 on a large unmasked machine: only rows of units that are on are read, and weights are written once for many.

With step D_t = d D_(t-1) + lr G_t and weights W_t = W_(t-1) + D_t, the combination U = W + c D, c = d / (1 - d), obeys

    U_t = U_(t-1) + r G_t,  r = lr / (1 - d),  G_t = v0 p0^T - v1 p1^T,

and fields need W = U - c D with D_t = d^t D_0 + lr sum_k d^k G_(t-k), whose terms fade: d^K is below float32 rounding.
So updates are kept as vectors, for as long as D needs them, and U takes `BLOCK` of them at once:

    W_t = U + sum over remembered updates of a_k G_k - c d^t D_0,  a_k = (r if U lacks it) - c lr d^age,

where D_0 is the step that the previous epoch left. A remembered update costs a field a count of units that both have
on, and a sum of vectors in cache. U is kept by visible and by hidden units, so that both kinds of field are sums of the
rows of those units that are on.
"""

import numpy as np
from numba import float32, int64

from boltzprune.backend.arrays import Bytes, Float, Floats, Report, Trained
from boltzprune.backend.cpu import loops
from boltzprune.backend.cpu.arithmetic import FAST, Words, fill_uniform, logistic, words_for
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.cd import Rates, chunks
from boltzprune.backend.cpu.cd_sums import (
    add_rows,
    add_waiting,
    combine,
    list_on,
    n_common,
    pack,
    products,
)
from boltzprune.backend.cpu.low_rank_state import BLOCK, Combined, Past, Room
from boltzprune.backend.cpu.tiles import from_tiles, tiles_of, whole_tiles
from boltzprune.backend.cpu.vectors import LANES, zeros
from boltzprune.backend.cpu.working_copy import from_working_copy, padded, working_copy
from boltzprune.core.contrastive import Epoch, NotFiniteError, Velocity
from boltzprune.core.machine import BoltzmannMachine


@njit(**FAST)
def _list_terms(shares: Floats, place: int, room: Room) -> int:
    """Fill rows and shares of `Room` before the update in that place; how many there are."""
    n = 0
    for k in range(BLOCK):
        if shares[place, k] != float32(0):
            room.rows[n], room.rows[n + 1] = 2 * k, 2 * k + 1
            room.shares[n], room.shares[n + 1] = shares[place, k], -shares[place, k]
            n += 2
    return n


@njit(**FAST)
def _hidden_field(machine: Combined, past: Past, row: int, n_terms: int, start_scale: Float, room: Room) -> None:
    """Field of `Room` <- v.W, for the states v in a row of `Past`.

    Parameters
    ----------
    machine, past, row, n_terms : Combined, Past, int, int
    start_scale : float32
        What is left of D_0, times c.
    room : Room
    """
    room.field[:] = float32(0)
    n_on = list_on(past.states[row], room.on)
    add_rows(room.field, machine.by_visible, room.on, n_on, float32(1))
    pack(past.states[row], past.packed[row])
    for k in range(n_terms):
        room.factors[k] = room.shares[k] * n_common(past.packed, row, int64(room.rows[k]))
    combine(room.field, past.probabilities, room.rows, room.factors, n_terms)
    if start_scale != float32(0):
        add_rows(room.field, past.by_visible, room.on, n_on, -start_scale)


@njit(**FAST)
def _visible_field(machine: Combined, past: Past, n_terms: int, start_scale: Float, room: Room) -> None:
    """Visible field of `Room` <- B + W.h, for its hidden states; see `_hidden_field`."""
    for i in range(machine.visible_bias.size):
        room.visible_field[i] = machine.visible_bias[i]
    n_on = list_on(room.hidden, room.on)
    add_rows(room.visible_field, machine.by_hidden, room.on, n_on, float32(1))
    products(room.sums, past.probabilities, room.rows, n_terms, room.hidden)
    for k in range(n_terms):
        room.factors[k] = room.shares[k] * room.sums[k]
    combine(room.visible_field, past.states, room.rows, room.factors, n_terms)
    if start_scale != float32(0):
        add_rows(room.visible_field, past.by_hidden, room.on, n_on, -start_scale)


@njit(**FAST)
def _hidden_probability(machine: Combined, gain: Float, room: Room, out: Floats) -> Float:
    """s(gain (b + field)) of the hidden units, not of the padding, which stays zero; 0 if all is finite."""
    not_finite = float32(0)
    for j in range(machine.hidden_bias.size):
        x = room.field[j] + machine.hidden_bias[j]
        not_finite += x * float32(0)
        out[j] = logistic(gain * x)
    return not_finite


@njit(**FAST)
def _update_biases(machine: Combined, past: Past, place: int, rates: Rates) -> None:
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
def _take_waiting(machine: Combined, past: Past, n_waiting: int, rates: Rates, room: Room) -> Float:
    """U takes the updates that it lacks; 0 if it is finite then."""
    rate = rates.learning_rate / (float32(1) - rates.decay)
    tiles, rows = (machine.by_visible, machine.by_hidden), (past.states, past.probabilities)
    return add_waiting(*tiles, *rows, rate, 2 * n_waiting, room.codes, room.table)


@njit(**FAST)
def low_rank_updates(
    machine: Combined,
    past: Past,
    cases: Bytes,
    piece: tuple[int, int],
    first_step: int,
    words: Words,
    rates: Rates,
    room: Room,
) -> int:
    """Some updates of an epoch, in place; how many were done before a field, a bias or U was found not to be finite.

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
    room : Room
    """
    blocks, layers, offset, k0, k1 = words
    uniform, hidden, share = room.uniform, room.hidden, rates.decay / (float32(1) - rates.decay)
    for t in range(piece[0], piece[0] + piece[1]):
        place, not_finite = t % BLOCK, float32(0)
        data, visible = past.states[2 * place], past.states[2 * place + 1]
        positive, negative = past.probabilities[2 * place], past.probabilities[2 * place + 1]
        if place == 0 and t > 0:
            not_finite += _take_waiting(machine, past, BLOCK, rates, room)
        fill_uniform(uniform, blocks, layers, 0, first_step + t, k0, k1)
        n_terms = _list_terms(past.shares, place, room)
        start_scale = share * rates.decay ** np.float32(t) if t < past.n_start else float32(0)
        for i in range(cases.shape[1]):
            data[i] = cases[t, i]
        _hidden_field(machine, past, 2 * place, n_terms, start_scale, room)
        not_finite += _hidden_probability(machine, rates.up, room, positive)
        for j in range(machine.hidden_bias.size):
            hidden[j] = float32(1.0) if uniform[j] < positive[j] else float32(0.0)
        _visible_field(machine, past, n_terms, start_scale, room)
        for i in range(machine.visible_bias.size):
            not_finite += room.visible_field[i] * float32(0)
            visible[i] = uniform[offset + i] < logistic(rates.down * room.visible_field[i])
        if not_finite != float32(0):
            return t - piece[0]
        _hidden_field(machine, past, 2 * place + 1, n_terms, start_scale, room)
        _hidden_probability(machine, rates.up, room, negative)
        _update_biases(machine, past, place, rates)
    return piece[1]


@np.errstate(over="ignore")
def low_rank_epoch(
    machine: BoltzmannMachine, velocity: Velocity, key: np.uint64, cases: Bytes, epoch: Epoch, report: Report
) -> Trained:
    """One epoch of CD-1 of one machine with `low_rank_updates`: W and D become U = W + c D, and back.

    See `contrastive.array_epoch`.
    """
    cases, rates = np.ascontiguousarray(cases, dtype=np.uint8), Rates.of(epoch)
    (weights, *biases), (start_step, *bias_steps) = working_copy(machine, velocity, machine.layer_sizes[1])
    n_visible, n_hidden = size = whole_tiles(machine.layer_sizes[0]), whole_tiles(machine.layer_sizes[1])
    share, n_memory = rates.decay / (np.float32(1) - rates.decay), loops.memory(epoch.decay)
    start_step = padded(start_step, *size)
    weights = padded(weights, *size) + share * start_step
    combined = Combined(tiles_of(weights), tiles_of(weights.T), *biases, *bias_steps)
    past = Past(
        zeros((2 * BLOCK, n_visible), np.uint8),
        zeros((2 * BLOCK, n_visible // LANES), np.int32),
        zeros((2 * BLOCK, n_hidden)),
        _shares(rates, n_memory),
        tiles_of(start_step),
        tiles_of(start_step.T),
        n_memory if start_step.any() else 0,
    )
    words = words_for(key, (1, machine.layer_sizes[1]), (0, machine.layer_sizes[0]))
    memory = Room.of(*size, 4 * words.blocks.size)
    for start, n in chunks(len(cases), machine.weights[0].size, report):
        done = low_rank_updates(combined, past, cases, (start, n), epoch.first_update, words, rates, memory)
        if done < n:
            raise NotFiniteError(start + done)
    if len(cases):
        _take_waiting(combined, past, (len(cases) - 1) % BLOCK + 1, rates, memory)
    step = _last_step(past, start_step, len(cases), rates, n_memory)
    weights = from_tiles(combined.by_visible) - share * step
    rows = slice(machine.layer_sizes[0])
    return from_working_copy(machine, (weights[rows], *biases), (step[rows], *bias_steps))


def _shares(rates: Rates, n_memory: int) -> Floats:
    """`Past.shares`."""
    place, k = np.ogrid[:BLOCK, :BLOCK]
    age, rate = (place - 1 - k) % BLOCK, rates.learning_rate / (np.float32(1) - rates.decay)
    fading = np.where(age < n_memory, rate * rates.decay ** (age + 1).astype(np.float32), np.float32(0))
    return np.where(k < place, rate, np.float32(0)) - fading


def _last_step(past: Past, start_step: Floats, n_cases: int, rates: Rates, n_memory: int) -> Floats:
    """D after an epoch, from what is remembered of it.

    Parameters
    ----------
    past, start_step, n_cases, rates, n_memory : Past, float32 array, int, Rates, int

    Returns
    -------
    (n_visible, n_hidden) float32
    """
    decay = rates.decay
    step = start_step * decay ** np.float32(n_cases) if n_cases <= n_memory else np.zeros_like(start_step)
    for k in range(min(n_memory, n_cases)):
        row = 2 * ((n_cases - 1 - k) % BLOCK)
        data, visible = (np.outer(past.states[r], past.probabilities[r]) for r in (row, row + 1))
        step += rates.learning_rate * decay ** np.float32(k) * (data - visible).astype(np.float32)
    return step
