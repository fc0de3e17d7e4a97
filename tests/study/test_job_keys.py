"""Every key of the configuration reaches a job of its experiment, and none of the other; new keys reach all of them."""

import typing

import pytest
from test_jobs import BASE, DIGITS_PRINTED, PATCHES_PRINTED, PRINTED, all_jobs, spec

from boltzprune.report.figures import FIGURES
from boltzprune.study import jobs
from boltzprune.study.config import DeepPruning, DigitEvaluation, PatchData, Pruning, Section
from boltzprune.study.settings import merged, study_from
from boltzprune.study.stages import STAGES

NO_JOB_CHANGES = {
    "seeds_per_job": "which seeds share a job; the numbers do not depend on it",
    "preset": "its values are keys of their own",
    "study": "where the results lie",
    "experiments": "which jobs there are",
    "parts": "which jobs there are",
    "seeds": "which seeds there are; no number depends on how many",
    "patches.seeds": "as seeds",
    "digits.seeds": "as seeds",
    "patches.criteria": "which chains there are",
    "digits.criteria": "which chains there are",
    "patches.controls": "which machines there are",
    "digits.controls": "which machines there are",
    "patches.iterations": "how long the chains are",
    "digits.iterations": "how long the chains are",
    "digits.evaluation.after_pruning": "which files are evaluated",
}
"""Keys whose edit makes other jobs, and changes none that computes -> why."""
LOOKS = {
    "figures.formats": {*FIGURES},
    "figures.dpi": {*FIGURES},
    "figures.colours": {name for name, row in FIGURES.items() if row.by_criterion},
    "figures.last_iterations": {"fig3", "fig4", "claims"},
    "digits.evaluation.quality": {"fig4", "s2b"},
}
"""Keys of which only drawing and judging depend -> the jobs."""
OTHER = {
    "preset": "preprint",
    "study": "other",
    "patches.data.source": "cifar10",
    "digits.data.source": "digits",
    "digits.data.threshold": 7.0,
    "digits.machine.receptive_field": 5,
    "digits.machine.n_hidden": [64, 11],
    "figures.formats": ["png"],
    "figures.last_iterations": {"anti_fi": 2},
    "figures.colours": {"anti_fi": "#aa0000"},
    "patches.data.file": "y.npz",
    "patches.controls": [],
    "patches.pruning.schedule": [0.3] * 3,
    "digits.pruning.schedule": [[0.3, 0.2]] * 10,
    "digits.controls": ["rewind"],
    "parts": ["results/other"],
    "patches.pruning.regrowth": {"fraction": 0.3, "by": "random"},
    "digits.pruning.regrowth": {"fraction": 0.3, "by": "correlation"},
}
"""Keys whose other value cannot be guessed from the one that they have."""
NULL = {"directory": "here", "file": "x.npz", "seeds": 11, "n_samples": 11, "n_train": 11, "n_test": 11}
NULL |= {"divergence": 2.5, "encoding_error": 2.5, "activity": "h1", "schedule_epochs": 23, "last_learning_rate": 0.003}
NULL |= {"homeostasis": 0.3}
"""Keys that may be null -> another value."""
OF_DIGITS = {"data": {"source": "mnist"}, "machine": {"n_hidden": [784, 7]}, "evaluation": {"encoding": "sampled"}}
STUDY = study_from(merged(BASE, {"digits": OF_DIGITS}))
VALUES = STUDY.model_dump()
"""All values, so that an edit of one key changes no other through the preset or a default."""


def leaves(section, prefix=""):
    """Dotted keys of a section and of the sections in it -> value, type."""
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value, field.annotation


LEAVES = {key: (value, annotation) for key, value, annotation in leaves(STUDY)}


def other(key):
    """Another valid value of a key."""
    value, annotation = LEAVES[key]
    if key in OTHER:
        return OTHER[key]
    if value is None:
        return NULL[key.rpartition(".")[2]]
    if typing.get_origin(annotation) is typing.Literal:
        return next(one for one in typing.get_args(annotation) if one != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, list):
        return value[:-1] if isinstance(value[0], str) else [0.9 * value[0], *value[1:]]
    return value + 2 if isinstance(value, int) else 0.9 * value


def nested(key, value):
    """{"a.b": 1} as {"a": {"b": 1}}."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


def changed(key):
    """Jobs that an edit of one key changes, but for the one that writes all of them."""
    before, after = all_jobs(VALUES), all_jobs(merged(VALUES, nested(key, other(key))))
    return {name for name in before if before[name] != after.get(name, before[name])} - {"study"}


def experiment_of(name):
    """The experiment of a job, by the list of stages and of figures."""
    if name in FIGURES:
        return FIGURES[name].experiment
    return STAGES[{"sample_initial": "sample"}.get(name, name.split()[0])].experiment


def test_the_jobs_of_the_tests_are_all_there_are():
    names = {name.split()[0] for name in all_jobs({})} - {"sample_initial"} - {*FIGURES}
    assert names | {"figure"} == {*STAGES}


@pytest.mark.parametrize("key", LEAVES)
def test_an_edit_of_a_key_changes_a_job_that_depends_on_it(key):
    found = changed(key)
    if key in LOOKS:
        assert found == LOOKS[key]
    elif key in NO_JOB_CHANGES:
        assert found <= PRINTED  # which say what was computed
    else:
        assert found - PRINTED, key


@pytest.mark.parametrize("key", [key for key in LEAVES if key.startswith(("patches.", "digits."))])
def test_an_edit_of_one_experiment_changes_no_job_of_the_other(key):
    experiment = key.partition(".")[0]
    assert {experiment_of(name) for name in changed(key) - {"claims"}} <= {experiment}


def test_the_lists_of_keys_have_nothing_else():
    assert {*NO_JOB_CHANGES, *LOOKS, *OTHER} <= {*LEAVES}
    assert PATCHES_PRINTED & DIGITS_PRINTED == {"study", "claims"}


def test_every_key_of_a_data_section_is_of_finding_or_of_preparing():
    """A new key is in neither list: it is prepared with, and here somebody has to say whether it is found with."""
    found = {}
    for key in (key for key in LEAVES if ".data." in key):
        experiment, _, name = key.split(".")
        suffix = "_digits" if experiment == "digits" else ""
        stages = {stage for stage in ("fetch", "prepare") if f"{stage}{suffix}" in changed(key)}
        found.setdefault((experiment, " ".join(sorted(stages))), set()).add(name)
    assert found == {
        ("patches", "fetch"): {"directory", "file", "download"},
        ("patches", "fetch prepare"): {"source", "batches"},
        ("patches", "prepare"): {"radius", "n_patterns", "median", "at_median", "seed"},
        ("digits", "fetch"): {"directory", "file", "download"},
        ("digits", "fetch prepare"): {"source"},
        ("digits", "prepare"): {"transposed", "crop", "threshold", "n_train", "n_test", "n_classes", "seed"},
    }


def with_new_key(experiment, section, model, value):
    """A study whose section has a key more."""
    more = type(model.__name__, (model,), {"__annotations__": {"new": int}, "new": 5})
    old = getattr(STUDY, experiment)
    new = more.model_validate(getattr(old, section).model_dump() | {"new": value})
    return STUDY.model_copy(update={experiment: old.model_copy(update={section: new})})


@pytest.mark.parametrize(
    ("experiment", "stage", "model"), [("patches", "prune", Pruning), ("digits", "prune_deep", DeepPruning)]
)
def test_a_new_key_of_pruning_reaches_every_criterion(experiment, stage, model):
    five, seven = (with_new_key(experiment, "pruning", model, value) for value in (5, 7))
    for name in getattr(five, experiment).criteria:
        one, other = (jobs.prune_job(study, name, 2, stage) for study in (five, seven))
        assert spec(one)["pruning"]["new"] == 5
        assert one != other


@pytest.mark.parametrize("stage", ["reference", "evaluate_digits"])
def test_a_new_key_of_the_evaluation_reaches_every_stage_that_evaluates(stage):
    one, other = (jobs.job(with_new_key("digits", "evaluation", DigitEvaluation, value), stage) for value in (5, 7))
    assert spec(one)["evaluation"]["new"] == 5
    assert one != other


def test_a_new_key_of_the_data_is_prepared_with():
    one, other = (jobs.prepare_job(with_new_key("patches", "data", PatchData, value)) for value in (5, 7))
    assert one != other


def test_a_stage_is_told_what_it_uses_of_the_evaluation():
    told = {stage: {*spec(jobs.job(STUDY, stage))["evaluation"]} for stage in ("reference", "evaluate_digits")}
    assert told["reference"] == {"strength_raw", "max_iterations", "tolerance"}
    assert told["evaluate_digits"] == {*DigitEvaluation.model_fields} - {"strength_raw", "quality", "after_pruning"}


def test_every_key_of_pruning_that_a_criterion_leaves_out_is_anothers():
    for experiment, stage in (("patches", "prune"), ("digits", "prune_deep")):
        section = getattr(STUDY, experiment)
        told = {name: {*spec(jobs.prune_job(STUDY, name, 1, stage))["pruning"]} for name in section.criteria}
        assert set.union(*told.values()) == {*type(section.pruning).model_fields} - {"schedule", "regrowth"}
        assert set.intersection(*told.values()) == {"fraction"}
