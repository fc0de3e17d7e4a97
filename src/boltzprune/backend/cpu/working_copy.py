"""A float32 copy of an RBM and its velocity, padded, that compiled loops change in place; and the machine from it."""

from collections.abc import Sequence

import numpy as np

from boltzprune.backend.arrays import Floats, Trained
from boltzprune.backend.cpu.vectors import zeros
from boltzprune.core.contrastive import Parameters, Velocity
from boltzprune.core.machine import BoltzmannMachine


def padded(array: np.ndarray, *size: int) -> Floats:
    """A float32 copy whose last axes are zero-padded to these sizes."""
    copy = zeros((*array.shape[: array.ndim - len(size)], *size))
    copy[tuple(slice(n) for n in array.shape)] = array
    return copy


def working_copy(machine: BoltzmannMachine, velocity: Velocity, n_padded: int) -> tuple[Parameters, Parameters]:
    """`Parameters` and steps of an RBM, hidden units padded, ready to be changed in place."""
    parameters = Parameters(
        padded(machine.weights[0], n_padded),
        machine.biases[0].astype(np.float32),
        padded(machine.biases[1], n_padded),
    )
    steps = padded(velocity.weights, n_padded), velocity.visible_bias.copy(), padded(velocity.hidden_bias, n_padded)
    return parameters, Parameters(*steps)


def from_working_copy(machine: BoltzmannMachine, parameters: Sequence[Floats], steps: Sequence[Floats]) -> Trained:
    """The trained machine and its velocity, padding cut off.

    Parameters
    ----------
    machine : BoltzmannMachine
        Before: its masks and units stay.
    parameters, steps : Parameters
        Float32, hidden units padded.

    Returns
    -------
    (BoltzmannMachine, Velocity)
    """
    n = machine.layer_sizes[1]
    weights, visible_bias, hidden_bias = parameters
    weights = np.ascontiguousarray(weights[:, :n])
    trained = BoltzmannMachine(
        (weights,), (visible_bias, hidden_bias[:n].copy()), machine.masks, machine.units, must_be_finite=False
    )
    return trained, Velocity(steps[0][:, :n].copy(), steps[1], steps[2][:n].copy())
