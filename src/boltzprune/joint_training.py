"""Joint training of deep machines by mean-field inference and persistent chains, many side by side."""

import logging
import math

from boltzprune.backend.contrastive import NotFiniteError
from boltzprune.backend.joint import JointEpoch, JointState
from boltzprune.schedules import epochs
from boltzprune.training import decay_of, not_finite, resumed

log = logging.getLogger(__name__)


def train_jointly(machines, chains, cases, training, mean_field, keys, backend, progress, names, checkpoint=None):
    """Train deep machines, each on all its layers at once, on the same cases.

    Parameters
    ----------
    machines : list of BoltzmannMachine
        Masked weights stay 0.
    chains : list of tuples of (n_chains, n_units) uint8
        Persistent chains of each machine, all layers; they go on from here.
    cases : (n_cases, n_visible) uint8
        In the order of presentation.
    training : config.JointTraining
    mean_field : config.MeanField
    keys : list of np.uint64
        Streams of the chains.
    backend : Backend
    progress : Progress
    names : list of str
        What messages call each training.
    checkpoint : checkpoint.Checkpoint, optional
        Where this training goes on from, with the same bits, and what is told of every epoch.

    Returns
    -------
    list of (BoltzmannMachine, chains)

    Raises
    ------
    TrainingError
        As soon as a parameter stops being finite.
    """
    start = [(machine, JointState.at_rest(machine, given)) for machine, given in zip(machines, chains)]
    schedule, updates_per_epoch = epochs(training), -(-len(cases) // training.batch_size)
    n_done, results = resumed(checkpoint, start, progress, updates_per_epoch)
    for number, (rate, momentum) in list(enumerate(schedule))[n_done:]:
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
            work = [(*result, key) for result, key in zip(results, keys, strict=True)]
            found = backend.joint_epochs(work, cases, epoch, progress.advance)
        except NotFiniteError as error:
            place = f"update {error.update + 1} of {updates_per_epoch}"
            raise not_finite(names[error.place], number, place, epoch) from None
        results = [(machine, state) for machine, state, _ in found]
        for name, (*_, n) in zip(names, found):
            log.info("%s: epoch %d, %.1f mean-field updates an image", name, number + 1, n / len(cases))
        if checkpoint:
            checkpoint.save(number + 1, results)
    return [(machine, state.chains) for machine, state in results]
