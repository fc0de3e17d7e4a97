"""The tables in LaTeX: what a reader sees there is the text that was meant, read by a strict reader."""

import random

import pytest
from latex import shown, table
from test_digit_table import classes
from test_tables_figures import metrics

from boltzprune.report.tables import per_digit, table1

LABELS = {
    "b": r"[x] |w| & 100% of_a #1 ^2 ~ \v <v_i h_j> {x} $5",
    "a": '* Größe, déjà ñ åš ç ± × − ≤ λ₀ x² "z" `b` a\'s',
}
STUDY = "Study ä_b: 50 % & more,\nmissing: C:\\my_rules.py:f."
ALPHABET = "".join(map(chr, range(32, 127))) + "äöüÄÖÜßéèñçš±×−≤≥≈→∞αβγλμσ₀₁₂²³"


@pytest.mark.parametrize("label", [*LABELS.values(), *ALPHABET.replace(" ", ""), "&%#_${}", r"\textbar{}", "a--b", ""])
def test_text_is_set_as_it_was_meant(label):
    assert shown(table1.tex(label)) == label
    assert table1.tex(label).isascii()


def test_any_text_is_set_as_it_was_meant():
    letters = random.Random(29)
    for _ in range(997):
        label = "x" + "".join(letters.choices(ALPHABET, k=13)) + "x"
        assert shown(table1.tex(label)) == " ".join(label.split()), label


def test_text_becomes_one_line_and_never_starts_as_an_argument_of_the_row_before():
    assert table1.tex(" a\n b\tc ") == "a b c"
    assert table1.tex("[1pt]")[0] == table1.tex("*")[0] == "{"


@pytest.mark.parametrize(
    "text", ["a & b", "50%", "a_b", "x^2", "~", "|w|", "<h>", "#1", r"\foo", "{", "}", "$17 to 20$"]
)
def test_the_reader_is_strict(text):
    with pytest.raises(ValueError):
        shown(text)


def test_table_1():
    comments, rows = table(table1.as_latex(table1.remaining_units(metrics(), LABELS), STUDY))
    about = r"Study \"{a}\_b: 50 \% \& more, missing: C:\textbackslash{}my\_rules.py:f."
    assert comments == [f"% Remaining hidden units, mean (standard deviation) over seeds, n = 3. {about}"]
    assert rows == [
        "toprule",
        ["Criterion", "iteration 1 (n_w = 17 to 20)"],
        "midrule",
        [LABELS["b"], "7.0 (0.0)"],
        [LABELS["a"], "6.0 (3.6)"],
        "bottomrule",
    ]


def test_table_1_where_all_criteria_have_as_many_weights():
    few = table1.remaining_units(metrics().query("criterion == 'a'"), {"a": "A"})
    assert r"Criterion & iteration 1 ($n_w = 17$) \\" in table1.as_latex(few, "").split("\n")


def test_table_per_digit():
    comments, rows = table(per_digit.as_latex(per_digit.per_digit(classes(), LABELS), STUDY))
    assert len(comments) == 1
    assert rows == [
        "toprule",
        ["Quality", "0", "1"],
        "midrule",
        ["Initial machine", "0.86 (0.06)", "0.43 (0.03)"],
        [f"{LABELS['b']}, iteration 1", "0.30 (0.07)", "0.15 (0.04)"],
        [f"{LABELS['a']}, iteration 2", "0.60 (0.14)", "0.30 (0.07)"],
        "midrule",
        ["Share (%)", "0", "1"],
        "midrule",
        ["Initial machine", "12.5 (7.8)", "87.5 (7.8)"],
        [f"{LABELS['b']}, iteration 1", "1.0 (1.4)", "99.0 (1.4)"],
        [f"{LABELS['a']}, iteration 2", "40.0 (14.1)", "60.0 (14.1)"],
        "bottomrule",
    ]


def test_a_label_of_several_lines_is_one_row_of_markdown():
    rows = table1.as_markdown(table1.remaining_units(metrics(), {"a": "two\nlines | x"}), "").split("\n")
    assert r"| two lines \| x | 6.0 (3.6) |" in rows
