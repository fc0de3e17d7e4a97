"""The table of claims: what is not testable and why, correction, Markdown, the stage."""

import json

import numpy as np
import pandas as pd
import pytest
from outer_claims import DIGITS, LAST, PATCHES, SEEDS, good_results, good_tables, select, write_digits, write_statistics

from boltzprune.claims import CLAIMS, COLUMNS, judge
from boltzprune.claims.claim import Claim, Finding
from boltzprune.claims.collected import Results, read
from boltzprune.claims.page import as_markdown
from boltzprune.claims.statistics import Comparison
from boltzprune.errors import InputError
from boltzprune.stages import Job
from boltzprune.stages.claims import run

TESTED = {
    "retraining_restores",
    "retraining_restores_partly",
    "random_units_recover",
    "fisher_leaves_fewer_units",
    "encodings_beat_raw_pixels",
    "weight_magnitude_keeps_error_low",
    "anti_fi_collapses",
    "h2_shrinks_faster",
    "quality_falls_most_under_anti_fi",
    "quality_falls_next_under_random_pruning",
    "diversity_falls_most_under_fisher",
}
"""Claims with a test over seeds."""


@pytest.fixture
def good(tmp_path):
    return good_results(tmp_path)


def some_seeds(results, n):
    """The same study with the first n seeds."""
    keep = {k: t[t["seed"].isin(SEEDS[:n])] if "seed" in t else t for k, t in results.tables.items()}
    return Results(keep, results.statistics, results.digits_file, results.last_iterations)


def test_the_list():
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS)
    for claim in CLAIMS:
        assert claim.experiment in ("patches", "digits")
        assert claim.statement.endswith((".", ")")) and claim.rule.endswith(".")
        assert "{" not in claim.rule


def test_everything_holds(good):
    table = judge(good)
    assert table.columns.tolist() == COLUMNS
    assert set(table["verdict"]) == {"holds"}
    assert (table["reason"] == "").all()
    assert len(table) == sum(len(claim.criteria) for claim in CLAIMS)
    assert set(table.loc[table["p"].notna(), "claim"]) == TESTED
    assert table["p_corrected"].notna().tolist() == table["p"].notna().tolist()


@pytest.mark.parametrize("n", [1, 3, 5])
def test_few_seeds_leave_the_numbers_but_no_verdict_of_a_test(good, n):
    table = judge(some_seeds(good, n))
    tested = table["claim"].isin(TESTED)
    assert set(table.loc[tested, "verdict"]) == {"not testable"}
    assert table.loc[tested, "reason"].str.contains(f"n = {n}, a test needs 6").all()
    assert (table.loc[tested, "n"] == n).all()
    assert table.loc[tested, ["value", "low", "high", "effect"]].notna().all(axis=None)
    assert (table.loc[tested, "measured"] != "").all()
    assert table["p"].isna().all()
    assert set(table.loc[~tested, "verdict"]) == {"holds"}


def test_too_few_seeds_for_so_many_tests(good):
    table = judge(some_seeds(good, 7))
    tested = table[table["claim"].isin(TESTED)]
    assert set(tested["verdict"]) == {"not testable"}
    assert tested["reason"].str.contains("for 10 tests: n = 7").all()
    assert tested["p_corrected"].to_numpy() == pytest.approx(10 / 2**7)
    assert set(judge(some_seeds(good, 8))["verdict"]) == {"holds"}


def test_an_experiment_that_is_absent(good, tmp_path):
    patches = {name: table for name, table in good.tables.items() if not name.startswith("digits")}
    for results, absent in (
        (Results(patches, good.statistics), "digits"),
        (Results({k: v for k, v in good.tables.items() if k not in patches}, (), good.digits_file, LAST), "patches"),
    ):
        table = judge(results)
        there = table["experiment"] != absent
        assert set(table.loc[there, "verdict"]) == {"holds"}
        assert set(table.loc[~there, "verdict"]) == {"not testable"}
        assert set(table.loc[~there, "reason"]) == {"the experiment is not in this study"}
    assert set(judge(Results())["verdict"]) == {"not testable"}


@pytest.mark.parametrize("name", list(good_tables()))
def test_a_table_that_is_missing(good, name):
    del good.tables[name]
    table = judge(good)
    assert set(table["verdict"]) == {"holds", "not testable"}
    assert f"there is no table {name}" in set(table["reason"])


def test_files_that_are_missing(good):
    table = judge(Results(good.tables, (), None, LAST))
    lost = set(table.loc[table["verdict"] != "holds", "claim"])
    assert lost == {
        "fisher_matrix_is_sparse",
        "diagonal_follows_eigenvector",
        "important_weights_cluster",
        "fisher_disconnects_the_border",
        "anti_fi_disconnects_the_centre",
    }


@pytest.mark.parametrize("gone", PATCHES)
def test_a_criterion_that_is_missing(good, gone):
    for name, table in good.tables.items():
        if "criterion" in table:
            good.tables[name] = table[table["criterion"] != gone]
    table = judge(good)
    assert set(table.loc[table["criterion"] == gone, "verdict"]) == {"not testable"}
    reasons = set(table.loc[table["verdict"] == "not testable", "reason"])
    assert reasons == {f"criterion {gone} is not in this study"}
    rest = table[(table["criterion"] != gone) & (table["verdict"] == "not testable")]
    compared = {
        "eigenvector": set(),
        **{name: {"quality_falls_most_under_anti_fi"} for name in DIGITS if name != "anti_fi"},
    }
    expected = {
        "variance_fi": {"quality_falls_next_under_random_pruning"},
        "heuristic_fi": {"quality_falls_next_under_random_pruning"},
        "weight_magnitude": {
            "quality_falls_next_under_random_pruning",
            "diversity_falls_most_under_fisher",
            "fisher_leaves_fewer_units",
        },
        "random_weights": {"diversity_falls_most_under_fisher", "fisher_leaves_fewer_units"},
        "random_units": {"diversity_falls_most_under_fisher"},
        "anti_fi": {"diversity_falls_most_under_fisher", "fisher_leaves_fewer_units"},
    }
    assert set(rest["claim"]) == compared.get(gone, set()) | expected.get(gone, set())


@pytest.mark.parametrize("column", ["encoding_error", "quality_mean", "n_visible_connected", "activity_1"])
def test_empty_fields_are_not_testable(good, column):
    good.tables["digits_metrics"][column] = np.nan
    table = judge(good)
    lost = table[table["verdict"] == "not testable"]
    assert len(lost) > 0
    assert lost["reason"].str.contains(column).all() or column == "encoding_error"
    assert set(table["verdict"]) == {"holds", "not testable"}
    del good.tables["digits_metrics"][column]
    again = judge(good)
    assert set(again.loc[again["verdict"] == "not testable", "claim"]) == set(lost["claim"])


def test_an_empty_field_of_one_seed_leaves_that_seed_out(good):
    table = good.tables["digits_metrics"]
    table.loc[select(table, phase="initial", seed=SEEDS[0]), "encoding_error"] = np.nan
    found = judge(good).set_index("claim").loc["encodings_beat_raw_pixels"]
    assert (found["n"], found["verdict"]) == (10, "holds")


def claims_with(p_values, n=20, experiment="patches"):
    """Claims with those p-values."""

    def one(i, p):
        return Claim(
            f"c{i}", experiment, "s", "r", lambda *_: Finding("m", 1, 1, 1, n, comparison=Comparison(n, p, 0.5))
        )

    return [one(i, p) for i, p in enumerate(p_values)]


def test_p_values_are_corrected_within_an_experiment():
    results = Results({"metrics": pd.DataFrame(), "digits_metrics": pd.DataFrame()})
    table = judge(results, [*claims_with([0.02, 0.01, 0.5]), *claims_with([0.04], experiment="digits")])
    assert table["p_corrected"].tolist() == pytest.approx([0.04, 0.03, 0.5, 0.04])
    assert table["verdict"].tolist() == ["holds", "holds", "fails", "holds"]
    table = judge(results, claims_with([0.04, 0.01, 0.04]))
    assert table["verdict"].tolist() == ["fails", "holds", "fails"]
    assert table["reason"].tolist() == ["not shown: corrected p = 0.08", "", "not shown: corrected p = 0.08"]
    assert judge(results, claims_with([0.05]))["verdict"].tolist() == ["fails"]  # below, not at


def test_what_cannot_be_tested_is_not_corrected_for():
    results = Results({"metrics": pd.DataFrame()})
    table = judge(results, [*claims_with([0.03]), *claims_with([np.nan], n=4)])
    assert table["p_corrected"].tolist() == pytest.approx([0.03, np.nan], nan_ok=True)
    assert table["verdict"].tolist() == ["holds", "not testable"]


def test_markdown(good):
    labels = {name: name.replace("_", " ").title() + " | x" for name in PATCHES}
    text = as_markdown(judge(some_seeds(good, 3)), "Study x: preset y.", labels)
    lines = text.split("\n")
    assert lines[2] == "Study x: preset y."
    assert sum(line.startswith("## ") for line in lines) == 2
    rows = [line for line in lines if line.startswith("| ")]
    assert len(rows) == 4 + sum(len(claim.criteria) for claim in CLAIMS)
    assert {line.replace(r"\|", "").count("|") for line in rows} == {8}
    assert sum(line.startswith("- ") for line in lines) == len(CLAIMS)
    for claim in CLAIMS:
        assert sum(claim.rule in line for line in lines) >= 1
    assert "weight_magnitude" not in text
    assert r"Weight Magnitude \| x" in text
    assert any("before pruning" in line and line.endswith("| holds |") for line in rows)
    assert "nan" not in text
    assert any("| 3 | 1.00 | - | not testable: too few seeds" in line for line in rows)


def job(folder, inputs, **spec):
    outputs = {"csv": folder / "claims.csv", "markdown": folder / "claims.md"}
    return Job("claims", inputs, outputs, {"study": "Study x.", "criteria": {"anti_fi": "Anti-FI"}, **spec}, ())


def files(folder):
    """Everything as files."""
    inputs = {name: [folder / f"{name}.csv"] for name in good_tables()}
    for name, table in good_tables().items():
        table.to_csv(folder / f"{name}.csv", index=False)
    inputs["statistics"] = list(write_statistics(folder))
    return inputs | {"digits": [write_digits(folder / "digits.npz")]}


def test_the_stage(tmp_path, good):
    run(job(tmp_path, files(tmp_path), last_iterations=json.loads(json.dumps(LAST))))
    table = pd.read_csv(tmp_path / "claims.csv", keep_default_na=False)
    assert table.columns.tolist() == COLUMNS
    assert set(table["verdict"]) == {"holds"}
    assert "Anti-FI" in (tmp_path / "claims.md").read_text()
    expected = judge(good)
    assert pd.to_numeric(table["value"]).to_numpy() == pytest.approx(expected["value"].to_numpy(), rel=1e-12)
    first = [(tmp_path / name).read_bytes() for name in ("claims.csv", "claims.md")]
    run(job(tmp_path, files(tmp_path), last_iterations=LAST))
    assert first == [(tmp_path / name).read_bytes() for name in ("claims.csv", "claims.md")]


def test_the_stage_without_inputs_and_without_last_iterations(tmp_path):
    run(job(tmp_path, {}))
    assert set(pd.read_csv(tmp_path / "claims.csv")["verdict"]) == {"not testable"}
    run(job(tmp_path, files(tmp_path)))
    table = pd.read_csv(tmp_path / "claims.csv")
    found = table[table["claim"] == "h2_shrinks_faster"]
    assert set(found["verdict"]) == {"fails"}  # after the fourth iteration


@pytest.mark.parametrize("content", ["", "seed,n_weights\n1,2\n"])
def test_a_table_that_is_no_table_is_refused_by_name(tmp_path, content):
    (tmp_path / "digits_metrics.csv").write_text(content)
    with pytest.raises(InputError, match=r"digits_metrics\.csv"):
        read({"digits_metrics": [tmp_path / "digits_metrics.csv"]})
