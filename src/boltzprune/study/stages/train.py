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
    finish(job, (job.seeds, {}), machines, cases, spec["training"], iteration=0)


def finish(
    job: "Job",
    split: tuple[Sequence[int], Mapping[int, int]],
    machines: Sequence["BoltzmannMachine"],
    cases: np.ndarray,
    training: "Training",
    iteration: int,
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
    training : config.Training
    iteration : int
        0: the first training.
    """
    seeds, ended = split
    keys = [fork(seed, "training", iteration) for seed in seeds]
    n_updates = len(machines) * len(training.learning_rate) * -(-len(cases) // training.batch_size)
    ordered: np.ndarray | list[np.ndarray] = cases
    if training.order == "per_seed":
        ordered = [cases[permutation(fork(seed, "order of patterns"), len(cases))] for seed in seeds]
    names = [f"{job.stage}, seed {seed}" for seed in seeds]
    arrays: dict[str, np.ndarray] = {}
    with job.checkpoint() as checkpoint:
        with job.progress(n_updates, "updates") as progress:
            machines = train(machines, ordered, training, keys, Run(job.backend(), progress, names, checkpoint))
        for seed, machine in zip(seeds, machines):
            arrays |= machine_arrays(seed, machine)
        write_arrays(job.outputs["machine"], arrays, job.provenance(ended))
