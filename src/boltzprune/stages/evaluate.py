"""Machines and their statistics -> metrics, one line per seed."""

import numpy as np

from boltzprune import exact
from boltzprune.errors import InputError
from boltzprune.evaluation.patterns import (
    count_patterns,
    counts_of,
    divergence,
    exact_log_model,
    mean_squared_error,
    read_samples,
    sampled_log_probabilities,
)
from boltzprune.patterns import read_states
from boltzprune.store import Arrays, read_machine, write_rows


def run(job):
    """Write sizes, divergences and errors; machine and statistics files come in pairs: pruned, retrained."""
    if len(job.inputs["machine"]) != len(job.inputs["statistics"]):
        raise InputError("evaluate: expected one --in statistics for each --in machine, in the same order")
    missing = job.spec["evaluation"].missing_patterns
    data = count_patterns(read_states(job.arrays("patterns")))
    rows = []
    for machine_path, statistics_path in zip(job.inputs["machine"], job.inputs["statistics"], strict=True):
        machines, statistics = Arrays(machine_path), Arrays(statistics_path)
        about = statistics.about
        for seed in job.seeds:
            machine = read_machine(machines, seed)
            rows.append({**about, "seed": seed, **_sizes(machine), **_fit(machine, statistics, seed, data, missing)})
    write_rows(job.outputs["metrics"], rows)


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
    log_model = exact_log_model(patterns, n_visible, exact.log_probabilities(machine)) if enumerable else None
    eigen = f"seed{seed}/eigenvalues"
    values = statistics.checked(eigen, "f", (None,)) if eigen in statistics.names else (np.nan, np.nan)
    return {
        "kl_exact": divergence(counts, log_model) if enumerable else np.nan,
        "kl_sampled": divergence(counts, sampled),
        "mse_exact": mean_squared_error(counts, log_model) if enumerable else np.nan,
        "mse_sampled": mean_squared_error(counts, sampled),
        "n_data_patterns": len(patterns),
        "n_missing": int(np.count_nonzero(counts_of(patterns, *samples) == 0)),
        "hidden_rate": float(statistics.checked(f"seed{seed}/rate1", "f", (None,)).mean()),
        "eigenvalue_1": values[0],
        "eigenvalue_2": values[1],
    }
