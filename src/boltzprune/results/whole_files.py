"""Files that appear whole or not at all: they are written under another name, and renamed when they are complete."""

import contextlib
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

from boltzprune.errors import InputError
from boltzprune.results import lifeline


@contextlib.contextmanager
def atomic(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path that takes the place of `path` when the block ends well; InputError if it cannot be written."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{socket.gethostname()}.{os.getpid()}.partial{path.suffix}")
    lifeline.unfinished.add(temporary)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_over(path)
        temporary.unlink(missing_ok=True)  # of a process that had this number; or a link, which would be followed
        yield temporary
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror or error}); is the folder writable, the disk full?"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
        lifeline.unfinished.discard(temporary)


def _remove_left_over(path: Path) -> None:
    """Remove temporary files of `path` whose writers on this computer were killed."""
    pattern = re.compile(re.escape(f".{path.name}.{socket.gethostname()}.") + r"(\d+)\.partial.*")
    for other in path.parent.iterdir():
        if (match := pattern.fullmatch(other.name)) and not _is_alive(int(match[1])):
            other.unlink(missing_ok=True)


def _is_alive(pid: int) -> bool:
    """Whether there is such a process on this computer."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
