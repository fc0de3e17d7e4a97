"""Quality and share of every digit among the generated samples, from the tidy table of the classes."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from boltzprune.report.tables.text import fewer, markdown_grid, number_of_seeds, tex

if TYPE_CHECKING:
    import pandas as pd

INITIAL = "Initial machine"
PARTS = {"quality": ("Quality", 1, "{:.2f}"), "share": ("Share (%)", 100, "{:.1f}")}
"""Column -> its heading, what it is multiplied with, its digits."""


def per_digit(classes: "pd.DataFrame", labels: dict[str, str]) -> "pd.DataFrame":
    """Quality and share of each digit, initial machines and each criterion after its last retraining.

    Parameters
    ----------
    classes
        criterion, iteration, phase, seed, digit, share (fraction of the samples that the classifier calls this digit),
        quality (mean winning probability among them; empty if there are none).
    labels
        Of each criterion, by name, in the order wanted.

    Returns
    -------
    pandas.DataFrame
        criterion, label, iteration, digit, quality_mean, quality_sd, n_quality (seeds that have such samples),
        share_mean, share_sd, share_min, share_max (over seeds), n_seeds (with a share). Fractions; sd divides by n - 1.
    """
    import pandas as pd

    retrained = classes[(classes["phase"] == "retrained") & classes["criterion"].isin(labels)]
    last = retrained[retrained["iteration"] == retrained.groupby("criterion")["iteration"].transform("max")]
    rows = pd.concat([classes[classes["phase"] == "initial"], last])
    table = rows.groupby(["criterion", "iteration", "digit"], as_index=False).agg(
        quality_mean=("quality", "mean"),
        quality_sd=("quality", "std"),
        n_quality=("quality", "count"),
        share_mean=("share", "mean"),
        share_sd=("share", "std"),
        share_min=("share", "min"),
        share_max=("share", "max"),
        n_seeds=("share", "count"),
    )
    known = dict.fromkeys(rows.loc[rows["phase"] == "initial", "criterion"], INITIAL) | labels
    table.insert(1, "label", table["criterion"].map(known))
    order = {name: place for place, name in enumerate(known)}
    return table.sort_values(["criterion", "digit"], key=lambda c: c.map(order) if c.name == "criterion" else c)


def range_of_shares(table: "pd.DataFrame") -> tuple[float, float]:
    """Smallest and largest share of a digit in the initial machines, over seeds and digits; fractions."""
    initial = table[table["iteration"] == 0]
    return initial["share_min"].min(), initial["share_max"].max()


def _about(table: "pd.DataFrame", study: str) -> str:
    """What the table shows, in a few sentences."""
    low, high = (f"{100 * share:.0f}" for share in range_of_shares(table))
    return (
        "Digits among the generated samples: quality (mean winning probability) and share of the samples, "
        f"mean (standard deviation) over seeds, {number_of_seeds(table)}. In the unpruned machines the share of a "
        f"digit ranges from {low} to {high} %. {study}"
    )


def _grids(table: "pd.DataFrame") -> Iterator[tuple[str, list[list[str]]]]:
    """Heading of each part, and its lines: label with the iteration, then mean (sd) of each digit as text."""
    for column, (heading, scale, form) in PARTS.items():
        n = table["n_quality"] if column == "quality" else table["n_seeds"]
        mean, spread = ((scale * table[f"{column}_{kind}"]).map(form.format) for kind in ("mean", "sd"))
        cell = mean + " (" + spread.where(n > 1, "-") + ")" + fewer(n, table["n_seeds"].max())  # one seed has no spread
        cell = cell.where(n > 0, "-")
        lines = []
        for _, part in table.assign(cell=cell).groupby("criterion", sort=False):
            label, iteration = part[["label", "iteration"]].iloc[0]
            lines.append([f"{label}, iteration {iteration}" if iteration else label, *part["cell"]])
        yield heading, lines


def as_markdown(table: "pd.DataFrame", study: str) -> str:
    """The table in Markdown, one part for quality and one for share."""
    digits = [str(digit) for digit in sorted(table["digit"].unique())]
    parts = [markdown_grid([heading, *digits], lines) for heading, lines in _grids(table)]
    return "\n\n".join([_about(table, study), *parts]) + "\n"


def as_latex(table: "pd.DataFrame", study: str) -> str:
    """The table in LaTeX (booktabs), quality above share."""
    digits = [str(digit) for digit in sorted(table["digit"].unique())]
    body: list[str] = []
    for heading, lines in _grids(table):
        body += [r"\midrule" if body else r"\toprule", " & ".join([tex(heading), *digits]) + r" \\", r"\midrule"]
        body += [" & ".join([tex(label), *cells]) + r" \\" for label, *cells in lines]
    begin = rf"\begin{{tabular}}{{l{'r' * len(digits)}}}"
    return "\n".join([f"% {tex(_about(table, study))}", begin, *body, r"\bottomrule", r"\end{tabular}", ""])
