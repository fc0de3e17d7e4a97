"""Results of a made-up study in which every claim of the paper is supported, and ways to spoil it.

Wherever a claim must look at one iteration, phase or statistic, the others say the opposite.
"""

import numpy as np
import pandas as pd

from boltzprune.report.claims import judge
from boltzprune.report.claims.collected import Results
from boltzprune.results.store import write_arrays

SEEDS = tuple(range(3, 16))  # thirteen
PATCHES = "variance_fi heuristic_fi eigenvector weight_magnitude random_weights anti_fi random_units".split()
DIGITS = [name for name in PATCHES if name != "eigenvector"]
FI = ("variance_fi", "heuristic_fi", "eigenvector")
LAST = {"variance_fi": 6, "heuristic_fi": 6}
"""Of the digits; there are four more iterations."""
ITERATIONS = 10
CLAIMS_FILES = {"csv": "claims.csv", "markdown": "claims.md", "published": "published.csv"}
"""What the stage writes."""


def rows(criteria, iterations, values, seeds=SEEDS):
    """Metrics: values(criterion, iteration, phase) -> dict of column to number, with a spread of 1 % over the seeds."""
    rng = np.random.default_rng(23)
    where = [("none", 0, "initial")]
    where += [(c, k, p) for c in criteria for k in range(1, iterations + 1) for p in ("pruned", "retrained")]
    found = []
    for criterion, iteration, phase in where:
        number = values(criterion, iteration, phase)
        for seed, noise in zip(seeds, 1 + 0.01 * rng.uniform(-2, 2, len(seeds))):
            about = {"criterion": criterion, "iteration": iteration, "phase": phase, "seed": seed}
            found.append(about | {k: v if k.startswith("n_") else v * noise for k, v in number.items()})
    order = rng.permutation(len(found))
    return pd.DataFrame(found).iloc[order].reset_index(drop=True)  # in no order


def patches_values(criterion, iteration, phase):
    """Initial KL 0.2 nats; the third iteration is the last. All samples miss half of the data, which are enumerated."""
    number = {"kl_sampled": 7.0, "eigenvalue_1": 1.0, "eigenvalue_2": 1.0, "missing_share": 0.5}
    number |= {"heuristic_correlation": 0.1, "heuristic_relative_difference": 9.0}
    right = {"error_rare": 2.9, "error_frequent": 1.1}
    if phase == "initial":
        start = {"kl_exact": 0.2, "n_hidden": 70, "eigenvalue_1": 24.0, "eigenvalue_2": 1.6}
        return number | right | start | {"heuristic_correlation": 0.95, "heuristic_relative_difference": 2.0}
    partly = criterion in ("random_weights", "anti_fi")
    if (iteration, phase) == (3, "retrained"):
        right |= {"error_rare": 6.1, "error_frequent": 2.3} if partly else {}
        return number | right | {"kl_exact": 0.6 if partly else 0.21, "n_hidden": 12 if criterion in FI else 35}
    wrong = {"error_rare": 1.1, "error_frequent": 0.9 if partly else 5.3}
    if phase == "pruned":
        return number | wrong | {"kl_exact": 5.0 if iteration == 3 else 0.1, "n_hidden": 50 if criterion in FI else 20}
    return number | wrong | {"kl_exact": 0.1 if partly else 9.0, "n_hidden": 40 if criterion in FI else 60}


ERROR = {
    "variance_fi": (0.05, 0.04, 0.045, 0.06, 0.062, 0.065, 0.07, 0.2, 0.001, 0.001, 0.001),
    "heuristic_fi": (0.05, 0.04, 0.045, 0.06, 0.062, 0.065, 0.07, 0.12, 0.001, 0.12, 0.12),
    "weight_magnitude": (0.05, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.045),
    "random_weights": (0.05, 0.06, 0.07, 0.08, 0.09, 0.2, 0.01, 0.01, 0.01, 0.01, 0.01),
    "anti_fi": (0.05, 0.4, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.06, 0.9),
    "random_units": (0.05, 0.06, 0.07, 0.08, 0.09, 0.2, 0.01, 0.01, 0.01, 0.01, 0.3),
}
QUALITY = {"weight_magnitude": 0.85, "random_weights": 0.6, "random_units": 0.62, "anti_fi": 0.3}
UNITS = {
    "weight_magnitude": (211, 305),
    "random_weights": (211, 307),
    "anti_fi": (205, 301),
    "random_units": (101, 153),
}
ACTIVITY = (0.4, 0.3, 0.5, 0.2, 0.1, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1)


def digits_values(criterion, iteration, phase):
    """Ten iterations; the FI rules are to be compared after the sixth."""
    fisher = criterion in LAST
    start = {"n_weights": 1000, "n_weights_1": 521, "n_units_1": 211, "n_units_2": 307}
    if phase == "initial":
        scores = {"quality_mean": 0.9, "diversity": 2.2, "activity_1": 0.4, "activity_2": 0.008}
        return start | scores | {"encoding_error": 0.05, "n_visible_connected": 77}
    number = {"n_weights": round(1000 * 0.08 ** (iteration / (6 if fisher else 10))), "n_weights_1": 101}
    number |= {"activity_1": ACTIVITY[iteration], "activity_2": 0.008 + 0.01 * iteration}
    number |= {"encoding_error": ERROR[criterion][iteration] if phase == "retrained" else np.nan}
    border = {"border_disconnected": 0.5, "centre_disconnected": 0.1}
    centre = {"border_disconnected": 0.1, "centre_disconnected": 0.5}
    if phase == "retrained" and iteration == LAST.get(criterion, ITERATIONS):
        units = UNITS.get(criterion, (190, 123))
        number |= {"n_units_1": units[0], "n_units_2": units[1], "n_visible_connected": 76} | (
            border if fisher else centre
        )
        number |= {"n_weights_1": round(521 * 0.9**iteration)} if fisher or criterion == "random_weights" else {}
        number |= {"quality_mean": QUALITY.get(criterion, 0.8), "diversity": 1.2 if fisher else 1.9}
        return number
    scores = (0.95, 2.3) if fisher or criterion == "anti_fi" else (0.1, 0.4)
    number |= {"quality_mean": scores[0], "diversity": scores[1]} | (centre if fisher else border)
    return number | {"n_units_1": 100 if fisher else 207, "n_units_2": 300, "n_visible_connected": 70}


def classes_table():
    """Ten classes; shares of the initial machines from 8 to 12 %, of others 0 or all."""
    found = []
    for seed in SEEDS:
        for digit in range(10):
            share = 0.08 if digit < 5 else 0.12
            found.append(("none", 0, "initial", seed, digit, share))
            found.append(("anti_fi", ITERATIONS, "retrained", seed, digit, float(digit == 0)))
    return pd.DataFrame(found, columns=["criterion", "iteration", "phase", "seed", "digit", "share"])


def write_statistics(folder, spoil=None):
    """Statistics of the initial machines in two blocks: 5 x 23 units, of which 3 carry nearly all information."""
    rng, paths = np.random.default_rng(29), []
    for block in (SEEDS[:6], SEEDS[6:]):
        arrays = {}
        for seed in block:
            pair = np.where(np.arange(23) < 3, 0.5, 0.002) * rng.uniform(0.9, 1.0, (5, 23))
            rates = rng.uniform(0.4, 0.6, 5), np.where(np.arange(23) < 3, 0.5, 0.01)
            found = {"n_samples": np.array(101), "pair_mean0": pair, "rate0": rates[0], "rate1": rates[1]}
            diagonal = np.concatenate([pair.ravel(), *rates])
            diagonal *= 1 - diagonal
            found["eigenvectors"] = np.stack([diagonal * rng.uniform(0.95, 1.05, 143), rng.random(143)])
            found["negligible_share"] = np.array(0.9 * rng.uniform(0.98, 1.02))
            if spoil:
                spoil(found, seed)
            arrays |= {f"seed{seed}/{name}": value for name, value in found.items()}
        paths.append(folder / f"statistics{len(paths)}.npz")
        write_arrays(paths[-1], arrays, {"seeds": list(block)})
    return tuple(paths)


def references_table():
    """Raw pixels of the machines' training images 0.1; of all images worse than anything."""
    found = [("raw_all", 0.0001), ("raw", 0.1), ("test_digits", np.nan)]
    return pd.DataFrame(found, columns=["reference", "error"])


def good_tables():
    """All tables."""
    return {
        "metrics": rows(PATCHES, 3, patches_values),
        "digits_metrics": rows(DIGITS, ITERATIONS, digits_values),
        "digits_classes": classes_table(),
        "digits_references": references_table(),
    }


def good_results(folder, spoil=None):
    """A study in which every claim is supported."""
    return Results(good_tables(), write_statistics(folder, spoil), dict(LAST))


def some_seeds(results, n):
    """The same study with the first n seeds."""
    keep = {k: t[t["seed"].isin(SEEDS[:n])] if "seed" in t else t for k, t in results.tables.items()}
    return Results(keep, results.statistics, results.last_iterations)


def found(results, name, claims):
    """The rows of one claim by criterion."""
    table = judge(results, claims)
    return table[table["claim"] == name].set_index("criterion")


def verdicts(results, name, claims):
    """Criterion -> verdict on one claim."""
    return found(results, name, claims)["verdict"].to_dict()


def select(table, **where):
    """Rows with those values; a value can be a collection."""
    mask = np.ones(len(table), dtype=bool)
    for column, value in where.items():
        mask &= table[column].isin([value] if isinstance(value, str | int) else list(value)).to_numpy()
    return mask


def put(column, value, table="digits_metrics", **where):
    """A change of the results of some seeds: a value, or a function of what there is, in the rows with those values."""

    def change(results, seeds=SEEDS):
        frame = results.tables[table]
        frame[column] = frame[column].astype(np.float64)
        rows = select(frame, **{"seed": seeds} | where)
        frame.loc[rows, column] = value(frame.loc[rows, column]) if callable(value) else value

    return change


def times(factor):
    """What multiplies a column."""
    return lambda values: values * factor
