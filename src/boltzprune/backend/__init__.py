"""The few primitives that cost the time, written once per device; this is where one is chosen.

A backend is a class with these methods (`reference.Backend` is their specification):

    map(function, items)                                              host work, one item per machine
    sample_layer(fields, key, step, layer, first_chain)               states of a layer from its fields
    advance(machine, states, key, first_step, n_steps, first_chain, first_layer)   block Gibbs sampling
    pair_counts(lower, upper)                                         co-activations of bit-packed samples
    cd_epoch(machines, velocities, keys, cases, epoch, report)        CD-k, a list of machines side by side
    mean_field(machine, visible, tolerance, max_updates)              posterior of the hidden layers
    joint_epoch(machine, state, key, cases, epoch, report)            mean-field and persistent chains, one DBM

Random numbers come from `boltzprune.streams` counters, so that backends agree bit for bit on every uniform number, and
on a state unless the number lies within rounding of the probability. To add a backend: one module, one line here.
"""

import importlib
import logging

from boltzprune.errors import InputError

MODULES = {"cpu": "boltzprune.backend.numba_", "reference": "boltzprune.backend.reference"}
"""Device -> module."""


def get_backend(device="auto", threads=1):
    """The primitives for a device on that many threads, which change no result; `auto` logs what it chose."""
    if device == "auto":
        device = "cpu"
        logging.getLogger(__name__).info("device auto: cpu (this version has no GPU backend)")
    if device not in MODULES:
        raise InputError(f"device {device!r}: expected one of auto, {', '.join(MODULES)}")
    return importlib.import_module(MODULES[device]).Backend(threads)
