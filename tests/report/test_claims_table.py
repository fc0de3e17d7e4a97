"""The table of claims: verdicts and what is not testable, correction, seeds that would decide, the stage."""

import json

import numpy as np
import pandas as pd
import pytest
from claims_tables import (
    CLAIMS_FILES,
    LAST,
    PATCHES,
    SEEDS,
    good_results,
    good_tables,
    put,
    select,
    some_seeds,
    write_statistics,
)

from boltzprune.errors import InputError
from boltzprune.report.claims import CLAIMS, COLUMNS, judge
from boltzprune.report.claims.claim import Claim, Finding
from boltzprune.report.claims.collected import Results, read
from boltzprune.report.claims.statistics import Comparison
from boltzprune.study.stages import Job
from boltzprune.study.stages.claims import run

N_ROWS = {"patches": 28, "digits": 34}


@pytest.fixture
def good(tmp_path):
    return good_results(tmp_path)


def some_tests(results, n):
    """All rows of the first n seeds whose numbers come from tables, not from files."""
    table = judge(some_seeds(results, n))
    return table[
        ~table["claim"].isin(["fisher_matrix_is_sparse", "diagonal_follows_eigenvector", "important_weights_cluster"])
    ]


def test_the_list():
    assert len({claim.name for claim in CLAIMS}) == len(CLAIMS)
    for claim in CLAIMS:
        assert claim.experiment in ("patches", "digits")
        assert claim.statement.endswith((".", ")")) and claim.rule.endswith(".")
        assert "{" not in claim.rule
        assert "unpruned" not in claim.criteria
    sizes = {e: sum(len(c.criteria) for c in CLAIMS if c.experiment == e) for e in N_ROWS}
    assert sizes == N_ROWS  # each is a test: ten seeds can support, and twelve contradict, what is compared with six
    assert all(n / 2**10 < 0.05 and 6 * n / 2**12 < 0.05 for n in sizes.values())


def test_everything_is_supported(good):
    table = judge(good)
    assert table.columns.tolist() == COLUMNS
    assert set(table["verdict"]) == {"supported"}
    assert set(table["reason"]) == set(table["seeds_needed"]) == {""}
    assert table["experiment"].value_counts().to_dict() == N_ROWS
    numbers = ["value", "estimate", "estimate_low", "estimate_high", "effect", "p", "p_corrected", "p_opposite"]
    assert table[[*numbers, "p_opposite_corrected"]].notna().all(axis=None)
    assert (table["estimate_low"] <= table["estimate"]).all() and (table["estimate"] <= table["estimate_high"]).all()
    assert (table["quantity"] != "").all()


@pytest.mark.parametrize("n", [1, 3, 5])
def test_few_seeds_leave_the_numbers_but_no_verdict(good, n):
    table = some_tests(good, n)
    assert set(table["verdict"]) == {"not testable"}
    assert table["reason"].str.contains(f"n = {n}, a test needs 6").all()
    assert (table["n"] == n).all()
    rise = table["claim"].str.startswith("rise")
    assert table[["value", "effect", "estimate"]].notna().all(axis=None)
    assert table.loc[~rise, ["low", "high"]].notna().all(axis=None)
    assert (table["measured"] != "").all()
    assert table[["p", "p_opposite"]].isna().all(axis=None)
    # how many could decide it: 28 / 2^10 and 34 / 2^10 are below 0.05; a hit by chance of 1/3 needs no more than that
    assert set(table.loc[~rise, "seeds_needed"]) == {"10"}
    assert set(table.loc[rise, "seeds_needed"]) == {"6"}  # 34 / 3^6


@pytest.mark.parametrize("n", [6, 8])
def test_too_few_seeds_for_so_many_tests(good, n):
    table = some_tests(good, n)
    table = table[~table["claim"].str.startswith("rise")]
    assert set(table["verdict"]) == {"not testable"}
    m = table["experiment"].map(N_ROWS)
    assert (table["reason"].str.split("tests: ").str[0] == "too few seeds for " + m.astype(str) + " ").all()
    assert set(table["seeds_needed"]) == {"10"}
    assert set(some_tests(good, 10)["verdict"]) == {"supported"}


def test_a_claim_between_the_two_is_undecided_and_says_how_many_seeds(good):
    put("encoding_error", 0.11, phase="initial")(good, SEEDS[:8])
    row = judge(good).set_index("claim").loc["encodings_beat_raw_pixels"]
    assert (row["verdict"], row["reason"]) == ("undecided", "")
    assert int(row["seeds_needed"]) > 13
    assert row["p_corrected"] >= 0.05 and row["p_opposite_corrected"] >= 0.05


def test_an_experiment_that_is_absent(good, tmp_path):
    patches = {name: table for name, table in good.tables.items() if not name.startswith("digits")}
    for results, absent in (
        (Results(patches, good.statistics), "digits"),
        (Results({k: v for k, v in good.tables.items() if k not in patches}, (), LAST), "patches"),
    ):
        table = judge(results)
        there = table["experiment"] != absent
        assert set(table.loc[there, "verdict"]) == {"supported"}
        assert set(table.loc[~there, "verdict"]) == {"not testable"}
        assert set(table.loc[~there, "reason"]) == {"the experiment is not in this study"}
    assert set(judge(Results())["verdict"]) == {"not testable"}


@pytest.mark.parametrize("name", list(good_tables()))
def test_a_table_that_is_missing(good, name):
    del good.tables[name]
    table = judge(good)
    assert set(table["verdict"]) == {"supported", "not testable"}
    assert f"there is no table {name}" in set(table["reason"])


def test_files_that_are_missing(good):
    table = judge(Results(good.tables, (), LAST))
    lost = set(table.loc[table["verdict"] != "supported", "claim"])
    assert lost == {
        "fisher_matrix_is_sparse",
        "diagonal_follows_eigenvector",
        "important_weights_cluster",
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
    units = {"fisher_leaves_fewer_units", "fisher_leaves_fewer_units_early"}
    frequent, next_quality = "wrong_pruning_misses_frequent_patterns", "quality_falls_next_under_random_pruning"
    diversity, iterations = "diversity_falls_most_under_fisher", "six_iterations_equal_ten"
    compared = {} if gone in ("eigenvector", "anti_fi") else {"quality_falls_most_under_anti_fi"}
    expected = {
        "eigenvector": {frequent},
        "variance_fi": {next_quality, frequent, "random_units_remove_too_much_of_h1"},
        "heuristic_fi": {next_quality, frequent, "random_units_remove_too_much_of_h1"},
        "weight_magnitude": {next_quality, diversity, frequent, iterations} | units,
        "random_weights": {diversity, iterations, "h1_shrinks_as_prescribed"} | units,
        "random_units": {diversity},
        "anti_fi": {diversity} | units,
    }
    assert set(rest["claim"]) == set(compared) | expected[gone]


@pytest.mark.parametrize("column", ["encoding_error", "quality_mean", "n_visible_connected", "activity_1"])
def test_empty_fields_are_not_testable(good, column):
    good.tables["digits_metrics"][column] = np.nan
    table = judge(good)
    lost = table[table["verdict"] == "not testable"]
    assert len(lost) > 0
    assert lost["reason"].str.contains(column).all() or column == "encoding_error"
    assert set(table["verdict"]) == {"supported", "not testable"}
    del good.tables["digits_metrics"][column]
    again = judge(good)
    assert set(again.loc[again["verdict"] == "not testable", "claim"]) == set(lost["claim"])


def test_an_empty_field_of_one_seed_leaves_that_seed_out(good):
    table = good.tables["digits_metrics"]
    table.loc[select(table, phase="initial", seed=SEEDS[0]), "encoding_error"] = np.nan
    found = judge(good).set_index("claim").loc["encodings_beat_raw_pixels"]
    assert (found["n"], found["verdict"]) == (12, "supported")


def claims_with(p_values, n=20, experiment="patches"):
    """Claims with those p-values, for them and against them."""

    def one(i, pair):
        p, opposite = pair if isinstance(pair, tuple) else (pair, 1 - pair)
        test = Comparison(n, p, opposite, 0.5, 1.5)
        return Claim(f"c{i}", experiment, "s", "r", lambda *_: Finding("m", 1, 1, 1, n, "q", test))

    return [one(i, p) for i, p in enumerate(p_values)]


SOME = Results({"metrics": pd.DataFrame(), "digits_metrics": pd.DataFrame()})


def test_p_values_are_corrected_within_an_experiment():
    table = judge(SOME, [*claims_with([0.02, 0.01, 0.5]), *claims_with([0.04], experiment="digits")])
    assert table["p_corrected"].tolist() == pytest.approx([0.04, 0.03, 0.5, 0.04])
    assert table["verdict"].tolist() == ["supported", "supported", "undecided", "supported"]
    table = judge(SOME, claims_with([0.04, 0.01, 0.04]))
    assert table["verdict"].tolist() == ["undecided", "supported", "undecided"]
    assert judge(SOME, claims_with([0.05]))["verdict"].tolist() == ["undecided"]  # below, not at


def test_each_direction_is_a_family_of_its_own():
    table = judge(SOME, claims_with([(0.9, 0.02), (0.8, 0.01), (0.001, 1.0), (0.9, 0.3)]))
    assert table["p_opposite_corrected"].tolist() == pytest.approx([0.06, 0.04, 1.0, 0.6])
    assert table["p_corrected"].tolist() == pytest.approx([1, 1, 0.004, 1])
    assert table["verdict"].tolist() == ["undecided", "contradicted", "supported", "undecided"]


def test_what_cannot_be_tested_is_not_corrected_for():
    table = judge(SOME, [*claims_with([0.03]), *claims_with([np.nan], n=4)])
    assert table["p_corrected"].tolist() == pytest.approx([0.03, np.nan], nan_ok=True)
    assert table["verdict"].tolist() == ["supported", "not testable"]


def test_neither_direction_is_found_too_often_where_nothing_is_true():
    """Twenty claims of random differences: in at most about 5 % of studies one of them is supported."""
    from boltzprune.report.claims.statistics import above

    rng, found = np.random.default_rng(61), {"supported": 0, "contradicted": 0}
    for _ in range(300):
        tests = [above(rng.normal(0, 1, 12)) for _ in range(20)]
        table = judge(SOME, claims_with([(test.p, test.p_opposite) for test in tests], n=12))
        for verdict in found:
            found[verdict] += verdict in set(table["verdict"])
    assert all(n <= 300 * 0.05 + 3 * np.sqrt(300 * 0.05 * 0.95) for n in found.values())


def job(folder, inputs, **spec):
    outputs = {name: folder / file for name, file in CLAIMS_FILES.items()}
    return Job("claims", inputs, outputs, {"study": "Study x.", "criteria": {"anti_fi": "Anti-FI"}, **spec}, ())


def files(folder):
    """Everything as files."""
    inputs = {name: [folder / f"{name}.csv"] for name in good_tables()}
    for name, table in good_tables().items():
        table.to_csv(folder / f"{name}.csv", index=False)
    inputs["statistics"] = list(write_statistics(folder))
    return inputs


def test_the_stage(tmp_path, good):
    run(job(tmp_path, files(tmp_path), last_iterations=json.loads(json.dumps(LAST))))
    table = pd.read_csv(tmp_path / "claims.csv", keep_default_na=False)
    assert table.columns.tolist() == COLUMNS
    assert set(table["verdict"]) == {"supported"}
    assert "Anti-FI" in (tmp_path / "claims.md").read_text()
    expected = judge(good)
    assert pd.to_numeric(table["value"]).to_numpy() == pytest.approx(expected["value"].to_numpy(), rel=1e-12)
    first = [(tmp_path / name).read_bytes() for name in ("claims.csv", "claims.md")]
    run(job(tmp_path, files(tmp_path), last_iterations=LAST))
    assert first == [(tmp_path / name).read_bytes() for name in ("claims.csv", "claims.md")]


def test_the_stage_without_inputs_and_without_last_iterations(tmp_path):
    with pytest.raises(InputError, match="claims: no --in is given"):
        run(job(tmp_path, {}))
    run(job(tmp_path, files(tmp_path)))
    table = pd.read_csv(tmp_path / "claims.csv")
    found = table[table["claim"] == "h2_shrinks_faster"]
    assert set(found["verdict"]) == {"contradicted"}  # after the tenth iteration


@pytest.mark.parametrize("content", ["", "seed,n_weights\n1,2\n"])
def test_a_table_that_is_no_table_is_refused_by_name(tmp_path, content):
    (tmp_path / "digits_metrics.csv").write_text(content)
    with pytest.raises(InputError, match=r"digits_metrics\.csv"):
        read({"digits_metrics": [tmp_path / "digits_metrics.csv"]})
