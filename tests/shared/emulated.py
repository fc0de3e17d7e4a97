"""A graphics card for tests: the kernels themselves, on the CPU (`cuda_on_cpu.h`), and arrays as strict as CuPy's.

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
from emulated_arrays import POISON, DeviceArray, Namespace, memory_of, on_card

from boltzprune.backend.gpu import kernels
from boltzprune.errors import InputError

HEADER = Path(__file__).parent / "cuda_on_cpu.h"
COMPILER = shutil.which("g++")
FLAGS = ("-std=c++17", "-O2", "-fPIC", "-shared", "-U_FORTIFY_SOURCE", "-Wall", "-Werror", "-Wno-unknown-pragmas")
GUARD = 256


class OutOfMemory(MemoryError):
    """The card has no room left."""


NOT_ON_CARD = (
    "You are trying to pass a numpy.ndarray of shape {} as a kernel parameter. Only numpy.ndarrays of size one can be "
    "passed by value. If you meant to pass a pointer to __global__ memory, you need to pass a cupy.ndarray instead."
)
"""What CuPy says of a host array that is given to a kernel."""


@contextlib.contextmanager
def _guarded(array):
    """A copy of an array on the card between poisoned bytes; checked and copied back at the end."""
    n, memory = array.nbytes, memory_of(array)
    buffer = np.full(n + 2 * GUARD + 16, POISON, dtype=np.uint8)
    start = GUARD + -(buffer.ctypes.data + GUARD) % 16
    inside = buffer[start : start + n]
    inside[:] = memory.reshape(-1).view(np.uint8)
    yield buffer.ctypes.data + start
    outside = np.concatenate([buffer[:start], buffer[start + n :]])
    assert (outside == POISON).all(), "a kernel wrote outside of an array"
    memory[...] = inside.view(memory.dtype).reshape(memory.shape)


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
        """A copy on the card, rows one after the other; an array that lies there so already is not copied."""
        if not isinstance(array, DeviceArray):
            return on_card(np.array(array, dtype=dtype, order="C"))
        memory = memory_of(array)
        found = np.asarray(memory, dtype=dtype, order="C")
        return array if found is memory else on_card(found)

    def to_host(self, array):
        """A copy for the host; host arrays as they are."""
        return array.get() if isinstance(array, DeviceArray) else array

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
                elif isinstance(argument, np.ndarray) and argument.size != 1:
                    raise TypeError(NOT_ON_CARD.format(argument.shape))
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
    text = "\n".join(f"#define {k} {v}" for k, v in dict(defines).items())
    text += f"\n{kernels.source(kernel)}\nCUDA_ENTRY({kernel})\n"
    name = hashlib.sha256(repr((text, HEADER.read_bytes(), FLAGS)).encode()).hexdigest()[:24]
    if name not in _LIBRARIES:
        folder = Path(tempfile.gettempdir()) / f"boltzprune-emulated-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
        path = folder / f"{name}.so"
        if not path.exists():
            _compile(["-include", _header(folder), "-x", "c++", "-"], path, text, f"{kernel} {defines}")
        _LIBRARIES[name] = ctypes.CDLL(str(path))
    return _LIBRARIES[name]


def _header(folder):
    """A copy of the header, compiled beside it, which halves the time that a kernel takes."""
    content = HEADER.read_bytes()
    copy = folder / f"{hashlib.sha256(repr((content, FLAGS)).encode()).hexdigest()[:24]}.h"
    compiled = copy.with_suffix(".h.gch")
    if not compiled.exists():
        part = copy.with_suffix(f".{os.getpid()}")
        part.write_bytes(content)
        os.replace(part, copy)
        _compile(["-x", "c++-header", copy], compiled, "", HEADER)
    return copy


def _compile(arguments, target, text, name):
    """Make a file that appears whole or not at all."""
    part = target.with_name(f"{os.getpid()}.{target.name}")
    command = [COMPILER, *FLAGS, *arguments, "-o", part]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{name}:\n{done.stderr}"
    os.replace(part, target)
