"""Grey values of images, and the median that makes them binary."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

CHUNK = 2**22
MAX_RANGE = 2**20


def grey(images: np.ndarray) -> np.ndarray:
    """Sum of the channels.

    Parameters
    ----------
    images : (n, height, width, channels) array, any integer or float

    Returns
    -------
    (n, height, width) array, uint16 for up to 257 channels of uint8, int64 for other integers, float64 for floats
    """
    if images.dtype.kind == "f":
        return images.sum(axis=-1, dtype=np.float64)
    is_small = images.dtype == np.uint8 and images.shape[-1] <= 257
    return images.sum(axis=-1, dtype=np.uint16 if is_small else np.int64)


def binarise(
    grey_stacks: Sequence[np.ndarray], median: Literal["global", "image"], at_median: Literal[0, 1]
) -> list[npt.NDArray[np.uint8]]:
    """Binary images: 1 above the median, 0 below it.

    Images that are binary already, with one and the same two values in all stacks, are taken as they are: the higher
    value is 1. (A median would often be one of the two, and then all pixels of an image would be the same.)

    Parameters
    ----------
    grey_stacks : list of (n, height, width) arrays
        From `grey`.
    median : 'global' or 'image'
        One median of all pixels of all stacks, or one for each image. Of an even number of pixels it is the mean of
        the two in the middle.
    at_median : 0 or 1
        Value of a pixel that is equal to the median.

    Returns
    -------
    list of (n, height, width) uint8 arrays in {0, 1}

    Raises
    ------
    ValueError
        If median or at_median is something else.
    """
    if median not in ("global", "image") or at_median not in (0, 1):
        raise ValueError(f"median {median!r}, at_median {at_median!r}; expected 'global' or 'image', 0 or 1")
    if (values := two_values(grey_stacks)) is not None:
        return [(stack == values[1]).view(np.uint8) for stack in grey_stacks]
    thresholds: list[Any]
    if median == "global":
        thresholds = [global_median(grey_stacks)] * len(grey_stacks)
    else:
        thresholds = [_image_medians(stack)[:, None, None] for stack in grey_stacks]
    compare = np.greater_equal if at_median else np.greater
    return [compare(stack, threshold).view(np.uint8) for stack, threshold in zip(grey_stacks, thresholds)]


def two_values(grey_stacks: Sequence[np.ndarray]) -> tuple[np.number, np.number] | None:
    """The lower and the higher value if all pixels of all stacks have one of two values, else None."""
    low = min(stack.min() for stack in grey_stacks)
    high = max(stack.max() for stack in grey_stacks)
    if low == high:
        return None
    for stack in grey_stacks:
        values = stack.reshape(-1)
        for start in range(0, values.size, CHUNK):
            part = values[start : start + CHUNK]
            if not ((part == low) | (part == high)).all():
                return None
    return low, high


def global_median(grey_stacks: Sequence[np.ndarray]) -> float:
    """Median of all pixels of all stacks; integers are counted, not copied and sorted."""
    low = min(stack.min() for stack in grey_stacks)
    high = max(stack.max() for stack in grey_stacks)
    if any(stack.dtype.kind == "f" for stack in grey_stacks) or int(high) - int(low) > MAX_RANGE:
        return float(np.median(np.concatenate([stack.ravel() for stack in grey_stacks])))
    counts = np.zeros(int(high) - int(low) + 1, dtype=np.int64)
    for stack in grey_stacks:
        values = stack.reshape(-1)
        for start in range(0, values.size, CHUNK):
            part = values[start : start + CHUNK].astype(np.int64) - int(low)
            counts += np.bincount(part, minlength=counts.size)
    cumulative = np.cumsum(counts)
    n = int(cumulative[-1])
    middle = np.searchsorted(cumulative, [(n - 1) // 2, n // 2], side="right")
    return float(middle.mean()) + int(low)


def _image_medians(stack: np.ndarray) -> npt.NDArray[np.float64]:
    """Median of each image: (n,) float64, a few images at a time."""
    step = max(1, CHUNK // (stack.shape[1] * stack.shape[2]))
    parts = [np.median(stack[start : start + step], axis=(1, 2)) for start in range(0, len(stack), step)]
    return np.concatenate(parts).astype(np.float64)
