"""The few primitives that cost the time, written once per device; this is where one is chosen.

A backend is a class with these methods (`reference.Backend` is their specification):

    map(function, items)                                              host work, one item per machine
    sample_layer(fields, key, step, layer, first_chain)               states of a layer from its fields
    advance(machine, states, key, first_step, n_steps, first_chain, first_layer)   block Gibbs sampling
    probability(machine, means, layer, gain)                          of a layer given its neighbours
    pack(states)                                                      states as bits along the samples
    pair_counts(lower, upper)                                         co-activations of bit-packed samples
    eigh(matrix)                                                      eigenvalues and eigenvectors
    cd_epoch(machines, velocities, keys, cases, epoch, report)        CD-k, a list of machines side by side
    mean_field(machine, visible, tolerance, max_updates)              posterior of the hidden layers
    joint_epoch(machine, state, key, cases, epoch, report)            mean-field and persistent chains, one DBM
    joint_epochs(work, cases, epoch, report)                          the same, a list of DBMs side by side

and what array code needs to run on either device: `xp`, asarray, to_host, on_device, piece, in_pieces. Primitives take
arrays of the host or of the device. Samples, statistics and posteriors come back where the backend computes, trained
machines on the host.

Random numbers come from `boltzprune.streams` counters, so that backends agree bit for bit on every uniform number, and
on a state unless the number lies within rounding of the probability. To add a backend: one module, one line here.
"""

import importlib
import logging

from boltzprune.backend import driver
from boltzprune.errors import DeviceError, InputError

MODULES = {
    "cpu": "boltzprune.backend.numba_",
    "gpu": "boltzprune.backend.gpu",
    "reference": "boltzprune.backend.reference",
}
"""Device -> module."""

log = logging.getLogger(__name__)


def get_backend(device="auto", threads=1):
    """The primitives for a device on that many threads, which change no result; `auto` logs what it chose and why."""
    if device == "auto":
        device, reason = _best()
        log.info("device auto: %s (%s)", device, reason)
    if device not in MODULES:
        raise InputError(f"device {device!r}: expected one of auto, {', '.join(MODULES)}")
    return importlib.import_module(MODULES[device]).Backend(threads)


def _best():
    """The fastest device that can be used, and why it is that one."""
    problem = driver.problem()
    return ("gpu", "the driver has one, and CuPy is installed") if problem is None else ("cpu", problem)


def candidates(device):
    """Modules that can compute a job for this device."""
    return [MODULES[name] for name in (("cpu", "gpu") if device == "auto" else (device,))]


def explained(error):
    """What a user is told for an exception of the GPU's libraries: an InputError, a DeviceError, or None for others."""
    kind = type(error)
    if isinstance(error, ImportError) and "Failure finding" in str(error):
        return InputError(
            f"device gpu: a library of CUDA is missing ({error}). "
            "Install CuPy with its libraries, pip install 'boltzprune[gpu-cuda13]' or [gpu-cuda12], or set device: cpu"
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
