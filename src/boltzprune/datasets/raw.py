"""What every data source hands on: images or finished patterns."""

from dataclasses import dataclass, field

import numpy as np

from boltzprune.errors import InputError


@dataclass(frozen=True)
class Raw:
    """Images or patterns as a source holds them; exactly one of the two.

    Attributes
    ----------
    images : list of (n, height, width, channels) arrays, uint8 (a user's file: any integer or float), or None
        The stacks may differ in all four sizes.
    patterns : (n, n_visible) uint8 array in {0, 1}, or None
    notes : list of str
        What a reader of the results has to know about the data.

    Raises
    ------
    ValueError
        If both or neither of images and patterns are given.
    """

    images: list[np.ndarray] | None = None
    patterns: np.ndarray | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self):
        if (self.images is None) == (self.patterns is None):
            raise ValueError("a Raw holds either images or patterns")


def read_bounded(path, limit, expected):
    """All bytes of a file of 1 to `limit` bytes.

    Parameters
    ----------
    path : pathlib.Path
    limit : int
        Largest accepted size in bytes.
    expected : str
        What the file should be, for the message.

    Returns
    -------
    bytes

    Raises
    ------
    InputError
        If the file cannot be opened, is empty or is larger.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); expected {expected}") from None
    if not content:
        raise InputError(f"{path} is empty; expected {expected}")
    if len(content) > limit:
        raise InputError(f"{path} is larger than {limit} bytes; expected {expected}")
    return content
