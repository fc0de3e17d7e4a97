"""Two studies side by side: pairs are of one seed, signs and intervals as they should be."""

import numpy as np
import pandas as pd
import pytest

from boltzprune.report import side_by_side

KEYS = ["criterion", "iteration", "phase", "seed"]


def metrics(values, criterion="variance_fi", iteration=2, phase="retrained", column="kl"):
    """A table of metrics of one kind of machines: seed -> value."""
    rows = [(criterion, iteration, phase, seed, value) for seed, value in values.items()]
    return pd.DataFrame(rows, columns=[*KEYS, column])


FIRST = {11: 0.2, 2: 0.7, 3: 0.1, 5: 0.9, 7: 0.4, 17: 0.3, 13: 0.8}


def test_a_difference_is_that_of_the_same_seeds_in_any_order():
    second = {seed: FIRST[seed] + 0.05 + seed / 1000 for seed in sorted(FIRST)}
    [row] = side_by_side.effects(metrics(FIRST), metrics(second)).to_dict("records")
    changes = np.array([0.05 + seed / 1000 for seed in FIRST])
    means = (changes[:, None] + changes)[np.triu_indices(7)] / 2
    assert row["n"] == 7 and row["measure"] == "kl"
    assert (row["first"], row["second"]) == pytest.approx((0.4, 0.457))
    assert row["difference"] == pytest.approx(np.median(means))
    third = np.sort(means)[[2, -3]]  # of 7 signed ranks the sum is 2 or less with a chance of 3 / 128
    assert (row["low"], row["high"]) == pytest.approx(tuple(third))
    back = side_by_side.effects(metrics(second), metrics(FIRST)).iloc[0]
    assert back["difference"] == pytest.approx(-row["difference"])
    assert (back["low"], back["high"]) == pytest.approx((-row["high"], -row["low"]))


def test_seeds_machines_and_measures_of_one_study_alone_are_left_out():
    first = pd.concat([metrics(FIRST), metrics(FIRST, "anti_fi"), metrics(FIRST, "none", 0, "initial")])
    before = metrics({3: 0.1}, "none", 0, "initial")
    second = pd.concat([metrics({3: 0.5, 19: 0.1}), metrics({23: 1.0}, "anti_fi"), before])
    found = side_by_side.effects(first.assign(n_hidden=7, name="a"), second.assign(error=0.1, name="b"))
    assert found[["criterion", "measure", "n"]].to_numpy().tolist() == [["variance_fi", "kl", 1], ["none", "kl", 1]]
    assert found["difference"].tolist() == pytest.approx([0.4, 0.0]) and found["low"].isna().all()
    assert side_by_side.clear(found)["criterion"].tolist() == ["variance_fi"]  # the other does not differ
    assert side_by_side.effects(first, metrics({29: 1.0})).empty


def test_a_course_that_has_ended_has_no_numbers():
    first = pd.concat([metrics(FIRST), metrics({3: np.nan}, iteration=3, phase="ended")])
    assert side_by_side.effects(first, first)["iteration"].tolist() == [2]


def test_clear_rows_are_those_whose_interval_leaves_out_zero():
    wave = {seed: FIRST[seed] + (0.1 if place % 2 else -0.1) for place, seed in enumerate(FIRST)}
    less = {seed: value - 0.1 for seed, value in FIRST.items()}
    found = [side_by_side.effects(metrics(FIRST), metrics(second)) for second in (wave, less, FIRST)]
    assert [len(side_by_side.clear(one)) for one in found] == [0, 1, 0]
    page = side_by_side.effects_page(found[1], {"variance_fi": "Variance FI"})
    assert page.splitlines()[-1] == "| Variance FI | 2 | retrained | kl | 7 | 0.4 | 0.3 | -0.1 (-0.1 to -0.1) |"


def test_verdicts_by_claim_and_criterion():
    rows = [("patches", "A.", ""), ("patches", "B.", "anti_fi"), ("digits", "C.", "")]
    first = pd.DataFrame(rows, columns=["experiment", "statement", "criterion"])
    first["verdict"] = ["supported", "undecided", "supported"]
    second = first.iloc[[1, 0]].assign(verdict=["contradicted", "supported"])
    page = side_by_side.verdicts_page(side_by_side.verdicts(first, second), {"anti_fi": "Anti-FI"})
    assert page.splitlines()[2:] == [
        "| A. |  | supported | supported |",
        "| B. | Anti-FI | undecided | → contradicted |",
    ]
