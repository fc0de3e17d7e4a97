"""Joint training of deep machines by mean-field inference and persistent chains, many side by side."""

import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boltzprune.core.contrastive import NotFiniteError
from boltzprune.core.joint import JointEpoch, JointState
from boltzprune.core.machine import BoltzmannMachine, check_states
from boltzprune.core.schedules import epochs
from boltzprune.learning.pretraining import gains, states_above
from boltzprune.learning.training import Run, decay_of, not_finite, resumed

if TYPE_CHECKING:
    from boltzprune.backend.arrays import Backend
    from boltzprune.learning.homeostasis import Homeostasis

UPDATES_AT_ONCE = 5_000
"""Of each machine between two places where a checkpoint can be taken: a long epoch of many seeds takes hours. Compiled
backends have the same bits whatever it is; the reference rounds its steps to float32 there."""

log = logging.getLogger(__name__)


def train_jointly(
    machines: Sequence[BoltzmannMachine],
    chains: Sequence[Sequence[npt.NDArray[np.uint8]]],
    cases: npt.NDArray[np.uint8],
    training: Any,
    mean_field: Any,
    keys: Sequence[np.uint64],
    run: Run,
    homeostasis: "Homeostasis | None" = None,
) -> list[tuple[BoltzmannMachine, tuple[np.ndarray, ...]]]:
    """Train deep machines, each on all its layers at once, on the same cases.

    Parameters
    ----------
    machines : list of BoltzmannMachine
        Masked weights stay 0. Can be empty.
    chains : list of tuples of (n_chains, n_units) uint8
        Persistent chains of each machine, all layers; they go on from here.
    cases : (n_cases, n_visible) uint8
        In the order of presentation.
    training : config.JointTraining
        Its batch_size, n_gibbs_steps, momentum_rule, max_norm and what `schedules.epochs` reads.
    mean_field : config.MeanField
        Its tolerance and max_updates.
    keys : list of np.uint64
        Streams of the chains.
    run : training.Run
    homeostasis : homeostasis.Homeostasis or None
        What moves the hidden biases of each machine after every epoch.

    Returns
    -------
    list of (BoltzmannMachine, chains)

    Raises
    ------
    InputError
        If cases or chains do not fit the layers of a machine.
    TrainingError
        As soon as a parameter stops being finite.
    """
    if not machines:
        return []
    names, progress = run.names, run.progress
    for name, machine, given in zip(names, machines, chains, strict=True):
        check_states([cases], machine.layer_sizes[:1], f"{name}: cases")
        check_states(given, machine.layer_sizes, f"{name}: chains")
    start = [(machine, JointState.at_rest(machine, given)) for machine, given in zip(machines, chains)]
    schedule, batch, updates_per_epoch = epochs(training), training.batch_size, -(-len(cases) // training.batch_size)
    firsts = range(0, updates_per_epoch, UPDATES_AT_ONCE)
    places = [(number, first) for number in range(len(schedule)) for first in firsts]
    lengths = [min(UPDATES_AT_ONCE, updates_per_epoch - first) for _, first in places]
    n_done, results = resumed(run, start, lengths)
    for turn, (number, first) in enumerate(places[n_done:], start=n_done + 1):
        epoch = _epoch(training, mean_field, *schedule[number], number * updates_per_epoch + first)
        progress.describe(f"epoch {number + 1} of {len(schedule)}")
        piece = cases[first * batch : (first + UPDATES_AT_ONCE) * batch]
        work = [(*result, key) for result, key in zip(results, keys, strict=True)]
        try:
            found = run.backend.joint_epochs(work, piece, epoch, progress.advance)
        except NotFiniteError as error:
            place = f"update {first + error.update + 1} of {updates_per_epoch}"
            raise not_finite(names[error.place], number, place, epoch) from None
        results = [(machine, state) for machine, state, _ in found]
        place = f"epoch {number + 1}, update {first + lengths[turn - 1]}"
        for name, (*_, n) in zip(names, found):
            log.info("%s: %s, %.1f mean-field sweeps an image", name, place, n / len(piece))
        if homeostasis and first == firsts[-1]:
            results = [(homeostasis.moved(one, machine), state) for one, (machine, state) in enumerate(results)]
        if run.checkpoint:
            run.checkpoint.save(turn, place, results)
    return [(machine, state.chains) for machine, state in results]


def restarted(
    machine: BoltzmannMachine, cases: npt.NDArray[np.uint8], n_chains: int, key: np.uint64, backend: "Backend"
) -> tuple[npt.NDArray[np.uint8], ...]:
    """Persistent chains that start anew at training cases, after a pruning.

    The visible states are the first cases, again from the first if there are fewer of them than chains. Each hidden
    layer is sampled given the one below; its input is doubled where the machine has a layer above, for the input that
    is not there yet, as in the first pass of mean-field inference (Salakhutdinov & Hinton 2009).

    Parameters
    ----------
    machine : BoltzmannMachine
    cases : (n_cases, n_visible) uint8
    n_chains : int
    key : np.uint64
        Stream of the hidden states.
    backend : Backend

    Returns
    -------
    tuple of (n_chains, n_units) uint8
    """
    check_states([cases], machine.layer_sizes[:1], "cases")
    states = [np.ascontiguousarray(cases[np.arange(n_chains) % len(cases)])]
    for layer, (weights, bias) in enumerate(zip(machine.weights, machine.biases[1:])):
        up, _ = gains(layer, len(machine.weights))
        found = states_above(states[-1], weights, bias, up, (key, 0, layer + 1), backend)
        states.append(backend.to_host(found))
    return tuple(states)


def _epoch(training: Any, mean_field: Any, rate: float, momentum: float, first_update: int) -> JointEpoch:
    """What the backend is told of the updates from one on.

    Parameters
    ----------
    training : config.JointTraining
    mean_field : config.MeanField
    rate, momentum : float
        Of the schedule, for this epoch.
    first_update : int
        Of all updates of the training.

    Returns
    -------
    JointEpoch
    """
    return JointEpoch(
        learning_rate=rate,
        decay=decay_of(rate, momentum, training.momentum_rule),
        n_gibbs_steps=training.n_gibbs_steps,
        batch_size=training.batch_size,
        first_update=first_update,
        max_norm=training.max_norm or math.inf,
        tolerance=mean_field.tolerance,
        max_sweeps=mean_field.max_updates,
    )
