"""Labels of images: what is asked of them, and what each kind of wrong label needs."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from boltzprune.errors import InputError

MAX_CLASSES = 256
ImageSet = tuple[np.ndarray, np.ndarray, str | Path, str | Path]
"""Images, their labels, and where the two come from, for a message."""


def integers(labels: np.ndarray, n_images: int, name: str) -> np.ndarray:
    """Labels that are one whole number for each image; what is not is told apart.

    Parameters
    ----------
    labels : array of integers, floats or booleans
    n_images
    name
        File and array, for the message.

    Returns
    -------
    (n,) array of integers

    Raises
    ------
    InputError
    """
    if labels.ndim == 1 and labels.dtype.kind in "ui":
        return labels
    array, found = name.rsplit(" ", 1)[-1], f"has the shape {labels.shape} and the type {labels.dtype}"
    if labels.ndim == 2 and 1 in labels.shape:
        remedy = f"store {array}.ravel()"
    elif labels.ndim == 2 and _is_one_hot(labels):
        found, remedy = f"is one-hot, {found}", f"store {array}.argmax(axis=1)"
    elif labels.ndim != 1:
        remedy = "store one number for each image"
    elif labels.dtype.kind == "b":
        remedy = f"store {array}.astype(int), for two classes"
    else:
        whole = np.isfinite(labels) & (labels == np.floor(labels))
        first = int(np.argmin(whole))
        found = found if whole.all() else f"holds {labels[first]} at [{first}]"
        remedy = f"store {array}.astype(int)" if whole.all() else "mend it, or leave out images that have no label"
    raise InputError(f"{name} {found}; expected one integer for each image, ({n_images},): {remedy}")


def _is_one_hot(labels: np.ndarray) -> bool:
    """Whether each row is a single 1 among zeros."""
    return bool(((labels == 0) | (labels == 1)).all() and (labels.sum(axis=1) == 1).all())


def check(sets: Sequence[ImageSet], n_classes: int) -> list[npt.NDArray[np.int64]]:
    """Labels that fit their images: one each, in [0, n_classes).

    Parameters
    ----------
    sets
        Images: (n, height, width); labels: (n,), integers.
    n_classes

    Returns
    -------
    list of (n,) int64 arrays

    Raises
    ------
    InputError
        If they do not fit; of labels that are too large the largest of all sets is named.
    """
    for images, labels, images_name, labels_name in sets:
        if len(images) != len(labels):
            raise InputError(
                f"{images_name} has {len(images)} images and {labels_name} has {len(labels)} labels; expected one for "
                "each image"
            )
        if (below := labels < 0).any():
            first = int(np.argmax(below))
            raise InputError(
                f"{labels_name}: label {first} (of the images in {images_name}) is {labels[first]}, one of "
                f"{int(below.sum())} below 0; expected 0 to {n_classes - 1}: mend them, or leave those images out"
            )
    _, labels, images_name, labels_name = max(sets, key=lambda one: int(one[1].max(initial=0)))
    if len(labels) and (largest := int(labels.max())) >= n_classes:
        raise InputError(
            f"{labels_name}: label {int(labels.argmax())} (of the images in {images_name}) is {largest}, the largest; "
            f"expected 0 to {n_classes - 1}: {_remedy(sets, largest)} (now {n_classes})"
        )
    return [labels.astype(np.int64) for _, labels, _, _ in sets]


def _remedy(sets: Sequence[ImageSet], largest: int) -> str:
    """What takes the largest label, up to the mention of the key."""
    if largest >= MAX_CLASSES:
        return f"number the classes from 0 to at most {MAX_CLASSES - 1} and set digits.data.n_classes"
    smallest = min(int(labels.min(initial=largest)) for _, labels, _, _ in sets)
    empty = f", which leaves {'class 0' if smallest == 1 else f'classes 0 to {smallest - 1}'} empty" if smallest else ""
    return f"set digits.data.n_classes to {largest + 1}{empty}"
