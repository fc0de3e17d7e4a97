"""Masks of pruned machines: in the numbering of the first machine, their overlap beyond chance, agreement of seeds."""

import itertools

import numpy as np
import pytest

from boltzprune.core.machine import BoltzmannMachine, without_units
from boltzprune.core.masks import receptive_fields
from boltzprune.evaluation.survival import agreement, common_layers, kept, overlap, profile

SIZES = (7, 5, 3)


def pruned(masks, units):
    """A machine with those weights."""
    weights = tuple(mask.astype(np.float32) for mask in masks)
    return BoltzmannMachine(weights, tuple(np.zeros(len(one), np.float32) for one in units), masks, units)


def test_weights_are_found_by_the_first_numbers_of_their_units():
    """Other units, and in another order, in every layer: weight by weight against a dictionary of pairs."""
    rng = np.random.default_rng(41)
    units = (np.array([6, 0, 2, 5, 3]), np.array([4, 1, 0]), np.array([2, 0]))
    masks = tuple(rng.random((len(a), len(b))) < 0.5 for a, b in itertools.pairwise(units))
    expected = {
        (layer, units[layer][i], units[layer + 1][j])
        for layer, mask in enumerate(masks)
        for i, j in itertools.product(*map(range, mask.shape))
        if mask[i, j]
    }
    whole = kept(pruned(masks, units), SIZES)
    assert [one.shape for one in whole] == [(7, 5), (5, 3)]
    assert {(layer, *place) for layer, one in enumerate(whole) for place in np.argwhere(one)} == expected


def test_nothing_is_left_of_a_course_that_has_ended():
    assert [one.any() for one in kept(without_units(2), SIZES)] == [False, False]


@pytest.mark.parametrize("n", [5, 7])
def test_overlap_against_all_choices_of_that_size(n):
    """Expected: the mean over every mask with as many weights. Bounds: the most and the fewest that occur."""
    every = [np.array(bits, dtype=bool) for bits in itertools.product([0, 1], repeat=n)]
    rng = np.random.default_rng(43)
    for one in (every[place] for place in rng.choice(len(every), 11, replace=False)):
        for size in range(n + 1):
            others = [mask for mask in every if mask.sum() == size]
            common = np.array([(one & mask).sum() for mask in others])
            for other, n_both in zip(others, common):
                found = overlap(one, other, n)
                assert (found.n_one, found.n_other, found.n_both) == (one.sum(), size, n_both)
                assert found.n_expected == pytest.approx(common.mean())
                excess = n_both - common.mean()
                bound = common.max() if excess > -1e-9 else common.min()
                if common.min() == common.max():
                    assert np.isnan(found.index)
                else:
                    assert found.index == pytest.approx(excess / abs(bound - common.mean()), abs=1e-12)
                    assert -1 <= found.index <= 1


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [("1100000", "1100000", 1), ("1100000", "1111000", 1), ("1110000", "0001110", -1), ("1111110", "0000001", -1)],
)
def test_overlap_of_masks_by_hand(one, other, expected):
    one, other = (np.array(list(map(int, bits)), dtype=bool) for bits in (one, other))
    assert overlap(one, other, 7).index == overlap(other, one, 7).index == pytest.approx(expected)


def test_chance_is_of_the_weights_that_there_were_not_of_all_pairs_of_units():
    """A receptive field leaves out pairs, which no mask can have: random masks within it have index 0."""
    rng, field = np.random.default_rng(47), receptive_fields((7, 5), 3)
    places = np.argwhere(field)
    found = []
    for _ in range(101):
        one, other = np.zeros((2, *field.shape), dtype=bool)
        for mask in (one, other):
            mask[tuple(places[rng.choice(len(places), 61, replace=False)].T)] = True
        found.append(overlap(one, other, len(places)).index)
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found)) < 0.1


def test_layers_whose_units_are_told_apart_in_every_seed():
    assert common_layers(np.ones((7, 5), dtype=bool)) == (0,)
    assert common_layers(receptive_fields((7, 5), 3)) == (0, 1)
    assert common_layers(receptive_fields((2, 3), 5)) == (0,), "a field as large as the image tells no unit apart"


def test_profiles_are_shares_of_the_weights_that_each_unit_had():
    field = receptive_fields((5, 3), 3)
    left = field.copy()
    left[:, 4] = False  # a unit of h1 that is gone
    left[0, 1] = False
    for layer in (0, 1):
        had, has = ((one if layer == 0 else one.T) for one in (field, left))
        expected = [sum(b) / sum(a) for a, b in zip(had.tolist(), has.tolist())]
        assert profile(left, field, layer) == pytest.approx(expected)
    assert profile(left, field, 1)[4] == 0
    assert set(profile(field, field, 0)) == {1.0}, "the border of the image is in no profile"


def test_agreement_is_the_mean_correlation_with_the_other_seeds():
    profiles = np.random.default_rng(53).random((5, 11))
    pairs = {(i, j): np.corrcoef(profiles[i], profiles[j])[0, 1] for i, j in itertools.permutations(range(5), 2)}
    expected = [np.mean([pairs[i, j] for j in range(5) if j != i]) for i in range(5)]
    assert agreement(profiles) == pytest.approx(expected)


def test_a_constant_profile_agrees_with_none_and_counts_for_none():
    profiles = np.array([[0.0, 1.0, 2.0], [0.3, 0.3, 0.3], [0.0, 2.0, 4.0], [0.0, 0.0, 0.0]])
    assert agreement(profiles) == pytest.approx([1, np.nan, 1, np.nan], nan_ok=True)
    assert np.isnan(agreement(profiles[:2])).all() and np.isnan(agreement(profiles[:1])).all()
