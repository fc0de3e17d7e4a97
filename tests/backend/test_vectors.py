"""Vectors as values of compiled loops: each function against NumPy, and whole computations on other processors."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from boltzprune.backend.cpu import vectors
from boltzprune.backend.cpu.arithmetic import popcount
from boltzprune.backend.cpu.vector_functions import logistic_of, put_chosen, put_uniforms, transpose
from boltzprune.backend.cpu.vectors import (
    LANES,
    are_less,
    are_on,
    differ,
    item,
    kept,
    lanes_of,
    load,
    minus,
    nothing,
    plus,
    plus_times,
    plus_where,
    put,
    splat,
    store,
    times,
    to_floats,
    total,
)
from boltzprune.core import streams

RNG = np.random.default_rng(3)
A, B = (RNG.normal(0, 3, 5 * LANES).astype(np.float32) for _ in range(2))
STATES = (RNG.random(5 * LANES) < 0.3).astype(np.uint8)
SHARED = Path(__file__).parents[1] / "shared"
PROGRAM = SHARED / "deep_loops.py"
AT = 7
"""Vectors need not begin at a multiple of anything."""
HERE = slice(AT, AT + LANES)


def _bits(conditions):
    return sum(1 << k for k, is_true in enumerate(conditions) if is_true)


def test_arithmetic():
    @njit
    def compute(a, b, out):
        x, y = load(a, AT), load(b, AT)
        store(out, 0, plus(x, y))
        store(out, LANES, minus(x, y))
        store(out, 2 * LANES, times(x, y))
        store(out, 3 * LANES, plus_times(x, y, y))
        store(out, 4 * LANES, plus(nothing(out), splat(item(a, 2))))
        put(out, 5 * LANES, item(b, 3))
        return total(x)

    out = vectors.zeros(5 * LANES + 1)
    assert np.isclose(compute(A, B, out), A[HERE].astype(float).sum(), rtol=1e-6)
    a, b = A[HERE], B[HERE]
    expected = [*(a + b), *(a - b), *(a * b), *(a.astype(float) + b.astype(float) ** 2), *[A[2]] * LANES, B[3]]
    np.testing.assert_allclose(out, expected, rtol=1e-6)


def test_the_logistic_function():
    @njit
    def compute(a, out):
        for i in range(0, a.size, LANES):
            store(out, i, logistic_of(load(a, i)))

    x = np.concatenate([np.linspace(-86, 86, 997 * LANES), [-1e30, -np.inf, -90, 90, np.inf, np.nan, 0, -0.0] * 2])
    x, out = x.astype(np.float32), vectors.zeros(998 * LANES)
    compute(x, out)
    expected = 1 / (1 + np.exp(-np.clip(x.astype(float), -87, 87)))
    np.testing.assert_allclose(out, expected, rtol=3e-7)
    assert np.isnan(out[-3]) and not np.isnan(out[:-16]).any()


def test_comparisons_give_bits():
    @njit
    def compute(a, b, states, ints):
        x, y = load(a, AT), load(b, AT)
        beyond = differ(x, y, np.float32(1.5))
        return are_less(x, y), beyond, are_on(x), are_on(load(states, AT)), are_on(load(ints, AT))

    a, b = A.copy(), B.copy()
    a[AT + 3], b[AT + 5], a[AT + 6] = np.nan, np.nan, 0
    ints = STATES.astype(np.int32) * -5
    close = np.abs(a[HERE] - b[HERE]) <= np.float32(1.5)
    on = STATES[HERE] == 1
    expected = _bits(a[HERE] < b[HERE]), _bits(~close), _bits(a[HERE] != 0), _bits(on), _bits(on)
    assert compute(a, b, STATES, ints) == expected


def test_states_of_either_type():
    @njit
    def compute(weights, bits, out, like):
        lanes = lanes_of(bits, like)
        store(out, 0, plus_where(load(weights, 0), weights[3], lanes))
        store(out, LANES, kept(load(weights, 0), bits))
        return total(to_floats(lanes))

    bits = np.uint64(0b1000000000000101)
    is_on = np.array([int(bits) >> k & 1 for k in range(LANES)])
    for weights, sign in ((A[:LANES].copy(), 1), (RNG.integers(-(2**22), 2**22, LANES).astype(np.int32), -1)):
        out = vectors.zeros(2 * LANES, weights.dtype)
        assert compute(weights, bits, out, out) == 3 * sign
        np.testing.assert_array_equal(out[:LANES], weights + weights[3] * is_on.astype(weights.dtype))
        np.testing.assert_array_equal(out[LANES:], weights * is_on)


def test_places_of_bits():
    @njit
    def compute(states, places):
        n = 0
        for i in range(0, states.size, LANES):
            bits = are_on(load(states, i))
            put_chosen(places, n, bits, i, 3)
            n += np.int64(popcount(bits))
        return n

    places = np.full(6 * LANES, -1, np.int32)
    n = compute(STATES, places)
    assert places[:n].tolist() == (3 * np.flatnonzero(STATES)).tolist()


@pytest.mark.parametrize(("source", "target"), ["ff", "ii", ("u1", "f4"), ("u1", "i4"), ("f4", "u1"), ("i4", "u1")])
def test_squares_are_transposed(source, target):
    @njit
    def compute(a, b):
        transpose(a, 2 * 37 + 3, 37, b, 5 * 29 + 7, 29)

    on = -1 if "i4" in (source, target) and "u1" in (source, target) else 1
    square = RNG.integers(0, 2 if "u1" in (source, target) else 1000, (LANES, LANES))
    a, b = np.zeros((23, 37), source), np.zeros((31, 29), target)
    a[2 : 2 + LANES, 3 : 3 + LANES] = square * (1 if source == "u1" else on)
    compute(a, b)
    np.testing.assert_array_equal(b[5 : 5 + LANES, 7 : 7 + LANES], square.T * (1 if target == "u1" else on))
    b[5 : 5 + LANES, 7 : 7 + LANES] = 0
    assert not b.any()


def test_random_numbers_are_those_of_the_stream():
    @njit
    def compute(out, counter, key):
        put_uniforms(out, AT, counter, key)

    key = streams.fork(3, "samples")
    for block, first_chain, step, layer in [(0, 0, 0, 0), (5, 101, 2**32 - 1, 3), (2**31, 2**32 - 20, 7, 1)]:
        out = vectors.zeros(AT + 4 * LANES)
        counter = tuple(np.uint32(word) for word in (block, first_chain, step, layer))
        compute(out, counter, (np.uint32(int(key) & 0xFFFFFFFF), np.uint32(int(key) >> 32)))
        words = streams.philox4x32((block, (first_chain + np.arange(LANES)) % 2**32, step, layer), key)
        expected = [(word >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24) for word in words]
        np.testing.assert_array_equal(out[AT:].reshape(4, LANES), expected)


OTHERS = ["haswell", "x86-64-v2"] if platform.machine() in ("x86_64", "AMD64") else ["generic"]


@pytest.mark.slow
@pytest.mark.parametrize("processor", [OTHERS[0], *(pytest.param(x, marks=pytest.mark.torture) for x in OTHERS[1:])])
def test_processors_with_narrower_vectors(processor):
    """Vectors of half and of a quarter of the width, as AVX2 and SSE (or NEON) have them: the same loops are right."""
    environment = os.environ | {"NUMBA_CPU_NAME": processor, "NUMBA_CPU_FEATURES": ""}
    environment["PYTHONPATH"] = os.pathsep.join([str(SHARED), *filter(None, [environment.get("PYTHONPATH")])])
    done = subprocess.run([sys.executable, PROGRAM], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "agree\n"), done.stderr
