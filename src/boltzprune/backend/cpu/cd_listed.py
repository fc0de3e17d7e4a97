"""CD-k of machines with few weights, such as receptive fields leave: loops over the weights that exist.

One loop for single cases and for mini-batches. Its reads and writes are the weights and steps of the pieces and of the
list (see `existing`), which lie in first- or second-level cache where the whole matrix would not.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import float32, int64

from boltzprune.backend.arrays import Bytes, Float, Floats, Report, Trained
from boltzprune.backend.cpu.arithmetic import FAST, INLINE, Words, fill_uniform, logistic, words_for
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.cd import Rates, chunks
from boltzprune.backend.cpu.existing import Existing, Pieces, blocks, existing
from boltzprune.backend.cpu.vectors import (
    LANES,
    gather,
    kept,
    load,
    minus,
    plus,
    plus_times,
    splat,
    store,
    times,
    zeros,
)
from boltzprune.core.contrastive import Epoch, NotFiniteError, Parameters, Velocity
from boltzprune.core.machine import BoltzmannMachine


class Batch(NamedTuple):
    """States and probabilities of a batch, float32, (batch_size, `LANES` + n_units + `LANES` or more), zeros around.

    Attributes
    ----------
    data, visible : of visible units
        v0 and v1.
    positive, negative, hidden : of hidden units
        p0, p1 and h.
    """

    data: Floats
    visible: Floats
    positive: Floats
    negative: Floats
    hidden: Floats

    @classmethod
    def of(cls, n_cases: int, n_visible: int, n_hidden: int) -> "Batch":
        """For so many cases."""
        sizes = [(blocks(n) + 2) * LANES for n in (n_visible, n_visible, n_hidden, n_hidden, n_hidden)]
        return cls(*(zeros((n_cases, size)) for size in sizes))


@njit(**FAST)
def _sums(out: Floats, pieces: Pieces, weights: Floats, states: Floats) -> None:
    """Fill a field with the sums of its pieces; out and states are rows of a `Batch`."""
    first, at, start = pieces
    for block in range(first.size - 1):
        s0 = s1 = s2 = s3 = splat(float32(0))
        p, end = int64(first[block]), int64(first[block + 1])
        while p + 4 <= end:
            s0 = plus_times(s0, load(weights, int64(at[p])), load(states, int64(start[p])))
            s1 = plus_times(s1, load(weights, int64(at[p + 1])), load(states, int64(start[p + 1])))
            s2 = plus_times(s2, load(weights, int64(at[p + 2])), load(states, int64(start[p + 2])))
            s3 = plus_times(s3, load(weights, int64(at[p + 3])), load(states, int64(start[p + 3])))
            p += 4
        while p < end:
            s0 = plus_times(s0, load(weights, int64(at[p])), load(states, int64(start[p])))
            p += 1
        store(out, (block + 1) * LANES, plus(plus(s0, s1), plus(s2, s3)))


@njit(**FAST)
def _hidden_probability(where: Existing, parameters: Parameters, visible: Floats, gain: Float, out: Floats) -> Float:
    """s(gain (b + v.W)); 0 if the field is finite. visible and out are rows of a `Batch`."""
    weights, _, bias = parameters
    _sums(out, where.upward, weights, visible)
    if where.visible.size:
        _add_gathered(out, where, weights, visible)
    not_finite = float32(0)
    for j in range(bias.size):
        x = out[LANES + j] + bias[j]
        not_finite += x * float32(0)
        out[LANES + j] = logistic(gain * x)
    out[LANES + bias.size :] = float32(0)
    return not_finite


@njit(**FAST)
def _add_gathered(out: Floats, where: Existing, weights: Floats, visible: Floats) -> None:
    """Add the sums of the listed pieces to the field of the hidden units."""
    first, at, start = where.listed
    for block in range(first.size - 1):
        place = (block + 1) * LANES
        s = load(out, place)
        for p in range(first[block], first[block + 1]):
            s = plus_times(s, load(weights, int64(at[p])), gather(visible, load(where.visible, int64(start[p]))))
        store(out, place, s)


@njit(**FAST)
def _visible_field(where: Existing, parameters: Parameters, hidden: Floats, out: Floats) -> Float:
    """B + W.h; 0 if it is finite. hidden, in {0, 1}, and out are rows of a `Batch`."""
    weights, bias, _ = parameters
    _sums(out, where.downward, weights, hidden)
    if where.visible.size:
        _scatter_listed(out, where, weights, hidden)
    not_finite = float32(0)
    for i in range(bias.size):
        out[LANES + i] += bias[i]
        not_finite += out[LANES + i] * float32(0)
    return not_finite


@njit(**FAST)
def _scatter_listed(out: Floats, where: Existing, weights: Floats, hidden: Floats) -> None:
    """Add the listed weights of the hidden units that are on to the field of the visible units."""
    first, at, start = where.listed
    for block in range(first.size - 1):
        for lane in range(LANES):
            if hidden[(block + 1) * LANES + lane] != float32(0):
                for p in range(first[block], first[block + 1]):
                    out[where.visible[start[p] + lane]] += weights[at[p] + lane]


@njit(**FAST)
def _reconstruct(
    where: Existing,
    parameters: Parameters,
    batch: Batch,
    c: int,
    step: int,
    uniform: Floats,
    words: Words,
    rates: Rates,
) -> Float:
    """A Gibbs step of case c: h from its probabilities, v1 and p1; 0 if all fields are finite.

    Parameters
    ----------
    where, parameters, batch : Existing, Parameters, Batch
        p1 holds the probabilities of the hidden units before the step.
    c, step : int
        The chain, and the step of the stream.
    uniform : float32 array
        Room.
    words, rates : Words, Rates
    """
    blocks, layers, offset, k0, k1 = words
    visible, negative, hidden = batch.visible[c], batch.negative[c], batch.hidden[c]
    fill_uniform(uniform, blocks, layers, c, step, k0, k1)
    for j in range(parameters.hidden_bias.size):
        hidden[LANES + j] = float32(1.0) if uniform[j] < negative[LANES + j] else float32(0.0)
    not_finite = _visible_field(where, parameters, hidden, visible)
    for i in range(parameters.visible_bias.size):
        p = logistic(rates.down * visible[LANES + i])
        visible[LANES + i] = float32(1.0) if uniform[offset + i] < p else float32(0.0)
    visible[LANES + parameters.visible_bias.size :] = float32(0)
    return not_finite + _hidden_probability(where, parameters, visible, rates.up, negative)


@njit(**INLINE)
def _update_piece(weights: Floats, steps: Floats, at: int, slope: Any, decay: Float) -> None:
    """Step <- decay step + slope; weights <- weights + step, for one vector of weights."""
    change = plus_times(slope, splat(decay), load(steps, at))
    store(steps, at, change)
    store(weights, at, plus(load(weights, at), change))


@njit(**FAST)
def _update_weights(
    where: Existing, weights: Floats, steps: Floats, batch: Batch, n: int, rate: Float, decay: Float
) -> None:
    """Step <- decay step + rate sum over n cases (v0 p0^T - v1 p1^T); weights <- weights + step."""
    n_visible, n_hidden = batch.data.shape[1], batch.hidden.shape[1]
    for block in range(where.upward.first.size - 1):
        j = (block + 1) * LANES
        positive, negative = load(batch.positive, j), load(batch.negative, j)  # of the first case, in registers
        first, at, start = where.upward
        for p in range(first[block], first[block + 1]):
            v = int64(start[p])
            slope = minus(times(load(batch.data, v), positive), times(load(batch.visible, v), negative))
            for c in range(1, n):
                v, h = v + n_visible, j + c * n_hidden
                slope = plus_times(slope, load(batch.data, v), load(batch.positive, h))
                slope = minus(slope, times(load(batch.visible, v), load(batch.negative, h)))
            _update_piece(weights, steps, int64(at[p]), times(splat(rate), kept(slope, where.bits[p])), decay)
        first, at, start = where.listed
        for p in range(first[block], first[block + 1]):
            units = load(where.visible, int64(start[p]))
            slope = minus(times(gather(batch.data, units), positive), times(gather(batch.visible, units), negative))
            for c in range(1, n):
                units, h = plus(units, splat(np.int32(n_visible))), j + c * n_hidden
                slope = plus_times(slope, gather(batch.data, units), load(batch.positive, h))
                slope = minus(slope, times(gather(batch.visible, units), load(batch.negative, h)))
            _update_piece(weights, steps, int64(at[p]), times(splat(rate), kept(slope, where.listed_bits[p])), decay)


@njit(**FAST)
def _update_bias(bias: Floats, step: Floats, data: Floats, model: Floats, n: int, rate: Float, decay: Float) -> None:
    """The same for the biases of a layer; data and model are arrays of a `Batch`."""
    for j in range(bias.size):
        s = float32(0)
        for c in range(n):
            s += data[c, LANES + j] - model[c, LANES + j]
        change = decay * step[j] + rate * s
        step[j] = change
        bias[j] += change


@njit(**FAST)
def listed_updates(
    where: Existing,
    parameters: Parameters,
    steps: Parameters,
    batch: Batch,
    cases: Bytes,
    first_step: int,
    n_gibbs_steps: int,
    words_and_rates: tuple[Words, Rates],
) -> int:
    """One update per batch, in place; how many were done before a field was not finite, else all.

    Parameters
    ----------
    where : Existing
    parameters, steps : Parameters
        Of float32 arrays, weights in a row as `existing.Order` has them.
    batch : Batch
        Room.
    cases : (n_cases, n_visible) uint8
    first_step, n_gibbs_steps : int
        Of the stream for the first case; of an update.
    words_and_rates : (Words, Rates)
    """
    words, rates = words_and_rates
    uniform, batch_size = np.empty(4 * words.blocks.size, np.float32), batch.data.shape[0]
    for update in range(-(-cases.shape[0] // batch_size)):
        start = update * batch_size
        n, not_finite = min(batch_size, cases.shape[0] - start), float32(0)
        for c in range(n):
            for i in range(cases.shape[1]):
                batch.data[c, LANES + i] = cases[start + c, i]
            not_finite += _hidden_probability(where, parameters, batch.data[c], rates.up, batch.positive[c])
            for j in range(batch.negative.shape[1]):
                batch.negative[c, j] = batch.positive[c, j]
            for step in range(first_step + update * n_gibbs_steps, first_step + (update + 1) * n_gibbs_steps):
                not_finite += _reconstruct(where, parameters, batch, c, step, uniform, words, rates)
        if not_finite != float32(0):
            return update
        rate = rates.learning_rate / float32(n)
        _update_weights(where, parameters.weights, steps.weights, batch, n, rate, rates.decay)
        visible, hidden = parameters.visible_bias, parameters.hidden_bias
        _update_bias(visible, steps.visible_bias, batch.data, batch.visible, n, rate, rates.decay)
        _update_bias(hidden, steps.hidden_bias, batch.positive, batch.negative, n, rate, rates.decay)
    return -(-cases.shape[0] // batch_size)


@np.errstate(over="ignore")
def listed_epoch(
    machine: BoltzmannMachine, velocity: Velocity, key: np.uint64, cases: Bytes, epoch: Epoch, report: Report
) -> Trained:
    """One epoch of CD-k of one machine with `listed_updates`; see `contrastive.array_epoch`."""
    n_visible, n_hidden = shape = machine.layer_sizes
    where, places = existing(machine.masks[0])
    cases, size = np.ascontiguousarray(cases, dtype=np.uint8), epoch.batch_size
    parameters = Parameters(places.row(machine.weights[0]), *(x.astype(np.float32) for x in machine.biases))
    biases = velocity.visible_bias.astype(np.float32), velocity.hidden_bias.astype(np.float32)
    steps, batch = Parameters(places.row(velocity.weights), *biases), Batch.of(size, *shape)
    drawn = words_for(key, (1, n_hidden), (0, n_visible)), Rates.of(epoch)
    for start, n in chunks(-(-len(cases) // size), size * (places.size + sum(shape)), report):
        piece, first_step = cases[start * size : (start + n) * size], (epoch.first_update + start) * epoch.n_gibbs_steps
        done = listed_updates(where, parameters, steps, batch, piece, first_step, epoch.n_gibbs_steps, drawn)
        if done < n:
            raise NotFiniteError(start + done)
    trained = BoltzmannMachine(
        (places.matrix(parameters.weights, shape),), parameters[1:], machine.masks, machine.units, must_be_finite=False
    )
    return trained, Velocity(places.matrix(steps.weights, shape), *steps[1:])
