"""The CPU backend: compiled loops where one update is small, NumPy's BLAS where it is large."""

import contextlib
import functools
import operator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from boltzprune.backend import arrays
from boltzprune.backend.cpu import compiling, loops
from boltzprune.backend.cpu.arithmetic import decide, whole_lanes, words_for
from boltzprune.backend.cpu.cd import array_epoch, dense_epoch, padded
from boltzprune.backend.cpu.cd_low_rank import low_rank_epoch
from boltzprune.backend.cpu.gibbs import Draws, Layers, gibbs_layers, rbm_steps
from boltzprune.backend.cpu.joint import joint_epoch
from boltzprune.backend.cpu.mean_field import limits_of, mean_field_cases, room_for
from boltzprune.backend.cpu.pair_counts import count_pairs
from boltzprune.core import joint
from boltzprune.core.contrastive import Parameters, cases_of_each, listed

EPOCHS = {"array": array_epoch, "dense": dense_epoch, "low_rank": low_rank_epoch}
"""Name of a loop of `loops` -> one epoch of CD-k with it."""


class Backend(arrays.HostArrays):
    """Primitives on the CPU, in float32; machines side by side in threads."""

    def __init__(self, threads=1):
        self.threads = threads
        compiling.listen()

    def map(self, function, items):
        """[function(item) for item in items], in threads."""
        with self._mapping(len(items)) as each:
            return list(each(function, items))

    @contextlib.contextmanager
    def _mapping(self, n_items):
        """Python's `map`, or where there are several threads and items that of a pool, which is closed at the end."""
        if self.threads == 1 or n_items == 1:
            yield map
        else:
            with ThreadPoolExecutor(self.threads) as pool:
                yield pool.map

    def sample_layer(self, fields, key, step, layer, first_chain):
        """See `reference.Backend.sample_layer`."""
        return decide(np.asarray(fields, dtype=np.float32), True, key, step, layer, first_chain)

    def advance(self, machine, states, key, first_step, n_gibbs_steps, first_chain, first_layer=0):
        """See `reference.Backend.advance`."""
        if not machine.is_rbm or machine.weights[0].size > loops.SMALL or n_gibbs_steps == 0 or first_layer > 0:
            states = tuple(np.array(layer, dtype=np.uint8, order="C") for layer in states)
            layers, draws = Layers.of(machine), Draws.of(key, machine.layer_sizes)
            gibbs_layers(layers, states, first_layer, first_step, n_gibbs_steps, first_chain, draws)
            return list(states)
        n_visible, n_hidden = machine.layer_sizes
        n_padded = whole_lanes(n_hidden)
        words = words_for(key, (1, n_padded), (0, n_visible))
        visible, hidden = states[0].copy(), np.empty((len(states[0]), n_hidden), np.uint8)
        weights, hidden_bias = padded(machine.weights[0], n_padded), padded(machine.biases[1], n_padded)
        parameters = Parameters(weights, machine.biases[0], hidden_bias)
        rbm_steps(parameters, visible, hidden, first_step, n_gibbs_steps, first_chain, words)
        return [visible, hidden]

    def free_run(self, machines, chains, keys):
        """See `reference.Backend.free_run`; threads take whole machines, so that each had better advance alone."""
        return None

    def probability(self, machine, means, layer, gain=1):
        """See `reference.Backend.probability`."""
        return joint.probability(machine, means, layer, gain)

    def pack(self, states):
        """See `reference.Backend.pack`."""
        return arrays.pack(states)

    def eigh(self, matrix):
        """See `reference.Backend.eigh`."""
        return arrays.eigh(matrix)

    def pair_counts(self, lower, upper):
        """See `reference.Backend.pair_counts`."""
        counts = np.zeros((len(lower), len(upper)), dtype=np.int64)
        count_pairs(np.ascontiguousarray(lower), np.ascontiguousarray(upper), counts)
        return counts

    def cd_epoch(self, machines, velocities, keys, cases, epoch, report):
        """See `reference.Backend.cd_epoch`."""
        work = zip(machines, velocities, keys, cases_of_each(cases, len(machines)), strict=True)
        calls = [functools.partial(epoch_for(one[0], epoch), *one, epoch, report) for one in work]
        with self._mapping(len(calls)) as each, listed() as trained:
            for result in each(operator.call, calls):
                trained.append(result)
        return trained

    def mean_field(self, machine, visible, tolerance, max_sweeps):
        """See `reference.Backend.mean_field`."""
        layers, visible = Layers.of(machine), np.ascontiguousarray(visible, dtype=np.uint8)
        means, n_sweeps = room_for(layers, len(visible))
        mean_field_cases(layers, visible, means, limits_of(tolerance), max_sweeps, n_sweeps)
        return list(means), n_sweeps

    def joint_epoch(self, machine, state, key, cases, epoch, report):
        """See `reference.Backend.joint_epoch`."""
        return self.joint_epochs([(machine, state, key)], cases, epoch, report)[0]

    def joint_epochs(self, work, cases, epoch, report):
        """See `reference.Backend.joint_epochs`."""
        calls = [functools.partial(joint_epoch, *one, cases, epoch, report) for one in work]
        with self._mapping(len(calls)) as each, listed() as trained:
            for result in each(operator.call, calls):
                trained.append(result)
        return trained


def epoch_for(machine, epoch):
    """The fastest of `EPOCHS` that computes this epoch."""
    shape = machine.weights[0].size, bool(machine.masks[0].all())
    return EPOCHS[loops.of_epoch(*shape, epoch.batch_size, epoch.n_gibbs_steps, epoch.decay)]
