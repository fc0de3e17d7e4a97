"""Seeds that lack a row or a number: no mean hides them, n is that of the values averaged, and a message names them."""

import logging

import numpy as np
import pandas as pd
import pytest

from boltzprune.errors import InputError
from boltzprune.report.claims.collected import Courses, NotTestable
from boltzprune.report.figures import digits, fig2
from boltzprune.report.figures.style import LINE_HEIGHT, save
from boltzprune.report.tables.per_digit import per_digit
from boltzprune.report.tables.table1 import as_latex, as_markdown, remaining_units
from boltzprune.results.store import Arrays, read_machine, write_arrays
from boltzprune.results.tidy import cautions, endings, missing_seeds, unmixed
from boltzprune.study.stages import Job, collect_digits
from boltzprune.study.stages import claims as claims_stage
from boltzprune.study.stages import per_digit as per_digit_stage
from boltzprune.study.stages import table1 as table1_stage

LABELS = {"a": "First", "b": "Second"}
COLUMNS = ["n_hidden", "n_weights", "kl_sampled", "mse_sampled", "kl_exact"]


def metrics(rng, n_seeds=5):
    """Two criteria, two iterations, initial machines; every number is another."""
    machines = [
        ("none", 0, "initial"),
        *((name, k, p) for name in "ab" for k in (1, 2) for p in ("pruned", "retrained")),
    ]
    rows = [(*machine, seed) for machine in machines for seed in range(n_seeds)]
    table = pd.DataFrame(rows, columns=["criterion", "iteration", "phase", "seed"])
    return table.assign(**{name: rng.uniform(1, 9, len(table)) for name in COLUMNS})


def broken(table, rng):
    """The table without some rows and numbers, and what is missing: {(machine, what, seed)}."""
    table, missing = table.copy(), set()
    for place in rng.choice(len(table), rng.integers(0, 4), replace=False):
        row, what = table.loc[place], rng.choice(["row", *COLUMNS])
        missing.add((row["criterion"], row["iteration"], row["phase"], what, row["seed"]))
        if what == "row":
            table.loc[place, "seed"] = -1
        else:
            table.loc[place, what] = rng.choice([np.nan, np.inf]) if what not in ("n_hidden", "n_weights") else np.nan
    return table[table["seed"] >= 0], missing


def told(lines):
    """What the sentences say, as `broken` does."""
    found = set()
    for line in lines:
        _, where, what = line.removesuffix(".").split(": ")
        criterion, iteration, phase = where.split(", ")
        what, seeds = what.removeprefix("no ").split(" of seed ")
        found |= {(criterion, int(iteration.split()[1]), phase, what, int(seed)) for seed in seeds.split(", ")}
    return found


def counts(table, column, phase):
    """Finite values of each criterion and iteration."""
    rows = table[(table["phase"] == phase) & np.isfinite(table[column])]
    return rows.groupby(["criterion", "iteration"])[column].agg(["count", "mean"])


def is_right(found, table, column, phase, n, mean):
    """Whether numbers of values and means are those of the finite values, recomputed."""
    expected = counts(table, column, phase)
    found = found.set_index(["criterion", "iteration"]).loc[expected.index]
    return found[n].tolist() == expected["count"].tolist() and np.allclose(found[mean], expected["mean"])


@pytest.mark.torture
def test_no_mean_hides_a_missing_seed(promise, at_scale):
    rng = np.random.default_rng(83)
    with promise("Tables and figures say n of the values averaged, and name every missing seed") as count:
        for turn in range(at_scale(30, 3_000)):
            table, missing = broken(metrics(rng), rng)
            held = told(missing_seeds(table, COLUMNS)) == missing
            held &= is_right(remaining_units(table, LABELS), table, "n_hidden", "retrained", "n_seeds", "n_hidden_mean")
            curves = digits.over_seeds(table, ["kl_exact"])
            held &= is_right(curves[curves["phase"] == "pruned"], table, "kl_exact", "pruned", "n", "mean")
            divergences = fig2._divergence(table).query("measure == 'kl_sampled' and phase == 'retrained'")
            held &= is_right(divergences, table, "kl_sampled", "retrained", "n", "mean")
            errors = fig2._errors(table).query("phase == 'retrained'")
            held &= is_right(errors, table, "mse_sampled", "retrained", "mse_n", "mse_mean")
            count(held, f"turn {turn}: {missing}")


@pytest.fixture
def holed():
    """Metrics in which seed 3 has no units under b after iteration 2, and seed 1 no row at all under a."""
    table = metrics(np.random.default_rng(89))
    table.loc[(table["criterion"] == "b") & (table["iteration"] == 2) & (table["seed"] == 3), "n_hidden"] = np.nan
    return table[(table["criterion"] != "a") | (table["seed"] != 1) | (table["iteration"] != 1)]


def test_table_1_marks_what_is_of_fewer_seeds(holed):
    table = remaining_units(holed, LABELS)
    assert table["n_seeds"].tolist() == [4, 5, 5, 4]
    for text in (as_markdown(table, ""), as_latex(table, "")):
        first, second = (
            line.split(label)[1] for label in LABELS.values() for line in text.split("\n") if label in line
        )
        assert first.count("[n = 4]") == second.count("[n = 4]") == 1
        assert first.index("[n = 4]") < len(first) / 2 < second.index("[n = 4]")
        assert ", n = 4 to 5." in text


def test_table_1_without_a_whole_cell():
    table = metrics(np.random.default_rng(97))
    table = table[(table["criterion"] != "a") | (table["iteration"] == 1)]
    for text in (as_markdown(remaining_units(table, LABELS), ""), as_latex(remaining_units(table, LABELS), "")):
        assert [line.strip("| \\").split()[-1] for line in text.split("\n") if "First" in line] == ["-"]


def test_the_captions_name_what_is_missing(holed, tmp_path):
    outputs = {"csv": tmp_path / "t.csv", "markdown": tmp_path / "t.md", "latex": tmp_path / "t.tex"}
    spec = {"criteria": LABELS, "study": "Study x."}
    holed.to_csv(tmp_path / "holed.csv", index=False)
    with pytest.raises(InputError, match=r"holed\.csv: column n_hidden has an empty field"):  # every machine has some
        table1_stage.run(Job("table1", {"metrics": [tmp_path / "holed.csv"]}, outputs, spec, (0,)))
    holed.fillna({"n_hidden": 7}).astype({"n_hidden": int}).to_csv(tmp_path / "metrics.csv", index=False)
    table1_stage.run(Job("table1", {"metrics": [tmp_path / "metrics.csv"]}, outputs, spec, (0,)))
    for text in (outputs["markdown"].read_text(), outputs["latex"].read_text()):
        head = text.split("\n")[0].replace("\\", "")
        assert "Study x. Missing: a, iteration 1, pruned: no row of seed 1." in head
    outputs = {"csv": tmp_path / "c.csv", "markdown": tmp_path / "c.md", "published": tmp_path / "p.csv"}
    claims_stage.run(Job("claims", {"metrics": [tmp_path / "metrics.csv"]}, outputs, spec, (0,)))
    assert "Missing: a, iteration 1, retrained: no row of seed 1." in outputs["markdown"].read_text()
    whole = metrics(np.random.default_rng(89))
    assert missing_seeds(whole, COLUMNS) == []


def test_the_table_per_digit_says_n_of_shares(tmp_path):
    rows = [("none", 0, "initial", seed, digit, 0.3 + 0.1 * seed, 0.5) for seed in range(3) for digit in (0, 1)]
    table = pd.DataFrame(rows, columns=["criterion", "iteration", "phase", "seed", "digit", "share", "quality"])
    table.loc[2, "share"] = np.nan
    found = per_digit(table, {})
    assert found["n_seeds"].tolist() == [2, 3] and found["share_mean"].tolist() == pytest.approx([0.4, 0.4])
    table.to_csv(tmp_path / "classes.csv", index=False)
    outputs = {"csv": tmp_path / "t.csv", "markdown": tmp_path / "t.md", "latex": tmp_path / "t.tex"}
    spec = {"criteria": {}, "study": "Study x."}
    per_digit_stage.run(Job("per_digit", {"classes": [tmp_path / "classes.csv"]}, outputs, spec, (0,)))
    text = outputs["markdown"].read_text()
    assert "n = 2 to 3" in text and "Missing: none, iteration 0, initial: no share of seed 1." in text
    assert "| Initial machine | 40.0 (14.1) [n = 2] | 40.0 (10.0) |" in text


def test_collecting_tells_in_the_log(deep, tmp_path, caplog):
    inputs = {"digits": [deep.folder / "digits.npz"]}
    chains = [f"{name}{i}" for name in deep.study.digits.criteria for i in (1, 2)]
    inputs |= {
        kind: [deep.folder / f"{name}_{kind}.csv" for name in ["initial", *chains]] for kind in ("metrics", "classes")
    }
    inputs["records"] = [deep.folder / f"{name}_record.csv" for name in chains]
    inputs["samples"] = [deep.folder / "initial_samples.npz"]
    table = pd.read_csv(inputs["metrics"][2])
    table = table[(table["seed"] == 0) | (table["phase"] == "pruned")]
    table.to_csv(tmp_path / "broken.csv", index=False)
    outputs = {name: tmp_path / f"{name}.csv" for name in ("metrics", "classes", "pixels", "examples")}
    caplog.set_level(logging.WARNING)
    collect_digits.run(Job("collect_digits", inputs, outputs, {}, (0, 1)))
    [slow] = caplog.messages  # its chains are read a few times
    assert slow.startswith("Chains mix too slowly in some machines: 2 of 2 of the initial machines, ")
    caplog.clear()
    inputs["metrics"][2] = tmp_path / "broken.csv"
    collect_digits.run(Job("collect_digits", inputs, outputs, {}, (0, 1)))
    assert caplog.messages[:-1] == ["Missing: random_units, iteration 2, retrained: no row of seed 1."]


def test_a_machine_that_is_not_finite_is_not_read(deep, tmp_path):
    arrays = Arrays(deep.folder / "initial.npz")
    for name, value in (("seed1/bias2", np.nan), ("seed1/weights0", np.inf)):
        changed = {key: arrays[key] for key in arrays.names}
        changed[name].flat[np.flatnonzero(changed[name])[3]] = value
        del changed["provenance"]
        write_arrays(tmp_path / "x.npz", changed, {})
        with pytest.raises(InputError, match=rf"x\.npz: '{name}' has a value that is NaN or infinite; delete the file"):
            read_machine(Arrays(tmp_path / "x.npz"), 1)
        assert read_machine(Arrays(tmp_path / "x.npz"), 0).layer_sizes == (15, 15, 11)


@pytest.fixture
def with_ends():
    """Criterion a ends in seeds 1 and 3 with iteration 2, b in all seeds with iteration 1; seed 0 lacks a row of a."""
    table = metrics(np.random.default_rng(101))
    ends = ((table["criterion"] == "a") & (table["iteration"] == 2) & table["seed"].isin([1, 3])) | (
        table["criterion"] == "b"
    )
    gone = table[ends & (table["phase"] == "retrained")].assign(phase="ended", **dict.fromkeys(COLUMNS, np.nan))
    table = pd.concat([table[~ends], gone.assign(n_hidden=0.0, n_weights=0.0)], ignore_index=True)
    lacks = (
        (table["criterion"] == "a") & (table["iteration"] == 2) & (table["phase"] == "pruned") & (table["seed"] == 0)
    )
    return table[~lacks]


def test_a_sequence_that_ended_lacks_nothing_and_is_named(with_ends):
    assert missing_seeds(with_ends, COLUMNS) == ["Missing: a, iteration 2, pruned: no row of seed 0."]
    told = "b with the first pruning in 5 of 5 seeds; First after iteration 1 in 2 of 5 seeds (1, 3)."
    assert endings(with_ends, {"b": "b", "a": "First"}) == [f"Ended early: {told}"]
    assert endings(with_ends[with_ends["phase"] != "ended"], LABELS) == []


def test_what_has_ended_is_in_no_mean(with_ends):
    table = remaining_units(with_ends, LABELS)
    assert table["n_seeds"].tolist() == [5, 3, 0, 0]
    left = with_ends[(with_ends["criterion"] == "a") & (with_ends["phase"] == "retrained")]
    means = left.groupby("iteration")["n_hidden"].mean().tolist()
    assert table["n_hidden_mean"].tolist()[:2] == pytest.approx(means) and table["n_hidden_mean"].isna()[2:].all()
    for text in (as_markdown(table, ""), as_latex(table, "")):
        [line] = [line.strip("| \\") for line in text.split("\n") if "Second" in line]
        assert line.replace("&", "|").split(" | ")[1:] == ["-", "-"] and "n = 0 to 5" in text
    curves = digits.over_seeds(with_ends, ["n_hidden"])
    assert set(curves["phase"]) == {"initial", "pruned", "retrained"}
    assert curves.loc[curves["phase"] == "retrained", "n"].tolist() == [5, 3]
    courses = Courses(with_ends)
    assert courses.last("a") == 2 and courses.after("a", "n_hidden").index.tolist() == [0, 2, 4]
    with pytest.raises(NotTestable, match="criterion b leaves no machine"):
        courses.last("b")


def test_figures_grow_by_the_lines_that_name_what_ended(tiny, tmp_path):
    """What was drawn before has the same size and place above the lines."""
    spec = {"name": "fig2", "formats": [], "dpi": 40, "study": "Study x.", "criteria": {}, "colours": {}}
    panels = fig2.panels({name: [tiny.folder / f"{name}.csv"] for name in ("metrics", "pattern_probabilities")})
    drawn = []

    class Spy:
        @staticmethod
        def draw(panels, look):
            drawn.append(fig2.draw(panels, look))
            return drawn[-1]

    for notes in ((), ("Ended early: " + "word " * 60,)):
        save(Spy, panels, spec | {"notes": notes}, tmp_path)
    heights = [figure.get_figheight() for figure in drawn]
    assert heights[1] - heights[0] == pytest.approx(2 * LINE_HEIGHT)
    tops = [[axes.get_window_extent().y1 / figure.dpi for axes in figure.axes] for figure in drawn]
    assert np.array(tops[1]) - np.array(tops[0]) == pytest.approx(2 * LINE_HEIGHT, abs=0.02)
    assert drawn[1].texts[-1].get_text().count("\n") == 2


def test_machines_whose_chains_mix_too_slowly_are_counted():
    table = metrics(np.random.default_rng(3))
    assert unmixed(table, LABELS) == []
    table["mixes"] = 1.0
    assert unmixed(table, LABELS) == []
    is_a = (table["criterion"] == "a") & (table["seed"] < 2)
    table.loc[is_a & (table["phase"] == "pruned") & (table["iteration"] == 1), "mixes"] = 0.0
    table.loc[(table["criterion"] == "none") & (table["seed"] == 4), "mixes"] = 0.0
    table.loc[table["criterion"] == "b", "mixes"] = np.nan  # not sampled by chains
    [line] = unmixed(table, LABELS)
    assert line == "Chains mix too slowly in some machines: 1 of 5 of the initial machines, 2 of 20 of First."
    assert cautions(table, LABELS) == [line]
