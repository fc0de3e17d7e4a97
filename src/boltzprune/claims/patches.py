"""The paper's claims about its first experiment, RBMs on patches of natural images."""

import numpy as np

from boltzprune.claims.claim import DIFFERENCES, LOG_RATIOS, Finding, claim, found, percent, show
from boltzprune.claims.collected import NotTestable, last_iteration, pair
from boltzprune.claims.statistics import compare, every
from boltzprune.fisher import fisher_diagonal

NEGLIGIBLE, MOST = 0.01, 0.5
ORDER_OF_MAGNITUDE = 10.0
CLOSE_CORRELATION = 0.8
SHARE_OF_FI, FEW_UNITS = 0.8, 0.5
ABOUT = 1.5
FI_RULES = ("variance_fi", "heuristic_fi", "eigenvector")
OTHERS = ("weight_magnitude", "random_weights", "anti_fi")


@claim(
    "patches",
    "The Fisher information matrix of the initial machine is sparse.",
    f"In every machine whose full matrix is kept, more than {percent(MOST)} of the entries are smaller in size than "
    f"{percent(NEGLIGIBLE)} of the largest.",
)
def fisher_matrix_is_sparse(results, _):
    """Share of negligible entries."""
    shares = []
    for arrays, seed, *_unused in results.initial_statistics():
        if f"seed{seed}/fisher_matrix" in arrays.names:
            size = np.abs(arrays.checked(f"seed{seed}/fisher_matrix", "f", (None, None)))
            shares.append(float(np.mean(size < NEGLIGIBLE * size.max())))
    if not shares:
        raise NotTestable("no full matrix is kept")
    return found(shares, f"{percent(min(shares))} of the entries are negligible", holds=min(shares) > MOST)


@claim(
    "patches",
    "The largest eigenvalue of the Fisher information matrix exceeds the second by an order of magnitude.",
    f"The median over seeds of their ratio is at least {ORDER_OF_MAGNITUDE:g} (initial machines).",
)
def leading_eigenvalue_dominates(results, _):
    """Ratio of the two largest eigenvalues."""
    first, second = pair(results.patches.initial("eigenvalue_1"), results.patches.initial("eigenvalue_2"))
    ratio = first / second
    text = f"ratio {show(ratio)}; eigenvalues {show(first)} and {show(second)}"
    return found(ratio, text, holds=bool(np.median(ratio) >= ORDER_OF_MAGNITUDE))


@claim(
    "patches",
    "The diagonal of the Fisher information matrix correlates closely with its leading eigenvector.",
    "The median over seeds of Pearson's correlation of the diagonal with the size of the eigenvector's entries, over "
    f"all parameters of the initial machine, is at least {CLOSE_CORRELATION:g}.",
)
def diagonal_follows_eigenvector(results, _):
    """Correlation of diagonal and leading eigenvector."""
    from scipy.stats import spearmanr

    correlations, of_ranks = [], []
    for _arrays, _seed, statistics, vector in results.initial_statistics():
        if vector is not None:
            means = np.concatenate([statistics.pair_means[0].ravel(), *statistics.rates])
            diagonal = fisher_diagonal(means, statistics.n_samples)
            correlations.append(np.corrcoef(np.abs(vector), diagonal)[0, 1])
            of_ranks.append(spearmanr(np.abs(vector), diagonal)[0])
    if not correlations:
        raise NotTestable("no eigenvector is kept")
    text = f"correlation {show(correlations)}; of the ranks {show(of_ranks)}"
    return found(correlations, text, holds=bool(np.median(correlations) >= CLOSE_CORRELATION))


@claim(
    "patches",
    "Important weights cluster on few hidden units.",
    f"The median over seeds of the smallest share of hidden units that together hold {percent(SHARE_OF_FI)} of the "
    f"Fisher information of all weights (initial machines, diagonal) is at most {percent(FEW_UNITS)}.",
)
def important_weights_cluster(results, _):
    """Share of hidden units that hold most of the weights' FI."""
    shares, n_hidden = [], 0
    for _arrays, _seed, statistics, _vector in results.initial_statistics():
        of_units = fisher_diagonal(statistics.pair_means[0], statistics.n_samples).sum(axis=0)
        of_units = np.sort(of_units)[::-1].cumsum()
        n_hidden = len(of_units)
        shares.append((int(np.searchsorted(of_units, SHARE_OF_FI * of_units[-1])) + 1) / n_hidden)
    text = f"{show(np.multiply(shares, n_hidden))} of {n_hidden} units hold {percent(SHARE_OF_FI)}"
    return found(shares, text, holds=bool(np.median(shares) <= FEW_UNITS))


def _divergences(results, criterion, reference="initial"):
    """KL(data || model) after the last retraining, and initially or right after that pruning: > 0, nats, by seed."""
    chains = results.patches
    exact = "kl_exact" in chains.metrics and chains.metrics["kl_exact"].notna().any()
    column = "kl_exact" if exact else "kl_sampled"
    after = chains.after(criterion, column)
    before = chains.initial(column) if reference == "initial" else chains.after(criterion, column, phase="pruned")
    after, before = pair(after, before)
    if min(after.min(), before.min()) <= 0:
        raise NotTestable(f"{column} is not above 0 everywhere, so ratios have no meaning")
    return after, before


def _is_about(after, before):
    """Whether values are at most about those before: significantly below `ABOUT` times as large."""
    return compare(np.log(ABOUT) - np.log(after / before))


@claim(
    "patches",
    "Retraining brings the divergence from the data back to about the initial machine's.",
    f"After the last retraining KL(data || model), exact where it can be enumerated, is below {ABOUT:g} times the "
    f"initial one: {LOG_RATIOS}.",
    (*FI_RULES, "weight_magnitude"),
)
def retraining_restores(results, criterion):
    """KL after the last retraining against the initial one."""
    after, before = _divergences(results, criterion)
    text = f"KL {show(after)} nats after retraining, {show(before)} initially; ratio {show(after / before)}"
    return found(after / before, text, comparison=_is_about(after, before))


@claim(
    "patches",
    "Retraining brings the divergence back only partly.",
    "After the last retraining KL(data || model) is above the initial one and below the one right after that pruning: "
    f"each {LOG_RATIOS}; the larger p-value counts.",
    ("random_weights", "anti_fi"),
)
def retraining_restores_partly(results, criterion):
    """KL after the last retraining against the initial one and the one right after pruning."""
    after, initial = _divergences(results, criterion)
    later, pruned = _divergences(results, criterion, "pruned")
    comparison = every([compare(np.log(after / initial)), compare(np.log(pruned / later))])
    text = f"KL {show(initial)} nats initially, {show(pruned)} after pruning, {show(after)} after retraining"
    return found(after / initial, f"{text}; ratio to initial {show(after / initial)}", comparison=comparison)


@claim(
    "patches",
    "Machines that lost whole hidden units at random recover with retraining.",
    f"After the last retraining KL(data || model) is below the one right after that pruning, and below {ABOUT:g} times "
    f"the initial one: each {LOG_RATIOS}; the larger p-value counts.",
    ("random_units",),
)
def random_units_recover(results, criterion):
    """KL after the last retraining against the one right after pruning and the initial one."""
    after, initial = _divergences(results, criterion)
    later, pruned = _divergences(results, criterion, "pruned")
    comparison = every([compare(np.log(pruned / later)), _is_about(after, initial)])
    text = f"KL {show(initial)} nats initially, {show(pruned)} after pruning, {show(after)} after retraining"
    return found(after / initial, f"{text}; ratio to initial {show(after / initial)}", comparison=comparison)


@claim(
    "patches",
    "Fisher information leaves fewer hidden units than weight magnitude, random weights and Anti-FI.",
    f"After the last iteration fewer hidden units remain than under each of the three: each {DIFFERENCES}; the "
    "largest p-value counts.",
    FI_RULES,
)
def fisher_leaves_fewer_units(results, criterion):
    """Hidden units after the last iteration against the three other criteria."""
    mine = results.patches.after(criterion, "n_hidden")
    others = {name: results.patches.after(name, "n_hidden") for name in OTHERS}
    comparison = every([compare(np.subtract(*pair(other, mine))) for other in others.values()])
    rest = ", ".join(f"{name} {show(other)}" for name, other in others.items())
    return found(mine, f"{show(mine)} units remain; {rest}", comparison=comparison)


@claim(
    "patches",
    "The model's probabilities are further off for rare patterns than for frequent ones.",
    "The mean squared error of log-probabilities (the model's from samples, mean over seeds) is larger over rare "
    "patterns, those with a probability up to the median of all distinct patterns in the data, than over the others. "
    "A pattern that no sample shows counts as `evaluation.missing_patterns` says.",
    ("none", *FI_RULES, "weight_magnitude", "random_weights", "anti_fi", "random_units"),
)
def errors_are_larger_for_rare_patterns(results, criterion):
    """Squared error of log p over rare and frequent patterns, initial machines and those after the last retraining."""
    table = results.table("pattern_probabilities")
    iteration = 0 if criterion == "none" else last_iteration(table, criterion, {})
    table = table[(table["criterion"] == criterion) & (table["iteration"] == iteration)]
    table = table[table["phase"] == ("initial" if criterion == "none" else "retrained")]
    error = (table["log_data"] - table["log_model_mean"]) ** 2
    rare = table["log_data"] <= table["log_data"].median() + 1e-9  # those as frequent as the median are rare
    of_rare, of_frequent = error[rare].dropna(), error[~rare].dropna()
    if len(of_rare) == 0 or len(of_frequent) == 0:
        raise NotTestable("there are no rare and frequent patterns to compare")
    n = int(table.loc[error.notna(), "n_seeds"].min()) if "n_seeds" in table else 0  # with `drop` a pattern has its own
    text = f"{of_rare.mean():.3g} nats squared over {len(of_rare)} rare patterns, {of_frequent.mean():.3g} over "
    ratio = of_rare.mean() / of_frequent.mean()
    text += f"{len(of_frequent)} frequent ones; value: ratio, no spread"
    return Finding(text, float(ratio), n=n, holds=bool(of_rare.mean() > of_frequent.mean()))


CLAIMS = (
    fisher_matrix_is_sparse,
    leading_eigenvalue_dominates,
    diagonal_follows_eigenvector,
    important_weights_cluster,
    retraining_restores,
    retraining_restores_partly,
    random_units_recover,
    fisher_leaves_fewer_units,
    errors_are_larger_for_rare_patterns,
)
