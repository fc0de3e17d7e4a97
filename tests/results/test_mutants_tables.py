"""Damaged tables: refused by name, or read, through everything that reads them."""

import pytest
from limits import try_mutants
from mutant_files import (
    DIGITS,
    LABELS,
    PATCHES,
    REFERENCES,
    beside,
    class_table,
    example_table,
    metrics,
    pattern_table,
    pixel_table,
    record_table,
)

from boltzprune.errors import InputError
from boltzprune.report import claims
from boltzprune.report.claims import collected, page
from boltzprune.report.figures import fig2, fig3, fig4, s1
from boltzprune.results import tidy
from boltzprune.study.stages import Job, run

pytestmark = pytest.mark.torture


def judged(path):
    """All claims on a table of metrics of the digits, with their page."""
    found = claims.judge(collected.read({"digits_metrics": [path], **beside(path)}))
    return page.as_markdown(found, "a study", LABELS)


def panels(module, table):
    """The tables behind a figure with one of its inputs damaged."""

    def read(path):
        beside(path)
        names = [*tidy.TABLES, "digits"]
        inputs = {
            name: [path.parent / "beside" / (f"{name}.csv" if name != "digits" else "digits.npz")] for name in names
        }
        return module.panels(inputs | {table: [path]})

    return read


def made(stage, table):
    """The text of a table of the paper, through its stage."""

    def read(path):
        outputs = {name: path.with_name(name) for name in ("csv", "markdown", "latex")}
        run(Job(stage, {table: [path]}, outputs, {"criteria": LABELS, "study": "a"}, (0,)))
        return outputs["markdown"].read_text() + outputs["latex"].read_text()

    return read


TABLES = {
    "metrics": (metrics(PATCHES), lambda path: tidy.read([path], "metrics")),
    "records": (record_table(), lambda path: tidy.read([path], "digits_records")),
    "examples": (example_table(), lambda path: tidy.read([path], "digits_examples")),
    "Table 1": (metrics(PATCHES), made("table1", "metrics")),
    "table per digit": (class_table(), made("per_digit", "classes")),
    "claims": (metrics(DIGITS), judged),
    "figure 2, metrics": (metrics(PATCHES), panels(fig2, "metrics")),
    "figure 2, patterns": (pattern_table(), panels(fig2, "pattern_probabilities")),
    "figure 3, metrics": (metrics(DIGITS), panels(fig3, "digits_metrics")),
    "figure 3, pixels": (pixel_table(), panels(fig3, "digits_pixels")),
    "figure 4, references": (REFERENCES, panels(fig4, "digits_references")),
    "figure S1, metrics": (metrics(DIGITS), panels(s1, "digits_metrics")),
}
QUICK = ("metrics", "records", "examples", "Table 1", "table per digit")
"""The others compute hundreds of numbers from each table."""


@pytest.mark.parametrize("name", TABLES)
def test_a_damaged_table_is_refused_or_read(name, tmp_path, promise, at_scale):
    content, read = TABLES[name]
    with promise(f"CSV, {name}: a damaged table is refused by name or read") as count:
        n = at_scale(20, 10_000) if name in QUICK else at_scale(4, 1_000)
        try_mutants(count, n, ([content], "text", read, lambda found: len(found) > 0), tmp_path / "x.csv")


@pytest.mark.parametrize("name", TABLES)
def test_a_table_without_a_column_is_refused_by_file_and_column(name, tmp_path):
    content, read = TABLES[name]
    lines = [line.split(",") for line in content.decode().splitlines()]
    for column in ("criterion", "reference"):
        if column in lines[0]:
            place = lines[0].index(column)
            text = "\n".join(",".join(line[:place] + line[place + 1 :]) for line in lines)
            (tmp_path / "x.csv").write_text(text + "\n")
            with pytest.raises(InputError, match=rf"x\.csv: has no column {column}; delete it and run again"):
                read(tmp_path / "x.csv")
