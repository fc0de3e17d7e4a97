"""One patch and the image around it, for the figure of how a patch becomes a visible layer."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from boltzprune.datasets.binary import grey

MAX_SIDE = 64


def example_patch(
    images: Sequence[np.ndarray],
    binary: Sequence[npt.NDArray[np.uint8]],
    states: npt.NDArray[np.uint8],
    places: npt.NDArray[np.int64],
    radius: float,
) -> dict[str, np.ndarray]:
    """The most varied of the chosen patches, the nearest to the middle of its image among equals, and its surroundings.

    Parameters
    ----------
    images : list of (n, height, width, channels) arrays
    binary : list of (n, height, width) uint8 arrays in {0, 1}
    states : (n_patterns, n_visible) uint8 array in {0, 1}
    places : (n_patterns, 4) int array
        Stack, image, y and x of the centre of each pattern.
    radius : float, pixels

    Returns
    -------
    dict
        image: (h, w, channels) uint8, the whole image or a crop of MAX_SIDE (or one patch, if that is larger); grey:
        (h, w) sums of its channels; binary: (h, w) uint8; centre: (2,) int, (y, x) of the patch inside the crop;
        state: (n_visible,) uint8.
    """
    sizes = np.array([stack.shape[1:3] for stack in images])
    distance = np.abs(places[:, 2:] - (sizes[places[:, 0]] - 1) / 2).max(axis=1)
    n_ones = states.sum(axis=1, dtype=np.int64)
    variety = np.minimum(n_ones, states.shape[1] - n_ones)
    best = np.lexsort((distance, -variety))[0]
    stack, image, *centre = (int(number) for number in places[best])
    size = max(MAX_SIDE, 2 * math.floor(radius) + 1)
    starts = [min(max(at - size // 2, 0), max(length - size, 0)) for at, length in zip(centre, sizes[stack])]
    window = tuple(slice(start, start + size) for start in starts)
    crop = images[stack][image][window]
    return {
        "image": _as_bytes(crop),
        "grey": grey(crop[None])[0],
        "binary": binary[stack][image][window].copy(),
        "centre": np.array(centre) - np.array(starts),
        "state": states[best].copy(),
    }


def _as_bytes(crop: np.ndarray) -> npt.NDArray[np.uint8]:
    """Values stretched to 0..255 uint8, if they are not bytes already."""
    if crop.dtype == np.uint8:
        return crop.copy()
    values = crop.astype(np.float64)
    low, high = values.min(), values.max()
    return np.round(255 * (values - low) / (high - low if high > low else 1)).astype(np.uint8)
