"""`boltzprune status`: how far a study is."""

import argparse
import collections
import sys
import time
from collections.abc import Iterable, Sequence, Set
from pathlib import Path

from boltzprune.results import records
from boltzprune.study import jobs
from boltzprune.study.config import EXPERIMENTS
from boltzprune.study.reruns import arguments, dry_run
from boltzprune.study.reruns.dry_run import Planned
from boltzprune.study.reruns.page import count, duration, table

ABOUT = (
    "Say how far a study is, with the arguments of boltzprune run: jobs of each rule that are done, outdated (their "
    "result is there and would be computed anew; `boltzprune plan` says why) or to do; iterations of each criterion "
    "that are finished, by seeds; jobs that have begun and not ended. Nothing is computed.\n\nexamples:\n"
    "  boltzprune status\n  boltzprune status my.yaml"
)
DATE = "%Y-%m-%d %H:%M:%S"


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the command line."""
    dry_run.add_parser(commands, "status", "how far a study is", ABOUT, _status)


def _status(words: list[str]) -> None:
    """Print the state of the study."""
    asked = arguments.read(words)
    place = dry_run.folder(asked)
    processes = [dry_run.start(asked, "--forceall"), dry_run.start(asked)]
    every, waiting = (dry_run.finish(process) for process in processes)
    open_outputs = {job.outputs for job in waiting}
    folder = place.joinpath(*Path(every[0].outputs[0]).parts[:2])
    done = len(every) - len(open_outputs)
    sys.stdout.write(f"Study {folder.name} in {folder}: {done:,} of {count(len(every), 'job')} done\n\n")
    sys.stdout.write(_rules(every, open_outputs, place))
    for section in EXPERIMENTS:
        sys.stdout.write(_courses(section, [job for job in every if _section(job) == section], open_outputs))
    sys.stdout.write(_lost(every, open_outputs, place) + _begun(every, place))
    sys.stdout.writelines(f"{line}\n" for line in records.other_versions(folder))


def _section(job: Planned) -> str:
    """The experiment that a job belongs to by where it writes; empty for tables and figures."""
    name = Path(job.outputs[0]).parts[2]
    return name if name in EXPERIMENTS else ""


def _rules(every: Sequence[Planned], open_outputs: Set[tuple[str, ...]], place: Path) -> str:
    """A line for each rule, by experiment."""
    rows: list[tuple[str, ...]] = [("rule", "jobs", "done", "outdated", "to do", "last written")]
    for section, title in (*((name, name) for name in EXPERIMENTS), ("", "tables and figures")):
        members = [job for job in every if _section(job) == section]
        rows += [(title, "", "", "", "", "")] if members else []
        for rule in dict.fromkeys(job.rule for job in members):
            rows.append(_row(rule, [job for job in members if job.rule == rule], open_outputs, place))
    return table(rows, numbers=(1, 2, 3, 4))


def _row(rule: str, jobs: Sequence[Planned], open_outputs: Set[tuple[str, ...]], place: Path) -> tuple[str, ...]:
    """The numbers of one rule."""
    written = [_times(job, place) for job in jobs]
    done = [job.outputs not in open_outputs for job in jobs]
    outdated = sum(bool(times) and not ready for times, ready in zip(written, done))
    last = max((moment for times in written for moment in times), default=None)
    numbers = (len(jobs), sum(done), outdated, len(jobs) - sum(done) - outdated)
    shown = time.strftime(DATE, time.localtime(last)) if last else "-"
    return (f"  {rule}", *(f"{n:,}" if n else "." for n in numbers), shown)


def _times(job: Planned, place: Path) -> list[float]:
    """When each output that is there was written."""
    found = (place / path for path in job.outputs)
    return [path.stat().st_mtime for path in found if path.exists()]


def _courses(section: str, jobs: Sequence[Planned], open_outputs: Set[tuple[str, ...]]) -> str:
    """Iterations that are finished, of each criterion, by seeds."""
    iterations, missing = collections.defaultdict(set), collections.defaultdict(set)
    for job in jobs:
        if "iteration" in job.wildcards:
            key = job.wildcards["criterion"], job.wildcards["block"]
            iterations[key].add(int(job.wildcards["iteration"]))
            if job.outputs in open_outputs:
                missing[key].add(int(job.wildcards["iteration"]))
    if not iterations:
        return ""
    seeds = collections.defaultdict(list)  # criterion, iterations finished -> blocks
    for (criterion, block), all_of_it in iterations.items():
        finished = min(missing[criterion, block], default=max(all_of_it) + 1) - 1
        seeds[criterion, finished].append(block)
    last = max(map(max, iterations.values()))
    rows = [("criterion", f"of {last}", "seeds")]
    rows += [(name, str(n), _ranges(blocks)) for (name, n), blocks in sorted(seeds.items())]
    return f"\n{section}: iterations finished\n{table(rows, numbers=(1,))}"


def _ranges(blocks: Iterable[str]) -> str:
    """Blocks 0-4, 5-9, 20-24 as 0-9, 20-24."""
    runs = jobs.runs(seed for block in blocks for seed in jobs.seeds_of(block))
    return ", ".join(f"{first}-{last}" for first, last in runs)


def _lost(every: Sequence[Planned], open_outputs: Set[tuple[str, ...]], place: Path) -> str:
    """Results that are not there although Snakemake asks for nothing, since what follows from them is."""
    ready = (path for job in every if job.outputs not in open_outputs for path in job.outputs)
    lost = [path for path in ready if not (place / path).exists()]
    if not lost:
        return ""
    return (
        f"\n{count(len(lost), 'result')} missing, which nothing that is to do needs: {lost[0]}"
        f"{' ...' if len(lost) > 1 else ''}\nboltzprune verify names them and says how to compute them again\n"
    )


def _begun(every: Sequence[Planned], place: Path) -> str:
    """Jobs that run now, or were killed."""
    starts, now, lines = dry_run.unfinished(place), time.time(), []
    for job in every:
        if begun := [starts[path] for path in job.outputs if path in starts]:
            log = place / job.log
            written = f"{duration(max(0, now - log.stat().st_mtime))} ago" if log.is_file() else "never"
            what = " ".join([job.rule, *job.wildcards.values()])
            lines.append(f"  {what}: for {duration(max(0, now - min(begun)))}; its log was written {written}\n")
    return "".join(["\nbegun and not ended, running or killed:\n", *lines]) if lines else ""
