"""Sums over all joint states of a small machine of any depth: what `exact` is made of.

Given the odd layers, the units of the even layers are independent of each other, and the other way round. So the joint
states of one of the two sides are listed, and every unit j of the other side sums out on its own:

    sum over the other side of exp(-E) = exp(-E among the listed layers) prod_j (1 + exp(b_j + input_j))

The side with fewer units is listed. An RBM of at most `MAX_VISIBLE` visible units lists its visible patterns even if it
has fewer hidden units: then all its exact results, Fisher information and samples included, rest on the same sums.
Everything is computed in float64, in blocks. Time grows with 2**(listed units); memory needs 8 bytes for each state.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from boltzprune.core.fisher import Statistics
from boltzprune.core.machine import BoltzmannMachine, check_states, field_of, sigmoid
from boltzprune.errors import InputError

MAX_VISIBLE = 20
"""Visible units whose patterns are listed."""
MAX_LISTED = 20
"""Units of the listed layers; visible patterns that are given do not count."""
BLOCK = 1 << 13
"""Rows, each a joint state of the known layers, that are handled at once."""
MAX_ROWS = 1 << 20
"""Log-weights of given patterns times listed states that are kept at once."""


@dataclass(frozen=True)
class Enumeration:
    """Rows that are summed over: every listed state, for every visible pattern where such are given.

    Attributes
    ----------
    machine : BoltzmannMachine
        With float64 parameters.
    listed : list of int
        The layers whose joint states are listed.
    visible : (n, n_visible) array in {0, 1}, or None
        Patterns that the visible layer is clamped to; the rows of the first pattern come first. None: the machine runs
        freely.
    """

    machine: BoltzmannMachine
    listed: list[int]
    visible: np.ndarray | None = None

    @property
    def sizes(self) -> list[int]:
        """Units of each listed layer."""
        return [self.machine.layer_sizes[layer] for layer in self.listed]

    @property
    def n_patterns(self) -> int:
        """Visible patterns that are given; a free-running machine counts as one."""
        return 1 if self.visible is None else len(self.visible)

    def log_weights(self) -> npt.NDArray[np.float64]:
        """log sum exp(-E) over the layers that sum out: (n_patterns, n_listed_states) float64, nats.

        A free-running machine has one row.
        """
        rows = np.concatenate([_log_weight(self.machine, states) for _, states in self._blocks()])
        return rows.reshape(-1, 1 << sum(self.sizes))

    def probabilities(self) -> npt.NDArray[np.float64]:
        """Probability of every listed state, given the pattern if there is one, shaped like `log_weights`."""
        log_weights = self.log_weights()
        return np.exp(log_weights - np.logaddexp.reduce(log_weights, axis=1)[:, None])

    def weighted_blocks(self) -> Iterator[tuple[npt.NDArray[np.float64], list[npt.NDArray[np.float64]]]]:
        """Blocks of rows with their probabilities, and the states of every layer, or its means where it sums out.

        Yields
        ------
        tuple
            (n_rows,) float64, probabilities that sum to 1 over all rows (every pattern counts the same), and a list of
            (n_rows, n_units) float64, in [0, 1], one for each layer.
        """
        probability = self.probabilities()
        probability = probability.ravel() / len(probability)
        for rows, states in self._blocks():
            yield (
                probability[rows],
                [
                    sigmoid(field_of(self.machine, states, layer)) if state is None else state
                    for layer, state in enumerate(states)
                ],
            )

    def statistics(self) -> Statistics:
        """Rates of all layers and pair means of neighbouring layers: `Statistics` with n_samples 0."""
        rates = [np.zeros(n) for n in self.machine.layer_sizes]
        pairs = [np.zeros(weights.shape) for weights in self.machine.weights]
        for p, means in self.weighted_blocks():
            for layer, upper in enumerate(means[1:]):
                weighted = means[layer] * p[:, None]
                rates[layer] += weighted.sum(axis=0)
                pairs[layer] += weighted.T @ upper
            rates[-1] += p @ means[-1]
        return Statistics(0, tuple(rates), tuple(pairs))

    def _blocks(self) -> Iterator[tuple[slice, list[npt.NDArray[np.float64] | None]]]:
        """Blocks of rows: their slice, and the float64 states of all layers, None where the layer sums out."""
        n_states = 1 << sum(self.sizes)
        n_rows = n_states * self.n_patterns
        for start in range(0, n_rows, BLOCK):
            rows = np.arange(start, min(start + BLOCK, n_rows))
            states: list[npt.NDArray[np.float64] | None] = [None] * len(self.machine.biases)
            if self.visible is not None:
                states[0] = self.visible[rows // n_states].astype(np.float64)
            for layer, listing in zip(self.listed, unpacked(rows % n_states, self.sizes)):
                states[layer] = listing.astype(np.float64)
            yield slice(start, start + BLOCK), states


def _log_weight(machine: BoltzmannMachine, states: Sequence[npt.NDArray[np.float64] | None]) -> npt.NDArray[np.float64]:
    """log sum exp(-E) of one block of rows: (n_rows,) nats."""
    total: Any = 0.0
    for layer, state in enumerate(states):
        if state is None:
            total = total + np.logaddexp(0.0, field_of(machine, states, layer)).sum(axis=1)
        else:
            total = total + state @ machine.biases[layer]
    for lower, weights, upper in zip(states[:-1], machine.weights, states[1:]):
        if lower is not None and upper is not None:
            total = total + ((lower @ weights) * upper).sum(axis=1)
    return total


def unpacked(codes: npt.NDArray[np.integer], sizes: Sequence[int]) -> list[npt.NDArray[np.uint8]]:
    """The joint states of layers that numbers stand for.

    Parameters
    ----------
    codes : (n_codes,) int
        Their bits are the states, the most significant first.
    sizes : list of int
        Units of each layer.

    Returns
    -------
    list of (n_codes, n_units) uint8
    """
    bits = (codes[:, None] >> np.arange(sum(sizes) - 1, -1, -1) & 1).astype(np.uint8)
    return np.split(bits, np.cumsum(sizes, dtype=np.int64)[:-1], axis=1)


def free(machine: BoltzmannMachine) -> Enumeration:
    """The enumeration of a free-running machine; InputError if its even and its odd layers are both too large."""
    return _of(machine, range(len(machine.biases)))


def clamped(machine: BoltzmannMachine, visible: np.ndarray) -> list[Enumeration]:
    """Enumerations of the hidden layers given visible patterns, of some patterns each, so that memory stays small.

    Parameters
    ----------
    machine : BoltzmannMachine
    visible : (n, n_visible) array in {0, 1}

    Returns
    -------
    list of Enumeration

    Raises
    ------
    InputError
        If there is no pattern, patterns are not of the visible layer, or the even and the odd hidden layers are both
        too large.
    """
    check_states([visible], machine.layer_sizes[:1], "visible")
    if not len(visible):
        raise InputError("visible holds no pattern; expected at least one")
    whole, visible = _of(machine, range(1, len(machine.biases))), np.asarray(visible)
    length = max(1, MAX_ROWS >> sum(whole.sizes))
    return [replace(whole, visible=visible[i : i + length]) for i in range(0, len(visible), length)]


def _of(machine: BoltzmannMachine, unknown: Sequence[int]) -> Enumeration:
    """The enumeration of the even or of the odd ones of the unknown layers."""
    sides = [[layer for layer in unknown if layer % 2 == parity] for parity in (0, 1)]
    n_even, n_odd = n_units = [sum(machine.layer_sizes[layer] for layer in side) for side in sides]
    is_small_rbm = machine.is_rbm and n_even <= MAX_VISIBLE
    chosen = 1 if n_odd < n_even and not is_small_rbm else 0
    if n_units[chosen] > MAX_LISTED:
        raise InputError(
            f"layers of {machine.layer_sizes} units cannot be enumerated: {n_even} unknown units in even layers, "
            f"{n_odd} in odd ones, at most {MAX_LISTED} in one of the two; use a smaller machine, "
            "or estimate log Z by boltzprune.sampling.ais"
        )
    weights, biases = (tuple(a.astype(np.float64) for a in arrays) for arrays in (machine.weights, machine.biases))
    return Enumeration(replace(machine, weights=weights, biases=biases), sides[chosen])
