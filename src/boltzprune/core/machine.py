"""A Boltzmann machine as plain arrays, and the equations that need nothing else."""

import operator
from collections.abc import Sequence
from dataclasses import InitVar, dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from boltzprune.errors import InputError

KINDS = {"weights": "f", "biases": "f", "masks": "b", "units": "iu"}
"""Parts of a machine -> the `dtype.kind` of their arrays."""
EXPECTED = {
    "weights": "floats: x.astype(numpy.float32)",
    "biases": "floats: x.astype(numpy.float32)",
    "masks": "booleans, or integers that are all 0 or 1: x.astype(bool)",
    "units": "integers, the indices of the units before any pruning",
}


@dataclass(frozen=True)
class BoltzmannMachine:
    """Layers of binary units joined by weights between neighbours: one weight layer is an RBM, more are a DBM.

    Attributes
    ----------
    weights : tuple of (n_lower, n_upper) float32
        Zero wherever the mask is False.
    biases : tuple of (n_units,) float32
        Layer 0 is visible.
    masks : tuple of (n_lower, n_upper) bool
        True where a weight exists (receptive field and not pruned). Integers that are all 0 or 1 become booleans.
    units : tuple of (n_units,) int64
        Index of each unit in the machine before any pruning; default: 0, 1, ...
    must_be_finite : bool
        Not kept. False: parameters may be NaN or infinite, as where a training has just failed and will say so.

    Raises
    ------
    InputError
        If a part is no tuple of arrays of its type, shapes do not fit together, a weight outside its mask is not zero,
        a parameter is not finite, or a unit is named twice.

    Examples
    --------
    >>> import numpy as np, boltzprune
    >>> weights, mask = np.zeros((5, 3), np.float32), np.ones((5, 3), bool)
    >>> machine = boltzprune.BoltzmannMachine((weights,), (np.zeros(5, np.float32), np.zeros(3, np.float32)), (mask,))
    >>> machine.is_rbm, machine.layer_sizes
    (True, (5, 3))
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    masks: tuple[np.ndarray, ...]
    units: tuple[np.ndarray, ...] = field(default=())
    must_be_finite: InitVar[bool] = True

    def __post_init__(self, must_be_finite: bool) -> None:
        for name in KINDS:
            object.__setattr__(self, name, _arrays(name, getattr(self, name)))
        if len(self.biases) < 2:
            raise InputError(f"machine: biases are of {len(self.biases)} layers; expected those of two layers or more")
        for layer, bias in enumerate(self.biases):
            if bias.ndim != 1:
                raise InputError(
                    f"machine: biases[{layer}] has shape {bias.shape}; expected one number for each unit, (n_units,): "
                    "x.ravel()"
                )
        if not self.units:
            object.__setattr__(self, "units", tuple(np.arange(len(bias)) for bias in self.biases))
        _check_shapes(self)
        if any(w[~m].any() for w, m in zip(self.weights, self.masks)):
            raise InputError("machine: a weight outside its mask is not zero")
        for layer, units in enumerate(self.units):
            if len(units) and (units.min() < 0 or len(np.unique(units)) < len(units)):
                raise InputError(f"machine: units[{layer}] has an index twice or below 0; expected one for each unit")
        if must_be_finite:
            _check_finite(self)

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """Units per layer, visible first."""
        return tuple(len(bias) for bias in self.biases)

    @property
    def n_weights(self) -> tuple[int, ...]:
        """Existing weights per weight layer."""
        return tuple(int(np.count_nonzero(mask)) for mask in self.masks)

    @property
    def is_empty(self) -> bool:
        """Whether a weight layer has no weight: then nothing is left to prune, to train or to sample."""
        return 0 in self.n_weights

    @property
    def is_rbm(self) -> bool:
        """One hidden layer."""
        return len(self.weights) == 1


def without_units(n_weight_layers: int) -> BoltzmannMachine:
    """The machine that a course ends with (see `pruning`), as far as it has a size: no unit in any layer."""
    layers, pairs = range(n_weight_layers + 1), range(n_weight_layers)
    return BoltzmannMachine(
        tuple(np.zeros((0, 0), dtype=np.float32) for _ in pairs),
        tuple(np.zeros(0, dtype=np.float32) for _ in layers),
        tuple(np.zeros((0, 0), dtype=bool) for _ in pairs),
    )


def with_architecture(
    machine: BoltzmannMachine, masks: Sequence[npt.NDArray[np.bool_]], units: Sequence[npt.NDArray[np.integer]]
) -> BoltzmannMachine:
    """A machine before any pruning, with only those of its units and weights that a pruned one has; values stay.

    Parameters
    ----------
    machine : BoltzmannMachine
    masks : sequence of (n_lower, n_upper) bool
        Weights of the pruned machine, between its units.
    units : sequence of (n_units,) int
        Which units of each layer it has.

    Returns
    -------
    BoltzmannMachine
    """
    pairs = zip(machine.weights, masks, units[:-1], units[1:], strict=True)
    return BoltzmannMachine(
        tuple(weights[np.ix_(lower, upper)] * mask for weights, mask, lower, upper in pairs),
        tuple(bias[kept] for bias, kept in zip(machine.biases, units, strict=True)),
        tuple(masks),
        tuple(units),
    )


def _arrays(name: str, given: Any) -> tuple[np.ndarray, ...]:
    """One part of a machine as a tuple of arrays of its type; InputError names the argument."""
    if not isinstance(given, tuple | list):
        raise InputError(
            f"machine: {name} is {type(given).__name__}; expected a tuple with an array for each layer: ({name},)"
        )
    arrays = tuple(_array(f"{name}[{layer}]", array, name) for layer, array in enumerate(given))
    return given if isinstance(given, tuple) and all(map(operator.is_, arrays, given)) else arrays


def _array(which: str, array: Any, name: str) -> np.ndarray:
    """One array of that part; integers 0 and 1 become a mask."""
    kind = getattr(getattr(array, "dtype", None), "kind", None)
    if name == "masks" and kind in ("i", "u") and ((array == 0) | (array == 1)).all():
        return array.astype(bool)
    if kind is None:
        found, remedy = type(array).__name__, f"an array: numpy.asarray({which})"
    elif kind not in KINDS[name] or str(array.dtype) == "float16":
        found, remedy = str(array.dtype), EXPECTED[name]
    else:
        return array
    raise InputError(f"machine: {which} is {found}; expected {remedy}")


def _check_shapes(machine: BoltzmannMachine) -> None:
    """InputError unless all parts are of as many layers and units as the biases."""
    sizes = machine.layer_sizes
    shapes = list(zip(sizes[:-1], sizes[1:]))
    for name, expected in (("weights", shapes), ("masks", shapes), ("units", [(n,) for n in sizes])):
        found = [array.shape for array in getattr(machine, name)]
        if found != expected:
            raise InputError(f"machine with layers {sizes}: {name} have shapes {found}, expected {expected}")


def _check_finite(machine: BoltzmannMachine) -> None:
    """InputError if a parameter is NaN or infinite."""
    for name in ("weights", "biases"):
        for layer, array in enumerate(getattr(machine, name)):
            if not np.isfinite(array).all():
                raise InputError(f"machine: {name}[{layer}] has NaN or infinite values; expected finite numbers")


def require_rbm(machine: BoltzmannMachine, function: str, instead: str) -> None:
    """InputError for a machine of several weight layers, which a function would take for its lowest RBM.

    Parameters
    ----------
    machine : BoltzmannMachine
    function, instead : str
        Name of the function, and of what to use for such a machine, for the message.
    """
    if not machine.is_rbm:
        raise InputError(
            f"{function} is for machines with one weight layer, and this one has {len(machine.weights)}, between layers"
            f" of {machine.layer_sizes} units; use {instead}"
        )


def check_states(states: Sequence[Any], sizes: Sequence[int], name: str) -> None:
    """InputError unless these are states, or probabilities, of layers of those sizes, as many rows of each.

    Parameters
    ----------
    states : sequence of (n, n_units) array
    sizes : sequence of int
    name : str
        Of the argument, for the message.
    """
    shapes = [np.shape(layer) for layer in states]
    expected = [(shape[0] if shape else None, n) for shape, n in zip(shapes[:1] * len(sizes), sizes)]
    if len(shapes) != len(sizes) or shapes != expected:
        wanted = ", ".join(f"(n, {n})" for n in sizes)
        raise InputError(f"{name} has shapes {shapes}; expected {wanted}, with the same n")


def all_finite(machine: BoltzmannMachine) -> bool:
    """Whether every parameter is a finite number."""
    return all(np.isfinite(array).all() for array in (*machine.weights, *machine.biases))


def sigmoid(x: Any, xp: Any = np) -> Any:
    """s(x) = 1 / (1 + exp(-x)), without overflow, small values to full relative precision, in the dtype of x."""
    return xp.exp(-xp.logaddexp(0, -x))


class Parametric(Protocol):
    """What has weights and biases: a machine, or the parameters of one that is being trained."""

    @property
    def weights(self) -> tuple[Any, ...]:
        """Of each weight layer."""

    @property
    def biases(self) -> tuple[Any, ...]:
        """Of each layer."""


def field_of(machine: Parametric, states: Sequence[Any], layer: int) -> Any:
    """Field (pre-activation) of one layer given its neighbours: b + states_below.W + W.states_above (Eqs. 9, 10).

    Parameters
    ----------
    machine : BoltzmannMachine, or parameters
    states : list of (n_chains, n_units) arrays
        States or probabilities of all layers; those of `layer` itself are not read.
    layer : int

    Returns
    -------
    (n_chains, n_units) array of the dtype of the weights
    """
    total: Any = machine.biases[layer]
    if layer > 0:
        weights = machine.weights[layer - 1]
        total = total + states[layer - 1].astype(weights.dtype) @ weights
    if layer < len(machine.weights):
        weights = machine.weights[layer]
        total = total + states[layer + 1].astype(weights.dtype) @ weights.T
    return total


def energy(machine: BoltzmannMachine, states: Sequence[npt.ArrayLike]) -> npt.NDArray[np.float64]:
    """Energy of joint states, E = - sum_l s_l . W_l . s_(l+1) - sum_l b_l . s_l  (Eqs. 1, 10); p(s) = exp(-E(s)) / Z.

    Parameters
    ----------
    machine : BoltzmannMachine
    states : list of (n, n_units) arrays in {0, 1}
        Every layer, visible first.

    Returns
    -------
    (n,) float64, nats

    Raises
    ------
    InputError
        If these are not states of all layers of the machine.

    Examples
    --------
    >>> import numpy as np, boltzprune
    >>> weights, mask = np.full((2, 1), 1.5, np.float32), np.ones((2, 1), bool)
    >>> machine = boltzprune.BoltzmannMachine((weights,), (np.zeros(2, np.float32), np.ones(1, np.float32)), (mask,))
    >>> boltzprune.energy(machine, [[[0, 1], [1, 1]], [[0], [1]]])
    array([-0., -4.])
    """
    check_states(states, machine.layer_sizes, "states")
    s = [np.asarray(state, dtype=np.float64) for state in states]
    total = -sum(np.einsum("ci,ij,cj->c", s[i], w, s[i + 1]) for i, w in enumerate(machine.weights))
    return total - sum(state @ bias for state, bias in zip(s, machine.biases))
