"""What a job wrote: SHA-256 and size of each file, kept beside the log of the job, so that every byte can be checked.

`results/demo/logs/seeds0-9/train.log` has its record in `train.sha256`, which `sha256sum --check` reads as well, in the
folder of the study (the one that holds `logs`):

    # {"stage": "train", "versions": {"numpy": "2.4.6"}, "processor": "x86_64 znver3 avx avx2 fma", "cost": {...},
    #  "bytes": [20154]}
    # SHA-256 of all other lines: 5feceb66...
    6b86b273...  patches/seeds0-1/initial/initial.npz
"""

import collections
import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from boltzprune.errors import InputError
from boltzprune.results.store import CHECKPOINT, checksum, write_bytes

SUFFIX = ".sha256"
LOGS = "logs"
SEAL = "# SHA-256 of all other lines: "
NOT_RESULTS = (LOGS, "benchmarks")
"""Folders of a study without results; hidden files and folders are none either."""
MISSING = "missing"
LINE = re.compile(r"(?P<sha256>[0-9a-f]{64})  (?P<path>.+)")


@dataclass(frozen=True)
class Entry:
    """One file that a job wrote.

    Attributes
    ----------
    path : Path
    sha256 : str
    n_bytes : int
    stage : str
    """

    path: Path
    sha256: str
    n_bytes: int
    stage: str

    def problem(self) -> str:
        """What is wrong with the file now; empty if every byte is as it was written."""
        try:
            size = self.path.stat().st_size
            if not self.path.is_file():
                return "not a file"
            if size != self.n_bytes:
                return f"{size:,} of {self.n_bytes:,} bytes" if size else f"emptied, had {self.n_bytes:,} bytes"
            return "" if checksum(self.path) == self.sha256 else "changed, same size"
        except FileNotFoundError:
            return MISSING
        except OSError as error:
            return f"cannot be read ({error.strerror})"


def beside(log: str | os.PathLike[str]) -> Path:
    """Where the record of a job lies, by its log."""
    return Path(log).with_suffix(SUFFIX)


def study_folder(record: Path) -> Path:
    """The folder that paths in a record are relative to: the one that holds `logs`, else that of the record."""
    return next((folder.parent for folder in record.parents if folder.name == LOGS), record.parent)


def discard(record: Path) -> None:
    """Remove the record of an earlier run of a job: what it describes is about to be replaced."""
    try:
        record.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(f"{record}: cannot be removed ({error.strerror}); is the folder writable?") from error


def write(record: Path, about: dict[str, Any], files: Iterable[Path]) -> None:
    """Write the record of a job whose files are complete.

    Parameters
    ----------
    record
        Where it goes.
    about
        stage, versions, processor, cost: what the job was, where, and what it took.
    files
        All that it wrote.

    Raises
    ------
    InputError
        If the record cannot be written.
    """
    files, folder = list(files), study_folder(record)
    head = "# " + json.dumps(about | {"bytes": [path.stat().st_size for path in files]})
    lines = [f"{checksum(path)}  {os.path.relpath(path, folder)}" for path in files]
    write_bytes(record, "".join(f"{line}\n" for line in [head, SEAL + _seal([head, *lines]), *lines]).encode())


def read(record: Path) -> tuple[dict[str, Any], list[Entry]]:
    """What a record says.

    Returns
    -------
    about : dict
        stage, versions, bytes; processor and cost, but for records of former versions.
    entries : list of Entry

    Raises
    ------
    InputError
        If the record is not as it was written.
    """
    try:
        head, seal, *lines, after = record.read_bytes().decode().split("\n")
        if after or seal != SEAL + _seal([head, *lines]):
            raise ValueError("its own checksum differs")
        about, found = json.loads(head.removeprefix("# ")), [_matched(line) for line in lines]
        folder = study_folder(record)
        sizes = zip(found, about["bytes"], strict=True)
        return about, [Entry(folder / row["path"], row["sha256"], size, about["stage"]) for row, size in sizes]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{record}: not a readable record ({error})") from error


def in_study(folder: Path) -> list[Path]:
    """All records of a study, in order."""
    return sorted((folder / LOGS).rglob(f"*{SUFFIX}"))


def results_in(folder: Path) -> Iterator[Path]:
    """All files of a study that a job wrote or ought to have written: not logs, benchmarks, hidden files."""
    for place, folders, files in os.walk(folder):
        top = Path(place) == folder
        folders[:] = sorted(name for name in folders if not (name.startswith(".") or (top and name in NOT_RESULTS)))
        yield from (Path(place, name) for name in sorted(files) if _may_be_result(name))


PROCESSOR = "processor"
"""Key of what a job was computed on, beside the libraries that it was computed with."""


def made_with(folder: Path) -> dict[str, collections.Counter[str]]:
    """What the results of a study were computed with: library, or `PROCESSOR` -> version or kind -> number of jobs.

    Records that cannot be read do not count; `verify` names them.
    """
    found: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    for record in in_study(folder):
        try:
            about, _ = read(record)
        except InputError:
            continue
        for name, version in about["versions"].items():
            found[name][version] += 1
        if PROCESSOR in about:
            found[PROCESSOR][about[PROCESSOR]] += 1
    return found


def other_versions(folder: Path) -> list[str]:
    """Lines about results of a study that were computed with other versions than those installed; usually none."""
    from boltzprune.results.provenance import versions

    found, lines = made_with(folder), []
    for name, now in versions().items():
        if others := {version: n for version, n in found.get(name, {}).items() if version != now}:
            told = ", ".join(f"{version} ({n:,} jobs)" for version, n in sorted(others.items()))
            lines.append(f"Computed with another {name} than {now}, which is installed: {told}")
    return lines


def _matched(line: str) -> re.Match[str]:
    """The checksum and the path in a line of a record; ValueError for any other line."""
    if (match := LINE.fullmatch(line)) is None:
        raise ValueError(f"the line {line!r} names no file")
    return match


def _seal(lines: Iterable[str]) -> str:
    """SHA-256 of lines."""
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _may_be_result(name: str) -> bool:
    """Whether a file can be one by its name."""
    return not (name.startswith(".") or name.endswith(CHECKPOINT))
