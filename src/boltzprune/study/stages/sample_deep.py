"""Deep machines -> samples of their free-running activity -> statistics; of the samples the visible states are kept."""

from typing import TYPE_CHECKING

import numpy as np

from boltzprune.core.streams import fork
from boltzprune.results.store import read_chains, read_machine, statistics_arrays, write_arrays
from boltzprune.sampling.statistics import PHASES, deep_statistics_of_all

if TYPE_CHECKING:
    from boltzprune.study.stages import Job


def run(job: "Job") -> None:
    """Write rates and pair means of all layers, and in a file of their own the visible states, bit-packed."""
    spec, machines, backend = job.spec, job.arrays("machine"), job.backend()
    seeds, ended = job.split(machines)
    n_samples = spec["sampling"].n_samples or int(job.arrays("digits")["n_train"])
    with job.progress(len(seeds) * n_samples, "samples") as progress:
        read = [read_machine(machines, seed) for seed in seeds]
        chains = [read_chains(machines, seed, machine.layer_sizes) for seed, machine in zip(seeds, read)]
        keys = [fork(seed, "samples", spec["iteration"], PHASES[spec["phase"]]) for seed in seeds]
        found = deep_statistics_of_all(read, chains, n_samples, spec["sampling"], keys, backend, progress)
    statistics: dict[str, np.ndarray] = {}
    samples: dict[str, np.ndarray] = {}
    for seed, (means, visible) in zip(seeds, found):
        statistics |= statistics_arrays(seed, means)
        samples[f"seed{seed}/visible"] = visible
    provenance = job.provenance(ended)
    write_arrays(job.outputs["statistics"], statistics, provenance)
    write_arrays(job.outputs["samples"], samples, provenance)
