"""THE list of stages: files in, one call of the library, files out. A rule runs one; so can a person."""

import importlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from boltzprune import config
from boltzprune.backend import get_backend
from boltzprune.errors import InputError
from boltzprune.figures import FIGURES
from boltzprune.progress import Progress
from boltzprune.store import Arrays, checksum


@dataclass(frozen=True)
class Stage:
    """One row of the list.

    Attributes
    ----------
    summary : str
    inputs, outputs : tuple of str
        Names of files; an input can be given several times.
    spec : tuple of str
        Keys of the spec: sections of the experiment's configuration, or single values.
    module : str
        In this package, with a function `run(job)`.
    optional : tuple of str
        Inputs and keys of the spec that can be left out.
    experiment : str
        patches or digits: whose sections the spec holds.
    """

    summary: str
    inputs: tuple
    outputs: tuple
    spec: tuple
    module: str
    optional: tuple = ()
    experiment: str = "patches"


FIGURE_INPUTS = tuple(sorted({name for row in FIGURES.values() for name in row.inputs}))
LOOK = ("colours", "criteria", "last_iterations", "quality")
CLAIMS_INPUTS = (
    "metrics",
    "pattern_probabilities",
    "statistics",
    "digits",
    "digits_metrics",
    "digits_classes",
    "digits_pixels",
    "digits_references",
)


def _digits(*values):
    """A row of the second experiment."""
    return Stage(*values, experiment="digits")


STAGES = {
    "fetch": Stage("find or download the raw images", (), ("manifest",), ("data",), "fetch"),
    "prepare": Stage("raw images -> binary patterns", ("manifest",), ("patterns",), ("data",), "prepare"),
    "train": Stage("patterns -> trained RBMs", ("patterns",), ("machine",), ("machine", "training", "device"), "train"),
    "sample": Stage(
        "machines -> samples -> activity statistics, Fisher information",
        ("machine", "patterns"),
        ("statistics",),
        ("sampling", "device", "criterion", "iteration", "phase", "eigenvector"),
        "sample",
    ),
    "prune": Stage(
        "machines and statistics -> pruned machines and a record",
        ("machine", "statistics"),
        ("machine", "record"),
        ("pruning", "criterion", "iteration"),
        "prune",
    ),
    "retrain": Stage(
        "pruned machines -> retrained machines",
        ("machine", "patterns"),
        ("machine",),
        ("retraining", "device", "iteration"),
        "retrain",
    ),
    "evaluate": Stage(
        "machines and statistics -> metrics",
        ("patterns", "machine", "statistics"),
        ("metrics",),
        ("evaluation",),
        "evaluate",
    ),
    "collect": Stage(
        "all metrics -> one tidy table; patterns of data and models -> another",
        ("patterns", "metrics", "statistics"),
        ("metrics", "pattern_probabilities"),
        ("evaluation",),
        "collect",
    ),
    "table1": Stage("metrics -> Table 1", ("metrics",), ("csv", "markdown", "latex"), ("criteria", "study"), "table1"),
    "fetch_digits": _digits("find or download the raw labelled images", (), ("manifest",), ("data",), "fetch"),
    "prepare_digits": _digits(
        "raw labelled images -> binary images", ("manifest",), ("digits",), ("data",), "prepare_digits"
    ),
    "reference": _digits(
        "digits -> references, and the classifier that judges samples",
        ("digits",),
        ("references", "classifier"),
        ("evaluation",),
        "reference",
    ),
    "pretrain": _digits(
        "digits -> stacked RBMs",
        ("digits",),
        ("machine",),
        ("machine", "pretraining", "n_chains", "device"),
        "pretrain",
    ),
    "train_jointly": _digits(
        "stacked RBMs -> trained DBMs",
        ("machine", "digits"),
        ("machine",),
        ("training", "mean_field", "device"),
        "train_jointly",
    ),
    "retrain_jointly": _digits(
        "pruned DBMs -> retrained DBMs",
        ("machine", "digits"),
        ("machine",),
        ("retraining", "mean_field", "device", "iteration"),
        "train_jointly",
    ),
    "sample_deep": _digits(
        "DBMs -> samples -> activity statistics, visible samples",
        ("machine", "digits"),
        ("statistics", "samples"),
        ("sampling", "device", "criterion", "iteration", "phase"),
        "sample_deep",
    ),
    "prune_deep": _digits(
        "DBMs and statistics -> pruned DBMs and a record",
        ("machine", "statistics"),
        ("machine", "record"),
        ("pruning", "criterion", "iteration"),
        "prune_deep",
    ),
    "evaluate_digits": _digits(
        "DBMs, statistics and samples -> metrics",
        ("digits", "classifier", "machine", "statistics", "samples"),
        ("metrics", "classes"),
        ("evaluation", "mean_field", "device"),
        "evaluate_digits",
    ),
    "collect_digits": _digits(
        "all metrics, records and samples -> tidy tables",
        ("digits", "metrics", "classes", "records", "samples"),
        ("metrics", "classes", "pixels", "examples"),
        (),
        "collect_digits",
    ),
    "per_digit": Stage(
        "classes -> table of quality and share per digit",
        ("classes",),
        ("csv", "markdown", "latex"),
        ("criteria", "study"),
        "per_digit",
    ),
    "claims": Stage(
        "all tables -> the paper's claims, measured and decided",
        CLAIMS_INPUTS,
        ("csv", "markdown"),
        ("criteria", "study", "last_iterations"),
        "claims",
        CLAIMS_INPUTS,
    ),
    "study": Stage("the preset and all values of a study, as YAML", (), ("config",), ("config",), "study"),
    "figure": Stage(
        "tables -> one figure, and the data behind each panel",
        FIGURE_INPUTS,
        ("folder",),
        ("name", "formats", "dpi", "study", *LOOK),
        "figure",
        (*FIGURE_INPUTS, *LOOK),
    ),
}
"""Name -> stage."""

SECTIONS = {
    "patches": {
        "data": config.PatchData,
        "machine": config.PatchMachine,
        "training": config.Training,
        "retraining": config.Training,
        "sampling": config.Sampling,
        "pruning": config.Pruning,
        "evaluation": config.Evaluation,
    },
    "digits": {
        "data": config.DigitData,
        "machine": config.DeepMachine,
        "pretraining": config.PreTraining,
        "mean_field": config.MeanField,
        "training": config.JointTraining,
        "retraining": config.Retraining,
        "sampling": config.DeepSampling,
        "pruning": config.DeepPruning,
        "evaluation": config.DigitEvaluation,
    },
}
"""Experiment -> keys of a spec that are sections of its configuration."""


@dataclass(frozen=True)
class Job:
    """One run of a stage.

    Attributes
    ----------
    stage : str
    inputs : dict of str -> list of Path
    outputs : dict of str -> Path
    raw_spec : dict
        As given.
    seeds : tuple of int
    threads : int
    quiet : bool
        Whether progress goes to a log only, without a bar on the terminal.
    """

    stage: str
    inputs: dict
    outputs: dict
    raw_spec: dict
    seeds: tuple
    threads: int = 1
    quiet: bool = True

    @property
    def spec(self):
        """The spec with sections as checked, frozen models."""
        models = SECTIONS[STAGES[self.stage].experiment]
        return {
            key: _section(models[key], key, value) if key in models else value for key, value in self.raw_spec.items()
        }

    def arrays(self, name):
        """The one .npz file given under that name."""
        return Arrays(self.inputs[name][0])

    def backend(self):
        """The backend that the spec asks for."""
        return get_backend(self.raw_spec["device"], self.threads)

    def progress(self, total, unit):
        """A progress report with this stage's title."""
        return Progress(total, unit, self.stage, bar=not self.quiet)

    def provenance(self):
        """What this result is made by and from: equal for equal computations, whatever the folder or the time."""
        from boltzprune.provenance import versions

        inputs = {name: [checksum(path) for path in paths] for name, paths in self.inputs.items()}
        return {
            "stage": self.stage,
            "spec": self.raw_spec,
            "seeds": list(self.seeds),
            "inputs": inputs,
            "versions": versions(),
        }


def _section(model, key, value):
    """One section of a spec, checked."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, (key, *p['loc'])))} = {p['input']!r}: {p['msg']}" for p in error.errors())
        raise InputError(f"--spec: {'; '.join(problems)}") from None


def run(job):
    """Run a stage, once its files and its spec are what the stage asks for.

    Raises
    ------
    InputError
        If an input is missing, or the spec has unknown or lacks keys.
    """
    stage = STAGES[job.stage]
    for what, found, expected in (
        ("--in", job.inputs, stage.inputs),
        ("--out", job.outputs, stage.outputs),
        ("key of --spec", job.raw_spec, stage.spec),
    ):
        for name in found:
            if name not in expected:
                raise InputError(f"{job.stage}: unknown {what} {name}; expected {', '.join(expected) or 'none'}")
        for name in expected:
            if name not in found and name not in stage.optional:
                raise InputError(f"{job.stage}: {what} {name} is missing")
    for path in (path for paths in job.inputs.values() for path in paths):
        if not Path(path).is_file():
            raise InputError(f"{job.stage}: there is no file {path}")
    importlib.import_module(f"boltzprune.stages.{stage.module}").run(job)
