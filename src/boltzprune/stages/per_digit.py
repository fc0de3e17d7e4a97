"""Classes of the generated samples -> quality and share per digit."""

import pandas as pd

from boltzprune.digit_table import as_latex, as_markdown, per_digit
from boltzprune.missing import missing_seeds
from boltzprune.store import write_bytes, write_table


def run(job):
    """Write the table as tidy CSV, Markdown and LaTeX."""
    spec, classes = job.spec, pd.read_csv(job.inputs["classes"][0])
    about = " ".join([spec["study"], *missing_seeds(classes, ["share"])])
    table = per_digit(classes, spec["criteria"])
    write_table(job.outputs["csv"], table)
    write_bytes(job.outputs["markdown"], as_markdown(table, about).encode())
    write_bytes(job.outputs["latex"], as_latex(table, about).encode())
