"""The readings of the paper, as values of the keys marked (preset). Every preset sets the same keys."""

TRAINING_SET = [f"data_batch_{i}" for i in range(1, 6)]


def _training(momentum_rule, skip_first, **values):
    """What all schedules of the DBM share."""
    return {"momentum_rule": momentum_rule, "skip_first": skip_first, **values}


PRESETS = {
    "published": {
        "patches": {
            "data": {"batches": TRAINING_SET},
            "training": {"learning_rate": [0.01, 0.01], "momentum_rule": "scaled"},
            "pruning": {"threshold": "rank", "eigenvector_entry": "magnitude"},
        },
        "digits": {
            "pretraining": {
                "first": _training("scaled", False),
                "second": _training("scaled", False, learning_rate=[0.1, 0.0001]),
                "doubled_inputs": True,
                "second_data": "sampled",
            },
            "n_chains": 100,
            "training": _training("scaled", False),
            "retraining": _training("scaled", False, batch_size=10, schedule_epochs=None),
            "pruning": {
                "fraction": [0.10, 0.25],
                "threshold": "rank",
                "zero_rule": "share",
                "variance_weighting": "none",
            },
            "evaluation": {"encoding": "mean_field", "strength_raw": 0.1, "strength_encoding": 1.0, "quality": "mean"},
        },
    },
    "paper": {
        "patches": {
            "data": {"batches": TRAINING_SET},
            "training": {"learning_rate": [0.1, 0.01], "momentum_rule": "classical"},
            "pruning": {"threshold": "rank", "eigenvector_entry": "magnitude"},
        },
        "digits": {
            "pretraining": {
                "first": _training("classical", False),
                "second": _training("classical", False, learning_rate=[0.1, 0.0001]),
                "doubled_inputs": False,
                "second_data": "sampled",
            },
            "n_chains": 100,
            "training": _training("classical", False),
            "retraining": _training("classical", False, batch_size=10, schedule_epochs=None),
            "pruning": {
                "fraction": [0.10, 0.25],
                "threshold": "rank",
                "zero_rule": "share",
                "variance_weighting": "none",
            },
            "evaluation": {"encoding": "sampled", "strength_raw": 1.0, "strength_encoding": 1.0, "quality": "mean"},
        },
    },
    "authors": {
        "patches": {
            "data": {"batches": ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "test_batch"]},
            "training": {"learning_rate": [0.01, 0.01], "momentum_rule": "scaled"},
            "pruning": {"threshold": "percentile", "eigenvector_entry": "signed"},
        },
        "digits": {
            "pretraining": {
                "first": _training("scaled", True),
                "second": _training("scaled", True, learning_rate=[0.1, 0.1]),
                "doubled_inputs": True,
                "second_data": "reconstructed",
            },
            "n_chains": 1000,
            "training": _training("scaled", True),
            "retraining": _training("scaled", True, batch_size=1, schedule_epochs=20),
            "pruning": {
                "fraction": [0.10, 0.10],
                "threshold": "percentile",
                "zero_rule": "ratio",
                "variance_weighting": "squared_weight",
            },
            "evaluation": {
                "encoding": "mean_field",
                "strength_raw": 0.1,
                "strength_encoding": 1.0,
                "quality": "class_mean",
            },
        },
    },
}
"""`paper` follows the text throughout, `authors` the code. `published` (default) learns by the rule of the code
(learning rates of the patches, momentum rule, doubled inputs), judges encodings as the code does, and follows the text
in all else. Any key can still be overridden."""
