"""Published numbers: the list fits together, comparisons look at the same machines, marks stand where they belong."""

import importlib

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from digit_figures import axes_titled, drawn, small_study
from patch_figures import PatchStudy

from boltzprune.pruning.criteria import CRITERIA
from boltzprune.report import comparison, published
from boltzprune.report.figures import curves, module_of
from boltzprune.report.figures.style import RC, Look
from boltzprune.report.published import PUBLISHED, SOURCES, Value
from boltzprune.report.tables import table1
from boltzprune.results.tidy import TABLES
from boltzprune.study import jobs
from boltzprune.study.settings import DEFAULTS, study_from, study_of

PAPER = DEFAULTS.parent / "paper.yaml"


def test_the_list_names_known_things_and_nothing_twice():
    for value in PUBLISHED:
        assert value.source in SOURCES and value.table in TABLES and value.column in comparison.WORDS
        assert value.criterion in (*CRITERIA, "none", *comparison.BASELINES)
        assert value.low <= value.high and value.error >= 0
    keys = [(v.experiment, v.table, v.column, v.criterion, v.iteration, v.source) for v in PUBLISHED]
    assert len(set(keys)) == len(keys)


def test_curves_of_the_authors_fit_together():
    """What is known without them: a tenth of the weights goes each time, and units and weights only become fewer."""
    for criterion, read in published.DIGITS_RUN.items():
        assert all(len(numbers) == 10 for numbers in read.values())
        for column in ("n_weights", "n_units_1", "n_units_2"):
            numbers = [number for number in read[column] if number is not None]
            assert numbers == sorted(numbers, reverse=True), (criterion, column)
    assert published.KEPT_TENTHS[0] == 251_312 and published.KEPT_TENTHS[9] == 97_364
    full = published.DIGITS_RUN["variance_fi"]
    for iteration in range(10):  # weights h1-h2 need a unit at both ends
        assert full["n_weights"][iteration] <= 8836 + full["n_units_1"][iteration] * full["n_units_2"][iteration]
    units = [value for value in PUBLISHED if value.column == "n_hidden"]
    assert {(value.criterion, value.iteration): value.low for value in units}["random_weights", 2] == 68


# Comparison -----------------------------------------------------------------------------------------------------------

ABOUT = {"criterion": "variance_fi", "iteration": 2, "phase": "retrained"}
OTHERS = ({"criterion": "anti_fi"}, {"iteration": 3}, {"phase": "pruned"})
NOTHING_AGAINST = {f"{name}{more}": "" for name in SOURCES for more in ("", ", before pruning")}


def metrics(numbers, column="n_hidden", **other):
    """Metrics of seeds 5, 7, 11, ...; other machines have numbers that would decide otherwise."""
    rows = [{**ABOUT, **other, "seed": seed, column: number} for seed, number in zip((5, 7, 11, 13), numbers)]
    decoys = [{**ABOUT, **other, **one, "seed": 5, column: value} for one in OTHERS for value in (-99.0, 99.0)]
    return pd.DataFrame([*decoys, *rows])


def compared(monkeypatch, value, tables, reasons=None):
    monkeypatch.setattr(published, "PUBLISHED", (value,))
    [row] = comparison.compare(tables, {value.experiment: reasons or NOTHING_AGAINST}).to_dict("records")
    return row


@pytest.mark.parametrize(
    ("low", "high", "error", "numbers", "verdict"),
    [
        (50, 50, 0, (43, 47, 53), "inside"),
        (50, 50, 0, (43, 47, 50), "inside"),
        (50, 50, 0, (43, 47, 49), "outside"),
        (50, 50, 1, (43, 47, 49), "inside"),
        (50, 50, 1, (51, 53, 59), "inside"),
        (50, 50, 1, (52, 53, 59), "outside"),
        (0.37, 0.43, 0, (0.37, 0.41, 0.43), "inside"),
        (0.37, 0.43, 0, (0.36, 0.41, 0.43), "partly inside"),
        (0.37, 0.43, 0.02, (0.36, 0.41, 0.44), "inside"),
        (0.37, 0.43, 0, (0.31, 0.47), "outside"),
    ],
)
def test_verdicts(monkeypatch, low, high, error, numbers, verdict):
    value = Value("patches", "n_hidden", low, high, error, "patches run", "variance_fi", 2)
    row = compared(monkeypatch, value, {"metrics": metrics(numbers)})
    assert row["verdict"] == verdict
    assert (row["median"], row["smallest"], row["largest"], row["n"]) == (
        np.median(numbers),
        min(numbers),
        max(numbers),
        len(numbers),
    )
    assert (row["published_n"], row["source"], row["reason"]) == (1, "notebook", "")


def test_initial_machines_and_shares_of_digits(monkeypatch):
    rows = [("none", 0, "initial", seed, digit, 0.07 + 0.01 * digit) for seed in (3, 5) for digit in range(7)]
    rows.append(("none", 0, "initial", 3, 7, 0.2))
    table = pd.DataFrame(rows, columns=["criterion", "iteration", "phase", "seed", "digit", "share"])
    value = Value("digits", "share", 0.07, 0.18, 0.005, "text", table="digits_classes")
    row = compared(monkeypatch, value, {"digits_classes": table})
    assert (row["verdict"], row["n"], row["largest"]) == ("partly inside", 2, 0.2)
    row = compared(monkeypatch, value, {"digits_classes": table[table["digit"] < 7]})
    assert row["verdict"] == "inside"


def test_baselines(monkeypatch):
    table = pd.DataFrame({"reference": ["raw", "test_digits"], "error": [0.0838, 0.5], "diversity": [np.nan, 2.2996]})
    for name, column, low, error, verdict in (
        ("raw", "error", 0.0841, 0.0004, "inside"),
        ("raw", "error", 0.0841, 0.0002, "outside"),
        ("test_digits", "diversity", 2.3, 0.005, "inside"),
    ):
        value = Value("digits", column, low, low, error, "text", name, table="digits_references")
        assert compared(monkeypatch, value, {"digits_references": table})["verdict"] == verdict


def test_what_cannot_be_compared_has_its_reason(monkeypatch):
    value = Value("patches", "n_hidden", 50, 50, 0, "patches run", "variance_fi", 2)
    row = compared(monkeypatch, value, {"metrics": metrics((50,))}, NOTHING_AGAINST | {"patches run": "it is small"})
    assert (row["verdict"], row["reason"], row["median"]) == ("not compared", "it is small", 50)
    row = compared(monkeypatch, value, {"metrics": metrics((50,), criterion="random_units")})
    assert (row["verdict"], row["reason"], row["n"]) == ("not compared", "the study has no such machines", 0)
    assert comparison.compare({}, {}).empty


def test_which_studies_can_be_compared():
    paper = study_of([PAPER])
    found = comparison.differences("digits", paper.digits)
    assert found["text"] == found["digits run, before pruning"] == ""
    assert found["digits run"] == "pruning.fraction is [0.1, 0.25], behind the published number [0.1, 0.1]"
    assert set(comparison.differences("patches", paper.patches).values()) == {""}
    preprint = study_of([PAPER], {"preset": "preprint"})
    assert set(comparison.differences("digits", preprint.digits).values()) == {""}
    small = study_of([PAPER.with_name("digits-small.yaml")])
    assert set(comparison.differences("digits", small.digits).values()) == {
        "data.n_train is 10000, behind the published number None"
    }
    assert [comparison.of_size("digits", one.digits) for one in (paper, preprint, small)] == [True, True, False]
    assert not comparison.of_size("patches", study_from({}).patches)


def test_jobs_are_told_whether_to_show_them():
    shown = study_of([PAPER])
    for study, expected in ((shown, True), (study_from({}), False)):
        for name in ("fig1", "fig3", "fig4", "s1", "s2a", "s2b"):
            assert f'"published": {str(expected).lower()}' in jobs.figure_job(study, name)["spec"]
        assert f'"published": {str(expected).lower()}' in jobs.table_job(study, "table1")["spec"]
    others = jobs.figure_job(shown, "fig2")["spec"] + jobs.table_job(shown, "per_digit")["spec"]
    assert '"published":' not in others


def test_the_page_has_numbers_verdicts_reasons_and_sources():
    table = metrics((62, 50, 41)).assign(eigenvalue_1=30.0)
    table = pd.concat(
        [
            table,
            pd.DataFrame([{"criterion": "none", "iteration": 0, "phase": "initial", "seed": 5, "eigenvalue_1": 31.5}]),
        ]
    )
    reasons = NOTHING_AGAINST | {"digits run": "not alike"}
    found = comparison.compare({"metrics": table}, {"patches": reasons, "digits": reasons})
    text = "\n".join(comparison.page(found[found["experiment"] == "patches"], {"variance_fi": "Variance FI"}))
    assert "| hidden units | Variance FI, iteration 2 | 50 (notebook) | 50 (41 to 62) | 3 | **inside** |" in text
    assert (
        "| largest eigenvalue of the FIM | before pruning | 23.97 ± 0.005 (text, Figure 1) | 31.5 | 1 | **outside** |"
        in text
    )
    assert "4 numbers: 3 inside, 1 outside." in text
    assert "Not compared, 16 numbers: the study has no such machines." in text
    assert "CIFAR_RBM.ipynb" in text and "MNIST_DBM.ipynb" not in text
    text = "\n".join(comparison.page(found[found["experiment"] == "digits"], {}))
    assert "Not compared, 241 numbers: not alike. They are in `published.csv`." in text
    assert comparison.page(found[:0], {}) == []


# Tables and figures ---------------------------------------------------------------------------------------------------


def test_table_1_has_the_run_of_the_authors_below_each_criterion():
    rows = [
        (name, k, "retrained", seed, 60 - k + seed, 500)
        for name in ("anti_fi", "random_units")
        for k in (1, 2, 3, 4)
        for seed in (0, 1)
    ]
    frame = pd.DataFrame(rows, columns=["criterion", "iteration", "phase", "seed", "n_hidden", "n_weights"])
    table = table1.remaining_units(frame, {"random_units": "Random units", "anti_fi": "Anti-FI"})
    for text, cell in ((table1.as_markdown(table, "", True), "| {} |"), (table1.as_latex(table, "", True), r"{} \\")):
        line = cell.format(
            (" | " if cell[0] == "|" else " & ").join(["Anti-FI, one run of the authors", "57", "49", "35", "-"])
        )
        lines = text.splitlines()
        assert lines[lines.index(line) - 1].lstrip("| ").startswith("Anti-FI")
        assert text.count("of the authors") == 1
    assert "authors" not in table1.as_markdown(table, "") + table1.as_latex(table, "")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return small_study(tmp_path_factory.mktemp("digits"))


def open_marks(axes):
    """Colour -> x and y of the open marks without a line."""
    found = {}
    for line in axes.lines:
        if line.get_markerfacecolor() == "none" and line.get_linestyle() == "None" and line.get_marker() in "oD":
            found[line.get_markeredgecolor()] = np.array(line.get_data())
    return found


@pytest.mark.parametrize(
    ("name", "words", "column", "scale"),
    [
        ("fig3", ["Error of the classifier"], "encoding_error", 100),
        ("fig3", ["Units of h1"], "n_units_1", 1),
        ("fig3", ["Units of h2"], "n_units_2", 1),
        ("s2a", ["Units of h2"], "n_units_2", 1),
        ("fig4", ["Winning probability"], "quality_class_mean", 1),
    ],
)
def test_open_marks_stand_at_the_numbers_in_the_colour_of_their_criterion(small, name, words, column, scale):
    spec = small.spec(name)
    made = drawn(small, name, published=True, quality="class_mean")
    axes = axes_titled(made, *words)
    marks = open_marks(axes)
    for criterion, colour in spec["colours"].items():
        read = published.DIGITS_RUN[criterion]
        known = [k for k, number in enumerate(read[column]) if number is not None]
        assert marks[colour][0].tolist() == [read["n_weights"][k] for k in known]
        assert marks[colour][1] == pytest.approx([scale * read[column][k] for k in known])
    start = {"encoding_error": 4.91, "quality_class_mean": 0.8846}
    if column in start:
        assert marks["#222222"].ravel() == pytest.approx([279_236, start[column]])
    low, high = axes.get_ylim()
    assert all(low <= y <= high for data in marks.values() for y in data[1]) or column != "encoding_error"
    texts = [
        text.get_text() for figure in (made, *made.subfigs) for legend in figure.legends for text in legend.get_texts()
    ]
    assert curves.PUBLISHED_LABEL in texts
    assert not open_marks(axes_titled(drawn(small, name, quality="class_mean"), *words))


def test_quality_of_another_mean_has_no_marks(small):
    made = drawn(small, "fig4", published=True, quality="mean")
    assert not open_marks(axes_titled(made, "Winning probability"))


def test_ranges_of_activity_stand_at_the_start(small):
    made = drawn(small, "s1", published=True)
    for layer, low, high in (("h1", 0.37, 0.43), ("h2", 0.0006, 0.018)):
        axes = axes_titled(made, f"Units of {layer}")
        (range_,) = (one for one in axes.containers if one.get_label() == "range in the paper")
        [[(x, y0), (_, y1)]] = range_[2][0].get_segments()
        assert (x < 0, y0, y1) == (True, pytest.approx(low), pytest.approx(high))
        assert axes.get_ylim()[0] < low and axes.get_ylim()[1] > high
    assert not [
        one for axes in drawn(small, "s1").axes for one in axes.containers if one.get_label() == "range in the paper"
    ]


def test_two_eigenvalues_of_the_paper(tmp_path):
    study = PatchStudy(tmp_path)
    module = importlib.import_module(module_of("fig1"))
    for shown in (True, False):
        with plt.rc_context(RC):
            made = module.draw(module.panels(study.inputs("fig1")), Look({}, {}, "", published=shown))
        axes = axes_titled(made, "Eigenvalues of the FIM")
        points = [line.get_data() for line in axes.lines if line.get_marker() == "D"]
        assert [(x[0], y[0]) for x, y in points] == ([(1, 23.97), (2, 1.6)] if shown else [])
        plt.close(made)
