"""Which jobs an edit reruns: a tiny study is computed once, then edited again and again, each time a dry run."""

import copy
import os
import shutil

import pytest
from workflow_copy import TINY, Copy

from boltzprune.settings import merged

pytestmark = pytest.mark.slow

RESULTS = {"collect": 1, "table1": 1, "draw_fig2": 1}
CHAIN = {"prune": 1, "retrain": 1, "sample": 2, "evaluate": 1}
CHAINS = {rule: 2 * count for rule, count in CHAIN.items()}
FROM_TRAINING = {"train": 1, "sample_initial": 1, "evaluate_initial": 1, "draw_fig1": 1} | CHAINS | RESULTS


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A study whose results are all there."""
    workflow = Copy(tmp_path_factory.mktemp("reruns"), TINY | {"device": "reference"})
    done = workflow.snakemake("--cores", "2")
    assert done.returncode == 0, done.stdout
    return workflow


@pytest.fixture
def study(finished):
    """The finished study; edits of configuration and sources are undone afterwards."""
    source = finished.folder / "src"
    saved = {path: path.read_bytes() for path in source.rglob("*.py")}
    yield finished
    finished.write(finished.values)
    for path, content in saved.items():
        if path.read_bytes() != content:
            path.write_bytes(content)


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
    for name in ("results", ".snakemake"):
        shutil.copytree(study.folder / name, tmp_path / name)  # keeps the times of files
    assert moved.planned() == {}


KEYS = {
    "colour of a criterion": ({"figures": {"colours": {"eigenvector": "#aa0000"}}}, {"draw_fig2": 1}),
    "resolution": ({"figures": {"dpi": 60}}, {"draw_fig1": 1, "draw_fig2": 1}),
    "one more format": ({"figures": {"formats": ["png", "svg"]}}, {"draw_fig1": 1, "draw_fig2": 1}),
    "one more iteration": ({"patches": {"iterations": 2}}, {**CHAINS, **RESULTS, "study": 1}),
    "a criterion of the list": (
        {"patches": {"criteria": ["variance_fi", "eigenvector", "anti_fi"]}},
        {**CHAIN, **RESULTS, "study": 1},
    ),
    "one's own criterion": (
        {"patches": {"criteria": ["variance_fi", "eigenvector", "rules.py:mine"]}},
        {**CHAIN, **RESULTS, "study": 1},
    ),
    "more seeds": ({"seeds": 6}, {**FROM_TRAINING, "study": 1}),
    "fraction": ({"patches": {"pruning": {"fraction": 0.4}}}, {**CHAINS, **RESULTS, "study": 1}),
    "retraining": (
        {"patches": {"retraining": {"learning_rate": [0.04], "momentum": [0.5], "momentum_rule": "scaled"}}},
        {"retrain": 2, "sample": 2, "evaluate": 2, **RESULTS, "study": 1},
    ),
    "missing patterns": (
        {"patches": {"evaluation": {"missing_patterns": "drop"}}},
        {"evaluate_initial": 1, "evaluate": 2, **RESULTS, "study": 1},
    ),
    "radius": ({"patches": {"data": {"radius": 1.5}}}, {"prepare": 1, **FROM_TRAINING, "study": 1}),
    "preset with the same values": ({"preset": "paper"}, {"table1": 1, "draw_fig1": 1, "draw_fig2": 1, "study": 1}),
}


@pytest.mark.parametrize("edit", KEYS)
def test_an_edit_of_the_configuration(study, edit):
    (study.folder / "rules.py").write_text("def mine(evidence):\n    return evidence.pair_mean\n")
    values, expected = KEYS[edit]
    study.write(merged(copy.deepcopy(study.values), values))
    assert study.planned() == expected


SOURCES = {
    "comment and docstring": (
        "training.py",
        [("import numpy as np\n", "import numpy as np  # arrays\n"), ('"""An RBM before', '"""A machine before')],
        {},
    ),
    "training": ("training.py", [("0.5 / len(cases)", "0.6 / len(cases)")], FROM_TRAINING),
    "figure 1": ("figures/fig1.py", [("MAX_SIDE = 1200", "MAX_SIDE = 1201")], {"draw_fig1": 1}),
    "one criterion": (
        "criteria.py",
        [("    return fisher_diagonal(evidence", "    return 2 * fisher_diagonal(evidence")],
        {**CHAIN, **RESULTS},
    ),
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
