"""Gibbs sampling of machines whose weights stay as they are, as whole numbers whose sums are exact."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from boltzprune.backend.arrays import Bytes
from boltzprune.backend.cpu.chains import Chains, Draws, Some, chains_of, parts, states_of
from boltzprune.backend.cpu.gibbs import gibbs_steps
from boltzprune.backend.cpu.network import Network, fixed_network, network
from boltzprune.backend.cpu.vectors import LANES
from boltzprune.core.machine import BoltzmannMachine

TOGETHER, CACHE = 128, 1 << 19
"""Chains that are computed together: so many, or more where their states and sums take less than so many bytes."""


def _for_sampling(machine: BoltzmannMachine) -> tuple[Network, bool]:
    """A machine with whole numbers for weights, and whether sums must begin anew in every step.

    They must where a sum of whole numbers could exceed 32 bits: such a machine is sampled with float32 weights.
    """
    fixed = fixed_network(machine)
    return (network(machine), True) if fixed is None else (fixed, False)


def advance(
    machine: BoltzmannMachine,
    states: Sequence[Bytes],
    key: np.uint64,
    first_step: int,
    n_gibbs_steps: int,
    first_chain: int,
    first_layer: int,
) -> list[Bytes]:
    """Gibbs steps of any number of chains, some at a time; see `reference.Backend.advance`."""
    (net, afresh), draws = _for_sampling(machine), Draws.of(key, machine.layer_sizes)
    results = [np.array(layer, dtype=np.uint8) for layer in states]
    together = max(TOGETHER, CACHE // (2 * net.lists.weight.itemsize * max(1, net.bias.size)) // LANES * LANES)
    for start in range(0, len(states[0]), together):
        part = [layer[start : start + together] for layer in results]
        chains, some = chains_of(net, part), Some(0, len(part[0]), first_chain + start)
        gibbs_steps(net, chains, first_layer, (first_step, n_gibbs_steps), draws, afresh, some)
        for result, layer in zip(part, states_of(net, chains, len(part[0]))):
            result[:] = layer
    return results


class FreeRun:
    """Persistent chains of several machines; see `reference.Backend.free_run`.

    Parameters
    ----------
    machines, chains, keys
        See `reference.Backend.free_run`.
    threads : int
        Which share the machines, and the chains of each where machines are fewer.
    """

    def __init__(
        self,
        machines: Sequence[BoltzmannMachine],
        chains: Sequence[Sequence[Bytes]],
        keys: Sequence[np.uint64],
        threads: int,
    ) -> None:
        self._runs: list[tuple[Network, bool, Chains, Draws, int]] = []
        for machine, states, key in zip(machines, chains, keys, strict=True):
            net, afresh = _for_sampling(machine)
            draws = Draws.of(key, machine.layer_sizes)
            self._runs.append((net, afresh, chains_of(net, states), draws, len(states[0])))
        self._n_parts = max(1, threads // max(1, len(machines)))
        self._each = map if threads == 1 else ThreadPoolExecutor(threads).map

    def advance(self, first_step: int, n_gibbs_steps: int) -> list[list[Bytes]]:
        """States of all layers of each machine after so many Gibbs steps."""
        steps = first_step, n_gibbs_steps
        work = [
            (net, chains, 0, steps, draws, afresh, some)
            for net, afresh, chains, draws, n in self._runs
            for some in parts(n, self._n_parts, 0)
        ]
        list(self._each(gibbs_steps, *zip(*work)))
        return [states_of(net, chains, n) for net, _, chains, _, n in self._runs]
