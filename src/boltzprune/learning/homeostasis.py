"""Hidden units whose mean activity is drawn back, between the epochs of a retraining, to what it was before a pruning.

A unit that has lost inputs is on more rarely or more often than before. In neurons, intrinsic excitability changes
until the mean rate is the old one again (homeostasis; Turrigiano 2011, "Too many cooks? Intrinsic and synaptic
homeostatic mechanisms in cortical circuit refinement", Annual Review of Neuroscience 34). Here the bias of a hidden
unit moves by a share of logit(target) - logit(rate). The rate is the unit's mean activation over the training data, the
target that in the machine before the pruning. If the input of a unit were the same for all data, share 1 would reach
the target at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from boltzprune.core.machine import BoltzmannMachine

if TYPE_CHECKING:
    from boltzprune.backend.arrays import Backend

Rates = tuple[npt.NDArray[np.float64], ...]
"""Mean activation of the units of each hidden layer."""
UNIT = 2.0**40
"""Probabilities are added as multiples of 1 / UNIT, as whole numbers: no sum depends on an order. Of fewer than 2**23
cases."""
BYTES_A_UNIT = 40
"""Memory for a unit of a case under mean-field iteration."""


@dataclass(frozen=True)
class Data:
    """What the rates of hidden units are means over, and how these are inferred.

    Attributes
    ----------
    patterns : (n_patterns, n_visible) uint8 in {0, 1}
        The different cases, in lexical order.
    counts : (n_patterns,) int64
        How often each occurs.
    tolerance, max_sweeps : float, int
        Of mean-field iteration; of an RBM one sweep is exact.
    """

    patterns: npt.NDArray[np.uint8]
    counts: npt.NDArray[np.int64]
    tolerance: float = 0.0
    max_sweeps: int = 1


def data_of(cases: npt.NDArray[np.uint8], tolerance: float = 0.0, max_sweeps: int = 1) -> Data:
    """The different cases among these, whatever their order; other parameters as of `Data`."""
    patterns, counts = np.unique(cases, axis=0, return_counts=True)
    return Data(patterns, counts, tolerance, max_sweeps)


def rates(machine: BoltzmannMachine, data: Data, backend: "Backend") -> Rates:
    """Mean activation of every hidden unit over the data: of p(h|v) in an RBM, of mean-field probabilities in a DBM.

    Parameters
    ----------
    machine : BoltzmannMachine
    data : Data
    backend : Backend

    Returns
    -------
    tuple of (n_units,) float64, in [0, 1]
        Of each hidden layer.
    """
    device_machine = backend.on_device(machine)

    def piece(first: int, n: int) -> list[npt.NDArray[np.int64]]:
        some = slice(first, first + n)
        found, _ = backend.mean_field(device_machine, data.patterns[some], data.tolerance, data.max_sweeps)
        whole = [np.rint(UNIT * backend.to_host(means).astype(np.float64)).astype(np.int64) for means in found]
        return [(data.counts[some, None] * numbers).sum(axis=0) for numbers in whole]

    pieces = backend.in_pieces(piece, len(data.patterns), BYTES_A_UNIT * sum(machine.layer_sizes))
    return tuple(sum(layer) / UNIT / int(data.counts.sum()) for layer in zip(*pieces))


@dataclass(frozen=True)
class Homeostasis:
    """What draws the rates of the hidden units of some machines back.

    Attributes
    ----------
    share : float in (0, 1]
        Of the distance, in logits, that one epoch's end makes up for.
    targets : list of Rates
        Of each machine.
    data : Data
    backend : Backend
    """

    share: float
    targets: Sequence[Rates]
    data: Data
    backend: "Backend"

    def moved(self, place: int, machine: BoltzmannMachine) -> BoltzmannMachine:
        """The machine of that place, with hidden biases b + share (logit(target) - logit(rate)).

        Logits are of rates that are half a case away from 0 and 1 at least, so that silent units have finite ones.
        """
        found = rates(machine, self.data, self.backend)
        biases = [machine.biases[0]]
        for bias, target, rate in zip(machine.biases[1:], self.targets[place], found, strict=True):
            step = self.share * (self._logit(target) - self._logit(rate))
            biases.append((bias.astype(np.float64) + step).astype(bias.dtype))
        return replace(machine, biases=tuple(biases))

    def _logit(self, rate: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Log odds, clipped."""
        margin = 0.5 / int(self.data.counts.sum())
        inside = np.clip(rate, margin, 1.0 - margin)
        return np.log(inside / (1.0 - inside))


def drawn_back(
    share: float,
    before: Sequence[BoltzmannMachine],
    machines: Sequence[BoltzmannMachine],
    data: Data,
    backend: "Backend",
) -> Homeostasis:
    """What draws rates back to those of other machines.

    Parameters
    ----------
    share : float in (0, 1]
    before : sequence of BoltzmannMachine
        The machines before their pruning, which have all units that are left.
    machines : sequence of BoltzmannMachine
        Those that are retrained.
    data : Data
    backend : Backend

    Returns
    -------
    Homeostasis
    """
    targets = []
    for old, machine in zip(before, machines, strict=True):
        kept = [np.searchsorted(was, now) for was, now in zip(old.units[1:], machine.units[1:])]
        targets.append(tuple(rate[places] for rate, places in zip(rates(old, data, backend), kept)))
    return Homeostasis(share, targets, data, backend)
