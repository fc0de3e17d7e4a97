"""THE list of pruning criteria: configuration, rules, tests, tables and legends read it.

A criterion is a function of what one weight layer shows (`Evidence`), returning a saliency per weight: high = keep. To
add one of your own without touching this file, name it in the configuration as `my_rules.py:my_criterion`.
"""

import os
import re
import reprlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from boltzprune.core.fisher import fisher_diagonal, heuristic_diagonal
from boltzprune.errors import InputError, told
from boltzprune.pruning.faults import remedy_of, unsuitable, wrong
from boltzprune.pruning.own_files import OwnFile, in_words


@dataclass(frozen=True)
class Evidence:
    """What a criterion may look at: one weight layer of one machine, and statistics of its free-running activity.

    Attributes
    ----------
    weights : (n_lower, n_upper) float32
    mask : (n_lower, n_upper) bool
        True where a weight exists.
    lower_rate, upper_rate : (n_lower,), (n_upper,) float64, in [0, 1]
        <v_i> and <h_j>.
    pair_mean : (n_lower, n_upper) float64, in [0, 1]
        <v_i h_j>.
    n_samples : int
        Samples behind the means; 0 if they are exact.
    eigenvector : (n_lower, n_upper) float64 or None
        Entries of the leading eigenvector of the FIM, oriented to a positive sum; only for criteria that need it.
    uniform_weights : (n_lower, n_upper) float64, in (0, 1)
        One random number per weight, derived from the seed.
    uniform_units : (n_upper,) float64, in (0, 1)
        One random number per upper unit.
    options : dict
        The options of section `pruning` that the criterion declares.
    """

    weights: np.ndarray
    mask: np.ndarray
    lower_rate: np.ndarray
    upper_rate: np.ndarray
    pair_mean: np.ndarray
    n_samples: int
    eigenvector: np.ndarray | None
    uniform_weights: np.ndarray
    uniform_units: np.ndarray
    options: dict


class _Watched(Evidence):
    """Evidence without an eigenvector, which knows whether somebody has looked for it."""

    has_been_asked = False

    def __getattribute__(self, field):
        if field == "eigenvector":
            object.__setattr__(self, "has_been_asked", True)
        return super().__getattribute__(field)


@dataclass(frozen=True)
class Criterion:
    """One row of the list.

    Attributes
    ----------
    saliency : callable
    label, colour, citation : str
    needs : str
        eigenvector: the leading eigenvector of the full FIM, which RBMs alone have.
    whole_units : bool
        Whether whole units go.
    zeros_go : bool
        Whether, in deep machines, all weights of saliency 0 go if they are more than the fraction.
    options : tuple of str
        Options of section `pruning` that the function reads, where the experiment has them.
    threshold : str
        Key of section `pruning` that says how the weights that go are told from those that stay.
    ties_stay : bool
        Whether, at a percentile, weights of just that saliency stay.
    files : tuple of pathlib.Path
        Of a user's own: the files whose code it is. Empty for those of the list.
    reads : frozenset of str
        Of a user's own: names of attributes in the code of the function itself.
    """

    saliency: Callable[[Evidence], np.ndarray]
    label: str
    colour: str
    citation: str
    needs: Literal["statistics", "eigenvector"] = "statistics"
    whole_units: bool = False
    zeros_go: bool = False
    options: tuple[str, ...] = ()
    threshold: Literal["threshold", "anti_fi_threshold"] = "threshold"
    ties_stay: bool = False
    files: tuple[Path, ...] = ()
    reads: frozenset[str] = frozenset()


PAPER = "Scholl, Rule & Hennig 2021"


def variance_fi(evidence):
    """Diagonal of the FIM from co-activation: p_ij (1 - p_ij), p_ij = <v_i h_j> (Eq. 4); optionally times w_ij^2."""
    diagonal = fisher_diagonal(evidence.pair_mean)
    if evidence.options.get("variance_weighting") == "squared_weight":
        return diagonal * evidence.weights.astype(np.float64) ** 2
    return diagonal


def heuristic_fi(evidence):
    """The same from rates and weight: p_ij ~ <h_j> s(logit(<v_i>) + w_ij (1 - <h_j>)) (Eq. 6)."""
    return heuristic_diagonal(evidence.weights, evidence.lower_rate, evidence.upper_rate)


def eigenvector(evidence):
    """Entry of the leading eigenvector of the full FIM: its magnitude, or the signed entry (Eq. 5)."""
    signed = evidence.options["eigenvector_entry"] == "signed"
    return evidence.eigenvector if signed else np.abs(evidence.eigenvector)


def weight_magnitude(evidence):
    """|w_ij|."""
    return np.abs(evidence.weights.astype(np.float64))


def random_weights(evidence):
    """A uniform random number for each weight."""
    return evidence.uniform_weights


def anti_fi(evidence):
    """The negative of variance FI: the most informative weights go first."""
    return -fisher_diagonal(evidence.pair_mean)


def random_units(evidence):
    """A uniform random number for each upper unit; whole units go."""
    return np.broadcast_to(evidence.uniform_units, evidence.weights.shape)


CRITERIA = {
    "variance_fi": Criterion(
        variance_fi, "Variance FI", "#0072B2", f"{PAPER}, Eq. 4", zeros_go=True, options=("variance_weighting",)
    ),
    "heuristic_fi": Criterion(heuristic_fi, "Heuristic FI", "#56B4E9", f"{PAPER}, Eq. 6", zeros_go=True),
    "eigenvector": Criterion(
        eigenvector, "FIM eigenvector", "#009E73", f"{PAPER}, Eq. 5", "eigenvector", options=("eigenvector_entry",)
    ),
    "weight_magnitude": Criterion(weight_magnitude, "Weight magnitude", "#E69F00", "Han et al. 2015"),
    "random_weights": Criterion(random_weights, "Random weights", "#CC79A7", PAPER),
    "anti_fi": Criterion(anti_fi, "Anti-FI", "#D55E00", PAPER, threshold="anti_fi_threshold", ties_stay=True),
    "random_units": Criterion(random_units, "Random units", "#5A5A5A", PAPER, whole_units=True),
}
"""Name -> criterion. Colours after Okabe & Ito, told apart with every kind of colour vision."""

OWN_COLOURS = ("#8C6D31", "#332288", "#882255", "#117733", "#AA4499")


LONGEST_NAME = 100
"""Bytes of the name of a folder that a study or a criterion is given: file systems take 255, encrypted ones 143, and
schedulers join several names to one."""


def slug(name):
    """Name of a criterion in paths: `my_rules.py:my_criterion` becomes `my_rules.my_criterion`.

    Any sign of a file's name that is no letter, no digit and not one of `._+-` becomes `_`: some have a meaning in a
    shell, in Snakemake's paths, or in the command by which an executor submits a job with this name.
    """
    if name in CRITERIA:
        return name
    file, function = name.rsplit(":", 1)
    return re.sub(r"[^\w.+-]", "_", f"{Path(file).stem}.{function}")


def resolve(name, position=0):
    """The criterion of that name, from the list or from a user's Python file.

    A user's function may carry attributes `label`, `colour`, `citation`, `needs`, `whole_units`, `zeros_go`.

    Raises
    ------
    InputError
        If there is no such criterion, file or function, or the file cannot be executed.
    """
    if name in CRITERIA:
        return CRITERIA[name]
    file, separator, function_name = name.rpartition(":")
    if not separator:
        raise InputError(f"criterion {name!r}: expected one of {', '.join(CRITERIA)}, or file.py:function")
    own = _load(name, Path(file))
    try:
        with own.in_place():
            return _row(name, _function(name, own.module, file, function_name), own, function_name, position)
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"criterion {name!r}: an attribute raised {told(error)}; expected plain values") from error


def _row(name, function, own, function_name, position):
    """The row of a user's function, from its attributes."""
    row = Criterion(
        saliency=own.calling(function),
        label=getattr(function, "label", function_name.replace("_", " ")),
        colour=getattr(function, "colour", OWN_COLOURS[position % len(OWN_COLOURS)]),
        citation=getattr(function, "citation", str(own.path)),
        needs=getattr(function, "needs", "statistics"),
        whole_units=getattr(function, "whole_units", False),
        zeros_go=getattr(function, "zeros_go", False),
        options=("eigenvector_entry",) if str(getattr(function, "needs", "")) == "eigenvector" else (),
        files=own.files(),
        reads=frozenset(getattr(getattr(function, "__code__", None), "co_names", ())),
    )
    for attribute, is_good, expected in (
        ("label", isinstance(row.label, str), "a text"),
        ("colour", bool(re.fullmatch("#[0-9A-Fa-f]{6}", str(row.colour))), "'#rrggbb'"),
        ("citation", isinstance(row.citation, str), "a text"),
        ("needs", str(row.needs) in ("statistics", "eigenvector"), "'statistics' or 'eigenvector'"),
        ("whole_units", isinstance(row.whole_units, bool), "True or False"),
        ("zeros_go", isinstance(row.zeros_go, bool), "True or False"),
    ):
        if not is_good:
            raise InputError(f"criterion {name!r}: {attribute} is {getattr(row, attribute)!r}; expected {expected}")
    return row


def _load(name, file):
    """A user's file, executed."""
    if not os.path.isfile(file) or file.suffix != ".py":
        raise InputError(f"criterion {name!r}: there is no file {file}; expected one that ends in .py")
    try:
        return OwnFile(file)
    except InputError as error:
        raise InputError(f"criterion {name!r}: {error}") from error.__cause__


def _function(name, module, file, function_name):
    """The function of a user's file; InputError for anything that cannot be a criterion."""
    found = getattr(module, function_name, None)
    problem = unsuitable(found)
    if found is None or not callable(found):
        others = ", ".join(key for key, value in vars(module).items() if unsuitable(value) is None) or "none"
        found_there = "" if found is None else f" ({function_name} is {reprlib.repr(found)})"
        raise InputError(
            f"criterion {name!r}: {file} has no function {function_name}{found_there}; expected one of that name: "
            f"correct what stands after the colon; functions there: {others}"
        )
    if problem:
        raise InputError(f"criterion {name!r}: {function_name} in {file} {problem}")
    return found


def saliency_of(criterion, name, evidence):
    """Saliency of one layer, checked.

    Returns
    -------
    (n_lower, n_upper) float64
        Finite wherever a weight exists. What is masked in a masked array is NaN.

    Raises
    ------
    InputError
        If a criterion raises, or returns another shape, other than numbers, or NaN or infinity for an existing weight.
    """
    shown = evidence if evidence.eigenvector is not None else _Watched(**vars(evidence))
    try:
        value = criterion.saliency(shown)
        is_masked = np.ma.isMaskedArray(value) and value.dtype.kind in "fiu"
        array = np.ma.filled(value.astype(np.float64), np.nan) if is_masked else np.asarray(value)
        problem = wrong(value, array, evidence.mask)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        problem = f"raised {in_words(error, criterion.files)}; expected one number per weight{remedy_of(error)}"
    if not problem:
        return array.astype(np.float64)
    if getattr(shown, "has_been_asked", False) and criterion.needs != "eigenvector":
        problem += (
            "; evidence.eigenvector is None unless the function asks for it: set needs = 'eigenvector' on it (of RBMs, "
            "which alone have it)"
        )
    raise InputError(f"criterion {name!r} {problem}")
