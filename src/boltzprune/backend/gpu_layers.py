"""States and probabilities of layers on the GPU: kernels/states.cu, field.cu and gibbs.cu, and what they are given.

The sums that a state rests on have one order, so that the kernels agree to the last bit, and a chain's numbers do not
depend on which other chains are computed with it.
"""

import numpy as np

TILE, BLOCK = 64, 256
"""Chains and units of a tile, and threads that make it, in kernels/field.cu and kernels/pair_counts.cu."""
BLOCKS_A_MULTIPROCESSOR, STEPS_WORTH_A_LAUNCH, STEPS_PER_LAUNCH, MAX_UNITS = 8, 8, 1000, 2048
"""Chains that have a block of their own each, if there are no more than this and enough steps; a launch stays short."""


def tiles(n):
    """Tiles of `TILE` that cover n."""
    return -(-n // TILE)


def whole(array):
    """An array whose rows lie one after the other."""
    return array if array.flags.c_contiguous else array.copy()


def decide(card, values, are_fields, key, step, layer, first_chain):
    """States of a layer from fields or from probabilities: (n_chains, n_units) uint8."""
    n_chains, n_units = values.shape
    states = card.xp.empty(values.shape, dtype=np.uint8)
    n_blocks = -(-(n_chains * -(-n_units // 4)) // BLOCK)
    if n_blocks:
        sizes = (np.int32(are_fields), np.int32(n_chains), np.int32(n_units))
        place = (np.uint64(key), *map(np.uint32, (step, layer, first_chain)))
        card.launch("states", {}, (n_blocks,), BLOCK, [whole(values), *sizes, *place, states])
    return states


def layer_given_neighbours(card, machine, layers, layer, out, gain=1, draw=None):
    """Fill `out` with the probabilities of a layer, or with states drawn at (key, step, layer, first chain).

    Parameters
    ----------
    card : cupy_.Card
    machine : BoltzmannMachine or Parameters
        On the card.
    layers : list of (n_chains, n_units) arrays on the card
        States (uint8) to draw states, else probabilities (float32). Layers that are not in the list do not count.
    layer : int
    out : (n_chains, n_units) array on the card, uint8 to draw, else float32
    gain : float
        Of the input, not of the bias.
    draw : tuple, optional
    """
    n_chains, n_units = out.shape
    if not out.size:
        return out
    nothing = card.xp.zeros(0, dtype=np.float32)
    below = above = [nothing, nothing, np.int32(0)]
    if layer > 0:
        below = [whole(layers[layer - 1]), machine.weights[layer - 1], np.int32(layers[layer - 1].shape[1])]
    if layer + 1 < len(layers):
        above = [whole(layers[layer + 1]), machine.weights[layer], np.int32(layers[layer + 1].shape[1])]
    key, *place = draw or (0, 0, 0, 0)
    numbers = [np.float32(gain), np.int32(n_chains), np.int32(n_units), np.uint64(key), *map(np.uint32, place)]
    arguments = [*below, *above, machine.biases[layer], *numbers, out]
    card.launch("field", {"DRAW": int(draw is not None)}, (tiles(n_chains), tiles(n_units)), BLOCK, arguments)
    return out


def gibbs(card, machine, states, key, first_step, n_steps, first_chain, first_layer):
    """Gibbs steps of all layers from first_layer on: a block per chain for few chains and many steps, else tiles.

    Parameters
    ----------
    card : cupy_.Card
    machine : BoltzmannMachine or Parameters
        On the card.
    states : list of (n_chains, n_units) uint8 on the card
        Changed in place.
    key : np.uint64
    first_step, n_steps, first_chain, first_layer : int

    Returns
    -------
    list of (n_chains, n_units) uint8
    """
    few = len(states[0]) <= BLOCKS_A_MULTIPROCESSOR * card.n_multiprocessors
    if few and n_steps >= STEPS_WORTH_A_LAUNCH and max(layer.shape[1] for layer in states) <= MAX_UNITS:
        return _own_blocks(card, machine, states, key, first_step, n_steps, first_chain, first_layer)
    order = [i for i in (*range(1, len(states), 2), *range(0, len(states), 2)) if i >= first_layer]
    for step in range(first_step, first_step + n_steps):
        for layer in order:
            layer_given_neighbours(card, machine, states, layer, states[layer], draw=(key, step, layer, first_chain))
    return states


def _own_blocks(card, machine, states, key, first_step, n_steps, first_chain, first_layer):
    """kernels/gibbs.cu: all steps of a chain in one block, several hundred in a launch."""
    sizes = [layer.shape[1] for layer in states]
    largest, together = max(sizes), card.xp.concatenate(states, axis=1)
    weights = card.xp.concatenate([x.reshape(-1) for w in machine.weights for x in (w, w.T.copy())])
    given = [weights, card.xp.concatenate(machine.biases), card.asarray(np.array(sizes, np.int32))]
    block = 128 if largest <= 128 else BLOCK
    defines = {"N_LAYERS": len(sizes), "BLOCK": block, "EACH": -(-largest // block)}
    shared = (sum(sizes) + 1) // 2 * 2 + 2 * largest
    for step in range(first_step, first_step + n_steps, STEPS_PER_LAUNCH):
        count = min(STEPS_PER_LAUNCH, first_step + n_steps - step)
        numbers = [np.int32(sum(sizes)), np.int32(first_layer), np.uint64(key), np.uint32(step), np.int32(count)]
        arguments = [together, *given, *numbers, np.uint32(first_chain)]
        card.launch("gibbs", defines, (len(together),), block, arguments, shared)
    starts = np.cumsum([0, *sizes])
    return [together[:, a:b].copy() for a, b in zip(starts[:-1], starts[1:])]
