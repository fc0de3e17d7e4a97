"""THE list of stages: what each reads, writes and is told, and which sections of the configuration that is."""

from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import Field

from boltzprune.report.figures import FIGURES, FORMATS
from boltzprune.results.tidy import PHASES
from boltzprune.study import config
from boltzprune.study.config.base import Section, one_of


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
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    spec: tuple[str, ...]
    module: str
    optional: tuple[str, ...] = ()
    experiment: str = "patches"


FIGURE_INPUTS = tuple(sorted({name for row in FIGURES.values() for name in row.inputs}))
LOOK = ("colours", "criteria", "last_iterations", "quality", "published")
CLAIMS_INPUTS = {
    "metrics": "patches",
    "statistics": "patches",
    "digits_metrics": "digits",
    "digits_classes": "digits",
    "digits_references": "digits",
}
"""What the claims are judged by -> its experiment."""


def _digits(*values: Any) -> Stage:
    """A row of the second experiment."""
    return replace(Stage(*values), experiment="digits")


STAGES = {
    "fetch": Stage("find or download the raw images", (), ("manifest",), ("data",), "fetch"),
    "prepare": Stage("raw images -> binary patterns", ("manifest",), ("patterns",), ("data",), "prepare"),
    "train": Stage("patterns -> trained RBMs", ("patterns",), ("machine",), ("machine", "training", "device"), "train"),
    "sample": Stage(
        "machines -> samples -> activity statistics, Fisher information",
        ("machine", "patterns"),
        ("statistics",),
        ("sampling", "device", "criterion", "iteration", "phase", "eigenvector", "matrix_of"),
        "sample",
        ("matrix_of",),
    ),
    "prune": Stage(
        "machines and statistics -> pruned machines and a record",
        ("machine", "statistics", "metrics"),
        ("machine", "record"),
        ("pruning", "stop", "criterion", "iteration"),
        "prune",
        ("metrics", "stop"),
    ),
    "retrain": Stage(
        "machines, pruned or of a control -> retrained machines",
        ("machine", "patterns", "before"),
        ("machine",),
        ("retraining", "device", "iteration"),
        "retrain",
        ("before",),
    ),
    "train_anew": Stage(
        "pruned machines -> their architecture, trained anew for as long",
        ("machine", "patterns"),
        ("machine",),
        ("machine", "training", "retraining", "device", "iteration", "phase"),
        "train_anew",
    ),
    "evaluate": Stage(
        "machines and statistics -> metrics",
        ("patterns", "machine", "statistics"),
        ("metrics",),
        ("evaluation",),
        "evaluate",
    ),
    "collect": Stage(
        "all metrics and records -> one tidy table; patterns of data and models -> another",
        ("patterns", "metrics", "statistics", "records"),
        ("metrics", "pattern_probabilities"),
        ("evaluation",),
        "collect",
        ("records",),
    ),
    "survivors": Stage(
        "machines after every pruning -> which weights and units are left, and how far criteria and seeds agree",
        ("initial", "machine"),
        ("survival", "overlap", "agreement"),
        (),
        "survivors",
    ),
    "table1": Stage(
        "metrics -> Table 1",
        ("metrics",),
        ("csv", "markdown", "latex"),
        ("criteria", "study", "published"),
        "table1",
        ("published",),
    ),
    "fetch_digits": _digits("find or download the raw labelled images", (), ("manifest",), ("data",), "fetch"),
    "prepare_digits": _digits(
        "raw labelled images -> binary images", ("manifest",), ("digits",), ("data",), "prepare_digits"
    ),
    "reference": _digits(
        "digits -> baselines, and the classifier that judges samples",
        ("digits",),
        ("references", "classifier"),
        ("evaluation", "device"),
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
        "DBMs, pruned or of a control -> retrained DBMs",
        ("machine", "digits", "before"),
        ("machine",),
        ("retraining", "mean_field", "device", "iteration"),
        "train_jointly",
        ("before",),
    ),
    "train_deep_anew": _digits(
        "pruned DBMs -> their architecture, pre-trained and trained anew for as long",
        ("machine", "digits"),
        ("machine",),
        (
            *("machine", "pretraining", "n_chains", "training", "retraining", "mean_field", "device"),
            *("iteration", "phase"),
        ),
        "train_deep_anew",
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
        ("machine", "statistics", "metrics", "initial"),
        ("machine", "record"),
        ("pruning", "stop", "criterion", "iteration"),
        "prune",
        ("metrics", "initial", "stop"),
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
    "survivors_deep": _digits(
        "DBMs after every pruning -> which weights and units are left, and how far criteria and seeds agree",
        ("initial", "machine"),
        ("survival", "overlap", "agreement"),
        (),
        "survivors",
    ),
    "merge_digits": _digits(
        "tidy tables of several studies, each with other seeds -> those of all seeds",
        ("metrics", "classes", "pixels", "examples", "references"),
        ("metrics", "classes", "pixels", "examples", "references"),
        (),
        "merge_digits",
    ),
    "per_digit": _digits(
        "classes -> table of quality and share per digit",
        ("classes",),
        ("csv", "markdown", "latex"),
        ("criteria", "study"),
        "per_digit",
    ),
    "claims": Stage(
        "all tables -> the paper's claims, measured and decided; its numbers beside ours",
        tuple(CLAIMS_INPUTS),
        ("csv", "markdown", "published"),
        ("criteria", "study", "last_iterations", "not_compared"),
        "claims",
        (*CLAIMS_INPUTS, "last_iterations", "not_compared"),
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

_Whole = Annotated[int, Field(ge=0, lt=10**5)]
VALUES: dict[str, Any] = {
    "criterion": str,
    "iteration": _Whole,
    "phase": Annotated[str, one_of(PHASES)],
    "eigenvector": bool,
    "matrix_of": _Whole,
    "device": str,
    "n_chains": Annotated[int, Field(ge=1)],
    "name": str,
    "formats": list[Annotated[str, one_of(FORMATS)]],
    "dpi": Annotated[int, Field(ge=30, le=2400)],
    "study": str,
    "criteria": dict[str, str],
    "colours": dict[str, str],
    "last_iterations": dict[str, _Whole],
    "published": bool,
    "not_compared": dict[str, dict[str, str]],
    "quality": Literal["mean", "class_mean"],
    "config": dict,
}
"""Keys of a spec that are no sections -> what they take."""

SECTIONS: dict[str, dict[str, type[Section]]] = {
    "patches": {
        "data": config.PatchData,
        "machine": config.PatchMachine,
        "training": config.Training,
        "retraining": config.PatchRetraining,
        "sampling": config.Sampling,
        "pruning": config.Pruning,
        "stop": config.Stop,
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
        "stop": config.DeepStop,
        "evaluation": config.DigitEvaluation,
    },
}
"""Experiment -> keys of a spec that are sections of its configuration."""
