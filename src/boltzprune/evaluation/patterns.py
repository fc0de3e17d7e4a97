"""Patterns of the data against patterns of the model: log-probabilities, squared error, Kullback-Leibler divergence."""

import numpy as np


def count_patterns(states):
    """Distinct patterns and how often each occurs.

    Parameters
    ----------
    states : (n, n_visible) uint8 in {0, 1}

    Returns
    -------
    tuple
        (n_patterns, n_bytes) uint8, the patterns bit-packed (`np.packbits`) in lexicographic order, and
        (n_patterns,) int64 counts.
    """
    packed = np.packbits(states, axis=1)
    whole = np.ascontiguousarray(packed).view(np.dtype((np.void, packed.shape[1])))[:, 0]
    unique, counts = np.unique(whole, return_counts=True)
    return unique.view(np.uint8).reshape(len(unique), packed.shape[1]), counts.astype(np.int64)


def read_samples(arrays, seed, n_visible):
    """Distinct visible patterns of one seed's samples, bit-packed, and how often each occurs, from `store.Arrays`."""
    patterns = arrays.checked(f"seed{seed}/patterns", "u", (None, -(-n_visible // 8)))
    return patterns, arrays.checked(f"seed{seed}/counts", "iu", (len(patterns),))


def counts_of(patterns, among, counts):
    """How often each of `patterns` occurs: its count where it is one of `among`, else 0. All bit-packed, distinct."""
    table = {pattern.tobytes(): count for pattern, count in zip(among, counts.tolist())}
    return np.array([table.get(pattern.tobytes(), 0) for pattern in patterns], dtype=np.int64)


def sampled_log_probabilities(data_patterns, sampled_patterns, sampled_counts, missing):
    """Log q of each pattern of the data, q being the distribution of the samples.

    A pattern of the data that no sample shows has no log-probability. `missing` says what it gets: "half" counts it as
    half a sample and renormalises, so that q stays a distribution; "drop" gives NaN.

    Returns
    -------
    (n_data_patterns,) float64, nats
    """
    counts = counts_of(data_patterns, sampled_patterns, sampled_counts).astype(np.float64)
    unseen = counts == 0
    total = sampled_counts.sum()
    if missing == "half":
        counts[unseen] = 0.5
        total = total + 0.5 * np.count_nonzero(unseen)
    else:
        counts[unseen] = np.nan
    return np.log(counts / total)


def divergence(data_counts, log_model):
    """KL(data || model) = sum_v p(v) (log p(v) - log q(v)), over the patterns with a log q, nats.

    Parameters
    ----------
    data_counts : (n_patterns,) int
    log_model : (n_patterns,) float
        log q of the same patterns; NaN: left out.
    """
    p = data_counts / data_counts.sum()
    return float(np.nansum(p * (np.log(p) - log_model)))


def mean_squared_error(data_counts, log_model):
    """Mean over the patterns of (log p(v) - log q(v))^2, every pattern a point, nats squared; NaN: left out."""
    return float(np.nanmean((np.log(data_counts / data_counts.sum()) - log_model) ** 2))


def exact_log_model(patterns, n_visible, log_probabilities):
    """Log q of bit-packed patterns from the enumerated log-probabilities (`exact.log_probabilities`)."""
    bits = np.unpackbits(patterns, axis=1)[:, :n_visible].astype(np.int64)
    return log_probabilities[bits @ (1 << np.arange(n_visible - 1, -1, -1, dtype=np.int64))]
