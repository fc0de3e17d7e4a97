"""Stacked or pruned deep machines -> jointly trained machines; their persistent chains are kept."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from boltzprune.core.streams import fork
from boltzprune.learning.homeostasis import data_of, drawn_back
from boltzprune.learning.joint_training import restarted, train_jointly
from boltzprune.learning.training import Run
from boltzprune.results.prepared import read_digits
from boltzprune.results.store import chain_arrays, machine_arrays, read_chains, read_machine, write_arrays

if TYPE_CHECKING:
    from boltzprune.core.machine import BoltzmannMachine
    from boltzprune.learning.homeostasis import Homeostasis
    from boltzprune.study.stages import Job

Trained = tuple["BoltzmannMachine", tuple[np.ndarray, ...]]
"""A machine and its persistent chains."""


def run(job: "Job") -> None:
    """Train every seed's machine with the stream of its iteration (0: the first training), and write the machines."""
    spec, before = job.spec, job.arrays("machine")
    split, cases = job.split(before), read_digits(job.arrays("digits")).cases
    training = spec["retraining"] if "retraining" in spec else spec["training"]
    machines = [read_machine(before, seed) for seed in split[0]]
    chains = [read_chains(before, seed, machine.layer_sizes) for seed, machine in zip(split[0], machines)]
    held = None
    if share := getattr(training, "homeostasis", None):
        data = data_of(cases, spec["mean_field"].tolerance, spec["mean_field"].max_updates)
        old = job.machines("before", split[0], "retraining.homeostasis")
        held = drawn_back(share, old, machines, data, job.backend())
    finish(job, split, list(zip(machines, chains)), cases, {spec.get("iteration", 0): training}, held)


def finish(
    job: "Job",
    split: tuple[Sequence[int], Mapping[int, int]],
    trained: Sequence[Trained],
    cases: np.ndarray,
    trainings: Mapping[int, Any],
    held: "Homeostasis | None" = None,
) -> None:
    """Train and write; the streams of a training are those of the seed and the iteration.

    Parameters
    ----------
    job : stages.Job
    split : (sequence of int, dict of int to int)
        Seeds that have a machine, and those whose course has ended: see `Job.split`.
    trained : sequence of (BoltzmannMachine, chains)
        One for each of the former seeds, with its persistent chains, which go on unless a retraining restarts them.
    cases : (n_cases, n_visible) uint8 in {0, 1}
    trainings : dict of int -> config.JointTraining or config.Retraining
        Iteration (0: the first training) -> how it trains; one after the other, each from where the last one ended.
    held : homeostasis.Homeostasis or None
        What moves the hidden biases after every epoch.
    """
    (seeds, ended), backend = split, job.backend()
    batches = sum(one.n_epochs * -(-len(cases) // one.batch_size) for one in trainings.values())
    arrays: dict[str, np.ndarray] = {}
    with job.one_after_the_other(trainings) as parts:
        with job.progress(len(seeds) * batches, "updates") as progress:
            for iteration, training, checkpoint, name in parts:
                machines, chains = [machine for machine, _ in trained], [states for _, states in trained]
                if iteration and training.chains == "restart":
                    keys = [fork(seed, "restart of chains", iteration) for seed in seeds]
                    given = zip(machines, chains, keys)
                    chains = [restarted(machine, cases, len(old[0]), key, backend) for machine, old, key in given]
                settings = training, job.spec["mean_field"], [fork(seed, "training", iteration) for seed in seeds]
                names = [f"{name}, seed {seed}" for seed in seeds]
                run = Run(backend, progress, names, checkpoint)
                trained = train_jointly(machines, chains, cases, *settings, run, held)
                if len(trainings) > 1:  # so that none is done again
                    checkpoint.flush()
        for seed, (machine, states) in zip(seeds, trained):
            arrays |= machine_arrays(seed, machine) | chain_arrays(seed, states)
        write_arrays(job.outputs["machine"], arrays, job.provenance(ended))
