"""Compiled block Gibbs sampling of machines of any depth, some chains at a time.

Listed weights (see `network`) are taken for many chains at once, which lie side by side in vectors: `lanes`. Of dense
weights each chain has running sums of the rows of its active neighbours: `sums`. Those change only where a unit has
flipped since they were told of it. With weights of whole numbers that is exact; with weights of float32, which training
changes between steps, the sums begin anew each time. Nothing depends on which chains are computed together.
"""

import numpy as np
from numba import int32, uint32, uint64

from boltzprune.backend.arrays import Bytes, Floats
from boltzprune.backend.cpu.arithmetic import ORDERED, fill_uniform, popcount
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.chains import Chains, Draws, Flips, Some, lanes_from_states
from boltzprune.backend.cpu.network import Lists, Network, Numbers
from boltzprune.backend.cpu.tiles import TILE
from boltzprune.backend.cpu.vector_functions import logistic_of, put_chosen, put_uniforms, transpose
from boltzprune.backend.cpu.vectors import (
    LANES,
    are_less,
    are_on,
    item,
    kept,
    lanes_of,
    load,
    minus,
    nothing,
    plus,
    plus_times,
    plus_where,
    splat,
    store,
    to_floats,
)

UNITS_A_BLOCK = 4
"""Units whose random numbers one block of Philox gives."""


@njit(**ORDERED)
def _sum_lists(out: Numbers, lists: Lists, lanes: Numbers, first: int, n: int, some: Some) -> None:
    """Sums of the listed weights of units that are on, into units `first` ... `first` + n - 1, four vectors at a time.

    Of the last four vectors some may be computed twice.

    Parameters
    ----------
    out, lanes : (n_units, width) float32 or int32
        See `Chains`.
    lists : Lists
    first, n : int
    some : Some
    """
    (starts, _, neighbours, weights, _), width = lists, lanes.shape[1]
    begin, last = some.begin, some.begin + (some.end - some.begin - 1 & -LANES)
    for unit in range(first, first + n):
        start, stop, at0 = starts[unit], starts[unit + 1], begin
        while last - at0 >= 4 * LANES:
            at4, at5, at6 = at0 + 4 * LANES, min(at0 + 5 * LANES, last), min(at0 + 6 * LANES, last)
            at7 = min(at0 + 7 * LANES, last)
            sum0 = sum1 = sum2 = sum3 = sum4 = sum5 = sum6 = sum7 = nothing(lanes)
            for k in range(start, stop):
                weight, row = item(weights, k), np.int64(item(neighbours, k)) * width
                sum0 = plus_where(sum0, weight, load(lanes, row + at0))
                sum1 = plus_where(sum1, weight, load(lanes, row + at0 + LANES))
                sum2 = plus_where(sum2, weight, load(lanes, row + at0 + 2 * LANES))
                sum3 = plus_where(sum3, weight, load(lanes, row + at0 + 3 * LANES))
                sum4 = plus_where(sum4, weight, load(lanes, row + at4))
                sum5 = plus_where(sum5, weight, load(lanes, row + at5))
                sum6 = plus_where(sum6, weight, load(lanes, row + at6))
                sum7 = plus_where(sum7, weight, load(lanes, row + at7))
            store(out, unit * width + at0, sum0)
            store(out, unit * width + at0 + LANES, sum1)
            store(out, unit * width + at0 + 2 * LANES, sum2)
            store(out, unit * width + at0 + 3 * LANES, sum3)
            store(out, unit * width + at4, sum4)
            store(out, unit * width + at5, sum5)
            store(out, unit * width + at6, sum6)
            store(out, unit * width + at7, sum7)
            at0 += 8 * LANES
        if at0 <= last:
            at1, at2, at3 = min(at0 + LANES, last), min(at0 + 2 * LANES, last), min(at0 + 3 * LANES, last)
            sum0 = sum1 = sum2 = sum3 = nothing(lanes)
            for k in range(start, stop):
                weight, row = item(weights, k), np.int64(item(neighbours, k)) * width
                sum0 = plus_where(sum0, weight, load(lanes, row + at0))
                sum1 = plus_where(sum1, weight, load(lanes, row + at1))
                sum2 = plus_where(sum2, weight, load(lanes, row + at2))
                sum3 = plus_where(sum3, weight, load(lanes, row + at3))
            store(out, unit * width + at0, sum0)
            store(out, unit * width + at1, sum1)
            store(out, unit * width + at2, sum2)
            store(out, unit * width + at3, sum3)


@njit(**ORDERED)
def _note_flips(states: Bytes, flips: Flips, afresh: bool, some: Some) -> None:
    """Find the units of a layer that have flipped since this was last done, or, afresh, all that are on.

    Parameters
    ----------
    states : (width, n_units) uint8
    flips : Flips
        Filled.
    afresh : bool
    some : Some
    """
    (told, on, off, all_on, all_off), n = flips, states.shape[1]
    for c in range(some.begin, some.end):
        n_on, n_off = np.int64(0), np.int64(0)
        for i in range(0, n, LANES):
            now = are_on(load(states, c * n + i))
            before = uint64(0) if afresh else uint64(told[c, i // LANES])
            went_on, went_off = now & ~before, before & ~now
            put_chosen(on, c * (n + LANES) + n_on, went_on, i, TILE)
            n_on += np.int64(popcount(went_on))
            put_chosen(off, c * (n + LANES) + n_off, went_off, i, TILE)
            n_off += np.int64(popcount(went_off))
            told[c, i // LANES] = np.uint16(now)
        all_on[c], all_off[c] = n_on, n_off


@njit(**ORDERED)
def _sum_tiles(sums: Numbers, tiles: Numbers, flips: Flips, some: Some) -> None:
    """Sums of a layer over the units below that are on, TILE units after the other, whose tile stays in cache.

    Parameters
    ----------
    sums : (width, n_units) float32 or int32
        Filled.
    tiles
        See `Dense`.
    flips : Flips
        Of the layer below.
    some : Some
    """
    n, depth, on, n_on, list_size = sums.shape[1], tiles.shape[1], flips.on, flips.n_on, flips.on.shape[1]
    for j in range(0, n, TILE):
        base = j * depth
        for c in range(some.begin, some.end):
            k, end = c * list_size, c * list_size + n_on[c]
            a0 = a1 = b0 = b1 = c0 = c1 = d0 = d1 = nothing(sums)
            while k + 4 <= end:
                row0, row1 = base + np.int64(item(on, k)), base + np.int64(item(on, k + 1))
                row2, row3 = base + np.int64(item(on, k + 2)), base + np.int64(item(on, k + 3))
                a0, a1 = plus(a0, load(tiles, row0)), plus(a1, load(tiles, row0 + LANES))
                b0, b1 = plus(b0, load(tiles, row1)), plus(b1, load(tiles, row1 + LANES))
                c0, c1 = plus(c0, load(tiles, row2)), plus(c1, load(tiles, row2 + LANES))
                d0, d1 = plus(d0, load(tiles, row3)), plus(d1, load(tiles, row3 + LANES))
                k += 4
            while k < end:
                row0 = base + np.int64(item(on, k))
                a0, a1 = plus(a0, load(tiles, row0)), plus(a1, load(tiles, row0 + LANES))
                k += 1
            store(sums, c * n + j, plus(plus(a0, b0), plus(c0, d0)))
            store(sums, c * n + j + LANES, plus(plus(a1, b1), plus(c1, d1)))


@njit(**ORDERED)
def _add_flips(sums: Numbers, table: Numbers, next_tile: int, stride: int, flips: Flips, some: Some) -> None:
    """Bring the sums of a layer up to date with one neighbour, four times TILE units after the other.

    Rows of units that went on are added, those of units that went off taken away.

    Parameters
    ----------
    sums : (width, n_units) float32 or int32
    table : float32 or int32
        `Dense.rows`, or `Dense.tiles`.
    next_tile, stride : int
        From TILE units to the next, and from one unit of the neighbour to the next, in the table.
    flips : Flips
        Of the neighbour.
    some : Some
    """
    (_, on, off, n_on, n_off), n, factor, size = flips, sums.shape[1], stride // TILE, flips.on.shape[1]
    for tile in range(0, n // TILE, 4):
        last = n // TILE - 1  # where tiles are missing the last one stands for them, more than once
        tile1, tile2, tile3 = min(tile + 1, last), min(tile + 2, last), min(tile + 3, last)
        base0, base1, base2, base3 = tile * next_tile, tile1 * next_tile, tile2 * next_tile, tile3 * next_tile
        for c in range(some.begin, some.end):
            if n_on[c] + n_off[c] > 0:
                at0, at1 = c * n + tile * TILE, c * n + tile1 * TILE
                at2, at3 = c * n + tile2 * TILE, c * n + tile3 * TILE
                a0, a1, b0, b1 = load(sums, at0), load(sums, at0 + LANES), load(sums, at1), load(sums, at1 + LANES)
                c0, c1, d0, d1 = load(sums, at2), load(sums, at2 + LANES), load(sums, at3), load(sums, at3 + LANES)
                for k in range(c * size, c * size + n_on[c]):
                    row = factor * np.int64(item(on, k))
                    a0, a1 = plus(a0, load(table, base0 + row)), plus(a1, load(table, base0 + row + LANES))
                    b0, b1 = plus(b0, load(table, base1 + row)), plus(b1, load(table, base1 + row + LANES))
                    c0, c1 = plus(c0, load(table, base2 + row)), plus(c1, load(table, base2 + row + LANES))
                    d0, d1 = plus(d0, load(table, base3 + row)), plus(d1, load(table, base3 + row + LANES))
                for k in range(c * size, c * size + n_off[c]):
                    row = factor * np.int64(item(off, k))
                    a0, a1 = minus(a0, load(table, base0 + row)), minus(a1, load(table, base0 + row + LANES))
                    b0, b1 = minus(b0, load(table, base1 + row)), minus(b1, load(table, base1 + row + LANES))
                    c0, c1 = minus(c0, load(table, base2 + row)), minus(c1, load(table, base2 + row + LANES))
                    d0, d1 = minus(d0, load(table, base3 + row)), minus(d1, load(table, base3 + row + LANES))
                store(sums, at0, a0)
                store(sums, at0 + LANES, a1)
                store(sums, at1, b0)
                store(sums, at1 + LANES, b1)
                store(sums, at2, c0)
                store(sums, at2 + LANES, c1)
                store(sums, at3, d0)
                store(sums, at3 + LANES, d1)


@njit(**ORDERED)
def _sum_neighbours(net: Network, chains: Chains, layer: int, afresh: bool, some: Some) -> None:
    """All sums of a layer, of both neighbours, listed and dense."""
    if net.in_lanes[layer]:
        _sum_lists(chains.lane_fields, net.lists, chains.lanes, net.first[layer], net.sizes[layer], some)
    sums, is_begun = chains.sums[layer], not afresh
    if layer > 0 and not net.dense[layer - 1].is_listed:
        tiles, flips = net.dense[layer - 1].tiles, chains.flips[layer - 1]
        if is_begun:
            _add_flips(sums, tiles, tiles.shape[1] * TILE, TILE, flips, some)
        else:
            _sum_tiles(sums, tiles, flips, some)
        is_begun = True
    if layer + 1 < net.sizes.size and not net.dense[layer].is_listed:
        rows = net.dense[layer].rows
        if not is_begun:
            sums[some.begin : some.end] = 0
        _add_flips(sums, rows, TILE, rows.shape[1], chains.flips[layer + 1], some)


@njit(**ORDERED)
def _draw_in_rows(
    net: Network, chains: Chains, layer: int, uniform: Floats, draws: Draws, step: int, some: Some
) -> None:
    """Draw a layer that has a dense neighbour, chain by chain.

    Parameters
    ----------
    net, chains, layer
    uniform : float32 array
        Room for random numbers.
    draws : Draws
    step : int
    some : Some
    """
    states, sums, fields = chains.states[layer], chains.sums[layer], chains.fields[layer]
    n, first, width, size = states.shape[1], net.first[layer], chains.lanes.shape[1], net.sizes[layer]
    if net.in_lanes[layer]:
        for j in range(0, n, LANES):
            for c in range(some.begin, some.end, LANES):
                transpose(chains.lane_fields, (first + j) * width + c, width, fields, c * n + j, n)
    one, blocks, tags, k0, k1 = splat(int32(1)), draws.blocks[layer], draws.tags[layer], draws.k0, draws.k1
    bias, unit, are_in_lanes = net.bias, net.unit, net.in_lanes[layer]
    for c in range(some.begin, some.end):
        fill_uniform(uniform, blocks, tags, some.first + c, step, k0, k1)
        for j in range(0, n, LANES):
            total = load(sums, c * n + j)
            if are_in_lanes:
                total = plus(total, load(fields, c * n + j))
            field = plus_times(load(bias, first + j), load(unit, first + j), to_floats(total))
            bits = are_less(load(uniform, j), logistic_of(field))
            if j + LANES > size:  # units that only fill the layer up stay off
                bits &= (uint64(1) << uint64(max(0, size - j))) - uint64(1)
            store(states, c * n + j, kept(one, bits))
    if net.in_lanes[layer]:
        lanes_from_states(net, chains, layer, some)


@njit(**ORDERED)
def _draw_in_lanes(
    net: Network, chains: Chains, layer: int, uniform: Floats, draws: Draws, step: int, some: Some
) -> None:
    """Draw a layer without dense neighbours, chains side by side; the parameters are those of `_draw_in_rows`."""
    lanes, size, width = chains.lanes, net.sizes[layer], chains.lanes.shape[1]
    n, fields, key = some.end - some.begin + LANES - 1 & -LANES, chains.lane_fields, (draws.k0, draws.k1)
    biases, units, first = net.bias, net.unit, net.first[layer]
    for block in range(-(-size // UNITS_A_BLOCK)):
        for start in range(0, n, LANES):
            chain = uint32(some.first + some.begin + start)
            counter = uint32(block), chain, uint32(step), uint32(layer)
            put_uniforms(uniform, UNITS_A_BLOCK * start, counter, key)
        for u in range(min(UNITS_A_BLOCK, size - UNITS_A_BLOCK * block)):
            unit = first + UNITS_A_BLOCK * block + u
            bias, scale = splat(biases[unit]), splat(units[unit])
            for start in range(0, n, LANES):
                at = unit * width + some.begin + start
                field = plus_times(bias, scale, to_floats(load(fields, at)))
                numbers = load(uniform, UNITS_A_BLOCK * start + u * LANES)
                store(lanes, at, lanes_of(are_less(numbers, logistic_of(field)), lanes))


@njit(**ORDERED)
def gibbs_steps(
    net: Network, chains: Chains, first_layer: int, steps: tuple[int, int], draws: Draws, afresh: bool, some: Some
) -> None:
    """Block Gibbs sampling in place: odd layers, then even ones.

    States of layers without dense neighbours are left in `Chains.lanes`, see `states_from_lanes`.

    Parameters
    ----------
    net : Network
    chains : Chains
    first_layer : int
        Layers below it are clamped.
    steps : (int, int)
        The first one, and how many.
    draws : Draws
    afresh : bool
        Whether dense sums begin anew every time, as they must when weights have changed or sums are rounded.
    some : Some
    """
    n_layers, most = net.sizes.size, UNITS_A_BLOCK * (some.end - some.begin + LANES)
    for layer in range(n_layers):
        most = max(most, 4 * draws.blocks[layer].size)
    uniform = np.empty(most, np.float32)
    for step in range(steps[0], steps[0] + steps[1]):
        for parity in (1, 0):
            for layer in range(1 - parity, n_layers, 2):
                if net.in_rows[layer]:
                    _note_flips(chains.states[layer], chains.flips[layer], afresh, some)
            for layer in range(parity, n_layers, 2):
                if layer >= first_layer:
                    _sum_neighbours(net, chains, layer, afresh, some)
                    if net.in_rows[layer]:
                        _draw_in_rows(net, chains, layer, uniform, draws, step, some)
                    else:
                        _draw_in_lanes(net, chains, layer, uniform, draws, step, some)
