"""Binary images of digits, cropped, in random order: what the deep machines learn, and what they are tested on."""

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from boltzprune.core import streams
from boltzprune.datasets.labels import MAX_CLASSES
from boltzprune.datasets.raw import Labelled
from boltzprune.errors import InputError


@dataclass(frozen=True)
class PreparedDigits:
    """The digits to learn and to be tested on; pixels in row-major order.

    Attributes
    ----------
    states : (n, n_pixels) uint8 array in {0, 1}
        All training images, in random order; the machines learn from the first n_train.
    labels : (n,) uint8 array
    test_states : (n_test, n_pixels) uint8 array in {0, 1}
        In the order of the data set.
    test_labels : (n_test,) uint8 array
    shape : (height, width)
        Of an image after the crop.
    n_train : int
    counts : dict of str to int
        images (n), test_images (n_test), n_train, pixels, constant_pixels (over the first n_train), classes (with an
        image in the training set).
    notes : list of str
        Those of the source, and what was found here.
    """

    states: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    test_states: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.uint8]
    shape: tuple[int, int]
    n_train: int
    counts: dict[str, int]
    notes: list[str] = field(default_factory=list)


def crop(images: np.ndarray, margin: int) -> np.ndarray:
    """The images without `margin` pixels at each side.

    Parameters
    ----------
    images : (n, height, width) array
    margin : int, >= 0, pixels

    Returns
    -------
    (n, height - 2 margin, width - 2 margin) array
        A view.

    Raises
    ------
    InputError
        If nothing is left.
    """
    height, width = images.shape[1:]
    if not 0 <= 2 * margin < min(height, width):
        raise InputError(
            f"digits.data.crop is {margin}: nothing is left of images of {height} x {width} pixels without {margin} at "
            f"each side; expected 0 to {(min(height, width) - 1) // 2}"
        )
    return images[:, margin : height - margin, margin : width - margin]


def binarise(images: np.ndarray, threshold: float | Literal["mean"]) -> npt.NDArray[np.uint8]:
    """Binary images: 1 where a value is above the threshold, 0 elsewhere.

    Parameters
    ----------
    images : (n, height, width) array, any integer or float
    threshold : float or 'mean'
        'mean': the mean of all values of these images.

    Returns
    -------
    (n, height * width) uint8 array in {0, 1}
    """
    value = images.mean(dtype=np.float64) if threshold == "mean" else threshold
    return (images > np.float64(value)).view(np.uint8).reshape(len(images), -1)


def prepare(labelled: Labelled, settings: Any) -> PreparedDigits:
    """The digits to learn and to be tested on, from the images of a source.

    Training and test images are turned if they are stored transposed, cropped, then binarised, each set at its own mean
    or both at a given threshold. The mean is that of the whole set, so n_train and n_test change which images are used,
    and no image.

    Parameters
    ----------
    labelled : Labelled
        From the source's `read`.
    settings : object
        With transposed, crop, threshold, n_train, n_test, n_classes, seed.

    Returns
    -------
    PreparedDigits

    Raises
    ------
    InputError
        If the crop leaves nothing, fewer images are there than wanted, there are more than MAX_CLASSES classes, or all
        images to learn are the same.
    """
    if not 1 <= settings.n_classes <= MAX_CLASSES:
        raise InputError(f"digits.data.n_classes is {settings.n_classes}; expected 1 to {MAX_CLASSES}")
    images, test_images = (
        crop(stack.swapaxes(1, 2) if settings.transposed else stack, settings.crop)
        for stack in (labelled.train_images, labelled.test_images)
    )
    n_train = _number(settings.n_train, len(images), "n_train", "training")
    n_test = _number(settings.n_test, len(test_images), "n_test", "test")
    order = streams.permutation(streams.fork(settings.seed, "choice of patterns", 1), len(images))
    states = binarise(images, settings.threshold)[order]
    labels = labelled.train_labels[order]
    n_constant, notes = _constant(states[:n_train], images, settings)
    counts = {
        "images": len(states),
        "test_images": n_test,
        "n_train": n_train,
        "pixels": states.shape[1],
        "constant_pixels": n_constant,
        "classes": len(np.unique(labels)),
    }
    return PreparedDigits(
        states=states,
        labels=labels.astype(np.uint8),
        test_states=binarise(test_images, settings.threshold)[:n_test],
        test_labels=labelled.test_labels[:n_test].astype(np.uint8),
        shape=images.shape[1:],
        n_train=n_train,
        counts=counts,
        notes=[*labelled.notes, *_absent(labels, n_train, settings.n_classes), *notes],
    )


def _number(wanted: int | None, n_available: int, key: str, which: str) -> int:
    """How many images of one set to use: those wanted, or all."""
    if wanted is not None and not 1 <= wanted <= n_available:
        raise InputError(
            f"digits.data.{key} is {wanted}, but the data hold {n_available} {which} images; expected 1 to "
            f"{n_available}, or null for all"
        )
    return n_available if wanted is None else wanted


def _constant(states: npt.NDArray[np.uint8], images: np.ndarray, settings: Any) -> tuple[int, list[str]]:
    """How many pixels never change, and a note if any do not; an error if none does."""
    n_pixels = states.shape[1]
    n_constant = int((states.min(axis=0) == states.max(axis=0)).sum())
    if n_constant == n_pixels:
        raise InputError(
            f"all {len(states)} training images (digits.data.n_train) are the same when binarised at "
            f"digits.data.threshold {settings.threshold}, so there is nothing to learn; expected images that differ: "
            f"their values are {images.min():g} to {images.max():g}; use more of them, another threshold or a smaller "
            "digits.data.crop"
        )
    note = f"{n_constant} of {n_pixels} pixels are the same in all {len(states)} images to learn"
    return n_constant, [note] if n_constant else []


def _absent(labels: npt.NDArray[np.int64], n_train: int, n_classes: int) -> list[str]:
    """A note on classes without an image, in the training set or among the first n_train of it."""
    in_set = np.bincount(labels, minlength=n_classes) > 0
    in_first = np.bincount(labels[:n_train], minlength=n_classes) > 0
    found = {
        "in the training set": np.flatnonzero(~in_set),
        f"among the {n_train} images to learn": np.flatnonzero(in_set & ~in_first),
    }
    return [f"classes without an image {where}: {', '.join(map(str, c))}" for where, c in found.items() if len(c)]
