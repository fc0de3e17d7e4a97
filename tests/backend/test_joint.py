"""Joint training: the update in plain loops, the exact gradient, norms, masks, streams, and failures."""

import dataclasses
import math

import by_hand
import deep_by_hand as deep
import numpy as np
import pytest

from boltzprune.backend import get_backend, reference
from boltzprune.core import streams
from boltzprune.core.contrastive import NotFiniteError
from boltzprune.core.joint import JointEpoch, JointState
from boltzprune.core.machine import BoltzmannMachine
from boltzprune.errors import TrainingError
from boltzprune.learning.joint_training import train_jointly
from boltzprune.learning.training import Run
from boltzprune.sampling import exact
from boltzprune.study.config import JointTraining, MeanField

KEY = streams.fork(7, "training", 2)
CPU, REFERENCE = get_backend("cpu"), get_backend("reference")
EPOCH = JointEpoch(
    learning_rate=0.05,
    decay=0.0,
    n_gibbs_steps=1,
    batch_size=5,
    first_update=0,
    max_norm=math.inf,
    tolerance=1e-6,
    max_sweeps=30,
)


def _ignore(n):
    pass


def _epoch(**changed):
    return dataclasses.replace(EPOCH, **changed)


def _chains(machine, n, seed=11):
    return tuple(by_hand.patterns(n, units, seed + layer) for layer, units in enumerate(machine.layer_sizes))


def _run(backend, machine, chains, cases, epochs, key=KEY, report=_ignore):
    """Machine, state and mean-field sweeps after these epochs."""
    state, n_updates = JointState.at_rest(machine, chains), 0
    for epoch in epochs:
        machine, state, n = backend.joint_epoch(machine, state, key, cases, epoch, report)
        n_updates += n
    return machine, state, n_updates


def _arrays(machine, state):
    return [*machine.weights, *machine.biases, *state.weight_steps, *state.bias_steps]


def _assert_close(found, expected, tolerance, of_updates=0):
    """Parameters and steps within a tolerance, chains equal, mean-field sweeps within a share."""
    for a, b in zip(_arrays(*found[:2]), _arrays(*expected[:2]), strict=True):
        assert a.dtype == np.float32 and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)
    for a, b in zip(found[1].chains, expected[1].chains, strict=True):
        assert a.dtype == np.uint8 and np.array_equal(a, b)
    assert abs(found[2] - expected[2]) <= of_updates * expected[2]


def _assert_same_bits(found, expected):
    arrays = [[*_arrays(*result[:2]), *result[1].chains] for result in (found, expected)]
    assert all(a.tobytes() == b.tobytes() for a, b in zip(*arrays)) and found[2] == expected[2]


BY_HAND = [
    {},
    {"n_gibbs_steps": 2},
    {"decay": 0.9},
    {"batch_size": 1},
    {"batch_size": 4, "max_norm": 1.5, "decay": 0.5},
    {"tolerance": 0.01},
    {"max_sweeps": 2},
    {"first_update": 17, "n_gibbs_steps": 3},
]


@pytest.mark.parametrize("sizes", [(5, 7, 3), (5, 7), pytest.param((3, 5, 2, 3), marks=pytest.mark.slow)])
@pytest.mark.parametrize("changed", BY_HAND, ids=str)
def test_two_epochs_by_hand(sizes, changed, backend):
    machine = by_hand.machine(sizes, seed=3, scale=0.6, density=0.8)
    cases, chains = by_hand.patterns(11, sizes[0], seed=5), _chains(machine, 7)
    first = _epoch(**changed)
    n_updates = -(-11 // first.batch_size)
    epochs = [first, dataclasses.replace(first, learning_rate=0.02, first_update=first.first_update + n_updates)]
    found = _run(backend, machine, chains, cases, epochs)
    expected, steps, states, n_mean_field = deep.joint_training(machine, chains, cases, KEY, epochs)
    state = JointState(tuple(steps[0]), tuple(steps[1]), tuple(states))
    unsaid = first.tolerance if first.tolerance > EPOCH.tolerance else 0  # changes below it are not passed on
    _assert_close(found, (expected, state, n_mean_field), 3e-6 + 0.02 * unsaid, of_updates=0.01)
    assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(found[0].weights, machine.weights))
    assert all((w[~m] == 0).all() for w, m in zip(found[0].weights, machine.masks))
    assert all((w[~m] == 0).all() for w, m in zip(found[1].weight_steps, machine.masks))


@pytest.mark.parametrize("sizes", [(13, 11, 17), (11, 13, 7, 5), (11, 67, 131)])
@pytest.mark.parametrize("changed", [{}, {"decay": 0.9}, {"max_norm": 1.0}, {"batch_size": 10, "n_gibbs_steps": 2}])
def test_backends_agree(sizes, changed, weights_in):
    machine = by_hand.machine(sizes, seed=13, scale=0.2, density=0.7)
    cases, chains = by_hand.patterns(37, sizes[0], seed=17), _chains(machine, 23)
    n_updates = -(-37 // _epoch(**changed).batch_size)
    epochs = [_epoch(**changed), _epoch(**changed, first_update=n_updates, learning_rate=0.01)]
    found, expected = (_run(b, machine, chains, cases, epochs) for b in (CPU, REFERENCE))
    _assert_close(found, expected, 5e-5, of_updates=0.03)


@pytest.mark.parametrize(("shape", "n_upper"), [((5, 7), 11), ((23, 3), 7), ((41, 2), 61)])
def test_backends_agree_with_receptive_fields(shape, n_upper, weights_in):
    """The longer the image, the smaller the part of a row that has weights."""
    machine = deep.with_receptive_fields(shape, 3, n_upper, seed=19)
    cases, chains = by_hand.patterns(23, shape[0] * shape[1], seed=23), _chains(machine, 13)
    epochs = [_epoch(decay=0.5), _epoch(decay=0.5, first_update=5)]
    found, expected = (_run(b, machine, chains, cases, epochs) for b in (CPU, REFERENCE))
    _assert_close(found, expected, 3e-5, of_updates=0.02)
    assert (found[0].weights[0][~machine.masks[0]] == 0).all()
    assert (found[0].weights[0][machine.masks[0]] != machine.weights[0][machine.masks[0]]).all()


# The gradient


def _one_step(backend, machine, chains, cases):
    """What one update at learning rate 1 adds to weights and biases."""
    epoch = _epoch(learning_rate=1.0, batch_size=len(cases))
    _, state, _ = _run(backend, machine, chains, cases, [epoch])
    return state.weight_steps, state.bias_steps


def _standard_errors(statistics, n):
    return [np.sqrt(p * (1 - p) / n) + 1e-6 for p in (*statistics.pair_means, *statistics.rates)]


@pytest.mark.parametrize(("sizes", "density"), [((3, 7), 1.0), ((5, 3), 0.7), ((3, 5, 2), 1.0), ((3, 5, 2), 0.7)])
def test_the_step_is_the_exact_gradient_where_mean_field_is_exact(sizes, density, backend):
    machine = deep.without_upper_weights(by_hand.machine(sizes, seed=29, scale=0.8, density=density))
    n, cases = 20_011, by_hand.patterns(13, sizes[0], seed=31)
    found = _one_step(backend, machine, deep.exact_samples(machine, n, seed=37), cases)
    expected = exact.log_likelihood_gradient(machine, cases)
    errors = _standard_errors(exact.statistics(machine), n)
    assert all(np.abs(slope).max() > 10 * errors[0].max() for slope in (*expected[0], *expected[1][:2]))
    for a, b, error in zip((*found[0], *found[1]), (*expected[0], *expected[1]), errors, strict=True):
        by_hand.assert_within_standard_errors(a, b, error)


@pytest.mark.parametrize("sizes", [(3, 5, 2), (3, 2, 5, 2)])
def test_model_term_is_exact_and_data_term_is_the_factorised_one(sizes, backend):
    machine, n = by_hand.machine(sizes, seed=41, scale=0.8), 20_011
    cases = by_hand.patterns(13, 3, seed=43)
    found = _one_step(backend, machine, deep.exact_samples(machine, n, seed=47), cases)
    means = [deep.mean_field(machine, case, 1e-6, 30)[0] for case in cases]
    layers = [np.array(layer) for layer in zip(*means)]
    positive = [a.T @ b / 13 for a, b in zip(layers[:-1], layers[1:])] + [layer.mean(axis=0) for layer in layers]
    statistics = exact.statistics(machine)
    negative = (*statistics.pair_means, *statistics.rates)
    for a, p, q, error in zip((*found[0], *found[1]), positive, negative, _standard_errors(statistics, n), strict=True):
        by_hand.assert_within_standard_errors(a, p - q, error)


# Norms


def test_norms_of_incoming_weights_are_limited(backend):
    weights = np.array([[3.0, 0.3, 0.0, -5.0, 2.0], [-4.0, 0.4, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 12.0, 0.0]], np.float32)
    expected = [[1.2, 0.3, 0.0, -10 / 13, 2.0], [-1.6, 0.4, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 24 / 13, 0.0]]
    machine = BoltzmannMachine((weights,), (np.zeros(3, np.float32), np.zeros(5, np.float32)), (weights != 0,))
    epoch = _epoch(learning_rate=0.0, max_norm=2.0)
    [found] = _run(backend, machine, _chains(machine, 3), by_hand.patterns(2, 3, seed=5), [epoch])[0].weights
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_training_keeps_to_the_norm(backend):
    machine = by_hand.machine((7, 5, 11), seed=53, scale=1.0)
    cases, chains = by_hand.patterns(13, 7, seed=59), _chains(machine, 7)
    trained, _, _ = _run(backend, machine, chains, cases, [_epoch(max_norm=2.0)])
    free, _, _ = _run(backend, machine, chains, cases, [EPOCH])
    for weights, unlimited in zip(trained.weights, free.weights):
        norms, others = (np.linalg.norm(w.astype(float), axis=0) for w in (weights, unlimited))
        assert norms.max() <= 2.0 * (1 + 1e-6) and others.max() > 2.1
    rows = np.linalg.norm(trained.weights[1].astype(float), axis=1)
    assert rows.max() > 2.1  # outgoing weights are not limited


# Streams, order, what may not change the result


def test_an_epoch_can_be_cut_in_two(backend):
    machine = by_hand.machine((5, 7, 3), seed=61, scale=0.5, density=0.8)
    cases, chains = by_hand.patterns(25, 5, seed=67), _chains(machine, 7)
    epoch = _epoch(decay=0.7, n_gibbs_steps=2, first_update=3)
    whole = _run(backend, machine, chains, cases, [epoch])
    half, state, n = backend.joint_epoch(machine, JointState.at_rest(machine, chains), KEY, cases[:15], epoch, _ignore)
    rest = dataclasses.replace(epoch, first_update=6)
    again = backend.joint_epoch(half, state, KEY, cases[15:], rest, _ignore)
    _assert_close((*again[:2], again[2] + n), whole, 1e-7)
    wrong = backend.joint_epoch(half, state, KEY, cases[15:], epoch, _ignore)
    assert any((a != b).any() for a, b in zip(wrong[1].chains, whole[1].chains))


def test_the_same_again_and_another_stream(backend):
    machine = by_hand.machine((5, 7, 3), seed=71, scale=0.5)
    cases, chains = by_hand.patterns(13, 5, seed=73), _chains(machine, 7)
    one, two = (_run(backend, machine, chains, cases, [EPOCH]) for _ in range(2))
    _assert_same_bits(one, two)
    other = _run(backend, machine, chains, cases, [EPOCH], streams.fork(8, "training", 2))
    assert any((a != b).any() for a, b in zip(one[1].chains, other[1].chains))


@pytest.mark.parametrize("batch_size", [1, 5])
def test_threads_that_share_a_machine_change_no_bit(batch_size, weights_in):
    machine = by_hand.machine((13, 37, 41), seed=53, scale=0.2, density=0.7)
    cases, chains = by_hand.patterns(23, 13, seed=59), _chains(machine, 53)
    epochs = [_epoch(batch_size=batch_size, decay=0.5, max_norm=1.3)]
    expected = _run(CPU, machine, chains, cases, epochs)
    for threads in (2, 3, 7):
        _assert_same_bits(_run(get_backend("cpu", threads), machine, chains, cases, epochs), expected)


def test_the_layout_in_memory_changes_nothing():
    machine = by_hand.machine((5, 7, 3), seed=79, scale=0.5, density=0.7)
    cases, chains = by_hand.patterns(13, 5, seed=83), _chains(machine, 7)
    weights, masks = (tuple(np.asfortranarray(x) for x in group) for group in (machine.weights, machine.masks))
    other = BoltzmannMachine(weights, machine.biases, masks, machine.units)
    expected = _run(CPU, machine, chains, cases, [EPOCH])
    found = _run(CPU, other, tuple(map(np.asfortranarray, chains)), np.asfortranarray(cases), [EPOCH])
    _assert_close(found, expected, 1e-6)


def test_what_goes_in_is_not_changed(backend):
    machine = by_hand.machine((5, 7, 3), seed=89)
    rng = np.random.default_rng(97)
    steps = [
        tuple(rng.normal(0, 0.1, x.shape).astype(np.float32) for x in g) for g in (machine.weights, machine.biases)
    ]
    steps[0] = tuple(s * m for s, m in zip(steps[0], machine.masks))
    state = JointState(*steps, _chains(machine, 7))
    cases = by_hand.patterns(13, 5, seed=101)
    inputs = [*_arrays(machine, state), *state.chains, cases]
    before = [x.copy() for x in inputs]
    trained, new_state, _ = backend.joint_epoch(machine, state, KEY, cases, _epoch(decay=0.5, max_norm=1.0), _ignore)
    assert all((a == b).all() for a, b in zip(inputs, before))
    assert not any(np.shares_memory(a, b) for a, b in zip(inputs, _arrays(trained, new_state)))


def test_the_step_of_the_epoch_before_counts(backend):
    machine = by_hand.machine((5, 7, 3), seed=103, scale=0.5)
    cases, chains = by_hand.patterns(5, 5, seed=107), _chains(machine, 7)
    rest = JointState.at_rest(machine, chains)
    moving = dataclasses.replace(
        rest,
        weight_steps=tuple(np.full_like(w, 0.25) for w in machine.weights),
        bias_steps=tuple(np.full_like(b, -0.5) for b in machine.biases),
    )
    one, other = (backend.joint_epoch(machine, s, KEY, cases, _epoch(decay=0.5), _ignore) for s in (rest, moving))
    for a, b in zip(one[0].weights, other[0].weights):
        np.testing.assert_allclose(b - a, 0.125, atol=1e-6)
    for a, b in zip(one[0].biases, other[0].biases):
        np.testing.assert_allclose(b - a, -0.25, atol=1e-6)


@pytest.mark.parametrize("sizes", [(5, 7, 0), (5, 0, 3), (5, 0, 0)])
def test_layers_without_units(sizes, backend):
    machine = by_hand.machine(sizes, seed=109)
    cases, chains = by_hand.patterns(13, 5, seed=113), _chains(machine, 7)
    trained, state, n_updates = _run(backend, machine, chains, cases, [_epoch(max_norm=2.0)])
    assert trained.layer_sizes == sizes and n_updates >= 13
    rates = cases[:5].mean(axis=0) - state.chains[0].mean(axis=0)
    assert np.isfinite(rates).all() and all(np.isfinite(x).all() for x in deep.parameters(trained))
    assert (trained.biases[0] != machine.biases[0]).any()


def test_pruned_units_keep_their_names(backend):
    units = (np.arange(3), np.array([2, 3, 5, 7, 11]), np.array([1, 4]))
    machine = dataclasses.replace(by_hand.machine((3, 5, 2), seed=127, density=0.7), units=units)
    trained, _, _ = _run(backend, machine, _chains(machine, 7), by_hand.patterns(5, 3, seed=1), [EPOCH])
    assert [u.tolist() for u in trained.units] == [u.tolist() for u in units]
    assert all((a == b).all() for a, b in zip(trained.masks, machine.masks))


def test_reports_add_up_to_the_updates(backend):
    machine, reported = by_hand.machine((5, 7, 3), seed=131), []
    _run(backend, machine, _chains(machine, 7), by_hand.patterns(13, 5, 1), [EPOCH], report=reported.append)
    assert sum(reported) == 3


# Failures


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_the_first_update_that_is_not_finite_is_named(value, backend):
    machine = by_hand.machine((5, 7, 3), seed=137)
    machine.biases[2][1] = value
    with pytest.raises(NotFiniteError) as caught, np.errstate(all="ignore"):
        _run(backend, machine, _chains(machine, 7), by_hand.patterns(13, 5, 1), [EPOCH])
    assert caught.value.update == 0


def test_parameters_overflow_at_the_update_where_they_do(backend):
    machine = by_hand.machine((5, 7, 3), seed=139, scale=0.1)
    cases, chains = by_hand.patterns(13, 5, seed=149), _chains(machine, 7)
    epoch = _epoch(learning_rate=1.5e38, decay=0.9, batch_size=1)
    failed = []
    for b in (REFERENCE, backend):
        with pytest.raises(NotFiniteError) as caught, np.errstate(all="ignore"):
            _run(b, machine, chains, cases, [epoch])
        failed.append(caught.value.update)
    assert failed[0] == failed[1] > 0


TRAINING = {"n_epochs": 3, "learning_rate": [0.4, 0.1], "momentum": [0.5, 0.9], "momentum_switch": 2, "batch_size": 5}
TRAINING |= {"skip_first": False}


@pytest.mark.parametrize("schedule", [[0.4, 0.1], [0.1, 1e39]])
def test_the_epoch_that_failed_is_named(schedule, backend, progress):
    machine = by_hand.machine((5, 7, 3), seed=151)
    if schedule[1] < 1:
        machine.biases[0][3] = np.nan
    training = JointTraining(**TRAINING | {"learning_rate": schedule}, momentum_rule="classical")
    cases, chains = by_hand.patterns(13, 5, seed=1), _chains(machine, 7)
    with pytest.raises(TrainingError) as caught, np.errstate(all="ignore"):
        train_jointly(
            [machine], [chains], cases, training, MeanField(), [KEY], Run(backend, progress, ["retraining 2, seed 5"])
        )
    message = str(caught.value)
    assert message.startswith("retraining 2, seed 5: ") and " of 3 (learning rate" in message
    assert ("in epoch 1 at update 1 of 3" if schedule[1] < 1 else "in epoch ") in message


# The schedule


@pytest.mark.parametrize(
    ("rule", "decays"), [("classical", [0.5, 0.5, 0.9]), ("scaled", [0.5 * 0.4, 0.5 * 0.2, 0.9 * 0.1])]
)
@pytest.mark.parametrize("max_norm", [None, 3.5])
def test_the_schedule_is_used_in_order(rule, decays, max_norm, progress):
    seen = []

    class Spy(reference.Backend):
        def joint_epochs(self, work, cases, epoch, report):
            seen.append(epoch)
            return super().joint_epochs(work, cases, epoch, report)

    training = JointTraining(**TRAINING, momentum_rule=rule, n_gibbs_steps=2, max_norm=max_norm)
    machine = by_hand.machine((5, 7, 3), seed=157)
    mean_field = MeanField(tolerance=0.003, max_updates=7)
    cases, chains = by_hand.patterns(13, 5, 1), _chains(machine, 7)
    train_jointly([machine], [chains], cases, training, mean_field, [KEY], Run(Spy(), progress, ["training"]))
    assert [epoch.learning_rate for epoch in seen] == pytest.approx([0.4, 0.2, 0.1])
    assert [epoch.decay for epoch in seen] == pytest.approx(decays)
    assert [epoch.first_update for epoch in seen] == [0, 3, 6]
    others = {(e.n_gibbs_steps, e.batch_size, e.max_norm, e.tolerance, e.max_sweeps) for e in seen}
    assert others == {(2, 5, max_norm or math.inf, 0.003, 7)}
    assert progress.stages == ["epoch 1 of 3", "epoch 2 of 3", "epoch 3 of 3"] and progress.done == 9


def test_training_is_its_epochs_one_after_the_other(backend, progress):
    machine = by_hand.machine((5, 7, 3), seed=163, scale=0.5)
    cases, chains = by_hand.patterns(13, 5, seed=167), _chains(machine, 7)
    training = JointTraining(**TRAINING, momentum_rule="classical", max_norm=None)
    settings = MeanField(tolerance=1e-6, max_updates=30)
    work = [machine], [chains], cases, training, settings, [KEY]
    [(trained, after)] = train_jointly(*work, Run(backend, progress, ["training"]))
    epochs = [
        _epoch(learning_rate=rate, decay=decay, first_update=3 * number)
        for number, (rate, decay) in enumerate([(0.4, 0.5), (0.2, 0.5), (0.1, 0.9)])
    ]
    expected, state, _ = _run(backend, machine, chains, cases, epochs)
    for a, b in zip(deep.parameters(trained), deep.parameters(expected)):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)
    assert all(np.array_equal(a, b) for a, b in zip(after, state.chains))


@pytest.mark.parametrize("rule", ["classical", "scaled"])
def test_training_raises_the_likelihood(rule, backend, progress):
    patterns = np.array([[1, 1, 0, 0, 0], [0, 0, 1, 1, 1], [1, 1, 1, 1, 1]], dtype=np.uint8)
    cases = patterns[np.arange(151) % 3]
    machine = by_hand.machine((5, 7, 3), seed=173, scale=0.1)
    training = JointTraining(
        n_epochs=20, learning_rate=[0.1, 0.02], momentum=[0.5, 0.5], batch_size=5, momentum_rule=rule
    )
    chains = _chains(machine, 53)
    work = [machine], [chains], cases, training, MeanField(), [KEY]
    [(trained, _)] = train_jointly(*work, Run(backend, progress, ["training"]))
    codes = cases @ np.array([16, 8, 4, 2, 1])
    before, after = (exact.visible_log_probabilities(m)[codes].mean() for m in (machine, trained))
    assert before < -3 and after > before + 1
