"""Each claim about the patches: it holds where it must, fails where it must, and looks at the right numbers."""

import numpy as np
import pytest
from outer_claims import FI, SEEDS, good_results, scale, select

from boltzprune.claims import judge, patches
from boltzprune.claims.collected import Results

NAMES = [claim.name for claim in patches.CLAIMS]


def verdicts(results, name, claims=patches.CLAIMS):
    table = judge(results, claims)
    rows = table[table["claim"] == name]
    return dict(zip(rows["criterion"], rows["verdict"]))


def row(results, name, criterion=""):
    table = judge(results, patches.CLAIMS)
    return table[(table["claim"] == name) & (table["criterion"] == criterion)].iloc[0]


@pytest.fixture
def good(tmp_path):
    return good_results(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_holds(good, name):
    assert set(verdicts(good, name).values()) == {"holds"}


def spoil_statistics(name):
    """A change of one seed's arrays that the claim does not survive."""
    rng = np.random.default_rng(31)

    def spoil(arrays, seed):
        if name == "fisher_matrix_is_sparse" and "fisher_matrix" in arrays:
            arrays["fisher_matrix"] = rng.uniform(0.2, 1, (143, 143))
        elif name == "diagonal_follows_eigenvector":
            arrays["eigenvectors"] = arrays["eigenvectors"][::-1]
        elif name == "important_weights_cluster":
            arrays["pair_mean0"] = np.ascontiguousarray(arrays["pair_mean0"][::-1, ::-1]) * 0 + 0.3

    return spoil


@pytest.mark.parametrize(
    "name", ["fisher_matrix_is_sparse", "diagonal_follows_eigenvector", "important_weights_cluster"]
)
def test_fails_by_the_statistics(tmp_path, name):
    results = good_results(tmp_path, spoil_statistics(name))
    assert verdicts(results, name) == {"": "fails"}
    assert verdicts(results, "leading_eigenvalue_dominates") == {"": "holds"}


LAST = {"iteration": 3, "phase": "retrained"}
SPOILED = {
    "leading_eigenvalue_dominates": ({"column": "eigenvalue_2", "factor": 1.6, "phase": "initial"}, {""}),
    "retraining_restores": ({"column": "kl_exact", "factor": 1.5, "criterion": FI, **LAST}, set(FI)),
    "retraining_restores_partly": (
        {"column": "kl_exact", "factor": 1 / 3, "criterion": "anti_fi", **LAST},
        {"anti_fi"},
    ),
    "random_units_recover": (
        {"column": "kl_exact", "factor": 1.5, "criterion": "random_units", **LAST},
        {"random_units"},
    ),
    "fisher_leaves_fewer_units": (
        {"column": "n_hidden", "factor": 3, "criterion": "heuristic_fi", **LAST},
        {"heuristic_fi"},
    ),
}


@pytest.mark.parametrize("name", SPOILED)
def test_fails_by_the_metrics(good, name):
    change, failing = SPOILED[name]
    scale(good.tables["metrics"], **change)
    found = verdicts(good, name)
    assert {criterion for criterion, verdict in found.items() if verdict == "fails"} == failing
    assert set(found.values()) <= {"holds", "fails"}


@pytest.mark.parametrize(("name", "criterion"), [("retraining_restores_partly", "anti_fi")])
def test_no_better_than_right_after_pruning_fails(good, name, criterion):
    scale(good.tables["metrics"], "kl_exact", 0.1, criterion=criterion, iteration=3, phase="pruned")
    assert verdicts(good, name) == {"random_weights": "holds", "anti_fi": "fails"}


def test_random_units_that_were_never_damaged_do_not_recover(good):
    scale(good.tables["metrics"], "kl_exact", 0.01, criterion="random_units", iteration=3, phase="pruned")
    assert verdicts(good, "random_units_recover") == {"random_units": "fails"}


@pytest.mark.parametrize("other", ["weight_magnitude", "random_weights", "anti_fi"])
def test_fewer_units_than_each_of_three(good, other):
    scale(good.tables["metrics"], "n_hidden", 0.3, criterion=other, **LAST)
    assert set(verdicts(good, "fisher_leaves_fewer_units").values()) == {"fails"}


def test_fewer_units_than_random_units_is_not_asked(good):
    scale(good.tables["metrics"], "n_hidden", 0.1, criterion="random_units", **LAST)
    assert set(verdicts(good, "fisher_leaves_fewer_units").values()) == {"holds"}


def test_a_divergence_below_the_initial_one_is_restored_but_not_partly(good):
    scale(good.tables["metrics"], "kl_exact", 0.2, **LAST)
    assert set(verdicts(good, "retraining_restores").values()) == {"holds"}
    assert set(verdicts(good, "retraining_restores_partly").values()) == {"fails"}


def test_the_ratio_of_eigenvalues_is_a_median(good):
    initial = select(good.tables["metrics"], phase="initial", seed=SEEDS[:6])
    good.tables["metrics"].loc[initial, "eigenvalue_2"] = 4.0
    good.tables["metrics"].loc[~initial, "eigenvalue_2"] = 0.1
    assert verdicts(good, "leading_eigenvalue_dominates") == {"": "fails"}  # median 6, mean above 100
    found = row(good, "leading_eigenvalue_dominates")
    assert found["value"] == pytest.approx(6, rel=0.02)
    assert found["n"] == 11


def test_errors_over_rare_and_frequent_patterns(good):
    table = good.tables["pattern_probabilities"]
    found = row(good, "errors_are_larger_for_rare_patterns", "anti_fi")
    assert found["value"] == pytest.approx(4)  # six of error 1, five of 0.25
    assert "6 rare" in found["measured"] and "5 frequent" in found["measured"]
    frequent = select(table, criterion=["none", "anti_fi"], iteration=[0, 3]) & (table["log_data"] > np.log(0.05))
    table.loc[frequent, "log_model_mean"] += 2.0
    found = verdicts(good, "errors_are_larger_for_rare_patterns")
    assert {criterion for criterion, verdict in found.items() if verdict == "fails"} == {"none", "anti_fi"}
    assert len(found) == 8


def test_patterns_that_no_sample_shows_are_left_out(good):
    table = good.tables["pattern_probabilities"]
    table.loc[select(table, criterion="none") & (table["log_data"] < np.log(0.05)), "log_model_mean"] = np.nan
    assert verdicts(good, "errors_are_larger_for_rare_patterns")["none"] == "not testable"
    assert row(good, "errors_are_larger_for_rare_patterns", "anti_fi")["verdict"] == "holds"


def test_patterns_that_are_all_equally_frequent_are_not_testable(good):
    good.tables["pattern_probabilities"]["log_data"] = -1.0
    assert set(verdicts(good, "errors_are_larger_for_rare_patterns").values()) == {"not testable"}


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
    found = row(results, "diagonal_follows_eigenvector")
    assert found["value"] == pytest.approx(np.median(expected))
    assert found["low"] == pytest.approx(np.quantile(expected, 0.25))
    assert (found["verdict"], found["n"]) == ("holds", 11)
    found = row(results, "important_weights_cluster")
    assert found["value"] == pytest.approx(np.median(units) / 23)
    assert units == [4] * 11


def test_the_numbers_of_a_row(good):
    found = row(good, "retraining_restores", "weight_magnitude")
    metrics = good.tables["metrics"].set_index("seed")
    after = metrics[select(metrics, criterion="weight_magnitude", **LAST)]["kl_exact"]
    ratio = after / metrics[select(metrics, phase="initial")]["kl_exact"]
    assert [found[key] for key in ("value", "low", "high")] == pytest.approx(ratio.quantile([0.5, 0.25, 0.75]).tolist())
    assert found["n"] == 11
    assert found["p"] == pytest.approx(1 / 2**11)
    assert found["p_corrected"] == pytest.approx(10 / 2**11)  # 4 + 2 + 1 + 3 tests, all with the smallest p
    assert found["effect"] == 1


def test_without_enumeration_the_sampled_divergence_counts(good):
    metrics = good.tables["metrics"]
    metrics["kl_sampled"], metrics["kl_exact"] = metrics["kl_exact"], np.nan
    assert set(verdicts(good, "retraining_restores").values()) == {"holds"}
    metrics.loc[select(metrics, criterion="eigenvector", seed=SEEDS[0], **LAST), "kl_sampled"] = -0.1
    assert verdicts(good, "retraining_restores")["eigenvector"] == "not testable"


def test_seeds_that_only_one_side_has_do_not_count(good):
    metrics = good.tables["metrics"]
    gone = select(metrics, phase="initial", seed=SEEDS[0]) | select(metrics, criterion="eigenvector", seed=SEEDS[1])
    results = Results({**good.tables, "metrics": metrics[~gone]}, good.statistics)
    assert row(results, "retraining_restores", "eigenvector")["n"] == 9
    assert row(results, "retraining_restores", "weight_magnitude")["n"] == 10
    assert row(results, "fisher_leaves_fewer_units", "eigenvector")["n"] == 10


def test_a_zero_eigenvalue_is_not_testable(good):
    scale(good.tables["metrics"], "eigenvalue_1", np.inf, phase="initial")
    assert verdicts(good, "leading_eigenvalue_dominates") == {"": "not testable"}


def test_no_matrix_kept_and_no_eigenvector(tmp_path):
    def spoil(arrays, seed):
        arrays.pop("fisher_matrix", None)
        arrays.pop("eigenvectors")

    results = good_results(tmp_path, spoil)
    for name in ("fisher_matrix_is_sparse", "diagonal_follows_eigenvector"):
        assert verdicts(results, name) == {"": "not testable"}
    assert verdicts(results, "important_weights_cluster") == {"": "holds"}
