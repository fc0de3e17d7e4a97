"""New machines, and their training: an RBM by contrastive divergence, a DBM layer by layer and then as a whole."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from boltzprune.core.machine import BoltzmannMachine, require_rbm
from boltzprune.core.streams import fork, permutation
from boltzprune.errors import InputError
from boltzprune.learning import joint_training, pretraining, training
from boltzprune.learning.training import Run
from boltzprune.single.settings import backend_for, progress, section, states_of
from boltzprune.study.config import DeepMachine, PatchMachine, Training
from boltzprune.study.config.digits import JointTraining, MeanField, PreTraining, Retraining

Chains = tuple[npt.NDArray[np.uint8], ...]
"""Persistent Markov chains: (n_chains, n_units) of every layer."""


def new_rbm(
    cases: npt.ArrayLike,
    n_hidden: int = 70,
    *,
    weight_sd: float = 0.1,
    hidden_bias: float = -2.0,
    mask: npt.NDArray[np.bool_] | None = None,
    seed: int = 0,
) -> BoltzmannMachine:
    """An RBM before training: W ~ N(0, weight_sd^2), the visible biases at the logit of the rates in the cases.

    Parameters
    ----------
    cases : (n_cases, n_visible) array in {0, 1}
    n_hidden : int
    weight_sd, hidden_bias : float
    mask : (n_visible, n_hidden) bool, optional
        Which weights exist; default: all.
    seed : int

    Returns
    -------
    BoltzmannMachine

    Raises
    ------
    InputError
        If an argument is not what it has to be.

    Examples
    --------
    >>> import numpy as np, boltzprune
    >>> machine = boltzprune.new_rbm(np.eye(5), n_hidden=3)
    >>> machine.layer_sizes, machine.n_weights
    ((5, 3), (15,))
    """
    given = {"n_hidden": n_hidden, "weight_sd": weight_sd, "hidden_bias": hidden_bias}
    start = section(PatchMachine, given, "new_rbm")
    rates = training.data_rate(states_of(cases))
    machine = training.new_rbm(rates, start.n_hidden, start.weight_sd, start.hidden_bias, seed)
    if mask is None:
        return machine
    mask = _mask(mask, machine.layer_sizes, "new_rbm: mask")
    return dataclasses.replace(machine, weights=(machine.weights[0] * mask,), masks=(mask,))


def _mask(mask: npt.ArrayLike, shape: tuple[int, ...], name: str) -> npt.NDArray[np.bool_]:
    """A mask as booleans; InputError if it is of another shape or has values other than 0 and 1."""
    array = np.asarray(mask)
    if array.shape != shape or array.dtype.kind not in "biu" or ((array != 0) & (array != 1)).any():
        raise InputError(
            f"{name} is an array of shape {array.shape} and type {array.dtype}; expected booleans of shape {shape}"
        )
    return array.astype(bool)


def train_rbm(
    machine: BoltzmannMachine,
    cases: npt.ArrayLike,
    *,
    seed: int = 0,
    iteration: int = 0,
    device: str = "auto",
    threads: int = 1,
    verbose: bool = False,
    **settings: Any,
) -> BoltzmannMachine:
    """Train an RBM by CD-k  (Hinton 2002): w <- w + step, step = m step + rate (<v h>_data - <v h>_reconstruction).

    Parameters
    ----------
    machine : BoltzmannMachine
        New, trained or pruned. Weights outside its mask stay 0.
    cases : (n_cases, n_visible) array in {0, 1}
        In the order of presentation.
    seed, iteration : int
        Of the random numbers.
    device : str
        auto, cpu, gpu or reference.
    threads : int
        They change no result.
    verbose : bool
        Whether progress is shown.
    **settings
        Keys of section `patches.training` of the configuration: learning_rate and momentum (a list with a number for
        each epoch), momentum_rule, n_gibbs_steps, batch_size, order.

    Returns
    -------
    BoltzmannMachine

    Raises
    ------
    InputError
        If a setting is not what it has to be, the cases do not fit, or the machine is a DBM.
    TrainingError
        As soon as a parameter stops being finite.

    Examples
    --------
    >>> import numpy as np, boltzprune
    >>> cases = np.repeat([[1, 1, 0, 0, 0], [0, 0, 1, 1, 1]], 50, axis=0)
    >>> machine = boltzprune.new_rbm(cases, n_hidden=3)
    >>> trained = boltzprune.train_rbm(machine, cases, learning_rate=[0.1] * 20, momentum=[0.5] * 20, device="cpu")
    >>> before, after = (boltzprune.log_likelihood(one, cases).mean() for one in (machine, trained))
    >>> bool(after > before + 1)
    True
    """
    require_rbm(machine, "train_rbm", "train_dbm")
    how = section(Training, settings, "train_rbm")
    states = states_of(cases, machine.layer_sizes[0])
    if how.order == "per_seed":
        states = states[permutation(fork(seed, "order of patterns"), len(states))]
    n_updates = len(how.learning_rate) * -(-len(states) // how.batch_size)
    with progress(verbose, n_updates, "updates", "training") as shown:
        run = Run(backend_for(device, threads), shown, ["train_rbm"])
        return training.train([machine], states, how, [fork(seed, "training", iteration)], run)[0]


def new_dbm(
    cases: npt.ArrayLike,
    n_hidden: Sequence[int] = (196, 256),
    *,
    weight_sd: float = 0.2,
    visible_bias: float = -1.0,
    hidden_bias: float = -2.0,
    mask: npt.NDArray[np.bool_] | None = None,
    n_chains: int = 50,
    seed: int = 0,
    device: str = "auto",
    threads: int = 1,
    verbose: bool = False,
    **settings: Any,
) -> tuple[BoltzmannMachine, Chains]:
    """A DBM of two hidden layers from two RBMs, the second trained on what the first makes of the cases.

    Source: Salakhutdinov & Hinton (2009), "Deep Boltzmann machines", AISTATS.

    Parameters
    ----------
    cases : (n_cases, n_visible) array in {0, 1}
    n_hidden : (int, int)
        Units of h1 and of h2.
    weight_sd, visible_bias, hidden_bias : float
        Of the RBMs before their training.
    mask : (n_visible, n_hidden[0]) bool, optional
        Which weights between v and h1 exist; default: all. `receptive_fields` makes one for images.
    n_chains : int
        Persistent chains.
    seed : int
    device, threads, verbose
        As of `train_rbm`.
    **settings
        Keys of section `digits.pretraining` of the configuration: first and second (each a dict with n_epochs,
        learning_rate, ...), doubled_inputs, second_data.

    Returns
    -------
    BoltzmannMachine
    chains : tuple of (n_chains, n_units) uint8
        What the persistent chains start at, for `train_dbm`.

    Raises
    ------
    InputError, TrainingError
        As of `train_rbm`.

    Examples
    --------
    >>> import numpy as np, boltzprune
    >>> cases = np.repeat([[1, 1, 0, 0, 0], [0, 0, 1, 1, 1]], 20, axis=0)
    >>> short = {"n_epochs": 2}
    >>> machine, chains = boltzprune.new_dbm(cases, (3, 2), n_chains=7, first=short, second=short, device="cpu")
    >>> machine.layer_sizes, chains[2].shape
    ((5, 3, 2), (7, 2))
    """
    given = {"n_hidden": n_hidden, "weight_sd": weight_sd, "visible_bias": visible_bias, "hidden_bias": hidden_bias}
    start, how, states = (
        section(DeepMachine, given, "new_dbm"),
        section(PreTraining, settings, "new_dbm"),
        states_of(cases),
    )
    first, second = start.n_hidden
    lower = np.ones((states.shape[1], first), dtype=bool)
    if mask is not None:
        lower = _mask(mask, lower.shape, "new_dbm: mask")
    masks = [lower, np.ones((first, second), dtype=bool)]
    n_updates = sum(rbm.n_epochs * -(-len(states) // rbm.batch_size) for rbm in (how.first, how.second))
    with progress(verbose, n_updates, "updates", "pre-training") as shown:
        runs = [Run(backend_for(device, threads), shown)] * 2
        rbms = [pretraining.layer_rbm(mask, layer, start, seed) for layer, mask in enumerate(masks)]
        return pretraining.pretrain([rbms], states, how, n_chains, [seed], runs)[0]


def train_dbm(
    machine: BoltzmannMachine,
    chains: Chains,
    cases: npt.ArrayLike,
    /,
    *,
    seed: int = 0,
    iteration: int = 0,
    mean_field: Mapping[str, Any] | None = None,
    device: str = "auto",
    threads: int = 1,
    verbose: bool = False,
    **settings: Any,
) -> tuple[BoltzmannMachine, Chains]:
    """Train all layers of a DBM: mean-field inference for the cases, persistent chains for the machine.

    Source: Salakhutdinov & Hinton (2009), "Deep Boltzmann machines", AISTATS.

    Parameters
    ----------
    machine : BoltzmannMachine
    chains : tuple of (n_chains, n_units) uint8
        Of all layers, from `new_dbm` or the training before.
    cases : (n_cases, n_visible) array in {0, 1}
        In the order of presentation.
    seed : int
    iteration : int
        0: the first training. From 1 on this is a retraining after a pruning: its defaults are those of section
        `digits.retraining`, and the chains start anew at the cases unless chains="go_on".
    mean_field : dict, optional
        Keys of section `digits.mean_field` of the configuration: tolerance, max_updates.
    device, threads, verbose
        As of `train_rbm`.
    **settings
        Keys of section `digits.training`, or of `digits.retraining`: n_epochs, learning_rate (of the first and of the
        last epoch), momentum, batch_size, n_gibbs_steps, max_norm, and of the latter chains.

    Returns
    -------
    BoltzmannMachine
    chains : tuple of (n_chains, n_units) uint8
        After the training.

    Raises
    ------
    InputError, TrainingError
        As of `train_rbm`.

    Examples
    --------
    >>> import numpy as np, boltzprune
    >>> cases = np.repeat([[1, 1, 0, 0, 0], [0, 0, 1, 1, 1]], 20, axis=0)
    >>> machine, chains = boltzprune.new_dbm(cases, (3, 2), n_chains=7, device="cpu")
    >>> machine, chains = boltzprune.train_dbm(machine, chains, cases, n_epochs=3, device="cpu")
    >>> boltzprune.encode(machine, cases, device="cpu").shape
    (40, 2)
    """
    how: JointTraining = section(Retraining if iteration else JointTraining, settings, "train_dbm")
    if getattr(how, "homeostasis", None) is not None:
        raise InputError(
            "train_dbm: homeostasis is a key of studies; here the machine before the pruning, whose rates are the "
            "targets, is not known; leave it out"
        )
    inference = section(MeanField, mean_field or {}, "train_dbm: mean_field")
    states, backend = states_of(cases, machine.layer_sizes[0]), backend_for(device, threads)
    if isinstance(how, Retraining) and how.chains == "restart":
        key = fork(seed, "restart of chains", iteration)
        chains = joint_training.restarted(machine, states, len(chains[0]), key, backend)
    keys = [fork(seed, "training", iteration)]
    with progress(verbose, how.n_epochs * -(-len(states) // how.batch_size), "updates", "joint training") as shown:
        run = Run(backend, shown, ["train_dbm"])
        return joint_training.train_jointly([machine], [chains], states, how, inference, keys, run)[0]
