"""The specification of every primitive: NumPy in float64, short and slow."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from boltzprune.backend import arrays
from boltzprune.backend.arrays import Bytes, Item, JointlyTrained, JointWork, Report, Result, Trained
from boltzprune.core import contrastive, joint, streams
from boltzprune.core.contrastive import Epoch, Velocity
from boltzprune.core.joint import JointEpoch, JointState, Parameters
from boltzprune.core.machine import BoltzmannMachine, field_of, sigmoid


def _sample(probability: np.ndarray, key: np.uint64, step: int, layer: int, first_chain: int = 0) -> np.ndarray:
    """States of a layer: 1 where uniform < probability, else 0, in the dtype of the probability.

    The probability is (n_chains, n_units); row c is chain first_chain + c of the stream.
    """
    n_chains, n_units = probability.shape
    chains = first_chain + np.arange(n_chains)
    return (streams.uniform(key, step, layer, chains, n_units) < probability).astype(probability.dtype)


class Backend(arrays.HostArrays):
    """Primitives on plain arrays; one thread, whatever is asked for."""

    def __init__(self, threads: int = 1) -> None:
        self.threads = 1
        self._joint = joint.Arithmetic(joint.probability, self.advance)

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """[function(item) for item in items]."""
        return [function(item) for item in items]

    def sample_layer(self, fields: np.ndarray, key: np.uint64, step: int, layer: int, first_chain: int) -> Bytes:
        """States of one layer given its fields: 1 where uniform < s(field)  (Eq. 9).

        Parameters
        ----------
        fields : (n_chains, n_units) float
        key : np.uint64
        step, layer, first_chain : int
            Counter of the random numbers; row c is chain first_chain + c.

        Returns
        -------
        (n_chains, n_units) uint8
        """
        return _sample(sigmoid(np.asarray(fields, dtype=np.float64)), key, step, layer, first_chain).astype(np.uint8)

    def advance(
        self,
        machine: BoltzmannMachine | Parameters,
        states: Sequence[Bytes],
        key: np.uint64,
        first_step: int,
        n_gibbs_steps: int,
        first_chain: int,
        first_layer: int = 0,
    ) -> list[Bytes]:
        """Block Gibbs sampling: each step draws the odd layers given the even ones, then the even ones given the odd.

        Parameters
        ----------
        machine : BoltzmannMachine
        states : list of (n_chains, n_units) uint8
            All layers; the odd ones are not read.
        key : np.uint64
        first_step, n_gibbs_steps, first_chain : int
        first_layer : int
            Layers below it are clamped.

        Returns
        -------
        list of (n_chains, n_units) uint8
        """
        states = list(states)
        order = [i for i in (*range(1, len(states), 2), *range(0, len(states), 2)) if i >= first_layer]
        for step in range(first_step, first_step + n_gibbs_steps):
            for layer in order:
                states[layer] = self.sample_layer(field_of(machine, states, layer), key, step, layer, first_chain)
        return states

    def free_run(
        self, machines: Sequence[BoltzmannMachine], chains: Sequence[Sequence[Bytes]], keys: Sequence[np.uint64]
    ) -> None:
        """Persistent chains of several machines that advance side by side.

        Parameters
        ----------
        machines : list of BoltzmannMachine
            On the host.
        chains : list of tuple of (n_chains, n_units) uint8
        keys : list of np.uint64

        Returns
        -------
        object or None
            With advance(first_step, n_gibbs_steps) -> list of list of (n_chains, n_units) uint8: of each machine the
            states of all layers, where the backend computes. None where the chains of each machine had better advance
            alone.
        """
        return None

    def log_weights(
        self, machine: BoltzmannMachine, states: Mapping[int, Bytes], betas: npt.NDArray[np.float32], key: np.uint64
    ) -> None:
        """Log weights of the chains of annealed importance sampling; `sampling.ais.ais` says what they are.

        Parameters
        ----------
        machine : BoltzmannMachine
            On the host.
        states : dict
            Layer -> (n_chains, n_units) uint8, where the backend computes, at the first temperature: either of the odd
            layers or of the even ones. The others sum out and are drawn first.
        betas : (n_temperatures,) float32
            Inverse temperatures, ascending.
        key : np.uint64
            Of the chains; step k of its stream is the Gibbs step at betas[k].

        Returns
        -------
        (n_chains,) float64 or None
            On the host. None where the backend is no faster than array code, step by step.
        """
        return None

    def probability(
        self, machine: BoltzmannMachine | Parameters, means: Sequence[np.ndarray], layer: int, gain: float = 1
    ) -> np.ndarray:
        """Probability of the units of a layer given the layers around it; see `joint.probability`.

        Parameters
        ----------
        machine : BoltzmannMachine or joint.Parameters
        means : list of (n, n_units) float
        layer : int
        gain : float
            Of the input from below.

        Returns
        -------
        (n, n_units) float
        """
        return joint.probability(machine, means, layer, gain)

    def pack(self, states: Bytes) -> npt.NDArray[np.uint64]:
        """States as bits along the samples: (n_samples, n_units) uint8 -> (n_units, n_words) uint64, zero-padded."""
        return arrays.pack(states)

    def eigh(self, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Eigenvalues, smallest first, and eigenvectors as columns of a symmetric matrix, float64."""
        return arrays.eigh(matrix)

    def pair_counts(self, lower: npt.NDArray[np.uint64], upper: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """In how many samples two units are both 1.

        Parameters
        ----------
        lower, upper : (n_lower, n_words), (n_upper, n_words) uint64
            Bit-packed samples, from `pack`.

        Returns
        -------
        (n_lower, n_upper) int64
        """
        counts = np.zeros((len(lower), len(upper)), dtype=np.int64)
        for place, row in enumerate(lower):
            counts[place] = np.bitwise_count(row & upper).sum(axis=1, dtype=np.int64)
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
        """One epoch of CD-k for every machine.

        Parameters
        ----------
        machines : list of BoltzmannMachine
            RBMs, of any shapes.
        velocities : list of Velocity
        keys : list of np.uint64
            One stream per machine.
        cases : (n_cases, n_visible) uint8, or a list of such arrays, one per machine
            Presented in this order.
        epoch : Epoch
        report : callable
            report(n) is called now and then with the updates done since the last call.

        Returns
        -------
        list of (BoltzmannMachine, Velocity)

        Raises
        ------
        NotFiniteError
            If a parameter stops being finite, with the place of the machine in the list.
        """
        arithmetic, of_each = contrastive.Arithmetic(_sample), contrastive.cases_of_each(cases, len(machines))
        with contrastive.listed() as trained:
            for one in zip(machines, velocities, keys, of_each, strict=True):
                trained.append(contrastive.array_epoch(*one, epoch, report, arithmetic))
        return trained

    def mean_field(
        self, machine: BoltzmannMachine, visible: Bytes, tolerance: float, max_sweeps: int
    ) -> tuple[list[np.ndarray], npt.NDArray[np.int64]]:
        """Mean-field posterior of the hidden units, each case on its own; see `joint.mean_field`.

        Parameters
        ----------
        machine : BoltzmannMachine
        visible : (n, n_visible) uint8
        tolerance : float
        max_sweeps : int

        Returns
        -------
        tuple
            List of (n, n_units) float arrays, one per hidden layer, and (n,) int64, the sweeps of each case.
        """
        means, n_sweeps = joint.mean_field(machine, visible, tolerance, max_sweeps, self._joint)
        return means[1:], n_sweeps

    def joint_epoch(
        self,
        machine: BoltzmannMachine,
        state: JointState,
        key: np.uint64,
        cases: Bytes,
        epoch: JointEpoch,
        report: Report,
    ) -> JointlyTrained:
        """`joint_epochs` for one DBM."""
        return self.joint_epochs([(machine, state, key)], cases, epoch, report)[0]

    def joint_epochs(
        self, work: Sequence[JointWork], cases: Bytes, epoch: JointEpoch, report: Report
    ) -> list[JointlyTrained]:
        """One epoch of joint training of every DBM.

        Parameters
        ----------
        work : list of (BoltzmannMachine, joint.JointState, np.uint64)
            Each with the key of the stream of its chains.
        cases : (n_cases, n_visible) uint8
            Presented in this order.
        epoch : joint.JointEpoch
        report : callable
            report(n) is called now and then with the updates done since the last call.

        Returns
        -------
        list of (BoltzmannMachine, joint.JointState, int)
            The number is that of the mean-field sweeps of all cases in sum.

        Raises
        ------
        NotFiniteError
            If a parameter stops being finite, with the place of the machine in the list.
        """
        with contrastive.listed() as trained:
            for machine, state, key in work:
                trained.append(joint.array_joint_epoch(machine, state, key, cases, epoch, report, self._joint))
        return trained
