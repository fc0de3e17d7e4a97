"""The arithmetic inside the compiled loops: Philox4x32-10, the logistic function, popcount.

`error_model="numpy"` is what lets LLVM vectorise a loop with a division. Reassociation is allowed, NaN and infinity are
not optimised away: the checks for them must work.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import float32, int32, types, uint32, uint64
from numba.extending import intrinsic as numba_intrinsic

from boltzprune.backend.arrays import Bytes, Float, Floats
from boltzprune.backend.cpu.cache import njit

intrinsic: Any = numba_intrinsic
"""Numba's, without its type, by which calls in compiled loops would have to give the typing context as well."""
Words32 = npt.NDArray[np.uint32]
"""Words of counters."""

FAST: dict[str, Any] = {
    "fastmath": {"reassoc", "contract", "nsz", "arcp"},
    "error_model": "numpy",
    "nogil": True,
    "cache": True,
}
ORDERED: dict[str, Any] = {**FAST, "fastmath": {"contract", "nsz"}}
"""Sums in the order that is written: of loops over `vectors`, which say themselves what is added side by side."""
INLINE: dict[str, Any] = {"inline": "always", "error_model": "numpy"}

MULTIPLIER0, MULTIPLIER1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
INCREMENT0, INCREMENT1 = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
UNIT = np.float32(2.0**-24)
ROUNDS = 10
"""Of Philox."""
BLOCKS_TOGETHER = 8
"""The random numbers of a loop are padded to a multiple of this many blocks, so that it has no scalar tail."""
EXPONENTIAL = 1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1
"""Coefficients of exp(f) = 1 + f + f^2 p(f) for |f| <= log(2) / 2, the highest first, from Cephes (Moshier)."""


class Words(NamedTuple):
    """The parts of the counter that are the same for all random numbers of a loop, which takes them as one argument.

    Attributes
    ----------
    blocks, layers : (n_blocks,) uint32
        See `blocks_for`.
    offset : int
        Where the numbers of the last layer begin.
    k0, k1 : np.uint32
        The two words of the stream's key.
    """

    blocks: Words32
    layers: Words32
    offset: int
    k0: np.uint32
    k1: np.uint32


@njit(**INLINE)
def philox(
    c0: np.uint32, c1: np.uint32, c2: np.uint32, c3: np.uint32, k0: np.uint32, k1: np.uint32
) -> tuple[np.uint32, np.uint32, np.uint32, np.uint32]:
    """Four 32-bit words at one counter; the same as `streams.philox4x32`.

    Parameters
    ----------
    c0, c1, c2, c3 : np.uint32
        Counter: block of units, chain, step, layer.
    k0, k1 : np.uint32
        Key.
    """
    for _ in range(ROUNDS):
        p0 = MULTIPLIER0 * uint64(c0)
        p1 = MULTIPLIER1 * uint64(c2)
        c0 = uint32(p1 >> uint64(32)) ^ c1 ^ k0
        c2 = uint32(p0 >> uint64(32)) ^ c3 ^ k1
        c1 = uint32(p1)
        c3 = uint32(p0)
        k0 = uint32(k0 + INCREMENT0)
        k1 = uint32(k1 + INCREMENT1)
    return c0, c1, c2, c3


@njit(**FAST)
def fill_uniform(
    out: Floats, blocks: Words32, layers: Words32, chain: int, step: int, k0: np.uint32, k1: np.uint32
) -> None:
    """Uniform numbers of units 4 blocks[b] ... + 3 of layers[b] into out[4 b ... + 3], as `streams.uniform`.

    Parameters
    ----------
    out : (4 n_blocks,) float32
    blocks, layers, k0, k1
        See `Words`; single arguments, since a record of them would be taken apart for every case.
    chain, step : int
    """
    # The four words of a block are neighbours in `out`, so that LLVM makes one vector of as many blocks as fit.
    for b in range(blocks.size):
        x0, x1, x2, x3 = philox(blocks[b], uint32(chain), uint32(step), layers[b], k0, k1)
        out[4 * b] = float32(int32(x0 >> uint32(8))) * UNIT
        out[4 * b + 1] = float32(int32(x1 >> uint32(8))) * UNIT
        out[4 * b + 2] = float32(int32(x2 >> uint32(8))) * UNIT
        out[4 * b + 3] = float32(int32(x3 >> uint32(8))) * UNIT


def blocks_for(*layers: tuple[int, int]) -> tuple[Words32, Words32, list[int]]:
    """Counter words for `fill_uniform`: for each (layer, n_units) its blocks, then padding to whole vectors.

    Returns
    -------
    tuple
        (n_blocks,) uint32 blocks, (n_blocks,) uint32 layers, and the offset of each layer's numbers in the buffer.
    """
    blocks: list[int] = []
    tags: list[int] = []
    offsets: list[int] = []
    for layer, n_units in layers:
        offsets.append(4 * len(blocks))
        n_blocks = -(-n_units // 4)
        blocks += range(n_blocks)
        tags += [layer] * n_blocks
    padding = -len(blocks) % BLOCKS_TOGETHER
    blocks += [0] * padding
    tags += [layers[-1][0]] * padding
    return np.array(blocks, dtype=np.uint32), np.array(tags, dtype=np.uint32), offsets


def words_for(key: np.uint64, *layers: tuple[int, int]) -> Words:
    """The `Words` of a stream for layers of (layer, n_units)."""
    blocks, tags, offsets = blocks_for(*layers)
    return Words(blocks, tags, offsets[-1], *halves(key))


def halves(key: np.uint64) -> tuple[np.uint32, np.uint32]:
    """The two 32-bit words of a stream's key."""
    return np.uint32(int(key) & 0xFFFFFFFF), np.uint32(int(key) >> 32)


@njit(**INLINE)
def logistic(x: Float) -> Float:
    """1 / (1 + exp(-x)) in float32, relative error below 2e-7 for |x| < 87."""
    t = -x
    t = float32(-87.0) if t < float32(-87.0) else t
    t = float32(87.0) if t > float32(87.0) else t
    n = np.float32(np.rint(t * float32(1.4426950408889634)))
    f = t - n * float32(0.693359375) + n * float32(2.12194440e-4)
    p = float32(EXPONENTIAL[0])
    p = p * f + float32(EXPONENTIAL[1])
    p = p * f + float32(EXPONENTIAL[2])
    p = p * f + float32(EXPONENTIAL[3])
    p = p * f + float32(EXPONENTIAL[4])
    p = p * f + float32(EXPONENTIAL[5])
    e = p * f * f + f + float32(1.0)
    power_of_two = np.int32((np.int32(n) + np.int32(127)) * np.int32(1 << 23))
    return float32(1.0) / (float32(1.0) + e * np.int32(power_of_two).view(np.float32))


def decide(values: Floats, are_fields: bool, key: np.uint64, step: int, layer: int, first_chain: int) -> Bytes:
    """States of a layer from fields or from probabilities.

    Parameters
    ----------
    values : (n_chains, n_units) float32
    are_fields : bool
        Else they are probabilities.
    key : np.uint64
    step, layer, first_chain : int
        Counter of the random numbers; row c is chain first_chain + c.

    Returns
    -------
    (n_chains, n_units) uint8
    """
    states: Bytes = np.empty(values.shape, np.uint8)
    _decide(
        np.ascontiguousarray(values), are_fields, states, first_chain, step, words_for(key, (layer, states.shape[1]))
    )
    return states


@njit(**FAST)
def _decide(values: Floats, are_fields: bool, states: Bytes, first_chain: int, step: int, words: Words) -> None:
    """The loop of `decide`, chain by chain.

    Parameters
    ----------
    values, are_fields, first_chain, step
        See `decide`.
    states : (n_chains, n_units) uint8
        Filled.
    words : Words
    """
    blocks, layers, _, k0, k1 = words
    uniform = np.empty(4 * blocks.size, np.float32)  # of one chain: what is drawn is used while it is in cache
    for c in range(values.shape[0]):
        fill_uniform(uniform, blocks, layers, first_chain + c, step, k0, k1)
        for j in range(values.shape[1]):
            p = logistic(values[c, j]) if are_fields else values[c, j]
            states[c, j] = 1 if uniform[j] < p else 0


@intrinsic
def popcount(typing_context: Any, word: Any) -> tuple[Any, Callable[..., Any]]:
    """Number of ones in a 64-bit word."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = builder.module.declare_intrinsic("llvm.ctpop", [ir.IntType(64)])
        return builder.call(function, arguments)

    return types.uint64(types.uint64), generate
