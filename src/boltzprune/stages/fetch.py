"""Find the raw files, download what is missing, and note what they are."""

import logging
from pathlib import Path

from boltzprune.datasets import LABELLED_SOURCES, SOURCES
from boltzprune.store import checksum, write_json

log = logging.getLogger(__name__)


def run(job):
    """Write a manifest: the path, size and SHA-256 of every raw file."""
    data = job.spec["data"]
    sources = LABELLED_SOURCES if job.stage == "fetch_digits" else SOURCES
    files = [Path(path) for path in sources[data.source].locate(data)]
    entries = [{"path": str(path.resolve()), "bytes": path.stat().st_size, "sha256": checksum(path)} for path in files]
    log.info("source %s: %s", data.source, ", ".join(str(path) for path in files))
    write_json(job.outputs["manifest"], {"source": data.source, "files": entries})
