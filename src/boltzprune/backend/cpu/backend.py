"""The CPU backend: compiled loops where one update is small, NumPy's BLAS where it is large."""

import functools
import operator
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import numpy.typing as npt

from boltzprune.backend import arrays
from boltzprune.backend.arrays import Bytes, Floats, Item, JointlyTrained, JointWork, Report, Result, Trained
from boltzprune.backend.cpu import compiling, loops
from boltzprune.backend.cpu.arithmetic import decide
from boltzprune.backend.cpu.cd import array_epoch, dense_epoch
from boltzprune.backend.cpu.cd_listed import listed_epoch
from boltzprune.backend.cpu.cd_low_rank import low_rank_epoch
from boltzprune.backend.cpu.joint import joint_epoch
from boltzprune.backend.cpu.mean_field import mean_field
from boltzprune.backend.cpu.meeting import side_by_side
from boltzprune.backend.cpu.network import network
from boltzprune.backend.cpu.pair_counts import count_pairs
from boltzprune.backend.cpu.sampling import FreeRun, advance
from boltzprune.core import joint
from boltzprune.core.contrastive import Epoch, Velocity, cases_of_each, listed
from boltzprune.core.joint import JointEpoch, JointState
from boltzprune.core.machine import BoltzmannMachine

EPOCHS = {"array": array_epoch, "dense": dense_epoch, "listed": listed_epoch, "low_rank": low_rank_epoch}
"""Name of a loop of `loops` -> one epoch of CD-k with it."""


class Backend(arrays.HostArrays):
    """Primitives on the CPU, in float32; machines side by side in threads."""

    def __init__(self, threads: int = 1) -> None:
        self.threads = threads
        compiling.listen()

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """[function(item) for item in items], in threads."""
        with self._mapping(len(items)) as each:
            return list(each(function, items))

    def _mapping(self, n_items: int) -> AbstractContextManager[Callable[..., Any]]:
        """Python's `map`, or where there are several threads and items that of a pool, which is closed at the end."""
        return side_by_side(1 if n_items == 1 else self.threads)

    def sample_layer(self, fields: np.ndarray, key: np.uint64, step: int, layer: int, first_chain: int) -> Bytes:
        """See `reference.Backend.sample_layer`."""
        return decide(np.asarray(fields, dtype=np.float32), True, key, step, layer, first_chain)

    def advance(
        self,
        machine: BoltzmannMachine,
        states: Sequence[Bytes],
        key: np.uint64,
        first_step: int,
        n_gibbs_steps: int,
        first_chain: int,
        first_layer: int = 0,
    ) -> list[Bytes]:
        """See `reference.Backend.advance`."""
        return advance(machine, states, key, first_step, n_gibbs_steps, first_chain, first_layer)

    def free_run(
        self, machines: Sequence[BoltzmannMachine], chains: Sequence[Sequence[Bytes]], keys: Sequence[np.uint64]
    ) -> FreeRun:
        """See `reference.Backend.free_run`; threads take machines, or parts of their chains if machines are fewer."""
        return FreeRun(machines, chains, keys, self.threads)

    def log_weights(
        self, machine: BoltzmannMachine, states: Mapping[int, Bytes], betas: npt.NDArray[np.float32], key: np.uint64
    ) -> None:
        """See `reference.Backend.log_weights`: array code is as fast."""
        return None

    def probability(
        self, machine: BoltzmannMachine | joint.Parameters, means: Sequence[np.ndarray], layer: int, gain: float = 1
    ) -> np.ndarray:
        """See `reference.Backend.probability`."""
        return joint.probability(machine, means, layer, gain)

    def pack(self, states: Bytes) -> npt.NDArray[np.uint64]:
        """See `reference.Backend.pack`."""
        return arrays.pack(states)

    def eigh(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `reference.Backend.eigh`."""
        return arrays.eigh(matrix)

    def pair_counts(self, lower: npt.NDArray[np.uint64], upper: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """See `reference.Backend.pair_counts`."""
        counts = np.zeros((len(lower), len(upper)), dtype=np.int64)
        count_pairs(np.ascontiguousarray(lower), np.ascontiguousarray(upper), counts, lower is upper)
        return counts

    def cd_epoch(
        self,
        machines: Sequence[BoltzmannMachine],
        velocities: Sequence[Velocity],
        keys: Sequence[np.uint64],
        cases: Bytes | Sequence[Bytes],
        epoch: Epoch,
        report: Report,
    ) -> list[Trained]:
        """See `reference.Backend.cd_epoch`."""
        work = zip(machines, velocities, keys, cases_of_each(cases, len(machines)), strict=True)
        calls = [functools.partial(epoch_for(one[0], epoch), *one, epoch, report) for one in work]
        with self._mapping(len(calls)) as each, listed() as trained:
            for result in each(operator.call, calls):
                trained.append(result)
        return trained

    def mean_field(
        self, machine: BoltzmannMachine, visible: Bytes, tolerance: float, max_sweeps: int
    ) -> tuple[list[Floats], npt.NDArray[np.int64]]:
        """See `reference.Backend.mean_field`."""
        return mean_field(network(machine), np.ascontiguousarray(visible, dtype=np.uint8), tolerance, max_sweeps)

    def joint_epoch(
        self,
        machine: BoltzmannMachine,
        state: JointState,
        key: np.uint64,
        cases: Bytes,
        epoch: JointEpoch,
        report: Report,
    ) -> JointlyTrained:
        """See `reference.Backend.joint_epoch`."""
        return self.joint_epochs([(machine, state, key)], cases, epoch, report)[0]

    def joint_epochs(
        self, work: Sequence[JointWork], cases: Bytes, epoch: JointEpoch, report: Report
    ) -> list[JointlyTrained]:
        """See `reference.Backend.joint_epochs`."""
        n_threads = max(1, self.threads // max(1, len(work)))
        calls = [functools.partial(joint_epoch, *one, cases, epoch, report, n_threads) for one in work]
        with self._mapping(len(calls)) as each, listed() as trained:
            for result in each(operator.call, calls):
                trained.append(result)
        return trained


def epoch_for(machine: BoltzmannMachine, epoch: Epoch) -> Callable[..., Trained]:
    """The fastest of `EPOCHS` that computes this epoch."""
    shape = machine.weights[0].size, int(np.count_nonzero(machine.masks[0]))
    return EPOCHS[loops.of_epoch(*shape, epoch.batch_size, epoch.n_gibbs_steps, epoch.decay)]
