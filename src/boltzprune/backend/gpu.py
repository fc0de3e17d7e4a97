"""The GPU backend: kernels of our own where NumPy's operations would be many small launches, else CuPy's.

States, fields and random numbers of a chain depend on that chain alone, to the last bit, however many are computed
together: the products that they rest on are sums in one order (kernels/field.cu), not a library's.

This module asks the card for arrays and launches and knows nothing else of it; `cupy_.Card` is the real one.
"""

import dataclasses
import logging

import numpy as np

from boltzprune.backend import gpu_contrastive, joint, reference
from boltzprune.backend.contrastive import Velocity, array_epoch
from boltzprune.backend.joint import JointState
from boltzprune.errors import InputError
from boltzprune.machine import BoltzmannMachine

log = logging.getLogger(__name__)

TILE, BLOCK = 64, 256
"""Chains and units of a tile, and threads that make it, in kernels/field.cu and kernels/pair_counts.cu."""
BLOCKS_A_MULTIPROCESSOR, STEPS_WORTH_A_LAUNCH, STEPS_PER_LAUNCH, MAX_UNITS = 8, 8, 1000, 2048
"""Chains that have a block of their own each, if there are no more than this and enough steps; a launch stays short."""
SHARE_OF_MEMORY = 0.5
"""Of the memory that is free, what the chains or cases that are computed together may take."""


def tiles(n):
    """Tiles of `TILE` that cover n."""
    return -(-n // TILE)


class Backend(reference.Backend):
    """Primitives on one GPU, in float32.

    Parameters
    ----------
    threads : int
        Not used: the machines of a job share the card, not the processor.
    card : cupy_.Card, optional
        Default: the one that `cupy_` finds.
    """

    def __init__(self, threads=1, card=None):
        super().__init__()
        if card is None:
            from boltzprune.backend.cupy_ import Card

            card = Card()
        self.card, self.xp, self.versions = card, card.xp, card.versions
        self._nothing = self.xp.zeros(0, dtype=np.float32)

    def asarray(self, array, dtype=None):
        """See `reference.Backend.asarray`."""
        return self.card.asarray(array, dtype)

    def to_host(self, array):
        """See `reference.Backend.to_host`."""
        return self.card.to_host(array)

    def on_device(self, machine):
        """See `reference.Backend.on_device`."""
        groups = (machine.weights, machine.biases, machine.masks)
        return BoltzmannMachine(*(tuple(map(self.asarray, group)) for group in groups), machine.units)

    def piece(self, n, bytes_each):
        """As many as fit into a share of the free memory, whole tiles."""
        free = self.card.free_memory()
        fit = int(SHARE_OF_MEMORY * free / max(bytes_each, 1)) // TILE * TILE
        size = min(n, max(fit, TILE))
        need = f"{n * bytes_each / 2**20:,.0f} MiB of {free / 2**20:,.0f} MiB free"
        log.info("GPU memory: %d chains or cases of %d bytes need %s; %d at once", n, bytes_each, need, size)
        return size

    def in_pieces(self, function, n, bytes_each):
        """See `reference.Backend.in_pieces`; where the memory does not suffice after all, pieces are halved."""
        size, first, results = max(1, self.piece(n, bytes_each)), 0, []
        while first < n:
            count = min(size, n - first)
            try:
                results.append(function(first, count))
                first += count
            except self.card.OutOfMemory:
                size = self._half(count, f"{count} chains or cases of {bytes_each} bytes")
        return results

    def _half(self, size, what):
        """Half of a size that did not fit, once the card has let go of what it can; InputError if there is no half."""
        self.card.release()
        free = f"{self.card.free_memory() / 2**20:,.0f} MiB"
        if size < 2:
            raise InputError(
                f"device gpu: the card's memory does not suffice for {what}; {free} are free. "
                "Stop other programs that use the card, take a smaller machine, or set device: cpu"
            )
        log.warning("GPU memory: no room for %s (%s free); halving", what, free)
        return size // 2

    def sample_layer(self, fields, key, step, layer, first_chain):
        """See `reference.Backend.sample_layer`."""
        return self._decide(self.asarray(fields, np.float32), True, key, step, layer, first_chain)

    def _decide(self, values, are_fields, key, step, layer, first_chain=0):
        """States from fields or probabilities."""
        n_chains, n_units = values.shape
        states = self.xp.empty(values.shape, dtype=np.uint8)
        n_blocks = -(-(n_chains * -(-n_units // 4)) // BLOCK)
        if n_blocks:
            place = (np.uint64(key), np.uint32(step), np.uint32(layer), np.uint32(first_chain))
            sizes = (np.int32(are_fields), np.int32(n_chains), np.int32(n_units))
            self.card.launch("states", {}, (n_blocks,), BLOCK, [_whole(values), *sizes, *place, states])
        return states

    def advance(self, machine, states, key, first_step, n_steps, first_chain, first_layer=0):
        """See `reference.Backend.advance`."""
        machine = joint.Parameters(*(tuple(map(self.asarray, group)) for group in (machine.weights, machine.biases)))
        states = [self.asarray(layer, np.uint8).copy() for layer in states]
        few = len(states[0]) <= BLOCKS_A_MULTIPROCESSOR * self.card.n_multiprocessors
        if few and n_steps >= STEPS_WORTH_A_LAUNCH and max(len(bias) for bias in machine.biases) <= MAX_UNITS:
            return self._own_blocks(machine, states, key, first_step, n_steps, first_chain, first_layer)
        order = [i for i in (*range(1, len(states), 2), *range(0, len(states), 2)) if i >= first_layer]
        for step in range(first_step, first_step + n_steps):
            for layer in order:
                self._layer(machine, states, layer, states[layer], draw=(key, step, layer, first_chain))
        return states

    def _own_blocks(self, machine, states, key, first_step, n_steps, first_chain, first_layer):
        """Few chains, many steps: kernels/gibbs.cu, a block per chain, to the same bits as the tiles of field.cu."""
        sizes = [layer.shape[1] for layer in states]
        largest, together = max(sizes), self.xp.concatenate(states, axis=1)
        weights = [x.reshape(-1) for w in machine.weights for x in (w, w.T.copy())]
        given = [
            self.xp.concatenate(weights),
            self.xp.concatenate(machine.biases),
            self.asarray(np.array(sizes, np.int32)),
        ]
        block = 128 if largest <= 128 else BLOCK
        defines = {"N_LAYERS": len(sizes), "BLOCK": block, "EACH": -(-largest // block)}
        shared = (sum(sizes) + 1) // 2 * 2 + 2 * largest
        for step in range(first_step, first_step + n_steps, STEPS_PER_LAUNCH):
            count = min(STEPS_PER_LAUNCH, first_step + n_steps - step)
            numbers = [np.int32(sum(sizes)), np.int32(first_layer), np.uint64(key), np.uint32(step), np.int32(count)]
            arguments = [together, *given, *numbers, np.uint32(first_chain)]
            self.card.launch("gibbs", defines, (len(together),), block, arguments, shared)
        starts = np.cumsum([0, *sizes])
        return [together[:, a:b].copy() for a, b in zip(starts[:-1], starts[1:])]

    def probability(self, machine, means, layer, gain=1):
        """See `reference.Backend.probability`."""
        out = self.xp.empty((len(means[0]), len(machine.biases[layer])), dtype=np.float32)
        return self._layer(machine, means, layer, out, gain)

    def _layer(self, machine, layers, layer, out, gain=1, draw=None):
        """Run kernels/field.cu for one layer into `out`: probabilities, or states drawn at (key, step, layer, chain).

        Layers that are not in the list do not count.
        """
        n_chains, n_units = out.shape
        if not out.size:
            return out
        below, above = [self._nothing, self._nothing, np.int32(0)], [self._nothing, self._nothing, np.int32(0)]
        if layer > 0:
            below = [_whole(layers[layer - 1]), machine.weights[layer - 1], np.int32(layers[layer - 1].shape[1])]
        if layer + 1 < len(layers):
            above = [_whole(layers[layer + 1]), machine.weights[layer], np.int32(layers[layer + 1].shape[1])]
        key, *place = draw or (0, 0, 0, 0)
        numbers = [np.float32(gain), np.int32(n_chains), np.int32(n_units), np.uint64(key), *map(np.uint32, place)]
        arguments = [*below, *above, machine.biases[layer], *numbers, out]
        defines = {"DRAW": int(draw is not None)}
        self.card.launch("field", defines, (tiles(n_chains), tiles(n_units)), BLOCK, arguments)
        return out

    def pack(self, states):
        """See `reference.Backend.pack`."""
        states = _whole(self.asarray(states, np.uint8))
        n_samples, n_units = states.shape
        n_words = -(-n_samples // 64)
        bits = self.xp.empty((n_units, n_words), dtype=np.uint64)
        if bits.size:
            sizes = (np.int32(n_samples), np.int32(n_units), np.int32(n_words))
            self.card.launch("pack", {}, (n_words, tiles(n_units)), TILE, [states, *sizes, bits])
        return bits

    def pair_counts(self, lower, upper):
        """See `reference.Backend.pair_counts`."""
        lower, upper = _whole(self.asarray(lower)), _whole(self.asarray(upper))
        (n_lower, n_words), n_upper = lower.shape, len(upper)
        counts = self.xp.zeros((n_lower, n_upper), dtype=np.int64)
        if counts.size and n_words:
            n_tiles = tiles(n_lower) * tiles(n_upper)
            n_splits = max(1, min(4 * self.card.n_multiprocessors // n_tiles, n_words // 16))
            words_each = -(-n_words // n_splits)
            grid = (tiles(n_upper), tiles(n_lower), -(-n_words // words_each))
            sizes = (np.int32(n_words), np.int32(words_each))
            arguments = [lower, np.int32(n_lower), upper, np.int32(n_upper), *sizes, counts]
            self.card.launch("pair_counts", {}, grid, BLOCK, arguments)
        return counts

    def eigh(self, matrix):
        """See `reference.Backend.eigh`."""
        return self.xp.linalg.eigh(self.asarray(matrix))

    def cd_epoch(self, machines, velocities, keys, cases, epoch, report):
        """See `reference.Backend.cd_epoch`; small machines side by side in one launch, others one after the other."""
        work, cases = list(zip(machines, velocities, keys, strict=True)), self.asarray(cases, np.uint8)
        together = [k for k, (machine, *_) in enumerate(work) if gpu_contrastive.is_small(machine, epoch)]
        results = dict(zip(together, self._small([work[k] for k in together], cases, epoch, report)))
        for place, one in enumerate(work):
            if place not in results:
                results[place] = self._array_epoch(*one, cases, epoch, report)
        return [results[place] for place in range(len(work))]

    def _small(self, work, cases, epoch, report):
        """Small machines in one launch, or in two halves where the memory does not suffice."""
        if not work:
            return []
        try:
            return gpu_contrastive.epoch_of_many(self.card, work, cases, epoch, report)
        except self.card.OutOfMemory:
            half = self._half(len(work), f"{len(work)} machines and {len(cases)} cases")
            parts = work[:half], work[half:]
            return [result for part in parts for result in self._small(part, cases, epoch, report)]

    def _array_epoch(self, machine, velocity, key, cases, epoch, report):
        """Mini-batches, CD-k, large machines: the specification in float32, on the card."""

        def sample(probability, key, step, layer):
            return self._decide(probability, False, key, step, layer).astype(np.float32)

        velocity = Velocity(*map(self.asarray, _fields(velocity)))
        result = array_epoch(self.on_device(machine), velocity, key, cases, epoch, report, sample, np.float32, self.xp)
        return self._machine(result[0], machine), Velocity(*map(self.to_host, _fields(result[1])))

    def mean_field(self, machine, visible, tolerance, max_updates):
        """See `reference.Backend.mean_field`."""
        visible = self.asarray(visible, np.uint8)
        means, n_updates = joint.mean_field(self.on_device(machine), visible, tolerance, max_updates, self, np.float32)
        return means[1:], n_updates

    def joint_epoch(self, machine, state, key, cases, epoch, report):
        """See `reference.Backend.joint_epoch`: the specification in float32, on the card."""
        groups = (state.weight_steps, state.bias_steps, state.chains)
        state = JointState(*(tuple(map(self.asarray, group)) for group in groups))
        cases = self.asarray(cases, np.uint8)
        trained, state, n_updates = joint.array_joint_epoch(
            self.on_device(machine), state, key, cases, epoch, report, self, np.float32
        )
        groups = (state.weight_steps, state.bias_steps, state.chains)
        state = JointState(*(tuple(map(self.to_host, group)) for group in groups))
        return self._machine(trained, machine), state, n_updates

    def _machine(self, trained, before):
        """A trained machine back on the host, masks and units as before."""
        weights, biases = (tuple(map(self.to_host, group)) for group in (trained.weights, trained.biases))
        return BoltzmannMachine(weights, biases, before.masks, before.units)


def _fields(record):
    """The arrays of a dataclass, in order."""
    return [getattr(record, field.name) for field in dataclasses.fields(record)]


def _whole(array):
    """An array whose rows lie one after the other."""
    return array if array.flags.c_contiguous else array.copy()
