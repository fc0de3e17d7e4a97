"""Machines and their statistics -> metrics, one line per seed."""

import numpy as np

from boltzprune.core.fisher import fisher_diagonal, heuristic_diagonal
from boltzprune.core.machine import without_units
from boltzprune.errors import InputError
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
from boltzprune.results.store import Arrays, read_machine, read_statistics, write_rows
from boltzprune.sampling import exact


def run(job):
    """Write sizes, divergences and errors; machine and statistics files come in pairs: pruned, retrained.

    A seed whose sequence has ended has one row, of phase `tidy.ENDED`.
    """
    if len(job.inputs["machine"]) != len(job.inputs["statistics"]):
        raise InputError("evaluate: expected one --in statistics for each --in machine, in the same order")
    missing = job.spec["evaluation"].missing_patterns
    rows, ended = [], {}
    data = count_patterns(read_states(job.arrays("patterns")))
    for machine_path, statistics_path in zip(job.inputs["machine"], job.inputs["statistics"], strict=True):
        machines, statistics = Arrays(machine_path), Arrays(statistics_path)
        about, (seeds, gone) = statistics.about, job.split(machines)
        ended |= tidy.ended_rows(about, gone, _sizes(without_units(1)))
        for seed in seeds:
            machine = read_machine(machines, seed)
            fit = _fit(machine, statistics, seed, data, missing)
            rows.append({**about, "seed": seed, **_sizes(machine), **fit, **_heuristic(machine, statistics, seed)})
    write_rows(job.outputs["metrics"], [*rows, *ended.values()])


def _sizes(machine):
    """How large a machine is."""
    return {
        "n_weights": machine.n_weights[0],
        "n_hidden": machine.layer_sizes[1],
        "n_visible_connected": int(machine.masks[0].any(axis=1).sum()),
    }


def _fit(machine, statistics, seed, data, missing):
    """How well the model's patterns match the data's; exact values where the visible patterns can be enumerated."""
    patterns, counts = data
    samples = read_samples(statistics, seed, machine.layer_sizes[0])
    sampled = sampled_log_probabilities(patterns, *samples, missing)
    n_visible = machine.layer_sizes[0]
    enumerable = n_visible <= exact.MAX_VISIBLE
    log_model = exact_log_model(patterns, n_visible, exact.visible_log_probabilities(machine)) if enumerable else None
    of_rare, of_frequent = errors_by_frequency(counts, log_model if enumerable else sampled)
    shown = counts_of(patterns, *samples)
    eigen = f"seed{seed}/eigenvalues"
    values = statistics.checked(eigen, "f", (None,)) if eigen in statistics.names else (np.nan, np.nan)
    return {
        "kl_exact": divergence(counts, log_model) if enumerable else np.nan,
        "kl_sampled": divergence(counts, sampled),
        "mse_exact": mean_squared_error(counts, log_model) if enumerable else np.nan,
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


def _heuristic(machine, statistics, seed):
    """How well the heuristic estimate of the weights' Fisher information agrees with the variance estimate.

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
    return {
        "heuristic_correlation": float(np.corrcoef(variance, heuristic)[0, 1]) if varies else np.nan,
        "heuristic_relative_difference": float(np.median(off)) if known.any() else np.nan,
    }
