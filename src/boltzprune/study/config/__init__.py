"""Every parameter, once: name, unit, range, the paper's value. A YAML section is a frozen model of this package.

The defaults are those of `config/config.yaml`. A preset that a file names comes over them, and over that the file.
Nothing here computes: a section is handed, whole, to the functions that use it.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from boltzprune.pruning.criteria import LONGEST_NAME
from boltzprune.report.figures import FORMATS
from boltzprune.study.config.base import OWN_CRITERION, Count, Identifier, Section
from boltzprune.study.config.digits import (
    DeepMachine,
    DeepPruning,
    DeepSampling,
    DigitData,
    DigitEvaluation,
    Digits,
    JointTraining,
    MeanField,
    PreTraining,
    Retraining,
)
from boltzprune.study.config.patches import Evaluation, PatchData, Patches, PatchMachine, Pruning, Sampling, Training
from boltzprune.study.config.presets import PRESETS, RENAMED

__all__ = [
    "OWN_CRITERION",
    "PRESETS",
    "RENAMED",
    "DeepMachine",
    "DeepPruning",
    "DeepSampling",
    "DigitData",
    "DigitEvaluation",
    "Digits",
    "Evaluation",
    "JointTraining",
    "MeanField",
    "PatchData",
    "PatchMachine",
    "Patches",
    "PreTraining",
    "Pruning",
    "Retraining",
    "Sampling",
    "Section",
    "Study",
    "Training",
]


EXPERIMENTS = ("patches", "digits")
"""A: RBMs on patches of natural images. B: DBMs on handwritten digits. Each has a section of its name."""


class Figures(Section):
    """How figures look; a change remakes figures and nothing else."""

    formats: Annotated[list[Literal[FORMATS]], Field(min_length=1)] = Field(
        list(FORMATS), description="File formats of the figures: " + ", ".join(FORMATS) + "."
    )
    dpi: Annotated[int, Field(ge=30, le=2400)] = Field(300, description="Resolution of PNG figures, dots per inch.")
    last_iterations: dict[str, Count] = Field(
        {"variance_fi": 6, "heuristic_fi": 6},
        description="Figures 3 and 4: last iteration shown of a criterion, so that the numbers of weights compare; "
        "others: all; Figure S2: all. Paper: FI criteria 6.",
    )
    colours: dict[str, Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]] = Field(
        {}, description="Colours that replace those of the criteria, as name: '#rrggbb'."
    )

    @field_validator("formats")
    @classmethod
    def _distinct(cls, formats):
        if len(set(formats)) != len(formats):
            raise ValueError("a format is listed twice")
        return formats


class Study(Section):
    """One study: the whole configuration."""

    study: Identifier = Field(
        "demo",
        description="Name of the study; its results lie in results/{study}/. Letters, digits, - and _, at most "
        f"{LONGEST_NAME}.",
    )
    preset: Literal["published", "revision", "preprint", "paper"] = Field(
        "published", description="Values for the keys marked (preset), where the paper's text and its code disagree."
    )
    experiments: Annotated[list[Literal[EXPERIMENTS]], Field(min_length=1)] = Field(
        list(EXPERIMENTS),
        description="Experiments of the study: " + ", ".join(EXPERIMENTS) + ". What belongs to another is not made.",
    )
    seeds: Count = Field(
        10,
        description="Independent repetitions of experiments that have no `seeds`, seeds 0 to seeds - 1. Paper: 10.",
    )
    seeds_per_job: Count = Field(
        10,
        description="Seeds that share a job and a file; the numbers do not depend on it. Any number >= seeds: one job.",
    )
    device: Literal["auto", "cpu", "gpu", "reference"] = Field(
        "auto",
        description="gpu: an NVIDIA GPU, through CuPy; cpu: compiled loops on the CPU; auto: gpu where one can be "
        "used, else cpu; reference: plain NumPy in float64, slow.",
    )
    patches: Patches = Field(default_factory=Patches)
    digits: Digits = Field(default_factory=Digits)
    figures: Figures = Field(default_factory=Figures)

    @field_validator("experiments")
    @classmethod
    def _distinct_experiments(cls, names):
        if len(set(names)) != len(names):
            raise ValueError("an experiment is listed twice")
        return names
