"""Figures of who survives as objects: each mark, cell and dash against the tables that it is of."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from digit_figures import assert_laid_out, bars, drawn, small_study, tables
from digit_tables import Digits
from patch_figures import PatchStudy, legend_entries, letters

from boltzprune.report.figures.survival import COLOURS

NAMES = {"survival_patches": ("", 1, (0,)), "survival_digits": ("digits_", 2, (0, 1))}
"""Figure -> prefix of its tables, layers of weights, layers whose units seeds share."""
LAST = 3


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    return {
        "survival_patches": PatchStudy(tmp_path_factory.mktemp("patches")),
        "survival_digits": small_study(tmp_path_factory.mktemp("digits")),
    }


@pytest.fixture(params=NAMES)
def shown(request, studies):
    """Name, study, figure."""
    return request.param, studies[request.param], drawn(studies[request.param], request.param)


def panel(made, letter, place):
    """The axes of a panel, of its first layer or the one beside it."""
    return made.axes[made.axes.index(letters(made)[letter]) + place]


def assert_curve(axes, study, frame, column, layer, iterations, scale):
    """Every criterion has its medians near their iterations, with quartiles."""
    for criterion, label in study.spec("")["criteria"].items():
        rows = frame[(frame["layer"] == layer) & frame["criterion"].isin([criterion, "none"])]
        values = [scale * rows.loc[rows["iteration"] == k, column].to_numpy(float) for k in iterations]
        x, y, _ = bars(axes, label)
        assert np.abs(np.asarray(x) - iterations).max() < 0.25
        assert y == pytest.approx([np.median(one) for one in values])
        [container] = (one for one in axes.containers if one.get_label() == label)
        ends = np.array(container[2][0].get_segments())[:, :, 1]
        assert ends == pytest.approx(np.array([np.quantile(one, [0.25, 0.75]) for one in values]))


@pytest.fixture(autouse=True)
def spec_of_any_figure(studies, monkeypatch):
    """Labels are those of every figure that shows criteria."""
    for name, study in studies.items():
        spec = study.spec(name)
        monkeypatch.setattr(study, "spec", lambda _, spec=spec: spec)


def test_curves_are_medians_and_quartiles_over_seeds(shown):
    name, study, made = shown
    prefix, n_layers, common = NAMES[name]
    survival, agreement = study.tables[f"{prefix}survival"], study.tables[f"{prefix}agreement"]
    for layer in range(1, n_layers + 1):
        whole = range(LAST + 1)
        assert_curve(panel(made, "A", layer - 1), study, survival, "share_weights", layer, whole, 100)
        assert_curve(panel(made, "B", layer - 1), study, survival, "share_units", layer, whole, 100)
    for layer in common:
        assert_curve(panel(made, "D", layer), study, agreement, "agreement", layer, range(1, LAST + 1), 1)


def test_cells_are_medians_of_the_last_iteration_for_both_orders_of_a_pair(shown):
    name, study, made = shown
    prefix, n_layers, _ = NAMES[name]
    overlap, criteria = study.tables[f"{prefix}overlap"], list(study.spec(name)["criteria"])
    for layer in range(1, n_layers + 1):
        axes = panel(made, "C", layer - 1)
        assert f"iteration {LAST}" in axes.get_title()
        assert [tick.get_text() for tick in axes.get_xticklabels()] == list(study.spec(name)["criteria"].values())
        numbers = [one for one in axes.texts if one.get_text() != "C"]
        written = {tuple(map(int, one.get_position()[::-1])): one.get_text() for one in numbers}
        rows = overlap[(overlap["layer"] == layer) & (overlap["iteration"] == LAST)]
        for i, one in enumerate(criteria):
            for j, other in enumerate(criteria[i:], i):
                value = rows[(rows["criterion"] == one) & (rows["other"] == other)]["overlap"].median()
                image = axes.images[0].get_array()
                assert image[i, j] == image[j, i] == pytest.approx(value)
                assert {written[i, j], written[j, i]} == {f"{value:.2f}".replace("-", "−")}


def test_a_pair_without_a_number_has_a_dash_and_counts_are_in_the_tables(studies, monkeypatch):
    name, study = "survival_digits", studies["survival_digits"]
    frames = tables(study, name)
    assert set(frames["a.csv"]["n"]) == set(frames["c.csv"]["n"]) == {5}
    gone = (frames["c.csv"]["criterion"] == "weight_magnitude") & (frames["c.csv"]["other"] == "anti_fi")
    frames["c.csv"].loc[gone, ["median", "q25", "q75"]] = np.nan
    frames["d.csv"] = frames["d.csv"].assign(n=0, median=np.nan, q25=np.nan, q75=np.nan)
    made = drawn(study, name, frames)
    for place in (0, 1):
        dashes = [one.get_position() for one in panel(made, "C", place).texts if one.get_text() == "–"]
        assert sorted(dashes) == [(1, 2), (2, 1)]
        assert "no two seeds to compare" in [one.get_text() for one in panel(made, "D", place).texts]
    assert_laid_out(made)


def test_rows_of_courses_that_have_ended_are_in_no_median(tmp_path):
    study = Digits(tmp_path, ["anti_fi"], iterations=2, seeds=3, shape=(5, 7), n_classes=2)
    survival = study.tables["digits_survival"]
    gone = (survival["seed"] == 1) & (survival["iteration"] == 2)
    survival.loc[gone, ["phase", "n_weights", "n_units"]] = ["ended", 0, 0]
    survival.loc[gone, ["share_weights", "share_units"]] = np.nan
    study.write()
    frame = tables(study, "survival_digits")["a.csv"]
    assert dict(zip(frame["iteration"], frame["n"])) == {0: 3, 1: 3, 2: 2}


def test_one_legend_has_the_criteria_once_and_says_how_many_seeds(shown):
    name, study, made = shown
    assert list(legend_entries(made)) == list(study.spec(name)["criteria"].values())
    [title] = [legend.get_title().get_text() for part in (made, *made.subfigs) for legend in part.legends]
    assert title == "median and quartiles, n = 5 seeds"
    assert_laid_out(made)


def test_chance_has_no_colour_and_the_signs_have_others():
    low, middle, high = (plt.get_cmap(COLOURS)(value) for value in (0.0, 0.5, 1.0))
    assert middle[:3] == pytest.approx((1, 1, 1), abs=0.01) and low != high
