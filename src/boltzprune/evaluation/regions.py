"""Where the pixels of an image are: at its border or in its centre."""

import numpy as np
import numpy.typing as npt


def border_and_centre(shape: tuple[int, int]) -> dict[str, npt.NDArray[np.bool_]]:
    """Border, a tenth of the shorter side wide but at least one pixel, and centre, the middle half of rows and columns.

    Parameters
    ----------
    shape : (height, width)

    Returns
    -------
    dict of str -> (n_pixels,) bool
        border, centre: no pixel is in both. The centre of a small image is empty.
    """
    (height, width), edge = shape, max(1, min(shape) // 10)
    y, x = (index.ravel() for index in np.indices(shape))
    border = (np.minimum(y, height - 1 - y) < edge) | (np.minimum(x, width - 1 - x) < edge)
    centre = (abs(2 * y + 1 - height) < height / 2) & (abs(2 * x + 1 - width) < width / 2)
    return {"border": border, "centre": centre & ~border}
