"""Compiled mean-field iteration of deep machines.

An image iterates on its moving units (see `mean_field_rows`), which leave once they hardly move, until nothing changes
by more than the tolerance. Then a pass over all units, in which several images share what is read of the weights, finds
out whether that is true of the others as well: if not, those that moved are the next ones to iterate on. With more than
two hidden layers all units count as moving. An image's numbers do not depend on the images beside it.

Where hidden layers have few weights between them, `mean_field_lists` does the work.
"""

import numpy as np
import numpy.typing as npt
from numba import float32, uint64

from boltzprune.backend.arrays import Bytes, Float, Floats, Places
from boltzprune.backend.cpu.arithmetic import ORDERED, popcount
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.mean_field_lists import are_listed, mean_field_side_by_side
from boltzprune.backend.cpu.mean_field_rows import Images, images_of, iterate, limits_of, tell
from boltzprune.backend.cpu.network import Network
from boltzprune.backend.cpu.vector_functions import logistic_of, put_chosen
from boltzprune.backend.cpu.vectors import (
    LANES,
    differ,
    item,
    load,
    minus,
    nothing,
    plus,
    plus_times,
    put,
    splat,
    store,
    total,
    zeros,
)

TOGETHER = 64
"""Images that share the passes over all units."""
ROWS, BLOCK = 4, 16
"""Rows of weights that are read together, and that stay in first-level cache."""


@njit(**ORDERED)
def _all_from_below(
    rows: Floats, lower: int, means: Floats, below: Floats, units: tuple[int, int], chosen: Places, n: int
) -> None:
    """Input of all units of a layer from below, for some images, two of which share what is read of the weights.

    Parameters
    ----------
    rows : (n_upper, n_lower) float32
    lower : int
        First unit of the layer below.
    means : (n_images, n_units) float32
    below : (n_images, n_units) float32
        Filled.
    units : (int, int)
        First unit of the layer, and how many.
    chosen, n : (n,) int64, and one more, and int
        Images.
    """
    (first, size), width, stride = units, rows.shape[1], means.shape[1]
    chosen[n] = chosen[max(0, n - 1)]  # the last one may be computed twice
    for block in range(0, size, BLOCK):
        for k in range(0, n, 2):
            g, h = chosen[k], chosen[k + 1]
            at_g, at_h = g * stride + lower, h * stride + lower
            for j in range(block, min(block + BLOCK, size), ROWS):
                row = j * width
                a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = nothing(below)
                for i in range(0, width, LANES):
                    one, other = load(means, at_g + i), load(means, at_h + i)
                    row0, row1 = load(rows, row + i), load(rows, row + width + i)
                    row2, row3 = load(rows, row + 2 * width + i), load(rows, row + 3 * width + i)
                    a0, a1 = plus_times(a0, row0, one), plus_times(a1, row1, one)
                    a2, a3 = plus_times(a2, row2, one), plus_times(a3, row3, one)
                    b0, b1 = plus_times(b0, row0, other), plus_times(b1, row1, other)
                    b2, b3 = plus_times(b2, row2, other), plus_times(b3, row3, other)
                below[g, first + j], below[g, first + j + 1] = total(a0), total(a1)
                below[g, first + j + 2], below[g, first + j + 3] = total(a2), total(a3)
                below[h, first + j], below[h, first + j + 1] = total(b0), total(b1)
                below[h, first + j + 2], below[h, first + j + 3] = total(b2), total(b3)


@njit(**ORDERED)
def _take_all(net: Network, images: Images, g: int, layer: int, limits: tuple[Float, Float], is_first: bool) -> bool:
    """Update all units of a layer after `_all_from_below`; whether one changed by more than the tolerance.

    The layer below is told. `below` keeps the new probabilities, also of units whose change is too small to be told.
    The bottom-up pass, which is the first, doubles the input below the top layer.
    """
    first, size, (tolerance, quiet) = net.first[layer], net.sizes[layer], limits
    n, top = images.means.shape[1], net.sizes.size - 1
    moving, means, below, changes = images.moving[g, first:], images.means[g], images.below[g], images.changes
    double = is_first and layer < top
    bits, n_moving = uint64(0), np.int64(0)
    for j in range(0, size, LANES):
        at = g * n + first + j
        field = plus(load(images.fields, at), load(images.below, at))
        if double:
            field = plus(field, load(images.below, at))
        new, old = logistic_of(field), load(images.means, at)
        bits |= differ(new, old, tolerance)
        store(images.below, at, new)
        said = differ(new, old, quiet)
        put_chosen(moving, n_moving, said, j, 1)
        n_moving += np.int64(popcount(said))
    units = images.units
    for k in range(n_moving):
        unit = first + moving[k]
        units[k] = moving[k]
        changes[k] = below[unit] - means[unit]
        means[unit] = below[unit]
    images.n_moving[g, layer] = n_moving
    if n_moving > 0:
        tell(net.dense[layer - 1].rows, net.first[layer - 1], units, n_moving, changes, images.fields[g])
    return bits != uint64(0)


@njit(**ORDERED)
def _begin(net: Network, images: Images, g: int, visible: Bytes) -> None:
    """Fields of an image before any hidden layer has said something, and the first hidden layer's bottom-up pass."""
    fields, means, first = images.fields[g], images.means[g], net.first[1]
    fields[:], means[:] = net.bias, float32(0)
    start, middle, neighbour, weight, _ = net.lists
    for i in range(visible.size):
        if visible[i]:
            means[i] = float32(1)
            if net.dense[0].is_listed:
                for k in range(middle[i], start[i + 1]):
                    at = np.int64(item(neighbour, k))
                    put(fields, at, item(fields, at) + item(weight, k))
            else:
                tiles = net.dense[0].tiles
                for j in range(0, tiles.shape[0] * tiles.shape[2], LANES):
                    tile, column = j // tiles.shape[2], j % tiles.shape[2]
                    row = load(tiles, (tile * tiles.shape[1] + i) * tiles.shape[2] + column)
                    store(fields, first + j, plus(load(fields, first + j), row))
    gain = float32(2) if net.sizes.size > 2 else float32(1)
    n = images.means.shape[1]
    for j in range(0, net.sizes[1], LANES):
        bias = load(net.bias, first + j)
        field = plus_times(bias, splat(gain), minus(load(fields, first + j), bias))
        store(images.means, g * n + first + j, logistic_of(field))


@njit(**ORDERED)
def mean_field_of(
    net: Network, images: Images, visible: Bytes, limits: tuple[Float, Float], max_sweeps: int, n_sweeps: Places
) -> None:
    """Mean-field posteriors of some images, see `joint.mean_field`; the probabilities are left in `images.means`.

    Parameters
    ----------
    net : Network
    images : Images
    visible : (n, n_visible) uint8
        At most as many as there is room for.
    limits : (float32, float32)
        See `limits_of`.
    max_sweeps : int
    n_sweeps : (n,) int64
        Filled with the sweeps of each case.
    """
    n, n_layers = visible.shape[0], net.sizes.size
    if n_layers > 2 and are_listed(net):
        for start in range(0, n, LANES):
            part, means = visible[start : start + LANES], images.means[start : min(start + LANES, n)]
            of_part = n_sweeps[start : start + LANES]
            mean_field_side_by_side(net, images.beside, part, limits, max_sweeps, means, of_part)
        return
    chosen, is_changed, n_open, is_first = np.arange(n + 1), np.ones(n, np.bool_), n, True
    all_move = n_layers > 3  # a pass over all units of several layers would be part of one sweep too many
    if all_move:
        limits = limits[0], float32(-1)
    for g in range(n):
        _begin(net, images, g, visible[g])
        n_sweeps[g] = 0
    while n_open > 0:
        for layer in range(2, n_layers):
            units = net.first[layer], net.sizes[layer]
            rows, lower = net.dense[layer - 1].rows, net.first[layer - 1]
            _all_from_below(rows, lower, images.means, images.below, units, chosen, n_open)
            for k in range(n_open):
                is_changed[chosen[k]] |= _take_all(net, images, chosen[k], layer, limits, is_first)
        n_still, is_first = 0, False
        for k in range(n_open):
            g = chosen[k]
            if is_changed[g] and n_sweeps[g] < max_sweeps:
                n_sweeps[g] += iterate(net, images, g, limits, max_sweeps - n_sweeps[g])
                is_changed[g], chosen[n_still] = False, g
                n_still += 0 if all_move else 1
            else:
                for layer in range(2, n_layers):
                    for j in range(net.first[layer], net.first[layer] + net.sizes[layer]):
                        images.means[g, j] = images.below[g, j]
        n_open = n_still


def mean_field(
    net: Network, visible: npt.NDArray[np.uint8], tolerance: float, max_sweeps: int
) -> tuple[list[Floats], Places]:
    """Mean-field posteriors of any number of images, `TOGETHER` at a time.

    Parameters
    ----------
    net : Network
    visible : (n, n_visible) uint8
    tolerance : float
    max_sweeps : int

    Returns
    -------
    list of (n, n_units) float32, and (n,) int64
        Probabilities of every hidden layer, and the sweeps of each case.
    """
    n_together = min(TOGETHER, -(-len(visible) // LANES) * LANES)
    images, n_sweeps = images_of(net, zeros((n_together, net.bias.size))), np.zeros(len(visible), np.int64)
    means = [np.empty((len(visible), n), np.float32) for n in net.sizes[1:]]
    for start in range(0, len(visible), TOGETHER):
        part = slice(start, start + TOGETHER)
        mean_field_of(net, images, visible[part], limits_of(tolerance), max_sweeps, n_sweeps[part])
        for layer, first, n in zip(means, net.first[1:], net.sizes[1:]):
            layer[part] = images.means[: len(layer[part]), first : first + n]
    return means, n_sweeps
