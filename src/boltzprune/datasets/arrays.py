"""A user's own data: an .npz file with `patterns` or with `images`."""

import os
from pathlib import Path

import numpy as np

from boltzprune import npz
from boltzprune.datasets.raw import Raw
from boltzprune.errors import InputError

KEYS = ("patterns", "images")
EXAMPLE = "numpy.savez_compressed(path, patterns=...) or (path, images=...)"
MAX_BYTES = npz.MAX_BYTES
MAX_INTEGER = 2**31


def locate(settings):
    """The user's file.

    Parameters
    ----------
    settings : object
        With file (str or None).

    Returns
    -------
    list of one pathlib.Path

    Raises
    ------
    InputError
        If none is named or it is not there.
    """
    return [find(settings.file, "patches.data")]


def find(file, section):
    """The path of the user's file; InputError, which names the section of the configuration, if it is not there."""
    if not file:
        raise InputError(f"{section}.file is not set; {section}.source 'npz' expects the path of an .npz file")
    path = Path(file).expanduser()
    if not os.path.isfile(path):
        raise InputError(f"{section}.file is {str(path)!r}, which is not there; expected the path of an .npz file")
    return path


def read(paths, settings):
    """The patterns or images of the user's file.

    Parameters
    ----------
    paths : list of one pathlib.Path
        An .npz file with either the key `patterns`, (n, n_visible), all 0 or 1, or the key `images`,
        (n, height, width) or (n, height, width, channels), finite numbers.
    settings : object
        Not used.

    Returns
    -------
    Raw

    Raises
    ------
    InputError
        If the file is something else, damaged, larger than MAX_BYTES unpacked, or an array is not as above.
    """
    path = Path(paths[0])
    ((key, array),) = load(path, lambda names: _wanted(names, path), EXAMPLE).items()
    if key == "patterns":
        return Raw(patterns=_patterns(array, path), notes=[f"{len(array)} patterns from {path.name}"])
    images = _images(array, path)
    return Raw(images=[images], notes=[f"{len(images)} images from {path.name}"])


def load(path, choose, example):
    """Some arrays of an .npz file, each checked before any memory is taken for it.

    Parameters
    ----------
    path : pathlib.Path
    choose : callable, (list of str) -> list of str
        From the keys in the file those to read; InputError if they are not what they have to be.
    example : str
        What writes such a file, for the message.

    Returns
    -------
    dict of str to array
        Integers, floats or booleans.

    Raises
    ------
    InputError
        If the file or an array in it is something else, damaged, or larger than MAX_BYTES.
    """
    try:
        with npz.open_archive(path) as archive:
            keys = choose(npz.keys(archive))
            return {key: _member(archive, key, path, example) for key in keys}
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise InputError(
            f"{path} cannot be read as an .npz file ({type(error).__name__}: {error}); expected what {example} writes"
        ) from None


def _wanted(names, path):
    """The one key of the two that the file has."""
    keys = [key for key in KEYS if key in names]
    if len(keys) != 1 or names.count(keys[0]) != 1:
        raise InputError(f"{path} has the keys {names[:9]}; expected one of {' and '.join(KEYS)}, not both")
    return keys


def _member(archive, key, path, example):
    """One array of an open .npz file."""
    try:
        return npz.read_array(archive, key, MAX_BYTES)
    except ValueError as error:
        raise InputError(f"{path}: {key} {error}; expected what {example} writes") from None


def _patterns(array, path):
    """(n, n_visible) uint8 in {0, 1}."""
    if array.ndim != 2 or 0 in array.shape:
        raise InputError(f"{path}: patterns has the shape {array.shape}; expected (n, n_visible), neither 0")
    is_binary = (array == 0) | (array == 1)
    if not is_binary.all():
        row, column = np.unravel_index(np.argmin(is_binary), array.shape)
        found = f"{array[row, column]} at [{row}, {column}]"
        raise InputError(f"{path}: patterns holds {found}; expected only 0 and 1: make them binary or store images")
    return array.astype(np.uint8)


def _images(array, path):
    """(n, height, width, channels), finite numbers."""
    if array.ndim not in (3, 4) or 0 in array.shape:
        expected = "(n, height, width) or (n, height, width, channels), none of them 0"
        raise InputError(f"{path}: images has the shape {array.shape}; expected {expected}")
    array = check_numbers(array, f"{path}: images")
    return array[..., None] if array.ndim == 3 else array


def check_numbers(array, name):
    """Finite numbers that fit an int64 sum; booleans as uint8; InputError otherwise."""
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise InputError(f"{name} holds values that are not finite; expected finite numbers")
    elif array.max() > MAX_INTEGER or array.min() < -MAX_INTEGER:
        raise InputError(f"{name} holds integers beyond {MAX_INTEGER}; expected smaller ones, or floats")
    return array.astype(np.uint8) if array.dtype.kind == "b" else array
