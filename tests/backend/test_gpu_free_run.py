"""kernels/free_run.cu: to the last bit the states of other samplers, whatever the blocks, the company and the cuts."""

import by_hand
import deep_by_hand as deep
import numpy as np
import pytest

from boltzprune.backend import reference
from boltzprune.backend.gpu import cooperative, free_run
from boltzprune.core import streams
from boltzprune.sampling import ais

REFERENCE = reference.Backend()
SIZES = [(13, 67, 41), (83, 41, 131), (31, 97), (33, 29, 37, 11), (5, 3, 2, 7, 61)]


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of 64 threads, so that loops over threads go round more than once."""
    monkeypatch.setattr(cooperative, "N_THREADS", 64)


def _machine(sizes, seed, density=0.8):
    """A machine whose last layer is all but silent."""
    machine = by_hand.machine(sizes, seed=seed, scale=0.4, density=density)
    machine.biases[-1][:] -= 3
    return machine


def _chains(sizes, n_chains, seed):
    return tuple(by_hand.patterns(n_chains, n, seed=seed + n) for n in sizes)


def _keys(n):
    return [streams.fork(k, "samples") for k in range(n)]


def _equal(gpu, found, expected):
    pairs = [
        (gpu.to_host(a), b) for one, other in zip(found, expected, strict=True) for a, b in zip(one, other, strict=True)
    ]
    assert all(a.dtype == np.uint8 for a, _ in pairs)
    return all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("n_chains", [1, 37, 131])
@pytest.mark.parametrize("sizes", SIZES)
def test_states_are_those_of_the_reference(gpu, sizes, n_chains):
    machine, chains = _machine(sizes, 11), _chains(sizes, n_chains, 3)
    run, expected = gpu.free_run([machine], [chains], _keys(1)), chains
    for first, n_gibbs_steps in ((2**32 - 9, 5), (7, 1)):
        found = run.advance(first, n_gibbs_steps)
        expected = REFERENCE.advance(machine, expected, _keys(1)[0], first, n_gibbs_steps, 0)
        assert _equal(gpu, found, [expected])


def test_states_are_to_the_last_bit_those_of_the_other_kernel(gpu):
    machine, chains = _machine((61, 37, 131), 5), _chains((61, 37, 131), 19, 7)
    found = gpu.free_run([machine], [chains], _keys(1)).advance(5, 23)
    expected = by_hand.on_host(gpu, gpu.advance(machine, chains, _keys(1)[0], 5, 23, 0))
    assert _equal(gpu, found, [expected])


@pytest.mark.parametrize("n_machines", [2, 5, 11])
def test_company_blocks_and_cuts_do_not_change_a_bit(gpu, monkeypatch, n_machines):
    """Machines of different sizes side by side, more of them than multiprocessors, launches of three steps."""
    sizes = [(13, 67 - 5 * k, 41 - 3 * k) for k in range(n_machines)]
    machines, chains = (
        [_machine(s, 17 + k) for k, s in enumerate(sizes)],
        [_chains(s, 37, k) for k, s in enumerate(sizes)],
    )
    keys = _keys(n_machines)
    alone = [gpu.free_run([m], [c], [k]).advance(5, 8)[0] for m, c, k in zip(machines, chains, keys)]
    monkeypatch.setattr(free_run, "STEPS_PER_LAUNCH", 3)
    together = gpu.free_run(machines, chains, keys).advance(5, 8)
    assert _equal(gpu, together, [[gpu.to_host(layer) for layer in one] for one in alone])


def test_more_blocks_where_a_machine_does_not_fit(gpu, monkeypatch):
    machine, chains = _machine((83, 41, 131), 19), _chains((83, 41, 131), 37, 23)
    companions = [machine] * gpu.card.n_multiprocessors
    expected = REFERENCE.advance(machine, chains, _keys(1)[0], 1, 3, 0)
    for n_blocks in (2, 5):

        def blocks_with(shared, n_blocks=n_blocks):
            monkeypatch.setattr(gpu.card, "max_shared", shared, raising=False)
            plan = free_run.plan(free_run.layout(machine), 37, gpu.card, 1)
            return plan and plan.n_blocks

        assert any(blocks_with(shared) == n_blocks for shared in range(1 << 17, 1 << 10, -128))
        found = gpu.free_run(companions, [chains] * len(companions), _keys(1) * len(companions)).advance(1, 3)
        assert _equal(gpu, found, [expected] * len(companions))
    monkeypatch.setattr(gpu.card, "max_shared", 1 << 12, raising=False)
    assert gpu.free_run([machine], [chains], _keys(1)) is None


def test_tiles_without_weights_are_left_out(gpu):
    machine = deep.with_receptive_fields((8, 12), 3, 13, seed=7)
    layers = free_run.layout(machine)
    dense = free_run.layout(by_hand.machine(machine.layer_sizes, seed=7, density=1.0))
    assert layers.n_tiles.sum() < dense.n_tiles.sum() and len(layers.tiles) == layers.n_tiles.sum()
    chains = _chains(machine.layer_sizes, 11, 29)
    found = gpu.free_run([machine], [chains], _keys(1)).advance(1, 5)
    assert _equal(gpu, found, [REFERENCE.advance(machine, chains, _keys(1)[0], 1, 5, 0)])


def test_units_without_any_weight_follow_their_bias(gpu):
    machine, chains = _machine((13, 17, 11), 31), _chains((13, 17, 11), 37, 37)
    for weights in machine.weights:
        weights[:] = 0
    found = gpu.free_run([machine], [chains], _keys(1)).advance(1, 2)
    assert _equal(gpu, found, [REFERENCE.advance(machine, chains, _keys(1)[0], 1, 2, 0)])


def test_machines_that_the_kernel_does_not_take(gpu):
    machine, empty = _machine((13, 17, 11), 31), by_hand.machine((13, 17, 0), seed=41)
    chains = [_chains(one.layer_sizes, 5, 43) for one in (machine, empty)]
    assert gpu.free_run([machine, empty], chains, _keys(2)) is None


def test_a_paper_sized_machine_fits(gpu, monkeypatch):
    """Ten machines of 400-400-676 with receptive fields share 132 multiprocessors, 13 blocks each."""
    monkeypatch.setattr(gpu.card, "max_shared", 227 << 10, raising=False)
    monkeypatch.setattr(gpu.card, "n_multiprocessors", 132, raising=False)
    machine = deep.with_receptive_fields((20, 20), 5, 676, seed=47)
    assert machine.layer_sizes == (400, 400, 676)
    assert free_run.plan(free_run.layout(machine), 100, gpu.card, 13).n_blocks == 13


def _annealed(sizes, n_chains, seed):
    """What AIS gives a backend: machine, first states of the layers that are sampled, temperatures, stream."""
    machine, key = _machine(sizes, seed), streams.fork(seed, "log Z")
    _, sampled = ais._sides(machine)
    nothing = {layer: np.zeros((n_chains, sizes[layer]), np.float32) for layer in sampled}
    return machine, ais._sample(machine, nothing, 0.0, key, 0, REFERENCE), np.linspace(0, 1, 23), key


@pytest.mark.parametrize("n_chains", [3, 37, 67])
@pytest.mark.parametrize("sizes", [(13, 67, 61), (13, 41, 31), (31, 97), (97, 31), (33, 29, 37, 11), (5, 3, 2, 7, 61)])
def test_log_weights_are_those_of_array_code(gpu, sizes, n_chains):
    """Either side may have more units and sum out; terms are float32 numbers in both."""
    machine, states, betas, key = _annealed(sizes, n_chains, 61)
    expected = ais._log_weight(machine, states, betas, key, REFERENCE)
    found = gpu.log_weights(machine, {k: gpu.asarray(x) for k, x in states.items()}, betas.astype(np.float32), key)
    assert found.dtype == np.float64 and np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5)


def test_log_weights_do_not_depend_on_blocks_and_cuts(gpu, monkeypatch):
    machine, states, betas, key = _annealed((13, 67, 61), 37, 67)
    found = []
    for n_blocks, steps in ((7, 10_000), (3, 5), (1, 22)):
        monkeypatch.setattr(free_run, "MAX_BLOCKS", n_blocks)
        monkeypatch.setattr(free_run, "STEPS_PER_LAUNCH", steps)
        given = {k: gpu.asarray(x) for k, x in states.items()}
        found.append(gpu.log_weights(machine, given, betas.astype(np.float32), key).tobytes())
    assert len(set(found)) == 1


def test_ais_anneals_by_the_kernel_where_it_can(gpu, monkeypatch):
    machine, key = _machine((13, 17, 31), 71), streams.fork(71, "log Z")
    expected = ais.ais(machine, 37, 29, key, REFERENCE)
    monkeypatch.setattr(ais, "_log_weight", None)  # nobody calls it
    found = ais.ais(machine, 37, 29, key, gpu)
    assert found.log_z == pytest.approx(expected.log_z, abs=1e-5) and found.sd == pytest.approx(expected.sd, rel=1e-3)
    monkeypatch.undo()
    monkeypatch.setattr(gpu.card, "max_shared", 1 << 12, raising=False)
    assert ais.ais(machine, 37, 29, key, gpu).log_z == pytest.approx(expected.log_z, abs=1e-5)
