"""How far a long computation is: a bar on a terminal, a line every few seconds in a log file."""

import importlib.util
import logging
import sys
import threading
import time
from typing import TYPE_CHECKING, Self

from boltzprune.backend.preparation import PREPARATION

if TYPE_CHECKING:
    import rich.progress

log = logging.getLogger(__name__)
SECONDS_BETWEEN_LINES = 10.0
WORTH_A_LINE = 0.05
"""Seconds of compiling or loading that are mentioned."""


class Progress:
    """Counts done units of work; a context manager, safe to advance from several threads.

    Rates and times are those of the work: what `PREPARATION` took is told on a line of its own.

    Parameters
    ----------
    total : int
        Units of work in all.
    unit : str
        What is counted, in the plural: "updates".
    title : str
    bar : bool
        Whether a bar may be drawn, on a terminal, where rich is installed.
    """

    def __init__(self, total: int, unit: str, title: str, bar: bool = True) -> None:
        self.total, self.unit, self.title = total, unit, title
        self.done, self.skipped, self.stage = 0, 0, ""
        self._lock = threading.Lock()
        self._start = self._last_line = time.monotonic()
        self._unprepared = self._told = PREPARATION.seconds
        self._bar: rich.progress.Progress | None = None
        self._may_draw = bar and sys.stderr.isatty() and importlib.util.find_spec("rich") is not None

    def __enter__(self) -> Self:
        if self._may_draw:
            self._bar = _bar(self.unit)
            self._bar.start()
            self._task = self._bar.add_task(self.title, total=self.total)
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar:
            self._bar.stop()
        self._tell_preparation()
        n = self.done - self.skipped
        earlier = f", after {self.skipped} of an earlier run" if self.skipped else ""
        log.info("%s: %d %s in %.1f s, %.4g a second%s", self.title, n, self.unit, self.elapsed, self.rate, earlier)

    @property
    def elapsed(self) -> float:
        """Seconds of work so far."""
        return time.monotonic() - self._start - (PREPARATION.seconds - self._unprepared)

    @property
    def rate(self) -> float:
        """Units a second so far, in this run."""
        return (self.done - self.skipped) / max(self.elapsed, 1e-9)

    def describe(self, stage: str) -> None:
        """Name what runs now, for example the epoch."""
        self.stage = stage
        if self._bar:
            self._bar.update(self._task, description=self._running())

    def _running(self) -> str:
        """What runs, and the stage of it that runs now, where stages are told."""
        return f"{self.title}, {self.stage}" if self.stage else self.title

    def skip(self, n: int) -> None:
        """Note n units that an earlier run has done."""
        with self._lock:
            self.done, self.skipped = self.done + n, self.skipped + n
            if self._bar:
                self._bar.reset(self._task, completed=self.done)

    def advance(self, n: int) -> None:
        """Note n more units done."""
        with self._lock:
            if self._tell_preparation() and self._bar:
                self._bar.reset(self._task, completed=self.done)  # the bar's own clock starts anew
            self.done += n
            if self._bar:
                self._bar.update(self._task, completed=self.done)
            elif time.monotonic() - self._last_line > SECONDS_BETWEEN_LINES:
                self._last_line = time.monotonic()
                left = (self.total - self.done) / self.rate
                log.info(
                    "%s: %.0f %% of %d %s, %.4g a second, %.0f s left",
                    self._running(), 100 * self.done / self.total, self.total, self.unit, self.rate, left,
                )  # fmt: skip

    def _tell_preparation(self) -> bool:
        """A line on what was compiled or loaded since the last such line; whether there was something."""
        untold = PREPARATION.seconds - self._told
        if untold < WORTH_A_LINE:
            return False
        self._told += untold
        log.info("%s: compiled or loaded its loops in %.1f s, which no rate counts", self.title, untold)
        return True


def _bar(unit: str) -> "rich.progress.Progress":
    """The terminal's bar: rate and time left beside it."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

    class Rate(ProgressColumn):
        def render(self, task: "rich.progress.Task") -> str:
            return f"{task.speed or 0:,.0f} {unit}/s"

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), Rate(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))
