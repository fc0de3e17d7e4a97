"""Tables -> one figure in every format, and the tidy data behind each panel."""

import importlib
from typing import TYPE_CHECKING

from boltzprune.errors import InputError
from boltzprune.report.figures import FIGURES, module_of
from boltzprune.report.figures.style import save
from boltzprune.results import tidy

if TYPE_CHECKING:
    from boltzprune.study.stages import Job

WITH_PHASES = ("metrics", "digits_metrics", "survival", "digits_survival")
"""Tables that tell which courses have ended."""


def run(job: "Job") -> None:
    """Write {name}_{panel}.csv for each panel first, then draw the figure from those tables alone."""
    name = job.raw_spec["name"]
    if name not in FIGURES:
        raise InputError(f"figure: there is no {name!r}; expected one of {', '.join(FIGURES)}")
    for missing in (key for key in FIGURES[name].inputs if key not in job.inputs):
        raise InputError(f"figure {name}: --in {missing} is missing")
    row = FIGURES[name]
    module = importlib.import_module(module_of(name))
    tables = module.panels({key: job.inputs[key] for key in row.inputs})
    spec = job.raw_spec | ({"last_iterations": {}} if row.all_iterations else {})
    metrics = [tidy.read(job.inputs[key], key) for key in WITH_PHASES if key in row.inputs]
    spec["notes"] = tuple(line for table in metrics for line in tidy.cautions(table, spec.get("criteria", {})))
    save(module, {panel: tables[panel] for panel in row.panels}, spec, job.outputs["folder"])
