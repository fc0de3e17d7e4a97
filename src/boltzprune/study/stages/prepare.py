"""Raw images -> binary patterns, stored once, bit-packed."""

import dataclasses
import logging
from typing import TYPE_CHECKING

import numpy as np

from boltzprune.datasets import SOURCES
from boltzprune.datasets.patches import prepare
from boltzprune.results.store import write_arrays
from boltzprune.study.stages.fetch import raw_files_of

if TYPE_CHECKING:
    from boltzprune.study.stages import Job

log = logging.getLogger(__name__)


def run(job: "Job") -> None:
    """Write the chosen patterns (bit-packed, in random order), the layout of a patch, an example, counts and notes."""
    data = job.spec["data"]
    source = SOURCES[data.source]
    with raw_files_of(job, source) as (paths, files):
        raw = source.read(paths, data)
    prepared = prepare(raw, data)
    for note in prepared.notes:
        log.info(note)
    arrays = {"packed": np.packbits(prepared.states, axis=1), "n_visible": np.array(prepared.states.shape[1])}
    if prepared.offsets is not None:
        arrays["offsets"] = prepared.offsets
    arrays |= {f"example/{name}": value for name, value in prepared.example.items()}
    about = {
        "source": data.source,
        "citation": source.citation,
        "files": files,
        "counts": prepared.counts,
        "notes": prepared.notes,
    }
    # the manifest holds paths of this computer: its content enters as the checksums of the files, not as its own
    provenance = dataclasses.replace(job, inputs={}).provenance()
    write_arrays(job.outputs["patterns"], arrays, provenance | {"data": about})
