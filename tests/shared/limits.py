"""Reads hostile files under limits of time and memory, and says in a few words what went wrong, if anything did."""

import contextlib
import signal
import time
import tracemalloc
import warnings
from pathlib import Path

from mutants import mutant

from boltzprune.errors import InputError

SECONDS = 10.0
"""For one file; mutants take milliseconds, so a busy machine has room."""
BYTES = 64 * 2**20
REMEDY = "expected|should be|should match|; set |again|known|did you mean|is there twice|no such".split("|")


class Hang(BaseException):
    """The time is over; not an Exception, so that nobody takes it for a damaged file."""


@contextlib.contextmanager
def watched(seconds=SECONDS):
    """Hang, wherever the block is, after so many seconds."""

    def stop(*_):
        raise Hang(f"still busy after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def traced():
    """Memory is counted inside the block."""
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def fault(read, path, holds=None, names=None):
    """What is wrong with how a file is read: '' for an InputError with name and remedy, or a value that `holds`.

    Parameters
    ----------
    read : callable, (path) -> value
    path : Path
    holds : callable, (value) -> bool, or None if the file must be refused
    names : str
        What the message has to name, if not the file.
    """
    allowed = BYTES + 20 * (path.stat().st_size if path.is_file() else 0)
    tracemalloc.reset_peak()
    start, before = time.monotonic(), tracemalloc.get_traced_memory()[0]
    try:
        with watched(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = read(path)
            problem = "" if holds is not None and holds(value) else f"accepted: {value!r:.300}"
    except InputError as error:
        text = str(error)
        problem = "" if (names or path.name) in text and any(word in text for word in REMEDY) else f"says only: {text}"
    except (Exception, Hang) as error:
        problem = f"{type(error).__name__}: {error!s:.300}"
    peak = tracemalloc.get_traced_memory()[1] - before
    if not problem and (peak > allowed or time.monotonic() - start > SECONDS):
        problem = f"took {peak >> 20} MiB and {time.monotonic() - start:.1f} s"
    return problem


def try_mutants(count, n, loader, path):
    """Count n damaged files of one loader: each is refused by name or read as what it is.

    Parameters
    ----------
    count : Promise
    n : int
    loader : tuple
        valid (list of bytes), kind of mutant, read, holds; as for `mutant` and `fault`.
    path : Path
    """
    valid, kind, read, holds = loader
    for content in valid:
        path.write_bytes(content)
        assert holds(read(path)), "a valid file"
    with traced():
        for number in range(n):
            content = mutant(number, valid, kind)
            Path(path).write_bytes(content)
            problem = fault(read, path, holds)
            count(not problem, f"mutant {number}: {problem}")


def try_beginnings(count, n, loader, path):
    """Count the beginnings of a valid file, n of them or all: each is refused."""
    content, _, read, _ = (loader[0][0], *loader[1:])
    step = max(1, len(content) // n)
    with traced():
        for end in sorted({*range(0, len(content), step), *range(max(0, len(content) - 40), len(content))}):
            path.write_bytes(content[:end])
            problem = fault(read, path)
            count(not problem, f"the first {end} of {len(content)} bytes: {problem}")
