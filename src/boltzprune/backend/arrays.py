"""What users ask of a backend, the types of its arrays, and what backends on the host share; no algorithm is here.

`Backend` is for a type checker: a backend need not inherit from it. `HostArrays` says where arrays lie and how many are
handled at once.
"""

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from boltzprune.core.contrastive import Epoch, Velocity
from boltzprune.core.joint import JointEpoch, JointState
from boltzprune.core.machine import BoltzmannMachine

Array = Any
"""An array that lies where a backend computes: NumPy's or CuPy's."""
Float = np.float32
"""A number that compiled loops compute with,"""
Floats = npt.NDArray[np.float32]
"""an array of them on the host,"""
Bytes = npt.NDArray[np.uint8]
"""of states,"""
Places = npt.NDArray[np.int64]
"""of indices or counts,"""
Ints = npt.NDArray[np.int32]
"""or of small ones."""
Report = Callable[[int], None]
"""Called with the updates done since the last call."""
Item = TypeVar("Item")
Result = TypeVar("Result")
"""What a function that is handed over takes and returns."""
Trained = tuple[BoltzmannMachine, Velocity]
JointWork = tuple[BoltzmannMachine, JointState, np.uint64]
JointlyTrained = tuple[BoltzmannMachine, JointState, int]
"""Of one machine; see `reference.Backend`."""

PIECE = 1 << 13
"""Chains or cases that are handled at once, so that memory stays small; no result depends on it."""


class FreeRun(Protocol):
    """Persistent chains of several machines that advance side by side; see `reference.Backend.free_run`."""

    def advance(self, first_step: int, n_gibbs_steps: int) -> list[list[Array]]:
        """States of all layers of each machine after so many Gibbs steps."""


class Backend(Protocol):
    """What users of a backend ask of it; `reference.Backend` says what each method takes and returns."""

    threads: int

    @property
    def xp(self) -> ModuleType:
        """See `HostArrays`."""

    @property
    def versions(self) -> dict[str, str]:
        """See `HostArrays`."""

    def asarray(self, array: Array, dtype: npt.DTypeLike | None = None) -> Array:
        """See `HostArrays.asarray`."""

    def to_host(self, array: Array) -> np.ndarray:
        """See `HostArrays.to_host`."""

    def on_device(self, machine: BoltzmannMachine) -> BoltzmannMachine:
        """See `HostArrays.on_device`."""

    def piece(self, n: int, bytes_each: int) -> int:
        """See `HostArrays.piece`."""

    def in_pieces(self, function: Callable[[int, int], Result], n: int, bytes_each: int) -> list[Result]:
        """See `HostArrays.in_pieces`."""

    def map(self, function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
        """Host work, one item per machine."""

    def sample_layer(self, fields: Array, key: np.uint64, step: int, layer: int, first_chain: int) -> Array:
        """States of a layer from its fields."""

    def advance(
        self,
        machine: BoltzmannMachine,
        states: Sequence[Array],
        key: np.uint64,
        first_step: int,
        n_gibbs_steps: int,
        first_chain: int,
        first_layer: int = 0,
    ) -> list[Array]:
        """Block Gibbs sampling."""

    def free_run(
        self, machines: Sequence[BoltzmannMachine], chains: Sequence[Sequence[Array]], keys: Sequence[np.uint64]
    ) -> FreeRun | None:
        """Chains of several machines side by side, or None."""

    def log_weights(
        self, machine: BoltzmannMachine, states: Mapping[int, Array], betas: npt.NDArray[np.float32], key: np.uint64
    ) -> npt.NDArray[np.float64] | None:
        """Of the chains of annealed importance sampling, or None."""

    def probability(self, machine: BoltzmannMachine, means: Sequence[Array], layer: int, gain: float = 1) -> Array:
        """Of a layer given its neighbours."""

    def pack(self, states: Array) -> Array:
        """States as bits along the samples."""

    def pair_counts(self, lower: Array, upper: Array) -> Array:
        """Co-activations of bit-packed samples."""

    def eigh(self, matrix: Array) -> tuple[Array, Array]:
        """Eigenvalues and eigenvectors."""

    def cd_epoch(
        self,
        machines: Sequence[BoltzmannMachine],
        velocities: Sequence[Velocity],
        keys: Sequence[np.uint64],
        cases: Array | Sequence[Array],
        epoch: Epoch,
        report: Report,
    ) -> list[Trained]:
        """CD-k, a list of machines side by side."""

    def mean_field(
        self, machine: BoltzmannMachine, visible: Array, tolerance: float, max_sweeps: int
    ) -> tuple[list[Array], Array]:
        """Posterior of the hidden layers."""

    def joint_epoch(
        self,
        machine: BoltzmannMachine,
        state: JointState,
        key: np.uint64,
        cases: Array,
        epoch: JointEpoch,
        report: Report,
    ) -> JointlyTrained:
        """Mean-field and persistent chains, one DBM."""

    def joint_epochs(
        self, work: Sequence[JointWork], cases: Array, epoch: JointEpoch, report: Report
    ) -> list[JointlyTrained]:
        """The same, a list of DBMs side by side."""


class HostArrays:
    """What array code asks a backend for, of one that computes on the host.

    Attributes
    ----------
    xp : module
        The array module of what the primitives return: NumPy, or CuPy.
    versions : dict
        What computes here besides the libraries that every result names.
    """

    xp: ModuleType = np
    versions: ClassVar[dict[str, str]] = {}

    def asarray(self, array: npt.ArrayLike, dtype: npt.DTypeLike | None = None) -> np.ndarray:
        """An array where this backend computes; one that lies there already is not copied."""
        return np.asarray(array, dtype=dtype)

    def to_host(self, array: np.ndarray) -> np.ndarray:
        """A NumPy array of what a primitive returned."""
        return array

    def on_device(self, machine: BoltzmannMachine) -> BoltzmannMachine:
        """A machine whose arrays lie where this backend computes."""
        return machine

    def piece(self, n: int, bytes_each: int) -> int:
        """How many of n independent chains or cases of so many bytes to handle at once."""
        return min(n, PIECE)

    def in_pieces(self, function: Callable[[int, int], Result], n: int, bytes_each: int) -> list[Result]:
        """Results for all of n independent chains or cases, some at a time.

        Parameters
        ----------
        function : callable
            (first, count) -> result.
        n : int
        bytes_each : int
            Memory that one chain or case needs.

        Returns
        -------
        list
            Of the pieces, in order.
        """
        size = max(1, self.piece(n, bytes_each))
        results: list[Result] = []
        for first in range(0, n, size):
            results.append(function(first, min(size, n - first)))
        return results


def pack(states: Bytes) -> npt.NDArray[np.uint64]:
    """States as bits along the samples: (n_samples, n_units) uint8 -> (n_units, n_words) uint64, zero-padded."""
    n_samples, n_units = states.shape
    packed = np.packbits(states.T, axis=1, bitorder="little")
    padded = np.zeros((n_units, 8 * -(-n_samples // 64)), dtype=np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view(np.uint64)


def eigh(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues, smallest first, and eigenvectors as columns of a symmetric matrix, float64."""
    from scipy.linalg import eigh

    return eigh(matrix)
