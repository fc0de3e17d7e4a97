"""Tables -> one figure in every format, and the tidy data behind each panel."""

import importlib

from boltzprune.errors import InputError
from boltzprune.figures import FIGURES
from boltzprune.figures.style import save


def run(job):
    """Write {name}_{panel}.csv for each panel first, then draw the figure from those tables alone."""
    name = job.raw_spec["name"]
    if name not in FIGURES:
        raise InputError(f"figure: there is no {name!r}; expected one of {', '.join(FIGURES)}")
    for missing in (key for key in FIGURES[name].inputs if key not in job.inputs):
        raise InputError(f"figure {name}: --in {missing} is missing")
    module = importlib.import_module(FIGURES[name].module)
    save(module, module.panels(job.inputs), job.raw_spec, job.outputs["folder"])
