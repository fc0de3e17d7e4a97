"""The records of contrastive divergence that every backend shares, and its plain-array version: the specification."""

import contextlib
from dataclasses import dataclass

import numpy as np

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
    def zero(cls, machine):
        """At rest."""
        return cls(*(np.zeros_like(x) for x in (machine.weights[0], machine.biases[0], machine.biases[1])))


class NotFiniteError(ArithmeticError):
    """A field or a parameter was NaN or infinite.

    `update` counts the updates of the epoch before it, `place` is that of the machine among those of the call.
    """

    def __init__(self, update, place=0):
        super().__init__(update, place)
        self.update, self.place = update, place


@contextlib.contextmanager
def at_places(places):
    """A NotFiniteError of machines that are part of a list names the place in that list: places[k] for machine k."""
    try:
        yield
    except NotFiniteError as error:
        raise NotFiniteError(error.update, places[error.place]) from None


def check_done(done, n_updates, first_update):
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


def cases_of_each(cases, n_machines):
    """The cases of every machine, of which all learn from the same if `cases` is one array, not a list of arrays."""
    return list(cases) if isinstance(cases, list | tuple) else [cases] * n_machines


def gradient(
    weights, visible_bias, hidden_bias, cases, key, first_step, n_gibbs_steps, sample, up=1.0, down=1.0, xp=np
):
    """CD-k gradient of one batch: <v h>_data - <v p(h|v)>_reconstruction, likewise the biases  (Hinton 2002).

    From v0: h0 ~ p(h|v0), v1 ~ p(v|h0), ... vk, with the conditional probabilities of Eq. 9; the last hidden layer
    enters as its probability.

    Parameters
    ----------
    weights, visible_bias, hidden_bias : (n_visible, n_hidden), (n_visible,), (n_hidden,) float
    cases : (batch, n_visible) of the same dtype, in {0, 1}
    key : np.uint64
    first_step, n_gibbs_steps : int
    sample : callable
        (probability, key, step, layer) -> states in {0, 1} of the same dtype; chain = row of the batch.
    up, down : float
        See `Epoch`.
    xp : module
        NumPy, or CuPy where the arrays lie on a GPU.

    Returns
    -------
    tuple
        Gradients of weights (unmasked), visible and hidden biases: means over the batch.
    """
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
def array_epoch(machine, velocity, key, cases, epoch, report, sample, dtype, xp=np):
    """One epoch of CD-k on one machine with plain arrays of that dtype; all arrays lie where `xp` computes.

    Returns
    -------
    tuple
        The trained BoltzmannMachine and its Velocity.

    Raises
    ------
    NotFiniteError
        At the first update that leaves a parameter which is not finite.
    """
    mask = machine.masks[0]
    parameters = [x.astype(dtype) for x in (machine.weights[0], machine.biases[0], machine.biases[1])]
    steps = [x.astype(dtype) for x in (velocity.weights, velocity.visible_bias, velocity.hidden_bias)]
    for update, start in enumerate(range(0, len(cases), epoch.batch_size)):
        batch = cases[start : start + epoch.batch_size].astype(dtype)
        first_step = (epoch.first_update + update) * epoch.n_gibbs_steps
        gains = dtype(epoch.up), dtype(epoch.down)
        gradients = list(gradient(*parameters, batch, key, first_step, epoch.n_gibbs_steps, sample, *gains, xp))
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
