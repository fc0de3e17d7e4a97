"""Which weights a pruning has left, in the numbering of the machine before any pruning, and how far two masks agree.

All criteria prune the same initial machine of a seed, so that their masks can be compared weight by weight. Machines of
two seeds begin with other random weights: hidden unit 3 of one has nothing to do with hidden unit 3 of the other, and
no more have their weights. What seeds share are the visible units, which are pixels, and hidden units that are told
apart by their receptive fields. So seeds are compared by where among these units weights are left.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boltzprune.core.machine import BoltzmannMachine


@dataclass(frozen=True)
class Overlap:
    """How many weights two prunings of one machine have both kept.

    Attributes
    ----------
    n_one, n_other : int
        Weights that each has kept.
    n_both : int
        Weights that both have kept.
    n_expected : float
        n_one n_other / N, what two random choices out of the N initial weights have in common on average.
    index : float
        In [-1, 1], see `overlap`.
    """

    n_one: int
    n_other: int
    n_both: int
    n_expected: float
    index: float


def kept(machine: BoltzmannMachine, sizes: Sequence[int]) -> tuple[npt.NDArray[np.bool_], ...]:
    """The weights of a pruned machine, between the units that it had before any pruning.

    Parameters
    ----------
    machine : BoltzmannMachine
        Its `units` say which of the first units it still has.
    sizes : sequence of int
        Units of each layer before any pruning.

    Returns
    -------
    tuple of (n_lower, n_upper) bool
        Of those sizes; False where the weight or one of its units is gone.
    """
    pairs = list(zip(sizes[:-1], sizes[1:]))
    found = tuple(np.zeros(shape, dtype=bool) for shape in pairs)
    for whole, mask, lower, upper in zip(found, machine.masks, machine.units[:-1], machine.units[1:], strict=True):
        whole[np.ix_(lower, upper)] = mask
    return found


def overlap(one: npt.NDArray[np.bool_], other: npt.NDArray[np.bool_], n_initial: int) -> Overlap:
    """How far two masks agree beyond chance: Cole's (1949) coefficient of association.

    With a and b weights kept out of N, c of them by both, and e = a b / N expected by chance,

        index = (c - e) / (min(a, b) - e)            where c >= e,
        index = (c - e) / (e - max(0, a + b - N))    where c < e.

    It is 1 where the smaller mask lies within the larger one, 0 where the masks have as many weights in common as
    random ones, and -1 where they have as few in common as their sizes allow. It is NaN where the sizes leave no
    choice: one mask is empty or has all N weights.

    Parameters
    ----------
    one, other : bool arrays of the same shape
        Of the same layer of the same machine, see `kept`.
    n_initial : int
        N, the weights that the layer had before any pruning.

    Returns
    -------
    Overlap

    Examples
    --------
    >>> import numpy as np
    >>> overlap(np.array([True, True, False, False, False]), np.array([True, False, True, False, False]), 5).index
    0.16666666666666666
    """
    n_one, n_other, n_both = (int(np.count_nonzero(mask)) for mask in (one, other, one & other))
    expected = n_one * n_other / n_initial
    # times N all is whole, so that what is as much as chance expects gives 0
    excess = n_both * n_initial - n_one * n_other
    bound = min(n_one, n_other) if excess >= 0 else max(0, n_one + n_other - n_initial)
    most = abs(bound * n_initial - n_one * n_other)
    return Overlap(n_one, n_other, n_both, expected, excess / most if most else float("nan"))


def common_layers(initial: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    """Layers whose units are the same in every seed: the visible ones, and h1 if its receptive fields tell units apart.

    Parameters
    ----------
    initial : (n_visible, n_h1) bool
        Weights before any pruning.

    Returns
    -------
    tuple of int
        0, or 0 and 1.
    """
    fields = np.packbits(initial, axis=0).T
    return (0, 1) if len(np.unique(fields, axis=0)) == len(fields) else (0,)


def profile(left: npt.NDArray[np.bool_], initial: npt.NDArray[np.bool_], layer: int) -> npt.NDArray[np.float64]:
    """Share of the weights between the visible units and h1 that each unit still has.

    It is a share, since a unit at the border of the image has fewer weights from the beginning, in every seed, which no
    pruning has done. It is of these weights alone, since another fraction can be pruned of the next layer.

    Parameters
    ----------
    left, initial : (n_visible, n_h1) bool
        See `kept`; before any pruning.
    layer : int
        0: of each visible unit, 1: of each unit of h1.

    Returns
    -------
    (n_units,) float64 in [0, 1]
        0 for a unit that is gone.
    """
    return left.sum(axis=1 - layer) / initial.sum(axis=1 - layer)


def agreement(profiles: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Mean correlation (Pearson) of the profile of each seed with those of the other seeds.

    Weights that are removed at random leave every unit the same share on average, so that profiles of two seeds are
    uncorrelated.

    Parameters
    ----------
    profiles : (n_seeds, n_units)
        See `profile`.

    Returns
    -------
    (n_seeds,) float64 in [-1, 1]
        NaN for a seed whose profile is constant, so that it has no correlation, or that has no other to be compared
        with.
    """
    profiles = np.asarray(profiles, dtype=float)
    varies, found = np.ptp(profiles, axis=1) > 0, np.full(len(profiles), np.nan)
    if varies.sum() > 1:
        correlations = np.corrcoef(profiles[varies])
        np.fill_diagonal(correlations, 0)
        found[varies] = correlations.sum(axis=1) / (len(correlations) - 1)
    return found
