"""What the estimators have in common: binary input, the state after each step, and what can be asked of a machine."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from boltzprune.core.machine import BoltzmannMachine
from boltzprune.errors import InputError
from boltzprune.pruning.prune import Pruned
from boltzprune.single.activity import Activity, encode, log_likelihood, log_z, observe, sample
from boltzprune.single.pruning import Rule, criterion_and_name, importance, prune
from boltzprune.single.settings import states_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SEEDS = 2**31 - 1
REMEDY = "set binarize to a number, which values that become 1 exceed, or to 'mean', the mean of the training cases"
"""For values that are neither 0 nor 1."""
FITTED = (
    *("n_cases_", "iteration_", "is_retrained_", "layer_sizes_", "history_", "n_features_in_"),
    *("threshold_", "feature_names_in_"),
)
"""Attributes that a file keeps besides machine, chains and seed; the last two are not always there."""


class PrunedMachine(TransformerMixin, BaseEstimator):
    """A Boltzmann machine that is trained, pruned and retrained; the base of `PrunedRBM` and `PrunedDBM`.

    A subclass has the parameters below among its own, and says how a machine is made, trained and observed.
    """

    binarize: float | Literal["mean"] | None
    random_state: int | np.random.RandomState | None
    device: str
    n_jobs: int | None
    verbose: bool
    chains_: tuple[npt.NDArray[np.uint8], ...]
    _is_deep: ClassVar[bool]

    # ------------------------------------------------------------------ what a subclass says

    def _new(self, states: npt.NDArray[np.uint8]) -> BoltzmannMachine:
        """A trained machine."""
        raise NotImplementedError

    def _retrained(self, states: npt.NDArray[np.uint8], iteration: int, settings: dict[str, Any]) -> BoltzmannMachine:
        """The machine after one more training."""
        raise NotImplementedError

    def _free_run(self) -> tuple[int, dict[str, Any]]:
        """How many samples of the free-running machine are taken, and arguments of `observe` and `sample`."""
        raise NotImplementedError

    # ------------------------------------------------------------------ steps

    def fit(self, X: npt.ArrayLike, y: object = None) -> Self:
        """Train a new machine.

        Parameters
        ----------
        X : (n_cases, n_visible) array in {0, 1}, or of numbers if `binarize` is set
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        InputError
            If X or a parameter is not what it has to be.
        TrainingError
            As soon as a weight or a bias stops being a finite number.
        """
        states = self._states(X, is_first=True)
        self.seed_ = self._seed()
        machine = self._new(states)
        self.n_cases_, self.iteration_, self.is_retrained_ = len(states), 0, True
        self.layer_sizes_, self.history_ = machine.layer_sizes, list[dict[str, Any]]()
        self._becomes(machine, "fit")
        return self

    def prune(self, criterion: Rule = "variance_fi", **settings: Any) -> Self:
        """Remove the weights that matter least, then the hidden units that are left without weights on a side.

        Parameters
        ----------
        criterion : str or callable
            variance_fi, heuristic_fi, eigenvector (RBMs), weight_magnitude, random_weights, anti_fi, random_units,
            deletion_cost, obd, variance_fi_of_units, deletion_cost_of_units, file.py:function, or a function from
            `boltzprune.Evidence` to one number per weight, high = keep.
        **settings
            Keys of section `pruning` of the configuration: fraction (share of the remaining weights that goes),
            threshold, whole_units, ...

        Returns
        -------
        self

        Raises
        ------
        InputError
            If a setting is not what it has to be, the criterion misbehaves, or nothing would be left. The machine then
            is as it was.
        """
        check_is_fitted(self)
        rule, name = criterion_and_name(criterion)
        activity, iteration = self._activity(rule.needs == "eigenvector"), self.iteration_ + 1
        pruned = prune(self.machine_, activity, criterion, seed=self.seed_, iteration=iteration, **settings)
        if pruned.machine.is_empty:
            raise InputError(
                f"prune: of {sum(self.machine_.n_weights):,} weights none would be left in a layer; the machine stays "
                "as it is: prune a smaller fraction, or stop here"
            )
        self.iteration_, self.is_retrained_ = iteration, False
        self._cut(pruned)
        self._becomes(pruned.machine, "prune", name)
        return self

    def retrain(self, X: npt.ArrayLike, y: object = None, **settings: Any) -> Self:
        """Train the machine on, from the weights that it has.

        Without a pruning before, this is the control that was trained as long as a pruned machine.

        Parameters
        ----------
        X : array
            As for `fit`: the training cases.
        y : ignored
        **settings
            Keys of the training that shall differ from those of the estimator.

        Returns
        -------
        self

        Raises
        ------
        InputError, TrainingError
            As for `fit`. The machine then is as it was.
        """
        check_is_fitted(self)
        iteration = self.iteration_ + self.is_retrained_
        machine = self._retrained(self._states(X), iteration, settings)
        self.iteration_, self.is_retrained_ = iteration, True
        self._becomes(machine, "retrain")
        return self

    def _cut(self, pruned: Pruned) -> None:
        """Take note of the units that a pruning removed."""

    def _becomes(self, machine: BoltzmannMachine, step: str, criterion: str | None = None) -> None:
        """The machine after a step, which the history notes."""
        self._has(machine)
        about = {"step": step, "iteration": self.iteration_, "criterion": criterion}
        self.history_.append(about | {"n_weights": machine.n_weights, "n_units": machine.layer_sizes})

    def _has(self, machine: BoltzmannMachine) -> None:
        """Another machine: what was known of the one before no longer holds."""
        self.machine_ = machine
        self._observed: tuple[tuple[int, dict[str, Any]], Activity] | None = None
        self._log_z: tuple[float, float] | None = None

    # ------------------------------------------------------------------ what can be asked

    @property
    def mask_(self) -> Any:
        """Which weights exist: (n_visible, n_hidden) bool, numbered as before any pruning; of a DBM one each layer."""
        check_is_fitted(self)
        return self._as_before(self.machine_.masks, False)

    @property
    def weights_(self) -> Any:
        """The weights, 0 where there is none; shaped like `mask_`."""
        check_is_fitted(self)
        return self._as_before(self.machine_.weights, np.float32(0))

    @property
    def importance_(self) -> Any:
        """Fisher information of the weights, nats per squared weight, NaN where there is none; shaped like `mask_`."""
        return self.importance()

    @property
    def units_(self) -> Any:
        """Numbers, before any pruning, of the hidden units that remain: (n,) int; of a DBM one array each layer."""
        check_is_fitted(self)
        hidden = self.machine_.units[1:]
        return hidden if self._is_deep else hidden[0]

    @property
    def statistics_(self) -> Any:
        """Rates and pair means of the free-running machine, a `boltzprune.core.fisher.Statistics`."""
        return self._activity().statistics

    def importance(self, criterion: Rule = "variance_fi", **settings: Any) -> Any:
        """What a criterion thinks of every weight, as `prune` would ask it now: high = keep.

        Parameters
        ----------
        criterion, **settings
            As for `prune`.

        Returns
        -------
        array
            float64, NaN where there is no weight, shaped like `mask_`.
        """
        check_is_fitted(self)
        rule, _ = criterion_and_name(criterion)
        activity, iteration = self._activity(rule.needs == "eigenvector"), self.iteration_ + 1
        found = importance(self.machine_, activity, criterion, seed=self.seed_, iteration=iteration, **settings)
        return self._as_before(found, np.nan)

    def _as_before(self, layers: Sequence[np.ndarray], nothing: Any) -> Any:
        """Arrays of the weight layers in the numbering before any pruning; that of an RBM alone."""
        before, units = [], self.machine_.units
        for layer, array in enumerate(layers):
            whole = np.full(self.layer_sizes_[layer : layer + 2], nothing, dtype=array.dtype)
            whole[np.ix_(units[layer], units[layer + 1])] = array
            before.append(whole)
        return tuple(before) if self._is_deep else before[0]

    def _activity(self, eigenvector: bool = False) -> Activity:
        """What is observed of the machine as it is."""
        check_is_fitted(self)
        n_samples, arguments = self._free_run()
        asked = n_samples, {name: value for name, value in arguments.items() if name != "chains"}
        known = self._observed[1] if self._observed and self._observed[0] == asked else None
        if known is None or (eigenvector and known.eigenvector is None):
            known = observe(self.machine_, n_samples, eigenvector=eigenvector, **arguments, **self._where(True))
            self._observed = asked, known
        return known

    def transform(self, X: npt.ArrayLike) -> npt.NDArray[np.floating]:
        """Probabilities of the units of the top layer that remain, given cases.

        Parameters
        ----------
        X : (n_cases, n_visible) array

        Returns
        -------
        (n_cases, n_units) float
            Of an RBM p(h=1|v), of a DBM the mean-field posterior of h2.
        """
        check_is_fitted(self)
        return encode(self.machine_, self._states(X), **self._inference(), **self._where())

    def get_feature_names_out(self, input_features: object = None) -> npt.NDArray[np.object_]:
        """Names of the columns of `transform`: layer and number of the unit before any pruning, as in h1_17."""
        check_is_fitted(self)
        top = len(self.machine_.weights)
        return np.array([f"h{top}_{unit}" for unit in self.machine_.units[-1]], dtype=object)

    def sample(self, n_samples: int = 1, random_state: int | None = None) -> npt.NDArray[np.uint8]:
        """Visible states of the free-running machine.

        Parameters
        ----------
        n_samples : int
        random_state : int, optional
            Another seed than that of the machine, for other samples; the same seed gives the same ones.

        Returns
        -------
        (n_samples, n_visible) uint8
        """
        check_is_fitted(self)
        _, arguments = self._free_run()
        arguments["seed"] = self.seed_ if random_state is None else random_state
        return sample(self.machine_, n_samples, **arguments, **self._where(True))

    def score_samples(self, X: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """log p(v) of each case, nats; of a DBM its variational lower bound.

        log Z is exact where a side of the machine has 20 units or fewer, and else estimated once for each machine by
        annealed importance sampling: see `log_z_` and `log_z_error_`.

        Parameters
        ----------
        X : (n_cases, n_visible) array

        Returns
        -------
        (n_cases,) float64
        """
        check_is_fitted(self)
        return log_likelihood(self.machine_, self._states(X), log_z=self.log_z_, **self._inference(), **self._where())

    def score(self, X: npt.ArrayLike, y: object = None) -> float:
        """Mean of `score_samples`, nats per case: higher is better."""
        return float(self.score_samples(X).mean())

    @property
    def log_z_(self) -> float:
        """log Z of the machine, nats."""
        return self._log_z_and_error()[0]

    @property
    def log_z_error_(self) -> float:
        """Standard error of `log_z_`; 0 where it is exact."""
        return self._log_z_and_error()[1]

    def _log_z_and_error(self) -> tuple[float, float]:
        """Computed once for each machine."""
        check_is_fitted(self)
        if self._log_z is None:
            self._log_z = log_z(self.machine_, seed=self.seed_, iteration=self.iteration_, **self._where())
        return self._log_z

    def plot(self, image_shape: tuple[int, int] | None = None) -> "Figure":
        """How the machine became what it is, and how its Fisher information is spread; needs matplotlib.

        Parameters
        ----------
        image_shape : (height, width), optional
            Of visible units that are pixels: then the weights of the most informative units of h1 are drawn, too.

        Returns
        -------
        matplotlib Figure
        """
        from boltzprune.estimators.pictures import Shown, overview

        check_is_fitted(self)
        masks, weights, fisher = (self._layers(value) for value in (self.mask_, self.weights_, self.importance_))
        return overview(Shown(self.history_, masks, weights, fisher, self._layers(self.units_)[0]), image_shape)

    def _layers(self, value: Any) -> tuple[Any, ...]:
        """What is a tuple of a DBM, and of an RBM alone."""
        return value if self._is_deep else (value,)

    # ------------------------------------------------------------------ files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the machine, its parameters and its history as one .npz file, which `load` reads."""
        from boltzprune.estimators.saved import Saved, write

        check_is_fitted(self)
        parameters = self.get_params(deep=False) | {"random_state": self.seed_}
        fitted = {name: getattr(self, name) for name in FITTED if hasattr(self, name)}
        chains = getattr(self, "chains_", ())
        write(path, Saved(type(self).__name__, self.seed_, self.machine_, chains, parameters, fitted))

    @classmethod
    def load(cls, path: str | os.PathLike[str], seed: int | None = None) -> Self:
        """The machine of a file that `save` wrote, or of one that a study has written.

        Parameters
        ----------
        path
            For a study for example results/demo/patches/seeds0-9/initial/initial.npz.
        seed : int, optional
            Which machine of a file of a study with several.

        Raises
        ------
        InputError
            If the file is damaged, or has no such machine.
        """
        from boltzprune.estimators.saved import read

        saved = read(path, cls.__name__, cls._is_deep, seed)
        estimator = cls(**saved.parameters)
        for name, value in saved.fitted.items():
            setattr(estimator, name, value)
        estimator.seed_ = saved.seed
        if cls._is_deep:
            estimator.chains_ = tuple(saved.chains)
        if "history_" in saved.fitted:
            estimator._has(saved.machine)
        else:
            estimator.history_ = []
            estimator._becomes(saved.machine, "load")
        return estimator

    # ------------------------------------------------------------------ what the steps have in common

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "machine_")

    def _states(self, X: npt.ArrayLike, is_first: bool = False) -> npt.NDArray[np.uint8]:
        """Checked, binary cases; the first ones say how many columns there are, and set a threshold that is a mean."""
        array = validate_data(self, X, reset=is_first, ensure_min_samples=2 if is_first else 1)
        if self.binarize is None:
            return states_of(array, name="X", remedy=REMEDY)
        if is_first:
            self.threshold_ = self._threshold(array)
        return np.ascontiguousarray(array > self.threshold_, dtype=np.uint8)

    def _threshold(self, array: np.ndarray) -> float:
        """What values that become 1 exceed."""
        if self.binarize == "mean":
            return float(array.mean(dtype=np.float64))
        try:
            return float(self.binarize)  # type: ignore[arg-type]  # checked here
        except (TypeError, ValueError):
            raise InputError(f"binarize is {self.binarize!r}; expected None, a number, or 'mean'") from None

    def _seed(self) -> int:
        """The seed of the random numbers, by `random_state`."""
        if isinstance(self.random_state, int | np.integer):
            if self.random_state < 0:
                raise InputError(f"random_state is {self.random_state}; expected 0 or more, None, or a RandomState")
            return int(self.random_state)
        return int(check_random_state(self.random_state).randint(MOST_SEEDS))

    def _where(self, is_long: bool = False) -> dict[str, Any]:
        """On what to compute; of long computations also whether to show the progress."""
        found: dict[str, Any] = {"device": self.device, "threads": effective_n_jobs(self.n_jobs)}
        return found | {"verbose": self.verbose} if is_long else found

    def _inference(self) -> dict[str, Any]:
        """Settings of mean-field inference, where they are parameters."""
        return {}

    def _n_samples(self, asked: int | None) -> int:
        """Samples of the free-running machine."""
        if asked is None and not self.n_cases_:
            raise InputError(
                "n_samples is None, for as many samples as training cases, and the file of a study does not tell how "
                "many these were: set_params(n_samples=...)"
            )
        return self.n_cases_ if asked is None else asked

    def _place(self) -> dict[str, Any]:
        """Which random numbers the machine as it is has for its free run."""
        phase = "retrained" if self.is_retrained_ else "pruned"
        return {"seed": self.seed_, "iteration": self.iteration_, "phase": phase}
