"""What a person sees while Snakemake computes: how far the study is, what runs now, what went wrong, what to open.

On a terminal a few lines that are renewed; elsewhere a line every few seconds. Nothing here starts or decides anything.
"""

import json
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from boltzprune.study.reruns.page import count, duration

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

SECONDS_BETWEEN_LINES, SECONDS_BETWEEN_SCREENS = 10.0, 0.5
EXPECTED = "BOLTZPRUNE_EXPECTED"
"""Variable that names a file: benchmark of each job -> seconds that it is expected to take, or null."""
SHARE = re.compile(r"(?:, (?P<stage>[^,:]*))?: (?P<share>\d+) % of .* a second, (?P<left>\d+) s left$")
"""End of a line of `progress.Progress` in the log of a job."""
TAIL = 2000
"""Bytes at the end of a log that are looked at."""
SHOWN_JOBS, SHOWN_FILES = 12, 4
WORTH_OPENING = (".png", ".svg", ".pdf", ".md")
"""Endings of files that a person looks at, the best first."""


Record = Any
"""A `logging.LogRecord` with what Snakemake adds to it, which is other for each event."""


class Display:
    """Follows a run of Snakemake by its log records.

    Parameters
    ----------
    dry : bool
        Whether nothing is computed; then nothing is shown but warnings.
    stream : text file, optional
    """

    def __init__(self, dry: bool = False, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.total = self.done = 0
        self.failed: list[tuple[str, list[str]]] = []
        self.made: list[str] = []
        self._jobs: dict[int, Record] = {}
        self._running: dict[int, float] = {}
        self._finished: set[int] = set()
        self._said: set[str] = set()
        self._expected = _expected()
        self._start, self._lock, self._end = time.monotonic(), threading.Lock(), threading.Event()
        self._live = None if dry or not self.stream.isatty() else _live(self)
        self._dry = dry
        self._thread = threading.Thread(target=self._keep_telling, daemon=True)
        if not dry:
            self._thread.start()

    def note(self, event: str, record: Record) -> None:
        """Take one log record of Snakemake.

        Parameters
        ----------
        event : str
            Its kind, as `LogEvent` of Snakemake has it; empty: a message without one.
        record : logging.LogRecord
        """
        with self._lock:
            told = getattr(self, f"_{event}", None) if event else None
            if told:
                told(record)
            elif record.levelno >= logging.WARNING:
                self._say(record.getMessage())

    def close(self) -> None:
        """Stop, and say how it ended and what there is to look at."""
        if self._end.is_set() or self._dry:
            return
        self._end.set()
        self._thread.join()
        if self._live:
            self._live.stop()
        with self._lock:
            self._last_words()

    def _run_info(self, record: Record) -> None:
        stats = getattr(record, "stats", None) or {}
        self._count(self.done, max(self.total, int(stats.get("total", 0))))

    def _count(self, done: int, total: int) -> None:
        """Note how many jobs there are; of those that `run` announced, without targets that make no file."""
        if self._expected:
            done, total = len(self._finished_benchmarks() & set(self._expected)), len(self._expected)
        self.done, self.total = done, total

    def _finished_benchmarks(self) -> set[str]:
        """What tells the jobs that are done."""
        return {self._jobs[job].benchmark for job in self._finished}

    def _job_info(self, record: Record) -> None:
        self._jobs[record.jobid] = record

    def _job_started(self, record: Record) -> None:
        for job in record.jobs:
            self._running.setdefault(job, time.monotonic())

    def _job_finished(self, record: Record) -> None:
        self._running.pop(record.job_id, None)
        job = self._jobs.get(record.job_id)
        if job is not None and record.job_id not in self._finished:
            self._finished.add(record.job_id)
            self.made += [path for path in job.output if path.endswith(WORTH_OPENING)]

    def _progress(self, record: Record) -> None:
        self._count(record.done, record.total)

    def _job_error(self, record: Record) -> None:
        self._running.pop(record.jobid, None)
        name = _named(self._jobs.get(record.jobid, record))  # the record of the error has no wildcards
        logs = [str(path) for path in record.log]
        self.failed.append((name, logs))
        self._say(f"FAILED: {name}: {_cause(logs)}")

    def _error(self, record: Record) -> None:
        if not self.failed:  # of a job that failed all is said
            self._say(record.getMessage())

    def _say(self, text: str) -> None:
        """A line above what is renewed, once."""
        if text and text not in self._said:
            self._said.add(text)
            if self._live:
                self._live.console.print(text, markup=False, highlight=False)
            else:
                self._write(text)

    def _write(self, text: str) -> None:
        self.stream.write(f"{text}\n")
        self.stream.flush()

    def _keep_telling(self) -> None:
        """Renew the screen, or write a line, until the end."""
        pause = SECONDS_BETWEEN_SCREENS if self._live else SECONDS_BETWEEN_LINES
        if self._live:
            self._live.start()
        while not self._end.wait(pause):
            with self._lock:
                lines = self.lines()
            if self._live:
                self._live.update(_as_they_are(lines), refresh=True)
            elif self.total:
                self._write(f"{time.strftime('%H:%M:%S')} {'; '.join(line.strip() for line in lines)}")

    def lines(self) -> list[str]:
        """The state: a line for the study, and one for each running job."""
        running = sorted(self._running.items(), key=lambda item: item[1])
        lines = [self._headline()]
        for job, start in running[:SHOWN_JOBS]:
            record = self._jobs.get(job)
            if record is not None:
                lines.append(f"  {_named(record)}: {_state(record, time.monotonic() - start)}")
        if len(running) > SHOWN_JOBS:
            lines.append(f"  and {count(len(running) - SHOWN_JOBS, 'job')} more")
        return lines

    def _headline(self) -> str:
        """How much of the study is done, by expected seconds where those are known, else by jobs."""
        if not self.total:
            return "looking what there is to do"
        share, left = self._share()
        text = f"{self.done:,} of {count(self.total, 'job')} done, {100 * share:.0f} %"
        return f"{text}, about {duration(left)} left" if left is not None else text

    def _share(self) -> tuple[float, float | None]:
        """Share of the work, and seconds that are left, or None where nobody measured such jobs."""
        known = {name: seconds for name, seconds in self._expected.items() if seconds is not None}
        if len(known) <= self.total / 2:
            return self.done / self.total, None
        done = sum(known.get(name, 0.0) for name in self._finished_benchmarks())
        share = done / max(sum(known.values()), 1e-9)
        elapsed = time.monotonic() - self._start
        if share < 0.02 or elapsed < SECONDS_BETWEEN_LINES:
            return share, None
        return share, elapsed * (1 - share) / share

    def _last_words(self) -> None:
        """How it ended."""
        took = duration(time.monotonic() - self._start)
        if self.failed:
            self._write(
                f"\n{count(len(self.failed), 'job')} failed after {took}; {self.done:,} of {self.total:,} done:"
            )
            for name, logs in self.failed[:SHOWN_JOBS]:
                self._write(f"  {name}: see {', '.join(logs) or 'above'}")
            self._write("Mend the cause and run the same command again: what is finished stays.")
        elif self.total and self.done == self.total:
            self._write(f"Done: {count(self.total, 'job')} in {took}.")
            self._write_what_to_open()
        elif self.total:
            self._write(
                f"Stopped after {took}; {self.done:,} of {self.total:,} done. The same command goes on from there."
            )

    def _write_what_to_open(self) -> None:
        """The files of this run that a person looks at, a figure in one format."""
        best: dict[Path, str] = {}
        for path in sorted(self.made, key=lambda path: WORTH_OPENING.index(Path(path).suffix)):
            best.setdefault(Path(path).with_suffix(""), path)
        chosen = sorted(best.values())
        if chosen:
            more = f" and {len(chosen) - SHOWN_FILES} more beside them" if len(chosen) > SHOWN_FILES else ""
            self._write(f"Open {', '.join(chosen[:SHOWN_FILES])}{more}.")


def _expected() -> dict[str, float | None]:
    """Seconds that jobs are expected to take, by their benchmark; the file that has them is deleted."""
    if not (path := os.environ.pop(EXPECTED, "")):
        return {}
    try:
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        Path(path).unlink(missing_ok=True)
    except (OSError, ValueError):
        return {}
    return found


def _as_they_are(lines: Sequence[str]) -> "Text":
    """Lines for the terminal: brackets and numbers in them mean nothing."""
    from rich.text import Text

    return Text("\n".join(lines), no_wrap=True, overflow="ellipsis")


def _live(display: Display) -> "Live":
    """A part of the terminal that is renewed in place."""
    from rich.console import Console
    from rich.live import Live

    console = Console(file=display.stream)
    return Live("", console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)


def _named(record: Record) -> str:
    """A job in a user's words: rule, criterion, iteration, seeds."""
    wildcards = dict(getattr(record, "wildcards", None) or {})
    words = [record.rule_name, *(str(wildcards[key]) for key in ("criterion", "phase") if key in wildcards)]
    words += [
        f"{label} {wildcards[key]}"
        for key, label in (("iteration", "iteration"), ("block", "seeds"))
        if key in wildcards
    ]
    return " ".join(words)


def _state(record: Record, seconds: float) -> str:
    """How far a running job is, by the last line of its log."""
    for log in record.log:
        found = SHARE.search(_last_line(log))
        if found:
            left = duration(int(found["left"]))
            stage = f" ({found['stage']})" if found["stage"] else ""
            return f"{found['share']} %, about {left} left{stage}"
    return f"for {duration(seconds)}"


def _last_line(path: str | os.PathLike[str]) -> str:
    """The last line of a log that is being written; empty if there is none."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line for line in reversed(lines) if line.strip()), "")


def _cause(logs: Iterable[str]) -> str:
    """The last line of the log of a job that failed."""
    return next((line for log in logs if (line := _last_line(log))), "it left no message; see above")
