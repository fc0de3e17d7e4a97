"""Files of estimators: the arrays of a machine as a study stores them, and what else is known, as JSON beside them."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from boltzprune import __version__
from boltzprune.core.machine import BoltzmannMachine
from boltzprune.errors import InputError
from boltzprune.results.store import (
    Arrays,
    chain_arrays,
    machine_arrays,
    read_chains,
    read_machine,
    write_arrays,
)
from boltzprune.single.settings import plain


@dataclass(frozen=True)
class Saved:
    """What a file holds of an estimator.

    Attributes
    ----------
    kind : str
        Name of the class.
    seed : int
    machine : BoltzmannMachine
    chains : tuple of (n_chains, n_units) uint8
        Persistent chains of a DBM, () of an RBM.
    parameters : dict
        Those of the estimator's constructor.
    fitted : dict
        Name of an attribute that `fit` sets -> value.
    """

    kind: str
    seed: int
    machine: BoltzmannMachine
    chains: Sequence[npt.NDArray[np.uint8]]
    parameters: Mapping[str, Any]
    fitted: Mapping[str, Any] = field(default_factory=dict)


def write(path: str | os.PathLike[str], saved: Saved) -> None:
    """Write an estimator; the file appears at once or not at all.

    Parameters
    ----------
    path
        Of the file, whose name ends in .npz.
    saved : Saved
    """
    if not os.fspath(path).endswith(".npz"):
        raise InputError(f"save: the file is called {os.fspath(path)}; expected a name that ends in .npz")
    arrays = machine_arrays(saved.seed, saved.machine) | chain_arrays(saved.seed, saved.chains)
    parameters = dict(saved.parameters)
    if (mask := parameters.pop("mask")) is not None:
        arrays["mask"] = np.asarray(mask, dtype=bool)
    about = {"estimator": saved.kind, "version": __version__, "seed": saved.seed}
    about |= {"parameters": plain(parameters), "fitted": plain(dict(saved.fitted))}
    write_arrays(path, arrays, about, compress=True)


def read(path: str | os.PathLike[str], kind: str, is_deep: bool, seed: int | None) -> Saved:
    """What a file holds of an estimator, or of a machine of a study.

    Of a machine of a study the parameters are what its file tells: its size, its seed, and the settings of the training
    that it comes from.

    Parameters
    ----------
    path
    kind : str
        Name of the class that is expected.
    is_deep : bool
        Whether its machines have two hidden layers.
    seed : int or None
        Of the machine, in a file of a study that has several.

    Returns
    -------
    Saved

    Raises
    ------
    InputError
        If the file is damaged, of another class, or has no such machine.
    """
    arrays = Arrays(path)
    about = arrays.provenance
    found = sorted({int(name.partition("/")[0].removeprefix("seed")) for name in arrays.names if "/bias0" in name})
    if about.get("estimator", kind) != kind:
        raise InputError(f"{path}: holds a {about['estimator']}; load it by {about['estimator']}.load")
    if seed is None and len(found) != 1:
        raise InputError(f"{path}: has machines of seeds {', '.join(map(str, found)) or 'none'}; say which: seed=...")
    seed = found[0] if seed is None else seed
    machine = read_machine(arrays, seed)
    sizes = machine.layer_sizes
    if machine.is_rbm == is_deep:
        raise InputError(f"{path}: its machine has layers of {sizes} units, so it is no {kind}")
    chains = read_chains(arrays, seed, sizes) if is_deep else ()
    if "estimator" not in about:
        spec = about.get("spec")
        return _of_a_study(kind, seed, machine, chains, str(about.get("stage")), spec if isinstance(spec, dict) else {})
    mask = arrays.checked("mask", "b", (None, None)) if "mask" in arrays.names else None
    fitted = {name: _as_fitted(name, value) for name, value in about["fitted"].items()}
    return Saved(kind, seed, machine, chains, about["parameters"] | {"mask": mask}, fitted)


def _of_a_study(
    kind: str,
    seed: int,
    machine: BoltzmannMachine,
    chains: Sequence[npt.NDArray[np.uint8]],
    stage: str,
    spec: Mapping[str, Any],
) -> Saved:
    """What the file of a study tells of a machine; how many training cases it had is not known.

    Parameters
    ----------
    kind, seed, machine, chains
        As of `Saved`.
    stage : str
        That wrote the file.
    spec : dict
        Of that stage.
    """
    names = ("training", "retraining") if chains else ("training", *["retraining"] * ("training" not in spec))
    given = {name: spec[name] for name in names if isinstance(spec.get(name), dict)}
    parameters = {"n_hidden": list(machine.layer_sizes[1:]) if chains else machine.layer_sizes[1], "random_state": seed}
    parameters |= given if chains else {key: value for one in given.values() for key, value in one.items()}
    fitted = {
        "n_cases_": 0,
        "iteration_": int(spec.get("iteration", 0)),
        "is_retrained_": not stage.startswith("prune"),
        "layer_sizes_": tuple(int(units.max(initial=-1)) + 1 for units in machine.units),
        "n_features_in_": machine.layer_sizes[0],
    }
    return Saved(kind, seed, machine, chains, parameters, fitted)


def _as_fitted(name: str, value: Any) -> Any:
    """An attribute as `fit` leaves it: JSON has neither tuples nor arrays."""
    if name == "feature_names_in_":
        return np.array(value, dtype=object)
    if name == "history_":
        return [{key: tuple(part) if isinstance(part, list) else part for key, part in one.items()} for one in value]
    return tuple(value) if isinstance(value, list) else value
