"""Deep machines and their statistics -> pruned machines with their chains, and a record of what went."""

import logging

from boltzprune.criteria import resolve
from boltzprune.deep_pruning import prune_deep
from boltzprune.store import (
    chain_arrays,
    machine_arrays,
    read_chains,
    read_machine,
    read_statistics,
    write_arrays,
    write_rows,
)

log = logging.getLogger(__name__)


def run(job):
    """Prune every seed's machine by the criterion; write the compact machines and one line of the record per seed."""
    spec, name = job.spec, job.spec["criterion"]
    criterion, machines, statistics = resolve(name), job.arrays("machine"), job.arrays("statistics")
    arrays, rows = {}, []
    for seed in job.seeds:
        machine = read_machine(machines, seed)
        chains = read_chains(machines, seed, machine.layer_sizes)
        evidence, _ = read_statistics(statistics, seed)
        pruned = prune_deep(machine, evidence, criterion, name, spec["pruning"], seed, spec["iteration"])
        left = tuple(states[:, keep] for states, keep in zip(chains, pruned.remaining))
        arrays |= machine_arrays(seed, pruned.machine) | chain_arrays(seed, left)
        about = {"criterion": name, "iteration": spec["iteration"], "seed": seed}
        rows.append(about | _record(machine, pruned))
        if 0 in pruned.machine.n_weights:
            log.warning("%s, seed %d, iteration %d: a layer has no weights left", name, seed, spec["iteration"])
    write_arrays(job.outputs["machine"], arrays, job.provenance())
    write_rows(job.outputs["record"], rows)


def _record(machine, pruned):
    """Weights and units before and after, what went and why, and which pixels have no weight."""
    before, after = machine, pruned.machine
    record = {}
    for layer in range(len(before.weights)):
        record[f"n_weights_{layer + 1}_before"] = before.n_weights[layer]
        record[f"n_weights_{layer + 1}"] = after.n_weights[layer]
        record[f"n_units_{layer + 1}_before"] = before.layer_sizes[layer + 1]
        record[f"n_units_{layer + 1}"] = after.layer_sizes[layer + 1]
    for layer in range(1, len(before.layer_sizes)):
        went = [f"{unit}:{reason}" for place, unit, reason in pruned.went if place == layer]
        record[f"units_removed_{layer}"] = " ".join(went)
    record["pixels_disconnected"] = " ".join(map(str, pruned.visible_disconnected))
    return record
