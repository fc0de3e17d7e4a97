"""Machines -> samples of their free-running activity -> statistics; the samples themselves are not kept."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boltzprune.core.fisher import eigen_decomposition, n_parameters, negligible_share, not_computed
from boltzprune.core.streams import fork
from boltzprune.evaluation.patterns import count_patterns
from boltzprune.results.prepared import read_states
from boltzprune.results.store import mixing_array, read_machine, statistics_arrays, write_arrays
from boltzprune.results.tidy import KEYS
from boltzprune.sampling.mixing import diagnose
from boltzprune.sampling.statistics import PHASES, draw, estimate, is_exact

if TYPE_CHECKING:
    from boltzprune.backend.arrays import Backend
    from boltzprune.core.fisher import Statistics
    from boltzprune.core.machine import BoltzmannMachine
    from boltzprune.study.stages import Job

log = logging.getLogger(__name__)


def run(job: "Job") -> None:
    """Write rates, pair means, counts of visible patterns and, where asked for, the eigen-decomposition of the FIM.

    The matrix itself is kept of one initial machine, which Figure 1 shows.
    Initial machines with too many parameters for a full FIM have none: Figure 1 and the claims say so, and so does
    `prune` if a criterion needs it.
    """
    spec, machines, backend = job.spec, job.arrays("machine"), job.backend()
    seeds, ended = job.split(machines)
    cases = read_states(job.arrays("patterns"))
    n_samples = spec["sampling"].n_samples or len(cases)
    with job.progress(len(seeds), "machines") as progress:

        def work(seed: int) -> dict[str, np.ndarray]:
            statistics, others = _statistics(spec, read_machine(machines, seed), cases, seed, n_samples, backend)
            progress.advance(1)
            return statistics_arrays(seed, statistics) | {f"seed{seed}/{name}": x for name, x in others.items()}

        parts = backend.map(work, seeds)
    write_arrays(job.outputs["statistics"], {k: v for part in parts for k, v in part.items()}, job.provenance(ended))


def _statistics(
    spec: Mapping[str, Any],
    machine: "BoltzmannMachine",
    cases: npt.NDArray[np.uint8],
    seed: int,
    n_samples: int,
    backend: "Backend",
) -> tuple["Statistics", dict[str, np.ndarray]]:
    """Everything kept of one machine: its statistics, and other named arrays."""
    key = fork(seed, "samples", spec["iteration"], PHASES[spec["phase"]])
    samples = draw(machine, n_samples, spec["sampling"], key, backend)
    statistics, fisher_matrix = estimate(machine, samples, spec["sampling"], backend)
    visible, counts = count_patterns(backend.to_host(samples[0]))
    arrays: dict[str, np.ndarray] = {"patterns": visible, "counts": counts}
    if not is_exact(machine, spec["sampling"]):
        mixing = diagnose(machine, cases, spec["sampling"].n_gibbs_steps, seed, backend)
        arrays["mixing"] = mixing_array(mixing, mixing.warning)
        if mixing.warning:
            log.warning("%s, iteration %d, %s, seed %d: %s", *(spec[key] for key in KEYS), seed, mixing.warning)
    left_out = not_computed(n_parameters(machine)) if spec["phase"] == "initial" else ""
    if spec["eigenvector"] and left_out:
        log.warning("seed %d: the full Fisher information matrix is %s", seed, left_out)
    elif spec["eigenvector"]:
        matrix = fisher_matrix()
        arrays["eigenvalues"], arrays["eigenvectors"] = eigen_decomposition(matrix, backend)
        arrays["negligible_share"] = np.array(negligible_share(matrix, backend))
        if seed == spec.get("matrix_of"):
            arrays["fisher_matrix"] = backend.to_host(matrix).astype(np.float32)
    return statistics, arrays
