"""NVRTC, the compiler that CuPy calls, without CuPy: found, loaded, asked to compile; needs neither GPU nor driver."""

import contextlib
import ctypes
import functools
import sys
from collections.abc import Iterator, Sequence

from boltzprune.errors import InputError

WHEELS = ("nvidia-cuda-nvrtc", "nvidia-cuda-nvrtc-cu12")
SYSTEM = ("libnvrtc.so.13", "libnvrtc.so.12")
"""Where NVRTC is looked for, in this order, after where cuda-pathfinder finds it for CuPy, if that is installed."""
TRIAL = 'extern "C" __global__ void trial() {}'


@functools.cache
def library() -> ctypes.CDLL:
    """NVRTC, loaded once per process.

    Raises
    ------
    InputError
        If there is none, with the remedy.
    """
    if sys.platform != "linux":
        raise InputError(f"the CUDA compiler (NVRTC) is used on Linux, and this is {sys.platform}; run this on Linux")
    if found := by_pathfinder():
        return found
    reasons = []
    for paths in (*filter(None, map(wheel, WHEELS)), *((name,) for name in SYSTEM)):
        try:
            return _load(*paths)
        except OSError as error:
            reasons.append(str(error))
    raise InputError(
        f"the CUDA compiler (NVRTC) was not found ({'; '.join(reasons)}); expected the package {' or '.join(WHEELS)}, "
        f"or {' or '.join(SYSTEM)} of a CUDA installation; run: pip install nvidia-cuda-nvrtc"
    )


@functools.cache
def problem() -> str | None:
    """Why no kernel can be compiled here, or None: NVRTC is found, loaded, and compiles one that does nothing.

    On other systems than Linux nothing is looked at: CuPy says it when its first kernel is compiled.
    """
    if sys.platform != "linux":
        return None
    try:
        status, log = compile_text("trial.cu", TRIAL, ())
    except (InputError, AttributeError) as error:  # no library, or another one of that name
        return str(error).partition("; expected")[0]
    return f"NVRTC {version()} does not compile (status {status}): {log.strip()[:200]}" if status else None


def by_pathfinder() -> ctypes.CDLL | None:
    """NVRTC as CuPy finds it; None where cuda-pathfinder is not installed or finds none."""
    try:
        from cuda.pathfinder import load_nvidia_dynamic_lib
    except ImportError:
        return None
    try:
        return ctypes.CDLL(load_nvidia_dynamic_lib("nvrtc").abs_path)
    except (RuntimeError, OSError):
        return None


def wheel(distribution: str) -> tuple[str | None, str] | None:
    """Paths of (libnvrtc-builtins, libnvrtc) in an installed wheel; None where there is none."""
    from importlib import metadata  # takes longer than the rest of this module

    try:
        files = metadata.distribution(distribution).files or ()
    except metadata.PackageNotFoundError:
        return None
    found = {f.name.partition(".so.")[0]: str(f.locate()) for f in files if ".so." in f.name}  # others: "libnvrtc.alt"
    return (found.get("libnvrtc-builtins"), found["libnvrtc"]) if "libnvrtc" in found else None


def _load(*paths: str | None) -> ctypes.CDLL:
    """The last of the libraries; those before it are loaded for it.

    NVRTC opens its other half, libnvrtc-builtins, by name alone, and the loader finds it only if it is loaded already.
    """
    *parts, last = filter(None, paths)
    for part in parts:
        ctypes.CDLL(part, ctypes.RTLD_GLOBAL)
    return ctypes.CDLL(last)


def version() -> str:
    """The version of NVRTC as text, 13.0."""
    major, minor = ctypes.c_int(), ctypes.c_int()
    library().nvrtcVersion(ctypes.byref(major), ctypes.byref(minor))
    return f"{major.value}.{minor.value}"


def architectures() -> tuple[int, ...]:
    """Compute capabilities, ten times, that this NVRTC compiles for, ascending."""
    n = ctypes.c_int()
    library().nvrtcGetNumSupportedArchs(ctypes.byref(n))
    found = (ctypes.c_int * n.value)()
    library().nvrtcGetSupportedArchs(found)
    return tuple(sorted(found))


def compile_text(file: str, text: str, arguments: Sequence[str]) -> tuple[int, str]:
    """Compile CUDA C++.

    Parameters
    ----------
    file : str
        The name that messages give it; nothing is read.
    text : str
    arguments : tuple of str
        Options of the compiler.

    Returns
    -------
    (int, str)
        Status, 0 where it compiled, and the log.
    """
    with _program(file, text) as program:
        encoded = [argument.encode() for argument in arguments]
        status = library().nvrtcCompileProgram(program, len(encoded), (ctypes.c_char_p * len(encoded))(*encoded))
        size = ctypes.c_size_t()
        library().nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value + 1)
        library().nvrtcGetProgramLog(program, log)
    return status, log.value.decode(errors="replace")


@contextlib.contextmanager
def _program(file: str, text: str) -> Iterator[ctypes.c_void_p]:
    """A program that lives as long as it is needed."""
    program = ctypes.c_void_p()
    status = library().nvrtcCreateProgram(ctypes.byref(program), text.encode(), file.encode(), 0, None, None)
    if status:
        raise InputError(f"NVRTC {version()} did not take {file} (status {status}); run: pip install nvidia-cuda-nvrtc")
    try:
        yield program
    finally:
        library().nvrtcDestroyProgram(ctypes.byref(program))
