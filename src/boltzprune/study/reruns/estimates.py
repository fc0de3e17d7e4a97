"""How long a job may take and how much it may write, from what was measured: never a number that nobody measured."""

import collections
import heapq
import math
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from boltzprune.results import records
from boltzprune.study.cost import rates
from boltzprune.study.reruns import costs
from boltzprune.study.reruns.costs import Cost, Finished

if TYPE_CHECKING:
    from boltzprune.study.reruns.dry_run import Planned

SEEDS = re.compile(r"seeds(\d+)-(\d+)/")
COURSE = re.compile(r"[^/]+/iteration\d+/")
FAR = 30
"""An estimate for so many times the work that was measured is a range."""
MOSTLY_WORK = 0.5
"""Jobs that spent less than this share of their time at work do not tell how fast work is done."""


@dataclass(frozen=True)
class Estimate:
    """One measured or expected number.

    Attributes
    ----------
    value : float
        Seconds of processor time, or bytes.
    study : str
        Where it was measured; empty: by the rates of the package.
    is_own : bool
        Whether it is that of this very job or file.
    low, high : float or None
        A range around the value where that lies far from what was measured.
    threads : int
        That such a job can use.
    """

    value: float
    study: str
    is_own: bool = False
    low: float | None = None
    high: float | None = None
    threads: int = 1

    @property
    def bounds(self) -> tuple[float, float]:
        """The range; where there is none, the value twice."""
        return (self.value if self.low is None else self.low, self.value if self.high is None else self.high)


class Measured:
    """What finished jobs took and wrote, of all studies in a folder.

    The time of a job is its own of the last time, if it had the same work; else that of the jobs of its stage on the
    same device, in proportion to their work: in its study, else in the other study that has most of them; else that by
    the rates of the package, which are those of a CPU. The size of a file is its own, else the mean of its kind in
    proportion to seeds.

    Parameters
    ----------
    results : Path
        The folder with a folder for each study.
    study : str
    """

    def __init__(self, results: Path, study: str) -> None:
        self.results, self.study = results, study
        others = sorted(path.name for path in results.iterdir() if path.is_dir()) if results.is_dir() else []
        self._studies = [study, *(name for name in others if name != study)]
        self._costs = {name: costs.finished(results / name) for name in self._studies}
        self._bytes = {name: _means(_sizes(results / name)) for name in self._studies}

    def seconds(self, job: "Planned") -> Estimate | None:
        """Seconds of processor time of a `dry_run.Planned`; None where nobody measured such a job."""
        now = costs.planned(job)
        if now is None:
            return None
        threads = max(1, min(job.threads, now.n_seeds))
        own = self._costs[self.study].get(records.beside(self.results.parent / job.log))
        if own and own.is_like(now) and own.work == now.work:
            return Estimate(own.seconds, self.study, is_own=True, threads=threads)
        groups = ((name, [cost for cost in self._costs[name].values() if cost.is_like(now)]) for name in self._studies)
        own_study, *others = groups
        every = (own_study, *sorted(others, key=lambda row: -len(row[1])))
        found = (_scaled(now, name, group, threads) for name, group in every)
        return next(filter(None, found), None) or _by_rates(now, threads)

    def n_bytes(self, output: str) -> Estimate | None:
        """Bytes of an output; None if none of its kind was ever written."""
        own = self.results.parent / output
        if own.is_file():
            return Estimate(own.stat().st_size, self.study, is_own=True)
        inside = "/".join(Path(output).parts[2:])  # without results/{study}
        name = kind(inside)
        found = [(study, *self._bytes[study][name]) for study in self._studies if name in self._bytes[study]]
        if not found:
            return None
        study, mean, _ = found[0] if found[0][0] == self.study else max(found, key=lambda row: row[2])
        return Estimate(mean * n_seeds(inside), study)


def _scaled(now: Cost, study: str, others: Sequence[Finished], threads: int) -> Estimate | None:
    """The time of a job by that of others of its stage; None if they do not tell how fast its work is done.

    What a job takes besides its work, to start, is not in proportion to anything and is set apart: the start of the
    package's table, or less if one of the jobs took less in all. Jobs that did little but start tell of one that has no
    more to do.
    """
    table = rates.shipped()
    mine, theirs = table.seconds(now.work), [table.seconds(cost.work) for cost in others]
    every = sum(cost.seconds for cost in others)
    if not others or not mine:
        return Estimate(every / len(others), study, threads=threads) if others else None
    start = min(table.starts.get(now.name, math.inf), *(cost.seconds for cost in others))
    at_work = every - len(others) * start
    if at_work < MOSTLY_WORK * every or not sum(theirs):
        enough = [cost.seconds for cost, work in zip(others, theirs) if work >= mine]
        return Estimate(min(enough), study, threads=threads) if enough else None
    value = start + mine * at_work / sum(theirs)
    if mine <= FAR * max(theirs) or now.device != "cpu":
        return Estimate(value, study, threads=threads)
    by_rates = start + mine
    return Estimate(value, study, low=min(value, by_rates), high=max(value, by_rates), threads=threads)


def _by_rates(now: Cost, threads: int) -> Estimate | None:
    """The time of a job by the rates of the package; None on another device than theirs."""
    table = rates.shipped()
    if now.device != "cpu" or now.name not in table.starts:
        return None
    return Estimate(table.starts[now.name] + table.seconds(now.work), "", threads=threads)


def kind(path: str) -> str:
    """What files of the same rule share: a path in a study without seeds, criterion and iteration."""
    return SEEDS.sub("", COURSE.sub("", path))


def n_seeds(path: str) -> int:
    """Seeds of a job by its path; 1 where it has all or none."""
    found = SEEDS.search(path)
    return int(found[2]) - int(found[1]) + 1 if found else 1


def _means(rows: Iterable[tuple[str, float]]) -> dict[str, tuple[float, int]]:
    """(path in the study, number) -> kind: (mean per seed, how many)."""
    sums: dict[str, tuple[float, int, int]] = {}
    for path, number in rows:
        total, seeds, n = sums.get(kind(path), (0.0, 0, 0))
        sums[kind(path)] = total + number, seeds + n_seeds(path), n + 1
    return {key: (total / seeds, n) for key, (total, seeds, n) in sums.items()}


def _sizes(study: Path) -> Iterator[tuple[str, int]]:
    """Bytes of every file of a study."""
    for folder, _, names in os.walk(study):
        for name in names:
            path = Path(folder, name)
            if path.is_file():
                yield path.relative_to(study).as_posix(), path.stat().st_size


def wall(jobs: Sequence["Planned"], seconds: Sequence[Estimate | None], cores: float = math.inf) -> float:
    """Seconds from the first to the last job on so many processors: whenever some are free, the next job that can run.

    Parameters
    ----------
    jobs : list of dry_run.Planned
    seconds : list of Estimate or None
        Of each job; None counts as nothing.
    cores : int or infinity
    """
    makers = {path: place for place, job in enumerate(jobs) for path in job.outputs}
    waits = [{makers[path] for path in job.inputs if path in makers} for job in jobs]
    followers = collections.defaultdict(list)
    for place, needed in enumerate(waits):
        for before in needed:
            followers[before].append(place)
    ready, now, free = [place for place, needed in enumerate(waits) if not needed], 0.0, cores
    running: list[tuple[float, int, float]] = []  # end, place, threads
    while ready or running:
        for place in list(ready) if free else ():
            estimate = seconds[place] or Estimate(0.0, "")
            threads = min(estimate.threads, cores)
            if threads <= free:
                ready.remove(place)
                free -= threads
                heapq.heappush(running, (now + estimate.value / threads, place, threads))
        now, done, threads = heapq.heappop(running)
        free += threads
        for place in followers[done]:
            waits[place].remove(done)
            ready += [] if waits[place] else [place]
    return now
