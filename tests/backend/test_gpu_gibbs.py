"""Few chains in blocks of their own: to the last bit the states of the tiles, which are compared with NumPy."""

import by_hand
import deep_by_hand as deep
import numpy as np
import pytest

from boltzprune.backend import get_backend
from boltzprune.backend.gpu import gibbs
from boltzprune.core import streams

KEY = streams.fork(3, "samples")
SIZES = [(13, 71), (61, 37, 131), (5, 7, 0), (5, 0, 3), (257, 300, 3, 7), (1, 1), (31, 32, 33), (127, 128, 129, 3, 2)]


def _advance(gpu, machine, n_chains, first_layer=0, n_gibbs_steps=11, first_step=5, first_chain=17):
    """States after some steps, and which kernels were launched."""
    states = [by_hand.patterns(n_chains, n, seed=7 + n) for n in machine.layer_sizes]
    return by_hand.on_host(gpu, gpu.advance(machine, states, KEY, first_step, n_gibbs_steps, first_chain, first_layer))


@pytest.mark.parametrize("first_layer", [0, 1, 2])
@pytest.mark.parametrize("sizes", SIZES)
def test_both_kernels_give_the_same_bits(sizes, first_layer, gpu, monkeypatch):
    machine = by_hand.machine(sizes, seed=11, scale=0.4, density=0.8)
    found = _advance(gpu, machine, 7, first_layer)
    monkeypatch.setattr(gibbs, "STEPS_WORTH_A_LAUNCH", 12)
    expected = _advance(gpu, machine, 7, first_layer)
    assert all(np.array_equal(a, b) and a.dtype == b.dtype == np.uint8 for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("sizes", deep.SIZES)
def test_steps_by_hand(sizes, gpu):
    machine = by_hand.machine(sizes, seed=13, density=0.8)
    states = [by_hand.patterns(3, n, seed=17 + n) for n in sizes]
    found = by_hand.on_host(gpu, gpu.advance(machine, states, KEY, 2**32 - 20, 9, 101))
    for c, state in enumerate(zip(*states)):
        expected = deep.gibbs_steps(machine, state, KEY, 2**32 - 20, 9, 101 + c)
        assert [layer[c].tolist() for layer in found] == expected


@pytest.mark.parametrize("sizes", [(13, 71), (61, 37, 131), (257, 300, 3, 7)])
def test_the_cpu_draws_the_same_bits(sizes, gpu):
    """Both add whole numbers up; their logistic functions differ by rounding, which decides no state here."""
    machine = by_hand.machine(sizes, seed=37, scale=0.4, density=0.8)
    states = [by_hand.patterns(19, n, seed=7 + n) for n in sizes]
    found = by_hand.on_host(gpu, gpu.advance(machine, states, KEY, 5, 11, 17))
    expected = get_backend("cpu").advance(machine, states, KEY, 5, 11, 17)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_launches_can_be_cut(gpu, monkeypatch):
    machine = by_hand.machine((13, 17, 11), seed=19)
    expected = _advance(gpu, machine, 5)
    monkeypatch.setattr(gibbs, "STEPS_PER_LAUNCH", 4)
    found = _advance(gpu, machine, 5)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_which_kernel_computes_what(gpu):
    if not hasattr(gpu.card, "launches"):
        pytest.skip("a real card keeps no list of its launches")
    machine = by_hand.machine((13, 17), seed=23)
    most = gibbs.BLOCKS_A_MULTIPROCESSOR * gpu.card.n_multiprocessors
    for n_chains, n_gibbs_steps, expected in [(most, 8, "gibbs"), (most + 1, 8, "draw"), (most, 7, "draw")]:
        gpu.card.launches.clear()
        _advance(gpu, machine, n_chains, n_gibbs_steps=n_gibbs_steps)
        assert {name for name, *_ in gpu.card.launches} == {expected}


def test_what_goes_in_is_not_changed(gpu):
    machine = by_hand.machine((13, 17), seed=29)
    states = [by_hand.patterns(3, n, seed=31) for n in (13, 17)]
    before = [layer.copy() for layer in states]
    gpu.advance(machine, states, KEY, 0, 9, 0)
    assert all(np.array_equal(a, b) for a, b in zip(states, before))
