"""Find the raw files, download what is missing, and note what they are."""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boltzprune.datasets import LABELLED_SOURCES, SOURCES, raw_files
from boltzprune.errors import InputError
from boltzprune.results.store import read_json, write_json

if TYPE_CHECKING:
    from boltzprune.datasets import Source
    from boltzprune.study.stages import Job

log = logging.getLogger(__name__)

MANIFEST = "source.json"
"""Name of what `fetch` writes in the folder of an experiment."""


def run(job: "Job") -> None:
    """Write a manifest: the path, size and SHA-256 of every raw file."""
    data = job.spec["data"]
    sources = LABELLED_SOURCES if job.stage == "fetch_digits" else SOURCES
    files = [Path(path) for path in sources[data.source].locate(data)]
    log.info("source %s: %s", data.source, ", ".join(map(str, files)) or "no files, it computes its data")
    write_json(job.outputs["manifest"], {"source": data.source, "files": [_entry(path) for path in files]})


def read_manifest(path: Path) -> list[dict[str, Any]]:
    """The entries of a manifest, one of each raw file, as `run` wrote them: list of dict with path and sha256."""
    manifest = read_json(path)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, list) or not all(_is_entry(entry) for entry in files):
        raise InputError(f"{path}: not a list of raw files; delete it and run again")
    return files


@contextlib.contextmanager
def raw_files_of(job: "Job", source: "Source") -> Iterator[tuple[list[Path], list[dict[str, str]]]]:
    """The raw files of a job that prepares data; while the block runs they are those that `run` found.

    Files that come with a library are looked for where it is now, which may be another environment than that of `run`.

    Yields
    ------
    paths : list of pathlib.Path
    about : list of dict
        What a result says of them: name and SHA-256 of what is read.
    """
    manifest = job.inputs["manifest"][0]
    files = read_manifest(manifest)
    paths = [Path(file["path"]) for file in files] if source.place else source.locate(job.spec["data"])
    if len(paths) != len(files) or (source.place and not files):
        raise InputError(f"{manifest}: has {len(files)} raw files; expected {len(paths)}: delete it and run again")
    remedy = (
        f"to go on with the files as they are, run again with --forcerun {job.stage.replace('prepare', 'fetch')}; to "
        "go on with those of before, put them back"
    )
    with raw_files.unchanged(paths, [file["sha256"] for file in files], remedy):
        yield paths, [{"name": path.name, "sha256": file["sha256"]} for path, file in zip(paths, files, strict=True)]


def _entry(path: Path) -> dict[str, Any]:
    """One raw file; a link keeps its own name, since that of its target may say nothing."""
    try:
        (value,), size = raw_files.checksums([path]).values(), path.stat().st_size
    except OSError:
        value = None
    if value is None:
        raise InputError(f"{path} cannot be read; expected a regular file that you may read")
    return {"path": str(path.absolute()), "bytes": size, "sha256": value}


def _is_entry(entry: object) -> bool:
    """Whether this is one raw file."""
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("path", "sha256"))
