"""Threads of one computation, which wait for each other inside compiled code, where no lock of Python's is held.

A wait takes less than a microsecond where every thread has a core of its own. Where it has not, a thread that has
waited for long gives its core away.
"""

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types

from boltzprune.backend.cpu.arithmetic import ORDERED, intrinsic
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.vectors import Code, call, pointer

Gate = npt.NDArray[np.int64]
"""How many threads have arrived, how often all had, and how many pieces of work were taken; see `gate`."""
PATIENCE = 1 << 12
"""Looks at the gate before a waiting thread gives its core away."""


@contextlib.contextmanager
def side_by_side(n_threads: int) -> Iterator[Callable[..., Any]]:
    """Python's `map`, or for several threads that of a pool, which begins so many calls at once and ends here."""
    if n_threads == 1:
        yield map
    else:
        with ThreadPoolExecutor(n_threads) as pool:
            yield pool.map


def gate() -> Gate:
    """A gate that nobody has passed."""
    return np.zeros(3, np.int64)


@intrinsic
def _add(typing_context: Any, array: Any, at: Any, number: Any) -> Code:
    """Add to array[at] and return what it was, undivided and in an order that all threads agree on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = pointer(context, builder, signature.args[0], *arguments[:2])
        return builder.atomic_rmw("add", place, arguments[2], "seq_cst")

    return types.int64(array, types.int64, types.int64), generate


@intrinsic
def _give_core_away(typing_context: Any) -> Code:
    """Let other threads run, by a function of the operating system."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return call(builder, "sched_yield", ir.IntType(32))

    return types.int32(), generate


@njit(**ORDERED)
def meet(at: Gate, n_threads: int) -> None:
    """Return once n_threads threads have called this: what they wrote before is seen by all."""
    if n_threads == 1:
        return
    turn = _add(at, 1, 0)
    if _add(at, 0, 1) == n_threads - 1:
        _add(at, 0, -n_threads)
        _add(at, 1, 1)
        return
    looks = 0
    while _add(at, 1, 0) == turn:
        looks += 1
        if looks > PATIENCE:
            _give_core_away()


@njit(**ORDERED)
def take(at: Gate) -> int:
    """The number of the next piece of work, which no other thread gets."""
    return _add(at, 2, 1)


@njit(**ORDERED)
def put_back(at: Gate) -> None:
    """Begin again with the first piece of work; no other thread may take one meanwhile."""
    _add(at, 2, -_add(at, 2, 0))
