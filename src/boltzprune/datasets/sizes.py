"""How many images or patterns a source has, and of how many pixels, as far as that is known without reading them."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boltzprune.datasets import arrays, cifar10, idx, labelled, mnist, sample_images, scikit_digits
from boltzprune.datasets.labelled import N_PARTS
from boltzprune.errors import InputError
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


def of_patches(data: Any) -> PatchSizes:
    """Sizes of the source of `config.PatchData`, by the headers of a user's own file."""
    if data.source == "sample_images":
        return PatchSizes(sample_images.SHAPE[:2], len(sample_images.NAMES))
    if data.source == "cifar10":
        return PatchSizes((cifar10.SIDE, cifar10.SIDE))
    shapes = _npz_shapes(arrays.locate, data)
    if len(shapes.get("patterns", ())) == 2:
        return PatchSizes(n_patterns=shapes["patterns"][0], n_units=shapes["patterns"][1])
    if len(shapes.get("images", ())) in (3, 4):
        n, height, width, *_ = shapes["images"]
        return PatchSizes((height, width), n)
    return PatchSizes()


def of_digits(data: Any) -> DigitSizes | None:
    """Sizes of the source of `config.DigitData`, by the headers of a user's own files; None if they are not known."""
    if data.source == "digits":
        n, *image = scikit_digits.SHAPE
        return DigitSizes((image[0], image[1]), n - n // N_PARTS, n // N_PARTS, 10)
    if data.source == "mnist":
        return DigitSizes((28, 28), 60_000, 10_000, 10) if data.directory is None else _idx_sizes(data)
    shapes = _npz_shapes(labelled.locate, data)
    if len(shapes.get("images", ())) != 3:
        return None
    n, height, width = shapes["images"]
    if "test_images" not in shapes:
        return DigitSizes((height, width), n - n // N_PARTS, n // N_PARTS)
    return DigitSizes((height, width), n, shapes["test_images"][0]) if len(shapes["test_images"]) == 3 else None


def _npz_shapes(locate: Callable[[Any], list[Path]], data: Any) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the arrays in a user's .npz file; empty if it cannot be read, which its stage will tell."""
    try:
        return npz.shapes(locate(data)[0])
    except Exception:  # whatever a damaged archive makes Python raise
        return {}


def _idx_sizes(data: Any) -> DigitSizes | None:
    """Sizes of the images in a user's folder of IDX files; None if they cannot be read."""
    try:
        train, _, test, _ = mnist.locate(data.model_copy(update={"download": False}))
        (n, height, width), (n_test, *_) = idx.sizes(train, "images"), idx.sizes(test, "images")
    except InputError:
        return None
    return DigitSizes((height, width), n, n_test)


def n_tiles(image: tuple[int, int], radius: float) -> int:
    """Patches that tile one image; 0 if not even one fits."""
    side = 2 * math.floor(radius) + 1
    return (image[0] // side) * (image[1] // side)
