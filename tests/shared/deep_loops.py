"""The loops of deep machines against the specification, as a program: Numba compiles for the processor it is told."""

import sys

import by_hand
import numpy as np

from boltzprune.backend import get_backend
from boltzprune.backend.cpu import network
from boltzprune.core import streams
from boltzprune.core.joint import JointEpoch, JointState
from boltzprune.sampling import gibbs

SIZES = 11, 67, 131
KEY = streams.fork(7, "training", 2)


def compare(seed):
    """Sampling, mean field and joint training of one machine, on the CPU and by the specification."""
    machine = by_hand.machine(SIZES, seed=seed, scale=0.2, density=0.7)
    cases = by_hand.patterns(23, SIZES[0], seed=17)
    cpu, reference = get_backend("cpu"), get_backend("reference")
    samples = [gibbs.sample(machine, 37, 5, KEY, backend) for backend in (cpu, reference)]
    assert all(np.array_equal(a, b) for a, b in zip(*samples, strict=True))
    means = [backend.mean_field(machine, cases, 1e-5, 100)[0] for backend in (cpu, reference)]
    assert all(np.abs(a - b).max() < 3e-5 for a, b in zip(*means, strict=True))
    chains = tuple(by_hand.patterns(19, n, seed=11 + n) for n in SIZES)
    epoch = JointEpoch(0.05, 0.5, 2, 5, 0, 1.5, 1e-6, 30)
    work = machine, JointState.at_rest(machine, chains), KEY, cases, epoch, lambda n: None
    (found, state, _), (expected, other, _) = (backend.joint_epoch(*work) for backend in (cpu, reference))
    assert all(np.array_equal(a, b) for a, b in zip(state.chains, other.chains, strict=True))
    assert all(np.abs(a - b).max() < 3e-5 for a, b in zip(found.weights, expected.weights, strict=True))


if __name__ == "__main__":
    compare(seed=13)
    network.is_listed = lambda n_existing, n_weights: True
    compare(seed=19)
    sys.stdout.write("agree\n")
