"""One pruning step: how many weights go, which, and what is left."""

import numpy as np
import pytest
from small_machines import (
    by_weight,
    constant,
    criterion,
    high_in,
    kept_places,
    original_mask,
    prune_with,
    random_machine,
    random_statistics,
    units_gone,
)

from boltzprune.core.fisher import Statistics
from boltzprune.core.machine import BoltzmannMachine
from boltzprune.pruning.criteria import CRITERIA
from boltzprune.pruning.units import drop_units
from boltzprune.pruning.weights import drop_at_percentile, drop_lowest, n_kept
from boltzprune.sampling import exact


def test_the_paper_numbers():
    sizes = [910]
    for _ in range(3):
        sizes.append(n_kept(sizes[-1], 0.5))
    assert sizes == [910, 455, 227, 113]


@pytest.mark.parametrize("n", [1, 2, 3, 7, 10, 13, 100, 910, 1000, 8836, 270_400])
@pytest.mark.parametrize(
    ("fraction", "kept_of_hundred"),
    [(0.1, 90), (0.25, 75), (0.3, 70), (0.5, 50), (0.7, 30), (0.8, 20), (0.9, 10), (0.99, 1), (0.01, 99)],
)
def test_numbers_are_decimal_and_exact(n, fraction, kept_of_hundred):
    assert n_kept(n, fraction) == n * kept_of_hundred // 100


@pytest.mark.parametrize("fraction", [0.1, 0.25, 0.3, 0.5, 0.9])
def test_exactly_the_fraction_goes_and_the_lowest_go(fraction):
    rng = np.random.default_rng(5)
    mask = rng.random((11, 13)) < 0.7
    saliency, ties = rng.normal(size=mask.shape), rng.random(mask.shape)
    kept = drop_lowest(saliency, mask, fraction, ties)
    assert kept.dtype == bool
    assert kept.sum() == n_kept(int(mask.sum()), fraction)
    assert not (kept & ~mask).any()
    assert saliency[kept].min() > saliency[mask & ~kept].max()


def test_the_lowest_by_hand():
    saliency = np.array([[5, 1, 9], [2, 8, 0]], dtype=float)
    mask = np.array([[1, 1, 1], [1, 1, 0]], dtype=bool)
    kept = drop_lowest(saliency, mask, 0.4, np.zeros((2, 3)))
    assert kept.astype(int).tolist() == [[1, 0, 1], [0, 1, 0]]


def test_ties_go_by_the_tie_breaker_alone():
    mask = np.ones((5, 7), dtype=bool)
    ties = np.random.default_rng(7).random((5, 7))
    kept = drop_lowest(np.zeros((5, 7)), mask, 0.5, ties)
    assert kept.sum() == 17
    assert ties[kept].min() > ties[~kept].max()


def test_ties_only_among_equals():
    saliency = np.array([[0.0, 1, 1, 1, 1, 2]])
    kept = drop_lowest(saliency, np.ones((1, 6), dtype=bool), 0.5, np.array([[9, 0.3, 0.1, 0.4, 0.2, 0]]))
    assert kept.tolist() == [[False, True, False, True, False, True]]


def test_ties_are_broken_by_the_seed_and_the_iteration():
    machine = random_machine(7, 11)
    masks = {key: kept_places(prune_with(constant, machine, seed=key[0], iteration=key[1])) for key in np.ndindex(5, 3)}
    again = {key: kept_places(prune_with(constant, machine, seed=key[0], iteration=key[1])) for key in masks}
    assert masks == again
    assert len(set(masks.values())) == len(masks)


def test_ties_do_not_favour_a_place():
    machine = random_machine(3, 5)
    counts = np.zeros((3, 5))
    for seed in range(307):
        counts += original_mask(prune_with(constant, machine, seed=seed).machine, 3, 5)
    p = 7 / 15  # 7 of 15 weights stay
    assert np.abs(counts - 307 * p).max() < 5 * np.sqrt(307 * p * (1 - p))


def test_the_percentile_rule_takes_all_ties():
    saliency = np.array([[0, 0, 0, 0, 1], [2, 3, 4, 5, 6]], dtype=float)
    mask = np.ones((2, 5), dtype=bool)
    kept = drop_at_percentile(saliency, mask, 0.2, ties_stay=False)
    assert kept.tolist() == [[False, False, False, False, True], [True] * 5]
    mask[0, :3] = False
    assert drop_at_percentile(saliency, mask, 0.5, False).sum() == 3  # of 0 1 2 3 4 5 6, those above the median 3


def test_where_ties_stay_all_of_them_stay():
    """The authors' Anti-FI keeps what is at or below a percentile of the FI; here 12 of 13 weights have no FI."""
    saliency = -np.array([[0.0] * 7, [0.0] * 5 + [0.25, 0.0]])
    mask = np.ones((2, 7), dtype=bool)
    mask[0, 3] = False
    kept = drop_at_percentile(saliency, mask, 0.25, ties_stay=True)
    assert np.array_equal(kept, mask & (saliency == 0)) and kept.sum() == 12
    assert not drop_at_percentile(saliency, mask, 0.25, ties_stay=False).any()
    assert drop_at_percentile(-np.arange(7.0)[None], np.ones((1, 7), bool), 0.5, True).tolist() == [
        [True] * 4 + [False] * 3
    ]


@pytest.mark.parametrize(("rule", "removed"), [("rank", 13), ("percentile", 2)])
def test_anti_fi_has_a_threshold_of_its_own(rule, removed):
    """Two weights of 53 have information; at one quarter by rank 13 go besides, at a percentile the ties stay."""
    machine = random_machine(53, 1)
    means = np.zeros((53, 1))
    means[[3, 11]] = 0.3
    statistics = Statistics(101, random_statistics(machine).rates, (means,))
    for threshold in ("rank", "percentile"):
        pruned = prune_with(
            CRITERIA["anti_fi"], machine, 0.25, statistics=statistics, threshold=threshold, anti_fi_threshold=rule
        )
        assert pruned.n_weights_removed == (removed + (rule == "rank"),)
        assert {3, 11} <= set(pruned.visible_disconnected.tolist())


def test_weights_without_information_go_like_others_in_an_rbm():
    """The zero rule is one of the digits: of 53 weights 51 have no information, and at one quarter by rank 14 go."""
    machine, means = random_machine(53, 1), np.zeros((53, 1))
    means[[3, 11]] = 0.3
    statistics = Statistics(101, random_statistics(machine).rates, (means,))
    assert CRITERIA["variance_fi"].zeros_go
    pruned = prune_with(CRITERIA["variance_fi"], machine, 0.25, statistics=statistics)
    assert pruned.n_weights_removed == (14,) and not {3, 11} & set(pruned.visible_disconnected.tolist())


@pytest.mark.parametrize("name", [name for name in CRITERIA if name != "anti_fi"])
def test_the_threshold_of_anti_fi_is_nobody_elses(name):
    row = CRITERIA[name]
    assert (row.threshold, row.ties_stay) == ("threshold", False)


@pytest.mark.parametrize(
    ("n", "fraction", "expected"), [(70, 0.5, 35), (35, 0.5, 18), (18, 0.5, 9), (10, 0.3, 7), (7, 0.1, 7)]
)
def test_a_count_of_whole_units(n, fraction, expected):
    """70 -> 35 -> 18 -> 9 in the authors' code, whatever weights the units have; 0.3 of 10 units are 3, not 2.99."""
    machine = random_machine(5, n, share=0.4)
    pruned = prune_with(CRITERIA["random_units"], machine, fraction, units="count")
    assert pruned.machine.layer_sizes == (5, expected)


def test_the_threshold_is_the_one_of_the_configuration():
    machine = random_machine(5, 7)
    saliency = np.where(np.arange(35).reshape(5, 7) < 23, 0.0, 1.0)
    rank, percentile = (prune_with(lambda e: saliency, machine, threshold=t) for t in ("rank", "percentile"))
    assert (rank.n_weights_removed, percentile.n_weights_removed) == ((18,), (23,))


@pytest.mark.parametrize(
    ("sizes", "fraction", "expected"),
    [
        ([2, 2, 2, 2], 0.5, 2),  # 4 of 8 go
        ([2, 2, 2, 2], 0.3, 1),  # 3 of 8 should go: 2 and 4 are equally near, fewer units go
        ([1, 5, 1], 0.25, 1),  # 2 of 7 should go: 1 is nearer than 6
        ([1, 4, 5], 0.4, 2),  # 4 of 10 should go: 5 is nearer than 1
        ([3, 1, 1], 0.6, 1),  # 3 of 5: exactly one unit
        ([5], 0.3, 0),
    ],
)
def test_as_many_whole_units_as_bring_the_weights_nearest(sizes, fraction, expected):
    mask = np.arange(7)[:, None] < np.array(sizes)
    order = np.broadcast_to(np.arange(len(sizes), dtype=float), mask.shape)
    [kept], _ = drop_units([order], [mask], [fraction], "weights", [np.zeros(mask.shape)])
    assert np.array_equal(kept, mask & (np.arange(len(sizes)) >= expected))


def test_whole_units_go_in_the_order_of_their_saliency():
    machine = random_machine(5, 11)
    chosen = np.array([6, 1, 9, 0, 4, 3, 8, 2, 10, 7, 5], dtype=float)
    pruned = prune_with(lambda e: np.broadcast_to(chosen, (5, 11)), machine, whole_units=True)
    assert units_gone(pruned) == sorted(np.argsort(chosen)[:6])  # 28 of 55 weights should go: 30 are nearest
    assert pruned.n_weights_removed == (30,)
    assert pruned.machine.masks[0].all()


def two_iterations(first, second, machine, **options):
    one = prune_with(first, machine, iteration=1, **options)
    return one, prune_with(second, one.machine, iteration=2, statistics=random_statistics(one.machine), **options)


def test_units_without_weights_go_and_are_recorded_by_their_original_index():
    machine = random_machine(5, 8)
    one, two = two_iterations(
        lambda e: high_in([1, 2, 5, 7], 5, 8), lambda e: high_in([1, 2], 5, 4), machine
    )  # the second keeps columns 1 and 2 of what is left: original units 2 and 5
    assert units_gone(one) == [0, 3, 4, 6]
    assert one.machine.units[1].tolist() == [1, 2, 5, 7]
    assert units_gone(two) == [1, 7]
    assert two.machine.units[1].tolist() == [2, 5]
    assert (one.n_weights_removed, two.n_weights_removed) == ((20,), (10,))
    assert two.machine.layer_sizes == (5, 2)


def test_surviving_values_are_unchanged_bit_for_bit():
    machine = random_machine(7, 11)
    one, two = two_iterations(by_weight, by_weight, machine)
    for pruned in (one.machine, two.machine):
        v, h = pruned.units
        expected = np.where(pruned.masks[0], machine.weights[0][np.ix_(v, h)], 0)
        assert pruned.weights[0].tobytes() == expected.astype(np.float32).tobytes()
        assert pruned.biases[0].tobytes() == machine.biases[0].tobytes()
        assert pruned.biases[1].tobytes() == machine.biases[1][h].tobytes()
        assert pruned.weights[0].dtype == pruned.biases[1].dtype == np.float32
    assert machine.masks[0].all()  # the machine given is not changed


def test_removing_disconnected_hidden_units_changes_no_probability():
    machine = random_machine(5, 8)
    pruned = prune_with(lambda e: high_in([1, 2, 5], 5, 8, extra=[(0, 0), (3, 0), (2, 6), (1, 6), (4, 6)]), machine)
    assert units_gone(pruned) == [3, 4, 7]
    mask = original_mask(pruned.machine, 5, 8)
    whole = BoltzmannMachine((np.where(mask, machine.weights[0], np.float32(0)),), machine.biases, (mask,))
    assert whole.layer_sizes == (5, 8)
    difference = exact.visible_log_probabilities(whole) - exact.visible_log_probabilities(pruned.machine)
    assert np.abs(difference).max() < 1e-12


def test_visible_units_stay_and_are_reported():
    machine = random_machine(5, 7)
    pruned = prune_with(lambda e: np.where(np.arange(5)[:, None] % 2, 1.0, 0.1) + by_weight(e) * 1e-3, machine, 0.6)
    assert pruned.visible_disconnected.tolist() == [0, 2, 4]
    assert pruned.machine.layer_sizes == (5, 7)
    assert pruned.machine.units[0].tolist() == [0, 1, 2, 3, 4]
    assert pruned.units_removed == []


def test_leaving_no_weight_leaves_an_empty_machine():
    """The course ends there: see the module `pruning`."""
    lost = prune_with(by_weight, random_machine(1, 1), iteration=4)
    assert lost.machine.is_empty and lost.machine.layer_sizes == (1, 0) and lost.n_weights_removed == (1,)
    ties, whole = (
        prune_with(constant, random_machine(5, 7), threshold="percentile"),
        prune_with(constant, random_machine(5, 1), whole_units=True),
    )
    assert ties.machine.is_empty and units_gone(ties) == list(range(7))
    assert whole.machine.is_empty and whole.visible_disconnected.tolist() == list(range(5))
    assert not prune_with(by_weight, random_machine(1, 2)).machine.is_empty


@pytest.mark.parametrize("name", CRITERIA)
def test_every_criterion_prunes_an_already_pruned_machine(name):
    machine = random_machine(5, 7)
    for iteration in (1, 2):
        vector = np.random.default_rng(iteration).normal(size=machine.n_weights[0] + sum(machine.layer_sizes))
        pruned = prune_with(
            CRITERIA[name], machine, iteration=iteration, vector=vector, statistics=random_statistics(machine)
        )
        before, after = machine.n_weights[0], pruned.machine.n_weights[0]
        assert (before - after,) == pruned.n_weights_removed
        if not CRITERIA[name].whole_units:
            assert after == n_kept(before, 0.5)
        assert pruned.machine.masks[0].any(axis=0).all()
        assert set(pruned.machine.units[1]) | set(units_gone(pruned)) == set(machine.units[1])
        machine = pruned.machine


def test_weights_that_do_not_exist_are_never_ranked():
    machine = random_machine(5, 7, share=0.5)
    pruned = prune_with(criterion(lambda e: np.where(e.mask, e.weights, 99.0)), machine)
    kept = original_mask(pruned.machine, 5, 7)
    assert not (kept & ~machine.masks[0]).any()
    assert kept.sum() == n_kept(machine.n_weights[0], 0.5)


def test_whole_units_go_by_the_mean_saliency_of_their_existing_weights():
    mask = np.ones((3, 5), dtype=bool)
    mask[0, 1] = False
    saliency = np.array([[9.0, 0.0, 1.0, 4.0, 5.0], [0.0, 6.0, 1.0, 4.0, 5.0], [0.0, 6.0, 7.0, 4.0, 5.0]])
    ties = [np.zeros((3, 5))]
    [kept], [chosen] = drop_units([saliency], [mask], [0.4], "weights", ties)  # means 3, 6, 3, 4, 5; ties by place
    assert chosen.tolist() == [True, False, True, False, False]
    assert kept.any(axis=0).tolist() == [False, True, False, True, True]
