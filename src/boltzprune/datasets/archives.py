"""Reads expected members of a .tar.gz in memory: nothing is unpacked, so no name or link in it can lead anywhere."""

import gzip
import tarfile

from boltzprune.errors import InputError

MAX_UNPACKED = 512 * 2**20


class _Bounded:
    """The unpacked bytes of an archive, up to a limit (a small file can unpack to terabytes)."""

    def __init__(self, file, limit):
        self.file, self.left = file, limit

    def read(self, size):
        """Up to `size` more bytes."""
        content = self.file.read(min(size, self.left + 1))
        self.left -= len(content)
        if self.left < 0:
            raise OverflowError(f"it unpacks to more than {MAX_UNPACKED} bytes")
        return content


def read_members(path, names, max_bytes):
    """The content of the named regular files of a .tar.gz; other members are passed over.

    Parameters
    ----------
    path : pathlib.Path
    names : collection of str
        Full names of members, with folders.
    max_bytes : int
        Largest accepted size of one of them.

    Returns
    -------
    dict of str to bytes
        The names found.

    Raises
    ------
    InputError
        If the archive cannot be read to its end (truncated, foreign, damaged), unpacks to more than MAX_UNPACKED bytes,
        or holds one of the names twice, as something other than a regular file, or larger than max_bytes.
    """
    try:
        with gzip.open(path) as unpacked:
            stream = _Bounded(unpacked, MAX_UNPACKED)
            found = _scan(stream, names, max_bytes, path)
            while stream.read(2**20):  # to the end, where gzip compares the checksum
                pass
        return found
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as a .tar.gz ({type(error).__name__}: {error}); expected the complete archive: "
            "delete it and fetch it again"
        ) from None


def _scan(stream, names, max_bytes, path):
    """Go once through the archive and keep what is asked for."""
    found = {}
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if name not in names:
                continue
            if not member.isreg() or member.issparse() or member.size > max_bytes or name in found:
                raise InputError(
                    f"{path}: its member {name} is a link, a special file, larger than {max_bytes} bytes or there "
                    "twice; expected one regular file"
                )
            found[name] = archive.extractfile(member).read()
    return found
