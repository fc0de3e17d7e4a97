"""The arrays of the emulated card refuse what CuPy refuses, in its words; what the backend does with them works."""

import re

import numpy as np
import pytest
from emulated import EmulatedCard
from emulated_arrays import FUNCTIONS, METHODS, DeviceArray, Namespace, memory_of, on_card

IMPLICIT = (
    "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly."
)
HOST = "Unsupported type <class 'numpy.ndarray'>"
NO_FILL = "non-scalar numpy.ndarray cannot be used for fill"
ONLY_CUPY = "Only cupy arrays can be concatenated"
AMBIGUOUS = "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"
ONE_BY_ONE = "an array on the card is not looked at element by element"
INDEX = "an index of an array on the card lies on the card too"

xp = Namespace()
HOST_ARRAY = np.arange(15, dtype=np.float32).reshape(3, 5)


@pytest.fixture
def array():
    """3 x 5 on the card."""
    return on_card(HOST_ARRAY.copy())


def _assign(array, key, value):
    array[key] = value


def _add_in_place(array, other):
    array += other


REFUSED = {
    "numpy.asarray": (lambda a: np.asarray(a), TypeError, IMPLICIT),
    "numpy.array of two": (lambda a: np.array([a, a]), TypeError, IMPLICIT),
    "numpy.float32 of one number": (lambda a: np.float32(a[0, 0]), TypeError, IMPLICIT),
    "numpy.testing": (lambda a: np.testing.assert_array_equal(a, HOST_ARRAY), TypeError, IMPLICIT),
    "a value of a host array": (lambda a: _assign(HOST_ARRAY.copy(), 0, a[0]), TypeError, IMPLICIT),
    "card + host": (lambda a: a + HOST_ARRAY, TypeError, HOST),
    "host + card": (lambda a: HOST_ARRAY + a, TypeError, HOST),
    "card @ host": (lambda a: a @ HOST_ARRAY.T, TypeError, HOST),
    "host @ card": (lambda a: HOST_ARRAY @ a.T, TypeError, HOST),
    "card == host": (lambda a: a == HOST_ARRAY, TypeError, HOST),
    "card += host": (lambda a: _add_in_place(a, HOST_ARRAY), TypeError, HOST),
    "host += card": (lambda a: _add_in_place(HOST_ARRAY.copy(), a), TypeError, HOST),
    "a host array of no dimension": (lambda a: a + np.array(1.0), TypeError, HOST),
    "out on the host": (lambda a: np.add(a, 1, out=HOST_ARRAY.copy()), TypeError, HOST),
    "xp, out on the host": (lambda a: xp.exp(a, out=HOST_ARRAY.copy()), TypeError, HOST),
    "xp.maximum": (lambda a: xp.maximum(a, HOST_ARRAY), TypeError, HOST),
    "xp.where": (lambda a: xp.where(a > 1, HOST_ARRAY, 0), TypeError, HOST),
    "xp.exp of a list": (lambda a: xp.exp([1.0, 2.0]), TypeError, "Unsupported type <class 'list'>"),
    "xp.outer": (lambda a: xp.outer(a[0], HOST_ARRAY[0]), TypeError, HOST),
    "xp.diagonal": (lambda a: xp.diagonal(HOST_ARRAY), TypeError, HOST),
    "xp.concatenate": (lambda a: xp.concatenate([a, HOST_ARRAY]), TypeError, ONLY_CUPY),
    "numpy.concatenate": (lambda a: np.concatenate([HOST_ARRAY, a]), TypeError, ONLY_CUPY),
    "xp.stack": (lambda a: xp.stack((HOST_ARRAY, a)), TypeError, ONLY_CUPY),
    "xp.linalg.eigh": (
        lambda a: xp.linalg.eigh(np.eye(3)),
        np.linalg.LinAlgError,
        "cupy.linalg only supports cupy.ndarray",
    ),
    "a part from the host": (lambda a: _assign(a, slice(1), HOST_ARRAY[:1]), ValueError, NO_FILL),
    "a part from a list": (lambda a: _assign(a, 0, [1, 2, 3, 5, 7]), ValueError, NO_FILL),
    "a host index": (lambda a: a[np.array([0, 2])], TypeError, INDEX),
    "a host index beside a slice": (lambda a: a[:, np.array([0, 2])], TypeError, INDEX),
    "a list as an index": (lambda a: a[[0, 2]], TypeError, INDEX),
    "a value at a host index": (lambda a: _assign(a, HOST_ARRAY > 3, 0), TypeError, INDEX),
    "a loop": (lambda a: list(a), TypeError, ONE_BY_ONE),
    "bool of many": (lambda a: bool(a), ValueError, AMBIGUOUS),
    "len of one number": (lambda a: len(a[0, 0]), TypeError, "len() of unsized object"),
    "range of one number": (lambda a: range(a[0, 0]), TypeError, "cannot be interpreted as an integer"),
    "objects": (lambda a: a.astype(object), ValueError, "Unsupported dtype object"),
    "text": (lambda a: EmulatedCard().asarray(np.array(["a"])), ValueError, "Unsupported dtype <U1"),
    "max(initial=)": (lambda a: a.max(initial=0.0), TypeError, "max() got an unexpected keyword argument 'initial'"),
    "sum(where=)": (lambda a: a.sum(where=True), TypeError, "sum() got an unexpected keyword argument 'where'"),
    "xp.ones(like=)": (lambda a: xp.ones(3, like=a), TypeError, "ones() got an unexpected keyword argument 'like'"),
    "add.reduce": (lambda a: np.add.reduce(a), TypeError, "returned NotImplemented from __array_ufunc__"),
    "a ufunc that is not listed": (lambda a: np.sin(a), TypeError, "returned NotImplemented from __array_ufunc__"),
    "card + None": (lambda a: a + None, TypeError, "returned NotImplemented from __array_ufunc__"),
    "numpy.median": (lambda a: np.median(a), TypeError, "no implementation found for 'numpy.median'"),
    "xp.median": (lambda a: xp.median(a), AttributeError, "xp.median is not in the list"),
    "a method that is not listed": (lambda a: a.ptp(), AttributeError, "no 'ptp' in the list"),
    "its name": (lambda a: setattr(a, "name", "a"), AttributeError, "name"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_a_card_refuses(what, array):
    attempt, kind, message = REFUSED[what]
    with pytest.raises(kind, match=re.escape(message)):
        attempt(array)
    np.testing.assert_array_equal(array.get(), HOST_ARRAY)


MASK, PLACES = HOST_ARRAY % 2 == 0, np.array([2, 0])
DONE = {
    "arithmetic": lambda a, on, xp: [a + 2, 2 - a, np.float32(0.1) * a, a / 7, a // 2, a % 3, -a, a**2, abs(a - 3)],
    "whole numbers": lambda a, on, xp: [
        (on(np.uint64([3, 5])) << on(np.uint64([1, 2]))) & np.uint64(7) | np.uint64(8),
        ~on(np.uint64([3])),
    ],
    "products": lambda a, on, xp: [a @ a.T, xp.matmul(a, a.T), xp.outer(a[0], a[1])],
    "comparisons": lambda a, on, xp: [a > 3, 3 <= a, a == a, a != 2, a < a, ~(a > 3), a > np.array(3.0)],
    "numbers of no dimension": lambda a, on, xp: [a - a[1, 1], a / a.max(), a[0] * a.sum()],
    "functions": lambda a, on, xp: [
        *(f(a + 1) for f in (xp.exp, xp.log, xp.log1p, xp.sqrt, xp.rint, xp.isfinite, xp.abs, xp.ones_like)),
        *xp.frexp(a),
        xp.ldexp(a, on(PLACES[:1])),
        xp.maximum(a, 3),
        xp.logaddexp(0, a),
        xp.where(a > 3, a, 0.0),
        xp.diagonal(a),
    ],
    "NumPy's functions": lambda a, on, xp: [np.exp(a), np.maximum(a, 3), np.concatenate([a, a]), np.where(a > 3, a, 0)],
    "joining": lambda a, on, xp: [xp.concatenate([a, a], axis=1), xp.stack((a, a)), xp.concatenate((a,))],
    "making": lambda a, on, xp: [
        xp.zeros((2, 3)),
        xp.zeros(3, dtype=np.uint8),
        xp.ones((1, 2), dtype=xp.float32),
        xp.full(3, 7, dtype=np.int32),
        xp.arange(5, dtype=np.uint64),
    ],
    "sums": lambda a, on, xp: [
        a.sum(),
        a.sum(axis=0, dtype=np.float64),
        a.mean(axis=1, keepdims=True),
        a.max(axis=1),
        a.min(axis=1),
        a.argmax(axis=0),
        (a > 3).any(),
        (a > 3).all(axis=1),
    ],
    "parts": lambda a, on, xp: [
        a[0],
        a[0, 1],
        a[:, 1:3],
        a[None],
        a[..., -1],
        a[on(PLACES)],
        a[on(MASK)],
        a[:, on(PLACES)],
    ],
    "shapes": lambda a, on, xp: [a.T, a.ravel(), a.reshape(5, 3), a.reshape(-1), a.T.copy(), a.astype(np.uint8)],
    "eigenvectors": lambda a, on, xp: [abs(x) for x in xp.linalg.eigh((a @ a.T).astype(np.float64))],
}


@pytest.mark.parametrize("what", DONE)
def test_what_is_done_on_a_card_gives_numpys_numbers(what, array):
    card = EmulatedCard()
    found, expected = DONE[what](array, card.asarray, card.xp), DONE[what](HOST_ARRAY, np.asarray, np)
    for one, wanted in zip(found, expected, strict=True):
        assert type(one) is DeviceArray
        host, wanted = card.to_host(one), np.asarray(wanted)
        assert type(host) is np.ndarray and (host.dtype, host.shape) == (wanted.dtype, wanted.shape)
        np.testing.assert_array_equal(host, wanted)


def test_every_name_of_the_lists_is_numpys():
    assert all(callable(getattr(np, name)) and callable(getattr(xp, name)) for name in FUNCTIONS)
    assert all(callable(getattr(np.ndarray, name)) for name in METHODS)
    assert xp.float32 is np.float32 and xp.ndarray is DeviceArray


def test_parts_can_be_set(array):
    array[0] = array[1] * 2
    array[on_card(PLACES[:1]), 3] = 7
    array[on_card(MASK)] = np.float32(-1)
    array[:, 4] += 1
    expected = HOST_ARRAY.copy()
    expected[0], expected[2, 3], expected[MASK] = expected[1] * 2, 7, -1
    expected[:, 4] += 1
    np.testing.assert_array_equal(array.get(), expected)


def test_numbers_that_python_may_read(array):
    assert (float(array[1, 2]), int(array[1, 2]), bool(array[1, 2]), len(array)) == (7.0, 7, True, 3)
    assert f"{array[1, 2]:.1f}" == "7.0" and repr(array[1]) == repr(HOST_ARRAY[1])
    assert (array.shape, array.ndim, array.size, array.nbytes, array.itemsize) == ((3, 5), 2, 15, 60, 4)
    assert array.flags.c_contiguous and not array.T.flags.c_contiguous and array.dtype == np.float32


def test_in_place_it_stays_the_same_array(array):
    same = array
    array -= 1
    assert array is same and xp.exp(array[0], out=array[0]).shape == (5,)
    np.testing.assert_array_equal(array.get(), np.vstack([np.exp(HOST_ARRAY[0] - 1), HOST_ARRAY[1:] - 1]))


def test_to_the_card_and_back(array):
    card, host = EmulatedCard(), HOST_ARRAY.copy()
    placed = card.asarray(host)
    host[0, 0] = 11
    assert float(placed[0, 0]) == 0
    back = card.to_host(placed)
    back[0, 0] = 13
    assert float(placed[0, 0]) == 0 and card.to_host(host) is host
    assert card.asarray(placed) is placed and card.asarray(placed, np.float32) is placed
    assert card.asarray(placed, np.uint8).dtype == np.uint8


def test_rows_lie_one_after_the_other(array):
    turned = EmulatedCard().asarray(array.T)
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(turned.get(), HOST_ARRAY.T)


def test_what_nobody_wrote_is_not_a_number():
    assert np.isnan(xp.empty((3, 5), dtype=np.float32).get()).all() and xp.empty(0).size == 0
    assert (memory_of(xp.empty(2, dtype=np.int64)) == -1).all()


@pytest.mark.parametrize("given", [HOST_ARRAY, HOST_ARRAY[:0]])
def test_a_kernel_takes_no_host_array(given):
    message = f"You are trying to pass a numpy.ndarray of shape {given.shape} as a kernel parameter."
    with pytest.raises(TypeError, match=re.escape(message)):
        EmulatedCard().launch("states", {}, (1,), 1, [given])
