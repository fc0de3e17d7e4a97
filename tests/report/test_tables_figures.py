"""Table 1 and the figures: numbers by hand, text that survives Markdown and LaTeX, files that repeat bit for bit."""

import importlib
import json

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from tiny_study import PATCH_FIGURES

from boltzprune.core.fisher import Statistics, fisher_diagonal, fisher_interval
from boltzprune.pruning.controls import ANEW
from boltzprune.report.figures import FIGURES, FORMATS, fig1, module_of
from boltzprune.report.figures.style import save
from boltzprune.report.tables.table1 import as_latex, as_markdown, remaining_units
from boltzprune.results.store import Arrays, read_machine, read_statistics
from boltzprune.study import jobs

LABELS = {"b": "Second & last", "a": "First_one | 50%"}


def metrics():
    """Two criteria, one iteration in two phases, three seeds; the pruned phase has other numbers than the retrained."""
    rows = [
        (criterion, 1, phase, seed, n_hidden + (phase == "pruned") * 10, n_weights + (phase == "pruned"))
        for phase in ("pruned", "retrained")
        for criterion, numbers in (("a", [(3, 17), (5, 17), (10, 17)]), ("b", [(7, 19), (7, 20), (7, 21)]))
        for seed, (n_hidden, n_weights) in enumerate(numbers)
    ]
    rows += [("none", 0, "initial", seed, 70, 910) for seed in range(3)]
    return pd.DataFrame(rows, columns=["criterion", "iteration", "phase", "seed", "n_hidden", "n_weights"])


def test_remaining_units_by_hand():
    table = remaining_units(metrics(), LABELS)
    assert table["criterion"].tolist() == ["b", "a"]  # in the order of the configuration
    assert table["label"].tolist() == list(LABELS.values())
    assert table["n_hidden_mean"].tolist() == [7, 6]
    assert table["n_hidden_sd"].tolist() == pytest.approx([0, np.sqrt((9 + 1 + 16) / 2)])
    assert table["n_weights_mean"].tolist() == [20, 17]
    assert table["n_weights_sd"].tolist() == pytest.approx([1, 0])
    assert table["n_seeds"].tolist() == [3, 3]
    assert table["iteration"].tolist() == [1, 1]


def test_a_criterion_that_is_not_asked_for_is_left_out():
    assert set(remaining_units(metrics(), {"a": "A"})["criterion"]) == {"a"}


def test_markdown():
    text = as_markdown(remaining_units(metrics(), LABELS), "Study x: preset y.")
    title, _, head, rule, *rows = text.rstrip("\n").split("\n")
    assert title == ("Table 1. Remaining hidden units, mean (standard deviation) over seeds, n = 3. Study x: preset y.")
    assert head == "| Criterion | iteration 1, n_w = 17 to 20 |"
    assert rule == "| --- | --- |"
    assert rows == ["| Second & last | 7.0 (0.0) |", r"| First_one \| 50% | 6.0 (3.6) |"]


def test_latex():
    text = as_latex(remaining_units(metrics(), LABELS), "Study a_b: 50 % & more.")
    lines = text.split("\n")
    assert lines[0].endswith(r"Study a\_b: 50 \% \& more.")
    assert r"Second \& last & 7.0 (0.0) \\" in lines
    assert r"First\_one \textbar{} 50\% & 6.0 (3.6) \\" in lines
    assert r"Criterion & iteration 1 ($n_w = 17$ to $20$) \\" in lines
    assert r"\begin{tabular}{lr}" in lines
    assert text.count("{") == text.count("}")


def test_two_criteria_with_the_same_label_keep_their_rows():
    table = remaining_units(metrics(), {"b": "rule", "a": "rule"})
    assert [line for line in as_markdown(table, "").split("\n") if "rule" in line] == [
        "| rule | 7.0 (0.0) |",
        "| rule | 6.0 (3.6) |",
    ]
    assert as_latex(table, "").count("rule &") == 2


def test_iterations_are_columns_in_order():
    frame = metrics()
    later = frame[frame["iteration"] == 1].assign(iteration=2, n_weights=8)
    text = as_markdown(remaining_units(pd.concat([later, frame]), LABELS), "")
    assert "| Criterion | iteration 1, n_w = 17 to 20 | iteration 2, n_w = 8 |" in text


def test_seeds_that_differ_in_number_are_told():
    frame = metrics()
    text = as_markdown(remaining_units(frame[(frame["criterion"] == "a") | (frame["seed"] < 2)], LABELS), "")
    assert "n = 2 to 3." in text


def test_the_table_of_the_study(tiny):
    table = pd.read_csv(tiny.folder / "table1.csv")
    for row in table.to_dict("records"):
        machines = Arrays(tiny.folder / f"{row['criterion']}{row['iteration']}_retrained.npz")
        n_hidden = [read_machine(machines, seed).layer_sizes[1] for seed in (0, 1)]
        assert row["n_hidden_mean"] == np.mean(n_hidden)
        assert row["n_hidden_sd"] == pytest.approx(np.std(n_hidden, ddof=1))
    assert "FIM eigenvector" in (tiny.folder / "table1.md").read_text()
    assert "Study tiny: preset published, own data, 211 patterns" in (tiny.folder / "table1.tex").read_text()


def panel(tiny, name):
    return pd.read_csv(tiny.folder / "figures" / name, dtype={"pattern": str})


@pytest.mark.parametrize("name", PATCH_FIGURES)
def test_every_panel_and_every_format_is_written(tiny, name):
    files = {path.name for path in (tiny.folder / "figures").iterdir() if path.name.startswith(name)}
    expected = {f"{name}_{suffix}" for suffix in FIGURES[name].panels} | {f"{name}.{format}" for format in FORMATS}
    assert files == expected
    for suffix in FIGURES[name].panels:
        assert len(panel(tiny, f"{name}_{suffix}")) > 0


def spec_of(tiny, name):
    return json.loads(jobs.figure_job(tiny.study, name)["spec"])


@pytest.mark.parametrize("name", PATCH_FIGURES)
def test_drawn_twice_every_file_has_the_same_bytes(tiny, name, tmp_path):
    module = importlib.import_module(module_of(name))
    inputs = {key: [tiny.folder / file] for key, file in tiny.figure_inputs(name).items()}
    save(module, module.panels(inputs), spec_of(tiny, name), tmp_path)
    for path in sorted(tmp_path.iterdir()):
        assert path.read_bytes() == (tiny.folder / "figures" / path.name).read_bytes(), path.name
    assert {path.suffix for path in tmp_path.iterdir()} >= {f".{format}" for format in FORMATS}


@pytest.mark.parametrize("name", PATCH_FIGURES)
def test_the_figure_is_drawn_from_the_tables_alone(tiny, name, tmp_path):
    module = importlib.import_module(module_of(name))
    tables = {suffix: panel(tiny, f"{name}_{suffix}") for suffix in FIGURES[name].panels}
    save(module, tables, spec_of(tiny, name) | {"formats": ["png"]}, tmp_path)
    one, other = (matplotlib.image.imread(folder / f"{name}.png") for folder in (tmp_path, tiny.folder / "figures"))
    assert one.shape == other.shape
    assert np.abs(one - other).max() < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("name", PATCH_FIGURES)
def test_a_format_does_not_depend_on_the_others_nor_on_chance(tiny, name, tmp_path):
    module = importlib.import_module(module_of(name))
    tables = {suffix: panel(tiny, f"{name}_{suffix}") for suffix in FIGURES[name].panels}
    seen = {"png": set(), "svg": set()}
    for formats in (["png"], ["svg", "png"], ["png", "svg"], ["svg"], ["svg"]):
        save(module, tables, spec_of(tiny, name) | {"formats": formats, "dpi": 31}, tmp_path)
        for format in formats:
            seen[format].add((tmp_path / f"{name}.{format}").read_bytes())
    assert {format: len(contents) for format, contents in seen.items()} == {"png": 1, "svg": 1}


def test_a_colour_is_seen_in_the_figure_by_criterion(tiny, tmp_path):
    tables = {suffix: panel(tiny, f"fig2_{suffix}") for suffix in FIGURES["fig2"].panels}
    spec = spec_of(tiny, "fig2") | {"formats": ["svg"]}
    spec["colours"] = spec["colours"] | {"anti_fi": "#12ab34"}
    save(importlib.import_module(module_of("fig2")), tables, spec, tmp_path)
    assert "#12ab34" in (tmp_path / "fig2.svg").read_text()
    before = (tiny.folder / "figures" / "fig2.svg").read_text()
    assert "#12ab34" not in before
    assert "Study tiny: preset published" in before  # says what it shows
    assert "Anti-FI" in before


def test_figure_1_importance_of_each_parameter(tiny):
    statistics = Arrays(tiny.folder / "initial_statistics.npz")
    pair, v, h = (statistics[f"seed0/{key}"] for key in ("pair_mean0", "rate0", "rate1"))
    diagonal = np.concatenate([pair.ravel(), v, h])
    diagonal = diagonal * (1 - diagonal)
    leading = np.abs(statistics["seed0/eigenvectors"][0])
    for suffix, expected in (("c.csv", leading), ("d.csv", diagonal)):
        table = panel(tiny, f"fig1_{suffix}")
        assert table["parameter"].tolist() == ["weight"] * 35 + ["visible bias"] * 5 + ["hidden bias"] * 7
        assert table["importance"].to_numpy() == pytest.approx(expected / expected.max())
        assert table["importance"].max() == 1
        weights = table[table["parameter"] == "weight"]
        assert (weights["visible"] * 7 + weights["hidden"]).tolist() == list(range(35))
        assert table.loc[35:39, "visible"].tolist() == list(range(5))
        assert table.loc[40:, "hidden"].tolist() == list(range(7))


def test_figure_1_says_how_certain_the_diagonal_is(tiny):
    arrays = Arrays(tiny.folder / "initial_statistics.npz")
    found, table = read_statistics(arrays, 0)[0], panel(tiny, "fig1_d.csv")
    means = np.concatenate([found.pair_means[0].ravel(), *found.rates])
    assert found.n_samples > 1
    assert table["fisher_information"].to_numpy() == pytest.approx(fisher_diagonal(means, found.n_samples))
    for end, expected in zip(("low_95", "high_95"), fisher_interval(means, found.n_samples)):
        assert table[end].to_numpy() == pytest.approx(expected)
    assert (table["low_95"] < table["high_95"]).all()


@pytest.mark.parametrize("n_samples", [0, 1009])
def test_figure_1_takes_each_mean_for_what_it_is_worth(n_samples):
    """Of conditional means that is a number each, and of exact ones nothing is left to chance."""
    random = np.random.default_rng(3)
    rates, pairs = (random.uniform(0.1, 0.4, 5), random.uniform(0.1, 0.4, 3)), random.uniform(0.01, 0.1, (5, 3))
    worth = () if n_samples == 0 else tuple(random.uniform(1e3, 1e6, n) for n in (5, 3))
    of_pairs = () if n_samples == 0 else (random.uniform(1e3, 1e6, (5, 3)),)
    table = fig1._diagonal(Statistics(n_samples, rates, (pairs,), worth, of_pairs), np.ones((5, 3), bool))
    expected = [
        fisher_interval(mean, n)
        for means, sizes in zip((pairs, *rates), (*of_pairs, *worth) if n_samples else (0, 0, 0))
        for mean, n in np.nditer([means, sizes])
    ]
    assert table[["low_95", "high_95"]].to_numpy() == pytest.approx(np.array(expected))
    assert (table["low_95"] < table["high_95"]).all() == (n_samples > 0)


def test_figure_1_matrix_spectrum_and_pixels(tiny):
    statistics = Arrays(tiny.folder / "initial_statistics.npz")
    triangle, matrix = panel(tiny, "fig1_b.csv.gz"), statistics["seed0/fisher_matrix"]
    assert len(triangle) == 47 * 48 // 2
    assert (triangle["column"] <= triangle["row"]).all()
    found = matrix[triangle["row"], triangle["column"]]
    assert triangle["fisher_information"].to_numpy() == pytest.approx(found, rel=1e-6)
    spectrum = panel(tiny, "fig1_e.csv")
    assert spectrum.groupby("seed")["rank"].apply(list).tolist() == [list(range(1, 48))] * 2
    for seed in (0, 1):
        values = spectrum[spectrum["seed"] == seed]["eigenvalue"].to_numpy()
        assert values == pytest.approx(statistics[f"seed{seed}/eigenvalues"])
        assert (np.diff(values) <= 0).all()
    pixels = panel(tiny, "fig1_a.csv")  # patterns of one's own: no image
    assert pixels["what"].tolist() == ["patch"] * 5
    first = np.load(tiny.folder / "patterns.npz")["packed"][0]
    assert pixels["binary"].tolist() == np.unpackbits(first)[:5].tolist()


def test_figure_2_panels_by_hand(tiny):
    frame = pd.read_csv(tiny.folder / "metrics.csv")
    initial, final, divergence = (panel(tiny, f"fig2_{suffix}") for suffix in ("a.csv", "b.csv", "c.csv"))
    assert set(initial["criterion"]) == {"none"}
    assert set(zip(final["criterion"], final["iteration"])) == {("anti_fi", 2), ("eigenvector", 2)}
    assert set(final["phase"]) == {"retrained"}
    rows = frame[(frame["criterion"] == "anti_fi") & (frame["iteration"] == 2) & (frame["phase"] == "retrained")]
    mine = final[final["criterion"] == "anti_fi"]
    assert mine["mse_mean"].to_numpy() == pytest.approx(rows["mse_sampled"].mean())
    assert mine["mse_sd"].to_numpy() == pytest.approx(rows["mse_sampled"].std(ddof=1))
    assert len(divergence) == 2 * (1 + 2 * 2 * 2 + 2)
    of_courses = frame[~frame["phase"].isin(ANEW)]
    missed = of_courses.groupby(["criterion", "iteration", "phase"])["missing_share"].max()
    places = divergence.set_index(["criterion", "iteration", "phase"])
    assert places["missing_share"].to_dict() == pytest.approx(missed.to_dict())
    assert initial["missing_share"].unique() == pytest.approx([missed[("none", 0, "initial")]])
    for row in divergence.to_dict("records"):
        keys = ["criterion", "iteration", "phase"]
        same = (frame[keys] == [row[key] for key in keys]).all(axis=1)
        values = frame[same][row["measure"]].to_numpy()
        expected = [values.mean(), values.std(ddof=1), *np.percentile(values, [50, 25, 75]), 2]
        assert [row[key] for key in ("mean", "sd", "median", "q25", "q75", "n")] == pytest.approx(expected)
