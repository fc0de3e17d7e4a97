"""What was found out about source files before: every start of Snakemake would parse the whole package again.

The file lies beside the compiled modules. An entry is found by the content of its source, the code that made it and the
interpreter, so that it cannot be of another; a file that is damaged or cannot be written costs time and nothing else.
Nothing but the standard library is imported.
"""

import contextlib
import functools
import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
MAKERS = ("canonical.py", "provenance.py", "known_digests.py")
MOST = 2000
"""Entries; more are of sources that have changed long since."""


def file() -> Path:
    """Where they lie."""
    return FOLDER / "__pycache__" / f"digests-{sys.implementation.cache_tag}.json"


def of_source(content: bytes, compute: Callable[[], Any]) -> Any:
    """What `compute` returns for a source, or what it returned before: anything JSON.

    Parameters
    ----------
    content : bytes
    compute : callable
        Without arguments.
    """
    known, key = _known(), hashlib.sha256(_salt() + content).hexdigest()
    if key not in known:
        known[key] = compute()
        _news.append(key)
    return known[key]


def keep() -> None:
    """Write what is new."""
    if _news:
        _news.clear()
        known = dict(list(_known().items())[-MOST:])
        text = json.dumps(known)
        with contextlib.suppress(OSError):
            file().parent.mkdir(exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=file().parent)
            with open(handle, "w", encoding="ascii") as opened:
                json.dump({"sha256": _seal(text), "known": text}, opened)
            os.replace(temporary, file())


_news: list[str] = []
"""Keys that are not in the file yet."""


@functools.cache
def _salt() -> bytes:
    """The code that makes entries, and the interpreter that runs it."""
    makers = [hashlib.sha256((FOLDER / name).read_bytes()).digest() for name in MAKERS]
    return b"".join([*makers, sys.version.encode()])


@functools.cache
def _known() -> dict[str, Any]:
    """Entries of the file; none if it is not there or not as it was written."""
    try:
        found = json.loads(file().read_bytes())
        return json.loads(found["known"]) if found["sha256"] == _seal(found["known"]) else {}
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}


def _seal(text: str) -> str:
    """SHA-256 of text."""
    return hashlib.sha256(text.encode()).hexdigest()
