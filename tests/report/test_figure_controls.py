"""Figures of the controls as objects: each point and interval against the metrics that it is of."""

import numpy as np
import pytest
from digit_figures import CRITERIA as DIGIT_CRITERIA
from digit_figures import assert_laid_out, drawn, small_study, tables
from patch_figures import CRITERIA, PatchStudy, legend_entries, letters

from boltzprune.report.claims.statistics import pseudo_median
from boltzprune.results import tidy

NAMES = {
    "controls_patches": ("metrics", "kl_exact", 1, 3),
    "controls_digits": ("digits_metrics", "encoding_error", 100, 3),
}
"""Figure -> table, column, factor, last iteration."""
PLACES = ["retrained", "rewind", "scratch"]


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    return {
        "controls_patches": PatchStudy(tmp_path_factory.mktemp("patches")),
        "controls_digits": small_study(tmp_path_factory.mktemp("digits")),
    }


@pytest.fixture(params=NAMES)
def shown(request, studies):
    """Name, study, figure."""
    study = studies[request.param]
    return request.param, study, drawn(study, request.param)


def criteria_of(name):
    return CRITERIA if name == "controls_patches" else DIGIT_CRITERIA


def by_seed(study, name, criterion, phase):
    """Numbers by seed, sorted."""
    table, column, _, last = NAMES[name]
    frame = study.tables[table]
    iteration = 0 if phase == "initial" else last
    rows = frame[(frame["criterion"] == criterion) & (frame["iteration"] == iteration) & (frame["phase"] == phase)]
    return rows.sort_values("seed")[column].to_numpy(float)


def container(axes, label):
    [found] = (one for one in axes.containers if one.get_label() == label)
    return found


def test_every_median_stands_over_its_start_with_its_quartiles(shown):
    name, study, made = shown
    axes, factor = letters(made)["A"], NAMES[name][2]
    assert [tick.get_text().split("\n")[0] for tick in axes.get_xticklabels()] == [
        "kept weights",
        "first weights",
        "others",
    ]
    for criterion, label in study.spec(name)["criteria"].items():
        line, _, [bars] = container(axes, label)
        values = [factor * by_seed(study, name, criterion, phase) for phase in PLACES]
        assert np.abs(np.asarray(line.get_xdata()) - [0, 1, 2]).max() < 0.3
        assert line.get_ydata() == pytest.approx([np.median(one) for one in values])
        ends = np.array(bars.get_segments())[:, :, 1]
        assert ends == pytest.approx(np.array([np.quantile(one, [0.25, 0.75]) for one in values]))


def test_levels_are_those_of_the_initial_and_of_the_unpruned_machines(shown):
    name, study, made = shown
    axes, factor = letters(made)["A"], NAMES[name][2]
    levels = {line.get_label(): (line.get_ydata()[0], line.get_linestyle()) for line in axes.lines}
    initial, unpruned = by_seed(study, name, "none", "initial"), by_seed(study, name, "unpruned", "retrained")
    assert levels["Initial machines"] == (pytest.approx(factor * np.median(initial)), ":")
    assert levels["Unpruned, trained as long"] == (pytest.approx(factor * np.median(unpruned)), "--")


def test_ratios_are_seed_by_seed_with_their_intervals(shown):
    name, study, made = shown
    axes = letters(made)["B"]
    labels = study.spec(name)["criteria"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == list(labels.values())
    for phase, word in (("rewind", "rewound to first weights"), ("scratch", "from scratch")):
        for place, (criterion, label) in enumerate(labels.items()):
            anew, kept = (by_seed(study, name, criterion, one) for one in (phase, "retrained"))
            estimate, low, high = np.exp(pseudo_median(np.log(anew / kept)))
            line, _, [bars] = container(axes, f"{label}, {word}")
            assert line.get_xdata() == pytest.approx([estimate]) and abs(line.get_ydata()[0] - place) < 0.4
            if np.isfinite(low):
                assert np.array(bars.get_segments())[0, :, 0] == pytest.approx([low, high])
    assert axes.get_ylim() == (len(labels) - 0.5, -0.5), "a row for each, whatever marks it has"
    table = tables(study, name)["b.csv"]
    assert len(table) == 2 * len(labels) and set(table["n"]) == {5}


def test_it_is_laid_out_and_its_legend_has_every_entry_once(shown):
    name, study, made = shown
    assert_laid_out(made)
    expected = ["Initial machines", "Unpruned, trained as long", *study.spec(name)["criteria"].values()]
    assert list(legend_entries(made)) == [*expected, "B: rewound to first weights", "B: from scratch"]


@pytest.mark.parametrize("phase", ["rewind", "scratch"])
def test_one_control_alone(studies, phase, monkeypatch):
    """A study with one of the two has two places and one mark for each criterion."""
    study, read = studies["controls_patches"], tidy.read
    monkeypatch.setattr(
        tidy, "read", lambda *a: read(*a).query(f"phase != '{({'rewind', 'scratch'} - {phase}).pop()}'")
    )
    made = drawn(study, "controls_patches")
    assert len(letters(made)["A"].get_xticks()) == 2 and len(letters(made)["B"].containers) == len(CRITERIA)


@pytest.mark.parametrize("name", NAMES)
def test_without_a_machine_trained_anew_it_says_so(studies, name, monkeypatch):
    """All courses may end before the last iteration: that must cost a study nothing."""
    read = tidy.read
    monkeypatch.setattr(tidy, "read", lambda *a: read(*a).query("phase not in ('rewind', 'scratch')"))
    made = drawn(studies[name], name)
    assert [text.get_text()[:34] for axes in made.axes for text in axes.texts] == ["No architecture was trained anew: "]
    assert_laid_out(made)
