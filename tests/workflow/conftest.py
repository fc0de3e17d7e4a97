"""One tiny study of both experiments, computed once through Snakemake, for all tests that look at results or reruns."""

import fcntl
import os

import pytest
from workflow_copy import TINY, Copy

from boltzprune.study.settings import merged

OWN = """
import numpy as np

def closest(evidence):
    return -np.abs(evidence.pair_mean - 0.25)

closest.label = "Closest & 100 %"
"""
CRITERIA = {"patches": ["eigenvector", "rules.py:closest"], "digits": ["variance_fi", "rules.py:closest"]}
CONTROLS = {"patches": ["unpruned", "scratch"], "digits": ["unpruned", "rewind"]}
OWN_VALUES = {name: {"criteria": CRITERIA[name], "controls": CONTROLS[name]} for name in CRITERIA}
VALUES = merged(TINY, OWN_VALUES)
VALUES["device"] = "reference"
"""Nothing to compile, which takes longer than this study."""
WHAT_JOBS_LOAD = """
import atexit
import sys

def tell():
    with open("loaded.txt", "a") as file:
        print(sys.argv[1], *sorted({name.partition(".")[0] for name in sys.modules}), file=file)

if sys.orig_argv[1:3] == ["-m", "boltzprune"]:
    atexit.register(tell)
"""
"""A module that Python runs at its start, where a job finds the package: its line has a stage, and all libraries."""


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A study with a criterion of one's own in both experiments, computed through the Snakefile of the catalogue.

    The first worker that needs it computes it; each has a copy.
    """
    shared = tmp_path_factory.getbasetemp()
    shared = shared.parent if "PYTEST_XDIST_WORKER" in os.environ else shared
    with open(shared / "small.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        workflow = Copy(shared / "small", VALUES)
        if not (shared / "small.done").exists():
            (workflow.folder / "rules.py").write_text(OWN)
            (workflow.folder / "src" / "sitecustomize.py").write_text(WHAT_JOBS_LOAD)
            done = workflow.snakemake("--cores", "2", "--snakefile", "workflow/Snakefile")
            assert done.returncode == 0, done.stdout
            (shared / "small.done").touch()
        return workflow.beside(tmp_path_factory.mktemp("small"), ["loaded.txt"])


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
