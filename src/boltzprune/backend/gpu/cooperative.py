"""Machines trained side by side, a group of blocks for each, by kernels whose blocks meet (kernels/meet.cuh)."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from boltzprune.backend import fixed_point
from boltzprune.core.contrastive import at_places

if TYPE_CHECKING:
    from boltzprune.backend.gpu.card import Card

Work = TypeVar("Work")
Result = TypeVar("Result")

log = logging.getLogger(__name__)

N_THREADS = 512
"""Of a block."""
MAX_BATCH = 16
"""Cases an update: what a thread sums side by side in registers."""
MAX_BLOCKS = 64
"""Blocks that share a machine, at most: each adds up what all others contribute."""
STATIC_SHARED = 1 << 10
"""Bytes of shared memory that the kernel and the system use besides."""


@dataclass(frozen=True)
class Plan:
    """How one machine is divided among blocks; it depends on the machine and on the card alone, and so do the results.

    Attributes
    ----------
    n_blocks : int
    shared : int
        Bytes of dynamic shared memory of a block.
    """

    n_blocks: int
    shared: int


def fewest_blocks(
    card: "Card", n_columns: int, n_floats: Callable[[int], int], most_columns: int = N_THREADS, least: int = 1
) -> Plan | None:
    """The plan with the fewest blocks that hold a machine, a thread a column; None if there are not enough.

    Parameters
    ----------
    card : card.Card
    n_columns : int
        That are shared out over the blocks.
    n_floats : callable
        Number of blocks -> words of 4 bytes of shared memory that each needs.
    most_columns : int
        Of a block, where the machine does not need more blocks for another reason.
    least : int
        Blocks, where the machine does not need more, and the card has them.

    Returns
    -------
    Plan or None
    """
    most = min(MAX_BLOCKS, card.n_multiprocessors)
    for n_blocks in range(min(least, most), most + 1):
        columns, shared = -(-n_columns // n_blocks), 4 * n_floats(n_blocks)
        if columns <= min(most_columns, N_THREADS) and shared <= card.max_shared - STATIC_SHARED:
            return Plan(n_blocks, shared)
    return None


def padded(batch: int) -> int:
    """Cases of an update as the kernels lay them out."""
    return whole_quads(batch) if batch > 1 else 1


def whole_quads(n: int) -> int:
    """Units, or cases, with those that fill the last four: those of four units are one call of Philox, or one load."""
    return fixed_point.padded(n, 4)


def in_turns(
    card: "Card",
    plans: Sequence[Plan],
    work: Sequence[Work],
    run: Callable[[Sequence[Plan], Sequence[Work]], list[Result]],
    bytes_each: int | None = None,
) -> list[Result]:
    """Results of all machines: as many at a time as the card holds.

    Parameters
    ----------
    card : card.Card
    plans : list of Plan
        Of each machine.
    work : list
    run : callable
        (plans, work) of machines that the card holds together -> list of results.
    bytes_each : int, optional
        Of the card's memory, that a machine needs; logged where given.

    Returns
    -------
    list
    """
    first = 0
    results: list[Result] = []
    while first < len(work):
        last, n_blocks = first, 0
        while last < len(work) and n_blocks + plans[last].n_blocks <= card.n_multiprocessors:
            n_blocks, last = n_blocks + plans[last].n_blocks, last + 1
        if bytes_each is not None:
            need, free = (n / 2**20 for n in ((last - first) * bytes_each, card.free_memory()))
            about = (last - first, n_blocks, need, free)
            log.info("GPU memory: %d machines side by side, %d blocks, need about %.0f MiB of %.0f MiB free", *about)
        with at_places(range(first, len(work))):
            results += run(plans[first:last], work[first:last])
        first = last
    return results


def launch(
    card: "Card", kernel: str, plans: Sequence[Plan], defines: Mapping[str, int], arguments: Sequence[Any]
) -> None:
    """Launch a kernel whose blocks meet, all at the same time, for machines with these plans.

    Parameters
    ----------
    card : card.Card
    kernel : str
    plans : list of Plan
        Of the machines, in their order.
    defines : dict
        Besides the threads of a block.
    arguments : list
        See `card.Card.launch`.
    """
    grid, shared = (sum(plan.n_blocks for plan in plans),), max(plan.shared for plan in plans)
    card.launch(kernel, {"N_THREADS": N_THREADS, **defines}, grid, N_THREADS, arguments, shared, together=True)
