"""Compiled mean-field iteration of deep machines, two images at a time.

It works on changes: once a probability has moved by more than `quiet` since its last announcement, its row of weights
times the change goes into the fields of its neighbours. What stays unsaid is at most quiet |w|_1 in a field. Two images
share a pass over the weights, and nothing depends on which two.
"""

from typing import NamedTuple

import numpy as np
from numba import float32

from boltzprune.backend.arrays import Bytes, Float, Floats, Places
from boltzprune.backend.cpu.arithmetic import FAST, logistic
from boltzprune.backend.cpu.cache import njit
from boltzprune.backend.cpu.gibbs import Layers, Mask, add_active
from boltzprune.backend.cpu.two_image_sums import PAIR, add_rows_to_pair, dot_rows

QUIET = 0.1
"""A change of a probability is passed on once it exceeds this share of the tolerance of mean-field iteration,"""
RESOLUTION = 1e-7
"""or this, if that is larger: float32 numbers near 1 are 6e-8 apart."""


class Space(NamedTuple):
    """Room for a pair of images, used again for the next.

    Attributes
    ----------
    fields, means, said : (n_layers, PAIR, width) float32
        Of every unit: its field, its probability, and the probability that its neighbours were told last.
    chosen : (width + 1,) int64
    factors : (width + 1, PAIR) float32
    changes : (PAIR, width) float32
        See `_announce`.
    """

    fields: Floats
    means: Floats
    said: Floats
    chosen: Places
    factors: Floats
    changes: Floats


def limits_of(tolerance: float) -> tuple[Float, Float]:
    """Tolerance, and the change that is passed on, both float32."""
    return np.float32(tolerance), np.float32(max(QUIET * tolerance, RESOLUTION))


def room_for(machine: Layers, n: int) -> tuple[tuple[Floats, ...], Places]:
    """What `mean_field_cases` fills for n cases: probabilities of every hidden layer, and the numbers of sweeps, 0."""
    return tuple(np.empty((n, bias.size), np.float32) for bias in machine.biases[1:]), np.zeros(n, np.int64)


@njit(**FAST)
def _announce(
    means: Floats,
    said: Floats,
    size: int,
    quiet: Float,
    chosen: Places,
    factors: Floats,
    changes: Floats,
    n_moved: Places,
) -> int:
    """Units that moved by more than `quiet` in an image since they last said so: number, places, change per image.

    Parameters
    ----------
    means, said : (PAIR, width) float32
        said becomes means where a unit moved.
    size : int
        Units of the layer.
    quiet : float32
    chosen, factors, changes, n_moved
        Filled: places, (n, PAIR) changes there, (PAIR, width) changes everywhere, and the number in each image.
    """
    n, n_moved[:] = 0, 0
    for i in range(size):
        anywhere = False
        for g in range(PAIR):
            change = means[g, i] - said[g, i]
            moved = not abs(change) <= quiet  # also where it is NaN
            factors[n, g] = changes[g, i] = change if moved else float32(0)
            said[g, i] = means[g, i] if moved else said[g, i]
            n_moved[g] += moved
            anywhere |= moved
        chosen[n] = i
        n += anywhere
    return n


@njit(**FAST)
def _settle(field: Floats, mean: Floats, tolerance: Float) -> int:
    """Mean <- s(field); how many changed by more than the tolerance (a value that is not finite counts).

    Both are (n_units,) float32, of one layer and one image.
    """
    n_changed = 0
    for j in range(mean.size):
        new = logistic(field[j])
        n_changed += 0 if abs(new - mean[j]) <= tolerance else 1
        mean[j] = new
    return n_changed


@njit(**FAST)
def _start(field: Floats, bias: Floats, gain: Float, mean: Floats) -> None:
    """Mean <- s(b + gain (field - b)): a layer in the bottom-up pass, when the layer above has said nothing yet.

    The arrays are (n_units,) float32, of one layer and one image. The gain is 2 if there is a layer above, else 1.
    """
    for j in range(mean.size):
        mean[j] = logistic(bias[j] + gain * (field[j] - bias[j]))


@njit(**FAST)
def _fewest(n_moved: Places) -> int:
    """The smallest positive number, or 0."""
    n = n_moved.max()
    for g in range(PAIR):
        n = n_moved[g] if 0 < n_moved[g] < n else n
    return n


@njit(**FAST)
def _keep(changes: Floats, n_moved: Places, size: int, are_many: bool) -> None:
    """Keep the changes of images with many of them, or of those with few; the others become 0.

    So which way the changes of an image take depends on that image alone.

    Parameters
    ----------
    changes : (PAIR, size) float32, or more or fewer columns
    n_moved : (PAIR,) int64
        Units of the layer that moved, in each image.
    size : int
        Units of the layer; many: more than half of them.
    are_many : bool
        Which of the two to keep.
    """
    for g in range(PAIR):
        if (2 * n_moved[g] > size) != are_many:
            changes[g, :size] = float32(0)


@njit(**FAST)
def _sweep(machine: Layers, space: Space, limits: tuple[Float, Float], is_first: bool, is_open: Mask) -> None:
    """One sweep over all layers from below for two images; `is_open` becomes False where an image is done.

    Parameters
    ----------
    machine : Layers
    space : Space
    limits : (float32, float32)
        See `limits_of`.
    is_first : bool
        Whether this is the bottom-up pass.
    is_open : (PAIR,) bool
    """
    up, down, biases = machine
    fields, means, said, chosen, factors, changes = space
    top, (tolerance, quiet) = len(biases) - 1, limits
    changed, n_moved = np.zeros(PAIR, np.int64), np.zeros(PAIR, np.int64)
    for layer in range(1, top + 1):
        size = biases[layer].size
        for g in range(PAIR):
            if is_open[g] and is_first:
                gain = float32(2) if layer < top else float32(1)
                _start(fields[layer, g, :size], biases[layer], gain, means[layer, g, :size])
                changed[g] = 1
            elif is_open[g]:
                changed[g] += _settle(fields[layer, g, :size], means[layer, g, :size], tolerance)
        n = _announce(means[layer], said[layer], size, quiet, chosen, factors, changes, n_moved)
        if layer < top:
            rows, first, last, is_full = up[layer]
            add_rows_to_pair(fields[layer + 1], factors, rows, first, last, chosen, n, is_full)
        if layer > 1 and 2 * n_moved.max() > size:
            _keep(changes, n_moved, size, True)
            dot_rows(fields[layer - 1], changes, up[layer - 1][0], size)
        if layer > 1 and 0 < 2 * _fewest(n_moved) <= size:
            _keep(factors[:n].T, n_moved, size, False)
            rows, first, last, is_full = down[layer - 1]
            add_rows_to_pair(fields[layer - 1], factors, rows, first, last, chosen, n, is_full)
    for g in range(PAIR):
        is_open[g] = is_open[g] and changed[g] > 0


@njit(**FAST)
def mean_field_cases(
    machine: Layers,
    visible: Bytes,
    results: tuple[Floats, ...],
    limits: tuple[Float, Float],
    max_sweeps: int,
    n_sweeps: Places,
) -> None:
    """Mean-field posteriors, see `joint.mean_field`.

    Parameters
    ----------
    machine : Layers
    visible : (n, n_visible) uint8
    results : tuple of (n, n_units) float32
        Filled with the probabilities of every hidden layer.
    limits : (float32, float32)
        See `limits_of`.
    max_sweeps : int
    n_sweeps : (n,) int64
        Zeros; filled with the sweeps of each case.
    """
    up, _, biases = machine
    n_layers, width = len(biases), 1
    for layer in range(n_layers):
        width = max(width, biases[layer].size)
    layers = np.zeros((3, n_layers, PAIR, width), np.float32)
    fields, means, said = layers[0], layers[1], layers[2]
    chosen, ones = np.empty(width + 1, np.int64), np.ones(width, np.float32)
    factors, is_open = np.empty((width + 1, PAIR), np.float32), np.zeros(PAIR, np.bool_)
    changes = np.empty((PAIR, width), np.float32)
    space = Space(fields, means, said, chosen, factors, changes)
    for start in range(0, visible.shape[0], PAIR):
        n_cases = min(PAIR, visible.shape[0] - start)
        said[:] = float32(0)
        means[:] = float32(0)
        for g in range(PAIR):  # without a second image its half is all zeros, which announce nothing
            is_open[g] = g < n_cases
            for layer in range(1, n_layers):
                fields[layer, g, : biases[layer].size] = biases[layer]
            if g < n_cases:
                rows, first, last, is_full = up[0]
                field = fields[1, g, : biases[1].size]
                add_active(field, visible[start + g], rows, first, last, chosen, ones, is_full)
        for sweep in range(max_sweeps + 1):  # the first is the bottom-up pass, which does not count
            for g in range(n_cases):
                n_sweeps[start + g] += is_open[g] and sweep > 0
            _sweep(machine, space, limits, sweep == 0, is_open)
            if not is_open.any():
                break
        for layer in range(1, n_layers):
            for g in range(n_cases):
                results[layer - 1][start + g] = means[layer, g, : biases[layer].size]
