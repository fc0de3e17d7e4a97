"""What a machine does: its activity while it runs freely, what it makes of cases, and how likely it finds them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from boltzprune.core.fisher import Statistics, check_n_parameters, eigen_decomposition, n_parameters
from boltzprune.core.machine import BoltzmannMachine
from boltzprune.core.streams import fork
from boltzprune.errors import InputError
from boltzprune.evaluation.encoding import encode as mean_field_means
from boltzprune.sampling import ais, exact
from boltzprune.sampling.enumeration import MAX_LISTED
from boltzprune.sampling.statistics import PHASES, deep_statistics, draw, estimate
from boltzprune.single.settings import backend_for, progress, section, states_of
from boltzprune.study.config import Sampling
from boltzprune.study.config.digits import DeepSampling, MeanField


@dataclass(frozen=True)
class Activity:
    """What a pruning criterion is shown of a machine that runs freely, from `observe`.

    Attributes
    ----------
    statistics : Statistics
        Rates of all units and pair means of the units that weights connect.
    eigenvector : (n_parameters,) float64 or None
        The leading one of the full Fisher information matrix, where it was asked for.

    Examples
    --------
    >>> import numpy as np, boltzprune
    >>> machine = boltzprune.new_rbm(np.eye(5), n_hidden=3)
    >>> activity = boltzprune.observe(machine, 1000, device="cpu")
    >>> activity.statistics.n_samples, activity.eigenvector is None
    (1000, True)
    """

    statistics: Statistics
    eigenvector: npt.NDArray[np.float64] | None = None


def observe(
    machine: BoltzmannMachine,
    n_samples: int,
    *,
    chains: Sequence[npt.NDArray[np.uint8]] | None = None,
    eigenvector: bool = False,
    seed: int = 0,
    iteration: int = 0,
    phase: str = "retrained",
    device: str = "auto",
    threads: int = 1,
    verbose: bool = False,
    **settings: Any,
) -> Activity:
    """Means <s_i> and <s_i s_j> of a machine that runs freely, over samples of its joint states.

    Parameters
    ----------
    machine : BoltzmannMachine
    n_samples : int, >= 2
    chains : tuple of (n_chains, n_units) uint8, optional
        Of a DBM: the persistent chains of its training, which go on. None: every sample is a chain from a random state.
    eigenvector : bool
        Of an RBM: whether the leading eigenvector of the full Fisher information matrix is computed.
    seed, iteration : int
    phase : str
        retrained (or initial), or pruned: a machine that was pruned and not yet retrained has samples of its own.
    device, threads, verbose
        As of `train_rbm`.
    **settings
        Keys of section `patches.sampling` (RBM: method, n_gibbs_steps, statistics) or `digits.sampling` (DBM:
        n_gibbs_steps, statistics) of the configuration.

    Returns
    -------
    Activity

    Raises
    ------
    InputError
        If a setting is not what it has to be, or the machine is too large for what is asked.

    Examples
    --------
    >>> import numpy as np, boltzprune
    >>> machine = boltzprune.new_rbm(np.eye(5), n_hidden=3)
    >>> activity = boltzprune.observe(machine, n_samples=1000, device="cpu")
    >>> activity.statistics.pair_means[0].shape
    (5, 3)
    """
    backend, key = backend_for(device, threads), fork(seed, "samples", iteration, PHASES[phase])
    if machine.is_rbm:
        if chains is not None:
            raise InputError("observe: chains are those of a DBM, and this machine is an RBM; leave them out")
        how = section(Sampling, {**settings, "n_samples": n_samples}, "observe")
        if eigenvector:
            check_n_parameters(n_parameters(machine))
        samples = draw(machine, n_samples, how, key, backend)
        statistics, fisher_matrix = estimate(machine, samples, how, backend)
        return Activity(statistics, eigen_decomposition(fisher_matrix(), backend)[1][0] if eigenvector else None)
    if eigenvector:
        raise InputError("observe: the full Fisher information matrix is computed for RBMs only; leave eigenvector out")
    statistics, _ = _deep(machine, n_samples, chains, settings, key, device, threads, verbose)
    return Activity(statistics)


def _deep(
    machine: BoltzmannMachine,
    n_samples: int,
    chains: Sequence[npt.NDArray[np.uint8]] | None,
    settings: dict[str, Any],
    key: np.uint64,
    device: str,
    threads: int,
    verbose: bool,
) -> tuple[Statistics, npt.NDArray[np.uint8]]:
    """Statistics and bit-packed visible states of a DBM; arguments as of `observe`."""
    mode = "fresh" if chains is None else "persistent"
    how = section(DeepSampling, {**settings, "n_samples": n_samples, "chains": mode}, "observe")
    with progress(verbose, n_samples, "samples", "sampling") as shown:
        return deep_statistics(machine, chains or (), n_samples, how, key, backend_for(device, threads), shown)


def sample(
    machine: BoltzmannMachine,
    n_samples: int,
    *,
    chains: Sequence[npt.NDArray[np.uint8]] | None = None,
    seed: int = 0,
    iteration: int = 0,
    phase: str = "retrained",
    device: str = "auto",
    threads: int = 1,
    verbose: bool = False,
    **settings: Any,
) -> npt.NDArray[np.uint8]:
    """Visible states of a machine that runs freely: those whose means `observe` takes with the same arguments.

    Returns
    -------
    (n_samples, n_visible) uint8

    Examples
    --------
    >>> import numpy as np, boltzprune
    >>> machine = boltzprune.new_rbm(np.eye(5), n_hidden=3)
    >>> boltzprune.sample(machine, 7, device="cpu").shape
    (7, 5)
    """
    key = fork(seed, "samples", iteration, PHASES[phase])
    if machine.is_rbm:
        how, backend = section(Sampling, settings, "sample"), backend_for(device, threads)
        return backend.to_host(draw(machine, n_samples, how, key, backend)[0])
    _, packed = _deep(machine, n_samples, chains, settings, key, device, threads, verbose)
    return np.unpackbits(packed, axis=1, count=machine.layer_sizes[0])


def encode(
    machine: BoltzmannMachine,
    cases: npt.ArrayLike,
    *,
    tolerance: float = 1e-5,
    max_updates: int = 50,
    device: str = "auto",
    threads: int = 1,
) -> npt.NDArray[np.floating]:
    """Probabilities of the top layer given cases: p(h|v) of an RBM, the mean-field posterior of a DBM.

    Parameters
    ----------
    machine : BoltzmannMachine
    cases : (n_cases, n_visible) array in {0, 1}
    tolerance : float
        Mean-field iteration of a case ends once no probability changes by more.
    max_updates : int
        Most sweeps of it.
    device, threads
        As of `train_rbm`.

    Returns
    -------
    (n_cases, n_top) float

    Examples
    --------
    >>> import numpy as np, boltzprune
    >>> machine = boltzprune.new_rbm(np.eye(5), n_hidden=3)
    >>> boltzprune.encode(machine, np.eye(5), device="cpu").shape
    (5, 3)
    """
    states, backend = states_of(cases, machine.layer_sizes[0]), backend_for(device, threads)
    return backend.to_host(mean_field_means(machine, states, tolerance, max_updates, backend)[0][-1])


def log_z(
    machine: BoltzmannMachine,
    *,
    n_chains: int = 100,
    n_temperatures: int = 1000,
    seed: int = 0,
    iteration: int = 0,
    device: str = "auto",
    threads: int = 1,
) -> tuple[float, float]:
    """log Z: exact where the even or the odd layers have 20 units or fewer, else by annealed importance sampling.

    Parameters
    ----------
    machine : BoltzmannMachine
    n_chains, n_temperatures : int
        Of annealed importance sampling.
    seed, iteration : int
    device, threads
        As of `train_rbm`.

    Returns
    -------
    float
        Nats.
    float
        Its standard error, 0 where it is exact.

    Examples
    --------
    >>> import numpy as np, boltzprune
    >>> machine = boltzprune.new_rbm(np.eye(5), n_hidden=3)
    >>> boltzprune.log_z(machine)[1]
    0.0
    """
    sizes = machine.layer_sizes
    if min(sum(sizes[::2]), sum(sizes[1::2])) <= MAX_LISTED:
        return exact.log_z(machine), 0.0
    key = fork(seed, "log Z", iteration)
    found = ais.ais(machine, n_chains, n_temperatures, key, backend_for(device, threads))
    return found.log_z, found.sd


def log_likelihood(
    machine: BoltzmannMachine,
    cases: npt.ArrayLike,
    *,
    log_z: float | None = None,
    device: str = "auto",
    threads: int = 1,
) -> npt.NDArray[np.float64]:
    """log p(v) of each case under an RBM, and its variational lower bound under a DBM, which misses KL(q || p(h|v)).

    Parameters
    ----------
    machine : BoltzmannMachine
    cases : (n_cases, n_visible) array in {0, 1}
    log_z : float, optional
        Nats, where it is known; default: what the function `log_z` finds.
    device, threads
        As of `train_rbm`.

    Returns
    -------
    (n_cases,) float64, nats

    Examples
    --------
    >>> import numpy as np, boltzprune
    >>> machine = boltzprune.new_rbm(np.eye(5), n_hidden=3)
    >>> patterns = (np.arange(32)[:, None] >> np.arange(5)) & 1
    >>> round(float(np.exp(boltzprune.log_likelihood(machine, patterns)).sum()), 6)
    1.0
    """
    states = states_of(cases, machine.layer_sizes[0])
    known = _log_z(machine, device=device, threads=threads)[0] if log_z is None else log_z
    if machine.is_rbm:
        return -exact.free_energy(machine, states) - known
    backend = backend_for(device, threads)
    means, _ = mean_field_means(machine, states, MeanField().tolerance, MeanField().max_updates, backend)
    return ais.variational_bounds(machine, states, [backend.to_host(layer) for layer in means], known)


_log_z = log_z
