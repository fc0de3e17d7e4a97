"""How long a job may take and how much it may write, from what was measured: never a number that nobody measured."""

import csv
import os
import re
from dataclasses import dataclass
from pathlib import Path

SEEDS = re.compile(r"seeds(\d+)-(\d+)/")
CHAIN = re.compile(r"[^/]+/iteration\d+/")
BENCHMARKS = "benchmarks"


@dataclass(frozen=True)
class Estimate:
    """One measured or expected number.

    Attributes
    ----------
    value : float
        Seconds or bytes.
    study : str
        Where it was measured.
    """

    value: float
    study: str


class Measured:
    """What finished jobs took and wrote, of all studies in a folder.

    A number of a job is its own of the last time; else the mean of the jobs of its rule in its study; else in the other
    study that has most of them. Means are in proportion to the seeds of a job.

    Parameters
    ----------
    results : Path
        The folder with a folder for each study.
    study : str
    """

    def __init__(self, results, study):
        self.results, self.study = results, study
        others = sorted(path.name for path in results.iterdir() if path.is_dir()) if results.is_dir() else []
        self._studies = [study, *(name for name in others if name != study)]
        self._seconds = {name: _means(_benchmarks(results / name)) for name in self._studies}
        self._bytes = {name: _means(_sizes(results / name)) for name in self._studies}

    def seconds(self, benchmark):
        """Seconds of a job, by its benchmark file; None if no job of its rule was ever measured."""
        own = _seconds(self.results.parent / benchmark) if benchmark else None
        return Estimate(own, self.study) if own is not None else self._mean(self._seconds, benchmark)

    def n_bytes(self, output):
        """Bytes of an output; None if none of its kind was ever written."""
        own = self.results.parent / output
        return Estimate(own.stat().st_size, self.study) if own.is_file() else self._mean(self._bytes, output)

    def _mean(self, means, path):
        """The mean of the kind, times the seeds of this path."""
        inside = "/".join(Path(path).parts[2:])  # without results/{study}
        found = [(name, *means[name][kind(inside)]) for name in self._studies if kind(inside) in means[name]]
        if not found:
            return None
        name, mean, _ = found[0] if found[0][0] == self.study else max(found, key=lambda row: row[2])
        return Estimate(mean * n_seeds(inside), name)


def kind(path):
    """What files of the same rule share: a path in a study without seeds, criterion and iteration."""
    return SEEDS.sub("", CHAIN.sub("", path))


def n_seeds(path):
    """Seeds of a job by its path; 1 where it has all or none."""
    found = SEEDS.search(path)
    return int(found[2]) - int(found[1]) + 1 if found else 1


def _means(rows):
    """(path in the study, number) -> kind: (mean per seed, how many)."""
    sums = {}
    for path, number in rows:
        total, seeds, n = sums.get(kind(path), (0.0, 0, 0))
        sums[kind(path)] = total + number, seeds + n_seeds(path), n + 1
    return {key: (total / seeds, n) for key, (total, seeds, n) in sums.items()}


def _benchmarks(study):
    """Seconds of every finished job of a study, by the path of its benchmark."""
    for path in sorted((study / BENCHMARKS).rglob("*.tsv")):
        seconds = _seconds(path)
        if seconds is not None:
            yield path.relative_to(study).as_posix(), seconds


def _seconds(path):
    """Seconds in a benchmark file that Snakemake wrote; None if it is not there, or has none."""
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return float(list(csv.DictReader(file, delimiter="\t"))[-1]["s"])
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def _sizes(study):
    """Bytes of every file of a study."""
    for folder, _, names in os.walk(study):
        for name in names:
            path = Path(folder, name)
            if path.is_file():
                yield path.relative_to(study).as_posix(), path.stat().st_size


def longest_chain(jobs, seconds):
    """Seconds from the first to the last job if any number of them can run at once.

    Parameters
    ----------
    jobs : list of dry_run.Planned
        A job after those whose outputs it reads.
    seconds : list of float
    """
    end = {}
    for job, duration in zip(jobs, seconds, strict=True):
        done = max((end.get(path, 0.0) for path in job.inputs), default=0.0) + duration
        end |= dict.fromkeys(job.outputs, done)
    return max(end.values(), default=0.0)
