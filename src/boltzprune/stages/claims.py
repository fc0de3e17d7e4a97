"""Collected results -> the paper's claims, each measured and decided."""

from boltzprune.claims import judge
from boltzprune.claims.collected import read
from boltzprune.claims.page import as_markdown
from boltzprune.store import write_bytes, write_table
from boltzprune.tidy import endings, measures, missing_seeds


def run(job):
    """Write the table as tidy CSV and as Markdown; results that do not exist make their claims not testable."""
    spec = job.spec
    results = read(job.inputs, spec.get("last_iterations"))
    table = judge(results)
    metrics = [results.tables[name] for name in ("metrics", "digits_metrics") if name in results.tables]
    about = [spec["study"], *(line for one in metrics for line in missing_seeds(one, measures(one)))]
    about += [line for one in metrics for line in endings(one, spec["criteria"])]
    write_table(job.outputs["csv"], table)
    write_bytes(job.outputs["markdown"], as_markdown(table, " ".join(about), spec["criteria"]).encode())
