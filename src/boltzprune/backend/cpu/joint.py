"""Deep machines on the CPU: arrays as the loops of `gibbs` want them, and one epoch of joint training."""

import numpy as np

from boltzprune.backend.cpu.arithmetic import blocks_for
from boltzprune.backend.cpu.gibbs import add_outer, climb, gibbs_layers, limit_columns
from boltzprune.backend.cpu.mean_field import mean_field_cases
from boltzprune.core.contrastive import NotFiniteError
from boltzprune.core.joint import JointState
from boltzprune.core.machine import BoltzmannMachine

QUIET = 0.1
"""A change of a probability is passed on once it exceeds this share of the tolerance of mean-field iteration,"""
RESOLUTION = 1e-7
"""or this, if that is larger: float32 numbers near 1 are 6e-8 apart."""

NARROW = 0.25
"""Rows whose weights span less than this share of a row get their slopes one by one, others by a matrix product."""


def halves(key):
    """The two 32-bit words of a stream's key."""
    return np.uint32(int(key) & 0xFFFFFFFF), np.uint32(int(key) >> 32)


def _spans(mask):
    """Of each row, where its existing weights begin and end, and whether to take rows whole, being mostly full.

    Weights that do not exist are 0, so that taking them along changes nothing.
    """
    some = mask.any(axis=1) if mask.size else np.zeros(len(mask), dtype=bool)
    if not some.any():
        return np.zeros(len(mask), np.int64), np.zeros(len(mask), np.int64), False
    first = np.where(some, mask.argmax(axis=1), 0)
    last = np.where(some, mask.shape[1] - mask[:, ::-1].argmax(axis=1), 0)
    return first, last, bool((last - first).sum() > 0.5 * mask.size)


class Layout:
    """A machine's weights row by row in both directions, which the loops read."""

    def __init__(self, machine):
        self.spans = [(_spans(mask), _spans(mask.T)) for mask in machine.masks]
        self.biases = tuple(np.ascontiguousarray(bias, dtype=np.float32) for bias in machine.biases)
        self.words = [blocks_for((layer, n)) for layer, n in enumerate(machine.layer_sizes)]
        weights = [np.ascontiguousarray(w, dtype=np.float32) for w in machine.weights]
        self.up = tuple((w, *spans[0]) for w, spans in zip(weights, self.spans))
        self.down = tuple((np.ascontiguousarray(w.T), *spans[1]) for w, spans in zip(weights, self.spans))

    def refresh(self):
        """After the weights in `up` changed: their transposes."""
        for (weights, *_), (transposed, *_) in zip(self.up, self.down):
            np.copyto(transposed, weights.T)

    def advance(self, states, key, first_step, n_steps, first_chain, first_layer=0):
        """Block Gibbs sampling of states, in place; layers below first_layer are clamped."""
        blocks, tags, _ = zip(*self.words)
        counter = (first_step, n_steps, first_chain)
        gibbs_layers(self.up, self.down, self.biases, states, first_layer, *counter, blocks, tags, *halves(key))

    def mean_field(self, visible, tolerance, max_updates):
        """Posteriors of the hidden layers and the updates of each case."""
        means = tuple(np.empty((len(visible), bias.size), np.float32) for bias in self.biases[1:])
        n_updates = np.zeros(len(visible), np.int64)
        limits = np.float32(tolerance), np.float32(max(QUIET * tolerance, RESOLUTION))
        mean_field_cases(self.up, self.down, self.biases, visible, means, limits, max_updates, n_updates)
        return list(means), n_updates


@np.errstate(over="ignore", invalid="ignore")
def joint_epoch(machine, state, key, cases, epoch, report):
    """See `reference.Backend.joint_epoch`."""
    parameters = [tuple(x.astype(np.float32) for x in group) for group in (machine.weights, machine.biases)]
    machine = BoltzmannMachine(*parameters, machine.masks, machine.units, must_be_finite=False)
    steps = [tuple(x.copy() for x in group) for group in (state.weight_steps, state.bias_steps)]
    chains, layout, n_mean_field = tuple(x.copy() for x in state.chains), Layout(machine), 0
    slopes = [np.empty_like(weights) for weights in machine.weights]
    for update, start in enumerate(range(0, len(cases), epoch.batch_size)):
        batch = cases[start : start + epoch.batch_size]
        means, n_updates = layout.mean_field(batch, epoch.tolerance, epoch.max_updates)
        first_step = (epoch.first_update + update) * epoch.n_gibbs_steps
        layout.advance(chains, key, first_step, epoch.n_gibbs_steps, 0)
        if _update(layout, steps, machine.masks, slopes, [batch, *means], chains, epoch):
            raise NotFiniteError(update)
        layout.refresh()
        n_mean_field += int(n_updates.sum())
        report(1)
    weights = tuple(rows for rows, *_ in layout.up)
    machine = BoltzmannMachine(weights, layout.biases, machine.masks, machine.units, must_be_finite=False)
    return machine, JointState(*steps, chains), n_mean_field


def _update(layout, steps, masks, slopes, data, chains, epoch):
    """One step up the gradient, in place; whether a parameter is not finite afterwards."""
    share = np.repeat(np.float32([1 / len(data[0]), -1 / len(chains[0])]), [len(data[0]), len(chains[0])])
    both = [np.concatenate([x, y], dtype=np.float32) for x, y in zip(data, chains)]
    weighted = [share[:, None] * layer for layer in both]
    rates, not_finite = (np.float32(epoch.learning_rate), np.float32(epoch.decay)), 0.0
    for place, (weights, first, last, _) in enumerate(layout.up):
        slope = slopes[place]
        if (last - first).sum() < NARROW * weights.size:
            add_outer(slope, weighted[place], both[place + 1], first, last)
        else:
            np.matmul(weighted[place].T, both[place + 1], out=slope)
        not_finite += climb(weights, steps[0][place], masks[place], slope, rates, first, last)
        if np.isfinite(epoch.max_norm):
            limit_columns(weights, np.float32(epoch.max_norm))
    for bias, step, layer in zip(layout.biases, steps[1], weighted):
        step *= rates[1]
        step += rates[0] * layer.sum(axis=0)
        bias += step
        not_finite += float((bias * 0).sum())
    return not_finite != 0
