"""Images with labels: what is asked of them, a test set where there is none, and a user's own .npz file."""

from pathlib import Path

import numpy as np

from boltzprune import streams
from boltzprune.datasets import arrays
from boltzprune.datasets.raw import Labelled
from boltzprune.errors import InputError

KEYS, TEST_KEYS = ("images", "labels"), ("test_images", "test_labels")
N_PARTS = 4
"""One part in so many is the test set of data that have none."""
EXAMPLE = "numpy.savez_compressed(path, images=..., labels=...)"


def check_labels(images, labels, n_classes, images_name, labels_name):
    """Labels that fit the images: one each, in [0, n_classes).

    Parameters
    ----------
    images : (n, height, width) array
    labels : (n,) array, integer
    n_classes : int
    images_name, labels_name : path or str
        Where the two come from, for the message.

    Returns
    -------
    (n,) int64 array

    Raises
    ------
    InputError
        If they do not fit.
    """
    if len(images) != len(labels):
        raise InputError(
            f"{images_name} has {len(images)} images and {labels_name} has {len(labels)} labels; expected one for each "
            "image"
        )
    is_class = (labels >= 0) & (labels < n_classes)
    if not is_class.all():
        first = int(np.argmin(is_class))
        raise InputError(
            f"{labels_name}: label {first} (of the images in {images_name}) is {labels[first]}; expected 0 to "
            f"{n_classes - 1}: correct it, or set digits.data.n_classes (now {n_classes})"
        )
    return labels.astype(np.int64)


def split(images, labels, seed, notes):
    """A random quarter as the test set, for data that have none.

    Parameters
    ----------
    images : (n, height, width) array
    labels : (n,) int64 array
    seed : int, >= 0
    notes : list of str

    Returns
    -------
    Labelled
        Test: the first floor(n / 4) of a random order of all; training: the others; both in that order.

    Raises
    ------
    InputError
        If there are fewer than 4 images.
    """
    n_test = len(images) // N_PARTS
    if n_test == 0:
        raise InputError(
            f"{'; '.join(notes)}: no test set, and too few images to set a quarter aside; expected 4 or more"
        )
    order = streams.permutation(streams.fork(seed, "choice of patterns"), len(images))
    test, train = order[:n_test], order[n_test:]
    note = f"no test set: a random quarter, {n_test} of {len(images)} images, is set aside as one (seed {seed})"
    return Labelled(images[train], labels[train], images[test], labels[test], [*notes, note])


def locate(settings):
    """The user's file.

    Parameters
    ----------
    settings : object
        With file (str or None).

    Returns
    -------
    list of one pathlib.Path

    Raises
    ------
    InputError
        If none is named or it is not there.
    """
    return [arrays.find(settings.file, "digits.data")]


def read(paths, settings):
    """The images and labels of the user's file.

    Parameters
    ----------
    paths : list of one pathlib.Path
        An .npz file with the keys `images`, (n, height, width), finite numbers, and `labels`, (n,), integers; and
        either both of `test_images` and `test_labels` of the same form, or neither: then a random quarter is the test
        set.
    settings : object
        With n_classes (int) and seed (int).

    Returns
    -------
    Labelled

    Raises
    ------
    InputError
        If the file is something else, damaged, larger than arrays.MAX_BYTES unpacked, or an array is not as above.
    """
    path = Path(paths[0])
    found = arrays.load(path, lambda names: _wanted(names, path), EXAMPLE)
    images, labels = _pair(found, KEYS, path, settings.n_classes)
    if TEST_KEYS[0] not in found:
        return split(images, labels, settings.seed, [f"{len(images)} images from {path.name}"])
    test_images, test_labels = _pair(found, TEST_KEYS, path, settings.n_classes)
    if images.shape[1:] != test_images.shape[1:]:
        raise InputError(
            f"{path}: images has the shape {images.shape} and test_images {test_images.shape}; expected the same "
            "height and width"
        )
    note = f"{len(images)} training and {len(test_images)} test images from {path.name}"
    return Labelled(images, labels, test_images, test_labels, [note])


def _wanted(names, path):
    """The two or four keys to read, each there once."""
    here = [key for key in (*KEYS, *TEST_KEYS) if key in names]
    is_once = all(names.count(key) == 1 for key in here)
    if not is_once or here not in (list(KEYS), [*KEYS, *TEST_KEYS]):
        raise InputError(
            f"{path} has the keys {names[:9]}; expected {' and '.join(KEYS)}, and either both of "
            f"{' and '.join(TEST_KEYS)} or neither"
        )
    return here


def _pair(found, keys, path, n_classes):
    """Images and their labels, checked."""
    images, labels = (found[key] for key in keys)
    if images.ndim != 3 or 0 in images.shape:
        raise InputError(
            f"{path}: {keys[0]} has the shape {images.shape}; expected (n, height, width), none of them 0: one number "
            "for each pixel, so no colours"
        )
    if labels.ndim != 1 or labels.dtype.kind not in "ui":
        found_labels = f"has the shape {labels.shape} and the type {labels.dtype}"
        raise InputError(f"{path}: {keys[1]} {found_labels}; expected one integer for each image, ({len(images)},)")
    images = arrays.check_numbers(images, f"{path}: {keys[0]}")
    return images, check_labels(images, labels, n_classes, f"{path}: {keys[0]}", f"{path}: {keys[1]}")
