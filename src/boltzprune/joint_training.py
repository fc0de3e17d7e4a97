"""Joint training of deep machines by mean-field inference and persistent chains."""

import logging
import math

from boltzprune.backend.contrastive import NotFiniteError
from boltzprune.backend.joint import JointEpoch, JointState
from boltzprune.schedules import epochs
from boltzprune.training import decay_of, not_finite

log = logging.getLogger(__name__)


def train_jointly(machine, chains, cases, training, mean_field, key, backend, progress, stage):
    """Train one deep machine on all its layers at once.

    Parameters
    ----------
    machine : BoltzmannMachine
        Masked weights stay 0.
    chains : tuple of (n_chains, n_units) uint8
        Persistent chains, all layers; they go on from here.
    cases : (n_cases, n_visible) uint8
        In the order of presentation.
    training : config.JointTraining
    mean_field : config.MeanField
    key : np.uint64
        Stream of the chains.
    backend : Backend
    progress : Progress
    stage : str
        For messages.

    Returns
    -------
    tuple
        BoltzmannMachine, and its chains.

    Raises
    ------
    TrainingError
        As soon as a parameter stops being finite.
    """
    state, schedule = JointState.at_rest(machine, chains), epochs(training)
    updates_per_epoch = -(-len(cases) // training.batch_size)
    for number, (rate, momentum) in enumerate(schedule):
        epoch = JointEpoch(
            learning_rate=rate,
            decay=decay_of(rate, momentum, training.momentum_rule),
            n_gibbs_steps=training.n_gibbs_steps,
            batch_size=training.batch_size,
            first_update=number * updates_per_epoch,
            max_norm=training.max_norm or math.inf,
            tolerance=mean_field.tolerance,
            max_updates=mean_field.max_updates,
        )
        progress.describe(f"epoch {number + 1} of {len(schedule)}")
        try:
            machine, state, n_updates = backend.joint_epoch(machine, state, key, cases, epoch, progress.advance)
        except NotFiniteError as error:
            raise not_finite(stage, number, f"update {error.update + 1} of {updates_per_epoch}", epoch) from None
        per_case = n_updates / len(cases)
        log.info("%s: epoch %d, %.1f mean-field updates an image", stage, number + 1, per_case)
    return machine, state.chains
