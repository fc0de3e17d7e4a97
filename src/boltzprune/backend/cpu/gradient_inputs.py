"""What a step up the gradient reads and changes, and what it wants to know of chains and images, laid out for it."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import uint64

from boltzprune.backend.arrays import Bytes, Floats, Ints
from boltzprune.backend.cpu.arithmetic import ORDERED, popcount
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.chains import Chains
from boltzprune.backend.cpu.network import Network
from boltzprune.backend.cpu.vector_functions import transpose
from boltzprune.backend.cpu.vectors import LANES, are_on, load, zeros

Words64 = npt.NDArray[np.uint64]
BITS = 64
"""Chains whose states are in one word."""


class Steps(NamedTuple):
    """What is changed besides the parameters, and room for the gradient.

    Attributes
    ----------
    rows : tuple of (n_upper, n_lower) float32
        The last steps of dense weights, as `Dense.rows`.
    listed : (n,) float32
        Those of listed weights, at the upper unit, as `Lists.weight`.
    bias : (n_units,) float32
    bits : (n_units, n_words) uint64
        The chains in which a unit of a listed layer is on.
    side_by_side : (n_units, n) float32
        Means of the images, n being a multiple of LANES.
    on, n_on : (n_units, n_chains), (n_units,) int32
        The chains in which an upper unit of a dense layer is on.
    """

    rows: tuple[Floats, ...]
    listed: Floats
    bias: Floats
    bits: Words64
    side_by_side: Floats
    on: Ints
    n_on: Ints


def steps_of(net: Network, spread: tuple[Floats, ...], bias: Floats, n_chains: int, n_images: int) -> Steps:
    """Steps as `network.spread` gives them, with room for so many chains and images."""
    *rows, listed = spread
    n, width = net.bias.size, -(-n_images // LANES) * LANES
    bits, on = np.zeros((n, -(-n_chains // BITS)), np.uint64), np.zeros((n, n_chains), np.int32)
    return Steps(tuple(rows), listed, bias, bits, zeros((n, width)), on, np.zeros(n, np.int32))


@njit(**ORDERED)
def bits_of_chains(net: Network, chains: Chains, n_chains: int, steps: Steps) -> None:
    """What the gradient wants to know of the chains where weights are listed: `Steps.bits`."""
    for layer in range(net.sizes.size):
        if net.in_lanes[layer]:
            _bits_of(chains.lanes, net.first[layer], net.sizes[layer], n_chains, steps.bits)


@njit(**ORDERED)
def lists_of_chains(net: Network, chains: Chains, n_chains: int, steps: Steps) -> None:
    """What it wants to know of the chains where weights are dense: `Steps.on` and `Steps.n_on`."""
    for layer in range(1, net.sizes.size):
        if not net.dense[layer - 1].is_listed:
            _list_chains(chains.states[layer], net.first[layer], net.sizes[layer], n_chains, steps.on, steps.n_on)


@njit(**ORDERED)
def gather_images(net: Network, means: Floats, steps: Steps) -> None:
    """What it wants to know of the images: `Steps.side_by_side`.

    Parameters
    ----------
    net : Network
    means : (n, n_units) float32
        Of all layers of the images; the visible ones are states. n is a multiple of LANES, and the means of images that
        only fill the last vector up are 0.
    steps : Steps
    """
    for layer in range(net.sizes.size):
        if net.in_lanes[layer]:
            _put_side_by_side(means, net.first[layer], net.sizes[layer], steps.side_by_side)


@njit(**ORDERED)
def _bits_of(lanes: Floats, first: int, size: int, n_chains: int, bits: Words64) -> None:
    """Bits of the chains in which the units of a layer are on."""
    width = lanes.shape[1]
    for unit in range(first, first + size):
        for word in range(bits.shape[1]):
            found = uint64(0)
            for c in range(word * BITS, min((word + 1) * BITS, n_chains), LANES):
                found |= are_on(load(lanes, unit * width + c)) << uint64(c - word * BITS)
            if (word + 1) * BITS > n_chains:
                found &= (uint64(1) << uint64(n_chains - word * BITS)) - uint64(1)
            bits[unit, word] = found


@njit(**ORDERED)
def _put_side_by_side(means: Floats, first: int, n: int, out: Floats) -> None:
    """Transpose the means of a layer."""
    stride, width = means.shape[1], out.shape[1]
    for unit in range(first, first + n, LANES):
        for g in range(0, width, LANES):
            transpose(means, g * stride + unit, stride, out, unit * width + g, width)


@njit(**ORDERED)
def _list_chains(states: Bytes, first: int, size: int, n_chains: int, on: Ints, n_on: Ints) -> None:
    """The chains in which each unit of a layer is on."""
    n = states.shape[1]
    for unit in range(first, first + size):
        n_on[unit] = 0
    for c in range(n_chains):
        for j in range(0, n, LANES):
            bits = are_on(load(states, c * n + j))
            while bits != uint64(0):
                here = first + j + np.int64(popcount((bits & (~bits + uint64(1))) - uint64(1)))
                on[here, n_on[here]] = c
                n_on[here] += np.int32(1)
                bits &= bits - uint64(1)
