"""Arrays in .npz files: each is checked before any memory is taken for it, and nothing in a file is executed."""

import math
import os
import zipfile
from typing import IO

import numpy as np

from boltzprune.results.files import check_regular

MAX_BYTES = 8 * 2**30
MAX_RATIO, ALWAYS_ALLOWED = 500, 16 * 2**20
"""An array may be so many times larger than its compressed bytes, or have so many bytes whatever those are. Deflate
reaches 1032, for zeros alone."""
VERSION = (1, 0)
"""Of the .npy format; later ones are for headers of structured types, of up to 4 GiB."""


def open_archive(path: str | os.PathLike[str]) -> zipfile.ZipFile:
    """The open `zipfile.ZipFile` of an .npz file; any exception means that it is none."""
    check_regular(path)
    return zipfile.ZipFile(path)


def keys(archive: zipfile.ZipFile) -> list[str]:
    """Names of the arrays, in the order of the file, one that is there twice twice."""
    return [info.filename.removesuffix(".npy") for info in archive.infolist()]


def read_array(archive: zipfile.ZipFile, key: str, max_bytes: int = MAX_BYTES) -> np.ndarray:
    """One array of an open .npz file.

    Parameters
    ----------
    archive
    key
        Name of the array.
    max_bytes
        Largest accepted size of its numbers.

    Returns
    -------
    array of integers, floats or booleans

    Raises
    ------
    ValueError
        If it has another type, is larger than max_bytes or than its compressed bytes explain, or has another size than
        its header says; the text says which.
    Exception
        Of any other class, if the file is damaged.
    """
    info = archive.getinfo(f"{key}.npy")
    _check_size(info, max_bytes)
    with archive.open(info) as member:
        _check_header(member, info, max_bytes)
    with archive.open(info) as member:  # from the start, since no checksum is compared after a jump back
        array = np.lib.format.read_array(member, allow_pickle=False)
        if member.read(1):  # also where the checksum is compared
            raise ValueError("goes on after its last number; expected it to end there")
    return array


def shapes(path: str | os.PathLike[str]) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays of an .npz file, by their headers alone; any exception means that it is none."""
    with open_archive(path) as archive:
        return {key: _shape(archive, key) for key in keys(archive)}


def _shape(archive: zipfile.ZipFile, key: str) -> tuple[int, ...]:
    """The shape that one array declares."""
    with archive.open(f"{key}.npy") as member:
        if np.lib.format.read_magic(member) != VERSION:
            raise ValueError(f"expected version {VERSION} of the .npy format")
        return np.lib.format.read_array_header_1_0(member)[0]


def _check_size(info: zipfile.ZipInfo, max_bytes: int) -> None:
    """Refuse what unpacks to more than it may, before anything is unpacked."""
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"is compressed by method {info.compress_type}; expected what numpy writes, 0 or 8")
    limit = min(max_bytes, max(ALWAYS_ALLOWED, MAX_RATIO * info.compress_size))
    if info.file_size > limit + 2**16:  # the header's share
        raise ValueError(f"unpacks from {info.compress_size} bytes to {info.file_size}; expected at most {limit}")


def _check_header(member: IO[bytes], info: zipfile.ZipInfo, max_bytes: int) -> None:
    """Refuse an array whose type or declared size is not as expected."""
    version = np.lib.format.read_magic(member)
    if version != VERSION:
        raise ValueError(f"is in version {version} of the .npy format; expected {VERSION}")
    shape, _, dtype = np.lib.format.read_array_header_1_0(member)
    if dtype.kind not in "buif":
        never = " (allow_pickle is never set)" if dtype.hasobject else ""
        raise ValueError(f"has the type {dtype}; expected integers, floats or booleans{never}")
    n_bytes, found = math.prod(shape) * dtype.itemsize, info.file_size - member.tell()
    if any(n < 0 for n in shape) or n_bytes != found or n_bytes > max_bytes:
        expected = f"the same number, at most {max_bytes}"
        raise ValueError(f"of shape {shape} should have {n_bytes} bytes and has {found}; expected {expected}")
