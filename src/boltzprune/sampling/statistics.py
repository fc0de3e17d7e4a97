"""Activity statistics of a machine as the configuration asks for them: drawn or enumerated."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boltzprune.backend.arrays import HostArrays
from boltzprune.core.fisher import Statistics, sampled_fisher_matrix, sampled_statistics
from boltzprune.core.machine import BoltzmannMachine, check_states, field_of, require_rbm, sigmoid
from boltzprune.sampling import exact, gibbs
from boltzprune.sampling.gibbs import Progress
from boltzprune.sampling.mixing import Values, chain_time, effective_of_independent, effective_samples

if TYPE_CHECKING:
    from boltzprune.backend.arrays import Backend

MAX_VISIBLE_AUTO = 16
PHASES = {"initial": 0, "retrained": 0, "pruned": 1, "rewind": 2, "scratch": 3}
"""Streams of the samples of one iteration: before and after its retraining, and of its controls."""
CONDITIONAL_PIECE = 1 << 10
"""Samples whose probabilities lie in memory together; a constant, since the last bits of sums depend on it."""


def draw(
    machine: BoltzmannMachine, n_samples: int, sampling: Any, key: np.uint64, backend: "Backend"
) -> tuple[Any, ...]:
    """Joint samples by the method of the configuration.

    Parameters
    ----------
    machine : BoltzmannMachine
    n_samples : int
    sampling : config.Sampling
        Its method (exact, gibbs, or auto: exact for RBMs of at most `MAX_VISIBLE_AUTO` visible units) and n_gibbs_steps
        are read.
    key : np.uint64
        Stream of these samples.
    backend : Backend

    Returns
    -------
    tuple of (n_samples, n_units) uint8
        All layers, where the backend computes.
    """
    if is_exact(machine, sampling):
        return exact.sample(machine, n_samples, key, backend)
    return gibbs.sample(machine, n_samples, sampling.n_gibbs_steps, key, backend)


def is_exact(machine: BoltzmannMachine, sampling: Any) -> bool:
    """Whether `draw` draws by enumeration, without chains."""
    few = machine.is_rbm and machine.layer_sizes[0] <= MAX_VISIBLE_AUTO
    return bool(sampling.method == "exact" or (sampling.method == "auto" and few))


def estimate(
    machine: BoltzmannMachine, samples: Sequence[Any], sampling: Any, backend: "Backend"
) -> tuple[Statistics, Callable[[], Any]]:
    """Statistics of a machine, and a function that computes its full FIM.

    Parameters
    ----------
    machine : BoltzmannMachine
    samples : tuple of (n_samples, n_units) uint8
    sampling : config.Sampling
        Its key statistics is read: enumerated, conditional, or sampled. The FIM is that of the samples unless it is
        enumerated.
    backend : Backend

    Returns
    -------
    tuple
        fisher.Statistics, and a callable without arguments that returns the (n_parameters, n_parameters) FIM, where the
        backend computes.
    """
    require_rbm(machine, "statistics.estimate", "statistics.deep_statistics")
    if sampling.statistics == "enumerated":
        return exact.statistics(machine), functools.partial(exact.fisher_matrix, machine)
    layers, n_samples = [backend.pack(states) for states in samples], len(samples[0])
    visible, hidden = layers
    fisher = functools.partial(sampled_fisher_matrix, visible, hidden, machine.masks[0], n_samples, backend)
    if sampling.statistics == "conditional":
        return conditional_statistics(machine, backend.to_host(samples[0])), fisher
    return sampled_statistics(layers, n_samples, backend), fisher


def conditional_statistics(machine: BoltzmannMachine, visible: npt.NDArray[np.uint8]) -> Statistics:
    """Means over samples of the visible state, of each hidden unit its probability given the sample, not its state.

    <h_j> = mean_c p_j(v_c), <v_i h_j> = mean_c v_ci p_j(v_c), p_j(v) = s(b_j + v.W_j): unbiased as the means over the
    states are, and for the same samples never of larger variance (Rao-Blackwell), since p_j(v) is the mean of h_j over
    all that it can be given v. What chance is left is that of the visible states. How much that is, of each mean, says
    by how many counted samples it would be left, n p (1 - p) / (<x^2> - p^2) of the values x = p_j(v) or v_i p_j(v).

    Parameters
    ----------
    machine : BoltzmannMachine
        With one weight layer.
    visible : (n_samples, n_visible) uint8 in {0, 1}

    Returns
    -------
    Statistics
        With n_samples the number of the samples, and effective numbers that are those of the means, n_samples or more
        (`mixing.effective_of_independent`).
    """
    require_rbm(machine, "statistics.conditional_statistics", "statistics.conditional_deep_statistics")
    patterns, counts = np.unique(visible, axis=0, return_counts=True)  # given a pattern, p(h|v) is the same
    share = counts / len(visible)
    states, weights = patterns.astype(np.float64), machine.weights[0].astype(np.float64)
    hidden = sigmoid(states @ weights + machine.biases[1].astype(np.float64))
    shared = share[:, None] * states
    rates, means = (shared.sum(axis=0), share @ hidden), shared.T @ hidden  # rounding can lead beyond 1
    squares = shared.sum(axis=0), share @ hidden**2, shared.T @ hidden**2
    found = [np.minimum(mean, 1.0) for mean in (*rates, means)]
    worth = [effective_of_independent(*both, len(visible)) for both in zip(found, squares)]
    return Statistics(len(visible), tuple(found[:2]), tuple(found[2:]), tuple(worth[:2]), tuple(worth[2:]))


def _given_neighbours(machine: BoltzmannMachine) -> Values:
    """From states of all layers to the probabilities of each hidden layer given those next to it, in double."""
    weights, biases = (tuple(x.astype(np.float64) for x in group) for group in (machine.weights, machine.biases))
    double = BoltzmannMachine(weights, biases, machine.masks)
    return lambda states: (sigmoid(field_of(double, states, layer)) for layer in range(1, len(states)))


def conditional_deep_statistics(
    machine: BoltzmannMachine,
    layers: Sequence[npt.NDArray[np.uint8]],
    sampled: Statistics,
    n_chains: int = 0,
) -> Statistics:
    """Means over samples in which each unit of a hidden layer is its probability given the layers next to it.

    With p_j = s(b_j + s_below.W + W.s_above) of unit j, given the sampled layers below and above it, <h_j> = mean p_j,
    and of a pair with a unit of the layer below, <s_i h_j> = mean s_i p_j: p_j is the mean of h_j given all other
    layers. Visible rates stay those of the samples. On the host, in double precision, `CONDITIONAL_PIECE` samples at a
    time, whatever the backend and however the samples were drawn.

    If the samples follow the machine, the means are unbiased as those of the states are, and if the samples are
    independent, none has a larger variance (Rao-Blackwell). The reads of a persistent chain depend on each other. In
    equilibrium, still no rate has a larger variance: odd layers are drawn given the even ones, and these given the odd
    ones, so that the covariance of p_j between two reads lies between 0 and that of h_j (Liu, Wong & Kong 1994). Of
    pair means this holds where reads have little to do with each other; where a chain hardly moves from one to the
    next, the covariance of s_i p_j can be the larger one, and so can the variance of the mean.

    Parameters
    ----------
    machine : BoltzmannMachine
        With any number of layers, on the host.
    layers : list of (n_samples, n_bytes) uint8
        Samples of every layer, bit-packed along the units (`np.packbits`).
    sampled : Statistics
        Those of the same samples.
    n_chains : int
        Of how many persistent chains the samples are, sample s of chain s % n_chains; 0 if they are independent.

    Returns
    -------
    Statistics
        The effective numbers of samples are those of these means: of independent samples n_samples or more
        (`mixing.effective_of_independent`), of persistent chains by their scatter (`mixing.effective_samples`). That of
        nearly silent units can be many times n_samples. chain_time remains that of the sampled states.
    """
    n_samples, sizes, values = len(layers[0]), machine.layer_sizes, _given_neighbours(machine)
    n_hidden_layers = len(sizes) - 1
    shapes = [*((n,) for n in sizes[1:]), *zip(sizes[:-1], sizes[1:])]
    sums, squares = [np.zeros(shape) for shape in shapes], [np.zeros(shape) for shape in shapes]
    for first in range(0, n_samples, CONDITIONAL_PIECE):
        piece = [layer[first : first + CONDITIONAL_PIECE] for layer in layers]
        states = [np.unpackbits(bits, axis=1, count=n) for bits, n in zip(piece, sizes)]
        for layer, hidden in enumerate(values(states)):
            below = states[layer].T.astype(np.float64)
            for totals in (sums,) if n_chains else (sums, squares):
                totals[layer] += hidden.sum(axis=0)
                totals[n_hidden_layers + layer] += below @ hidden
                hidden *= hidden
    # no mean is above 1: a sum of n numbers of at most 1 does not round to more than n
    means, mean_squares = ([total / n_samples for total in group] for group in (sums, squares))
    rates, pair_means = (sampled.rates[0], *means[:n_hidden_layers]), tuple(means[n_hidden_layers:])
    found = replace(sampled, rates=rates, pair_means=pair_means)
    if n_chains:
        of_rates, of_pairs = effective_samples(layers, n_chains, found, HostArrays(), values)
    else:
        of_visible = np.full(sizes[0], n_samples, np.float32)
        worth = [effective_of_independent(*both, n_samples) for both in zip(means, mean_squares)]
        of_rates, of_pairs = (of_visible, *worth[:n_hidden_layers]), tuple(worth[n_hidden_layers:])
    return replace(found, rate_effective=of_rates, pair_effective=of_pairs)


def _read(
    run: gibbs.Chains, tallies: Sequence["_Tally"], n_samples: int, n_chains: int, n_gibbs_steps: int, size: int
) -> None:
    """Count persistent chains of machines that advance side by side: all together, after every n_gibbs_steps."""
    reads_per_piece, n_reads = max(1, size // n_chains), -(-n_samples // n_chains)
    kept: list[Sequence[Sequence[Any]]] = []
    for read in range(n_reads):
        kept.append(run.advance(1 + read * n_gibbs_steps, n_gibbs_steps))
        if len(kept) == reads_per_piece or read + 1 == n_reads:
            n_left = n_samples - (read + 1 - len(kept)) * n_chains
            for tally, reads in zip(tallies, zip(*kept), strict=True):
                tally.add([tally.backend.xp.concatenate(layer)[:n_left] for layer in zip(*reads)])
            kept = []


class _Tally:
    """Ones and common ones of the samples of one machine, and the samples themselves, in bits.

    `sampling`: its key statistics is read. `n_chains`: of how many persistent chains they are; 0 if every sample is a
    chain of its own.
    """

    def __init__(
        self, machine: BoltzmannMachine, sampling: Any, backend: "Backend", progress: Progress | None, n_chains: int
    ) -> None:
        sizes, self.machine, self.is_conditional = machine.layer_sizes, machine, sampling.statistics == "conditional"
        self.ones: list[np.ndarray] = [np.zeros(n) for n in sizes]
        self.pairs: list[np.ndarray] = [np.zeros(shape) for shape in zip(sizes[:-1], sizes[1:])]
        self.states: list[list[npt.NDArray[np.uint8]]] = [
            [] for _ in (sizes if n_chains or self.is_conditional else sizes[:1])
        ]
        self.backend, self.progress, self.n_chains = backend, progress, n_chains

    def add(self, states: Sequence[Any]) -> None:
        """More samples: (n, n_units) uint8 for each layer, where the backend computes."""
        n = len(states[0])
        part = sampled_statistics([self.backend.pack(layer) for layer in states], n, self.backend)
        for total, rate in zip(self.ones + self.pairs, part.rates + part.pair_means):
            total += np.rint(rate * n)
        for kept, layer in zip(self.states, states):
            kept.append(np.packbits(self.backend.to_host(layer), axis=1))
        if self.progress is not None:
            self.progress.advance(n)

    def result(self, n_samples: int) -> tuple[Statistics, npt.NDArray[np.uint8]]:
        """Statistics, and the visible states, bit-packed along the units."""
        rates, means = (tuple(total / n_samples for total in group) for group in (self.ones, self.pairs))
        found, states = Statistics(n_samples, rates, means), [np.concatenate(layer) for layer in self.states]
        n_chains = self.n_chains if self.n_chains < n_samples else 0  # that are read again
        if n_chains:
            of_rates, of_pairs = effective_samples(states, n_chains, found, self.backend)
            time = chain_time(found.rates, of_rates, n_samples)
            found = replace(found, rate_effective=of_rates, pair_effective=of_pairs, chain_time=time)
        if self.is_conditional:
            found = conditional_deep_statistics(self.machine, states, found, n_chains)
        return found, states[0]


def deep_statistics(
    machine: BoltzmannMachine,
    chains: Sequence[np.ndarray],
    n_samples: int,
    sampling: Any,
    key: np.uint64,
    backend: "Backend",
    progress: Progress | None = None,
) -> tuple[Statistics, npt.NDArray[np.uint8]]:
    """Statistics of one free-running deep machine, and its visible states.

    Parameters
    ----------
    machine : BoltzmannMachine
    chains : tuple of (n_chains, n_units) uint8
        Its persistent chains.
    n_samples : int
    sampling : config.DeepSampling
        Its keys chains (persistent, or else fresh ones), n_gibbs_steps and statistics (sampled, or conditional: see
        `conditional_deep_statistics`) are read.
    key : np.uint64
        Stream of these samples.
    backend : Backend
    progress : Progress, optional

    Returns
    -------
    tuple
        fisher.Statistics and packed visible states, as `deep_statistics_of_all` has them.
    """
    return deep_statistics_of_all([machine], [chains], n_samples, sampling, [key], backend, progress)[0]


def deep_statistics_of_all(
    machines: Sequence[BoltzmannMachine],
    chains: Sequence[Sequence[np.ndarray]],
    n_samples: int,
    sampling: Any,
    keys: Sequence[np.uint64],
    backend: "Backend",
    progress: Progress | None = None,
) -> list[tuple[Statistics, npt.NDArray[np.uint8]]]:
    """Statistics of free-running deep machines, and their visible states; hidden states are counted, not kept.

    Parameters
    ----------
    machines : list of BoltzmannMachine
    chains : list of tuple of (n_chains, n_units) uint8
        Persistent chains of each machine, which go on; read all together after every n_gibbs_steps.
    n_samples : int
        Of each machine.
    sampling : config.DeepSampling
        As for `deep_statistics`.
    keys : list of np.uint64
    backend : Backend
    progress : Progress, optional
        Told of the samples done.

    Returns
    -------
    list of tuple
        Of each machine, whatever the others are: fisher.Statistics, and (n_samples, n_bytes) uint8, the visible states,
        bit-packed along the units.
    """
    if sampling.chains == "persistent" and machines:
        for machine, states in zip(machines, chains, strict=True):
            check_states(states, machine.layer_sizes, "chains")
        if run := backend.free_run(machines, chains, keys):
            tallies = [_Tally(machine, sampling, backend, progress, len(chains[0][0])) for machine in machines]
            size = _piece(max(machines, key=lambda one: sum(one.layer_sizes)), n_samples, backend) // len(machines)
            _read(run, tallies, n_samples, len(chains[0][0]), sampling.n_gibbs_steps, size)
            return backend.map(lambda tally: tally.result(n_samples), tallies)

    def alone(
        one: tuple[BoltzmannMachine, Sequence[np.ndarray], np.uint64],
    ) -> tuple[Statistics, npt.NDArray[np.uint8]]:
        machine, states, key = one
        n_chains = len(states[0]) if sampling.chains == "persistent" else 0
        tally, size = _Tally(machine, sampling, backend, progress, n_chains), _piece(machine, n_samples, backend)
        machine = backend.on_device(machine)
        if n_chains:
            run = gibbs.Alone(machine, states, key, backend)
            _read(run, [tally], n_samples, n_chains, sampling.n_gibbs_steps, size)
            return tally.result(n_samples)
        for first in range(0, n_samples, size):
            n = min(size, n_samples - first)
            tally.add(gibbs.sample(machine, n, sampling.n_gibbs_steps, key, backend, first_chain=first))
        return tally.result(n_samples)

    return backend.map(alone, list(zip(machines, chains, keys, strict=True)))


def _piece(machine: BoltzmannMachine, n_samples: int, backend: "Backend") -> int:
    """Samples of a machine that fit into memory together."""
    return backend.piece(n_samples, gibbs.BYTES_A_UNIT * sum(machine.layer_sizes))
