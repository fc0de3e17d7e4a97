"""Mean-field iteration of one image on the units that still move: what it keeps of the image, and its sweeps.

Above the first hidden layer few units move from sweep to sweep, and each is one row of weights: from it comes the
unit's input from below, and by it a change of the unit reaches the fields below, while it is in cache.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, uint64

from boltzprune.backend.arrays import Float, Floats, Ints, Places
from boltzprune.backend.cpu.arithmetic import INLINE, ORDERED
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.mean_field_lists import SideBySide, side_by_side
from boltzprune.backend.cpu.network import Network
from boltzprune.backend.cpu.vector_functions import logistic_of
from boltzprune.backend.cpu.vectors import (
    LANES,
    differ,
    load,
    minus,
    nothing,
    plus,
    plus_times,
    splat,
    store,
    times,
    total,
    zeros,
)
from boltzprune.backend.quiet import quiet_change

GROUP = 8
"""Moving units whose rows are read together."""


class Images(NamedTuple):
    """Room for some images.

    Attributes
    ----------
    fields, means : (n_images, n_units) float32
        Of every unit of a `Network`: its bias and its input from above, and in the first hidden layer that from below;
        and its probability.
    below : (n_images, n_units) float32
        Input from below in a pass over all units.
    moving : (n_images, n_units + LANES) int32
        Units of each layer that still move, from the layer's first place on.
    n_moving : (n_images, n_layers) int64
    beside : SideBySide
        For machines whose hidden layers have listed weights between them.
    units, changes : (n_units + 2 LANES,) int32 and float32
        Units of one layer of one image, and by how much they changed.
    """

    fields: Floats
    means: Floats
    below: Floats
    moving: Ints
    n_moving: Places
    beside: SideBySide
    units: Ints
    changes: Floats


def images_of(net: Network, means: Floats) -> Images:
    """Room for as many images as there are rows in `means`, (n_images, n_units)."""
    n, size = means.shape
    moving, n_moving = np.zeros((n, size + LANES), np.int32), np.zeros((n, net.sizes.size), np.int64)
    rest = side_by_side(net), np.zeros(size + 2 * LANES, np.int32), zeros(size + 2 * LANES)
    return Images(zeros((n, size)), means, zeros((n, size)), moving, n_moving, *rest)


def limits_of(tolerance: float) -> tuple[Float, Float]:
    """Tolerance, and the change that is passed on, both float32."""
    return np.float32(tolerance), np.float32(quiet_change(tolerance))


@njit(**{**ORDERED, **INLINE})
def _dot_rows(rows: Floats, below: int, units: Ints, means: Floats, out: Floats) -> None:
    """Input of GROUP units of a dense layer from below: out[k] <- W[:, units[k]] . means below.

    Parameters
    ----------
    rows : (n_upper, n_lower) float32
    below : int
        First unit of the layer below.
    units : (GROUP,) int32, or more
        Places within the layer.
    means : (n_units,) float32
    out : (GROUP,) float32, or more
    """
    width = rows.shape[1]
    row0, row1, row2, row3 = units[0] * width, units[1] * width, units[2] * width, units[3] * width
    row4, row5, row6, row7 = units[4] * width, units[5] * width, units[6] * width, units[7] * width
    sum0 = sum1 = sum2 = sum3 = sum4 = sum5 = sum6 = sum7 = nothing(means)
    for i in range(0, width, LANES):
        mean = load(means, below + i)
        sum0 = plus_times(sum0, load(rows, row0 + i), mean)
        sum1 = plus_times(sum1, load(rows, row1 + i), mean)
        sum2 = plus_times(sum2, load(rows, row2 + i), mean)
        sum3 = plus_times(sum3, load(rows, row3 + i), mean)
        sum4 = plus_times(sum4, load(rows, row4 + i), mean)
        sum5 = plus_times(sum5, load(rows, row5 + i), mean)
        sum6 = plus_times(sum6, load(rows, row6 + i), mean)
        sum7 = plus_times(sum7, load(rows, row7 + i), mean)
    out[0], out[1], out[2], out[3] = total(sum0), total(sum1), total(sum2), total(sum3)
    out[4], out[5], out[6], out[7] = total(sum4), total(sum5), total(sum6), total(sum7)


@njit(**{**ORDERED, **INLINE})
def _add_rows(rows: Floats, below: int, units: Ints, changes: Floats, k: int, fields: Floats) -> None:
    """Tell the layer below of changes of GROUP units: fields below += sum_i changes[k + i] W[:, units[k + i]].

    The other parameters are those of `_dot_rows`.
    """
    width = rows.shape[1]
    row0, row1, row2, row3 = units[k] * width, units[k + 1] * width, units[k + 2] * width, units[k + 3] * width
    row4, row5, row6, row7 = units[k + 4] * width, units[k + 5] * width, units[k + 6] * width, units[k + 7] * width
    change0, change1, change2, change3 = changes[k], changes[k + 1], changes[k + 2], changes[k + 3]
    change4, change5, change6, change7 = changes[k + 4], changes[k + 5], changes[k + 6], changes[k + 7]
    for i in range(0, width, LANES):
        one = plus_times(times(splat(change0), load(rows, row0 + i)), splat(change1), load(rows, row1 + i))
        other = plus_times(times(splat(change2), load(rows, row2 + i)), splat(change3), load(rows, row3 + i))
        one = plus_times(plus_times(one, splat(change4), load(rows, row4 + i)), splat(change5), load(rows, row5 + i))
        other = plus_times(
            plus_times(other, splat(change6), load(rows, row6 + i)), splat(change7), load(rows, row7 + i)
        )
        store(fields, below + i, plus(load(fields, below + i), plus(one, other)))


@njit(**ORDERED)
def tell(rows: Floats, below: int, units: Ints, n: np.int64, changes: Floats, fields: Floats) -> None:
    """Tell the layer below of changes of n units of a dense layer; there is room for GROUP more."""
    for k in range(n, n + GROUP):
        units[k], changes[k] = units[0], float32(0)
    for k in range(0, n, GROUP):
        _add_rows(rows, below, units, changes, k, fields)


@njit(**{**ORDERED, **INLINE})
def _update(
    first: int, units: Ints, n: int, fields: Floats, means: Floats, changes: Floats, limits: tuple[Float, Float]
) -> tuple[int, int]:
    """Means of up to GROUP units, whose input from below is in `changes`, which become their changes.

    Returns
    -------
    (int, int)
        Bits of the units that changed by more than the tolerance, and of those that still move.
    """
    for k in range(n):
        changes[k] += fields[first + units[k]]
        changes[LANES + k] = means[first + units[k]]
    new, old = logistic_of(load(changes, 0)), load(changes, LANES)
    store(changes, LANES, new)
    store(changes, 0, minus(new, old))
    for k in range(n):
        means[first + units[k]] = changes[LANES + k]
    for k in range(n, GROUP):
        changes[k] = float32(0)
    exist = (uint64(1) << uint64(n)) - uint64(1)
    return differ(new, old, limits[0]) & exist, differ(new, old, limits[1]) & exist


@njit(**ORDERED)
def _move_rows(
    rows: Floats,
    layers: tuple[int, int],
    moving: Ints,
    n_moving: int,
    room: tuple[Ints, Floats],
    fields: Floats,
    means: Floats,
    limits: tuple[Float, Float],
) -> tuple[bool, np.int64]:
    """Update the moving units of a layer; see `_move`. Their rows stay in first-level cache until told of.

    Layers are the first unit of the one below and of this one, `room` the units and changes of `Images`.
    """
    (below, first), (units, changes), n_left, changed = layers, room, np.int64(0), uint64(0)
    for start in range(0, n_moving, GROUP):
        n = min(GROUP, n_moving - start)
        for k in range(GROUP):
            units[k] = moving[start + min(k, n - 1)]
        _dot_rows(rows, below, units, means, changes)
        beyond, still = _update(first, units, n, fields, means, changes, limits)
        changed |= beyond
        for k in range(n):
            moving[n_left] = units[k]
            n_left += np.int64(still >> uint64(k) & uint64(1))
        _add_rows(rows, below, units, changes, 0, fields)
    return changed != uint64(0), n_left


@njit(**ORDERED)
def _move(net: Network, images: Images, g: int, layer: int, limits: tuple[Float, Float]) -> bool:
    """Update the moving units of a layer, tell the layer below; whether one changed by more than the tolerance.

    Parameters
    ----------
    net, images
    g : int
        Image.
    layer : int
        Above the first hidden one.
    limits : (float32, float32)
        See `limits_of`.
    """
    layers, room = (net.first[layer - 1], net.first[layer]), (images.units, images.changes)
    moving, n = images.moving[g, layers[1] :], images.n_moving[g, layer]
    fields, means = images.fields[g], images.means[g]
    rows = net.dense[layer - 1].rows
    changed, images.n_moving[g, layer] = _move_rows(rows, layers, moving, n, room, fields, means, limits)
    return changed


@njit(**ORDERED)
def _settle(net: Network, images: Images, g: int, layer: int, tolerance: Float) -> bool:
    """Set all means of a layer to what its fields say; whether one changed by more than the tolerance."""
    n, base, bits = images.means.shape[1], net.first[layer], uint64(0)
    for j in range(g * n + base, g * n + base + net.sizes[layer], LANES):
        new = logistic_of(load(images.fields, j))
        bits |= differ(new, load(images.means, j), tolerance)
        store(images.means, j, new)
    return bits != uint64(0)


@njit(**ORDERED)
def iterate(net: Network, images: Images, g: int, limits: tuple[Float, Float], most: int) -> int:
    """Sweep over the moving units of an image until none changes by more than the tolerance; how many sweeps.

    They are no more than `most`.
    """
    for sweep in range(most):
        changed = _settle(net, images, g, 1, limits[0])
        for layer in range(2, net.sizes.size):
            changed |= _move(net, images, g, layer, limits)
        if not changed:
            return sweep + 1
    return most
