"""Table 1: hidden units and weights that remain, from the tidy metrics."""

from typing import TYPE_CHECKING

from boltzprune.report.published import of_column
from boltzprune.report.tables.text import fewer, markdown_grid, number_of_seeds, tex
from boltzprune.results.tidy import ENDED

if TYPE_CHECKING:
    import pandas as pd


def remaining_units(metrics: "pd.DataFrame", labels: dict[str, str]) -> "pd.DataFrame":
    """Table 1: hidden units and weights that remain after each iteration, mean and standard deviation over seeds.

    Parameters
    ----------
    metrics
        One row per criterion, iteration, phase and seed.
    labels
        Of each criterion, by name, in the order wanted.

    Returns
    -------
    pandas.DataFrame
        criterion, label, iteration, n_hidden_mean, n_hidden_sd, n_weights_mean, n_weights_sd, n_seeds (with a machine;
        0: all courses of the criterion have ended, and there is no mean).
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


def _grid(table: "pd.DataFrame") -> tuple["pd.DataFrame", dict[int, str]]:
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


def _rows(table: "pd.DataFrame", grid: "pd.DataFrame", with_published: bool) -> list[list[str]]:
    """Lines of text: a label, then a cell for each iteration; below each criterion what the authors have published."""
    of_authors = {(value.criterion, value.iteration): value.in_words for value in of_column("n_hidden", "patches")}
    lines = []
    for name, (label, row) in zip(dict.fromkeys(table["criterion"]), zip(grid.index, grid.to_numpy())):
        lines.append([label, *row])
        numbers = [of_authors.get((name, iteration), "-") for iteration in grid.columns]
        if with_published and set(numbers) != {"-"}:
            lines.append([f"{label}, one run of the authors", *numbers])
    return lines


def as_markdown(table: "pd.DataFrame", study: str, with_published: bool = False) -> str:
    """Table 1 in Markdown, with a line that says what it shows.

    Parameters
    ----------
    table
        From `remaining_units`.
    study
        One line that says what was computed.
    with_published
        Whether the numbers of one run of the authors stand below ours.
    """
    grid, weights = _grid(table)
    head = ["Criterion", *(f"iteration {k}, n_w = {weights[k]}" for k in grid.columns)]
    body = markdown_grid(head, _rows(table, grid, with_published))
    n = number_of_seeds(table)
    return f"Table 1. Remaining hidden units, mean (standard deviation) over seeds, {n}. {study}\n\n{body}\n"


def as_latex(table: "pd.DataFrame", study: str, with_published: bool = False) -> str:
    """Table 1 in LaTeX (booktabs); with the parameters of `as_markdown`."""
    grid, weights = _grid(table)
    math = {k: f"$n_w = {text.replace(' to ', '$ to $')}$" for k, text in weights.items()}
    head = " & ".join(["Criterion", *(f"iteration {k} ({math[k]})" for k in grid.columns)])
    rows = [" & ".join([tex(label), *row]) + r" \\" for label, *row in _rows(table, grid, with_published)]
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
