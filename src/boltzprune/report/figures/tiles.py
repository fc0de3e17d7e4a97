"""Images in a panel, black on white, one or many in rows."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle

FRAME = "#a8a8a8"


def mosaic(images: np.ndarray, n_columns: int) -> np.ndarray:
    """Images side by side, in rows.

    Parameters
    ----------
    images : (n, height, width) array in [0, 1]
    n_columns : int

    Returns
    -------
    (rows * height, n_columns * width) float
        0 where no image is left.
    """
    n, height, width = images.shape
    n_rows = -(-n // n_columns)
    whole = np.zeros((n_rows * n_columns, height, width))
    whole[:n] = images
    return whole.reshape(n_rows, n_columns, height, width).swapaxes(1, 2).reshape(n_rows * height, n_columns * width)


def show(axes: Axes, image: np.ndarray) -> AxesImage:
    """An image without axes: 0 white, 1 black."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(True)
    return axes.imshow(image, cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")


def show_images(axes: Axes, images: np.ndarray, n_columns: int) -> None:
    """Images in rows, with a grey line around each.

    Parameters
    ----------
    axes
    images : (n, height, width), in [0, 1]
    n_columns
    """
    n, height, width = images.shape
    show(axes, mosaic(images, n_columns))
    axes.spines[:].set_visible(False)
    for i in range(n):
        corner = i % n_columns * width - 0.5, i // n_columns * height - 0.5
        axes.add_patch(Rectangle(corner, width, height, fill=False, color=FRAME, lw=0.9, clip_on=False))
