"""Rates and times of progress are those of the work: compiling and loading of loops is told apart."""

import logging
import threading
import time

import numpy as np
import pytest

from boltzprune.backend import get_backend
from boltzprune.backend.cpu import compiling
from boltzprune.backend.preparation import Preparation
from boltzprune.study import progress
from boltzprune.study.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is put forward: clock(seconds)."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress, "PREPARATION", Preparation())

    def forward(seconds):
        now[0] += seconds

    return forward


def test_no_rate_counts_what_is_compiled_first(clock, caplog):
    caplog.set_level(logging.INFO)
    with Progress(100, "updates", "train", bar=False) as report:
        with progress.PREPARATION:
            clock(17)
            with progress.PREPARATION:
                clock(2)
                assert report.elapsed == 0
        clock(5)
        report.advance(30)
        assert (report.elapsed, report.rate) == (5, 6)
        clock(5)
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "train: compiled or loaded its loops in 19.0 s, which no rate counts",
        ", ".join(["train: 30 % of 100 updates", "6 a second", "12 s left"]),
        "train: 30 updates in 10.0 s, 3 a second",
    ]


def test_what_was_compiled_before_is_not_told_and_what_comes_later_is(clock, caplog):
    caplog.set_level(logging.INFO)
    with progress.PREPARATION:
        clock(7)
    with Progress(10, "updates", "train", bar=False) as report:
        report.advance(1)
        assert caplog.text == ""
        with progress.PREPARATION:
            clock(3)
        clock(1)
    assert "train: compiled or loaded its loops in 3.0 s" in caplog.text
    assert "train: 1 updates in 1.0 s, 1 a second" in caplog.text


def test_threads_that_wait_for_one_another_count_once(clock):
    found, begun, end = Preparation(), threading.Barrier(4), threading.Event()

    def prepare():
        with found:
            begun.wait(10)
            end.wait(10)

    threads = [threading.Thread(target=prepare) for _ in range(3)]
    for thread in threads:
        thread.start()
    begun.wait(10)
    clock(11)
    assert found.seconds == 11
    end.set()
    for thread in threads:
        thread.join(10)
    clock(100)
    assert found.seconds == 11


def test_compiled_loops_say_when_they_are_compiled():
    from numba import njit

    get_backend("cpu")
    compiling.listen()
    before, used = progress.PREPARATION.seconds, progress.PREPARATION.processor

    @njit
    def twice(x):
        return x + x

    assert twice(np.float32(3.5)) == 7
    after = progress.PREPARATION.seconds
    assert after > before and progress.PREPARATION.processor > used
    for _ in range(5):
        twice(np.float32(3.5))
    assert progress.PREPARATION.seconds == after
