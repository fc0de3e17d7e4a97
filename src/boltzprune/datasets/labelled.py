"""Images with labels: a user's own .npz file, and a test set where there is none."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from boltzprune.core import streams
from boltzprune.datasets import arrays, labels, layouts
from boltzprune.datasets.raw import Labelled, Source
from boltzprune.datasets.sizes import DigitSizes, npz_shapes
from boltzprune.errors import InputError

KEYS, TEST_KEYS = ("images", "labels"), ("test_images", "test_labels")
N_PARTS = 4
"""One part in so many is the test set of data that have none."""
EXAMPLE = "numpy.savez_compressed(path, images=..., labels=...)"


def split(images: np.ndarray, labels_of_images: npt.NDArray[np.int64], seed: int, notes: Sequence[str]) -> Labelled:
    """A random quarter as the test set, for data that have none.

    Parameters
    ----------
    images : (n, height, width)
    labels_of_images : (n,)
    seed : >= 0
    notes
        On the data so far.

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
    return Labelled(images[train], labels_of_images[train], images[test], labels_of_images[test], [*notes, note])


def locate(settings: Any) -> list[Path]:
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


def read(paths: Sequence[str | os.PathLike[str]], settings: Any) -> Labelled:
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
    sets = [_pair(found, keys, path) for keys in (KEYS, TEST_KEYS) if keys[0] in found]
    given = labels.check(sets, settings.n_classes)
    images, test_images = sets[0][0], sets[-1][0]
    if len(sets) == 1:
        return split(images, given[0], settings.seed, [f"{len(images)} images from {path.name}"])
    if images.shape[1:] != test_images.shape[1:]:
        raise InputError(
            f"{path}: images has the shape {images.shape} and test_images {test_images.shape}; expected the same "
            "height and width"
        )
    note = f"{len(images)} training and {len(test_images)} test images from {path.name}"
    return Labelled(images, given[0], test_images, given[1], [note])


def _wanted(names: list[str], path: Path) -> list[str]:
    """The two or four keys to read, each there once."""
    here = [key for key in (*KEYS, *TEST_KEYS) if key in names]
    is_once = all(names.count(key) == 1 for key in here)
    if not is_once or here not in (list(KEYS), [*KEYS, *TEST_KEYS]):
        expected = f"{' and '.join(KEYS)}, and either both of {' and '.join(TEST_KEYS)} or neither"
        raise InputError(arrays.named(names, path, expected))
    return here


def _pair(found: dict[str, np.ndarray], keys: tuple[str, str], path: Path) -> tuple[np.ndarray, np.ndarray, str, str]:
    """Images and their labels, each by itself as it has to be, and what a message calls them."""
    images, given = (found[key] for key in keys)
    names = [f"{path}: {key}" for key in keys]
    layouts.check_digits(images.shape, given.shape[0] if given.ndim else 0, (names[0], keys[1]))
    given = labels.integers(given, len(images), names[1])
    return arrays.check_numbers(images, names[0]), given, names[0], names[1]


def sizes(data: Any) -> DigitSizes | None:
    """Sizes by the headers of the user's file; None if they are not those of images."""
    shapes = npz_shapes(locate, data)
    if len(shapes.get("images", ())) != 3:
        return None
    n, height, width = shapes["images"]
    if "test_images" not in shapes:
        return DigitSizes((height, width), n - n // N_PARTS, n // N_PARTS)
    return DigitSizes((height, width), n, shapes["test_images"][0]) if len(shapes["test_images"]) == 3 else None


SOURCE = Source(
    name="npz",
    experiment="digits",
    label="own data",
    summary="an .npz file of the user's with images and labels",
    citation="the user's own data",
    locate=locate,
    read=read,
    sizes=sizes,
    place="file",
)
