"""Figure 2 as an object: each point, line, bar, colour and label against the metrics that it is of."""

import numpy as np
import pandas as pd
import pytest
from digit_figures import assert_laid_out, drawn, tables
from matplotlib.colors import to_hex
from patch_figures import CRITERIA, ITERATIONS, N_PATTERNS, SEEDS, PatchStudy, legend_entries, letters

from boltzprune.pruning.controls import CONTROLS
from boltzprune.report.figures.fig2 import DENSITY, N_CELLS, N_GROUPS
from boltzprune.report.figures.style import INK

MEASURES = {"kl_exact": "KL exact", "kl_sampled": "KL from samples"}
PHASES = {"pruned": "after pruning", "retrained": "after retraining (another scale)"}
PLACES = [(measure, phase) for measure in MEASURES for phase in PHASES]
"""Of either measure there is a figure: from samples where the divergence cannot be enumerated."""
CONTROL = CONTROLS["unpruned"].label


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return PatchStudy(tmp_path_factory.mktemp("patches"))


@pytest.fixture(scope="module")
def made(study):
    return drawn(study, "fig2")


@pytest.fixture(scope="module")
def made_of(study, made):
    """The figure by what its divergences are."""
    frames = tables(study, "fig2")
    frames["c.csv"] = frames["c.csv"].query("measure == 'kl_sampled'")
    return {"kl_exact": made, "kl_sampled": drawn(study, "fig2", frames)}


def values(study, measure, criterion, iteration, phase):
    """Numbers of all seeds."""
    frame = study.tables["metrics"]
    mine = (frame["criterion"] == criterion) & (frame["iteration"] == iteration) & (frame["phase"] == phase)
    assert mine.sum() == len(SEEDS)
    return frame.loc[mine, measure].to_numpy()


def patterns(study, criterion):
    frame = study.tables["pattern_probabilities"]
    return frame[frame["criterion"] == criterion].sort_values("pattern")


def line_labelled(axes, label):
    """A line with bars: x, y, lower and upper ends of the bars, the line itself, the container."""
    [container] = (one for one in axes.containers if one.get_label() == label)
    line, _, [bars] = container
    ends = np.array(bars.get_segments())
    assert (ends[:, 0, 0] == ends[:, 1, 0]).all()  # upright
    x, y = (np.asarray(values, dtype=float) for values in line.get_data())
    return x, y, ends[:, 0, 1], ends[:, 1, 1], line, container


def test_each_letter_stands_at_its_panel(made, study):
    titles = {letter: axes.get_title().split("\n")[0] for letter, axes in letters(made).items()}
    first = study.spec("fig2")["criteria"][CRITERIA[0]]
    assert titles == {"A": "Initial model", "B": first, "C": "after pruning, KL exact"}


def test_panels_of_patterns_in_the_order_of_the_configuration(made, study):
    labels = [axes.get_title().split("\n")[0] for axes in made.axes[: 1 + len(CRITERIA)]]
    assert labels == ["Initial model", *study.spec("fig2")["criteria"].values()]


@pytest.mark.parametrize("place", range(1 + len(CRITERIA)))
def test_every_pattern_is_counted_where_it_lies(made, study, place):
    axes, mine = made.axes[place], patterns(study, ("none", *CRITERIA)[place])
    [cells] = axes.collections
    assert cells.get_array().sum() == N_PATTERNS
    low, high = axes.get_xlim()
    reach = (high - low) / N_CELLS
    centres = cells.get_offsets()
    for x, y in mine[["log_data", "log_model_mean"]].to_numpy():
        assert np.hypot(*(centres - (x, y)).T).min() < reach
    for x, y in centres:
        assert np.hypot(mine["log_data"] - x, mine["log_model_mean"] - y).min() < reach
    light, dark = (sum(DENSITY(value)[:3]) for value in (0.0, 1.0))
    assert dark < light  # the more patterns, the darker
    diagonal = axes.lines[0]
    assert list(diagonal.get_xdata()) == list(diagonal.get_ydata()) == list(axes.get_xlim()) == list(axes.get_ylim())


@pytest.mark.parametrize("place", range(1 + len(CRITERIA)))
def test_lines_are_medians_of_the_quartiles_among_patterns_as_probable(made, study, place):
    axes, mine = made.axes[place], patterns(study, ("none", *CRITERIA)[place])
    _, lower, upper = axes.lines[:3]
    groups = mine.groupby(np.digitize(mine["log_data"], np.linspace(*axes.get_xlim(), N_GROUPS + 1)))
    for line, column in ((lower, "log_model_q25"), (upper, "log_model_q75")):
        assert line.get_xdata() == pytest.approx(groups["log_data"].median().to_numpy())
        assert line.get_ydata() == pytest.approx(groups[column].median().to_numpy())
        assert line.get_color() == (INK, *study.spec("fig2")["colours"].values())[place]


def test_where_patterns_lie_that_no_sample_shows_is_marked(study):
    frames = tables(study, "fig2")
    for name in ("a.csv", "b.csv"):
        frames[name]["missing_share"] = 0.0
    frames["a.csv"]["missing_share"] = 0.03
    first, second = drawn(study, "fig2", frames).axes[:2]
    [text] = first.texts[1:]
    assert text.get_text() == "no sample" and not second.texts[2:]
    lowest = frames["a.csv"][["log_model_q25", "log_model_q75"]].to_numpy().min()
    assert text.get_position()[1] == lowest == first.lines[3].get_ydata()[0]
    assert first.lines[3].get_linestyle() == ":" and len(second.lines) == 3


@pytest.mark.parametrize("place", range(1 + len(CRITERIA)))
def test_the_title_says_whose_and_how_far_off(made, study, place):
    criterion, axes = ("none", *CRITERIA)[place], made.axes[place]
    which = (0, "initial") if criterion == "none" else (ITERATIONS, "retrained")
    errors = values(study, "mse_sampled", criterion, *which)
    label = "Initial model" if criterion == "none" else study.spec("fig2")["criteria"][criterion]
    assert axes.get_title() == f"{label}\nMSE {errors.mean():.2f} ± {errors.std(ddof=1):.2f}"
    colour = INK if criterion == "none" else study.spec("fig2")["colours"][criterion]
    assert axes.title.get_color() == "black"  # which can be read whatever the colour of the criterion
    assert to_hex(axes.spines["top"].get_edgecolor()).upper() == colour.upper()
    assert axes.spines["top"].get_visible() and axes.spines["top"].get_linewidth() > 2
    assert axes.get_xlabel() == "log p, data (nats)"
    assert axes.get_ylabel() == ("log p, model (nats)" if place == 0 else "")


def panel(made_of, measure, phase):
    """The axes of a measure after pruning or after retraining."""
    [axes] = (axes for axes in made_of[measure].axes if axes.get_title() == f"{PHASES[phase]}, {MEASURES[measure]}")
    return axes


@pytest.mark.parametrize(("measure", "phase"), PLACES)
def test_a_line_of_medians_with_quartiles_for_each_criterion(made_of, study, measure, phase):
    axes, spec = panel(made_of, measure, phase), study.spec("fig2")
    start = values(study, measure, "none", 0, "initial")
    places = []
    for criterion in CRITERIA:
        chain = [start, *(values(study, measure, criterion, k, phase) for k in range(1, ITERATIONS + 1))]
        low, middle, high = np.percentile(chain, [25, 50, 75], axis=1)
        x, y, lower, upper, line, (_, _, [bars]) = line_labelled(axes, spec["criteria"][criterion])
        assert np.round(x).tolist() == list(range(ITERATIONS + 1))
        assert np.allclose([y, lower, upper], [middle, low, high], rtol=1e-9)
        colour = spec["colours"][criterion]
        assert line.get_color() == line.get_markerfacecolor() == to_hex(bars.get_color()[0]).upper() == colour
        assert line.get_linestyle() == "-"
        places.append(x)
    assert np.allclose(np.diff(places, axis=0), 0.04)  # side by side
    assert len(axes.containers) == len(CRITERIA) + (phase == "retrained")


@pytest.mark.parametrize("measure", MEASURES)
def test_the_control_is_no_criterion_and_is_only_retrained(made_of, study, measure):
    axes = panel(made_of, measure, "retrained")
    chain = [values(study, measure, "none", 0, "initial")]
    chain += [values(study, measure, "unpruned", k, "retrained") for k in range(1, ITERATIONS + 1)]
    low, middle, high = np.percentile(chain, [25, 50, 75], axis=1)
    x, y, lower, upper, line, (_, _, [bars]) = line_labelled(axes, CONTROL)
    assert np.round(x).tolist() == list(range(ITERATIONS + 1))
    assert np.allclose([y, lower, upper], [middle, low, high], rtol=1e-9)
    assert line.get_color() == to_hex(bars.get_color()[0]) == INK
    assert line.get_linestyle() == "--"
    assert CONTROL not in [one.get_label() for one in panel(made_of, measure, "pruned").containers]


@pytest.mark.parametrize(("measure", "phase"), PLACES)
def test_axes_of_the_divergence(made_of, study, measure, phase):
    axes = panel(made_of, measure, phase)
    [level] = (line for line in axes.lines if line.get_label() == "initial level")
    assert level.get_ydata()[0] == level.get_ydata()[1] == np.median(values(study, measure, "none", 0, "initial"))
    assert (level.get_color(), level.get_linestyle()) == (INK, ":")
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")
    assert axes.get_ylabel() == ("KL(data ‖ model) (nats)" if phase == "pruned" else "")
    assert axes.get_xlabel() == f"pruning iteration (n = {len(SEEDS)} seeds, median and quartiles)"


def test_panels_lie_as_their_titles_say(made_of):
    """Left before right, below the patterns; one measure in a figure."""
    for measure, made in made_of.items():
        left, right = (panel(made_of, measure, phase).get_position() for phase in PHASES)
        assert left.x1 < right.x0
        bottom = [panel(made_of, measure, "pruned"), made.axes[0]]
        below, above = (axes.get_window_extent() for axes in bottom)
        assert below.y1 < above.y0
        assert sum("KL" in axes.get_title() for axes in made.axes) == 2


def test_the_legend_names_each_line_by_its_own_colour(made, study):
    spec, entries = study.spec("fig2"), legend_entries(made)
    assert list(entries) == ["initial level", *spec["criteria"].values(), CONTROL]
    for criterion, label in spec["criteria"].items():
        assert to_hex(entries[label].get_color()[0]).upper() == spec["colours"][criterion]
    assert to_hex(entries[CONTROL].get_color()[0]) == INK
    assert (entries["initial level"].get_color(), entries["initial level"].get_linestyle()) == (INK, ":")


@pytest.mark.parametrize("n_criteria", [1, 4, 7, 11])
@pytest.mark.parametrize("missing", [0.0, 0.13])
def test_nothing_overlaps_and_nothing_is_cut(study, n_criteria, missing):
    spec, frames = study.spec("fig2"), tables(study, "fig2")
    labels = {f"rules.py:number_{i}": f"Criterion number {i}" for i in range(n_criteria)}
    for panel in ("b.csv", "c.csv"):
        frame = frames[panel]
        mine, others = frame[frame["criterion"] == CRITERIA[0]], frame[~frame["criterion"].isin(CRITERIA)]
        frames[panel] = pd.concat([others, *(mine.assign(criterion=name) for name in labels)])
    for panel in ("a.csv", "b.csv"):
        frames[panel] = frames[panel].assign(missing_share=missing)
    spec |= {"criteria": labels, "colours": dict.fromkeys(labels, "#0072B2")}
    assert_laid_out(drawn(study, "fig2", frames, spec))


def test_one_seed_has_no_spread_and_fewer_are_told(study):
    frames = tables(study, "fig2")
    first, second, _ = (frames["b.csv"]["criterion"] == name for name in CRITERIA)
    frames["b.csv"].loc[first, ["mse_sd", "mse_n"]] = np.nan, 1
    frames["b.csv"].loc[second, "mse_n"] = 4
    titles = [axes.get_title().split("\n")[1] for axes in drawn(study, "fig2", frames).axes[1:3]]
    assert titles[0].endswith(" [n = 1]") and "±" not in titles[0]
    assert titles[1].endswith(" [n = 4]") and "±" in titles[1]


def test_tables_of_the_panels(study):
    frames = tables(study, "fig2")
    assert set(zip(frames["a.csv"]["criterion"], frames["a.csv"]["phase"])) == {("none", "initial")}
    assert set(frames["b.csv"]["criterion"]) == set(CRITERIA)
    for row in frames["c.csv"].to_dict("records"):
        numbers = values(study, row["measure"], row["criterion"], row["iteration"], row["phase"])
        expected = [numbers.mean(), numbers.std(ddof=1), *np.percentile(numbers, [50, 25, 75]), len(SEEDS)]
        assert [row[key] for key in ("mean", "sd", "median", "q25", "q75", "n")] == pytest.approx(expected)
