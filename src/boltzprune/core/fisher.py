"""Activity statistics of a free-running machine, and the Fisher information (FI) that follows from them.

Parameters are ordered: existing weights row by row, visible biases, hidden biases.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from boltzprune.errors import InputError

if TYPE_CHECKING:
    from boltzprune.core.machine import BoltzmannMachine

MAX_PARAMETERS = 20_000
NEGLIGIBLE = 0.01
"""An entry of a Fisher information matrix is negligible if its size is below this times the largest."""


class Counting(Protocol):
    """What of a backend, which lies above this room, the functions here call; see `reference.Backend`."""

    @property
    def xp(self) -> Any:
        """The module of its arrays."""

    def asarray(self, array: Any, /) -> Any:
        """An array where it computes."""

    def to_host(self, array: Any, /) -> np.ndarray:
        """The same array for NumPy."""

    def pair_counts(self, lower: Any, upper: Any, /) -> Any:
        """In how many samples two units are both 1, for all pairs of bit-packed units."""

    def eigh(self, matrix: Any, /) -> tuple[Any, Any]:
        """Eigenvalues, smallest first, and eigenvectors as columns of a symmetric matrix."""


@dataclass(frozen=True)
class Statistics:
    """Means over samples of the joint state.

    Attributes
    ----------
    n_samples : int
        0 if the means are exact.
    rates : tuple of (n_units,) float64, in [0, 1]
        <s> of every layer.
    pair_means : tuple of (n_lower, n_upper) float64, in [0, 1]
        <s_i s_j> of neighbouring layers.
    rate_effective, pair_effective : tuple of arrays like rates and pair_means
        How many independent samples whose states are counted would leave as much to chance, p (1 - p) / Var(mean), of
        each mean; empty where these are n_samples. Chains that are read again and again give less than n_samples, means
        of probabilities in place of states more.
    chain_time : float
        Autocorrelation time of the states of persistent chains, in reads (`mixing.chain_time`), whatever of them is
        averaged; 0 where each sample is a chain of its own. In no file of statistics: it is there to warn of chains
        that are too short.

    Examples
    --------
    >>> import numpy as np, boltzprune
    >>> boltzprune.Statistics(0, (np.full(5, 0.5), np.full(3, 0.2)), (np.full((5, 3), 0.1),)).n_samples
    0
    """

    n_samples: int
    rates: tuple[np.ndarray, ...]
    pair_means: tuple[np.ndarray, ...]
    rate_effective: tuple[np.ndarray, ...] = ()
    pair_effective: tuple[np.ndarray, ...] = ()
    chain_time: float = 0.0

    @property
    def worth(self) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        """Counted independent samples that leave as much to chance in the rates of each layer, and in the pair means.

        An array for each layer, or one number. It is less than n_samples where samples depend on each other, and more
        where probabilities stand for states.
        """
        rates = self.rate_effective or (self.n_samples,) * len(self.rates)
        return rates, self.pair_effective or (self.n_samples,) * len(self.pair_means)


def sampled_statistics(layers: Sequence[Any], n_samples: int, backend: Counting) -> Statistics:
    """Rates and pair means by counting bits.

    Parameters
    ----------
    layers : list of (n_units, n_words) uint64
        Samples of each layer, from `Backend.pack`.
    n_samples : int
    backend : Backend

    Returns
    -------
    Statistics
    """
    every = ~backend.xp.zeros((1, layers[0].shape[1]), dtype=np.uint64)
    counts = [backend.pair_counts(bits, every)[:, 0] for bits in layers]
    counts += [backend.pair_counts(lower, upper) for lower, upper in zip(layers[:-1], layers[1:])]
    means = [backend.to_host(count) / n_samples for count in counts]
    return Statistics(n_samples, tuple(means[: len(layers)]), tuple(means[len(layers) :]))


def fisher_diagonal(mean: npt.ArrayLike, n_samples: int = 0) -> npt.NDArray[np.float64]:
    """FI of parameters whose derivative of the energy is a Bernoulli variable of that mean: F = p (1 - p)  (Eq. 4).

    Parameters
    ----------
    mean : array in [0, 1]
        <v_i h_j> for weights, <v_i> or <h_j> for biases.
    n_samples : int
        Samples behind the mean, for the unbiased factor n / (n - 1); 0 if it is exact.

    Returns
    -------
    array like `mean`, float64, >= 0, nats per squared parameter

    Raises
    ------
    ValueError
        If n_samples is 1.

    Examples
    --------
    >>> import boltzprune
    >>> boltzprune.fisher_diagonal([0.0, 0.1, 0.5])
    array([0.  , 0.09, 0.25])
    """
    if n_samples == 1:
        raise ValueError("one sample has no variance; expected n_samples >= 2, or 0 for exact means")
    mean = np.asarray(mean, dtype=np.float64)
    return mean * (1.0 - mean) * (n_samples / (n_samples - 1) if n_samples else 1.0)


def fisher_interval(
    mean: npt.ArrayLike, n_samples: npt.ArrayLike, level: float = 0.95
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Interval for F = p (1 - p) (Eq. 4) from the mean of n independent samples of a Bernoulli variable.

    The image under p (1 - p) of Jeffreys' interval of p, the central part of Beta(k + 1/2, n - k + 1/2), which reaches
    0 for k = 0 and 1 for k = n (Brown, Cai & DasGupta 2001). So it holds where a standard error of F does not: at
    p = 1/2, where F is largest and its derivative 0, and at few counts. At level 95 % it covers F in 93 to 96 % of
    cases where 10 counts or more are expected, in up to 98 % within some 2 standard errors of p = 1/2, since p and
    1 - p have the same F; with fewer counts in 88 to 100 %, 95 to 96 % on average over p.

    Parameters
    ----------
    mean : array in [0, 1]
        <v_i h_j> for weights, <v_i> or <h_j> for biases.
    n_samples : int, or array like `mean` of numbers >= 1
        Independent samples behind the mean, or as many as leave as much to chance if they are counted, which may be
        more than there are (`Statistics.worth`); 0 if it is exact.
    level : float in (0, 1)

    Returns
    -------
    tuple of two arrays like `mean`
        Lower and upper end, float64, in [0, 1/4], nats per squared parameter; both F where the mean is exact.

    Examples
    --------
    >>> import boltzprune
    >>> low, high = boltzprune.fisher_interval([0.1, 0.5], n_samples=1000)
    >>> low.round(3), high.round(3)
    (array([0.076, 0.249]), array([0.105, 0.25 ]))
    """
    mean = np.asarray(mean, dtype=np.float64)
    if np.ndim(n_samples) == 0 and n_samples == 0:
        return mean * (1.0 - mean), mean * (1.0 - mean)
    from scipy.special import betaincinv

    n_samples = np.asarray(n_samples, dtype=np.float64)
    k = np.clip(mean * n_samples, 0.0, n_samples)
    low, high = (betaincinv(k + 0.5, n_samples - k + 0.5, q) for q in (0.5 - level / 2, 0.5 + level / 2))
    low, high = np.where(k == 0, 0.0, low), np.where(k == n_samples, 1.0, high)
    ends = low * (1.0 - low), high * (1.0 - high)
    return np.minimum(*ends), np.where((low < 0.5) & (high > 0.5), 0.25, np.maximum(*ends))


def heuristic_diagonal(
    weights: npt.ArrayLike, lower_rate: npt.ArrayLike, upper_rate: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """FI of weights from rates and weight alone: p (1 - p), p_ij = <h_j> s(logit(<v_i>) + w_ij (1 - <h_j>))  (Eq. 6).

    A unit whose rate is 0 or 1 carries no information: its weights get 0.

    Parameters
    ----------
    weights : (n_lower, n_upper) float
    lower_rate, upper_rate : (n_lower,), (n_upper,) float, in [0, 1]

    Returns
    -------
    (n_lower, n_upper) float64, >= 0, nats per squared weight

    Examples
    --------
    >>> import boltzprune
    >>> boltzprune.heuristic_diagonal([[0.0], [2.0]], lower_rate=[0.5, 0.5], upper_rate=[0.2]).round(3)
    array([[0.09 ],
           [0.139]])
    """
    if np.shape(weights) != (np.size(lower_rate), np.size(upper_rate)):
        raise InputError(
            f"weights have shape {np.shape(weights)}; expected one for each of {np.size(lower_rate)} lower rates and "
            f"{np.size(upper_rate)} upper rates"
        )
    v, h = np.asarray(lower_rate, dtype=np.float64)[:, None], np.asarray(upper_rate, dtype=np.float64)[None, :]
    speaking = (v > 0) & (v < 1) & (h > 0) & (h < 1)
    v_safe = np.where((v > 0) & (v < 1), v, 0.5)
    odds = v_safe / (1.0 - v_safe) * np.exp(np.clip(np.asarray(weights, dtype=np.float64) * (1.0 - h), -500, 500))
    pair = h * odds / (1.0 + odds)  # s(logit(v) + x) = odds e^x / (1 + odds e^x)
    return np.where(speaking, pair * (1.0 - pair), 0.0)


def deletion_cost(weights: npt.ArrayLike, pair_mean: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """What it costs to delete a weight: KL(P || P without w_ij) = w p + log(1 - p + p exp(-w)), p = <s_i s_j>.

    The divergence is that of all units together, before any retraining, and exact in any Boltzmann machine, since the
    two normalisations differ by the factor <exp(-w s_i s_j)> alone. Its second order in w is F w^2 / 2 with the
    FI F = p (1 - p), the saliency of optimal brain damage (LeCun, Denker & Solla 1990).

    Parameters
    ----------
    weights : array of float
    pair_mean : array of the same shape, in [0, 1]
        <s_i s_j> of the two units of each weight.

    Returns
    -------
    array of the same shape, float64, >= 0, nats

    Raises
    ------
    InputError
        If the two shapes differ.

    Examples
    --------
    >>> import boltzprune
    >>> boltzprune.deletion_cost([0.0, 1.0, -1.0, 1.0], [0.5, 0.5, 0.5, 0.0]).round(4)
    array([0.    , 0.1201, 0.1201, 0.    ])
    """
    if np.shape(weights) != np.shape(pair_mean):
        raise InputError(
            f"pair_mean has shape {np.shape(pair_mean)}; expected that of the weights, {np.shape(weights)}"
        )
    w, p = (np.asarray(x, dtype=np.float64) for x in (weights, pair_mean))
    # of w and -w with 1 - p the cost is the same; so exp has an argument <= 0 and cannot overflow
    w, p = np.abs(w), np.where(w < 0, 1.0 - p, p)
    changes = (p > 0) & (p < 1)  # a pair that is always the same costs nothing
    p = np.where(changes, p, 0.5)
    return np.where(changes, np.maximum(w * p + np.log1p(p * np.expm1(-w)), 0.0), 0.0)


def n_parameters(machine: "BoltzmannMachine") -> int:
    """Existing weights and biases of a machine."""
    return sum(machine.n_weights) + sum(machine.layer_sizes)


def not_computed(n: int) -> str:
    """Why there is no full FIM of so many parameters, in words; empty where there is one."""
    return f"not computed: {n:,} parameters are more than {MAX_PARAMETERS:,}" if n > MAX_PARAMETERS else ""


def check_n_parameters(n: int) -> None:
    """InputError for more parameters than `MAX_PARAMETERS`, whose FIM would not fit into memory."""
    if n > MAX_PARAMETERS:
        raise InputError(
            f"the full FIM of {n} parameters needs {8e-9 * n**2:.0f} GB; at most {MAX_PARAMETERS} are supported. Use a "
            "smaller machine (fewer hidden units, fewer visible ones), or criteria other than eigenvector"
        )


def sampled_fisher_matrix(visible: Any, hidden: Any, mask: np.ndarray, n_samples: int, backend: Counting) -> Any:
    """Full FIM of an RBM from samples: the unbiased covariance of (v_i h_j, v_i, h_j)  (Eqs. 2, 3).

    Parameters
    ----------
    visible, hidden : (n_units, n_words) uint64
        Samples, from `Backend.pack`.
    mask : (n_visible, n_hidden) bool
        Which weights exist.
    n_samples : int, >= 2
    backend : Backend

    Returns
    -------
    (n_parameters, n_parameters) float64, symmetric, nats per squared parameter, where the backend computes

    Raises
    ------
    InputError
        If there are more than `MAX_PARAMETERS`, whose matrix would not fit into memory.
    """
    if mask.shape != (len(visible), len(hidden)):
        raise InputError(f"mask has shape {mask.shape}; expected visible by hidden units, {len(visible), len(hidden)}")
    i, j = np.nonzero(mask)
    check_n_parameters(len(i) + len(visible) + len(hidden))
    xp = backend.xp
    pairs = visible[backend.asarray(i)] & hidden[backend.asarray(j)]
    derivatives = xp.concatenate([pairs, visible, hidden])
    second = backend.pair_counts(derivatives, derivatives) / n_samples
    mean = xp.diagonal(second)
    return (second - xp.outer(mean, mean)) * (n_samples / (n_samples - 1))


def eigen_decomposition(
    fisher_matrix: Any, backend: Counting
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Eigenvalues, largest first, and the two leading eigenvectors as rows, each oriented to a positive sum.

    Returns
    -------
    tuple
        (n_parameters,) float64 in nats per squared parameter, and (2, n_parameters) float64 of unit length.
    """
    values, vectors = (backend.to_host(x) for x in backend.eigh(fisher_matrix))
    leading = vectors[:, ::-1][:, :2].T
    signs = np.where(leading.sum(axis=1) < 0, -1.0, 1.0)
    return values[::-1], leading * signs[:, None]


def negligible_share(fisher_matrix: Any, backend: Counting) -> float:
    """Share of the entries of a Fisher information matrix that are smaller in size than `NEGLIGIBLE` of the largest.

    Returns
    -------
    float, in [0, 1]
        0 if all entries are 0.
    """
    matrix = backend.asarray(fisher_matrix)
    bound = NEGLIGIBLE * float(max(matrix.max(), -matrix.min()))
    return float(((matrix < bound) & (matrix > -bound)).mean())


def weight_entries(vector: np.ndarray, mask: np.ndarray) -> npt.NDArray[np.float64]:
    """Entries of a parameter vector that belong to weights, laid out as the weights: 0 where none exists."""
    entries = np.zeros(mask.shape)
    entries[mask] = vector[: np.count_nonzero(mask)]
    return entries
