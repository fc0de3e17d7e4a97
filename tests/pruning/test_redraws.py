"""How far a pruning is decided: by hand where it can be said, and against prunings by other samples."""

from dataclasses import replace

import by_hand
import numpy as np
import pytest

from boltzprune.backend import get_backend
from boltzprune.core.fisher import Statistics
from boltzprune.core.streams import fork
from boltzprune.pruning.criteria import CRITERIA, resolve
from boltzprune.pruning.prune import chosen, prune, saliencies, shown_of, tie_breakers
from boltzprune.pruning.redraws import N_REDRAWS, decided, redrawn
from boltzprune.sampling import exact
from boltzprune.sampling.statistics import deep_statistics, estimate
from boltzprune.study.config import DeepSampling, Pruning, Sampling

CPU = get_backend("cpu")
HOW = Pruning(fraction=0.5, threshold="rank")


def machine_of(sizes=(11, 7), seed=3):
    return by_hand.machine(sizes, seed=seed, scale=0.7, density=0.9)


def of_samples(machine, n, seed, kind="sampled"):
    samples = exact.sample(machine, n, fork(seed, "samples"), CPU)
    return estimate(machine, samples, Sampling(statistics=kind), CPU)[0]


def kept(machine, statistics, name, seed=5, layer=0):
    shown = shown_of(machine, statistics, CRITERIA[name], name, HOW, seed, 1)
    found = saliencies(CRITERIA[name], name, shown)
    return chosen(machine, found, CRITERIA[name], HOW, tie_breakers(machine, seed, 1))[0][layer]


def agreement(masks):
    """Of the weights that one set keeps, the share that another keeps."""
    return np.mean([(a & b).sum() / a.sum() for i, a in enumerate(masks) for b in masks[:i]])


def silenced(machine, by):
    """The units of the top layer are hardly ever on."""
    return type(machine)(machine.weights, (*machine.biases[:-1], machine.biases[-1] - np.float32(by)), machine.masks)


@pytest.mark.parametrize("name", ["weight_magnitude", "random_weights", "random_units"])
def test_what_looks_at_no_activity_is_decided(name):
    machine = machine_of()
    [found] = decided(machine, of_samples(machine, 53, 7), CRITERIA[name], name, HOW, 5, 1)
    ours = kept(machine, of_samples(machine, 53, 7), name)
    assert found.undecided == 0 and found.kept_again == 1
    assert (np.nan_to_num(found.probability, nan=0) == ours).all()
    assert (np.isnan(found.probability) == ~machine.masks[0]).all()


def test_exact_statistics_decide():
    machine = machine_of()
    [found] = decided(machine, exact.statistics(machine), CRITERIA["variance_fi"], "variance_fi", HOW, 5, 1)
    assert found.undecided == 0 and found.kept_again == 1


@pytest.mark.parametrize("name", ["variance_fi", "heuristic_fi", "deletion_cost", "anti_fi"])
@pytest.mark.parametrize("n", [211, 5003])
def test_the_share_that_is_kept_again_is_that_of_other_samples(name, n):
    """Of the weights that one set of samples keeps, others of the machine keep the share that the redraws say."""
    machine = machine_of()
    sets = [of_samples(machine, n, seed) for seed in range(40)]
    masks = [kept(machine, one, name) for one in sets]
    truth = agreement(masks)
    told = [decided(machine, one, CRITERIA[name], name, HOW, 5, 1)[0] for one in sets[:7]]
    assert np.mean([one.kept_again for one in told]) == pytest.approx(truth, abs=0.012)
    assert any(one.undecided > 0 for one in told) == (truth < 1) and (n == 5003 or truth < 0.99)
    changing = ((np.mean(masks, axis=0) > 0) & (np.mean(masks, axis=0) < 1))[machine.masks[0]].mean()
    assert np.mean([one.undecided for one in told]) == pytest.approx(changing, abs=0.15)


@pytest.mark.parametrize("name", ["variance_fi", "heuristic_fi", "deletion_cost"])
@pytest.mark.parametrize(("silent", "n"), [(0, 211), (0, 5003), (6, 211), (8, 2003)])
def test_so_is_that_of_conditional_means(name, silent, n):
    """Silent units above all: drawn as if they had been counted, their means would mostly be 0."""
    machine = silenced(machine_of(), silent)
    sets = [of_samples(machine, n, seed, "conditional") for seed in range(40)]
    told = [decided(machine, one, CRITERIA[name], name, HOW, 5, 1)[0].kept_again for one in sets[:7]]
    assert np.mean(told) == pytest.approx(agreement([kept(machine, one, name) for one in sets]), abs=0.035)
    if silent:
        counted = replace(sets[0], rate_effective=(), pair_effective=())
        found = decided(machine, counted, CRITERIA[name], name, HOW, 5, 1)[0]
        assert found.probability[kept(machine, sets[0], name)].mean() < 0.87


@pytest.mark.parametrize("name", ["variance_fi", "deletion_cost"])
@pytest.mark.parametrize(("chains", "n_gibbs_steps", "n"), [("fresh", 40, 211), ("persistent", 2, 23 * 31)])
def test_so_is_that_of_conditional_means_of_deep_machines(name, chains, n_gibbs_steps, n):
    machine, sets = silenced(by_hand.machine((7, 5, 11), seed=19, scale=0.7), 7), []
    how = DeepSampling(chains=chains, n_gibbs_steps=n_gibbs_steps, statistics="conditional")
    for seed in range(40):
        start = exact.sample(machine, 23, fork(seed, "starts"), CPU)
        sets.append(deep_statistics(machine, start, n, how, fork(seed, "samples"), CPU)[0])
    told = [decided(machine, one, CRITERIA[name], name, HOW, 5, 1) for one in sets[:7]]
    for layer in range(2):
        truth = agreement([kept(machine, one, name, layer=layer) for one in sets])
        assert np.mean([one[layer].kept_again for one in told]) == pytest.approx(truth, abs=0.035)
    counted = replace(sets[0], rate_effective=(), pair_effective=())
    found = decided(machine, counted, CRITERIA[name], name, HOW, 5, 1)[1]
    assert found.probability[kept(machine, sets[0], name, layer=1)].mean() < 0.8


def test_more_samples_decide_more_and_dependent_ones_less():
    machine = machine_of()
    shown = CRITERIA["variance_fi"], "variance_fi", HOW, 5, 1
    few, many = (decided(machine, of_samples(machine, n, 11), *shown)[0] for n in (211, 50_021))
    assert many.undecided < few.undecided / 2 and many.kept_again > few.kept_again
    statistics = of_samples(machine, 50_021, 11)
    worth = tuple(np.full(mean.shape, 211.0) for mean in statistics.rates), (np.full((11, 7), 211.0),)
    dependent = Statistics(50_021, statistics.rates, statistics.pair_means, *worth)
    assert decided(machine, dependent, *shown)[0].undecided > 2 * many.undecided


def test_redrawn_means_by_hand():
    rates, pairs = (np.array([0.2, 0.7]), np.array([0.5, 0.0, 1.0])), np.array([[0.1, 0.0, 0.2], [0.4, 0.0, 0.7]])
    mask = np.array([[True, True, False], [True, True, True]])
    statistics, random = Statistics(1009, rates, (pairs,)), np.random.default_rng(13)
    found = [redrawn(statistics, [mask], random) for _ in range(2003)]
    drawn = np.array([one.pair_means[0] for one in found])
    assert (drawn[:, 0, 2] == 0.2).all() and (drawn[:, :, 1] == 0).all()
    for i, j in ((0, 0), (1, 0)):
        sd = np.sqrt(pairs[i, j] * (1 - pairs[i, j]) / 1009)
        assert drawn[:, i, j].mean() == pytest.approx(pairs[i, j], abs=4 * sd / np.sqrt(2003))
        assert drawn[:, i, j].std() == pytest.approx(sd, rel=0.07)
    for one in found[:101]:
        assert (one.pair_means[0] <= np.minimum.outer(*one.rates) + 1e-12)[mask].all()
        assert one.rates[1][1:].tolist() == [0, 1] and one.n_samples == 1009


def test_redraws_depend_on_seed_and_iteration_alone():
    machine, n = machine_of(), 0
    statistics = of_samples(machine, 211, 17)
    for seed, iteration in ((5, 1), (5, 2), (7, 1)):
        shown = CRITERIA["variance_fi"], "variance_fi", HOW, seed, iteration
        found, again = (decided(machine, statistics, *shown)[0] for _ in range(2))
        assert np.array_equal(found.probability, again.probability, equal_nan=True)
        share = found.probability[machine.masks[0]]
        assert found.undecided == pytest.approx(1 - np.isin(share, [0, 1]).mean())
        pairs = (share * (N_REDRAWS * share - 1)).sum() / (N_REDRAWS - 1)
        assert found.kept_again == pytest.approx(pairs / share.sum())
        n += len(np.unique(share * N_REDRAWS)) > 5
    assert n == 3


def test_a_machine_of_two_layers_has_two_answers():
    machine = by_hand.machine((7, 5, 3), seed=19, scale=0.7)
    truth = exact.statistics(machine)
    statistics = Statistics(307, truth.rates, truth.pair_means)
    how = Pruning(fraction=0.5, threshold="rank")
    found = decided(machine, statistics, CRITERIA["variance_fi"], "variance_fi", how, 5, 1)
    assert [one.probability.shape for one in found] == [(7, 5), (5, 3)]
    assert found[0].undecided != found[1].undecided


def test_redraws_change_no_pruning():
    machine, name = machine_of(), "variance_fi"
    statistics = of_samples(machine, 211, 23)
    before = prune(machine, statistics, CRITERIA[name], name, HOW, 5, 1)
    decided(machine, statistics, CRITERIA[name], name, HOW, 5, 1)
    after = prune(machine, statistics, resolve(name), name, HOW, 5, 1)
    assert (before.machine.masks[0] == after.machine.masks[0]).all()
