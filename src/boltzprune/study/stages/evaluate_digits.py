"""Deep machines, their statistics and their samples -> metrics per seed, and shares and qualities per digit."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from boltzprune.core.machine import without_units
from boltzprune.core.streams import fork
from boltzprune.errors import InputError
from boltzprune.evaluation.activity import HIDDEN_LAYERS, n_effective
from boltzprune.evaluation.encoding import encode, encode_by_sampling, error, fit, read_classifier
from boltzprune.evaluation.generation import generation
from boltzprune.results import tidy
from boltzprune.results.prepared import read_digits
from boltzprune.results.store import Arrays, read_machine, read_mixing, read_statistics, write_rows
from boltzprune.sampling.ais import ais, variational_bounds

if TYPE_CHECKING:
    from boltzprune.backend.arrays import Backend
    from boltzprune.core.machine import BoltzmannMachine
    from boltzprune.evaluation.encoding import Classifier
    from boltzprune.evaluation.generation import Generation
    from boltzprune.results.prepared import DigitSet
    from boltzprune.study.stages import Job


def run(job: "Job") -> None:
    """Write metrics and classes; machine, statistics and samples come in threes: pruned, retrained.

    What a pruned machine encodes before its retraining is not looked at. A seed whose course has ended has a row of
    phase `tidy.ENDED`, and one for each digit.
    """
    files = [job.inputs[name] for name in ("machine", "statistics", "samples")]
    if len({len(paths) for paths in files}) > 1:
        raise InputError("evaluate_digits: expected as many --in machine as statistics and samples, in the same order")
    digits, judge = read_digits(job.arrays("digits")), read_classifier(job.arrays("classifier"))
    backend, work = job.backend(), []
    ended: dict[int, dict[str, Any]] = {}
    for paths in zip(*files, strict=True):
        machines, statistics, samples = map(Arrays, paths)
        about, (seeds, gone) = statistics.about, job.split(machines)
        work += [(about | {"seed": seed}, machines, statistics, samples) for seed in seeds]
        ended |= tidy.ended_rows(about, gone, {})
    with job.progress(len(work), "machines") as progress:

        def look(item: tuple[dict[str, Any], Arrays, Arrays, Arrays]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
            row, machines, statistics, samples = item
            machine = read_machine(machines, row["seed"])
            visible = samples.states(f"seed{row['seed']}/visible", digits.states.shape[1])
            made = generation(judge, visible, backend)
            metrics = row | _sizes(machine) | _encoding(job.spec, machine, row, digits, backend)
            metrics |= _activity(machine, statistics, row)
            metrics |= {key: getattr(made, key) for key in ("quality_mean", "quality_class_mean", "diversity")}
            progress.advance(1)
            return metrics, _classes(row, made, judge, digits.n_classes)

        found = backend.map(look, work)
    nothing = _sizes(without_units(len(HIDDEN_LAYERS)))
    found += [(row | nothing, _classes(row, None, judge, digits.n_classes)) for row in ended.values()]
    write_rows(job.outputs["metrics"], [metrics for metrics, _ in found])
    write_rows(job.outputs["classes"], [line for _, lines in found for line in lines])


def _sizes(machine: "BoltzmannMachine") -> dict[str, int]:
    """How large a machine is."""
    sizes = {"n_weights": sum(machine.n_weights)}
    sizes |= {f"n_weights_{i}": n for i, n in enumerate(machine.n_weights, start=1)}
    sizes |= {f"n_units_{i}": n for i, n in enumerate(machine.layer_sizes[1:], start=1)}
    return sizes | {"n_visible_connected": int(machine.masks[0].any(axis=1).sum())}


def _activity(machine: "BoltzmannMachine", statistics: Arrays, row: Mapping[str, Any]) -> dict[str, float]:
    """Mean rate of the units of every hidden layer while the machine runs freely, and what its samples are worth."""
    means = read_statistics(statistics, row["seed"])[0]
    found = {f"activity_{i}": float(rate.mean()) for i, rate in enumerate(means.rates[1:], start=1)}
    return found | read_mixing(statistics, row["seed"]) | {"n_effective": n_effective(means, machine.masks)}


def _encoding(
    spec: Mapping[str, Any], machine: "BoltzmannMachine", row: Mapping[str, Any], digits: "DigitSet", backend: "Backend"
) -> dict[str, float]:
    """How well the class can be read from the top layer, and how likely the test images are."""
    names = (
        "encoding_error",
        "encoding_train_error",
        "encoding_converged",
        "n_mean_field",
        "log_z",
        "log_z_sd",
        "bound",
    )
    found = dict.fromkeys(names, np.nan)
    if row["phase"] == "pruned":
        return found
    settings = spec["evaluation"]
    mean_field = spec["mean_field"].tolerance, spec["mean_field"].max_updates
    test_means, n_sweeps = encode(machine, digits.test_states, *mean_field, backend)
    if settings.encoding == "mean_field":
        codes = [encode(machine, digits.cases, *mean_field, backend)[0][-1], test_means[-1]]
    else:
        key, n_gibbs_steps = fork(row["seed"], "encodings", row["iteration"]), settings.n_clamped_steps
        states = np.concatenate([digits.cases, digits.test_states])
        sampled = encode_by_sampling(machine, states, n_gibbs_steps, key, backend)
        codes = [sampled[: digits.n_train], sampled[digits.n_train :]]
    labels = digits.labels[: digits.n_train]
    limits = settings.max_iterations, settings.tolerance
    classifier = fit(codes[0], labels, settings.strength_encoding, *limits, backend)
    found["encoding_error"] = error(classifier, codes[1], digits.test_labels, backend)
    found["encoding_train_error"] = error(classifier, codes[0], labels, backend)
    found["encoding_converged"] = int(classifier.converged)
    found["n_mean_field"] = float(n_sweeps.mean())
    if settings.ais_chains is not None:
        key = fork(row["seed"], "log Z", row["iteration"])
        annealed = ais(machine, settings.ais_chains, settings.ais_temperatures, key, backend)
        found["log_z"], found["log_z_sd"] = annealed.log_z, annealed.sd
        means = [backend.to_host(layer) for layer in test_means]
        found["bound"] = float(variational_bounds(machine, digits.test_states, means, annealed.log_z).mean())
    return found


def _classes(
    row: Mapping[str, Any], made: "Generation | None", judge: "Classifier", n_classes: int
) -> list[dict[str, Any]]:
    """Share and quality of every class, none of those that the classifier never saw; `made` None: no machine."""
    places = {int(label): place for place, label in enumerate(judge.classes)}
    lines: list[dict[str, Any]] = []
    for digit in range(n_classes):
        place, values = places.get(digit), (0.0, np.nan)
        if made is None:
            values = np.nan, np.nan
        elif place is not None:
            values = made.shares[place], made.class_quality[place]
        lines.append({**row, "digit": digit, "share": values[0], "quality": values[1]})
    return lines
