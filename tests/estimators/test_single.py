"""Functions for one machine: what they refuse, and that every example in a docstring does what it shows."""

import doctest
import importlib

import numpy as np
import pytest
from by_hand import machine as random_machine

import boltzprune
from boltzprune.errors import InputError

PATTERNS = np.random.default_rng(3).integers(0, 2, (31, 5))
RBM, DBM = random_machine((5, 7), seed=5), random_machine((5, 7, 3), seed=7)
CPU = {"device": "cpu"}


@pytest.mark.parametrize("name", sorted(boltzprune.__all__))
def test_examples_in_docstrings_run(name):
    thing = getattr(boltzprune, name)
    module = importlib.import_module(thing.__module__) if hasattr(thing, "__module__") else boltzprune
    examples = [test for test in doctest.DocTestFinder(recurse=False).find(thing, name, module) if test.examples]
    if callable(thing):
        assert examples, f"{name} has no example"
    for test in examples:
        assert doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test).failed == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: boltzprune.new_rbm([0, 1]), r"cases is an array of shape \(2,\) and type int64; expected one row"),
        (lambda: boltzprune.new_rbm(np.zeros((0, 5))), r"cases is an array of shape \(0, 5\)"),
        (lambda: boltzprune.new_rbm([["a"]]), r"type <U1; expected one row of 0 and 1"),
        (lambda: boltzprune.new_rbm(PATTERNS * 2), r"cases\[\d+, \d+\] is 2; expected 0 or 1: make them binary first"),
        (lambda: boltzprune.train_rbm(RBM, PATTERNS[:, :3]), r"cases has 3 columns, but the machine has 5 visible"),
        (lambda: boltzprune.train_rbm(DBM, PATTERNS), r"train_rbm is for machines with one weight layer.*train_dbm"),
        (lambda: boltzprune.train_rbm(RBM, PATTERNS, rate=[0.1]), r"train_rbm.rate = \[0.1\]: Extra inputs"),
        (
            lambda: boltzprune.prune(RBM, boltzprune.observe(RBM, 101), schedule=[0.5]),
            r"prune: schedule is a key of studies; here every pruning is given its own fraction",
        ),
        (lambda: boltzprune.observe(RBM, 1), r"observe.n_samples = 1: Input should be greater than or equal to 2"),
        (lambda: boltzprune.observe(RBM, 11, chains=()), r"chains are those of a DBM, and this machine is an RBM"),
        (lambda: boltzprune.observe(DBM, 11, eigenvector=True), r"full Fisher information matrix is computed for RBMs"),
        (lambda: boltzprune.new_dbm(PATTERNS, (7,), **CPU), r"new_dbm.n_hidden = \[7\]: List should have at least 2"),
        (
            lambda: boltzprune.new_dbm(PATTERNS, (7, 3), mask=np.ones((7, 5)), **CPU),
            r"new_dbm: mask is an array of shape",
        ),
        (lambda: boltzprune.new_dbm(PATTERNS, (7, 3), first={"epochs": 2}, **CPU), r"new_dbm.first.epochs = 2: Extra"),
    ],
)
def test_what_is_wrong_is_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_cases_can_be_of_any_number_type():
    trained = [
        boltzprune.train_rbm(RBM, cases, **CPU).weights[0]
        for cases in (PATTERNS, PATTERNS.astype(bool), PATTERNS.astype(np.float32), PATTERNS.tolist())
    ]
    assert all(np.array_equal(trained[0], other) for other in trained[1:])


def test_a_deep_machine_without_chains_is_sampled_from_random_starts():
    fresh = boltzprune.sample(DBM, 4001, n_gibbs_steps=50, **CPU)
    observed = boltzprune.observe(DBM, 4001, n_gibbs_steps=50, **CPU).statistics
    assert observed.rates[0] == pytest.approx(fresh.mean(axis=0))
    from boltzprune.sampling import exact

    truth = exact.statistics(DBM).rates[0]
    assert (np.abs(fresh.mean(axis=0) - truth) < 4.5 * np.sqrt(truth * (1 - truth) / 4001)).all()


def test_the_eigenvector_is_that_of_the_largest_eigenvalue():
    activity = boltzprune.observe(RBM, 5003, eigenvector=True, **CPU)
    from boltzprune.sampling import exact

    truth = np.linalg.eigh(exact.fisher_matrix(RBM))[1][:, -1]
    assert abs(activity.eigenvector @ truth) > 0.98
    (found,) = boltzprune.importance(RBM, activity, "eigenvector")
    assert found == pytest.approx(np.abs(activity.eigenvector[:35].reshape(5, 7)))


def test_one_fraction_is_that_of_both_layers_of_a_dbm():
    activity = boltzprune.observe(DBM, 101, **CPU)
    both = boltzprune.prune(DBM, activity, "weight_magnitude", fraction=0.4, threshold="rank")
    each = boltzprune.prune(DBM, activity, "weight_magnitude", fraction=[0.4, 0.4], threshold="rank")
    assert both.machine.n_weights == each.machine.n_weights == (21, 12)
