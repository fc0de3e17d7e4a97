"""The page of claims: readable without the code, and with all that a verdict rests on."""

import pytest
from claims_tables import PATCHES, SEEDS, good_results, put, some_seeds

from boltzprune.report.claims import CLAIMS, judge
from boltzprune.report.claims.claim import VERDICTS
from boltzprune.report.claims.page import as_markdown


@pytest.fixture
def good(tmp_path):
    return good_results(tmp_path)


def test_markdown(good):
    labels = {name: name.replace("_", " ").title() + " | x" for name in PATCHES}
    text = as_markdown(judge(some_seeds(good, 3)), "Study x: preset y.", labels)
    lines = text.split("\n")
    assert lines[2] == "Study x: preset y."
    assert sum(line.startswith("## ") for line in lines) == 2
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == 4 + sum(len(claim.criteria) for claim in CLAIMS)
    assert {line.replace(r"\|", "").count("|") for line in rows} == {11}
    assert sum(line.startswith("- ") for line in lines) == len(CLAIMS)
    for claim in CLAIMS:
        assert sum(claim.rule in line for line in lines) >= 1
    assert "weight_magnitude" not in text
    assert r"Weight Magnitude \| x" in text
    assert any("before pruning" in line and "**not testable**" in line for line in rows)
    assert "nan" not in text
    start = "**not testable**: too few seeds: n = 3, a test needs 6 | difference in error: -0.0"
    assert any(start in line and "| 1.00 | 3 | - | - | 10 | error" in line for line in rows)
    assert (
        "34 rows, one for each claim and criterion: 0 supported, 0 contradicted, 0 undecided, 34 not testable." in text
    )


def test_the_page_says_all_that_a_verdict_rests_on(good):
    put("encoding_error", 0.11, phase="initial")(good, SEEDS[:8])
    table = judge(good)
    lines = as_markdown(table, "Study x.", {}).split("\n")
    row = table.set_index("claim").loc["encodings_beat_raw_pixels"]
    (line,) = (line for line in lines if line.startswith("| Before pruning, encodings"))
    cells = [cell.strip() for cell in line.strip("|").split(" | ")]
    estimate = f"{row['estimate']:.3g} ({row['estimate_low']:.3g} to {row['estimate_high']:.3g})"
    p = [f"{row[key]:.2g}" for key in ("p_corrected", "p_opposite_corrected")]
    expected = ["**undecided**", f"difference in error: {estimate}", f"{row['effect']:.2f}", "13", *p]
    assert cells[2:] == [*expected, row["seeds_needed"], row["measured"]]
    counted = [line for line in lines if "rows, one for each claim" in line]
    assert len(counted) == 2
    assert all(verdict in line for line in counted for verdict in VERDICTS)
    undecided = (table["verdict"] == "undecided").groupby(table["experiment"]).sum()
    assert f", {undecided['digits']} undecided," in counted[1] and undecided["digits"] > 0
