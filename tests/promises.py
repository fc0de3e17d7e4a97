"""Promises and how often they were put to the test: fixtures `at_scale` and `promise`, and the table of `make torture`.

A test that keeps a promise is marked `torture` and counts:

    @pytest.mark.torture
    def test_a_cut_file_is_refused(promise, at_scale):
        with promise("IDX: a file cut anywhere is refused") as count:
            for seed in range(at_scale(50, 10_000)):
                count(is_refused(mutant(seed)), f"seed {seed}")

`make test`, or `make test-slow` if it is marked slow as well, runs it with the small number, `make torture`
(`pytest -m "torture or slow" --heavy`) with the large one.
"""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

KEPT = pytest.StashKey()
SHOWN = 5
"""Failures of one promise that its test shows."""


@dataclass
class Promise:
    """One promise: tried so often, survived so often; a context manager whose end asserts that both are equal."""

    text: str
    tried: int = 0
    survived: int = 0
    seconds: float = 0.0
    failures: list = field(default_factory=list)

    def __call__(self, held, what=""):
        """Count one try."""
        self.tried += 1
        self.survived += bool(held)
        if not held:
            self.failures.append(what)

    def __enter__(self):
        self._start = time.monotonic()
        return self

    def __exit__(self, kind, error, trace):
        self.seconds += time.monotonic() - self._start
        if error is not None:
            self(False, f"{kind.__name__}: {error}")
            return
        assert self.tried, f"{self.text}: nothing was tried"
        shown = "\n".join(map(str, self.failures[:SHOWN]))
        assert self.survived == self.tried, f"{self.text}: {self.survived} of {self.tried}\n{shown}"


def pytest_addoption(parser):
    """The options of the heavy run."""
    parser.addoption("--heavy", action="store_true", help="the large numbers of tests marked torture")
    parser.addoption("--promises", metavar="FILE", help="write the table of promises as JSON")


def pytest_configure(config):
    """An empty table."""
    config.stash[KEPT] = []


@pytest.fixture
def at_scale(request):
    """at_scale(few, many): how often to try, now or in the heavy run; 0 now skips the test."""

    def choose(few, many):
        number = many if request.config.getoption("--heavy") else few
        if not number:
            pytest.skip("only in the heavy run: make torture")
        return number

    return choose


@pytest.fixture
def promise(request):
    """promise(text): a `Promise` that appears in the table."""

    def make(text):
        made = Promise(text)
        request.config.stash[KEPT].append(made)
        return made

    return make


def pytest_terminal_summary(terminalreporter, config):
    """The table, after a heavy run; and as JSON where asked for."""
    kept = config.stash[KEPT]
    if kept and config.getoption("--heavy"):
        terminalreporter.section("promises")
        width = max(len(one.text) for one in kept)
        terminalreporter.line(f"{'promise':{width}} {'tried':>8} {'survived':>9} {'seconds':>8}")
        for one in kept:
            terminalreporter.line(f"{one.text:{width}} {one.tried:8,} {one.survived:9,} {one.seconds:8,.0f}")
    if path := config.getoption("--promises"):
        rows = [{"promise": o.text, "tried": o.tried, "survived": o.survived, "seconds": o.seconds} for o in kept]
        Path(path).write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
