"""Where the weights of a machine are that has few of them: in pieces of `LANES`, of diagonals or of lists.

The weights between unit i and unit j with the same i - j lie on one diagonal, and so do those at one place of all
receptive fields, since both layers are numbered row by row. `LANES` neighbours on a diagonal belong to neighbouring
units of both layers: one vector of weights is multiplied with one of states. Diagonals that hold too few weights for
that, as in masks without order, are listed by hidden units: a piece has a weight of each of `LANES` neighbouring hidden
units, and the states of their visible units are gathered.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from boltzprune.backend.arrays import Floats, Ints, Places
from boltzprune.backend.cpu.vectors import LANES, zeros

Bits = npt.NDArray[np.uint16]

WORTH = 5.0
"""Weights of a piece, on the average of a diagonal, from which on the diagonal is faster than a list."""


class Pieces(NamedTuple):
    """What is summed for the fields of a layer: of units `LANES` b to `LANES` b + `LANES` - 1 the pieces
    first[b] to first[b + 1] - 1. Piece p multiplies `LANES` weights from at[p] on with states from start[p] on.
    """

    first: Ints
    at: Ints
    start: Ints


class Existing(NamedTuple):
    """Order of the weights that exist.

    Attributes
    ----------
    upward, downward : Pieces
        For hidden and for visible units.
    bits : (n_pieces,) uint16
        Which weights of an upward piece exist.
    listed : Pieces
        For hidden units: piece p has weights at[p] and so on, and gathers the states at visible[start[p]] and so on.
    listed_bits : (n_listed_pieces,) uint16
    visible : (`LANES` n_listed_pieces,) int32
        Order of states; 0, where there is a zero, for weights that do not exist.
    """

    upward: Pieces
    downward: Pieces
    bits: Bits
    listed: Pieces
    listed_bits: Bits
    visible: Ints


class Order(NamedTuple):
    """From a matrix to its weights in a row, and back: the diagonals, then the lists, with zeros between.

    Attributes
    ----------
    size : int
        Numbers in a row.
    visible, hidden, at : (n_existing,) int
        Units of each weight, and its place in the row.
    """

    size: int
    visible: Places
    hidden: Places
    at: Places

    def row(self, matrix: np.ndarray) -> Floats:
        """The weights of a matrix in a row."""
        row = zeros(self.size)
        row[self.at] = matrix[self.visible, self.hidden]
        return row

    def matrix(self, row: Floats, shape: tuple[int, ...]) -> Floats:
        """The matrix with these weights."""
        matrix = np.zeros(shape, np.float32)
        matrix[self.visible, self.hidden] = row[self.at]
        return matrix


def blocks(n: int) -> int:
    """Vectors that hold a layer."""
    return -(-n // LANES)


def existing(mask: npt.NDArray[np.bool_]) -> tuple[Existing, Order]:
    """Where the weights of a mask, (n_visible, n_hidden), are."""
    (n_visible, n_hidden), (i, j) = mask.shape, np.nonzero(mask)
    offsets, diagonal = np.unique(i - j, return_inverse=True)
    pieces = np.unique(diagonal * blocks(n_hidden) + j // LANES) // blocks(n_hidden)
    is_worth = np.bincount(diagonal) >= WORTH * np.bincount(pieces)
    offsets, diagonal, is_listed = offsets[is_worth], (np.cumsum(is_worth) - 1)[diagonal], ~is_worth[diagonal]
    length = (blocks(n_hidden) + 2) * LANES  # a vector of zeros before and after
    at, on = diagonal * length + LANES + j, ~is_listed
    listed, listed_bits, visible, place = _listed(i[is_listed], j[is_listed], n_hidden, len(offsets) * length)
    at[is_listed] = place
    upward, bits = _pieces(j[on], diagonal[on], np.zeros_like(offsets), offsets, length, blocks(n_hidden))
    downward, _ = _pieces(i[on], diagonal[on], -offsets, -offsets, length, blocks(n_visible))
    size = len(offsets) * length + len(visible)
    return Existing(upward, downward, bits, listed, listed_bits, visible), Order(size, i, j, at)


def _pieces(
    unit: Places, diagonal: Places, to_weight: Places, to_state: Places, length: int, n_blocks: int
) -> tuple[Pieces, Bits]:
    """The pieces of one direction, and which weights of each exist.

    Parameters
    ----------
    unit, diagonal : (n_weights,) int
        The unit whose field a weight counts in, and its diagonal.
    to_weight, to_state : (n_diagonals,) int
        From the number of such a unit to the place on the diagonal and to the number of the other unit.
    length : int
        Numbers that a diagonal takes in a row.
    n_blocks : int
        Vectors of units.
    """
    n_diagonals = max(len(to_weight), 1)
    keys, piece = np.unique(unit // LANES * n_diagonals + diagonal, return_inverse=True)
    block, diagonal = keys // n_diagonals, keys % n_diagonals
    start = block * LANES + LANES
    at, start = diagonal * length + start + to_weight[diagonal], start + to_state[diagonal]
    bits = _bits(unit, piece, len(keys))
    first = np.searchsorted(block, np.arange(n_blocks + 1))
    return Pieces(*(x.astype(np.int32) for x in (first, at, start))), bits


def _bits(unit: Places, piece: Places, n_pieces: int) -> Bits:
    """Which weights of each piece exist, from unit and piece of every weight."""
    return np.bincount(piece, 2.0 ** (unit % LANES), n_pieces).astype(np.uint16)


def _listed(visible: Places, hidden: Places, n_hidden: int, start: int) -> tuple[Pieces, Bits, Ints, Places]:
    """The listed pieces, which of their weights exist, places of the states, and the place of every weight in a row.

    Parameters
    ----------
    visible, hidden : (n_weights,) int
        Units of the listed weights.
    n_hidden, start : int
        Where the lists begin in a row.
    """
    order = np.argsort(hidden, kind="stable")
    counts = np.bincount(hidden, minlength=blocks(n_hidden) * LANES)
    turn = np.empty_like(hidden)
    turn[order] = np.arange(len(order)) - (np.cumsum(counts) - counts)[hidden[order]]  # among those of its unit
    first = np.append(0, np.cumsum(counts.reshape(-1, LANES).max(axis=1)))
    piece, n_pieces = first[hidden // LANES] + turn, int(first[-1])
    states, place = np.zeros(n_pieces * LANES, np.int32), piece * LANES + hidden % LANES
    states[place] = LANES + visible
    begin = np.arange(n_pieces) * LANES
    pieces = Pieces(*(x.astype(np.int32) for x in (first, start + begin, begin)))
    return pieces, _bits(hidden, piece, n_pieces), states, start + place
