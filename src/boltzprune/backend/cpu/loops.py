"""Which loop of the CPU backend trains an RBM: what this backend runs, and what `workload` counts."""

import math

SMALL = 1 << 14
"""Machines with at most this many weights live in first-level cache and take the fused loops."""
SPARSE = 8
"""Larger machines with at most one weight in so many take the loop over those that exist."""
MAX_MEMORY = 12
"""Updates that the low-rank loop remembers; a momentum that needs more takes the dense loop."""


def memory(decay: float) -> int:
    """Updates after which decay**k is below float32 rounding."""
    return 1 if decay == 0 else math.ceil(26 * math.log(2) / -math.log(decay))


def of_epoch(n_weights: int, n_existing: int, batch_size: int, n_gibbs_steps: int, decay: float) -> str:
    """The fastest loop that computes an epoch of CD-k: array, dense, listed or low_rank.

    Parameters
    ----------
    n_weights : int
        Units of one layer times units of the other.
    n_existing : int
        Weights that exist.
    batch_size, n_gibbs_steps : int
    decay : float
        See `contrastive.Epoch`.
    """
    if n_weights > SMALL and SPARSE * n_existing <= n_weights:
        return "listed"
    if batch_size > 1 or n_gibbs_steps > 1:
        return "array"
    return "low_rank" if n_weights > SMALL and n_existing == n_weights and memory(decay) <= MAX_MEMORY else "dense"
