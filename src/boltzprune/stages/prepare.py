"""Raw images -> binary patterns, stored once, bit-packed."""

import dataclasses
import logging
from pathlib import Path

import numpy as np

from boltzprune.datasets import SOURCES
from boltzprune.datasets.patches import prepare
from boltzprune.stages.fetch import read_manifest
from boltzprune.store import write_arrays

log = logging.getLogger(__name__)


def run(job):
    """Write the chosen patterns (bit-packed, in random order), the layout of a patch, an example, counts and notes."""
    data = job.spec["data"]
    files = read_manifest(job.inputs["manifest"][0])
    raw = SOURCES[data.source].read([Path(file["path"]) for file in files], data)
    prepared = prepare(raw, data)
    for note in prepared.notes:
        log.info(note)
    arrays = {"packed": np.packbits(prepared.states, axis=1), "n_visible": np.array(prepared.states.shape[1])}
    if prepared.offsets is not None:
        arrays["offsets"] = prepared.offsets
    arrays |= {f"example/{name}": value for name, value in prepared.example.items()}
    about = {
        "source": data.source,
        "citation": SOURCES[data.source].citation,
        "files": [{"name": Path(file["path"]).name, "sha256": file["sha256"]} for file in files],
        "counts": prepared.counts,
        "notes": prepared.notes,
    }
    # the manifest holds paths of this machine: its content enters as the checksums of the files, not as its own
    provenance = dataclasses.replace(job, inputs={}).provenance()
    write_arrays(job.outputs["patterns"], arrays, provenance | {"data": about})
