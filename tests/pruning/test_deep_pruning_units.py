"""Units that pruned weights leave behind in a deep machine, whole units that go, and the machine that is left."""

import itertools

import numpy as np
import pytest
from deep_machines import activity, by_layer, full_machine, machine_of, original_masks, permuted, prune_deeply
from small_machines import high_in, prune_with, random_machine

from boltzprune.backend import get_backend
from boltzprune.core.joint import JointEpoch, JointState
from boltzprune.core.streams import fork, uniform_double
from boltzprune.pruning.criteria import CRITERIA
from boltzprune.pruning.units import (
    UNIT_RULES,
    dead_ends,
    drop_units,
    fraction_of_units,
    nearest_in_weights,
    within_fraction_of_weights,
)
from boltzprune.pruning.weights import n_kept
from boltzprune.results.store import Arrays, chain_arrays, machine_arrays, read_chains, read_machine, write_arrays
from boltzprune.sampling.statistics import deep_statistics
from boltzprune.study.config import DeepPruning, DeepSampling, Pruning

DEEP = [name for name, row in CRITERIA.items() if row.needs != "eigenvector"]


# Dead ends


def _reasons(masks):
    masks = [np.array(mask, dtype=bool) for mask in masks]
    before = [mask.copy() for mask in masks]
    left, reasons = dead_ends(masks)
    assert all(np.array_equal(a, b) for a, b in zip(masks, before))
    return [mask.astype(int).tolist() for mask in left], [reason.tolist() for reason in reasons]


def test_one_removal_strands_another():
    """h1: 1 has nothing below, 2 nothing above, 3 neither; h2: 1 lived on h1 unit 1, 2 has nothing."""
    lower = [[1, 0, 1, 0], [0, 0, 1, 0], [1, 0, 0, 0]]
    upper = [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0]]
    left, reasons = _reasons([lower, upper])
    assert reasons == [["", "below", "above", "both"], ["", "cascade", "below"]]
    assert left == [[[1, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]], [[1, 0, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]]]


def test_a_cascade_goes_up_and_down_through_four_layers():
    """Chains of units 0 (whole), 1 (no input at h1) and 2 (no way from h2 to h3): the last two fall one by one."""
    v_h1 = [[1, 0, 1], [1, 0, 1]]
    h1_h2 = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    h2_h3 = [[1, 0], [0, 1], [0, 0]]
    left, reasons = _reasons([v_h1, h1_h2, h2_h3])
    assert reasons == [["", "below", "cascade"], ["", "cascade", "above"], ["", "cascade"]]
    assert left == [[[1, 0, 0], [1, 0, 0]], [[1, 0, 0], [0, 0, 0], [0, 0, 0]], [[1, 0], [0, 0], [0, 0]]]


def test_the_top_layer_has_one_side_and_the_visible_one_none():
    assert _reasons([[[1, 0], [0, 0]]]) == ([[[1, 0], [0, 0]]], [["", "below"]])
    assert _reasons([[[0, 0]], [[1], [1]]]) == ([[[0, 0]], [[0], [0]]], [["below", "below"], ["cascade"]])
    assert _reasons([[[1, 1]], [[0], [0]]]) == ([[[0, 0]], [[0], [0]]], [["above", "above"], ["below"]])
    assert _reasons([[[0, 0]], [[0], [0]]])[1] == [["both", "both"], ["below"]]


@pytest.mark.parametrize("sizes", [(5, 7, 3), (3, 7, 5, 7), (2, 5, 3, 5, 3)])
def test_whoever_stays_lies_on_a_way_from_bottom_to_top(sizes):
    """With one unit after the other, in any order, the same units go."""
    for seed in range(13):
        rng = np.random.default_rng(seed)
        masks = [rng.random(shape) < 0.3 for shape in zip(sizes[:-1], sizes[1:])]
        up, down = [np.ones(sizes[0], bool)], [np.ones(sizes[-1], bool)]
        left, reasons = dead_ends(masks)
        for mask in masks:
            up.append((mask & up[-1][:, None]).any(axis=0))
        for mask in masks[:0:-1]:
            down.append((mask & down[-1]).any(axis=1))
        on_a_way = [a & b for a, b in zip(up[1:], down[::-1])]
        assert [(r == "").tolist() for r in reasons] == [way.tolist() for way in on_a_way]
        ends = [np.ones(sizes[0], bool), *on_a_way]
        assert all(np.array_equal(m & a[:, None] & b, x) for m, a, b, x in zip(masks, ends[:-1], ends[1:], left))


def _keeping(*masks):
    """Saliency 1 where a weight is to stay and 0 elsewhere; the zero rule removes the rest."""
    return by_layer(*masks)


LOWER = [[1, 0, 1, 0], [0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]]
UPPER = [[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 0, 0]]


def test_units_that_went_are_reported_by_original_index_and_reason():
    machine = full_machine(5, 4, 3)
    pruned = prune_deeply(_keeping(LOWER, UPPER), machine, zeros_go=True)
    assert pruned.units_removed == [
        (1, 1, "below"),
        (1, 2, "above"),
        (1, 3, "both"),
        (2, 1, "cascade"),
        (2, 2, "below"),
    ]
    assert pruned.visible_disconnected.tolist() == [1, 3, 4]
    assert pruned.machine.layer_sizes == (5, 1, 1) and pruned.machine.n_weights == (2, 1)
    assert [r.astype(int).tolist() for r in pruned.remaining] == [[1] * 5, [1, 0, 0, 0], [1, 0, 0]]
    renamed = machine_of(machine.masks, units=(np.arange(5), np.array([3, 5, 7, 11]), np.array([2, 13, 17])))
    pruned = prune_deeply(_keeping(LOWER, UPPER), renamed, zeros_go=True)
    assert pruned.units_removed == [
        (1, 5, "below"),
        (1, 7, "above"),
        (1, 11, "both"),
        (2, 13, "cascade"),
        (2, 17, "below"),
    ]
    assert pruned.machine.units[1].tolist() == [3] and pruned.machine.units[2].tolist() == [2]


def test_two_iterations_report_original_indices():
    machine = full_machine(5, 4, 3)
    first = [np.ones((5, 4)), np.ones((4, 3))]
    first[0][:, 1] = first[0][3] = first[1][0, 2] = 0
    one = prune_deeply(_keeping(*first), machine, (0.01, 0.01), zeros_go=True)
    assert one.units_removed == [(1, 1, "below")] and one.visible_disconnected.tolist() == [3]
    second = [np.ones((5, 3)), np.ones((3, 3))]  # of h1 0, 2, 3 are left
    second[0][0] = second[1][:, 0] = second[1][1] = 0
    layers = iter(second)
    two = prune_deeply(lambda e: next(layers), one.machine, (0.01, 0.01), zeros_go=True, iteration=2)
    assert two.units_removed == [(1, 2, "above"), (2, 0, "below")] and two.visible_disconnected.tolist() == [0, 3]
    assert [u.tolist() for u in two.machine.units] == [[0, 1, 2, 3, 4], [0, 3], [1, 2]]
    assert two.machine.layer_sizes == (5, 2, 2)


# What is left


def test_surviving_values_are_unchanged_bit_for_bit():
    whole = machine = full_machine(5, 7, 11)
    before = [x.copy() for x in (*whole.weights, *whole.biases, *whole.masks)]
    rng = np.random.default_rng(29)
    for iteration in (1, 2, 3):
        layers = iter([rng.random(w.shape) * (rng.random(w.shape[1]) < 0.7) for w in machine.weights])
        pruned = prune_deeply(lambda e, layers=layers: next(layers), machine, zeros_go=True, iteration=iteration)
        for keep, before_units, units in zip(pruned.remaining, machine.units, pruned.machine.units, strict=True):
            assert keep.shape == before_units.shape and np.array_equal(before_units[keep], units)
        machine = pruned.machine
        for layer, (mask, weights) in enumerate(zip(machine.masks, machine.weights)):
            expected = np.where(mask, whole.weights[layer][np.ix_(*machine.units[layer : layer + 2])], 0)
            assert weights.dtype == np.float32 and np.array_equal(weights, expected) and (weights[mask] != 0).all()
        for bias, of_whole, units in zip(machine.biases, whole.biases, machine.units):
            assert bias.dtype == np.float32 and np.array_equal(bias, of_whole[units])
    assert 1 < machine.layer_sizes[1] < 7 and 1 < machine.layer_sizes[2] < 11
    assert all(np.array_equal(a, b) for a, b in zip((*whole.weights, *whole.biases, *whole.masks), before))


def test_what_is_left_lies_row_by_row_in_memory():
    """The compiled loops read rows; columns that lie together cost them a factor of four."""
    pruned = prune_deeply(_keeping(LOWER, UPPER), full_machine(5, 4, 3), zeros_go=True).machine
    machine = prune_deeply(CRITERIA["random_units"], full_machine(11, 13, 17), (0.3, 0.3)).machine
    rbm = prune_with(lambda e: high_in([1, 2, 5], 5, 8), random_machine(5, 8)).machine
    assert rbm.layer_sizes[1] < 8 and machine.layer_sizes[1] < 13
    for array in (*pruned.weights, *pruned.masks, *machine.weights, *machine.masks, *rbm.weights, *rbm.masks):
        assert array.flags.c_contiguous


@pytest.mark.parametrize("name", DEEP)
@pytest.mark.parametrize("threshold", ["rank", "percentile"])
def test_the_order_of_the_units_does_not_matter(name, threshold):
    """Random numbers and ties belong to original indices."""
    sizes = (5, 11, 13)
    machine = prune_deeply(CRITERIA["random_weights"], full_machine(*sizes), (0.5, 0.5)).machine
    statistics = activity(machine)
    other, other_statistics = permuted(machine, statistics, seed=31)
    one, two = (
        prune_deeply(CRITERIA[name], m, (0.25, 0.25), iteration=2, statistics=s, threshold=threshold)
        for m, s in ((machine, statistics), (other, other_statistics))
    )
    for a, b in zip(original_masks(one.machine, sizes), original_masks(two.machine, sizes)):
        assert np.array_equal(a, b)
    assert sorted(one.units_removed) == sorted(two.units_removed)


def test_ties_belong_to_original_units():
    sizes = (5, 7, 11)
    machine = full_machine(*sizes)
    other, statistics = permuted(machine, activity(machine), seed=37)
    one, two = (prune_deeply(lambda e: np.ones(e.weights.shape), m, (0.3, 0.3)).machine for m in (machine, other))
    assert all(np.array_equal(a, b) for a, b in zip(original_masks(one, sizes), original_masks(two, sizes)))
    assert statistics.rates[1].shape == (7,)


# Whole units


@pytest.mark.parametrize("sizes", [(5, 7, 11), (5, 10, 20), (3, 11, 2), (3, 5, 7, 13)])
@pytest.mark.parametrize("fractions", [(0.1, 0.25, 0.5), (0.5, 0.1, 0.3), (0.02, 0.02, 0.02), (0.9, 0.95, 0.9)])
@pytest.mark.parametrize("share", [1.0, 0.6])
def test_units_go_in_proportion_and_bring_the_weights_nearest(sizes, fractions, share):
    rng, fractions = np.random.default_rng(41), fractions[: len(sizes) - 1]
    masks = [rng.random(shape) < share for shape in zip(sizes[:-1], sizes[1:])]
    orders = [rng.permutation(n) for n in sizes[1:]]
    found = nearest_in_weights(orders, masks, fractions)

    def weights_left(numbers):
        kept = [np.ones(sizes[0], bool), *(np.argsort(order) >= n for order, n in zip(orders, numbers))]
        return sum(m[np.ix_(a, b)].sum() for m, a, b in zip(masks, kept[:-1], kept[1:]))

    n_units = sum(sizes[1:])
    choices = [[round(k * n / n_units) for n in sizes[1:]] for k in range(n_units + 1)]
    aim = sum(n_kept(int(mask.sum()), fraction) for mask, fraction in zip(masks, fractions))
    distance = [abs(weights_left(numbers) - aim) for numbers in choices]
    assert distance[choices.index(found)] == min(distance)


def test_numbers_of_whole_units_by_hand():
    masks = [np.ones((5, 10), bool), np.ones((10, 20), bool)]  # 50 and 200 weights
    saliencies = [np.broadcast_to(np.arange(10.0)[::-1], (5, 10)), np.broadcast_to(np.arange(20.0), (10, 20))]
    left, chosen = drop_units(saliencies, masks, (0.1, 0.25), "proportion", masks)  # 5 + 50 should go
    places = [np.flatnonzero(units).tolist() for units in chosen]
    assert places == [[9], [0, 1, 2]]  # they take 5 + 47; 1 and 2 would take 5 + 38, 2 and 3 10 + 64
    assert [int(mask.sum()) for mask in left] == [45, 153] and all(mask.all() for mask in masks)


def test_random_units_go_with_all_their_weights():
    machine = full_machine(11, 13, 17)
    pruned = prune_deeply(CRITERIA["random_units"], machine, (0.3, 0.3), seed=5, iteration=2)
    for layer in (1, 2):
        numbers = uniform_double(fork(5, "random units", 2), 0, layer, np.zeros(1), machine.layer_sizes[layer])[0]
        chosen = [unit for place, unit, reason in pruned.units_removed if place == layer and reason == "chosen"]
        assert chosen == sorted(np.argsort(numbers)[: len(chosen)].tolist()) and len(chosen) in (2, 3)
    assert all(reason == "chosen" for _, _, reason in pruned.units_removed)
    assert all(mask.all() for mask in pruned.machine.masks)
    n_left, aim = sum(pruned.machine.n_weights), n_kept(143, 0.3) + n_kept(221, 0.3)
    assert abs(n_left - aim) < 20


@pytest.mark.parametrize(
    ("below", "fraction", "expected"),
    [
        ([2, 2, 2, 2, 2], 0.5, 2),  # 5 of 10 may go: two units, a third would exceed it
        ([2, 2, 2, 2, 2], 0.4, 2),  # 4 of 10: just two units
        ([1, 5, 1, 3], 0.3, 1),  # 3 of 10: the second unit would exceed it, and none after it is tried
        ([7, 1, 1, 1], 0.3, 0),
        ([3, 7], 0.3, 1),  # 0.3 of 10 is 3, not 2.99
    ],
)
def test_units_of_a_layer_until_one_more_would_be_too_much(below, fraction, expected):
    lower = np.arange(11)[:, None] < np.array(below)
    upper = np.arange(len(below))[:, None] < np.array([2, 1, 1, 1])
    orders = np.arange(len(below)), np.array([2, 1, 3, 0])
    found = within_fraction_of_weights(orders, (lower, upper), [fraction, 0.5])
    assert found == [expected, 2]  # units 2 and 1 of the top have two of its five weights; unit 3 would make three


def test_a_fraction_of_the_units_of_every_layer_whatever_their_weights():
    masks = [np.ones((3, 7), bool), np.ones((7, 10), bool)]
    assert fraction_of_units([np.arange(7), np.arange(10)], masks, [0.5, 0.3]) == [3, 3]  # 0.3 of 10 is 3, not 2.99


@pytest.mark.parametrize("section", [Pruning, DeepPruning])
def test_every_way_to_remove_whole_units_that_can_be_configured_is_a_rule(section):
    assert set(section.model_fields["whole_units"].annotation.__args__) <= set(UNIT_RULES)


@pytest.mark.parametrize(("whole_units", "expected"), [("weights", 4), ("count", 4), ("proportion", 0), ("layer", 0)])
def test_units_of_equal_saliency_go_at_random_or_by_their_place(whole_units, expected):
    """Of five units one goes; the sums of the random numbers are lowest at unit 4."""
    ones, ties = np.ones((3, 5)), np.array([[0.9, 0.8, 0.7, 0.6, 0.5]] * 3)
    _, [chosen] = drop_units([ones], [ones > 0], [0.2], whole_units, [ties])
    assert np.flatnonzero(chosen).tolist() == [expected]


def test_units_chosen_layer_by_layer_take_their_weights_with_them():
    machine = full_machine(11, 13, 17)
    pruned = prune_deeply(CRITERIA["random_units"], machine, (0.3, 0.1), seed=5, iteration=2, units="layer")
    assert pruned.machine.layer_sizes == (11, 10, 16)  # 3 of 13 units and 1 of 17, not 3.9 and 1.7
    assert pruned.machine.n_weights == (110, 160)
    assert {reason for _, _, reason in pruned.units_removed} == {"chosen"}


def test_random_units_depend_on_seed_and_iteration():
    machine = full_machine(11, 13, 17)
    went = {
        (seed, iteration): tuple(
            prune_deeply(CRITERIA["random_units"], machine, (0.3, 0.3), seed=seed, iteration=iteration).units_removed
        )
        for seed, iteration in itertools.product(range(5), (1, 2, 3))
    }
    assert len(set(went.values())) > 13


def test_units_that_chosen_ones_leave_behind_go_too():
    """14 weights go with unit 0 of h1 and 3 of h2, where 2 + 8 should; unit 0 of h2 lived on unit 0 of h1 alone."""
    upper = np.ones((5, 7))
    upper[1:, 0] = 0
    lowest = np.broadcast_to(np.arange(5), (3, 5)), np.broadcast_to([1, 2, 3, 0, 4, 5, 6], (5, 7))
    pruned = prune_deeply(by_layer(*lowest), machine_of([np.ones((3, 5)), upper]), whole_units=True)
    assert pruned.units_removed == [(1, 0, "chosen"), (2, 0, "below"), (2, 3, "chosen")]
    assert pruned.machine.units[2].tolist() == [1, 2, 4, 5, 6] and pruned.machine.n_weights == (12, 20)


def test_whole_units_go_by_the_mean_saliency_of_their_existing_weights():
    lower = np.ones((3, 5))
    lower[:2, 1] = 0
    machine = machine_of([lower, np.ones((5, 7))])
    first = [[9.0, -99.0, 1.0, 4.0, 5.0], [0.0, -99.0, 1.0, 4.0, 5.0], [0.0, 3.5, 1.0, 4.0, 5.0]]  # means 3 3.5 1 4 5
    second = np.broadcast_to(np.arange(7.0), (5, 7))
    pruned = prune_deeply(by_layer(first, second), machine, (0.5, 0.5), whole_units=True)
    assert [unit for layer, unit, _ in pruned.units_removed if layer == 1] == [0, 2]  # -99 belongs to no weight


# Nothing left


@pytest.mark.parametrize("saliencies", [("none", "all"), ("all", "none"), ("none", "none")])
def test_without_weights_in_a_layer_no_hidden_unit_is_left(saliencies):
    """The course ends there: see the module `pruning`."""
    full = {"none": np.zeros, "all": np.ones}
    rule = by_layer(*(full[name](shape) for name, shape in zip(saliencies, [(5, 7), (7, 3)])))
    pruned = prune_deeply(rule, full_machine(5, 7, 3), (0.01, 0.01), zeros_go=True)
    assert pruned.machine.is_empty and pruned.machine.layer_sizes == (5, 0, 0)
    assert [reason for _, _, reason in pruned.units_removed if reason == "cascade"] == ["cascade"] * (
        {"none all": 3, "all none": 0, "none none": 0}[" ".join(saliencies)]
    )
    assert pruned.visible_disconnected.tolist() == [0, 1, 2, 3, 4]


def test_ways_that_miss_each_other_leave_nothing():
    """Both layers keep weights by saliency, but no hidden unit has one on either side."""
    lower, upper = np.zeros((5, 7)), np.zeros((7, 3))
    lower[2, 3] = upper[5, 1] = 1
    pruned = prune_deeply(by_layer(lower, upper), full_machine(5, 7, 3), (0.01, 0.01), zeros_go=True)
    assert pruned.machine.is_empty and pruned.machine.n_weights == (0, 0)
    upper[3, 2] = 1
    pruned = prune_deeply(by_layer(lower, upper), full_machine(5, 7, 3), (0.01, 0.01), zeros_go=True)
    assert not pruned.machine.is_empty and pruned.machine.layer_sizes == (5, 1, 1)


def test_a_machine_that_lost_its_hidden_units_still_works(tmp_path):
    machine = full_machine(5, 7, 3)
    upper = np.ones((7, 3))
    upper[4, 2] = 0
    pruned = prune_deeply(by_layer(np.zeros((5, 7)), upper), machine, (0.01, 0.01), zeros_go=True)
    left, cpu = pruned.machine, get_backend("cpu")
    assert left.layer_sizes == (5, 0, 0) and left.n_weights == (0, 0)
    assert pruned.units_removed == [(1, u, "below") for u in range(7)] + [(2, u, "cascade") for u in range(3)]
    chains = tuple(np.ones((11, n), np.uint8)[:, keep] for n, keep in zip((5, 7, 3), pruned.remaining))
    write_arrays(tmp_path / "m.npz", machine_arrays(3, left) | chain_arrays(3, chains), {})
    arrays = Arrays(tmp_path / "m.npz")
    left, chains = read_machine(arrays, 3), read_chains(arrays, 3, left.layer_sizes)
    assert [chain.shape for chain in chains] == [(11, 5), (11, 0), (11, 0)]
    cases = (np.random.default_rng(43).random((13, 5)) < 0.5).astype(np.uint8)
    epoch = JointEpoch(0.1, 0.5, 1, 5, 0, 6.0, 1e-5, 50)
    key = fork(3, "training", 1)
    trained, state, _ = cpu.joint_epoch(left, JointState.at_rest(left, chains), key, cases, epoch, lambda n: None)
    assert np.isfinite(trained.biases[0]).all() and (trained.biases[0] != left.biases[0]).any()
    for how in ("persistent", "fresh"):
        sampling = DeepSampling(chains=how, n_gibbs_steps=2)
        statistics, packed = deep_statistics(trained, state.chains, 31, sampling, key, cpu)
        assert packed.shape == (31, 1) and [p.shape for p in statistics.pair_means] == [(5, 0), (0, 0)]
