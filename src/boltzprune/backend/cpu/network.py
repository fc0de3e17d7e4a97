"""A machine as the compiled loops read it: where a weight layer has few weights, lists of them, else whole rows.

Units of all layers are numbered through, each layer beginning at a multiple of `TILE`, so that one array holds a number
of every unit, and loops over vectors need no remainder. The units that fill a layer up have no weights and stay off.

A weight layer of few existing weights (receptive fields, or what pruning left) is *listed*: every unit has a list of
its neighbours and the weights to them, each weight standing in the lists of both of its units. Chains then lie side by
side in vectors. Other layers are *dense*: the field of a unit is a sum of rows, one for each neighbour that is on,
`rows` from above and `tiles` from below.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from boltzprune.backend.arrays import Floats, Ints, Places
from boltzprune.backend.cpu.arithmetic import ORDERED
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.tiles import TILE, tiles_of, whole_tiles
from boltzprune.backend.cpu.vector_functions import transpose
from boltzprune.backend.cpu.vectors import LANES, zeros
from boltzprune.backend.fixed_point import BITS, fixed_point
from boltzprune.core.machine import BoltzmannMachine

OFF = -100
"""Bias of the units that fill a layer up."""
LISTED, FEW = 0.15, 1 << 11
"""A weight layer is listed if at most this share, or at most this number, of its weights exist."""
Numbers = npt.NDArray[Any]
"""Weights and sums of them: float32 in training, int32, whole multiples of each unit's `unit`, in sampling."""


class Lists(NamedTuple):
    """The existing weights of listed layers, from both of their units.

    Attributes
    ----------
    start, middle : (n_units + 1,), (n_units,) int64
        Where the list of a unit begins: neighbours below come first, from `middle` on those above.
    neighbour : (n,) int32
        Number of the neighbour.
    weight : (n,) float32 or int32
        The weight into the unit that has the list.
    mirror : (n,) int64
        Where the same weight stands in the neighbour's list.
    """

    start: Places
    middle: Places
    neighbour: Ints
    weight: Numbers
    mirror: Places


class Dense(NamedTuple):
    """The weights of one layer that is not listed; no row if it is.

    Attributes
    ----------
    is_listed : bool
    rows : (n_upper, n_lower) float32 or int32, both padded
        Weights into the lower units.
    tiles : (n_upper / TILE, n_lower, TILE) float32 or int32
        Weights into the upper units; what is read for `TILE` of them stays in first-level cache.
    exists : (n_upper, n_lower / LANES) uint16
        The mask: a bit for each weight, the lowest for the first of LANES.
    """

    is_listed: bool
    rows: Numbers
    tiles: Numbers
    exists: npt.NDArray[np.uint16]


class Network(NamedTuple):
    """A machine of any depth.

    Attributes
    ----------
    sizes, first : (n_layers,) int64
        Units of each layer, and the number of its first one.
    in_rows, in_lanes : (n_layers,) bool
        Whether the layer has a dense neighbour, and whether it has a listed one, or none that is dense.
    lists : Lists
    dense : tuple of Dense
    bias, unit : (n_units,) float32
        Field = bias + unit sum of weights; units are 1 for float32.
    """

    sizes: Places
    first: Places
    in_rows: npt.NDArray[np.bool_]
    in_lanes: npt.NDArray[np.bool_]
    lists: Lists
    dense: tuple[Dense, ...]
    bias: Floats
    unit: Floats


def is_listed(n_existing: int, n_weights: int) -> bool:
    """Whether the weights of a layer are listed: the one place that decides."""
    return n_existing <= max(FEW, LISTED * n_weights)


def network(machine: BoltzmannMachine) -> Network:
    """A machine for training, with weights of float32 that may change."""
    weights = [np.asarray(w, dtype=np.float32) for w in machine.weights]
    return _network(machine, weights, weights, [np.ones(n, np.float32) for n in machine.layer_sizes])


def fixed_network(machine: BoltzmannMachine) -> Network | None:
    """A machine for sampling, with weights rounded to whole numbers, whose sums are exact in any order.

    Returns
    -------
    Network or None
        None if a sum could exceed int32, which takes hundreds of neighbours with weights near the largest.
    """
    up, down, units = [], [], []
    weights, sizes = [np.asarray(w, dtype=np.float32) for w in machine.weights], machine.layer_sizes
    for layer, n in enumerate(sizes):
        below = weights[layer - 1] if layer > 0 else np.zeros((0, n), np.float32)
        above = weights[layer].T if layer + 1 < len(sizes) else np.zeros((0, n), np.float32)
        fixed = fixed_point(below, above, np)
        if (np.abs(fixed.below.astype(np.int64)).sum(0) + np.abs(fixed.above.astype(np.int64)).sum(0) > LARGEST).any():
            return None
        up.append(fixed.below)
        down.append(fixed.above.T)
        units.append(fixed.unit)
    return _network(machine, up[1:], down[:-1], units)


LARGEST = 2**31 - 1 - 2**BITS
"""Sums of int32 up to this cannot overflow while states flip one after the other."""


def _network(
    machine: BoltzmannMachine, into_upper: list[Numbers], into_lower: list[Numbers], units: list[Floats]
) -> Network:
    """From the weights of each layer as its upper and as its lower units see them, both (n_lower, n_upper)."""
    sizes = np.array(machine.layer_sizes, np.int64)
    widths = np.array([whole_tiles(n) for n in sizes])
    first = np.cumsum([0, *widths[:-1]]).astype(np.int64)
    listed = [is_listed(int(np.count_nonzero(mask)), mask.size) for mask in machine.masks]
    listed[1:] = [all(listed[1:])] * len(listed[1:])  # mean-field iteration takes all hidden layers in one way
    in_lanes, in_rows = (np.zeros(len(sizes), np.bool_) for _ in range(2))
    for place, is_in_lanes in enumerate(listed):
        (in_lanes if is_in_lanes else in_rows)[place : place + 2] = True
    bias, unit = zeros(widths.sum()), zeros(widths.sum())
    bias[:], unit[:] = OFF, 1
    for start, n, one, other in zip(first, sizes, machine.biases, units):
        bias[start : start + n], unit[start : start + n] = one, other
    dense = tuple(
        _dense(mask, up, down, is_in_lanes)
        for mask, up, down, is_in_lanes in zip(machine.masks, into_upper, into_lower, listed)
    )
    lists = _lists(machine.masks, into_upper, into_lower, listed, first, int(widths.sum()))
    return Network(sizes, first, in_rows, in_lanes, lists, dense, bias, unit)


def _dense(mask: np.ndarray, into_upper: Numbers, into_lower: Numbers, is_in_lanes: bool) -> Dense:
    """One weight layer; see `_network`."""
    n_lower, n_upper = (whole_tiles(n) for n in mask.shape) if not is_in_lanes else (0, 0)
    rows = zeros((n_upper, n_lower), into_lower.dtype)
    exists, turned = np.zeros((n_upper, n_lower // LANES), np.uint16), np.zeros((n_upper, n_lower), into_upper.dtype)
    if not is_in_lanes:
        rows[: mask.shape[1], : mask.shape[0]] = into_lower.T
        turned[: mask.shape[1], : mask.shape[0]] = into_upper.T
        bits = np.zeros((n_upper, n_lower), np.bool_)
        bits[: mask.shape[1], : mask.shape[0]] = mask.T
        exists[:] = np.packbits(bits, axis=1, bitorder="little").view(np.dtype("<u2"))
    return Dense(is_in_lanes, rows, tiles_of(turned.T), exists)


def _lists(
    masks: tuple[np.ndarray, ...],
    into_upper: list[Numbers],
    into_lower: list[Numbers],
    listed: list[bool],
    first: Places,
    n_units: int,
) -> Lists:
    """The lists of all units; see `_network`."""
    layers = [place for place, is_in_lanes in enumerate(listed) if is_in_lanes]
    places = [np.nonzero(masks[place]) for place in layers]
    nothing = [np.zeros(0, np.int64)]
    lower = np.concatenate(nothing + [first[p] + i for p, (i, _) in zip(layers, places)])
    upper = np.concatenate(nothing + [first[p + 1] + j for p, (_, j) in zip(layers, places)])
    kind = into_upper[0].dtype
    up = np.concatenate([np.zeros(0, kind), *(into_upper[p][where] for p, where in zip(layers, places))])
    down = np.concatenate([np.zeros(0, kind), *(into_lower[p][where] for p, where in zip(layers, places))])
    owner, neighbour = np.concatenate([upper, lower]), np.concatenate([lower, upper])
    order = np.lexsort((neighbour, owner))  # a unit's neighbours below have the smaller numbers
    place_of = np.empty_like(order)
    place_of[order] = np.arange(order.size)
    mirror = np.concatenate([np.arange(upper.size, 2 * upper.size), np.arange(upper.size)])[order]
    start = np.searchsorted(owner[order], np.arange(n_units + 1))
    middle = start[:-1] + np.bincount(upper, minlength=n_units)
    weight = np.concatenate([up, down])[order]
    return Lists(
        start.astype(np.int64), middle.astype(np.int64), neighbour[order].astype(np.int32), weight, place_of[mirror]
    )


def weights_of(net: Network, machine: BoltzmannMachine, values: tuple[Numbers, ...] = ()) -> list[Floats]:
    """The (n_lower, n_upper) weights of every layer, or other numbers that lie as the weights of `Network` do.

    Parameters
    ----------
    net : Network
    machine : BoltzmannMachine
        With the masks.
    values : tuple of float32 arrays
        As `spread` makes them: (rows of each dense layer ..., numbers of the lists). Default: the weights.
    """
    *rows, listed = values or (*(layer.rows for layer in net.dense), net.lists.weight)
    found = []
    for place, (mask, layer) in enumerate(zip(machine.masks, net.dense)):
        if layer.is_listed:
            matrix = np.zeros(mask.shape, np.float32)
            matrix[np.nonzero(mask)] = listed[_own(net, place, mask)]
        else:
            matrix = np.ascontiguousarray(rows[place][: mask.shape[1], : mask.shape[0]].T)
        found.append(matrix)
    return found


def spread(net: Network, machine: BoltzmannMachine, matrices: tuple[Floats, ...]) -> tuple[Floats, ...]:
    """(n_lower, n_upper) numbers of every layer as the weights of `Network` lie; those of the lists at upper units."""
    rows = [zeros(layer.rows.shape) for layer in net.dense]
    listed = np.zeros(net.lists.weight.shape, np.float32)
    for place, (mask, matrix) in enumerate(zip(machine.masks, matrices)):
        if net.dense[place].is_listed:
            listed[_own(net, place, mask)] = matrix[np.nonzero(mask)]
        else:
            rows[place][: mask.shape[1], : mask.shape[0]] = matrix.T
    return (*rows, listed)


def _own(net: Network, place: int, mask: np.ndarray) -> Places:
    """Where the weights of a listed layer, in the order of `np.nonzero(mask)`, stand in the lists of upper units."""
    lower, upper = np.nonzero(mask)
    unit = net.first[place + 1] + upper
    before = np.cumsum(mask, axis=0)[lower, upper] - 1  # weights of the same upper unit with lower units before
    return net.lists.start[unit] + before


@njit(**ORDERED)
def turn_rows(rows: Numbers, tiles: Numbers, start: int) -> None:
    """Copy LANES rows of a dense layer, from `start` on, to its tiles."""
    n_lower = rows.shape[1]
    tile = (start // TILE) * n_lower * TILE + start % TILE
    for i in range(0, n_lower, LANES):
        transpose(rows, start * n_lower + i, n_lower, tiles, tile + i * TILE, TILE)
