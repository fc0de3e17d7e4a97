"""The free-running activity: what its samples are worth, and the stop signal, with which the activity of a hidden layer
starts to rise.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from boltzprune.core.fisher import Statistics

HIDDEN_LAYERS = (1, 2)
N_ERRORS = 2
"""Standard errors that a mean over seeds has to rise by."""


def n_effective(statistics: "Statistics", masks: Sequence[np.ndarray]) -> float:
    """Independent samples that would leave as much to chance in the pair means of a machine's weights, all together.

    sum p (1 - p) / sum (p (1 - p) / n) over the pairs with a weight, n the number that each is worth
    (`Statistics.worth`). Of conditional means it may be more than the samples there are. NaN if the means are exact, or
    every pair is always the same.

    Parameters
    ----------
    statistics : fisher.Statistics
    masks : list of (n_lower, n_upper) bool
        Which weights exist.
    """
    if statistics.n_samples == 0:
        return float("nan")
    every = zip(statistics.pair_means, statistics.worth[1], masks, strict=True)
    parts = [(mean[mask] * (1.0 - mean[mask]), np.broadcast_to(n, mask.shape)[mask]) for mean, n, mask in every]
    total = sum(float(variance.sum()) for variance, _ in parts)
    return total / sum(float((variance / n).sum()) for variance, n in parts) if total else float("nan")


def stop_signal(activity: Sequence[float]) -> int | None:
    """First iteration whose pruning and retraining made the activity rise: the smallest k >= 1, a_k > a_(k-1).

    Any rise counts, however small. A missing value (NaN) is neither a rise nor something to rise from.

    Parameters
    ----------
    activity : sequence of float
        Mean rate of a layer's units at iterations 0 (before pruning), 1, 2, ...

    Returns
    -------
    int or None
        None if the activity never rises.
    """
    activity = [float(value) for value in activity]
    return next((k for k in range(1, len(activity)) if activity[k] > activity[k - 1]), None)


def rise_beyond_error(activity: "pd.DataFrame") -> int | None:
    """First iteration at which the activity has risen by more than its error: mean(d_k) > 2 sd(d_k) / sqrt(n).

    d_k = a_k - a_(k-1) is the difference of each of n seeds. One seed has no error, so that any rise of it counts.

    Parameters
    ----------
    activity : (iterations, seeds) table
        Mean rate of a layer's units at iterations 0 (before pruning), 1, 2, ... An iteration that a seed lacks is
        neither a rise nor something to rise from.

    Returns
    -------
    int or None
        None if the activity never rises so far.
    """
    steps = activity.diff().iloc[1:]
    mean, error = steps.mean(axis=1, skipna=False), steps.sem(axis=1, skipna=False).fillna(0.0)
    risen = steps.index[mean > N_ERRORS * error]
    return int(risen[0]) if len(risen) else None


def stop_signals(metrics: "pd.DataFrame") -> "pd.DataFrame":
    """Table of stop signals beside the encoding errors, for each criterion and hidden layer.

    Activity and error are means over the seeds, of the initial machine (iteration 0) and of the retrained ones. An
    iteration that some seed lacks has no mean.

    Parameters
    ----------
    metrics : pandas.DataFrame
        Columns criterion, iteration, phase, seed, encoding_error, activity_1, activity_2. Rows of phase initial belong
        to every criterion.

    Returns
    -------
    pandas.DataFrame
        criterion, layer (1, 2), iteration_of_rise (see `rise_beyond_error`; empty if there is none), n_seeds_rising
        (seeds whose own activity rises at some iteration), n_seeds, encoding_error_there (at iteration_of_rise),
        encoding_error_best (the lowest) and iteration_best (where that is, the earliest; 0 = before pruning).
    """
    import pandas as pd

    initial = metrics[metrics["phase"] == "initial"].drop_duplicates("seed")
    retrained = metrics[metrics["phase"] == "retrained"]
    rows = []
    for criterion, own in retrained.groupby("criterion", sort=False):
        course = pd.concat([initial[initial["seed"].isin(own["seed"])], own])
        error = _by_iteration(course, "encoding_error").mean(axis=1, skipna=False)
        for layer in HIDDEN_LAYERS:
            activity = _by_iteration(course, f"activity_{layer}")
            rows.append({"criterion": criterion, "layer": layer} | _signal(activity, error))
    columns = "criterion layer iteration_of_rise n_seeds_rising n_seeds encoding_error_there encoding_error_best"
    table = pd.DataFrame(rows, columns=[*columns.split(), "iteration_best"])
    return table.astype({"iteration_of_rise": "Int64", "iteration_best": "Int64"})


def _by_iteration(course: "pd.DataFrame", column: str) -> "pd.DataFrame":
    """One column of a criterion's rows as a table (iteration, seed), every iteration from 0 to the last."""
    table = course.pivot(index="iteration", columns="seed", values=column)
    return table.reindex(range(int(table.index.max()) + 1))


def _signal(activity: "pd.DataFrame", error: "pd.Series") -> dict[str, Any]:
    """The row of one criterion and layer, without these two."""
    rise = rise_beyond_error(activity)
    known = error.dropna()
    return {
        "iteration_of_rise": rise,
        "n_seeds_rising": sum(stop_signal(activity[seed]) is not None for seed in activity),
        "n_seeds": activity.shape[1],
        "encoding_error_there": float("nan") if rise is None else error[rise],
        "encoding_error_best": known.min() if len(known) else float("nan"),
        "iteration_best": known.idxmin() if len(known) else None,
    }
