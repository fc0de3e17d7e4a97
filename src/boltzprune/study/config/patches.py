"""Experiment A, RBMs on patches of natural images: every parameter, once."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from boltzprune.datasets import SOURCES
from boltzprune.pruning.controls import CONTROLS
from boltzprune.study.config.base import (
    ANTI_FI_THRESHOLD,
    SEQUENCE_ENDS,
    THRESHOLD,
    Count,
    Fraction,
    Momentum,
    NotNegative,
    Number,
    OwnSeeds,
    Positive,
    Section,
    Seed,
    Threshold,
    check_criteria,
)


class PatchData(Section):
    """Where the images come from and how they become binary patches."""

    source: str = Field(
        "sample_images", description="Where images come from: " + ", ".join(SOURCES) + ". Paper: cifar10."
    )
    directory: str | None = Field(None, description="Folder with the files of cifar10; null: the user's cache folder.")
    file: str | None = Field(None, description="The .npz file of source npz, with images or patterns.")
    download: bool = Field(True, description="Download CIFAR-10 if no directory is named.")
    batches: Annotated[list[str], Field(min_length=1)] = Field(
        [f"data_batch_{i}" for i in range(1, 6)],
        description="Files of CIFAR-10 to use, those that exist. Paper: the training set. (preset)",
    )
    radius: NotNegative = Field(
        2.1, description="Radius of the circular patch in pixels; 2.1 holds 13 pixels. Paper: 2.1."
    )
    n_patterns: Count = Field(20_000, description="Patches drawn at random without replacement. Paper: 90000.")
    median: Literal["global", "image"] = Field(
        "global",
        description="Binarise at one median of all images, or at the median of each; images of two values are taken as "
        "they are. Paper: not said; global.",
    )
    at_median: Literal[0, 1] = Field(1, description="Value of a pixel equal to the median. Paper: not said; code: 1.")
    seed: Seed = Field(0, description="Seed of the random choice of patches (the seeds of the machines are others).")

    @field_validator("source")
    @classmethod
    def _known_source(cls, value):
        if value not in SOURCES:
            raise ValueError("expected one of " + ", ".join(SOURCES))
        return value


class PatchMachine(Section):
    """The RBM before training."""

    n_hidden: Count = Field(70, description="Hidden units. Paper: 70.")
    weight_sd: Positive = Field(0.1, description="Standard deviation of the initial weights. Paper: 0.1.")
    hidden_bias: Number = Field(-2.0, description="Initial bias of the hidden units. Paper: -2.")


class Training(Section):
    """Contrastive divergence: one entry of the lists per epoch."""

    learning_rate: Annotated[list[Positive], Field(min_length=1)] = Field(
        [0.01, 0.01],
        description="Learning rate of each epoch. Paper: [0.1, 0.01]; authors' code: [0.01, 0.01]. (preset)",
    )
    momentum: Annotated[list[Momentum], Field(min_length=1)] = Field(
        [0.9, 0.9], description="Momentum of each epoch. Paper: 0.9."
    )
    momentum_rule: Literal["classical", "scaled"] = Field(
        "scaled",
        description="classical: step = m step + lr gradient; scaled: step = lr (m step + gradient), as in the "
        "authors' code. Paper: not stated. (preset)",
    )
    n_gibbs_steps: Count = Field(1, description="k of CD-k. Paper: 1.")
    batch_size: Count = Field(1, description="Training cases per update; the gradient is their mean. Paper: 1.")
    order: Literal["shared", "per_seed"] = Field(
        "shared",
        description="Order of the patterns in an epoch: the same for all seeds (authors' code), or each seed's own, "
        "so that the seeds are independent in it too. Paper: not stated. (preset)",
    )

    @model_validator(mode="after")
    def _same_length(self):
        if len(self.learning_rate) != len(self.momentum):
            raise ValueError(
                f"learning_rate has {len(self.learning_rate)} epochs and momentum {len(self.momentum)}; "
                "expected one entry of each per epoch"
            )
        return self


class Sampling(Section):
    """How the statistics of the free-running model are estimated."""

    method: Literal["auto", "exact", "gibbs"] = Field(
        "auto",
        description="exact: independent draws by enumeration of the visible patterns; gibbs: chains from random "
        "states; auto: exact up to 16 visible units. Paper: gibbs.",
    )
    n_samples: Annotated[int, Field(ge=2)] | None = Field(
        None, description="Samples of the joint state; null: as many as patterns. Paper: 90000."
    )
    n_gibbs_steps: Count = Field(200, description="Gibbs steps before a chain is read (method gibbs). Paper: 200.")
    statistics: Literal["sampled", "enumerated"] = Field(
        "sampled",
        description="What the criteria see: rates and pair means of the samples, or exact ones (<= 20 visible units). "
        "Paper: sampled.",
    )


class Pruning(Section):
    """Which share of the weights goes in one iteration."""

    fraction: Fraction = Field(0.5, description="Fraction of the remaining weights removed per iteration. Paper: 0.5.")
    threshold: Threshold = Field("percentile", description=THRESHOLD)
    anti_fi_threshold: Threshold = Field("percentile", description=ANTI_FI_THRESHOLD)
    whole_units: Literal["weights", "count"] = Field(
        "count",
        description="Criteria that remove whole units. weights: as many units as bring the removed weights nearest to "
        "the fraction (paper); count: int(fraction n) of n units (authors' code). (preset)",
    )
    eigenvector_entry: Literal["magnitude", "signed"] = Field(
        "magnitude",
        description="Saliency from the leading eigenvector: its entry's magnitude (paper) or the signed entry of the "
        "eigenvector oriented to a positive sum (preprint's code). (preset)",
    )


class Evaluation(Section):
    """How patterns of the data are compared with patterns of the samples."""

    missing_patterns: Literal["half", "drop"] = Field(
        "half",
        description="A pattern of the data that no sample shows: half counts it as half a sample (then renormalised, a "
        "divergence >= 0); drop leaves it out (not a divergence, can be negative). Paper: not stated.",
    )


class Patches(Section):
    """Experiment A: RBMs on patches of natural images (Figures 1 and 2, Table 1)."""

    seeds: OwnSeeds = None
    data: PatchData = Field(default_factory=PatchData)
    machine: PatchMachine = Field(default_factory=PatchMachine)
    training: Training = Field(default_factory=Training)
    retraining: Training | None = Field(
        None, description="Training after each pruning; null, or keys left out: as training. Paper: the same."
    )
    sampling: Sampling = Field(default_factory=Sampling)
    criteria: Annotated[list[str], Field(min_length=1)] = Field(
        [
            *("variance_fi", "heuristic_fi", "eigenvector", "weight_magnitude"),
            *("random_weights", "anti_fi", "random_units"),
        ],
        description="Pruning criteria: names of the list in boltzprune/pruning/criteria.py, or your own, as "
        "file.py:function. Paper: all seven, which are the default.",
    )
    controls: list[Literal[tuple(CONTROLS)]] = Field(
        ["unpruned"],
        description="Machines that pruned ones are compared with: " + ", ".join(CONTROLS) + " (trained for as many "
        "epochs). []: none. Paper: none.",
    )
    iterations: Count = Field(3, description=f"Prune-and-retrain iterations. {SEQUENCE_ENDS} Paper: 3.")
    pruning: Pruning = Field(default_factory=Pruning)
    evaluation: Evaluation = Field(default_factory=Evaluation)

    @field_validator("controls")
    @classmethod
    def _distinct_controls(cls, names):
        if len(set(names)) != len(names):
            raise ValueError("a control is listed twice")
        return names

    @field_validator("criteria")
    @classmethod
    def _known_criteria(cls, names):
        return check_criteria(names)

    @model_validator(mode="before")
    @classmethod
    def _retrain_with_the_values_of_the_training(cls, values):
        """Keys that `retraining` leaves out have the values of `training`."""
        training, retraining = (
            (values.get(key) for key in ("training", "retraining")) if isinstance(values, dict) else (0, 0)
        )
        if isinstance(training, dict) and isinstance(retraining, dict):
            values = values | {"retraining": training | retraining}
        return values

    @model_validator(mode="after")
    def _retrain_as_trained(self):
        if self.retraining is None:
            object.__setattr__(self, "retraining", self.training)
        return self
