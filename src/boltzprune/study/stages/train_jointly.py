"""Stacked or pruned deep machines -> jointly trained machines; their persistent chains are kept."""

from typing import TYPE_CHECKING

import numpy as np

from boltzprune.core.streams import fork
from boltzprune.learning.joint_training import restarted, train_jointly
from boltzprune.learning.training import Run
from boltzprune.results.prepared import read_digits
from boltzprune.results.store import chain_arrays, machine_arrays, read_chains, read_machine, write_arrays

if TYPE_CHECKING:
    from boltzprune.study.stages import Job


def run(job: "Job") -> None:
    """Train every seed's machine with the stream of its iteration (0: the first training), and write the machines."""
    spec, before, backend = job.spec, job.arrays("machine"), job.backend()
    seeds, ended = job.split(before)
    cases, iteration = read_digits(job.arrays("digits")).cases, spec.get("iteration", 0)
    training = spec["retraining"] if "retraining" in spec else spec["training"]
    n_updates = len(seeds) * training.n_epochs * -(-len(cases) // training.batch_size)
    machines = [read_machine(before, seed) for seed in seeds]
    chains = [read_chains(before, seed, machine.layer_sizes) for seed, machine in zip(seeds, machines)]
    if iteration and training.chains == "restart":
        keys = [fork(seed, "restart of chains", iteration) for seed in seeds]
        given = zip(machines, chains, keys)
        chains = [restarted(machine, cases, len(old[0]), key, backend) for machine, old, key in given]
    keys = [fork(seed, "training", iteration) for seed in seeds]
    names = [f"{job.stage}, seed {seed}" for seed in seeds]
    settings = training, spec["mean_field"], keys
    arrays: dict[str, np.ndarray] = {}
    with job.checkpoint() as checkpoint:
        with job.progress(n_updates, "updates") as progress:
            trained = train_jointly(machines, chains, cases, *settings, Run(backend, progress, names, checkpoint))
        for seed, (machine, states) in zip(seeds, trained):
            arrays |= machine_arrays(seed, machine) | chain_arrays(seed, states)
        write_arrays(job.outputs["machine"], arrays, job.provenance(ended))
