"""Collected results -> the paper's claims, each measured and decided."""

from boltzprune.claims import judge
from boltzprune.claims.collected import read
from boltzprune.claims.page import as_markdown
from boltzprune.store import write_bytes, write_table


def run(job):
    """Write the table as tidy CSV and as Markdown; results that do not exist make their claims not testable."""
    spec = job.spec
    table = judge(read(job.inputs, spec.get("last_iterations")))
    write_table(job.outputs["csv"], table)
    write_bytes(job.outputs["markdown"], as_markdown(table, spec["study"], spec["criteria"]).encode())
