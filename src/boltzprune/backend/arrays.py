"""Where arrays lie and how many are handled at once, for backends that compute on the host; no algorithm is here."""

from typing import ClassVar

import numpy as np

PIECE = 1 << 13
"""Chains or cases that are handled at once, so that memory stays small; no result depends on it."""


class HostArrays:
    """What array code asks a backend for, of one that computes on the host.

    Attributes
    ----------
    xp : module
        The array module of what the primitives return: NumPy, or CuPy.
    versions : dict
        What computes here besides the libraries that every result names.
    """

    xp = np
    versions: ClassVar[dict] = {}

    def asarray(self, array, dtype=None):
        """An array where this backend computes; one that lies there already is not copied."""
        return np.asarray(array, dtype=dtype)

    def to_host(self, array):
        """A NumPy array of what a primitive returned."""
        return array

    def on_device(self, machine):
        """A machine whose arrays lie where this backend computes."""
        return machine

    def piece(self, n, bytes_each):
        """How many of n independent chains or cases of so many bytes to handle at once."""
        return min(n, PIECE)

    def in_pieces(self, function, n, bytes_each):
        """Results for all of n independent chains or cases, some at a time.

        Parameters
        ----------
        function : callable
            (first, count) -> result.
        n : int
        bytes_each : int
            Memory that one chain or case needs.

        Returns
        -------
        list
            Of the pieces, in order.
        """
        size, results = max(1, self.piece(n, bytes_each)), []
        for first in range(0, n, size):
            results.append(function(first, min(size, n - first)))
        return results


def pack(states):
    """States as bits along the samples: (n_samples, n_units) uint8 -> (n_units, n_words) uint64, zero-padded."""
    n_samples, n_units = states.shape
    packed = np.packbits(states.T, axis=1, bitorder="little")
    padded = np.zeros((n_units, 8 * -(-n_samples // 64)), dtype=np.uint8)
    padded[:, : packed.shape[1]] = packed
    return padded.view(np.uint64)


def eigh(matrix):
    """Eigenvalues, smallest first, and eigenvectors as columns of a symmetric matrix, float64."""
    from scipy.linalg import eigh

    return eigh(matrix)
