"""What each job of the digits is given: what depends on a key, and what does not."""

import json

import pytest
from test_jobs import DIGITS_CRITERIA, DIGITS_PRINTED, PRINTED, PRUNE_DEEP, all_jobs, differing, in_order, spec

from boltzprune.report.figures import FIGURES
from boltzprune.study import jobs, raw_data
from boltzprune.study.settings import study_from


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            {"digits": {"data": {"source": "npz", "file": "none.npz"}}},
            {"fetch_digits", "prepare_digits"} | DIGITS_PRINTED,
        ),
        ({"digits": {"data": {"directory": "here"}}}, {"fetch_digits", "study"}),
        ({"digits": {"data": {"download": False}}}, {"fetch_digits", "study"}),
        ({"digits": {"data": {"threshold": 7}}}, {"prepare_digits", "study"}),
        ({"digits": {"data": {"n_train": 11}}}, {"prepare_digits"} | DIGITS_PRINTED),
        ({"digits": {"data": {"n_classes": 11}}}, {"prepare_digits", "study"}),
        ({"digits": {"data": {"seed": 3}}}, {"prepare_digits", "study"}),
        ({"digits": {"machine": {"n_hidden": [64, 11]}}}, {"train_deep_anew", "pretrain"} | DIGITS_PRINTED),
        ({"digits": {"machine": {"weight_sd": 0.3}}}, {"train_deep_anew", "pretrain", "study"}),
        ({"digits": {"pretraining": {"second": {"n_epochs": 3}}}}, {"train_deep_anew", "pretrain", "study"}),
        ({"digits": {"pretraining": {"doubled_inputs": False}}}, {"train_deep_anew", "pretrain", "study"}),
        ({"digits": {"n_chains": 7}}, {"train_deep_anew", "pretrain", "study"}),
        ({"digits": {"training": {"n_epochs": 3}}}, {"train_deep_anew", "train_jointly", "study"}),
        ({"digits": {"retraining": {"n_epochs": 3}}}, {"train_deep_anew", "retrain_jointly", "study"}),
        (
            {"digits": {"mean_field": {"max_updates": 7}}},
            {"train_deep_anew", "train_jointly", "retrain_jointly", "evaluate_digits", "study"},
        ),
        ({"digits": {"sampling": {"n_gibbs_steps": 7}}}, {"sample_deep", "study"}),
        ({"digits": {"sampling": {"chains": "fresh"}}}, {"sample_deep"} | DIGITS_PRINTED),
        ({"digits": {"sampling": {"statistics": "conditional"}}}, {"sample_deep"} | DIGITS_PRINTED),
        ({"digits": {"sampling": {"statistics": "sampled"}}}, set()),
        ({"digits": {"pruning": {"fraction": [0.1, 0.2]}}}, PRUNE_DEEP | {"study"}),
        (
            {"digits": {"pruning": {"threshold": "rank"}}},
            PRUNE_DEEP - {"prune_deep anti_fi", "prune_deep random_units"} | {"study"},
        ),
        ({"digits": {"pruning": {"anti_fi_threshold": "percentile"}}}, {"prune_deep anti_fi", "study"}),
        ({"digits": {"pruning": {"whole_units": "proportion"}}}, {"prune_deep random_units", "study"}),
        ({"digits": {"retraining": {"chains": "go_on"}}}, {"train_deep_anew", "retrain_jointly", "study"}),
        ({"digits": {"evaluation": {"after_pruning": True}}}, {"study"}),  # more jobs, none changed
        (
            {"digits": {"pruning": {"zero_rule": "ratio"}}},
            {"prune_deep variance_fi", "prune_deep heuristic_fi", "study"},
        ),
        ({"digits": {"pruning": {"variance_weighting": "squared_weight"}}}, {"prune_deep variance_fi", "study"}),
        ({"digits": {"iterations": 5}}, {"study"}),
        (
            {"digits": {"criteria": DIGITS_CRITERIA[:-1]}},
            {"fig3", "fig4", "s1", "s2a", "s2b", "controls_digits", "survival_digits", "per_digit", "study"},
        ),
        ({"digits": {"evaluation": {"strength_raw": 0.2}}}, {"reference", "study"}),
        ({"digits": {"evaluation": {"strength_encoding": 0.2}}}, {"evaluate_digits", "study"}),
        ({"digits": {"evaluation": {"encoding": "sampled"}}}, {"evaluate_digits", "study"}),
        ({"digits": {"evaluation": {"ais_chains": None}}}, {"evaluate_digits", "study"}),
        ({"digits": {"evaluation": {"tolerance": 0.01}}}, {"reference", "evaluate_digits", "study"}),
        ({"digits": {"evaluation": {"quality": "class_mean"}}}, {"fig4", "s2b", "study"}),
    ],
    ids=in_order,
)
def test_an_edit_changes_the_jobs_that_depend_on_it_and_no_other(values, expected):
    assert differing(values) == expected


def test_every_key_of_the_digits_reaches_some_job():
    """The file beside the results and the line that every figure shows know each key; some other job has to as well."""
    given = json.dumps([json.loads(job["spec"]) for name, job in all_jobs({}).items() if name not in PRINTED])
    about = ("seeds", "criteria", "controls", "iterations", "stop")  # which jobs there are, and what null leaves out
    for key in type(study_from({}).digits).model_fields:
        assert key in about or f'"{key}": ' in given, key


def test_a_criterion_has_one_colour_in_both_experiments(tmp_path):
    path = tmp_path / "rules.py"
    path.write_text("".join(f"def {name}(e): pass\n" for name in "abcd"))
    a, b, c, d = (f"{path}:{name}" for name in "abcd")
    study = study_from({"patches": {"criteria": ["anti_fi", a, b, c]}, "digits": {"criteria": [d, c, "anti_fi", b]}})
    patches, digits = (jobs.colours(study, experiment) for experiment in ("patches", "digits"))
    assert list(patches) == ["anti_fi", a, b, c]
    assert list(digits) == [d, c, "anti_fi", b]
    assert {name: patches[name] for name in (b, c, "anti_fi")} == {name: digits[name] for name in (b, c, "anti_fi")}
    assert len(set((patches | digits).values())) == 5
    look = {name: spec(jobs.figure_job(study, name))["colours"] for name in ("fig2", "fig3", "s2b")}
    assert look == {"fig2": patches, "fig3": digits, "s2b": digits}
    assert spec(jobs.claims_job(study))["criteria"] == {
        "anti_fi": "Anti-FI", a: "a", b: "b", c: "c", d: "d",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        ({}, ["fig3", "fig4", "s1", "survival_digits"]),
        ({"anti_fi": 3, "variance_fi": 5}, ["fig3", "fig4", "s1", "survival_digits"]),
        ({"anti_fi": 2, "variance_fi": 5}, ["fig3", "fig4", "s1", "s2a", "s2b", "survival_digits"]),
    ],
)
def test_figures_that_would_repeat_others_belong_to_no_study(last, expected):
    study = study_from({"figures": {"last_iterations": last}, "digits": {"iterations": 3}})
    assert jobs.figures(study, "digits") == expected
    assert jobs.figures(study, "patches") == ["fig1", "fig2", "survival_patches"]


def test_a_criterion_of_the_patches_alone_leaves_out_no_iteration_of_the_digits():
    own = {"patches": {"criteria": ["eigenvector"], "iterations": 7}, "digits": {"iterations": 3}}
    study = study_from(own | {"figures": {"last_iterations": {"eigenvector": 2}}})
    assert jobs.figures(study, "digits") == ["fig3", "fig4", "s1", "survival_digits"]


def test_figures_of_machines_belong_to_no_study_that_has_tables_alone():
    study = study_from({"parts": ["results/one"]})
    assert (jobs.figures(study, "patches"), jobs.figures(study, "digits")) == (["fig1", "fig2"], ["fig3", "fig4", "s1"])


def test_what_the_figures_of_the_digits_are_told():
    values = {"last_iterations": {"anti_fi": 2}, "dpi": 77}
    study = study_from({"figures": values, "digits": {"evaluation": {"quality": "class_mean"}}})
    told = {name: spec(jobs.figure_job(study, name)) for name in FIGURES}
    assert {name for name in told if told[name].get("last_iterations") == {"anti_fi": 2}} == {"fig3", "fig4"}
    assert {name for name in told if "last_iterations" in told[name]} == {"fig3", "fig4"}
    assert {name for name in told if told[name].get("quality") == "class_mean"} == {"fig4", "s2b"}
    assert all(told[name]["name"] == name for name in told)
    assert all(told[name]["study"] == jobs.summary(study, FIGURES[name].experiment) for name in told)
    assert all(told[name]["dpi"] == 77 for name in told)
    assert spec(jobs.claims_job(study))["last_iterations"] == {"anti_fi": 2}


@pytest.mark.parametrize("name", DIGITS_CRITERIA)
def test_pruning_of_deep_machines_is_told_only_the_options_that_its_criterion_declares(name):
    found = spec(jobs.prune_job(study_from({"preset": "preprint"}), name, 2, "prune_deep"))
    key = {"anti_fi": "anti_fi_threshold", "random_units": "whole_units"}.get(name, "threshold")
    expected = {"fraction": [0.10, 0.10], key: "layer" if name == "random_units" else "percentile"}
    if name in ("variance_fi", "heuristic_fi"):
        expected["zero_rule"] = "ratio"
    if name == "variance_fi":
        expected["variance_weighting"] = "squared_weight"
    assert found == {"criterion": name, "iteration": 2, "pruning": expected}


def test_a_job_of_the_digits_has_their_sections():
    study = study_from({"patches": {"data": {"radius": 1.5}}, "digits": {"n_chains": 7, "data": {"crop": 0}}})
    assert spec(jobs.prepare_job(study, "digits"))["data"] == {
        key: value
        for key, value in study.digits.data.model_dump().items()
        if key not in ("directory", "file", "download")
    }
    assert spec(jobs.fetch_job(study, "digits"))["data"] == {
        "source": "digits",
        "directory": None,
        "file": None,
        "download": True,
    }
    found = spec(jobs.job(study, "pretrain"))
    assert found == {
        "machine": study.digits.machine.model_dump(),
        "pretraining": study.digits.pretraining.model_dump(),
        "n_chains": 7,
        "device": "auto",
    }
    assert spec(jobs.job(study, "train_jointly"))["training"] == study.digits.training.model_dump()
    assert spec(jobs.job(study, "retrain_jointly", iteration=3))["retraining"] == study.digits.retraining.model_dump(
        exclude={"homeostasis"}
    )


def test_a_job_that_samples_is_told_of_conditional_statistics_alone():
    """Jobs that were finished before there were any are told what they were told then."""
    told = {}
    for kind in ("sampled", "conditional"):
        study = study_from({"digits": {"sampling": {"statistics": kind, "n_samples": 11, "n_gibbs_steps": 7}}})
        given = jobs.job(study, "sample_deep", criterion="anti_fi", iteration=2, phase="retrained")
        told[kind] = spec(given)["sampling"]
    assert told["sampled"] == {"chains": "persistent", "n_samples": 11, "n_gibbs_steps": 7}
    assert told["conditional"] == told["sampled"] | {"statistics": "conditional"}


def test_local_files_of_the_digits_are_found_too(tmp_path):
    data = {"source": "npz", "file": str(tmp_path / "x.npz")}
    study = study_from({"digits": {"data": data}})
    assert raw_data.local_files(study, "digits") == []
    (tmp_path / "x.npz").write_bytes(b"")
    assert raw_data.local_files(study, "digits") == [str(tmp_path / "x.npz")]
    assert raw_data.local_files(study) == []
    folder = study_from({"digits": {"data": {"source": "mnist", "directory": str(tmp_path), "download": True}}})
    assert raw_data.local_files(folder, "digits") == []
    names = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    assert raw_data.local_files(folder, "digits") == [str(tmp_path / name) for name in names]
