"""The collected results of a study, as claims ask for them: by seed, at the last iteration, or not at all."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from boltzprune.core.fisher import Statistics
from boltzprune.pruning.controls import UNPRUNED
from boltzprune.results import tidy
from boltzprune.results.store import Arrays, read_statistics

TABLES = {
    "metrics": "patches",
    "digits_metrics": "digits",
    "digits_classes": "digits",
    "digits_references": "digits",
}
"""Table -> its experiment."""


class NotTestable(Exception):
    """A claim that these results can neither support nor contradict; the text says why."""


@dataclass(frozen=True)
class Courses:
    """Metrics of the courses of one experiment.

    Attributes
    ----------
    metrics : pandas.DataFrame
        One row per criterion, iteration, phase and seed.
    last_iterations : dict of str -> int
        Criteria that are compared after that many iterations instead of all.
    """

    metrics: pd.DataFrame
    last_iterations: Mapping[str, int] = field(default_factory=dict)

    def initial(self, column: str) -> pd.Series:
        """One value per seed before pruning, by seed, without missing ones."""
        return self._values(self.metrics[self.metrics["phase"] == "initial"], column, "before pruning")

    def last(self, criterion: str) -> int:
        """The last iteration with a machine, or the one asked for where there are more; NotTestable without any."""
        rows = self.metrics[(self.metrics["criterion"] == criterion) & (self.metrics["phase"] == "retrained")]
        wanted = rows["iteration"][rows["iteration"] <= self.last_iterations.get(criterion, np.inf)]
        if len(wanted) == 0:
            has_ended = (self.metrics["criterion"] == criterion).any()
            what = "leaves no machine" if has_ended else "is not in this study"
            raise NotTestable(f"criterion {criterion} {what}")
        return int(wanted.max())

    def after(self, criterion: str, column: str, iteration: int | None = None, phase: str = "retrained") -> pd.Series:
        """One value per seed after an iteration, by seed, without missing ones.

        Parameters
        ----------
        criterion
        column
            Of the metrics.
        iteration
            None: the last.
        phase
            pruned or retrained.
        """
        last = self.last(criterion)
        iteration = last if iteration is None else iteration
        rows = self.metrics[self.metrics["criterion"] == criterion]
        rows = rows[(rows["iteration"] == iteration) & (rows["phase"] == phase)]
        return self._values(rows, column, f"of {criterion}, iteration {iteration}, {phase}")

    def has_unpruned(self, iteration: int) -> bool:
        """Whether there are machines that were trained for as many epochs as after that iteration, but never pruned."""
        rows = self.metrics[(self.metrics["criterion"] == UNPRUNED) & (self.metrics["iteration"] == iteration)]
        return bool((rows["phase"] == "retrained").any())

    def course(self, criterion: str, columns: Sequence[str]) -> pd.DataFrame:
        """Rows before pruning and after each retraining, by seed and iteration, that have all those values."""
        for column in columns:
            self.after(criterion, column)
            self.initial(column)
        rows = self.metrics[self.metrics["phase"].isin(["initial", "retrained"])]
        rows = rows[rows["criterion"].isin([criterion, "none"])].dropna(subset=list(columns))
        return rows.sort_values(["seed", "iteration"])

    def _values(self, rows: pd.DataFrame, column: str, where: str) -> pd.Series:
        if column not in rows:
            raise NotTestable(f"the metrics have no {column}")
        values = rows.set_index("seed")[column].dropna().astype(np.float64)
        if len(values) == 0:
            raise NotTestable(f"no {column} {where}")
        return values.sort_index()


def pair(values: pd.Series, reference: pd.Series) -> tuple[np.ndarray, np.ndarray]:
    """Two Series by seed -> two arrays over the seeds that both have; NotTestable without any."""
    seeds = values.index.intersection(reference.index)
    if len(seeds) == 0:
        raise NotTestable("no seed has both of the values compared")
    return values[seeds].to_numpy(), reference[seeds].to_numpy()


@dataclass(frozen=True)
class Results:
    """Everything that claims read.

    Attributes
    ----------
    tables : dict of str -> pandas.DataFrame
        Those of `TABLES` that exist.
    statistics : tuple of Path
        Statistics of the initial machines of the patches.
    last_iterations : dict of str -> int
        Of criteria of the digits that are compared before their last iteration.
    """

    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    statistics: tuple[Path, ...] = ()
    last_iterations: Mapping[str, int] = field(default_factory=dict)

    def require(self, experiment: str) -> None:
        """NotTestable if the study has nothing of that experiment."""
        present = {TABLES[name] for name in self.tables} | ({"patches"} if self.statistics else set())
        if experiment not in present:
            raise NotTestable("the experiment is not in this study")

    def table(self, name: str) -> pd.DataFrame:
        """One of the tables; NotTestable if it does not exist."""
        if name not in self.tables:
            raise NotTestable(f"there is no table {name}")
        return self.tables[name]

    @property
    def patches(self) -> Courses:
        """Metrics of the patches."""
        return Courses(self.table("metrics"))

    @property
    def digits(self) -> Courses:
        """Metrics of the digits."""
        return Courses(self.table("digits_metrics"), self.last_iterations)

    def initial_statistics(self) -> Iterator[tuple[Arrays, int, Statistics, np.ndarray | None]]:
        """(file, seed, statistics, leading eigenvector or None) of every initial machine of the patches."""
        if not self.statistics:
            raise NotTestable("there are no statistics of the initial machines")
        for arrays in map(Arrays, self.statistics):
            for seed in arrays.seeds:
                yield arrays, seed, *read_statistics(arrays, seed)


def read(inputs: Mapping[str, Sequence[Path]], last_iterations: Mapping[str, int] | None = None) -> Results:
    """Results from files.

    Parameters
    ----------
    inputs : dict of str -> list of Path
        Names of `TABLES`, statistics; each can be missing.
    last_iterations : dict of str -> int, optional

    Raises
    ------
    InputError
        If a table is not what it has to be.
    """
    tables = {name: tidy.read(inputs[name], name) for name in TABLES if inputs.get(name)}
    return Results(tables, tuple(inputs.get("statistics", ())), last_iterations or {})
