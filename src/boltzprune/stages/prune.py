"""Machines and statistics -> pruned machines, and a record of what went."""

from boltzprune.criteria import resolve
from boltzprune.pruning import prune
from boltzprune.store import machine_arrays, read_machine, read_statistics, write_arrays, write_rows


def run(job):
    """Prune every seed's machine by the criterion; write the compact machines and one line of the record per seed."""
    spec, name = job.spec, job.spec["criterion"]
    criterion, machines, statistics = resolve(name), job.arrays("machine"), job.arrays("statistics")
    arrays, rows = {}, []
    for seed in job.seeds:
        machine = read_machine(machines, seed)
        evidence = read_statistics(statistics, seed)
        pruned = prune(machine, *evidence, criterion, name, spec["pruning"], seed, spec["iteration"])
        arrays |= machine_arrays(seed, pruned.machine)
        rows.append(
            {
                "criterion": name,
                "iteration": spec["iteration"],
                "seed": seed,
                "n_weights_before": machine.n_weights[0],
                "n_weights_removed": pruned.n_weights_removed,
                "n_hidden_before": machine.layer_sizes[1],
                "hidden_removed": " ".join(map(str, pruned.units_removed)),
                "visible_disconnected": " ".join(map(str, pruned.visible_disconnected)),
            }
        )
    write_arrays(job.outputs["machine"], arrays, job.provenance())
    write_rows(job.outputs["record"], rows)
