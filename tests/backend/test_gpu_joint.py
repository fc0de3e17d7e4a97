"""kernels/joint.cu against the reference: one and several blocks a machine, several machines, cuts, failures."""

import dataclasses
import math

import by_hand
import deep_by_hand as deep
import numpy as np
import pytest

from boltzprune.backend import reference
from boltzprune.backend.gpu import cooperative, machines_on_card
from boltzprune.backend.gpu import joint as gpu_joint
from boltzprune.core import streams
from boltzprune.core.contrastive import NotFiniteError
from boltzprune.core.joint import JointEpoch, JointState
from boltzprune.core.machine import sigmoid

REFERENCE = reference.Backend()
EPOCH = JointEpoch(
    learning_rate=0.05,
    decay=0.5,
    n_gibbs_steps=1,
    batch_size=5,
    first_update=3,
    max_norm=1.5,
    tolerance=1e-5,
    max_sweeps=30,
)


@pytest.fixture(params=[0, 512], ids=["together", "alone"], autouse=True)
def most_alone(request, monkeypatch):
    """Whether blocks iterate an image together, as they do where much of h2 is on, or each one alone."""
    monkeypatch.setattr(machines_on_card, "COLUMNS_ALONE", request.param)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 64 threads, so that loops over threads go round more than once."""
    monkeypatch.setattr(cooperative, "N_THREADS", 64)
    monkeypatch.setattr(gpu_joint, "COLUMNS", 512)
    monkeypatch.setattr(gpu_joint, "UNITS", 512)


def _work(sizes, n_chains, seed, density=0.8):
    """A machine, its state and its stream."""
    machine = by_hand.machine(sizes, seed=seed, scale=0.3, density=density)
    chains = tuple(by_hand.patterns(n_chains, n, seed=seed + n) for n in sizes)
    state = JointState.at_rest(machine, chains)
    rng = np.random.default_rng(seed)
    steps = tuple(rng.normal(0, 0.01, w.shape).astype(np.float32) * m for w, m in zip(machine.weights, machine.masks))
    return machine, dataclasses.replace(state, weight_steps=steps), streams.fork(seed, "training", 1)


def _need_blocks(gpu, work, epoch, monkeypatch, n_blocks):
    """Give the card so little shared memory that this machine needs this many blocks."""

    def blocks_with(shared):
        monkeypatch.setattr(gpu.card, "max_shared", shared, raising=False)
        plan = gpu_joint.plan(work[0], len(work[1].chains[0]), epoch.batch_size, gpu.card)
        return plan and plan.n_blocks

    assert any(blocks_with(shared) == n_blocks for shared in range(1 << 17, 1 << 10, -128))


def _run(gpu, work, cases, epoch, monkeypatch, n_blocks=1, report=lambda n: None):
    """One epoch of all machines, the first of which needs this many blocks."""
    _need_blocks(gpu, work[0], epoch, monkeypatch, n_blocks)
    return gpu.joint_epochs(work, cases, epoch, report)


def _arrays(result):
    machine, state, _ = result
    return [*machine.weights, *machine.biases, *state.weight_steps, *state.bias_steps]


def _assert_close(found, expected, bound=2e-6):
    for a, b in zip(_arrays(found), _arrays(expected), strict=True):
        assert a.dtype == b.dtype == np.float32 and a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=bound)
    for a, b in zip(found[1].chains, expected[1].chains, strict=True):
        assert a.dtype == np.uint8 and np.array_equal(a, b)


def _assert_counted(found, work, cases, epoch):
    """Mean-field sweeps are those of the reference, but where a change is within float32's noise of the tolerance.

    Since units that hardly move are left out for a while, an image may take a sweep more, which few do.
    """
    noise = 2**-22
    epochs = [dataclasses.replace(epoch, tolerance=epoch.tolerance + by) for by in (-noise, noise)]
    most, least = (REFERENCE.joint_epoch(*work, cases, one, lambda n: None)[2] for one in epochs)
    assert most <= least + 3  # for nearly all of the 23 cases there is no choice
    assert least <= found[2] <= 1.02 * most + 1


def _assert_as_reference(found, work, cases, epoch):
    _assert_close(found, REFERENCE.joint_epoch(*work, cases, epoch, lambda n: None))
    _assert_counted(found, work, cases, epoch)


def _same_bits(one, other):
    pairs = zip([*_arrays(one), *one[1].chains], [*_arrays(other), *other[1].chains], strict=True)
    return all(a.tobytes() == b.tobytes() for a, b in pairs) and one[2] == other[2]


CASES = [
    ((13, 17, 31), 37, {}),
    ((13, 17, 31), 37, {"n_gibbs_steps": 2, "max_norm": math.inf}),
    ((13, 17, 31), 5, {"batch_size": 1, "learning_rate": 0.02}),  # at 0.05 float32 arrays of NumPy are off by 2e-6
    ((13, 67, 61), 31, {"batch_size": 16}),
    ((11, 71, 37), 32, {"batch_size": 2, "decay": 0.0}),
    ((11, 67, 37), 33, {"batch_size": 4, "max_sweeps": 2}),
    ((7, 67, 41), 97, {"batch_size": 3, "tolerance": 0.01}),
    ((31, 41, 43), 1, {"batch_size": 10, "max_norm": 0.5}),
    ((83, 43, 37), 131, {"batch_size": 7}),  # lists longer than a warp, more words of chains than it takes side by side
]


@pytest.mark.parametrize("n_blocks", [1, 3])
@pytest.mark.parametrize(("sizes", "n_chains", "changed"), CASES)
def test_an_epoch_is_that_of_the_reference(gpu, monkeypatch, small_blocks, sizes, n_chains, changed, n_blocks):
    _compare(gpu, monkeypatch, sizes, n_chains, changed, n_blocks)


def _compare(gpu, monkeypatch, sizes, n_chains, changed, n_blocks):
    work, epoch = _work(sizes, n_chains, seed=3), dataclasses.replace(EPOCH, **changed)
    cases, reported = by_hand.patterns(23, sizes[0], seed=5), []
    [found] = _run(gpu, [work], cases, epoch, monkeypatch, n_blocks, reported.append)
    _assert_as_reference(found, work, cases, epoch)
    assert sum(reported) == -(-23 // epoch.batch_size)
    assert all((w[~m] == 0).all() for w, m in zip(found[0].weights, work[0].masks))


def test_receptive_fields_and_more_threads_than_units(gpu, monkeypatch):
    machine = deep.with_receptive_fields((5, 7), 3, 13, seed=7)
    state = JointState.at_rest(machine, tuple(by_hand.patterns(11, n, seed=n) for n in machine.layer_sizes))
    work, cases = (machine, state, streams.fork(7, "training")), by_hand.patterns(13, 35, seed=11)
    [found] = _run(gpu, [work], cases, EPOCH, monkeypatch, 2)
    _assert_as_reference(found, work, cases, EPOCH)


@pytest.mark.parametrize("n_blocks", [1, 3])
def test_company_and_cuts_do_not_change_a_bit(gpu, monkeypatch, small_blocks, n_blocks):
    """Machines of different sizes side by side, more of them than the card holds at once, launches of two updates."""
    sizes = [(13, 67 - k, 61 - 2 * k) for k in range(5)]
    work = [_work(s, 37, seed=13 + k) for k, s in enumerate(sizes)]
    cases = by_hand.patterns(23, 13, seed=17)
    _need_blocks(gpu, work[-1], EPOCH, monkeypatch, n_blocks)
    plans = [gpu_joint.plan(machine, 37, EPOCH.batch_size, gpu.card) for machine, *_ in work]
    assert sum(plan.n_blocks == n_blocks for plan in plans) > 2
    alone = [gpu.joint_epoch(*one, cases, EPOCH, lambda n: None) for one in work]
    monkeypatch.setattr(gpu_joint, "UPDATES_PER_LAUNCH", 2)
    together = gpu.joint_epochs(work, cases, EPOCH, lambda n: None)
    assert all(_same_bits(a, b) for a, b in zip(together, alone, strict=True))


@pytest.mark.parametrize("n_blocks", [1, 3])
@pytest.mark.parametrize("batch", [1, 5])
def test_h2_all_but_silent(gpu, monkeypatch, small_blocks, batch, n_blocks):
    """Chains and columns that are off are left out, also where columns share a lane; some means are below 2^-30."""
    work, epoch = _work((13, 41, 61), 37, seed=67), dataclasses.replace(EPOCH, batch_size=batch, n_gibbs_steps=3)
    machine, state, _ = work
    machine.biases[2][:] -= np.where(np.arange(61) % 2, 5, 30).astype(np.float32)
    state.chains[2][:, np.arange(61) % 31 > 0] = 0
    cases = by_hand.patterns(23, 13, seed=71)
    [found] = _run(gpu, [work], cases, epoch, monkeypatch, n_blocks)
    _assert_as_reference(found, work, cases, epoch)


def _with_a_unit_that_rises_late(work, cases):
    """A unit of h2 that is off in all images, below 2^-30, when mean field starts, and at 0.001 for one in the end."""
    machine, below = work[0], cases @ work[0].weights[0].astype(float)
    start = late = sigmoid(machine.biases[1] + 2 * below)
    for _ in range(60):
        above = sigmoid(machine.biases[2] + late @ machine.weights[1]) @ machine.weights[1].T
        late = sigmoid(machine.biases[1] + below + above)
    machine.weights[1][:, 7] = 6 * np.sign((late - start).mean(axis=0))
    machine.masks[1][:, 7] = True
    machine.biases[2][7] = -23 - (start @ machine.weights[1][:, 7]).max()
    rising = sigmoid(machine.biases[2][7] + late @ machine.weights[1][:, 7])
    assert math.exp(-23) < 2**-30 and rising.max() > 5e-4
    return work


@pytest.mark.parametrize("n_blocks", [1, 3])
@pytest.mark.parametrize("batch", [1, 5])
def test_units_of_h2_that_rise_late(gpu, monkeypatch, small_blocks, batch, n_blocks):
    """Sweeps leave them out; the last look at all of h2 finds them, and the images go on."""
    epoch = dataclasses.replace(EPOCH, batch_size=batch, learning_rate=0.02, max_norm=math.inf)
    cases = by_hand.patterns(23, 13, seed=5)
    work = _with_a_unit_that_rises_late(_work((13, 17, 31), 37, seed=24), cases)
    [found] = _run(gpu, [work], cases, epoch, monkeypatch, n_blocks)
    _assert_close(found, REFERENCE.joint_epoch(*work, cases, epoch, lambda n: None), 1e-5)  # weights of 6 enlarge noise


@pytest.mark.parametrize("batch", [1, 5])
def test_room_for_the_steps_does_not_change_a_bit(gpu, monkeypatch, small_blocks, batch):
    """Steps of the upper weights lie in shared memory or, where a block has no room for them, in that of the card."""
    work, epoch = _work((13, 67, 61), 37, seed=59), dataclasses.replace(EPOCH, batch_size=batch)
    cases, found, sizes = by_hand.patterns(11, 13, seed=61), [], []
    with_steps = gpu_joint.plan(work[0], 37, batch, gpu.card).shared + cooperative.STATIC_SHARED
    for shared in (with_steps, with_steps - 4):
        monkeypatch.setattr(gpu.card, "max_shared", shared, raising=False)
        sizes.append(gpu_joint.plan(work[0], 37, batch, gpu.card))
        found += gpu.joint_epochs([work], cases, epoch, lambda n: None)
    assert sizes[0].n_blocks == sizes[1].n_blocks and sizes[0].shared - sizes[1].shared == 4 * 67 * 65
    assert _same_bits(*found)
    _assert_as_reference(found[0], work, cases, epoch)


def test_an_epoch_can_go_on_from_another(gpu, monkeypatch, small_blocks):
    work, cases = _work((13, 17, 11), 37, seed=19), by_hand.patterns(20, 13, seed=23)
    [expected] = _run(gpu, [work], cases, EPOCH, monkeypatch)
    [(machine, state, n)] = _run(gpu, [work], cases[:10], EPOCH, monkeypatch)
    later = dataclasses.replace(EPOCH, first_update=EPOCH.first_update + 2)
    [(machine, state, m)] = _run(gpu, [(machine, state, work[2])], cases[10:], later, monkeypatch)
    assert _same_bits((machine, state, n + m), expected)


@pytest.mark.parametrize("n_blocks", [1, 3])
@pytest.mark.parametrize("place", ["weights0", "weights1", "bias0", "bias1", "bias2"])
def test_the_machine_and_update_that_are_not_finite_are_named(gpu, monkeypatch, small_blocks, place, n_blocks):
    work = [_work((13, 67, 61), 37, seed=29 + k, density=1.0) for k in range(3)]
    broken = work[1][0]
    {"weights": broken.weights, "bias": broken.biases}[place[:-1]][int(place[-1])].flat[-1] = np.nan
    fine = [one for one in work if one is not work[1]]
    more = fine * (7 // n_blocks // 2 + 1)  # than the seven multiprocessors of the card hold at once
    for place, several in ((1, work), (len(more), [*more, work[1]])):
        with pytest.raises(NotFiniteError) as caught:
            _run(gpu, several, by_hand.patterns(11, 13, seed=31), EPOCH, monkeypatch, n_blocks)
        assert (caught.value.update, caught.value.place) == (0, place)


def test_which_machines_the_kernel_takes(gpu, monkeypatch):
    monkeypatch.setattr(gpu.card, "max_shared", 227 << 10, raising=False)
    monkeypatch.setattr(gpu.card, "n_multiprocessors", 132, raising=False)
    for sizes, n_chains, batch, n_blocks in [
        ((400, 400, 676), 100, 10, 13),
        ((400, 400, 676), 100, 1, 13),
        ((400, 226, 381), 100, 10, 13),
        ((400, 784, 676), 100, 10, 25),
        ((400, 400, 676), 1000, 1, 15),
        ((5, 7, 1031), 10, 1, 20),
    ]:
        machine = by_hand.machine(sizes, seed=37)
        assert gpu_joint.plan(machine, n_chains, batch, gpu.card).n_blocks == n_blocks
    for sizes, batch in [((5, 7), 1), ((5, 7, 3, 2), 1), ((5, 7, 0), 1), ((5, 0, 3), 1), ((5, 7, 3), 17)]:
        assert gpu_joint.plan(by_hand.machine(sizes, seed=37), 10, batch, gpu.card) is None


def test_machines_that_the_kernel_does_not_take_are_trained_all_the_same(gpu):
    work = [_work(sizes, 11, seed=41) for sizes in ((13, 7, 5, 3), (13, 7, 5), (13, 7))]
    cases = by_hand.patterns(13, 13, seed=43)
    found = gpu.joint_epochs(work, cases, EPOCH, lambda n: None)
    for one, result in zip(work, found, strict=True):
        _assert_as_reference(result, one, cases, EPOCH)
