"""Metrics -> Table 1: hidden units that remain, per criterion and iteration."""

import pandas as pd

from boltzprune.missing import missing_seeds
from boltzprune.store import write_bytes, write_table
from boltzprune.tables import as_latex, as_markdown, remaining_units


def run(job):
    """Write Table 1 as tidy CSV, Markdown and LaTeX."""
    spec, metrics = job.spec, pd.read_csv(job.inputs["metrics"][0])
    about = " ".join([spec["study"], *missing_seeds(metrics, ["n_hidden"])])
    table = remaining_units(metrics, spec["criteria"])
    write_table(job.outputs["csv"], table)
    write_bytes(job.outputs["markdown"], as_markdown(table, about).encode())
    write_bytes(job.outputs["latex"], as_latex(table, about).encode())
