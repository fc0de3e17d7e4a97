"""Deep machines -> samples of their free-running activity -> statistics; of the samples the visible states are kept."""

import logging
from typing import TYPE_CHECKING

import numpy as np

from boltzprune.core.streams import fork
from boltzprune.results.prepared import read_digits
from boltzprune.results.store import mixing_array, read_chains, read_machine, statistics_arrays, write_arrays
from boltzprune.results.tidy import KEYS
from boltzprune.sampling.mixing import diagnose, persistent_warning
from boltzprune.sampling.statistics import PHASES, deep_statistics_of_all

if TYPE_CHECKING:
    from boltzprune.study.stages import Job

log = logging.getLogger(__name__)


def run(job: "Job") -> None:
    """Write rates and pair means of all layers, and in a file of their own the visible states, bit-packed."""
    spec, machines, backend = job.spec, job.arrays("machine"), job.backend()
    seeds, ended = job.split(machines)
    cases, sampling = read_digits(job.arrays("digits")).cases, spec["sampling"]
    is_persistent = sampling.chains == "persistent"
    n_samples = sampling.n_samples or len(cases)
    with job.progress(len(seeds) * n_samples, "samples") as progress:
        read = [read_machine(machines, seed) for seed in seeds]
        chains = [read_chains(machines, seed, machine.layer_sizes) for seed, machine in zip(seeds, read)]
        keys = [fork(seed, "samples", spec["iteration"], PHASES[spec["phase"]]) for seed in seeds]
        found = deep_statistics_of_all(read, chains, n_samples, sampling, keys, backend, progress)
    statistics: dict[str, np.ndarray] = {}
    samples: dict[str, np.ndarray] = {}
    mixing = backend.map(
        lambda of_seed: diagnose(of_seed[1], cases, sampling.n_gibbs_steps, of_seed[0], backend), list(zip(seeds, read))
    )
    for seed, (means, visible), mixed, states in zip(seeds, found, mixing, chains):
        warning = persistent_warning(means, len(states[0])) if is_persistent else mixed.warning
        if warning:
            log.warning("%s, iteration %d, %s, seed %d: %s", *(spec[key] for key in KEYS), seed, warning)
        statistics |= statistics_arrays(seed, means) | {f"seed{seed}/mixing": mixing_array(mixed, warning)}
        samples[f"seed{seed}/visible"] = visible
    provenance = job.provenance(ended)
    write_arrays(job.outputs["statistics"], statistics, provenance)
    write_arrays(job.outputs["samples"], samples, provenance)
