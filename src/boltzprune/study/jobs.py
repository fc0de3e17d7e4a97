"""What each job of a study is given: block of seeds, spec, digest of its code. Pure functions of the `Study`.

A spec holds the sections which the stage uses and nothing else, so an edit reruns what depends on it and nothing else.
"""

import functools
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from boltzprune.backend import candidates
from boltzprune.datasets import BY_EXPERIMENT
from boltzprune.errors import InputError
from boltzprune.evaluation.stopping import rules_of
from boltzprune.pruning.controls import ANEW, CONTROLS
from boltzprune.pruning.criteria import CRITERIA, Criterion, resolve, slug
from boltzprune.report import comparison
from boltzprune.report.figures import FIGURES, module_of
from boltzprune.results.provenance import code_digest, criterion_digest
from boltzprune.sampling.statistics import MAX_VISIBLE_AUTO
from boltzprune.study import feasible, raw_data
from boltzprune.study.config import EXPERIMENTS, Study
from boltzprune.study.config.base import in_iteration
from boltzprune.study.stages import SECTIONS, STAGES

NO_CRITERION = "none"
"""Criterion of the initial machines, in tables."""


def n_seeds(study: Study, experiment: str) -> int:
    """How many seeds an experiment has: its own number, else that of the study."""
    own = getattr(study, experiment).seeds
    return study.seeds if own is None else own


def blocks(study: Study, experiment: str) -> list[str]:
    """Seeds of an experiment that share a job, as first-last: ["0-9", "10-19", ...]."""
    size, first = study.seeds_per_job, study.first_seed
    end = first + n_seeds(study, experiment)
    return [f"{i}-{min(i + size, end) - 1}" for i in range(first, end, size)]


def seeds_of(block: str) -> range:
    """Seeds of a block, from its name."""
    first, last = map(int, block.split("-"))
    return range(first, last + 1)


def runs(seeds: Iterable[int]) -> list[tuple[int, int]]:
    """Seeds that follow each other, as (first, last): 0, 1, 2, 5 as [(0, 2), (5, 5)]."""
    found: list[tuple[int, int]] = []
    for seed in sorted(seeds):
        if found and found[-1][1] == seed - 1:
            found[-1] = (found[-1][0], seed)
        else:
            found.append((seed, seed))
    return found


def criteria(study: Study, experiment: str = "patches") -> dict[str, str]:
    """Criteria of an experiment: name in paths -> name in the configuration; InputError if one does not suit it."""
    for name in study.digits.criteria if experiment == "digits" else ():
        if needs_eigenvector(name):
            raise InputError(
                f"digits.criteria: {name!r} needs the full FIM, which is computed for RBMs only; leave it out"
            )
    return {slug(name): name for name in getattr(study, experiment).criteria}


@functools.cache
def _resolved(name: str, position: int = 0) -> Criterion:
    return resolve(name, position)


UNUSED = {
    ("reference", "evaluation"): {
        *("encoding", "n_clamped_steps", "strength_encoding", "quality"),
        *("ais_chains", "ais_temperatures", "after_pruning"),
    },
    ("evaluate_digits", "evaluation"): {"strength_raw", "quality", "after_pruning"},
    ("train_anew", "retraining"): {"homeostasis"},
    ("train_deep_anew", "retraining"): {"homeostasis"},
}
"""Stage and section -> the keys of it that the stage does not use. Named are those, so that a key which is new to a
section reruns every stage that could use it."""


def job(study: Study, stage: str, /, **values: object) -> dict[str, Any]:
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
    spec, row = dict(values), STAGES[stage]
    experiment = getattr(study, row.experiment)
    for key in row.spec:
        if key in SECTIONS[row.experiment]:
            unused = UNUSED.get((stage, key), set())
            if key == "retraining" and not draws_back(study, row.experiment):
                unused = unused | {"homeostasis"}
            if row.experiment == "digits" and key == "sampling" and not is_conditional(study):
                unused = unused | {"statistics"}
            spec[key] = getattr(experiment, key).model_dump(exclude=unused)
        elif key == "device":
            spec[key] = study.device
        elif key == "n_chains":
            spec[key] = experiment.n_chains
    modules = [f"boltzprune.study.stages.{STAGES[stage].module}"]
    if "device" in spec:
        modules += candidates(study.device)
    return {"spec": json.dumps(spec), "code": code_digest(*modules)}


LOCATION = ("directory", "file", "download")
"""Keys of section data that say where the files lie, not what is made of them."""
WANTED = {"patches": ("source", "batches"), "digits": ("source",)}
"""Keys of section data that finding the files needs besides."""


def fetch_job(
    study: Study, experiment: str = "patches", folder: str | os.PathLike[str] | None = None
) -> dict[str, Any]:
    """The job that finds the files: where they lie, which are wanted, and the content of those that the user put there.

    Parameters
    ----------
    study : config.Study
    experiment : str
    folder : path or None
        Where the results of the experiment lie.

    Returns
    -------
    dict
        spec, code; files: name of each raw file of the user's -> SHA-256, so that its content decides what runs.
    """
    data = getattr(study, experiment).data
    keys = {*LOCATION, *WANTED[experiment]}
    stage = {"patches": "fetch", "digits": "fetch_digits"}[experiment]
    given = _with(job(study, stage), data=data.model_dump(include=keys))
    code = given["code"] + _source_digest(study, experiment)
    return given | {"code": code, "files": raw_data.content(study, experiment, folder)}


def prepare_job(study: Study, experiment: str = "patches") -> dict[str, Any]:
    """The job that makes patterns of them: everything but where the files lie."""
    stage = {"patches": "prepare", "digits": "prepare_digits"}[experiment]
    data = getattr(study, experiment).data
    given = _with(job(study, stage), data=data.model_dump(exclude=set(LOCATION)))
    return given | {"code": given["code"] + _source_digest(study, experiment)}


def _source_digest(study: Study, experiment: str) -> str:
    """Digest of the code of the data source that an experiment uses, and of no other source."""
    source = BY_EXPERIMENT[experiment][getattr(study, experiment).data.source]
    return code_digest(*sorted({function.__module__ for function in (source.locate, source.read, source.sizes)}))


def study_job(study: Study) -> dict[str, Any]:
    """The job of `study`: preset and all values, but for those of an experiment that the study has not."""
    left_out = {name for name in EXPERIMENTS if name not in study.experiments}
    return job(study, "study", config=study.model_dump(exclude={"figures", *left_out}))


def _with(given: Mapping[str, Any], **sections: object) -> dict[str, Any]:
    """A job with some sections replaced."""
    return {**given, "spec": json.dumps(json.loads(given["spec"]) | sections)}


def _without(given: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A job without a key of its spec."""
    return {
        **given,
        "spec": json.dumps({name: value for name, value in json.loads(given["spec"]).items() if name != key}),
    }


def stops(study: Study, experiment: str) -> bool:
    """Whether courses of an experiment may stop early, so that prunings have to see the metrics so far."""
    return bool(rules_of(getattr(study, experiment).stop))


def regrows(study: Study, experiment: str, criterion: Criterion | None = None) -> bool:
    """Whether weights grow again after prunings of an experiment, by a criterion if one is given."""
    return getattr(study, experiment).pruning.regrowth is not None and not (criterion and criterion.whole_units)


def draws_back(study: Study, experiment: str) -> bool:
    """Whether retrainings of an experiment have homeostasis, so that they have to see the machines before."""
    return getattr(study, experiment).retraining.homeostasis is not None


def is_conditional(study: Study) -> bool:
    """Whether the statistics of deep machines take hidden units by their probabilities; else no job is told of it."""
    return study.digits.sampling.statistics == "conditional"


def needs_eigenvector(name: str) -> bool:
    """Whether a criterion needs the leading eigenvector of the FIM."""
    return _resolved(name).needs == "eigenvector"


def sample_job(study: Study, criterion: str, iteration: int, phase: str) -> dict[str, Any]:
    """The job of `sample` for a criterion or a control: the FIM only where somebody looks at it.

    The whole matrix is kept of the initial machine of the first seed, for Figure 1.

    Parameters
    ----------
    study : config.Study
    criterion : str
        Name of a criterion or of a control, or `NO_CRITERION`.
    iteration : int
        0: of the initial machines.
    phase : str
        One of `tidy.PHASES`.
    """
    prunes_by_it = phase == "retrained" and criterion not in CONTROLS and needs_eigenvector(criterion)
    wanted = phase == "initial" or prunes_by_it
    kept = {"matrix_of": study.first_seed} if phase == "initial" else {}
    return job(study, "sample", criterion=criterion, iteration=iteration, phase=phase, eigenvector=wanted, **kept)


def prune_job(study: Study, criterion: str, iteration: int, stage: str = "prune") -> dict[str, Any]:
    """The job of `prune` or `prune_deep`: the digest of this criterion alone, and no option that only others declare.

    Of a schedule it is told the fraction of its iteration, so that an edit of a later one leaves it as it is.

    A key of section `pruning` that no criterion declares concerns all of them.

    Parameters
    ----------
    study : config.Study
    criterion : str
        As the configuration names it.
    iteration : int
    stage : str
    """
    row, experiment = _resolved(criterion), STAGES[stage].experiment
    pruning = in_iteration(getattr(study, experiment).pruning, iteration)
    of_others = set().union(*map(_options, CRITERIA.values())) - _options(row)
    given = job(study, stage, criterion=criterion, iteration=iteration)
    if not stops(study, experiment):
        given = _without(given, "stop")
    without = {"schedule", *of_others} | (set() if regrows(study, experiment, row) else {"regrowth"})
    given = _with(given, pruning=pruning.model_dump(exclude=without))
    return given | {"code": given["code"] + criterion_digest(criterion, row)}


def _options(row: Criterion) -> set[str]:
    """Keys of section `pruning` that a criterion declares: how it is applied, and what its function reads."""
    declared = {"whole_units" if row.whole_units else row.threshold, *row.options}
    return declared | {"zero_rule"} if row.zeros_go else declared


def figures(study: Study, experiment: str) -> list[str]:
    """The figures of one experiment that belong to a study: not those that would repeat another, or show nothing."""
    section = getattr(study, experiment)
    shown, n_iterations, anew = study.figures.last_iterations, section.iterations, {*ANEW} & {*section.controls}
    left_out = any(shown.get(name, n_iterations) < n_iterations for name in section.criteria)
    mine = [(name, row) for name, row in FIGURES.items() if row.experiment == experiment]
    mine = [(name, row) for name, row in mine if not (row.machines and study.parts)]
    return [name for name, row in mine if (left_out or not row.repeats) and (anew or not row.anew)]


def figure_job(study: Study, name: str) -> dict[str, Any]:
    """The job of one figure: looks, and for figures by criterion their labels and colours."""
    row = FIGURES[name]
    about = summary(study, row.experiment)
    look = {"name": name, "study": about, "formats": study.figures.formats, "dpi": study.figures.dpi}
    if row.by_criterion:
        look |= {"criteria": labels(study, row.experiment), "colours": colours(study, row.experiment)}
    if row.experiment == "digits" and not row.all_iterations:
        look["last_iterations"] = study.figures.last_iterations
    if row.published:
        look["published"] = shows_published(study, row.experiment)
    if "digits_examples" in row.inputs:
        look["quality"] = study.digits.evaluation.quality
    given = job(study, "figure", **look)
    return given | {"code": given["code"] + code_digest(module_of(name))}


def table_job(study: Study, stage: str) -> dict[str, Any]:
    """The job of a table by criterion: table1, per_digit."""
    experiment = STAGES[stage].experiment
    more = {"published": shows_published(study, experiment)} if "published" in STAGES[stage].spec else {}
    return job(study, stage, criteria=labels(study, experiment), study=summary(study, experiment), **more)


def claims_job(study: Study) -> dict[str, Any]:
    """The job of the claims."""
    about = {"study": summaries(study), "last_iterations": study.figures.last_iterations}
    why = {name: comparison.differences(name, getattr(study, name)) for name in study.experiments}
    return job(study, "claims", criteria=all_labels(study), not_compared=why, **about)


def shows_published(study: Study, experiment: str) -> bool:
    """Whether tables and figures of an experiment show numbers of the authors, which need its size."""
    return comparison.of_size(experiment, getattr(study, experiment))


def labels(study: Study, experiment: str) -> dict[str, str]:
    """Label of each criterion of an experiment, in the order of the configuration."""
    return {name: _resolved(name).label for name in getattr(study, experiment).criteria}


def all_labels(study: Study) -> dict[str, str]:
    """Label of each criterion of the study."""
    return {name: label for experiment in study.experiments for name, label in labels(study, experiment).items()}


def colours(study: Study, experiment: str) -> dict[str, str]:
    """Colour of each criterion, the same in every figure: the configuration's, else its own."""
    every = dict.fromkeys([*study.patches.criteria, *study.digits.criteria])
    own = [name for name in every if ":" in name]
    return {
        name: study.figures.colours.get(name, _resolved(name, own.index(name) if name in own else 0).colour)
        for name in getattr(study, experiment).criteria
    }


def prospect(study: Study) -> list[str]:
    """What a study will do, in lines."""
    lines = []
    for experiment in study.experiments:
        section, n = getattr(study, experiment), n_seeds(study, experiment)
        n_criteria = len(section.criteria)
        if study.parts:
            lines.append(
                f"{summary(study, experiment)} Put together from {', '.join(study.parts)}; nothing is trained."
            )
            continue
        lines.append(
            f"{summary(study, experiment)} {n} trained machines, {n_criteria} criteria, {section.iterations} "
            f"iterations: {n * n_criteria * section.iterations:,} prunings, each followed by a retraining."
        )
    return lines


def summaries(study: Study) -> str:
    """The lines of all its experiments."""
    return " ".join(summary(study, experiment) for experiment in study.experiments)


def summary(study: Study, experiment: str) -> str:
    """One line that says what was computed."""
    data, sampling = getattr(study, experiment).data, getattr(study, experiment).sampling
    name = BY_EXPERIMENT[experiment][data.source].label or data.source
    start, n_machines = f"Study {study.study}: preset {study.preset}, {name}, ", n_seeds(study, experiment)
    repeated = f"{n_machines} seed" + "s" * (n_machines > 1)
    if experiment == "digits":
        sizes = " and ".join(map(str, study.digits.machine.n_hidden))
        n = "all" if data.n_train is None else data.n_train
        chains = f"{sampling.chains} chains" + ", conditional statistics" * is_conditional(study)
        return f"{start}{n} training images, {sizes} hidden units; {repeated}; {chains}."
    n_visible = feasible.visible_units(study.patches)
    method = sampling.method
    if method == "auto" and n_visible is not None:
        method = "exact" if n_visible <= MAX_VISIBLE_AUTO else "gibbs"
    ways = {"exact": "exact samples", "gibbs": f"samples after {sampling.n_gibbs_steps} Gibbs steps"}
    return (
        f"{start}{data.n_patterns} patterns, radius {data.radius}; {repeated}; "
        f"{ways.get(method, 'sampling auto')}, {sampling.statistics} statistics."
    )
