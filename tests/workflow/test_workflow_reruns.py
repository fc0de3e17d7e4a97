"""Which jobs an edit reruns: a tiny study is computed once, then edited again and again, each time a dry run."""

import copy
import os
import shutil

import pytest
from workflow_copy import Copy

from boltzprune.settings import merged

pytestmark = pytest.mark.slow

CLAIMS = {"claims": 1}
RESULTS = {"collect": 1, "table1": 1, "draw_fig2": 1, **CLAIMS}
CHAIN = {"prune": 1, "retrain": 1, "sample": 2, "evaluate": 1}
CHAINS = {rule: 2 * count for rule, count in CHAIN.items()}
FROM_TRAINING = {"train": 1, "sample_initial": 1, "evaluate_initial": 1, "draw_fig1": 1} | CHAINS | RESULTS

DEEP_FIGURES = {f"draw_{name}": 1 for name in ("fig3", "fig4", "s1", "s2a", "s2b")}
DEEP_RESULTS = {"collect_digits": 1, "per_digit": 1, **DEEP_FIGURES, **CLAIMS}
DEEP_CHAIN = {"prune_deep": 1, "retrain_jointly": 1, "sample_deep": 2, "evaluate_digits": 1}
DEEP_CHAINS = {rule: 2 * count for rule, count in DEEP_CHAIN.items()}
DEEP_EVALUATION = {"evaluate_initial_deep": 1, "evaluate_digits": 2, **DEEP_RESULTS}
FROM_SAMPLING = {"sample_initial_deep": 1, "evaluate_initial_deep": 1, **DEEP_CHAINS, **DEEP_RESULTS}
FROM_JOINT = {"train_jointly": 1, **FROM_SAMPLING}
FROM_DIGITS = {"reference": 1, "pretrain": 1, **FROM_JOINT}
FIGURES = {"draw_fig1": 1, "draw_fig2": 1, **DEEP_FIGURES}
STUDY = {"study": 1}


def test_after_the_run_there_is_nothing_to_do(study):
    assert study.planned() == {}


def test_a_fresh_checkout_beside_old_results_has_nothing_to_do(study):
    study.refresh()
    for path in [study.folder / "Snakefile", *study.folder.glob("[cpsw]*/**/*")]:
        if not path.is_relative_to(study.folder / "results"):
            os.utime(path)
    assert study.planned() == {}


def test_another_place_has_nothing_to_do(study, tmp_path):
    moved = Copy(tmp_path, study.values)
    shutil.copy2(study.folder / "rules.py", tmp_path)
    for name in ("results", ".snakemake"):
        shutil.copytree(study.folder / name, tmp_path / name)  # keeps the times of files
    assert moved.planned() == {}


FIRST = {"learning_rate": [0.04], "momentum": [0.5], "momentum_rule": "scaled"}
KEYS = {
    "colour of a criterion of the patches": ({"figures": {"colours": {"eigenvector": "#aa0000"}}}, {"draw_fig2": 1}),
    "colour of a criterion of the digits": ({"figures": {"colours": {"variance_fi": "#aa0000"}}}, DEEP_FIGURES),
    "resolution": ({"figures": {"dpi": 60}}, FIGURES),
    "last iteration shown": (
        {"figures": {"last_iterations": {"variance_fi": 1}}},
        {"draw_fig3": 1, "draw_fig4": 1, **CLAIMS},
    ),
    "one more iteration": ({"patches": {"iterations": 2}}, {**CHAINS, **RESULTS, **STUDY}),
    "a criterion of the list": (
        {"patches": {"criteria": ["eigenvector", "rules.py:closest", "anti_fi"]}},
        {**CHAIN, **RESULTS, **STUDY},
    ),
    "more seeds": (
        {"seeds": 6},
        {**FROM_TRAINING, "pretrain": 1, **FROM_JOINT, **STUDY},
    ),
    "fraction": ({"patches": {"pruning": {"fraction": 0.4}}}, {**CHAINS, **RESULTS, **STUDY}),
    "retraining": (
        {"patches": {"retraining": FIRST}},
        {"retrain": 2, "sample": 2, "evaluate": 2, **RESULTS, **STUDY},
    ),
    "missing patterns": (
        {"patches": {"evaluation": {"missing_patterns": "drop"}}},
        {"evaluate_initial": 1, "evaluate": 2, **RESULTS, **STUDY},
    ),
    "radius": ({"patches": {"data": {"radius": 1.5}}}, {"prepare": 1, **FROM_TRAINING, **STUDY}),
    "preset with the same values": (
        {"preset": "authors"},
        {"table1": 1, "per_digit": 1, **FIGURES, **CLAIMS, **STUDY},
    ),
    "C of the encodings": ({"digits": {"evaluation": {"strength_encoding": 0.5}}}, {**DEEP_EVALUATION, **STUDY}),
    "C of the raw pixels": (
        {"digits": {"evaluation": {"strength_raw": 0.5}}},
        {"reference": 1, **DEEP_EVALUATION, **STUDY},
    ),
    "quality shown": (
        {"digits": {"evaluation": {"quality": "class_mean"}}},
        {"draw_fig4": 1, "draw_s2b": 1, **STUDY},
    ),
    "one more iteration of the digits": ({"digits": {"iterations": 2}}, {**DEEP_CHAINS, **DEEP_RESULTS, **STUDY}),
    "epochs of the retraining of the digits": (
        {"digits": {"retraining": {"n_epochs": 3}}},
        {"retrain_jointly": 2, "sample_deep": 2, "evaluate_digits": 2, **DEEP_RESULTS, **STUDY},
    ),
    "fraction of the digits": (
        {"digits": {"pruning": {"fraction": [0.2, 0.3]}}},
        {**DEEP_CHAINS, **DEEP_RESULTS, **STUDY},
    ),
    "Gibbs steps between samples": ({"digits": {"sampling": {"n_gibbs_steps": 4}}}, {**FROM_SAMPLING, **STUDY}),
    "crop": (
        {"digits": {"data": {"crop": 1}, "machine": {"n_hidden": [36, 7]}}},
        {"prepare_digits": 1, **FROM_DIGITS, **STUDY},
    ),
    "tolerance of the mean field": ({"digits": {"mean_field": {"tolerance": 1e-4}}}, {**FROM_JOINT, **STUDY}),
    "one's own criterion, for the digits": (
        {"digits": {"criteria": ["variance_fi", "rules.py:closest", "other_rules.py:mine"]}},
        {**DEEP_CHAIN, **DEEP_RESULTS, **STUDY},
    ),
}


@pytest.mark.parametrize("edit", KEYS)
def test_an_edit_of_the_configuration(study, edit):
    (study.folder / "other_rules.py").write_text("def mine(evidence):\n    return evidence.pair_mean\n")
    values, expected = KEYS[edit]
    study.write(merged(copy.deepcopy(study.values), values))
    assert study.planned() == expected


IMPORT = ("import numpy as np\n", "import numpy as np\n\nEXTRA = 1\n")
SOURCES = {
    "comment and docstring": (
        "training.py",
        [("import numpy as np\n", "import numpy as np  # arrays\n"), ('"""An RBM before', '"""A machine before')],
        {},
    ),
    "training": (
        "training.py",
        [("0.5 / len(cases)", "0.6 / len(cases)")],
        {**FROM_TRAINING, "pretrain": 1, **FROM_JOINT},
    ),
    "figure 1": ("figures/fig1.py", [("MAX_SIDE = 1200", "MAX_SIDE = 1201")], {"draw_fig1": 1}),
    "figure S1": ("figures/s1.py", [("def draw(", "EXTRA = 1\n\n\ndef draw(")], {"draw_s1": 1}),
    "figure 3, which S2 A shows too": (
        "figures/fig3.py",
        [("def draw(", "EXTRA = 1\n\n\ndef draw(")],
        {"draw_fig3": 1, "draw_s2a": 1},
    ),
    "one criterion": (
        "criteria.py",
        [('    signed = evidence.options["eigenvector_entry"] == "signed"', "    signed = False")],
        {**CHAIN, **RESULTS},
    ),
    "one criterion of the digits": (
        "criteria.py",
        [("    diagonal = fisher_diagonal(evidence", "    diagonal = 2 * fisher_diagonal(evidence")],
        {**DEEP_CHAIN, **DEEP_RESULTS},
    ),
    "pruning of deep machines": (
        "deep_pruning.py",
        [IMPORT],
        {**DEEP_CHAINS, **DEEP_RESULTS},
    ),
    "joint training": (
        "joint_training.py",
        [("import math\n", "import math\n\nEXTRA = 1\n")],
        FROM_JOINT,
    ),
    "AIS": ("ais.py", [IMPORT], DEEP_EVALUATION),
    "claims": ("claims/digits.py", [IMPORT], CLAIMS),
    "table per digit": ("digit_table.py", [('INITIAL = "', 'EXTRA = 1\nINITIAL = "')], {"per_digit": 1}),
}


@pytest.mark.parametrize("edit", SOURCES)
def test_an_edit_of_the_code(study, edit):
    name, replacements, expected = SOURCES[edit]
    path = study.folder / "src" / "boltzprune" / name
    text = path.read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)
    assert study.planned() == expected
