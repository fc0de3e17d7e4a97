"""Metrics, classes, records and samples of all deep machines -> tidy tables."""

import logging

import numpy as np
import pandas as pd

from boltzprune import tidy
from boltzprune.patterns import read_digits
from boltzprune.store import Arrays, write_table

log = logging.getLogger(__name__)
N_EXAMPLES = 10


def run(job):
    """Write metrics, classes, pixels and examples; the samples given are those whose examples are wanted."""
    for name, order in (("metrics", ["seed"]), ("classes", ["seed", "digit"])):
        table = tidy.read(job.inputs[name], f"digits_{name}")
        for line in tidy.missing_seeds(table, tidy.measures(table) if name == "metrics" else ["share"]):
            log.warning("%s", line)
        write_table(job.outputs[name], table.sort_values([*tidy.KEYS, *order], ignore_index=True))
    digits = read_digits(job.arrays("digits"))
    write_table(job.outputs["pixels"], _pixels(job.inputs["records"], digits.states.shape[1]))
    write_table(job.outputs["examples"], _examples(job.inputs["samples"], digits.states.shape[1]))


def _pixels(paths, n_pixels):
    """Fraction of the seeds in which a pixel has no weight left, per criterion and iteration."""
    records = tidy.read(paths, "records")
    tables = []
    for (criterion, iteration), rows in records.groupby(["criterion", "iteration"]):
        counts = np.zeros(n_pixels)
        for text in rows["pixels_disconnected"].fillna(""):
            counts[[int(pixel) for pixel in text.split()]] += 1
        about = {"criterion": criterion, "iteration": iteration, "pixel": np.arange(n_pixels)}
        tables.append(pd.DataFrame({**about, "disconnected": counts / len(rows), "n_seeds": len(rows)}))
    return pd.concat(tables, ignore_index=True)


def _examples(paths, n_pixels):
    """Some visible samples of the first seed of each machine, spread over the samples."""
    rows = []
    for arrays in map(Arrays, paths):
        about, seed = arrays.about, arrays.seeds[0]
        visible = arrays.states(f"seed{seed}/visible", n_pixels)
        chosen = np.unique(np.linspace(0, len(visible) - 1, N_EXAMPLES).astype(int))
        for number, bits in enumerate(visible[chosen]):
            rows.append({**about, "seed": seed, "sample": number, "pattern": "".join(map(str, bits))})
    return pd.DataFrame(rows).sort_values([*tidy.KEYS, "sample"], ignore_index=True)
