"""CD by two backends, and what they should agree on."""

import by_hand
import numpy as np

from boltzprune.backend import get_backend
from boltzprune.core import streams
from boltzprune.core.contrastive import Epoch, Velocity

KEY = streams.fork(7, "training")
LARGE = (131, 139)
"""Layers of a machine that does not take the loop for small ones."""
CPU, REFERENCE = get_backend("cpu"), get_backend("reference")


def ignore(n):
    pass


def epochs_of(backend, machine, cases, epochs, key=KEY, report=ignore):
    """A machine and its velocity after these epochs."""
    velocity = Velocity.zero(machine)
    for epoch in epochs:
        [(machine, velocity)] = backend.cd_epoch([machine], [velocity], [key], cases, epoch, report)
    return machine, velocity


def two_epochs(n_cases, rates, decays, n_gibbs_steps=1, batch_size=1):
    n_updates = -(-n_cases // batch_size)
    return [
        Epoch(rate, decay, n_gibbs_steps, batch_size, n_updates * number)
        for number, (rate, decay) in enumerate(zip(rates, decays))
    ]


def arrays_of(result):
    machine, velocity = result
    return [machine.weights[0], *machine.biases, velocity.weights, velocity.visible_bias, velocity.hidden_bias]


def assert_close(found, expected, tolerance):
    for a, b in zip(arrays_of(found), arrays_of(expected)):
        assert a.dtype == b.dtype == np.float32 and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def assert_same_bits(found, expected):
    assert all(a.tobytes() == b.tobytes() for a, b in zip(arrays_of(found), arrays_of(expected)))


def assert_backends_agree(machine, n_cases, rates, decays, tolerance=3e-6, **options):
    cases = by_hand.patterns(n_cases, machine.layer_sizes[0], seed=n_cases)
    epochs = two_epochs(n_cases, rates, decays, **options)
    found, expected = (epochs_of(backend, machine, cases, epochs) for backend in (CPU, REFERENCE))
    assert np.abs(expected[0].weights[0] - machine.weights[0]).max() > 100 * tolerance
    assert_close(found, expected, tolerance)
    return found, expected
