"""IDX files, the format of MNIST: a magic number, the sizes, the bytes (all big-endian); gzipped or not."""

import gzip
import io
import math
import os
import struct
import zlib
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from boltzprune.errors import InputError
from boltzprune.results.files import check_regular

MAGICS = {"images": 0x00000803, "labels": 0x00000801}
"""Unsigned bytes in three dimensions (n, height, width), and in one."""
MAX_BYTES = 2**30
PIECE = 2**20
GZIP = b"\x1f\x8b"
Parsed = TypeVar("Parsed")


def read_images(path: str | os.PathLike[str]) -> npt.NDArray[np.uint8]:
    """All images of an IDX file.

    Parameters
    ----------
    path
        Gzipped or not: its first bytes tell, not its name.

    Returns
    -------
    (n, height, width) uint8 array, none of them 0

    Raises
    ------
    InputError
        If the file is something else, truncated, damaged, longer than its sizes say, or larger than MAX_BYTES.
        Memory is taken for the bytes that are there, never for those a header promises.
    """
    return _read(path, "images", _parse)


def read_labels(path: str | os.PathLike[str]) -> npt.NDArray[np.uint8]:
    """All labels of an IDX file.

    Parameters
    ----------
    path
        As for `read_images`.

    Returns
    -------
    (n,) uint8 array, n not 0

    Raises
    ------
    InputError
        As for `read_images`.
    """
    return _read(path, "labels", _parse)


def sizes(path: str | os.PathLike[str], kind: str) -> tuple[int, ...]:
    """What the header of an IDX file of that kind says: (n, height, width) of images, (n,) of labels; InputError."""
    return _read(path, kind, _sizes)


def _read(
    path: str | os.PathLike[str],
    kind: str,
    parse: Callable[[io.BufferedIOBase, str | os.PathLike[str], str], Parsed],
) -> Parsed:
    """What is parsed of a file of one kind."""
    try:
        check_regular(path)
        with open(path, "rb") as file:
            packed = file.read(len(GZIP)) == GZIP
            file.seek(0)
            return parse(gzip.GzipFile(fileobj=file) if packed else file, path, kind)
    except InputError:
        raise
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path} cannot be read ({type(error).__name__}: {error}); expected a complete IDX file of {kind}, gzipped "
            "or not: fetch it again"
        ) from None


def _sizes(stream: io.BufferedIOBase, path: str | os.PathLike[str], kind: str) -> tuple[int, ...]:
    """The sizes that a file declares, checked."""
    _check_magic(stream.read(4), path, kind)
    n_dimensions = MAGICS[kind] & 0xFF
    header = stream.read(4 * n_dimensions)
    if len(header) < 4 * n_dimensions:
        raise InputError(f"{path} ends within its sizes; expected a complete IDX file of {kind}: fetch it again")
    sizes = struct.unpack(f">{n_dimensions}I", header)
    if not 0 < math.prod(sizes) <= MAX_BYTES:
        raise InputError(
            f"{path} declares {kind} of sizes {sizes}; expected numbers above 0, at most {MAX_BYTES} bytes together"
        )
    return sizes


def _parse(stream: io.BufferedIOBase, path: str | os.PathLike[str], kind: str) -> npt.NDArray[np.uint8]:
    """The array that the unpacked bytes describe, if they are as many as it says and no more."""
    sizes = _sizes(stream, path, kind)
    n_bytes = math.prod(sizes)
    content = bytearray()
    while piece := stream.read(min(PIECE, n_bytes - len(content))):
        content += piece
    if len(content) < n_bytes:
        raise InputError(
            f"{path} is truncated: it declares {kind} of sizes {sizes}, {n_bytes} bytes, and has {len(content)}; "
            "expected the complete file: fetch it again"
        )
    if stream.read(1):  # also where gzip compares its checksum
        raise InputError(f"{path} goes on after the {n_bytes} bytes of its {kind}; expected it to end there")
    return np.frombuffer(content, dtype=np.uint8).reshape(sizes)


def _check_magic(magic: bytes, path: str | os.PathLike[str], kind: str) -> None:
    """Refuse what does not begin as a file of this kind does, and say so if it is one of the other kind."""
    if magic == struct.pack(">I", MAGICS[kind]):
        return
    others = [other for other, number in MAGICS.items() if magic == struct.pack(">I", number)]
    found = f"is an IDX file of {others[0]}" if others else f"begins with {magic.hex(' ') or 'nothing'}"
    expected = struct.pack(">I", MAGICS[kind]).hex(" ")
    raise InputError(f"{path} {found}; expected an IDX file of {kind}, which begins with {expected}")
