"""Where the weights of a machine are that has few of them: pieces of diagonals, and a list of the rest.

The weights between unit i and unit j with the same i - j lie on one diagonal, and so do all weights of a receptive field
at one place, since both layers are numbered row by row. `LANES` neighbours on a diagonal belong to neighbouring units
of both layers: without any gathering, one vector of weights is multiplied with one of states. Diagonals that hold too
few weights for that, as in masks without order, are listed weight by weight.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from boltzprune.backend.arrays import Floats
from boltzprune.backend.cpu.vectors import LANES

Ints = npt.NDArray[np.int32]
Places64 = npt.NDArray[np.int64]

WORTH = 2.0
"""Weights of a piece, on the average of a diagonal, from which on pieces are faster than a list."""


class Pieces(NamedTuple):
    """What is summed for the fields of a layer: of units `LANES` b to `LANES` b + `LANES` - 1 the pieces
    first[b] to first[b + 1] - 1. Piece p multiplies `LANES` weights from at[p] on with states from start[p] on.
    """

    first: Ints
    at: Ints
    start: Ints


class Existing(NamedTuple):
    """Places of the weights that exist.

    Attributes
    ----------
    upward, downward : Pieces
        For hidden and for visible units.
    bits : (n_pieces,) uint16
        Which weights of an upward piece exist.
    first : (n_hidden + 1,) int32
        The listed weights of hidden unit j are first[j] to first[j + 1] - 1.
    visible : (n_listed,) int32
        Their visible units.
    """

    upward: Pieces
    downward: Pieces
    bits: npt.NDArray[np.uint16]
    first: Ints
    visible: Ints


class Places(NamedTuple):
    """From a matrix to its weights in a row, and back: first those on the diagonals, with what does not exist between.

    Attributes
    ----------
    size : int
        Numbers in a row.
    visible, hidden, at : (n_existing,) int
        Units of each weight, and its place in the row.
    """

    size: int
    visible: Places64
    hidden: Places64
    at: Places64

    def row(self, matrix: np.ndarray) -> Floats:
        """The weights of a matrix in a row."""
        row = np.zeros(self.size, np.float32)
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


def existing(mask: npt.NDArray[np.bool_]) -> tuple[Existing, Places]:
    """Where the weights of a mask, (n_visible, n_hidden), are; in a row the listed ones follow after the diagonals."""
    (n_visible, n_hidden), (i, j) = mask.shape, np.nonzero(mask)
    offsets, diagonal = np.unique(i - j, return_inverse=True)
    pieces = np.unique(diagonal * blocks(n_hidden) + j // LANES) // blocks(n_hidden)
    is_worth = np.bincount(diagonal) >= WORTH * np.bincount(pieces)
    offsets, diagonal, is_listed = offsets[is_worth], (np.cumsum(is_worth) - 1)[diagonal], ~is_worth[diagonal]
    length = (blocks(n_hidden) + 2) * LANES  # a vector of zeros before and after
    at = diagonal * length + LANES + j
    order = np.flatnonzero(is_listed)[np.argsort(j[is_listed], kind="stable")]
    at[order] = len(offsets) * length + np.arange(len(order))
    on, size = ~is_listed, len(offsets) * length + len(order)
    upward, bits = _pieces(j[on], diagonal[on], np.zeros_like(offsets), offsets, length, blocks(n_hidden))
    downward, _ = _pieces(i[on], diagonal[on], -offsets, -offsets, length, blocks(n_visible))
    first = np.searchsorted(j[order], np.arange(n_hidden + 1)).astype(np.int32)
    return Existing(upward, downward, bits, first, i[order].astype(np.int32)), Places(size, i, j, at)


def _pieces(
    unit: Places64, diagonal: Places64, to_weight: Places64, to_state: Places64, length: int, n_blocks: int
) -> tuple[Pieces, npt.NDArray[np.uint16]]:
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
    bits = np.bincount(piece, 2.0 ** (unit % LANES), len(keys)).astype(np.uint16)
    first = np.searchsorted(block, np.arange(n_blocks + 1))
    return Pieces(*(x.astype(np.int32) for x in (first, at, start))), bits
