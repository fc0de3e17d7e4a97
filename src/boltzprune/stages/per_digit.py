"""Classes of the generated samples -> quality and share per digit."""

from boltzprune import tidy
from boltzprune.digit_table import as_latex, as_markdown, per_digit
from boltzprune.errors import InputError
from boltzprune.store import write_bytes, write_table


def run(job):
    """Write the table as tidy CSV, Markdown and LaTeX."""
    spec = job.spec
    path, wanted = job.inputs["classes"][0], spec["criteria"]
    table = per_digit(tidy.read([path], "digits_classes", ["quality"]), wanted)
    if table.empty:
        raise InputError(f"{path}: has no machines of {', '.join(wanted)}; delete it and run again")
    write_table(job.outputs["csv"], table)
    write_bytes(job.outputs["markdown"], as_markdown(table, spec["study"]).encode())
    write_bytes(job.outputs["latex"], as_latex(table, spec["study"]).encode())
