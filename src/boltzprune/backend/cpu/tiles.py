"""Matrices cut into tiles: `TILE` columns of all rows, one row after the other.

A sum of rows goes through the memory of a tile in one direction, and keeps what it adds up in two vectors.
"""

from typing import Any

import numpy as np

from boltzprune.backend.cpu.vectors import LANES, zeros

TILE = 2 * LANES
"""Columns of a tile, to a multiple of which layers are filled up."""


def whole_tiles(n: int) -> int:
    """The next multiple of `TILE`."""
    return -(-n // TILE) * TILE


def tiles_of(matrix: np.ndarray) -> np.ndarray[Any, Any]:
    """A matrix of whole tiles as (n_tiles, n_rows, TILE)."""
    n_rows, n_columns = matrix.shape
    tiles = zeros((n_columns // TILE, n_rows, TILE), matrix.dtype)
    tiles[:] = matrix.reshape(n_rows, n_columns // TILE, TILE).transpose(1, 0, 2)
    return tiles


def from_tiles(tiles: np.ndarray) -> np.ndarray[Any, Any]:
    """The matrix of which these are the tiles."""
    return tiles.transpose(1, 0, 2).reshape(tiles.shape[1], -1)
