"""Raw files: what they are is decided by their content, never by their dates.

A data file is often replaced by an older one (`cp -p`, `rsync -a`, `unzip`), and a link can be given another target. So
the SHA-256 decides. It is remembered with what the operating system changes at every writing, so that a large file is
read once and not each time that somebody asks what would run.
"""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from boltzprune.errors import InputError
from boltzprune.results.files import check_regular
from boltzprune.results.store import checksum, read_json, write_json

MEMORY = ".raw_files.json"
"""Name of the file with remembered checksums, in the folder of an experiment; without it files are read again."""
SETTLED_NS = 2 * 10**9
"""A file that was written more recently may be written again within the same tick of its clock: not remembered."""
Told = TypeVar("Told")


def checksums(
    paths: Iterable[str | os.PathLike[str]], folder: str | os.PathLike[str] | None = None
) -> dict[str, str | None]:
    """The SHA-256 of each file.

    Parameters
    ----------
    paths
    folder
        Where checksums are remembered, if it is there.

    Returns
    -------
    dict of str to str or None
        Name of the file (of the link, if it is one) -> hexadecimal digits; None if it cannot be read.
    """
    memory = Path(folder) / MEMORY if folder else None
    known, now = _remembered(memory), {}
    found: dict[str, str | None] = {}
    for path in map(Path, paths):
        try:
            place, stamp = os.path.realpath(path), _stamp(path)
            before, value = known.get(place, (None, None))
            found[path.name] = value if before == stamp else _read(path)
            if time.time_ns() - max(stamp[-2:]) > SETTLED_NS and _stamp(path) == stamp:
                now[place] = (stamp, found[path.name])
        except OSError:
            found[path.name] = None
    if memory and now != known and memory.parent.is_dir():
        with contextlib.suppress(InputError):  # a folder that cannot be written only costs time
            write_json(memory, now)
    return found


@contextlib.contextmanager
def unchanged(paths: Sequence[str | os.PathLike[str]], expected: Sequence[str], remedy: str) -> Iterator[None]:
    """Read raw files within this block, and they are what they are expected to be, from the first byte to the last.

    Parameters
    ----------
    paths
    expected
        SHA-256 of each.
    remedy
        What to do if they are not, for the message.

    Raises
    ------
    InputError
        If a file cannot be read or has another checksum, or is written while the block runs.
    """
    before = [_tried(_stamp, path, remedy) for path in paths]
    for path, value in zip(paths, expected, strict=True):
        if (found := _tried(_read, path, remedy)) != value:
            raise InputError(
                f"{path} is not the file that was found when the study began: its SHA-256 is {found}, expected "
                f"{value}; {remedy}"
            )
    yield
    for path, stamp, value in zip(paths, before, expected, strict=True):  # another stamp alone: a backup has linked it
        if _tried(_stamp, path, remedy) != stamp and _tried(_read, path, remedy) != value:
            raise InputError(f"{path} was written while it was read; {remedy}")


def is_gone(place: str) -> bool:
    """Whether a file or folder of raw files was removed: it is not there, or an empty folder (a disk not mounted)."""
    place = os.path.expanduser(place)
    try:
        return not os.listdir(place)
    except OSError:
        return not os.path.exists(place)


def lay_at(place: str, path: str) -> bool:
    """Whether a path that was noted is a named file or lies in a named folder, in this working folder or another."""
    place, path = os.path.normpath(os.path.expanduser(place)), f"{os.path.normpath(path)}/"
    here = os.path.abspath(place).rstrip("/")
    elsewhere = not os.path.isabs(place) and f"/{place}/" in path
    return path.startswith(f"{here}/") or elsewhere


def _stamp(path: str | os.PathLike[str]) -> list[int]:
    """Device, number, size, and times of content and of the entry itself (ns), which no copying program can set."""
    found = os.stat(path)
    return [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def _read(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a regular file."""
    check_regular(path)
    return checksum(path)


def _tried(function: Callable[[str | os.PathLike[str]], Told], path: str | os.PathLike[str], remedy: str) -> Told:
    """What a function says of a file; InputError if the file is not there or cannot be read."""
    try:
        return function(path)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); {remedy}") from None


def _remembered(memory: Path | None) -> dict[str, tuple[list[int], str]]:
    """Real path -> (stamp, SHA-256); empty if nothing readable is there."""
    try:
        found = read_json(memory) if memory else {}
        return {place: (list(stamp), str(value)) for place, (stamp, value) in found.items()}
    except (InputError, ValueError, TypeError, AttributeError):
        return {}
