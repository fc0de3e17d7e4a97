"""How much samples of Markov chains are worth: how many independent ones, and whether they have forgotten their start.

Two ways of sampling need two answers. Chains that are read once each (`gibbs.sample`) give independent samples, but
those of the wrong distribution if too few Gibbs steps lie before the reading: `diagnose` lets some chains run from the
data and as many from random states. Chains that are read again and again (`statistics.deep_statistics`) have samples
that depend on each other: `effective_samples` tells how many independent ones leave as much to chance. A mean of
probabilities leaves less to chance than one of as many states: `effective_of_independent` tells of how many.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boltzprune.core.machine import BoltzmannMachine
from boltzprune.core.streams import fork, uniform
from boltzprune.sampling.gibbs import Alone

if TYPE_CHECKING:
    from boltzprune.backend.arrays import Backend, HostArrays
    from boltzprune.core.fisher import Statistics

N_CHAINS = 256
"""Chains from the data, and as many from random states."""
TIMES_OF_EVERY = 4
"""Autocorrelation times, which take longest to compute, are those of every fourth chain."""
UNITS_AT_ONCE = 32
"""Units whose states are compared between all pairs of reads together, so that memory stays small."""
MAX_READS = 128
"""States that are kept of a chain in the second half of its steps."""
LEVEL = 0.001
"""Chains are told to depend on their start if they did so by chance in a smaller share of machines that mix."""
WINDOW = 5.0
"""The sum over lags ends at the first one of so many autocorrelation times (Sokal 1997)."""
LEAST_LENGTH = 10
"""Times its autocorrelation time that a persistent chain has to be long, by rule of thumb."""
N_BLOCKS = 20
"""Parts of the samples, at least, whose scatter tells how much is left to chance."""
MAX_BYTES = 1 << 26
"""Memory for the pairs of some chains at once; the last bits of sums of probabilities depend on it."""
LARGEST = 2.0**62
"""Counted samples that a mean of values without any scatter is worth: these samples show no chance in it, and whole
numbers up to this one can be drawn from a binomial distribution."""
ROUNDING = 2.0**-44
"""A variance of probabilities below so many times their mean square is none: it may be due to rounding."""
ROUNDED = 2.0**20
"""Parameters are rounded to multiples of 1 / ROUNDED where energies are summed: their sums are exact in any order."""


@dataclass(frozen=True)
class Mixing:
    """Whether chains of a machine forget their start within the Gibbs steps they are given.

    Attributes
    ----------
    energy_time : float
        Integrated autocorrelation time of the energy, in Gibbs steps.
    rate_time : float
        The longest integrated autocorrelation time of the state of a unit, in Gibbs steps.
    p_memory : float, in [0, 1]
        How likely the states of some unit at half time and at the end would agree as much as they do if the end had
        forgotten half time; of the unit that agrees most, times the number of units (Bonferroni).
    p_starts : float, in [0, 1]
        How likely the rate of some unit would differ at the end between chains from the data and from random states as
        much as it does if both had reached the same distribution; as p_memory.
    """

    energy_time: float
    rate_time: float
    p_memory: float
    p_starts: float

    @property
    def warning(self) -> str:
        """What is wrong with samples that are chains of their own, in words; empty if nothing speaks for a memory."""
        if min(self.p_memory, self.p_starts) >= LEVEL:
            return ""
        return (
            f"chains have not forgotten their start when they are read (p = {self.p_memory:.1g} that they have "
            f"forgotten half time, {self.p_starts:.1g} that chains from the data and from random states agree); "
            "the samples are not those of the machine: raise sampling.n_gibbs_steps"
        )


def persistent_warning(statistics: "Statistics", n_chains: int) -> str:
    """What is wrong with samples of persistent chains, in words; empty if each chain is long enough to forget.

    A chain is long enough if its reads are `LEAST_LENGTH` times the autocorrelation time of its states, or more: that
    of `chain_time`, whether states are averaged or probabilities.
    """
    n_reads, time = -(-statistics.n_samples // n_chains), statistics.chain_time
    if n_reads >= LEAST_LENGTH * time:
        return ""
    return (
        f"each chain is read {n_reads} times, but its states stay alike for {time:.1f} reads (autocorrelation time; at "
        f"most a share of 1/{LEAST_LENGTH} is expected): raise sampling.n_gibbs_steps or sampling.n_samples"
    )


def chain_time(rates: Sequence[np.ndarray], rate_effective: Sequence[npt.NDArray[np.float32]], n_samples: int) -> float:
    """Autocorrelation time of the states of persistent chains, in reads, from what their samples are worth.

    The mean of n_samples / n_effective over the units of a layer, by the variance of their states, of the slowest
    layer.

    Parameters
    ----------
    rates : list of (n_units,) float64
        Of every layer, counted.
    rate_effective : list of (n_units,) float32
        Of these rates, by `effective_samples`.
    n_samples : int

    Returns
    -------
    float, >= 1
        1 if no unit ever changes.
    """
    times = []
    for rate, effective in zip(rates, rate_effective, strict=True):
        variance = rate * (1.0 - rate)
        if variance.any():
            times.append(float(variance @ (n_samples / effective) / variance.sum()))
    return max(times, default=1.0)


def autocorrelation_time(series: npt.ArrayLike) -> float:
    """Integrated autocorrelation time tau = 1 + 2 sum_k rho_k of one number that several chains report at every step.

    The sum ends at the first lag of `WINDOW` tau or more (Sokal 1997), or at the last one. The autocorrelation rho is
    about the mean of all chains together: chains that stay apart, each in a place of its own, show in it as a long
    memory, which they would not about the mean of each.

    Parameters
    ----------
    series : (n_steps, n_chains) array of numbers
        Of equilibrated chains.

    Returns
    -------
    float, >= 1
        In steps; the mean over n steps of a chain is worth n / tau independent values. 1 if the number never changes.

    Examples
    --------
    >>> import numpy as np
    >>> autocorrelation_time(np.tile([0.0, 1.0], (50, 1)))
    99.0
    """
    values = np.asarray(series, dtype=np.float64)
    n_steps = len(values)
    centred = values - values.mean()
    spectrum = np.fft.rfft(centred, 2 * n_steps, axis=0)
    sums = np.fft.irfft((spectrum * spectrum.conj()).real.sum(axis=1), 2 * n_steps)[:n_steps]
    return float(_times(sums[:, None] / np.arange(n_steps, 0, -1)[:, None])[0])


def _times(covariances: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Integrated autocorrelation times of several series, from their autocovariances up to a factor: (n_lags, n)."""
    lags, varies = np.arange(len(covariances))[:, None], covariances[0] > 0
    times = 2.0 * np.cumsum(covariances / np.where(varies, covariances[0], 1.0), axis=0) - 1.0
    is_end = lags >= WINDOW * times
    ends = np.where(is_end.any(axis=0), is_end.argmax(axis=0), len(covariances) - 1)
    found = np.take_along_axis(times, ends[None], axis=0)[0]
    return np.where(varies, np.maximum(1.0, found.round(9)), 1.0)


def state_times(states: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """`autocorrelation_time` of the state of every unit, by counts of common ones, which no order of summing changes.

    With m the mean of a unit, C chains and N reads, the products of the deviations at lag k have the sum

        sum_c sum_t (s_t - m)(s_{t+k} - m) = S_k - m (A_k + B_k) + m^2 C (N - k),

    S_k the pairs of reads of one chain that are both 1, and A_k and B_k the ones among the first and the last N - k
    reads.

    Parameters
    ----------
    states : (n_reads, n_chains, n_units) uint8 in {0, 1}

    Returns
    -------
    (n_units,) float64, >= 1
        In reads.
    """
    n_reads, n_chains, n_units = states.shape
    n_pairs, found = n_chains * np.arange(n_reads, 0, -1.0)[:, None], np.empty(n_units)
    for first in range(0, n_units, UNITS_AT_ONCE):
        some = states[:, :, first : first + UNITS_AT_ONCE]
        ones = np.ascontiguousarray(some.transpose(2, 0, 1), dtype=np.float32)
        common = np.matmul(ones, ones.transpose(0, 2, 1))  # whole numbers, exact in float32
        both = np.array([common.diagonal(lag, 1, 2).sum(axis=1, dtype=np.float64) for lag in range(n_reads)])
        of_read = ones.sum(axis=2).T.astype(np.float64)
        from_first = of_read.cumsum(axis=0)[::-1]
        to_last = of_read[::-1].cumsum(axis=0)[::-1]
        mean = of_read.sum(axis=0) / (n_reads * n_chains)
        sums = both - mean * (from_first + to_last) + mean**2 * n_pairs
        found[first : first + UNITS_AT_ONCE] = _times(sums / n_pairs)
    return found


def reading(n_gibbs_steps: int) -> tuple[int, int, int]:
    """When `diagnose` reads its chains: after which step first, every how many steps, and how often at this distance.

    One more read, after fewer steps, comes last where the end is not at this distance.
    """
    half = n_gibbs_steps // 2
    every = max(1, -(-(n_gibbs_steps - half) // MAX_READS))
    return half, every, 1 + (n_gibbs_steps - half) // every


def diagnose(
    machine: BoltzmannMachine, cases: npt.NDArray[np.uint8], n_gibbs_steps: int, seed: int, backend: "Backend"
) -> Mixing:
    """Let `N_CHAINS` chains run from the data and as many from random states, and look whether they forget that.

    Parameters
    ----------
    machine : BoltzmannMachine
    cases : (n_cases, n_visible) uint8 in {0, 1}
        The data, of which the chains take cases at equal distances. The hidden layers of all chains begin as one Gibbs
        step with the visible layer clamped makes them from silence.
    n_gibbs_steps : int, >= 1
        As many as samples are given before they are read.
    seed : int
        Of the machine.
    backend : Backend

    Returns
    -------
    Mixing
    """
    sizes, key = machine.layer_sizes, fork(seed, "chains from two starts")
    visible = uniform(key, 0, 0, np.arange(2 * N_CHAINS), sizes[0]) < 0.5
    visible[:N_CHAINS] = cases[np.arange(N_CHAINS) * len(cases) // N_CHAINS]
    on_device, n = backend.on_device(machine), 2 * N_CHAINS
    states = [backend.asarray(visible.astype(np.uint8))]
    states += [backend.xp.zeros((n, n_units), dtype=np.uint8) for n_units in sizes[1:]]
    states = backend.advance(on_device, states, key, 0, 1, 0, 1)
    half, every, n_reads = reading(n_gibbs_steps)
    states = [backend.to_host(layer) for layer in states]
    run = backend.free_run([machine], [states], [key]) or Alone(on_device, states, key, backend)
    [states] = run.advance(1, half)
    reads = [[backend.to_host(layer) for layer in states]]
    for step in range(half + 1, n_gibbs_steps + 1, every):
        [states] = run.advance(step, min(every, n_gibbs_steps + 1 - step))
        reads.append([backend.to_host(layer) for layer in states])
    some = [[layer[::TIMES_OF_EVERY] for layer in read] for read in reads[:n_reads]]
    energies = [_energies(machine, read) for read in some]
    times = np.concatenate([state_times(np.array(layer)) for layer in zip(*some)])
    first, last = (np.concatenate(read, axis=1).astype(bool) for read in (reads[0], reads[-1]))
    ours = np.zeros_like(last)
    ours[:N_CHAINS] = True
    return Mixing(
        every * autocorrelation_time(energies),
        every * float(times.max()),
        _agreement(first, last, two_sided=False),
        _agreement(ours, last, two_sided=True),
    )


def _energies(machine: BoltzmannMachine, states: Sequence[np.ndarray]) -> npt.NDArray[np.float64]:
    """Energies of joint states, of parameters that are rounded: sums of multiples of 1 / ROUNDED below 2^33 are exact.

    Other energies would depend, in their last bits, on the order in which a library sums.
    """
    s = [layer.astype(np.float64) for layer in states]
    rounded = [[np.rint(x * ROUNDED) / ROUNDED for x in group] for group in (machine.weights, machine.biases)]
    total = -sum(((s[i] @ w.astype(np.float64)) * s[i + 1]).sum(axis=1) for i, w in enumerate(rounded[0]))
    return np.asarray(total - sum(layer @ bias.astype(np.float64) for layer, bias in zip(s, rounded[1])))


def _agreement(a: npt.NDArray[np.bool_], b: npt.NDArray[np.bool_], two_sided: bool) -> float:
    """Smallest probability, times their number, of as many rows with both a and b if the two were independent.

    Fisher's exact test of every column: with the margins given, the rows with both follow a hypergeometric law.

    Parameters
    ----------
    a, b : (n, n_columns) bool
    two_sided : bool
        Whether fewer such rows count as well as more of them.
    """
    n, n_columns = a.shape
    n_a, n_b, both = (x.sum(axis=0)[:, None] for x in (a, b, a & b))
    k, log_factorials = np.arange(n + 1), np.array([math.lgamma(i + 1.0) for i in range(n + 1)])

    def log_choose(n_all: Any, n_some: Any) -> npt.NDArray[np.float64]:
        possible = (n_some >= 0) & (n_some <= n_all)
        some = np.where(possible, n_some, 0)
        logs = log_factorials[n_all] - log_factorials[some] - log_factorials[n_all - some]
        return np.where(possible, logs, -np.inf)

    law = np.exp(log_choose(n_a, k) + log_choose(n - n_a, n_b - k) - log_choose(n, n_b))
    p = np.where(k >= both, law, 0.0).sum(axis=1)
    if two_sided:
        p = 2 * np.minimum(p, np.where(k <= both, law, 0.0).sum(axis=1))
    return float(min(1.0, n_columns * p.min()))


def effective_of_independent(
    mean: npt.NDArray[np.float64], square: npt.NDArray[np.float64], n_samples: int
) -> npt.NDArray[np.float32]:
    """Samples whose states, counted, would leave as much to chance as means of n independent values x in [0, 1].

    n_effective = p (1 - p) / Var(mean) = n p (1 - p) / (<x^2> - p^2), p = <x>: not below n, since x^2 <= x, and n where
    x is a state.

    Parameters
    ----------
    mean, square : arrays of one shape
        <x> and <x^2> over the samples.
    n_samples : int

    Returns
    -------
    float32 array of the same shape, n_samples to `LARGEST`
        `LARGEST` where the values do not scatter, so that these samples show no chance. n_samples of a mean of 0 or 1:
        it is that of a state which never changed, and of such a one n counted samples say how rare a change is.
    """
    chance, off = mean * (1.0 - mean), square - mean**2
    known = off > ROUNDING * square
    found = np.where(known, n_samples * chance / np.where(known, off, 1.0), LARGEST)
    return np.where(chance > 0, np.clip(found, n_samples, LARGEST), n_samples).astype(np.float32)


Values = Callable[[Sequence[np.ndarray]], Iterable[npt.NDArray[np.float64]]]
"""From states of every layer, (n, n_units), to what is averaged of every layer but the visible one, in its shape."""


def effective_samples(
    layers: Sequence[npt.NDArray[np.uint8]],
    n_chains: int,
    statistics: "Statistics",
    backend: "Backend | HostArrays",
    values: Values | None = None,
) -> tuple[tuple[npt.NDArray[np.float32], ...], tuple[npt.NDArray[np.float32], ...]]:
    """Independent samples that would leave as much to chance as those of persistent chains, of every mean.

    The samples are cut into blocks that have little to do with each other: each chain is one, or several if there are
    fewer than `N_BLOCKS` chains. With S_b the sum and T_b the number of samples in block b of B, the variance of the
    mean p = sum S_b / N is B / (B - 1) sum (S_b - p T_b)^2 / N^2, and n_effective = p (1 - p) / variance. Of states
    that are counted it is at most N. Where probabilities stand for the states of hidden units (`values`), S_b sums
    them, or their products with the states of the layer below, and n_effective may exceed N, up to `LARGEST` where no
    block differs from another: these samples show no chance in it.

    Parameters
    ----------
    layers : list of (n_samples, n_bytes) uint8
        Samples of every layer, bit-packed along the units (`np.packbits`); sample s is of chain s % n_chains.
    n_chains : int, >= 1
    statistics : fisher.Statistics
        Their means, or those of the values.
    backend : Backend, or HostArrays
        Where the sums over blocks are made. Counts are the same anywhere; of values they are to be made on the host, in
        double precision.
    values : callable, optional
        What of the hidden layers is averaged, if not their states.

    Returns
    -------
    tuple of two tuples
        Of the rates, (n_units,) float32 for each layer, and of the pair means, (n_lower, n_upper) float32 for each pair
        of neighbouring layers. Of a mean of 0 or 1: n_samples.
    """
    n_samples, sizes = len(layers[0]), [len(rate) for rate in statistics.rates]
    n_reads = -(-n_samples // n_chains)
    n_parts = max(1, min(-(-N_BLOCKS // n_chains), n_reads))
    edges = [part * n_reads // n_parts for part in range(n_parts + 1)]
    sums = [_Scatter((n,)) for n in sizes] + [_Scatter(pair) for pair in zip(sizes[:-1], sizes[1:])]
    largest = max(1, *(a * b for a, b in zip(sizes[:-1], sizes[1:])))  # 1: no unit of a layer is left
    n_bytes = 4 if values is None else 8
    chunk = max(1, min(n_chains, MAX_BYTES // (n_bytes * largest), MAX_BYTES // (n_bytes * max(sizes) * n_reads)))
    for first, end in zip(edges[:-1], edges[1:]):
        for chain in range(0, n_chains, chunk):
            chains = np.arange(chain, min(chain + chunk, n_chains))
            which = np.arange(first, end) * n_chains + chains[:, None]  # (chains, reads)
            is_there = which < n_samples
            if not is_there.any():
                continue
            lengths = is_there.sum(axis=1)
            states = [_unpacked(layer, which, is_there, n) for layer, n in zip(layers, sizes)]
            summed: list[np.ndarray] = [*states]
            if values is not None:
                summed[1:] = _valued(values, states, is_there)
            for scatter, state in zip(sums, summed):
                scatter.add(backend.asarray(state.sum(axis=1)), lengths, backend)
            for scatter, lower, upper in zip(sums[len(sizes) :], states[:-1], summed[1:]):
                by_unit = np.ascontiguousarray(lower.transpose(0, 2, 1), dtype=upper.dtype)
                scatter.add(backend.xp.matmul(backend.asarray(by_unit), backend.asarray(upper)), lengths, backend)
    means = (*statistics.rates, *statistics.pair_means)
    every = enumerate(zip(sums, means, strict=True))
    found = [scatter.effective(mean, values is None or k == 0, n_samples) for k, (scatter, mean) in every]
    return tuple(found[: len(sizes)]), tuple(found[len(sizes) :])


def _unpacked(
    layer: npt.NDArray[np.uint8], which: np.ndarray, is_there: np.ndarray, n_units: int
) -> npt.NDArray[np.float32]:
    """States of some samples, 0 where there is none: (chains, reads, n_units) float32."""
    rows = layer[np.where(is_there, which, 0)]
    return (np.unpackbits(rows, axis=2, count=n_units) & is_there[:, :, None].astype(np.uint8)).astype(np.float32)


def _valued(
    values: Values, states: Sequence[npt.NDArray[np.float32]], is_there: np.ndarray
) -> list[npt.NDArray[np.float64]]:
    """What is averaged of each hidden layer, 0 where there is no sample: (chains, reads, n_units)."""
    found = values([state.reshape(is_there.size, state.shape[2]) for state in states])
    return [value.reshape(*is_there.shape, value.shape[1]) * is_there[:, :, None] for value in found]


class _Scatter:
    """Sums over blocks that the scatter of their means follows from; of counts no order changes a bit."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.squares, self.products = np.zeros(shape), np.zeros(shape)
        self.lengths, self.n_blocks = 0.0, 0

    def add(self, counts: Any, lengths: np.ndarray, backend: "Backend | HostArrays") -> None:
        """More blocks: their sums, (n_blocks, *shape) where the backend computes, and their numbers of samples."""
        counts = counts.astype(np.float64)
        of_block = backend.asarray(lengths.astype(np.float64)).reshape(-1, *(1,) * (counts.ndim - 1))
        self.squares += backend.to_host((counts * counts).sum(axis=0))
        self.products += backend.to_host((counts * of_block).sum(axis=0))
        self.lengths += float((lengths.astype(np.float64) ** 2).sum())
        self.n_blocks += int((lengths > 0).sum())

    def effective(self, mean: np.ndarray, is_counted: bool, n_samples: int) -> npt.NDArray[np.float32]:
        """Independent samples that leave as much to chance; of states that are counted at most the samples there are.

        Of a mean of 0 or 1: as `effective_of_independent`.
        """
        off = self.squares - 2 * mean * self.products + mean**2 * self.lengths
        chance, n = mean * (1.0 - mean), self.n_blocks
        known = (off > (0.0 if is_counted else ROUNDING * self.squares)) & (chance > 0) & (n > 1)
        found = chance * n_samples**2 * (n - 1) / (n * np.where(known, off, 1.0))
        most = np.where(chance > 0, n_samples if is_counted else LARGEST, n_samples)
        return np.where(known, np.minimum(found, most), most).astype(np.float32)
