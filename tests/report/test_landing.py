"""What the report says in words and tables: rendered as Snakemake renders it, with the numbers of the tables."""

import re
from html import unescape
from html.parser import HTMLParser

import pandas as pd
import pytest
from docutils.core import publish_parts
from docutils.utils import Reporter

from boltzprune.report import landing

STRICT = {"report_level": Reporter.INFO_LEVEL, "halt_level": Reporter.INFO_LEVEL, "file_insertion_enabled": False}
CLAIMS = [
    (
        "Fewer units are left.",
        "patches",
        "anti_fi",
        "supported",
        "units less the 41 of variance_fi",
        -22.5,
        -24,
        -21,
        29,
        "",
    ),
    ("|w| keeps *nearly* all_", "patches", "weight_magnitude", "undecided", "share", 0.123456, 0.1, 0.2, 29, ""),
    ("It is sparse.", "patches", "", "supported", "share", 0.91, "", "", 29, ""),
    ("Nothing is known.", "digits", "rules.py:mine_own", "not testable", "", "", "", "", 5, "too few seeds: n = 5"),
]
COLUMNS = [
    *("statement", "experiment", "criterion", "verdict", "quantity", "estimate", "estimate_low", "estimate_high"),
    *("n", "reason"),
]
PUBLISHED = [
    ("hidden units", "variance_fi", 1, "69", 61.5, 42, 70, "inside"),
    ("weights", "none", 0, "279236", 279236, 1234.5, 300000, "outside"),
    ("activity of h1", "none", 0, "0.37 to 0.43", 0.41, 0.4, 0.42, "inside"),
    ("diversity", "test_digits", 0, "2.2 to 2.3", 2.25, 2.1, 2.29, "partly inside"),
    ("error", "anti_fi", 3, "0.9", 0.5, 0.4, 0.6, "not compared"),
]


LABELS = {
    "variance_fi": "Variance FI",
    "anti_fi": "Anti-FI",
    "weight_magnitude": "Weight magnitude",
    "rules.py:mine_own": "My own",
}


class Cells(HTMLParser):
    """Text of every cell of every table: a list of rows of each."""

    def __init__(self, html):
        super().__init__()
        self.tables, self.inside = [], False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.inside = True

    def handle_endtag(self, tag):
        self.inside = self.inside and tag not in ("td", "th")

    def handle_data(self, data):
        if self.inside:
            self.tables[-1][-1][-1] += data.strip("\n")


@pytest.fixture
def pages(tmp_path):
    pd.DataFrame(CLAIMS, columns=COLUMNS).to_csv(tmp_path / "claims.csv", index=False)
    columns = ["quantity", "criterion", "iteration", "published", "median", "smallest", "largest", "verdict"]
    pd.DataFrame(PUBLISHED, columns=columns).assign(reason="").to_csv(tmp_path / "published.csv", index=False)
    (tmp_path / "table1.md").write_text(
        "Table 1. Units of a_b, n = 3.\n\n| Criterion | 1 |\n| --- | --- |\n| a \\| b | 60 |\n"
    )
    texts = landing.pages(["Study my_own: 5 seeds.", "And *so* on."], tmp_path, LABELS)
    return {name: publish_parts(text, writer="html", settings_overrides=STRICT)["body"] for name, text in texts.items()}


def test_the_first_page_says_what_was_computed_and_what_came_out(pages):
    html = unescape(pages["first"])
    assert "Study my_own: 5 seeds." in html and "And *so* on." in html
    assert "2 of 4 published numbers lie within the range" in html
    (table,) = Cells(pages["first"]).tables
    assert table == [
        ["Statements of the paper", "supported", "contradicted", "undecided", "not testable"],
        ["Image patches", "2", "0", "1", "0"],
        ["Digits", "0", "0", "0", "1"],
    ]


def test_every_statement_has_a_row_and_every_compared_number(pages):
    statements, published = Cells(pages["claims"]).tables
    assert statements[1:] == [
        ["Fewer units are left.", "Anti-FI", "supported", "units less the 41 of Variance FI: -22.5 (-24 to -21)", "29"],
        ["|w| keeps *nearly* all_", "Weight magnitude", "undecided", "share: 0.123 (0.1 to 0.2)", "29"],
        ["It is sparse.", "–", "supported", "share: 0.91", "29"],
        ["Nothing is known.", "My own", "not testable (too few seeds: n = 5)", "–", "5"],
    ]
    assert published[1:] == [
        ["hidden units", "Variance FI", "1", "69", "61.5 (42 to 70)", "inside"],
        ["weights", "before pruning", "0", "279,236", "279,236 (1,234 to 300,000)", "outside"],
        ["activity of h1", "before pruning", "0", "0.37 to 0.43", "0.41 (0.4 to 0.42)", "inside"],
        ["diversity", "test digits", "0", "2.2 to 2.3", "2.25 (2.1 to 2.29)", "partly inside"],
    ]


def test_tables_of_other_files_stand_beside_them(pages):
    assert "Table 1. Units of a_b, n = 3." in pages["table1"]
    assert Cells(pages["table1"]).tables == [[["Criterion", "1"], ["a | b", "60"]]]
    assert pages["per_digit"].strip() == ""


def test_a_study_without_tables_has_a_first_page(tmp_path):
    texts = landing.pages(["Study x."], tmp_path, LABELS)
    assert texts["first"].startswith("Study x.") and "published" not in texts["first"]
    assert texts["claims"].strip() == texts["table1"].strip() == ""


def test_tables_of_a_real_study_are_read(deep):
    texts = landing.pages(["Study deep."], deep.folder, LABELS)
    for text in texts.values():
        publish_parts(text, writer="html", settings_overrides=STRICT)
    n_claims = len(pd.read_csv(deep.folder / "claims.csv"))
    assert len(re.findall(r"^   \* - ", texts["claims"], re.MULTILINE)) >= n_claims
    assert "Quality" in texts["per_digit"]
