"""The readings of the paper, as values of the keys of the presets. Every preset sets the same keys.

The authors published their code in two states, that of the preprint and the revision that made the published figures.
`preprint` and `revision` are these two; `paper` is the text, and the revision where the text is silent. `published`
(default) is the revision but for what the text states plainly (the training set of CIFAR-10, 100 chains, 200 steps
between samples) and a tolerance of mean-field iteration that costs less for the same result. Any key can be overridden.
"""

from collections.abc import Mapping
from typing import Any

TRAINING_SET = [f"data_batch_{i}" for i in range(1, 6)]
LISTED_FIRST = [*TRAINING_SET[:4], "test_batch"]
"""The files that the authors' code takes: the first five in the order of their directory."""
LAST_OF_SECOND = 0.06951927961775606
"""10^(-1 - 3/19), the second of 20 rates log-spaced from 0.1 to 0.0001, which ends the second RBM's training."""


def _schedule(momentum_rule: str, skip_first: bool, **values: object) -> dict[str, Any]:
    """What all schedules of the DBM share."""
    return {"momentum_rule": momentum_rule, "skip_first": skip_first, **values}


def _joint(**values: object) -> dict[str, Any]:
    """Joint training: only the code states its rates, and so the rule and the counting that they are meant with."""
    return _schedule("scaled", True, learning_rate=[0.1, 0.0001], **values)


REVISION = {
    "patches": {
        "data": {"batches": LISTED_FIRST},
        "training": {"learning_rate": [0.01, 0.01], "momentum_rule": "scaled", "order": "shared"},
        "pruning": {
            "threshold": "percentile",
            "anti_fi_threshold": "percentile",
            "whole_units": "count",
            "eigenvector_entry": "magnitude",
        },
    },
    "digits": {
        "pretraining": {
            "first": _schedule("scaled", True),
            "second": _schedule("scaled", True, learning_rate=[0.1, 0.1], last_learning_rate=LAST_OF_SECOND),
            "doubled_inputs": True,
            "second_data": "reconstructed",
        },
        "n_chains": 1000,
        "mean_field": {"tolerance": 1e-7},
        "training": _joint(),
        "retraining": _joint(batch_size=10, schedule_epochs=20, chains="restart"),
        "sampling": {"n_gibbs_steps": 400},
        "pruning": {
            "fraction": [0.10, 0.25],
            "threshold": "percentile",
            "anti_fi_threshold": "rank",
            "whole_units": "layer",
            "zero_rule": "share",
            "variance_weighting": "none",
        },
        "evaluation": {
            "encoding": "mean_field",
            "strength_raw": 0.1,
            "strength_encoding": 1.0,
            "quality": "mean",
            "after_pruning": False,
        },
    },
}


def _with(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """A preset with some values replaced, given as dotted keys; each must be there already."""
    copy = {key: _with(value, {}) if isinstance(value, dict) else value for key, value in base.items()}
    for place, value in changes.items():
        section, (*path, key) = copy, place.split(".")
        for part in path:
            section = section[part]
        if key not in section:
            raise KeyError(place)
        section[key] = value
    return copy


PRESETS = {
    "published": _with(
        REVISION,
        {
            "patches.data.batches": TRAINING_SET,
            "digits.n_chains": 100,
            "digits.mean_field.tolerance": 1e-5,
            "digits.sampling.n_gibbs_steps": 200,
        },
    ),
    "revision": REVISION,
    "preprint": _with(
        REVISION,
        {
            "patches.pruning.eigenvector_entry": "signed",
            "digits.retraining.batch_size": 1,
            "digits.pruning.fraction": [0.10, 0.10],
            "digits.pruning.anti_fi_threshold": "percentile",
            "digits.pruning.zero_rule": "ratio",
            "digits.pruning.variance_weighting": "squared_weight",
            "digits.evaluation.quality": "class_mean",
            "digits.evaluation.after_pruning": True,
        },
    ),
    "paper": _with(
        REVISION,
        {
            "patches.data.batches": TRAINING_SET,
            "patches.training.learning_rate": [0.1, 0.01],
            "patches.training.momentum_rule": "classical",
            "patches.pruning.anti_fi_threshold": "rank",
            "patches.pruning.whole_units": "weights",
            "digits.pretraining.first.momentum_rule": "classical",
            "digits.pretraining.first.skip_first": False,
            "digits.pretraining.second.momentum_rule": "classical",
            "digits.pretraining.second.skip_first": False,
            "digits.pretraining.second.learning_rate": [0.1, 0.0001],
            "digits.pretraining.second.last_learning_rate": None,
            "digits.pretraining.doubled_inputs": False,
            "digits.pretraining.second_data": "sampled",
            "digits.n_chains": 100,
            "digits.sampling.n_gibbs_steps": 200,
            "digits.pruning.whole_units": "proportion",
            "digits.evaluation.encoding": "sampled",
            "digits.evaluation.strength_raw": 1.0,
        },
    ),
}
"""Name -> values of the keys of the presets."""
RENAMED = {"authors": "preprint"}
"""Former names of presets -> names of today."""
