"""A job lives no longer than the workflow that started it, and ends at once, with one line, when it is told to.

The workflow holds the lock of a file that an environment variable names to its jobs. The kernel drops the lock when the
workflow ends, however it ends; a thread of each job waits for that. A job that was started by hand has no such file.
Both this and the signals end the process from a thread, since the main one may be in a compiled loop for long.
"""

import atexit
import contextlib
import logging
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # nothing declares a module that may not exist

log = logging.getLogger(__name__)

VARIABLE = "BOLTZPRUNE_LIFELINE"
ORPHANED = 5
"""Exit status of a job whose workflow has ended; of a signal it is 128 + its number, as shells have it."""
STOPPING = {"SIGHUP": "its terminal was closed", "SIGINT": "Ctrl-C", "SIGTERM": "it was told to end"}
SECONDS_FOR_THE_LAST_WORD = 5

unfinished: set[Path] = set()
"""Temporary files of results that are being written now: they go when the process is ended."""

_held: list[tuple[int, str]] = []
"""(file handle, path) of the lock that this process holds for its jobs."""


def hold() -> None:
    """Hold a lock until this process ends, and name its file to the jobs that are started from here.

    Called again, nothing changes. The variable of whoever submitted this process, perhaps from another computer, goes.
    """
    if not _held:
        os.environ.pop(VARIABLE, None)
        if fcntl is None:
            return
        handle, path = tempfile.mkstemp(prefix="boltzprune-", suffix=".lifeline")
        _held.append((handle, path))
        atexit.register(_remove, path)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError as error:
            log.warning("%s cannot be locked (%s): if this process is killed its jobs go on to their end", path, error)
            return
        os.environ[VARIABLE] = path


def start(environment: Mapping[str, str] = os.environ) -> None:
    """From now on end this process, with one line and nothing half written, on a signal or when its workflow ends."""
    _end_on_signals()
    if fcntl is None or not (path := environment.get(VARIABLE)):
        return
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        log.warning("%s: %s; this job goes on if the workflow that started it is killed", path, error.strerror)
        return
    threading.Thread(target=_end_without_workflow, args=(handle,), daemon=True).start()


def _end_without_workflow(handle: int) -> None:
    """Wait for the workflow's lock, which comes when the workflow has ended."""
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
    except OSError as error:
        log.warning("waiting for the end of the workflow failed (%s): this job goes on if it is killed", error)
    else:
        _end(ORPHANED, "the workflow that started this job is gone")


def _end_on_signals() -> None:
    """Let the interpreter note each signal in a socket, at once and in whatever thread, and wait for that."""
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    for name in STOPPING:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number and signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants it
            signal.signal(number, lambda number, frame: None)
    signal.set_wakeup_fd(sender.fileno())
    threading.Thread(target=_end_on_signal, args=(receiver, sender), daemon=True).start()


def _end_on_signal(receiver: socket.socket, sender: socket.socket) -> NoReturn:
    """Wait for a signal; the sender is kept open by being here."""
    while True:
        name = signal.Signals(receiver.recv(1)[0]).name
        if name in STOPPING:
            _end(128 + getattr(signal, name), f"{STOPPING[name]} ({name})")


def _end(status: int, cause: str) -> NoReturn:
    """End this process."""
    last = threading.Timer(SECONDS_FOR_THE_LAST_WORD, os._exit, (status,))
    last.daemon = True
    last.start()  # if nobody takes the message
    log.error("stopped: %s; no result is half written, run the same command again to go on", cause)
    for path in list(unfinished):
        _remove(path)
    os._exit(status)


def _remove(path: str | os.PathLike[str]) -> None:
    """Remove a file that may be gone."""
    with contextlib.suppress(OSError):
        os.unlink(path)
