"""What some tests need that few machines have: elsewhere they are deselected, and a line for each need says how many.

A test says what it needs by a mark, `@pytest.mark.gpu` or `pytest.param(..., marks=pytest.mark.gpu)`. Hundreds of
skipped tests would hide the few that are skipped for a reason worth reading, which pytest's own summary lists.
"""

import importlib.util
import os
import shutil

import pytest

DESELECTED = pytest.StashKey()
"""Need -> how many of the selected tests were left out for it, and why it is not met."""


def _no_gpu():
    from boltzprune.backend.gpu import driver  # asks the CUDA driver, which only tests of a GPU have to do

    return (driver.problem() or "").partition(";")[0]


def _not_set(variable):
    return "" if os.environ.get(variable) else f"{variable} is not set"


BROWSER = shutil.which("chromium"), shutil.which("chromedriver")
"""Where Chromium is, and the program that tests steer it by."""


def _no_browser():
    if not all(BROWSER):
        return "chromium and chromedriver are not both installed"
    return "" if importlib.util.find_spec("selenium") else "selenium is not installed"


NEEDS = {
    "gpu": ("a GPU", _no_gpu),
    "data": ("the real images", lambda: _not_set("BOLTZPRUNE_TEST_DATA")),
    "cluster": ("a SLURM of their own, make test-slurm", lambda: _not_set("BOLTZPRUNE_SLURM_PLUGIN")),
    "browser": ("Chromium, make test-browser", _no_browser),
}
"""Mark -> what it stands for, and a function that says why this machine does not have it; empty if it has."""


def pytest_configure(config):
    """Nothing is deselected yet."""
    config.stash[DESELECTED] = {}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Of the tests that were asked for, leave out those whose needs are not met."""
    for mark, (_, missing) in NEEDS.items():
        needing = [item for item in items if item.get_closest_marker(mark)]
        if needing and (reason := missing()):
            config.hook.pytest_deselected(items=needing)
            items[:] = [item for item in items if not item.get_closest_marker(mark)]
            config.stash[DESELECTED][mark] = len(needing), reason


def pytest_sessionfinish(session):
    """A worker of pytest-xdist tells the process that prints; all workers collect the same tests."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["deselected"] = session.config.stash[DESELECTED]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    """What a worker of pytest-xdist told."""
    node.config.stash[DESELECTED].update(getattr(node, "workeroutput", {}).get("deselected", {}))


def pytest_terminal_summary(terminalreporter, config):
    """A line for each need that is not met."""
    for mark, (number, reason) in config.stash[DESELECTED].items():
        tests = "1 test that needs" if number == 1 else f"{number} tests that need"
        terminalreporter.line(f"deselected: {tests} {NEEDS[mark][0]} ({reason})")
