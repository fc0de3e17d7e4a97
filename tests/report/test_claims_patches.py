"""Claims about the patches' Fisher information and units: each in every verdict, looking at the right numbers."""

import numpy as np
import pytest
from claims_tables import FI, SEEDS, found, good_results, put, select, times, verdicts

from boltzprune.report.claims import patches
from boltzprune.report.claims.collected import Results

CLAIMS = patches.CLAIMS
LAST = {"table": "metrics", "iteration": 3, "phase": "retrained"}
INITIAL = {"table": "metrics", "phase": "initial"}


@pytest.fixture
def good(tmp_path):
    return good_results(tmp_path)


@pytest.mark.parametrize("name", [claim.name for claim in CLAIMS])
def test_supported(good, name):
    assert set(verdicts(good, name, CLAIMS).values()) == {"supported"}


def statistics(name, seeds):
    """A change of the arrays of those seeds that the claim does not survive."""

    def spoil(arrays, seed):
        if seed in seeds and name == "fisher_matrix_is_sparse":
            arrays["negligible_share"] = np.array(0.4 + 0.001 * seed)
        elif seed in seeds and name == "diagonal_follows_eigenvector":
            arrays["eigenvectors"] = arrays["eigenvectors"][::-1]
        elif seed in seeds and name == "important_weights_cluster":
            arrays["pair_mean0"] = np.ascontiguousarray(arrays["pair_mean0"][::-1, ::-1]) * 0 + 0.3

    return spoil


BY_STATISTICS = ["fisher_matrix_is_sparse", "diagonal_follows_eigenvector", "important_weights_cluster"]


@pytest.mark.parametrize("name", BY_STATISTICS)
@pytest.mark.parametrize(("n", "verdict"), [(13, "contradicted"), (7, "undecided")])
def test_by_the_statistics(tmp_path, name, n, verdict):
    results = good_results(tmp_path, statistics(name, SEEDS[:n]))
    assert verdicts(results, name, CLAIMS) == {"": verdict}
    assert verdicts(results, "leading_eigenvalue_dominates", CLAIMS) == {"": "supported"}


SPOILED = [
    ("leading_eigenvalue_dominates", put("eigenvalue_2", times(1.6), **INITIAL), {""}),
    ("heuristic_is_accurate", put("heuristic_correlation", times(0.8), **INITIAL), {""}),
    *[
        ("fisher_leaves_fewer_units", put("n_hidden", times(0.3), criterion=other, **LAST), set(FI))
        for other in ("weight_magnitude", "random_weights", "anti_fi")
    ],
    ("fisher_leaves_fewer_units", put("n_hidden", times(3), criterion="heuristic_fi", **LAST), {"heuristic_fi"}),
    *[
        (
            "fisher_leaves_fewer_units_early",
            put("n_hidden", 37, criterion="anti_fi", **(LAST | {"iteration": k})),
            set(FI),
        )
        for k in (1, 2)
    ],
]


@pytest.mark.parametrize(("name", "change", "criteria"), SPOILED, ids=[f"{i}-{s[0]}" for i, s in enumerate(SPOILED)])
@pytest.mark.parametrize(("n", "verdict"), [(13, "contradicted"), (7, "undecided")])
def test_by_the_metrics(good, name, change, criteria, n, verdict):
    change(good, SEEDS[:n])
    table = found(good, name, CLAIMS)
    assert {criterion for criterion, one in table["verdict"].items() if one == verdict} == criteria
    assert set(table["verdict"]) <= {"supported", verdict}
    assert (table["seeds_needed"] != "").tolist() == (table["verdict"] == "undecided").tolist()


def test_every_claim_is_contradicted_somewhere():
    assert {name for name, *_ in SPOILED} | set(BY_STATISTICS) == {claim.name for claim in CLAIMS}


def test_fewer_units_than_random_units_is_not_asked(good):
    put("n_hidden", times(0.1), criterion="random_units", **LAST)(good)
    assert set(verdicts(good, "fisher_leaves_fewer_units", CLAIMS).values()) == {"supported"}


def test_units_against_each_of_the_others(good):
    put("n_hidden", 11, criterion="anti_fi", **LAST)(good)
    row = found(good, "fisher_leaves_fewer_units", CLAIMS).loc["eigenvector"]
    assert row["verdict"] == "contradicted"
    assert row["estimate"] == 1  # one unit more than Anti-FI, the opponent that decides
    assert row["effect"] == -1
    assert row["quantity"] == "units less the 11 of anti_fi, iteration 3"
    assert "units less the 11 of anti_fi, iteration 3: 1 (1 to 1), p 1, opposite 0.00012" in row["measured"]
    assert (
        "units less the 35 of weight_magnitude, iteration 3: -23 (-23 to -23), p 0.00012, opposite 1" in row["measured"]
    )
    assert row["p_opposite"] == pytest.approx(3 / 2**13)


def test_earlier_iterations_need_more_than_one(good):
    metrics = good.tables["metrics"]
    good.tables["metrics"] = metrics[metrics["iteration"] <= 1]
    table = found(good, "fisher_leaves_fewer_units_early", CLAIMS)
    assert set(table["reason"]) == {"there is one iteration only"}
    good.tables["metrics"] = metrics[metrics["iteration"] <= 2]
    row = found(good, "fisher_leaves_fewer_units_early", CLAIMS).loc["eigenvector"]
    assert row["verdict"] == "supported" and "iteration 2" not in row["measured"]


def test_the_ratio_of_eigenvalues_is_tested_over_seeds(good):
    put("eigenvalue_2", 4.0, **INITIAL)(good, SEEDS[:6])
    put("eigenvalue_2", 0.1, **INITIAL)(good, SEEDS[6:])
    row = found(good, "leading_eigenvalue_dominates", CLAIMS).loc[""]
    assert row["verdict"] == "supported"  # 6 ratios of 6, 7 of 240: the far ones have the high ranks
    put("eigenvalue_2", 2.3, **INITIAL)(good, SEEDS[6:])
    row = found(good, "leading_eigenvalue_dominates", CLAIMS).loc[""]
    assert (row["verdict"], row["n"]) == ("undecided", 13)
    assert row["value"] == pytest.approx(24 / 2.3, rel=0.02)


def test_correlation_and_units_by_hand(tmp_path):
    expected, units = [], []

    def spoil(arrays, seed):
        n, pair = arrays["n_samples"], arrays["pair_mean0"]
        pair[:, 7] = 0.4
        diagonal = np.concatenate([pair.ravel(), arrays["rate0"], arrays["rate1"]])
        diagonal = diagonal * (1 - diagonal) * n / (n - 1)
        arrays["eigenvectors"][0] *= -1
        expected.append(np.corrcoef(np.abs(arrays["eigenvectors"][0]), diagonal)[0, 1])
        of_units = sorted((pair * (1 - pair)).sum(axis=0))[::-1]
        units.append(next(k for k in range(1, 24) if sum(of_units[:k]) >= 0.8 * sum(of_units)))

    results = good_results(tmp_path, spoil)
    row = found(results, "diagonal_follows_eigenvector", CLAIMS).loc[""]
    assert row["value"] == pytest.approx(np.median(expected))
    assert row["low"] == pytest.approx(np.quantile(expected, 0.25))
    assert (row["verdict"], row["n"]) == ("supported", 13)
    row = found(results, "important_weights_cluster", CLAIMS).loc[""]
    assert row["value"] == pytest.approx(np.median(units) / 23)
    assert units == [4] * 13


def test_how_far_the_heuristic_is_off_is_told(good):
    row = found(good, "heuristic_is_accurate", CLAIMS).loc[""]
    off = good.tables["metrics"].loc[select(good.tables["metrics"], phase="initial"), "heuristic_relative_difference"]
    assert f"off by more than {100 * off.median():.3g} (" in row["measured"]


def test_seeds_that_only_one_side_has_do_not_count(good):
    metrics = good.tables["metrics"]
    gone = select(metrics, phase="initial", seed=SEEDS[0]) | select(metrics, criterion="eigenvector", seed=SEEDS[1])
    results = Results({**good.tables, "metrics": metrics[~gone]}, good.statistics)
    assert found(results, "fisher_leaves_fewer_units", CLAIMS)["n"].to_dict() == dict(zip(FI, (13, 13, 12)))
    assert found(results, "leading_eigenvalue_dominates", CLAIMS).loc["", "n"] == 12


@pytest.mark.parametrize("value", [np.nan, 0])
def test_an_eigenvalue_without_a_ratio_is_not_testable(good, value):
    put("eigenvalue_2", value, **INITIAL)(good, SEEDS if np.isnan(value) else SEEDS[3:4])
    assert verdicts(good, "leading_eigenvalue_dominates", CLAIMS) == {"": "not testable"}


def test_statistics_that_do_not_say(tmp_path):
    def spoil(arrays, seed):
        arrays.pop("negligible_share")
        arrays.pop("eigenvectors")

    results = good_results(tmp_path, spoil)
    for name in ("fisher_matrix_is_sparse", "diagonal_follows_eigenvector"):
        assert verdicts(results, name, CLAIMS) == {"": "not testable"}
    assert verdicts(results, "important_weights_cluster", CLAIMS) == {"": "supported"}
