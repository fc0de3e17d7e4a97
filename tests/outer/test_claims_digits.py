"""Each claim about the digits: it holds where it must, fails where it must, and looks at the right numbers."""

import numpy as np
import pytest
from outer_claims import LAST, SEEDS, border_and_centre, good_results, scale, select

from boltzprune.claims import digits, digits_generation, judge
from boltzprune.claims.digits import _regions

CLAIMS = (*digits.CLAIMS, *digits_generation.CLAIMS)
END = {"iteration": 4, "phase": "retrained"}
FI_END = {"criterion": list(LAST), "iteration": 3, "phase": "retrained"}
FI = set(LAST)


@pytest.fixture
def good(tmp_path):
    return good_results(tmp_path)


def table_of(results, name):
    table = judge(results, CLAIMS)
    return table[table["claim"] == name].set_index("criterion")


def verdicts(results, name):
    return table_of(results, name)["verdict"].to_dict()


@pytest.mark.parametrize("name", [claim.name for claim in CLAIMS])
def test_holds(good, name):
    assert set(verdicts(good, name).values()) == {"holds"}


def metrics(column, factor, **where):
    """A change of the metrics."""
    return lambda results: scale(results.tables["digits_metrics"], column, factor, **where)


def put(column, value, **where):
    """The same, a value."""

    def change(results):
        table = results.tables["digits_metrics"]
        table[column] = table[column].astype(float)
        table.loc[select(table, **where), column] = value

    return change


def pixels(criterion, iteration):
    """Border and centre change places; of Anti-FI and others at the last iteration, of FI at the third."""

    def change(results):
        table = results.tables["digits_pixels"]
        mine = select(table, criterion=criterion, iteration=iteration)
        table.loc[mine, "disconnected"] = 0.6 - table.loc[mine, "disconnected"]

    return change


def share(value):
    """The share of one class of one seed."""

    def change(results):
        table = results.tables["digits_classes"]
        table.loc[select(table, phase="initial", seed=SEEDS[4], digit=7), "share"] = value

    return change


def baseline(value):
    """Error of raw pixels."""

    def change(results):
        table = results.tables["digits_references"]
        table.loc[table["reference"] == "raw", "error"] = value

    return change


W, R, A, U = "weight_magnitude", "random_weights", "anti_fi", "random_units"
SPOILED = [
    ("encodings_beat_raw_pixels", baseline(0.04), {""}),
    ("encodings_beat_raw_pixels", metrics("encoding_error", 3, phase="initial"), {""}),
    ("weight_magnitude_keeps_error_low", metrics("encoding_error", 1.8, criterion=W, **END), {W}),
    ("weight_magnitude_keeps_units", metrics("n_units_2", 0.97, criterion=W, **END), {W}),
    ("weight_magnitude_keeps_units", metrics("n_units_1", 0.95, criterion=W, **END), {W}),
    ("anti_fi_collapses", put("encoding_error", 0.09, criterion=A, iteration=1, phase="retrained"), {A}),
    ("anti_fi_ends_near_chance", put("encoding_error", 0.75, criterion=A, **END), {A}),
    (
        "heuristic_fi_beats_raw_pixels_for_long",
        put("encoding_error", 0.11, criterion="heuristic_fi", iteration=2),
        None,
    ),
    ("heuristic_fi_beats_raw_pixels_for_long", put("encoding_error", 0.11, phase="initial"), {"heuristic_fi"}),
    ("heuristic_fi_beats_raw_pixels_for_long", put("n_weights", 101.0, iteration=3), {"heuristic_fi"}),
    ("fisher_disconnects_the_border", pixels(list(LAST), 3), FI),
    ("anti_fi_disconnects_the_centre", pixels(A, 4), {A}),
    ("at_most_one_pixel_disconnected", put("n_visible_connected", 75.0, criterion=R, seed=SEEDS[9], **END), {R}),
    ("at_most_one_pixel_disconnected", put("n_visible_connected", 75.0, criterion=W, seed=SEEDS[0], **END), {W}),
    ("h2_shrinks_faster", put("n_units_1", 20.0, **FI_END), FI),
    ("h1_activity_at_start", put("activity_1", 0.44, phase="initial", seed=SEEDS[2]), {""}),
    ("h1_activity_at_start", put("activity_1", 0.36, phase="initial", seed=SEEDS[3]), {""}),
    ("h2_activity_at_start", put("activity_2", 0.0005, phase="initial", seed=SEEDS[2]), {""}),
    ("h2_activity_at_start", put("activity_2", 0.019, phase="initial", seed=SEEDS[2]), {""}),
    ("generated_digits_spread_over_classes", share(0.06), {""}),
    ("generated_digits_spread_over_classes", share(0.19), {""}),
    ("quality_falls_most_under_anti_fi", put("quality_mean", 0.7, criterion=A, **END), {A}),
    *[
        ("quality_falls_most_under_anti_fi", put("quality_mean", 0.2, criterion=c, iteration=k, phase="retrained"), {A})
        for c, k in [(W, 4), (R, 4), (U, 4), ("variance_fi", 3), ("heuristic_fi", 3)]
    ],
    ("quality_falls_most_under_anti_fi", put("quality_mean", 0.29, phase="initial"), {A}),
    ("quality_falls_next_under_random_pruning", put("quality_mean", 0.9, criterion=U, **END), {U}),
    *[
        ("quality_falls_next_under_random_pruning", put("quality_mean", 0.5, criterion=c, iteration=k), {R, U})
        for c, k in [(W, 4), ("variance_fi", 3), ("heuristic_fi", 3)]
    ],
    *[("diversity_falls_most_under_fisher", put("diversity", 1.1, criterion=c, **END), FI) for c in (W, R, A, U)],
    ("diversity_falls_most_under_fisher", put("diversity", 1.1, phase="initial"), FI),
    ("diversity_falls_most_under_fisher", put("diversity", 2.1, **FI_END), FI),
    ("rise_of_h1_marks_best_size", put("activity_1", 0.1, phase="retrained"), FI),
    ("rise_of_h1_marks_best_size", put("activity_1", 0.1, phase="retrained", iteration=2), FI),
    ("rise_of_h1_marks_best_size", put("encoding_error", 0.001, phase="initial"), FI),
    ("rise_of_h2_marks_best_size", put("encoding_error", 0.001, phase="retrained", iteration=2), FI),
]


@pytest.mark.parametrize(("name", "change", "failing"), SPOILED, ids=[f"{i}-{s[0]}" for i, s in enumerate(SPOILED)])
def test_fails(good, name, change, failing):
    change(good)
    found = verdicts(good, name)
    assert {c for c, verdict in found.items() if verdict == "fails"} == (failing or set(found))
    assert set(found.values()) <= {"holds", "fails"}


def test_every_claim_fails_somewhere():
    assert {name for name, *_ in SPOILED} == {claim.name for claim in CLAIMS}


def test_quality_that_ties_does_not_fall_more(good):
    table = good.tables["digits_metrics"].set_index("seed")
    anti, random = (select(table, criterion=c, **END) for c in (A, R))
    table.loc[anti, "quality_mean"] = table[random]["quality_mean"].reindex(table[anti].index)
    good.tables["digits_metrics"] = table.reset_index()
    assert verdicts(good, "quality_falls_most_under_anti_fi") == {A: "fails"}


def test_the_iteration_asked_for_is_taken_or_the_last_before_it(good):
    assert table_of(good, "h2_shrinks_faster")["value"].to_dict() == pytest.approx(
        dict.fromkeys(LAST, 190 / 211 - 123 / 307)
    )
    table = good.tables["digits_metrics"]
    good.tables["digits_metrics"] = table[table["iteration"] < 3]
    found = table_of(good, "h2_shrinks_faster")["value"]
    assert found.to_dict() == pytest.approx(dict.fromkeys(LAST, 100 / 211 - 300 / 307))
    good.last_iterations.clear()
    good.tables["digits_metrics"] = table
    assert set(verdicts(good, "h2_shrinks_faster").values()) == {"fails"}


def test_heuristic_fi_that_never_shrinks_enough_is_not_testable(good):
    put("encoding_error", 0.06, phase="retrained")(good)
    assert verdicts(good, "heuristic_fi_beats_raw_pixels_for_long") == {"heuristic_fi": "holds"}  # 20 times, all below
    table = good.tables["digits_metrics"]
    good.tables["digits_metrics"] = table[table["iteration"] < 3]
    found = table_of(good, "heuristic_fi_beats_raw_pixels_for_long").loc["heuristic_fi"]
    assert found["verdict"] == "not testable"
    assert found["value"] == pytest.approx(1000 / 150)
    assert "6.67 times" in found["reason"]
    good.tables["digits_metrics"]["encoding_error"] *= 2
    assert verdicts(good, "heuristic_fi_beats_raw_pixels_for_long") == {"heuristic_fi": "fails"}


def test_the_first_time_above_the_baseline_counts(good):
    put("encoding_error", 0.11, criterion="heuristic_fi", iteration=1, phase="retrained")(good)
    found = table_of(good, "heuristic_fi_beats_raw_pixels_for_long").loc["heuristic_fi"]
    assert found["value"] == pytest.approx(2.5)
    assert "11 of 11" in found["measured"]


@pytest.mark.parametrize(("n_bad", "verdict"), [(5, "holds"), (6, "fails")])
def test_heuristic_fi_goes_by_the_majority_of_seeds(good, n_bad, verdict):
    put("encoding_error", 0.11, criterion="heuristic_fi", iteration=1, phase="retrained", seed=SEEDS[:n_bad])(good)
    assert verdicts(good, "heuristic_fi_beats_raw_pixels_for_long") == {"heuristic_fi": verdict}


@pytest.mark.parametrize(("n_bad", "verdict"), [(5, "holds"), (6, "fails")])
def test_a_rise_goes_by_the_majority_of_seeds(good, n_bad, verdict):
    put("activity_2", 0.001, criterion="variance_fi", phase="retrained", seed=SEEDS[:n_bad])(good)
    found = table_of(good, "rise_of_h2_marks_best_size")
    assert found["verdict"].to_dict() == {"variance_fi": verdict, "heuristic_fi": "holds"}
    assert found.loc["variance_fi", "value"] == pytest.approx(1 - n_bad / 11)
    assert f"1 ({11 - n_bad}), none ({n_bad})" in found.loc["variance_fi", "measured"]


def test_a_rise_after_two_iterations_is_not_testable(good):
    good.last_iterations.update(dict.fromkeys(LAST, 2))
    assert set(verdicts(good, "rise_of_h1_marks_best_size").values()) == {"not testable"}


@pytest.mark.parametrize(("value", "verdict"), [(0.8, "holds"), (0.79, "fails")])
def test_chance_is_one_over_the_classes(good, value, verdict):
    put("encoding_error", value + 1e-9, criterion=A, **END)(good)
    assert verdicts(good, "anti_fi_ends_near_chance") == {A: verdict}
    classes = good.tables["digits_classes"]
    good.tables["digits_classes"] = classes[classes["digit"] < 5]
    assert verdicts(good, "anti_fi_ends_near_chance") == {A: "holds"}


@pytest.mark.parametrize("shape", [(11, 7), (20, 20), (8, 8), (7, 11)])
def test_border_and_centre(shape):
    border, centre = (mask.reshape(shape) for mask in _regions(shape))
    for mask in (border, centre):
        assert np.array_equal(mask, mask[::-1]) and np.array_equal(mask, mask[:, ::-1])
    if shape == (11, 7):
        assert [m.ravel().tolist() for m in (border, centre)] == [m.tolist() for m in border_and_centre()]
    if shape == (20, 20):
        assert np.array_equal(np.flatnonzero(centre.any(axis=0)), np.arange(5, 15))
        assert (~border).sum() == 16 * 16


def test_pixels_by_hand(good):
    found = table_of(good, "fisher_disconnects_the_border").loc["variance_fi"]
    assert (found["value"], found["n"]) == (pytest.approx(5), 11)
    border, _ = border_and_centre()
    weight = np.where(border, 0.5, 0.1)
    on = np.sum(weight * np.where(border, 0, 7 / 13)) / np.sum(weight)
    assert f"data are on at {100 * on:.3g} % of them" in found["measured"]


def test_no_pixel_disconnected_fails(good):
    good.tables["digits_pixels"]["disconnected"] = 0.0
    assert set(verdicts(good, "fisher_disconnects_the_border").values()) == {"fails"}
    assert verdicts(good, "anti_fi_disconnects_the_centre") == {A: "fails"}


def test_a_missing_pixel_is_not_testable(good):
    table = good.tables["digits_pixels"]
    good.tables["digits_pixels"] = table[table["pixel"] != 76]
    assert set(verdicts(good, "fisher_disconnects_the_border").values()) == {"not testable"}


def test_numbers_of_the_quality_row(good):
    found = table_of(good, "quality_falls_most_under_anti_fi").loc[A]
    assert found["value"] == pytest.approx(0.6, abs=0.02)
    assert found["p"] == pytest.approx(1 / 2**11)
    assert found["p_corrected"] == pytest.approx(10 / 2**11)
    assert (found["n"], found["effect"]) == (11, 1)
