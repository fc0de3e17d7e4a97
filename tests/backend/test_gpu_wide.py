"""kernels/contrastive_wide.cu against the reference: blocks that share a machine, batches, masks, gains, failures."""

import dataclasses

import by_hand
import numpy as np
import pytest

from boltzprune.backend import reference
from boltzprune.backend.gpu import cd_large, cd_small, cooperative
from boltzprune.core import streams
from boltzprune.core.contrastive import Epoch, NotFiniteError, Velocity

REFERENCE = reference.Backend()
EPOCH = Epoch(learning_rate=0.05, decay=0.5, n_gibbs_steps=1, batch_size=5, first_update=7, up=2.0, down=1.0)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of 64 threads, so that loops over threads go round more than once; and no machine for the other kernel."""
    monkeypatch.setattr(cooperative, "N_THREADS", 64)
    monkeypatch.setattr(cd_large, "COLUMNS", 512)
    monkeypatch.setattr(cd_small, "MAX_VISIBLE", 0)


def _work(sizes, seed, density=0.8):
    """A machine, its last step and its stream."""
    machine, rng = by_hand.machine(sizes, seed=seed, scale=0.3, density=density), np.random.default_rng(seed)
    steps = [rng.normal(0, 0.01, x.shape).astype(np.float32) for x in (machine.weights[0], *machine.biases)]
    return machine, Velocity(steps[0] * machine.masks[0], *steps[1:]), streams.fork(seed, "training", 1)


def _need_blocks(gpu, machine, epoch, monkeypatch, n_blocks):
    """Give the card so little shared memory that this machine needs this many blocks."""

    def blocks_with(shared):
        monkeypatch.setattr(gpu.card, "max_shared", shared, raising=False)
        plan = cd_large.plan(machine, epoch.batch_size, gpu.card)
        return plan and plan.n_blocks

    assert any(blocks_with(shared) == n_blocks for shared in range(1 << 17, 1 << 10, -128))


def _epoch(backend, work, cases, epoch, report=lambda n: None):
    machines, velocities, keys = map(list, zip(*work))
    return backend.cd_epoch(machines, velocities, keys, cases, epoch, report)


def _arrays(result):
    machine, velocity = result
    return [machine.weights[0], *machine.biases, velocity.weights, velocity.visible_bias, velocity.hidden_bias]


def _assert_close(found, expected, bound=3e-6):
    for a, b in zip(_arrays(found), _arrays(expected), strict=True):
        assert a.dtype == b.dtype == np.float32 and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=bound)


def _same_bits(one, other):
    return all(a.tobytes() == b.tobytes() for a, b in zip(_arrays(one), _arrays(other), strict=True))


CASES = [
    ((13, 61), {}),
    ((67, 31), {"batch_size": 1}),
    ((71, 53), {"batch_size": 1, "n_gibbs_steps": 3, "up": 1.0, "down": 2.0}),
    ((31, 64), {"batch_size": 16, "decay": 0.0}),
    ((37, 41), {"batch_size": 4, "n_gibbs_steps": 2, "decay": 0.9}),
    ((61, 7), {"batch_size": 3}),
    ((131, 17), {"batch_size": 10}),
]


@pytest.mark.parametrize("n_blocks", [1, 3])
@pytest.mark.parametrize(("sizes", "changed"), CASES)
def test_an_epoch_is_that_of_the_reference(gpu, monkeypatch, sizes, changed, n_blocks):
    work, epoch, reported = _work(sizes, seed=3), dataclasses.replace(EPOCH, **changed), []
    cases = by_hand.patterns(23, sizes[0], seed=5)
    _need_blocks(gpu, work[0], epoch, monkeypatch, n_blocks)
    [found] = _epoch(gpu, [work], cases, epoch, reported.append)
    [expected] = _epoch(REFERENCE, [work], cases, epoch)
    _assert_close(found, expected)
    assert np.abs(expected[0].weights[0] - work[0].weights[0]).max() > 1e-3
    assert sum(reported) == -(-23 // epoch.batch_size)
    outside = ~work[0].masks[0]
    assert (found[0].weights[0][outside] == 0).all() and (found[1].weights[outside] == 0).all()


@pytest.mark.parametrize("same_cases", [True, False])
@pytest.mark.parametrize("n_blocks", [1, 3])
def test_company_and_cuts_do_not_change_a_bit(gpu, monkeypatch, n_blocks, same_cases):
    """Machines of different sizes side by side, more than the card holds at once, each with its own cases or not."""
    work = [_work((31, 61 - k), seed=13 + k) for k in range(9)]
    one = by_hand.patterns(23, 31, seed=17)
    cases = one if same_cases else [by_hand.patterns(23, 31, seed=19 + k) for k in range(9)]
    _need_blocks(gpu, work[-1][0], EPOCH, monkeypatch, n_blocks)
    assert sum(cd_large.plan(one[0], 5, gpu.card).n_blocks == n_blocks for one in work) > 2
    alone = [_epoch(gpu, [w], one if same_cases else cases[k], EPOCH)[0] for k, w in enumerate(work)]
    monkeypatch.setattr(cd_large, "UPDATES_PER_LAUNCH", 2)
    together = _epoch(gpu, work, cases, EPOCH)
    assert all(_same_bits(a, b) for a, b in zip(together, alone, strict=True))
    assert not np.array_equal(alone[0][0].biases[0], alone[1][0].biases[0])


def test_the_reference_takes_cases_of_each_machine_too():
    work = [_work((13, 7), seed=23), _work((13, 5), seed=29)]
    cases = [by_hand.patterns(11, 13, seed=31 + k) for k in range(2)]
    for found, one, mine in zip(_epoch(REFERENCE, work, cases, EPOCH), work, cases, strict=True):
        assert _same_bits(found, _epoch(REFERENCE, [one], mine, EPOCH)[0])


@pytest.mark.parametrize("n_blocks", [1, 3])
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["weights", "visible bias", "hidden bias"])
def test_the_machine_that_is_not_finite_is_named(gpu, monkeypatch, where, value, n_blocks):
    work = [_work((31, 61), seed=37 + k, density=1.0) for k in range(3)]
    broken = work[1][0]
    {"weights": broken.weights[0], "visible bias": broken.biases[0], "hidden bias": broken.biases[1]}[where].flat[
        -1
    ] = value
    cases = by_hand.patterns(23, 31, seed=41)
    cases[:, -1] = 1
    _need_blocks(gpu, work[0][0], EPOCH, monkeypatch, n_blocks)
    fine = [one for one in work if one is not work[1]]
    for place, several in ((1, work), (8, [*fine * 4, work[1]])):  # more than the card holds at once
        with pytest.raises(NotFiniteError) as caught:
            _epoch(gpu, several, cases, EPOCH)
        assert (caught.value.update, caught.value.place) == (0, place)


def test_which_machines_the_kernel_takes(gpu, monkeypatch):
    monkeypatch.setattr(cooperative, "N_THREADS", 512)
    monkeypatch.setattr(gpu.card, "max_shared", 227 << 10, raising=False)
    monkeypatch.setattr(gpu.card, "n_multiprocessors", 132, raising=False)
    monkeypatch.setattr(cd_large, "COLUMNS", 52)
    for sizes, batch, n_blocks in [((400, 400), 1, 8), ((400, 676), 1, 13), ((400, 676), 10, 14), ((5, 1031), 1, 20)]:
        assert cd_large.plan(by_hand.machine(sizes, seed=43), batch, gpu.card).n_blocks == n_blocks
    for sizes, batch in [((5, 0), 1), ((0, 7), 1), ((5, 7), 17)]:
        assert cd_large.plan(by_hand.machine(sizes, seed=43), batch, gpu.card) is None


def test_machines_that_the_kernel_does_not_take_are_trained_all_the_same(gpu):
    work, epoch = [_work((13, 7), seed=47)], dataclasses.replace(EPOCH, batch_size=17)
    cases = by_hand.patterns(37, 13, seed=53)
    _assert_close(_epoch(gpu, work, cases, epoch)[0], _epoch(REFERENCE, work, cases, epoch)[0])
