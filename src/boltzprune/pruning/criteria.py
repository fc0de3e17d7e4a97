"""THE list of pruning criteria: configuration, rules, tests, tables and legends read it.

A criterion is a function of what one weight layer shows (`Evidence`), returning a saliency per weight: high = keep. One
for everybody is a function here and a row in `CRITERIA`, and nothing elsewhere. To add one of your own without touching
this file, name it in the configuration as `my_rules.py:my_criterion` (see `own_criteria`).
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt

from boltzprune.core.fisher import deletion_cost as exact_deletion_cost
from boltzprune.core.fisher import fisher_diagonal, heuristic_diagonal
from boltzprune.errors import InputError
from boltzprune.pruning.faults import problem_of, remedy_for
from boltzprune.pruning.own_criteria import criterion_of, own_criterion
from boltzprune.pruning.own_files import in_words


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

    Examples
    --------
    >>> import numpy as np
    >>> def silent_first(evidence):
    ...     return np.broadcast_to(evidence.upper_rate, evidence.weights.shape)

    is a criterion: give it to `boltzprune.prune`, or to the method `prune` of an estimator.
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
    options: dict[str, Any]


@dataclass(frozen=True)
class Criterion:
    """One row of the list: the rule, and how it looks in figures and tables.

    Attributes
    ----------
    saliency : callable
        The rule: Evidence -> (n_lower, n_upper) saliencies, high = keep.
    label, colour, citation : str
        What the criterion is called in legends and tables, "#RRGGBB", and where the rule is from.
    needs : str
        eigenvector: the leading eigenvector of the full FIM, which RBMs alone have.
    whole_units : bool
        Whether whole units go, those of the lowest mean saliency, instead of weights.
    zeros_go : bool
        Whether, in the digits, all weights of saliency 0 go if they are more than the fraction.
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


def variance_fi(evidence: Evidence) -> np.ndarray:
    """Diagonal of the FIM from co-activation: p_ij (1 - p_ij), p_ij = <v_i h_j> (Eq. 4); optionally times w_ij^2."""
    diagonal = fisher_diagonal(evidence.pair_mean)
    if evidence.options.get("variance_weighting") == "squared_weight":
        return diagonal * evidence.weights.astype(np.float64) ** 2
    return diagonal


def heuristic_fi(evidence: Evidence) -> np.ndarray:
    """The same from rates and weight: p_ij ~ <h_j> s(logit(<v_i>) + w_ij (1 - <h_j>)) (Eq. 6)."""
    return heuristic_diagonal(evidence.weights, evidence.lower_rate, evidence.upper_rate)


def eigenvector(evidence: Evidence) -> np.ndarray:
    """Entry of the leading eigenvector of the full FIM: its magnitude, or the signed entry (Eq. 5)."""
    signed = evidence.options["eigenvector_entry"] == "signed"
    entries = cast(np.ndarray, evidence.eigenvector)  # this criterion asks for it
    return entries if signed else np.abs(entries)


def weight_magnitude(evidence: Evidence) -> np.ndarray:
    """|w_ij|."""
    return np.abs(evidence.weights.astype(np.float64))


def random_weights(evidence: Evidence) -> np.ndarray:
    """A uniform random number for each weight."""
    return evidence.uniform_weights


def anti_fi(evidence: Evidence) -> np.ndarray:
    """The negative of variance FI: the most informative weights go first."""
    return -fisher_diagonal(evidence.pair_mean)


def random_units(evidence: Evidence) -> np.ndarray:
    """A uniform random number for each upper unit; whole units go."""
    return np.broadcast_to(evidence.uniform_units, evidence.weights.shape)


def deletion_cost(evidence: Evidence) -> np.ndarray:
    """KL(P || P without w_ij), exactly: w p + log(1 - p + p exp(-w)), p = <v_i h_j>."""
    return exact_deletion_cost(evidence.weights, evidence.pair_mean)


def obd(evidence: Evidence) -> np.ndarray:
    """The second order of the deletion cost: F w^2 / 2, F = p (1 - p), p = <v_i h_j>."""
    return fisher_diagonal(evidence.pair_mean) * evidence.weights.astype(np.float64) ** 2 / 2


def variance_fi_of_units(evidence: Evidence) -> np.ndarray:
    """For each upper unit the sum of the variance FI of its weights; whole units go."""
    return _summed(fisher_diagonal(evidence.pair_mean), evidence.mask)


def deletion_cost_of_units(evidence: Evidence) -> np.ndarray:
    """For each upper unit the sum of the deletion costs of its weights; whole units go."""
    return _summed(exact_deletion_cost(evidence.weights, evidence.pair_mean), evidence.mask)


def _summed(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """For each weight the sum over the weights to the same upper unit, rounded once whatever the order of the units."""
    sums = [math.fsum(column[exists]) for column, exists in zip(values.T, mask.T)]
    return np.broadcast_to(np.array(sums, dtype=np.float64), values.shape)


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
    "deletion_cost": Criterion(deletion_cost, "Deletion cost", "#6A3D9A", "exact; derived here", zeros_go=True),
    "obd": Criterion(obd, "Optimal brain damage", "#B39DDB", "LeCun, Denker & Solla 1990", zeros_go=True),
    "variance_fi_of_units": Criterion(
        variance_fi_of_units, "Variance FI of units", "#003A57", "sum of Eq. 4", whole_units=True
    ),
    "deletion_cost_of_units": Criterion(
        deletion_cost_of_units, "Deletion cost of units", "#8C2D04", "sum over a unit", whole_units=True
    ),
}
"""Name -> criterion. Colours after Okabe & Ito, told apart with every kind of colour vision."""

LONGEST_NAME = 100
"""Bytes of the name of a folder that a study or a criterion is given: file systems take 255, encrypted ones 143, and
schedulers join several names to one."""


def slug(name: str) -> str:
    """Name of a criterion in paths: `my_rules.py:my_criterion` becomes `my_rules.my_criterion`.

    Any sign of a file's name that is no letter, no digit and not one of `._+-` becomes `_`: some have a meaning in a
    shell, in Snakemake's paths, or in the command by which an executor submits a job with this name.
    """
    if name in CRITERIA:
        return name
    file, function = name.rsplit(":", 1)
    return re.sub(r"[^\w.+-]", "_", f"{Path(file).stem}.{function}")


def resolve(name: str | Callable[[Evidence], np.ndarray], position: int = 0) -> Criterion:
    """The criterion of that name in the configuration, from the list or from a user's Python file.

    Parameters
    ----------
    name : str or callable
        A function of the running program stands for itself.
    position : int
        Among the criteria of a user's own in the study: which of their colours it has, if it names none.

    Returns
    -------
    Criterion

    Raises
    ------
    InputError
        If there is no such criterion, file or function, or the file cannot be executed.
    """
    if not isinstance(name, str):
        return Criterion(**criterion_of(name))
    if name in CRITERIA:
        return CRITERIA[name]
    if ":" not in name:
        raise InputError(f"criterion {name!r}: expected one of {', '.join(CRITERIA)}, or file.py:function")
    return Criterion(**own_criterion(name, position))


class _Watched(Evidence):
    """Evidence without an eigenvector, which knows whether somebody has looked for it."""

    has_been_asked = False

    def __getattribute__(self, field: str) -> Any:
        if field == "eigenvector":
            object.__setattr__(self, "has_been_asked", True)
        return super().__getattribute__(field)


# The type in quotes is no name that this function reads: so a digest of a criterion has none of how criteria look.
def saliency_of(criterion: "Criterion", name: str, evidence: Evidence) -> npt.NDArray[np.float64]:
    """Saliency of one layer, checked.

    Parameters
    ----------
    criterion : Criterion
    name : str
        Of the criterion, for messages.
    evidence : Evidence

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
        problem = problem_of(value, array, evidence.mask)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        problem = f"raised {in_words(error, criterion.files)}; expected one number per weight{remedy_for(error)}"
    if not problem:
        return array.astype(np.float64)
    if getattr(shown, "has_been_asked", False) and criterion.needs != "eigenvector":
        problem += (
            "; evidence.eigenvector is None unless the function asks for it: set needs = 'eigenvector' on it (of RBMs, "
            "which alone have it)"
        )
    raise InputError(f"criterion {name!r} {problem}")
