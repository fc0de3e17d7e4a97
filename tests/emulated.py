"""A graphics card for tests: the kernels themselves, on the CPU (`cuda_on_cpu.h`), and arrays that mix with no others.

It has what `backend.gpu.card.Card` has, so that all of the GPU backend but CuPy itself is tested without a GPU.
"""

import contextlib
import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from boltzprune.backend.gpu import kernels
from boltzprune.errors import InputError

HEADER = Path(__file__).parent / "cuda_on_cpu.h"
COMPILER = shutil.which("g++")
FLAGS = ("-std=c++17", "-O2", "-fPIC", "-shared", "-U_FORTIFY_SOURCE", "-Wall", "-Werror", "-Wno-unknown-pragmas")
GUARD = 256
POISON = 0xFF
"""Byte of memory that nobody wrote: NaN in every float type."""


class OutOfMemory(MemoryError):
    """The card has no room left."""


class DeviceArray(np.ndarray):
    """An array that lies on the card: it refuses to be mixed with host arrays, as CuPy's do."""

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        for x in (*inputs, *(out or ())):
            _check_not_on_host(x, ufunc.__name__)
        plain = [x.view(np.ndarray) if isinstance(x, DeviceArray) else x for x in inputs]
        if out:
            options["out"] = tuple(x.view(np.ndarray) for x in out)
        return (
            _on_card(getattr(ufunc, method)(*plain, **options))
            if not out
            else _in_place(out, ufunc, method, plain, options)
        )

    def __array_function__(self, function, types, arguments, options):
        _check_all(arguments, function.__name__)
        _check_all(options.values(), function.__name__)
        return _on_card(super().__array_function__(function, types, arguments, options))

    def __getitem__(self, key):
        _check_all(key if isinstance(key, tuple) else (key,), "indexing")
        return _on_card(super().__getitem__(key))

    def __setitem__(self, key, value):
        _check_all((value, *(key if isinstance(key, tuple) else (key,))), "assignment")
        super().__setitem__(key, value)

    def __iter__(self):
        raise TypeError("an array on the card is not looked at element by element")

    def __float__(self):
        return float(self.view(np.ndarray))


def _in_place(out, ufunc, method, plain, options):
    getattr(ufunc, method)(*plain, **options)
    return out[0]


def _check_not_on_host(x, where):
    if isinstance(x, np.ndarray) and not isinstance(x, DeviceArray) and x.ndim > 0:
        raise TypeError(f"{where}: a host array of shape {x.shape} meets one on the card")


def _check_all(values, where):
    for x in values:
        for one in x if isinstance(x, list | tuple) else [x]:
            _check_not_on_host(one, where)


def _on_card(result):
    if isinstance(result, tuple):
        return tuple(_on_card(x) for x in result)
    return np.asarray(result).view(DeviceArray) if isinstance(result, np.ndarray | np.generic) else result


ALLOWED = frozenset(
    "abs all any arange argmax argsort bool_ concatenate diagonal empty exp float32 float64 flatnonzero frexp full "
    "int32 int64 isfinite isnan ldexp log log1p logaddexp matmul max maximum mean min minimum nonzero ones outer rint "
    "sqrt stack sum uint8 uint32 uint64 where zeros zeros_like empty_like ones_like".split()
)
"""What the backend may use of CuPy, all of it checked to be there where CuPy is installed."""


class Namespace:
    """NumPy as the card's array module: only what is allowed, and what is made lies on the card."""

    def __getattr__(self, name):
        if name == "linalg":
            return self
        if name == "eigh":
            return lambda matrix: _on_card(np.linalg.eigh(np.asarray(matrix)))
        if name not in ALLOWED:
            raise AttributeError(f"xp.{name} is not in the list of what the card can be asked for")
        found = getattr(np, name)
        if isinstance(found, type):
            return found

        def function(*arguments, **options):
            _check_all(arguments, name)
            result = _on_card(found(*arguments, **options))
            if name.startswith("empty") and result.size:
                result.view(np.ndarray).reshape(-1).view(np.uint8)[:] = POISON
            return result

        return function


@contextlib.contextmanager
def _guarded(array):
    """A copy of an array between poisoned bytes; checked and copied back at the end."""
    n = array.nbytes
    buffer = np.full(n + 2 * GUARD + 16, POISON, dtype=np.uint8)
    start = GUARD + -(buffer.ctypes.data + GUARD) % 16
    inside = buffer[start : start + n]
    inside[:] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    yield buffer.ctypes.data + start
    outside = np.concatenate([buffer[:start], buffer[start + n :]])
    assert (outside == POISON).all(), "a kernel wrote outside of an array"
    array.view(np.ndarray)[...] = inside.view(array.dtype).reshape(array.shape)


class EmulatedCard:
    """A card that the tests make.

    Parameters
    ----------
    order : int
        In which order the threads run: 0 up, 1 down.
    memory : float
        Bytes it pretends to have.
    """

    name = "emulated card"
    n_multiprocessors = 7
    max_shared = 99 << 10
    compute_capability = 80
    versions = {"cupy": "emulated", "cuda": "emulated", "gpu": name}
    OutOfMemory = OutOfMemory

    def __init__(self, order=0, memory=1 << 30):
        self.xp, self.order, self.memory = Namespace(), order, memory
        self.launches = []

    def asarray(self, array, dtype=None):
        """A copy on the card; one that lies there already is not copied."""
        if isinstance(array, DeviceArray):
            return array if dtype is None else array.astype(dtype, copy=False)
        return np.array(array, dtype=dtype, order="C").view(DeviceArray)

    def to_host(self, array):
        """A copy for the host; host arrays as they are."""
        return np.array(array).view(np.ndarray) if isinstance(array, DeviceArray) else array

    def free_memory(self):
        """Bytes."""
        return self.memory

    def release(self):
        """Nothing is kept."""

    def synchronise(self):
        """Nothing is under way."""

    def forget_kernels(self):
        """Each text is a library of its own."""

    def launch(self, kernel, defines, grid, block, arguments, shared=0, together=False):
        """Run a kernel; its arrays are given to it between poisoned bytes."""
        self.launches.append((kernel, tuple(grid), block))
        if together and np.prod(grid) > self.n_multiprocessors:
            # as many as the shared memory of the kernels leaves room for
            raise InputError(f"{kernel}: {np.prod(grid)} blocks at the same time")
        function = getattr(_library(kernel, defines), f"launch_{kernel}")
        function.restype = ctypes.c_char_p
        sizes = (ctypes.c_uint * 6)(*grid, *(1,) * (3 - len(grid)), block, 1, 1)
        with contextlib.ExitStack() as stack:
            values = []
            for argument in arguments:
                if isinstance(argument, DeviceArray):
                    assert argument.flags.c_contiguous, f"{kernel}: an array that is not contiguous"
                    values.append(np.uint64(stack.enter_context(_guarded(argument)) if argument.size else 0))
                else:
                    assert isinstance(argument, np.generic), f"{kernel}: argument {argument!r} has no exact type"
                    values.append(argument)
            cells = [np.array(value) for value in values]
            pointers = (ctypes.c_void_p * len(cells))(*(cell.ctypes.data for cell in cells))
            bytes_each = (ctypes.c_size_t * len(cells))(*(cell.nbytes for cell in cells))
            wrong = function(
                sizes, ctypes.c_size_t(shared), pointers, bytes_each, len(cells), self.order, int(together)
            )
            assert wrong is None, f"{kernel}: {wrong.decode()}"


_LIBRARIES = {}


def _library(kernel, defines):
    """A kernel compiled for the CPU, kept in a folder of this user."""
    text = f'#include "{HEADER}"\n' + "\n".join(f"#define {k} {v}" for k, v in dict(defines).items())
    text += f"\n{kernels.source(kernel)}\nCUDA_ENTRY({kernel})\n"
    name = hashlib.sha256(repr((text, HEADER.read_bytes(), FLAGS)).encode()).hexdigest()[:24]
    if name not in _LIBRARIES:
        folder = Path(tempfile.gettempdir()) / f"boltzprune-emulated-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{name}.so"
        if not path.exists():
            part = folder / f"{name}.{os.getpid()}.so"
            done = subprocess.run(
                [COMPILER, *FLAGS, "-x", "c++", "-", "-o", part],
                input=text,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{kernel} {defines}:\n{done.stderr}"
            os.replace(part, path)
        _LIBRARIES[name] = ctypes.CDLL(str(path))
    return _LIBRARIES[name]
