"""Epochs of joint training of a deep machine on the CPU: one compiled call for many updates.

Several threads can share a machine. Until the gradient, chains and images have nothing to do with each other, so that
each thread has some of both; then each has some of the weights. A result does not depend on the number of threads.
"""

from typing import NamedTuple

import numpy as np
from numba import float32

from boltzprune.backend.arrays import Bytes, Float, Floats, JointlyTrained, Places, Report
from boltzprune.backend.cpu.arithmetic import ORDERED
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.chains import Chains, Draws, Some, chains_of, parts, states_of
from boltzprune.backend.cpu.gibbs import gibbs_steps
from boltzprune.backend.cpu.gradient import Rates, climb
from boltzprune.backend.cpu.gradient_inputs import Steps, bits_of_chains, gather_images, lists_of_chains, steps_of
from boltzprune.backend.cpu.mean_field import TOGETHER, mean_field_of
from boltzprune.backend.cpu.mean_field_lists import are_listed
from boltzprune.backend.cpu.mean_field_rows import Images, images_of, limits_of
from boltzprune.backend.cpu.meeting import Gate, gate, meet, put_back, side_by_side, take
from boltzprune.backend.cpu.network import Network, network, spread, weights_of
from boltzprune.backend.cpu.vectors import LANES, zeros
from boltzprune.core.contrastive import NotFiniteError
from boltzprune.core.joint import JointEpoch, JointState
from boltzprune.core.machine import BoltzmannMachine

UPDATES = 256
"""Updates of a compiled call, a tenth of a second, after which progress is reported."""
PAIR = 2
"""Images of a piece of a batch, if threads share a machine whose weights are dense."""


class Plan(NamedTuple):
    """Numbers of an epoch as its loop reads them.

    Attributes
    ----------
    batch_size, n_gibbs_steps, max_sweeps : int
    limits : (float32, float32)
        See `mean_field_rows.limits_of`.
    rates : Rates
    """

    batch_size: int
    n_gibbs_steps: int
    max_sweeps: int
    limits: tuple[Float, Float]
    rates: Rates


class Share(NamedTuple):
    """What one of several threads has to do.

    Attributes
    ----------
    which, n_threads : int
    some : Some
        Its chains, maybe none.
    images : Images
        Room for the images of one piece of a batch. Threads take pieces until none is left.
    gate : (3,) int64
        See `meeting`.
    bad : (n_threads,) float32
        Of each thread, 0 while its parameters are finite.
    """

    which: int
    n_threads: int
    some: Some
    images: Images
    gate: Gate
    bad: Floats


class Work(NamedTuple):
    """One machine and what its updates change.

    Attributes
    ----------
    net, chains, n_chains, steps
        See their modules.
    means : (n_images, n_units) float32
        Of all images of a batch; n_images is a multiple of LANES.
    """

    net: Network
    chains: Chains
    n_chains: int
    steps: Steps
    means: Floats


@njit(**ORDERED)
def _updates(
    work: Work, share: Share, cases: Bytes, n_sweeps: Places, first_update: int, draws: Draws, plan: Plan
) -> int:
    """A thread's share of some updates, in place; how many were done before one that left a parameter not finite.

    Parameters
    ----------
    work : Work
    share : Share
    cases : (n_cases, n_visible) uint8
        Presented in this order.
    n_sweeps : (n_cases,) int64
        Filled with the mean-field sweeps of each case.
    first_update : int
        Of the stream.
    draws : Draws
    plan : Plan
    """
    (net, chains, n_chains, steps, means), batch, n_threads = work, plan.batch_size, share.n_threads
    n_together = share.images.means.shape[0]
    for update in range(-(-cases.shape[0] // batch)):
        data, n_done = cases[update * batch : (update + 1) * batch], n_sweeps[update * batch : (update + 1) * batch]
        n_images, first_step = data.shape[0], (first_update + update) * plan.n_gibbs_steps
        if share.some.begin < share.some.end:
            gibbs_steps(net, chains, 0, (first_step, plan.n_gibbs_steps), draws, True, share.some)
        first = take(share.gate) * n_together
        while first < n_images:
            last = min(first + n_together, n_images)
            mean_field_of(net, share.images, data[first:last], plan.limits, plan.max_sweeps, n_done[first:last])
            means[first:last] = share.images.means[: last - first]
            first = take(share.gate) * n_together
        meet(share.gate, n_threads)
        if share.which == 0:
            put_back(share.gate)
            means[n_images:] = 0
            gather_images(net, means, steps)
            bits_of_chains(net, chains, n_chains, steps)
        if share.which == n_threads - 1:
            lists_of_chains(net, chains, n_chains, steps)
        meet(share.gate, n_threads)
        part = share.which, n_threads
        share.bad[share.which] = climb(net, chains, (n_chains, n_images), means, steps, plan.rates, part)
        meet(share.gate, n_threads)
        for thread in range(n_threads):
            if share.bad[thread] != float32(0):
                return update
    return -(-cases.shape[0] // batch)


def _shares(net: Network, batch_size: int, n_chains: int, n_threads: int) -> list[Share]:
    """What each thread has to do."""
    at, bad, chains = gate(), np.zeros(n_threads, np.float32), parts(n_chains, n_threads, 0)
    chains += [Some(n_chains, n_chains, 0)] * (n_threads - len(chains))
    n_together = min(batch_size, TOGETHER if n_threads == 1 or are_listed(net) else PAIR)
    rooms = [images_of(net, zeros((n_together, net.bias.size))) for _ in chains]
    return [Share(which, n_threads, some, room, at, bad) for which, (some, room) in enumerate(zip(chains, rooms))]


@np.errstate(over="ignore", invalid="ignore")
def joint_epoch(
    machine: BoltzmannMachine,
    state: JointState,
    key: np.uint64,
    cases: Bytes,
    epoch: JointEpoch,
    report: Report,
    n_threads: int = 1,
) -> JointlyTrained:
    """One epoch of joint training of one machine; see `joint.array_joint_epoch`.

    Parameters
    ----------
    machine, state, key, cases, epoch, report
        See `reference.Backend.joint_epoch`.
    n_threads : int
        Which share the machine, and change no result.
    """
    cases, n_chains = np.ascontiguousarray(cases, dtype=np.uint8), len(state.chains[0])
    net, n_sweeps = network(machine), np.zeros(len(cases), np.int64)
    chains, draws = chains_of(net, state.chains), Draws.of(key, machine.layer_sizes)
    means = zeros((-(-epoch.batch_size // LANES) * LANES, net.bias.size))
    steps = steps_of(net, spread(net, machine, state.weight_steps), _flat(net, state.bias_steps), n_chains, len(means))
    rates = Rates(*(np.float32(x) for x in (epoch.learning_rate, epoch.decay, epoch.max_norm)))
    plan = Plan(epoch.batch_size, epoch.n_gibbs_steps, epoch.max_sweeps, limits_of(epoch.tolerance), rates)
    work, shares = Work(net, chains, n_chains, steps, means), _shares(net, epoch.batch_size, n_chains, n_threads)
    length = UPDATES * epoch.batch_size
    with side_by_side(n_threads) as each:  # all at once, since they wait for each other
        for start in range(0, len(cases), length):
            piece, n = cases[start : start + length], start // epoch.batch_size
            rest = piece, n_sweeps[start : start + length], epoch.first_update + n, draws, plan
            n_updates = -(-len(piece) // epoch.batch_size)
            done = list(each(_updates, *zip(*((work, share, *rest) for share in shares))))
            if done[0] < n_updates:
                raise NotFiniteError(n + done[0])
            report(n_updates)
    weights, weight_steps = weights_of(net, machine), weights_of(net, machine, (*steps.rows, steps.listed))
    trained = BoltzmannMachine(
        tuple(weights), _layers(net, net.bias), machine.masks, machine.units, must_be_finite=False
    )
    states = tuple(states_of(net, chains, n_chains))
    return trained, JointState(tuple(weight_steps), _layers(net, steps.bias), states), int(n_sweeps.sum())


def _flat(net: Network, layers: tuple[Floats, ...]) -> Floats:
    """Numbers of the units of all layers as `Network` numbers them."""
    found = zeros(net.bias.size)
    for first, layer in zip(net.first, layers):
        found[first : first + len(layer)] = layer
    return found


def _layers(net: Network, numbers: Floats) -> tuple[Floats, ...]:
    """The way back."""
    return tuple(numbers[first : first + n].copy() for first, n in zip(net.first, net.sizes))
