"""Classes of the generated samples -> quality and share per digit."""

from typing import TYPE_CHECKING

from boltzprune.errors import InputError
from boltzprune.report.tables.per_digit import as_latex, as_markdown, per_digit
from boltzprune.results import tidy
from boltzprune.results.store import write_bytes, write_table

if TYPE_CHECKING:
    from boltzprune.study.stages import Job


def run(job: "Job") -> None:
    """Write the table as tidy CSV, Markdown and LaTeX."""
    spec, [path] = job.spec, job.inputs["classes"]
    classes = tidy.read([path], "digits_classes", ["quality"])
    about = " ".join([spec["study"], *tidy.missing_seeds(classes, ["share"]), *tidy.endings(classes, spec["criteria"])])
    table = per_digit(classes, spec["criteria"])
    if table.empty:
        raise InputError(f"{path}: has no machines of {', '.join(spec['criteria'])}; delete it and run again")
    write_table(job.outputs["csv"], table)
    write_bytes(job.outputs["markdown"], as_markdown(table, about).encode())
    write_bytes(job.outputs["latex"], as_latex(table, about).encode())
