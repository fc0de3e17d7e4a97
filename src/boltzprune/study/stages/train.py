"""Patterns -> trained RBMs, all seeds of a block side by side."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from boltzprune.core.streams import fork, permutation
from boltzprune.learning.training import Run, data_rate, new_rbm, train
from boltzprune.results.prepared import read_states
from boltzprune.results.store import machine_arrays, write_arrays

if TYPE_CHECKING:
    from boltzprune.core.machine import BoltzmannMachine
    from boltzprune.learning.homeostasis import Homeostasis
    from boltzprune.study.config import Training
    from boltzprune.study.stages import Job


def run(job: "Job") -> None:
    """Start every seed's RBM from its own stream, train, and write the machines."""
    spec = job.spec
    cases = read_states(job.arrays("patterns"))
    start = spec["machine"]
    machines = [
        new_rbm(data_rate(cases), start.n_hidden, start.weight_sd, start.hidden_bias, seed) for seed in job.seeds
    ]
    finish(job, (job.seeds, {}), machines, cases, {0: spec["training"]})


def finish(
    job: "Job",
    split: tuple[Sequence[int], Mapping[int, int]],
    machines: Sequence["BoltzmannMachine"],
    cases: np.ndarray,
    trainings: Mapping[int, "Training"],
    held: "Homeostasis | None" = None,
) -> None:
    """Train and write; the stream of a training is that of the seed and the iteration.

    Parameters
    ----------
    job : stages.Job
    split : (sequence of int, dict of int to int)
        Seeds that have a machine, and those whose course has ended: see `Job.split`.
    machines : sequence of BoltzmannMachine
        One for each of the former seeds.
    cases : (n_cases, n_visible) uint8 in {0, 1}
    trainings : dict of int -> config.Training
        Iteration (0: the first training) -> how it trains; one after the other, each from where the last one ended.
    held : homeostasis.Homeostasis or None
        What moves the hidden biases after every epoch.
    """
    seeds, ended = split
    batches = sum(len(one.learning_rate) * -(-len(cases) // one.batch_size) for one in trainings.values())
    arrays: dict[str, np.ndarray] = {}
    with job.one_after_the_other(trainings) as parts:
        with job.progress(len(machines) * batches, "updates") as progress:
            for iteration, training, checkpoint, name in parts:
                ordered: np.ndarray | list[np.ndarray] = cases
                if training.order == "per_seed":
                    ordered = [cases[permutation(fork(seed, "order of patterns"), len(cases))] for seed in seeds]
                keys = [fork(seed, "training", iteration) for seed in seeds]
                names = [f"{name}, seed {seed}" for seed in seeds]
                run = Run(job.backend(), progress, names, checkpoint)
                machines = train(machines, ordered, training, keys, run, homeostasis=held)
                if len(trainings) > 1:  # so that none is done again
                    checkpoint.flush()
        for seed, machine in zip(seeds, machines):
            arrays |= machine_arrays(seed, machine)
        write_arrays(job.outputs["machine"], arrays, job.provenance(ended))
