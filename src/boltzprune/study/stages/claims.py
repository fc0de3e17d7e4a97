"""Collected results -> the paper's claims, and ours about controls, each measured and decided."""

from typing import TYPE_CHECKING

from boltzprune.errors import InputError
from boltzprune.report import comparison
from boltzprune.report.claims import CLAIMS, judge
from boltzprune.report.claims.collected import read
from boltzprune.report.claims.controls import claims_of
from boltzprune.report.claims.page import as_markdown
from boltzprune.results.store import write_bytes, write_table
from boltzprune.results.tidy import cautions, measures, missing_seeds
from boltzprune.study.stages.catalogue import CLAIMS_INPUTS

if TYPE_CHECKING:
    from boltzprune.study.stages import Job


def run(job: "Job") -> None:
    """Write the table as tidy CSV and as Markdown, and the published numbers beside those of the study.

    An experiment of which there is nothing has no claims; where some of its results are missing, those that need them
    are not testable.
    """
    spec, experiments = job.spec, {CLAIMS_INPUTS[name] for name in job.inputs}
    if not experiments:
        raise InputError(f"claims: no --in is given; expected some of {', '.join(CLAIMS_INPUTS)}")
    results = read(job.inputs, spec.get("last_iterations"))
    of_paper = tuple(claim for claim in CLAIMS if claim.experiment in experiments)
    table = judge(results, (*of_paper, *claims_of(results, tuple(spec["criteria"]))))
    metrics = [results.tables[name] for name in ("metrics", "digits_metrics") if name in results.tables]
    about = [spec["study"], *(line for one in metrics for line in missing_seeds(one, measures(one)))]
    about += [line for one in metrics for line in cautions(one, spec["criteria"])]
    beside = comparison.compare(results.tables, spec.get("not_compared", {}))
    write_table(job.outputs["csv"], table)
    write_table(job.outputs["published"], beside)
    write_bytes(job.outputs["markdown"], as_markdown(table, " ".join(about), spec["criteria"], beside).encode())
