"""The stop signal, on curves and on tables written by hand."""

import math

import pandas as pd
import pytest

from boltzprune.evaluation.activity import rise_beyond_error, stop_signal, stop_signals

NAN = math.nan
COLUMNS = [
    *("criterion", "layer", "iteration_of_rise", "n_seeds_rising", "n_seeds"),
    *("encoding_error_there", "encoding_error_best", "iteration_best"),
]


@pytest.mark.parametrize(
    ("activity", "expected"),
    [
        ([0.5, 0.4, 0.3, 0.35, 0.2, 0.6], 3),
        ([0.3, 0.4, 0.1], 1),
        ([0.5, 0.4, 0.4, 0.3], None),  # level is no rise
        ([0.5, 0.4, 0.4, 0.41], 3),
        ([0.5], None),
        ([], None),
        ([0.5, NAN, 0.4, 0.45], 3),
        ([0.1, NAN, 0.4], None),
    ],
)
def test_the_signal_is_the_first_iteration_above_the_one_before(activity, expected):
    assert stop_signal(activity) == expected
    assert stop_signal(pd.Series(activity, dtype=float)) == expected


@pytest.mark.parametrize(
    ("courses", "expected"),
    [
        ([[0.50, 0.40, 0.45], [0.60, 0.50, 0.54], [0.30, 0.20, 0.26]], 2),
        ([[0.50, 0.52, 0.55], [0.60, 0.59, 0.63], [0.30, 0.31, 0.35]], 2),  # 0.0067 (0.0088), then 0.0367 (0.0033)
        ([[0.50, 0.90], [0.60, 0.55], [0.30, 0.26]], None),  # one seed out of three, and that by much
        ([[0.50, 0.49, 0.50]], 2),  # one seed has no error
        ([[0.50, 0.40, 0.30], [0.60, 0.50, 0.40]], None),
        ([[0.50, NAN, 0.60], [0.60, 0.70, 0.80]], None),
        ([[0.50], [0.60]], None),
    ],
)
def test_a_rise_counts_once_it_exceeds_its_error(courses, expected):
    table = pd.DataFrame(courses).T
    assert rise_beyond_error(table) == expected
    assert rise_beyond_error(table[table.columns[::-1]]) == expected


def row(criterion, iteration, phase, seed, activity_1, activity_2, error):
    """One row of digits_metrics, with what matters here."""
    return {
        "criterion": criterion, "iteration": iteration, "phase": phase, "seed": seed,
        "encoding_error": error, "activity_1": activity_1, "activity_2": activity_2,
    }  # fmt: skip


def metrics():
    """Two seeds, two criteria; rows in no order. Values of phase pruned would mislead."""
    rows = [
        row("none", 0, "initial", 3, 0.40, 0.10, 0.09),
        row("none", 0, "initial", 7, 0.50, 0.20, 0.11),
        row("variance_fi", 2, "retrained", 3, 0.37, 0.05, 0.16),
        row("variance_fi", 2, "retrained", 7, 0.38, 0.15, 0.18),
        row("variance_fi", 1, "retrained", 3, 0.35, 0.08, 0.05),
        row("variance_fi", 1, "retrained", 7, 0.35, 0.17, 0.07),
        row("variance_fi", 1, "pruned", 3, 0.99, 0.99, NAN),
        row("variance_fi", 1, "pruned", 7, 0.99, 0.99, NAN),
        row("anti_fi", 1, "retrained", 3, 0.41, 0.30, 0.70),
        row("anti_fi", 1, "retrained", 7, 0.48, 0.37, 0.80),
    ]
    return pd.DataFrame(rows)


def test_table_of_stop_signals():
    found = stop_signals(metrics())
    assert list(found.columns) == COLUMNS
    values = [[None if pd.isna(value) else value for value in entry] for entry in found.itertuples(index=False)]
    expected = [
        ["variance_fi", 1, 2, 2, 2, 0.17, 0.06, 1],  # by 0.02 and 0.03
        ["variance_fi", 2, None, 0, 2, None, 0.06, 1],
        ["anti_fi", 1, None, 1, 2, None, 0.10, 0],  # 0.45, 0.445
        ["anti_fi", 2, 1, 2, 2, 0.75, 0.10, 0],  # by 0.20 and 0.17
    ]
    for entry, right in zip(values, expected, strict=True):
        assert entry[:5] == right[:5] and entry[7] == right[7]
        assert entry[6] == pytest.approx(right[6])
        assert entry[5] is None if right[5] is None else entry[5] == pytest.approx(right[5])


def test_empty_fields_and_integers_in_the_file():
    text = stop_signals(metrics()).round(6).to_csv(index=False).splitlines()
    assert text[1] == "variance_fi,1,2,2,2,0.17,0.06,1"
    assert text[2] == "variance_fi,2,,0,2,,0.06,1"


def test_the_initial_machine_may_stand_in_the_rows_of_a_criterion():
    own = metrics().replace({"criterion": {"none": "variance_fi"}})
    pd.testing.assert_frame_equal(stop_signals(own), stop_signals(metrics()))


def test_a_seed_without_a_value_makes_no_rise():
    table = metrics()
    lost = (table["criterion"] == "anti_fi") & (table["seed"] == 7)
    missing = table.copy()
    missing.loc[lost, ["activity_2", "encoding_error"]] = NAN  # the layer lost its units
    for incomplete in (missing, table[~lost]):
        found = stop_signals(incomplete).query("criterion == 'anti_fi'").set_index("layer")
        assert found.loc[2, "n_seeds_rising"] == 1
    found = stop_signals(missing).query("criterion == 'anti_fi'").set_index("layer")
    assert pd.isna(found.loc[2, "iteration_of_rise"]) and found.loc[2, "n_seeds"] == 2
    assert found.loc[2, "iteration_best"] == 0 and found.loc[2, "encoding_error_best"] == pytest.approx(0.10)


def test_without_any_error_or_any_pruning():
    table = metrics()
    table["encoding_error"] = NAN
    found = stop_signals(table)
    assert found["encoding_error_best"].isna().all() and found["iteration_best"].isna().all()
    assert found["iteration_of_rise"].dropna().tolist() == [2, 1]
    nothing = stop_signals(metrics().query("phase == 'initial'"))
    assert list(nothing.columns) == COLUMNS and nothing.empty
