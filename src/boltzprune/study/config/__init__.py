"""Every parameter, once: name, unit, range, the paper's value. A YAML section is a frozen model of this package.

The defaults are those of `config/config.yaml`. A preset that a file names comes over them, and over that the file.
Nothing here computes: a section is handed, whole, to the functions that use it.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from boltzprune.pruning.criteria import LONGEST_NAME
from boltzprune.report.figures import FORMATS
from boltzprune.study.config.base import OWN_CRITERION, Count, Identifier, Section, one_of
from boltzprune.study.config.digits import (
    DeepMachine,
    DeepPruning,
    DeepSampling,
    DeepStop,
    DigitData,
    DigitEvaluation,
    Digits,
    JointTraining,
    MeanField,
    PreTraining,
    Retraining,
)
from boltzprune.study.config.patches import (
    Evaluation,
    PatchData,
    Patches,
    PatchMachine,
    PatchRetraining,
    Pruning,
    Sampling,
    Stop,
    Training,
)
from boltzprune.study.config.presets import PRESETS, RENAMED

__all__ = [
    "OWN_CRITERION",
    "PRESETS",
    "RENAMED",
    "DeepMachine",
    "DeepPruning",
    "DeepSampling",
    "DeepStop",
    "DigitData",
    "DigitEvaluation",
    "Digits",
    "Evaluation",
    "JointTraining",
    "MeanField",
    "PatchData",
    "PatchMachine",
    "PatchRetraining",
    "Patches",
    "PreTraining",
    "Pruning",
    "Retraining",
    "Sampling",
    "Section",
    "Stop",
    "Study",
    "Training",
]


EXPERIMENTS = ("patches", "digits")
"""A: RBMs on patches of natural images. B: DBMs on handwritten digits. Each has a section of its name."""


class Figures(Section):
    """How figures look; a change remakes figures and nothing else."""

    formats: Annotated[list[Annotated[str, one_of(FORMATS)]], Field(min_length=1)] = Field(
        list(FORMATS), description="File formats of the figures."
    )
    dpi: Annotated[int, Field(ge=30, le=2400)] = Field(300, description="Resolution of PNG figures, dots per inch.")
    last_iterations: dict[str, Count] = Field(
        {"variance_fi": 6, "heuristic_fi": 6},
        description="Last iteration that Figures 3 and 4 show of a criterion, so that the numbers of remaining "
        "weights are comparable; criteria that are not named: all iterations. Figure S2 shows all "
        "iterations of all criteria, and is drawn where these leave some out. Paper: 6 for the FI criteria, of 10.",
    )
    colours: dict[str, Annotated[str, Field(pattern=r"^#[0-9A-Fa-f]{6}$")]] = Field(
        {}, description='Colours that replace those of criteria, for example {anti_fi: "#aa0000"}.'
    )

    @field_validator("formats")
    @classmethod
    def _distinct(cls, formats: list[str]) -> list[str]:
        if len(set(formats)) != len(formats):
            raise ValueError("a format is listed twice")
        return formats


class Study(Section):
    """One study: the whole configuration."""

    study: Identifier = Field(
        "demo",
        description=f"Name of the study, whose results lie in results/{{study}}/: letters, digits, - and _, at "
        f"most {LONGEST_NAME} characters.",
    )
    preset: Literal["published", "revision", "preprint", "paper"] = Field(
        "published",
        description="Values for the keys that have a line \"Presets\", where the paper's text and the authors' "
        "code disagree. published: the revised code of the authors, which made the published "
        "figures, with the training set of CIFAR-10, the 100 chains and the 200 Gibbs steps between"
        " samples of the text, and a tolerance of the mean-field sweeps that costs less. revision: "
        "that code throughout. preprint: the code of the preprint throughout. paper: the text; "
        "where it is silent, the revised code.",
    )
    experiments: Annotated[list[Annotated[str, one_of(EXPERIMENTS)]], Field(min_length=1)] = Field(
        list(EXPERIMENTS),
        description="Which experiments the study has: patches (A), digits (B), or both. If you bring data for "
        "one, leave the other out.",
    )
    seeds: Count = Field(
        10,
        description="Independent repetitions of each experiment that has no `seeds` of its own, with the seeds "
        "from `first_seed` on. Paper: 10.",
    )
    first_seed: Annotated[int, Field(ge=0, le=99_999)] = Field(
        0,
        description="Seed of the first repetition. Another computer takes other seeds of the same study, for example "
        "`first_seed: 5, seeds: 5`, and `boltzprune merge ...` puts the results together.",
    )
    seeds_per_job: Count = Field(
        10,
        description="Seeds in a block; a block shares jobs and files, and no number depends on it. More seeds "
        "than this make more blocks. If you raise `seeds`, only the new blocks are computed, "
        "provided that the old ones were full. Any number >= seeds: one block.",
    )
    device: Literal["auto", "cpu", "gpu", "reference"] = Field(
        "auto",
        description="Where to compute. gpu: an NVIDIA GPU, through CuPy; cpu: compiled loops; auto: gpu where "
        "one can be used, else cpu; reference: plain NumPy in float64, slow, for checking. On a "
        "cluster name gpu or cpu: auto asks the scheduler for a GPU only if the computer where you "
        "start the study has one.",
    )
    parts: Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        description="Folders of results that this study is put together from, with equal settings and other seeds "
        "each; nothing is trained then. `boltzprune merge ...` checks them and writes such a study. null: the study is "
        "computed.",
    )
    patches: Patches = Field(default_factory=Patches)
    digits: Digits = Field(default_factory=Digits)
    figures: Figures = Field(default_factory=Figures)

    @field_validator("experiments")
    @classmethod
    def _distinct_experiments(cls, names: list[str]) -> list[str]:
        if len(set(names)) != len(names):
            raise ValueError("an experiment is listed twice")
        return names
