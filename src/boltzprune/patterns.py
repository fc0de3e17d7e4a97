"""The prepared patterns, as every later stage reads them."""

from dataclasses import dataclass

import numpy as np


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

    states: np.ndarray
    labels: np.ndarray
    test_states: np.ndarray
    test_labels: np.ndarray
    n_train: int
    n_classes: int
    shape: tuple

    @property
    def cases(self):
        """What the machines learn from."""
        return self.states[: self.n_train]


def read_states(arrays):
    """Patterns in their order: (n_patterns, n_visible) uint8 in {0, 1}, from the `Arrays` that `prepare` wrote."""
    return np.unpackbits(arrays["packed"], axis=1, count=int(arrays["n_visible"]))


def read_digits(arrays):
    """The `DigitSet` from the `Arrays` that `prepare_digits` wrote."""
    n_visible = int(arrays["n_visible"])
    states, test_states = (np.unpackbits(arrays[name], axis=1, count=n_visible) for name in ("packed", "test_packed"))
    numbers = int(arrays["n_train"]), int(arrays["n_classes"]), tuple(int(side) for side in arrays["shape"])
    return DigitSet(states, arrays["labels"], test_states, arrays["test_labels"], *numbers)
