"""Machines trained side by side, a group of blocks for each, by kernels whose blocks meet (kernels/meet.cuh)."""

import logging
from dataclasses import dataclass

from boltzprune.backend.contrastive import at_places

log = logging.getLogger(__name__)

N_THREADS = 512
"""Of a block."""
MAX_BATCH = 16
"""Cases an update: what a thread sums side by side in registers."""
MAX_BLOCKS = 64
"""Blocks that share a machine, at most: each adds up what all others contribute."""
STATIC_SHARED = 1 << 10
"""Bytes of shared memory that the kernel and the system use besides."""
MEET_IN_CLUSTERS, CLUSTERS = False, (2, 4, 8)
"""Whether the blocks of a machine are a cluster (compute capability 9.0 and up, these sizes), whose barrier ought to be
quicker: nobody has measured it, so the way that runs everywhere is the default. Results are the same."""


@dataclass(frozen=True)
class Plan:
    """How one machine is laid over blocks; it depends on the machine and on the card alone, and so do the results.

    Attributes
    ----------
    n_blocks : int
    shared : int
        Bytes of dynamic shared memory of a block.
    """

    n_blocks: int
    shared: int

    @classmethod
    def of_all(cls, plans):
        """What machines with the same number of blocks need in one launch."""
        return cls(plans[0].n_blocks, max(plan.shared for plan in plans))


def fewest_blocks(card, n_columns, n_floats, most_columns=N_THREADS):
    """The plan with the fewest blocks that hold a machine, a thread a column; None if there are not enough.

    Parameters
    ----------
    card : cupy_.Card
    n_columns : int
        That are shared out over the blocks.
    n_floats : callable
        Columns of a block -> its words of 4 bytes of shared memory.
    most_columns : int
        Of a block, where the machine does not need more blocks for another reason.

    Returns
    -------
    Plan or None
    """
    for n_blocks in range(1, min(MAX_BLOCKS, card.n_multiprocessors) + 1):
        columns = -(-n_columns // n_blocks)
        shared = 4 * n_floats(columns)
        if columns <= min(most_columns, N_THREADS) and shared <= card.max_shared - STATIC_SHARED:
            return Plan(n_blocks, shared)
    return None


def padded(batch):
    """Cases of an update as the kernels lay them out."""
    return -(-batch // 4) * 4 if batch > 1 else 1


def in_turns(card, plans, work, run, bytes_each=None):
    """Results of all machines: as many at a time as the card holds.

    Parameters
    ----------
    card : cupy_.Card
    plans : list of Plan
        Of each machine, all with the same number of blocks.
    work : list
    run : callable
        (plan, part of the work) -> list of results.
    bytes_each : int, optional
        Of the card's memory, that a machine needs; logged where given.

    Returns
    -------
    list
    """
    plan, results = Plan.of_all(plans), []
    at_once = max(1, card.n_multiprocessors // plan.n_blocks)
    if bytes_each is not None:
        need, free = (n / 2**20 for n in (min(at_once, len(work)) * bytes_each, card.free_memory()))
        about = (len(work), plan.n_blocks, need, free)
        log.info("GPU memory: %d machines, %d blocks each, need about %.0f MiB of %.0f MiB free", *about)
    for first in range(0, len(work), at_once):
        with at_places(range(first, len(work))):
            results += run(plan, work[first : first + at_once])
    return results


def launch(card, kernel, batch, n_machines, plan, arguments, more_defines=None):
    """Launch a kernel whose blocks meet: all blocks at the same time, or those of each machine as a cluster."""
    in_clusters = MEET_IN_CLUSTERS and card.compute_capability >= 90 and plan.n_blocks in CLUSTERS
    defines = (
        {"BATCH": batch, "N_THREADS": N_THREADS}
        | (more_defines or {})
        | ({"CLUSTER": plan.n_blocks} if in_clusters else {})
    )
    grid = (n_machines * plan.n_blocks,)
    card.launch(kernel, defines, grid, N_THREADS, arguments, plan.shared, together=not in_clusters)
