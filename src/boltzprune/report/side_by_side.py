"""Two studies side by side: what changed from one to the other, seed by seed, and their verdicts."""

from typing import TYPE_CHECKING, Any

import numpy as np

from boltzprune.report import comparison
from boltzprune.report.claims.claim import interval
from boltzprune.report.claims.statistics import CONFIDENCE, MIN_SEEDS, pseudo_median
from boltzprune.report.tables.text import markdown_grid
from boltzprune.results import tidy

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = (*tidy.KEYS, "measure", "n", "first", "second", "difference", "low", "high")
"""Of `effects`: seeds in both, the medians of both over these seeds, and the change from the first to the second."""
HOW_TO_READ = (
    "Difference: second minus first, by seed, its pseudo-median over the seeds that both have (Hodges and Lehmann), "
    f"with the {100 * CONFIDENCE:g} % interval of the signed-rank test where there are {MIN_SEEDS} seeds or more. Each "
    "interval is that of its row alone: of twenty rows without any effect about one leaves out 0."
)


def effects(first: "pd.DataFrame", second: "pd.DataFrame") -> "pd.DataFrame":
    """How every number about a machine differs between two tables of metrics, paired by seed.

    Parameters
    ----------
    first, second : pandas.DataFrame
        With `tidy.KEYS`, seed and measures; what one of them lacks is left out.

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`: a row for each kind of machine and measure of which both have at least one seed.
    """
    import pandas as pd

    keys, rows = [*tidy.KEYS, "seed"], []
    both = [name for name in tidy.measures(first) if name in second and _is_number(first[name], second[name])]
    one, other = (tidy.of_machines(table).set_index(keys)[both] for table in (first, second))
    shared = one.index.intersection(other.index, sort=False)
    if len(shared):
        one, other = one.loc[shared], other.loc[shared]
        for about, machines in one.groupby(level=tidy.KEYS, sort=False):
            for name in both:
                pairs = pd.DataFrame({"one": machines[name], "other": other.loc[machines.index, name]}).dropna()
                if len(pairs):
                    change = (pairs["other"] - pairs["one"]).to_numpy(dtype=np.float64)
                    medians = pairs["one"].median(), pairs["other"].median()
                    rows.append([*about, name, len(pairs), *medians, *pseudo_median(change)])
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _is_number(*columns: "pd.Series") -> bool:
    """Whether all of these columns hold numbers."""
    from pandas.api.types import is_numeric_dtype

    return all(is_numeric_dtype(column) for column in columns)


def clear(rows: "pd.DataFrame") -> "pd.DataFrame":
    """Rows of `effects` whose interval leaves out 0; of too few seeds for one, those that differ at all."""
    has_interval = rows["low"].notna()
    leaves_out = has_interval & ((rows["low"] > 0) | (rows["high"] < 0))
    return rows[leaves_out | (~has_interval & (rows["difference"] != 0))]


def effects_page(rows: "pd.DataFrame", labels: dict[str, str]) -> str:
    """Rows of `effects` as a table in Markdown; criteria by their labels."""
    head = ("Criterion", "Iteration", "Phase", "Measure", "n", "First", "Second", "Difference (interval)")
    return markdown_grid(head, (_effect(row, labels) for row in rows.to_dict("records")))


def _effect(row: dict[Any, Any], labels: dict[str, str]) -> list[str]:
    """The cells of one row."""
    medians = (f"{row[name]:.4g}" for name in ("first", "second"))
    change = interval(row["difference"], row["low"], row["high"])
    name = comparison.called(row["criterion"], labels)
    return [name, str(row["iteration"]), row["phase"], row["measure"], str(row["n"]), *medians, change]


def verdicts(first: "pd.DataFrame", second: "pd.DataFrame") -> "pd.DataFrame":
    """The claims of two studies side by side.

    Parameters
    ----------
    first, second : pandas.DataFrame
        Tables `claims`.

    Returns
    -------
    pandas.DataFrame
        experiment, statement, criterion, verdict_first, verdict_second: a row for each claim and criterion that both
        have, in the order of the first.
    """
    keys = ["experiment", "statement", "criterion"]
    one, other = (table[[*keys, "verdict"]] for table in (first, second))
    return one.merge(other, on=keys, suffixes=("_first", "_second"))


def verdicts_page(rows: "pd.DataFrame", labels: dict[str, str]) -> str:
    """Rows of `verdicts` as a table in Markdown, those that differ with an arrow."""
    lines = [
        [
            row["statement"],
            comparison.called(row["criterion"], labels) if row["criterion"] else "",
            row["verdict_first"],
            row["verdict_second"] if row["verdict_first"] == row["verdict_second"] else f"→ {row['verdict_second']}",
        ]
        for row in rows.to_dict("records")
    ]
    return markdown_grid(("Claim", "Criterion", "First", "Second"), lines)
