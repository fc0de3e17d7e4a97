"""The records of contrastive divergence that every backend shares, and its plain-array version: the specification."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from boltzprune.core.machine import BoltzmannMachine, sigmoid


@dataclass(frozen=True)
class Epoch:
    """What one epoch of CD-k needs to know.

    Attributes
    ----------
    learning_rate : float
    decay : float, in [0, 1)
        What is left of the previous step: step <- decay step + learning_rate gradient; parameters <- parameters + step.
    n_gibbs_steps : int
        k of CD-k.
    batch_size : int
    first_update : int
        Updates before this epoch; update t uses Gibbs steps k t ... k t + k - 1 of the stream.
    up, down : float
        What the input (weights and bias) of the hidden and of the visible units is multiplied with: 2 stands in for the
        neighbour that an RBM will have in a deep machine (Salakhutdinov & Hinton 2009).
    """

    learning_rate: float
    decay: float
    n_gibbs_steps: int
    batch_size: int
    first_update: int
    up: float = 1.0
    down: float = 1.0


@dataclass(frozen=True)
class Velocity:
    """The step of the last update, in the shape of an RBM's parameters."""

    weights: np.ndarray
    visible_bias: np.ndarray
    hidden_bias: np.ndarray

    @classmethod
    def zero(cls, machine: BoltzmannMachine) -> Self:
        """At rest."""
        return cls(*(np.zeros_like(x) for x in (machine.weights[0], machine.biases[0], machine.biases[1])))


class Parameters(NamedTuple):
    """What of an RBM changes with every update.

    Attributes
    ----------
    weights : (n_visible, n_hidden) float
    visible_bias : (n_visible,) float
    hidden_bias : (n_hidden,) float
    """

    weights: Any
    visible_bias: Any
    hidden_bias: Any


class Arithmetic(NamedTuple):
    """What the plain-array version computes with.

    Attributes
    ----------
    sample : callable
        (probability, key, step, layer) -> states in {0, 1} of the same dtype; chain = row of the batch.
    dtype : type
        Of parameters and states.
    xp : module
        NumPy, or CuPy where the arrays lie on a GPU.
    """

    sample: Callable[[Any, np.uint64, int, int], Any]
    dtype: type[np.floating] = np.float64
    xp: Any = np


class NotFiniteError(ArithmeticError):
    """A field or a parameter was NaN or infinite.

    `update` counts the updates of the epoch before it, `place` is that of the machine among those of the call.
    """

    def __init__(self, update: int, place: int = 0) -> None:
        super().__init__(update, place)
        self.update, self.place = update, place


@contextlib.contextmanager
def at_places(places: Sequence[int]) -> Iterator[None]:
    """A NotFiniteError of machines that are part of a list names the place in that list: places[k] for machine k."""
    try:
        yield
    except NotFiniteError as error:
        raise NotFiniteError(error.update, places[error.place]) from None


@contextlib.contextmanager
def listed() -> Iterator[list[Any]]:
    """A list that the block fills with one result per machine; a NotFiniteError names the place of the next one."""
    results: list[Any] = []
    try:
        yield results
    except NotFiniteError as error:
        raise NotFiniteError(error.update, len(results)) from None


def check_done(done: npt.NDArray[np.integer], n_updates: int, first_update: int) -> None:
    """Raise the NotFiniteError of the first machine that did fewer of its updates than asked for.

    Parameters
    ----------
    done : (n_machines,) int
    n_updates, first_update : int
        Asked for, and of the epoch before these.
    """
    if (done < n_updates).any():
        place = int(np.argmax(done < n_updates))
        raise NotFiniteError(first_update + int(done[place]), place)


def cases_of_each(cases: Any, n_machines: int) -> list[Any]:
    """The cases of every machine, of which all learn from the same if `cases` is one array, not a list of arrays."""
    return list(cases) if isinstance(cases, list | tuple) else [cases] * n_machines


def gradient(
    parameters: Parameters,
    cases: Any,
    key: np.uint64,
    first_step: int,
    n_gibbs_steps: int,
    arithmetic: Arithmetic,
    gains: tuple[float, float] | tuple[np.floating, np.floating] = (1.0, 1.0),
) -> tuple[Any, Any, Any]:
    """CD-k gradient of one batch: <v h>_data - <v p(h|v)>_reconstruction, likewise the biases  (Hinton 2002).

    From v0: h0 ~ p(h|v0), v1 ~ p(v|h0), ... vk, with the conditional probabilities of Eq. 9; the last hidden layer
    enters as its probability.

    Parameters
    ----------
    parameters : Parameters
    cases : (batch, n_visible) of the dtype of the parameters, in {0, 1}
    key : np.uint64
    first_step, n_gibbs_steps : int
    arithmetic : Arithmetic
    gains : (float, float)
        Upwards and downwards, see `Epoch`.

    Returns
    -------
    tuple
        Gradients of weights (unmasked), visible and hidden biases: means over the batch.
    """
    weights, visible_bias, hidden_bias = parameters
    (up, down), sample, xp = gains, arithmetic.sample, arithmetic.xp
    probability0 = probability = sigmoid(up * (cases @ weights + hidden_bias), xp)
    for step in range(first_step, first_step + n_gibbs_steps):
        hidden = sample(probability, key, step, 1)
        visible = sample(sigmoid(down * (hidden @ weights.T + visible_bias), xp), key, step, 0)
        probability = sigmoid(up * (visible @ weights + hidden_bias), xp)
    n = len(cases)
    return (
        (cases.T @ probability0 - visible.T @ probability) / n,
        (cases - visible).mean(axis=0),
        (probability0 - probability).mean(axis=0),
    )


@np.errstate(over="ignore", invalid="ignore")  # what is not finite is looked for, here and by the caller
def array_epoch(
    machine: BoltzmannMachine,
    velocity: Velocity,
    key: np.uint64,
    cases: Any,
    epoch: Epoch,
    report: Callable[[int], object],
    arithmetic: Arithmetic,
) -> tuple[BoltzmannMachine, Velocity]:
    """One epoch of CD-k on one machine with plain arrays, which lie where the arithmetic's `xp` computes.

    Parameters
    ----------
    machine : BoltzmannMachine
        An RBM.
    velocity : Velocity
    key : np.uint64
    cases : (n_cases, n_visible) uint8
        Presented in this order.
    epoch : Epoch
    report : callable
        report(1) is called after every update.
    arithmetic : Arithmetic

    Returns
    -------
    tuple
        The trained BoltzmannMachine and its Velocity.

    Raises
    ------
    NotFiniteError
        At the first update that leaves a parameter which is not finite.
    """
    dtype, xp = arithmetic.dtype, arithmetic.xp
    gains = dtype(epoch.up), dtype(epoch.down)
    mask = machine.masks[0]
    parameters = Parameters(*(x.astype(dtype) for x in (machine.weights[0], machine.biases[0], machine.biases[1])))
    steps = [x.astype(dtype) for x in (velocity.weights, velocity.visible_bias, velocity.hidden_bias)]
    for update, start in enumerate(range(0, len(cases), epoch.batch_size)):
        batch = cases[start : start + epoch.batch_size].astype(dtype)
        first_step = (epoch.first_update + update) * epoch.n_gibbs_steps
        gradients = list(gradient(parameters, batch, key, first_step, epoch.n_gibbs_steps, arithmetic, gains))
        gradients[0] *= mask
        for parameter, step, slope in zip(parameters, steps, gradients):
            step *= dtype(epoch.decay)
            step += dtype(epoch.learning_rate) * slope
            parameter += step
        if not all(bool(xp.isfinite(x.astype(np.float32, copy=False)).all()) for x in parameters):
            raise NotFiniteError(update)  # float32 is what is kept
        report(1)
    weights, visible_bias, hidden_bias = (x.astype(np.float32) for x in parameters)
    trained = BoltzmannMachine(
        (weights,), (visible_bias, hidden_bias), machine.masks, machine.units, must_be_finite=False
    )
    return trained, Velocity(*(x.astype(np.float32) for x in steps))
