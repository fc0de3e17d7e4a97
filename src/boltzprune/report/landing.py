"""What the report of a study says in words and tables, in reStructuredText: its first page, and what is beside files.

Snakemake's report shows figures and files one by one. A reader who opens it knows neither the study nor its files, so
its first page says what was computed and what came out. It has to be short: Snakemake centres it on the screen, so that
of a longer one the beginning is out of reach. The tables therefore stand beside the files that they are of.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from boltzprune.report import comparison
from boltzprune.report.claims.claim import OF_CONTROLS, OF_PAPER, VERDICTS
from boltzprune.report.claims.page import labelled

FAMILIES = {
    (OF_PAPER, "patches"): "Image patches",
    (OF_PAPER, "digits"): "Digits",
    (OF_CONTROLS, "patches"): "Not of the paper: controls of the patches",
    (OF_CONTROLS, "digits"): "Not of the paper: controls of the digits",
}
NOTHING = "–"
"""In an empty cell; a hyphen would begin a list."""


def pages(study: Sequence[str], tables: Path, labels: Mapping[str, str]) -> dict[str, str]:
    """Texts of the report, from the tables of a study that are there.

    Parameters
    ----------
    study : sequence of str
        What was computed: one sentence or more each.
    tables : pathlib.Path
        The folder of the tables.
    labels : mapping of str to str
        What each criterion is called.

    Returns
    -------
    dict of str -> str
        first: the first page; claims, table1, per_digit: what stands beside these files; empty where there is none.
    """
    found = {name: _named(read_rows(tables / f"{name}.csv"), labels) for name in ("claims", "published")}
    counted, compared = _counts(found["claims"]), _compared(found["published"])
    figures = "Figures, tables, claims and settings are in the list on the left, each with an explanation beside it."
    first = [*map(escaped, study), *counted, *compared[:1], figures]
    texts = {"first": first, "claims": [*_claims(found["claims"]), *compared]}
    for name in ("table1", "per_digit"):
        path = tables / f"{name}.md"
        texts[name] = [from_markdown(path.read_text(encoding="utf-8"))] if path.is_file() else []
    return {name: "\n\n".join(parts) + "\n" for name, parts in texts.items()}


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a table, as text; none where it is missing."""
    if not path.is_file():
        return []
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _named(rows: Iterable[dict[str, str]], labels: Mapping[str, str]) -> list[dict[str, str]]:
    """Rows in which every criterion is called as its label says."""
    return [
        row
        | {key: labelled(row[key], labels) for key in ("quantity", "reason")}
        | {"criterion": comparison.called(row["criterion"], labels)}
        for row in rows
    ]


def escaped(text: str) -> str:
    """Text without anything that reStructuredText takes for a sign."""
    return re.sub(r"([\\*`|_])", r"\\\1", text)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table.

    Parameters
    ----------
    head : sequence of str
    rows : iterable of sequence of str
        Already in reStructuredText, each on one line.

    Returns
    -------
    str
    """
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in (head, *rows):
        lines += [f"   {'*' if i == 0 else ' '} - {cell or NOTHING}" for i, cell in enumerate(row)]
    return "\n".join(lines)


def _counts(rows: Sequence[dict[str, str]]) -> list[str]:
    """How many statements have which verdict, by experiment: the paper's, and those about controls."""
    counted = []
    for (origin, experiment), label in FAMILIES.items():
        found = Counter(
            row["verdict"] for row in rows if (row.get("origin", OF_PAPER), row["experiment"]) == (origin, experiment)
        )
        counted += [[label, *(str(found[verdict]) for verdict in VERDICTS)]] if found else []
    return [table(["Statements of the paper", *VERDICTS], counted)] if counted else []


def _claims(rows: Sequence[dict[str, str]]) -> list[str]:
    """Every statement with its verdict, the paper's first."""
    shown = [
        [escaped(row["statement"]), escaped(row["criterion"]), _verdict(row), _estimate(row), row["n"]] for row in rows
    ]
    return [table(["Statement", "Criterion", "Verdict", "Estimate (95 % interval)", "Seeds"], shown)] if shown else []


def _verdict(row: dict[str, str]) -> str:
    """The verdict, and where there is none why."""
    return f"**{row['verdict']}**" + (f" ({escaped(row['reason'])})" if row["reason"] else "")


def _estimate(row: dict[str, str]) -> str:
    """What was estimated, with its interval."""
    if not row["estimate"]:
        return ""
    ends = [row["estimate_low"], row["estimate_high"]]
    interval = f" ({_short(ends[0])} to {_short(ends[1])})" if all(ends) else ""
    return escaped(f"{row['quantity']}: {_short(row['estimate'])}{interval}")


def _short(number: str) -> str:
    """A number with three digits; a range, which the authors give of some numbers, as it is."""
    try:
        value = float(number)
    except ValueError:
        return number
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _compared(rows: Sequence[dict[str, str]]) -> list[str]:
    """Numbers of the authors beside those of this study; nothing where none is compared."""
    compared = [row for row in rows if row["verdict"] != comparison.NOT_COMPARED]
    if not compared:
        return []
    inside = sum(row["verdict"] == comparison.INSIDE for row in compared)
    about = f"{inside} of {len(compared)} published numbers lie within the range of the seeds of this study."
    shown = [
        [
            escaped(row["quantity"]),
            escaped(row["criterion"]),
            row["iteration"],
            _short(row["published"]),
            f"{_short(row['median'])} ({_short(row['smallest'])} to {_short(row['largest'])})",
            f"**{row['verdict']}**",
        ]
        for row in compared
    ]
    head = ["Quantity", "Criterion", "Iteration", "Published", "Here: median (range)", "Verdict"]
    return [about, table(head, shown)]


def from_markdown(text: str) -> str:
    """Paragraphs and tables of the Markdown that this package writes.

    Parameters
    ----------
    text : str
        Tables have bars at both ends of each line.

    Returns
    -------
    str
    """
    parts = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.splitlines()
        if all(line.startswith("|") for line in lines):
            cells = [[escaped(cell) for cell in _cells(line)] for line in lines]
            parts.append(table(cells[0], cells[2:]))
        else:
            parts.append(escaped(" ".join(lines)))
    return "\n\n".join(parts)


def _cells(line: str) -> list[str]:
    """Cells of one line of a table; a bar in a cell is escaped."""
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip())[1:-1]]
