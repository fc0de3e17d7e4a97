"""Quality and share per digit: numbers by hand, text that survives Markdown and LaTeX, the stage."""

import numpy as np
import pandas as pd
import pytest

from boltzprune.report.tables.per_digit import as_latex, as_markdown, per_digit, range_of_shares
from boltzprune.study.stages import Job
from boltzprune.study.stages import per_digit as stage

LABELS = {"b": "Second & last", "a": "First_one | 50%"}
PHASES = ("pruned", "retrained")
QUALITY = {("none", 0): [0.9, 0.82], ("a", 2): [0.5, 0.7], ("b", 1): [0.25, 0.35]}
SHARE = {("none", 0): [0.07, 0.18], ("a", 2): [0.3, 0.5], ("b", 1): [0.0, 0.02]}


def classes():
    """Two digits, two seeds; a has two iterations, b one; wrong rows (another phase, another iteration) have 0.99."""
    rows, initial = [], ("none", 0, "initial")
    machines = [(name, k, phase) for name, k in (("a", 1), ("a", 2), ("b", 1), ("c", 1)) for phase in PHASES]
    for name, k, phase in [initial, *machines]:
        wanted = phase != "pruned" and (name, k) in QUALITY
        for seed in (0, 1):
            quality = QUALITY[name, k][seed] if wanted else 0.99
            share = SHARE[name, k][seed] if wanted else 0.99
            rows += [(name, k, phase, seed, 0, share, quality), (name, k, phase, seed, 1, 1 - share, quality / 2)]
    return pd.DataFrame(rows, columns=["criterion", "iteration", "phase", "seed", "digit", "share", "quality"])


def test_by_hand():
    table = per_digit(classes(), LABELS)
    assert table["criterion"].tolist() == ["none"] * 2 + ["b"] * 2 + ["a"] * 2
    assert table["label"].tolist() == ["Initial machine"] * 2 + ["Second & last"] * 2 + ["First_one | 50%"] * 2
    assert table["iteration"].tolist() == [0, 0, 1, 1, 2, 2]
    assert table["digit"].tolist() == [0, 1] * 3
    assert table["quality_mean"].tolist() == pytest.approx([0.86, 0.43, 0.3, 0.15, 0.6, 0.3])
    assert table["quality_sd"].tolist() == pytest.approx(np.array([0.08, 0.04, 0.1, 0.05, 0.2, 0.1]) / np.sqrt(2))
    assert table["share_mean"].tolist() == pytest.approx([0.125, 0.875, 0.01, 0.99, 0.4, 0.6])
    assert table["share_sd"].tolist() == pytest.approx(np.array([0.11, 0.11, 0.02, 0.02, 0.2, 0.2]) / np.sqrt(2))
    assert table["share_min"].tolist() == pytest.approx([0.07, 0.82, 0, 0.98, 0.3, 0.5])
    assert table["share_max"].tolist() == pytest.approx([0.18, 0.93, 0.02, 1, 0.5, 0.7])
    assert table["n_seeds"].tolist() == table["n_quality"].tolist() == [2] * 6


def test_range_of_the_unpruned_machines():
    assert range_of_shares(per_digit(classes(), LABELS)) == pytest.approx((0.07, 0.93))


def test_markdown():
    text = as_markdown(per_digit(classes(), LABELS), "Study x.")
    about, *parts = text.rstrip("\n").split("\n\n")
    assert "n = 2." in about
    assert "ranges from 7 to 93 %. Study x." in about
    assert parts[0].split("\n") == [
        "| Quality | 0 | 1 |",
        "| --- | --- | --- |",
        "| Initial machine | 0.86 (0.06) | 0.43 (0.03) |",
        "| Second & last, iteration 1 | 0.30 (0.07) | 0.15 (0.04) |",
        r"| First_one \| 50%, iteration 2 | 0.60 (0.14) | 0.30 (0.07) |",
    ]
    assert parts[1].split("\n")[::2] == [
        "| Share (%) | 0 | 1 |",
        "| Initial machine | 12.5 (7.8) | 87.5 (7.8) |",
        r"| First_one \| 50%, iteration 2 | 40.0 (14.1) | 60.0 (14.1) |",
    ]


def test_latex():
    lines = as_latex(per_digit(classes(), LABELS), "Study a_b: 50 % & more.").split("\n")
    assert lines[0].startswith("% ")
    assert lines[0].endswith(r"Study a\_b: 50 \% \& more.")
    assert lines[1] == r"\begin{tabular}{lrr}"
    assert [line for line in lines if line.startswith("\\") and "{" not in line] == [
        r"\toprule", r"\midrule", r"\midrule", r"\midrule", r"\bottomrule",
    ]  # fmt: skip
    assert r"Second \& last, iteration 1 & 0.30 (0.07) & 0.15 (0.04) \\" in lines
    assert r"Share (\%) & 0 & 1 \\" in lines
    assert r"First\_one \textbar{} 50\%, iteration 2 & 40.0 (14.1) & 60.0 (14.1) \\" in lines


def test_one_seed_has_no_spread():
    frame = classes()
    text = as_markdown(per_digit(frame[frame["seed"] == 0], LABELS), "")
    assert "| Initial machine | 0.90 (-) | 0.45 (-) |" in text
    assert "n = 1." in text


def test_a_digit_that_no_machine_draws_has_a_share_and_no_quality():
    frame = classes()
    nobody = (frame["criterion"] == "b") & (frame["digit"] == 0)
    frame.loc[nobody, "share"], frame.loc[nobody, "quality"] = 0.0, np.nan
    frame.loc[(frame["criterion"] == "a") & (frame["digit"] == 1) & (frame["seed"] == 1), "quality"] = np.nan
    table = per_digit(frame, LABELS)
    assert table["n_quality"].tolist() == [2, 2, 0, 2, 2, 1]
    text = as_markdown(table, "")
    assert "| Second & last, iteration 1 | - | 0.15 (0.04) |" in text
    assert "| Second & last, iteration 1 | 0.0 (0.0) | 99.0 (1.4) |" in text
    assert "iteration 2 | 0.60 (0.14) | 0.25 (-) [n = 1] |" in text


def test_equal_labels_stay_two_lines():
    assert as_markdown(per_digit(classes(), {"a": "Same", "b": "Same"}), "").count("| Same, iteration") == 4


def test_the_stage_writes_three_files(tmp_path):
    classes().to_csv(tmp_path / "classes.csv", index=False)
    outputs = {"csv": tmp_path / "t.csv", "markdown": tmp_path / "t.md", "latex": tmp_path / "t.tex"}
    spec = {"criteria": LABELS, "study": "Study x."}
    stage.run(Job("per_digit", {"classes": [tmp_path / "classes.csv"]}, outputs, spec, (0, 1)))
    table = per_digit(classes(), LABELS)
    assert outputs["markdown"].read_text() == as_markdown(table, "Study x.")
    assert outputs["latex"].read_text() == as_latex(table, "Study x.")
    written = pd.read_csv(outputs["csv"])
    assert written.columns.tolist() == table.columns.tolist()
    assert written["share_mean"].to_numpy() == pytest.approx(table["share_mean"].to_numpy())
