"""What fits into the card's memory: chains and cases in pieces, machines in groups, halved where there is no room."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from boltzprune.backend.arrays import Item, Result
from boltzprune.backend.gpu.gibbs import TILE
from boltzprune.core.contrastive import at_places
from boltzprune.errors import InputError

if TYPE_CHECKING:
    from boltzprune.backend.gpu.card import Card

Kind = TypeVar("Kind")

log = logging.getLogger(__name__)

SHARE_OF_MEMORY = 0.5
"""Of the memory that is free, what the chains or cases that are computed together may take."""


def piece(card: "Card", n: int, bytes_each: int) -> int:
    """How many of n chains or cases are computed at once: as many as fit into a share of the free memory, whole tiles.

    Parameters
    ----------
    card : card.Card
    n : int
    bytes_each : int
        What one of them takes.
    """
    free = card.free_memory()
    fit = int(SHARE_OF_MEMORY * free / max(bytes_each, 1)) // TILE * TILE
    size = min(n, max(fit, TILE))
    need = f"{n * bytes_each / 2**20:,.0f} MiB of {free / 2**20:,.0f} MiB free"
    log.info("GPU memory: %d chains or cases of %d bytes need %s; %d at once", n, bytes_each, need, size)
    return size


def in_pieces(card: "Card", size: int, function: Callable[[int, int], Result], n: int, bytes_each: int) -> list[Result]:
    """Results of all pieces of n chains or cases, in order; a piece for which there is no room is halved.

    Parameters
    ----------
    card : card.Card
    size : int
        Of the first piece, at least 1.
    function : callable
        (first, number) -> result of this piece.
    n : int
    bytes_each : int
        For messages.
    """
    results: list[Result] = []
    first = 0
    while first < n:
        count, fits = min(size, n - first), True
        try:
            results.append(function(first, count))
            first += count
        except card.OutOfMemory:
            fits = False  # what was tried is let go of only once this clause is left
        if not fits:
            size = _half(card, count, f"{count} chains or cases of {bytes_each} bytes")
    return results


def in_groups(
    card: "Card",
    groups: Mapping[Kind, list[int]],
    work: Sequence[Item],
    run: Callable[[Kind, list[Item]], list[Result]],
) -> list[Result]:
    """Results in the order of `work`: run(kind, part) for the places of each kind, halved where memory runs out.

    Parameters
    ----------
    card : card.Card
    groups : dict
        Kind -> places in `work`.
    work : list
    run : callable
        (kind, part of the work) -> list of results.
    """
    results: dict[int, Result] = {}
    waiting = list(groups.items())
    while waiting:
        (kind, places), fits = waiting.pop(0), True
        try:
            with at_places(places):
                results |= zip(places, run(kind, [work[place] for place in places]))
        except card.OutOfMemory:
            fits = False  # what was tried is let go of only once this clause is left
        if not fits:
            half = _half(card, len(places), f"{len(places)} machines and what they learn from")
            waiting[:0] = [(kind, places[:half]), (kind, places[half:])]
    return [results[place] for place in range(len(work))]


def _half(card: "Card", size: int, what: str) -> int:
    """Half of a size that did not fit, once the card has let go of what it can; InputError if there is no half.

    Parameters
    ----------
    card : card.Card
    size : int
        Chains, cases or machines.
    what : str
        These in words, for the message.
    """
    card.release()
    free = f"{card.free_memory() / 2**20:,.0f} MiB"
    if size < 2:
        raise InputError(
            f"device gpu: the card's memory does not suffice for {what}; {free} are free. "
            "Stop other programs that use the card, take a smaller machine, or set device: cpu"
        )
    log.warning("GPU memory: no room for %s (%s free); halving", what, free)
    return size // 2
