"""Deep machines and their statistics -> pruned machines with their chains, and a record of what went."""

from boltzprune.core.machine import without_units
from boltzprune.pruning.criteria import resolve
from boltzprune.pruning.deep import DeepPruned, prune_deep
from boltzprune.results.store import (
    chain_arrays,
    machine_arrays,
    read_chains,
    read_machine,
    read_statistics,
    write_arrays,
)
from boltzprune.study.stages.prune import write_record


def run(job):
    """Prune every seed's machine by the criterion; write the compact machines and one line of the record per seed.

    A machine that is left without weights is not written: the sequence of its seed has ended (see `pruning`).
    """
    spec, name = job.spec, job.spec["criterion"]
    criterion, machines, statistics = resolve(name), job.arrays("machine"), job.arrays("statistics")
    (seeds, ended), arrays, nothing = job.split(machines), {}, without_units(len(spec["pruning"].fraction))
    rows = {seed: _record(nothing, DeepPruned(nothing, (), [], ())) for seed in ended}
    for seed in seeds:
        machine = read_machine(machines, seed)
        chains = read_chains(machines, seed, machine.layer_sizes)
        evidence, _ = read_statistics(statistics, seed)
        pruned = prune_deep(machine, evidence, criterion, name, spec["pruning"], seed, spec["iteration"])
        rows[seed] = _record(machine, pruned)
        if pruned.machine.is_empty:
            ended[seed] = spec["iteration"]
        else:
            left = tuple(states[:, keep] for states, keep in zip(chains, pruned.remaining))
            arrays |= machine_arrays(seed, pruned.machine) | chain_arrays(seed, left)
    write_arrays(job.outputs["machine"], arrays, job.provenance(ended))
    write_record(job, rows, ended)


def _record(before, pruned):
    """Weights and units before and after, what went and why, and which pixels have no weight."""
    after, record = pruned.machine, {}
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
