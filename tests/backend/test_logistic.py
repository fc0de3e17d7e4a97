"""The compiled arithmetic: logistic function and popcount."""

import numpy as np
import pytest
from numba import njit

from boltzprune.backend.cpu import arithmetic

OPTIONS = {name: value for name, value in arithmetic.FAST.items() if name in ("fastmath", "error_model")}


@njit(**OPTIONS)
def _logistic(x, out):
    for k in range(x.size):
        out[k] = arithmetic.logistic(x[k])


def logistic(x):
    """The compiled function on an array, in a vectorised loop as in the samplers."""
    x = np.asarray(x, dtype=np.float32)
    out = np.empty_like(x)
    _logistic(x, out)
    return out


def test_logistic_is_accurate():
    x = np.linspace(-80, 80, 1_000_003).astype(np.float32)
    exact = 1.0 / (1.0 + np.exp(-x.astype(np.float64)))
    assert np.abs(logistic(x) / exact - 1).max() < 5e-7


def test_logistic_near_zero_and_at_multiples_of_log_2():
    tiny = np.array([0.0, -0.0, 1e-38, -1e-38, 1e-8, -1e-8], dtype=np.float32)
    assert (logistic(tiny) == np.float32(0.5)).all()
    edges = (np.arange(-115, 116) * np.log(2) / 2).astype(np.float32)
    x = np.concatenate([np.nextafter(edges, np.float32(-100)), edges, np.nextafter(edges, np.float32(100))])
    np.testing.assert_allclose(logistic(x), 1.0 / (1.0 + np.exp(-x.astype(np.float64))), rtol=5e-7)


def test_logistic_hardly_ever_decreases():
    y = logistic(np.linspace(-88, 88, 1_000_003)).astype(np.float64)
    assert (np.diff(y) >= -2e-7 * y[1:]).all()
    assert (y >= 0).all() and (y <= 1).all()


def test_logistic_of_extreme_fields():
    y = logistic([-np.inf, -1e30, -88.0, 88.0, 1e30, np.inf])
    assert (y[:3] < 2e-38).all() and (y[:3] >= 0).all() and (y[3:] == 1).all()


@pytest.mark.parametrize("n", [1, 7, 8, 64])
def test_logistic_keeps_nan(n):
    x = np.zeros(n, dtype=np.float32)
    x[-1] = np.nan
    y = logistic(x)
    assert np.isnan(y[-1]) and not np.isnan(y[:-1]).any()


def test_popcount_counts_every_bit():
    @njit
    def count(word):
        return arithmetic.popcount(word)

    words = [0, 1, 2**63, 2**64 - 1, 0x0123456789ABCDEF, *(1 << k for k in range(64))]
    assert [count(np.uint64(word)) for word in words] == [word.bit_count() for word in words]
