"""The paper's claims about its second experiment, DBMs on digits: the free-running machine."""

from collections import Counter

import numpy as np

from boltzprune.claims.claim import DIFFERENCES, Finding, claim, found, percent, show
from boltzprune.claims.collected import NotTestable, pair
from boltzprune.claims.statistics import compare, every
from boltzprune.evaluation.activity import stop_signal

ACTIVITY = {1: (0.37, 0.43), 2: (0.0006, 0.018)}
SHARES = (0.07, 0.18)
FEWEST_ITERATIONS = 3
FI_RULES = ("variance_fi", "heuristic_fi")
RANDOM = ("random_weights", "random_units")
OTHERS = ("weight_magnitude", *RANDOM, "anti_fi")


def _within(values, bounds, what):
    """A `Finding`: whether every value lies within bounds, both included."""
    low, high = float(np.min(values)), float(np.max(values))
    holds = bounds[0] <= low and high <= bounds[1]
    return found(values, f"{what} {low:.3g} to {high:.3g}", holds=bool(holds))


def _activity_at_start(results, layer):
    """A `Finding`: mean activity of a layer of the initial machines."""
    values = results.digits.initial(f"activity_{layer}")
    return _within(values, ACTIVITY[layer], f"mean activity of h{layer} {show(values)}, range")


@claim(
    "digits",
    "Before pruning a unit of h1 is active in 37 to 43 % of samples, on average.",
    f"The mean activity of h1 lies between {ACTIVITY[1][0]:g} and {ACTIVITY[1][1]:g} in every seed.",
)
def h1_activity_at_start(results, _):
    """Mean activity of h1 of the initial machines."""
    return _activity_at_start(results, 1)


@claim(
    "digits",
    "Before pruning a unit of h2 is active in 0.06 to 1.8 % of samples, on average.",
    f"The mean activity of h2 lies between {ACTIVITY[2][0]:g} and {ACTIVITY[2][1]:g} in every seed.",
)
def h2_activity_at_start(results, _):
    """Mean activity of h2 of the initial machines."""
    return _activity_at_start(results, 2)


@claim(
    "digits",
    "Digits generated before pruning spread over all classes, 7 to 18 % in each.",
    f"In every seed the share of every class among the samples lies between {percent(SHARES[0])} and "
    f"{percent(SHARES[1])}.",
)
def generated_digits_spread_over_classes(results, _):
    """Smallest and largest class share of each initial machine."""
    table = results.table("digits_classes")
    shares = table.loc[table["phase"] == "initial"].dropna(subset="share")
    if len(shares) == 0:
        raise NotTestable("no class shares of the initial machines")
    low, high = shares["share"].min(), shares["share"].max()
    holds = SHARES[0] <= low and high <= SHARES[1]
    per_seed = shares.groupby("seed")["share"].max()
    text = f"shares {percent(low)} to {percent(high)}; value: largest share of a seed"
    return found(per_seed, text, holds=bool(holds))


def _falls_most(results, criterion, column, others):
    """A `Finding`: a score after the last retraining is below the initial one and that of each other criterion."""
    chains = results.digits
    mine, initial = chains.after(criterion, column), chains.initial(column)
    rest = {name: chains.after(name, column) for name in others}
    comparison = every([compare(np.subtract(*pair(other, mine))) for other in (initial, *rest.values())])
    last, first = pair(mine, initial)
    text = f"{show(first)} initially, {show(last)} at the end; "
    text += ", ".join(f"{name} {np.median(other):.3g}" for name, other in rest.items())
    return found(first - last, f"{text}; value: fall", comparison=comparison)


@claim(
    "digits",
    "The quality of generated digits falls most under Anti-FI.",
    "After the last retraining the mean winning probability is below the initial one and below that of each other "
    f"criterion: each {DIFFERENCES}; the largest p-value counts.",
    ("anti_fi",),
)
def quality_falls_most_under_anti_fi(results, criterion):
    """Quality of Anti-FI against all others."""
    return _falls_most(results, criterion, "quality_mean", (*FI_RULES, "weight_magnitude", *RANDOM))


@claim(
    "digits",
    "After Anti-FI, the quality of generated digits falls most under random pruning.",
    "After the last retraining the mean winning probability is below the initial one and below that of each FI rule "
    f"and of weight magnitude: each {DIFFERENCES}; the largest p-value counts.",
    RANDOM,
)
def quality_falls_next_under_random_pruning(results, criterion):
    """Quality of random pruning against the FI rules and weight magnitude."""
    return _falls_most(results, criterion, "quality_mean", (*FI_RULES, "weight_magnitude"))


@claim(
    "digits",
    "The diversity of generated digits falls most under Fisher information.",
    "After the last retraining the diversity is below the initial one and below that of each criterion without Fisher "
    f"information and of Anti-FI: each {DIFFERENCES}; the largest p-value counts.",
    FI_RULES,
)
def diversity_falls_most_under_fisher(results, criterion):
    """Diversity of the FI rules against the others."""
    return _falls_most(results, criterion, "diversity", OTHERS)


def _rise_marks_best_size(results, criterion, layer):
    """A `Finding`: whether the first rise of activity falls together with the lowest encoding error."""
    chains, column = results.digits, f"activity_{layer}"
    last, metrics = chains.last(criterion), chains.metrics
    if last < FEWEST_ITERATIONS:
        raise NotTestable(f"{last} iterations are too few; at least {FEWEST_ITERATIONS}")
    for needed in (column, "encoding_error"):
        chains.initial(needed)
    rows = metrics[(metrics["phase"] == "initial") | (metrics["phase"] == "retrained")]
    rows = rows[rows["criterion"].isin([criterion, "none"]) & (rows["iteration"] <= last)]
    rows = rows.dropna(subset=[column, "encoding_error"]).sort_values("iteration")
    hits, rises = [], []
    for _seed, chain in rows.groupby("seed"):
        if chain["iteration"].tolist() == list(range(last + 1)):
            rise, best = stop_signal(chain[column]), int(chain["encoding_error"].to_numpy().argmin())
            rises.append(rise)
            hits.append(rise is not None and best in (rise - 1, rise))
    if not hits:
        raise NotTestable("no seed has activity and encoding error at every iteration")
    counts = Counter("none" if rise is None else str(rise) for rise in rises)
    where = ", ".join(f"{rise} ({count})" for rise, count in sorted(counts.items()))
    text = f"in {sum(hits)} of {len(hits)} seeds; iteration of the first rise (seeds): {where}"
    share = sum(hits) / len(hits)
    return Finding(f"{text}; value: share of seeds", share, n=len(hits), holds=share > 0.5)


_RULE = (
    "In more than half of the seeds the lowest encoding error (after retraining, or before pruning) is at the "
    "iteration at which the mean activity of h{} first rises or at the one before. A study of fewer than "
    f"{FEWEST_ITERATIONS} iterations cannot tell."
)


@claim("digits", "A rise of the activity of h1 marks the best size (S1).", _RULE.format(1), FI_RULES)
def rise_of_h1_marks_best_size(results, criterion):
    """First rise of the activity of h1 against the lowest error."""
    return _rise_marks_best_size(results, criterion, 1)


@claim("digits", "A rise of the activity of h2 marks the best size (S1).", _RULE.format(2), FI_RULES)
def rise_of_h2_marks_best_size(results, criterion):
    """First rise of the activity of h2 against the lowest error."""
    return _rise_marks_best_size(results, criterion, 2)


CLAIMS = (
    h1_activity_at_start,
    h2_activity_at_start,
    generated_digits_spread_over_classes,
    quality_falls_most_under_anti_fi,
    quality_falls_next_under_random_pruning,
    diversity_falls_most_under_fisher,
    rise_of_h1_marks_best_size,
    rise_of_h2_marks_best_size,
)
