"""The order of an array's axes: what can hardly be meant is refused, with what would turn it round.

No array says what its axes are. Images come with channels first, with the images along the last axis, or as one colour
image; rasters of spikes come with a row for each unit. Each would be read as patterns of something, and pruned.
"""

from boltzprune.errors import InputError

MAX_CHANNELS = 4
"""Grey, red-green-blue, with transparency: an axis as short as this is no side of an image."""
MOST_CHANNELS = 1024
MAX_ASPECT = 32
"""Longer side of an image by the shorter."""
MAX_UNITS_PER_PATTERN = 10
"""Columns of `patterns` by rows; beyond, the rows are rather units."""
STATED = "n_visible"
"""Name of a number in the file that says how many units a pattern has."""
AS_IT_IS = "if it is right as it is, store images[..., None], with an axis of one channel"


def check_images(shape: tuple[int, ...], name: str) -> None:
    """Refuse a stack of images whose axes can hardly be (n, height, width[, channels]).

    With an explicit axis of one channel, (n, height, width, 1), everything is accepted.

    Parameters
    ----------
    shape
        3 or 4 numbers, all above 0.
    name
        File and array, for the message.

    Raises
    ------
    InputError
    """
    problem = _of_grey(*shape) if len(shape) == 3 else _of_channels(*shape) if shape[3] > 1 else None
    if problem:
        expected = "(n, height, width) or (n, height, width, channels)"
        raise InputError(f"{name} has the shape {shape}; expected {expected}, but {problem}")


def _of_grey(n: int, height: int, width: int) -> str | None:
    """What is wrong with images without channels, and the remedy; None if nothing is."""
    if width <= MAX_CHANNELS < min(n, height):
        return (
            f"images {width} wide are hardly meant: of one image of {n} x {height} pixels and {width} channels store "
            f"images[None]; {AS_IT_IS}"
        )
    if (n == height and width > 2 * height) or width > MAX_ASPECT * height:
        return (
            f"{n} images of {height} x {width} are hardly meant: if there are {width} images of {n} x {height}, store "
            f"numpy.moveaxis(images, -1, 0); {AS_IT_IS}"
        )
    if height > MAX_ASPECT * width:
        return f"{n} images of {height} x {width} are hardly meant: reshape them to their two sides; {AS_IT_IS}"
    return None


def _of_channels(n: int, height: int, width: int, channels: int) -> str | None:
    """What is wrong with images with channels, and the remedy; None if nothing is."""
    if height <= MAX_CHANNELS < channels:
        remedy = "numpy.moveaxis(images, 1, -1)"
        return f"{height} is rather the number of channels, which come last: store {remedy}"
    if width <= MAX_CHANNELS < channels:
        remedy = "numpy.moveaxis(images, -1, 0)"
        return f"{channels} is rather the number of images, which comes first: store {remedy}"
    if channels > MOST_CHANNELS or max(height, width) > MAX_ASPECT * min(height, width):
        return (
            f"{n} images of {height} x {width} pixels and {channels} channels are hardly meant: put the axes in this "
            "order with numpy.transpose; if they are right as they are, store images.sum(axis=-1, keepdims=True), "
            "which is all that is used"
        )
    return None


def check_patterns(shape: tuple[int, ...], stated: int | None, name: str) -> None:
    """Refuse patterns whose rows are rather units, or that have another number of units than the file states.

    Parameters
    ----------
    shape : (n, n_visible), both above 0
    stated
        The number `n_visible` in the file, if it is there: then the shape is not judged.
    name
        File and array, for the message.

    Raises
    ------
    InputError
    """
    n, n_visible = shape
    turned = "store patterns.T if its rows are units and its columns patterns (time bins, for example)"
    if stated is not None and stated != n_visible:
        remedy = turned if stated == n else "correct one of the two"
        raise InputError(
            f"{name} has the shape {shape} and {STATED} in the same file is {stated}; expected (n, {stated}): {remedy}"
        )
    if stated is None and n_visible > MAX_UNITS_PER_PATTERN * n:
        raise InputError(
            f"{name} has the shape {shape}; expected (n, n_visible), but {n} patterns of {n_visible} units are hardly "
            f"meant: {turned}; if it is right as it is, store {STATED}={n_visible} beside it in the same file"
        )


def check_digits(shape: tuple[int, ...], n_labels: int, names: tuple[str, str]) -> None:
    """Refuse images of digits that are not (n, height, width), by the number of their labels where that can tell.

    Parameters
    ----------
    shape
    n_labels
        0 if the labels are no list of numbers.
    names
        File and array of the images, and the array of the labels.

    Raises
    ------
    InputError
    """
    name, labels = names
    if len(shape) == 3 and 0 not in shape and (shape[0] == n_labels or shape[-1] != n_labels):
        return
    array = name.rsplit(" ", 1)[-1]
    remedy = "one number for each pixel, so no colours"
    if len(shape) == 2:
        remedy = f"store {array}.reshape(len({array}), height, width)"
    elif len(shape) == 3 and 0 not in shape:
        remedy = f"there are {n_labels} {labels}, so the images are along the last axis: numpy.moveaxis({array}, -1, 0)"
    elif len(shape) == 4 and 1 in (shape[1], shape[-1]):
        remedy = f"store {array}[..., 0]" if shape[-1] == 1 else f"store {array}[:, 0]"
    elif len(shape) == 4:
        axis = 1 if shape[1] <= MAX_CHANNELS < shape[-1] else -1
        remedy = f"one number for each pixel, so no colours: store {array}.mean(axis={axis})"
    raise InputError(f"{name} has the shape {shape}; expected (n, height, width), none of them 0: {remedy}")
