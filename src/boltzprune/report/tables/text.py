"""Cells and words as Markdown and LaTeX have them, for every table."""

import unicodedata
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

TEX = {
    **{character: f"\\{character}" for character in "&%#_${}"},
    **{character: f"{{{character}}}" for character in "[*"},  # at the start of a row the \\\\ before would take them
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "ß": r"\ss{}",
    **{sign: f"$\\{name}$" for sign, name in zip("±×≤≥≈→∞", ("pm", "times", "le", "ge", "approx", "to", "infty"))},
    **{sign: f"$\\{name}$" for sign, name in zip("αβγλμσ", ("alpha", "beta", "gamma", "lambda", "mu", "sigma"))},
    **{sign: f"$_{n}$" for n, sign in enumerate("₀₁₂₃₄₅₆₇₈₉")},
    **{sign: f"$^{n}$" for n, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    "−": "$-$",
}
"""Character -> what stands for it in LaTeX's text, in ASCII."""
ACCENTS = dict(zip("\u0300\u0301\u0302\u0303\u0308\u030a\u030c\u0327", "`'^~\"rvc"))
"""Combining character -> command that sets it on the letter before it."""


def markdown_grid(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Lines of cells as a table in Markdown."""
    lines = [[" ".join(str(cell).split()).replace("|", r"\|") for cell in line] for line in [head, *rows]]
    lines.insert(1, ["---"] * len(head))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number_of_seeds(table: "pd.DataFrame") -> str:
    """How many seeds are behind the rows of a table with n_seeds, as text."""
    return f"n = {table['n_seeds'].min()}" + (
        "" if table["n_seeds"].nunique() == 1 else f" to {table['n_seeds'].max()}"
    )


def fewer(n: "pd.Series", most: int | None = None) -> "pd.Series":
    """What a cell says besides, for each number of values averaged: " [n = 2]" where there are fewer than the most."""
    return n.map(" [n = {}]".format).where(n < (n.max() if most is None else most), "")


def tex(text: str) -> str:
    """Plain text for LaTeX, in one line: what is special there escaped, accents and mathematical signs in ASCII.

    Letters of other scripts stay as they are, for XeLaTeX and LuaLaTeX with a font that has them.
    """
    letters: list[str] = []
    for character in unicodedata.normalize("NFD", " ".join(text.split())):
        if character in ACCENTS and letters:
            letters.append(f"\\{ACCENTS[character]}{{{letters.pop()}}}")
        else:
            letters.append(TEX.get(character, character))
    return unicodedata.normalize("NFC", "".join(letters))
