"""Every CUDA kernel against NumPy: on the CPU, threads of a block in both orders, and on a card where there is one.

A state may differ from the specification where its uniform number lies within rounding of the probability: `CLOSE`.
"""

import dataclasses
import functools
import itertools

import by_hand
import numpy as np
import pytest

from boltzprune.backend import reference
from boltzprune.backend.gpu import cd_small
from boltzprune.backend.gpu.gibbs import decide
from boltzprune.core import joint, streams
from boltzprune.core.contrastive import Arithmetic, Epoch, NotFiniteError, Velocity, array_epoch
from boltzprune.core.machine import BoltzmannMachine, field_of, sigmoid

REFERENCE = reference.Backend()
KEY = streams.fork(5, "samples")
CLOSE = 1e-5
COUNTERS = {
    "plain": (KEY, 3, 1, 0),
    "last chain": (np.uint64(2**64 - 59), 2**31 + 11, 0, 2**32 - 211),
    "last step": (np.uint64(2**63 + 5), 2**32 - 1, 2, 2**31 - 7),
    "low word": (np.uint64(2**32 - 5), 7, 5, 2**16 - 3),
}
"""(key, step, layer, first chain)."""


# States ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("sizes", [(1, 1), (1, 5), (7, 2), (3, 4), (61, 67), (51, 20), (64, 13), (257, 3), (131, 7)])
def test_uniform_numbers_agree_bit_for_bit(gpu, sizes, counter):
    key, step, layer, chain = COUNTERS[counter]
    chain = min(chain, 2**32 - sizes[0])
    uniform = streams.uniform(key, step, layer, chain + np.arange(sizes[0]), sizes[1])
    for excess in (0, 1):
        probability = gpu.asarray(uniform + np.float32(excess * 2.0**-24))
        states = gpu.to_host(decide(gpu.card, probability, False, key, step, layer, chain))
        assert states.dtype == np.uint8 and states.shape == sizes
        assert (states == excess).all()  # a state is 1 where uniform < p, and 0 where they are equal


def _n_different(found, probability, uniform):
    """How many states are not those of the specification; all of them must be close decisions."""
    differs = found != (uniform < probability)
    assert (np.abs(uniform - probability)[differs] < CLOSE).all()
    return np.count_nonzero(differs)


@pytest.mark.parametrize("counter", COUNTERS)
def test_states_from_fields(gpu, counter):
    sizes, (key, step, layer, chain) = (211, 499), COUNTERS[counter]
    fields = np.random.default_rng(2).normal(0, 3, sizes).astype(np.float32)
    found = gpu.to_host(gpu.sample_layer(fields, key, step, layer, chain))
    uniform = streams.uniform(key, step, layer, chain + np.arange(211), 499)
    assert _n_different(found, sigmoid(fields.astype(float)), uniform) <= 2
    assert (gpu.to_host(gpu.sample_layer(fields.astype(float), key, step, layer, chain)) == found).all()


def test_fields_that_are_large_or_not_finite(gpu):
    fields = np.array([[-np.inf, -1e30, -104, -89, 89, 1e30, np.inf, np.nan]], np.float32).repeat(61, axis=0)
    found = gpu.to_host(gpu.sample_layer(fields, KEY, 0, 0, 0))
    assert (found == [0, 0, 0, 0, 1, 1, 1, 0]).all()


def test_a_uniform_number_of_0_is_below_no_probability(gpu):
    """The counter (chain 249,588, step 3, layer 1, unit 0) gives 0, where u < p and u <= p differ if p is 0."""
    assert streams.uniform(KEY, 3, 1, [249_588], 1) == 0
    fields = np.full((1, 1), -np.inf, np.float32)
    assert gpu.to_host(gpu.sample_layer(fields, KEY, 3, 1, 249_588)) == 0
    weights, masks = (np.zeros((1, 1), np.float32),), (np.ones((1, 1), bool),)
    silent = BoltzmannMachine(weights, (fields[0], fields[0]), masks, must_be_finite=False)
    assert gpu.to_host(gpu.advance(silent, [np.ones((1, 1), np.uint8)] * 2, KEY, 3, 1, 249_588)[1]) == 0


def test_states_of_nobody(gpu):
    for sizes in ((0, 5), (5, 0)):
        assert gpu.sample_layer(np.zeros(sizes, np.float32), KEY, 0, 0, 0).shape == sizes


# Fields ---------------------------------------------------------------------------------------------------------------

FIELDS = [
    (1, (1, 1)),
    (63, (5, 7)),
    (64, (64, 63, 65)),
    (65, (63, 65, 64)),
    (131, (15, 64, 17)),
    (2, (16, 61, 16)),
    (129, (17, 67, 15)),
    (127, (131, 3, 1)),
    (3, (3, 131, 67)),
    (67, (37, 5, 13, 2)),
    (5, (31, 128, 0)),
    (61, (0, 13, 7)),
]
"""Chains or cases, and units of each layer."""


def _double(machine):
    """Its parameters in float64."""
    return joint.Parameters(*([x.astype(float) for x in group] for group in (machine.weights, machine.biases)))


@pytest.mark.parametrize(("n", "sizes"), FIELDS)
def test_probabilities_of_every_layer(gpu, n, sizes):
    machine, rng = by_hand.machine(sizes, seed=3, density=0.8), np.random.default_rng(7)
    means = [(rng.random((n, size)) * (rng.random((n, size)) < 0.8)).astype(np.float32) for size in sizes]
    on_card, exact = [gpu.asarray(x) for x in means], [x.astype(float) for x in means]
    for layer in range(1, len(sizes)):
        for known, gain in ((len(sizes), 1), (layer, 2), (layer, 1)):  # with what is above it, or without
            found = gpu.to_host(gpu.probability(gpu.on_device(machine), on_card[:known], layer, gain))
            expected = joint.probability(_double(machine), exact[:known], layer, gain, np)
            assert found.dtype == np.float32 and found.shape == (n, sizes[layer])
            np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


def _check_one_step(gpu, machine, n, counter):
    """Every layer after one Gibbs step, given what it was drawn from: how many states differ from the specification."""
    key, step, _, chain = COUNTERS[counter]
    chain = min(chain, 2**32 - n)
    states = [by_hand.patterns(n, size, seed=layer) for layer, size in enumerate(machine.layer_sizes)]
    found = by_hand.on_host(gpu, gpu.advance(machine, states, key, step, 1, chain))
    given, n_different = [(states, found)[layer % 2][layer] for layer in range(len(states))], 0
    for layer, drawn in enumerate(found):
        assert drawn.dtype == np.uint8 and drawn.shape == states[layer].shape
        uniform = streams.uniform(key, step, layer, chain + np.arange(n), drawn.shape[1])
        n_different += _n_different(drawn, sigmoid(field_of(_double(machine), given, layer)), uniform)
    return n_different


@pytest.mark.parametrize(("n", "sizes"), FIELDS)
def test_states_of_every_layer(gpu, n, sizes):
    machine = by_hand.machine(sizes, seed=11, density=0.8)
    for counter in COUNTERS:
        assert _check_one_step(gpu, machine, n, counter) <= 1


def test_a_hundred_thousand_states(gpu):
    machine = by_hand.machine((67, 499), seed=13, scale=0.3)
    assert _check_one_step(gpu, machine, 211, "last chain") <= 2


def test_sums_run_in_ascending_order_below_first(gpu):
    """Large weights, then one that cancels their sum as rounded in this order: another order leaves a remainder."""
    rng, sizes, weights, total = np.random.default_rng(13), (37, 67, 53), [], np.zeros(67, np.float32)
    for n in (37, 53):
        large = rng.normal(0, 1e7, (n - 3, 67)).astype(np.float32)
        for row in large:
            total = total + row
        weights.append(np.concatenate([large, -total[None], rng.normal(0, 1, (2, 67)).astype(np.float32)]))
        total = weights[-1][-2] + weights[-1][-1]
    masks = [np.ones((37, 67), bool), np.ones((67, 53), bool)]
    machine = BoltzmannMachine((weights[0], weights[1].T.copy()), [np.zeros(n, np.float32) for n in sizes], masks)
    ones = [gpu.asarray(np.ones((2, n), np.float32)) for n in sizes]
    found = gpu.to_host(gpu.probability(gpu.on_device(machine), ones, 1))
    assert 0.01 < sigmoid(total).min() and sigmoid(total).max() < 0.99
    np.testing.assert_allclose(found, sigmoid(total)[None].repeat(2, axis=0), rtol=0, atol=2e-6)


def test_empty_masks(gpu):
    machine = by_hand.machine((13, 11, 7), seed=17, density=0.0)
    assert _check_one_step(gpu, machine, 67, "plain") == 0
    columns = by_hand.machine((13, 11, 7), seed=17)
    for weights, mask in zip(columns.weights, columns.masks):
        weights[:, 3], mask[:, 3] = 0, False
    assert _check_one_step(gpu, columns, 67, "plain") == 0


@pytest.mark.parametrize("first_layer", [1, 2, 3])
def test_clamped_layers_stay_and_what_lies_on_the_card_is_not_changed(gpu, first_layer):
    machine, sizes = by_hand.machine((5, 7, 3, 2), seed=19), (5, 7, 3, 2)
    states = [by_hand.patterns(67, size, seed=size) for size in sizes]
    on_card = [gpu.asarray(layer) for layer in states]
    found = by_hand.on_host(gpu, gpu.advance(machine, on_card, KEY, 1, 2, 3, first_layer))
    assert all((a == b).all() for a, b in zip(by_hand.on_host(gpu, on_card), states))
    expected = REFERENCE.advance(machine, states, KEY, 1, 2, 3, first_layer)
    assert all((a == b).all() for a, b in zip(found, expected))
    assert all((a == b).all() == (layer < first_layer) for layer, (a, b) in enumerate(zip(found, states)))


@pytest.mark.parametrize("sizes", [(13, 67), (17, 67, 5)])
def test_bits_do_not_depend_on_how_many_are_computed_together(gpu, sizes):
    machine, rng = by_hand.machine(sizes, seed=19), np.random.default_rng(23)
    states = [by_hand.patterns(131, size, seed=size) for size in sizes]
    means = [rng.random((131, size)).astype(np.float32) for size in sizes]

    def compute(first, n):
        rows = slice(first, first + n)
        drawn = gpu.advance(machine, [layer[rows] for layer in states], KEY, 2**31 - 5, 9, 2**32 - 131 + first)
        part = [gpu.asarray(layer[rows]) for layer in means]
        return by_hand.on_host(gpu, [*drawn, gpu.probability(gpu.on_device(machine), part, 1)])

    whole = compute(0, 131)
    pieces = [compute(first, n) for first, n in ((0, 1), (1, 63), (64, 67))]
    for expected, *found in zip(whole, *pieces):
        assert np.concatenate(found).tobytes() == expected.tobytes()


# Counting -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_samples", [0, 1, 2, 63, 64, 65, 127, 128, 331])
@pytest.mark.parametrize("n_units", [0, 1, 2, 63, 64, 65, 131])
def test_pack(gpu, n_samples, n_units):
    for rate in (0.4, 1.0, 0.0):
        states = by_hand.patterns(n_samples, n_units, seed=29, rate=rate)
        found = gpu.to_host(gpu.pack(states))
        assert found.dtype == np.uint64
        np.testing.assert_array_equal(found, REFERENCE.pack(states))


def _words(n_units, n_words, seed):
    return np.random.default_rng(seed).integers(0, 2**64, (n_units, n_words), dtype=np.uint64)


@pytest.mark.parametrize("n_words", [0, 1, 2, 15, 16, 17, 31, 32, 33, 67, 131])
@pytest.mark.parametrize(("n_lower", "n_upper"), [(1, 1), (3, 5), (63, 65), (64, 64), (65, 2), (131, 67)])
def test_pair_counts(gpu, n_lower, n_upper, n_words, monkeypatch):
    lower, upper = _words(n_lower, n_words, 31), _words(n_upper, n_words, 37)
    lower[0], upper[-1] = 2**64 - 1, 0
    expected = REFERENCE.pair_counts(lower, upper)
    for n_multiprocessors in (1, 3, 131):
        monkeypatch.setattr(gpu.card, "n_multiprocessors", n_multiprocessors)
        found = gpu.to_host(gpu.pair_counts(lower, upper))
        assert found.dtype == np.int64
        np.testing.assert_array_equal(found, expected)


def test_pair_counts_of_ones(gpu):
    every = np.full((67, 37), 2**64 - 1, np.uint64)
    assert (gpu.to_host(gpu.pair_counts(every, every[:3])) == 37 * 64).all()


def test_arrays_whose_rows_do_not_lie_one_after_the_other(gpu):
    states = by_hand.patterns(67, 26, seed=43)
    fields = np.random.default_rng(47).normal(0, 1, (67, 26)).astype(np.float32)
    packed = REFERENCE.pack(states)
    machine = by_hand.machine((13, 7), seed=53)
    parts = [gpu.asarray(x)[:, ::2] for x in (states, fields, sigmoid(fields), packed)]
    found = [
        gpu.pack(parts[0]),
        gpu.sample_layer(parts[1], KEY, 2, 3, 5),
        gpu.probability(gpu.on_device(machine), [parts[2]], 1),
        gpu.pair_counts(parts[3], parts[3]),
    ]
    whole = [gpu.asarray(np.ascontiguousarray(gpu.to_host(part))) for part in parts]
    expected = [
        gpu.pack(whole[0]),
        gpu.sample_layer(whole[1], KEY, 2, 3, 5),
        gpu.probability(gpu.on_device(machine), [whole[2]], 1),
        gpu.pair_counts(whole[3], whole[3]),
    ]
    assert all(gpu.to_host(a).tobytes() == gpu.to_host(b).tobytes() for a, b in zip(found, expected, strict=True))


# Contrastive divergence -----------------------------------------------------------------------------------------------

VISIBLE = [1, 2, 3, 4, 5, 8, 9, 13, 16, 17, 31, 32, 33, 61]
HIDDEN = [(31, 1.0), (32, 0.6), (33, 0.0), (65, 0.9), (97, 1.0), (1, 0.6)]
"""Hidden units and density of the machines that stand side by side."""
EPOCH = Epoch(0.03, 0.9, 1, 1, 0)


@functools.cache
def _specified(n_visible, n_hidden, density, n_cases, epoch, first_seed=0):
    """A machine, its velocity, a key without close decisions, and what the specification makes of them."""
    machine = by_hand.machine((n_visible, n_hidden), seed=n_hidden, scale=0.3, density=density)
    if density < 1 and n_hidden > 1:
        machine.masks[0][:, -1] = machine.weights[0][:, -1] = 0
    rng = np.random.default_rng(n_visible)
    arrays = [rng.normal(0, 0.01, x.shape).astype(np.float32) for x in (machine.weights[0], *machine.biases)]
    velocity = Velocity(arrays[0] * machine.masks[0], *arrays[1:])
    cases = by_hand.patterns(n_cases, n_visible, seed=n_cases)
    for seed in itertools.count(first_seed):
        closest, key = [], streams.fork(seed, "training")

        def sample(probability, key, step, layer, closest=closest):
            uniform = streams.uniform(key, step, layer, np.zeros(1), probability.shape[1])
            closest.append(np.abs(uniform - probability).min())
            return (uniform < probability).astype(float)

        expected = array_epoch(machine, velocity, key, cases, epoch, _ignore, Arithmetic(sample))
        if min(closest) > CLOSE:
            return (machine, velocity, key), expected


def _ignore(n):
    pass


def _side_by_side(n_visible, n_cases, epoch, hidden=HIDDEN):
    """Work for `epoch_of_many`, the cases, and what the specification makes of them."""
    parts = [_specified(n_visible, *about, n_cases, epoch, 10 * k) for k, about in enumerate(hidden)]
    work, expected = zip(*parts)
    return list(work), by_hand.patterns(n_cases, n_visible, seed=n_cases), expected


def _epoch(card, work, cases, epoch, report=_ignore):
    return cd_small.epoch_of_many(card, work, card.asarray(cases), epoch, report)


def _arrays(result):
    machine, velocity = result
    return [machine.weights[0], *machine.biases, velocity.weights, velocity.visible_bias, velocity.hidden_bias]


def _assert_close(found, expected, tolerance=1e-5):
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        for a, b in zip(_arrays(one), _arrays(other)):
            assert a.dtype == b.dtype == np.float32 and a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)
        assert (one[0].weights[0][~one[0].masks[0]] == 0).all()


def _assert_same_bits(found, expected):
    assert len(found) == len(expected)
    for one, other in zip(found, expected):
        assert all(a.tobytes() == b.tobytes() for a, b in zip(_arrays(one), _arrays(other)))


@pytest.mark.parametrize("n_visible", VISIBLE)
def test_machines_of_every_width_side_by_side(card, n_visible):
    epoch = dataclasses.replace(EPOCH, first_update=7, up=(1.0, 2.0)[n_visible % 2], down=(1.0, 2.0)[n_visible % 3 > 0])
    work, cases, expected = _side_by_side(n_visible, 37, epoch)
    _assert_close(_epoch(card, work, cases, epoch), expected)


@pytest.mark.parametrize("decay", [0.0, 0.9])
@pytest.mark.parametrize(("up", "down"), [(1.0, 1.0), (2.0, 1.0), (1.0, 2.0), (2.0, 2.0)])
def test_momentum_and_gains(card, decay, up, down):
    epoch = dataclasses.replace(EPOCH, decay=decay, up=up, down=down)
    work, cases, expected = _side_by_side(13, 61, epoch)
    _assert_close(_epoch(card, work, cases, epoch), expected)


@pytest.mark.parametrize("n_cases", [0, 1, 2, 31, 32, 33, 64, 65, 97])
def test_few_and_many_updates(card, n_cases):
    epoch = dataclasses.replace(EPOCH, first_update=2**32 - 101)
    if n_cases == 0:
        (machine, velocity, key), _ = _specified(5, 31, 1.0, 1, epoch)
        found = _epoch(card, [(machine, velocity, key)], by_hand.patterns(0, 5, seed=1), epoch)
        return _assert_same_bits(found, [(machine, velocity)])
    work, cases, expected = _side_by_side(5, n_cases, epoch, [(31, 1.0), (33, 0.6)])
    _assert_close(_epoch(card, work, cases, epoch), expected)


@pytest.mark.parametrize(("n_visible", "n_hidden"), [(13, 257), (1, 131), (61, 127), (29, 139)])
@pytest.mark.parametrize("key", [2**64 - 59, 2**63, 2**32 - 5, 0])
def test_wide_machines_and_keys(card, n_visible, n_hidden, key):
    machine, key = by_hand.machine((n_visible, n_hidden), seed=41, scale=0.1, density=0.9), np.uint64(key)
    cases, velocity = by_hand.patterns(17, n_visible, seed=43), Velocity.zero(machine)
    epoch = dataclasses.replace(EPOCH, first_update=2**31 + 7)
    expected = REFERENCE.cd_epoch([machine], [velocity], [key], cases, epoch, _ignore)
    _assert_close(_epoch(card, [(machine, velocity, key)], cases, epoch), expected)


@pytest.mark.parametrize("n_visible", [5, 33])
def test_bits_do_not_depend_on_other_machines(card, n_visible):
    work, cases, _ = _side_by_side(n_visible, 37, EPOCH)
    before = [[x.copy() for x in _arrays(one[:2])] for one in work]
    together = _epoch(card, work, cases, EPOCH)
    alone = [_epoch(card, [one], cases, EPOCH)[0] for one in work]
    _assert_same_bits(together, alone)
    _assert_same_bits(_epoch(card, work[::-1], cases, EPOCH)[::-1], alone)
    for one, kept in zip(work, before):  # what goes in is not changed
        assert all((a == b).all() for a, b in zip(_arrays(one[:2]), kept))


@pytest.mark.parametrize("n_at_once", [1, 7, 32, 37, 97])
def test_bits_do_not_depend_on_updates_per_launch(card, n_at_once, monkeypatch):
    epoch = dataclasses.replace(EPOCH, first_update=2**32 - 97)
    work, cases, _ = _side_by_side(5, 97, epoch, [(31, 1.0), (33, 0.6)])
    whole, pieces = [], []
    expected = _epoch(card, work, cases, epoch, whole.append)
    monkeypatch.setattr(cd_small, "UPDATES_PER_LAUNCH", n_at_once)
    _assert_same_bits(_epoch(card, work, cases, epoch, pieces.append), expected)
    assert whole == [2 * 97] and sum(pieces) == 2 * 97 and len(pieces) == -(-97 // n_at_once)


@pytest.mark.parametrize(("layer", "unit", "update"), [(1, 2, 1_506_896), (0, 2, 5_107_715)])
def test_a_unit_whose_probability_is_0_stays_off(card, layer, unit, update):
    """At these counters the uniform number is 0, and so is s(-200) in float32."""
    assert streams.uniform(KEY, update, layer, [0], 3)[0, unit] == 0
    weights, biases = np.zeros((3, 3), np.float32), [np.zeros(3, np.float32), np.zeros(3, np.float32)]
    biases[layer][unit] = -200
    biases[0][unit], weights[unit, unit] = -200, (0, 400)[layer]  # a hidden unit that fires would show
    machine = BoltzmannMachine((weights,), tuple(biases), (np.ones((3, 3), bool),))
    epoch = dataclasses.replace(EPOCH, first_update=update)
    [(trained, _)] = _epoch(card, [(machine, Velocity.zero(machine), KEY)], np.zeros((1, 3), np.uint8), epoch)
    assert trained.biases[0][unit] == -200


# Numbers that are not finite ------------------------------------------------------------------------------------------


def _with(machine, place, index, value):
    """A copy with one parameter changed: place 0 is the weights, then the visible, then the hidden biases."""
    arrays = [x.copy() for x in (machine.weights[0], *machine.biases)]
    arrays[place][index] = value
    return BoltzmannMachine((arrays[0],), tuple(arrays[1:]), machine.masks, must_be_finite=False)


def _named(run, *arguments):
    """Update and place that the error names."""
    with pytest.raises(NotFiniteError) as caught:
        run(*arguments)
    return caught.value.update, caught.value.place


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n_visible", [1, 5, 61])
def test_a_bias_that_is_not_finite_ends_the_first_update(card, n_visible, value):
    machines = [by_hand.machine((n_visible, n), seed=n, scale=0.3) for n in (7, 67, 97)]
    cases = by_hand.patterns(5, n_visible, seed=47)
    for k, (place, index) in enumerate([(1, 0), (1, -1), (2, 0), (2, -1)]):
        wrong = machines.copy()
        for one in range(k % 3, 3):  # the first of several is named
            wrong[one] = _with(machines[one], place, index, value)
        work = [(machine, Velocity.zero(machine), KEY) for machine in wrong]
        assert _named(_epoch, card, work, cases, EPOCH) == (0, k % 3)
        assert _named(REFERENCE.cd_epoch, *zip(*work), cases, EPOCH, _ignore) == (0, k % 3)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("n_at_once", [7, 97, 131])
def test_a_weight_that_is_not_finite_ends_the_first_update(card, value, n_at_once, monkeypatch):
    """Whether its hidden unit fires or not, and long before its visible unit is 1."""
    monkeypatch.setattr(cd_small, "UPDATES_PER_LAUNCH", n_at_once)
    machine, cases = by_hand.machine((5, 37), seed=53, scale=0.3), by_hand.patterns(131, 5, seed=59)
    cases[:, 3] = np.arange(131) == 43
    silent = _with(_with(machine, 1, 3, -60.0), 2, 31, -60.0)  # neither unit is ever 1, but for the case
    wrong, loud = _with(silent, 0, (3, 31), value), _with(_with(silent, 2, 31, 60.0), 0, (3, 31), value)
    for one in (wrong, loud):
        work = [(machine, Velocity.zero(machine), KEY), (one, Velocity.zero(one), KEY)]
        assert _named(_epoch, card, work, cases, EPOCH) == (0, 1)
        assert _named(REFERENCE.cd_epoch, *zip(*work), cases, EPOCH, _ignore) == (0, 1)


def test_parameters_that_grow_without_bound(card):
    """The kernel looks at fields, which overflow before parameters do, or one update after."""
    machine, cases = by_hand.machine((13, 31), seed=61, scale=0.3), by_hand.patterns(61, 13, seed=67)
    start, epoch = (machine, Velocity.zero(machine)), Epoch(3e37, 0.9, 1, 1, 0)
    specified = _named(array_epoch, *start, KEY, cases, epoch, _ignore, Arithmetic(reference._sample, np.float32))[0]
    assert 0 < _named(_epoch, card, [(*start, KEY)], cases, epoch)[0] <= specified + 1 < 30
