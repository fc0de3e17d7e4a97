"""Training of RBMs by contrastive divergence, many side by side. The only writer of weights besides pruning."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from boltzprune.core.contrastive import Epoch, NotFiniteError, Velocity, cases_of_each
from boltzprune.core.machine import BoltzmannMachine, all_finite, require_rbm
from boltzprune.core.schedules import epochs
from boltzprune.core.streams import fork, uniform_double
from boltzprune.errors import InputError, TrainingError

if TYPE_CHECKING:
    from boltzprune.backend.arrays import Backend
    from boltzprune.core.joint import JointEpoch
    from boltzprune.learning.checkpoint import Checkpoint
    from boltzprune.learning.homeostasis import Homeostasis

log = logging.getLogger(__name__)


class Progress(Protocol):
    """Whom a training tells how far it is; in a study `study.progress.Progress`."""

    def describe(self, stage: str, /) -> None:
        """Name what runs now, for example the epoch."""

    def advance(self, n: int, /) -> None:
        """Note n more updates done."""

    def skip(self, n: int, /) -> None:
        """Note n updates that an earlier run has done."""


@dataclass(frozen=True)
class Run:
    """What trains machines side by side, and whom it tells.

    Attributes
    ----------
    backend : Backend
    progress : Progress
        Told of every few updates.
    names : list of str
        What messages call the training of each machine.
    checkpoint : checkpoint.Checkpoint, optional
        Where the training goes on from, with the same bits, and what is told of every epoch.
    """

    backend: "Backend"
    progress: Progress
    names: list[str] = field(default_factory=list)
    checkpoint: "Checkpoint | None" = None


def new_rbm(
    rate: npt.NDArray[np.floating],
    n_hidden: int,
    weight_sd: float,
    hidden_bias: float,
    seed: int,
    other_weights: bool = False,
) -> BoltzmannMachine:
    """An RBM before training.

    W ~ N(0, weight_sd^2); b_v = logit(rate of each pixel), so that the model without weights has the rates of the data;
    b_h = hidden_bias  (Hinton 2012).

    Parameters
    ----------
    rate : (n_visible,) float
        Mean of each visible unit over the data; see `data_rate` for pixels that never change.
    n_hidden : int
    weight_sd, hidden_bias : float
    seed : int
    other_weights : bool
        Whether they are drawn from the second stream of the seed, for a machine that begins differently.

    Returns
    -------
    BoltzmannMachine
    """
    from scipy.special import ndtri

    key = fork(seed, "other initial weights") if other_weights else fork(seed, "initial weights")
    u = uniform_double(key, 0, 0, np.arange(len(rate)), n_hidden)
    weights = (weight_sd * ndtri(u)).astype(np.float32)
    biases = (np.log(rate / (1.0 - rate)).astype(np.float32), np.full(n_hidden, hidden_bias, dtype=np.float32))
    return BoltzmannMachine((weights,), biases, (np.ones(weights.shape, dtype=bool),))


def data_rate(cases: np.ndarray) -> npt.NDArray[np.float64]:
    """Mean of each visible unit, half a count away from 0 and 1 so that its logit is finite: (n_visible,) float64."""
    margin = 0.5 / len(cases)
    return np.clip(cases.mean(axis=0, dtype=np.float64), margin, 1.0 - margin)


def decay_of(learning_rate: float, momentum: float, rule: str) -> float:
    """What is left of the previous step: m (classical), or lr m (scaled: the learning rate multiplies it too).

    Parameters
    ----------
    learning_rate, momentum : float
    rule : str
        classical or scaled.

    Returns
    -------
    float
    """
    return {"classical": momentum, "scaled": learning_rate * momentum}[rule]


def train(
    machines: Sequence[BoltzmannMachine],
    cases: Any,
    training: Any,
    keys: Sequence[np.uint64],
    run: Run,
    gains: tuple[float, float] = (1.0, 1.0),
    homeostasis: "Homeostasis | None" = None,
) -> list[BoltzmannMachine]:
    """Train RBMs by CD-k side by side, each with its own stream.

    Parameters
    ----------
    machines : list of BoltzmannMachine
        With one weight layer; shapes and masks may differ. Masked weights stay 0. Can be empty.
    cases : (n_cases, n_visible) uint8, or a list of such arrays, one per machine
        In the order of presentation; on the host, or where the backend computes.
    training : config.Training or config.digits.RbmTraining
        Its batch_size, n_gibbs_steps, momentum_rule and what `schedules.epochs` reads.
    keys : list of np.uint64
    run : Run
    gains : (float, float)
        Factors of the input upwards and downwards, see `contrastive.Epoch`.
    homeostasis : homeostasis.Homeostasis or None
        What moves the hidden biases of each machine after every epoch.

    Returns
    -------
    list of BoltzmannMachine

    Raises
    ------
    InputError
        If the cases do not fit the visible layer, or a machine has several weight layers.
    TrainingError
        As soon as a machine's parameters stop being finite.
    """
    if not machines:
        return []
    names, progress, of_each = run.names, run.progress, cases_of_each(cases, len(machines))
    for name, machine, one in zip(names, machines, of_each, strict=True):
        require_rbm(machine, "training.train", "joint_training.train_jointly")
        if machine.layer_sizes[0] != one.shape[1]:
            raise InputError(f"{name}: {one.shape[1]} pixels a case, but {machine.layer_sizes[0]} visible units")
    updates_per_epoch = -(-len(of_each[0]) // training.batch_size)
    schedule, start = epochs(training), [(machine, Velocity.zero(machine)) for machine in machines]
    n_done, results = resumed(run, start, [updates_per_epoch] * len(schedule))
    for number, (rate, momentum) in list(enumerate(schedule))[n_done:]:
        decay = decay_of(rate, momentum, training.momentum_rule)
        epoch = Epoch(rate, decay, training.n_gibbs_steps, training.batch_size, number * updates_per_epoch, *gains)
        progress.describe(f"epoch {number + 1} of {len(schedule)}")
        try:
            before, velocities = zip(*results)
            results = run.backend.cd_epoch(before, velocities, keys, of_each, epoch, progress.advance)
        except NotFiniteError as error:
            place = f"update {error.update + 1} of {updates_per_epoch}"
            raise not_finite(names[error.place], number, place, epoch) from None
        for name, (machine, _) in zip(names, results):
            if not all_finite(machine):
                raise not_finite(name, number, "its last update", epoch)
        if homeostasis:
            results = [(homeostasis.moved(place, machine), rest) for place, (machine, rest) in enumerate(results)]
        if run.checkpoint:
            run.checkpoint.save(number + 1, f"epoch {number + 1}", results)
    return [machine for machine, _ in results]


def course(spec: Mapping[str, Any]) -> dict[int, Any]:
    """All trainings that a machine gets up to an iteration: {0: training, 1: retraining, ..., iteration: retraining}.

    Parameters
    ----------
    spec : dict
        Of a stage, with sections training and retraining, and the iteration.
    """
    return {0: spec["training"]} | dict.fromkeys(range(1, spec["iteration"] + 1), spec["retraining"])


def resumed(run: Run, start: list[Any], n_updates: Sequence[int]) -> tuple[int, list[Any]]:
    """Pieces of a training that its checkpoint has behind it, and the state after them.

    Parameters
    ----------
    run : Run
    start : list
        The state before the first piece: an entry for each machine.
    n_updates : list of int
        Of each piece and machine.

    Returns
    -------
    (int, list)
        0 and the start where there is no checkpoint.
    """
    n_done, state = run.checkpoint.resume(start) if run.checkpoint else (0, start)
    if n_done:
        run.progress.skip(sum(n_updates[:n_done]) * len(state))
    return n_done, state


def not_finite(name: str, number: int, update: str, epoch: "Epoch | JointEpoch") -> TrainingError:
    """What to say when parameters are no longer numbers.

    Parameters
    ----------
    name : str
        Of the training.
    number : int
        Of the epoch, from 0.
    update : str
        In people's words.
    epoch : Epoch or JointEpoch

    Returns
    -------
    TrainingError
    """
    return TrainingError(
        f"{name}: a parameter became NaN or infinite in epoch {number + 1} at {update} "
        f"(learning rate {epoch.learning_rate}, share of the previous step kept {epoch.decay:.3g}). "
        "Likely cause: the learning rate is too high; lower learning_rate or momentum"
    )
