"""What each job of a study is given: block of seeds, spec, digest of its code. Pure functions of the `Study`.

A spec holds the sections which the stage uses and nothing else, so an edit reruns what depends on it and nothing else.
"""

import functools
import json
import os
import sys
from pathlib import Path

from boltzprune.backend import MODULES
from boltzprune.criteria import resolve, slug
from boltzprune.datasets import SOURCES
from boltzprune.errors import InputError
from boltzprune.figures import FIGURES
from boltzprune.provenance import code_digest, criterion_digest
from boltzprune.stages import SECTIONS, STAGES

NO_CRITERION = "none"
"""Criterion of the initial machines, in tables."""


def export_environment():
    """Let every job find this Python and this package, installed or not."""
    python, package = Path(sys.executable).parent, Path(__file__).parent.parent
    for name, first in (("PATH", python), ("PYTHONPATH", package)):
        old = os.environ.get(name, "").split(os.pathsep)
        os.environ[name] = os.pathsep.join([str(first), *(path for path in old if path and path != str(first))])


def blocks(study):
    """Seeds that share a job, as first-last: ["0-9", "10-19", ...]."""
    size = study.seeds_per_job
    return [f"{i}-{min(i + size, study.seeds) - 1}" for i in range(0, study.seeds, size)]


def criteria(study):
    """Criteria of the study: name in paths -> name in the configuration."""
    return {slug(name): name for name in study.patches.criteria}


@functools.cache
def _resolved(name, position=0):
    return resolve(name, position)


def job(study, stage, /, **values):
    """Spec and code of one job, as the one parameter of its rule.

    Parameters
    ----------
    study : config.Study
    stage : str
    **values : object
        Keys of the spec that are no section: criterion, iteration, phase, eigenvector, name, ...

    Returns
    -------
    dict
        spec: JSON; code: digest of everything behind it.
    """
    spec = dict(values)
    for key in STAGES[stage].spec:
        if key in SECTIONS:
            spec[key] = getattr(study.patches, key).model_dump()
        elif key == "device":
            spec[key] = study.device
    modules = [f"boltzprune.stages.{STAGES[stage].module}"]
    if "device" in spec:
        modules.append(MODULES["cpu" if study.device == "auto" else study.device])
    return {"spec": json.dumps(spec), "code": code_digest(*modules)}


LOCATION = ("directory", "file", "download")
"""Keys of section data that say where the files lie, not what is made of them."""


def fetch_job(study):
    """The job of `fetch`: where the files lie and which are wanted."""
    data = study.patches.data
    wanted = {key: getattr(data, key) for key in ("source", *LOCATION, "batches")}
    return _with(job(study, "fetch"), data=wanted)


def prepare_job(study):
    """The job of `prepare`: everything but where the files lie."""
    return _with(job(study, "prepare"), data=study.patches.data.model_dump(exclude=set(LOCATION)))


def local_files(study):
    """Raw files that the user put somewhere: replacing one reruns what follows. Empty while they are missing."""
    data = study.patches.data
    if not (data.directory or data.file):
        return []
    try:
        return [str(path) for path in SOURCES[data.source].locate(data.model_copy(update={"download": False}))]
    except InputError:
        return []


def study_job(study):
    """The job of `study`: preset and all values."""
    return job(study, "study", config=study.model_dump(exclude={"figures"}))


def _with(given, **sections):
    """A job with some sections replaced."""
    return given | {"spec": json.dumps(json.loads(given["spec"]) | sections)}


def needs_eigenvector(name):
    """Whether a criterion needs the leading eigenvector of the FIM."""
    return _resolved(name).needs == "eigenvector"


def sample_job(study, criterion, iteration, phase):
    """The job of `sample`: the FIM only where somebody looks at it."""
    wanted = phase == "initial" or (phase == "retrained" and needs_eigenvector(criterion))
    return job(study, "sample", criterion=criterion, iteration=iteration, phase=phase, eigenvector=wanted)


def prune_job(study, criterion, iteration):
    """The job of `prune`: with the digest of this criterion alone, and the options that it declares."""
    row = _resolved(criterion)
    used = {"fraction", "threshold", *row.options}
    given = job(study, "prune", criterion=criterion, iteration=iteration)
    given = _with(given, pruning=study.patches.pruning.model_dump(include=used))
    return given | {"code": given["code"] + criterion_digest(criterion, row)}


def figure_job(study, name):
    """The job of one figure: looks, and for figures by criterion their labels and colours."""
    row = FIGURES[name]
    look = {"name": name, "study": summary(study), "formats": study.figures.formats, "dpi": study.figures.dpi}
    if row.by_criterion:
        look |= {"criteria": labels(study), "colours": colours(study)}
    given = job(study, "figure", **look)
    return given | {"code": given["code"] + code_digest(row.module)}


def table_job(study):
    """The job of Table 1."""
    return job(study, "table1", criteria=labels(study), study=summary(study))


def labels(study):
    """Label of each criterion, in the order of the configuration."""
    return {name: _resolved(name).label for name in study.patches.criteria}


def colours(study):
    """Colour of each criterion: the configuration's, else its own."""
    own = [name for name in study.patches.criteria if ":" in name]
    return {
        name: study.figures.colours.get(name, _resolved(name, own.index(name) if name in own else 0).colour)
        for name in study.patches.criteria
    }


def summary(study):
    """One line that says what was computed."""
    data, sampling = study.patches.data, study.patches.sampling
    method = f"{sampling.n_gibbs_steps} Gibbs steps" if sampling.method == "gibbs" else sampling.method
    return (
        f"Study {study.study}: preset {study.preset}, {data.source}, {data.n_patterns} patterns, radius {data.radius}; "
        f"{study.seeds} seeds; sampling {method}, {sampling.statistics} statistics."
    )
