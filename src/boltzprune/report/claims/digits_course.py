"""The paper's claims about its second experiment, DBMs on digits: what happens in the course of the iterations."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from boltzprune.evaluation.activity import stop_signal
from boltzprune.report.claims.claim import EACH, LOG_RANKS, RANKS, Finding, apart, claim, found, joined, positive, show
from boltzprune.report.claims.collected import NotTestable, Results
from boltzprune.report.claims.digits import FI_RULES, raw_error
from boltzprune.report.claims.statistics import above, hits, ratio_above

ORDER_OF_MAGNITUDE = 10.0
FEWEST_ITERATIONS = 3
DIP = 3


@claim(
    "digits",
    "Under heuristic FI encodings stay better than raw pixels until the weights have shrunk more than tenfold.",
    "In each seed: how many times fewer weights there are at the first iteration, of all, whose error after retraining "
    f"is not below that of raw pixels; at the last one if none is. The number is above {ORDER_OF_MAGNITUDE:g}: "
    f"{LOG_RANKS}. A seed whose error stays below to the end, and whose weights shrink less, counts against the claim "
    "when it is to be supported, and for it when it is to be contradicted; with half of the seeds like that it is not "
    "testable.",
    ("heuristic_fi",),
)
def heuristic_fi_beats_raw_pixels_for_long(results: Results, criterion: str) -> Finding:
    """How far the weights shrink before the encoding error reaches the raw baseline."""
    raw, found_factors, crossed = raw_error(results), [], []
    for _seed, course in results.digits.course(criterion, ("encoding_error", "n_weights")).groupby("seed"):
        if course["iteration"].iloc[0] == 0 and len(course) > 1:
            above_it = (course["encoding_error"] >= raw).to_numpy()
            end = int(above_it.argmax()) if above_it.any() else -1
            found_factors.append(float(course["n_weights"].iloc[0] / max(1, course["n_weights"].iloc[end])))
            crossed.append(bool(above_it.any()))
    if not found_factors:
        raise NotTestable("no encoding error along the course")
    factors = np.array(found_factors)
    is_open = ~np.array(crossed) & (factors <= ORDER_OF_MAGNITUDE)
    text = f"{show(factors)} times fewer weights; {sum(crossed)} of {len(factors)} seeds reach the error of raw pixels"
    test = ratio_above(factors, ORDER_OF_MAGNITUDE)
    farthest = 2 * np.exp(np.abs(np.log(factors / ORDER_OF_MAGNITUDE)).max())  # the highest rank, for what stays open
    at_most = np.where(is_open, ORDER_OF_MAGNITUDE * farthest, factors)
    test = replace(test, p_opposite=ratio_above(at_most, ORDER_OF_MAGNITUDE).p_opposite)
    finding = found(factors, text, "times fewer weights", test)
    if 2 * np.count_nonzero(is_open) >= len(is_open):
        reason = f"the weights shrink at most {factors.max():.3g} times and the error stays below"
        return replace(finding, reason=reason)
    return finding


@claim(
    "digits",
    "Under variance FI the performance dips after the third iteration.",
    "The encoding error after the retraining of iteration 3 is above that of iteration 2, and the rise is larger than "
    f"the one from iteration 1 to 2: {RANKS}, the first of log ratios, the second of differences; {EACH}.",
    ("variance_fi",),
)
def variance_fi_dips_after_iteration_3(results: Results, criterion: str) -> Finding:
    """Encoding errors after iterations 1, 2 and 3."""
    errors = [results.digits.after(criterion, "encoding_error", k).rename(k) for k in range(1, DIP + 1)]
    table = errors[0].to_frame().join(errors[1:], how="inner")
    first, second, third = (table[k].to_numpy() for k in range(1, DIP + 1))
    if len(table) == 0:
        raise NotTestable("no seed has all of the values compared")
    parts = {
        "ratio of error 3 to 2": ratio_above(positive(third, "the error") / positive(second, "the error")),
        "rise to 3 less rise to 2": above((third - second) - (second - first)),
    }
    text = f"errors {show(first)}, {show(second)}, {show(third)}. {apart(parts)}"
    return found(third, text, *joined(parts))


def _marks(results: Results, criterion: str, column: str) -> Iterator[tuple[int | None, bool, float]]:
    """Of each seed: first rise of the activity (or None), whether it marks the best, and the chance that it would."""
    last = results.digits.last(criterion)
    if last < FEWEST_ITERATIONS:
        raise NotTestable(f"{last} iterations are too few; at least {FEWEST_ITERATIONS}")
    rows = results.digits.course(criterion, (column, "encoding_error"))
    for _seed, course in rows[rows["iteration"] <= last].groupby("seed"):
        if course["iteration"].tolist() == list(range(last + 1)):
            rise, best = stop_signal(course[column]), int(course["encoding_error"].to_numpy().argmin())
            marking = {best, best + 1} & set(range(1, last + 1))
            yield rise, rise in marking, len(marking) / last


def _rise_marks_best_size(results: Results, criterion: str, layer: int) -> Finding:
    """A `Finding`: whether the first rise of activity falls together with the lowest encoding error."""
    marks = list(_marks(results, criterion, f"activity_{layer}"))
    if not marks:
        raise NotTestable("no seed has activity and encoding error at every iteration")
    rises, agrees, chances = zip(*marks)
    counts = Counter("none" if rise is None else str(rise) for rise in rises)
    where = ", ".join(f"{rise} ({count})" for rise, count in sorted(counts.items()))
    text = (
        f"in {sum(agrees)} of {len(agrees)} seeds, {sum(chances):.3g} expected by chance; iteration of the first rise "
    )
    text += f"(seeds): {where}; value: share of seeds"
    share = sum(agrees) / len(agrees)
    return Finding(text, share, n=len(agrees), quantity="share of seeds", comparison=hits(agrees, chances))


_RULE = (
    "The lowest encoding error (after retraining, or before pruning) is at the iteration at which the mean activity of "
    "h{} first rises or at the one before, in more seeds than by chance: exact test. Chance: the mark is drawn from "
    "all iterations with equal probability, so a seed of K iterations is a hit with 2/K, or 1/K if its lowest error is "
    "before pruning or at the last one. A seed without a rise is no hit. A study of fewer than "
    f"{FEWEST_ITERATIONS} iterations cannot tell."
)


@claim("digits", "A rise of the activity of h1 marks the best size (S1).", _RULE.format(1), FI_RULES)
def rise_of_h1_marks_best_size(results: Results, criterion: str) -> Finding:
    """First rise of the activity of h1 against the lowest error."""
    return _rise_marks_best_size(results, criterion, 1)


@claim("digits", "A rise of the activity of h2 marks the best size (S1).", _RULE.format(2), FI_RULES)
def rise_of_h2_marks_best_size(results: Results, criterion: str) -> Finding:
    """First rise of the activity of h2 against the lowest error."""
    return _rise_marks_best_size(results, criterion, 2)


CLAIMS = (
    heuristic_fi_beats_raw_pixels_for_long,
    variance_fi_dips_after_iteration_3,
    rise_of_h1_marks_best_size,
    rise_of_h2_marks_best_size,
)
