"""An estimator with the settings and the seed of a study has the bits of its machines, pruned and retrained alike."""

import json

import numpy as np
import pytest
from deep_study import DeepRunner, deep_values

from boltzprune import PrunedDBM, PrunedRBM
from boltzprune.results.prepared import read_digits, read_states
from boltzprune.results.store import Arrays, read_chains, read_machine, read_statistics
from boltzprune.study import jobs
from boltzprune.study.settings import merged
from boltzprune.study.stages import Job, run


def assert_same(found, expected):
    """Two machines, bit for bit."""
    for name in ("weights", "biases", "masks", "units"):
        for one, other in zip(getattr(found, name), getattr(expected, name), strict=True):
            assert np.array_equal(one, other), name


def of_file(runner, name, seed):
    return read_machine(Arrays(runner.folder / f"{name}.npz"), seed)


def statistics_of_file(runner, name, seed):
    return read_statistics(Arrays(runner.folder / f"{name}_statistics.npz"), seed)[0]


def assert_same_statistics(found, expected):
    assert found.n_samples == expected.n_samples
    groups = "rates", "pair_means", "rate_effective", "pair_effective"
    for one, other in zip(
        *([x for name in groups for x in getattr(one, name)] for one in (found, expected)), strict=True
    ):
        assert np.array_equal(one, other)


@pytest.fixture(scope="module")
def patterns(tiny):
    return read_states(Arrays(tiny.folder / "patterns.npz"))


def rbm(tiny, seed):
    training = tiny.study.patches.training
    how = {"learning_rate": training.learning_rate, "momentum": training.momentum, "order": training.order}
    return PrunedRBM(tiny.study.patches.machine.n_hidden, **how, random_state=seed, device="reference")


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("criterion", ["eigenvector", "anti_fi"])
def test_an_rbm_goes_the_course_of_the_study(tiny, patterns, criterion, seed):
    rules = {"threshold": "rank", "anti_fi_threshold": "rank"}
    estimator = rbm(tiny, seed).fit(patterns)
    assert_same(estimator.machine_, of_file(tiny, "initial", seed))
    assert_same_statistics(estimator.statistics_, statistics_of_file(tiny, "initial", seed))
    for iteration in (1, 2):
        estimator.prune(criterion, **rules)
        assert_same(estimator.machine_, of_file(tiny, f"{criterion}{iteration}_pruned", seed))
        assert_same_statistics(estimator.statistics_, statistics_of_file(tiny, f"{criterion}{iteration}_pruned", seed))
        estimator.retrain(patterns)
        name = f"{criterion}{iteration}_retrained"
        assert_same(estimator.machine_, of_file(tiny, name, seed))
        assert_same_statistics(estimator.statistics_, statistics_of_file(tiny, name, seed))


def test_retraining_without_a_pruning_is_the_control(tiny, patterns):
    estimator = rbm(tiny, 1).fit(patterns).retrain(patterns)
    assert_same(estimator.machine_, of_file(tiny, "unpruned1_retrained", 1))
    assert_same(estimator.retrain(patterns).machine_, of_file(tiny, "unpruned2_retrained", 1))
    assert [step["iteration"] for step in estimator.history_] == [0, 1, 2]


def settings(section, *names):
    return {name: getattr(section, name) for name in names or type(section).model_fields}


def dbm(deep, seed):
    digits = deep.study.digits
    from boltzprune import receptive_fields

    pretraining = {"first": settings(digits.pretraining.first), "second": settings(digits.pretraining.second)}
    return PrunedDBM(
        digits.machine.n_hidden,
        pretraining=pretraining | settings(digits.pretraining, "doubled_inputs", "second_data"),
        training=settings(digits.training),
        retraining=settings(digits.retraining),
        mean_field=settings(digits.mean_field),
        sampling=settings(digits.sampling, "chains", "n_gibbs_steps"),
        n_samples=digits.sampling.n_samples,
        n_chains=digits.n_chains,
        mask=receptive_fields((5, 3), digits.machine.receptive_field),
        **settings(digits.machine, "weight_sd", "visible_bias", "hidden_bias"),
        random_state=seed,
        device="reference",
    )


@pytest.mark.parametrize(("criterion", "seed"), [("random_units", 0), ("anti_fi", 1)])
def test_a_dbm_goes_the_course_of_the_study(deep, criterion, seed):
    images, rules = read_digits(Arrays(deep.folder / "digits.npz")), settings(deep.study.digits.pruning)
    estimator = dbm(deep, seed).fit(images.cases)
    assert_same(estimator.machine_, of_file(deep, "initial", seed))
    for iteration in (1, 2):
        assert_same_statistics(
            estimator.statistics_,
            statistics_of_file(deep, "initial" if iteration == 1 else f"{criterion}1_retrained", seed),
        )
        estimator.prune(criterion, **rules)
        assert_same(estimator.machine_, of_file(deep, f"{criterion}{iteration}_pruned", seed))
        assert_same_statistics(estimator.statistics_, statistics_of_file(deep, f"{criterion}{iteration}_pruned", seed))
        estimator.retrain(images.cases)
        assert_same(estimator.machine_, of_file(deep, f"{criterion}{iteration}_retrained", seed))
    expected = read_chains(Arrays(deep.folder / f"{criterion}2_retrained.npz"), seed, estimator.machine_.layer_sizes)
    assert all(np.array_equal(one, other) for one, other in zip(estimator.chains_, expected, strict=True))
    visible = Arrays(deep.folder / f"{criterion}2_retrained_samples.npz").states(f"seed{seed}/visible", 15)
    assert np.array_equal(estimator.sample(len(visible)), visible)


@pytest.mark.parametrize("chains", ["persistent", "fresh"])
def test_a_dbm_has_the_conditional_statistics_of_the_study(deep, tmp_path, chains):
    given = {"statistics": "conditional", "chains": chains}
    values = merged(deep_values(deep.folder / "my_images.npz"), {"digits": {"sampling": given}})
    study, plain = DeepRunner(values, tmp_path).study, settings(deep.study.digits.sampling, "n_gibbs_steps")
    estimator = dbm(deep, 1).fit(read_digits(Arrays(deep.folder / "digits.npz")).cases)
    for name, iteration in (("initial", 0), ("anti_fi1_pruned", 1)):
        phase = name.rpartition("_")[2]
        job = jobs.job(study, "sample_deep", criterion="anti_fi", iteration=iteration, phase=phase)
        inputs = {"machine": [deep.folder / f"{name}.npz"], "digits": [deep.folder / "digits.npz"]}
        outputs = {key: tmp_path / f"{name}_{key}.npz" for key in ("statistics", "samples")}
        run(Job("sample_deep", inputs, outputs, json.loads(job["spec"]), (0, 1)))
        expected = read_statistics(Arrays(outputs["statistics"]), 1)[0]
        for how in ({"statistics": "conditional", "sampling": plain | {"chains": chains}}, {"sampling": plain | given}):
            estimator.set_params(statistics="sampled").set_params(**how)
            assert_same_statistics(estimator.statistics_, expected)
        estimator.set_params(statistics="sampled", sampling=plain)
        before = statistics_of_file(deep, name, 1)
        assert_same_statistics(estimator.statistics_, before)
        assert np.array_equal(before.rates[0], expected.rates[0]) == (chains == "persistent")
        assert all((a != b).any() for a, b in zip(before.pair_means, expected.pair_means))
        if not iteration:
            estimator.prune("anti_fi", **settings(deep.study.digits.pruning))


def test_a_machine_of_a_study_is_loaded_and_goes_on(tiny, patterns):
    loaded = PrunedRBM.load(tiny.folder / "anti_fi1_retrained.npz", seed=1)
    assert_same(loaded.machine_, of_file(tiny, "anti_fi1_retrained", 1))
    assert (loaded.iteration_, loaded.is_retrained_, loaded.random_state) == (1, True, 1)
    assert (loaded.learning_rate, loaded.momentum) == ([0.1], [0.5])
    loaded.set_params(n_samples=len(patterns), device="reference")
    loaded.prune("anti_fi", threshold="rank", anti_fi_threshold="rank")
    assert_same(loaded.machine_, of_file(tiny, "anti_fi2_pruned", 1))
    assert_same(loaded.retrain(patterns).machine_, of_file(tiny, "anti_fi2_retrained", 1))
    pruned = PrunedRBM.load(tiny.folder / "anti_fi2_pruned.npz", seed=1)
    assert (pruned.iteration_, pruned.is_retrained_) == (2, False)
    assert pruned.layer_sizes_[0] == 5 and pruned.machine_.layer_sizes[1] <= pruned.layer_sizes_[1] <= 7


def test_a_deep_machine_of_a_study_is_loaded_and_goes_on(deep):
    images = read_digits(Arrays(deep.folder / "digits.npz"))
    loaded = PrunedDBM.load(deep.folder / "anti_fi1_retrained.npz", seed=1)
    loaded.set_params(n_samples=97, sampling={"n_gibbs_steps": 5}, device="reference")
    loaded.prune("anti_fi", **settings(deep.study.digits.pruning)).retrain(images.cases)
    assert_same(loaded.machine_, of_file(deep, "anti_fi2_retrained", 1))
