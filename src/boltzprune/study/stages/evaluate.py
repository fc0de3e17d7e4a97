"""Machines and their statistics -> metrics, one line per seed."""

from typing import TYPE_CHECKING, Any

import numpy as np

from boltzprune.core.fisher import fisher_diagonal, heuristic_diagonal
from boltzprune.core.machine import without_units
from boltzprune.errors import InputError
from boltzprune.evaluation.activity import n_effective
from boltzprune.evaluation.patterns import (
    count_patterns,
    counts_of,
    divergence,
    errors_by_frequency,
    exact_log_model,
    mean_squared_error,
    missing_share,
    read_samples,
    sampled_log_probabilities,
)
from boltzprune.results import tidy
from boltzprune.results.prepared import read_states
from boltzprune.results.store import Arrays, read_machine, read_mixing, read_statistics, write_rows
from boltzprune.sampling import exact

if TYPE_CHECKING:
    from boltzprune.core.machine import BoltzmannMachine
    from boltzprune.study.stages import Job


def run(job: "Job") -> None:
    """Write sizes, divergences and errors; machine and statistics files come in pairs: pruned, retrained.

    A seed whose course has ended has one row, of phase `tidy.ENDED`.
    """
    if len(job.inputs["machine"]) != len(job.inputs["statistics"]):
        raise InputError("evaluate: expected one --in statistics for each --in machine, in the same order")
    missing = job.spec["evaluation"].missing_patterns
    rows: list[dict[str, Any]] = []
    ended: dict[int, dict[str, Any]] = {}
    data = count_patterns(read_states(job.arrays("patterns")))
    for machine_path, statistics_path in zip(job.inputs["machine"], job.inputs["statistics"], strict=True):
        machines, statistics = Arrays(machine_path), Arrays(statistics_path)
        about, (seeds, gone) = statistics.about, job.split(machines)
        ended |= tidy.ended_rows(about, gone, _sizes(without_units(1)))
        for seed in seeds:
            machine = read_machine(machines, seed)
            fit = _fit(machine, statistics, seed, data, missing)
            rows.append({**about, "seed": seed, **_sizes(machine), **fit, **_means(machine, statistics, seed)})
    write_rows(job.outputs["metrics"], [*rows, *ended.values()])


def _sizes(machine: "BoltzmannMachine") -> dict[str, int]:
    """How large a machine is."""
    return {
        "n_weights": machine.n_weights[0],
        "n_hidden": machine.layer_sizes[1],
        "n_visible_connected": int(machine.masks[0].any(axis=1).sum()),
    }


def _fit(
    machine: "BoltzmannMachine", statistics: Arrays, seed: int, data: tuple[np.ndarray, np.ndarray], missing: str
) -> dict[str, float]:
    """How well the model's patterns match the data's; exact values where the visible patterns can be enumerated."""
    patterns, counts = data
    n_visible = machine.layer_sizes[0]
    among, times = read_samples(statistics, seed, n_visible)
    sampled = sampled_log_probabilities(patterns, among, times, missing)
    enumerable = n_visible <= exact.MAX_VISIBLE
    log_model = exact_log_model(patterns, n_visible, exact.visible_log_probabilities(machine)) if enumerable else None
    of_rare, of_frequent = errors_by_frequency(counts, sampled if log_model is None else log_model)
    shown = counts_of(patterns, among, times)
    eigen = f"seed{seed}/eigenvalues"
    values = statistics.checked(eigen, "f", (None,)) if eigen in statistics.names else (np.nan, np.nan)
    return {
        "kl_exact": np.nan if log_model is None else divergence(counts, log_model),
        "kl_sampled": divergence(counts, sampled),
        "mse_exact": np.nan if log_model is None else mean_squared_error(counts, log_model),
        "mse_sampled": mean_squared_error(counts, sampled),
        "error_rare": of_rare,
        "error_frequent": of_frequent,
        "n_data_patterns": len(patterns),
        "n_missing": int(np.count_nonzero(shown == 0)),
        "missing_share": missing_share(counts, shown),
        "hidden_rate": float(statistics.checked(f"seed{seed}/rate1", "f", (None,)).mean()),
        "eigenvalue_1": values[0],
        "eigenvalue_2": values[1],
    }


def _means(machine: "BoltzmannMachine", statistics: Arrays, seed: int) -> dict[str, float]:
    """What the samples are worth, and how well the heuristic estimate of the weights' FI agrees with that of variance.

    Pearson's correlation over the existing weights, and the median of the difference relative to the variance estimate,
    where that is above 0; NaN where they are not defined.
    """
    means, _ = read_statistics(statistics, seed)
    mask = machine.masks[0]
    variance = fisher_diagonal(means.pair_means[0], means.n_samples)[mask]
    heuristic = heuristic_diagonal(machine.weights[0], *means.rates)[mask]
    varies = len(variance) > 1 and variance.std() > 0 and heuristic.std() > 0
    known = variance > 0
    off = np.abs(heuristic - variance)[known] / variance[known]
    return read_mixing(statistics, seed) | {
        "n_effective": n_effective(means, machine.masks),
        "heuristic_correlation": float(np.corrcoef(variance, heuristic)[0, 1]) if varies else np.nan,
        "heuristic_relative_difference": float(np.median(off)) if known.any() else np.nan,
    }
