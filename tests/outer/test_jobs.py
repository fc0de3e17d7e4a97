"""What each job of a study is given: what depends on a key, and what does not."""

import json

import pytest

from boltzprune import jobs
from boltzprune.criteria import CRITERIA
from boltzprune.settings import merged, study_from

BASE = {"seeds": 7, "patches": {"data": {"source": "npz", "file": "x.npz"}}}


def all_jobs(values):
    """Every kind of job of a study, by name."""
    study = study_from(merged(BASE, values))
    found = {
        "fetch": jobs.fetch_job(study),
        "prepare": jobs.prepare_job(study),
        "train": jobs.job(study, "train"),
        "retrain": jobs.job(study, "retrain", iteration=1),
        "sample_initial": jobs.sample_job(study, jobs.NO_CRITERION, 0, "initial"),
        "evaluate": jobs.job(study, "evaluate"),
        "collect": jobs.job(study, "collect"),
        "table1": jobs.table_job(study),
        "study": jobs.study_job(study),
        "fig1": jobs.figure_job(study, "fig1"),
        "fig2": jobs.figure_job(study, "fig2"),
    }
    for name in study.patches.criteria:
        found[f"prune {name}"] = jobs.prune_job(study, name, 1)
        found[f"sample {name}"] = jobs.sample_job(study, name, 1, "retrained")
    return found


def differing(values):
    before, after = all_jobs({}), all_jobs(values)
    return {name for name in before if before[name] != after.get(name, before[name])}


PRINTED = {"study", "fig1", "fig2", "table1"}
PRUNE = {f"prune {name}" for name in CRITERIA}
SAMPLE = {"sample_initial"} | {f"sample {name}" for name in CRITERIA}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"figures": {"dpi": 99}}, {"fig1", "fig2"}),
        ({"figures": {"colours": {"anti_fi": "#aa0000"}}}, {"fig2"}),
        ({"figures": {"formats": ["png"]}}, {"fig1", "fig2"}),
        ({"seeds_per_job": 3}, {"study"}),
        ({"seeds": 8}, PRINTED),
        ({"study": "other"}, PRINTED),
        ({"preset": "published"}, set()),
        ({"preset": "paper"}, PRINTED | {"train", "retrain"}),
        ({"device": "reference"}, {"study", "train", "retrain"} | SAMPLE),
        ({"patches": {"data": {"file": "y.npz"}}}, {"fetch", "study"}),
        ({"patches": {"data": {"download": False}}}, {"fetch", "study"}),
        ({"patches": {"data": {"radius": 1.5}}}, {"prepare"} | PRINTED),
        ({"patches": {"data": {"seed": 3}}}, {"prepare", "study"}),
        ({"patches": {"machine": {"n_hidden": 71}}}, {"train", "study"}),
        ({"patches": {"retraining": {"batch_size": 7}}}, {"retrain", "study"}),
        ({"patches": {"training": {"batch_size": 7}}}, {"train", "retrain", "study"}),
        ({"patches": {"sampling": {"n_gibbs_steps": 7}}}, SAMPLE | {"study"}),
        ({"patches": {"sampling": {"method": "gibbs"}}}, SAMPLE | PRINTED),
        ({"patches": {"pruning": {"fraction": 0.4}}}, PRUNE | {"study"}),
        ({"patches": {"pruning": {"threshold": "percentile"}}}, PRUNE | {"study"}),
        ({"patches": {"pruning": {"eigenvector_entry": "signed"}}}, {"prune eigenvector", "study"}),
        ({"patches": {"evaluation": {"missing_patterns": "drop"}}}, {"evaluate", "collect", "study"}),
        ({"patches": {"iterations": 4}}, {"study"}),
        ({"patches": {"criteria": [*CRITERIA][:-1]}}, {"fig2", "table1", "study"}),
    ],
    ids=str,
)
def test_an_edit_changes_the_jobs_that_depend_on_it_and_no_other(values, expected):
    assert differing(values) == expected


@pytest.mark.parametrize(
    ("seeds", "size", "expected"),
    [
        (10, 10, ["0-9"]),
        (3, 1, ["0-0", "1-1", "2-2"]),
        (7, 3, ["0-2", "3-5", "6-6"]),
        (6, 3, ["0-2", "3-5"]),
        (2, 99, ["0-1"]),
        (1, 1, ["0-0"]),
    ],
)
def test_blocks_of_seeds(seeds, size, expected):
    assert jobs.blocks(study_from({"seeds": seeds, "seeds_per_job": size})) == expected


def test_more_seeds_keep_the_blocks_that_were_full():
    few, many = (jobs.blocks(study_from({"seeds": seeds, "seeds_per_job": 3})) for seeds in (6, 11))
    assert many[: len(few)] == few


def spec(job):
    return json.loads(job["spec"])


@pytest.mark.parametrize("name", CRITERIA)
def test_pruning_is_told_only_the_options_that_its_criterion_declares(name):
    found = spec(jobs.prune_job(study_from({}), name, 2))
    expected = {"fraction": 0.5, "threshold": "rank"}
    if name == "eigenvector":
        expected["eigenvector_entry"] = "magnitude"
    assert found == {"criterion": name, "iteration": 2, "pruning": expected}


def test_the_fim_is_computed_only_where_somebody_looks_at_it():
    study = study_from({})
    wanted = {
        (name, phase): spec(jobs.sample_job(study, name, 1, phase))["eigenvector"]
        for name in CRITERIA
        for phase in ("pruned", "retrained")
    }
    assert {key for key, value in wanted.items() if value} == {("eigenvector", "retrained")}
    assert spec(jobs.sample_job(study, jobs.NO_CRITERION, 0, "initial"))["eigenvector"] is True


def test_every_job_has_a_spec_and_a_code():
    for name, job in all_jobs({}).items():
        assert set(job) == {"spec", "code"}, name
        assert len(job["code"]) in (16, 32), name


def test_labels_and_colours(tmp_path):
    path = tmp_path / "rules.py"
    path.write_text("def f(e): pass\ndef g(e): pass\ndef h(e): pass\nh.label, h.colour = 'H!', '#010203'\n")
    names = ["anti_fi", *(f"{path}:{name}" for name in "fgh")]
    study = study_from({"patches": {"criteria": names}, "figures": {"colours": {names[1]: "#0a0b0c"}}})
    assert list(jobs.labels(study).values()) == ["Anti-FI", "f", "g", "H!"]
    colours = jobs.colours(study)
    assert (colours["anti_fi"], colours[names[1]], colours[names[3]]) == ("#D55E00", "#0a0b0c", "#010203")
    assert len(set(colours.values())) == 4
    assert jobs.criteria(study) == dict(zip(["anti_fi", "rules.f", "rules.g", "rules.h"], names))


def test_the_summary_says_what_was_computed():
    study = study_from({"study": "mine", "preset": "authors", "patches": {"sampling": {"method": "gibbs"}}})
    assert jobs.summary(study) == (
        "Study mine: preset authors, sample_images, 20000 patterns, radius 2.1; 10 seeds; sampling 200 Gibbs steps, "
        "sampled statistics."
    )


def test_local_files_are_inputs(tmp_path):
    data = {"source": "npz", "file": str(tmp_path / "x.npz")}
    study = study_from({"patches": {"data": data}})
    assert jobs.local_files(study) == []
    (tmp_path / "x.npz").write_bytes(b"")
    assert jobs.local_files(study) == [str(tmp_path / "x.npz")]
    assert jobs.local_files(study_from({})) == []
