"""Digits -> pre-trained RBMs -> stacked deep machines with their persistent chains."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from boltzprune.core.masks import receptive_fields
from boltzprune.errors import InputError
from boltzprune.learning.pretraining import layer_rbm, pretrain
from boltzprune.learning.training import Run
from boltzprune.results.prepared import read_digits
from boltzprune.results.store import chain_arrays, machine_arrays, write_arrays

if TYPE_CHECKING:
    from boltzprune.core.machine import BoltzmannMachine
    from boltzprune.learning.checkpoint import Checkpoint
    from boltzprune.study.config import DeepMachine
    from boltzprune.study.stages import Job


def run(job: "Job") -> None:
    """Pre-train every seed's RBMs from its own streams and write the stacked machines."""
    spec, digits = job.spec, read_digits(job.arrays("digits"))
    masks = initial_masks(digits.shape, spec["machine"])
    stacks = [[layer_rbm(mask, layer, spec["machine"], seed) for layer, mask in enumerate(masks)] for seed in job.seeds]
    arrays: dict[str, np.ndarray] = {}
    with job.checkpoint("rbm1") as first, job.checkpoint("rbm2") as second:
        for seed, (machine, chains) in zip(
            job.seeds, pretrained(job, job.seeds, stacks, digits.cases, (first, second))
        ):
            arrays |= machine_arrays(seed, machine) | chain_arrays(seed, chains)
        write_arrays(job.outputs["machine"], arrays, job.provenance())


def pretrained(
    job: "Job",
    seeds: Sequence[int],
    stacks: Sequence[Sequence["BoltzmannMachine"]],
    cases: np.ndarray,
    checkpoints: tuple["Checkpoint", "Checkpoint"],
) -> "list[tuple[BoltzmannMachine, tuple[np.ndarray, ...]]]":
    """The stacked machines of some seeds, with their persistent chains.

    Parameters
    ----------
    job : stages.Job
    seeds : sequence of int
    stacks : sequence of sequences of BoltzmannMachine
        Of each of the seeds, its RBMs before training.
    cases : (n_cases, n_visible) uint8 in {0, 1}
    checkpoints : (Checkpoint, Checkpoint)
        Of the first and of the second RBMs.

    Returns
    -------
    list of (BoltzmannMachine, chains)
    """
    spec, backend = job.spec, job.backend()
    trainings = spec["pretraining"].first, spec["pretraining"].second
    n_updates = sum(t.n_epochs * -(-len(cases) // t.batch_size) for t in trainings)
    with job.progress(len(seeds) * n_updates, "updates") as progress:
        runs = [Run(backend, progress, checkpoint=checkpoint) for checkpoint in checkpoints]
        return pretrain(stacks, cases, spec["pretraining"], spec["n_chains"], seeds, runs)


def initial_masks(shape: tuple[int, int], machine: "DeepMachine") -> list[np.ndarray]:
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
