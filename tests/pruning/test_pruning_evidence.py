"""What a criterion is shown when it prunes: statistics, eigenvector, random numbers by original unit; read-only."""

import numpy as np
import pytest
from small_machines import (
    constant,
    high_in,
    kept_places,
    original_mask,
    prune_with,
    random_machine,
    random_statistics,
)

from boltzprune.errors import InputError
from boltzprune.pruning.criteria import CRITERIA


def seen(machine, iteration, seed=3, fraction=0.5, **fields):
    """The evidence that a criterion is shown."""
    caught = []

    def look(evidence):
        caught.append(evidence)
        return np.random.default_rng(1).random(evidence.weights.shape)

    pruned = prune_with(look, machine, fraction, seed=seed, iteration=iteration, **fields)
    return caught[0], pruned


def test_random_numbers_belong_to_the_original_units():
    machine = random_machine(5, 8)
    compact = prune_with(lambda e: high_in([1, 2, 5, 7], 5, 8), machine).machine
    whole, _ = seen(machine, iteration=2)
    part, _ = seen(compact, iteration=2)
    kept = [1, 2, 5, 7]
    assert np.array_equal(part.uniform_weights, whole.uniform_weights[:, kept])
    assert np.array_equal(part.uniform_units, whole.uniform_units[kept])
    assert len(np.unique(whole.uniform_weights)) == 40


@pytest.mark.parametrize("changed", [{"seed": 4}, {"iteration": 3}])
def test_random_numbers_depend_on_seed_and_iteration(changed):
    machine = random_machine(5, 7)
    one, _ = seen(machine, **({"seed": 3, "iteration": 2}))
    other, _ = seen(machine, **({"seed": 3, "iteration": 2} | changed))
    assert not np.isin(one.uniform_weights, other.uniform_weights).any()
    assert not np.isin(one.uniform_units, other.uniform_units).any()


def test_random_numbers_of_ties_weights_and_units_differ():
    machine = random_machine(7, 11)
    evidence, _ = seen(machine, iteration=1)
    by_chance = kept_places(prune_with(lambda e: e.uniform_weights, machine))
    assert by_chance != kept_places(prune_with(constant, machine))
    assert not np.isin(evidence.uniform_units, evidence.uniform_weights).any()


def test_the_criterion_sees_statistics_and_declared_options_high_in():
    machine = random_machine(5, 7)
    statistics = random_statistics(machine)
    evidence, _ = seen(machine, iteration=1, statistics=statistics)
    assert np.array_equal(evidence.pair_mean, statistics.pair_means[0])
    assert np.array_equal(evidence.lower_rate, statistics.rates[0])
    assert np.array_equal(evidence.upper_rate, statistics.rates[1])
    assert evidence.eigenvector is None
    assert evidence.options == {}
    evidence, _ = seen(machine, iteration=1, options=("eigenvector_entry",), eigenvector_entry="signed")
    assert evidence.options == {"eigenvector_entry": "signed"}


def writing(evidence):
    evidence.weights[:] = 0
    return evidence.pair_mean


def test_a_criterion_cannot_change_the_machine():
    machine = random_machine(5, 7)
    with pytest.raises(InputError, match=r"criterion 'test' raised ValueError.*read-only"):
        prune_with(writing, machine)
    assert machine.weights[0].all()


def test_the_entries_of_the_eigenvector_are_laid_out_as_the_weights():
    machine = random_machine(5, 7, share=0.6)
    n_weights = machine.n_weights[0]
    vector = np.arange(1.0, n_weights + 5 + 7 + 1)
    evidence, _ = seen(machine, iteration=1, vector=vector)
    assert evidence.eigenvector[machine.masks[0]].tolist() == list(range(1, n_weights + 1))
    assert not evidence.eigenvector[~machine.masks[0]].any()


def test_signed_and_magnitude_eigenvector_keep_different_weights():
    machine = random_machine(5, 7)
    vector = np.concatenate([np.linspace(-3, 1, 35), np.zeros(12)])
    magnitude, signed = (
        prune_with(CRITERIA["eigenvector"], machine, vector=vector, eigenvector_entry=entry).machine
        for entry in ("magnitude", "signed")
    )
    kept = original_mask(signed, 5, 7).ravel()
    assert kept.nonzero()[0].tolist() == list(range(18, 35))
    kept = original_mask(magnitude, 5, 7).ravel().nonzero()[0]
    assert kept.tolist() == np.sort(np.argsort(np.abs(vector[:35]))[18:]).tolist()
