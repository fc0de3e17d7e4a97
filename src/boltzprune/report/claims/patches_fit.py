"""The paper's claims about the RBMs on patches of natural images: how well they match the data after pruning.

A measure from samples says nothing if the samples miss much of the data. It then decides no claim.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd

from boltzprune.evaluation.patterns import MAX_MISSING_SHARE
from boltzprune.pruning.controls import UNPRUNED
from boltzprune.report.claims.claim import (
    EACH,
    LOG_RANKS,
    Finding,
    apart,
    claim,
    found,
    joined,
    percent,
    positive,
    show,
)
from boltzprune.report.claims.collected import Courses, NotTestable, Results, pair
from boltzprune.report.claims.patches import FI_RULES
from boltzprune.report.claims.statistics import Comparison, ratio_above, ratio_below

ABOUT = 1.5
NONE_INFORMED = (
    f"Where it comes from samples that miss more than {percent(MAX_MISSING_SHARE)} of the data, it decides nothing."
)


def informed(courses: Courses, get: Callable[[str], pd.Series], column: str) -> pd.Series:
    """One number per seed, > 0, that says how far the model is from the data; NotTestable if the samples cannot tell.

    get: column -> one value per seed, of the machines in question.
    """
    is_exact = "kl_exact" in courses.metrics and courses.metrics["kl_exact"].notna().any()
    if not is_exact and (share := get("missing_share").max()) > MAX_MISSING_SHARE:
        raise NotTestable(
            f"{percent(share)} of the data are patterns that no sample shows, more than {percent(MAX_MISSING_SHARE)}: "
            f"{column} from samples says nothing"
        )
    column = {"kl": "kl_exact" if is_exact else "kl_sampled"}.get(column, column)
    return positive(get(column), column)


def _recovery(results: Results, criterion: str) -> tuple[np.ndarray, str, str]:
    """KL after the last retraining as a ratio to that of the machine compared with; in words; whose that is."""
    courses = results.patches
    iteration, initial = courses.last(criterion), informed(courses, courses.initial, "kl")
    after = informed(courses, partial(courses.after, criterion), "kl")
    text = f"KL {show(after)} nats after retraining"
    reference, name = initial, "the initial machine's"
    if courses.has_unpruned(iteration):
        reference = informed(courses, partial(courses.after, UNPRUNED, iteration=iteration), "kl")
        name = "the unpruned machine's"
        text += f", {show(reference)} of the unpruned machine trained for as many epochs"
    after, reference = pair(after, reference)
    text += f", {show(initial)} of the initial machine; ratio to {name} {show(after / reference)}"
    return after / reference, text, name


def _rescue(results: Results, criterion: str) -> np.ndarray:
    """KL after the last retraining as a ratio to the one right after that pruning."""
    courses = results.patches
    after, pruned = (
        informed(courses, partial(courses.after, criterion, phase=p), "kl") for p in ("retrained", "pruned")
    )
    return np.divide(*pair(after, pruned))


_REFERENCE = (
    "the unpruned machine's trained for as many epochs (where there is none, the initial machine's, which was trained "
    "for fewer)"
)
_KL = "After the last retraining KL(data || model), exact where it can be enumerated,"


@claim(
    "patches",
    "Retraining brings the divergence from the data back to about the initial machine's.",
    f"{_KL} is below {ABOUT:g} times {_REFERENCE}: {LOG_RANKS}. {NONE_INFORMED}",
    (*FI_RULES, "weight_magnitude"),
)
def retraining_restores(results: Results, criterion: str) -> Finding:
    """KL after the last retraining against the unpruned or the initial machine's."""
    ratio, text, name = _recovery(results, criterion)
    return found(ratio, text, f"KL, ratio to {name}", ratio_below(ratio, ABOUT))


def _joined(
    results: Results, criterion: str, against_reference: Callable[[np.ndarray], Comparison], condition: str
) -> Finding:
    """A `Finding`: KL by that comparison with the unpruned or the initial machine's, and below that after pruning."""
    ratio, text, name = _recovery(results, criterion)
    parts = {
        f"KL, ratio to {name}, {condition}": against_reference(ratio),
        "KL, ratio to right after pruning, below 1": ratio_below(_rescue(results, criterion)),
    }
    return found(ratio, f"{text}. {apart(parts)}", *joined(parts))


@claim(
    "patches",
    "Retraining brings the divergence back only partly.",
    f"{_KL} is above {_REFERENCE}, and below the one right after that pruning: {LOG_RANKS}; {EACH}. {NONE_INFORMED}",
    ("random_weights", "anti_fi"),
)
def retraining_restores_partly(results: Results, criterion: str) -> Finding:
    """KL after the last retraining against the unpruned or the initial machine's and the one right after pruning."""
    return _joined(results, criterion, ratio_above, "above 1")


@claim(
    "patches",
    "Machines that lost whole hidden units at random recover with retraining.",
    f"{_KL} is below {ABOUT:g} times {_REFERENCE}, and below the one right after that pruning: {LOG_RANKS}; {EACH}. "
    f"{NONE_INFORMED}",
    ("random_units",),
)
def random_units_recover(results: Results, criterion: str) -> Finding:
    """KL after the last retraining against the unpruned or the initial machine's and the one right after pruning."""
    return _joined(results, criterion, partial(ratio_below, bound=ABOUT), f"below {ABOUT:g}")


_ERROR = (
    "squared error of the log-probabilities (exact where they can be enumerated; every pattern of the data a point), "
    "mean over"
)


@claim(
    "patches",
    "The model's probabilities are further off for rare patterns than for frequent ones.",
    f"The {_ERROR} the rare patterns, those with a probability up to the median of all distinct patterns in the data, "
    f"is above that of the others: {LOG_RANKS}. {NONE_INFORMED}",
    ("none", *FI_RULES, "weight_magnitude", "random_weights", "anti_fi", "random_units"),
)
def errors_are_larger_for_rare_patterns(results: Results, criterion: str) -> Finding:
    """Squared error of log p over rare and frequent patterns, initial machines and those after the last retraining."""
    courses = results.patches
    get = courses.initial if criterion == "none" else partial(courses.after, criterion)
    rare, frequent = pair(*(informed(courses, get, f"error_{which}") for which in ("rare", "frequent")))
    text = f"{show(rare)} nats squared over rare patterns, {show(frequent)} over frequent ones"
    return found(rare / frequent, text, "ratio of errors, rare to frequent", ratio_above(rare / frequent))


@claim(
    "patches",
    "After pruning random weights or by Anti-FI the model matches the data worse, frequent patterns included.",
    f"After the last retraining the {_ERROR} the frequent patterns, is above that under each Fisher information "
    f"criterion and under weight magnitude: {LOG_RANKS}; {EACH}. {NONE_INFORMED}",
    ("random_weights", "anti_fi"),
)
def wrong_pruning_misses_frequent_patterns(results: Results, criterion: str) -> Finding:
    """Squared error of log p over frequent patterns against the criteria that keep what matters."""
    courses = results.patches
    mine = informed(courses, partial(courses.after, criterion), "error_frequent")
    parts = {}
    for name in (*FI_RULES, "weight_magnitude"):
        other = informed(courses, partial(courses.after, name), "error_frequent")
        parts[f"ratio of errors to {name}"] = ratio_above(np.divide(*pair(mine, other)))
    return found(mine, f"{show(mine)} nats squared over frequent patterns. {apart(parts)}", *joined(parts))


CLAIMS = (
    retraining_restores,
    retraining_restores_partly,
    random_units_recover,
    errors_are_larger_for_rare_patterns,
    wrong_pruning_misses_frequent_patterns,
)
