"""Digits -> pre-trained RBMs -> stacked deep machines with their persistent chains."""

import numpy as np

from boltzprune.core.masks import receptive_fields
from boltzprune.errors import InputError
from boltzprune.learning.pretraining import pretrain
from boltzprune.learning.training import Run
from boltzprune.results.prepared import read_digits
from boltzprune.results.store import chain_arrays, machine_arrays, write_arrays


def run(job):
    """Pre-train every seed's RBMs from its own streams and write the stacked machines."""
    spec, digits = job.spec, read_digits(job.arrays("digits"))
    masks = _masks(digits.shape, spec["machine"])
    trainings = spec["pretraining"].first, spec["pretraining"].second
    n_updates = sum(t.n_epochs * -(-digits.n_train // t.batch_size) for t in trainings)
    arrays, backend = {}, job.backend()
    settings = spec["machine"], spec["pretraining"], spec["n_chains"]
    with job.checkpoint("rbm1") as first, job.checkpoint("rbm2") as second:
        with job.progress(len(job.seeds) * n_updates, "updates") as progress:
            runs = [Run(backend, progress, checkpoint=checkpoint) for checkpoint in (first, second)]
            trained = pretrain(masks, digits.cases, *settings, job.seeds, runs)
        for seed, (machine, chains) in zip(job.seeds, trained):
            arrays |= machine_arrays(seed, machine) | chain_arrays(seed, chains)
        write_arrays(job.outputs["machine"], arrays, job.provenance())


def _masks(shape, machine):
    """Which weights exist: receptive fields below h1, everything below h2."""
    n_pixels, (first, second) = shape[0] * shape[1], machine.n_hidden
    if machine.receptive_field is None:
        return [np.ones((n_pixels, first), dtype=bool), np.ones((first, second), dtype=bool)]
    if first != n_pixels:
        raise InputError(
            f"digits.machine.n_hidden = {machine.n_hidden}: with receptive fields h1 has one unit per pixel, and the "
            f"images have {shape[0]} x {shape[1]} = {n_pixels}; set [{n_pixels}, {second}], or receptive_field: null"
        )
    return [receptive_fields(shape, machine.receptive_field), np.ones((first, second), dtype=bool)]
