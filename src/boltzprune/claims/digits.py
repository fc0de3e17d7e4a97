"""The paper's claims about its second experiment, DBMs on digits: encodings, units, pixels, activity."""

import numpy as np

from boltzprune.claims.claim import DIFFERENCES, Finding, claim, found, percent, show
from boltzprune.claims.collected import NotTestable, last_iteration, pair
from boltzprune.claims.statistics import compare

ABOUT = 1.5
ALMOST_NO_UNIT = 0.01
COLLAPSE = 2.0
NEAR_CHANCE = 2.0
ORDER_OF_MAGNITUDE = 10.0
CONTRAST = 2.0
FI_RULES = ("variance_fi", "heuristic_fi")


def _raw_error(results):
    """Test error of the classifier on raw pixels of the machines' training images."""
    table = results.table("digits_references")
    error = table.loc[table["reference"] == "raw", "error"].dropna()
    if len(error) == 0:
        raise NotTestable("there is no baseline of raw pixels")
    return float(error.iloc[0])


@claim(
    "digits",
    "Before pruning, encodings in h2 are classified better than raw pixels.",
    f"The test error of the initial machines' encodings is below that of raw pixels: {DIFFERENCES}.",
)
def encodings_beat_raw_pixels(results, _):
    """Encoding error of the initial machines against the raw baseline."""
    raw, error = _raw_error(results), results.digits.initial("encoding_error")
    return found(error, f"error {show(error)}, raw pixels {raw:.3g}", comparison=compare(raw - error))


@claim(
    "digits",
    "Pruning by weight magnitude keeps the encoding error low.",
    f"After the last retraining the error is below {ABOUT:g} times the initial one: {DIFFERENCES}.",
    ("weight_magnitude",),
)
def weight_magnitude_keeps_error_low(results, criterion):
    """Encoding error after the last retraining against the initial one."""
    chains = results.digits
    after, before = pair(chains.after(criterion, "encoding_error"), chains.initial("encoding_error"))
    comparison = compare(ABOUT * before - after)
    return found(after, f"error {show(after)} at the end, {show(before)} initially", comparison=comparison)


@claim(
    "digits",
    "Pruning by weight magnitude disconnects almost no hidden unit.",
    "The median over seeds of the share of hidden units lost after the last iteration is at most "
    f"{percent(ALMOST_NO_UNIT)}.",
    ("weight_magnitude",),
)
def weight_magnitude_keeps_units(results, criterion):
    """Share of the units of h1 and h2 that are gone at the end."""
    chains = results.digits
    after, before = pair(
        sum(chains.after(criterion, f"n_units_{layer}") for layer in (1, 2)),
        sum(chains.initial(f"n_units_{layer}") for layer in (1, 2)),
    )
    lost = 1 - after / before
    text = f"{show(before - after)} of {np.median(before):g} units lost"
    return found(lost, text, holds=bool(np.median(lost) <= ALMOST_NO_UNIT))


@claim(
    "digits",
    "Under Anti-FI the encoding collapses with the first pruning.",
    f"After the first iteration's retraining the error is above {COLLAPSE:g} times the initial one: {DIFFERENCES}.",
    ("anti_fi",),
)
def anti_fi_collapses(results, criterion):
    """Encoding error after the first iteration against the initial one."""
    chains = results.digits
    after, before = pair(chains.after(criterion, "encoding_error", 1), chains.initial("encoding_error"))
    comparison = compare(after - COLLAPSE * before)
    return found(after, f"error {show(after)} after iteration 1, {show(before)} initially", comparison=comparison)


@claim(
    "digits",
    "Under Anti-FI the encoding ends near or below chance.",
    "The median over seeds of the share of test images classified rightly after the last retraining is at most "
    f"{NEAR_CHANCE:g} times chance (one over the number of classes).",
    ("anti_fi",),
)
def anti_fi_ends_near_chance(results, criterion):
    """Accuracy after the last retraining against chance."""
    accuracy = 1 - results.digits.after(criterion, "encoding_error")
    chance = 1 / results.table("digits_classes")["digit"].nunique()
    holds = bool(np.median(accuracy) <= NEAR_CHANCE * chance)
    return found(accuracy, f"right {show(accuracy)}, chance {chance:.3g}", holds=holds)


@claim(
    "digits",
    "Under heuristic FI encodings stay better than raw pixels until the weights have shrunk more than tenfold.",
    "In each seed: how many times fewer weights there are at the first iteration, of all, whose error after retraining "
    "is not below that of raw pixels; at the last one if none is. It holds if the number exceeds "
    f"{ORDER_OF_MAGNITUDE:g} in more than half of the seeds, and fails if in at least half of them the error is above "
    "before that.",
    ("heuristic_fi",),
)
def heuristic_fi_beats_raw_pixels_for_long(results, criterion):
    """How far the weights shrink before the encoding error reaches the raw baseline."""
    raw, metrics = _raw_error(results), results.digits.metrics
    for needed in ("encoding_error", "n_weights"):
        results.digits.after(criterion, needed)
        results.digits.initial(needed)
    rows = metrics[(metrics["phase"] == "initial") | (metrics["phase"] == "retrained")]
    rows = rows[rows["criterion"].isin([criterion, "none"])].dropna(subset=["encoding_error", "n_weights"])
    factors, crossed = [], []
    for _seed, chain in rows.sort_values("iteration").groupby("seed"):
        if chain["iteration"].iloc[0] == 0 and len(chain) > 1:
            above = (chain["encoding_error"] >= raw).to_numpy()
            end = int(above.argmax()) if above.any() else -1
            factors.append(float(chain["n_weights"].iloc[0] / chain["n_weights"].iloc[end]))
            crossed.append(bool(above.any()))
    if not factors:
        raise NotTestable("no encoding error along the chain")
    far = np.array(factors) > ORDER_OF_MAGNITUDE
    failed = np.count_nonzero(np.array(crossed) & ~far)
    text = f"{show(factors)} times fewer weights; {sum(crossed)} of {len(factors)} seeds reach the error of raw pixels"
    if 2 * far.sum() > len(far) or 2 * failed >= len(far):
        return found(factors, text, holds=bool(2 * far.sum() > len(far)))
    reason = f"the weights shrink at most {max(factors):.3g} times and the error stays below"
    return found(factors, text, reason=reason)


def _regions(shape):
    """Border (a tenth of the shorter side, one pixel at least) and centre (middle half): two (n_pixels,) bool."""
    (height, width), edge = shape, max(1, min(shape) // 10)
    y, x = (index.ravel() for index in np.indices(shape))
    border = (np.minimum(y, height - 1 - y) < edge) | (np.minimum(x, width - 1 - x) < edge)
    centre = (abs(2 * y + 1 - height) < height / 2) & (abs(2 * x + 1 - width) < width / 2)
    return border, centre & ~border


def _disconnected(results, criterion, region):
    """A `Finding`: pixels of one region against the other, after the criterion's last iteration."""
    table = results.table("digits_pixels")
    iteration = last_iteration(table, criterion, results.last_iterations)
    rows = table[(table["criterion"] == criterion) & (table["iteration"] == iteration)]
    shape, activity = results.images
    share = rows.set_index("pixel")["disconnected"].reindex(range(shape[0] * shape[1])).to_numpy()
    if np.isnan(share).any():
        raise NotTestable("some pixels are missing from the table")
    regions = _regions(shape)
    if not all(mask.any() for mask in regions):
        raise NotTestable("the images are too small for a border and a centre")
    border, centre = (float(share[mask].mean()) for mask in regions)
    mine, other = (border, centre) if region == "border" else (centre, border)
    text = f"disconnected: {percent(border)} of the border, {percent(centre)} of the centre; value: ratio"
    if 0 < share.sum() < len(share):
        means = [float(np.average(activity, weights=weight)) for weight in (share, 1 - share)]
        text += f"; data are on at {percent(means[0])} of them, {percent(means[1])} of the others"
    ratio = mine / other if other else (np.inf if mine else np.nan)
    holds = mine > 0 and mine >= CONTRAST * other
    return Finding(text, ratio, n=int(rows["n_seeds"].min()), holds=bool(holds))


_RULE = (
    "After the last iteration the mean share of disconnected pixels, over seeds and pixels, in the {} is above 0 and "
    f"at least {CONTRAST:g} times that in the {{}}. Border: a tenth of the shorter side wide, one pixel at least; "
    "centre: the middle half of rows and columns."
)


@claim(
    "digits",
    "Fisher information disconnects pixels at the border.",
    _RULE.format("border", "centre"),
    FI_RULES,
)
def fisher_disconnects_the_border(results, criterion):
    """Disconnected pixels at the border and in the centre."""
    return _disconnected(results, criterion, "border")


@claim(
    "digits",
    "Anti-FI disconnects pixels in the centre.",
    _RULE.format("centre", "border"),
    ("anti_fi",),
)
def anti_fi_disconnects_the_centre(results, criterion):
    """Disconnected pixels in the centre and at the border."""
    return _disconnected(results, criterion, "centre")


@claim(
    "digits",
    "Random weights and weight magnitude disconnect at most one pixel.",
    "In every seed at most one visible unit that had weights before pruning has none after the last iteration.",
    ("random_weights", "weight_magnitude"),
)
def at_most_one_pixel_disconnected(results, criterion):
    """Visible units that lost all weights."""
    chains = results.digits
    after, before = pair(chains.after(criterion, "n_visible_connected"), chains.initial("n_visible_connected"))
    lost = before - after
    return found(lost, f"{show(lost)} pixels, at most {lost.max():g}", holds=bool(lost.max() <= 1))


@claim(
    "digits",
    "Under Fisher information h2 shrinks faster than h1.",
    f"After the last iteration a smaller share of the units of h2 remains than of h1: {DIFFERENCES}.",
    FI_RULES,
)
def h2_shrinks_faster(results, criterion):
    """Share of units that remain in h1 and in h2."""
    chains = results.digits
    share = {}
    for layer in (1, 2):
        after, before = chains.after(criterion, f"n_units_{layer}"), chains.initial(f"n_units_{layer}")
        share[layer] = (after / before).dropna()
    h1, h2 = pair(share[1], share[2])
    return found(
        h1 - h2, f"{show(h2)} of h2 and {show(h1)} of h1 remain; value: difference", comparison=compare(h1 - h2)
    )


CLAIMS = (
    encodings_beat_raw_pixels,
    weight_magnitude_keeps_error_low,
    weight_magnitude_keeps_units,
    anti_fi_collapses,
    anti_fi_ends_near_chance,
    heuristic_fi_beats_raw_pixels_for_long,
    fisher_disconnects_the_border,
    anti_fi_disconnects_the_centre,
    at_most_one_pixel_disconnected,
    h2_shrinks_faster,
)
