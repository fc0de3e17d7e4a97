"""Tidy tables of the digits of several studies, each with other seeds -> those of one study with all seeds."""

import logging
from typing import TYPE_CHECKING

import pandas as pd

from boltzprune.results import tidy
from boltzprune.results.store import write_bytes, write_table

if TYPE_CHECKING:
    from boltzprune.study.stages import Job

log = logging.getLogger(__name__)


def run(job: "Job") -> None:
    """Write metrics, classes, pixels, examples and references as one study with all seeds would have them."""
    read = {name: tidy.read(job.inputs[name], f"digits_{name}") for name in ("metrics", "classes", "examples")}
    for line in (
        *tidy.missing_seeds(read["metrics"], tidy.measures(read["metrics"])),
        *tidy.cautions(read["metrics"], {}),
    ):
        log.warning("%s", line)
    read["examples"] = _examples(read["examples"])
    for name, table in read.items():
        write_table(job.outputs[name], tidy.in_order(table, f"digits_{name}"))
    write_table(job.outputs["pixels"], _pixels([tidy.read([path], "digits_pixels") for path in job.inputs["pixels"]]))
    tidy.read(job.inputs["references"][:1], "digits_references")
    write_bytes(job.outputs["references"], job.inputs["references"][0].read_bytes())  # of the data, the same in all


def _pixels(tables: list[pd.DataFrame]) -> pd.DataFrame:
    """Fraction of all seeds with a machine in which a pixel has no weight left: counts of the tables, added up."""
    keys = list(tidy.TABLES["digits_pixels"].keys)
    table = pd.concat(tables, ignore_index=True)
    table["n_lost"] = (table["disconnected"].fillna(0) * table["n_seeds"]).round().astype(int)
    sums = table.groupby(keys, as_index=False)[["n_lost", "n_seeds"]].sum()
    share = (sums["n_lost"] / sums["n_seeds"]).where(sums["n_seeds"] > 0)
    return sums.assign(disconnected=share)[[*keys, "disconnected", "n_seeds"]]


def _examples(table: pd.DataFrame) -> pd.DataFrame:
    """Samples of the first seed that has some, for each machine."""
    first = table.groupby(tidy.KEYS)["seed"].transform("min")
    return table[table["seed"] == first]
