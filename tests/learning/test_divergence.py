"""Trainings that diverge stop within 100 updates, on every backend, and say which, where and why."""

import dataclasses

import by_hand
import numpy as np
import pytest

from boltzprune.backend import get_backend
from boltzprune.backend.gpu import backend as gpu_backend
from boltzprune.backend.gpu import cd_small, cooperative
from boltzprune.core import streams
from boltzprune.core.contrastive import Epoch, NotFiniteError, Velocity
from boltzprune.core.joint import JointEpoch, JointState
from boltzprune.core.machine import all_finite

WITHIN = 100
RATES, DECAYS = ((37.8, 38.4), (29, 39), (36, 38)), (0.9, 0.2, 0.0)
"""Learning rates of 10 to that power, in turn, at which parameters overflow at once, some time later, or never."""


@dataclasses.dataclass(frozen=True)
class Work:
    """A kind of machine and training: sizes of the layers, images an update, density of weights, updates.

    One that costs much is tried less often, and in the heavy run only.
    """

    device: str
    sizes: tuple
    batch: int
    density: float
    n_updates: int
    most_decay: float = 0.9
    cost: int = 1

    def start(self, rng):
        """Machine and state before training."""
        machine = by_hand.machine(self.sizes, seed=int(rng.integers(1 << 30)), scale=0.2, density=self.density)
        if machine.is_rbm:
            return machine, Velocity.zero(machine)
        return machine, JointState.at_rest(
            machine, [by_hand.patterns(7, n, int(rng.integers(1 << 30))) for n in self.sizes]
        )

    def trained(self, backend, machine, state, cases, rate, decay, first):
        """Machine and state after updates on all cases."""
        work, common = [machine], (rate, min(decay, self.most_decay), 1, self.batch, first)
        if machine.is_rbm:
            return backend.cd_epoch(work, [state], [KEY], cases, Epoch(*common), _ignore)[0]
        epoch = JointEpoch(*common, np.inf if first % 2 else 6.0, 1e-4, 5)
        return backend.joint_epochs([(machine, state, KEY)], cases, epoch, _ignore)[0][:2]


KEY = streams.fork(11, "training")
WORKS = [
    Work("reference", (5, 7), 1, 0.8, 307),
    Work("reference", (5, 7), 3, 0.8, 307),
    Work("reference", (5, 7, 3), 3, 0.8, 307),
    Work("cpu", (13, 11), 1, 0.7, 1009),  # `dense_updates`
    Work("cpu", (131, 127), 1, 1.0, 307, most_decay=0.2),  # `low_rank_updates`
    Work("cpu", (131, 127), 1, 0.1, 307),  # `listed_updates`
    Work("cpu", (131, 127), 5, 0.1, 137),
    Work("cpu", (13, 11), 5, 0.7, 307),  # arrays
    Work("cpu", (13, 11, 7), 5, 0.7, 307),
    Work("gpu", (5, 37), 1, 0.8, 307),  # kernels/contrastive.cu
    Work("gpu", (61, 7), 3, 0.8, 137),  # kernels/contrastive_wide.cu
    Work("gpu", (13, 11, 7), 5, 0.8, 137),  # kernels/joint.cu
    Work("gpu", (5, 7, 3, 2), 3, 0.8, 137, cost=30),  # arrays
]


def _ignore(n):
    pass


def _outcome(work, backend, start, cases, how):
    """(updates done until it stopped, or None; machine and state after all of them, or None)."""
    try:
        found = work.trained(backend, *start, cases, *how)
    except NotFiniteError as error:
        return error.update, None
    return (None, found) if all_finite(found[0]) else (-(-len(cases) // work.batch), None)  # seen by `training.train`


def _stops_in_time(work, backend, start, cases, how):
    """Whether parameters were finite 100 updates before the stop, or at the end where there is none."""
    update, _ = _outcome(work, backend, start, cases, how)
    if update is None or update < WITHIN:
        return True
    before = (update - WITHIN) * work.batch
    return _outcome(work, backend, start, cases[:before], how)[0] is None


def _planted(machine, state, rng, turn):
    """The machine and its state with one parameter or step, that exists NaN or infinite: an array each turn."""
    steps = (
        [state.weights, state.visible_bias, state.hidden_bias]
        if machine.is_rbm
        else [*state.weight_steps, *state.bias_steps]
    )
    groups = [*machine.weights, *machine.biases, *steps]
    arrays = [array.copy() for array in groups]
    which, n, value = turn % len(arrays), len(arrays) // 2, (np.nan, np.inf, -np.inf)[(turn + turn // len(arrays)) % 3]
    exists = machine.masks[which % n] if which % n < len(machine.masks) else np.ones(len(arrays[which]), bool)
    places = np.argwhere(exists)
    arrays[which][tuple(places[rng.integers(len(places))])] = value
    k = len(machine.weights)
    parameters = {"weights": tuple(arrays[:k]), "biases": tuple(arrays[k:n])}
    planted = dataclasses.replace(machine, **parameters, must_be_finite=False)
    if machine.is_rbm:
        return planted, Velocity(*arrays[n:])
    return planted, dataclasses.replace(state, weight_steps=tuple(arrays[n : n + k]), bias_steps=tuple(arrays[n + k :]))


@pytest.fixture
def backend_of(monkeypatch, request):
    """backend_of(device), with small blocks of threads where a GPU is emulated."""
    monkeypatch.setattr(cooperative, "N_THREADS", 64)
    monkeypatch.setattr(cd_small, "MAX_VISIBLE", 59)

    def make(device):
        return gpu_backend.Backend(card=request.getfixturevalue("gpu_card")) if device == "gpu" else get_backend(device)

    return make


def _turns(backend_of, rng, n):
    """Every kind of work with its backend, the number of its turn and random cases, dearer kinds less often."""
    for work in WORKS:
        backend, n_cases = backend_of(work.device), work.n_updates * work.batch
        for turn in range(n // work.cost):
            seed, rate = int(rng.integers(1 << 30)), rng.choice([0.02, 0.4])
            yield work, backend, turn, by_hand.patterns(n_cases, work.sizes[0], seed, rate)


@pytest.mark.torture
def test_training_that_diverges_stops_in_time(backend_of, promise, at_scale):
    rng, n = np.random.default_rng(73), at_scale(3, 300)
    with (
        promise("Parameters that overflow stop the training within 100 updates, on every backend") as count,
        np.errstate(all="ignore"),
    ):
        for work, backend, turn, cases in _turns(backend_of, rng, n):
            how = 10 ** rng.uniform(*RATES[turn % 3]), DECAYS[(turn + turn // 3) % 3], int(rng.integers(1 << 20))
            held = _stops_in_time(work, backend, work.start(rng), cases, how)
            count(held, f"{work}, turn {turn}, rate {how[0]:.3g}, decay {how[1]}")


@pytest.mark.torture
def test_a_parameter_that_is_not_finite_stops_the_training_in_time(backend_of, promise, at_scale):
    rng, n = np.random.default_rng(79), at_scale(6, 300)
    with (
        promise("A NaN or infinity planted at a random update stops the training within 100 more") as count,
        np.errstate(all="ignore"),
    ):
        for work, backend, turn, cases in _turns(backend_of, rng, n):
            when = int(rng.integers(work.n_updates - WITHIN))
            how = 0.01, rng.choice(DECAYS), 1
            _, found = _outcome(work, backend, work.start(rng), cases[: when * work.batch], how)
            planted = _planted(*found, rng, turn)
            update, _ = _outcome(work, backend, planted, cases[when * work.batch :], (*how[:2], 1 + when))
            count(update is not None and update < WITHIN, f"{work}, turn {turn}: after {update}")
