"""Metrics -> Table 1: hidden units that remain, per criterion and iteration."""

from typing import TYPE_CHECKING

from boltzprune.errors import InputError
from boltzprune.report.tables.table1 import as_latex, as_markdown, remaining_units
from boltzprune.results import tidy
from boltzprune.results.store import write_bytes, write_table

if TYPE_CHECKING:
    from boltzprune.study.stages import Job


def run(job: "Job") -> None:
    """Write Table 1 as tidy CSV, Markdown and LaTeX."""
    spec, [path] = job.spec, job.inputs["metrics"]
    metrics = tidy.read([path], "metrics", ["n_hidden", "n_weights"])
    about = " ".join(
        [spec["study"], *tidy.missing_seeds(metrics, ["n_hidden"]), *tidy.cautions(metrics, spec["criteria"])]
    )
    table = remaining_units(metrics, spec["criteria"])
    if table.empty:
        raise InputError(f"{path}: has no retrained machines of {', '.join(spec['criteria'])}; delete it and run again")
    write_table(job.outputs["csv"], table)
    with_published = spec.get("published", False)
    write_bytes(job.outputs["markdown"], as_markdown(table, about, with_published).encode())
    write_bytes(job.outputs["latex"], as_latex(table, about, with_published).encode())
