"""Published numbers beside those of a study: whether they can be compared, and whether they agree."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from boltzprune.report import published
from boltzprune.report.tables.text import markdown_grid

if TYPE_CHECKING:
    import pandas as pd

WORDS = {
    "eigenvalue_1": "largest eigenvalue of the FIM",
    "eigenvalue_2": "second eigenvalue of the FIM",
    "n_hidden": "hidden units",
    "n_weights": "weights",
    "n_weights_1": "weights between v and h1",
    "n_units_1": "units of h1",
    "n_units_2": "units of h2",
    "activity_1": "activity of h1",
    "activity_2": "activity of h2",
    "share": "share of a digit among the samples",
    "encoding_error": "encoding error",
    "quality_class_mean": "quality, mean of the class means",
    "error": "error",
    "diversity": "diversity (nats)",
}
"""Column -> what it is, in words."""
BASELINES = {"raw": "raw pixels", "test_digits": "test digits"}
INSIDE, PARTLY, OUTSIDE, NOT_COMPARED = "inside", "partly inside", "outside", "not compared"
COLUMNS = (
    "experiment quantity criterion iteration published reading_error published_n source "
    "median smallest largest n verdict reason"
).split()


def compare(tables: Mapping[str, "pd.DataFrame"], reasons: Mapping[str, Mapping[str, str]]) -> "pd.DataFrame":
    """Every published number beside the same of a study.

    A number is *inside* if it lies between the smallest and the largest of the study's seeds, give or take the error
    with which it was read, and *outside* otherwise. Of a published range the study's seeds are inside if all of them
    lie in it, *partly inside* if some do, and outside if none does. Nothing is compared if sizes or settings of the
    study differ from those behind a number, or if the study has no such machines: the reason says so.

    Parameters
    ----------
    tables : dict of str -> pandas.DataFrame
        Those of `tidy.TABLES` that the study has.
    reasons : dict of str -> dict of str -> str
        Experiment -> source -> why its numbers cannot be compared, see `differences`; empty: they can. Of an experiment
        that is missing nothing is told.

    Returns
    -------
    pandas.DataFrame
        `COLUMNS`; one row for each published number of these experiments.
    """
    import pandas as pd

    rows = []
    for value in (value for value in published.PUBLISHED if value.experiment in reasons):
        source = published.SOURCES[value.source]
        found = _of_study(value, tables)
        ours = (found.median(), found.min(), found.max()) if len(found) else (float("nan"),) * 3
        reason = reasons[value.experiment][value.source if value.iteration else f"{value.source}, before pruning"]
        reason = reason or ("" if len(found) else "the study has no such machines")
        verdict = NOT_COMPARED if reason else _verdict(value, found)
        about = [value.experiment, WORDS[value.column], value.criterion, value.iteration]
        read = [value.in_words, value.error, source.n, source.name]
        rows.append([*about, *read, *ours, found.index.nunique(), verdict, reason])
    return pd.DataFrame(rows, columns=COLUMNS)


def _of_study(value: published.Value, tables: Mapping[str, "pd.DataFrame"]) -> "pd.Series":
    """The same quantity of a study, by seed: a value for each, or of shares one for each digit; of a baseline one."""
    import pandas as pd

    table = tables.get(value.table)
    if table is None or value.column not in table:
        return pd.Series(dtype=float)
    if value.table == "digits_references":
        rows = table[table["reference"] == value.criterion]
    else:
        rows = table[(table["criterion"] == value.criterion) & (table["iteration"] == value.iteration)]
        rows = rows[rows["phase"] == value.phase]
    return rows.set_index("seed" if "seed" in rows else "reference")[value.column].dropna().astype(float)


def _verdict(value: published.Value, found: "pd.Series") -> str:
    """Whether what was published agrees with what a study found."""
    low, high = value.low - value.error, value.high + value.error
    if value.low < value.high:
        inside = found.between(low, high)
        return INSIDE if inside.all() else PARTLY if inside.any() else OUTSIDE
    return INSIDE if low <= found.max() and found.min() <= high else OUTSIDE


NOT_PUBLISHED: dict[str, Any] = dict.fromkeys(("pruning.schedule", "pruning.regrowth", "retraining.homeostasis"))
"""Keys behind which no published number stands, unless they are null."""


def differences(experiment: str, section: Any) -> dict[str, str]:
    """Why the published numbers of an experiment cannot be compared with a study's, for each source; empty: they can.

    Parameters
    ----------
    experiment : str
    section : config.Patches or config.Digits

    Returns
    -------
    dict of str -> str
        A source, and a source with ", before pruning", for its machines that no pruning has changed.
    """
    of_size = _differing(section, published.SIZE[experiment])
    found = {}
    for name in dict.fromkeys(value.source for value in published.PUBLISHED if value.experiment == experiment):
        found[f"{name}, before pruning"] = of_size
        found[name] = of_size or _differing(section, {**published.SOURCES[name].settings, **NOT_PUBLISHED})
    return found


def of_size(experiment: str, section: Any) -> bool:
    """Whether an experiment has the paper's size, so that its figures may show published numbers."""
    return not _differing(section, published.SIZE[experiment])


def _differing(section: Any, settings: Mapping[str, Any]) -> str:
    """Keys of a section that have other values, in words."""
    lines = []
    for key, expected in settings.items():
        value: Any = section
        for part in key.split("."):
            value = getattr(value, part, None)
        if value != expected:
            lines.append(f"{key} is {value}, behind the published number {expected}")
    return "; ".join(lines)


HOW_TO_READ = (
    "Numbers that the authors have published, beside the median (smallest to largest) over the seeds of this study. "
    "*Inside*: a published number lies between our smallest and largest, give or take the error with which it was "
    "read; or all our seeds lie in a published range (*partly inside*: some do). *Outside*: none of it. A single "
    "machine of another study lies outside ours by chance in 2 of n + 1 cases."
)
HEAD = ("Quantity", "Machines", "Published", "This study", "n", "Verdict")


def page(table: "pd.DataFrame", labels: Mapping[str, str]) -> list[str]:
    """A section in Markdown for the numbers of one experiment that `compare` found.

    Parameters
    ----------
    table : pandas.DataFrame
    labels : dict of str -> str
        Of criteria, by name.

    Returns
    -------
    list of str
        Paragraphs and a table; none if there are no numbers.
    """
    if table.empty:
        return []
    compared = table[table["verdict"] != NOT_COMPARED]
    parts = ["### Published numbers\n", f"{HOW_TO_READ}\n"]
    if len(compared):
        rows = [_cells(row, labels) for row in compared.to_dict("records")]
        counts = compared["verdict"].value_counts()
        number = ", ".join(f"{counts[verdict]} {verdict}" for verdict in (INSIDE, PARTLY, OUTSIDE) if verdict in counts)
        parts += [f"{len(compared)} numbers: {number}.\n", f"{markdown_grid(HEAD, rows)}\n"]
    left = table[table["verdict"] == NOT_COMPARED]
    for reason, rows in left.groupby("reason", sort=False):
        parts.append(f"Not compared, {len(rows)} numbers: {reason}. They are in `published.csv`.\n")
    used = {
        value.source: published.SOURCES[value.source]
        for value in published.PUBLISHED
        if value.experiment in set(table["experiment"])
    }
    sources = "\n".join(f"- {source.name}: {source.where} (n = {source.n})." for source in used.values())
    return [*parts, f"Read in:\n\n{sources}\n"]


def called(criterion: str, labels: Mapping[str, str]) -> str:
    """What stands for the criterion of a row: its label, or what the row is of where there is no criterion."""
    return {"none": "before pruning", **BASELINES, **labels}.get(criterion, criterion)


def _cells(row: Mapping[str, Any], labels: Mapping[str, str]) -> list[str]:
    """One line of the table in text."""
    where = called(row["criterion"], labels)
    where += f", iteration {row['iteration']}" if row["iteration"] else ""
    error = f" ± {row['reading_error']:.2g}" if row["reading_error"] else ""
    ours = _short(row["median"])
    if row["smallest"] < row["largest"]:
        ours += f" ({_short(row['smallest'])} to {_short(row['largest'])})"
    return [
        row["quantity"],
        where,
        f"{row['published']}{error} ({row['source']})",
        ours,
        f"{row['n']}",
        f"**{row['verdict']}**",
    ]


def _short(number: float) -> str:
    """A number to four digits, or all of a large whole one."""
    return f"{number:,.0f}" if number >= 1000 else f"{number:.4g}"
