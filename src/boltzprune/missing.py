"""Seeds that are missing from a tidy table, in words."""

import numpy as np

KEYS = ["criterion", "iteration", "phase"]


def missing_seeds(table, columns):
    """What no mean has in it, in words: seeds without a row, or without a finite value where other seeds have one.

    Parameters
    ----------
    table : pandas.DataFrame
        `KEYS`, seed (0, 1, ...) and the columns.
    columns : list of str

    Returns
    -------
    list of str
        A sentence for each; none if all seeds are there.
    """
    found, every = [], set(range(int(table["seed"].max()) + 1)) if len(table) else set()
    for (criterion, iteration, phase), rows in table.groupby(KEYS, sort=False):
        where = f"{criterion}, iteration {iteration}, {phase}"
        lacks = {"row": every - set(rows["seed"])}
        for column in columns:
            finite = np.isfinite(rows[column].astype(float))
            lacks[column] = set(rows.loc[~finite, "seed"]) if finite.any() else set()
        for what, seeds in lacks.items():
            if seeds:
                found.append(f"Missing: {where}: no {what} of seed {', '.join(map(str, sorted(seeds)))}.")
    return found


def measures(table):
    """Columns of a table of metrics that hold numbers about a machine."""
    return [name for name in table.columns if name not in (*KEYS, "seed")]
