"""Where the data come from: the lists of data sources, their readers, patches cut from images, binary digits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from boltzprune.datasets import arrays, cifar10, labelled, mnist, sample_images, scikit_digits
from boltzprune.datasets.raw import Labelled, Raw

__all__ = ["LABELLED_SOURCES", "SOURCES", "Labelled", "Raw", "Source"]


Data = TypeVar("Data", covariant=True)
"""`Raw` or `Labelled`."""


@dataclass(frozen=True)
class Source(Generic[Data]):
    """One source of data.

    Attributes
    ----------
    name : str
        The value of patches.data.source or digits.data.source.
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
    summary: str
    citation: str
    locate: Callable[[Any], list[Path]]
    read: Callable[[Sequence[Path], Any], Data]
    sizes: Callable[[Any], Any]
    place: str | None


SOURCES: Mapping[str, Source[Raw]] = {
    source.name: source
    for source in (
        Source(
            name="sample_images",
            summary="the two photographs that come with scikit-learn; no download",
            citation="china.jpg, flower.jpg (CC BY 2.0): photographers in sklearn/datasets/images/README.txt",
            locate=sample_images.locate,
            read=sample_images.read,
            sizes=sample_images.sizes,
            place=None,
        ),
        Source(
            name="cifar10",
            summary="CIFAR-10, 32 x 32 colour photographs: a folder of the user's, or a download of 170 MB",
            citation="Krizhevsky (2009), Learning multiple layers of features from tiny images, University of Toronto",
            locate=cifar10.locate,
            read=cifar10.read,
            sizes=cifar10.sizes,
            place="directory",
        ),
        Source(
            name="npz",
            summary="an .npz file of the user's with binary patterns or with images",
            citation="the user's own data",
            locate=arrays.locate,
            read=arrays.read,
            sizes=arrays.sizes,
            place="file",
        ),
    )
}
"""Every source of patches by name; the configuration, the stages and the documentation read this list."""

LABELLED_SOURCES: Mapping[str, Source[Labelled]] = {
    source.name: source
    for source in (
        Source(
            name="digits",
            summary="the 1,797 digits of 8 x 8 pixels that come with scikit-learn; no download",
            citation="Alpaydin & Kaynak (1998), Optical recognition of handwritten digits, UCI repository",
            locate=scikit_digits.locate,
            read=scikit_digits.read,
            sizes=scikit_digits.sizes,
            place=None,
        ),
        Source(
            name="mnist",
            summary="MNIST or another set in four IDX files: a folder of the user's, or a download of 11 MB (MNIST)",
            citation="LeCun, Bottou, Bengio & Haffner (1998), Gradient-based learning applied to document recognition, "
            "Proceedings of the IEEE 86: 2278-2324",
            locate=mnist.locate,
            read=mnist.read,
            sizes=mnist.sizes,
            place="directory",
        ),
        Source(
            name="npz",
            summary="an .npz file of the user's with images and labels",
            citation="the user's own data",
            locate=labelled.locate,
            read=labelled.read,
            sizes=labelled.sizes,
            place="file",
        ),
    )
}
"""Every source of digits by name: images with labels."""
