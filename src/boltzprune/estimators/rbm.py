"""A restricted Boltzmann machine that can be pruned, in the style of scikit-learn."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from boltzprune.core.machine import BoltzmannMachine
from boltzprune.estimators.base import PrunedMachine
from boltzprune.single.training import new_rbm, train_rbm


class PrunedRBM(PrunedMachine):
    """A restricted Boltzmann machine (RBM) that can be pruned by Fisher information and other criteria.

    p(v, h) = exp(v.W.h + b_v.v + b_h.h) / Z. `fit` trains it by contrastive divergence, `prune` removes the weights
    that matter least by the activity of the free-running machine, `retrain` trains what is left. The defaults are those
    of the studies of patches; with the same settings and seed the machine is that of a study to the last bit.

    Source: Scholl, Rule & Hennig (2021), PLoS Comput Biol 17(10): e1009458; Hinton (2002).

    Parameters
    ----------
    n_hidden : int
    learning_rate : float or list of float
        Of each epoch; one number: one epoch.
    momentum : float or list of float
        Of each epoch; one number: of all.
    momentum_rule : str
        classical: step = m step + rate gradient; scaled: step = rate (m step + gradient).
    n_gibbs_steps : int
        k of CD-k.
    batch_size : int
    order : str
        In which the cases are presented in each epoch. shared: as they are given; per_seed: in a random order that
        depends on the seed. Cases that are sorted, by class for example, need per_seed.
    weight_sd, hidden_bias : float
        Standard deviation of the initial weights; initial bias of the hidden units.
    mask : (n_visible, n_hidden) bool, optional
        Which weights exist before any pruning; default: all.
    sampling : str
        How the free-running machine is sampled. exact: by enumeration of the visible patterns; gibbs: by Markov chains;
        auto: exact up to 16 visible units.
    n_samples : int, optional
        Default: as many as training cases.
    n_sampling_steps : int
        Gibbs steps before a chain is read.
    statistics : str
        What the criteria see. sampled: means over the samples; conditional: of hidden units their probabilities given
        the visible states; enumerated: exact ones, up to 20 visible units.
    binarize : float, 'mean' or None
        None: X has to be 0 and 1. A number: values above it become 1. 'mean': values above the mean of the training
        cases become 1.
    random_state : int, RandomState or None
        An integer is the seed: the same seed gives the same bits.
    device : str
        auto, cpu, gpu or reference.
    n_jobs : int, optional
        Threads, which change no result; -1: all processors.
    verbose : bool
        Whether progress is shown.

    Attributes
    ----------
    machine_ : BoltzmannMachine
        As it is, without the units that have gone.
    mask_, weights_, importance_ : (n_visible, n_hidden) arrays
        Which weights exist, the weights, and their Fisher information, in the numbering before any pruning.
    units_ : (n,) int
        Numbers of the hidden units that remain.
    history_ : list of dict
        One entry for each step: step, iteration, criterion, n_weights, n_units.
    statistics_ : Statistics
        Rates and pair means of the free-running machine.
    log_z_, log_z_error_ : float
    seed_, threshold_, iteration_, n_cases_, n_features_in_, feature_names_in_

    Examples
    --------
    >>> import numpy as np
    >>> from boltzprune import PrunedRBM
    >>> X = np.random.default_rng(3).random((500, 9)) < np.linspace(0.1, 0.9, 9)
    >>> X[:, 1] = X[:, 0]
    >>> rbm = PrunedRBM(n_hidden=7, learning_rate=[0.05] * 5, device="cpu").fit(X)
    >>> int(rbm.mask_.sum())
    63
    >>> rbm.prune("variance_fi", fraction=0.5).retrain(X)
    PrunedRBM(device='cpu', learning_rate=[0.05, 0.05, 0.05, 0.05, 0.05],
              n_hidden=7)
    >>> int(rbm.mask_.sum()), rbm.score_samples(X).shape
    (31, (500,))
    """

    _is_deep = False

    def __init__(
        self,
        n_hidden: int = 70,
        *,
        learning_rate: float | Sequence[float] = (0.01, 0.01),
        momentum: float | Sequence[float] = 0.9,
        momentum_rule: Literal["classical", "scaled"] = "scaled",
        n_gibbs_steps: int = 1,
        batch_size: int = 1,
        order: Literal["shared", "per_seed"] = "shared",
        weight_sd: float = 0.1,
        hidden_bias: float = -2.0,
        mask: npt.NDArray[np.bool_] | None = None,
        sampling: Literal["auto", "exact", "gibbs"] = "auto",
        n_samples: int | None = None,
        n_sampling_steps: int = 200,
        statistics: Literal["sampled", "conditional", "enumerated"] = "sampled",
        binarize: float | Literal["mean"] | None = None,
        random_state: int | np.random.RandomState | None = 0,
        device: str = "auto",
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_hidden = n_hidden
        self.learning_rate = learning_rate
        self.momentum = momentum
        self.momentum_rule = momentum_rule
        self.n_gibbs_steps = n_gibbs_steps
        self.batch_size = batch_size
        self.order = order
        self.weight_sd = weight_sd
        self.hidden_bias = hidden_bias
        self.mask = mask
        self.sampling = sampling
        self.n_samples = n_samples
        self.n_sampling_steps = n_sampling_steps
        self.statistics = statistics
        self.binarize = binarize
        self.random_state = random_state
        self.device = device
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _training(self) -> dict[str, Any]:
        """Settings of the training, a number for each epoch."""
        rates = np.atleast_1d(self.learning_rate).tolist()
        momenta = np.atleast_1d(self.momentum).tolist()
        names = ("momentum_rule", "n_gibbs_steps", "batch_size", "order")
        of_epochs = {"learning_rate": rates, "momentum": momenta * len(rates) if len(momenta) == 1 else momenta}
        return of_epochs | {name: getattr(self, name) for name in names}

    def _new(self, states: npt.NDArray[np.uint8]) -> BoltzmannMachine:
        sd, bias, seed = self.weight_sd, self.hidden_bias, self.seed_
        machine = new_rbm(states, self.n_hidden, weight_sd=sd, hidden_bias=bias, mask=self.mask, seed=seed)
        return train_rbm(machine, states, seed=seed, **self._training(), **self._where(True))

    def _retrained(self, states: npt.NDArray[np.uint8], iteration: int, settings: dict[str, Any]) -> BoltzmannMachine:
        how = self._where(True) | self._training() | settings
        return train_rbm(self.machine_, states, seed=self.seed_, iteration=iteration, **how)

    def _free_run(self) -> tuple[int, dict[str, Any]]:
        how = {"method": self.sampling, "n_gibbs_steps": self.n_sampling_steps, "statistics": self.statistics}
        return self._n_samples(self.n_samples), self._place() | how
