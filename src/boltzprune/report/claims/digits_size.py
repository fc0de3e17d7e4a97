"""The paper's claims about its second experiment, DBMs on digits: which weights, units and pixels go."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from boltzprune.report.claims.claim import (
    EACH,
    LOG_RANKS,
    RANKS,
    SIGNS,
    Finding,
    apart,
    claim,
    found,
    joined,
    percent,
    positive,
    show,
)
from boltzprune.report.claims.collected import NotTestable, Results, pair
from boltzprune.report.claims.digits import ABOUT, FI_RULES
from boltzprune.report.claims.statistics import above, below, every, ratio_above, ratio_below, share

ALMOST_NO_UNIT = 0.01
PRESCRIBED, TOLERANCE = 0.1, 0.02
FEW, MANY = 6, 10
"""Iterations of the FI rules, and of the others, after which the paper finds as many weights."""


def _units(get: Callable[[str], pd.Series]) -> pd.Series:
    """Units of h1 and h2 together, by seed."""
    return get("n_units_1") + get("n_units_2")


def _lost_units(results: Results, criterion: str) -> tuple[np.ndarray, np.ndarray]:
    """Units of h1 and h2 that are gone after the last iteration, and those there were."""
    courses = results.digits
    left, before = pair(_units(lambda column: courses.after(criterion, column)), _units(courses.initial))
    return before - left, before


@claim(
    "digits",
    "Pruning by weight magnitude disconnects almost no hidden unit.",
    f"The share of hidden units lost after the last iteration is below {percent(ALMOST_NO_UNIT)}: {RANKS}.",
    ("weight_magnitude",),
)
def weight_magnitude_keeps_units(results: Results, criterion: str) -> Finding:
    """Share of the units of h1 and h2 that are gone at the end."""
    lost, before = _lost_units(results, criterion)
    text = f"{show(lost)} of {np.median(before):g} units lost"
    return found(lost / before, text, "share of units lost", below(lost / before, ALMOST_NO_UNIT))


@claim(
    "digits",
    "Removing random weights disconnects no hidden unit.",
    f"After the last iteration no unit of h1 or h2 is gone, in more than half of the seeds: {SIGNS}.",
    ("random_weights",),
)
def random_weights_keep_units(results: Results, criterion: str) -> Finding:
    """Whether all units of h1 and h2 are there at the end."""
    lost, _ = _lost_units(results, criterion)
    text = f"{show(lost)} units lost, at most {lost.max():g}"
    return found(lost, text, "share of seeds without a loss", share(lost == 0))


def _disconnected(results: Results, criterion: str, region: str, other: str) -> Finding:
    """A `Finding`: pixels of one region are disconnected in most seeds, and more of them than in the other region."""
    courses = results.digits
    mine, rest = pair(*(courses.after(criterion, f"{name}_disconnected") for name in (region, other)))
    parts = {
        f"share of seeds with such pixels in the {region}": share(mine > 0),
        f"share of the {region} less that of the {other}": above(mine - rest),
    }
    text = f"disconnected: {show(100 * mine)} % of the {region}, {show(100 * rest)} % of the {other}. {apart(parts)}"
    return found(mine - rest, text, *joined(parts))


_PIXELS = (
    "After the last iteration a pixel of the {0} is disconnected in more than half of the seeds (sign test), and a "
    f"larger share of the pixels of the {{0}} than of the {{1}} is: {RANKS}, of differences; {EACH}. Border: a tenth "
    "of the shorter side wide, one pixel at least; centre: the middle half of rows and columns."
)


@claim(
    "digits",
    "Fisher information disconnects pixels at the border.",
    _PIXELS.format("border", "centre"),
    FI_RULES,
)
def fisher_disconnects_the_border(results: Results, criterion: str) -> Finding:
    """Disconnected pixels at the border and in the centre."""
    return _disconnected(results, criterion, "border", "centre")


@claim(
    "digits",
    "Anti-FI disconnects pixels in the centre.",
    _PIXELS.format("centre", "border"),
    ("anti_fi",),
)
def anti_fi_disconnects_the_centre(results: Results, criterion: str) -> Finding:
    """Disconnected pixels in the centre and at the border."""
    return _disconnected(results, criterion, "centre", "border")


@claim(
    "digits",
    "Random weights and weight magnitude disconnect at most one pixel.",
    "At most one visible unit that had weights before pruning has none after the last iteration, in more than half of "
    f"the seeds: {SIGNS}.",
    ("random_weights", "weight_magnitude"),
)
def at_most_one_pixel_disconnected(results: Results, criterion: str) -> Finding:
    """Visible units that lost all weights."""
    courses = results.digits
    after, before = pair(courses.after(criterion, "n_visible_connected"), courses.initial("n_visible_connected"))
    lost = before - after
    text = f"{show(lost)} pixels, at most {lost.max():g}"
    return found(lost, text, "share of seeds with at most one", share(lost <= 1))


@claim(
    "digits",
    "Under Fisher information h2 shrinks faster than h1.",
    f"After the last iteration a smaller share of the units of h2 remains than of h1: {RANKS}, of differences.",
    FI_RULES,
)
def h2_shrinks_faster(results: Results, criterion: str) -> Finding:
    """Share of units that remain in h1 and in h2."""
    courses, left = results.digits, {}
    for layer in (1, 2):
        after, before = courses.after(criterion, f"n_units_{layer}"), courses.initial(f"n_units_{layer}")
        left[layer] = (after / before).dropna()
    h1, h2 = pair(left[1], left[2])
    text = f"{show(h2)} of h2 and {show(h1)} of h1 remain; value: difference"
    return found(h1 - h2, text, "difference in shares, h1 less h2", above(h1 - h2))


def _lost_per_iteration(results: Results, criterion: str) -> np.ndarray:
    """Share of the weights between v and h1 that an iteration removes, geometric mean over all."""
    courses = results.digits
    after, before = pair(courses.after(criterion, "n_weights_1"), courses.initial("n_weights_1"))
    return 1 - (after / positive(before, "n_weights_1")) ** (1 / courses.last(criterion))


@claim(
    "digits",
    "Under Fisher information each iteration removes the prescribed tenth of the weights between v and h1.",
    f"The share of these weights lost per iteration (geometric mean) is above {percent(PRESCRIBED - TOLERANCE)} and "
    f"below {percent(PRESCRIBED + TOLERANCE)}: {RANKS}; {EACH}. With another fraction prescribed, as seen from random "
    "weights, it is not testable.",
    FI_RULES,
)
def h1_shrinks_as_prescribed(results: Results, criterion: str) -> Finding:
    """Weights between v and h1 lost per iteration."""
    lost, usual = _lost_per_iteration(results, criterion), _lost_per_iteration(results, "random_weights")
    if abs(np.median(usual) - PRESCRIBED) > TOLERANCE:
        reason = (
            f"random weights lose {show(100 * usual)} % per iteration, so that a tenth is not what is prescribed here"
        )
        raise NotTestable(reason)
    test = every([above(lost, PRESCRIBED - TOLERANCE), below(lost, PRESCRIBED + TOLERANCE)])
    return found(lost, f"{show(100 * lost)} % lost per iteration", "share lost per iteration", test)


@claim(
    "digits",
    "Six iterations of Fisher information leave as many weights as ten of random weights or weight magnitude.",
    f"The number of all weights after iteration {FEW} is below {ABOUT:g} times, and above 1 / {ABOUT:g} of, that after "
    f"iteration {MANY} of each of the two: {LOG_RANKS}; {EACH}.",
    FI_RULES,
)
def six_iterations_equal_ten(results: Results, criterion: str) -> Finding:
    """Weights after six iterations against ten of two others."""
    courses, parts = results.digits, {}
    mine = courses.after(criterion, "n_weights", FEW)
    for name in ("random_weights", "weight_magnitude"):
        ratio = np.divide(*pair(mine, courses.after(name, "n_weights", MANY)))
        ratio = positive(ratio, "the number of weights")
        parts[f"ratio of weights to {name}, below {ABOUT:g}"] = ratio_below(ratio, ABOUT)
        parts[f"ratio of weights to {name}, above 1 / {ABOUT:g}"] = ratio_above(ratio, 1 / ABOUT)
    return found(mine, f"{show(mine, 4)} weights after iteration {FEW}. {apart(parts)}", *joined(parts))


CLAIMS = (
    weight_magnitude_keeps_units,
    random_weights_keep_units,
    fisher_disconnects_the_border,
    anti_fi_disconnects_the_centre,
    at_most_one_pixel_disconnected,
    h2_shrinks_faster,
    h1_shrinks_as_prescribed,
    six_iterations_equal_ten,
)
