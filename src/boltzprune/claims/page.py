"""The table of claims in Markdown."""

import re

import numpy as np

from boltzprune.claims.statistics import LEVEL, MIN_SEEDS

HOW_TO_READ = (
    "Numbers are medians with first and third quartile over seeds unless said otherwise; n counts seeds. Effect: "
    "rank-biserial correlation, 1 if every seed agrees with the rule and -1 if every seed contradicts it. p: one-sided "
    "signed-rank test, corrected for all tests of the experiment (Holm). Rules are fixed, whatever the results: a "
    f"claim with a test holds if p < {LEVEL:g}, fails if that is not shown, and is not testable with fewer than "
    f"{MIN_SEEDS} seeds or with too few for the number of tests."
)
TITLES = {"patches": "Experiment A: image patches", "digits": "Experiment B: handwritten digits"}
HEAD = ("Claim", "Criterion", "Measured", "n", "Effect", "p", "Verdict")


def as_markdown(table, study, labels):
    """The table that `judge` made: readable numbers, and the rules as a list below each experiment.

    Parameters
    ----------
    table : pandas.DataFrame
    study : str
        One line that says what was computed.
    labels : dict of str -> str
        Of criteria.

    Returns
    -------
    str
    """
    parts = ["# Claims of the paper\n", f"{study}\n", f"{HOW_TO_READ}\n"]
    for experiment, rows in table.groupby("experiment", sort=False):
        lines = [HEAD, ["---"] * len(HEAD), *(_cells(row, labels) for row in rows.to_dict("records"))]
        body = "\n".join("| " + " | ".join(str(cell).replace("|", r"\|") for cell in line) + " |" for line in lines)
        rules = "\n".join(f"- {row['statement']} {row['rule']}" for row in _once(rows))
        parts += [f"## {TITLES.get(experiment, experiment)}\n", f"{body}\n", f"Rules:\n\n{rules}\n"]
    return "\n".join(parts)


def _once(rows):
    """The first row of each claim."""
    return rows.drop_duplicates("claim").to_dict("records")


def _cells(row, labels):
    """One line of the table in text."""
    criterion = {"": "", "none": "before pruning"} | labels
    verdict = row["verdict"] + (f": {row['reason']}" if row["reason"] else "")
    name = criterion.get(row["criterion"], row["criterion"])
    return [row["statement"], name, _labelled(row["measured"], labels) or "-", row["n"] or "-", *_test(row), verdict]


def _labelled(text, labels):
    """Text with the labels of criteria instead of their names."""
    return re.sub(r"\w+", lambda word: labels.get(word[0], word[0]), text)


def _test(row):
    """Effect and corrected p in text, - where there is none."""
    numbers = (("effect", "{:.2f}"), ("p_corrected", "{:.2g}"))
    return ["-" if np.isnan(row[key]) else text.format(row[key]) for key, text in numbers]
