"""Experiment A, RBMs on patches of natural images: every parameter, once."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from boltzprune.datasets import SOURCES
from boltzprune.study.config.base import (
    ANTI_FI_THRESHOLD,
    HOMEOSTASIS,
    ITERATIONS,
    REGROWTH,
    SCHEDULE,
    THRESHOLD,
    Controls,
    Count,
    Fraction,
    Momentum,
    NotNegative,
    Number,
    OwnSeeds,
    Positive,
    Regrowth,
    Section,
    Seed,
    Share,
    Threshold,
    check_criteria,
)


class PatchData(Section):
    """Where the images come from and how they become binary patches."""

    source: str = Field(
        "sample_images",
        description="Where the images come from. sample_images: two photographs that come with scikit-learn; "
        "cifar10; npz: your own. Paper: cifar10.",
    )
    directory: str | None = Field(
        None,
        description="Source cifar10: folder with data_batch_1 ... or cifar-10-python.tar.gz; null: your cache folder.",
    )
    file: str | None = Field(
        None,
        description="Source npz: path of the .npz file with `images` (n, height, width[, channels]), or with "
        "`patterns` (n, n_visible) of 0 and 1. Arrays whose axes seem to be swapped are refused: "
        "channels first, images along the last axis, and patterns with more than 10 columns per "
        "row. If yours are right as they are, give images an axis of one channel, and store "
        "n_visible (a number) beside patterns. The number of units is free. Above 20,000 parameters"
        " there is no full FIM, hence no criterion eigenvector, and Figure 1 lacks the panels about"
        " it.",
    )
    download: bool = Field(
        True,
        description="Source cifar10 without a directory: download what is missing (170 MB) into your cache folder.",
    )
    batches: Annotated[list[str], Field(min_length=1)] = Field(
        [f"data_batch_{i}" for i in range(1, 6)],
        description="Source cifar10: which of its files to read; those that do not exist are left out. Paper: "
        "the training set.",
    )
    radius: NotNegative = Field(
        2.1, description="Radius of the circular patch in pixels; 2.1 holds 13 pixels. Paper: 2.1."
    )
    n_patterns: Count = Field(20_000, description="Patches, drawn at random without replacement. Paper: 90000.")
    median: Literal["global", "image"] = Field(
        "global",
        description="Binarise at one median of all images (global), or at the median of each (image). Images "
        "that have two values only are binary already and are taken as they are. Paper: not stated;"
        " authors' code: global.",
    )
    at_median: Literal[0, 1] = Field(
        1,
        description="Value of a pixel that is equal to the median. Paper: not stated; authors' code: 1. Dark "
        "images such as digits, whose median is 0, need 0.",
    )
    seed: Seed = Field(0, description="Seed of the random choice of patches; the seeds of the machines are others.")

    @field_validator("source")
    @classmethod
    def _known_source(cls, value: str) -> str:
        if value not in SOURCES:
            raise ValueError("expected one of " + ", ".join(SOURCES))
        return value


class PatchMachine(Section):
    """The RBM before training."""

    n_hidden: Count = Field(70, description="Hidden units. Paper: 70.")
    weight_sd: Positive = Field(0.1, description="Standard deviation of the initial weights. Paper: 0.1.")
    hidden_bias: Number = Field(
        -2.0,
        description="Initial bias of the hidden units. The visible biases start at the logit of the data's "
        "mean. Paper: -2.",
    )


class Training(Section):
    """Contrastive divergence: one entry of the lists per epoch."""

    learning_rate: Annotated[list[Positive], Field(min_length=1)] = Field(
        [0.01, 0.01],
        description="Learning rate of each epoch. Paper: [0.1, 0.01].",
    )
    momentum: Annotated[list[Momentum], Field(min_length=1)] = Field(
        [0.9, 0.9], description="Momentum of each epoch. Paper: 0.9."
    )
    momentum_rule: Literal["classical", "scaled"] = Field(
        "scaled",
        description="How momentum m enters a step. classical: step = m step + rate gradient; scaled: step = "
        "rate (m step + gradient), the authors' code, which is nearly no momentum at these rates. "
        "Paper: not stated.",
    )
    n_gibbs_steps: Count = Field(1, description="k of CD-k. Paper: 1.")
    batch_size: Count = Field(1, description="Training cases per update; the gradient is their mean. Paper: 1.")
    order: Literal["shared", "per_seed"] = Field(
        "shared",
        description="Order of the patterns in an epoch. shared: the same for all seeds, as in the authors' "
        "code; per_seed: each seed has its own, so that the seeds are independent in it too. Paper:"
        " not stated.",
    )

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if len(self.learning_rate) != len(self.momentum):
            raise ValueError(
                f"learning_rate has {len(self.learning_rate)} epochs and momentum {len(self.momentum)}; "
                "expected one entry of each per epoch"
            )
        return self


class PatchRetraining(Training):
    """Training after each pruning."""

    homeostasis: Share | None = Field(None, description=HOMEOSTASIS)


class Sampling(Section):
    """How the statistics of the free-running model are estimated."""

    method: Literal["auto", "exact", "gibbs"] = Field(
        "auto",
        description="How samples are drawn. exact: independent draws by enumeration of all visible patterns; "
        "gibbs: Markov chains from random states; auto: exact up to 16 visible units, else gibbs. "
        "Paper: gibbs.",
    )
    n_samples: Annotated[int, Field(ge=2)] | None = Field(
        None, description="Samples of the joint state; null: as many as patterns. Paper: 90000."
    )
    n_gibbs_steps: Count = Field(200, description="Method gibbs: Gibbs steps before a chain is read. Paper: 200.")
    statistics: Literal["sampled", "conditional", "enumerated"] = Field(
        "sampled",
        description="What the criteria see. sampled: rates and pair means over the samples; conditional: of the hidden "
        "units their probabilities given each sampled visible state, not their sampled states, which leaves less to "
        "chance (the leading eigenvector still comes from the samples); enumerated: exact ones, for at most 20 visible "
        "units. Paper: sampled.",
    )


class Pruning(Section):
    """Which share of the weights goes in one iteration."""

    fraction: Fraction = Field(
        0.5, description="Fraction of the remaining weights that one iteration removes. Paper: 0.5."
    )
    schedule: Annotated[list[Fraction], Field(min_length=1)] | None = Field(None, description=SCHEDULE)
    threshold: Threshold = Field("percentile", description=THRESHOLD)
    anti_fi_threshold: Threshold = Field("percentile", description=ANTI_FI_THRESHOLD)
    whole_units: Literal["weights", "count"] = Field(
        "count",
        description="Criteria that remove whole units. weights: as many units as bring the removed weights "
        "nearest to the fraction (paper); count: int(fraction n) of n units (authors' code).",
    )
    eigenvector_entry: Literal["magnitude", "signed"] = Field(
        "magnitude",
        description="Criterion eigenvector: the magnitude of the entry of the leading eigenvector (paper), or "
        "the signed entry of the eigenvector oriented to a positive sum (preprint's code).",
    )
    regrowth: Regrowth | None = Field(None, description=REGROWTH)


class Stop(Section):
    """When the course of a seed ends before its last iteration; what it has made until then stays.

    It is as if the next pruning left no weight: tables and figures show the iterations before and say which courses
    have ended. All that a course makes before it stops is what it makes without this section.
    """

    divergence: Positive | None = Field(
        None,
        description="A course stops after the first iteration whose retrained machine diverges from the data more than "
        "this many times as much as the initial machine of the seed (KL, exact where it can be enumerated). null: "
        "never. Paper: null.",
    )


class Evaluation(Section):
    """How patterns of the data are compared with patterns of the samples."""

    missing_patterns: Literal["half", "drop"] = Field(
        "half",
        description="A pattern of the data that no sample shows. half: it counts as half a sample, and the sum "
        "is renormalised, so that the divergence is >= 0; drop: it is left out, and the result is "
        "not a divergence. The exact divergence, which is computed too, needs no such rule. Paper: "
        "not stated.",
    )


class Patches(Section):
    """Experiment A: RBMs on patches of natural images (Figures 1 and 2, Table 1)."""

    seeds: OwnSeeds = None
    data: PatchData = Field(default_factory=PatchData)
    machine: PatchMachine = Field(default_factory=PatchMachine)
    training: Training = Field(default_factory=Training)
    retraining: PatchRetraining | None = Field(
        None,
        description="Training after each pruning, with the keys of training; null, or keys left out: as "
        f"training. Paper: as training. One key more, homeostasis, a number in (0, 1] or null: {HOMEOSTASIS}",
    )
    sampling: Sampling = Field(default_factory=Sampling)
    criteria: Annotated[list[str], Field(min_length=1)] = Field(
        [
            *("variance_fi", "heuristic_fi", "eigenvector", "weight_magnitude"),
            *("random_weights", "anti_fi", "random_units"),
        ],
        description="Pruning criteria, in the order of legends and tables; your own: my_rules.py:my_criterion "
        "(docs/own_criterion.md). There are also deletion_cost, obd, variance_fi_of_units and deletion_cost_of_units "
        "(docs/theory.md). Paper: these seven.",
    )
    controls: Controls = Field(
        ["unpruned"],
        description="Controls that the pruned machines are compared with; they are no criteria and not in Table 1 "
        "(docs/controls.md). unpruned: the initial machine, trained on for as many epochs as a pruned machine, with "
        "the data, schedule and random numbers of every retraining (dashed in Figure 2). rewind, scratch: of each "
        "criterion the units and weights that its last iteration leaves, trained anew for as long, from the weights "
        "that the machine began with (rewind) or from others (scratch). []: none. Paper: none.",
    )
    iterations: Count = Field(3, description=f"{ITERATIONS} Paper: 3.")
    pruning: Pruning = Field(default_factory=Pruning)
    stop: Stop = Field(default_factory=Stop)
    evaluation: Evaluation = Field(default_factory=Evaluation)

    @field_validator("criteria")
    @classmethod
    def _known_criteria(cls, names: list[str]) -> list[str]:
        return check_criteria(names)

    @model_validator(mode="before")
    @classmethod
    def _retrain_with_the_values_of_the_training(cls, values: Any) -> Any:
        """Keys that `retraining` leaves out have the values of `training`."""
        training, retraining = (
            (values.get(key) for key in ("training", "retraining")) if isinstance(values, dict) else (0, 0)
        )
        if isinstance(training, dict) and isinstance(retraining, dict):
            values = values | {"retraining": training | retraining}
        return values

    @model_validator(mode="after")
    def _retrain_as_trained(self) -> Self:
        if self.retraining is None:
            object.__setattr__(self, "retraining", PatchRetraining(**self.training.model_dump()))
        return self
