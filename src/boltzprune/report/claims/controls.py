"""Claims of this project, not of the paper: what a pruned architecture is worth without the weights that were kept.

They are about the controls rewind and scratch (see `pruning.controls`) of whatever criteria a study has, its own
included. A study without these controls has none of these claims.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial

import pandas as pd

from boltzprune.pruning.controls import ANEW, UNPRUNED
from boltzprune.report.claims.claim import (
    EACH,
    LOG_RANKS,
    OF_CONTROLS,
    Claim,
    Finding,
    Measure,
    apart,
    found,
    joined,
    positive,
    show,
)
from boltzprune.report.claims.collected import Courses, NotTestable, Results, pair
from boltzprune.report.claims.patches_fit import NONE_INFORMED, informed
from boltzprune.report.claims.statistics import ratio_below

RANDOM = ("random_weights", "random_units")
REWIND, SCRATCH = ANEW
BETTER_THAN_CHANCE = "architecture_is_better_than_chance"
Far = Callable[..., pd.Series]
"""(criterion, phase) -> how far a machine is from what is wanted, one number per seed, after the last iteration."""


def _divergence(results: Results) -> Far:
    """KL(data || model) on the patches."""
    courses = results.patches

    def far(criterion: str, phase: str) -> pd.Series:
        return informed(courses, partial(courses.after, criterion, phase=phase), "kl")

    return far


def _encoding_error(results: Results) -> Far:
    """Encoding error on the digits, after all iterations, whatever figures show."""
    courses = Courses(results.digits.metrics)

    def far(criterion: str, phase: str) -> pd.Series:
        return positive(courses.after(criterion, "encoding_error", phase=phase), "the error")

    return far


def _ratio(measure: Callable[[Results], Far], phases: tuple[str, str], results: Results, criterion: str) -> Finding:
    """A `Finding`: the measure in one phase as a ratio to that in another, or of the unpruned machine, below 1."""
    far = measure(results)
    numbers = (far(UNPRUNED, "retrained") if phase == UNPRUNED else far(criterion, phase) for phase in phases)
    first, second = pair(*numbers)
    text = f"{phases[0]} {show(first)}, {phases[1]} {show(second)}; ratio {show(first / second)}"
    return found(first / second, text, f"ratio of {phases[0]} to {phases[1]}", ratio_below(first / second))


def _than_chance(measure: Callable[[Results], Far], results: Results, criterion: str) -> Finding:
    """A `Finding`: the measure from scratch as a ratio to that of each random criterion of the study, below 1."""
    far, ratios, told = measure(results), {}, []
    mine = far(criterion, SCRATCH)
    for name in RANDOM:
        try:
            other = far(name, SCRATCH)
        except NotTestable:
            continue
        first, second = pair(mine, other)
        ratios[f"ratio to {name}"] = first / second
        told.append(f"{name} {show(second)}")
    if not ratios:
        raise NotTestable(f"no control scratch of {' or '.join(RANDOM)} to compare with")
    parts = {name: ratio_below(ratio) for name, ratio in ratios.items()}
    return found(mine, f"{show(mine)}; {', '.join(told)}. {apart(parts)}", *joined(parts))


_ABOUT = {
    "patches": (
        "KL(data || model), exact where it can be enumerated,",
        _divergence,
        f" {NONE_INFORMED}",
    ),
    "digits": ("the encoding error", _encoding_error, ""),
}
"""Experiment -> what is measured, in words and as a function, and what else the rule says."""


def _claims(experiment: str) -> Iterator[tuple[tuple[str, ...], Claim]]:
    """The claims about one experiment, without criteria, each with the controls that it needs."""
    what, measure, more = _ABOUT[experiment]
    start = f"After the last iteration {what} of the architecture trained"

    def one(name: str, statement: str, rule: str, how: Measure) -> Claim:
        return Claim(f"{name}_{experiment}", experiment, statement, f"{start} {rule}.{more}", how, origin=OF_CONTROLS)

    yield (
        (SCRATCH,),
        one(
            "architecture_is_worth_more",
            "The architecture that is left is worth more than the weights that were kept.",
            "from scratch, with other first weights, for as many epochs is below that of the pruned machine after its "
            f"retraining: {LOG_RANKS}",
            partial(_ratio, measure, (SCRATCH, "retrained")),
        ),
    )
    yield (
        (REWIND,),
        one(
            "first_weights_do_better",
            "The architecture does better with the weights that the machine began with than with those that were kept.",
            "from its first weights again, for as many epochs, is below that of the pruned machine after its "
            f"retraining: {LOG_RANKS}",
            partial(_ratio, measure, (REWIND, "retrained")),
        ),
    )
    yield (
        ANEW,
        one(
            "first_weights_suit_the_architecture",
            "The weights that the machine began with suit the architecture better than others do (a winning ticket).",
            f"from its first weights again is below that of the architecture trained from scratch: {LOG_RANKS}",
            partial(_ratio, measure, (REWIND, SCRATCH)),
        ),
    )
    yield (
        (SCRATCH,),
        one(
            "architecture_does_better_than_the_whole",
            "The architecture does better than the whole machine.",
            "from scratch, with other first weights, is below that of the unpruned machine trained for as many epochs: "
            f"{LOG_RANKS}",
            partial(_ratio, measure, (SCRATCH, UNPRUNED)),
        ),
    )
    yield (
        (SCRATCH,),
        one(
            BETTER_THAN_CHANCE,
            "The criterion finds a better architecture than pruning at random does.",
            "from scratch is below that of the architecture, trained from scratch, that pruning random weights leaves, "
            f"and of that which pruning random units leaves, as far as the study has them: {LOG_RANKS}; {EACH}",
            partial(_than_chance, measure),
        ),
    )


def claims_of(results: Results, criteria: Sequence[str]) -> tuple[Claim, ...]:
    """The claims that a study has by the controls in its tables, each for those of its criteria that have them.

    Parameters
    ----------
    results : collected.Results
    criteria : sequence of str
        In the order wanted.
    """
    claims = []
    for table, experiment in (("metrics", "patches"), ("digits_metrics", "digits")):
        rows = results.tables[table] if table in results.tables else pd.DataFrame({"criterion": [], "phase": []})
        phases = {name: set(rows.loc[rows["criterion"] == name, "phase"]) for name in criteria}
        for needed, claim in _claims(experiment):
            left_out = RANDOM if claim.name.startswith(BETTER_THAN_CHANCE) else ()
            have = [name for name, found in phases.items() if found >= {*needed} and name not in left_out]
            claims += [replace(claim, criteria=tuple(have))] if have else []
    return tuple(claims)
