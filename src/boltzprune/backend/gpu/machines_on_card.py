"""DBMs with two hidden layers as kernels/joint.cu reads and writes them: all machines of a launch in common arrays.

Layers of different sizes are padded to the largest. Of the lower weights there are lists of those that exist.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from boltzprune.backend.arrays import Array, Floats, JointlyTrained
from boltzprune.backend.gpu import cooperative
from boltzprune.backend.gpu.cooperative import Plan, padded, whole_quads
from boltzprune.backend.quiet import quiet_change
from boltzprune.core.joint import JointEpoch, JointState
from boltzprune.core.machine import BoltzmannMachine

if TYPE_CHECKING:
    from boltzprune.backend.gpu.card import Card

WORD = 32
"""Chains to a word of bits."""
COLUMNS_ALONE = 400
"""Units of h2 that are on in any image of an update, at most, where a block iterates an image alone: with more of them
the blocks of a machine are faster together (benchmarks/gpu_trained.py, gpu_phases.py)."""


class MachinesOnCard:
    """Machines side by side on the card, which are trained together.

    Parameters
    ----------
    card : card.Card
    plans : list of cooperative.Plan
        One for each machine.
    machines : list of BoltzmannMachine
        With two hidden layers and the same visible units.
    states : list of JointState
        With the same number of chains.
    keys : list of np.uint64
        Of the streams of the chains.
    epoch : JointEpoch
    """

    def __init__(
        self,
        card: "Card",
        plans: Sequence[Plan],
        machines: Sequence[BoltzmannMachine],
        states: Sequence[JointState],
        keys: Sequence[np.uint64],
        epoch: JointEpoch,
    ) -> None:
        self.card, self.plans, self.machines, self.epoch = card, plans, machines, epoch
        self.lists = [_Lists(machine.masks[0]) for machine in machines]
        sizes = np.array([machine.layer_sizes[1:] for machine in machines], np.int32)
        self.most1, self.most2 = (int(n) for n in sizes.max(axis=0))
        self.most = max(1, max(len(one.visible_of) for one in self.lists))
        self.n0, self.n_chains = machines[0].layer_sizes[0], len(states[0].chains[0])
        self._place_parameters(machines, states)
        self._place_space(sizes, keys)

    def _place_parameters(self, machines: Sequence[BoltzmannMachine], states: Sequence[JointState]) -> None:
        """Weights, biases, steps, masks and chains of all machines, padded to the largest."""
        asarray, layers = self.card.asarray, (self.n0, self.most1, self.most2)
        lower = [np.stack([_padded_to(x, (self.most,)) for x in group]) for group in self._lower(machines, states)]
        upper = (self.most1, self.most2)
        second = [
            np.stack([_padded_to(x, upper) for x in group])
            for group in (
                [machine.weights[1] for machine in machines],
                [state.weight_steps[1] for state in states],
                [machine.masks[1].astype(np.uint8) for machine in machines],
            )
        ]
        flat = [
            np.stack([_joined(x, layers) for x in group])
            for group in ([m.biases for m in machines], [s.bias_steps for s in states], [s.chains for s in states])
        ]
        self.w1, self.s1, *lists = (asarray(x) for x in lower)
        self.lists_on_card = lists
        self.w2, self.s2, self.mask2 = (asarray(x) for x in second)
        self.biases, self.bias_steps, self.chains = (asarray(x) for x in flat)

    def _lower(self, machines: Sequence[BoltzmannMachine], states: Sequence[JointState]) -> Iterator[list[np.ndarray]]:
        """The lower weights, their steps and where they belong, unit by unit of h1."""
        starts = [_padded_to(one.column_start, (self.most1 + 1,), one.column_start[-1]) for one in self.lists]
        self.column_start = self.card.asarray(np.stack(starts))
        self.row_start = self.card.asarray(np.stack([one.row_start for one in self.lists]))
        yield [one.take(machine.weights[0]) for one, machine in zip(self.lists, machines)]
        yield [one.take(state.weight_steps[0]) for one, state in zip(self.lists, states)]
        for name in ("visible_of", "row_entry", "row_unit"):
            yield [getattr(one, name) for one in self.lists]

    def _place_space(self, sizes: npt.NDArray[np.int32], keys: Sequence[np.uint64]) -> None:
        """What the kernel needs besides: sizes, streams, and room where blocks meet."""
        xp, n = self.card.xp, len(self.machines)
        width, n_words = padded(self.epoch.batch_size), -(-self.n_chains // WORD)
        each = [plan.n_blocks for plan in self.plans]
        n_blocks, self.first_block = max(each), self.card.asarray(np.cumsum([0, *each], dtype=np.int32))
        self.about = [self.card.asarray(sizes), self.card.asarray(np.array(keys, np.uint64))]
        inputs, means = (xp.empty((n, self.most1, width), dtype=np.float32) for _ in range(2))
        partial = xp.empty((n, 2, n_blocks, self.most1, width), dtype=np.float32)
        of_chains = xp.empty((n, n_blocks, self.n_chains, whole_quads(self.most1)), dtype=np.float32)
        bits = xp.empty((n, self.n0 + self.most1, n_words), dtype=np.uint32)
        busy = xp.empty((n, n_blocks, n_words), dtype=np.uint32)
        moved = xp.empty((n, 2, n_blocks), dtype=np.uint32)
        means2, sweeps = xp.empty((n, width, self.most2), dtype=np.float32), xp.empty((n, width), dtype=np.int32)
        columns = xp.zeros((n, self.most2, whole_quads(self.most1)), dtype=np.float32)
        self.told = [inputs, means, means2, columns, sweeps, partial, of_chains, bits, busy, moved]
        self.n_mean_field = xp.zeros(n, dtype=np.uint64)

    def run(self, cases: Array, n_updates: int, update: int) -> npt.NDArray[np.int32]:
        """Updates on some cases; how many of them each machine did before a parameter was not finite.

        Parameters
        ----------
        cases : (n_cases, n_visible) uint8 on the card
        n_updates : int
        update : int
            Of the epoch, before these.

        Returns
        -------
        (n_machines,) int32
        """
        xp, epoch, n = self.card.xp, self.epoch, len(self.machines)
        first_step, done = (epoch.first_update + update) * epoch.n_gibbs_steps, xp.full(n, n_updates, dtype=np.int32)
        visible_of, row_entry, row_unit = self.lists_on_card
        arrays = [self.w1, self.s1, visible_of, self.column_start, self.row_start, row_entry, row_unit]
        arrays += [self.w2, self.s2, self.mask2, self.biases, self.bias_steps, self.chains, *self.about, cases]
        arrays += [*self.told, xp.zeros(n, dtype=np.uint32), done, self.n_mean_field, self.first_block]
        most_blocks = max(plan.n_blocks for plan in self.plans)
        counts = (self.n0, self.most1, self.most2, self.most, self.n_chains, most_blocks, len(cases))
        numbers: list[np.number] = [*map(np.int32, counts), np.uint32(first_step)]
        n_shared = max(plan.shared for plan in self.plans) // 4
        numbers += map(np.int32, (epoch.n_gibbs_steps, epoch.max_sweeps, COLUMNS_ALONE, n_shared))
        limits = (epoch.tolerance, quiet_change(epoch.tolerance))
        numbers += [np.float32(x) for x in (*limits, epoch.learning_rate, epoch.decay, epoch.max_norm)]
        cooperative.launch(self.card, "joint", self.plans, {"BATCH": epoch.batch_size}, [*arrays, *numbers])
        return self.card.to_host(done)

    def results(self) -> list[JointlyTrained]:
        """Machines, states and mean-field sweeps, on the host."""
        names = ("w1", "s1", "w2", "s2", "biases", "bias_steps", "chains", "n_mean_field")
        arrays = {name: self.card.to_host(getattr(self, name)) for name in names}
        return [self._result(k, {name: array[k] for name, array in arrays.items()}) for k in range(len(self.machines))]

    def _result(self, k: int, found: Mapping[str, np.ndarray]) -> JointlyTrained:
        """Machine, state and sweeps of one machine from its arrays by name, without what pads them."""
        machine, lists = self.machines[k], self.lists[k]
        (n1, n2), starts = machine.layer_sizes[1:], (0, self.n0, self.n0 + self.most1)
        weights, steps = (
            (lists.put(found[low]), found[up][:n1, :n2].copy()) for low, up in (("w1", "w2"), ("s1", "s2"))
        )
        slices = [slice(start, start + n) for start, n in zip(starts, machine.layer_sizes)]
        biases, bias_steps, chains = (
            tuple(found[name][..., part].copy() for part in slices) for name in ("biases", "bias_steps", "chains")
        )
        trained = BoltzmannMachine(tuple(weights), biases, machine.masks, machine.units, must_be_finite=False)
        return trained, JointState(tuple(steps), bias_steps, chains), int(found["n_mean_field"])


class _Lists:
    """The existing weights of one layer, column by column, and where each row finds its own."""

    def __init__(self, mask: npt.NDArray[np.bool_]) -> None:
        self.shape = mask.shape
        self.unit_of, self.visible_of = (x.astype(np.int32) for x in np.nonzero(mask.T))
        self.column_start = np.concatenate([[0], np.cumsum(mask.sum(axis=0))]).astype(np.int32)
        self.row_start = np.concatenate([[0], np.cumsum(mask.sum(axis=1))]).astype(np.int32)
        self.row_entry = np.argsort(self.visible_of, kind="stable").astype(np.int32)
        self.row_unit = self.unit_of[self.row_entry]

    def take(self, weights: Floats) -> Floats:
        """The existing ones, in this order."""
        return weights[self.visible_of, self.unit_of]

    def put(self, values: Floats) -> Floats:
        """Weights with these values, and 0 elsewhere."""
        weights = np.zeros(self.shape, np.float32)
        weights[self.visible_of, self.unit_of] = values[: len(self.visible_of)]
        return weights


def _padded_to(array: np.ndarray, shape: Sequence[int], value: float = 0) -> np.ndarray:
    """An array in the first corner of a larger one of that shape, which has the value everywhere else."""
    larger = np.full(shape, value, dtype=array.dtype)
    larger[tuple(slice(n) for n in array.shape)] = array
    return larger


def _joined(layers: Sequence[np.ndarray], widths: Sequence[int]) -> np.ndarray:
    """Arrays of all layers along their last axis, each padded to a width."""
    return np.concatenate([_padded_to(x, (*x.shape[:-1], n)) for x, n in zip(layers, widths)], axis=-1)
