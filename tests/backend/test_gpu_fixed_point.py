"""Weights as whole numbers: their stated error, their digits, and that the kernels add them up exactly."""

import by_hand
import numpy as np
import pytest

from boltzprune.backend.fixed_point import BITS, N_DIGITS, FixedPoint, digits, fixed_point
from boltzprune.backend.gpu.gibbs import Chains, drawing_weights
from boltzprune.core import streams
from boltzprune.core.machine import BoltzmannMachine, sigmoid

KEY = streams.fork(11, "samples")


def _weights(shape, seed, spread=2.0):
    """Weights whose sizes differ by orders of magnitude, some 0."""
    rng = np.random.default_rng(seed)
    size = np.exp(rng.normal(0, spread, shape)) * (rng.random(shape) < 0.8)
    return (rng.choice([-1, 1], shape) * size).astype(np.float32)


def _values(fixed):
    """The weights that the whole numbers stand for, float64."""
    return fixed.unit.astype(float) * np.concatenate([fixed.below, fixed.above])


@pytest.mark.parametrize("sizes", [(13, 7, 5), (0, 31, 3), (3, 2, 0), (1, 1, 1), (61, 67, 131)])
def test_every_weight_is_within_half_a_unit(sizes):
    below, above = _weights((sizes[0], sizes[1]), 3), _weights((sizes[2], sizes[1]), 5)
    fixed = fixed_point(below, above, np)
    every = np.concatenate([below, above]).astype(float)
    assert fixed.below.dtype == fixed.above.dtype == np.int32 and fixed.unit.dtype == np.float32
    assert fixed.below.shape == below.shape and fixed.above.shape == above.shape
    assert (np.abs(_values(fixed) - every) <= fixed.unit / 2).all()
    assert (np.frexp(fixed.unit)[0] == 0.5).all()  # powers of two
    largest = np.abs(every).max(axis=0)
    assert (np.abs(np.concatenate([fixed.below, fixed.above])) <= 2**BITS).all()
    assert (fixed.unit <= 2.0 ** (1 - BITS) * largest)[largest > 0].all()


@pytest.mark.parametrize("scale", [0.01, 0.3, 5.0])
def test_a_field_is_within_the_stated_error(scale):
    """And in the mean at most half as much again from the exact sum as float32 that adds the terms one by one."""
    rng, n = np.random.default_rng(7), 1076
    weights = (scale * rng.normal(size=(n, 41))).astype(np.float32)
    states = (rng.random((211, n)) < 0.3).astype(np.uint8)
    fixed = fixed_point(weights[:400], weights[400:], np)
    exact, found = states @ weights.astype(float), states @ _values(fixed)
    bound = states.sum(axis=1)[:, None] * 2.0**-BITS * np.abs(weights).max(axis=0)
    assert (np.abs(found - exact) <= bound).all()
    one_by_one = np.zeros((211, 41), np.float32)
    for k in range(n):
        one_by_one += states[:, k, None] * weights[k]
    assert np.abs(found - exact).mean() < 1.5 * np.abs(one_by_one - exact).mean()


def test_extreme_weights():
    columns = {
        "nothing": [0, 0],
        "ties": [1, 1.5 * 2.0**-BITS],  # 1.5 units of 2^(1 - BITS) / 2: to even
        "denormal": [1e-40, 0],
        "smallest normal unit": [2.0**-101, 2.0**-120],
        "largest": [np.finfo(np.float32).max, -1e38],
        "a power of two": [-4, 3],
        "NaN": [np.nan, 1],
        "infinite": [1, -np.inf],
    }
    weights = np.array(list(columns.values()), np.float32).T
    with np.errstate(all="raise"):
        fixed = fixed_point(weights[:1].copy(), weights[1:].copy(), np)
    assert (np.isnan(fixed.unit) == ~np.isfinite(weights).all(axis=0)).all()
    values = dict(zip(columns, _values(fixed).T.tolist()))
    assert values["nothing"] == [0, 0] and values["a power of two"] == [-4, 3]
    assert values["ties"] == [1, 2.0 ** (2 - BITS - 1)]
    assert values["denormal"] == [0, 0]
    assert values["largest"][0] == pytest.approx(2.0**128, rel=2.0**-BITS)
    assert values["smallest normal unit"] == [2.0**-101, 2.0**-120]


WHOLE = (
    0,
    1,
    -1,
    127,
    128,
    -128,
    -129,
    255,
    256,
    -256,
    32767,
    32768,
    -32768,
    -32769,
    8388479 // 2,
    2**BITS,
    -(2**BITS),
)


def test_digits_are_signed_bytes_that_add_up():
    q = np.array(WHOLE, np.int32)[:, None] * np.array([[1, -1, 1]], np.int32)
    found = digits(FixedPoint(q[:5], q[5:], np.ones(3, np.float32)), 8, np)
    assert found.dtype == np.uint8 and found.shape == (N_DIGITS, 8, 8 + 16)
    value = sum(256**d * found.view(np.int8)[d].astype(int) for d in range(N_DIGITS))
    assert (value[:3, :5] == q[:5].T).all() and (value[:3, 8 : 8 + 12] == q[5:].T).all()
    assert not found[:, 3:].any() and not found[:, :, 5:8].any() and not found[:, :, 20:].any()


def _exact_machine(sizes, seed):
    """Weights 64 q with whole q of all digits; biases 0."""
    rng = np.random.default_rng(seed)
    whole = [rng.integers(-(2**BITS) + 1, 2**BITS, shape) for shape in zip(sizes[:-1], sizes[1:])]
    for q in whole:
        q[0], q[:, 0] = 2**BITS - 1, 2**BITS - 1  # so that every unit is 64
    weights = tuple((64 * q).astype(np.float32) for q in whole)
    biases = tuple(np.zeros(n, np.float32) for n in sizes)
    return whole, BoltzmannMachine(weights, biases, tuple(np.ones(q.shape, bool) for q in whole))


@pytest.mark.parametrize("n_chains", [1, 131, 257])
@pytest.mark.parametrize("sizes", [(61, 67, 131), (130, 64, 3), (3, 129, 65)])
def test_sums_are_exact_to_the_last_whole_number(gpu, sizes, n_chains):
    """The bias cancels one chain's sum: its field is 0, and any other sum, off by 1 or more, is 64 or more away."""
    whole, machine = _exact_machine(sizes, seed=sizes[0])
    states = [np.zeros((n_chains, n), np.uint8) for n in sizes]
    rng = np.random.default_rng(n_chains)
    for layer, n_on in ((0, 2), (2, 1)):  # few, so that float32 holds every sum
        for chain in range(n_chains):
            states[layer][chain, rng.choice(sizes[layer], n_on, replace=False)] = 1
    sums = states[0].astype(int) @ whole[0] + states[2].astype(int) @ whole[1].T
    chosen = np.arange(sizes[1]) % n_chains
    cancelled = sums[chosen, np.arange(sizes[1])]
    bias = (-64 * cancelled).astype(np.float32)
    machine = BoltzmannMachine(machine.weights, (machine.biases[0], bias, machine.biases[2]), machine.masks)
    found = gpu.to_host(gpu.advance(machine, [gpu.asarray(x) for x in states], KEY, 3, 1, 5)[1])
    uniform = streams.uniform(KEY, 3, 1, 5 + np.arange(n_chains), sizes[1])
    field = 64.0 * (sums - cancelled)
    assert np.count_nonzero(field) > 0.9 * field.size or n_chains == 1
    assert (found == (uniform < sigmoid(field))).all()


def test_what_pads_the_units_stays_0(gpu):
    machine, sizes = gpu.on_device(by_hand.machine((13, 67, 3), seed=7)), (13, 67, 3)
    given = [gpu.asarray(by_hand.patterns(131, n, seed=n)) for n in sizes]
    chains = Chains(gpu.card, given)
    assert [layer.shape for layer in chains.layers] == [(256, 64), (256, 128), (256, 64)]
    assert all((gpu.to_host(a) == gpu.to_host(b)).all() for a, b in zip(chains.states(), given))
    digits_of_weights, unit, bias = drawing_weights(machine, 1, gpu.xp)
    more = gpu.asarray(np.full(5, 99, np.float32))  # what lies behind an array does not count
    behind = [gpu.xp.concatenate([x, more]) for x in (unit, bias + np.float32(99))]
    chains.draw(1, (digits_of_weights, *behind), (KEY, 0, 1, 0))
    drawn = gpu.to_host(chains.layers[1])
    assert (drawn[:131, :67] == 1).all() and not drawn[:, 67:].any()


@pytest.mark.parametrize("n_chains", [3, 131])
def test_a_weight_that_is_not_finite_makes_its_units_silent(gpu, n_chains):
    """Whoever draws with it: no machine is trained or sampled on, but nothing else may come of it either."""
    machine = by_hand.machine((13, 7), seed=13)
    weights = machine.weights[0].copy()
    weights[5, 2] = np.nan
    broken = BoltzmannMachine((weights,), machine.biases, machine.masks, must_be_finite=False)
    states = [gpu.asarray(by_hand.patterns(n_chains, n, seed=n)) for n in (13, 7)]
    for n_gibbs_steps in (1, 9):
        found = [gpu.to_host(layer) for layer in gpu.advance(broken, states, KEY, 0, n_gibbs_steps, 0)]
        assert not found[1][:, 2].any() and not found[0][:, 5].any() and found[1].any() and found[0].any()
