"""How many images or patterns a source has, and of how many pixels, as far as that is known without reading them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boltzprune.results import npz


@dataclass(frozen=True)
class PatchSizes:
    """What is known of the data of the patches; None: not known.

    Attributes
    ----------
    image : (height, width) or None
        Pixels; None also of a user's own patterns.
    n_images : int or None
    n_patterns, n_units : int or None
        Of a user's own patterns.
    """

    image: tuple[int, int] | None = None
    n_images: int | None = None
    n_patterns: int | None = None
    n_units: int | None = None


@dataclass(frozen=True)
class DigitSizes:
    """What is known of the images of the digits before they are cropped.

    Attributes
    ----------
    image : (height, width)
    n_train, n_test : int
    n_classes : int or None
        None: not known.
    """

    image: tuple[int, int]
    n_train: int
    n_test: int
    n_classes: int | None = None


def npz_shapes(locate: Callable[[Any], list[Path]], data: Any) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the arrays in a user's .npz file; empty if it cannot be read, which its stage will tell."""
    try:
        return npz.shapes(locate(data)[0])
    except Exception:  # whatever a damaged archive makes Python raise
        return {}


def n_tiles(image: tuple[int, int], radius: float) -> int:
    """Patches that tile one image; 0 if not even one fits."""
    side = 2 * math.floor(radius) + 1
    return (image[0] // side) * (image[1] // side)
