"""The table of claims in Markdown."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from boltzprune.report import comparison
from boltzprune.report.claims.claim import OF_CONTROLS, OF_PAPER, VERDICTS, interval
from boltzprune.report.claims.power import POWER
from boltzprune.report.claims.statistics import CONFIDENCE, LEVEL

HOW_TO_READ = (
    "Every claim has a rule, below its table, that follows from the statement and is the same whatever the results. A "
    "claim is **supported** if an exact one-sided test over seeds shows what its rule says (p < "
    f"{LEVEL:g}), **contradicted** if the same test shows the opposite (p of the opposite < {LEVEL:g}), and "
    "**undecided** otherwise: then the seeds needed are those with which such a test would decide it with a "
    f"probability of {100 * POWER:g} %, if what was measured is the truth. It is **not testable** if a table or a "
    "criterion is missing, if its measure says nothing here, or if there are too few seeds for any outcome to decide "
    "it: then the seeds needed are the fewest with which some outcome does.\n\n"
    "Estimate: of the quantity that the rule is about, with its "
    f"{100 * CONFIDENCE:g} % interval: the pseudo-median over seeds (Hodges and Lehmann) with the interval of the "
    "signed-rank test, or a share of seeds with the interval of Clopper and Pearson. Effect: 1 if every seed agrees "
    "with the rule, -1 if every seed contradicts it. n: seeds. Both p are corrected for the number of tests of the "
    "experiment (Holm); intervals, and p-values of the parts of a rule, are not. Where a rule has several parts, "
    "estimate and effect are those of the part that is shown least clearly. Measured: median (first to third quartile) "
    "over seeds unless said otherwise."
)
TITLES = {
    (OF_PAPER, "patches"): "Experiment A: image patches",
    (OF_PAPER, "digits"): "Experiment B: handwritten digits",
    (OF_CONTROLS, "patches"): "Controls: what architectures are worth on the patches",
    (OF_CONTROLS, "digits"): "Controls: what architectures are worth on the digits",
}
NOT_OF_PAPER = (
    "These claims are not the paper's. The control scratch trains the units and weights that the last iteration leaves "
    "from other first weights, the control rewind from those that the machine began with; each for as many epochs as "
    "the pruned machine, on the same data, without pruning. Their rules were fixed before the first study with such "
    "controls was made, and their p-values are corrected as a family of its own."
)
HEAD = (
    "Claim",
    "Criterion",
    "Verdict",
    "Estimate (interval)",
    "Effect",
    "n",
    "p",
    "p of the opposite",
    "Seeds needed",
    "Measured",
)


def as_markdown(table: pd.DataFrame, study: str, labels: dict[str, str], beside: pd.DataFrame | None = None) -> str:
    """The table that `judge` made: readable numbers, and the rules as a list below each experiment.

    Parameters
    ----------
    table
    study
        One line that says what was computed.
    labels
        Of criteria, by name.
    beside
        Published numbers beside those of the study, from `comparison.compare`.
    """
    parts = ["# Claims of the paper\n", f"{study}\n", f"{HOW_TO_READ}\n"]
    for (origin, experiment), rows in table.groupby(["origin", "experiment"], sort=False):
        lines: list[Sequence[str]] = [
            HEAD,
            ["---"] * len(HEAD),
            *(_cells(row, labels) for row in rows.to_dict("records")),
        ]
        body = "\n".join("| " + " | ".join(str(cell).replace("|", r"\|") for cell in line) + " |" for line in lines)
        rules = "\n".join(f"- {row['statement']} {row['rule']}" for row in _once(rows))
        parts += [
            f"## {TITLES[origin, experiment]}\n",
            *([f"{NOT_OF_PAPER}\n"] if origin == OF_CONTROLS else []),
            f"{_counted(rows)}\n",
            f"{body}\n",
            f"Rules:\n\n{rules}\n",
        ]
        if origin == OF_PAPER and beside is not None:
            parts += comparison.page(beside[beside["experiment"] == experiment], labels)
    return "\n".join(parts)


def _counted(rows: pd.DataFrame) -> str:
    """How many rows have each verdict, in words."""
    counts = rows["verdict"].value_counts()
    number = ", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in VERDICTS)
    return f"{len(rows)} rows, one for each claim and criterion: {number}."


def _once(rows: pd.DataFrame) -> list[dict[str, Any]]:
    """The first row of each claim."""
    return rows.drop_duplicates("claim").to_dict("records")


def _cells(row: Mapping[str, Any], labels: dict[str, str]) -> list[str]:
    """One line of the table in text."""
    verdict = f"**{row['verdict']}**" + (f": {labelled(row['reason'], labels)}" if row["reason"] else "")
    about = [row["statement"], comparison.called(row["criterion"], labels), verdict]
    seeds = row["seeds_needed"] or "-"
    return [*about, _estimate(row, labels), *_test(row), seeds, labelled(row["measured"], labels) or "-"]


def labelled(text: str, labels: Mapping[str, str]) -> str:
    """Text with the labels of criteria instead of their names."""
    return re.sub(r"\w+", lambda word: labels.get(word[0], word[0]), text)


def _estimate(row: Mapping[str, Any], labels: dict[str, str]) -> str:
    """What the rule is about, with its interval."""
    if np.isnan(row["estimate"]):
        return "-"
    return (
        f"{labelled(row['quantity'], labels)}: {interval(row['estimate'], row['estimate_low'], row['estimate_high'])}"
    )


def _test(row: Mapping[str, Any]) -> list[str]:
    """Effect, n and both corrected p in text, - where there is none."""
    numbers = (("effect", "{:.2f}"), ("n", "{:g}"), ("p_corrected", "{:.2g}"), ("p_opposite_corrected", "{:.2g}"))
    return ["-" if np.isnan(row[key]) or row["n"] == 0 else text.format(row[key]) for key, text in numbers]
