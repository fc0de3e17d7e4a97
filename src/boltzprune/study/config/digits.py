"""Experiment B, deep Boltzmann machines (DBMs) on handwritten digits: every parameter, once."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from boltzprune.datasets import LABELLED_SOURCES
from boltzprune.pruning.criteria import CRITERIA
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

BothFractions = Annotated[list[Fraction], Field(min_length=2, max_length=2)]
"""Of the weights v-h1 and of the weights h1-h2."""


class DigitData(Section):
    """Where the labelled images come from and how they become binary patterns."""

    source: str = Field(
        "digits",
        description="Where the labelled images come from. digits: the 1,797 images of 8 x 8 pixels that come "
        "with scikit-learn; mnist: MNIST, or any set in IDX files; npz: your own. Paper: mnist.",
    )
    directory: str | None = Field(
        None,
        description="Source mnist: folder with the four IDX files, gzipped or not (MNIST, Fashion-MNIST, "
        "EMNIST, ...); null: your cache folder.",
    )
    file: str | None = Field(
        None,
        description="Source npz: path of the .npz file with `images` (n, height, width) and `labels` (n,), and "
        "`test_images`, `test_labels`.",
    )
    download: bool = Field(
        True, description="Source mnist without a directory: download what is missing (12 MB) into your cache folder."
    )
    transposed: bool = Field(
        False, description="Whether the images are stored with rows for columns, as those of EMNIST are. Paper: false."
    )
    crop: Annotated[int, Field(ge=0)] = Field(
        0, description="Pixels cut off at each side. Paper: 4 (28 x 28 to 20 x 20)."
    )
    threshold: Literal["mean"] | Number = Field(
        "mean",
        description="A pixel is 1 above it: mean (of the training and of the test images, each their own), or a"
        " number. Paper: mean.",
    )
    n_train: Count | None = Field(
        None, description="Training images that the machines learn from; null: all. Paper: 60000."
    )
    n_test: Count | None = Field(None, description="Test images; null: all. Paper: 10000.")
    n_classes: Annotated[int, Field(ge=2, le=256)] = Field(
        10,
        description="Classes; class labels are 0 to n_classes - 1. EMNIST letters, whose class labels are 1 to 26: 27.",
    )
    seed: Seed = Field(0, description="Seed of the order of the images; the seeds of the machines are others.")

    @field_validator("source")
    @classmethod
    def _known_source(cls, value: str) -> str:
        if value not in LABELLED_SOURCES:
            raise ValueError("expected one of " + ", ".join(LABELLED_SOURCES))
        return value


class DeepMachine(Section):
    """The DBM before training."""

    receptive_field: Annotated[int, Field(ge=1)] | None = Field(
        None,
        description="Odd side, in pixels, of what a unit of h1 sees (h1 then has a unit per pixel); null: all "
        "pixels. Paper: 5.",
    )
    n_hidden: Annotated[list[Count], Field(min_length=2, max_length=2)] = Field(
        [196, 256], description="Units of h1 and of h2. Paper: [400, 676]."
    )
    weight_sd: Positive = Field(0.2, description="Standard deviation of the initial weights. Paper: 0.1.")
    visible_bias: Number = Field(-1.0, description="Initial bias of the visible units of each RBM. Paper: -1.")
    hidden_bias: Number = Field(-2.0, description="Initial bias of the hidden units of each RBM. Paper: -2.")

    @field_validator("receptive_field")
    @classmethod
    def _odd(cls, value: int | None) -> int | None:
        if value is not None and value % 2 == 0:
            raise ValueError("expected an odd number of pixels")
        return value


class Schedule(Section):
    """Learning rate and momentum of each epoch."""

    n_epochs: Count = Field(20, description="Passes over the training images. Paper: 20.")
    learning_rate: Annotated[list[Positive], Field(min_length=2, max_length=2)] = Field(
        [0.02, 0.002],
        description="Learning rate of the first and of the last epoch, log-spaced between. Paper: [0.01, 0.0001].",
    )
    schedule_epochs: Count | None = Field(
        None,
        description="Epochs over which the learning rates are laid, of which the first n_epochs are used; null:"
        " n_epochs.",
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
        description="Whether the first entry of the schedules is never used: epoch k takes entry k + 1, and the"
        " last epoch the last, since the authors' code counts epochs from 1. Paper: false.",
    )
    momentum_rule: Literal["classical", "scaled"] = Field(
        "scaled",
        description="How momentum enters a step: classical or scaled, as for the patches. Paper: not stated.",
    )
    batch_size: Count = Field(1, description="Training cases per update; the gradient is their mean. Paper: 1.")

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        if self.schedule_epochs is not None and self.schedule_epochs < self.n_epochs:
            raise ValueError(f"schedule_epochs is {self.schedule_epochs}; expected at least n_epochs, {self.n_epochs}")
        return self


class RbmTraining(Schedule):
    """Pre-training of one RBM by contrastive divergence."""

    n_gibbs_steps: Count = Field(1, description="k of CD-k. Paper: 1.")


class SecondRbm(RbmTraining):
    """Pre-training of the second RBM."""

    last_learning_rate: Positive | None = Field(None, description="As of the first RBM. Paper: null.")
    learning_rate: Annotated[list[Positive], Field(min_length=2, max_length=2)] = Field(
        [0.02, 0.002],
        description="As of the first RBM. Paper: [0.1, 0.0001].",
    )


class PreTraining(Section):
    """The two RBMs that are stacked."""

    first: RbmTraining = Field(default_factory=RbmTraining)
    second: SecondRbm = Field(default_factory=SecondRbm)
    doubled_inputs: bool = Field(
        True,
        description="Whether the bottom-up input (weights and bias) is doubled in the first RBM, and the "
        "top-down input in the second, for the neighbour that each of the two lacks. Paper: not "
        "stated; authors' code: true.",
    )
    second_data: Literal["sampled", "reconstructed"] = Field(
        "reconstructed",
        description="What the second RBM learns from: h1 sampled given the image (sampled; paper), or given one"
        " reconstruction of the image (reconstructed; authors' code).",
    )


class MeanField(Section):
    """Mean-field inference of the hidden units given an image."""

    tolerance: Fraction = Field(
        1e-5,
        description="Mean-field iteration of an image ends once no probability changes by more. Paper: not stated.",
    )
    max_updates: Count = Field(
        50, description="Most sweeps of mean-field iteration for an image. Paper: not stated; authors' code: 50."
    )


class JointTraining(Schedule):
    """Joint training of the DBM: mean-field inference for the data, persistent chains for the model."""

    n_epochs: Count = Field(6, description="Passes over the training images. Paper: 20.")
    batch_size: Count = Field(10, description="Training cases per update; the gradient is their mean. Paper: 1.")
    learning_rate: Annotated[list[Positive], Field(min_length=2, max_length=2)] = Field(
        [0.005, 0.0005],
        description="Learning rate of the first and of the last epoch, log-spaced between. Paper: not stated.",
    )
    n_gibbs_steps: Count = Field(
        1, description="Gibbs steps of the persistent chains per update. Paper: not stated; authors' code: 1."
    )
    max_norm: Positive | None = Field(
        6.0, description="Largest L2 norm of the incoming weights of a hidden unit; null: none. Paper: 6."
    )


class Retraining(JointTraining):
    """Training of the DBM after each pruning."""

    n_epochs: Count = Field(2, description="Passes over the training images. Paper: 10.")
    learning_rate: Annotated[list[Positive], Field(min_length=2, max_length=2)] = Field(
        [0.005, 0.005],
        description="As of the training. Paper: not stated.",
    )
    schedule_epochs: Count | None = Field(
        None,
        description="As of the training. Paper: not stated; authors' code: 20, of which retraining uses the "
        "first half.",
    )
    batch_size: Count = Field(10, description="Training cases per update; the gradient is their mean. Paper: 10.")
    chains: Literal["restart", "go_on"] = Field(
        "restart",
        description="What the persistent chains do after a pruning. restart: they begin at the first training "
        "images, with the hidden layers sampled upwards (authors' code); go_on: they go on from "
        "where they were. Paper: re-initialised.",
    )
    homeostasis: Share | None = Field(None, description=HOMEOSTASIS)


class DeepSampling(Section):
    """How the activity of the free-running DBM is sampled."""

    chains: Literal["persistent", "fresh"] = Field(
        "persistent",
        description="persistent: the chains of the training go on, and all of them are read every "
        "n_gibbs_steps; fresh: each sample is a chain from a random state. Paper: persistent.",
    )
    n_samples: Annotated[int, Field(ge=2)] | None = Field(
        None, description="Samples of the joint state; null: as many as training images. Paper: 60000."
    )
    n_gibbs_steps: Count = Field(200, description="Gibbs steps between two samples of a chain. Paper: 200.")
    statistics: Literal["sampled", "conditional"] = Field(
        "sampled",
        description="What the criteria see. sampled: rates and pair means over the samples; conditional: of the units "
        "of h1 and h2 their probabilities given the sampled layers next to them, not their sampled states, which "
        "leaves less to chance. Of a nearly silent h2 hardly any mean is then 0, so that zero_rule finds next to "
        "nothing (docs/theory.md). Paper: sampled.",
    )


class DeepPruning(Section):
    """Which share of the weights goes in one iteration."""

    fraction: BothFractions = Field(
        [0.10, 0.50],
        description="Fraction of the remaining weights that one iteration removes, from v-h1 and from h1-h2. "
        "Paper: [0.1, 0.25].",
    )
    schedule: Annotated[list[BothFractions], Field(min_length=1)] | None = Field(None, description=SCHEDULE)
    threshold: Threshold = Field("percentile", description=THRESHOLD)
    anti_fi_threshold: Threshold = Field("rank", description=ANTI_FI_THRESHOLD)
    whole_units: Literal["proportion", "layer"] = Field(
        "layer",
        description="Criteria that remove whole units. layer: in each layer, units until one more would exceed "
        "that layer's fraction of the weights (authors' code); proportion: the same share of h1 and"
        " of h2, so that about as many weights go as in the other criteria (paper).",
    )
    zero_rule: Literal["share", "ratio"] = Field(
        "share",
        description="Criteria variance_fi, heuristic_fi, deletion_cost and obd: all weights of 0 by the criterion go "
        "instead of the fraction if they are more than that fraction of all weights (share), or of the weights above 0 "
        "(ratio). Paper: share.",
    )
    variance_weighting: Literal["none", "squared_weight"] = Field(
        "none",
        description="Criterion variance_fi: as it is (none), or times the squared weight (squared_weight; "
        "preprint's code). Paper: none.",
    )
    regrowth: Regrowth | None = Field(None, description=REGROWTH)


class DeepStop(Section):
    """When the course of a seed ends before its last iteration, as for the patches."""

    encoding_error: Positive | None = Field(
        None,
        description="A course stops after the first iteration whose retrained machine has an encoding error of more "
        "than this many times that of the initial machine of the seed. null: never. Paper: null.",
    )
    activity: Literal["h1", "h2"] | None = Field(
        None,
        description="A course stops after the first iteration with which the mean activity of this layer has risen in "
        "the free-running machine, a signal that needs no look at the data (S1). null: never. Paper: null.",
    )


class DigitEvaluation(Section):
    """How encodings and generated digits are judged."""

    encoding: Literal["mean_field", "sampled"] = Field(
        "mean_field",
        description="What the classifier sees of h2 given an image: mean-field probabilities, or states that "
        "are sampled with the image clamped. Paper: sampled.",
    )
    n_clamped_steps: Count = Field(50, description="Encoding sampled: Gibbs steps with the image clamped.")
    strength_raw: Positive = Field(0.1, description="C of the logistic regression on raw pixels. Paper: not stated.")
    strength_encoding: Positive = Field(
        1.0, description="C of the logistic regression on encodings. Paper: not stated."
    )
    max_iterations: Count = Field(1000, description="Most iterations of the logistic regression (L-BFGS).")
    tolerance: Positive = Field(1e-4, description="Tolerance of the logistic regression.")
    quality: Literal["mean", "class_mean"] = Field(
        "mean",
        description="What Figure 4 shows: the mean of the winning probabilities (mean), or the mean of the "
        "means of the classes (class_mean); the tables have both. Paper: mean.",
    )
    ais_chains: Annotated[int, Field(ge=2)] | None = Field(
        100, description="Chains of annealed importance sampling (AIS) for log Z; null: no log Z."
    )
    ais_temperatures: Annotated[int, Field(ge=2)] = Field(300, description="Temperatures of AIS.")
    after_pruning: bool = Field(
        False,
        description="Whether generated digits are also judged right after each pruning, before the retraining, "
        "which is half of all sampling. Paper: not stated.",
    )


class Digits(Section):
    """Experiment B: DBMs on handwritten digits (Figures 3 and 4, supplement S1 and S2).

    The defaults are those of a demonstration that takes some two minutes: so few and small images leave so little to
    learn that encodings beat raw pixels only with full receptive fields, gentle rates and many h2 units at work, not in
    the paper's regime of a nearly silent h2; half of the weights h1-h2 goes at a time. config/paper.yaml has the values
    of the paper, config/digits-small.yaml its regime at a smaller size.
    """

    seeds: OwnSeeds = None
    data: DigitData = Field(default_factory=DigitData)
    machine: DeepMachine = Field(default_factory=DeepMachine)
    pretraining: PreTraining = Field(default_factory=PreTraining)
    n_chains: Count = Field(50, description="Persistent Markov chains of the joint training. Paper: 100.")
    mean_field: MeanField = Field(default_factory=MeanField)
    training: JointTraining = Field(default_factory=JointTraining)
    retraining: Retraining = Field(default_factory=Retraining)
    sampling: DeepSampling = Field(default_factory=DeepSampling)
    criteria: Annotated[list[str], Field(min_length=1)] = Field(
        ["variance_fi", "heuristic_fi", "weight_magnitude", "random_weights", "anti_fi", "random_units"],
        description="Pruning criteria, as for the patches, but for eigenvector, which needs the full FIM. "
        "Paper: these six.",
    )
    controls: Controls = Field(
        [],
        description="Controls, as for the patches: of unpruned, rewind, scratch. A control unpruned takes as long as "
        "a criterion, rewind and scratch each as long as a whole training with all retrainings for every criterion. "
        "Paper: none.",
    )
    iterations: Count = Field(3, description=f"{ITERATIONS} Paper: 10.")
    pruning: DeepPruning = Field(default_factory=DeepPruning)
    stop: DeepStop = Field(default_factory=DeepStop)
    evaluation: DigitEvaluation = Field(default_factory=DigitEvaluation)

    @field_validator("criteria")
    @classmethod
    def _known_criteria(cls, names: list[str]) -> list[str]:
        for name in names:
            if name in CRITERIA and CRITERIA[name].needs == "eigenvector":
                raise ValueError(f"{name} needs the full FIM, which is computed for RBMs only; leave it out")
        return check_criteria(names)
