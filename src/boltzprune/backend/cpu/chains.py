"""Some Markov chains as the compiled loops read them, and where their random numbers come from."""

from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np
import numpy.typing as npt

from boltzprune.backend.arrays import Bytes, Ints, Places
from boltzprune.backend.cpu.arithmetic import ORDERED, Words32, blocks_for, halves
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.network import Network, Numbers
from boltzprune.backend.cpu.tiles import TILE, whole_tiles
from boltzprune.backend.cpu.vector_functions import transpose
from boltzprune.backend.cpu.vectors import LANES, zeros


class Draws(NamedTuple):
    """Where the random numbers of all layers come from.

    Attributes
    ----------
    blocks, tags : tuple of (n_blocks,) uint32
        Of every layer, from `blocks_for`.
    k0, k1 : np.uint32
        The two words of the stream's key.
    """

    blocks: tuple[Words32, ...]
    tags: tuple[Words32, ...]
    k0: np.uint32
    k1: np.uint32

    @classmethod
    def of(cls, key: np.uint64, layer_sizes: Sequence[int]) -> Self:
        """Those of a stream."""
        blocks, tags, _ = zip(*(blocks_for((layer, whole_tiles(n))) for layer, n in enumerate(layer_sizes)))
        return cls(blocks, tags, *halves(key))


class Some(NamedTuple):
    """Chains that are computed together: number `begin`, a multiple of LANES, up to `end`, of those of `Chains`.

    The random numbers of the first of all chains are those of chain `first`. Where chains lie side by side, those that
    fill the last vector up are computed as well, and nobody reads them.
    """

    begin: int
    end: int
    first: int


class Flips(NamedTuple):
    """Which units of a layer its neighbours were told are on, and which have flipped since.

    Attributes
    ----------
    told : (width, n_units / LANES) uint16
        A bit for each unit.
    on, off : (width, n_units + LANES) int32
        Units of a chain that went on and off, each times TILE.
    n_on, n_off : (width,) int64
    """

    told: npt.NDArray[np.uint16]
    on: Ints
    off: Ints
    n_on: Places
    n_off: Places


class Chains(NamedTuple):
    """States of some chains, and room for what is computed of them; `width` is their number, a multiple of LANES.

    Attributes
    ----------
    states : tuple of (width, n_units) uint8, padded
    lanes : (n_units, width) float32 or int32
        States of layers with listed weights, as `vectors.plus_where` takes them.
    lane_fields : (n_units, width) float32 or int32
        Sums of listed weights.
    sums, fields : tuple of (width, n_units) float32 or int32
        Of dense weights, and of all.
    flips : tuple of Flips
    """

    states: tuple[Bytes, ...]
    lanes: Numbers
    lane_fields: Numbers
    sums: tuple[Numbers, ...]
    fields: tuple[Numbers, ...]
    flips: tuple[Flips, ...]


def chains_of(net: Network, states: Sequence[np.ndarray]) -> Chains:
    """Chains with these states, (n_chains, n_units) uint8 of every layer; those that fill vectors up are all zeros."""
    kind, width = net.lists.weight.dtype, -(-len(states[0]) // LANES) * LANES
    held, sums, fields, flips = [], [], [], []
    for layer, state in enumerate(states):
        n = whole_tiles(state.shape[1])
        own = zeros((width, n), np.uint8)
        own[: len(state), : state.shape[1]] = state
        held.append(own)
        rows = (width, n) if net.in_rows[layer] else (0, TILE)
        sums.append(zeros(rows, kind))
        fields.append(zeros(rows, kind))
        on, off = (np.zeros((rows[0], rows[1] + LANES), np.int32) for _ in range(2))
        n_on, n_off = (np.zeros(rows[0], np.int64) for _ in range(2))
        flips.append(Flips(np.zeros((rows[0], rows[1] // LANES), np.uint16), on, off, n_on, n_off))
    n_in_lanes = net.bias.size if net.in_lanes.any() else 0
    lanes, lane_fields = (zeros((n_in_lanes, width), kind) for _ in range(2))
    chains = Chains(tuple(held), lanes, lane_fields, tuple(sums), tuple(fields), tuple(flips))
    for layer in np.flatnonzero(net.in_lanes).tolist():
        lanes_from_states(net, chains, layer, Some(0, width, 0))
    return chains


@njit(**ORDERED)
def lanes_from_states(net: Network, chains: Chains, layer: int, some: Some) -> None:
    """Copy states of a layer to where chains lie side by side."""
    states, width = chains.states[layer], chains.lanes.shape[1]
    for i in range(0, states.shape[1], LANES):
        for c in range(some.begin, some.end, LANES):
            at = c * states.shape[1] + i
            transpose(states, at, states.shape[1], chains.lanes, (net.first[layer] + i) * width + c, width)


@njit(**ORDERED)
def states_from_lanes(net: Network, chains: Chains, layer: int, some: Some) -> None:
    """The way back."""
    states, width = chains.states[layer], chains.lanes.shape[1]
    for i in range(0, states.shape[1], LANES):
        for c in range(some.begin, some.end, LANES):
            at = c * states.shape[1] + i
            transpose(chains.lanes, (net.first[layer] + i) * width + c, width, states, at, states.shape[1])


def states_of(net: Network, chains: Chains, n: int) -> list[Bytes]:
    """Copies of the states of the first n chains: (n, n_units) uint8 of every layer."""
    for layer in np.flatnonzero(~net.in_rows).tolist():
        states_from_lanes(net, chains, layer, Some(0, n, 0))
    return [own[:n, :size].copy() for own, size in zip(chains.states, net.sizes)]


def parts(n_chains: int, n_parts: int, first: int) -> list[Some]:
    """Chains in so many parts, or fewer, each of whole vectors but for the last, whose numbers begin at `first`."""
    n_vectors = -(-n_chains // LANES)
    ends = [n_vectors * (part + 1) // n_parts * LANES for part in range(n_parts)]
    begins = [0, *ends[:-1]]
    return [Some(a, min(b, n_chains), first) for a, b in zip(begins, ends) if a < min(b, n_chains)]
