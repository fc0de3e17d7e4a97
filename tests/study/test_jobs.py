"""What each job of a study is given: what depends on a key, and what does not."""

import json

import pytest

from boltzprune.report.figures import FIGURES
from boltzprune.results.provenance import code_digest
from boltzprune.study import jobs, raw_data
from boltzprune.study.settings import merged, study_from

BASE = {"preset": "published", "seeds": 7, "patches": {"data": {"source": "npz", "file": "x.npz"}}}


def in_order(value):
    """The name of a parameter: the same in every process, which the order of a set is not."""
    return str(sorted(value)) if isinstance(value, set) else str(value)


def all_jobs(values):
    """Every kind of job of a study, by name."""
    study = study_from(merged(BASE, values))
    found = {
        "fetch": jobs.fetch_job(study),
        "prepare": jobs.prepare_job(study),
        "train": jobs.job(study, "train"),
        "retrain": jobs.job(study, "retrain", iteration=1),
        "train_anew": jobs.job(study, "train_anew", iteration=2, phase="scratch"),
        "sample_initial": jobs.sample_job(study, jobs.NO_CRITERION, 0, "initial"),
        "evaluate": jobs.job(study, "evaluate"),
        "collect": jobs.job(study, "collect"),
        "survivors": jobs.job(study, "survivors"),
        "table1": jobs.table_job(study, "table1"),
        "study": jobs.study_job(study),
        "claims": jobs.claims_job(study),
        **{name: jobs.figure_job(study, name) for name in FIGURES},
    }
    for name in study.patches.criteria:
        found[f"prune {name}"] = jobs.prune_job(study, name, 1)
        found[f"sample {name}"] = jobs.sample_job(study, name, 1, "retrained")
    return found | deep_jobs(study)


def deep_jobs(study):
    """Those of the digits."""
    found = {
        "fetch_digits": jobs.fetch_job(study, "digits"),
        "prepare_digits": jobs.prepare_job(study, "digits"),
        "reference": jobs.job(study, "reference"),
        "pretrain": jobs.job(study, "pretrain"),
        "train_jointly": jobs.job(study, "train_jointly"),
        "retrain_jointly": jobs.job(study, "retrain_jointly", iteration=1),
        "train_deep_anew": jobs.job(study, "train_deep_anew", iteration=2, phase="rewind"),
        "sample_deep": jobs.job(study, "sample_deep", criterion="anti_fi", iteration=1, phase="pruned"),
        "evaluate_digits": jobs.job(study, "evaluate_digits"),
        "collect_digits": jobs.job(study, "collect_digits"),
        "survivors_deep": jobs.job(study, "survivors_deep"),
        "merge_digits": jobs.job(study, "merge_digits"),
        "per_digit": jobs.table_job(study, "per_digit"),
    }
    return found | {f"prune_deep {n}": jobs.prune_job(study, n, 1, "prune_deep") for n in study.digits.criteria}


def differing(values):
    before, after = all_jobs({}), all_jobs(values)
    return {name for name in before if before[name] != after.get(name, before[name])}


PATCHES_CRITERIA, DIGITS_CRITERIA = (getattr(study_from({}), name).criteria for name in ("patches", "digits"))
PATCHES_PRINTED = {"study", "fig1", "fig2", "controls_patches", "survival_patches", "table1", "claims"}
DIGITS_PRINTED = {"study", "per_digit", "claims", "fig3", "fig4", "s1", "s2a", "s2b"}
DIGITS_PRINTED |= {"controls_digits", "survival_digits"}
PRINTED = PATCHES_PRINTED | DIGITS_PRINTED
BY_CRITERION = {name for name, row in FIGURES.items() if row.by_criterion}
PRUNE = {f"prune {name}" for name in PATCHES_CRITERIA}
PRUNE_DEEP = {f"prune_deep {name}" for name in DIGITS_CRITERIA}
SAMPLE = {"sample_initial"} | {f"sample {name}" for name in PATCHES_CRITERIA}
TRAIN_DEEP = {"pretrain", "train_jointly", "retrain_jointly", "train_deep_anew"}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"figures": {"dpi": 99}}, {*FIGURES}),
        ({"figures": {"colours": {"anti_fi": "#aa0000"}}}, BY_CRITERION),
        ({"figures": {"formats": ["png"]}}, {*FIGURES}),
        ({"figures": {"last_iterations": {"anti_fi": 2}}}, {"fig3", "fig4", "claims"}),
        ({"seeds_per_job": 3}, {"study"}),
        ({"seeds": 8}, PRINTED),
        ({"patches": {"seeds": 8}}, PATCHES_PRINTED),
        ({"digits": {"seeds": 8}}, DIGITS_PRINTED),
        ({"study": "other"}, PRINTED),
        ({"preset": "published"}, set()),
        (
            {"preset": "paper"},
            PRINTED
            | {"train", "retrain", "train_anew", "reference", "evaluate_digits"}
            | TRAIN_DEEP
            | {f"{prune} {name}" for prune in ("prune", "prune_deep") for name in ("anti_fi", "random_units")}
            - {"prune_deep anti_fi"},
        ),
        (
            {"device": "reference"},
            {"study", "train", "retrain", "train_anew", "sample_deep", "reference", "evaluate_digits"}
            | TRAIN_DEEP
            | SAMPLE,
        ),
        ({"patches": {"data": {"file": "y.npz"}}}, {"fetch", "study"}),
        ({"patches": {"data": {"download": False}}}, {"fetch", "study"}),
        ({"patches": {"data": {"radius": 1.5}}}, {"prepare"} | PATCHES_PRINTED),
        ({"patches": {"data": {"seed": 3}}}, {"prepare", "study"}),
        (
            {"patches": {"machine": {"n_hidden": 71}}},
            {"train", "train_anew", "study", "claims"},
        ),  # which say it differs
        ({"patches": {"retraining": {"batch_size": 7}}}, {"retrain", "train_anew", "study"}),
        ({"patches": {"training": {"batch_size": 7}}}, {"train", "retrain", "train_anew", "study"}),
        ({"patches": {"sampling": {"n_gibbs_steps": 7}}}, SAMPLE | {"study"}),
        ({"patches": {"sampling": {"method": "gibbs"}}}, SAMPLE | PATCHES_PRINTED),
        ({"patches": {"pruning": {"fraction": 0.4}}}, PRUNE | {"study"}),
        (
            {"patches": {"pruning": {"threshold": "rank"}}},
            PRUNE - {"prune anti_fi", "prune random_units"} | {"study"},
        ),
        ({"patches": {"pruning": {"anti_fi_threshold": "rank"}}}, {"prune anti_fi", "study"}),
        ({"patches": {"pruning": {"whole_units": "weights"}}}, {"prune random_units", "study"}),
        ({"patches": {"training": {"order": "per_seed"}}}, {"train", "retrain", "train_anew", "study"}),
        ({"patches": {"pruning": {"eigenvector_entry": "signed"}}}, {"prune eigenvector", "study"}),
        ({"patches": {"evaluation": {"missing_patterns": "drop"}}}, {"evaluate", "collect", "study"}),
        ({"patches": {"iterations": 4}}, {"study"}),
        (
            {"patches": {"criteria": PATCHES_CRITERIA[:-1]}},
            {"fig2", "controls_patches", "survival_patches", "table1", "study"},
        ),
    ],
    ids=in_order,
)
def test_an_edit_changes_the_jobs_that_depend_on_it_and_no_other(values, expected):
    assert differing(values) == expected


def blocks(values):
    """Blocks of the patches and of the digits."""
    return [jobs.blocks(study_from(values), experiment) for experiment in ("patches", "digits")]


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
    assert blocks({"seeds": seeds, "seeds_per_job": size}) == [expected, expected]


def test_more_seeds_keep_the_blocks_that_were_full():
    few, many = (blocks({"seeds": seeds, "seeds_per_job": 3})[0] for seeds in (6, 11))
    assert many[: len(few)] == few


@pytest.mark.parametrize(
    ("values", "patches", "digits"),
    [
        ({"patches": {"seeds": 7}}, ["0-2", "3-5", "6-6"], ["0-2", "3-4"]),
        ({"digits": {"seeds": 2}}, ["0-2", "3-4"], ["0-1"]),
        ({"patches": {"seeds": 1}, "digits": {"seeds": 11}}, ["0-0"], ["0-2", "3-5", "6-8", "9-10"]),
        ({"patches": {"seeds": None}}, ["0-2", "3-4"], ["0-2", "3-4"]),
    ],
)
def test_an_experiment_can_have_seeds_of_its_own(values, patches, digits):
    values = {"seeds": 5, "seeds_per_job": 3} | values
    assert blocks(values) == [patches, digits]
    for experiment, found in (("patches", patches), ("digits", digits)):
        n = int(found[-1].split("-")[1]) + 1
        assert jobs.n_seeds(study_from(values), experiment) == n
        assert f"; {n} seed{'s' * (n > 1)}; " in jobs.summary(study_from(values), experiment)


def spec(job):
    return json.loads(job["spec"])


@pytest.mark.parametrize("name", PATCHES_CRITERIA)
def test_pruning_is_told_only_the_options_that_its_criterion_declares(name):
    found = spec(jobs.prune_job(study_from({}), name, 2))
    key = {"anti_fi": "anti_fi_threshold", "random_units": "whole_units"}.get(name, "threshold")
    expected = {"fraction": 0.5, key: "count" if name == "random_units" else "percentile"}
    if name == "eigenvector":
        expected["eigenvector_entry"] = "magnitude"
    assert found == {"criterion": name, "iteration": 2, "pruning": expected}


def test_the_fim_is_computed_only_where_somebody_looks_at_it():
    study = study_from({})
    wanted = {
        (name, phase): spec(jobs.sample_job(study, name, 1, phase))["eigenvector"]
        for name in PATCHES_CRITERIA
        for phase in ("pruned", "retrained")
    }
    assert {key for key, value in wanted.items() if value} == {("eigenvector", "retrained")}
    assert spec(jobs.sample_job(study, jobs.NO_CRITERION, 0, "initial"))["eigenvector"] is True


def test_every_job_has_a_spec_and_a_code():
    for name, job in all_jobs({}).items():
        assert set(job) == {"spec", "code", *(["files"] if name.startswith("fetch") else [])}, name
        assert len(job["code"]) in (16, 32), name


def test_labels_and_colours(tmp_path):
    path = tmp_path / "rules.py"
    path.write_text("def f(e): pass\ndef g(e): pass\ndef h(e): pass\nh.label, h.colour = 'H!', '#010203'\n")
    names = ["anti_fi", *(f"{path}:{name}" for name in "fgh")]
    study = study_from({"patches": {"criteria": names}, "figures": {"colours": {names[1]: "#0a0b0c"}}})
    assert list(jobs.labels(study, "patches").values()) == ["Anti-FI", "f", "g", "H!"]
    colours = jobs.colours(study, "patches")
    assert (colours["anti_fi"], colours[names[1]], colours[names[3]]) == ("#D55E00", "#0a0b0c", "#010203")
    assert len(set(colours.values())) == 4
    assert jobs.criteria(study) == dict(zip(["anti_fi", "rules.f", "rules.g", "rules.h"], names))
    assert list(jobs.labels(study, "digits")) == list(jobs.colours(study, "digits")) == DIGITS_CRITERIA
    assert list(jobs.criteria(study, "digits")) == DIGITS_CRITERIA


def test_the_summary_says_what_was_computed():
    values = {"study": "mine", "preset": "preprint", "patches": {"sampling": {"method": "gibbs"}}}
    digits = {
        "data": {"source": "mnist", "n_train": 10_007},
        "machine": {"n_hidden": [400, 676], "receptive_field": None},
    }
    study = study_from(values | {"seeds": 3, "digits": digits})
    assert jobs.summary(study, "patches") == (
        "Study mine: preset preprint, photographs of scikit-learn, 20000 patterns, radius 2.1; 3 seeds; samples after "
        "200 Gibbs steps, sampled statistics."
    )
    for radius, found in ((2.1, "exact samples, "), (2.5, "samples after 200 Gibbs steps, ")):  # 13 and 21 pixels
        auto = study_from({"patches": {"data": {"radius": radius}}})
        assert found in jobs.summary(auto, "patches")
    unknown = study_from({"patches": {"data": {"source": "npz", "file": "none.npz"}}})
    assert "own data, " in jobs.summary(unknown, "patches") and "sampling auto" in jobs.summary(unknown, "patches")
    assert jobs.summary(study, "digits") == (
        "Study mine: preset preprint, mnist, 10007 training images, 400 and 676 hidden units; 3 seeds; "
        "persistent chains."
    )
    assert "all training images" in jobs.summary(study_from({"digits": {"data": {"n_train": None}}}), "digits")
    conditional = study_from({"digits": {"sampling": {"chains": "fresh", "statistics": "conditional"}}})
    assert jobs.summary(conditional, "digits").endswith("; fresh chains, conditional statistics.")


def test_local_files_are_found(tmp_path):
    data = {"source": "npz", "file": str(tmp_path / "x.npz")}
    study = study_from({"patches": {"data": data}})
    assert raw_data.local_files(study) == []
    (tmp_path / "x.npz").write_bytes(b"")
    assert raw_data.local_files(study) == [str(tmp_path / "x.npz")]
    assert raw_data.local_files(study_from({})) == []


def test_jobs_that_read_raw_files_go_by_the_code_of_their_own_source(monkeypatch):
    """And not by that of another; figures likewise."""
    before = all_jobs({})
    for module, expected in (
        ("boltzprune.datasets.arrays", {"fetch", "prepare"}),
        ("boltzprune.datasets.scikit_digits", {"fetch_digits", "prepare_digits"}),
        ("boltzprune.datasets.mnist", set()),
        ("boltzprune.report.figures.s1", {"s1"}),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(
                jobs, "code_digest", lambda *names, module=module: code_digest(*names) + "!" * (module in names)
            )
            after = all_jobs({})
        assert {name for name in before if before[name] != after[name]} == expected
