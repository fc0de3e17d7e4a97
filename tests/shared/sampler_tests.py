"""Random machines small enough to enumerate, and p-values of what a sampler made of them."""

import by_hand
import numpy as np
from scipy import stats

RBM = [(2, 3), (3, 2), (5, 2), (2, 5), (3, 5), (5, 3)]
DBM = [(3, 2, 3), (2, 3, 5), (5, 2, 3), (3, 2, 3, 2)]
POOL = 8.0
LEAST = 1e-3
"""A p-value below this, divided by how many there are, is that of a wrong sampler."""


def random_machines(sizes, n, seed, strength=1.0, density=0.7):
    """Machines of these sizes in turn, with weights of any strength up to that one.

    Two in three are pruned to the density; of these half have units without a weight in every layer, unless no weight
    would be left.
    """
    for k in range(n):
        own = strength * np.random.default_rng([seed, k]).uniform(0.3, 1.0)
        machine = by_hand.machine(sizes[k % len(sizes)], [seed, k, 1], own, density if k % 3 else 1.0)
        if k % 6 == 1 and density < 1 and any(mask[:-1, 1:].any() for mask in machine.masks):
            for mask, weights in zip(machine.masks, machine.weights):
                mask[-1], mask[:, 0], weights[-1], weights[:, 0] = False, False, 0, 0
        yield k, machine


def distribution(machine):
    """Every joint state and its probability, as `by_hand.joint_distribution` in fewer seconds."""
    states = by_hand.joint_states(machine.layer_sizes)
    s = [layer.astype(np.float64) for layer in states]
    log_p = sum(layer @ bias.astype(np.float64) for layer, bias in zip(s, machine.biases))
    log_p = log_p + sum(((a @ w.astype(np.float64)) * b).sum(axis=1) for a, w, b in zip(s, machine.weights, s[1:]))
    p = np.exp(log_p - log_p.max())
    return states, p / p.sum()


def draw(states, probability, n, seed):
    """Independent joint states of an enumerated distribution."""
    chosen = np.random.default_rng(seed).choice(len(probability), size=n, p=probability)
    return [layer[chosen] for layer in states]


def codes(layers):
    """Number of each joint state in the order of `by_hand.joint_states`."""
    joint = np.concatenate(layers, axis=1).astype(np.int64)
    return joint @ (1 << np.arange(joint.shape[1] - 1, -1, -1))


def p_of_counts(counts, probability):
    """Chi-square of the counts of independent draws, pooled from the rarest on until each bin expects `POOL`."""
    expected, bins, total = probability * counts.sum(), [], 0.0
    for place in np.argsort(expected, kind="stable"):
        if total == 0.0:
            bins.append([])
        bins[-1].append(place)
        total = total + expected[place] if total + expected[place] < POOL else 0.0
    if total > 0.0 and len(bins) > 1:
        bins[-2] += bins.pop()
    found, wanted = (np.array([x[places].sum() for places in bins]) for x in (counts, expected))
    return stats.chi2.sf(((found - wanted) ** 2 / wanted).sum(), len(bins) - 1)


def p_of_states(layers, probability):
    """P-value of independent joint states against their probabilities."""
    return p_of_counts(np.bincount(codes(layers), minlength=len(probability)), probability)


def p_of_means(found, values, probability, n):
    """Chi-square of means over n independent draws: their distance from the exact ones, in the metric of the exact
    covariance.

    Parameters
    ----------
    found : (n_features,) float
    values, probability : (n_states, n_features), (n_states,) float
        The features of every state, and its probability.
    n : int
    """
    mean = probability @ values
    size, directions = np.linalg.eigh((values - mean).T @ ((values - mean) * probability[:, None]))
    there = size > 1e-9
    z = (found - mean) @ directions[:, there] / np.sqrt(size[there] / n)
    return stats.chi2.sf(z @ z, there.sum())


def moments(layers):
    """All units and all pairs of neighbouring layers, a row for each state."""
    pairs = [(a[:, :, None] * b[:, None, :]).reshape(len(a), -1) for a, b in zip(layers[:-1], layers[1:])]
    return np.concatenate([*layers, *pairs], axis=1).astype(np.float64)


def given_visible(states, probability, pattern):
    """The joint states with that visible pattern, their probabilities given it, 0 for all others."""
    chance = np.where((states[0] == pattern).all(axis=1), probability, 0.0)
    return chance / chance.sum()


def count_p_values(count, p_values):
    """One try for each machine, that its p-value is not far too small, and one for all, that they are uniform."""
    for place, p in enumerate(p_values):
        count(p > LEAST / len(p_values), f"machine {place}: p = {p:.3g}")
    together = stats.kstest(p_values, "uniform").pvalue
    count(together > LEAST, f"{len(p_values)} p-values are not uniform: p = {together:.3g} (Kolmogorov-Smirnov)")
