"""Digests of code, on a copy of the package: edited code changes those that use it, a comment or a docstring none."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import boltzprune
from boltzprune.results.provenance import versions

MODULES = [
    *(
        f"study.stages.{name}"
        for name in ("fetch", "prepare", "train", "retrain", "sample", "prune", "evaluate", "collect")
    ),
    *(
        "study.stages.table1",
        "study.stages.study",
        "study.stages.figure",
        "report.figures.fig1",
        "report.figures.fig2",
        "backend.cpu.backend",
        "datasets.cifar10",
    ),
    *("backend.reference",),
]
DIGESTS = f"""
import json
from boltzprune.pruning.criteria import CRITERIA, resolve
from boltzprune.results.provenance import code_digest, criterion_digest
found = {{name: code_digest("boltzprune." + name) for name in {MODULES!r}}}
found |= {{"criterion " + name: criterion_digest(name, row) for name, row in CRITERIA.items()}}
own = "rules.py:mine"
found["criterion own"] = criterion_digest(own, resolve(own))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of the package, and a criterion of one's own beside it."""
    folder = tmp_path_factory.mktemp("copied")
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(boltzprune.__file__).parent, folder / "src" / "boltzprune", ignore=ignore)
    (folder / "rules.py").write_text("def mine(evidence):\n    return evidence.pair_mean\n")
    return folder


def digests(folder):
    environment = os.environ | {"PYTHONPATH": str(folder / "src")}
    command = [sys.executable, "-c", DIGESTS]
    return json.loads(subprocess.check_output(command, env=environment, cwd=folder, text=True))


@pytest.fixture(scope="module")
def before(copied):
    return digests(copied)


@pytest.fixture
def edit(copied, before):
    """Edits a file of the copy and tells whose digest changed; the file is as before afterwards."""
    saved = {}

    def change(name, old, new):
        path = copied / name if name == "rules.py" else copied / "src" / "boltzprune" / name
        text = path.read_text()
        saved.setdefault(path, text)
        assert old in text
        path.write_text(text.replace(old, new, 1))
        after = digests(copied)
        return {key for key in before if before[key] != after[key]}

    yield change
    for path, text in saved.items():
        path.write_text(text)


def test_digests_are_stable_and_distinct(copied, before):
    assert digests(copied) == before
    assert all(len(value) == 16 for value in before.values())
    assert len({before[f"study.stages.{name}"] for name in ("train", "retrain", "sample", "prune", "study")}) == 5


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("import numpy as np\n", "import numpy as np  # arrays\n\n\n# more\n"),
        ('"""Training of RBMs', '"""About the training of RBMs'),
        ('    """An RBM before training.', '    """A machine before training.'),
        ("    from scipy.special import ndtri\n", "\n    from scipy.special import (\n        ndtri,\n    )\n"),
    ],
    ids=["comment", "docstring of the module", "docstring of a function", "layout"],
)
def test_comments_docstrings_and_layout_change_nothing(edit, old, new):
    assert edit("learning/training.py", old, new) == set()


FROM_STREAMS = {f"study.stages.{name}" for name in ("prepare", "train", "retrain", "sample", "prune")} | {
    "backend.reference",
}


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "learning/training.py",
            "0.5 / len(cases)",
            "0.6 / len(cases)",
            {"study.stages.train", "study.stages.retrain"},
        ),
        ("report/figures/fig1.py", "MAX_SIDE = 1200", "MAX_SIDE = 1201", {"report.figures.fig1"}),
        (
            "report/figures/style.py",
            '"font.size": 8',
            '"font.size": 9',
            {"study.stages.figure", "report.figures.fig1", "report.figures.fig2"},
        ),
        ("report/tables/table1.py", '"std"', '"var"', {"study.stages.table1"}),
        ("backend/cpu/arithmetic.py", "BLOCKS_TOGETHER = ", "BLOCKS_TOGETHER = 2 * ", {"backend.cpu.backend"}),
        ("datasets/binary.py", "import numpy as np", "import numpy as np\nEXTRA = 1", {"study.stages.prepare"}),
        (
            "datasets/download.py",
            "TIMEOUT_SECONDS = 30",
            "TIMEOUT_SECONDS = 31",
            {"datasets.cifar10"},
        ),
        ("learning/checkpoint.py", "DEFAULT_SECONDS = 300", "DEFAULT_SECONDS = 301", set()),
        ("study/progress.py", "SECONDS_BETWEEN_LINES = 10.0", "SECONDS_BETWEEN_LINES = 11.0", set()),
        ("pruning/weights.py", "100.0 * fraction", "99.0 * fraction", {"study.stages.prune"}),
    ],
)
def test_code_changes_the_stages_that_use_it(edit, file, old, new, expected):
    changed = edit(file, old, new)
    assert expected <= changed
    assert {name for name in changed if not name.startswith("criterion")} == expected


def test_what_only_a_type_checker_imports_is_no_code_of_a_module(copied, edit):
    old, new = "from boltzprune.core.streams import fork", "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n"
    new += (
        "    from boltzprune.report.tables import table1\nelse:\n    from boltzprune.report.tables import per_digit\n"
    )
    edit("study/stages/train.py", old, new + old)
    first = digests(copied)
    edit("report/tables/table1.py", '"std"', '"var"')
    second = digests(copied)
    assert {name for name in first if first[name] != second[name]} == {"study.stages.table1"}
    edit("report/tables/per_digit.py", '"std"', '"var"')
    third = digests(copied)
    assert {name for name in first if second[name] != third[name]} == {"study.stages.train", "study.stages.retrain"}


def test_code_far_below_reaches_everything_that_draws_numbers(edit):
    changed = edit("core/streams.py", "N_ROUNDS = 10", "N_ROUNDS = 11")
    assert changed >= FROM_STREAMS
    assert not changed & {
        "study.stages.collect",
        "study.stages.table1",
        "study.stages.study",
        "study.stages.figure",
        "report.figures.fig2",
    }


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    return -fisher_diagonal(evidence", "    return -2 * fisher_diagonal(evidence", {"criterion anti_fi"}),
        (
            "    return np.abs(evidence.weights",
            "    return 2 * np.abs(evidence.weights",
            {"criterion weight_magnitude"},
        ),
        (
            "    return entries if signed",
            "    return entries if not signed",
            {"criterion eigenvector"},
        ),
        ('"statistics"\n    whole_units', '"statistics"\n    # whole\n    whole_units', set()),
        ('random_units, "Random units"', 'random_units, "Units"', set()),
        ('"#5A5A5A", PAPER, whole_units=True', '"#5A5A5B", PAPER, whole_units=True', set()),
        ('"#5A5A5A", PAPER, whole_units=True', '"#5A5A5A", PAPER', {"criterion random_units"}),
        ("    citation: str\n", '    citation: str = "unknown"\n', set()),
        ('threshold="anti_fi_threshold", ties_stay=True', 'threshold="anti_fi_threshold"', {"criterion anti_fi"}),
        ('    """|w_ij|."""', '    """The size of w_ij."""', set()),
    ],
)
def test_an_edit_of_one_criterion_changes_its_digest_and_no_other(edit, old, new, expected):
    assert edit("pruning/criteria.py", old, new) == expected


def test_constants_and_modules_that_a_criterion_uses_are_part_of_it(copied, edit):
    old = "    return -fisher_diagonal(evidence"
    new = "    from boltzprune.report.tables import table1\n\n    return -FACTOR * fisher_diagonal(evidence"
    assert edit("pruning/criteria.py", 'PAPER = "', 'FACTOR = 1.0\nPAPER = "') == set()
    assert edit("pruning/criteria.py", old, new) == {"criterion anti_fi"}
    first = digests(copied)["criterion anti_fi"]
    assert edit("pruning/criteria.py", "FACTOR = 1.0", "FACTOR = 2.0") == {"criterion anti_fi"}
    second = digests(copied)["criterion anti_fi"]
    assert edit("report/tables/table1.py", '"std"', '"var"') == {"criterion anti_fi", "study.stages.table1"}
    assert len({first, second, digests(copied)["criterion anti_fi"]}) == 3


def test_what_every_criterion_goes_through_changes_all_digests(edit, before):
    changed = edit("pruning/criteria.py", "return array.astype(np.float64)", "return 1 * array.astype(np.float64)")
    assert changed == {name for name in before if name.startswith("criterion")} - {"criterion own"}


def test_a_criterion_of_ones_own_by_its_whole_file(edit):
    assert edit("rules.py", "def mine", "# mine\ndef mine") == set()
    assert edit("rules.py", "def mine", "HALF = 0.5\ndef mine") == {"criterion own"}


def test_what_is_needed_and_what_differs_is_in_the_versions():
    assert list(versions()) == ["boltzprune", "python", "numpy", "scipy", "numba"]
    assert versions()["boltzprune"] == boltzprune.__version__
