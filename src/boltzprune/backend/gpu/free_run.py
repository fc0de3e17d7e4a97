"""Chains on the GPU that run freely, of all machines of a job side by side, or are annealed (kernels/free_run.cu)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from boltzprune.backend.arrays import Array, Bytes
from boltzprune.backend.fixed_point import N_DIGITS, digits
from boltzprune.backend.gpu import cooperative
from boltzprune.backend.gpu.cooperative import MAX_BLOCKS, STATIC_SHARED, Plan
from boltzprune.backend.gpu.gibbs import weights_into
from boltzprune.core.machine import BoltzmannMachine

if TYPE_CHECKING:
    from boltzprune.backend.gpu.card import Card

STEPS_PER_LAUNCH = 10_000
"""A launch takes less than a second, so that progress is seen and no watchdog bites."""
WORD, GROUP = 32, 8
"""Units of a word of states and of a group, whose weights from a word of neighbours are a tile."""
TILE_BYTES, GROUP_BYTES = N_DIGITS * WORD * GROUP, 4 * 5 + 8 * GROUP
"""Of shared memory: a tile, which has the number of its word besides, and a group with the scales of its units."""


@dataclass(frozen=True)
class Layout:
    """The layers of a machine as kernels/free_run.cu has them, even ones before odd ones, group by group.

    Attributes
    ----------
    n_words : (int, int)
        Of the even layers and of the odd layers of a chain, both odd numbers.
    first_word : list of int
        Of each layer among those of its side.
    groups : (n_groups, 3) int32
        Byte among those of a side of a chain, layer, first unit.
    n_odd_groups : int
        Which come first.
    scales : (n_groups, GROUP, 2) float32
        Unit and bias of each unit; of units that pad a group, a bias that leaves them off.
    n_tiles : (n_groups,) int
        Of each group, that have a weight.
    words, tiles : (n, ) int32, (n, TILE_BYTES) uint8
        Of all tiles, group after group: the word of their neighbours, and their weights as the lanes of a warp need
        them.
    """

    n_words: tuple[int, int]
    first_word: list[int]
    groups: npt.NDArray[np.int32]
    n_odd_groups: int
    scales: npt.NDArray[np.float32]
    n_tiles: npt.NDArray[np.int64]
    words: npt.NDArray[np.int32]
    tiles: npt.NDArray[np.uint8]


def layout(machine: BoltzmannMachine) -> Layout:
    """The weights, biases and layers of a machine, laid out."""
    sizes = machine.layer_sizes
    even, odd = list(range(0, len(sizes), 2)), list(range(1, len(sizes), 2))
    counts = [-(-n // WORD) for n in sizes]
    first_word = [sum(counts[layer % 2 : layer : 2]) for layer in range(len(sizes))]
    n_words = sum(counts[::2]) | 1, sum(counts[1::2]) | 1
    parts = [_layer(machine, layer, first_word) for layer in odd + even]
    groups, scales, n_tiles, words, tiles = (np.concatenate(part) for part in zip(*parts, strict=True))
    n_odd_groups = sum(-(-sizes[layer] // GROUP) for layer in odd)
    return Layout(n_words, first_word, groups, n_odd_groups, scales, n_tiles, words, tiles)


def _layer(machine: BoltzmannMachine, layer: int, first_word: Sequence[int]) -> tuple[np.ndarray, ...]:
    """Groups, scales, tiles of each group, and words and weights of the tiles, of one layer; see `Layout`."""
    fixed, n_units = weights_into(machine, layer, np), machine.layer_sizes[layer]
    n_groups = -(-n_units // GROUP)
    spans = [len(side) for side in (fixed.below, fixed.above)]
    word_of = np.concatenate(
        [first_word[layer + by] + np.arange(-(-n // WORD)) for by, n in zip((-1, 1), spans) if n] or [np.zeros(0, int)]
    )
    found = digits(fixed, WORD, np)[:, : n_groups * GROUP]
    tiles = found.reshape(N_DIGITS, n_groups, GROUP, len(word_of), 2, 4, 4).transpose(1, 3, 0, 2, 5, 4, 6)
    exists = tiles.any(axis=(2, 3, 4, 5, 6))  # (groups, words)
    of_group, of_word = np.nonzero(exists)
    scales = np.full((n_groups * GROUP, 2), (0, -np.inf), np.float32)
    scales[:n_units] = np.stack([fixed.unit, machine.biases[layer]], axis=1)
    starts = np.arange(n_groups)
    groups = np.stack([4 * first_word[layer] + starts, np.full(n_groups, layer), GROUP * starts], axis=1)
    return (
        groups.astype(np.int32),
        scales.reshape(n_groups, GROUP, 2),
        exists.sum(axis=1),
        word_of[of_word].astype(np.int32),
        tiles[of_group, of_word].reshape(-1, TILE_BYTES),
    )


def _blocks_of(layers: Layout, n_blocks: int) -> npt.NDArray[np.int64]:
    """The block of each group: in turn, so that each has its share of every layer."""
    n_even = len(layers.groups) - layers.n_odd_groups
    return np.concatenate([np.arange(n) % n_blocks for n in (layers.n_odd_groups, n_even)])


def _block_by_block(layers: Layout, plan: Plan) -> npt.NDArray[np.int64]:
    """The groups in the order in which blocks have them, of each block those of odd layers first."""
    return np.argsort(_blocks_of(layers, plan.n_blocks), kind="stable")


def _shared(layers: Layout, n_blocks: int, n_chains: int, summed: slice | None) -> int:
    """Bytes of shared memory that a block needs, at most; `summed`: groups that AIS sums out."""
    block, counts = _blocks_of(layers, n_blocks), np.zeros((3, n_blocks), int)
    np.add.at(counts[0], block, 1)
    np.add.at(counts[1], block, layers.n_tiles)
    if summed is not None:
        np.add.at(counts[2], block[summed], 2 * n_chains)
    states = 4 * -(-n_chains // WORD) * WORD * sum(layers.n_words)
    return int((GROUP_BYTES * counts[0] + (TILE_BYTES + 4) * counts[1] + 8 * counts[2]).max()) + states


def plan(layers: Layout, n_chains: int, card: "Card", n_blocks: int, summed: slice | None = None) -> Plan | None:
    """So many blocks, or more if they do not hold the machine; None if it takes too many. No result depends on it."""
    for n in range(n_blocks, min(MAX_BLOCKS, card.n_multiprocessors) + 1):
        if (shared := _shared(layers, n, n_chains, summed)) <= card.max_shared - STATIC_SHARED:
            return Plan(n, shared)
    return None


class FreeRun:
    """Persistent chains of several machines, which run freely side by side; see `reference.Backend.free_run`.

    Parameters
    ----------
    held : list of _Held
        In the order of the machines.
    """

    def __init__(self, held: Sequence["_Held"]) -> None:
        self._held = held

    def advance(self, first_step: int, n_gibbs_steps: int) -> list[list[Array]]:
        """States of all layers of each machine after so many Gibbs steps, on the card."""
        found: list[list[Array]] = []
        for held in self._held:
            for step in range(first_step, first_step + n_gibbs_steps, STEPS_PER_LAUNCH):
                held.run(step, min(STEPS_PER_LAUNCH, first_step + n_gibbs_steps - step))
            found += held.states()
        return found


def free_run(
    card: "Card",
    machines: Sequence[BoltzmannMachine],
    chains: Sequence[Sequence[Bytes]],
    keys: Sequence[np.uint64],
) -> FreeRun | None:
    """Persistent chains of machines, all together on the card; see `reference.Backend.free_run`.

    Parameters
    ----------
    card : card.Card
    machines : list of BoltzmannMachine
    chains : list of tuple of (n_chains, n_units) uint8
        Of each machine, as many chains of each.
    keys : list of np.uint64

    Returns
    -------
    FreeRun or None
        None where the card does not hold a machine.
    """
    if any(min(machine.layer_sizes) == 0 for machine in machines):
        return None
    layers, n_blocks = [layout(machine) for machine in machines], max(1, card.n_multiprocessors // len(machines))
    plans = [
        plan(one, len(states[0]), card, _useful(one, n_blocks)) for one, states in zip(layers, chains, strict=True)
    ]
    taken = [plan for plan in plans if plan is not None]
    if len(taken) < len(plans):
        return None
    work = list(zip(layers, [machine.layer_sizes for machine in machines], chains, keys, strict=True))

    def hold(plans: Sequence[Plan], part: Sequence[tuple]) -> list[_Held]:
        return [_Held(card, plans, *zip(*part))]

    return FreeRun(cooperative.in_turns(card, taken, work, hold))


def _useful(layers: Layout, n_blocks: int) -> int:
    """So many blocks, or as many as have something to do."""
    return min(n_blocks, MAX_BLOCKS, max(layers.n_odd_groups, len(layers.groups) - layers.n_odd_groups))


def log_weights(
    card: "Card", machine: BoltzmannMachine, states: Mapping[int, Bytes], betas: npt.NDArray[np.float32], key: np.uint64
) -> npt.NDArray[np.float64] | None:
    """Log weights of the chains of annealed importance sampling; see `reference.Backend.log_weights`.

    Parameters
    ----------
    card : card.Card
    machine : BoltzmannMachine
        On the host.
    states : dict
        Layer -> (n_chains, n_units) uint8, of the layers that are sampled.
    betas : (n_temperatures,) float32
    key : np.uint64

    Returns
    -------
    (n_chains,) float64 or None
        None where the card does not hold the machine.
    """
    if min(machine.layer_sizes) == 0:
        return None
    layers, even_first, n_chains = layout(machine), 0 not in states, len(next(iter(states.values())))
    summed = slice(layers.n_odd_groups, None) if even_first else slice(layers.n_odd_groups)
    one = plan(layers, n_chains, card, _useful(layers, card.n_multiprocessors), summed)
    if one is None:
        return None
    unread = [np.zeros((n_chains, n), np.uint8) for n in machine.layer_sizes]  # of the layers that are drawn first
    chains = [states.get(layer, nothing) for layer, nothing in enumerate(unread)]
    held = _Held(card, [one], [layers], [machine.layer_sizes], [chains], [key])
    return held.anneal(betas, even_first)[summed].sum(axis=(0, 1))


class _Held:
    """Chains of machines that the card holds at the same time."""

    def __init__(
        self,
        card: "Card",
        plans: Sequence[Plan],
        layers: Sequence[Layout],
        sizes: Sequence[tuple[int, ...]],
        chains: Sequence[Sequence[Bytes]],
        keys: Sequence[np.uint64],
    ) -> None:
        self.card, self.plans, self.layers, self.sizes = card, plans, layers, sizes
        self.n_chains = len(chains[0][0])
        self.starts = np.cumsum([0, *(self.n_chains * sum(one.n_words) for one in layers)])
        words = np.concatenate([_words_of(card, *each) for each in zip(layers, chains)], axis=None)
        self.states_on_card = card.asarray(words)
        self.arrays = [card.asarray(array) for array in self._tables()]
        self.keys = card.asarray(np.array(keys, np.uint64))

    def _tables(self) -> list[np.ndarray]:
        """What kernels/free_run.cu reads about blocks, groups and tiles, block after block."""
        about, parts = [], []
        n_tiles = n_groups = 0
        for k, (plan, one) in enumerate(zip(self.plans, self.layers)):
            block, order, ends = _blocks_of(one, plan.n_blocks), _block_by_block(one, plan), np.cumsum(one.n_tiles)
            tiles = np.concatenate([np.arange(end - n, end) for n, end in zip(one.n_tiles[order], ends[order])])
            first, last = np.zeros((2, len(order)), np.int32)
            for b in range(plan.n_blocks):
                mine = np.flatnonzero(block[order] == b)
                counts = one.n_tiles[order][mine]
                last[mine], total = np.cumsum(counts), int(counts.sum())
                first[mine] = last[mine] - counts
                n_odd = int((order[mine] < one.n_odd_groups).sum())
                row = (k, plan.n_blocks, *one.n_words, self.starts[k], n_tiles, total)
                about.append((*row, n_groups, n_groups + n_odd, n_groups + len(mine)))
                n_tiles, n_groups = n_tiles + total, n_groups + len(mine)
            groups = np.column_stack([one.groups[order], first, last])
            parts.append((groups, one.scales[order], one.words[tiles], one.tiles[tiles]))
        return [np.array(about, np.int32), *(np.concatenate(part) for part in zip(*parts, strict=True))]

    def run(self, first_step: int, n_gibbs_steps: int) -> None:
        """Gibbs steps of all chains."""
        counters = self.card.xp.zeros(len(self.plans), dtype=np.uint32)
        numbers = (np.int32(self.n_chains), np.uint32(first_step), np.int32(n_gibbs_steps))
        arguments = [self.states_on_card, *self.arrays, self.keys, counters, *numbers]
        cooperative.launch(self.card, "free_run", self.plans, {"ANNEALED": 0}, arguments)

    def anneal(self, betas: npt.NDArray[np.float32], even_first: bool) -> npt.NDArray[np.float64]:
        """How the logs of the sums of the only machine's groups grow: (n_groups, 2, n_chains), as in its layout."""
        xp, [layers], [one] = self.card.xp, self.layers, self.plans
        sums = xp.zeros((len(layers.groups), 2, self.n_chains), dtype=np.float64)
        given = [self.card.asarray(betas), sums, np.int32(even_first), np.int32(self.n_chains)]
        for step in range(1, len(betas), STEPS_PER_LAUNCH):
            numbers = np.uint32(step), np.int32(min(STEPS_PER_LAUNCH, len(betas) - step))
            counters = xp.zeros(1, dtype=np.uint32)
            arguments = [self.states_on_card, *self.arrays, self.keys, counters, *given, *numbers]
            cooperative.launch(self.card, "free_run", self.plans, {"ANNEALED": 1}, arguments)
        found = np.empty(sums.shape)
        found[_block_by_block(layers, one)] = self.card.to_host(sums)
        return found

    def states(self) -> list[list[Array]]:
        """States of the chains of each machine, layer by layer, on the card."""
        bits = self.states_on_card.reshape(-1, 1) >> self.card.xp.arange(WORD, dtype=np.uint32)
        states, found = (bits & np.uint32(1)).astype(np.uint8).reshape(-1), []
        for start, one, sizes in zip(self.starts, self.layers, self.sizes):
            ends = WORD * (int(start) + self.n_chains * np.cumsum([0, *one.n_words]))
            sides = [states[a:b].reshape(self.n_chains, -1) for a, b in zip(ends[:-1], ends[1:])]
            firsts = [WORD * first for first in one.first_word]
            found.append([sides[k % 2][:, first : first + n] for k, (first, n) in enumerate(zip(firsts, sizes))])
        return found


def _words_of(card: "Card", layers: Layout, chains: Sequence[Bytes]) -> npt.NDArray[np.uint32]:
    """States as words of 32 units: those of the even layers chain by chain, then those of the odd ones."""
    sides = [np.zeros((len(chains[0]), WORD * n), np.uint8) for n in layers.n_words]
    for k, (first, states) in enumerate(zip(layers.first_word, chains)):
        sides[k % 2][:, WORD * first : WORD * first + states.shape[1]] = card.to_host(states)
    words = [np.packbits(side, axis=1, bitorder="little").view("<u4").reshape(-1) for side in sides]
    return np.concatenate(words).astype(np.uint32)
