"""The CPU backend: compiled loops where one update is small, NumPy's BLAS where it is large."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numba import uint64

from boltzprune.backend import reference
from boltzprune.backend.cpu import compiling, loops
from boltzprune.backend.cpu.arithmetic import FAST, INLINE, LANES, blocks_for, fill_uniform, logistic, popcount
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.cd import dense_updates, gibbs_step
from boltzprune.backend.cpu.cd_low_rank import low_rank_updates
from boltzprune.backend.cpu.joint import Layout, halves, joint_epoch
from boltzprune.core.contrastive import NotFiniteError, Velocity, array_epoch
from boltzprune.core.machine import BoltzmannMachine

CHUNK = 3e8
"""Weights updated between two reports of progress, a few tenths of a second."""


def _padded(array, n_hidden):
    """A float32 copy with its last axis zero-padded to n_hidden."""
    padding = [(0, 0)] * (array.ndim - 1) + [(0, n_hidden - array.shape[-1])]
    return np.pad(array.astype(np.float32), padding)


@njit(**FAST)
def _decide(values, are_fields, states, blocks, layers, first_chain, step, k0, k1):
    """States of a layer, chain by chain, from fields or from probabilities."""
    uniform = np.empty(4 * blocks.size, np.float32)
    for c in range(values.shape[0]):
        fill_uniform(uniform, blocks, layers, first_chain + c, step, k0, k1)
        for j in range(values.shape[1]):
            p = logistic(values[c, j]) if are_fields else values[c, j]
            states[c, j] = 1 if uniform[j] < p else 0


@njit(**FAST)
def _advance_rbm(weights, visible_bias, hidden_bias, visible, hidden, first_step, n_steps, first_chain, words):
    """Gibbs steps of an RBM in first-level cache, chain by chain."""
    blocks, layers, offset, k0, k1 = words
    uniform = np.empty(4 * blocks.size, np.float32)
    v, h = np.empty(visible.shape[1], np.float32), np.empty(hidden_bias.size, np.float32)
    for c in range(visible.shape[0]):
        v[:] = visible[c]
        for step in range(first_step, first_step + n_steps):
            fill_uniform(uniform, blocks, layers, first_chain + c, step, k0, k1)
            gibbs_step(weights, visible_bias, hidden_bias, v, h, uniform, offset)
        visible[c] = v.astype(np.uint8)
        hidden[c] = h[: hidden.shape[1]].astype(np.uint8)


@njit(**{**FAST, **INLINE})
def _common_ones(a, b):
    """Ones of a & b."""
    total = uint64(0)
    for k in range(a.size):
        total += popcount(a[k] & b[k])
    return total


@njit(**FAST)
def _pair_counts(lower, upper, counts):
    """Common ones of every pair of rows, in tiles of words that stay in cache."""
    tile = 256
    for start in range(0, lower.shape[1], tile):
        end = min(start + tile, lower.shape[1])
        for i in range(lower.shape[0]):
            a = lower[i, start:end]
            for j in range(upper.shape[0]):
                counts[i, j] += _common_ones(a, upper[j, start:end])


class Backend(reference.Backend):
    """Primitives on the CPU, in float32; machines side by side in threads."""

    def __init__(self, threads=1):
        self.threads = threads
        compiling.listen()

    def map(self, function, items):
        """[function(item) for item in items], in threads."""
        if self.threads == 1 or len(items) == 1:
            return super().map(function, items)
        with ThreadPoolExecutor(self.threads) as pool:
            return list(pool.map(function, items))

    def sample_layer(self, fields, key, step, layer, first_chain):
        """See `reference.Backend.sample_layer`."""
        return self._decide(np.asarray(fields, dtype=np.float32), True, key, step, layer, first_chain)

    def _decide(self, values, are_fields, key, step, layer, first_chain):
        """States from fields or probabilities."""
        states = np.empty(values.shape, np.uint8)
        blocks, layers, _ = blocks_for((layer, values.shape[1]))
        _decide(np.ascontiguousarray(values), are_fields, states, blocks, layers, first_chain, step, *halves(key))
        return states

    def advance(self, machine, states, key, first_step, n_steps, first_chain, first_layer=0):
        """See `reference.Backend.advance`."""
        if not machine.is_rbm or machine.weights[0].size > loops.SMALL or n_steps == 0 or first_layer > 0:
            states = tuple(np.array(layer, dtype=np.uint8, order="C") for layer in states)
            Layout(machine).advance(states, key, first_step, n_steps, first_chain, first_layer)
            return list(states)
        n_visible, n_hidden = machine.layer_sizes
        n_padded = -(-n_hidden // LANES) * LANES
        blocks, layers, offsets = blocks_for((1, n_padded), (0, n_visible))
        visible, hidden = states[0].copy(), np.empty((len(states[0]), n_hidden), np.uint8)
        weights, bias = _padded(machine.weights[0], n_padded), _padded(machine.biases[1], n_padded)
        words = (blocks, layers, offsets[1], *halves(key))
        _advance_rbm(weights, machine.biases[0], bias, visible, hidden, first_step, n_steps, first_chain, words)
        return [visible, hidden]

    def pair_counts(self, lower, upper):
        """See `reference.Backend.pair_counts`."""
        counts = np.zeros((len(lower), len(upper)), dtype=np.int64)
        _pair_counts(np.ascontiguousarray(lower), np.ascontiguousarray(upper), counts)
        return counts

    def _cd_epoch(self, machine, velocity, key, cases, epoch, report):
        """One epoch of CD-k of one machine; see `reference.Backend.cd_epoch`."""
        cases, loop = np.ascontiguousarray(cases, dtype=np.uint8), self._loop_for(machine, epoch)
        return loop(machine, velocity, key, cases, epoch, report)

    def mean_field(self, machine, visible, tolerance, max_updates):
        """See `reference.Backend.mean_field`."""
        return Layout(machine).mean_field(np.ascontiguousarray(visible, dtype=np.uint8), tolerance, max_updates)

    def joint_epoch(self, machine, state, key, cases, epoch, report):
        """See `reference.Backend.joint_epoch`."""
        return joint_epoch(machine, state, key, np.ascontiguousarray(cases, dtype=np.uint8), epoch, report)

    def _loop_for(self, machine, epoch):
        """The fastest loop that computes this epoch."""
        shape = machine.weights[0].size, bool(machine.masks[0].all())
        name = loops.of_epoch(*shape, epoch.batch_size, epoch.n_gibbs_steps, epoch.decay)
        return {"array": self._array_epoch, "dense": _dense_epoch, "low_rank": _low_rank_epoch}[name]

    def _array_epoch(self, machine, velocity, key, cases, epoch, report):
        """Mini-batches and CD-k: the specification in float32, with compiled draws."""

        def sample(probability, key, step, layer):
            return self._decide(probability, False, key, step, layer, 0).astype(np.float32)

        return array_epoch(machine, velocity, key, cases, epoch, report, sample, np.float32)


def _gains(epoch):
    """What inputs are multiplied with, upwards and downwards."""
    return np.float32(epoch.up), np.float32(epoch.down)


def _working_copy(machine, velocity, n_padded):
    """Parameters and steps of an RBM, hidden units padded, ready to be changed in place."""
    parameters = (
        _padded(machine.weights[0], n_padded),
        machine.biases[0].astype(np.float32),
        _padded(machine.biases[1], n_padded),
    )
    steps = (_padded(velocity.weights, n_padded), velocity.visible_bias.copy(), _padded(velocity.hidden_bias, n_padded))
    return parameters, steps


def _from_working_copy(machine, parameters, steps):
    """The trained machine and its velocity, padding cut off."""
    n = machine.layer_sizes[1]
    weights, visible_bias, hidden_bias = parameters
    weights = np.ascontiguousarray(weights[:, :n])
    trained = BoltzmannMachine(
        (weights,), (visible_bias, hidden_bias[:n].copy()), machine.masks, machine.units, must_be_finite=False
    )
    return trained, Velocity(steps[0][:, :n].copy(), steps[1], steps[2][:n].copy())


def _chunks(n_cases, n_weights, report):
    """Starts and lengths of the pieces of an epoch; reports each piece when the next one is asked for."""
    length = max(100, int(CHUNK / n_weights))
    for start in range(0, n_cases, length):
        n = min(length, n_cases - start)
        yield start, n
        report(n)


@np.errstate(over="ignore")
def _dense_epoch(machine, velocity, key, cases, epoch, report):
    """CD-1 with `dense_updates`."""
    n_visible, n_hidden = machine.layer_sizes
    n_padded = -(-n_hidden // LANES) * LANES
    parameters, steps = _working_copy(machine, velocity, n_padded)
    mask = _padded(machine.masks[0], n_padded)
    blocks, layers, offsets = blocks_for((1, n_padded), (0, n_visible))
    rates, gains = (np.float32(epoch.learning_rate), np.float32(epoch.decay)), _gains(epoch)
    for start, n in _chunks(len(cases), mask.size, report):
        first = epoch.first_update + start
        piece = cases[start : start + n]
        done = dense_updates(
            parameters, steps, mask, piece, first, *halves(key), rates, gains, blocks, layers, offsets[1]
        )
        if done < n:
            raise NotFiniteError(start + done)
    return _from_working_copy(machine, parameters, steps)


@np.errstate(over="ignore")
def _low_rank_epoch(machine, velocity, key, cases, epoch, report):
    """CD-1 with `low_rank_updates`: weights W and step D become U = W + c D, and back."""
    (weights, *biases), (start_step, *bias_steps) = _working_copy(machine, velocity, machine.layer_sizes[1])
    (n_visible, n_hidden), n_memory = weights.shape, loops.memory(epoch.decay)
    rate, decay = np.float32(epoch.learning_rate), np.float32(epoch.decay)
    share = decay / (np.float32(1) - decay)
    combined = weights + share * start_step
    past = tuple(np.zeros((n_memory, n_visible), np.uint8) for _ in range(2)) + tuple(
        np.zeros((n_memory, n_hidden), np.float32) for _ in range(2)
    )
    blocks, layers, offsets = blocks_for((1, n_hidden), (0, n_visible))
    for start, n in _chunks(len(cases), weights.size, report):
        done = low_rank_updates(
            combined, tuple(biases), tuple(bias_steps), past, start_step, cases, start, n, epoch.first_update,
            *halves(key), (rate, decay), _gains(epoch), blocks, layers, offsets[1],
        )  # fmt: skip
        if done < n:
            raise NotFiniteError(start + done)
    step = start_step * decay ** np.float32(len(cases)) if len(cases) <= n_memory else np.zeros_like(start_step)
    for k in range(min(n_memory, len(cases))):
        data, reconstruction, positive, negative = (ring[(len(cases) - 1 - k) % n_memory] for ring in past)
        factor = rate * decay ** np.float32(k)
        step += factor * (np.outer(data, positive) - np.outer(reconstruction, negative)).astype(np.float32)
    return _from_working_copy(machine, (combined - share * step, *biases), (step, *bias_steps))
