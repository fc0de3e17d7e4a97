"""CD of large machines on the CPU: the low-rank loop and the loop over existing weights, against the reference.

The seeds are such that no uniform number lies within 5e-6 of its probability, where rounding would decide the state.
"""

import dataclasses

import by_hand
import numpy as np
import pytest
from cd_runs import CPU, KEY, LARGE, REFERENCE, assert_backends_agree, assert_close, assert_same_bits, epochs_of, ignore

from boltzprune.backend.cpu import cd_listed, cd_low_rank, cd_sums, existing, loops
from boltzprune.backend.cpu.tiles import TILE, from_tiles, tiles_of
from boltzprune.backend.cpu.working_copy import padded
from boltzprune.core.contrastive import Epoch, NotFiniteError, Velocity
from boltzprune.core.masks import receptive_fields


@pytest.mark.parametrize("n_cases", [1, 2, 5, 15, 16, 17, 33, 53])
@pytest.mark.parametrize("decays", [(0.0, 0.0), (0.009, 0.0009), (0.09, 0.09), (0.2, 0.05)])
def test_low_rank_loop(n_cases, decays):
    machine = by_hand.machine(LARGE, seed=13, scale=0.1)
    assert_backends_agree(machine, n_cases, (0.1, 0.07), decays, tolerance=1e-5)


def test_low_rank_loop_starts_with_the_step_of_the_epoch_before():
    machine = by_hand.machine(LARGE, seed=17, scale=0.1)
    cases = by_hand.patterns(5, 131, seed=19)
    rng = np.random.default_rng(23)
    start = Velocity(*(rng.normal(0, 0.3, s).astype(np.float32) for s in (LARGE, LARGE[0], LARGE[1])))
    kept = dataclasses.replace(start, **{f.name: getattr(start, f.name).copy() for f in dataclasses.fields(start)})
    for n_cases in (1, 3, 5):
        epoch = Epoch(0.05, 0.09, 1, 1, 29)
        results = [b.cd_epoch([machine], [start], [KEY], cases[:n_cases], epoch, ignore)[0] for b in (CPU, REFERENCE)]
        assert_close(*results, 1e-5)
        resting = CPU.cd_epoch([machine], [Velocity.zero(machine)], [KEY], cases[:n_cases], epoch, ignore)[0]
        assert np.abs(results[0][0].weights[0] - resting[0].weights[0]).max() > 0.05
    assert_same_bits((machine, start), (machine, kept))


@pytest.mark.parametrize("sizes", [(1, 1), (3, 2), (31, 33), (65, 7)])
@pytest.mark.parametrize("n_cases", [5, 19])
def test_low_rank_loop_of_every_size(sizes, n_cases, monkeypatch):
    monkeypatch.setattr(loops, "SMALL", 0)
    assert_backends_agree(by_hand.machine(sizes, seed=5, scale=0.3), n_cases, (0.1, 0.05), (0.09, 0.03))


@pytest.mark.parametrize("n_rows", [2, 4, 6, 10, 32])
def test_waiting_updates_are_sums_of_products(n_rows):
    rng = np.random.default_rng(67)
    matrix = padded(rng.normal(0, 1, (37, 41)), 64, 64)
    states, factors = (rng.random((32, 64)) < 0.4).astype(np.uint8), rng.random((32, 64)).astype(np.float32)
    tiles, across = tiles_of(matrix), tiles_of(np.zeros((64, 64), np.float32))
    room = np.empty((64, 8), np.int32), np.zeros((8, 16, TILE), np.float32)
    for n in (n_rows, 2):  # the table of the first must not be in the second
        assert cd_sums.add_waiting(tiles, across, states, factors, np.float32(0.3), n, *room) == 0
        signs = np.where(np.arange(n) % 2, -0.3, 0.3)[:, None]
        matrix = matrix + (signs * states[:n]).T @ factors[:n]
        np.testing.assert_allclose(from_tiles(tiles), matrix, rtol=0, atol=1e-5)
        assert (from_tiles(across) == from_tiles(tiles).T).all()
    tiles[1, 3, 5] = np.inf
    assert np.isnan(cd_sums.add_waiting(tiles, across, states, factors, np.float32(0.3), 2, *room))


def test_a_weight_that_no_unit_reads_stops_the_training_within_a_block(monkeypatch):
    machine = by_hand.machine(LARGE, seed=71, scale=0.1)
    machine.biases[0][3] = machine.biases[1][5] = -60.0  # neither unit is ever on
    machine.weights[0][3, 5] = np.nan
    cases = by_hand.patterns(47, LARGE[0], seed=73)
    cases[:, 3] = 0
    with pytest.raises(NotFiniteError) as caught:
        epochs_of(CPU, machine, cases, [Epoch(0.1, 0.0, 1, 1, 0)])
    assert caught.value.update <= cd_low_rank.BLOCK


def _masks():
    rng = np.random.default_rng(79)
    fields, corners = receptive_fields((11, 13), 5), np.zeros((37, 41), bool)
    corners[[0, 0, 36, 36], [0, 40, 0, 40]] = True
    rows = rng.random((37, 41)) < 0.3
    rows[[0, 5, 36]], rows[:, [0, 7, 16, 17, 40]] = False, False
    return {
        "receptive fields": fields,
        "pruned receptive fields": fields & (rng.random(fields.shape) < 0.5),
        "fields and others": fields | (rng.random(fields.shape) < 0.05),
        "without order": rng.random(LARGE) < 0.1,
        "units without weights": rows,
        "corners": corners,
        "one weight": corners & (np.arange(41) == 40) & (np.arange(37)[:, None] == 0),
        "no weight": np.zeros((3, 17), bool),
        "all weights": np.ones((17, 3), bool),
    }


MASKS = _masks()


@pytest.mark.parametrize("worth", [0.0, 5.0, 99.0])
@pytest.mark.parametrize("name", MASKS)
def test_every_weight_has_one_place(name, worth, monkeypatch):
    monkeypatch.setattr(existing, "WORTH", worth)
    mask = MASKS[name]
    where, places = existing.existing(mask)
    numbers = (np.arange(mask.size).reshape(mask.shape) + 1.0) * mask
    row = places.row(numbers)
    assert np.count_nonzero(row) == np.count_nonzero(mask)
    assert (places.matrix(row, mask.shape) == numbers).all()
    n_bits = [sum(int(bits).bit_count() for bits in found) for found in (where.bits, where.listed_bits)]
    assert sum(n_bits) == np.count_nonzero(mask)
    assert (mask.any() and (n_bits[0] > 0) == (worth == 0)) or worth == 5 or name == "no weight"


@pytest.mark.parametrize(("n_gibbs_steps", "batch_size"), [(1, 1), (1, 5), (3, 2)])
@pytest.mark.parametrize("worth", [0.0, 5.0, 99.0])
@pytest.mark.parametrize("name", MASKS)
def test_listed_loop(name, worth, n_gibbs_steps, batch_size, monkeypatch):
    monkeypatch.setattr(existing, "WORTH", worth)
    mask = MASKS[name]
    machine = by_hand.machine(mask.shape, seed=83, scale=0.3)
    machine = dataclasses.replace(machine, weights=(machine.weights[0] * mask,), masks=(mask,))
    start = Velocity(machine.weights[0] * 0.1, machine.biases[0] * 0.1, machine.biases[1] * 0.1)
    cases = by_hand.patterns(13, mask.shape[0], seed=89)
    epoch = Epoch(0.1, 0.7, n_gibbs_steps, batch_size, 11)
    found = cd_listed.listed_epoch(machine, start, KEY, cases, epoch, ignore)
    [expected] = REFERENCE.cd_epoch([machine], [start], [KEY], cases, epoch, ignore)
    assert_close(found, expected, 3e-6)
    assert np.abs(expected[0].biases[1] - machine.biases[1]).max() > 1e-3
    for matrix in (found[0].weights[0], found[1].weights):
        assert (matrix[~mask] == 0).all()
