"""The few primitives that cost the time, written once per device; this is where one is chosen.

A backend is a class with these methods (`reference.Backend` is their specification):

    map(function, items)                                              host work, one item per machine
    sample_layer(fields, key, step, layer, first_chain)               states of a layer from its fields
    advance(machine, states, key, first_step, n_gibbs_steps, first_chain, first_layer)   block Gibbs sampling
    free_run(machines, chains, keys)                                  chains of several machines side by side, or None
    log_weights(machine, states, betas, key)                          of annealed chains, or None
    probability(machine, means, layer, gain)                          of a layer given its neighbours
    pack(states)                                                      states as bits along the samples
    pair_counts(lower, upper)                                         co-activations of bit-packed samples
    eigh(matrix)                                                      eigenvalues and eigenvectors
    cd_epoch(machines, velocities, keys, cases, epoch, report)        CD-k, a list of machines side by side
    mean_field(machine, visible, tolerance, max_sweeps)               posterior of the hidden layers
    joint_epoch(machine, state, key, cases, epoch, report)            mean-field and persistent chains, one DBM
    joint_epochs(work, cases, epoch, report)                          the same, a list of DBMs side by side

and what array code needs to run on either device: `xp`, asarray, to_host, on_device, piece, in_pieces. Primitives take
arrays of the host or of the device. Samples, statistics and posteriors come back where the backend computes, trained
machines on the host.

Each backend owns all of its methods and none calls those of another. What several have in common is no algorithm
(`arrays`), or it is a function: the plain-array versions of `boltzprune.core` are given the few operations that differ.

Random numbers come from counters of `boltzprune.core.streams`, so that backends agree bit for bit on every uniform
number, and on a state unless the number lies within rounding of the probability. To add a backend: one module, and a
line in `MODULES` and in `KINDS`.
"""

import importlib
import logging
import re
from typing import TYPE_CHECKING

from boltzprune.backend.gpu import driver
from boltzprune.backend.preparation import PREPARATION
from boltzprune.errors import DeviceError, InputError

if TYPE_CHECKING:
    from boltzprune.backend import reference
    from boltzprune.backend.arrays import Backend
    from boltzprune.backend.cpu import backend as cpu
    from boltzprune.backend.gpu import backend as gpu

    KINDS: tuple[type[Backend], ...] = (cpu.Backend, gpu.Backend, reference.Backend)
    """Classes that a type checker compares with what users ask of a backend."""

MODULES = {
    "cpu": "boltzprune.backend.cpu.backend",
    "gpu": "boltzprune.backend.gpu.backend",
    "reference": "boltzprune.backend.reference",
}
"""Device -> module."""

log = logging.getLogger(__name__)


def get_backend(device: str = "auto", threads: int = 1) -> "Backend":
    """The primitives for a device on that many threads, which change no result; `auto` logs what it chose and why.

    Raises
    ------
    InputError
        If the device is unknown or cannot be used; the message says why and what to do.
    DeviceError
        If the GPU or its driver failed, also for `auto`.
    """
    if device == "auto":
        return _best(threads)
    if device not in MODULES:
        raise InputError(f"device {device!r}: expected one of auto, {', '.join(MODULES)}")
    return _open(device, threads)


def _open(device: str, threads: int) -> "Backend":
    """The backend of a device; what its libraries raise, explained."""
    try:
        with PREPARATION:
            return importlib.import_module(MODULES[device]).Backend(threads)
    except Exception as error:
        told = explained(error) or explained(error.__cause__)
        if told is None:
            raise
        raise told from error


def _best(threads: int) -> "Backend":
    """The fastest backend that can be used: a GPU only if it can be opened and kernels compiled for it."""
    problem = driver.problem()
    if problem is None:
        try:
            backend = _open("gpu", threads)
        except InputError as error:
            problem = str(error)
        else:
            log.info("device auto: gpu (the driver has one, and CuPy compiles for it)")
            return backend
    log.info("device auto: cpu (%s)", problem)
    return _open("cpu", threads)


def candidates(device: str) -> list[str]:
    """Modules that can compute a job for this device."""
    return [MODULES[name] for name in (("cpu", "gpu") if device == "auto" else (device,))]


def explained(error: BaseException | None) -> InputError | DeviceError | None:
    """What a user is told for an exception of the GPU's libraries: an InputError, a DeviceError, or None for others."""
    kind = type(error)
    if missing := _missing_part(error):
        return InputError(
            f"device gpu: {missing} ({_shortened(error)}). Install CuPy with "
            "CUDA's libraries, pip install 'boltzprune[gpu-cuda13]' or [gpu-cuda12] (that is, 'cupy-cuda13x[ctk]' or "
            "'cupy-cuda12x[ctk]'), or set device: cpu"
        )
    if kind.__module__.partition(".")[0] not in ("cupy", "cupy_backends"):
        return None
    if kind.__name__ == "OutOfMemoryError":
        return InputError(
            f"device gpu: the card's memory does not suffice ({error}). "
            "Stop other programs that use the card, lower seeds_per_job, take a smaller machine, or set device: cpu"
        )
    return DeviceError(
        f"the GPU or its driver failed: {kind.__name__}: {error}. Results of this job are not written; run it again. "
        "If it fails again, look at nvidia-smi and the system's log, and try device: cpu"
    )


def _missing_part(error: BaseException | None) -> str | None:
    """What part of CUDA CuPy misses, by name; None if the exception is of something else.

    CuPy has its libraries found by cuda-pathfinder, whose exceptions are RuntimeErrors; of some it makes ImportErrors.
    The plain wheels of CuPy have no library of CUDA, those with [ctk] have all.
    """
    if not isinstance(error, Exception):
        return None
    kinds, text = {kind.__name__ for kind in type(error).__mro__}, str(error)
    if "DynamicLibNotFoundError" in kinds or (isinstance(error, ImportError) and "Failure finding" in text):
        found = re.search(r'"([^"]+)"', text)
        return f"the CUDA library {found[1]} is missing" if found else "a library of CUDA is missing"
    if isinstance(error, ImportError) and (found := re.search(r"(lib(?:cu|nv)\w+\.so[.\d]*): cannot open", text)):
        return f"the CUDA library {found[1]} is missing"
    if "CompileException" in kinds and (found := re.search(r'cannot open source file "([^"]+)"', text)):
        return f"the CUDA header {found[1]} is missing"
    if kinds & {"CompileException", "NVRTCError"} and "gpu-architecture" in text:
        return "the CUDA compiler does not know this GPU"
    return None


def _shortened(error: BaseException | None) -> str:
    """The first line of an exception, its class before it."""
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:200]}"
