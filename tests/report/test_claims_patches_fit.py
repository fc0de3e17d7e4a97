"""Claims about how well the patches' machines match the data: each in every verdict, against the right reference."""

import numpy as np
import pandas as pd
import pytest
from claims_tables import FI, PATCHES, SEEDS, found, good_results, put, select, times, verdicts

from boltzprune.report.claims import patches_fit
from boltzprune.report.claims.collected import UNPRUNED

CLAIMS = patches_fit.CLAIMS
NAMES = [claim.name for claim in CLAIMS]
LAST = {"table": "metrics", "iteration": 3, "phase": "retrained"}
PRUNED = LAST | {"phase": "pruned"}
KL = ("retraining_restores", "retraining_restores_partly", "random_units_recover")


@pytest.fixture
def good(tmp_path):
    return good_results(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_supported(good, name):
    assert set(verdicts(good, name, CLAIMS).values()) == {"supported"}


WRONG = ("random_weights", "anti_fi")
SPOILED = [
    ("retraining_restores", put("kl_exact", times(1.6), criterion=FI, **LAST), set(FI)),
    ("retraining_restores_partly", put("kl_exact", times(0.2), criterion="anti_fi", **LAST), {"anti_fi"}),
    ("retraining_restores_partly", put("kl_exact", times(0.05), criterion="anti_fi", **PRUNED), {"anti_fi"}),
    ("random_units_recover", put("kl_exact", times(1.6), criterion="random_units", **LAST), {"random_units"}),
    ("random_units_recover", put("kl_exact", times(0.01), criterion="random_units", **PRUNED), {"random_units"}),
    ("errors_are_larger_for_rare_patterns", put("error_rare", times(0.1), criterion="none", table="metrics"), {"none"}),
    (
        "errors_are_larger_for_rare_patterns",
        put("error_frequent", times(4), criterion=["variance_fi", "anti_fi"], **LAST),
        {"variance_fi", "anti_fi"},
    ),
    *[
        ("wrong_pruning_misses_frequent_patterns", put("error_frequent", times(3), criterion=c, **LAST), set(WRONG))
        for c in (*FI, "weight_magnitude")
    ],
]


@pytest.mark.parametrize(("name", "change", "criteria"), SPOILED, ids=[f"{i}-{s[0]}" for i, s in enumerate(SPOILED)])
@pytest.mark.parametrize(("n", "verdict"), [(13, "contradicted"), (7, "undecided")])
def test_by_the_metrics(good, name, change, criteria, n, verdict):
    change(good, SEEDS[:n])
    table = found(good, name, CLAIMS)
    assert {criterion for criterion, one in table["verdict"].items() if one == verdict} == criteria
    assert set(table["verdict"]) <= {"supported", verdict}


def test_every_claim_is_contradicted_somewhere():
    assert {name for name, *_ in SPOILED} == set(NAMES)


def test_about_as_far_as_without_pruning_is_undecided(good):
    put("kl_exact", 0.3, criterion="eigenvector", **LAST)(good)  # 1.5 times, give or take 1 %
    row = found(good, "retraining_restores", CLAIMS).loc["eigenvector"]
    assert row["verdict"] == "undecided"
    assert row["estimate_low"] < 1.5 < row["estimate_high"]
    assert int(row["seeds_needed"]) > 13 if row["seeds_needed"].isdigit() else row["seeds_needed"] == "more than 1000"


def test_a_divergence_below_the_initial_one_is_restored_but_not_partly(good):
    put("kl_exact", times(0.2), **LAST)(good)
    assert set(verdicts(good, "retraining_restores", CLAIMS).values()) == {"supported"}
    assert set(verdicts(good, "retraining_restores_partly", CLAIMS).values()) == {"contradicted"}


def unpruned(results, kl, iterations=(1, 2, 3), phase="retrained"):
    """Rows of machines that were trained for as many epochs, but never pruned; each iteration has its own KL."""
    metrics = results.tables["metrics"]
    start = metrics[select(metrics, phase="initial")]
    more = [
        start.assign(criterion=UNPRUNED, iteration=k, phase=phase, kl_exact=kl(k) * start["kl_exact"])
        for k in iterations
    ]
    results.tables["metrics"] = pd.concat([metrics, *more], ignore_index=True)


@pytest.mark.parametrize("name", KL)
def test_without_an_unpruned_machine_the_initial_one_is_the_reference(good, name):
    for row in found(good, name, CLAIMS).to_dict("records"):
        assert "ratio to the initial machine's" in row["measured"]
        assert "the initial machine's" in row["quantity"] + row["measured"]
        assert "unpruned" not in row["measured"]
    unpruned(good, lambda k: 0.1, iterations=(1, 2, 4))  # none of the third iteration
    unpruned(good, lambda k: 0.1, iterations=(3,), phase="pruned")
    assert set(found(good, name, CLAIMS)["verdict"]) == {"supported"}


def test_the_unpruned_machine_of_the_same_iteration_is_the_reference(good):
    unpruned(good, lambda k: 0.5 if k == 3 else 1.0)
    row = found(good, "retraining_restores", CLAIMS).loc["eigenvector"]
    assert row["verdict"] == "contradicted"  # 2.1 times
    assert row["estimate"] == pytest.approx(2.1, rel=0.02)
    assert row["quantity"] == "KL, ratio to the unpruned machine's"
    for part in ("0.0997 (0.0988 to 0.101) of the unpruned machine", "0.199 (0.198 to 0.201) of the initial machine"):
        assert part in row["measured"]
    assert verdicts(good, "random_units_recover", CLAIMS) == {"random_units": "contradicted"}
    assert set(verdicts(good, "retraining_restores_partly", CLAIMS).values()) == {"supported"}
    other = found(good, "errors_are_larger_for_rare_patterns", CLAIMS)
    assert UNPRUNED not in other.index


def test_an_unpruned_machine_that_is_worse_makes_nothing_partly_restored(good):
    unpruned(good, lambda k: 4.0 if k == 3 else 0.1)
    assert set(verdicts(good, "retraining_restores_partly", CLAIMS).values()) == {"contradicted"}


def test_the_numbers_of_a_row(good):
    row = found(good, "retraining_restores", CLAIMS).loc["weight_magnitude"]
    metrics = good.tables["metrics"].set_index("seed")
    after = metrics[select(metrics, criterion="weight_magnitude", iteration=3, phase="retrained")]["kl_exact"]
    ratio = after / metrics[select(metrics, phase="initial")]["kl_exact"]
    assert [row[key] for key in ("value", "low", "high")] == pytest.approx(ratio.quantile([0.5, 0.25, 0.75]).tolist())
    logs = np.log(ratio.to_numpy())
    walsh = [(a + b) / 2 for i, a in enumerate(logs) for b in logs[: i + 1]]
    assert row["estimate"] == pytest.approx(np.exp(np.median(walsh)))
    assert row["estimate_low"] < row["estimate"] < row["estimate_high"]
    assert (row["n"], row["effect"], row["p"], row["p_opposite"]) == (13, 1, pytest.approx(1 / 2**13), 1)
    assert row["p_corrected"] == pytest.approx(17 / 2**13)  # 4 + 2 + 1 + 8 + 2 tests, all with the smallest p
    assert row["p_opposite_corrected"] == 1


def test_two_parts_are_told_apart(good):
    row = found(good, "random_units_recover", CLAIMS).loc["random_units"]
    assert "KL, ratio to right after pruning, below 1: 0.042" in row["measured"]
    assert "KL, ratio to the initial machine's, below 1.5: 1.05" in row["measured"]
    assert row["quantity"] == "KL, ratio to the initial machine's, below 1.5"


def sampled(results, missing=0.05):
    """Nothing can be enumerated."""
    metrics = results.tables["metrics"]
    metrics["kl_sampled"], metrics["kl_exact"], metrics["missing_share"] = metrics["kl_exact"], np.nan, missing


def test_without_enumeration_the_sampled_divergence_counts(good):
    sampled(good)
    assert set(verdicts(good, "retraining_restores", CLAIMS).values()) == {"supported"}
    rows = select(good.tables["metrics"], criterion="eigenvector", seed=SEEDS[0], iteration=3, phase="retrained")
    good.tables["metrics"].loc[rows, "kl_sampled"] = -0.1
    assert verdicts(good, "retraining_restores", CLAIMS)["eigenvector"] == "not testable"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("missing", "verdict"), [(0.1, "supported"), (0.11, "not testable")])
def test_samples_that_miss_much_of_the_data_decide_nothing(good, name, missing, verdict):
    sampled(good)
    put("missing_share", missing, table="metrics")(good, SEEDS[7:8])
    table = found(good, name, CLAIMS)
    assert set(table["verdict"]) == {verdict}
    if verdict == "not testable":
        assert (
            table["reason"].str.startswith("11 % of the data are patterns that no sample shows, more than 10 %").all()
        )


def test_what_is_enumerated_needs_no_samples(good):
    put("missing_share", 1.0, table="metrics")(good)
    assert set(found(good, "retraining_restores", CLAIMS)["verdict"]) == {"supported"}


def test_only_the_machines_in_question_count(good):
    sampled(good)
    put("missing_share", 0.9, table="metrics", criterion="random_units", phase="pruned")(good)
    assert set(verdicts(good, "retraining_restores", CLAIMS).values()) == {"supported"}
    assert verdicts(good, "random_units_recover", CLAIMS) == {"random_units": "not testable"}


def test_patterns_that_are_all_equally_frequent_are_not_testable(good):
    good.tables["metrics"]["error_frequent"] = np.nan
    table = found(good, "errors_are_larger_for_rare_patterns", CLAIMS)
    assert set(table["verdict"]) == {"not testable"}
    assert table["reason"].str.startswith("no error_frequent").all()
    assert len(table) == 1 + len(PATCHES)


def test_seeds_that_only_one_side_has_do_not_count(good):
    metrics = good.tables["metrics"]
    gone = select(metrics, phase="initial", seed=SEEDS[0]) | select(metrics, criterion="eigenvector", seed=SEEDS[1])
    good.tables["metrics"] = metrics[~gone]
    assert found(good, "retraining_restores", CLAIMS)["n"].to_dict() == dict(
        zip((*FI, "weight_magnitude"), (12, 12, 11, 12))
    )
