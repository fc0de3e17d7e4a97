"""The prepared patterns, as every later stage reads them."""

import numpy as np


def read_states(arrays):
    """Patterns in their order: (n_patterns, n_visible) uint8 in {0, 1}, from the `Arrays` that `prepare` wrote."""
    return np.unpackbits(arrays["packed"], axis=1, count=int(arrays["n_visible"]))
