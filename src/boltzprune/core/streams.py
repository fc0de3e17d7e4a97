"""Random numbers that are derived, never consumed: Philox4x32-10 at a counter that says what the number is for.

Source: Salmon, Moraes, Dror & Shaw (2011), "Parallel random numbers: as easy as 1, 2, 3", SC'11; checked in the tests
against the vectors published with Random123.

A draw depends on (seed, purpose, indices; step, layer, chain, unit) and on nothing else. So no result depends on
chunks, threads, the seeds that share a job, or a restart.

    key      64 bits: a hash of seed, purpose and indices (`fork`)
    counter  128 bits: (unit // 4, chain, step, layer), a 32-bit word each; the draw is word `unit % 4` of the block
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from boltzprune.errors import InputError

PURPOSES = (
    "choice of patterns",
    "initial weights",
    "training",
    "samples",
    "ties",
    "random weights",
    "random units",
    "pre-training",
    "hidden data",
    "encodings",
    "log Z",
    "random patterns",
    "restart of chains",
    "order of patterns",
    "trial of a criterion",
    "other initial weights",
    "chains from two starts",
    "samples drawn again",
    "regrowth",
)
"""Everything that the package uses random numbers for: two purposes never share a stream."""

MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
KEY_INCREMENTS = (0x9E3779B9, 0xBB67AE85)
N_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def fork(seed: int, purpose: str, *indices: int) -> np.uint64:
    """Key of the stream for one seed, one purpose and, where there are several, the integers that tell them apart.

    Parameters
    ----------
    seed : int, >= 0
    purpose : str
        One of `PURPOSES`, or what you use the numbers for in your own words: "start of my chains".
    *indices : int
        For example the pruning iteration.

    Returns
    -------
    np.uint64
        The first 8 bytes of BLAKE2b over the three.

    Raises
    ------
    InputError
        If the purpose is no text, or has a bar, which stands between purpose and numbers.

    Examples
    --------
    >>> from boltzprune.core.streams import fork, uniform
    >>> uniform(fork(3, "start of my chains"), step=0, layer=0, chains=[0, 1], n_units=2).shape
    (2, 2)
    """
    if not isinstance(purpose, str) or not purpose or "|" in purpose:
        raise InputError(f"fork: purpose is {purpose!r}; expected what the random numbers are for, a text without '|'")
    text = "|".join(str(part) for part in (purpose, int(seed), *map(int, indices)))
    return np.uint64(int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little"))


def philox4x32(counter: Sequence[npt.ArrayLike], key: np.uint64) -> Sequence[npt.NDArray[np.uint64]]:
    """Philox4x32-10, the specification: four 32-bit words at each counter.

    Parameters
    ----------
    counter : sequence of four (...) integer arrays, each in [0, 2**32)
    key : np.uint64
        Its low word is the first key word.

    Returns
    -------
    sequence of four (...) uint64 arrays, each in [0, 2**32)
    """
    c: Sequence[npt.NDArray[np.uint64]] = np.broadcast_arrays(*(np.asarray(word, dtype=np.uint64) for word in counter))
    k0, k1 = int(key) & 0xFFFFFFFF, int(key) >> 32
    for _ in range(N_ROUNDS):
        product0, product1 = MULTIPLIERS[0] * c[0], MULTIPLIERS[1] * c[2]
        c = [
            (product1 >> _SHIFT) ^ c[1] ^ np.uint64(k0),
            product1 & _LOW,
            (product0 >> _SHIFT) ^ c[3] ^ np.uint64(k1),
            product0 & _LOW,
        ]
        k0, k1 = (k0 + KEY_INCREMENTS[0]) & 0xFFFFFFFF, (k1 + KEY_INCREMENTS[1]) & 0xFFFFFFFF
    return c


def words(key: np.uint64, step: int, layer: int, chains: npt.ArrayLike, n_units: int) -> npt.NDArray[np.uint64]:
    """One 32-bit word for each unit of each chain.

    Parameters
    ----------
    key : np.uint64
        Stream, from `fork`.
    step, layer : int, in [0, 2**32)
    chains : (n_chains,) int, in [0, 2**32)
        Numbers of the chains.
    n_units : int

    Returns
    -------
    (n_chains, n_units) uint64, each in [0, 2**32)
    """
    n_blocks = -(-n_units // 4)
    chains = np.asarray(chains, dtype=np.uint64)[:, None]
    block = philox4x32((np.arange(n_blocks, dtype=np.uint64)[None, :], chains, step, layer), key)
    return np.stack(block, axis=-1).reshape(len(chains), 4 * n_blocks)[:, :n_units]


def uniform(key: np.uint64, step: int, layer: int, chains: npt.ArrayLike, n_units: int) -> npt.NDArray[np.float32]:
    """Uniform numbers for a unit's decision `state = uniform < probability`.

    Parameters
    ----------
    key, step, layer, chains, n_units
        As for `words`.

    Returns
    -------
    (n_chains, n_units) float32, multiples of 2**-24 in [0, 1)
    """
    return (words(key, step, layer, chains, n_units) >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24)


def uniform_double(
    key: np.uint64, step: int, layer: int, chains: npt.ArrayLike, n_units: int
) -> npt.NDArray[np.float64]:
    """Uniform numbers of 52 bits, for where 24 bits are too coarse; each takes two words.

    Parameters
    ----------
    key, step, layer, chains, n_units
        As for `words`.

    Returns
    -------
    (n_chains, n_units) float64, in (0, 1)
    """
    pairs = words(key, step, layer, chains, 2 * n_units)
    bits = (pairs[:, 0::2] << np.uint64(20)) ^ (pairs[:, 1::2] >> np.uint64(12))
    return (bits.astype(np.float64) + 0.5) * 2.0**-52


def permutation(key: np.uint64, n: int) -> npt.NDArray[np.int64]:
    """A random order of n things: (n,) int64, the indices sorted by a 64-bit word each."""
    pairs = words(key, 0, 0, np.zeros(1), 2 * n)[0]
    return np.argsort((pairs[0::2] << _SHIFT) | pairs[1::2], kind="stable")
