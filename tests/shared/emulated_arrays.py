"""The arrays of the emulated card, and its array module: they refuse what CuPy refuses, in CuPy's words.

NumPy cannot look into these arrays, as it cannot look into the memory of a GPU: they are no subclass of
`numpy.ndarray`, and every attempt to convert them, or to mix them with host arrays, fails as it would on a card. What
they can do is what the tables below list, with the keywords that CuPy takes, and nothing else. The rules were read in
CuPy's source (`cupy/_core/core.pyx`, `_kernel.pyx`, `_routines_indexing.pyx`).

Some things that CuPy does are refused all the same, because each hides a copy between host and card, or many: to
iterate over an array, to index it by a list or a host array, and functions of a host array that CuPy leaves to NumPy.
"""

import functools
from types import SimpleNamespace

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

POISON = 0xFF
"""Byte of memory that nobody wrote: NaN in every float type."""

IMPLICIT = (
    "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array explicitly."
)
NO_FILL = "non-scalar numpy.ndarray cannot be used for fill"
NO_ITERATION = "an array on the card is not looked at element by element"
NO_HOST_INDEX = "an index of an array on the card lies on the card too"

SCALARS = (bool, int, float, np.generic)
"""What CuPy takes beside its own arrays; a host array of no dimension is not among them."""
DTYPES = "?bhilqBHILQefd"
"""Characters of the types that CuPy's arrays can have; complex numbers are not used."""

ATTRIBUTES = frozenset("dtype flags itemsize nbytes ndim shape size strides T".split())
TYPES = frozenset("bool_ float32 float64 int32 int64 uint8 uint32 uint64".split())


def _taking(keywords, names):
    """Each name -> the keywords that CuPy's function or method takes."""
    return dict.fromkeys(names.split(), frozenset(keywords.split()))


METHODS = (
    _taking("axis keepdims", "all any max min")
    | _taking("axis dtype keepdims", "argmax mean sum")
    | _taking("dtype order copy", "astype")
    | _taking("order", "copy ravel reshape")
)
ELEMENTWISE = _taking("", "where") | _taking(
    "out dtype", "abs exp frexp isfinite ldexp log log1p logaddexp matmul maximum rint sqrt"
)
"""Functions of arrays on the card and of scalars."""
OF_AN_ARRAY = _taking("offset axis1 axis2", "diagonal") | _taking("dtype order shape", "ones_like")
JOINING = _taking("axis dtype", "concatenate stack")
"""Functions of a list of arrays."""
MAKING = _taking("dtype", "arange") | _taking("dtype order", "empty full ones zeros")
"""Functions of no array."""
FUNCTIONS = ELEMENTWISE | _taking("", "outer") | OF_AN_ARRAY | JOINING | MAKING
"""What the backend may use of CuPy, all of it checked to be there where CuPy is installed."""

COMPARISONS = frozenset([np.less, np.less_equal, np.equal, np.not_equal, np.greater, np.greater_equal])
ARITHMETIC = (np.add, np.subtract, np.multiply, np.true_divide, np.floor_divide, np.remainder, np.power)
BITWISE = (np.left_shift, np.right_shift, np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.negative)
UFUNCS = COMPARISONS | {*ARITHMETIC, *BITWISE, *(getattr(np, name) for name in ELEMENTWISE if name != "where")}
"""Those of the operators and of the functions above."""


class DeviceArray(NDArrayOperatorsMixin):
    """An array that lies on the card.

    Parameters
    ----------
    memory : np.ndarray
        What stands for the memory of the card. Only `on_card`, `memory_of` and the emulated kernels look at it.

    Raises
    ------
    ValueError
        If a card has no numbers of this type.
    """

    __slots__ = ("_memory",)
    __array_priority__ = 100

    def __init__(self, memory):
        if memory.dtype.char not in DTYPES:
            raise ValueError(f"Unsupported dtype {memory.dtype}")
        self._memory = memory

    def get(self):
        """A copy for the host."""
        return self._memory.copy()

    def __array__(self, dtype=None, copy=None):
        raise TypeError(IMPLICIT)

    def __array_ufunc__(self, ufunc, method, *inputs, out=(), **options):
        if method != "__call__" or ufunc not in UFUNCS:
            return NotImplemented
        if not all(isinstance(x, (DeviceArray, np.ndarray, *SCALARS)) for x in (*inputs, *out)):
            return NotImplemented
        if ufunc in COMPARISONS:
            inputs = [x.item() if isinstance(x, np.ndarray) and x.ndim == 0 else x for x in inputs]
        _check_elementwise((*inputs, *out))
        if out:
            options["out"] = tuple(map(memory_of, out))
        result = ufunc(*map(memory_of, inputs), **options)
        return out[0] if out else on_card(result)

    def __array_function__(self, function, types, arguments, options):
        if function.__name__ not in FUNCTIONS:
            return NotImplemented
        return _call(function.__name__, *arguments, **options)

    def __getattr__(self, name):
        if name in ATTRIBUTES:
            found = getattr(self._memory, name)
            return on_card(found) if isinstance(found, np.ndarray) else found
        if name in METHODS:
            return functools.partial(self._call, name)
        raise AttributeError(f"an array on the card has no {name!r} in the list of what it can be asked for")

    def _call(self, name, *arguments, **options):
        _check_keywords(name, METHODS[name], options)
        return on_card(getattr(self._memory, name)(*arguments, **options))

    def __getitem__(self, key):
        return on_card(self._memory[_index(key)])

    def __setitem__(self, key, value):
        if not isinstance(value, (DeviceArray, *SCALARS)):
            raise ValueError(NO_FILL)
        self._memory[_index(key)] = memory_of(value)

    def __len__(self):
        return len(self._memory)

    def __iter__(self):
        raise TypeError(NO_ITERATION)

    def __bool__(self):
        return bool(self._memory)

    def __int__(self):
        return int(self._memory)

    def __float__(self):
        return float(self._memory)

    def __repr__(self):
        return repr(self._memory)

    def __format__(self, spec):
        return format(self._memory, spec)


class Namespace:
    """NumPy as the card's array module: only what is listed above, and what is made lies on the card."""

    ndarray = DeviceArray

    def __getattr__(self, name):
        if name in TYPES:
            return getattr(np, name)
        if name not in FUNCTIONS:
            raise AttributeError(f"xp.{name} is not in the list of what the card can be asked for")
        return functools.partial(_call, name)

    @property
    def linalg(self):
        """Its one function."""
        return SimpleNamespace(eigh=_eigh)


def on_card(result):
    """What NumPy gave, as lying on the card: arrays and NumPy scalars, which become arrays of no dimension."""
    if isinstance(result, tuple):
        return tuple(map(on_card, result))
    return DeviceArray(np.asarray(result))


def memory_of(array):
    """The memory of an array on the card, which others share; anything else as it is."""
    return array._memory if isinstance(array, DeviceArray) else array


def _call(name, *arguments, **options):
    """A function of the array module."""
    _check_keywords(name, FUNCTIONS[name], options)
    if name in MAKING:
        result = on_card(getattr(np, name)(*arguments, **options))
        if name == "empty" and result.size:
            memory_of(result).reshape(-1).view(np.uint8)[:] = POISON
        return result
    if name in JOINING:
        arrays, *arguments = arguments
        _check_joined(arrays)
        return on_card(getattr(np, name)(list(map(memory_of, arrays)), *arguments, **options))
    _check_elementwise(arguments[:1] if name in OF_AN_ARRAY else arguments)
    if "out" in options:
        _check_elementwise([options["out"]])
    options = {key: memory_of(value) for key, value in options.items()}
    return on_card(getattr(np, name)(*map(memory_of, arguments), **options))


def _eigh(matrix):
    if not isinstance(matrix, DeviceArray):
        raise np.linalg.LinAlgError("cupy.linalg only supports cupy.ndarray")
    return on_card(tuple(np.linalg.eigh(memory_of(matrix))))


def _check_keywords(name, allowed, options):
    if unknown := options.keys() - allowed:
        raise TypeError(f"{name}() got an unexpected keyword argument {min(unknown)!r}")


def _check_elementwise(values):
    for x in values:
        if not isinstance(x, (DeviceArray, *SCALARS)):
            raise TypeError(f"Unsupported type {type(x)}")


def _check_joined(arrays):
    if not all(isinstance(x, DeviceArray) for x in arrays):
        raise TypeError("Only cupy arrays can be concatenated")


def _index(key):
    """What NumPy is given as an index."""
    parts = key if isinstance(key, tuple) else (key,)
    if any(isinstance(part, list | np.ndarray) for part in parts):
        raise TypeError(NO_HOST_INDEX)
    return tuple(map(memory_of, parts))
