"""Machines and statistics -> pruned machines, and a record of what went."""

import logging

from boltzprune.core.machine import without_units
from boltzprune.pruning.criteria import resolve
from boltzprune.pruning.prune import Pruned, prune
from boltzprune.results.store import machine_arrays, read_machine, read_statistics, write_arrays, write_rows

log = logging.getLogger(__name__)


def run(job):
    """Prune every seed's machine by the criterion; write the compact machines and one line of the record per seed.

    A machine that is left without weights is not written: the sequence of its seed has ended (see `pruning`).
    """
    spec, name = job.spec, job.spec["criterion"]
    criterion, machines, statistics = resolve(name), job.arrays("machine"), job.arrays("statistics")
    (seeds, ended), arrays = job.split(machines), {}
    rows = {seed: _record(without_units(1), Pruned(without_units(1), 0, (), ())) for seed in ended}
    for seed in seeds:
        machine = read_machine(machines, seed)
        evidence = read_statistics(statistics, seed)
        pruned = prune(machine, *evidence, criterion, name, spec["pruning"], seed, spec["iteration"])
        rows[seed] = _record(machine, pruned)
        if pruned.machine.is_empty:
            ended[seed] = spec["iteration"]
        else:
            arrays |= machine_arrays(seed, pruned.machine)
    write_arrays(job.outputs["machine"], arrays, job.provenance(ended))
    write_record(job, rows, ended)


def _record(before, pruned):
    """Weights and units before, what went, and which pixels have no weight."""
    return {
        "n_weights_before": before.n_weights[0],
        "n_weights_removed": pruned.n_weights_removed,
        "n_hidden_before": before.layer_sizes[1],
        "hidden_removed": " ".join(map(str, pruned.units_removed)),
        "visible_disconnected": " ".join(map(str, pruned.visible_disconnected)),
    }


def write_record(job, rows, ended):
    """Write the record of a pruning, a line for each seed of the job, and name the sequences that end with it.

    Parameters
    ----------
    job : stages.Job
    rows : dict of int -> dict
        Of each seed, what went.
    ended : dict of int -> int
        Seed -> iteration whose pruning left no weights.
    """
    name, iteration = job.raw_spec["criterion"], job.raw_spec["iteration"]
    for seed in (seed for seed in job.seeds if ended.get(seed) == iteration):
        log.warning(
            "%s, seed %d: the pruning of iteration %d leaves no weights, so it ends here", name, seed, iteration
        )
    keys = {"criterion": name, "iteration": iteration}
    write_rows(job.outputs["record"], [keys | {"seed": seed} | rows[seed] for seed in job.seeds])
