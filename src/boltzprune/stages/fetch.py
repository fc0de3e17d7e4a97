"""Find the raw files, download what is missing, and note what they are."""

import logging
from pathlib import Path

from boltzprune.datasets import LABELLED_SOURCES, SOURCES
from boltzprune.errors import InputError
from boltzprune.store import checksum, read_json, write_json

log = logging.getLogger(__name__)


def run(job):
    """Write a manifest: the path, size and SHA-256 of every raw file."""
    data = job.spec["data"]
    sources = LABELLED_SOURCES if job.stage == "fetch_digits" else SOURCES
    files = [Path(path) for path in sources[data.source].locate(data)]
    entries = [{"path": str(path.resolve()), "bytes": path.stat().st_size, "sha256": checksum(path)} for path in files]
    log.info("source %s: %s", data.source, ", ".join(str(path) for path in files))
    write_json(job.outputs["manifest"], {"source": data.source, "files": entries})


def read_manifest(path):
    """The entries of a manifest, one of each raw file, as `run` wrote them: list of dict with path and sha256."""
    manifest = read_json(path)
    files = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(files, list) or not files or not all(_is_entry(entry) for entry in files):
        raise InputError(f"{path}: not a list of raw files; delete it and run again")
    return files


def _is_entry(entry):
    """Whether this is one raw file."""
    return isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("path", "sha256"))
