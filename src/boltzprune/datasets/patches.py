"""Circular patches of binary images as visible patterns, and the choice of some of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from boltzprune.core import streams
from boltzprune.datasets.binary import binarise, grey, two_values
from boltzprune.datasets.example import example_patch
from boltzprune.datasets.raw import Raw
from boltzprune.errors import InputError


@dataclass(frozen=True)
class Prepared:
    """The patterns to learn.

    Attributes
    ----------
    states : (n, n_visible) uint8 array in {0, 1}
        In the random order in which they were chosen.
    offsets : (n_visible, 2) int array, or None
        (dy, dx) of each visible unit from the centre of its patch; None for a user's own patterns.
    counts : dict of str to int
        images, patches_available, patterns, distinct_patterns, constant_pixels.
    notes : list of str
        Those of the source, and what was found here.
    example : dict of str to array
        One patch for a figure (see `boltzprune.datasets.example.example_patch`); empty for a user's own patterns.
    """

    states: npt.NDArray[np.uint8]
    offsets: npt.NDArray[np.int64] | None
    counts: dict[str, int]
    notes: list[str] = field(default_factory=list)
    example: dict[str, np.ndarray] = field(default_factory=dict)


def circle_offsets(radius: float) -> npt.NDArray[np.int64]:
    """Pixels of a circle around a pixel: those with sqrt(dx^2 + dy^2) <= radius.

    Parameters
    ----------
    radius : float, >= 0, pixels

    Returns
    -------
    (n_visible, 2) int64 array
        (dy, dx) in row-major order; 13 of them at radius 2.1.
    """
    reach = math.floor(radius)
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    inside = np.sqrt(dx**2 + dy**2) <= radius
    return np.stack([dy[inside], dx[inside]], axis=1)


def tile_centres(height: int, width: int, radius: float) -> npt.NDArray[np.int64]:
    """Centres of square tiles of side 2 floor(radius) + 1 that cover an image from its top left corner, no overlap.

    Parameters
    ----------
    height, width : pixels
    radius : >= 0, pixels

    Returns
    -------
    (n_tiles, 2) int64 array
        (y, x) in row-major order; 36 of them for 32 x 32 pixels at radius 2.1.

    Raises
    ------
    InputError
        If not even one tile fits.
    """
    reach = math.floor(radius)
    side = 2 * reach + 1
    if side > min(height, width):
        raise InputError(
            f"patches.data.radius is {radius}: a patch is {side} pixels wide and an image has {height} x {width}; "
            f"expected a radius below {(min(height, width) + 1) // 2}"
        )
    y, x = np.mgrid[: height // side, : width // side]
    return np.stack([y.ravel(), x.ravel()], axis=1) * side + reach


def cut_at(
    stack: npt.NDArray[np.uint8],
    offsets: npt.NDArray[np.int64],
    images: npt.NDArray[np.int64],
    centres: npt.NDArray[np.int64],
) -> npt.NDArray[np.uint8]:
    """The patch around one centre in each of several images.

    Parameters
    ----------
    stack : (n_images, height, width) uint8 array in {0, 1}
    offsets : (n_visible, 2) int array
        (dy, dx), from `circle_offsets`.
    images : (n,) int array
        Which image.
    centres : (n, 2) int array
        (y, x) in it, so that the whole patch lies inside.

    Returns
    -------
    (n, n_visible) uint8 array
    """
    states = np.empty((len(images), len(offsets)), dtype=np.uint8)
    for unit, (dy, dx) in enumerate(offsets):
        states[:, unit] = stack[images, centres[:, 0] + dy, centres[:, 1] + dx]
    return states


def cut(
    stack: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64], centres: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint8]:
    """Every patch of every image: (n_images * n_tiles, n_visible) uint8, all tiles of the first image first.

    Parameters
    ----------
    stack : (n_images, height, width) uint8 array in {0, 1}
    offsets : (n_visible, 2) int array
        (dy, dx), from `circle_offsets`.
    centres : (n_tiles, 2) int array
        (y, x), from `tile_centres`.

    Returns
    -------
    (n_images * n_tiles, n_visible) uint8 array
    """
    images = np.repeat(np.arange(len(stack)), len(centres))
    return cut_at(stack, offsets, images, np.tile(centres, (len(stack), 1)))


def choose(n_available: int, n_wanted: int, seed: int) -> npt.NDArray[np.int64]:
    """Some of the patterns at random, none twice: the first ones of a random order of all.

    Parameters
    ----------
    n_available, n_wanted
    seed : >= 0

    Returns
    -------
    (n_wanted,) int64 array, in [0, n_available)

    Raises
    ------
    InputError
        If more are wanted than there are.
    """
    if not 1 <= n_wanted <= n_available:
        raise InputError(
            f"patches.data.n_patterns is {n_wanted}, but the data hold {n_available} patterns; expected a number from "
            f"1 to {n_available}: ask for fewer, or give more images or a smaller patches.data.radius"
        )
    return streams.permutation(streams.fork(seed, "choice of patterns"), n_available)[:n_wanted].astype(np.int64)


def prepare(raw: Raw, settings: Any) -> Prepared:
    """The patterns to learn, from the images or patterns of a source.

    Only the chosen patches are cut out, so memory stays at a few bytes for each pixel.

    Parameters
    ----------
    raw : Raw
        From the source's `read`.
    settings : object
        With radius, n_patterns, median, at_median, seed.

    Returns
    -------
    Prepared

    Raises
    ------
    InputError
        If the radius does not fit into an image, there are fewer patterns than wanted, or all of them are the same.
    """
    offsets: npt.NDArray[np.int64] | None = None
    example: dict[str, np.ndarray] = {}
    n_images = 0
    of_images: list[str] = []
    if raw.images is not None:
        n_images = sum(len(stack) for stack in raw.images)
        offsets = circle_offsets(settings.radius)
        states, n_available, example, of_images = _from_images(raw.images, offsets, settings)
    elif raw.patterns is not None:  # as is always so without images
        n_available = len(raw.patterns)
        states = raw.patterns[choose(n_available, settings.n_patterns, settings.seed)]
    is_constant = states.min(axis=0) == states.max(axis=0)
    counts = {
        "images": n_images,
        "patches_available": n_available,
        "patterns": len(states),
        "distinct_patterns": len(np.unique(np.packbits(states, axis=1), axis=0)),
        "constant_pixels": int(is_constant.sum()),
    }
    notes = [*raw.notes, *of_images, *_notes_on_constant(is_constant, counts)]
    return Prepared(states=states, offsets=offsets, counts=counts, notes=notes, example=example)


def _from_images(
    images: Sequence[np.ndarray], offsets: npt.NDArray[np.int64], settings: Any
) -> tuple[npt.NDArray[np.uint8], int, dict[str, np.ndarray], list[str]]:
    """The chosen patches, how many there were, one of them for a figure, and notes."""
    tiles = [tile_centres(stack.shape[1], stack.shape[2], settings.radius) for stack in images]
    ends = np.cumsum([len(stack) * len(centres) for stack, centres in zip(images, tiles)])
    chosen = choose(int(ends[-1]), settings.n_patterns, settings.seed)
    greys = [grey(stack) for stack in images]
    binary = binarise(greys, settings.median, settings.at_median)
    notes = _notes_on_binary(greys, binary, settings)
    which = np.searchsorted(ends, chosen, side="right")
    states = np.empty((len(chosen), len(offsets)), dtype=np.uint8)
    places = np.empty((len(chosen), 4), dtype=np.int64)  # stack, image, y, x
    for k, (stack, centres) in enumerate(zip(binary, tiles)):
        here = which == k
        image, tile = np.divmod(chosen[here] - (ends[k] - len(stack) * len(centres)), len(centres))
        states[here] = cut_at(stack, offsets, image, centres[tile])
        places[here] = np.column_stack([np.full(len(image), k), image, centres[tile]])
    return states, int(ends[-1]), example_patch(images, binary, states, places, settings.radius), notes


def _notes_on_binary(greys: Sequence[np.ndarray], binary: Sequence[npt.NDArray[np.uint8]], settings: Any) -> list[str]:
    """Notes on images that were binary before, and on those that are plain now; an error if all have the same value."""
    if (values := two_values(greys)) is not None:
        text = f"the images have two values, {values[0]:g} and {values[1]:g}, and are taken as they are"
        return [f"{text}: patches.data.median and at_median are not used"]
    shares = np.concatenate([stack.mean(axis=(1, 2)) for stack in binary])
    if np.ptp(shares) == 0 and shares[0] in (0, 1):
        raise InputError(_plain(greys, int(shares[0]), settings))
    n_plain = int(((shares == 0) | (shares == 1)).sum())
    if settings.median == "global" or not n_plain:  # an image can be darker than the median of all
        return []
    where = "whose median is its lowest or highest value"
    return [f"{n_plain} of {len(shares)} images have one value in all pixels when binarised, {where}"]


def _plain(greys: Sequence[np.ndarray], value: int, settings: Any) -> str:
    """What is wrong if every pixel of all images is the same, and the remedy."""
    low, high = min(stack.min() for stack in greys), max(stack.max() for stack in greys)
    found = f"all pixels of all images are {value} when binarised at patches.data.median {settings.median!r}"
    if low == high:
        return f"{found}, since all have the value {low:g}, so there is nothing to learn; expected images that differ"
    which = "lowest" if value else "highest"
    return (
        f"{found}, since half of them or more have the {which} value, which is then the median, and "
        f"patches.data.at_median is {settings.at_median}; expected both 0 and 1: set patches.data.at_median to "
        f"{1 - settings.at_median}"
    )


def _notes_on_constant(is_constant: npt.NDArray[np.bool_], counts: Mapping[str, int]) -> list[str]:
    """A note that names the pixels that never change, if any do not; an error if none does."""
    n_pixels, n_constant = len(is_constant), counts["constant_pixels"]
    if n_constant == n_pixels:
        raise InputError(
            f"all {counts['patterns']} patterns (patches.data.n_patterns) are the same, so there is nothing to learn; "
            "expected patterns that differ: use more of them or other data"
        )
    if not n_constant:
        return []
    named = ", ".join(map(str, np.flatnonzero(is_constant)[:20])) + (", ..." if n_constant > 20 else "")
    return [f"{n_constant} of {n_pixels} pixels are the same in all {counts['patterns']} patterns: {named}"]
