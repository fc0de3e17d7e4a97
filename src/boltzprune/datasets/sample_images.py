"""The two photographs that come with scikit-learn: a source that needs no download."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from boltzprune.datasets import places
from boltzprune.datasets.raw import Raw, Source
from boltzprune.datasets.sizes import PatchSizes
from boltzprune.errors import InputError

NAMES = ("china.jpg", "flower.jpg")
SHAPE = (427, 640, 3)


def locate(settings: Any) -> list[Path]:
    """The two files in the installed scikit-learn.

    Parameters
    ----------
    settings : object
        Not used.

    Returns
    -------
    list of pathlib.Path

    Raises
    ------
    InputError
        If they are not there.
    """
    paths = [places.of_library("sklearn") / "datasets" / "images" / name for name in NAMES]
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path} is missing; expected it to come with scikit-learn: install scikit-learn again")
    return paths


def read(paths: Sequence[Path], settings: Any) -> Raw:
    """The two photographs.

    Parameters
    ----------
    paths : list of pathlib.Path
        From `locate`; scikit-learn reads its own files.
    settings : object
        Not used.

    Returns
    -------
    Raw
        images: one (2, 427, 640, 3) uint8 stack.

    Raises
    ------
    InputError
        If scikit-learn cannot read them.
    """
    from sklearn.datasets import load_sample_images

    named = ", ".join(map(str, paths))
    expected = (len(NAMES), *SHAPE)
    try:
        stack = np.stack(load_sample_images().images)
    except MemoryError:
        raise
    except Exception as error:
        raise InputError(f"scikit-learn cannot read {named} ({error}); install it and Pillow again") from None
    if stack.shape != expected:
        raise InputError(f"{named}: found images of shape {stack.shape}; expected {expected}")
    note = f"{len(NAMES)} photographs of {SHAPE[0]} x {SHAPE[1]} pixels that come with scikit-learn: {', '.join(NAMES)}"
    return Raw(images=[stack], notes=[note])


def sizes(data: Any) -> PatchSizes:
    """Two photographs of one shape."""
    return PatchSizes(SHAPE[:2], len(NAMES))


SOURCE = Source(
    name="sample_images",
    experiment="patches",
    label="photographs of scikit-learn",
    summary="the two photographs that come with scikit-learn; no download",
    citation="china.jpg, flower.jpg (CC BY 2.0): photographers in sklearn/datasets/images/README.txt",
    locate=locate,
    read=read,
    sizes=sizes,
    place=None,
)
