"""Downloads one file from the first mirror that sends the right one."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from boltzprune.errors import InputError

if TYPE_CHECKING:
    import pooch
    import urllib3

TIMEOUT_SECONDS = 30
"""Without an answer, or at less than SLOWEST."""
SLOWEST = 1000
"""Bytes per second, on average, below which the next place is tried."""
MAX_BYTES = 2**30
PIECE = 2**18


def fetch(urls: Sequence[str], sha256: str, path: Path, remedy: str) -> Path:
    """One file, from the first of several places that sends it with the right checksum.

    A file that is there already with the right checksum is not downloaded again. A download becomes `path` only after
    its checksum has been found right, so a partial one never looks complete.

    Parameters
    ----------
    urls
        Tried in turn.
    sha256
        Checksum of the file, hexadecimal.
    path
        Where it goes; folders above it are made.
    remedy
        What the user can do when no place sends it, for the message.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        If the folder cannot be made or no place sends the file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"the folder {path.parent} cannot be made ({error.strerror}); {remedy}") from None
    failures = []
    for url in urls:
        try:
            return _retrieve(url, sha256, path)
        except (OSError, ValueError) as error:  # the errors of requests are OSErrors; ValueError: the checksum is wrong
            failures.append(f"{url}: {_reason(error)}")
    raise InputError(f"{path.name} could not be downloaded ({'; '.join(failures)}); {remedy}")


def _retrieve(url: str, sha256: str, path: Path) -> Path:
    """The file from one place; pooch keeps what is right already and replaces what is not."""
    import pooch

    return Path(pooch.retrieve(url, f"sha256:{sha256}", fname=path.name, path=path.parent, downloader=_download))


def _download(url: str, target: str | os.PathLike[str], _: "pooch.Pooch | None") -> None:
    """Write what a place sends to a file, as it comes; OSError if it says no, sends too much or all but stops."""
    import requests
    import urllib3

    headers = {"Accept-Encoding": "identity"}
    asked = requests.get(url, stream=True, timeout=TIMEOUT_SECONDS, headers=headers)
    with asked as response, open(target, "wb") as file:
        response.raise_for_status()
        try:
            _copy(response.raw, file)
        except urllib3.exceptions.HTTPError as error:
            raise OSError(str(error)) from error


def _copy(response: "urllib3.HTTPResponse", file: BinaryIO) -> None:
    """Write what comes, as it comes."""
    read = getattr(response, "read1", response.read)  # urllib3 before 2.1 waits for the whole piece
    n_bytes, start = 0, time.monotonic()
    while content := read(PIECE):
        file.write(content)
        n_bytes, seconds = n_bytes + len(content), time.monotonic() - start
        if n_bytes > MAX_BYTES:
            raise OSError(f"it sends more than {MAX_BYTES} bytes")
        if seconds > TIMEOUT_SECONDS and n_bytes < SLOWEST * seconds:
            raise OSError(f"{n_bytes} bytes in {seconds:.0f} s; expected {SLOWEST} per second")


def _reason(error: BaseException) -> str:
    """One short line about a download that failed."""
    if isinstance(error, ValueError) and "hash" in str(error):
        return "what it sent has another checksum"
    while error.__context__ is not None:  # requests wraps what the network said in several layers
        error = error.__context__
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}"
