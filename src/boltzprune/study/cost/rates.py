"""Seconds for one of each kind of work, measured on one core of the computer that the table names."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("rates.json")


@dataclass(frozen=True)
class Table:
    """What was measured.

    Attributes
    ----------
    about : str
        Computer, date and program, for a sentence.
    rates : dict of str to float
        Kind of work, see `workload.KINDS` -> seconds of processor time for one.
    starts : dict of str to float
        Stage, or `figure` and its name -> seconds of processor time that a job takes besides.
    """

    about: str
    rates: dict[str, float]
    starts: dict[str, float]

    def seconds(self, work: Mapping[str, float]) -> float:
        """Seconds of processor time for a work, see `workload.work`."""
        return sum(amount * self.rates[kind] for kind, amount in work.items())


@functools.cache
def shipped() -> Table:
    """The table of this package."""
    values = json.loads(FILE.read_text(encoding="utf-8"))
    about = f"one core of {values['device'].partition(',')[0]}, {values['date']} (benchmarks/rates.py)"
    return Table(about, values["rates_s"], values["start_s"])
