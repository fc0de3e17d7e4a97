"""Reads expected members of a .tar.gz in memory: nothing is unpacked, so no name or link in it can lead anywhere.

The headers are read block by block: `tarfile`'s own loop takes memory for whatever size a header of long names states.
"""

import gzip
import io
import os
import tarfile
from collections.abc import Collection

from boltzprune.errors import InputError
from boltzprune.results.files import check_regular

MAX_UNPACKED = 256 * 2**20
BLOCK, PIECE = tarfile.BLOCKSIZE, 2**20


class _Bounded:
    """The unpacked bytes of an archive, up to a limit (a small file can unpack to terabytes)."""

    def __init__(self, file: io.BufferedIOBase, limit: int) -> None:
        self.file, self.left = file, limit

    def read(self, size: int) -> bytes:
        """Exactly `size` more bytes."""
        self._count(size)
        content = self.file.read(size)
        if len(content) < size:
            raise EOFError("it ends too early")
        return content

    def skip(self, size: int) -> None:
        """Pass over `size` bytes, a piece at a time."""
        for start in range(0, size, PIECE):
            self.read(min(PIECE, size - start))

    def finish(self) -> None:
        """Pass over all that is left, to the end, where gzip compares the checksum."""
        while content := self.file.read(PIECE):
            self._count(len(content))

    def _count(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise OverflowError(f"it unpacks to more than {MAX_UNPACKED} bytes")


def read_members(path: str | os.PathLike[str], names: Collection[str], max_bytes: int) -> dict[str, bytes]:
    """The content of the named regular files of a .tar.gz; other members are passed over.

    Parameters
    ----------
    path
    names
        Full names of members, with folders, as a plain header holds them (up to 100 characters).
    max_bytes
        Largest accepted size of one of them.

    Returns
    -------
    dict of str to bytes
        Of the names that are there.

    Raises
    ------
    InputError
        If the archive cannot be read to its end (truncated, foreign, damaged), unpacks to more than MAX_UNPACKED bytes,
        or holds one of the names twice, as something other than a regular file, or larger than max_bytes.
    """
    try:
        check_regular(path)
        with gzip.open(path) as unpacked:
            stream = _Bounded(unpacked, MAX_UNPACKED)
            found = _scan(stream, names, max_bytes, path)
            stream.finish()
        return found
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as a .tar.gz ({type(error).__name__}: {error}); expected the complete archive: "
            "delete it and fetch it again"
        ) from None


def _scan(stream: _Bounded, names: Collection[str], max_bytes: int, path: str | os.PathLike[str]) -> dict[str, bytes]:
    """Go once through the archive, to its closing block of zeros, and keep what is asked for."""
    found: dict[str, bytes] = {}
    while any(block := stream.read(BLOCK)):
        member = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        if member.size < 0 or member.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.HeaderError("a member is sparse or has a size below 0")
        size = member.size if member.type not in _WITHOUT_CONTENT else 0
        name = member.name.removeprefix("./")
        if name not in names:
            stream.skip(-(-size // BLOCK) * BLOCK)
            continue
        if not member.isreg() or size > max_bytes or name in found:
            raise InputError(
                f"{path}: its member {name} is a link, a special file, larger than {max_bytes} bytes or there "
                "twice; expected one regular file: delete the archive and fetch it again"
            )
        found[name] = stream.read(size)
        stream.skip(-size % BLOCK)
    return found


_WITHOUT_CONTENT = (
    tarfile.LNKTYPE,
    tarfile.SYMTYPE,
    tarfile.CHRTYPE,
    tarfile.BLKTYPE,
    tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)
"""Types of members after whose header comes the next header, whatever size it states."""
