"""Patterns -> trained RBMs, all seeds of a block side by side."""

from boltzprune.core.streams import fork, permutation
from boltzprune.learning.training import Run, data_rate, new_rbm, train
from boltzprune.results.prepared import read_states
from boltzprune.results.store import machine_arrays, write_arrays


def run(job):
    """Start every seed's RBM from its own stream, train, and write the machines."""
    spec = job.spec
    cases = read_states(job.arrays("patterns"))
    start = spec["machine"]
    machines = [
        new_rbm(data_rate(cases), start.n_hidden, start.weight_sd, start.hidden_bias, seed) for seed in job.seeds
    ]
    finish(job, (job.seeds, {}), machines, cases, spec["training"], iteration=0)


def finish(job, split, machines, cases, training, iteration):
    """Train and write; the stream of a training is that of the seed and the iteration. `split`: see `Job.split`."""
    seeds, ended = split
    keys = [fork(seed, "training", iteration) for seed in seeds]
    n_updates = len(machines) * len(training.learning_rate) * -(-len(cases) // training.batch_size)
    if training.order == "per_seed":
        cases = [cases[permutation(fork(seed, "order of patterns"), len(cases))] for seed in seeds]
    names, arrays = [f"{job.stage}, seed {seed}" for seed in seeds], {}
    with job.checkpoint() as checkpoint:
        with job.progress(n_updates, "updates") as progress:
            machines = train(machines, cases, training, keys, Run(job.backend(), progress, names, checkpoint))
        for seed, machine in zip(seeds, machines):
            arrays |= machine_arrays(seed, machine)
        write_arrays(job.outputs["machine"], arrays, job.provenance(ended))
