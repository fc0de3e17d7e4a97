"""Raw labelled images -> binary images of digits, stored once, bit-packed."""

import dataclasses
import logging
from typing import TYPE_CHECKING

import numpy as np

from boltzprune.datasets import LABELLED_SOURCES
from boltzprune.datasets.digits import prepare
from boltzprune.results.store import write_arrays
from boltzprune.study.stages.fetch import raw_files_of

if TYPE_CHECKING:
    from boltzprune.study.stages import Job

log = logging.getLogger(__name__)


def run(job: "Job") -> None:
    """Write training and test images (bit-packed) with labels, their shape, counts and notes."""
    data = job.spec["data"]
    source = LABELLED_SOURCES[data.source]
    with raw_files_of(job, source) as (paths, files):
        labelled = source.read(paths, data)
    prepared = prepare(labelled, data)
    for note in prepared.notes:
        log.info(note)
    arrays = {
        "packed": np.packbits(prepared.states, axis=1),
        "labels": prepared.labels,
        "test_packed": np.packbits(prepared.test_states, axis=1),
        "test_labels": prepared.test_labels,
        "n_visible": np.array(prepared.states.shape[1]),
        "shape": np.array(prepared.shape),
        "n_train": np.array(prepared.n_train),
        "n_classes": np.array(data.n_classes),
    }
    about = {
        "source": data.source,
        "citation": source.citation,
        "files": files,
        "counts": prepared.counts,
        "notes": prepared.notes,
    }
    # the manifest holds paths of this computer: its content enters as the checksums of the files, not as its own
    write_arrays(job.outputs["digits"], arrays, dataclasses.replace(job, inputs={}).provenance() | {"data": about})
