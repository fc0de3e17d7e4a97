"""One pruning step of a deep machine: how many weights go, and which."""

import itertools

import numpy as np
import pytest
from deep_machines import activity, by_layer, full_machine, machine_of, original_masks, prune_deeply
from small_machines import prune_with

from boltzprune.core.fisher import fisher_diagonal
from boltzprune.errors import InputError
from boltzprune.pruning.criteria import CRITERIA
from boltzprune.pruning.weights import drop_zeros, n_kept

DEEP = [name for name, row in CRITERIA.items() if row.needs != "eigenvector"]
OF_WEIGHTS = [name for name in DEEP if not CRITERIA[name].whole_units]
SIZES = (11, 13, 17)


def _by_weight(evidence):
    return np.abs(evidence.weights)


def _constant(evidence):
    return np.ones(evidence.weights.shape)


def _bytes(pruned, sizes=SIZES):
    return [mask.tobytes() for mask in original_masks(pruned.machine, sizes)]


# How many weights go, and which


@pytest.mark.parametrize("name", OF_WEIGHTS)
@pytest.mark.parametrize("fraction", [(0.1, 0.25), (0.25, 0.1), (0.3, 0.05)])
def test_exactly_the_fraction_of_each_layer_goes(name, fraction):
    pruned = prune_deeply(CRITERIA[name], full_machine(*SIZES), fraction)
    assert pruned.machine.n_weights == (n_kept(143, fraction[0]), n_kept(221, fraction[1]))
    assert pruned.units_removed == [] and pruned.machine.layer_sizes == SIZES


def test_the_lowest_of_each_layer_go():
    machine = full_machine(*SIZES)
    pruned = prune_deeply(_by_weight, machine)
    for weights, kept in zip(machine.weights, pruned.machine.masks):
        assert np.abs(weights[kept]).min() > np.abs(weights[~kept]).max()


def test_layers_are_ranked_on_their_own():
    machine = full_machine(*SIZES)
    low = np.random.default_rng(5).random((11, 13)) * 1e-3  # all of v-h1 below all of h1-h2
    high = 1 + np.random.default_rng(7).random((13, 17))
    assert prune_deeply(by_layer(low, high), machine, (0.1, 0.2)).machine.n_weights == (128, 176)


def test_ties_are_broken_by_seed_iteration_and_layer():
    machine = full_machine(7, 7, 7)
    masks = {}
    for seed, iteration in itertools.product(range(5), range(1, 4)):
        pruned = prune_deeply(_constant, machine, (0.25, 0.25), seed=seed, iteration=iteration)
        assert _bytes(pruned, (7, 7, 7)) == _bytes(
            prune_deeply(_constant, machine, (0.25, 0.25), seed=seed, iteration=iteration), (7, 7, 7)
        )
        for layer, mask in enumerate(_bytes(pruned, (7, 7, 7))):
            masks[seed, iteration, layer] = mask
    assert len(set(masks.values())) == len(masks) == 30


def test_ties_do_not_favour_a_place():
    machine, counts = full_machine(3, 5, 7), [np.zeros((3, 5)), np.zeros((5, 7))]
    for seed in range(211):
        kept = original_masks(prune_deeply(_constant, machine, (0.1, 0.2), seed=seed).machine, (3, 5, 7))
        counts = [count + mask for count, mask in zip(counts, kept)]
    for count, p in zip(counts, (13 / 15, 28 / 35)):  # of 15 weights 2 go, of 35 weights 7
        assert np.abs(count - 211 * p).max() < 5 * np.sqrt(211 * p * (1 - p))


def test_the_percentile_rule_takes_all_ties():
    first, second = (np.random.default_rng(19).permutation(float(n) + np.arange(n)) for n in (143, 221))
    first, second = first.reshape(11, 13), second.reshape(13, 17)
    first[:3] = 0
    options = {"machine": full_machine(*SIZES), "fraction": (0.1, 0.25)}
    rank, percentile = (prune_deeply(by_layer(first, second), threshold=t, **options) for t in ("rank", "percentile"))
    assert rank.machine.n_weights == (128, 165)
    assert percentile.machine.n_weights == (104, 165)


def test_weights_that_do_not_exist_are_never_ranked():
    masks = [np.random.default_rng(17 + k).random(s) < 0.7 for k, s in enumerate([(11, 13), (13, 17)])]
    machine = machine_of(masks)
    pruned = prune_deeply(lambda e: np.where(e.mask, np.abs(e.weights), 99.0), machine, (0.1, 0.1))
    assert pruned.machine.n_weights == tuple(n_kept(n, 0.1) for n in machine.n_weights)
    assert not any((kept & ~mask).any() for kept, mask in zip(original_masks(pruned.machine, SIZES), masks))


# The zero rule


@pytest.mark.parametrize(
    ("n_zeros", "n_others", "fraction", "rule", "triggered"),
    [
        (3, 27, 0.1, "share", False),  # exactly the fraction
        (4, 26, 0.1, "share", True),
        (2, 28, 0.1, "share", False),
        (3, 30, 0.1, "ratio", False),  # exactly the fraction
        (4, 30, 0.1, "ratio", True),
        (3, 27, 0.1, "ratio", True),  # 3 / 27 against 3 / 30
        (5, 15, 0.25, "share", False),
        (5, 15, 0.25, "ratio", True),
        (4, 16, 0.25, "ratio", False),
        (29, 71, 0.29, "share", False),  # 0.29 * 100 is less than 29 in floating point
        (58, 42, 0.58, "share", False),
        (29, 100, 0.29, "ratio", False),
        (0, 30, 0.1, "share", False),
        (30, 0, 0.1, "share", True),
        (30, 0, 0.1, "ratio", True),
    ],
)
def test_both_readings_of_the_zero_rule_at_their_limits(n_zeros, n_others, fraction, rule, triggered):
    values = np.concatenate([np.zeros(n_zeros), np.full(n_others, 1e-300), np.zeros(7)])
    order = np.random.default_rng(19).permutation(len(values))
    mask = (np.arange(len(values)) < n_zeros + n_others)[order][None]  # the last 7 zeros belong to no weight
    saliency = values[order][None]
    kept = drop_zeros(saliency, mask, fraction, rule)
    assert (kept is not None) == triggered
    if triggered:
        assert np.array_equal(kept, mask & (saliency > 0)) and kept.dtype == bool


def test_negative_importance_is_not_zero():
    saliency = np.array([[-1.0, 0.0, -0.0, 2.0, -3.0]])
    kept = drop_zeros(saliency, np.ones((1, 5), dtype=bool), 0.3, "share")
    assert kept.tolist() == [[True, False, False, True, True]]


def _some_zeros(share_1, share_2, sizes=SIZES):
    """Saliencies of two layers, 0 in the first places of a random order."""
    saliencies = []
    for k, (shape, share) in enumerate(zip(zip(sizes[:-1], sizes[1:]), (share_1, share_2))):
        rng = np.random.default_rng(23 + k)
        rank = rng.permutation(shape[0] * shape[1]).reshape(shape)
        saliencies.append(np.where(rank < share * rank.size, 0, 1.0 + rank))
    return by_layer(*saliencies)


@pytest.mark.parametrize("threshold", ["rank", "percentile"])
def test_the_zero_rule_is_for_each_layer_and_for_criteria_that_say_so(threshold):
    machine, rule = full_machine(*SIZES), _some_zeros(0.2, 0.2)
    with_rule = prune_deeply(rule, machine, (0.1, 0.25), zeros_go=True, threshold=threshold)
    assert with_rule.machine.n_weights == (
        143 - 29,
        165,
    )  # 29 zeros of 143 are more than 10 %, 45 of 221 less than 25 %
    without = prune_deeply(rule, machine, (0.1, 0.25), threshold=threshold)
    assert without.machine.n_weights == ((128 if threshold == "rank" else 143 - 29), 165)


def test_the_zero_rule_of_the_configuration_is_used():
    machine, rule = full_machine(*SIZES), _some_zeros(0.09, 0.22)  # 13 of 143, 49 of 221
    share, ratio = (
        prune_deeply(rule, machine, (0.1, 0.25), zeros_go=True, zero_rule=r).machine.n_weights
        for r in ("share", "ratio")
    )
    assert share == (128, 165) and ratio == (143 - 13 if 13 / 130 > 0.1 else 128, 221 - 49)


COSTS = ("deletion_cost", "obd")
"""Criteria by which, as by FI, a weight between units that never change together is worth 0."""


def test_which_criteria_follow_the_zero_rule():
    assert [name for name in CRITERIA if CRITERIA[name].zeros_go] == [*("variance_fi", "heuristic_fi"), *COSTS]


def test_units_that_never_change_lose_all_weights_at_once():
    """Half of h2 is silent: their weights have no information, which is more than the fraction."""
    machine = full_machine(*SIZES)
    statistics = activity(machine)
    statistics.rates[2][:9] = 0
    statistics.pair_means[1][:, :9] = 0
    for name in ("variance_fi", "heuristic_fi", *COSTS):
        pruned = prune_deeply(CRITERIA[name], machine, statistics=statistics)
        assert pruned.machine.units[2].tolist() == list(range(9, 17))
        assert pruned.units_removed == [(2, unit, "below") for unit in range(9)]
    assert prune_deeply(CRITERIA["anti_fi"], machine, statistics=statistics).machine.n_weights == (128, 165)


# The weighting of variance FI


def test_the_weighting_changes_variance_fi_alone():
    machine = full_machine(*SIZES)
    for name in DEEP:
        plain, weighted = (
            _bytes(prune_deeply(CRITERIA[name], machine, variance_weighting=w)) for w in ("none", "squared_weight")
        )
        assert (plain == weighted) == (name != "variance_fi"), name


def test_variance_fi_times_the_squared_weight_by_hand():
    machine = full_machine(*SIZES)
    statistics = activity(machine)
    pruned = prune_deeply(CRITERIA["variance_fi"], machine, statistics=statistics, variance_weighting="squared_weight")
    for weights, pair, kept in zip(machine.weights, statistics.pair_means, pruned.machine.masks):
        value = fisher_diagonal(pair) * weights.astype(float) ** 2
        assert value[kept].min() > value[~kept].max()


# One prune for machines of any depth


@pytest.mark.parametrize("threshold", ["rank", "percentile"])
@pytest.mark.parametrize("name", DEEP)
def test_an_rbm_is_the_machine_of_one_weight_layer(name, threshold):
    """The sections of both experiments prune it alike, but for the zero rule, which nothing here brings about."""
    machine, rules = full_machine(11, 13), {"threshold": threshold, "anti_fi_threshold": threshold}
    one = prune_deeply(CRITERIA[name], machine, (0.3,), units="proportion", **rules)
    other = prune_with(CRITERIA[name], machine, 0.3, statistics=activity(machine), units="weights", **rules)
    assert _bytes(one, (11, 13)) == _bytes(other, (11, 13)) and one.units_removed == other.units_removed
    assert 0 < sum(one.n_weights_removed) == other.n_weights_removed[0]


def test_one_fraction_is_that_of_every_layer():
    machine = full_machine(*SIZES)
    one = prune_with(CRITERIA["weight_magnitude"], machine, 0.3, statistics=activity(machine))
    two = prune_deeply(CRITERIA["weight_magnitude"], machine, (0.3, 0.3))
    assert _bytes(one) == _bytes(two) and one.n_weights_removed == two.n_weights_removed == (43, 67)


def test_what_went_is_counted_by_layer_with_what_led_nowhere():
    lower, upper = np.ones((5, 7)), np.ones((7, 3))
    lower[:, 2] = upper[4] = 0
    pruned = prune_deeply(by_layer(lower, upper), full_machine(5, 7, 3), (0.01, 0.01), zeros_go=True)
    assert pruned.n_weights_removed == (10, 6)  # 5 + 3 of unit 2, and 5 + 3 of unit 4
    assert pruned.units_removed == [(1, 2, "below"), (1, 4, "above")]
    assert [(gone.layer, gone.unit, gone.reason) for gone in pruned.units_removed][1] == (1, 4, "above")


# A criterion that misbehaves


def test_a_criterion_that_misbehaves_in_the_second_layer_is_named():
    with pytest.raises(InputError, match=r"^criterion 'test' returned NaN or infinity for 221 existing weights"):
        prune_deeply(by_layer(np.ones((11, 13)), np.full((13, 17), np.nan)), full_machine(*SIZES))
