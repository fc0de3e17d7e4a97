"""What the paper says about its first experiment, measured on a study: `python docs/claims.py results/paper`."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr, wilcoxon

from boltzprune.fisher import fisher_diagonal
from boltzprune.store import Arrays, read_statistics


def say(name, value):
    """One line of the report."""
    sys.stdout.write(f"{name}: {value}\n")


def fisher(folder):
    """Sparseness, eigenvalues, diagonal against leading eigenvector, concentration on units: initial machines."""
    correlations, ranks, units = [], [], []
    for path in sorted(folder.glob("patches/*/initial/initial_statistics.npz")):
        arrays = Arrays(path)
        for seed in arrays.provenance["seeds"]:
            statistics, vector = read_statistics(arrays, seed)
            of_weights = fisher_diagonal(statistics.pair_means[0], statistics.n_samples)
            diagonal = np.concatenate([of_weights.ravel(), *map(fisher_diagonal, statistics.rates)])
            correlations.append(np.corrcoef(np.abs(vector), diagonal)[0, 1])
            ranks.append(spearmanr(np.abs(vector), diagonal)[0])
            of_units = np.sort(of_weights.sum(axis=0))[::-1].cumsum()
            units.append(int(np.searchsorted(of_units, 0.8 * of_units[-1])) + 1)
            if f"seed{seed}/fisher_matrix" in arrays.names:
                size = np.abs(arrays[f"seed{seed}/fisher_matrix"])
                say("share of FIM entries below 1 % of the largest", round(float(np.mean(size < 0.01 * size.max())), 3))
    say("median correlation of |leading eigenvector| and diagonal", round(float(np.median(correlations)), 3))
    say("the same of their ranks", round(float(np.median(ranks)), 3))
    say("hidden units that hold 80 % of the weights' FI, each seed", sorted(units))


def main(folder):
    """Print everything."""
    fisher(folder)
    metrics = pd.read_csv(folder / "tables/metrics.csv")
    initial = metrics[metrics["iteration"] == 0].set_index("seed")
    quartiles = [0.25, 0.5, 0.75]
    ratio = initial["eigenvalue_1"] / initial["eigenvalue_2"]
    for name, values in (("1", initial["eigenvalue_1"]), ("2", initial["eigenvalue_2"]), ("1 / 2", ratio)):
        say(f"eigenvalue {name}, quartiles", values.quantile(quartiles).round(2).tolist())
    say("exact KL, initial, quartiles", initial["kl_exact"].quantile(quartiles).round(3).tolist())
    last = metrics[(metrics["iteration"] == metrics["iteration"].max()) & (metrics["phase"] == "retrained")]
    for criterion, rows in last.groupby("criterion"):
        kl = rows.set_index("seed")["kl_exact"]
        p = wilcoxon(kl, initial["kl_exact"].reindex(kl.index)).pvalue
        text = f"{kl.quantile(quartiles).round(3).tolist()}, Wilcoxon against initial p = {p:.2g}"
        say(f"{criterion}: exact KL after the last retraining, quartiles", text)
        say(f"{criterion}: hidden units, mean", round(float(rows["n_hidden"].mean()), 1))
    patterns = pd.read_csv(folder / "tables/pattern_probabilities.csv", dtype={"pattern": str})
    patterns = patterns[patterns["iteration"] == 0]
    error = (patterns["log_data"] - patterns["log_model_mean"]) ** 2
    rare = patterns["log_data"] < np.log(1e-4)
    say(
        "squared error of log p, patterns rarer than 1e-4 and others",
        [round(float(error[x].mean()), 2) for x in (rare, ~rare)],
    )


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
