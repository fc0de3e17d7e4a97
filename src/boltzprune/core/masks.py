"""Which weights a machine has before any pruning."""

import numpy as np
import numpy.typing as npt

from boltzprune.errors import InputError


def receptive_fields(shape: tuple[int, int], side: int) -> npt.NDArray[np.bool_]:
    """Each upper unit sees the pixels of a square around its own, clipped at the border of the image.

    Parameters
    ----------
    shape : (height, width), pixels
    side : int, odd, pixels
        5 on 20 x 20 pixels leaves 8,836 weights.

    Returns
    -------
    (height * width, height * width) bool
        Pixels by units, both row by row.

    Raises
    ------
    InputError
        If side is even or not positive.

    Examples
    --------
    >>> import boltzprune
    >>> int(boltzprune.receptive_fields((20, 20), side=5).sum())
    8836
    """
    if side < 1 or side % 2 == 0:
        raise InputError(f"digits.machine.receptive_field is {side}; expected an odd number of pixels")
    y, x = (index.ravel() for index in np.indices(shape))
    reach = side // 2
    return (np.abs(y[:, None] - y) <= reach) & (np.abs(x[:, None] - x) <= reach)
