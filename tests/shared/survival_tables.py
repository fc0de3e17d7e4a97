"""Tables of who survives, made up so that no two criteria, iterations, layers or seeds agree."""

import numpy as np
import pandas as pd


def made_up(criteria, iterations, seeds, n_layers, common, prefix=""):
    """Name -> table.

    Parameters
    ----------
    criteria : list of str
    iterations : int
    seeds : sequence of int
    n_layers : int
        Of weights.
    common : sequence of int
        Layers whose units are the same in every seed.
    prefix : str
        Of the names.
    """
    rng, survival, overlap, agreement = np.random.default_rng(59), [], [], []
    for layer in range(1, n_layers + 1):
        about = {"criterion": "none", "iteration": 0, "phase": "initial", "layer": layer, "n_weights": 1009}
        survival += [{**about, "seed": s, "n_units": 101, "share_weights": 1.0, "share_units": 1.0} for s in seeds]
    for name, k in ((name, k) for name in criteria for k in range(1, iterations + 1)):
        for seed in seeds:
            for layer in range(1, n_layers + 1):
                about = {"criterion": name, "iteration": k, "seed": seed, "layer": layer}
                share, units = 0.8**k * rng.uniform(0.7, 1), rng.uniform(0.9, 1) - 0.8 * k / (iterations + 1)
                sizes = {"n_weights": round(1009 * share), "n_units": round(101 * units)}
                survival.append(about | {"phase": "pruned", **sizes, "share_weights": share, "share_units": units})
                for other in criteria[criteria.index(name) :]:
                    index = 1.0 if other == name else rng.uniform(-1, 1)
                    overlap.append(about | {"other": other, "overlap": index})
            for layer in common:
                about = {"criterion": name, "iteration": k, "seed": seed, "layer": layer}
                agreement.append(about | {"agreement": rng.uniform(-0.3, 0.9) if len(seeds) > 1 else np.nan})
    found = {"survival": survival, "overlap": overlap, "agreement": agreement}
    return {f"{prefix}{name}": pd.DataFrame(rows) for name, rows in found.items()}
