"""Pruning of Boltzmann machines by Fisher information and by the rules it competes with.

After Scholl, Rule & Hennig (2021), "The information theory of developmental pruning",
PLOS Computational Biology 17(10): e1009458.

    estimators      PrunedRBM, PrunedDBM: fit, prune, retrain, in the style of scikit-learn
    one machine     new_rbm, train_rbm, new_dbm, train_dbm, observe, importance, kept_probability, prune, sample,
                    encode, log_likelihood, log_z: functions of arrays
    records         BoltzmannMachine, Evidence, Statistics, and CRITERIA, the list of criteria
    equations       deletion_cost, energy, fisher_diagonal, fisher_interval, heuristic_diagonal, receptive_fields

The studies of the paper are run by the command `boltzprune`.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boltzprune.core.fisher import Statistics, deletion_cost, fisher_diagonal, fisher_interval, heuristic_diagonal
    from boltzprune.core.machine import BoltzmannMachine, energy
    from boltzprune.core.masks import receptive_fields
    from boltzprune.estimators.dbm import PrunedDBM
    from boltzprune.estimators.rbm import PrunedRBM
    from boltzprune.pruning.criteria import CRITERIA, Evidence
    from boltzprune.single.activity import Activity, encode, log_likelihood, log_z, observe, sample
    from boltzprune.single.pruning import importance, kept_probability, prune
    from boltzprune.single.training import new_dbm, new_rbm, train_dbm, train_rbm

__version__ = "0.1.0"

HOMES = {
    "core.fisher": ("Statistics", "deletion_cost", "fisher_diagonal", "fisher_interval", "heuristic_diagonal"),
    "core.machine": ("BoltzmannMachine", "energy"),
    "core.masks": ("receptive_fields",),
    "estimators.dbm": ("PrunedDBM",),
    "estimators.rbm": ("PrunedRBM",),
    "pruning.criteria": ("CRITERIA", "Evidence"),
    "single.activity": ("Activity", "encode", "log_likelihood", "log_z", "observe", "sample"),
    "single.pruning": ("importance", "kept_probability", "prune"),
    "single.training": ("new_dbm", "new_rbm", "train_dbm", "train_rbm"),
}
"""Module -> what it has for everybody. It is imported when somebody asks: the command line needs none of it."""
__all__ = [
    "CRITERIA",
    "Activity",
    "BoltzmannMachine",
    "Evidence",
    "PrunedDBM",
    "PrunedRBM",
    "Statistics",
    "deletion_cost",
    "encode",
    "energy",
    "fisher_diagonal",
    "fisher_interval",
    "heuristic_diagonal",
    "importance",
    "kept_probability",
    "log_likelihood",
    "log_z",
    "new_dbm",
    "new_rbm",
    "observe",
    "prune",
    "receptive_fields",
    "sample",
    "train_dbm",
    "train_rbm",
]


def __getattr__(name: str) -> Any:
    """A name of `__all__`, from its module."""
    home = next((module for module, names in HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{home}"), name)


def __dir__() -> list[str]:
    """What completion shows."""
    return sorted([*globals(), *__all__])
