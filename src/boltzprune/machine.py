"""A Boltzmann machine as plain arrays, and the equations that need nothing else."""

from dataclasses import dataclass, field

import numpy as np

from boltzprune.errors import InputError


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
        True where a weight exists (receptive field and not pruned).
    units : tuple of (n_units,) int64
        Index of each unit in the machine before any pruning; default: 0, 1, ...

    Raises
    ------
    InputError
        If shapes do not fit together, or a weight outside its mask is not zero.
    """

    weights: tuple
    biases: tuple
    masks: tuple
    units: tuple = field(default=())

    def __post_init__(self):
        if not self.units:
            object.__setattr__(self, "units", tuple(np.arange(len(bias)) for bias in self.biases))
        sizes = self.layer_sizes
        shapes = list(zip(sizes[:-1], sizes[1:]))
        for name, found, expected in (
            ("weights", [w.shape for w in self.weights], shapes),
            ("masks", [m.shape for m in self.masks], shapes),
            ("units", [u.shape for u in self.units], [(n,) for n in sizes]),
        ):
            if found != expected:
                raise InputError(f"machine with layers {sizes}: {name} have shapes {found}, expected {expected}")
        if any(w[~m].any() for w, m in zip(self.weights, self.masks)):
            raise InputError("machine: a weight outside its mask is not zero")

    @property
    def layer_sizes(self):
        """Units per layer, visible first."""
        return tuple(len(bias) for bias in self.biases)

    @property
    def n_weights(self):
        """Existing weights per weight layer."""
        return tuple(int(np.count_nonzero(mask)) for mask in self.masks)

    @property
    def is_empty(self):
        """Whether a weight layer has no weight: then nothing is left to prune, to train or to sample."""
        return 0 in self.n_weights

    @property
    def is_rbm(self):
        """One hidden layer."""
        return len(self.weights) == 1


def without_units(n_weight_layers):
    """The machine that a sequence of prunings ends with, as far as it has a size: no unit in any layer."""
    layers, pairs = range(n_weight_layers + 1), range(n_weight_layers)
    return BoltzmannMachine(
        tuple(np.zeros((0, 0), dtype=np.float32) for _ in pairs),
        tuple(np.zeros(0, dtype=np.float32) for _ in layers),
        tuple(np.zeros((0, 0), dtype=bool) for _ in pairs),
    )


def all_finite(machine):
    """Whether every parameter is a finite number."""
    return all(np.isfinite(array).all() for array in (*machine.weights, *machine.biases))


def sigmoid(x, xp=np):
    """s(x) = 1 / (1 + exp(-x)), without overflow, small values to full relative precision, in the dtype of x."""
    return xp.exp(-xp.logaddexp(0, -x))


def field_of(machine, states, layer):
    """Field (pre-activation) of one layer given its neighbours: b + states_below.W + W.states_above (Eqs. 9, 10).

    Parameters
    ----------
    machine : BoltzmannMachine
    states : list of (n_chains, n_units) arrays
        States or probabilities of all layers; those of `layer` itself are not read.
    layer : int

    Returns
    -------
    (n_chains, n_units) array of the dtype of the weights
    """
    total = machine.biases[layer]
    if layer > 0:
        weights = machine.weights[layer - 1]
        total = total + states[layer - 1].astype(weights.dtype) @ weights
    if layer < len(machine.weights):
        weights = machine.weights[layer]
        total = total + states[layer + 1].astype(weights.dtype) @ weights.T
    return total


def energy(machine, states):
    """E = - sum_l s_l . W_l . s_(l+1) - sum_l b_l . s_l  (Eqs. 1, 10): (n_chains,) float64, nats."""
    s = [np.asarray(state, dtype=np.float64) for state in states]
    total = -sum(np.einsum("ci,ij,cj->c", s[i], w, s[i + 1]) for i, w in enumerate(machine.weights))
    return total - sum(state @ bias for state, bias in zip(s, machine.biases))


def free_energy(machine, visible):
    """Free energy of an RBM's visible patterns, F(v) = -b_v.v - sum_j softplus(b_h_j + (v.W)_j)  (Eq. 8 without log Z).

    Parameters
    ----------
    machine : BoltzmannMachine
        With one weight layer.
    visible : (n, n_visible) array in {0, 1}

    Returns
    -------
    (n,) float64, nats
    """
    v = np.asarray(visible, dtype=np.float64)
    hidden_field = v @ machine.weights[0].astype(np.float64) + machine.biases[1]
    return -(v @ machine.biases[0].astype(np.float64)) - np.logaddexp(0.0, hidden_field).sum(axis=1)
