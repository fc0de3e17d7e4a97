"""Results of a made-up study in which every claim of the paper holds, and ways to spoil it.

Wherever a claim must look at one iteration, phase or statistic, the others say the opposite.
"""

import numpy as np
import pandas as pd

from boltzprune.claims.collected import Results
from boltzprune.store import write_arrays

SEEDS = tuple(range(3, 14))  # eleven
PATCHES = "variance_fi heuristic_fi eigenvector weight_magnitude random_weights anti_fi random_units".split()
DIGITS = [name for name in PATCHES if name != "eigenvector"]
FI = ("variance_fi", "heuristic_fi", "eigenvector")
SHAPE = (11, 7)
LAST = {"variance_fi": 3, "heuristic_fi": 3}
"""Of the digits; there is one more iteration."""


def rows(criteria, iterations, values, seeds=SEEDS):
    """Metrics: values(criterion, iteration, phase) -> dict of column to number, with a spread of 1 % over the seeds."""
    rng = np.random.default_rng(23)
    where = [("none", 0, "initial")]
    where += [(c, k, p) for c in criteria for k in range(1, iterations + 1) for p in ("pruned", "retrained")]
    found = []
    for criterion, iteration, phase in where:
        for seed, noise in zip(seeds, 1 + 0.01 * rng.standard_normal(len(seeds))):
            about = {"criterion": criterion, "iteration": iteration, "phase": phase, "seed": seed}
            number = values(criterion, iteration, phase)
            exact = ("n_hidden", "n_weights", "n_units_1", "n_units_2", "n_visible_connected")
            found.append(about | {k: v if k in exact else v * noise for k, v in number.items()})
    order = rng.permutation(len(found))
    return pd.DataFrame(found).iloc[order].reset_index(drop=True)  # in no order


def patches_values(criterion, iteration, phase):
    """Initial KL 0.2 nats; the third iteration is the last."""
    if phase == "initial":
        return {"kl_exact": 0.2, "kl_sampled": 7.0, "n_hidden": 70, "eigenvalue_1": 24.0, "eigenvalue_2": 1.6}
    number = {"kl_sampled": 7.0, "eigenvalue_1": 1.0, "eigenvalue_2": 1.0}
    partly = criterion in ("random_weights", "anti_fi")
    if (iteration, phase) == (3, "retrained"):
        return number | {"kl_exact": 0.6 if partly else 0.21, "n_hidden": 12 if criterion in FI else 35}
    if (iteration, phase) == (3, "pruned"):
        return number | {"kl_exact": 5.0, "n_hidden": 50 if criterion in FI else 20}
    return number | {"kl_exact": 0.1 if partly or phase == "pruned" else 9.0, "n_hidden": 60 if criterion in FI else 40}


ERROR = {
    "variance_fi": (0.05, 0.04, 0.06, 0.12, 0.01),
    "heuristic_fi": (0.05, 0.04, 0.06, 0.12, 0.01),
    "weight_magnitude": (0.05, 0.3, 0.3, 0.3, 0.045),
    "random_weights": (0.05, 0.1, 0.2, 0.3, 0.4),
    "anti_fi": (0.05, 0.4, 0.06, 0.06, 0.9),
    "random_units": (0.05, 0.1, 0.2, 0.3, 0.4),
}
QUALITY = {"weight_magnitude": 0.85, "random_weights": 0.6, "random_units": 0.62, "anti_fi": 0.3}


def digits_values(criterion, iteration, phase):
    """Four iterations; the FI rules are to be compared after the third."""
    fisher = criterion in LAST
    number = {"n_weights": (1000, 400, 150, 80, 50)[iteration], "encoding_error": np.nan, "n_visible_connected": 70}
    units = {"n_units_1": 211, "n_units_2": 307}
    if phase == "initial":
        start = {"quality_mean": 0.9, "diversity": 2.2, "activity_1": 0.4, "activity_2": 0.008}
        return number | units | start | {"encoding_error": 0.05, "n_visible_connected": 77}
    last = iteration == LAST.get(criterion, 4)
    if phase == "pruned" or not last:
        number |= {"quality_mean": 0.95, "diversity": 2.3} if fisher or criterion == "anti_fi" else {}
        number |= {"n_units_1": 100, "n_units_2": 300}
    else:
        number |= {"n_units_1": 190, "n_units_2": 123} if fisher else {"n_units_1": 211, "n_units_2": 305}
        number |= {"n_visible_connected": 76}
        number |= {"quality_mean": QUALITY.get(criterion, 0.8), "diversity": 1.2 if fisher else 1.9}
    active = {"activity_1": (0.4, 0.3, 0.5, 0.2, 0.1)[iteration], "activity_2": 0.008 + 0.01 * iteration}
    start = {"quality_mean": 0.1, "diversity": 0.4} | active
    return start | number | ({"encoding_error": ERROR[criterion][iteration]} if phase == "retrained" else {})


def classes_table():
    """Ten classes; shares of the initial machines from 8 to 12 %, of others 0 or all."""
    found = []
    for seed in SEEDS:
        for digit in range(10):
            share = 0.08 if digit < 5 else 0.12
            found.append(("none", 0, "initial", seed, digit, share))
            found.append(("anti_fi", 4, "retrained", seed, digit, float(digit == 0)))
    return pd.DataFrame(found, columns=["criterion", "iteration", "phase", "seed", "digit", "share"])


def border_and_centre():
    """Masks of 11 x 7 pixels, drawn by hand."""
    border, centre = np.ones(SHAPE, dtype=bool), np.zeros(SHAPE, dtype=bool)
    border[1:10, 1:6] = False
    centre[3:8, 2:5] = True
    return border.ravel(), centre.ravel()


def pixels_table():
    """FI rules lose border pixels at their iteration, Anti-FI central ones at the last; else the reverse."""
    border, centre = border_and_centre()
    found = []
    for criterion in DIGITS:
        for iteration in range(1, 5):
            fisher, last = criterion in LAST, iteration == LAST.get(criterion, 4)
            share = np.where(border if fisher == last else centre, 0.5, 0.1)
            found += [(criterion, iteration, pixel, x, len(SEEDS)) for pixel, x in enumerate(share)]
    return pd.DataFrame(found, columns=["criterion", "iteration", "pixel", "disconnected", "n_seeds"])


def patterns_table():
    """Five patterns seen once, six seen often; the error of the rare is larger, except after iteration 1."""
    data = np.log([0.01] * 5 + [0.15, 0.16, 0.17, 0.18, 0.19, 0.1])
    data[10] = np.log(0.01)
    found = []
    for criterion in ("none", *PATCHES):
        for iteration, phase in [(0, "initial")] if criterion == "none" else [(1, "retrained"), (3, "retrained")]:
            off = np.where((data < np.log(0.1)) == (iteration != 1), -1.0, 0.5)
            model = data + off
            found += [(criterion, iteration, phase, f"{i:04b}", a, b, 11) for i, (a, b) in enumerate(zip(data, model))]
    columns = ["criterion", "iteration", "phase", "pattern", "log_data", "log_model_mean", "n_seeds"]
    return pd.DataFrame(found, columns=columns)


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
            if seed == SEEDS[0]:
                found["fisher_matrix"] = np.diag(diagonal) - np.diag(diagonal[1:], 1)
            if spoil:
                spoil(found, seed)
            arrays |= {f"seed{seed}/{name}": value for name, value in found.items()}
        paths.append(folder / f"statistics{len(paths)}.npz")
        write_arrays(paths[-1], arrays, {"seeds": list(block)})
    return tuple(paths)


def write_digits(path):
    """The file of the images: 7 of 13 are on everywhere but at the border."""
    images = np.repeat(np.arange(13) < 7, 77).reshape(13, 77).astype(np.uint8)
    images[:, border_and_centre()[0]] = 0
    arrays = {"packed": np.packbits(images, axis=1), "n_visible": np.array(77), "shape": np.array(SHAPE)}
    write_arrays(path, arrays, {})
    return path


def references_table():
    """Raw pixels of the machines' training images 0.1; of all images worse than anything."""
    found = [("raw_all", 0.0001), ("raw", 0.1), ("test_digits", np.nan)]
    return pd.DataFrame(found, columns=["reference", "error"])


def good_tables():
    """All tables."""
    return {
        "metrics": rows(PATCHES, 3, patches_values),
        "pattern_probabilities": patterns_table(),
        "digits_metrics": rows(DIGITS, 4, digits_values),
        "digits_classes": classes_table(),
        "digits_pixels": pixels_table(),
        "digits_references": references_table(),
    }


def good_results(folder, spoil=None):
    """A study in which every claim holds."""
    return Results(good_tables(), write_statistics(folder, spoil), write_digits(folder / "digits.npz"), dict(LAST))


def select(table, **where):
    """Rows with those values; a value can be a collection."""
    mask = np.ones(len(table), dtype=bool)
    for column, value in where.items():
        mask &= table[column].isin([value] if isinstance(value, str | int) else list(value)).to_numpy()
    return mask


def scale(table, column, factor, **where):
    """Multiply a column in the rows with those values."""
    table[column] = table[column].astype(np.float64)
    table.loc[select(table, **where), column] *= factor
