"""Metrics, classes, records and samples of all deep machines -> tidy tables."""

import logging

import numpy as np
import pandas as pd

from boltzprune.missing import KEYS, measures, missing_seeds
from boltzprune.patterns import read_digits
from boltzprune.store import Arrays, write_table

log = logging.getLogger(__name__)
N_EXAMPLES = 10


def run(job):
    """Write metrics, classes, pixels and examples; the samples given are those whose examples are wanted."""
    for name, order in (("metrics", ["seed"]), ("classes", ["seed", "digit"])):
        table = pd.concat([pd.read_csv(path) for path in job.inputs[name]], ignore_index=True)
        for line in missing_seeds(table, measures(table) if name == "metrics" else ["share"]):
            log.warning("%s", line)
        write_table(job.outputs[name], table.sort_values([*KEYS, *order], ignore_index=True))
    digits = read_digits(job.arrays("digits"))
    write_table(job.outputs["pixels"], _pixels(job.inputs["records"], digits.states.shape[1]))
    write_table(job.outputs["examples"], _examples(job.inputs["samples"], digits.states.shape[1]))


def _pixels(paths, n_pixels):
    """Fraction of the seeds in which a pixel has no weight left, per criterion and iteration."""
    records = pd.concat([pd.read_csv(path, dtype={"pixels_disconnected": str}) for path in paths], ignore_index=True)
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
        about, seed = arrays.provenance["spec"], arrays.provenance["seeds"][0]
        visible = arrays[f"seed{seed}/visible"]
        chosen = np.unique(np.linspace(0, len(visible) - 1, N_EXAMPLES).astype(int))
        for number, bits in enumerate(np.unpackbits(visible[chosen], axis=1, count=n_pixels)):
            keys = {key: about[key] for key in KEYS}
            rows.append({**keys, "seed": seed, "sample": number, "pattern": "".join(map(str, bits))})
    return pd.DataFrame(rows).sort_values([*KEYS, "sample"], ignore_index=True)
