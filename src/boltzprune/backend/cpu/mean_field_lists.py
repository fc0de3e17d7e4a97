"""Compiled mean-field iteration of machines with few weights between hidden layers: LANES images side by side.

A weight is read once in a sweep for all of these images. A unit that has moved by no more than `quiet` in an image
rests there, and is left out where it rests in all images; once nothing changes by more than the tolerance in an image,
a sweep over all units finds out whether that is true of those that rest. No image depends on those beside it.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import float32

from boltzprune.backend.arrays import Bytes, Float, Floats, Places
from boltzprune.backend.cpu.arithmetic import ORDERED
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.network import Network
from boltzprune.backend.cpu.vector_functions import logistic_of, transpose
from boltzprune.backend.cpu.vectors import (
    LANES,
    differ,
    item,
    kept,
    load,
    nothing,
    plus,
    plus_times,
    put,
    splat,
    store,
    zeros,
)


class SideBySide(NamedTuple):
    """Room for LANES images.

    Attributes
    ----------
    means : (n_units, LANES) float32
        Probabilities; of the visible layer, states.
    moving : (n_units,) uint64
        Bits of the images in which a unit still moves.
    rows : (LANES, n_units) float32
        The means, image by image.
    below : (n_units, LANES) float32
        Visible input of the first hidden layer.
    """

    means: Floats
    moving: npt.NDArray[np.uint64]
    rows: Floats
    below: Floats


def side_by_side(net: Network) -> SideBySide:
    """Such room."""
    n = net.bias.size
    return SideBySide(zeros((n, LANES)), np.zeros(n, np.uint64), zeros((LANES, n)), zeros((n, LANES)))


@njit(**ORDERED)
def are_listed(net: Network) -> bool:
    """Whether all weights between hidden layers are listed."""
    for place in range(1, len(net.dense)):
        if not net.dense[place].is_listed:
            return False
    return True


@njit(**ORDERED)
def _visible_input(net: Network, room: SideBySide, visible: Bytes) -> None:
    """Visible input of the first hidden layer; images that are missing are all zeros."""
    first, means, below = net.first[1], room.means, room.below
    means[: net.first[1]] = 0
    for unit in range(first, first + net.sizes[1]):
        store(below, unit * LANES, nothing(below))
    starts, middles, neighbours, weights, _ = net.lists
    tiles = net.dense[0].tiles
    for g in range(visible.shape[0]):
        for i in range(visible.shape[1]):
            if visible[g, i]:
                means[i, g] = float32(1)
                if not net.dense[0].is_listed:
                    for j in range(net.sizes[1]):
                        below[first + j, g] += tiles[j // tiles.shape[2], i, j % tiles.shape[2]]
    if net.dense[0].is_listed:
        for unit in range(first, first + net.sizes[1]):
            total = load(below, unit * LANES)
            for k in range(starts[unit], middles[unit]):
                total = plus_times(total, splat(weights[k]), load(means, np.int64(neighbours[k]) * LANES))
            store(below, unit * LANES, total)


@njit(**ORDERED)
def _sweep(
    net: Network, room: SideBySide, limits: tuple[Float, Float], is_first: bool, is_open: np.uint64
) -> np.uint64:
    """One sweep over the moving units of all hidden layers from below, or the bottom-up pass, which is the first.

    Parameters
    ----------
    net, room
    limits : (float32, float32)
        See `mean_field_rows.limits_of`.
    is_first : bool
    is_open : uint64
        Bits of the images that take part.

    Returns
    -------
    uint64
        Bits of the images of which a probability changed by more than the tolerance, or is NaN.
    """
    (starts, middles, neighbours, weights, _), (means, moving, _, below) = net.lists, room
    bias, top, changed, (tolerance, quiet) = net.bias, net.sizes.size - 1, np.uint64(0), limits
    for layer in range(1, top + 1):
        factor = splat(float32(2) if is_first and layer < top else float32(1))
        for unit in range(net.first[layer], net.first[layer] + net.sizes[layer]):
            who = is_open & item(moving, unit)
            if who == np.uint64(0):
                continue
            own = splat(item(bias, unit))
            middle = item(middles, unit)
            start, stop = (
                middle if layer == 1 else item(starts, unit),
                middle if is_first else item(starts, unit + 1),
            )
            sum0 = load(below, unit * LANES) if layer == 1 else nothing(means)
            sum1 = sum2 = sum3 = nothing(means)
            for k in range(start, stop - 3, 4):
                at0, at1 = np.int64(item(neighbours, k)) * LANES, np.int64(item(neighbours, k + 1)) * LANES
                at2, at3 = np.int64(item(neighbours, k + 2)) * LANES, np.int64(item(neighbours, k + 3)) * LANES
                sum0 = plus_times(sum0, splat(item(weights, k)), load(means, at0))
                sum1 = plus_times(sum1, splat(item(weights, k + 1)), load(means, at1))
                sum2 = plus_times(sum2, splat(item(weights, k + 2)), load(means, at2))
                sum3 = plus_times(sum3, splat(item(weights, k + 3)), load(means, at3))
            for k in range(stop - (stop - start) % 4, stop):
                at0 = np.int64(item(neighbours, k)) * LANES
                sum0 = plus_times(sum0, splat(item(weights, k)), load(means, at0))
            even, odd = plus(sum0, sum1), plus(sum2, sum3)
            new, old = logistic_of(plus_times(own, factor, plus(even, odd))), load(means, unit * LANES)
            changed |= differ(new, old, tolerance) & who
            put(moving, unit, (item(moving, unit) & ~who) | (differ(new, old, quiet) & who))
            store(means, unit * LANES, plus(kept(new, who), kept(old, ~who)))
    return changed


@njit(**ORDERED)
def mean_field_side_by_side(
    net: Network,
    room: SideBySide,
    visible: Bytes,
    limits: tuple[Float, Float],
    max_sweeps: int,
    means: Floats,
    n_sweeps: Places,
) -> None:
    """Mean-field posteriors of up to LANES images; the parameters are those of `mean_field.mean_field_of`.

    Parameters
    ----------
    means : (n, n_units) float32
        Filled, of all layers.
    """
    n, every = visible.shape[0], np.uint64((1 << LANES) - 1)
    _visible_input(net, room, visible)
    room.moving[:] = every
    _sweep(net, room, limits, True, every)
    n_sweeps[:] = 0
    is_open = (np.uint64(1) << np.uint64(n)) - np.uint64(1) if max_sweeps > 0 else np.uint64(0)
    while is_open != np.uint64(0):
        changes, room.moving[:] = is_open, every
        while changes != np.uint64(0):
            sweeping = changes
            changes = _sweep(net, room, limits, False, sweeping)
            for g in range(n):
                n_sweeps[g] += np.int64(sweeping >> np.uint64(g) & np.uint64(1))
                if n_sweeps[g] == max_sweeps:
                    changes &= ~(np.uint64(1) << np.uint64(g))
                    is_open &= ~(np.uint64(1) << np.uint64(g))
        room.moving[:] = every
        is_open = _sweep(net, room, limits, False, is_open)
        for g in range(n):
            n_sweeps[g] += np.int64(is_open >> np.uint64(g) & np.uint64(1))
            if n_sweeps[g] == max_sweeps:
                is_open &= ~(np.uint64(1) << np.uint64(g))
    for unit in range(0, means.shape[1], LANES):
        transpose(room.means, unit * LANES, LANES, room.rows, unit, means.shape[1])
    means[:n] = room.rows[:n]
