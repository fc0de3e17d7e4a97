"""States and probabilities of layers on the GPU: what kernels/states.cu, field.cu, draw.cu and gibbs.cu are given.

The sums that a state rests on are exact (`fixed_point`), those of a probability have one order: so the kernels agree to
the last bit, and a chain's numbers do not depend on which other chains are computed with it.
"""

from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from boltzprune.backend.arrays import Array
from boltzprune.backend.fixed_point import FixedPoint, digits, fixed_point, padded
from boltzprune.core.joint import Parameters
from boltzprune.core.machine import BoltzmannMachine

if TYPE_CHECKING:
    from boltzprune.backend.gpu.card import Card

TILE, BLOCK = 64, 256
"""Chains and units of a tile, and threads that make it, in kernels/field.cu and kernels/pair_counts.cu."""
DRAWN_TOGETHER = 128
"""Chains of a tile in kernels/draw.cu; its units are `TILE`."""
BLOCKS_A_MULTIPROCESSOR, STEPS_WORTH_A_LAUNCH, STEPS_PER_LAUNCH, MAX_UNITS = 8, 8, 1000, 2048
"""Chains that have a block of their own each, if there are no more than this and enough steps; a launch stays short."""


def tiles(n: int) -> int:
    """Tiles of `TILE` that cover n."""
    return -(-n // TILE)


def whole(array: Array) -> Array:
    """An array whose rows lie one after the other."""
    return array if array.flags.c_contiguous else array.copy()


def decide(
    card: "Card", values: Array, are_fields: bool, key: np.uint64, step: int, layer: int, first_chain: int
) -> Array:
    """States of a layer from fields or from probabilities: (n_chains, n_units) uint8.

    Parameters
    ----------
    card : card.Card
    values : (n_chains, n_units) float32 on the card
    are_fields : bool
        Else they are probabilities.
    key : np.uint64
    step, layer, first_chain : int
    """
    n_chains, n_units = values.shape
    states = card.xp.empty(values.shape, dtype=np.uint8)
    n_blocks = -(-(n_chains * -(-n_units // 4)) // BLOCK)
    if n_blocks:
        sizes = (np.int32(are_fields), np.int32(n_chains), np.int32(n_units))
        place = (np.uint64(key), *map(np.uint32, (step, layer, first_chain)))
        card.launch("states", {}, (n_blocks,), BLOCK, [whole(values), *sizes, *place, states])
    return states


def layer_given_neighbours(
    card: "Card", machine: BoltzmannMachine | Parameters, means: Sequence[Array], layer: int, gain: float
) -> Array:
    """Probabilities of a layer given those of its neighbours: (n_cases, n_units) float32 on the card.

    Parameters
    ----------
    card : card.Card
    machine : BoltzmannMachine or Parameters
        On the card.
    means : list of (n_cases, n_units) float32 on the card
        Layers that are not in the list do not count.
    layer : int
    gain : float
        Of the input, not of the bias.
    """
    n_cases, n_units = len(means[0]), len(machine.biases[layer])
    out = card.xp.empty((n_cases, n_units), dtype=np.float32)
    if not out.size:
        return out
    nothing = card.xp.zeros(0, dtype=np.float32)
    below = above = [nothing, nothing, np.int32(0)]
    if layer > 0:
        below = [whole(means[layer - 1]), machine.weights[layer - 1], np.int32(means[layer - 1].shape[1])]
    if layer + 1 < len(means):
        above = [whole(means[layer + 1]), machine.weights[layer], np.int32(means[layer + 1].shape[1])]
    numbers = [np.float32(gain), np.int32(n_cases), np.int32(n_units)]
    arguments = [*below, *above, machine.biases[layer], *numbers, out]
    card.launch("field", {}, (tiles(n_cases), tiles(n_units)), BLOCK, arguments)
    return out


def gibbs(
    card: "Card",
    machine: BoltzmannMachine | Parameters,
    states: Sequence[Array],
    key: np.uint64,
    first_step: int,
    n_gibbs_steps: int,
    first_chain: int,
    first_layer: int,
) -> list[Array]:
    """Gibbs steps of all layers from first_layer on: a block per chain for few chains and many steps, else tiles.

    Parameters
    ----------
    card : card.Card
    machine : BoltzmannMachine or Parameters
        On the card.
    states : list of (n_chains, n_units) uint8 on the card
    key : np.uint64
    first_step, n_gibbs_steps, first_chain, first_layer : int

    Returns
    -------
    list of (n_chains, n_units) uint8
    """
    few = len(states[0]) <= BLOCKS_A_MULTIPROCESSOR * card.n_multiprocessors
    if few and n_gibbs_steps >= STEPS_WORTH_A_LAUNCH and max(layer.shape[1] for layer in states) <= MAX_UNITS:
        return _own_blocks(card, machine, states, key, first_step, n_gibbs_steps, first_chain, first_layer)
    order = [i for i in (*range(1, len(states), 2), *range(0, len(states), 2)) if i >= first_layer]
    chains = Chains(card, states)
    weights = {layer: drawing_weights(machine, layer, card.xp) for layer in order}
    for step in range(first_step, first_step + n_gibbs_steps):
        for layer in order:
            chains.draw(layer, weights[layer], (key, step, layer, first_chain))
    return chains.states()


def drawing_weights(machine: BoltzmannMachine | Parameters, layer: int, xp: ModuleType) -> tuple[Array, Array, Array]:
    """What kernels/draw.cu wants to know of a layer: digits of the weights into it, their units, its biases.

    Parameters
    ----------
    machine : BoltzmannMachine or Parameters
        On the card.
    layer : int
    xp : module

    Returns
    -------
    tuple
        See `Chains.draw`.
    """
    fixed = weights_into(machine, layer, xp)
    return digits(fixed, TILE, xp), fixed.unit, machine.biases[layer]


def weights_into(machine: BoltzmannMachine | Parameters, layer: int, xp: ModuleType) -> FixedPoint:
    """The weights into a layer as whole numbers, those from the layer below and those from the layer above.

    The machine is on the card, and xp is the array module of its arrays (CuPy).
    """
    nothing = xp.zeros((0, len(machine.biases[layer])), dtype=np.float32)
    below = machine.weights[layer - 1] if layer > 0 else nothing
    above = machine.weights[layer].T if layer < len(machine.weights) else nothing
    return fixed_point(below, above, xp)


class Chains:
    """States of many chains as kernels/draw.cu has them: chains and units padded with zeros to whole tiles.

    Parameters
    ----------
    card : card.Card
    states : list of (n_chains, n_units) uint8 on the card
    """

    def __init__(self, card: "Card", states: Sequence[Array]) -> None:
        self.card, self.n_chains, self.sizes = card, len(states[0]), [layer.shape[1] for layer in states]
        self.layers: list[Array] = []
        for layer in states:
            shape = padded(self.n_chains, DRAWN_TOGETHER), padded(layer.shape[1], TILE)
            self.layers.append(card.xp.zeros(shape, dtype=np.uint8))
            self.layers[-1][: self.n_chains, : layer.shape[1]] = layer

    def draw(self, layer: int, weights: tuple[Array, Array, Array], place: tuple[np.uint64, int, int, int]) -> None:
        """Draw a layer, given its `drawing_weights`, at (key, step, layer, first chain).

        Parameters
        ----------
        layer : int
        weights : tuple
        place : (np.uint64, int, int, int)
        """
        out, nothing = self.layers[layer], (self.card.xp.zeros(0, dtype=np.uint8), np.int32(0))
        if not out.size:
            return
        neighbours = [nothing, nothing]
        for side, other in enumerate((layer - 1, layer + 1)):
            if 0 <= other < len(self.layers):
                neighbours[side] = self.layers[other], np.int32(self.layers[other].shape[1])
        key, *rest = place
        sizes = self.n_chains, self.sizes[layer], out.shape[1]
        numbers = [*map(np.int32, sizes), np.uint64(key), *map(np.uint32, rest)]
        grid = (len(out) // DRAWN_TOGETHER, out.shape[1] // TILE)
        self.card.launch("draw", {}, grid, BLOCK, [*neighbours[0], *neighbours[1], *weights, *numbers, out])

    def states(self) -> list[Array]:
        """The states without what pads them."""
        return [layer[: self.n_chains, :n].copy() for layer, n in zip(self.layers, self.sizes)]


def _own_blocks(
    card: "Card",
    machine: BoltzmannMachine | Parameters,
    states: Sequence[Array],
    key: np.uint64,
    first_step: int,
    n_gibbs_steps: int,
    first_chain: int,
    first_layer: int,
) -> list[Array]:
    """kernels/gibbs.cu: all steps of a chain in one block, several hundred in a launch.

    The arguments are those of `gibbs`, machine and states being on the card. The states, (n_chains, n_units) uint8 for
    each layer, are not changed.
    """
    sizes = [layer.shape[1] for layer in states]
    largest, together = max(sizes), card.xp.concatenate(states, axis=1)
    fixed = [weights_into(machine, layer, card.xp) for layer in range(len(states))]
    pairs = [whole(x).reshape(-1) for low, up in zip(fixed[:-1], fixed[1:]) for x in (up.below, low.above)]
    units = card.xp.concatenate([one.unit for one in fixed])
    given = [card.xp.concatenate(pairs), units, card.xp.concatenate(machine.biases)]
    given.append(card.asarray(np.array(sizes, np.int32)))
    block = 128 if largest <= 128 else BLOCK
    defines = {"N_LAYERS": len(sizes), "BLOCK": block, "EACH": -(-largest // block)}
    shared = (sum(sizes) + 1) // 2 * 2 + 2 * largest
    for step in range(first_step, first_step + n_gibbs_steps, STEPS_PER_LAUNCH):
        count = min(STEPS_PER_LAUNCH, first_step + n_gibbs_steps - step)
        numbers = [np.int32(sum(sizes)), np.int32(first_layer), np.uint64(key), np.uint32(step), np.int32(count)]
        arguments = [together, *given, *numbers, np.uint32(first_chain)]
        card.launch("gibbs", defines, (len(together),), block, arguments, shared)
    starts = np.cumsum([0, *sizes])
    return [together[:, a:b].copy() for a, b in zip(starts[:-1], starts[1:])]
