"""When the course of a seed stops before its last iteration, because its machine has become too bad, or too active.

A rule looks at one number of each machine of a seed: of the initial one, then of that of each iteration after its
retraining. It is asked before every pruning, so a course stops at the first iteration with which its rule holds.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from boltzprune.evaluation.activity import stop_signal

if TYPE_CHECKING:
    import pandas as pd

FACTORS = {"divergence": ("kl_exact", "kl_sampled"), "encoding_error": ("encoding_error",)}
"""Key of section `stop` that is a factor -> columns of the metrics: the first one of them that has the numbers."""


def rules_of(stop: Any) -> dict[str, Any]:
    """The rules that section `stop` sets: key -> value."""
    return {key: value for key, value in stop.model_dump().items() if value is not None}


def stopped(metrics: "pd.DataFrame", stop: Any, seed: int) -> str:
    """Why the course of a seed has stopped, in words; empty if it goes on.

    Parameters
    ----------
    metrics : pandas.DataFrame
        Of the initial machines and of all iterations so far of one criterion.
    stop : config.Stop or config.digits.DeepStop
    seed : int
        One that has a machine after each of them.

    Returns
    -------
    str
    """
    rows = metrics[(metrics["seed"] == seed) & metrics["phase"].isin(["initial", "retrained"])].sort_values("iteration")
    for key, value in rules_of(stop).items():
        if key in FACTORS:
            column = next((name for name in FACTORS[key] if rows[name].notna().all()), FACTORS[key][-1])
            numbers = rows[column].to_numpy(float)
            if rises_above(numbers, value):
                return (
                    f"{column} is {numbers[-1]:.3g}, more than {value:g} times the initial machine's {numbers[0]:.3g}"
                )
        elif stop_signal(numbers := rows[f"activity_{value[1]}"].to_numpy(float)) is not None:
            return f"the mean activity of {value} has risen: {', '.join(f'{number:.3g}' for number in numbers)}"
    return ""


def rises_above(values: Sequence[float] | np.ndarray, factor: float) -> bool:
    """Whether the last number is more than so many times the first; one that is missing (NaN) is no reason to stop.

    Parameters
    ----------
    values : sequence of float
        Of iterations 0 (before pruning), 1, 2, ...
    factor : float
    """
    return len(values) > 1 and bool(values[-1] > factor * values[0])
