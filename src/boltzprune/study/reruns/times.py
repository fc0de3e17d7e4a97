"""What `plan` says of times: how long, on how many processors, and where the numbers come from."""

import argparse
import collections
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from boltzprune.study.cost import rates
from boltzprune.study.reruns.estimates import FAR, Estimate, wall
from boltzprune.study.reruns.page import count, duration

if TYPE_CHECKING:
    from boltzprune.study.reruns.dry_run import Planned

SHOWN = 8
"""Rules of unknown time that are named."""
HOURS = 2 * 3600
"""Seconds from which on time is told in core-hours, the unit of clusters."""


def of_jobs(seconds: Sequence[Estimate | None], unit: Callable[[float], str] = duration) -> str:
    """Processor time of some jobs in a few characters: 14 s, 2.1 h to 3.4 h, unknown."""
    known = [estimate for estimate in seconds if estimate]
    if len(known) < len(seconds):
        return "unknown"
    return _range((sum(values) for values in zip(*(estimate.bounds for estimate in known))), unit)


def _range(bounds: Iterable[float], unit: Callable[[float], str] = duration) -> str:
    """Two numbers of seconds as a range, or as one if they look alike."""
    low, high = map(unit, bounds)
    return low if low == high else f"{low} to {high}"


def cores(options: Sequence[str]) -> int | None:
    """The number of processors that options of Snakemake name; None if they name none."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--cores", "-c", nargs="?", const="all")
    given = parser.parse_known_args(options)[0].cores
    if given == "all":
        return os.process_cpu_count() if hasattr(os, "process_cpu_count") else len(os.sched_getaffinity(0))
    return int(given) if given and given.isdecimal() and int(given) else None


def summary(jobs: Sequence["Planned"], seconds: Sequence[Estimate | None], study: str, n_cores: int | None) -> str:
    """How long all of it takes, and by whose measurements.

    Parameters
    ----------
    jobs : list of dry_run.Planned
    seconds : list of estimates.Estimate or None
    study : str
    n_cores : int or None
    """
    known, lines = [estimate for estimate in seconds if estimate], []
    if known:
        lines += [_all(jobs, seconds, known, n_cores), *_sources(known, study)]
    if len(known) < len(seconds):
        rules = sorted({job.rule for job, estimate in zip(jobs, seconds) if not estimate})
        names = ", ".join(rules[:SHOWN]) + (" ..." if len(rules) > SHOWN else "")
        n = count(len(seconds) - len(known), "job")
        lines.append(f"Time of {n} unknown, since none of the kind has run here on this device: {names}")
    return "".join(f"{line}\n" for line in lines)


def _all(
    jobs: Sequence["Planned"], seconds: Sequence[Estimate | None], known: Sequence[Estimate], n_cores: int | None
) -> str:
    """The sum, and what becomes of it on several processors."""
    in_hours = sum(estimate.value for estimate in known) >= HOURS
    time = of_jobs(known, lambda x: f"{x / 3600:,.1f}") + " core-hours" if in_hours else of_jobs(known) + " of one core"
    ends = [[one and replace(one, value=one.bounds[end]) for one in seconds] for end in (0, 1)]
    if n_cores:
        return f"Time: {time}; on {count(n_cores, 'core')} about {_range(wall(jobs, end, n_cores) for end in ends)}"
    return f"Time: {time}; on any number of cores at least {_range(wall(jobs, end) for end in ends)}"


def _sources(known: Sequence[Estimate], study: str) -> list[str]:
    """Where the numbers come from, a line each."""
    groups = collections.Counter((estimate.is_own, estimate.study) for estimate in known)
    lines = []
    for (is_own, name), n_jobs in sorted(groups.items(), key=lambda item: (-item[0][0], item[0][1] != study, -item[1])):
        if is_own:
            how = "with as much to do as last time: as measured then"
        elif name:
            how = f"scaled from the jobs of their stage in study {name}, by what they have to do"
        else:
            how = f"by rates measured on {rates.shipped().about}"
        lines.append(f"      {count(n_jobs, 'job')} {how}")
    if far := sum(estimate.low is not None for estimate in known):
        n = count(far, "job")
        lines.append(f"      {n} with over {FAR} times the work that was measured: a range up to the package's rates")
    if len(groups) > sum(is_own for is_own, _ in groups):
        lines.append("      Nothing is taken off for what a pruning removes: jobs after it may take less")
    return lines
