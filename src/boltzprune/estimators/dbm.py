"""A deep Boltzmann machine that can be pruned, in the style of scikit-learn."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from boltzprune.core.machine import BoltzmannMachine
from boltzprune.estimators.base import PrunedMachine
from boltzprune.pruning.prune import Pruned
from boltzprune.single.training import new_dbm, train_dbm


class PrunedDBM(PrunedMachine):
    """A deep Boltzmann machine (DBM) of two hidden layers that can be pruned by Fisher information and other criteria.

    p(v, h1, h2) = exp(v.W1.h1 + h1.W2.h2 + b_v.v + b_1.h1 + b_2.h2) / Z. `fit` trains two RBMs, stacks them, and trains
    all layers together; `prune` and `retrain` go on from there. `transform` gives the mean-field probabilities of h2,
    the encoding of the paper. The defaults are those of the demonstration on small digits; with the same settings and
    seed the machine is that of a study to the last bit.

    Source: Scholl, Rule & Hennig (2021), PLoS Comput Biol 17(10): e1009458; Salakhutdinov & Hinton (2009).

    Parameters
    ----------
    n_hidden : (int, int)
        Units of h1 and of h2.
    pretraining, training, retraining, mean_field, sampling : dict, optional
        Keys of these sections of `digits` in the configuration that shall differ from their defaults, for example
        training={"n_epochs": 10, "batch_size": 1}.
    n_chains : int
        Persistent Markov chains.
    n_samples : int, optional
        Samples of the free-running machine; default: as many as training cases.
    statistics : str
        What the criteria see, unless `sampling` says it. sampled: means over the samples; conditional: of hidden units
        their probabilities given the layers next to them.
    weight_sd, visible_bias, hidden_bias : float
        Of the RBMs before their training.
    mask : (n_visible, n_hidden[0]) bool, optional
        Which weights between v and h1 exist before any pruning; default: all. `boltzprune.receptive_fields` makes one
        for images.
    binarize, random_state, device, n_jobs, verbose
        As of `PrunedRBM`.

    Attributes
    ----------
    machine_ : BoltzmannMachine
        As it is, without the units that have gone.
    chains_ : tuple of (n_chains, n_units) uint8
        Its persistent chains.
    mask_, weights_, importance_ : tuple of two arrays
        (n_visible, n_hidden[0]) and n_hidden: which weights exist, the weights, and their Fisher information, in the
        numbering before any pruning.
    units_ : tuple of two (n,) int
        Numbers of the units of h1 and h2 that remain.
    history_ : list of dict
        One entry for each step: step, iteration, criterion, n_weights, n_units.
    statistics_, log_z_, log_z_error_, seed_, threshold_, iteration_, n_cases_, n_features_in_, feature_names_in_
        As of `PrunedRBM`.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from boltzprune import PrunedDBM
    >>> X = load_digits().data[:200]
    >>> few = {"n_epochs": 1}
    >>> short = {"pretraining": {"first": few, "second": few}, "training": few, "retraining": few}
    >>> dbm = PrunedDBM((17, 11), **short, binarize="mean", device="cpu").fit(X)
    >>> dbm.prune("variance_fi", fraction=[0.1, 0.3]).retrain(X).transform(X).shape[0]
    200
    """

    _is_deep = True

    def __init__(
        self,
        n_hidden: Sequence[int] = (196, 256),
        *,
        pretraining: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        retraining: Mapping[str, Any] | None = None,
        mean_field: Mapping[str, Any] | None = None,
        sampling: Mapping[str, Any] | None = None,
        n_chains: int = 50,
        n_samples: int | None = None,
        statistics: Literal["sampled", "conditional"] = "sampled",
        weight_sd: float = 0.2,
        visible_bias: float = -1.0,
        hidden_bias: float = -2.0,
        mask: npt.NDArray[np.bool_] | None = None,
        binarize: float | Literal["mean"] | None = None,
        random_state: int | np.random.RandomState | None = 0,
        device: str = "auto",
        n_jobs: int | None = None,
        verbose: bool = False,
    ) -> None:
        self.n_hidden = n_hidden
        self.pretraining = pretraining
        self.training = training
        self.retraining = retraining
        self.mean_field = mean_field
        self.sampling = sampling
        self.n_chains = n_chains
        self.n_samples = n_samples
        self.statistics = statistics
        self.weight_sd = weight_sd
        self.visible_bias = visible_bias
        self.hidden_bias = hidden_bias
        self.mask = mask
        self.binarize = binarize
        self.random_state = random_state
        self.device = device
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _new(self, states: npt.NDArray[np.uint8]) -> BoltzmannMachine:
        names = ("weight_sd", "visible_bias", "hidden_bias", "mask", "n_chains")
        where: dict[str, Any] = {"seed": self.seed_, **self._where(True)}
        start = {name: getattr(self, name) for name in names} | where | _given(self.pretraining)
        machine, chains = new_dbm(states, self.n_hidden, **start)
        how = where | {"mean_field": self.mean_field} | _given(self.training)
        machine, self.chains_ = train_dbm(machine, chains, states, **how)
        return machine

    def _retrained(self, states: npt.NDArray[np.uint8], iteration: int, settings: dict[str, Any]) -> BoltzmannMachine:
        place: dict[str, Any] = {"seed": self.seed_, "iteration": iteration, "mean_field": self.mean_field}
        how = place | self._where(True) | _given(self.retraining) | settings
        machine, self.chains_ = train_dbm(self.machine_, self.chains_, states, **how)
        return machine

    def _cut(self, pruned: Pruned) -> None:
        self.chains_ = tuple(states[:, keep] for states, keep in zip(self.chains_, pruned.remaining))

    def _free_run(self) -> tuple[int, dict[str, Any]]:
        how = {"statistics": self.statistics} | _given(self.sampling)
        chains = self.chains_ if how.pop("chains", "persistent") == "persistent" else None
        return self._n_samples(self.n_samples), {**self._place(), "chains": chains, **how}

    def _inference(self) -> dict[str, Any]:
        return _given(self.mean_field)


def _given(settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """A parameter that is a dict of settings, None standing for none."""
    return dict(settings or {})
