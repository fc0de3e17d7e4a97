"""Contrastive divergence: each compiled loop against the plain-array version, and what may not change the result.

The seeds are such that no uniform number lies within 5e-6 of its probability, where rounding would decide the state.
"""

import dataclasses
import inspect
import re

import by_hand
import numpy as np
import pytest
from cd_runs import CPU, KEY, LARGE, arrays_of, assert_backends_agree, assert_same_bits, epochs_of, ignore, two_epochs

import boltzprune.backend
from boltzprune.backend import MODULES, arrays, get_backend, reference
from boltzprune.backend.cpu import backend as cpu_backend
from boltzprune.backend.cpu import cd, cd_listed, cd_low_rank
from boltzprune.backend.gpu import backend as gpu_backend
from boltzprune.backend.gpu import driver
from boltzprune.core import streams
from boltzprune.core.contrastive import Epoch, NotFiniteError, Velocity
from boltzprune.errors import InputError


@pytest.mark.parametrize("density", [1.0, 0.6])
@pytest.mark.parametrize("decays", [(0.9, 0.9), (0.009, 0.0009), (0.0, 0.5)])
def test_dense_loop(density, decays):
    machine = by_hand.machine((13, 11), seed=3, scale=0.3, density=density)
    found, expected = assert_backends_agree(machine, 131, (0.1, 0.01), decays)
    outside = ~machine.masks[0]
    for trained, velocity in (found, expected):
        assert (trained.weights[0][outside] == 0).all() and (velocity.weights[outside] == 0).all()
        assert (trained.weights[0][~outside] != machine.weights[0][~outside]).all()


SIZES = [(1, 1), (2, 1), (1, 2), *((7, n) for n in (7, 8, 9, 15, 16, 17)), (3, 5), (4, 5), (5, 3), (6, 70)]


@pytest.mark.parametrize("sizes", SIZES)
def test_dense_loop_of_every_size(sizes):
    assert_backends_agree(by_hand.machine(sizes, seed=5, scale=0.3), 61, (0.1, 0.03), (0.9, 0.09))


def test_dense_loop_of_large_masked_machines():
    machine = by_hand.machine(LARGE, seed=11, scale=0.1, density=0.5)
    found, _ = assert_backends_agree(machine, 17, (0.1, 0.03), (0.09, 0.009), tolerance=1e-5)
    assert (found[0].weights[0][~machine.masks[0]] == 0).all()


def test_which_loop_computes_what():
    small, large = by_hand.machine((13, 11), seed=1), by_hand.machine(LARGE, seed=1)
    holed = by_hand.machine(LARGE, seed=1, density=0.99)
    sparse = by_hand.machine(LARGE, seed=1, density=0.1)
    low_rank, dense, listed = cd_low_rank.low_rank_epoch, cd.dense_epoch, cd_listed.listed_epoch
    for machine, decay, expected in [
        (large, 0.0, low_rank),
        (large, 0.009, low_rank),
        (large, 0.09, low_rank),
        (large, 0.2, low_rank),
        (large, 0.9, dense),
        (holed, 0.0, dense),
        (small, 0.009, dense),
        (sparse, 0.0, listed),
        (sparse, 0.9, listed),
    ]:
        assert cpu_backend.epoch_for(machine, Epoch(0.1, decay, 1, 1, 0)) is expected
    for k, batch_size in ((2, 1), (1, 2)):
        assert cpu_backend.epoch_for(large, Epoch(0.1, 0.0, k, batch_size, 0)) is cd.array_epoch
        assert cpu_backend.epoch_for(sparse, Epoch(0.1, 0.0, k, batch_size, 0)) is listed


@pytest.mark.parametrize(
    ("sizes", "decay", "density", "batch_size"),
    [
        ((13, 11), 0.9, 1.0, 1),
        (LARGE, 0.9, 1.0, 1),
        (LARGE, 0.0, 1.0, 1),
        (LARGE, 0.09, 1.0, 1),
        (LARGE, 0.9, 0.1, 1),
        (LARGE, 0.9, 0.1, 3),
    ],
)
def test_chunks_do_not_change_a_bit(sizes, decay, density, batch_size, monkeypatch):
    machine = by_hand.machine(sizes, seed=29, scale=0.1, density=density)
    cases = by_hand.patterns(223 * batch_size - batch_size // 2, sizes[0], seed=31)
    epochs = two_epochs(len(cases), (0.01, 0.003), (decay, decay), batch_size=batch_size)
    whole, pieces = [], []
    expected = epochs_of(CPU, machine, cases, epochs, report=whole.append)
    monkeypatch.setattr(cd, "CHUNK", 1.0)
    assert_same_bits(epochs_of(CPU, machine, cases, epochs, report=pieces.append), expected)
    assert whole == [223, 223] and pieces == [100, 100, 23] * 2


def test_an_epoch_can_be_cut_in_two():
    machine = by_hand.machine((13, 11), seed=37, scale=0.3, density=0.7)
    cases = by_hand.patterns(53, 13, seed=41)
    expected = epochs_of(CPU, machine, cases, [Epoch(0.1, 0.9, 1, 1, 5)])
    machine, velocity = epochs_of(CPU, machine, cases[:17], [Epoch(0.1, 0.9, 1, 1, 5)])
    assert_same_bits(
        CPU.cd_epoch([machine], [velocity], [KEY], cases[17:], Epoch(0.1, 0.9, 1, 1, 22), ignore)[0], expected
    )


@pytest.mark.parametrize(("n_gibbs_steps", "batch_size"), [(3, 1), (1, 5), (3, 5), (2, 61)])
def test_mini_batches_and_longer_chains(n_gibbs_steps, batch_size):
    machine = by_hand.machine((13, 11), seed=43, scale=0.3, density=0.7)
    options = {"n_gibbs_steps": n_gibbs_steps, "batch_size": batch_size}
    found, _ = assert_backends_agree(machine, 53, (0.1, 0.03), (0.9, 0.09), **options)
    assert (found[0].weights[0][~machine.masks[0]] == 0).all()


@pytest.mark.parametrize(("n_gibbs_steps", "batch_size"), [(1, 1), (1, 5), (3, 1)])
def test_reports_add_up_to_the_updates(n_gibbs_steps, batch_size, backend):
    reported = []
    machines = [by_hand.machine((13, n), seed=n) for n in (7, 11)]
    velocities = [Velocity.zero(machine) for machine in machines]
    epoch = Epoch(0.1, 0.0, n_gibbs_steps, batch_size, 0)
    backend.cd_epoch(machines, velocities, [KEY, KEY], by_hand.patterns(53, 13, seed=1), epoch, reported.append)
    assert sum(reported) == 2 * -(-53 // batch_size)


@pytest.mark.parametrize("options", [(0.009, 1, 1), (0.9, 1, 1), (0.9, 3, 5)])
def test_other_machines_and_threads_do_not_change_a_bit(options):
    decay, n_gibbs_steps, batch_size = options
    sizes, densities = [(131, 7), LARGE, (131, 151), (131, 1), LARGE], [1.0, 1.0, 0.1, 1.0, 0.5]
    machines = [by_hand.machine(s, seed=k, scale=0.1, density=d) for k, (s, d) in enumerate(zip(sizes, densities))]
    keys = [streams.fork(seed, "training") for seed in range(5)]
    cases = by_hand.patterns(31, 131, seed=47)
    epoch = Epoch(0.03, decay, n_gibbs_steps, batch_size, 13)

    def run(order, threads):
        work = [machines[k] for k in order], [Velocity.zero(machines[k]) for k in order], [keys[k] for k in order]
        return dict(zip(order, get_backend("cpu", threads).cd_epoch(*work, cases, epoch, ignore)))

    expected = {k: run([k], 1)[k] for k in range(5)}
    for order, threads in [(range(5), 1), (range(5), 2), ([3, 1, 4, 0, 2], 3), ([2, 0], 2)]:
        found = run(order, threads)
        assert list(found) == list(order)
        for k in order:
            assert_same_bits(found[k], expected[k])


def test_what_goes_in_is_not_changed(backend):
    for sizes in ((13, 11), LARGE):
        machine = by_hand.machine(sizes, seed=53, scale=0.1)
        velocity = Velocity(*(np.full_like(x, 0.01) for x in (machine.weights[0], *machine.biases)))
        before = [x.copy() for x in arrays_of((machine, velocity))]
        backend.cd_epoch(
            [machine], [velocity], [KEY], by_hand.patterns(5, sizes[0], 1), Epoch(0.1, 0.09, 1, 1, 0), ignore
        )
        assert all((a == b).all() for a, b in zip(arrays_of((machine, velocity)), before))


def test_pruned_units_keep_their_names(backend):
    machine = dataclasses.replace(by_hand.machine((3, 5), seed=59), units=(np.arange(3), np.array([2, 3, 5, 7, 11])))
    for batch_size in (1, 2):
        trained, _ = epochs_of(backend, machine, by_hand.patterns(7, 3, seed=1), [Epoch(0.1, 0.0, 1, batch_size, 0)])
        assert trained.units[1].tolist() == [2, 3, 5, 7, 11] and (trained.masks[0] == machine.masks[0]).all()


@pytest.mark.parametrize(("sizes", "density"), [((13, 11), 1.0), (LARGE, 1.0), (LARGE, 0.1)])
def test_the_first_update_that_is_not_finite_is_named(sizes, density, backend):
    machine = by_hand.machine(sizes, seed=61, scale=0.1, density=density)
    machine.biases[0][-1] = np.nan
    with pytest.raises(NotFiniteError) as caught, np.errstate(all="ignore"):
        epochs_of(backend, machine, by_hand.patterns(7, sizes[0], seed=1), [Epoch(0.1, 0.0, 1, 1, 5)])
    assert caught.value.update == 0


def test_backends_by_name(caplog, monkeypatch):
    assert set(MODULES) == {"cpu", "gpu", "reference"}
    assert type(get_backend("reference", 3)) is reference.Backend and type(get_backend("cpu")) is cpu_backend.Backend
    assert get_backend("reference", 3).threads == 1 and get_backend("cpu", 3).threads == 3
    monkeypatch.setattr(driver, "problem", lambda: "no GPU here")
    with caplog.at_level("INFO"):
        assert type(get_backend("auto", 2)) is cpu_backend.Backend
    assert "device auto: cpu (no GPU here)" in caplog.text
    with pytest.raises(InputError, match="'tpu': expected one of auto"):
        get_backend("tpu")


def test_each_backend_owns_the_methods_that_are_listed():
    found = re.findall(r"^    (\w+)\(([\w, ]+)\)", boltzprune.backend.__doc__, flags=re.MULTILINE)
    assert len(found) == 13
    kinds = [module.Backend for module in (reference, cpu_backend, gpu_backend)]
    for kind in kinds:
        assert not any(issubclass(kind, other) for other in kinds if other is not kind)
        for name, parameters in found:
            assert name in vars(kind), f"{kind.__module__} does not have {name}"
            for owner in (kind, arrays.Backend):
                assert list(inspect.signature(vars(owner)[name]).parameters)[1:] == parameters.split(", ")


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_map_keeps_the_order(threads):
    for device in ("cpu", "reference"):
        assert get_backend(device, threads).map(lambda x: x * x, list(range(7))) == [0, 1, 4, 9, 16, 25, 36]
        assert get_backend(device, threads).map(abs, []) == []
