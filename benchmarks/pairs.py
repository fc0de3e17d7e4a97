"""Two programs timed in turn, so that a machine whose speed drifts changes neither side alone."""

import statistics
import time

REPEATS = 5


def seconds(function):
    """Wall time of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def paired(ours, theirs, n_ours, n_theirs):
    """Rates of two programs measured in turn, and their ratio."""
    ours(), theirs()
    pairs = [(n_ours / seconds(ours), n_theirs / seconds(theirs)) for _ in range(REPEATS)]
    ratios = [a / b for a, b in pairs]
    return {
        "ours_per_s": statistics.median(a for a, _ in pairs),
        "peer_per_s": statistics.median(b for _, b in pairs),
        "ratio": statistics.median(ratios),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
    }
