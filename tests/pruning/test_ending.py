"""When courses end: what few weights and units do in both experiments, and what the rules alone foretell."""

import dataclasses

import numpy as np
import pytest
from deep_machines import activity, full_machine, machine_of, prune_deeply
from small_machines import prune_with, random_machine, random_statistics

from boltzprune.backend import get_backend
from boltzprune.core.machine import all_finite
from boltzprune.core.masks import receptive_fields
from boltzprune.core.streams import fork
from boltzprune.learning.joint_training import train_jointly
from boltzprune.learning.training import Run, train
from boltzprune.pruning.criteria import CRITERIA
from boltzprune.pruning.ending import ends_at
from boltzprune.sampling.statistics import draw, estimate
from boltzprune.study.config import DeepPruning, JointTraining, MeanField, Pruning, Sampling, Training
from boltzprune.study.config.presets import PRESETS
from boltzprune.study.progress import Progress

SILENT = Progress(1, "updates", "test", bar=False)
DEEP = [name for name, row in CRITERIA.items() if row.needs != "eigenvector"]


@pytest.mark.parametrize("threshold", ["rank", "percentile"])
@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("name", ["weight_magnitude", "random_weights", "variance_fi", "anti_fi"])
def test_few_weights_go_alike_in_both_experiments(name, n, fraction, threshold):
    """One hidden unit that n pixels see; in the deep machine n units of h2 are above it, so that both layers have n."""
    rules = {"threshold": threshold, "anti_fi_threshold": threshold}
    rbm = prune_with(CRITERIA[name], random_machine(n, 1), fraction, **rules).machine
    dbm = prune_deeply(CRITERIA[name], full_machine(n, 1, n), (fraction, fraction), **rules).machine
    stays = name == "anti_fi" and threshold == "percentile"  # the ties of the last weight with itself
    assert dbm.n_weights == rbm.n_weights * 2 and rbm.is_empty == dbm.is_empty
    assert (rbm.n_weights[0] < n) == (not stays or n > 1)
    assert not (stays and rbm.is_empty)


@pytest.mark.parametrize(
    ("units", "deep_units", "fraction", "left"),
    [
        ("count", "layer", 0.5, 1),
        ("count", "layer", 0.9, 1),
        ("weights", "proportion", 0.1, 1),
        ("weights", "proportion", 0.9, 0),
    ],
)
def test_the_last_unit_goes_alike_in_both_experiments(units, deep_units, fraction, left):
    rule = CRITERIA["random_units"]
    rbm = prune_with(rule, random_machine(5, 1), fraction, units=units)
    dbm = prune_deeply(rule, full_machine(5, 1, 1), (fraction, fraction), units=deep_units)
    assert rbm.machine.layer_sizes == (5, left) and dbm.machine.layer_sizes == (5, left, left)
    assert (rbm.n_weights_removed == (0,)) == (left == 1)


def test_half_of_the_paper_s_units_is_gone_with_the_seventh_pruning():
    masks, rule, numbers = [np.ones((13, 70), bool)], CRITERIA["random_units"], [70]
    machine, pruning = random_machine(13, 70), Pruning(fraction=0.5, whole_units="weights")
    while numbers[-1]:
        iteration = len(numbers)
        machine = prune_with(rule, machine, statistics=random_statistics(machine), iteration=iteration).machine
        numbers.append(machine.layer_sizes[1])
    assert numbers == [70, 35, 17, 8, 4, 2, 1, 0]
    assert [ends_at(masks, rule, [pruning] * n) for n in (3, 6, 7, 20)] == [None, None, 7, 7]
    assert ends_at(masks, rule, [Pruning(fraction=0.5, whole_units="count")] * 50) is None
    assert ends_at([np.ones((13, 70), bool)], CRITERIA["variance_fi"], [pruning] * 20) == 10  # 910, 455, ..., 1, none


@pytest.mark.parametrize("threshold", ["rank", "percentile"])
@pytest.mark.parametrize("name", [name for name in DEEP if not CRITERIA[name].whole_units])
def test_a_sequence_of_prunings_ends_when_foretold(name, threshold):
    """Of an RBM just then, since no two saliencies are equal; of a DBM then or before, for units that lead nowhere."""
    rules, seed = {"threshold": threshold, "anti_fi_threshold": threshold}, 3
    pruning = Pruning(fraction=0.4, **rules)
    foretold = ends_at([np.ones((5, 7), bool)], CRITERIA[name], [pruning] * 30)
    machine = random_machine(5, 7)
    for iteration in range(1, (foretold or 30) + 1):
        assert not machine.is_empty
        statistics = random_statistics(machine, seed=iteration)
        machine = prune_with(CRITERIA[name], machine, 0.4, seed, iteration, statistics, **rules).machine
    assert machine.is_empty == (foretold is not None) == (name != "anti_fi" or threshold == "rank")
    deep = DeepPruning(**rules).model_copy(update={"fraction": [0.4, 0.6]})
    foretold = ends_at([np.ones((5, 7), bool), np.ones((7, 3), bool)], CRITERIA[name], [deep] * 30)
    machine = full_machine(5, 7, 3)
    for iteration in range(1, (foretold or 30) + 1):
        if not machine.is_empty:
            statistics = activity(machine, seed=iteration)
            settings = {"iteration": iteration, "statistics": statistics, **rules}
            machine = prune_deeply(CRITERIA[name], machine, (0.4, 0.6), **settings).machine
    assert foretold is None or machine.is_empty


def test_the_ratio_of_zeros_can_keep_more_weights():
    """At 0.8, 9 zeros of 20 weights are more than 0.8 times the 11 others: they go alone, where by rank 16 would."""
    rule, masks = CRITERIA["variance_fi"], [np.ones((4, 5), bool), np.ones((5, 4), bool)]
    share, ratio = (
        DeepPruning(threshold="rank", zero_rule=reading).model_copy(update={"fraction": [0.8, 0.8]})
        for reading in ("share", "ratio")
    )
    assert ends_at(masks, rule, [share] * 9) == 2  # 20, 4, none
    assert ends_at(masks, rule, [ratio] * 9) == 5  # 20, 11, 6, 3, 1, none
    assert ends_at(masks, CRITERIA["weight_magnitude"], [ratio] * 9) == 2


def test_no_criterion_of_the_studies_of_the_paper_ends():
    """The masks of both experiments at the paper's size, with every preset: 3 and 10 iterations."""
    for preset in PRESETS.values():
        pruning = Pruning(fraction=0.5, **preset["patches"]["pruning"])
        assert not any(ends_at([np.ones((13, 70), bool)], row, [pruning] * 3) for row in CRITERIA.values())
        pruning = DeepPruning(**preset["digits"]["pruning"])
        masks = [receptive_fields((20, 20), 5), np.ones((400, 676), bool)]
        assert not any(ends_at(masks, CRITERIA[name], [pruning] * 10) for name in DEEP)


def test_the_end_of_a_criterion_of_whole_units_that_reads_the_eigenvector_is_foretold():
    rule = dataclasses.replace(CRITERIA["random_units"], needs="eigenvector")
    assert ends_at([np.ones((13, 70), bool)], rule, [Pruning(fraction=0.5, whole_units="weights")] * 20) == 7


def test_no_machine_is_trained_at_once():
    assert train([], np.zeros((3, 5), np.uint8), None, [], None) == []
    assert train_jointly([], [], np.zeros((3, 5), np.uint8), None, None, [], None) == []


@pytest.mark.parametrize("device", ["reference", "cpu"])
@pytest.mark.parametrize("n_weights", [1, 3])
def test_one_unit_or_weight_is_enough_to_retrain_sample_and_prune(device, n_weights):
    """An RBM of one hidden unit and a DBM of one in each layer, the first with one weight and with three."""
    backend, key, n = get_backend(device), fork(3, "training", 1), n_weights
    cases = (np.random.default_rng(47).random((31, 5)) < 0.4).astype(np.uint8)
    mask = (np.arange(5) < n)[:, None]
    rbm, dbm = machine_of([mask]), machine_of([mask, [[True]]])
    chains = tuple(np.ones((7, size), np.uint8) for size in dbm.layer_sizes)
    schedule = {"learning_rate": [0.1], "momentum": [0.5], "momentum_rule": "classical"}
    [one] = train([rbm], cases, Training(**schedule), [key], Run(backend, SILENT, ["a"]))
    joint = JointTraining(n_epochs=1, batch_size=5, learning_rate=[0.1, 0.1])
    [(deep, _)] = train_jointly([dbm], [chains], cases, joint, MeanField(), [key], Run(backend, SILENT, ["a"]))
    for before, after in ((rbm, one), (dbm, deep)):
        assert after.n_weights == before.n_weights and all_finite(after)
        changed = [a != b for a, b in zip(after.weights, before.weights)]
        assert all(np.array_equal(c, m) for c, m in zip(changed, before.masks))
    samples = draw(one, 101, Sampling(method="gibbs", n_gibbs_steps=2), key, backend)
    statistics, _ = estimate(one, samples, Sampling(), backend)
    assert prune_with(CRITERIA["weight_magnitude"], one, 0.5, statistics=statistics).machine.n_weights == (n // 2,)
