"""The paper's claims about its second experiment, DBMs on digits: the free-running machine."""

from collections.abc import Sequence

import numpy as np

from boltzprune.report.claims.claim import EACH, RANKS, SIGNS, Finding, apart, claim, found, joined, percent, show
from boltzprune.report.claims.collected import NotTestable, Results, pair
from boltzprune.report.claims.digits import FI_RULES, RANDOM, n_classes
from boltzprune.report.claims.statistics import above, share

ACTIVITY = {1: (0.37, 0.43), 2: (0.0006, 0.018)}
SHARES, CLASSES = (0.07, 0.18), 10
OTHERS = ("weight_magnitude", *RANDOM, "anti_fi")
_ACTIVITY = f"The mean activity of {{}} lies between {{:g}} and {{:g}} in more than half of the seeds: {SIGNS}."


def _activity_at_start(results: Results, layer: int) -> Finding:
    """A `Finding`: mean activity of a layer of the initial machines."""
    values, (low, high) = results.digits.initial(f"activity_{layer}"), ACTIVITY[layer]
    text = f"mean activity of h{layer} {show(values)}, range {values.min():.3g} to {values.max():.3g}"
    return found(values, text, "share of seeds in that range", share(values.between(low, high)))


@claim(
    "digits",
    "Before pruning a unit of h1 is active in 37 to 43 % of samples, on average.",
    _ACTIVITY.format("h1", *ACTIVITY[1]),
)
def h1_activity_at_start(results: Results, _: str) -> Finding:
    """Mean activity of h1 of the initial machines."""
    return _activity_at_start(results, 1)


@claim(
    "digits",
    "Before pruning a unit of h2 is active in 0.06 to 1.8 % of samples, on average.",
    _ACTIVITY.format("h2", *ACTIVITY[2]),
)
def h2_activity_at_start(results: Results, _: str) -> Finding:
    """Mean activity of h2 of the initial machines."""
    return _activity_at_start(results, 2)


@claim(
    "digits",
    "Digits generated before pruning spread over all classes, 7 to 18 % in each.",
    f"The share of every class among the samples lies between {percent(SHARES[0])} and {percent(SHARES[1])} in more "
    f"than half of the seeds: {SIGNS}. The range is one of {CLASSES} classes.",
)
def generated_digits_spread_over_classes(results: Results, _: str) -> Finding:
    """Smallest and largest class share of each initial machine."""
    table = results.table("digits_classes")
    shares = table.loc[table["phase"] == "initial"].dropna(subset="share").groupby("seed")["share"]
    if len(shares) == 0:
        raise NotTestable("no class shares of the initial machines")
    if (n := n_classes(results)) != CLASSES:
        raise NotTestable(f"the data have {n} classes, and the range is one of {CLASSES}")
    low, high = shares.min(), shares.max()
    text = f"shares {percent(low.min())} to {percent(high.max())}; value: largest share of a seed"
    inside = (low >= SHARES[0]) & (high <= SHARES[1])
    return found(high, text, "share of seeds in that range", share(inside))


def _falls_most(results: Results, criterion: str, column: str, others: Sequence[str]) -> Finding:
    """A `Finding`: a score after the last retraining is below the initial one and that of each other criterion."""
    courses = results.digits
    mine, initial = courses.after(criterion, column), courses.initial(column)
    rest = {name: courses.after(name, column) for name in others}
    parts = {"less than initially by": above(np.subtract(*pair(initial, mine)))}
    for name, other in rest.items():
        parts[f"less than under {name} ({np.median(other):.3g}) by"] = above(np.subtract(*pair(other, mine)))
    last, first = pair(mine, initial)
    text = f"{show(first)} initially, {show(last)} at the end. {apart(parts)}; value: fall"
    return found(first - last, text, *joined(parts))


@claim(
    "digits",
    "The quality of generated digits falls most under Anti-FI.",
    "After the last retraining the mean winning probability is below the initial one and below that of each other "
    f"criterion: {RANKS}, of differences; {EACH}.",
    ("anti_fi",),
)
def quality_falls_most_under_anti_fi(results: Results, criterion: str) -> Finding:
    """Quality of Anti-FI against all others."""
    return _falls_most(results, criterion, "quality_mean", (*FI_RULES, "weight_magnitude", *RANDOM))


@claim(
    "digits",
    "After Anti-FI, the quality of generated digits falls most under random pruning.",
    "After the last retraining the mean winning probability is below the initial one and below that of each FI rule "
    f"and of weight magnitude: {RANKS}, of differences; {EACH}.",
    RANDOM,
)
def quality_falls_next_under_random_pruning(results: Results, criterion: str) -> Finding:
    """Quality of random pruning against the FI rules and weight magnitude."""
    return _falls_most(results, criterion, "quality_mean", (*FI_RULES, "weight_magnitude"))


@claim(
    "digits",
    "The diversity of generated digits falls most under Fisher information.",
    "After the last retraining the diversity is below the initial one and below that of each criterion without Fisher "
    f"information and of Anti-FI: {RANKS}, of differences; {EACH}.",
    FI_RULES,
)
def diversity_falls_most_under_fisher(results: Results, criterion: str) -> Finding:
    """Diversity of the FI rules against the others."""
    return _falls_most(results, criterion, "diversity", OTHERS)


CLAIMS = (
    h1_activity_at_start,
    h2_activity_at_start,
    generated_digits_spread_over_classes,
    quality_falls_most_under_anti_fi,
    quality_falls_next_under_random_pruning,
    diversity_falls_most_under_fisher,
)
