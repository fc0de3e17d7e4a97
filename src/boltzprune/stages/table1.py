"""Metrics -> Table 1: hidden units that remain, per criterion and iteration."""

from boltzprune.store import read_table, write_bytes, write_table
from boltzprune.tables import as_latex, as_markdown, missing_seeds, remaining_units


def run(job):
    """Write Table 1 as tidy CSV, Markdown and LaTeX."""
    spec, metrics = job.spec, read_table(job.inputs["metrics"][0])
    about = " ".join([spec["study"], *missing_seeds(metrics, ["n_hidden"])])
    table = remaining_units(metrics, spec["criteria"])
    write_table(job.outputs["csv"], table)
    write_bytes(job.outputs["markdown"], as_markdown(table, about).encode())
    write_bytes(job.outputs["latex"], as_latex(table, about).encode())
