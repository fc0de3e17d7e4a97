"""Can a GPU be used here? What the CUDA driver and the installed packages say, without importing CuPy.

Standard library only, and cheap to import: also processes that never touch a GPU ask, to choose a device or to explain
why there is none.
"""

import ctypes
import functools
import os
import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

LIBRARIES = {"linux": "libcuda.so.1", "win32": "nvcuda.dll"}
"""Platform -> the library that the NVIDIA driver installs; CUDA exists on no other platform."""

NO_DEVICE = 100
HINTS = {
    34: "a stub of the CUDA toolkit was loaded in place of the driver: take its folder out of LD_LIBRARY_PATH",
    802: "the driver waits for its daemons: start them (nvidia-fabricmanager on machines with NVSwitch)",
    803: "the loaded NVIDIA kernel module and the driver library have different versions, as after an update: "
    "restart the machine",
    804: "a CUDA compatibility library (cuda-compat) is in use that this GPU does not support: take its folder out of "
    "LD_LIBRARY_PATH, use a container image for an older CUDA, or update the NVIDIA driver",
}
"""Number of a driver error -> what it means and what helps."""

OLDEST_CUPY = 14
OLDEST_CUDA = 12
NVIDIA_DRIVERS = {12: 525, 13: 580}
"""Major version of CUDA -> the first NVIDIA driver that supports it."""

PACKAGE = re.compile(r"cupy|cupy-cuda\d+x?|cupy-rocm-[\w-]+|amd-cupy")
"""Names of the distributions that install the module cupy, each over the files of the others."""


@dataclass(frozen=True)
class Driver:
    """What the NVIDIA driver said.

    Attributes
    ----------
    cuda_version : (int, int) or None
        The newest CUDA that the driver supports, major and minor; None if it could not be asked.
    n_devices : int
        Devices that this process may use.
    problem : str or None
        Why no device can be used, and the remedy.
    """

    cuda_version: tuple[int, int] | None
    n_devices: int
    problem: str | None


# Asking calls cuInit, after which CUDA is lost to children that are forked and do not exec. Processes started afresh
# (subprocess, the jobs of a workflow, multiprocessing with "spawn") are not concerned; fork first, then ask.
@functools.cache
def ask() -> Driver:
    """The driver's answer, asked once per process; raises nothing and prints nothing."""
    name = LIBRARIES.get(sys.platform)
    if name is None:
        return Driver(None, 0, f"CUDA exists on Linux and Windows, and this is {sys.platform}")
    try:
        return _converse(ctypes.CDLL(name))
    except OSError as error:
        return Driver(
            None,
            0,
            f"no NVIDIA driver was found ({error}); install version {NVIDIA_DRIVERS[OLDEST_CUDA]} or newer and check "
            "with nvidia-smi; in a container, start it with its GPUs (docker: --gpus all, apptainer: --nv)",
        )
    except AttributeError as error:
        return Driver(None, 0, f"{name} is not a CUDA driver library ({error}); reinstall the NVIDIA driver")


def _converse(library: ctypes.CDLL) -> Driver:
    """Version, initialisation, number of devices."""
    version, count = ctypes.c_int(), ctypes.c_int()
    known = library.cuDriverGetVersion(ctypes.byref(version)) == 0 and version.value > 0
    cuda_version = (version.value // 1000, version.value % 1000 // 10) if known else None
    for function, argument in (("cuInit", ctypes.c_uint(0)), ("cuDeviceGetCount", ctypes.byref(count))):
        status = getattr(library, function)(argument)
        if status == NO_DEVICE:
            break
        if status != 0:
            return Driver(cuda_version, 0, _failure(library, function, status))
    if status == NO_DEVICE or count.value < 1:
        return Driver(cuda_version, 0, _no_device(os.environ.get("CUDA_VISIBLE_DEVICES")))
    return Driver(cuda_version, count.value, None)


def _failure(library: ctypes.CDLL, function: str, status: int) -> str:
    """A failed call in words: number, name where the driver has one, remedy.

    The function is one of the CUDA driver's, such as cuInit, and the status (CUresult) is what it returned.
    """
    name = ctypes.c_char_p()
    if hasattr(library, "cuGetErrorName"):
        library.cuGetErrorName(ctypes.c_int(status), ctypes.byref(name))
    label = f"{status} {name.value.decode(errors='replace')}" if name.value else str(status)
    hint = HINTS.get(status, "check that nvidia-smi lists the GPU; if it does not, restart the machine")
    return f"the CUDA driver failed in {function} with error {label}; {hint}"


def _no_device(visible: str | None) -> str:
    """No device, and whether CUDA_VISIBLE_DEVICES hides them."""
    if visible is None:
        return "the NVIDIA driver found no GPU; check that nvidia-smi lists one and that this job was given it"
    return (
        f"the NVIDIA driver found no GPU, and CUDA_VISIBLE_DEVICES={visible!r} hides all that it does not name; "
        "unset it, or name a GPU that nvidia-smi -L lists"
    )


def cupy_packages() -> dict[str, str]:
    """Installed distributions that bring the module cupy: normalised name -> version."""
    from importlib import metadata  # takes longer than the rest of this module

    found: dict[str, str] = {}
    for distribution in metadata.distributions():
        about: Any = distribution.metadata  # whose type has no `get` before Python 3.12
        name = re.sub(r"[-_.]+", "-", about.get("Name") or "").lower()
        if PACKAGE.fullmatch(name):
            found.setdefault(name, about.get("Version") or "of unknown version")  # first on the path
    return dict(sorted(found.items()))


def environment(driver: Driver) -> str:
    """Name of the conda environment for `device: gpu`: the newest CUDA that the driver supports."""
    return "cuda13" if (driver.cuda_version or (0, 0)) >= (13, 0) else "cuda12"


def is_usable() -> bool:
    """Whether a GPU can be used."""
    return problem() is None


def problem(
    driver: Driver | None = None,
    packages: Mapping[str, str] | None = None,
    compiler: Callable[[], str | None] | None = None,
) -> str | None:
    """What keeps this process from using a GPU, and the remedy.

    The driver comes first: where there is none, no package helps. The compiler comes last: CuPy can be imported without
    one, and then fails at its first kernel.

    Parameters
    ----------
    driver : Driver, optional
        Default: `ask()`.
    packages : dict of str to str, optional
        Distribution -> version. Default: `cupy_packages()`.
    compiler : callable, () -> str or None
        Why no kernel can be compiled. Default: `nvrtc.problem`.

    Returns
    -------
    str or None
        None if nothing does.
    """
    driver = ask() if driver is None else driver
    if driver.problem:
        return driver.problem
    if driver.cuda_version and driver.cuda_version[0] < OLDEST_CUDA:
        return (
            f"the NVIDIA driver supports CUDA {_dotted(driver.cuda_version)}, expected {OLDEST_CUDA}.0 or newer; "
            f"update it to version {NVIDIA_DRIVERS[OLDEST_CUDA]} or newer"
        )
    packages = cupy_packages() if packages is None else packages
    return _package_problem(driver, packages) or _compiler_problem(driver, packages, compiler)


def _compiler_problem(
    driver: Driver, packages: Mapping[str, str], compiler: Callable[[], str | None] | None
) -> str | None:
    """Why CuPy cannot compile kernels, and the remedy; the arguments are those of `problem`.

    There is one package, as `_package_problem` has seen.
    """
    from boltzprune.backend.gpu import nvrtc  # not needed where there is no GPU

    reason = (compiler or nvrtc.problem)()
    if reason is None:
        return None
    [name] = packages
    remedy = f"run: pip install 'boltzprune[gpu-{environment(driver)}]' (that is, '{name}[ctk]')"
    if not name.startswith("cupy-cuda"):  # built from source, or by conda
        remedy = "install NVRTC of CUDA's toolkit (conda: cuda-nvrtc, pip: nvidia-cuda-nvrtc)"
    return f"{name} {packages[name]} is installed without CUDA's compiler: {reason}; {remedy}"


def _package_problem(driver: Driver, packages: Mapping[str, str]) -> str | None:
    """What is wrong with the installed packages for a driver that works."""
    install = f"pip install 'boltzprune[gpu-{environment(driver)}]'"
    if not packages:
        return f"CuPy is not installed; run: {install}"
    listed = " and ".join(f"{name} {version}" for name, version in packages.items())
    remedy = f"run: pip uninstall {' '.join(packages)}; then: {install}"
    if len(packages) > 1:
        return f"{listed} are installed and overwrite each other's files, expected one CuPy package; {remedy}"
    [(name, version)] = packages.items()
    if "rocm" in name or name == "amd-cupy":
        return f"{listed} is installed, which is for AMD GPUs; expected CuPy for NVIDIA GPUs; {remedy}"
    if (found := re.match(r"\d+", version)) and int(found[0]) < OLDEST_CUPY:
        return f"{listed} is installed, expected CuPy {OLDEST_CUPY} or newer; {remedy}"
    return _too_new(driver, name, listed, remedy)


def _too_new(driver: Driver, name: str, listed: str, remedy: str) -> str | None:
    """Whether a package is for a newer CUDA than the driver's; `cupy`, built from source or by conda, may be any.

    The message begins with the package and its version as they are listed, and ends with the remedy, both in words.
    """
    built_for = re.fullmatch(r"cupy-cuda(\d+)x", name)
    if not built_for or not driver.cuda_version or int(built_for[1]) <= driver.cuda_version[0]:
        return None
    newer = NVIDIA_DRIVERS.get(int(built_for[1]))
    update = "update the NVIDIA driver" + (f" to version {newer} or newer" if newer else "")
    return (
        f"{listed} is installed, which needs a driver for CUDA {built_for[1]}, and the NVIDIA driver supports "
        f"CUDA {_dotted(driver.cuda_version)}; {remedy}; or {update}"
    )


def _dotted(version: tuple[int, int]) -> str:
    """A version of CUDA as text."""
    return ".".join(map(str, version))
