"""Tables -> one figure in every format, and the tidy data behind each panel."""

import importlib

from boltzprune.figures import FIGURES
from boltzprune.figures.style import save


def run(job):
    """Write {name}_{panel}.csv for each panel first, then draw the figure from those tables alone."""
    module = importlib.import_module(FIGURES[job.raw_spec["name"]].module)
    save(module, module.panels(job.inputs), job.raw_spec, job.outputs["folder"])
