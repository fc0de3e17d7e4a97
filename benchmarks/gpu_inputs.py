"""What the checks and the timings of the GPU work on: sizes of the paper, random machines, random states."""

from dataclasses import dataclass

import numpy as np

from boltzprune.core.joint import JointEpoch, JointState, Parameters
from boltzprune.core.machine import BoltzmannMachine
from boltzprune.core.masks import receptive_fields
from boltzprune.core.streams import fork


@dataclass(frozen=True)
class Sizes:
    """How much of everything; defaults are those of the paper."""

    visible: int = 13
    hidden: int = 70
    chains: int = 90_000
    steps: int = 200
    parameters: int = 993
    machines: tuple = (10, 70)
    updates: int = 30_000
    wide: tuple = (400, 676)
    wide_machines: tuple = (1, 10)
    wide_updates: int = 2_000
    naive_updates: int = 300
    deep: tuple = (400, 400, 676)
    deep_chains: tuple = (8_192, 60_000)
    samples: int = 60_000
    images: int = 1_024
    cases: int = 10_000
    classes: int = 10
    joint_updates: int = 100
    batch: int = 10
    few_chains: tuple = (100, 1_000)
    joint_machines: tuple = (1, 10)
    joint_chains: int = 100
    check_chains: int = 8_192
    check_steps: int = 9
    check_updates: int = 300
    check_machines: tuple = ((13, (70, 53, 70)), (29, (100,)), (40, (33, 20)))
    check_wide: tuple = ((67, (31, 59), 50, 1), (67, (59,), 20, 10), (400, (676,), 3, 10))
    check_joint: tuple = (((13, 17, 31), 3, 37, 10), ((400, 400, 676), 1, 37, 2))


def random_machine(layer_sizes, seed=0, scale=0.1, density=1.0):
    """Weights ~ N(0, scale^2), a share of them masked, hidden biases about -1."""
    generator = np.random.default_rng(seed)
    shapes = list(zip(layer_sizes[:-1], layer_sizes[1:]))
    masks = tuple(generator.random(shape) < density for shape in shapes)
    weights = tuple((generator.normal(0, scale, mask.shape) * mask).astype(np.float32) for mask in masks)
    biases = tuple(generator.normal(-1.0 * (k > 0), 0.5, n).astype(np.float32) for k, n in enumerate(layer_sizes))
    return BoltzmannMachine(weights, biases, masks)


def deep_machine(layer_sizes, seed=0):
    """Two hidden layers; 5 x 5 receptive fields where the lower layers are squares of one size, else a random mask."""
    full, side = random_machine(layer_sizes, seed, scale=0.05), round(layer_sizes[0] ** 0.5)
    if layer_sizes[0] == layer_sizes[1] == side**2:
        lower = receptive_fields((side, side), 5)
    else:
        lower = np.random.default_rng(seed).random(layer_sizes[:2]) < 0.5
    masks = (lower, full.masks[1])
    return BoltzmannMachine(tuple(w * mask for w, mask in zip(full.weights, masks)), full.biases, masks)


def joint_work(layer_sizes, n_machines, n_chains):
    """Machines with two hidden layers at rest, their chains and streams."""
    chains = [binary((n_chains, n), 0.3, seed=k) for k, n in enumerate(layer_sizes)]
    machines = [deep_machine(layer_sizes, seed=k) for k in range(n_machines)]
    return [(one, JointState.at_rest(one, chains), key_of("training", k)) for k, one in enumerate(machines)]


def joint_epoch(batch, learning_rate=1e-3, first_update=0):
    """Joint training with momentum 0.5, norms at most 6, mean field to 1e-5."""
    return JointEpoch(learning_rate, 0.5, 1, batch, first_update, max_norm=6.0, tolerance=1e-5, max_sweeps=50)


def parameters_on(backend, machine):
    """Weights and biases where the backend computes."""
    return Parameters(*(tuple(map(backend.asarray, group)) for group in (machine.weights, machine.biases)))


def binary(shape, rate, seed=0):
    """Random states, uint8."""
    return (np.random.default_rng(seed).random(shape, dtype=np.float32) < rate).astype(np.uint8)


def key_of(purpose, *indices):
    """The stream of these benchmarks for a purpose."""
    return fork(0, purpose, *indices)
