"""What the figures of the digits have in common: their tables, means over seeds, and which iterations they show."""

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from boltzprune.report.figures.style import Look, from_to
from boltzprune.results import tidy
from boltzprune.results.tidy import KEYS


def read(inputs: Mapping[str, Sequence[Path]], name: str, needs: Sequence[str] = ()) -> pd.DataFrame:
    """The table of that name, with the columns needed, without machines that are trained anew (see `anew`).

    Parameters
    ----------
    inputs
        Name -> files.
    name
        One of `tidy.TABLES`.
    needs
        Columns besides those that it always has.
    """
    table = tidy.read(inputs[name], name, needs)
    return tidy.of_courses(table) if "phase" in table else table


def over_seeds(metrics: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """Mean and standard deviation over seeds of each measure, and of the remaining weights of the same machines.

    Parameters
    ----------
    metrics
        One row per criterion, iteration, phase and seed; an empty field or an infinite number is no value. Rows of
        courses that have ended do not count.
    measures
        Columns of it.

    Returns
    -------
    pandas.DataFrame
        measure, criterion, iteration, phase, n_weights_mean, n_weights_sd, mean, sd, n (seeds with a value). Errors,
        qualities and activities are fractions, diversity is in nats; sd divides by n - 1 and is empty for one seed.
    """
    parts, metrics = [], tidy.of_machines(metrics)
    for measure in measures:
        given = metrics.assign(measure=measure, value=metrics[measure])[np.isfinite(metrics[measure])]
        parts.append(
            given.groupby(["measure", *KEYS], as_index=False).agg(
                n_weights_mean=("n_weights", "mean"),
                n_weights_sd=("n_weights", "std"),
                mean=("value", "mean"),
                sd=("value", "std"),
                n=("value", "count"),
            )
        )
    return pd.concat(parts, ignore_index=True).astype({"iteration": "Int64"})


def with_references(
    table: pd.DataFrame, references: pd.DataFrame, wanted: Sequence[tuple[str, str, str]]
) -> pd.DataFrame:
    """The table of `over_seeds`, and one line per baseline with a value: its name as criterion, phase "reference".

    Parameters
    ----------
    table, references
    wanted
        Baseline, its column, the measure that it belongs to.
    """
    values = references.set_index("reference")
    rows = [
        {"measure": measure, "criterion": name, "phase": "reference", "mean": values.loc[name, column]}
        for name, column, measure in wanted
        if name in values.index and np.isfinite(values.loc[name, column])
    ]
    return pd.concat([table, pd.DataFrame(rows).astype({"mean": float})], ignore_index=True) if rows else table


def names_in(table: pd.DataFrame, look: Look) -> list[str]:
    """Criteria of the table, in the order of the configuration."""
    return [name for name in look.labels if name in set(table["criterion"])]


def up_to_last(table: pd.DataFrame, look: Look) -> pd.DataFrame:
    """Rows up to the last iteration shown of their criterion."""
    last = table["criterion"].map(look.last_iterations).astype(float).fillna(np.inf)
    return table[(table["iteration"].astype(float) <= last) | (table["phase"] == "reference")]


def last_of(table: pd.DataFrame, name: str, look: Look) -> int:
    """The last iteration shown of a criterion that the table has.

    Parameters
    ----------
    table
        With the columns criterion and iteration.
    name
        Of the criterion.
    look
        Says of some criteria which iteration is the last one shown.
    """
    mine = table[table["criterion"] == name]
    return int(mine.loc[mine["iteration"] <= look.last_iterations.get(name, np.inf), "iteration"].max())


def path(table: pd.DataFrame, name: str, phase: str) -> pd.DataFrame:
    """The initial machines, then those of a criterion, iteration by iteration.

    Parameters
    ----------
    table
        Of `over_seeds`.
    name
        Of the criterion.
    phase
        "pruned": after each pruning; "retrained": after each retraining.
    """
    mine = (table["criterion"] == name) & (table["phase"] == phase)
    return table[mine | (table["phase"] == "initial")].sort_values("iteration")


def seeds_text(table: pd.DataFrame) -> str:
    """How many seeds are behind a table, and what the bars are."""
    return "1 seed, no spread" if table["n"].max() == 1 else f"mean ± SD, n = {from_to(table['n'])} seeds"


def title(label: str, width: int = 17) -> str:
    """A label on as many lines as it needs above a small panel."""
    return "\n".join(textwrap.wrap(label, width))
