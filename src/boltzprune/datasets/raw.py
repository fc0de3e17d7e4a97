"""What a data source is, and what it hands on: images, finished patterns, or images with labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Raw:
    """Images or patterns as a source holds them; exactly one of the two.

    Attributes
    ----------
    images : list of (n, height, width, channels) arrays, uint8 (a user's file: any integer or float), or None
        The stacks may differ in all four sizes.
    patterns : (n, n_visible) uint8 array in {0, 1}, or None
    notes : list of str
        What a reader of the results has to know about the data.

    Raises
    ------
    ValueError
        If both or neither of images and patterns are given.
    """

    images: list[np.ndarray] | None = None
    patterns: npt.NDArray[np.uint8] | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        if (self.images is None) == (self.patterns is None):
            raise ValueError("a Raw holds either images or patterns")


@dataclass(frozen=True)
class Labelled:
    """Images with labels as a source holds them, training set and test set.

    Attributes
    ----------
    train_images : (n, height, width) array, any integer or float
    train_labels : (n,) int64 array
    test_images : (n_test, height, width) array
        Of the same height and width.
    test_labels : (n_test,) int64 array
    notes : list of str
        What a reader of the results has to know about the data.

    Raises
    ------
    ValueError
        If numbers or sizes do not agree.
    """

    train_images: np.ndarray
    train_labels: npt.NDArray[np.int64]
    test_images: np.ndarray
    test_labels: npt.NDArray[np.int64]
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        shapes = [array.shape for array in (self.train_images, self.train_labels, self.test_images, self.test_labels)]
        if [len(shape) for shape in shapes] != [3, 1, 3, 1] or shapes[0][1:] != shapes[2][1:]:
            raise ValueError(f"shapes {shapes}; expected (n, height, width), (n,) and the same of the test set")
        if shapes[0][0] != shapes[1][0] or shapes[2][0] != shapes[3][0]:
            raise ValueError(f"shapes {shapes}; expected one label for each image")


Data = TypeVar("Data", covariant=True)
"""`Raw` or `Labelled`."""


@dataclass(frozen=True, kw_only=True)
class Source(Generic[Data]):
    """One source of data.

    Attributes
    ----------
    name : str
        The value of patches.data.source or digits.data.source.
    experiment : str
        Whose list it belongs to: patches (it reads a `Raw`), digits (a `Labelled`).
    label : str
        What figures and tables call the data; empty: the name of the source, as where its files can be of several sets.
    summary, citation : str
        One line each, for the documentation and the report.
    locate : callable
        Finds or downloads the files by the section `data` of the configuration; InputError if it cannot. A source that
        computes its data has none: an empty list.
    read : callable
        Reads them, given the same section; InputError if they are not what they have to be.
    sizes : callable
        What is known of the data without reading them, given the same section: `sizes.PatchSizes`, or for labelled
        images `sizes.DigitSizes`, None if nothing is known. Estimates and early refusals rest on it.
    place : str or None
        The key beside `source` that says where the user's files lie; None: they come with a library, wherever that is,
        or there are none.
    """

    name: str
    experiment: str
    summary: str
    citation: str
    locate: Callable[[Any], list[Path]]
    read: Callable[[Sequence[Path], Any], Data]
    sizes: Callable[[Any], Any]
    place: str | None
    label: str = ""
