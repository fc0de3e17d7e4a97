"""The prepared patterns, as every later stage reads them."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from boltzprune.results.store import Arrays


@dataclass(frozen=True)
class DigitSet:
    """Binary images with labels.

    Attributes
    ----------
    states : (n, n_visible) uint8 in {0, 1}
        All training images in their order; machines learn from the first n_train.
    labels : (n,) uint8
    test_states, test_labels : the same of the test images
    n_train, n_classes : int
    shape : (height, width)
    """

    states: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    test_states: npt.NDArray[np.uint8]
    test_labels: npt.NDArray[np.uint8]
    n_train: int
    n_classes: int
    shape: tuple[int, int]

    @property
    def cases(self) -> npt.NDArray[np.uint8]:
        """What the machines learn from."""
        return self.states[: self.n_train]


def read_states(arrays: Arrays) -> npt.NDArray[np.uint8]:
    """Patterns in their order: (n_patterns, n_visible) uint8 in {0, 1}, from the `Arrays` that `prepare` wrote."""
    return _states(arrays, "packed", arrays.number("n_visible"))


def read_images(arrays: Arrays) -> tuple[npt.NDArray[np.uint8], tuple[int, int]]:
    """All training images, (n, n_visible) uint8 in {0, 1}, and their shape, (height, width), from the same `Arrays`."""
    states, (height, width) = read_states(arrays), arrays.checked("shape", "iu", (2,))
    shape = int(height), int(width)
    if min(shape) < 1 or math.prod(shape) != states.shape[1]:
        raise arrays.damaged(f"images of shape {shape} do not have {states.shape[1]} pixels")
    return states, shape


def read_digits(arrays: Arrays) -> DigitSet:
    """The `DigitSet` from the `Arrays` that `prepare_digits` wrote."""
    states, shape = read_images(arrays)
    test_states = _states(arrays, "test_packed", states.shape[1])
    n_train, n_classes = arrays.number("n_train"), arrays.number("n_classes")
    labels = arrays.checked("labels", "u", (len(states),))
    test_labels = arrays.checked("test_labels", "u", (len(test_states),))
    if not 1 <= n_train <= len(states):
        raise arrays.damaged(f"{n_train} training images of {len(states)} are to be used")
    if max(labels.max(), test_labels.max()) >= n_classes:
        raise arrays.damaged(f"a label is not below the number of classes, {n_classes}")
    return DigitSet(states, labels, test_states, test_labels, n_train, n_classes, shape)


def _states(arrays: Arrays, name: str, n_visible: int) -> npt.NDArray[np.uint8]:
    """Packed patterns, at least one of at least one pixel."""
    states = arrays.states(name, n_visible)
    if 0 in states.shape:
        raise arrays.damaged(f"{name!r} has no patterns")
    return states
