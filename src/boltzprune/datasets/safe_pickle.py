"""Reads pickles of plain data without running them.

A pickle is a program: `pickle.load` calls whatever the file names. Here an interpreter of our own knows the few
opcodes that plain data need, and refuses the file at any other. It imports nothing and calls nothing that a file names:
the four numpy and codecs names that stand in the pickle of an array are mere tokens, and the only array it makes is a
view of the bytes in the file. So time and memory stay within a small multiple of the file's size.
"""

import math
import pickletools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from boltzprune.errors import InputError

MAX_BYTES = 64 * 2**20
MAX_OPCODES = 200_000
"""A file of CIFAR-10 has 30 thousand."""
EXPECTED = "a pickle (protocol 2 to 4) of a dict of plain data and uint8 arrays, at most 64 MiB"


class _Refused(Exception):
    """The pickle asks for something that plain data do not need."""


class _Token:
    """A name that the pickle of an array refers to; stands for nothing but itself."""


class _Dtype:
    """The dtype uint8, the only one."""


class _Array:
    """An array whose shape and bytes come later, with the opcode BUILD."""

    value: npt.NDArray[np.uint8] | None = None


_RECONSTRUCT, _NDARRAY, _DTYPE, _ENCODE = _Token(), _Token(), _Token(), _Token()
_NAMES = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): _NDARRAY,
    ("numpy", "dtype"): _DTYPE,
    ("_codecs", "encode"): _ENCODE,
}


class _Reader:
    """The stack, the stacks below the marks, and the memo of one pickle; `budget`: bytes that text may still become."""

    def __init__(self, budget: int) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.budget = budget

    def mark(self) -> None:
        """Begin a new stack above the present one."""
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        """Everything above the last mark, which goes."""
        items, self.stack = self.stack, self.below.pop()
        return items

    def last(self, n: int) -> tuple[Any, ...]:
        """The last n things of the stack as a tuple, taken off."""
        if len(self.stack) < n:
            raise IndexError("the stack is too short")
        items = tuple(self.stack[-n:])
        del self.stack[-n:]
        return items


def _name(reader: _Reader, module: Any, name: Any) -> None:
    """Push the token of a global name."""
    if type(module) is not str or type(name) is not str:
        raise _Refused("it refers to a name that is not text")
    if (module, name) not in _NAMES:
        raise _Refused(f"it refers to {module[:80]!r} {name[:80]!r}, which is not plain data")
    reader.stack.append(_NAMES[module, name])


def _extend(reader: _Reader, items: Sequence[Any]) -> None:
    """APPEND and APPENDS: to a list only."""
    if type(reader.stack[-1]) is not list:
        raise _Refused("it appends to something that is not a list")
    reader.stack[-1].extend(items)


def _update(reader: _Reader, items: Sequence[Any]) -> None:
    """SETITEM and SETITEMS: to a dict only, and keys of text only (whose hash no file can make slow)."""
    if type(reader.stack[-1]) is not dict or len(items) % 2:
        raise _Refused("it sets an item of something that is not a dict")
    for key, value in zip(items[0::2], items[1::2]):
        if type(key) not in (str, bytes):
            raise _Refused("a key is not text")
        reader.stack[-1][key] = value


def _encoded(reader: _Reader, arguments: tuple[Any, ...]) -> bytes:
    """`_codecs.encode(text, "latin1")`, as Python 3 writes bytes in protocol 2, within the budget."""
    text, codec = arguments
    if type(text) is not str or codec != "latin1":
        raise _Refused("it encodes something other than text as latin1")
    reader.budget -= len(text)
    if reader.budget < 0:
        raise _Refused("its text becomes more bytes than the file has")
    return text.encode("latin1")


def _reduce(reader: _Reader, _: None) -> None:
    """The only three calls: an array to be filled, the dtype uint8, text as bytes."""
    function, arguments = reader.last(2)
    if type(arguments) is not tuple:
        raise _Refused("it calls something with arguments that are not a tuple")
    if function is _ENCODE and len(arguments) == 2:
        reader.stack.append(_encoded(reader, arguments))
    elif function is _RECONSTRUCT and arguments in ((_NDARRAY, (0,), b"b"), (_NDARRAY, (0,), "b")):
        reader.stack.append(_Array())
    elif function is _DTYPE and arguments in ((b"u1", 0, 1), ("u1", 0, 1)):
        reader.stack.append(_Dtype())
    elif function is _DTYPE:
        raise _Refused("it has an array of a type other than uint8")
    else:
        raise _Refused("it calls something other than the makers of plain data")


def _build(reader: _Reader, _: None) -> None:
    """The state of the thing below it on the stack: an array or the dtype."""
    (state,) = reader.last(1)
    target = reader.stack[-1]
    if type(target) not in (_Array, _Dtype) or type(state) is not tuple:
        raise _Refused("it sets the state of something that is not an array")
    if type(target) is _Dtype:
        if state[1:5] not in ((b"|", None, None, None), ("|", None, None, None)):
            raise _Refused("it has an array of a type other than uint8")
    else:
        target.value = _array(*state)


def _array(version: Any, shape: Any, dtype: Any, fortran: Any, content: Any) -> npt.NDArray[np.uint8]:
    """A view of `content`, after every number in the state has been checked: (shape) uint8, read-only."""
    if version != 1 or type(dtype) is not _Dtype or fortran or type(content) is not bytes:
        raise _Refused("an array is not of C order and uint8")
    if type(shape) is not tuple or len(shape) > 4 or any(type(n) is not int or not 0 <= n <= MAX_BYTES for n in shape):
        raise _Refused("the shape of an array is not up to four numbers")
    if math.prod(shape) != len(content):
        raise _Refused(f"an array of shape {shape} has {len(content)} bytes")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)


def _push(reader: _Reader, value: Any) -> None:
    reader.stack.append(value)


def _push_new(reader: _Reader, _: None, make: Callable[[], Any]) -> None:
    reader.stack.append(make())


def _push_tuple(reader: _Reader, _: None, n: int) -> None:
    reader.stack.append(reader.last(n))


def _put(reader: _Reader, index: int) -> None:
    reader.memo[index] = reader.stack[-1]


_NEW: dict[str, Callable[[], Any]] = {"NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "NONE": lambda: None}
_NEW |= {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_STEPS: dict[str, Callable[[_Reader, Any], None]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda reader, arg: None),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), _push),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), _push),
    **dict.fromkeys(("BINSTRING", "SHORT_BINSTRING"), lambda reader, arg: _push(reader, arg.encode("latin1"))),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), _put),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda reader, arg: _push(reader, reader.memo[arg])),
    "MEMOIZE": lambda reader, arg: _put(reader, len(reader.memo)),
    **{name: partial(_push_new, make=make) for name, make in _NEW.items()},
    "MARK": lambda reader, arg: reader.mark(),
    "TUPLE": lambda reader, arg: _push(reader, tuple(reader.since_mark())),
    **{f"TUPLE{n}": partial(_push_tuple, n=n) for n in (1, 2, 3)},
    "APPEND": lambda reader, arg: _extend(reader, reader.last(1)),
    "APPENDS": lambda reader, arg: _extend(reader, reader.since_mark()),
    "SETITEM": lambda reader, arg: _update(reader, reader.last(2)),
    "SETITEMS": lambda reader, arg: _update(reader, reader.since_mark()),
    "GLOBAL": lambda reader, arg: _name(reader, *arg.split(" ", 1)),
    "STACK_GLOBAL": lambda reader, arg: _name(reader, *reader.last(2)),
    "REDUCE": _reduce,
    "BUILD": _build,
}


def _run(content: bytes) -> dict[str | bytes, Any]:
    """The dict that the pickle describes; any exception means that the file is not such a pickle."""
    reader = _Reader(budget=len(content))
    for count, (opcode, arg, position) in enumerate(pickletools.genops(content)):
        if opcode.name not in _STEPS:
            raise _Refused(f"it holds the opcode {opcode.name}, which plain data do not need")
        if count >= MAX_OPCODES:
            raise _Refused(f"it has more than {MAX_OPCODES} opcodes")
        if opcode.name == "STOP" and position != len(content) - 1:
            raise _Refused("something follows its end")
        _STEPS[opcode.name](reader, arg)
    (result,) = reader.stack
    if reader.below or type(result) is not dict:
        raise _Refused("it is not one dict and nothing else")
    if any(type(value) is _Array and value.value is None for value in result.values()):
        raise _Refused("an array has no content")
    return {key: value.value if type(value) is _Array else value for key, value in result.items()}


def loads(content: bytes, name: str) -> dict[str | bytes, Any]:
    """The dict in a pickle of plain data.

    Parameters
    ----------
    content
        The pickle; strings of Python 2 become bytes.
    name
        Where the bytes come from, for the message.

    Returns
    -------
    dict
        Keys are str or bytes. Values are str, bytes, int, None, lists, tuples and dicts of them, and read-only uint8
        arrays.

    Raises
    ------
    InputError
        If it is anything else, truncated or larger than MAX_BYTES; nothing that the file asks for has been called.
    """
    if len(content) > MAX_BYTES:
        raise InputError(f"{name} has {len(content)} bytes; expected {EXPECTED}")
    try:
        return _run(content)
    except MemoryError:
        raise
    except Exception as error:
        reason = str(error) if isinstance(error, _Refused) else f"it is damaged or no pickle ({type(error).__name__})"
        raise InputError(f"{name} is refused: {reason}; expected {EXPECTED}") from None
