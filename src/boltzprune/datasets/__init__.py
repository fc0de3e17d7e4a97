"""Where the visible patterns come from: the one list of data sources, their readers, the patches cut from images."""

from collections.abc import Callable
from dataclasses import dataclass

from boltzprune.datasets import arrays, cifar10, sample_images
from boltzprune.datasets.raw import Raw

__all__ = ["SOURCES", "Raw", "Source"]


@dataclass(frozen=True)
class Source:
    """One source of data.

    Attributes
    ----------
    name : str
        The value of patches.data.source.
    summary, citation : str
        One line each, for the documentation and the report.
    locate : callable, (settings) -> list of pathlib.Path
        Finds or downloads the files; InputError if it cannot.
    read : callable, (paths, settings) -> Raw
        Reads them; InputError if they are not what they have to be.
    """

    name: str
    summary: str
    citation: str
    locate: Callable
    read: Callable


SOURCES = {
    source.name: source
    for source in (
        Source(
            name="sample_images",
            summary="the two photographs that come with scikit-learn; no download",
            citation="china.jpg, flower.jpg (CC BY 2.0): photographers in sklearn/datasets/images/README.txt",
            locate=sample_images.locate,
            read=sample_images.read,
        ),
        Source(
            name="cifar10",
            summary="CIFAR-10, 32 x 32 colour photographs: a folder of the user's, or a download of 170 MB",
            citation="Krizhevsky (2009), Learning multiple layers of features from tiny images, University of Toronto",
            locate=cifar10.locate,
            read=cifar10.read,
        ),
        Source(
            name="npz",
            summary="an .npz file of the user's with binary patterns or with images",
            citation="the user's own data",
            locate=arrays.locate,
            read=arrays.read,
        ),
    )
}
"""Every data source by name; the configuration, the stages and the documentation read this list."""
