"""The 1,797 handwritten digits of 8 x 8 pixels that come with scikit-learn: a source that needs no download."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from boltzprune.datasets import labels, places
from boltzprune.datasets.labelled import N_PARTS, split
from boltzprune.datasets.raw import Labelled, Source
from boltzprune.datasets.sizes import DigitSizes
from boltzprune.errors import InputError

NAME = "digits.csv.gz"
SHAPE = (1797, 8, 8)
MAX_VALUE = 16


def locate(settings: Any) -> list[Path]:
    """The file in the installed scikit-learn.

    Parameters
    ----------
    settings : object
        Not used.

    Returns
    -------
    list of one pathlib.Path

    Raises
    ------
    InputError
        If it is not there.
    """
    path = places.of_library("sklearn") / "datasets" / "data" / NAME
    if not path.is_file():
        raise InputError(f"{path} is missing; expected it to come with scikit-learn: install scikit-learn again")
    return [path]


def read(paths: Sequence[Path], settings: Any) -> Labelled:
    """The digits; a random quarter of them is the test set.

    Parameters
    ----------
    paths : list of one pathlib.Path
        From `locate`; scikit-learn reads its own file.
    settings : object
        With n_classes (int) and seed (int).

    Returns
    -------
    Labelled
        Images of 8 x 8 pixels, uint8 in [0, 16].

    Raises
    ------
    InputError
        If scikit-learn cannot read them, or n_classes is below 10.
    """
    from sklearn.datasets import load_digits

    named = ", ".join(map(str, paths))
    try:
        digits = load_digits()
        images, target = np.asarray(digits.images), np.asarray(digits.target)
    except MemoryError:
        raise
    except Exception as error:
        raise InputError(f"scikit-learn cannot read {named} ({error}); install it again") from None
    if images.shape != SHAPE or not ((images >= 0) & (images <= MAX_VALUE)).all():
        raise InputError(
            f"{named}: found images of shape {images.shape}, values {images.min():g} to {images.max():g}; expected "
            f"{SHAPE}, 0 to {MAX_VALUE}: install scikit-learn again"
        )
    (target,) = labels.check([(images, target, named, named)], settings.n_classes)
    note = f"{SHAPE[0]} digits of {SHAPE[1]} x {SHAPE[2]} pixels that come with scikit-learn: {NAME}"
    return split(images.astype(np.uint8), target, settings.seed, [note])


def sizes(data: Any) -> DigitSizes:
    """Of the images that come with scikit-learn, of which a part is for testing."""
    n, *image = SHAPE
    return DigitSizes((image[0], image[1]), n - n // N_PARTS, n // N_PARTS, 10)


SOURCE = Source(
    name="digits",
    experiment="digits",
    label="digits of scikit-learn",
    summary="the 1,797 digits of 8 x 8 pixels that come with scikit-learn; no download",
    citation="Alpaydin & Kaynak (1998), Optical recognition of handwritten digits, UCI repository",
    locate=locate,
    read=read,
    sizes=sizes,
    place=None,
)
