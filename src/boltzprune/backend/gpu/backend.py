"""The GPU backend: kernels of our own where NumPy's operations would be many small launches, else CuPy's.

States, fields and random numbers of a chain depend on that chain alone, to the last bit, however many are computed
together: the sums that they rest on are exact (kernels/draw.cu, gibbs.cu) or have one order (field.cu, joint.cu).

This module asks the card for arrays and launches and knows nothing else of it; `card.Card` is the real one.
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boltzprune.backend.arrays import Array, Item, JointlyTrained, JointWork, Report, Result, Trained
from boltzprune.backend.gpu import cd_large, cd_small, free_run, memory
from boltzprune.backend.gpu import joint as gpu_joint
from boltzprune.backend.gpu.gibbs import BLOCK, TILE, decide, gibbs, layer_given_neighbours, tiles, whole
from boltzprune.core import joint
from boltzprune.core.contrastive import Arithmetic, Epoch, Velocity, array_epoch, cases_of_each, listed
from boltzprune.core.joint import JointEpoch, JointState
from boltzprune.core.machine import BoltzmannMachine

if TYPE_CHECKING:
    from boltzprune.backend.gpu.card import Card

Work = tuple[BoltzmannMachine, Velocity, np.uint64, Array]


class Backend:
    """Primitives on one GPU, in float32.

    Parameters
    ----------
    threads : int
        Not used: the machines of a job share the card, not the processor.
    card : card.Card, optional
        Default: the one that CuPy finds.

    Attributes
    ----------
    threads : int
        1.
    xp : module
        The array module of what the primitives return: CuPy.
    versions : dict
        What computes here besides the libraries that every result names.
    """

    def __init__(self, threads: int = 1, card: "Card | None" = None) -> None:
        self.threads = 1
        if card is None:
            from boltzprune.backend.gpu.card import Card

            card = Card()
        self.card, self.xp, self.versions = card, card.xp, card.versions
        self._joint = joint.Arithmetic(self.probability, self.advance, np.float32, card.xp)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """[function(item) for item in items], one after the other: they share the card."""
        return [function(item) for item in items]

    def asarray(self, array: Array, dtype: npt.DTypeLike | None = None) -> Array:
        """See `arrays.HostArrays.asarray`."""
        return self.card.asarray(array, dtype)

    def to_host(self, array: Array) -> np.ndarray:
        """See `arrays.HostArrays.to_host`."""
        return self.card.to_host(array)

    def on_device(self, machine: BoltzmannMachine) -> BoltzmannMachine:
        """See `arrays.HostArrays.on_device`."""
        groups = (machine.weights, machine.biases, machine.masks)
        weights, biases, masks = (tuple(map(self.asarray, group)) for group in groups)
        return BoltzmannMachine(weights, biases, masks, machine.units, must_be_finite=False)

    def piece(self, n: int, bytes_each: int) -> int:
        """See `memory.piece`."""
        return memory.piece(self.card, n, bytes_each)

    def in_pieces(self, function: Callable[[int, int], Result], n: int, bytes_each: int) -> list[Result]:
        """See `arrays.HostArrays.in_pieces`; where the memory does not suffice after all, pieces are halved."""
        return memory.in_pieces(self.card, max(1, self.piece(n, bytes_each)), function, n, bytes_each)

    def sample_layer(self, fields: Array, key: np.uint64, step: int, layer: int, first_chain: int) -> Array:
        """See `reference.Backend.sample_layer`."""
        return decide(self.card, self.asarray(fields, np.float32), True, key, step, layer, first_chain)

    def _decide(self, probabilities: Array, key: np.uint64, step: int, layer: int) -> Array:
        """States of a layer from their probabilities, (n_cases, n_units), as float32: what array code draws with.

        Key, step and layer say which uniform numbers decide; the case is the chain.
        """
        return decide(self.card, probabilities, False, key, step, layer, 0).astype(np.float32)

    def advance(
        self,
        machine: BoltzmannMachine | joint.Parameters,
        states: Sequence[Array],
        key: np.uint64,
        first_step: int,
        n_gibbs_steps: int,
        first_chain: int,
        first_layer: int = 0,
    ) -> list[Array]:
        """See `reference.Backend.advance`."""
        machine = joint.Parameters(*(tuple(map(self.asarray, group)) for group in (machine.weights, machine.biases)))
        states = [self.asarray(layer, np.uint8) for layer in states]
        return gibbs(self.card, machine, states, key, first_step, n_gibbs_steps, first_chain, first_layer)

    def free_run(
        self, machines: Sequence[BoltzmannMachine], chains: Sequence[Sequence[Array]], keys: Sequence[np.uint64]
    ) -> free_run.FreeRun | None:
        """See `reference.Backend.free_run`; None where kernels/free_run.cu does not take all machines."""
        return free_run.free_run(self.card, machines, chains, keys)

    def log_weights(
        self, machine: BoltzmannMachine, states: Mapping[int, Array], betas: npt.NDArray[np.float32], key: np.uint64
    ) -> npt.NDArray[np.float64] | None:
        """See `reference.Backend.log_weights`; None where kernels/free_run.cu does not take the machine."""
        return free_run.log_weights(self.card, machine, states, betas, key)

    def probability(
        self, machine: BoltzmannMachine | joint.Parameters, means: Sequence[Array], layer: int, gain: float = 1
    ) -> Array:
        """See `reference.Backend.probability`."""
        return layer_given_neighbours(self.card, machine, means, layer, gain)

    def pack(self, states: Array) -> Array:
        """See `reference.Backend.pack`."""
        states = whole(self.asarray(states, np.uint8))
        n_samples, n_units = states.shape
        n_words = -(-n_samples // 64)
        bits = self.xp.empty((n_units, n_words), dtype=np.uint64)
        if bits.size:
            sizes = (np.int32(n_samples), np.int32(n_units), np.int32(n_words))
            self.card.launch("pack", {}, (n_words, tiles(n_units)), TILE, [states, *sizes, bits])
        return bits

    def pair_counts(self, lower: Array, upper: Array) -> Array:
        """See `reference.Backend.pair_counts`."""
        lower, upper = whole(self.asarray(lower)), whole(self.asarray(upper))
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

    def eigh(self, matrix: Array) -> tuple[Array, Array]:
        """See `reference.Backend.eigh`."""
        return self.xp.linalg.eigh(self.asarray(matrix))

    def cd_epoch(
        self,
        machines: Sequence[BoltzmannMachine],
        velocities: Sequence[Velocity],
        keys: Sequence[np.uint64],
        cases: Array | Sequence[Array],
        epoch: Epoch,
        report: Report,
    ) -> list[Trained]:
        """See `reference.Backend.cd_epoch`; machines that one kernel takes side by side, others one after the other."""
        on_card = {id(one): self.asarray(one, np.uint8) for one in cases_of_each(cases, len(machines))}
        cases = [on_card[id(one)] for one in cases_of_each(cases, len(machines))]
        work = list(zip(machines, velocities, keys, cases, strict=True))
        groups: dict[tuple[Any, ...], list[int]] = {}
        for place, (machine, *_, one) in enumerate(work):
            if cd_small.is_small(machine, epoch):
                kind: tuple[Any, ...] = "small", id(one)
            else:
                plan = cd_large.plan(machine, epoch.batch_size, self.card)
                kind = "wide", plan and plan.n_blocks, one.shape
            groups.setdefault(kind, []).append(place)
        return memory.in_groups(
            self.card, groups, work, lambda kind, part: self._cd_group(kind[0], kind[1], part, epoch, report)
        )

    def _cd_group(
        self, kernel: str, n_blocks: int | None, work: Sequence[Work], epoch: Epoch, report: Report
    ) -> list[Trained]:
        """Train machines side by side; those that no kernel takes, one after the other.

        The kernel is "small" (`cd_small`) or "wide" (`cd_large`); n_blocks, of "wide": blocks of threads that share a
        machine, or None where the kernel does not take it.
        """
        if kernel == "small":
            return cd_small.epoch_of_many(self.card, [one[:3] for one in work], work[0][3], epoch, report)
        if n_blocks is None:
            with listed() as trained:
                for one in work:
                    trained.append(self._array_epoch(*one, epoch, report))
            return trained
        return cd_large.epoch_of_many(self.card, work, epoch, report)

    def _array_epoch(
        self, machine: BoltzmannMachine, velocity: Velocity, key: np.uint64, cases: Array, epoch: Epoch, report: Report
    ) -> Trained:
        """Mini-batches, CD-k, large machines: the specification in float32, on the card.

        Machine and velocity come from the host and go back to it; the cases, (n_cases, n_visible) uint8, are on the
        card.
        """
        velocity = Velocity(*map(self.asarray, _fields(velocity)))
        arithmetic = Arithmetic(self._decide, np.float32, self.xp)
        result = array_epoch(self.on_device(machine), velocity, key, cases, epoch, report, arithmetic)
        return self._machine(result[0], machine), Velocity(*map(self.to_host, _fields(result[1])))

    def mean_field(
        self, machine: BoltzmannMachine, visible: Array, tolerance: float, max_sweeps: int
    ) -> tuple[list[Array], Array]:
        """See `reference.Backend.mean_field`."""
        visible = self.asarray(visible, np.uint8)
        means, n_sweeps = joint.mean_field(self.on_device(machine), visible, tolerance, max_sweeps, self._joint)
        return means[1:], n_sweeps

    def joint_epoch(
        self,
        machine: BoltzmannMachine,
        state: JointState,
        key: np.uint64,
        cases: Array,
        epoch: JointEpoch,
        report: Report,
    ) -> JointlyTrained:
        """See `reference.Backend.joint_epoch`."""
        return self.joint_epochs([(machine, state, key)], cases, epoch, report)[0]

    def joint_epochs(
        self, work: Sequence[JointWork], cases: Array, epoch: JointEpoch, report: Report
    ) -> list[JointlyTrained]:
        """See `reference.Backend.joint_epochs`; machines that kernels/joint.cu takes side by side, others in turn."""
        cases = self.asarray(cases, np.uint8)
        groups: dict[bool, list[int]] = {}
        for place, (machine, state, _) in enumerate(work):
            plan = gpu_joint.plan(machine, len(state.chains[0]), epoch.batch_size, self.card)
            groups.setdefault(plan is not None, []).append(place)
        return memory.in_groups(
            self.card, groups, work, lambda for_kernel, part: self._joint_group(for_kernel, part, cases, epoch, report)
        )

    def _joint_group(
        self, for_kernel: bool, work: Sequence[JointWork], cases: Array, epoch: JointEpoch, report: Report
    ) -> list[JointlyTrained]:
        """Train machines side by side; those that kernels/joint.cu does not take, one after the other.

        Either it takes all machines of the work (`for_kernel`) or none. The cases, (n_cases, n_visible) uint8, are on
        the card.
        """
        if not for_kernel:
            with listed() as trained:
                for one in work:
                    trained.append(self._array_joint_epoch(*one, cases, epoch, report))
            return trained
        return gpu_joint.epoch_of_many(self.card, work, cases, epoch, report)

    def _array_joint_epoch(
        self,
        machine: BoltzmannMachine,
        state: JointState,
        key: np.uint64,
        cases: Array,
        epoch: JointEpoch,
        report: Report,
    ) -> JointlyTrained:
        """The specification in float32, on the card.

        Machine and state come from the host and go back to it; the cases, (n_cases, n_visible) uint8, are on the card.
        """
        state = JointState(*(tuple(map(self.asarray, group)) for group in _fields(state)))
        trained, state, n_sweeps = joint.array_joint_epoch(
            self.on_device(machine), state, key, cases, epoch, report, self._joint
        )
        state = JointState(*(tuple(map(self.to_host, group)) for group in _fields(state)))
        return self._machine(trained, machine), state, n_sweeps

    def _machine(self, trained: BoltzmannMachine, before: BoltzmannMachine) -> BoltzmannMachine:
        """A trained machine back on the host, masks and units as before."""
        weights, biases = (tuple(map(self.to_host, group)) for group in (trained.weights, trained.biases))
        return BoltzmannMachine(weights, biases, before.masks, before.units, must_be_finite=False)


def _fields(record: Velocity | JointState) -> list[Any]:
    """The arrays of a dataclass, in order."""
    return [getattr(record, field.name) for field in dataclasses.fields(record)]
