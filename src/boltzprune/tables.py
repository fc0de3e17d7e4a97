"""Tables of the paper, from the tidy metrics."""

import unicodedata

from boltzprune.tidy import ENDED


def remaining_units(metrics, labels):
    """Table 1: hidden units and weights that remain after each iteration, mean and standard deviation over seeds.

    Parameters
    ----------
    metrics : pandas.DataFrame
        One row per criterion, iteration, phase and seed.
    labels : dict of str -> str
        Of each criterion, in the order wanted.

    Returns
    -------
    pandas.DataFrame
        criterion, label, iteration, n_hidden_mean, n_hidden_sd, n_weights_mean, n_weights_sd, n_seeds (with a machine;
        0: all sequences of the criterion have ended, and there is no mean).
    """
    rows = metrics[metrics["phase"].isin(["retrained", ENDED]) & metrics["criterion"].isin(labels)]
    sizes = ["n_hidden", "n_weights"]
    rows = rows.assign(**rows[sizes].where(rows["phase"] != ENDED))
    table = rows.groupby(["criterion", "iteration"], as_index=False).agg(
        n_hidden_mean=("n_hidden", "mean"),
        n_hidden_sd=("n_hidden", "std"),
        n_weights_mean=("n_weights", "mean"),
        n_weights_sd=("n_weights", "std"),
        n_seeds=("n_hidden", "count"),
    )
    table.insert(1, "label", table["criterion"].map(labels))
    order = {name: place for place, name in enumerate(labels)}
    return table.sort_values(["criterion", "iteration"], key=lambda c: c.map(order) if c.name == "criterion" else c)


def _grid(table):
    """Criteria by iterations as text: mean (sd) of the hidden units, and the weights that remain."""
    spread = table["n_hidden_sd"].map("{:.1f}".format).where(table["n_seeds"] > 1, "-")  # one seed has none
    cell = table["n_hidden_mean"].map("{:.1f}".format) + " (" + spread + ")" + fewer(table["n_seeds"])
    cell = cell.where(table["n_seeds"] > 0, "-")
    grid = table.assign(cell=cell).pivot(index="criterion", columns="iteration", values="cell").fillna("-")
    weights = {}
    for iteration, rows in table.groupby("iteration"):
        ends = [f"{rows['n_weights_mean'].agg(end):.0f}" for end in ("min", "max") if rows["n_seeds"].any()]
        weights[iteration] = " to ".join(dict.fromkeys(ends)) or "-"
    labels = dict(zip(table["criterion"], table["label"]))
    return grid.loc[list(labels)].rename(index=labels), weights


def as_markdown(table, study):
    """Table 1 in Markdown, with a line that says what it shows."""
    grid, weights = _grid(table)
    head = ["Criterion", *(f"iteration {k}, n_w = {weights[k]}" for k in grid.columns)]
    body = markdown_grid(head, [[label, *row] for label, row in zip(grid.index, grid.to_numpy())])
    n = number_of_seeds(table)
    return f"Table 1. Remaining hidden units, mean (standard deviation) over seeds, {n}. {study}\n\n{body}\n"


def markdown_grid(head, rows):
    """Lines of cells as a table in Markdown."""
    lines = [[" ".join(str(cell).split()).replace("|", r"\|") for cell in line] for line in [head, *rows]]
    lines.insert(1, ["---"] * len(head))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number_of_seeds(table):
    """How many seeds are behind the rows of a table with n_seeds, as text."""
    return f"n = {table['n_seeds'].min()}" + (
        "" if table["n_seeds"].nunique() == 1 else f" to {table['n_seeds'].max()}"
    )


def fewer(n, most=None):
    """What a cell says besides, for each number of values averaged: " [n = 2]" where there are fewer than the most."""
    return n.map(" [n = {}]".format).where(n < (n.max() if most is None else most), "")


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


def tex(text):
    """Plain text for LaTeX, in one line: what is special there escaped, accents and mathematical signs in ASCII.

    Letters of other scripts stay as they are, for XeLaTeX and LuaLaTeX with a font that has them.
    """
    letters = []
    for character in unicodedata.normalize("NFD", " ".join(text.split())):
        if character in ACCENTS and letters:
            letters.append(f"\\{ACCENTS[character]}{{{letters.pop()}}}")
        else:
            letters.append(TEX.get(character, character))
    return unicodedata.normalize("NFC", "".join(letters))


def as_latex(table, study):
    """Table 1 in LaTeX (booktabs)."""
    grid, weights = _grid(table)
    math = {k: f"$n_w = {text.replace(' to ', '$ to $')}$" for k, text in weights.items()}
    head = " & ".join(["Criterion", *(f"iteration {k} ({math[k]})" for k in grid.columns)])
    rows = [" & ".join([tex(label), *row]) + r" \\" for label, row in zip(grid.index, grid.to_numpy())]
    return "\n".join(
        [
            rf"% Remaining hidden units, mean (standard deviation) over seeds, {number_of_seeds(table)}. {tex(study)}",
            rf"\begin{{tabular}}{{l{'r' * len(grid.columns)}}}",
            r"\toprule",
            head + r" \\",
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )
