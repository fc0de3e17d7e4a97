"""The paper's claims about its second experiment, DBMs on digits: what their encodings are worth."""

import numpy as np

from boltzprune.report.claims.claim import EACH, LOG_RANKS, RANKS, Finding, apart, claim, found, joined, positive, show
from boltzprune.report.claims.collected import NotTestable, Results, pair
from boltzprune.report.claims.statistics import above, below, ratio_above, ratio_below

ABOUT = 1.5
COLLAPSE = 2.0
NEAR_CHANCE = 2.0
FI_RULES = ("variance_fi", "heuristic_fi")
RANDOM = ("random_weights", "random_units")


def raw_error(results: Results) -> float:
    """Test error of the classifier on raw pixels of the machines' training images."""
    table = results.table("digits_references")
    error = table.loc[table["reference"] == "raw", "error"].dropna()
    if len(error) == 0:
        raise NotTestable("there is no baseline of raw pixels")
    return float(error.iloc[0])


def n_classes(results: Results) -> int:
    """How many classes the data have."""
    return results.table("digits_classes")["digit"].nunique()


def _error_ratio(
    results: Results, criterion: str, iteration: int | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Encoding error after an iteration and initially, and their ratio."""
    courses = results.digits
    after, before = pair(courses.after(criterion, "encoding_error", iteration), courses.initial("encoding_error"))
    return after, before, positive(after, "the error") / positive(before, "the initial error")


@claim(
    "digits",
    "Before pruning, encodings in h2 are classified better than raw pixels.",
    f"The test error of the initial machines' encodings is below that of raw pixels: {RANKS}, of differences.",
)
def encodings_beat_raw_pixels(results: Results, _: str) -> Finding:
    """Encoding error of the initial machines against the raw baseline."""
    raw, error = raw_error(results), results.digits.initial("encoding_error")
    return found(error, f"error {show(error)}, raw pixels {raw:.3g}", "difference in error", below(error - raw))


@claim(
    "digits",
    "Pruning by weight magnitude keeps the encoding error low.",
    f"After the last retraining the error is below {ABOUT:g} times the initial one: {LOG_RANKS}.",
    ("weight_magnitude",),
)
def weight_magnitude_keeps_error_low(results: Results, criterion: str) -> Finding:
    """Encoding error after the last retraining against the initial one."""
    after, before, ratio = _error_ratio(results, criterion)
    text = f"error {show(after)} at the end, {show(before)} initially"
    return found(after, text, "ratio to the initial error", ratio_below(ratio, ABOUT))


@claim(
    "digits",
    "Under Anti-FI the encoding collapses with the first pruning.",
    f"After the first iteration's retraining the error is above {COLLAPSE:g} times the initial one: {LOG_RANKS}.",
    ("anti_fi",),
)
def anti_fi_collapses(results: Results, criterion: str) -> Finding:
    """Encoding error after the first iteration against the initial one."""
    after, before, ratio = _error_ratio(results, criterion, 1)
    text = f"error {show(after)} after iteration 1, {show(before)} initially"
    return found(after, text, "ratio to the initial error", ratio_above(ratio, COLLAPSE))


@claim(
    "digits",
    "Under Anti-FI the encoding ends near or below chance.",
    f"The share of test images classified rightly after the last retraining is below {NEAR_CHANCE:g} times chance (one "
    f"over the number of classes in the data): {RANKS}, of differences.",
    ("anti_fi",),
)
def anti_fi_ends_near_chance(results: Results, criterion: str) -> Finding:
    """Accuracy after the last retraining against chance."""
    accuracy, chance = 1 - results.digits.after(criterion, "encoding_error"), 1 / n_classes(results)
    text = f"right {show(accuracy)}, chance {chance:.3g}"
    return found(accuracy, text, "share classified rightly", below(accuracy, NEAR_CHANCE * chance))


@claim(
    "digits",
    "Removing random weights or units quickly ruins the encoding.",
    "After half of the iterations (rounded up) the error after retraining is above that of raw pixels, so that the "
    f"encoding is of no use any more: {RANKS}, of differences.",
    RANDOM,
)
def random_pruning_ruins_the_encoding(results: Results, criterion: str) -> Finding:
    """Encoding error half way against the raw baseline."""
    courses, raw = results.digits, raw_error(results)
    iteration = -(-courses.last(criterion) // 2)
    error = courses.after(criterion, "encoding_error", iteration)
    text = f"error {show(error)} after iteration {iteration}, raw pixels {raw:.3g}"
    return found(error, text, "difference in error", above(error - raw))


@claim(
    "digits",
    "Removing random units removes too much of h1 for the encoding to remain useful.",
    "After the last iteration fewer units of h1 remain than under each Fisher information criterion, and the error "
    f"after retraining is above that of raw pixels: {RANKS}, of differences; {EACH}.",
    ("random_units",),
)
def random_units_remove_too_much_of_h1(results: Results, criterion: str) -> Finding:
    """Units of h1 against the FI rules, and the error against the raw baseline."""
    courses, raw = results.digits, raw_error(results)
    error, mine = courses.after(criterion, "encoding_error"), courses.after(criterion, "n_units_1")
    parts = {f"error less that of raw pixels ({raw:.3g})": above(error - raw)}
    for name in FI_RULES:
        parts[f"units of h1 less those under {name}"] = below(
            np.subtract(*pair(mine, courses.after(name, "n_units_1")))
        )
    text = f"{show(mine)} units of h1 remain, error {show(error)}. {apart(parts)}"
    return found(mine, text, *joined(parts))


CLAIMS = (
    encodings_beat_raw_pixels,
    weight_magnitude_keeps_error_low,
    anti_fi_collapses,
    anti_fi_ends_near_chance,
    random_pruning_ruins_the_encoding,
    random_units_remove_too_much_of_h1,
)
