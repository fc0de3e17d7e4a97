"""Compiled steps up the gradient of the likelihood: slopes, steps, weights, norms and copies of weights in one pass.

A row of dense weights belongs to one upper unit. Its slope is a sum over the images, and over those chains in which the
unit is on, which are few in the layers where rows are many. A listed weight's slope is a sum over the images, which lie
side by side, and a count of the chains in which both of its units are on, by bits.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import float32, uint64

from boltzprune.backend.arrays import Bytes, Float, Floats, Ints
from boltzprune.backend.cpu.arithmetic import ORDERED, popcount
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.chains import Chains
from boltzprune.backend.cpu.gradient_inputs import Steps, Words64
from boltzprune.backend.cpu.network import Lists, Network, turn_rows
from boltzprune.backend.cpu.vectors import (
    LANES,
    item,
    kept,
    load,
    nothing,
    plus,
    plus_times,
    put,
    splat,
    store,
    times,
    to_floats,
    total,
)


class Rates(NamedTuple):
    """Numbers of a `JointEpoch`, float32."""

    learning_rate: Float
    decay: Float
    max_norm: Float


class Parameters(NamedTuple):
    """What changes of a dense layer, see `Dense` and `Steps`, and its mask."""

    rows: Floats
    moving: Floats
    exists: npt.NDArray[np.uint16]
    tiles: Floats


class Model(NamedTuple):
    """What a dense layer's slope has from the chains: states of its lower units, and `Steps.on` and `Steps.n_on`."""

    states: Bytes
    n_chains: int
    on: Ints
    n_on: Ints


@njit(**ORDERED)
def _climb_rows(
    parameters: Parameters,
    means: Floats,
    n_images: int,
    places: tuple[int, int],
    model: Model,
    rates: Rates,
    part: tuple[int, int],
) -> Float:
    """Rows `part[0]` ... `part[1]` - 1 of a dense layer, LANES at a time, one step up; 0 if all are finite.

    Parameters
    ----------
    parameters : Parameters
    means : (n, n_units) float32
    n_images : int
    places : (int, int)
        The first lower and the first upper unit.
    model : Model
    rates : Rates
    part : (int, int)
    """
    (lower, upper), (states, n_chains, on, n_on), (learning_rate, decay, max_norm) = places, model, rates
    (rows, moving, exists, tiles), stride = parameters, means.shape[1]
    width, bad, zero = rows.shape[1], nothing(rows), nothing(rows)
    share, limit = learning_rate / float32(n_images), max_norm * max_norm
    factors = np.empty(n_images, np.float32)
    away, keep = splat(-learning_rate / float32(n_chains)), splat(decay)
    for start in range(part[0], part[1], LANES):
        for j in range(start, start + LANES):
            n, square0, square1 = n_on[upper + j], nothing(rows), nothing(rows)
            for g in range(n_images):
                factors[g] = share * means[g, upper + j]
            for i in range(0, width, 2 * LANES):
                mean0, mean1 = load(means, lower + i), load(means, lower + i + LANES)
                slope0, slope1 = times(splat(item(factors, 0)), mean0), times(splat(item(factors, 0)), mean1)
                for g in range(1, n_images):
                    factor, at = splat(item(factors, g)), g * stride + lower + i
                    slope0 = plus_times(slope0, factor, load(means, at))
                    slope1 = plus_times(slope1, factor, load(means, at + LANES))
                if n > 0:
                    at = np.int64(item(on, (upper + j) * n_chains)) * width + i
                    count0, count1 = load(states, at), load(states, at + LANES)
                    for k in range(1, n):
                        at = np.int64(item(on, (upper + j) * n_chains + k)) * width + i
                        count0, count1 = plus(count0, load(states, at)), plus(count1, load(states, at + LANES))
                    slope0 = plus_times(slope0, away, to_floats(count0))
                    slope1 = plus_times(slope1, away, to_floats(count1))
                at = j * width + i
                slope0 = kept(slope0, item(exists, at // LANES))
                slope1 = kept(slope1, item(exists, at // LANES + 1))
                step0 = plus_times(slope0, keep, load(moving, at))
                step1 = plus_times(slope1, keep, load(moving, at + LANES))
                weight0, weight1 = plus(load(rows, at), step0), plus(load(rows, at + LANES), step1)
                store(moving, at, step0)
                store(moving, at + LANES, step1)
                store(rows, at, weight0)
                store(rows, at + LANES, weight1)
                square0, square1 = plus_times(square0, weight0, weight0), plus_times(square1, weight1, weight1)
                bad = plus_times(plus_times(bad, weight0, zero), weight1, zero)  # NaN if one is not finite
            norm = total(plus(square0, square1))
            if norm > limit:
                factor = splat(max_norm / np.sqrt(norm))
                for i in range(j * width, (j + 1) * width, LANES):
                    store(rows, i, times(load(rows, i), factor))
        turn_rows(rows, tiles, start)
    return total(bad)


@njit(**ORDERED)
def _climb_lists(lists: Lists, units: tuple[int, int], n: tuple[int, int], steps: Steps, rates: Rates) -> Float:
    """Listed weights into units `units[0]` ... `units[1]` - 1 from below, one step up; 0 if all are finite."""
    n_chains, n_images = n
    (starts, middles, neighbours, weights, mirrors), (learning_rate, decay, max_norm) = lists, rates
    moving, bits, means = steps.listed, steps.bits, steps.side_by_side
    width, n_words, not_finite, limit = means.shape[1], bits.shape[1], float32(0), max_norm * max_norm
    share, away = learning_rate / float32(n_images), learning_rate / float32(n_chains)
    for unit in range(units[0], units[1]):
        norm, start, stop = float32(0), starts[unit], middles[unit]
        for k in range(start, stop):
            other = np.int64(item(neighbours, k))
            if n_images == 1:
                data = item(means, unit * width) * item(means, other * width)
            else:
                both = times(load(means, unit * width), load(means, other * width))
                for g in range(LANES, width, LANES):
                    both = plus_times(both, load(means, unit * width + g), load(means, other * width + g))
                data = total(both)
            count = uint64(0)
            for word in range(n_words):
                count += popcount(item(bits, unit * n_words + word) & item(bits, other * n_words + word))
            step = decay * item(moving, k) + (share * data - away * float32(np.int64(count)))
            put(moving, k, step)
            weight = item(weights, k) + step
            put(weights, k, weight)
            put(weights, item(mirrors, k), weight)
            norm += weight * weight
            not_finite += weight * float32(0)
        if norm > limit:
            factor = max_norm / np.sqrt(norm)
            for k in range(start, stop):
                weights[k] *= factor
                weights[mirrors[k]] = weights[k]
    return not_finite


@njit(**ORDERED)
def _climb_biases(
    bias: Floats,
    units: tuple[int, int],
    states: Bytes,
    bits: Words64,
    n: tuple[int, int],
    means: Floats,
    moving: Floats,
    rates: Rates,
) -> Float:
    """Biases of a layer one step up; 0 if all are finite.

    Parameters
    ----------
    bias, moving : (n_units,) float32
        Biases and their last steps; they change.
    units : (int, int)
        The first of the layer, and how many.
    states : (n_chains, n) uint8
        Of the layer; read where `bits` has no word.
    bits : (n_units, n_words) uint64
    n : (int, int)
        Chains and images.
    means : (n, n_units) float32
    rates : Rates
    """
    (first, size), (n_chains, n_images), (learning_rate, decay, _) = units, n, rates
    not_finite, stride, width = float32(0), means.shape[1], states.shape[1]
    share, away = learning_rate / float32(n_images), learning_rate / float32(n_chains)
    for j in range(0, size, LANES):
        data, counts = nothing(means), load(states, j)
        for g in range(n_images):
            data = plus(data, load(means, g * stride + first + j))
        if bits.shape[1] > 0:
            for u in range(j, min(j + LANES, size)):
                count = uint64(0)
                for word in range(bits.shape[1]):
                    count += popcount(bits[first + u, word])
                moving[first + u] = decay * moving[first + u] - away * float32(np.int64(count))
        else:
            for c in range(1, n_chains):
                counts = plus(counts, load(states, c * width + j))
            model = times(splat(-away), to_floats(counts))
            store(moving, first + j, plus_times(model, splat(decay), load(moving, first + j)))
        step = plus_times(load(moving, first + j), splat(share), data)
        store(moving, first + j, step)
        store(bias, first + j, plus(load(bias, first + j), step))
        for u in range(j, min(j + LANES, size)):
            not_finite += bias[first + u] * float32(0)
    return not_finite


@njit(**ORDERED)
def climb(
    net: Network,
    chains: Chains,
    n: tuple[int, int],
    means: Floats,
    steps: Steps,
    rates: Rates,
    part: tuple[int, int],
) -> Float:
    """One step up the gradient, in place; 0 if all parameters are finite.

    `gather_images`, `bits_of_chains` and `lists_of_chains` come first.

    Parameters
    ----------
    net : Network
        Weights and biases change.
    chains, means, steps
        See `gather_images`.
    n : (int, int)
        Chains and images.
    rates : Rates
    part : (int, int)
        Which part of how many: parts are disjoint, and together they are the whole step.
    """
    not_finite, (n_chains, n_images), (which, n_parts) = float32(0), n, part
    for place in range(len(net.dense)):
        dense, upper, lower = net.dense[place], net.first[place + 1], net.first[place]
        if dense.is_listed:
            size = net.sizes[place + 1]
            units = upper + size * which // n_parts, upper + size * (which + 1) // n_parts
            not_finite += _climb_lists(net.lists, units, n, steps, rates)
        else:
            size = dense.rows.shape[0] // LANES
            units = size * which // n_parts * LANES, size * (which + 1) // n_parts * LANES
            parameters = Parameters(dense.rows, steps.rows[place], dense.exists, dense.tiles)
            model = Model(chains.states[place], n_chains, steps.on, steps.n_on)
            not_finite += _climb_rows(parameters, means, n_images, (lower, upper), model, rates, units)
    if which == n_parts - 1:
        for layer in range(net.sizes.size):
            units = net.first[layer], net.sizes[layer]
            bits = steps.bits if net.in_lanes[layer] else steps.bits[:, :0]
            not_finite += _climb_biases(net.bias, units, chains.states[layer], bits, n, means, steps.bias, rates)
    return not_finite
