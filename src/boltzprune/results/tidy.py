"""THE list of tidy tables that stages hand on as CSV, and their reader: what is no such table is refused by name."""

import io
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boltzprune.errors import InputError
from boltzprune.pruning.controls import ANEW
from boltzprune.results.files import check_regular

if TYPE_CHECKING:
    import pandas as pd

KEYS = ["criterion", "iteration", "phase"]
KEYS_OF_PRUNINGS = ("criterion", "iteration", "seed")


@dataclass(frozen=True)
class Table:
    """One kind of table.

    Attributes
    ----------
    keys : tuple of str
        Columns that together tell the rows apart; none is ever empty.
    columns : tuple of str
        Others that it cannot lack.
    """

    keys: tuple[str, ...]
    columns: tuple[str, ...] = ()


TABLES = {
    "metrics": Table((*KEYS, "seed")),
    "pattern_probabilities": Table((*KEYS, "pattern"), ("log_data", "log_model_mean")),
    "digits_metrics": Table((*KEYS, "seed")),
    "digits_classes": Table((*KEYS, "seed", "digit"), ("share",)),
    "digits_pixels": Table(("criterion", "iteration", "pixel"), ("disconnected", "n_seeds")),
    "digits_examples": Table((*KEYS, "seed", "sample"), ("pattern",)),
    "digits_references": Table(("reference",), ("error",)),
    **{
        f"{experiment}{name}": table
        for experiment in ("", "digits_")
        for name, table in {
            "survival": Table((*KEYS, "seed", "layer"), ("n_weights", "n_units", "share_weights", "share_units")),
            "overlap": Table(("criterion", "other", "iteration", "seed", "layer"), ("overlap",)),
            "agreement": Table(("criterion", "iteration", "layer", "seed"), ("agreement",)),
        }.items()
    },
    "records": Table(KEYS_OF_PRUNINGS, ("undecided_1", "kept_again_1")),
    "digits_records": Table(KEYS_OF_PRUNINGS, ("n_weights_1", "pixels_disconnected", "undecided_1", "kept_again_1")),
}
"""Name -> table; those of one seed, before they are collected, have the same columns."""

TEXT = re.compile(
    r"criterion|other|phase|reference|pattern|hidden_removed|units_removed_\d+|(pixels|visible)_disconnected"
)
FRACTION = re.compile(
    r"(\w+_)?error|(missing_)?share|share_(weights|units)|(border_|centre_)?disconnected|quality(_\w+)?|activity_\d+"
    r"|hidden_rate|p_(memory|starts)|mixes|(undecided|kept_again)_\d+"
)
DECISION = re.compile(r"(undecided|kept_again)_\d+")
COUNT, SIZE = re.compile(r"n_\w+"), re.compile(r"n_(weights|hidden|units)(_\d+|_other)?")
WHOLE = {
    "iteration": 10**5,
    "seed": 2**63 - 1,
    "layer": 100,
    "digit": 255,
    "pixel": 10**7,
    "sample": 10**7,
    "n_seeds": 10**6,
}
"""Columns of whole numbers from 0 on, never empty, and the largest that is believed."""
MAX_BYTES = 2**28
PHASES = ("initial", "pruned", "retrained", *ANEW)
"""Of a machine; the last ones are controls, see `pruning.controls`."""
ENDED = "ended"
"""Phase of a row that is of no machine: at this iteration, or before, the course of this seed has ended (see
`pruning`). Its sizes are 0, its other fields are empty."""


def read(paths: Sequence[str | os.PathLike[str]], name: str, needs: Sequence[str] = ()) -> "pd.DataFrame":
    """One table from one or several files.

    Parameters
    ----------
    paths : list of Path
    name : str
        One of `TABLES`.
    needs : sequence of str
        Columns that the caller needs besides.

    Returns
    -------
    pandas.DataFrame
        At least one row; patterns and lists of units are text, everything else numbers, finite or missing.

    Raises
    ------
    InputError
        If a file is not readable, lacks a column, or holds a value that its column cannot have, or if two rows have the
        same keys.
    """
    import pandas as pd

    table, frames = TABLES[name], []
    for path in paths:
        frames.append(frame := _from_file(path))
        for column in (*table.keys, *table.columns, *needs):
            if column not in frame:
                raise _wrong(path, f"has no column {column}")
        for column in frame:
            if problem := _problem(frame[column], column in table.keys):
                raise _wrong(path, f"column {column} {problem}")
    frame = pd.concat(frames, ignore_index=True)
    if "phase" in table.keys:  # the course of a criterion and its controls tell of the same end
        frame = frame[~((frame["phase"] == ENDED) & frame.duplicated())].reset_index(drop=True)
    if frame.duplicated(list(table.keys)).any():
        row = frame.loc[frame.duplicated(list(table.keys)), list(table.keys)].iloc[0].to_dict()
        raise _wrong(", ".join(map(str, paths)), f"two rows are of {row}")
    return frame


def in_order(table: "pd.DataFrame", name: str) -> "pd.DataFrame":
    """The rows of one of `TABLES` sorted by its keys."""
    return table.sort_values(list(TABLES[name].keys), ignore_index=True)


def missing_seeds(table: "pd.DataFrame", columns: Sequence[str]) -> list[str]:
    """What no mean has in it, in words: seeds without a row, or without a finite value where other seeds have one.

    A seed whose course has ended lacks nothing: `endings` names it.

    Parameters
    ----------
    table : pandas.DataFrame
        `KEYS`, seed (0, 1, ...) and the columns.
    columns : list of str

    Returns
    -------
    list of str
        A sentence for each; none if all seeds are there.
    """
    found, every = [], set(table["seed"])
    ended = table[table["phase"] == ENDED].groupby(KEYS[:2])["seed"].agg(set).to_dict()
    for (criterion, iteration, phase), rows in of_machines(table).groupby(KEYS, sort=False):
        where = f"{criterion}, iteration {iteration}, {phase}"
        lacks = {"row": every - set(rows["seed"]) - ended.get((criterion, iteration), set())}
        for column in columns:
            finite = np.isfinite(rows[column].astype(float))
            lacks[column] = set(rows.loc[~finite, "seed"]) if finite.any() else set()
        for what, seeds in lacks.items():
            if seeds:
                found.append(f"Missing: {where}: no {what} of seed {', '.join(map(str, sorted(seeds)))}.")
    return found


def ended_rows(about: Mapping[str, Any], seeds: Iterable[int], sizes: Mapping[str, int]) -> dict[int, dict[str, Any]]:
    """One row for each seed whose course has ended: {seed: row}.

    Parameters
    ----------
    about : dict
        Criterion and iteration of the machines that the seeds would have.
    seeds : iterable of int
    sizes : dict of str -> int
        Of a machine without units.
    """
    return {seed: {**about, "phase": ENDED, "seed": seed, **sizes} for seed in seeds}


def of_machines(table: "pd.DataFrame") -> "pd.DataFrame":
    """The rows that are of a machine, not of a course that has ended."""
    return table[table["phase"] != ENDED]


def of_courses(table: "pd.DataFrame") -> "pd.DataFrame":
    """The rows that are of a course, not of a machine that was trained anew (see `pruning.controls`)."""
    return table[~table["phase"].isin(ANEW)]


def endings(table: "pd.DataFrame", labels: Mapping[str, str]) -> list[str]:
    """Which courses ended before the last iteration, in words.

    Parameters
    ----------
    table : pandas.DataFrame
        `KEYS` and seed.
    labels : dict of str -> str
        Of criteria, in the order wanted; one that is not in it goes by its name.

    Returns
    -------
    list of str
        One sentence; none if all seeds have all iterations.
    """
    first = table[table["phase"] == ENDED].groupby(["criterion", "seed"], sort=False)["iteration"].min()
    n_seeds, order = table["seed"].nunique(), list(labels)
    found: dict[str, list[str]] = {}
    for (criterion, iteration), rows in first.reset_index().groupby(["criterion", "iteration"]):
        when = f"after iteration {iteration - 1}" if iteration > 1 else "with the first pruning"
        which = "" if len(rows) == n_seeds else f" ({', '.join(map(str, sorted(rows['seed'])))})"
        found.setdefault(criterion, []).append(f"{when} in {len(rows)} of {n_seeds} seeds{which}")
    names = sorted(found, key=lambda name: order.index(name) if name in order else len(order))
    told = "; ".join(f"{labels.get(name, name)} {', '.join(found[name])}" for name in names)
    return [f"Ended early: {told}."] if told else []


def with_decisions(metrics: "pd.DataFrame", records: "pd.DataFrame") -> "pd.DataFrame":
    """Metrics with the columns of the records that tell how far the samples decided each pruning (`redraws.Decided`).

    They stand in every row of a machine that this pruning made, whatever was done with it since.
    """
    columns = [name for name in records if DECISION.fullmatch(name)]
    return metrics.merge(records[[*KEYS_OF_PRUNINGS, *columns]], on=list(KEYS_OF_PRUNINGS), how="left")


def unmixed(table: "pd.DataFrame", labels: Mapping[str, str]) -> list[str]:
    """Which machines were sampled by chains that have not forgotten their start, in words.

    Parameters
    ----------
    table : pandas.DataFrame
        `KEYS`, seed and, where samples are of chains, mixes (0 or 1).
    labels : dict of str -> str
        As of `endings`.

    Returns
    -------
    list of str
        One sentence; none if all chains have.
    """
    if "mixes" not in table:
        return []
    sampled, found = table[table["mixes"].notna()], []
    for (criterion, is_initial), rows in sampled.groupby(["criterion", sampled["phase"] == "initial"], sort=False):
        if n := int((rows["mixes"] == 0).sum()):
            what = "the initial machines" if is_initial else labels.get(criterion, criterion)
            found.append(f"{n} of {len(rows)} of {what}")
    return [f"Chains mix too slowly in some machines: {', '.join(found)}."] if found else []


def cautions(table: "pd.DataFrame", labels: Mapping[str, str]) -> list[str]:
    """What a reader of a table has to know of its rows: `endings`, `unmixed`."""
    return [*endings(table, labels), *unmixed(table, labels)]


def measures(table: "pd.DataFrame") -> list[str]:
    """Columns of a table of metrics that hold numbers about a machine."""
    return [name for name in table.columns if name not in (*KEYS, "seed")]


def _from_file(path: str | os.PathLike[str]) -> "pd.DataFrame":
    """The rows of a file as they are, at least one; text where a column has it."""
    import pandas as pd

    try:
        check_regular(path, MAX_BYTES)
        content = Path(path).read_bytes()
        if not content.endswith(b"\n"):
            raise ValueError("it is cut off" if content else "it is empty")
        head = pd.read_csv(io.BytesIO(content), nrows=0)
        text = {column: str for column in head if TEXT.fullmatch(column)}
        frame = pd.read_csv(io.BytesIO(content), dtype=text, index_col=False)
    except (OSError, ValueError, OverflowError) as error:
        raise _wrong(path, f"not a readable table ({' '.join(str(error).split())})") from error
    if frame.empty:
        raise _wrong(path, "has no rows")
    return frame


def _problem(values: "pd.Series", is_key: bool) -> str:
    """What is wrong with the values of a column, or nothing."""
    name, known = values.name, values.dropna()
    if (is_key or name in WHOLE or SIZE.fullmatch(name)) and len(known) < len(values):
        return "has an empty field"
    if TEXT.fullmatch(name):
        phases = (*PHASES, ENDED)
        other = known[~known.isin(phases)] if name == "phase" else known[:0]
        return f"holds {other.iloc[0]!r}; expected one of {', '.join(phases)}" if len(other) else ""
    if values.dtype.kind not in "iuf":
        other = [value for value in known if not _is_number(value)] or [*known, str(values.dtype)]
        return f"holds {other[0]!r}; expected numbers"
    high = WHOLE.get(name, 1 if FRACTION.fullmatch(name) else float("inf"))
    low = 0 if name in WHOLE or FRACTION.fullmatch(name) or COUNT.fullmatch(name) else -float("inf")
    wrong = known[(known < low) | (known > high) | (known.abs() == float("inf"))]
    if len(wrong):
        return f"holds {wrong.iloc[0]}; expected finite numbers, {low} to {high}"
    return "holds fractions; expected whole numbers" if name in WHOLE and values.dtype.kind == "f" else ""


def _is_number(value: Any) -> bool:
    """Whether text is a number."""
    try:
        return float(value) == float(value)
    except ValueError:
        return False


def _wrong(path: str | os.PathLike[str], what: str) -> InputError:
    """The InputError for a file."""
    return InputError(f"{path}: {what}; delete it and run again")
