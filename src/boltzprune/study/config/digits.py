"""Experiment B, deep Boltzmann machines (DBMs) on handwritten digits: every parameter, once."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from boltzprune.datasets import LABELLED_SOURCES
from boltzprune.study.config.base import (
    ANTI_FI_THRESHOLD,
    SEQUENCE_ENDS,
    THRESHOLD,
    Count,
    Fraction,
    Momentum,
    Number,
    OwnSeeds,
    Positive,
    Section,
    Seed,
    Threshold,
    check_criteria,
)


class DigitData(Section):
    """Where the labelled images come from and how they become binary patterns."""

    source: str = Field(
        "digits", description="Where images come from: " + ", ".join(LABELLED_SOURCES) + ". Paper: mnist."
    )
    directory: str | None = Field(None, description="Folder with the four IDX files; null: the user's cache folder.")
    file: str | None = Field(None, description="The .npz file of source npz, with images and labels.")
    download: bool = Field(True, description="Download MNIST if no directory is named.")
    transposed: bool = Field(
        False, description="Whether the images are stored with rows for columns, as those of EMNIST are. Paper: false."
    )
    crop: Annotated[int, Field(ge=0)] = Field(0, description="Pixels cut off at each side. Paper: 4 (28x28 to 20x20).")
    threshold: Literal["mean"] | Number = Field(
        "mean",
        description="A pixel is 1 above it: mean of the training and of the test images, or a number. Paper: mean.",
    )
    n_train: Count | None = Field(None, description="Training images the machines learn from; null: all. Paper: 60000.")
    n_test: Count | None = Field(None, description="Test images; null: all. Paper: 10000.")
    n_classes: Annotated[int, Field(ge=2, le=256)] = Field(
        10, description="Classes; labels are 0 to n_classes - 1. EMNIST letters (labels 1 to 26): 27."
    )
    seed: Seed = Field(0, description="Seed of the order of the images (the seeds of the machines are others).")

    @field_validator("source")
    @classmethod
    def _known_source(cls, value):
        if value not in LABELLED_SOURCES:
            raise ValueError("expected one of " + ", ".join(LABELLED_SOURCES))
        return value


class DeepMachine(Section):
    """The DBM before training."""

    receptive_field: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Odd side, in pixels, of what a unit of h1 sees (h1 has a unit per pixel); null: all. Paper: 5.",
    )
    n_hidden: Annotated[list[Count], Field(min_length=2, max_length=2)] = Field(
        [196, 256], description="Units of h1 and h2. Paper: [400, 676]."
    )
    weight_sd: Positive = Field(0.2, description="Standard deviation of the initial weights. Paper: 0.1.")
    visible_bias: Number = Field(-1.0, description="Initial bias of the visible units of each RBM. Paper: -1.")
    hidden_bias: Number = Field(-2.0, description="Initial bias of the hidden units of each RBM. Paper: -2.")

    @field_validator("receptive_field")
    @classmethod
    def _odd(cls, value):
        if value is not None and value % 2 == 0:
            raise ValueError("expected an odd number of pixels")
        return value


class Schedule(Section):
    """Learning rate and momentum of each epoch."""

    n_epochs: Count = Field(20, description="Passes over the training images. Paper: 20, and 10 in retraining.")
    learning_rate: Annotated[list[Positive], Field(min_length=2, max_length=2)] = Field(
        [0.02, 0.002],
        description="Learning rate of the first and of the last epoch, log-spaced between. Paper: 0.01 to 0.0001.",
    )
    schedule_epochs: Count | None = Field(
        None,
        description="Epochs over which the learning rates are laid; null: n_epochs. With more, the first n_epochs of "
        "them are used.",
    )
    last_learning_rate: Positive | None = Field(
        None,
        description="Learning rate of the last epoch instead of the schedule's; null: the schedule's.",
    )
    momentum: Annotated[list[Momentum], Field(min_length=2, max_length=2)] = Field(
        [0.5, 0.9], description="Momentum of the first epochs and of the later ones. Paper: [0.5, 0.9]."
    )
    momentum_switch: Annotated[int, Field(ge=0)] = Field(5, description="Epochs with the first momentum. Paper: 5.")
    skip_first: bool = Field(
        True,
        description="Epoch k takes entry k + 1 of the schedules and the last one the last: the authors' code, which "
        "counts from 1. (preset)",
    )
    momentum_rule: Literal["classical", "scaled"] = Field(
        "scaled",
        description="classical: step = m step + lr gradient; scaled: step = lr (m step + gradient), as in the "
        "authors' code. Paper: not stated. (preset)",
    )
    batch_size: Count = Field(
        1, description="Training cases per update; the gradient is their mean. Paper: 1. (preset, in retraining)"
    )

    @model_validator(mode="after")
    def _long_enough(self):
        if self.schedule_epochs is not None and self.schedule_epochs < self.n_epochs:
            raise ValueError(f"schedule_epochs is {self.schedule_epochs}; expected at least n_epochs, {self.n_epochs}")
        return self


class RbmTraining(Schedule):
    """Pre-training of one RBM by contrastive divergence."""

    n_gibbs_steps: Count = Field(1, description="k of CD-k. Paper: 1.")


class SecondRbm(RbmTraining):
    """Pre-training of the second RBM."""

    last_learning_rate: Positive | None = Field(
        None, description="As of the first RBM. Paper: null; authors' code: 0.0695. (preset)"
    )
    learning_rate: Annotated[list[Positive], Field(min_length=2, max_length=2)] = Field(
        [0.02, 0.002],
        description="As of the first RBM. Paper: 0.1 to 0.0001; authors' code: 0.1, and 0.0695 in the last epoch. "
        "(preset)",
    )


class PreTraining(Section):
    """The two RBMs that are stacked."""

    first: RbmTraining = Field(default_factory=RbmTraining)
    second: SecondRbm = Field(default_factory=SecondRbm)
    doubled_inputs: bool = Field(
        True,
        description="Double the bottom-up input (weights and bias) in the first RBM, the top-down input in the second, "
        "for the neighbour that each lacks: the authors' code. (preset)",
    )
    second_data: Literal["sampled", "reconstructed"] = Field(
        "reconstructed",
        description="What the second RBM learns: h1 sampled given the image (paper), or h1 sampled given one "
        "reconstruction of the image (authors' code). (preset)",
    )


class MeanField(Section):
    """Mean-field inference of the hidden units given an image."""

    tolerance: Fraction = Field(
        1e-5,
        description="An image is done once no probability changes by more. Paper: not stated; authors' code: 1e-7. "
        "(preset)",
    )
    max_updates: Count = Field(50, description="Most updates for an image. Paper: not stated; authors' code: 50.")


class JointTraining(Schedule):
    """Training of the DBM: mean-field for the data, persistent chains for the model."""

    n_epochs: Count = Field(6, description="Passes over the training images. Paper: 20.")
    batch_size: Count = Field(10, description="Training cases per update; the gradient is their mean. Paper: 1.")
    learning_rate: Annotated[list[Positive], Field(min_length=2, max_length=2)] = Field(
        [0.005, 0.0005],
        description="Of the first and of the last epoch, log-spaced between. Paper: not stated; authors' code: 0.1 to "
        "0.0001. (preset)",
    )
    n_gibbs_steps: Count = Field(
        1, description="Gibbs steps of the chains per update. Paper: not stated; authors' code: 1."
    )
    max_norm: Positive | None = Field(
        6.0, description="Largest norm of the incoming weights of a hidden unit; null: none. Paper: 6."
    )


class Retraining(JointTraining):
    """Training of the DBM after each pruning."""

    n_epochs: Count = Field(2, description="Passes over the training images. Paper: 10.")
    learning_rate: Annotated[list[Positive], Field(min_length=2, max_length=2)] = Field(
        [0.005, 0.005],
        description="As of the training. Paper: not stated; authors' code: 0.1 to 0.0001. (preset)",
    )
    schedule_epochs: Count | None = Field(
        None,
        description="As in the training. Paper: not stated; authors' code: 20, the first half of its rates. (preset)",
    )
    batch_size: Count = Field(
        10, description="Training cases per update. Paper and revised code: 10; preprint's code: 1. (preset)"
    )
    chains: Literal["restart", "go_on"] = Field(
        "restart",
        description="The persistent chains after a pruning: restart from the first training images, hidden layers "
        "sampled upwards (authors' code), or go_on from where they were. Paper: re-initialised. (preset)",
    )


class DeepSampling(Section):
    """How the activity of the free-running DBM is sampled."""

    chains: Literal["persistent", "fresh"] = Field(
        "persistent",
        description="persistent: the chains of the training go on, all states are read every n_gibbs_steps; fresh: "
        "each sample is a chain from a random state. Paper: persistent.",
    )
    n_samples: Annotated[int, Field(ge=2)] | None = Field(
        None, description="Samples of the joint state; null: as many as training images. Paper: 60000."
    )
    n_gibbs_steps: Count = Field(
        20, description="Gibbs steps between two samples of a chain. Paper: 200; authors' code: 400. (preset)"
    )


class DeepPruning(Section):
    """Which share of the weights goes in one iteration."""

    fraction: Annotated[list[Fraction], Field(min_length=2, max_length=2)] = Field(
        [0.10, 0.50],
        description="Fraction of the remaining weights removed per iteration, v-h1 and h1-h2. Paper and revised code: "
        "[0.1, 0.25]; preprint's code: [0.1, 0.1]. (preset)",
    )
    threshold: Threshold = Field("percentile", description=THRESHOLD)
    anti_fi_threshold: Threshold = Field("rank", description=ANTI_FI_THRESHOLD)
    whole_units: Literal["proportion", "layer"] = Field(
        "layer",
        description="Criteria that remove whole units. proportion: the same share of h1 and of h2, so that about as "
        "many weights go as in the others (paper); layer: in each layer, units until one more would exceed the "
        "fraction of that layer's weights (authors' code). (preset)",
    )
    zero_rule: Literal["share", "ratio"] = Field(
        "share",
        description="FI criteria: all weights of importance 0 go instead if zeros / weights > fraction (share: paper "
        "and revised code), or if zeros / non-zeros > fraction (ratio: preprint's code). (preset)",
    )
    variance_weighting: Literal["none", "squared_weight"] = Field(
        "none",
        description="Criterion variance_fi: as it is (paper and revised code) or times w squared (preprint's code). "
        "(preset)",
    )


class DigitEvaluation(Section):
    """How encodings and generated digits are judged."""

    encoding: Literal["mean_field", "sampled"] = Field(
        "mean_field",
        description="What the classifier sees of h2 given an image: mean-field probabilities (authors' code) or states "
        "sampled with the image clamped (paper). (preset)",
    )
    n_clamped_steps: Count = Field(50, description="Gibbs steps with the image clamped (encoding sampled).")
    strength_raw: Positive = Field(
        0.1, description="C of the logistic regression on raw pixels. Authors' code: 0.1; paper: not stated. (preset)"
    )
    strength_encoding: Positive = Field(1.0, description="C of the logistic regression on encodings. (preset)")
    max_iterations: Count = Field(1000, description="Most iterations of the logistic regression (L-BFGS).")
    tolerance: Positive = Field(1e-4, description="Tolerance of the logistic regression.")
    quality: Literal["mean", "class_mean"] = Field(
        "mean",
        description="Quality that Figure 4 shows: mean of the winning probabilities (paper) or mean of the means of "
        "the classes (preprint's code); the tables have both. (preset)",
    )
    ais_chains: Annotated[int, Field(ge=2)] | None = Field(
        100, description="Chains of annealed importance sampling (AIS) for log Z; null: no log Z."
    )
    ais_temperatures: Annotated[int, Field(ge=2)] = Field(300, description="Temperatures of AIS.")
    after_pruning: bool = Field(
        False,
        description="Whether generated digits are also judged right after each pruning, before retraining, which is "
        "half of all sampling. Revised code: no; preprint's code: yes; paper: not stated. (preset)",
    )


class Digits(Section):
    """Experiment B: DBMs on handwritten digits (Figures 3 and 4, supplement S1 and S2)."""

    seeds: OwnSeeds = None
    data: DigitData = Field(default_factory=DigitData)
    machine: DeepMachine = Field(default_factory=DeepMachine)
    pretraining: PreTraining = Field(default_factory=PreTraining)
    n_chains: Count = Field(50, description="Persistent chains. Paper: 100; authors' code: 1000. (preset)")
    mean_field: MeanField = Field(default_factory=MeanField)
    training: JointTraining = Field(default_factory=JointTraining)
    retraining: Retraining = Field(default_factory=Retraining)
    sampling: DeepSampling = Field(default_factory=DeepSampling)
    criteria: Annotated[list[str], Field(min_length=1)] = Field(
        ["variance_fi", "heuristic_fi", "weight_magnitude", "random_weights", "anti_fi", "random_units"],
        description="Pruning criteria, as for patches, without eigenvector. Paper: these six.",
    )
    iterations: Count = Field(3, description=f"Prune-and-retrain iterations. {SEQUENCE_ENDS} Paper: 10.")
    pruning: DeepPruning = Field(default_factory=DeepPruning)
    evaluation: DigitEvaluation = Field(default_factory=DigitEvaluation)

    @field_validator("criteria")
    @classmethod
    def _known_criteria(cls, names):
        if "eigenvector" in names:
            raise ValueError("eigenvector needs the full FIM, which is computed for RBMs only; leave it out")
        return check_criteria(names)
