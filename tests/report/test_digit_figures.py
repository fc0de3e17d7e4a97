"""Figures of the digits: tables by hand; what is drawn is what the tables say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from digit_figures import LAST, axes_titled, bars, drawn, small_study, tables
from matplotlib.patches import Rectangle

from boltzprune.report.figures import curves, fig3, tiles


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return small_study(tmp_path_factory.mktemp("digits"))


def rows(study, name, phase, last=9):
    """Metrics of the initial machines and of one chain, in the order of iterations."""
    frame = study.tables["digits_metrics"]
    mine = (frame["criterion"] == name) & (frame["phase"] == phase) & (frame["iteration"] <= last)
    return frame[mine | (frame["phase"] == "initial")].groupby("iteration")


@pytest.mark.parametrize(
    ("name", "panel", "measures", "phases"),
    [
        ("fig3", "b.csv", ["encoding_error"], ["retrained"]),
        ("s2a", "a.csv", ["encoding_error"], ["retrained"]),
        ("s1", "c.csv", ["encoding_error"], ["retrained"]),
        ("s1", "a.csv", ["activity_1"], ["retrained"]),
        ("s1", "b.csv", ["activity_2"], ["retrained"]),
        ("fig3", "c.csv", ["n_units_1", "n_units_2", "n_weights_1", "n_weights_2"], ["pruned", "retrained"]),
        ("fig4", "a.csv", ["quality_mean", "quality_class_mean"], ["pruned", "retrained"]),
        ("s2b", "b.csv", ["diversity"], ["pruned", "retrained"]),
    ],
)
def test_means_and_deviations_over_seeds(small, name, panel, measures, phases):
    table, frame = tables(small, name)[panel], small.tables["digits_metrics"]
    measured = table[(table["phase"] != "reference") & table["measure"].isin(measures)]
    assert len(measured) == len(measures) * (1 + 3 * 3 * len(phases) + 3)  # of the control, three
    assert set(measured["phase"]) == {"initial", *phases}
    for row in measured.to_dict("records"):
        keys = ["criterion", "iteration", "phase"]
        same = frame[(frame[keys] == [row[key] for key in keys]).all(axis=1)]
        values, weights = same[row["measure"]], same["n_weights"]
        expected = [values.mean(), np.std(values, ddof=1), weights.mean(), np.std(weights, ddof=1), 5]
        assert [row[key] for key in ("mean", "sd", "n_weights_mean", "n_weights_sd", "n")] == pytest.approx(expected)


def test_references(small):
    found = {}
    for name, panel in (("fig3", "b.csv"), ("fig4", "a.csv"), ("fig4", "b.csv"), ("s1", "c.csv")):
        table = tables(small, name)[panel]
        part = table[table["phase"] == "reference"]
        found[name, panel] = {(row["measure"], row["criterion"]): row["mean"] for row in part.to_dict("records")}
    assert found["fig3", "b.csv"] == found["s1", "c.csv"] == {("encoding_error", "raw"): 0.081}
    qualities = {("quality_mean", "test_digits"): 0.9, ("quality_mean", "random_patterns"): 0.61}
    qualities |= {("quality_class_mean", "test_digits"): 0.88, ("quality_class_mean", "random_patterns"): 0.45}
    assert found["fig4", "a.csv"] == qualities
    diversity = {"test_digits": np.log(3) - 0.003, "random_patterns": 1.1, "even": np.log(3)}
    assert found["fig4", "b.csv"] == pytest.approx({("diversity", name): value for name, value in diversity.items()})
    assert set(tables(small, "fig3")["b.csv"]["n_test"]) == {499}


def test_first_digit_of_each_class(small):
    table = tables(small, "fig3")["a.csv"]
    assert table["digit"].drop_duplicates().tolist() == [0, 1, 2]
    for digit, part in table.groupby("digit"):
        first = small.labels.tolist().index(digit)
        assert set(part["image"]) == {first}
        assert part["value"].tolist() == small.images[first].tolist()
        assert (part["y"] * 7 + part["x"]).tolist() == list(range(77))
        assert part["x"].max() == 6


def test_digits_and_machine_are_drawn(small):
    made = drawn(small, "fig3")
    shown = axes_titled(made, "One image of each class, 11 × 7 pixels").images[0].get_array()
    firsts = [small.images[small.labels.tolist().index(digit)].reshape(11, 7) for digit in range(3)]
    assert (np.asarray(shown) == np.hstack(firsts)).all()
    (sketch,) = (axes for axes in made.axes if any("classifier" in text.get_text() for text in axes.texts))
    texts = {text.get_text() for text in sketch.texts}
    initial = rows(small, "none", "initial").mean(numeric_only=True).iloc[0]
    assert {"v: 77 pixels", "h1: 77 units", "h2: 130 units", "classifier\n3 classes"} <= texts
    assert {
        f"receptive fields\n{initial['n_weights_1']:,.0f} weights",
        f"all to all\n{initial['n_weights_2']:,.0f} weights",
    } <= texts


@pytest.mark.parametrize(("n_weights", "what"), [(77 * 13, "all to all"), (77 * 13 - 1, "receptive fields")])
def test_the_sketch_says_whether_h1_sees_the_whole_image(n_weights, what):
    sizes = {"n_units_1": 13, "n_units_2": 5, "n_weights_1": n_weights, "n_weights_2": 65}
    axes = plt.figure().add_subplot()
    fig3._draw_machine(axes, np.zeros((11, 7)), 3, sizes)
    assert f"{what}\n{n_weights:,} weights" in {text.get_text() for text in axes.texts}
    boxes = [patch for patch in axes.patches if type(patch) is Rectangle and patch.get_linewidth() == 1.2]
    whole = max(patch.get_height() for patch in axes.patches if type(patch) is Rectangle)
    assert {box.get_height() == pytest.approx(whole) for box in boxes} == {what == "all to all"}
    plt.close("all")


@pytest.mark.parametrize(("name", "how"), [("fig3", {"last_iterations": LAST}), ("s2a", {})])
def test_error_and_units_against_weights(small, name, how):
    made = drawn(small, name, **how)
    for title, measure, scale in (
        ("Error of the classifier", "encoding_error", 100),
        ("Units of h1", "n_units_1", 1),
        ("Units of h2", "n_units_2", 1),
    ):
        axes = axes_titled(made, title)
        for criterion, label in small.spec(name)["criteria"].items():
            chain = rows(small, criterion, "retrained", how.get("last_iterations", {}).get(criterion, 9))
            x, y, (x_half, y_half) = bars(axes, label)
            assert x == pytest.approx(chain["n_weights"].mean().to_numpy())
            assert y == pytest.approx(scale * chain[measure].mean().to_numpy())
            assert x_half[:, 0] == pytest.approx(chain["n_weights"].std(ddof=1).to_numpy())
            assert y_half[:, 1] == pytest.approx(scale * chain[measure].std(ddof=1).to_numpy())
        x, y, _ = bars(axes, "initial machine")
        assert len(x) == 1
        assert y == pytest.approx(scale * rows(small, "none", "initial")[measure].mean().to_numpy())
    axes = axes_titled(made, "Error of the classifier")
    assert axes.get_xscale() == axes.get_yscale() == "log"
    (raw,) = (line for line in axes.lines if line.get_label() == "raw pixels")
    assert raw.get_ydata() == pytest.approx([8.1, 8.1])
    assert raw.get_linestyle() == ":"


@pytest.mark.parametrize(("name", "last"), [("fig3", LAST), ("s2a", {})])
def test_maps_of_disconnected_pixels(small, name, last):
    made, table = drawn(small, name, last_iterations=last), small.tables["digits_pixels"]
    for criterion, label in small.spec(name)["criteria"].items():
        iteration = last.get(criterion, 3)
        axes = axes_titled(made, label.split()[0], f"\niteration {iteration}")
        values = table[(table["criterion"] == criterion) & (table["iteration"] == iteration)]["disconnected"]
        image = axes.images[0]
        assert np.asarray(image.get_array()) == pytest.approx(values.to_numpy().reshape(11, 7))
        assert image.to_rgba(1.0) == (0, 0, 0, 1)  # all seeds: black
        assert image.to_rgba(0.0) == (1, 1, 1, 1)
        assert image.get_clim() == (0, 1)


@pytest.mark.parametrize("quality", ["mean", "class_mean"])
def test_quality_and_diversity(small, quality):
    made = drawn(small, "fig4", last_iterations=LAST, quality=quality)
    for title, measure in (("Winning probability", f"quality_{quality}"), ("Entropy", "diversity")):
        axes = axes_titled(made, title)
        curves = [container[0] for container in axes.containers]
        dashed = [line for line in curves if line.get_linestyle() == "--"]
        aside = 1.015 ** np.arange(-1, 2)  # three criteria beside each other
        for criterion, label in small.spec("fig4")["criteria"].items():
            last = LAST.get(criterion, 9)
            x, y, (_, half) = bars(axes, label)
            factor, *aside = aside
            after, before = (rows(small, criterion, phase, last) for phase in ("retrained", "pruned"))
            assert x == pytest.approx(factor * after["n_weights"].mean().to_numpy())
            assert y == pytest.approx(after[measure].mean().to_numpy())
            assert half[:, 1] == pytest.approx(after[measure].std(ddof=1).to_numpy())
            line = dashed.pop(0)
            assert line.get_ydata() == pytest.approx(before[measure].mean().to_numpy())
            assert line.get_color() == small.spec("fig4")["colours"][criterion]
        lines = {line.get_label(): line.get_ydata()[0] for line in axes.lines if not line.get_label().startswith("_")}
        row = small.tables["digits_references"].set_index("reference")
        assert lines["test digits"] == row.loc["test_digits", measure]
        other = {"random patterns": row.loc["random_patterns", measure]}
        other = other if title.startswith("W") else {"even over 3 classes": np.log(3)}
        assert lines == {"test digits": lines["test digits"]} | other


@pytest.mark.parametrize(("name", "last"), [("fig4", LAST), ("s2b", {})])
def test_examples(small, name, last):
    made = drawn(small, name, last_iterations=last)
    table = small.tables["digits_examples"]
    shown = {"none": ("Initial machine, seed 0", 0)}
    shown |= {key: (label, last.get(key, 3)) for key, label in small.spec(name)["criteria"].items()}
    for criterion, (label, iteration) in shown.items():
        axes = axes_titled(made, label, *([f"iteration {iteration}"] if iteration else []))
        mine = table[(table["criterion"] == criterion) & (table["iteration"] == iteration)]
        images = [np.array(list(pattern), int).reshape(11, 7) for pattern in mine.sort_values("sample")["pattern"]]
        assert len(images) == 10
        assert (np.asarray(axes.images[0].get_array()) == np.hstack(images)).all()


def test_examples_of_one_seed_after_retraining_in_the_order_of_samples(small):
    frames = tables(small, "fig4")
    others = [frames["c.csv"].assign(seed=1, pattern="1" * 77)]
    others += [frames["c.csv"].query("phase == 'retrained'").assign(phase="pruned", pattern="1" * 77)]
    shuffled = pd.concat([*others, frames["c.csv"]]).sample(frac=1, random_state=7)
    one, same = (drawn(small, "fig4", frames | {"c.csv": table}) for table in (frames["c.csv"], shuffled))
    for a, b in zip(one.axes, same.axes):
        for left, right in zip(a.images, b.images):
            assert (left.get_array() == right.get_array()).all()


def test_mosaic():
    images = np.arange(3 * 2 * 5).reshape(3, 2, 5)
    whole = tiles.mosaic(images, 2)
    assert whole.shape == (4, 10)
    assert (whole[:2, 5:] == images[1]).all()
    assert (whole[2:, :5] == images[2]).all()
    assert (whole[2:, 5:] == 0).all()


def marked(axes, marker):
    return [line for line in axes.lines if line.get_marker() == marker and len(line.get_xdata()) == 1]


def test_signals_are_marked_where_the_activity_first_rises(small):
    frames = tables(small, "s1")
    activity = {1: [0.4, 0.3, 0.31, 0.5], 2: [0.01, 0.02, 0.005, 0.03]}
    for panel, layer in (("a.csv", 1), ("b.csv", 2)):
        frames[panel]["mean"] = [activity[layer][int(k)] for k in frames[panel]["iteration"]]
    signals = frames["stop_signals.csv"]
    signals["iteration_of_rise"] = signals["layer"].map({1: 2, 2: 1}).astype("Int64")
    signals["iteration_best"] = 3
    signals.loc[signals["criterion"] == "anti_fi", ["iteration_of_rise"]] = pd.NA
    made, colours = drawn(small, "s1", frames), small.spec("s1")["colours"]
    rings = {1: "o", 2: "s"}
    errors = axes_titled(made, "Error of the classifier")
    for layer, iteration in ((1, 2), (2, 1)):
        axes = axes_titled(made, f"Units of h{layer}")
        for name, place in (("variance_fi", 0), ("weight_magnitude", 1)):
            ring = marked(axes, rings[layer])[place]
            assert ring.get_markeredgecolor() == colours[name]
            assert ring.get_xdata()[0] == pytest.approx(iteration, abs=0.3)
            assert ring.get_ydata() == pytest.approx([activity[layer][iteration]])
            assert ring.get_xdata()[0] in bars(axes, small.spec("s1")["criteria"][name])[0]
        assert len(marked(axes, rings[layer])) == len(marked(errors, rings[layer])) == 2
    star = marked(errors, "*")[0]
    expected = rows(small, "variance_fi", "retrained")["encoding_error"].mean()
    assert star.get_ydata() == pytest.approx([100 * expected[3]])
    ring = marked(errors, "o")[0]
    assert ring.get_ydata() == pytest.approx([100 * expected[2]])
    assert [one.get_markerfacecolor() for one in marked(errors, "*")] == [colours[name] for name in colours]
    assert [one.get_markeredgecolor() for one in marked(errors, "o")] == [colours[name] for name in list(colours)[:2]]


def test_activity_over_iterations(small):
    made = drawn(small, "s1")
    for title, measure, scale in (
        ("of h1", "activity_1", 1),
        ("of h2", "activity_2", 1),
        ("Error", "encoding_error", 100),
    ):
        axes = axes_titled(made, title)
        for criterion, label in small.spec("s1")["criteria"].items():
            x, y, (half,) = bars(axes, label)
            chain = rows(small, criterion, "retrained")[measure]
            assert np.round(x).tolist() == [0, 1, 2, 3]
            assert y == pytest.approx(scale * chain.mean().to_numpy())
            assert half[:, 1] == pytest.approx(scale * chain.std(ddof=1).to_numpy())


def test_no_error_at_all_is_drawn_as_half_a_test_image(small):
    frames = tables(small, "fig3")
    frames["b.csv"].loc[frames["b.csv"]["criterion"] == "weight_magnitude", ["mean", "sd"]] = 0.0
    axes = axes_titled(drawn(small, "fig3", frames), "half a test image")
    _, y, _ = bars(axes, "Weight magnitude")
    assert y[1:] == pytest.approx([100 * 0.5 / 499] * 3)
    assert axes.get_ylim()[0] < y[1]


def test_a_spread_larger_than_the_mean_stays_above_zero():
    mean, bars_ = curves.on_log_axis([4.0, 0.0, 3.0], [9.0, 0.0, np.nan], 0.5)
    assert mean.tolist() == [4, 0.5, 3]
    assert (mean - bars_[0] > 0).all()
    assert bars_[1].tolist() == [9, 0, 0]
