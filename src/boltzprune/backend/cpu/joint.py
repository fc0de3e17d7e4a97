"""One epoch of joint training of a deep machine on the CPU, by the loops of `mean_field`, `gibbs` and `gradient`."""

from collections.abc import Sequence

import numpy as np

from boltzprune.backend.arrays import Bytes, Floats, JointlyTrained, Report
from boltzprune.backend.cpu.gibbs import Draws, Layers, Mask, gibbs_layers
from boltzprune.backend.cpu.gradient import add_outer, climb, limit_columns
from boltzprune.backend.cpu.mean_field import limits_of, mean_field_cases, room_for
from boltzprune.core.contrastive import NotFiniteError
from boltzprune.core.joint import JointEpoch, JointState
from boltzprune.core.machine import BoltzmannMachine

NARROW = 0.25
"""Rows whose weights span less than this share of a row get their slopes one by one, others by a matrix product."""


@np.errstate(over="ignore", invalid="ignore")
def joint_epoch(
    machine: BoltzmannMachine, state: JointState, key: np.uint64, cases: Bytes, epoch: JointEpoch, report: Report
) -> JointlyTrained:
    """One epoch of joint training of one machine; see `joint.array_joint_epoch`."""
    cases = np.ascontiguousarray(cases, dtype=np.uint8)
    weights, biases = (tuple(x.astype(np.float32) for x in group) for group in (machine.weights, machine.biases))
    machine = BoltzmannMachine(weights, biases, machine.masks, machine.units, must_be_finite=False)
    steps = [tuple(x.copy() for x in group) for group in (state.weight_steps, state.bias_steps)]
    chains, layers, n_mean_field = tuple(x.copy() for x in state.chains), Layers.of(machine), 0
    slopes = [np.empty_like(weights) for weights in machine.weights]
    limits, draws = limits_of(epoch.tolerance), Draws.of(key, machine.layer_sizes)
    for update, start in enumerate(range(0, len(cases), epoch.batch_size)):
        batch = cases[start : start + epoch.batch_size]
        means, n_sweeps = room_for(layers, len(batch))
        mean_field_cases(layers, batch, means, limits, epoch.max_sweeps, n_sweeps)
        first_step = (epoch.first_update + update) * epoch.n_gibbs_steps
        gibbs_layers(layers, chains, 0, first_step, epoch.n_gibbs_steps, 0, draws)
        if _update(layers, steps, machine.masks, slopes, [batch, *means], chains, epoch):
            raise NotFiniteError(update)
        layers.refresh()
        n_mean_field += int(n_sweeps.sum())
        report(1)
    weights = tuple(rows for rows, *_ in layers.up)
    machine = BoltzmannMachine(weights, layers.biases, machine.masks, machine.units, must_be_finite=False)
    return machine, JointState(steps[0], steps[1], chains), n_mean_field


def _update(
    layers: Layers,
    steps: Sequence[tuple[Floats, ...]],
    masks: tuple[Mask, ...],
    slopes: Sequence[Floats],
    data: Sequence[np.ndarray],
    chains: Sequence[Bytes],
    epoch: JointEpoch,
) -> bool:
    """One step up the gradient, in place; whether a parameter is not finite afterwards.

    Parameters
    ----------
    layers : Layers
        Weights and biases change.
    steps : list of tuple of float32 arrays
        Of weights and biases; they change.
    masks : tuple of (n_lower, n_upper) bool
    slopes : list of (n_lower, n_upper) float32
        Room for the gradient.
    data, chains : sequence of (n, n_units) arrays
        Probabilities of all layers given the images, and states of the persistent chains.
    epoch : JointEpoch

    Returns
    -------
    bool
    """
    share = np.repeat(np.array([1 / len(data[0]), -1 / len(chains[0])], np.float32), [len(data[0]), len(chains[0])])
    both = [np.concatenate([x, y], dtype=np.float32) for x, y in zip(data, chains)]
    weighted = [share[:, None] * layer for layer in both]
    rates, not_finite = (np.float32(epoch.learning_rate), np.float32(epoch.decay)), 0.0
    for place, (weights, first, last, _) in enumerate(layers.up):
        slope = slopes[place]
        if (last - first).sum() < NARROW * weights.size:
            add_outer(slope, weighted[place], both[place + 1], first, last)
        else:
            np.matmul(weighted[place].T, both[place + 1], out=slope)
        not_finite += float(climb(weights, steps[0][place], masks[place], slope, rates, first, last))
        if np.isfinite(epoch.max_norm):
            limit_columns(weights, np.float32(epoch.max_norm))
    for bias, step, layer in zip(layers.biases, steps[1], weighted):
        step *= rates[1]
        step += rates[0] * layer.sum(axis=0)
        bias += step
        not_finite += float((bias * 0).sum())
    return not_finite != 0
