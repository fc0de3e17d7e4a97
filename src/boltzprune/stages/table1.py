"""Metrics -> Table 1: hidden units that remain, per criterion and iteration."""

from boltzprune import tidy
from boltzprune.errors import InputError
from boltzprune.store import write_bytes, write_table
from boltzprune.tables import as_latex, as_markdown, remaining_units


def run(job):
    """Write Table 1 as tidy CSV, Markdown and LaTeX."""
    spec = job.spec
    path, wanted = job.inputs["metrics"][0], spec["criteria"]
    table = remaining_units(tidy.read([path], "metrics", ["n_hidden", "n_weights"]), wanted)
    if table.empty:
        raise InputError(f"{path}: has no retrained machines of {', '.join(wanted)}; delete it and run again")
    write_table(job.outputs["csv"], table)
    write_bytes(job.outputs["markdown"], as_markdown(table, spec["study"]).encode())
    write_bytes(job.outputs["latex"], as_latex(table, spec["study"]).encode())
