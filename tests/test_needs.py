"""Tests whose needs are not met are deselected, one line says how many; where they are met, the tests run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = """
pytest_plugins = ["needs"]
from boltzprune.backend.gpu import driver
driver.problem = lambda: {problem!r}
"""
TESTS = """
import pytest

@pytest.mark.parametrize("card", ["emulated", *(pytest.param(k, marks=pytest.mark.gpu) for k in range(5))])
def test_of_a_card(card):
    pass

@pytest.mark.data
def test_of_images():
    pass

@pytest.mark.gpu
@pytest.mark.data
def test_of_both():
    pass

def test_of_neither():
    pass
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """run(words, problem, **variables): what pytest prints of `TESTS`."""
    monkeypatch.delenv("BOLTZPRUNE_TEST_DATA", raising=False)
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers =\n    gpu\n    data\n")
    (tmp_path / "test_it.py").write_text(TESTS)

    def run(*words, problem="the fan is stuck; loosen it", **variables):
        (tmp_path / "conftest.py").write_text(CONFTEST.format(problem=problem))
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
        return subprocess.run(
            command, cwd=tmp_path, env=os.environ | variables, stdout=subprocess.PIPE, text=True
        ).stdout

    return run


@pytest.mark.parametrize("n_workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_one_line_for_each_need_that_is_not_met(run, n_workers):
    shown = run("--numprocesses", str(n_workers))
    lines = [line for line in shown.splitlines() if line.startswith("deselected:")]
    assert lines == [
        "deselected: 6 tests that need a GPU (the fan is stuck)",
        "deselected: 1 test that needs the real images (BOLTZPRUNE_TEST_DATA is not set)",
    ], shown
    assert "2 passed" in shown.splitlines()[-1] and "skipped" not in shown


def test_they_run_where_there_is_what_they_need(run):
    shown = run("--numprocesses", "1", problem=None, BOLTZPRUNE_TEST_DATA="/somewhere")
    assert "9 passed" in shown.splitlines()[-1] and "deselected" not in shown


def test_only_what_was_asked_for_is_counted(run):
    shown = run("-m", "gpu and not data")
    assert "deselected: 5 tests that need a GPU (the fan is stuck)\n" in shown and shown.count("deselected:") == 1
