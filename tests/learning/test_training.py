"""Training of RBMs: the gradient against the exact one, the update by hand, the schedule, and failures."""

import math

import by_hand
import numpy as np
import pytest
from scipy.stats import kstest

from boltzprune.backend import get_backend, reference
from boltzprune.core import contrastive, streams
from boltzprune.core.machine import BoltzmannMachine
from boltzprune.errors import TrainingError
from boltzprune.learning import training
from boltzprune.sampling import exact
from boltzprune.study.config import Training

SCHEDULE = {"learning_rate": [0.2, 0.05, 0.1], "momentum": [0.5, 0.9, 0.0]}


def _keys(seeds):
    return [streams.fork(seed, "training") for seed in seeds]


def _train_one(machine, cases, config, backend, progress, seed=3):
    [trained] = training.train(
        [machine], cases, config, _keys([seed]), training.Run(backend, progress, [f"seed {seed}"])
    )
    return trained


def _parameters(machine):
    return [machine.weights[0], *machine.biases]


@pytest.mark.parametrize("sizes", [(3, 5), (5, 3)])
def test_long_chains_give_the_exact_gradient(sizes):
    n, machine = 30_011, by_hand.machine(sizes, seed=5, scale=0.8)
    cases = np.resize(by_hand.patterns(11, sizes[0], seed=7), (n, sizes[0]))
    w, bv, bh = (x.astype(float) for x in _parameters(machine))

    def sample(probability, key, step, layer):
        return (streams.uniform(key, step, layer, np.arange(n), probability.shape[1]) < probability).astype(float)

    arithmetic, key = contrastive.Arithmetic(sample), streams.fork(11, "training")
    found = contrastive.gradient(contrastive.Parameters(w, bv, bh), cases.astype(float), key, 13, 37, arithmetic)
    (weights,), biases = exact.log_likelihood_gradient(machine, cases)
    (v, _), p = by_hand.joint_distribution(machine)
    q = 1 / (1 + np.exp(-(v @ w + bh)))
    pair = v[:, :, None] * q[:, None, :]
    for a, b, x in zip(found, (weights, *biases), (pair, v, q)):
        variance = np.tensordot(p, x**2, 1) - np.tensordot(p, x, 1) ** 2
        by_hand.assert_within_standard_errors(a, b, np.sqrt(variance / n))


def test_what_is_left_of_the_step_before():
    assert training.decay_of(0.01, 0.9, "classical") == 0.9
    assert training.decay_of(0.01, 0.9, "scaled") == pytest.approx(0.009)
    with pytest.raises(KeyError):
        training.decay_of(0.01, 0.9, "nesterov")


@pytest.mark.parametrize(("rule", "decay"), [("classical", 0.5), ("scaled", 0.1)])
def test_two_updates_by_hand(rule, decay):
    w, a, b = 0.5, -0.25, 0.75
    machine = BoltzmannMachine(
        (np.array([[w]], np.float32),), (np.array([a], np.float32), np.array([b], np.float32)), (np.ones((1, 1), bool),)
    )
    [key] = _keys([3])
    step_w = step_a = step_b = 0.0
    for update, v0 in enumerate((1, 0)):
        p0 = 1 / (1 + math.exp(-(b + v0 * w)))
        h0 = float(streams.uniform(key, update, 1, [0], 1)[0, 0] < p0)
        v1 = float(streams.uniform(key, update, 0, [0], 1)[0, 0] < 1 / (1 + math.exp(-(a + w * h0))))
        p1 = 1 / (1 + math.exp(-(b + v1 * w)))
        step_w = decay * step_w + 0.2 * (v0 * p0 - v1 * p1)
        step_a, step_b = decay * step_a + 0.2 * (v0 - v1), decay * step_b + 0.2 * (p0 - p1)
        w, a, b = w + step_w, a + step_a, b + step_b
    cases = np.array([[1], [0]], dtype=np.uint8)
    for device in ("reference", "cpu"):
        velocity = contrastive.Velocity.zero(machine)
        epoch = contrastive.Epoch(0.2, training.decay_of(0.2, 0.5, rule), 1, 1, 0)
        [(trained, v)] = get_backend(device).cd_epoch([machine], [velocity], [key], cases, epoch, lambda n: None)
        assert trained.weights[0][0, 0] == pytest.approx(w, rel=1e-6)
        assert [trained.biases[0][0], trained.biases[1][0]] == pytest.approx([a, b], rel=1e-6)
        assert [v.weights[0, 0], v.visible_bias[0], v.hidden_bias[0]] == pytest.approx(
            [step_w, step_a, step_b], abs=1e-7
        )


@pytest.mark.parametrize("rule", ["classical", "scaled"])
@pytest.mark.parametrize(("n_gibbs_steps", "batch_size"), [(1, 1), (1, 3), (3, 1), (2, 3)])
def test_training_by_hand(rule, n_gibbs_steps, batch_size, backend, progress):
    machine = by_hand.machine((5, 7), seed=13, scale=0.5, density=0.7)
    cases = by_hand.patterns(11, 5, seed=17)
    options = {"n_gibbs_steps": n_gibbs_steps, "batch_size": batch_size}
    trained = _train_one(machine, cases, Training(**SCHEDULE, momentum_rule=rule, **options), backend, progress)
    decays = {"classical": [0.5, 0.9, 0.0], "scaled": [0.1, 0.045, 0.0]}[rule]
    expected, _ = by_hand.contrastive_divergence(machine, cases, *_keys([3]), [0.2, 0.05, 0.1], decays, **options)
    for a, b in zip(_parameters(trained), expected):
        np.testing.assert_allclose(a, b, rtol=0, atol=2e-6)
    assert progress.done == 3 * -(-11 // batch_size)
    assert progress.stages == ["epoch 1 of 3", "epoch 2 of 3", "epoch 3 of 3"]


def test_the_schedule_is_used_in_order(progress):
    seen = []

    class Spy(reference.Backend):
        def cd_epoch(self, machines, velocities, keys, cases, epoch, report):
            seen.append(epoch)
            return super().cd_epoch(machines, velocities, keys, cases, epoch, report)

    config = Training(**SCHEDULE, momentum_rule="scaled", n_gibbs_steps=2, batch_size=3)
    _train_one(by_hand.machine((5, 7), seed=1), by_hand.patterns(11, 5, seed=1), config, Spy(), progress)
    assert [epoch.learning_rate for epoch in seen] == [0.2, 0.05, 0.1]
    assert [epoch.decay for epoch in seen] == pytest.approx([0.1, 0.045, 0.0])
    assert [epoch.first_update for epoch in seen] == [0, 4, 8]
    assert {(epoch.n_gibbs_steps, epoch.batch_size) for epoch in seen} == {(2, 3)}


@pytest.mark.parametrize("rule", ["classical", "scaled"])
def test_training_raises_the_likelihood(rule, backend, progress):
    cases = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 1, 1], [1, 1, 1, 1, 1]], dtype=np.uint8)[np.arange(301) % 3]
    machine = training.new_rbm(training.data_rate(cases), 7, 0.1, -1.0, seed=5)
    config = Training(learning_rate=[0.1, 0.03], momentum=[0.5, 0.5], momentum_rule=rule)
    trained = _train_one(machine, cases, config, backend, progress)
    codes = cases @ np.array([16, 8, 4, 2, 1])
    before, after = (exact.visible_log_probabilities(m)[codes].mean() for m in (machine, trained))
    assert before < -2.5 and after > before + 0.5


@pytest.mark.parametrize("device", ["reference", "cpu"])
def test_seeds_do_not_depend_on_their_company(device, progress):
    cases = by_hand.patterns(61, 13, seed=19)
    machines = [training.new_rbm(training.data_rate(cases), 11, 0.1, -2.0, seed) for seed in range(5)]
    config = Training(learning_rate=[0.1, 0.01], momentum=[0.9, 0.9], momentum_rule="classical")
    run = training.Run(get_backend(device, threads=2), progress, list("abcde"))
    together = training.train(machines, cases, config, _keys(range(5)), run)
    assert isinstance(together, list) and progress.done == 5 * 2 * 61
    for seeds in ([0], [1, 2], [4, 3]):
        some = [machines[seed] for seed in seeds]
        run = training.Run(get_backend(device), progress, [str(seed) for seed in seeds])
        apart = training.train(some, cases, config, _keys(seeds), run)
        for seed, machine in zip(seeds, apart):
            assert all(a.tobytes() == b.tobytes() for a, b in zip(_parameters(machine), _parameters(together[seed])))
    assert not np.array_equal(together[0].weights[0], together[1].weights[0])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["weight", "visible bias", "hidden bias"])
def test_parameters_that_are_not_finite_stop_the_training(where, value, backend, progress):
    machine = by_hand.machine((5, 7), seed=23)
    {"weight": machine.weights[0][1], "visible bias": machine.biases[0], "hidden bias": machine.biases[1]}[where][2] = (
        value
    )
    config = Training(learning_rate=[0.07, 0.01], momentum=[0.5, 0.5], momentum_rule="classical")
    machines = [by_hand.machine((5, 7), seed=1), machine]
    with pytest.raises(TrainingError) as caught, np.errstate(all="ignore"):
        run = training.Run(backend, progress, ["seed 0", "seed 1"])
        training.train(machines, by_hand.patterns(11, 5, 1), config, _keys([0, 1]), run)
    message = str(caught.value)
    assert message.startswith("seed 1: ") and "in epoch 1 at" in message
    assert "of 11 (learning rate 0.07" in message or "its last update (learning rate 0.07" in message
    if where == "visible bias" and np.isnan(value):
        assert "at update 1 of 11" in message


def test_the_epoch_that_failed_is_named(backend, progress):
    machine, cases = by_hand.machine((5, 7), seed=29), by_hand.patterns(11, 5, seed=1)
    config = Training(learning_rate=[0.1, 1e300], momentum=[0.5, 0.5], momentum_rule="classical")
    with pytest.raises(TrainingError, match=r"^seed 3: .* in epoch 2 at .*learning rate 1e\+300"):
        with np.errstate(all="ignore"):
            _train_one(machine, cases, config, backend, progress)


def test_new_machines_have_normal_weights():
    machine = training.new_rbm(np.full(61, 0.3), 67, 0.1, -2.0, seed=31)
    w = machine.weights[0]
    assert w.dtype == np.float32 and w.shape == (61, 67) and machine.masks[0].all()
    assert abs(w.mean()) < 5 * 0.1 / np.sqrt(w.size)
    assert abs(w.std() - 0.1) < 5 * 0.1 / np.sqrt(2 * w.size)
    assert kstest(w.ravel() / 0.1, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(w[:, :-1].ravel(), w[:, 1:].ravel())[0, 1]) < 5 / np.sqrt(w.size)


def test_new_machines_have_the_rates_of_the_data():
    cases = np.zeros((13, 5), dtype=np.uint8)
    cases[:, 1], cases[:4, 2], cases[:1, 3], cases[1:, 4] = 1, 1, 1, 1
    rate = training.data_rate(cases)
    np.testing.assert_allclose(rate, [0.5 / 13, 12.5 / 13, 4 / 13, 1 / 13, 12 / 13])
    machine = training.new_rbm(rate, 7, 0.1, -2.5, seed=37)
    expected = [math.log(0.5 / 12.5), math.log(12.5 / 0.5), math.log(4 / 9), math.log(1 / 12), math.log(12)]
    np.testing.assert_allclose(machine.biases[0], expected, rtol=1e-6)
    assert (machine.biases[1] == -2.5).all() and len(machine.biases[1]) == 7
    assert all(bias.dtype == np.float32 for bias in machine.biases)


def test_new_weights_depend_on_seed_and_unit_alone():
    rate = np.full(13, 0.3)
    big = training.new_rbm(rate, 11, 0.1, -2.0, seed=41).weights[0]
    assert (training.new_rbm(rate[:7], 5, 0.1, -2.0, seed=41).weights[0] == big[:7, :5]).all()
    np.testing.assert_allclose(training.new_rbm(rate, 11, 0.3, -2.0, seed=41).weights[0], 3 * big, rtol=1e-6)
    assert (training.new_rbm(rate, 11, 0.1, -2.0, seed=42).weights[0] != big).all()
