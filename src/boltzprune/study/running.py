"""A run that would write what another one, which still lives, is writing is refused, whatever was unlocked before.

Snakemake's lock is a file that outlives a process which is killed, so that people get used to `--unlock`; and that
removes the lock of a run that lives as well. Here each run holds a lock of the kernel's on a file that says what it
reads and writes. The kernel drops the lock when the process ends, however it ends.
"""

import atexit
import contextlib
import json
import logging
import os
import socket
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from boltzprune.errors import InputError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # a module has no other value for a type checker

SUFFIX = ".run"
SHOWN = 1000
"""Bytes of a path that a message shows at most."""

log = logging.getLogger(__name__)

_held: list[int] = []
"""Open files whose locks this process holds until it ends."""


def enter(reads: Iterable[str | os.PathLike[str]], writes: Iterable[str | os.PathLike[str]], folder: Path) -> None:
    """Refuse to run beside a living run that writes the same files; else be known to others until this process ends.

    Parameters
    ----------
    reads, writes : iterable of path
        Of all jobs.
    folder : Path
        Where the runs of one working directory leave their files; made if missing.

    Raises
    ------
    InputError
        If another run writes what this one reads or writes, or reads what this one writes.
    """
    own = {"pid": os.getpid(), "host": socket.gethostname(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
    own |= {"reads": sorted(map(str, reads)), "writes": sorted(map(str, writes))}
    if fcntl is None:
        return
    try:
        path = _registered(folder, own)
        others = [_other(other) for other in sorted(folder.glob(f"*{SUFFIX}")) if other != path]
    except OSError as error:
        log.warning("%s: no lock can be held here (%s); a second run after --unlock is not noticed", folder, error)
        return
    for other in filter(None, others):
        if shared := _shared(own, other):
            path.unlink(missing_ok=True)
            raise InputError(_refusal(other, shared))


def _registered(folder: Path, own: Mapping[str, Any]) -> Path:
    """The file of this run; it has its content and its lock from the moment on that others see it."""
    os.makedirs(folder, exist_ok=True)
    path = folder / f"{own['host']}.{own['pid']}{SUFFIX}"
    hidden = path.with_suffix(".new")
    hidden.unlink(missing_ok=True)
    handle = os.open(hidden, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    _held.append(handle)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with open(handle, "w", encoding="utf-8", closefd=False) as file:
        json.dump(own, file)
    os.replace(hidden, path)
    atexit.register(path.unlink, missing_ok=True)
    return path


def _other(path: Path) -> dict[str, Any] | None:
    """What a living run reads and writes; None if it has ended, and then its file goes."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        with open(handle, encoding="utf-8", closefd=False) as file:
            return json.load(file)
    finally:
        os.close(handle)
    with contextlib.suppress(OSError):
        path.unlink()
    return None


def _shared(own: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """A file that one run writes and the other writes or reads; None if there is none."""
    both = set(own["writes"]) & {*other["writes"], *other["reads"]} | set(own["reads"]) & set(other["writes"])
    return min(both, default=None)


def _refusal(other: Mapping[str, Any], shared: str) -> str:
    """The message."""
    where = "" if other["host"] == socket.gethostname() else f" on {other['host']}"
    return (
        f"{shared[:SHOWN]} is being made already, by process {other['pid']}{where}, which runs since {other['since']}. "
        f"Wait until it has ended, or end it: Ctrl-C in its terminal, or kill {other['pid']}{where} (the jobs that run "
        "are finished first). --unlock does not end it, and two runs that make the same files get in each other's way"
    )
