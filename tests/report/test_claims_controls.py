"""Claims about controls: what architectures are worth, decided by their rules and as a family of their own."""

import numpy as np
import pandas as pd
import pytest
from claims_tables import SEEDS, good_results

from boltzprune.report.claims import CLAIMS, judge
from boltzprune.report.claims.claim import OF_CONTROLS, OF_PAPER
from boltzprune.report.claims.controls import claims_of
from boltzprune.report.claims.page import as_markdown

CRITERIA = ["weight_magnitude", "variance_fi", "random_units"]
LAST = {"metrics": 3, "digits_metrics": 10}
MEASURES = {"metrics": "kl_exact", "digits_metrics": "encoding_error"}
EXPERIMENTS = {"metrics": "patches", "digits_metrics": "digits"}
RATIOS = {"rewind": {"variance_fi": 0.8, "weight_magnitude": 1.3, "random_units": 0.9}}
RATIOS["scratch"] = {"variance_fi": 0.7, "weight_magnitude": 1.2, "random_units": 1.1}
"""Control -> how it is to the machine that kept its weights."""
UNPRUNED = 0.9
"""The unpruned machine, to the one by variance FI."""


def add(results, phases=("rewind", "scratch"), criteria=CRITERIA, unpruned=True):
    """Controls of the last iteration, with a spread of 1 % over the seeds; every criterion ends at the same level."""
    rng = np.random.default_rng(43)
    for table, measure in MEASURES.items():
        frame, parts = results.tables[table], []
        last = (frame["iteration"] == LAST[table]) & (frame["phase"] == "retrained")
        frame.loc[last & frame["criterion"].isin(criteria), measure] = 0.2
        for phase in phases:
            for criterion in criteria:
                rows = frame[last & (frame["criterion"] == criterion)]
                noise = np.exp(0.01 * rng.standard_normal(len(rows)))
                parts.append(rows.assign(**{"phase": phase, measure: 0.2 * RATIOS[phase][criterion] * noise}))
        if unpruned:
            rows = frame[last & (frame["criterion"] == criteria[0])]
            parts.append(rows.assign(**{"criterion": "unpruned", measure: 0.2 * UNPRUNED}))
        frame = pd.concat([frame, *parts], ignore_index=True)
        results.tables[table] = frame.sample(frac=1, random_state=3).reset_index(drop=True)
    return results


@pytest.fixture
def good(tmp_path):
    return add(good_results(tmp_path))


def own(results, criteria=CRITERIA):
    """The table of our claims, by experiment, claim and criterion."""
    table = judge(results, claims_of(results, criteria))
    names = table["claim"].str.removesuffix("_patches").str.removesuffix("_digits")
    return table.assign(claim=names).set_index(["experiment", "claim", "criterion"])


BELOW, ABOVE = "supported", "contradicted"
EXPECTED = {
    "architecture_is_worth_more": {"weight_magnitude": ABOVE, "variance_fi": BELOW, "random_units": ABOVE},
    "first_weights_do_better": {"weight_magnitude": ABOVE, "variance_fi": BELOW, "random_units": BELOW},
    "first_weights_suit_the_architecture": {
        "weight_magnitude": ABOVE,
        "variance_fi": ABOVE,
        "random_units": BELOW,
    },
    "architecture_does_better_than_the_whole": {
        "weight_magnitude": ABOVE,
        "variance_fi": BELOW,
        "random_units": ABOVE,
    },
    "architecture_is_better_than_chance": {"weight_magnitude": ABOVE, "variance_fi": BELOW},
}


@pytest.mark.parametrize("experiment", EXPERIMENTS.values())
def test_each_claim_is_decided_by_its_own_numbers(good, experiment):
    found = own(good).loc[experiment]
    assert {claim: found.loc[claim, "verdict"].to_dict() for claim in EXPECTED} == EXPECTED
    assert len(found) == sum(map(len, EXPECTED.values()))
    ratio = found.loc["architecture_is_worth_more"].loc["variance_fi"]
    assert ratio["estimate"] == pytest.approx(0.7, rel=0.01) and ratio["n"] == len(SEEDS)
    assert found.loc["first_weights_do_better"].loc["weight_magnitude", "estimate"] == pytest.approx(1.3, rel=0.01)
    suits = found.loc["first_weights_suit_the_architecture"].loc["variance_fi", "estimate"]
    assert suits == pytest.approx(0.8 / 0.7, rel=0.02)
    whole = found.loc["architecture_does_better_than_the_whole"].loc["variance_fi", "estimate"]
    assert whole == pytest.approx(0.7 / UNPRUNED, rel=0.02)
    chance = found.loc["architecture_is_better_than_chance"].loc["variance_fi"]
    assert chance["estimate"] == pytest.approx(0.7 / 1.1, rel=0.02)
    assert "random_units" in chance["measured"] and "random_weights" not in chance["measured"]


def test_criteria_stand_in_the_order_of_the_study(good):
    found = own(good, CRITERIA[::-1]).reset_index()
    mine = found[(found["experiment"] == "patches") & (found["claim"] == "architecture_is_worth_more")]
    assert mine["criterion"].tolist() == CRITERIA[::-1]


def test_a_study_without_controls_has_none_of_them(tmp_path):
    assert claims_of(good_results(tmp_path), CRITERIA) == ()
    assert claims_of(add(good_results(tmp_path), phases=()), CRITERIA) == ()


@pytest.mark.parametrize("phase", ["rewind", "scratch"])
def test_one_control_has_the_claims_that_need_no_other(tmp_path, phase):
    names = {claim.name.rpartition("_")[0] for claim in claims_of(add(good_results(tmp_path), [phase]), CRITERIA)}
    needs_both = {"first_weights_suit_the_architecture"}
    assert names == (
        {"first_weights_do_better"} if phase == "rewind" else {*EXPECTED} - needs_both - {"first_weights_do_better"}
    )


def test_what_is_compared_with_and_is_not_there(tmp_path):
    results = add(good_results(tmp_path), criteria=CRITERIA[:2], unpruned=False)
    found = own(results).loc["patches"]
    whole, chance = (
        found.loc[f"architecture_{name}"] for name in ("does_better_than_the_whole", "is_better_than_chance")
    )
    assert set(whole["reason"]) == {"criterion unpruned is not in this study"}
    assert set(chance["reason"]) == {"no control scratch of random_weights or random_units to compare with"}


def test_samples_that_miss_the_data_decide_nothing(good):
    good.tables["metrics"]["kl_exact"] = np.nan
    assert own(good).loc[["patches"], "reason"].str.contains("of the data are patterns that no sample shows").all()


def test_they_are_a_family_of_their_own(good, tmp_path):
    """The paper's p-values are what they are without controls, and ours are corrected for our tests alone."""
    claims = claims_of(good, CRITERIA)
    together, papers = judge(good, (*CLAIMS, *claims)), judge(good, CLAIMS)
    mine = together[together["origin"] == OF_PAPER].reset_index(drop=True)
    assert mine.equals(papers) and set(together["origin"]) == {OF_PAPER, OF_CONTROLS}
    ours = together[together["origin"] == OF_CONTROLS]
    n_tests = sum(map(len, EXPECTED.values()))
    assert ours["p_corrected"].min() == pytest.approx(n_tests / 2 ** len(SEEDS))


def test_the_page_says_that_they_are_not_the_papers(good):
    table = judge(good, (*CLAIMS, *claims_of(good, CRITERIA)))
    text = as_markdown(table, "Study x.", {"variance_fi": "Variance FI"})
    heads = [line for line in text.split("\n") if line.startswith("## ")]
    assert heads[2:] == [f"## Controls: what architectures are worth on the {name}" for name in EXPERIMENTS.values()]
    assert text.count("These claims are not the paper's.") == 2
    assert "Variance FI" in text and " variance_fi" not in text.split(heads[2])[1]
