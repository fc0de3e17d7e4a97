"""Machines of any depth and their statistics -> pruned machines, and a record of what went.

Stage `prune` is that of the patches, `prune_deep` that of the digits, whose machines have persistent chains. Pruning is
the same in both; the records have the columns that the tables of each experiment are made of. Where weights may grow
again, `prune_deep` reads the initial machines too, whose weights lie within receptive fields.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from boltzprune.core.machine import without_units
from boltzprune.errors import InputError
from boltzprune.evaluation.stopping import stopped
from boltzprune.pruning.criteria import resolve
from boltzprune.pruning.prune import Pruned, prune
from boltzprune.pruning.redraws import decided
from boltzprune.results import tidy
from boltzprune.results.store import (
    chain_arrays,
    machine_arrays,
    read_chains,
    read_machine,
    read_statistics,
    write_arrays,
    write_rows,
)

if TYPE_CHECKING:
    from boltzprune.core.fisher import Statistics
    from boltzprune.core.machine import BoltzmannMachine
    from boltzprune.pruning.criteria import Criterion
    from boltzprune.study.stages import Job

log = logging.getLogger(__name__)
DECISIONS = ("undecided", "kept_again")
"""What is kept of `redraws.Decided`, of each weight layer."""


def run(job: "Job") -> None:
    """Prune every seed's machine by the criterion; write the compact machines and one line of the record per seed.

    A machine that is left without weights is not written: the course of its seed has ended (see `pruning`).
    """
    spec, name, is_deep = job.spec, job.spec["criterion"], job.stage == "prune_deep"
    criterion, machines, statistics = resolve(name), job.arrays("machine"), job.arrays("statistics")
    (seeds, ended), arrays = job.split(machines), dict[str, np.ndarray]()
    rows: dict[int, dict[str, Any]] = {}
    record = _record_of_digits if is_deep else _record_of_patches
    ended |= dict.fromkeys(_stopped(job, seeds), spec["iteration"])
    seeds = [seed for seed in seeds if seed not in ended]
    for seed in ended:
        nothing = without_units(np.size(spec["pruning"].fraction))
        zeros = (0,) * len(nothing.weights)
        grown = zeros if spec["pruning"].regrowth else ()
        rows[seed] = record(nothing, Pruned(nothing, zeros, [], (), np.zeros(0, dtype=np.int64), grown))
        rows[seed] |= _unknown(len(nothing.weights))
    for seed in seeds:
        machine = read_machine(machines, seed)
        chains = read_chains(machines, seed, machine.layer_sizes) if is_deep else ()
        means, leading = read_statistics(statistics, seed)
        initial = job.machines("initial", [seed], "pruning.regrowth") if is_deep and spec["pruning"].regrowth else []
        allowed = _allowed(initial[0], machine) if initial else None
        pruned = prune(machine, means, criterion, name, spec["pruning"], seed, spec["iteration"], leading, allowed)
        rows[seed] = record(machine, pruned) | _decided(job, criterion, machine, means, seed)
        if pruned.machine.is_empty:
            ended[seed] = spec["iteration"]
            log.warning("%s, seed %d: the pruning of iteration %d leaves no weights", *_named(job, seed))
        else:
            left = [states[:, keep] for states, keep in zip(chains, pruned.remaining)]
            arrays |= machine_arrays(seed, pruned.machine) | chain_arrays(seed, left)
    write_arrays(job.outputs["machine"], arrays, job.provenance(ended))
    _write_record(job, rows)


def _allowed(initial: "BoltzmannMachine", machine: "BoltzmannMachine") -> list[np.ndarray]:
    """Where a weight of a machine may grow, of each weight layer: where its initial machine had one."""
    places = zip(machine.units[:-1], machine.units[1:])
    return [mask[np.ix_(*pair)] for mask, pair in zip(initial.masks, places)]


def _stopped(job: "Job", seeds: Sequence[int]) -> list[int]:
    """Seeds whose course the study stops here, by the metrics of its machines so far; the log says why."""
    stop = job.spec.get("stop")
    if stop is None:
        return []
    table = "digits_metrics" if job.stage == "prune_deep" else "metrics"
    metrics, found = tidy.read(job.inputs["metrics"], table), []
    for seed in seeds:
        if why := stopped(metrics, stop, seed):
            log.warning("%s, seed %d: stopped before iteration %d: %s", *_named(job, seed), why)
            found.append(seed)
    return found


def _decided(
    job: "Job", criterion: "Criterion", machine: "BoltzmannMachine", statistics: "Statistics", seed: int
) -> dict[str, float]:
    """How far the samples decide the pruning: undecided_1 and kept_again_1 of the lowest weight layer, and so on.

    They are unknown for a criterion by the leading eigenvector, whose matrix is not drawn again, and for one of a
    user's own that fails with redrawn statistics, which ends no study: the log says so.
    """
    spec, name = job.spec, job.spec["criterion"]
    if criterion.needs == "eigenvector":
        return _unknown(len(machine.weights))
    try:
        found = decided(machine, statistics, criterion, name, spec["pruning"], seed, spec["iteration"])
    except InputError as error:
        log.warning("%s, seed %d, iteration %d: with statistics drawn again, %s", *_named(job, seed), error)
        return _unknown(len(machine.weights))
    return {f"{name}_{i}": getattr(layer, name) for i, layer in enumerate(found, start=1) for name in DECISIONS}


def _unknown(n_weight_layers: int) -> dict[str, float]:
    """As `_decided`, of a pruning of which it is not known."""
    return {f"{name}_{i}": np.nan for i in range(1, n_weight_layers + 1) for name in DECISIONS}


def _named(job: "Job", seed: int) -> tuple[str, int, int]:
    """Criterion, seed and iteration of a pruning, for its log."""
    return job.raw_spec["criterion"], seed, job.raw_spec["iteration"]


def _record_of_patches(before: "BoltzmannMachine", pruned: Pruned) -> dict[str, Any]:
    """Weights and units before, what went, what has grown if anything may, and which pixels have no weight."""
    return {
        "n_weights_before": before.n_weights[0],
        "n_weights_removed": pruned.n_weights_removed[0],
        **dict(zip(("n_weights_grown",), pruned.n_weights_grown)),
        "n_hidden_before": before.layer_sizes[1],
        "hidden_removed": " ".join(str(removed.unit) for removed in pruned.units_removed),
        "visible_disconnected": " ".join(map(str, pruned.visible_disconnected)),
    }


def _record_of_digits(before: "BoltzmannMachine", pruned: Pruned) -> dict[str, Any]:
    """Weights and units before and after, what went and why, what has grown if it may, and pixels without weights."""
    after = pruned.machine
    record: dict[str, Any] = {}
    for layer in range(len(before.weights)):
        record[f"n_weights_{layer + 1}_before"] = before.n_weights[layer]
        record[f"n_weights_{layer + 1}"] = after.n_weights[layer]
        record |= {f"n_weights_{layer + 1}_grown": n for n in pruned.n_weights_grown[layer : layer + 1]}
        record[f"n_units_{layer + 1}_before"] = before.layer_sizes[layer + 1]
        record[f"n_units_{layer + 1}"] = after.layer_sizes[layer + 1]
    for layer in range(1, len(before.layer_sizes)):
        removed = [f"{unit}:{reason}" for place, unit, reason in pruned.units_removed if place == layer]
        record[f"units_removed_{layer}"] = " ".join(removed)
    record["pixels_disconnected"] = " ".join(map(str, pruned.visible_disconnected))
    return record


def _write_record(job: "Job", rows: Mapping[int, dict[str, Any]]) -> None:
    """Write the record of a pruning, a line for each seed of the job.

    Parameters
    ----------
    job : stages.Job
    rows : dict of int -> dict
        Of each seed, what went.
    """
    name, iteration = job.raw_spec["criterion"], job.raw_spec["iteration"]
    keys = {"criterion": name, "iteration": iteration}
    write_rows(job.outputs["record"], [keys | {"seed": seed} | rows[seed] for seed in job.seeds])
