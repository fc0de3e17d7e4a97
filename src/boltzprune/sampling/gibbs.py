"""Samples of the joint state by block Gibbs sampling, in pieces so that memory stays small."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from boltzprune.core.machine import BoltzmannMachine
from boltzprune.errors import InputError

if TYPE_CHECKING:
    from boltzprune.backend.arrays import Backend

BYTES_A_UNIT = 12
"""Memory for a unit of a chain: the states before and after a step, and its random numbers or its bits."""


class Progress(Protocol):
    """Whom sampling tells how far it is; in a study `study.progress.Progress`."""

    def advance(self, n: int, /) -> object:
        """Note n more samples done."""


class Chains(Protocol):
    """Chains of machines that advance side by side and are read in between: `Backend.free_run`, or `Alone`."""

    def advance(self, first_step: int, n_gibbs_steps: int, /) -> Sequence[Sequence[Any]]:
        """Of each machine the states of all layers after so many Gibbs steps."""


class Alone:
    """Chains of one machine, which lies where the backend computes, each time by `Backend.advance`."""

    def __init__(self, machine: BoltzmannMachine, chains: Sequence[Any], key: np.uint64, backend: "Backend") -> None:
        self.machine, self.states, self.key, self.backend = machine, list(chains), key, backend

    def advance(self, first_step: int, n_gibbs_steps: int) -> list[list[Any]]:
        """States of all layers after so many Gibbs steps, as those of the only machine."""
        self.states = self.backend.advance(self.machine, self.states, self.key, first_step, n_gibbs_steps, 0)
        return [self.states]


def sample(
    machine: BoltzmannMachine,
    n_samples: int,
    n_gibbs_steps: int,
    key: np.uint64,
    backend: "Backend",
    progress: Progress | None = None,
    first_chain: int = 0,
) -> tuple[Any, ...]:
    """Joint states of independent Markov chains, each read once, n_gibbs_steps after its random start (Eqs. 9, 10).

    Step 0 of the stream draws every unit with probability 1/2. Steps 1 ... n_gibbs_steps are Gibbs steps: the odd
    layers given the even ones, then the even ones given the odd. A chain depends on its number alone, so neither pieces
    nor threads change it.

    Parameters
    ----------
    machine : BoltzmannMachine
    n_samples : int, >= 1
    n_gibbs_steps : int, >= 0
    key : np.uint64
        Stream of these samples; sample c is chain first_chain + c.
    backend : Backend
    progress : Progress, optional
        Told of the chains done.
    first_chain : int
        Number of the first chain.

    Returns
    -------
    tuple of (n_samples, n_units) uint8
        All layers, where the backend computes.

    Raises
    ------
    InputError
        If there is no sample to draw, or a negative number of steps.
    """
    for name, value, least in (("n_samples", n_samples, 1), ("n_gibbs_steps", n_gibbs_steps, 0)):
        if value < least:
            raise InputError(f"gibbs.sample: {name} is {value}, expected {least} or more")
    xp, sizes = backend.xp, machine.layer_sizes

    def piece(first: int, n: int) -> list[Any]:
        chain = first_chain + first
        even_odds = (xp.zeros((n, n_units), dtype=xp.float32) for n_units in sizes)
        states = [backend.sample_layer(fields, key, 0, layer, chain) for layer, fields in enumerate(even_odds)]
        states = backend.advance(machine, states, key, 1, n_gibbs_steps, chain)
        if progress is not None:
            progress.advance(n)
        return states

    pieces = backend.in_pieces(piece, n_samples, BYTES_A_UNIT * sum(sizes))
    return tuple(xp.concatenate(layer) for layer in zip(*pieces))
