"""`boltzprune plan`: what `boltzprune run` with the same arguments would do, and why, in plain words."""

import argparse
import collections
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from boltzprune.results import records
from boltzprune.study.config import EXPERIMENTS
from boltzprune.study.reruns import arguments, dry_run, times
from boltzprune.study.reruns.dry_run import Planned
from boltzprune.study.reruns.estimates import Estimate, Measured
from boltzprune.study.reruns.page import count, size, table
from boltzprune.study.reruns.reasons import is_changed, words

ABOUT = (
    "Say what boltzprune run with the same arguments would run, and why: which key of the configuration changed, from "
    "what to what; whether code, data or results did. Times, of one core, are those of the last time, else scaled from "
    "finished jobs or measured rates by what a job has to do, else unknown; sizes those of the last time, else of jobs "
    "of the same rule. Nothing is computed.\n\n"
    "examples:\n  boltzprune plan\n  boltzprune plan fig2 my.yaml --set seeds=20"
)
NOTHING = "Nothing would run: all that was asked for is there, made with these settings and this code.\n"

SHOWN = 8
"""Reasons of one rule that are named."""


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the command line."""
    dry_run.add_parser(
        commands, "plan", "what would run, why, how long it may take, what it would replace", ABOUT, _plan
    )


def _plan(words: list[str]) -> None:
    """Print the plan."""
    asked = arguments.read(words)
    place = dry_run.folder(asked)
    jobs = dry_run.finish(dry_run.start(asked))
    if not jobs:
        sys.stdout.write(NOTHING)
        return
    first, study = Path(jobs[0].outputs[0]).parts[:2]
    results = place / first
    measured = Measured(results, study)
    seconds = [measured.seconds(job) for job in jobs]
    sys.stdout.write(replaced(jobs, place))
    sys.stdout.write(f"Study {study}: {count(len(jobs), 'job')} would run\n\n")
    sys.stdout.write(_jobs(jobs, seconds, place))
    sys.stdout.write(
        "\n" + times.summary(jobs, seconds, study, times.cores(asked.options)) + _disk(jobs, measured, results, study)
    )
    sys.stdout.write(_versions(results / study))


def replaced(jobs: Sequence[Planned], place: Path) -> str:
    """What to know before results of other settings or other code are replaced; empty if there are none.

    Tables and figures do not count: they are made again from results in seconds.
    """
    lost = [path for job in jobs if is_changed(job) for path in job.outputs if _is_result(path, place)]
    if not lost:
        return ""
    study = Path(lost[0]).parts[1]
    return (
        f"results/{study} was made with other settings or other code: {count(len(lost), 'result')} and what follows "
        "from them would be replaced.\nTo keep them, give the new study a name of its own, for example "
        f"--set study={study}-2, or copy the folder.\n\n"
    )


def _is_result(path: str, place: Path) -> bool:
    """Whether an output is there and belongs to an experiment."""
    return Path(path).parts[2] in EXPERIMENTS and (place / path).exists()


def _jobs(jobs: Sequence[Planned], seconds: Sequence[Estimate | None], place: Path) -> str:
    """A line for each rule and reason."""
    of_rule = collections.defaultdict(list)
    for job, estimate in zip(jobs, seconds, strict=True):
        of_rule[job.rule].append((job, estimate))
    rows = [("rule", "jobs", "time", "why")]
    for rule, members in of_rule.items():
        time = times.of_jobs([estimate for _, estimate in members])
        why = collections.Counter(word for job, _ in members for word in words(job, place))
        lines = [f"{text} ({n} of {len(members)})" if n < len(members) else text for text, n in why.most_common()]
        if len(lines) > SHOWN:
            lines[SHOWN - 1 :] = [f"and {len(lines) - SHOWN + 1} more reasons"]
        rows += [(rule, str(len(members)), time, lines[0]), *(("", "", "", line) for line in lines[1:])]
    return table(rows, numbers=(1, 2))


def _disk(jobs: Sequence[Planned], measured: Measured, results: Path, study: str) -> str:
    """How much is written, and how much of that replaces something."""
    outputs = [path for job in jobs for path in job.outputs]
    found = [measured.n_bytes(path) for path in outputs]
    old = sum((results.parent / path).stat().st_size for path in outputs if (results.parent / path).is_file())
    known = sum(estimate.value for estimate in found if estimate)
    free = shutil.disk_usage(next(path for path in (results, *results.absolute().parents) if path.exists())).free
    missing = found.count(None)
    text = f"Disk: {size(known)} in {count(len(outputs) - missing, 'file')}, of which {size(old)} replace older results"
    if any(estimate and estimate.study != study for estimate in found):
        text += ", by the sizes of another study where this one has none"
    if missing:
        text += f"; size of {count(missing, 'file')} unknown"
    return f"{text}; {size(free)} are free{'' if known - old < free else ': NOT ENOUGH'}\n"


def _versions(folder: Path) -> str:
    """Results of other versions of the libraries; they do not run again for that."""
    lines = records.other_versions(folder)
    if not lines:
        return ""
    return "".join(f"{line}\n" for line in [*lines, "Versions rerun nothing; to compute all anew: --forceall"])
