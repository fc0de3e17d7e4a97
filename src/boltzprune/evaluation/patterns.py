"""Patterns of the data against patterns of the model: log-probabilities, squared error, Kullback-Leibler divergence."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from boltzprune.results.store import Arrays

MAX_MISSING_SHARE = 0.1
"""If samples show no pattern of a larger share of the data, they do not say how far the model is from the data.

A pattern that no sample shows counts by a convention (`sampled_log_probabilities`), not by the model: with a share of 1
every model of as many samples has the same divergence.
"""


def count_patterns(states: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
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


def read_samples(arrays: "Arrays", seed: int, n_visible: int) -> tuple[np.ndarray, np.ndarray]:
    """Distinct visible patterns of one seed's samples, and how often each occurs.

    Parameters
    ----------
    arrays : store.Arrays
        Of a statistics file.
    seed : int
    n_visible : int

    Returns
    -------
    tuple
        (n_patterns, n_bytes) uint8, bit-packed along the units, and (n_patterns,) int counts.
    """
    patterns = arrays.checked(f"seed{seed}/patterns", "u", (None, -(-n_visible // 8)))
    return patterns, arrays.checked(f"seed{seed}/counts", "iu", (len(patterns),))


def counts_of(
    patterns: npt.NDArray[np.uint8], among: npt.NDArray[np.uint8], counts: npt.NDArray[np.integer]
) -> npt.NDArray[np.int64]:
    """How often each of some patterns occurs among others: the count of the same pattern there, else 0.

    Parameters
    ----------
    patterns, among : (n, n_bytes), (n_among, n_bytes) uint8
        Distinct patterns, bit-packed along the units.
    counts : (n_among,) int
        Of the patterns in `among`.

    Returns
    -------
    (n,) int64
    """
    table = {pattern.tobytes(): count for pattern, count in zip(among, counts.tolist())}
    return np.array([table.get(pattern.tobytes(), 0) for pattern in patterns], dtype=np.int64)


def sampled_log_probabilities(
    data_patterns: npt.NDArray[np.uint8],
    sampled_patterns: npt.NDArray[np.uint8],
    sampled_counts: npt.NDArray[np.integer],
    missing: str,
) -> npt.NDArray[np.float64]:
    """log q of each pattern of the data, where q is the distribution of the samples.

    Parameters
    ----------
    data_patterns, sampled_patterns : (n_data_patterns, n_bytes), (n_sampled_patterns, n_bytes) uint8
        Distinct patterns, bit-packed along the units.
    sampled_counts : (n_sampled_patterns,) int
    missing : str
        What a pattern of the data gets that no sample shows, since log 0 is no number. half: it counts as half a
        sample, and q is normalised again, so that it stays a distribution; drop: NaN.

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


def divergence(data_counts: np.ndarray, log_model: np.ndarray) -> float:
    """KL(data || model) = sum_v p(v) (log p(v) - log q(v)), over the patterns with a log q, nats.

    Parameters
    ----------
    data_counts : (n_patterns,) int
    log_model : (n_patterns,) float
        log q of the same patterns; NaN: left out.
    """
    p = data_counts / data_counts.sum()
    return float(np.nansum(p * (np.log(p) - log_model)))


def mean_squared_error(data_counts: np.ndarray, log_model: np.ndarray) -> float:
    """Mean over the patterns of (log p(v) - log q(v))^2, every pattern a point, nats squared; NaN: left out."""
    return float(np.nanmean((np.log(data_counts / data_counts.sum()) - log_model) ** 2))


def missing_share(data_counts: np.ndarray, sampled_counts: np.ndarray) -> float:
    """Share of the data whose pattern no sample shows: sum of p(v) over the patterns v that were sampled 0 times.

    Parameters
    ----------
    data_counts : (n_patterns,) int
    sampled_counts : (n_patterns,) int
        How often each of these patterns was sampled.

    Returns
    -------
    float, in [0, 1]
    """
    return float(data_counts[sampled_counts == 0].sum() / data_counts.sum())


def errors_by_frequency(data_counts: np.ndarray, log_model: np.ndarray) -> tuple[float, float]:
    """Mean squared error of log q over the rare and over the frequent patterns of the data, nats squared.

    Rare are the patterns as frequent as the median of all distinct ones, or less. NaN: there are none, or none with a
    log q.

    Parameters
    ----------
    data_counts, log_model : as for `divergence`

    Returns
    -------
    tuple of float
        Of the rare, of the frequent.
    """
    error = (np.log(data_counts / data_counts.sum()) - log_model) ** 2
    rare, known = data_counts <= np.median(data_counts), ~np.isnan(error)
    parts = (error[which & known] for which in (rare, ~rare))
    of_rare, of_frequent = (float(part.mean()) if len(part) else np.nan for part in parts)
    return of_rare, of_frequent


def exact_log_model(
    patterns: npt.NDArray[np.uint8], n_visible: int, log_probabilities: np.ndarray
) -> npt.NDArray[np.float64]:
    """log q of patterns from the log-probabilities of all visible patterns.

    Parameters
    ----------
    patterns : (n, n_bytes) uint8
        Bit-packed along the units.
    n_visible : int
    log_probabilities : (2**n_visible,) float64, nats
        From `exact.visible_log_probabilities`.

    Returns
    -------
    (n,) float64, nats
    """
    bits = np.unpackbits(patterns, axis=1)[:, :n_visible].astype(np.int64)
    return log_probabilities[bits @ (1 << np.arange(n_visible - 1, -1, -1, dtype=np.int64))]
