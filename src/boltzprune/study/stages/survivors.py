"""Machines of any depth after every pruning -> which weights and units are left, and how far criteria and seeds agree.

Stage `survivors` is that of the patches, `survivors_deep` that of the digits.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from boltzprune.core.machine import BoltzmannMachine, without_units
from boltzprune.evaluation.survival import agreement, common_layers, kept, overlap, profile
from boltzprune.results import tidy
from boltzprune.results.store import Arrays, read_machine, write_table

if TYPE_CHECKING:
    from boltzprune.study.stages import Job

Masks = Mapping[tuple[str, int, int], Sequence[np.ndarray]]
"""Criterion, iteration, seed -> weights that are left in each layer, as bits: those of all machines stay in memory."""


def run(job: "Job") -> None:
    """Write the three tables; of a seed whose course has ended nothing is left."""
    initial: dict[int, BoltzmannMachine] = {}
    for arrays in map(Arrays, job.inputs["initial"]):
        initial |= {seed: read_machine(arrays, seed) for seed in arrays.seeds}
    rows = [_survival({"criterion": "none", "iteration": 0}, seed, one, one) for seed, one in initial.items()]
    masks: dict[tuple[str, int, int], list[np.ndarray]] = {}
    for arrays in map(Arrays, job.inputs["machine"]):
        about = arrays.of_pruning
        for seed in (*arrays.seeds, *arrays.ended):
            before = initial[seed]
            machine = without_units(len(before.weights)) if seed in arrays.ended else read_machine(arrays, seed)
            rows.append(_survival(about, seed, machine, before))
            left = kept(machine, before.layer_sizes)
            masks[about["criterion"], about["iteration"], seed] = [np.packbits(one) for one in left]
    table = pd.DataFrame([row for some in rows for row in some])
    write_table(job.outputs["survival"], tidy.in_order(table, "survival"))
    write_table(job.outputs["overlap"], _overlaps(masks, initial))
    write_table(job.outputs["agreement"], _agreements(masks, initial))


def _survival(
    about: Mapping[str, Any], seed: int, machine: BoltzmannMachine, before: BoltzmannMachine
) -> list[dict[str, Any]]:
    """Weights of each layer and units of the hidden layer above them, and their shares of those before any pruning."""
    phase = "initial" if machine is before else "pruned" if not machine.is_empty else tidy.ENDED
    rows = []
    for layer, (n_weights, n_before) in enumerate(zip(machine.n_weights, before.n_weights), 1):
        n_units, n_units_before = machine.layer_sizes[layer], before.layer_sizes[layer]
        row = {**about, "phase": phase, "seed": seed, "layer": layer, "n_weights": n_weights, "n_units": n_units}
        shares = {"share_weights": n_weights / n_before, "share_units": n_units / n_units_before}
        rows.append(row | (shares if phase != tidy.ENDED else dict.fromkeys(shares, np.nan)))
    return rows


def _left(masks: Masks, key: tuple[str, int, int], layer: int, before: BoltzmannMachine) -> np.ndarray:
    """The weights that are left in a layer: (n_lower, n_upper) bool."""
    shape = before.masks[layer].shape
    return np.unpackbits(masks[key][layer], count=shape[0] * shape[1]).reshape(shape).astype(bool)


def _overlaps(masks: Masks, initial: Mapping[int, BoltzmannMachine]) -> pd.DataFrame:
    """A row for each pair of criteria, in the order of the files and each with itself, iteration, seed and layer."""
    criteria, rows = list(dict.fromkeys(criterion for criterion, _, _ in masks)), []
    for iteration, seed in dict.fromkeys((iteration, seed) for _, iteration, seed in masks):
        before = initial[seed]
        for layer, n_initial in enumerate(before.n_weights):
            left = {name: _left(masks, (name, iteration, seed), layer, before) for name in criteria}
            for place, name in enumerate(criteria):
                for other in criteria[place:]:
                    found = overlap(left[name], left[other], n_initial)
                    about = {"criterion": name, "other": other, "iteration": iteration, "seed": seed}
                    sizes: dict[str, float] = {
                        "n_weights": found.n_one,
                        "n_weights_other": found.n_other,
                        "n_both": found.n_both,
                    }
                    sizes |= {"n_expected": found.n_expected, "overlap": found.index}
                    rows.append({**about, "layer": layer + 1, **sizes})
    return pd.DataFrame(rows)


def _agreements(masks: Masks, initial: Mapping[int, BoltzmannMachine]) -> pd.DataFrame:
    """A row for each criterion, iteration, seed and layer (0: visible) whose units are the same in every seed."""
    rows = []
    [common] = {common_layers(machine.masks[0]) for machine in initial.values()}
    for criterion, iteration in dict.fromkeys((criterion, iteration) for criterion, iteration, _ in masks):
        for layer in common:
            profiles = [
                profile(_left(masks, (criterion, iteration, seed), 0, before), before.masks[0], layer)
                for seed, before in initial.items()
            ]
            about = {"criterion": criterion, "iteration": iteration, "layer": layer}
            rows += [{**about, "seed": seed, "agreement": one} for seed, one in zip(initial, agreement(profiles))]
    return tidy.in_order(pd.DataFrame(rows), "agreement")
