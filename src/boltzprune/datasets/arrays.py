"""A user's own data: an .npz file with `patterns` or with `images`."""

import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from boltzprune.datasets import layouts, places
from boltzprune.datasets.raw import Raw, Source
from boltzprune.datasets.sizes import PatchSizes, npz_shapes
from boltzprune.errors import InputError
from boltzprune.results import npz
from boltzprune.results.files import check_regular

KEYS = ("patterns", "images")
EXAMPLE = "numpy.savez_compressed(path, patterns=...) or (path, images=...)"
MAX_BYTES = npz.MAX_BYTES
MAX_INTEGER = 2**31


def locate(settings: Any) -> list[Path]:
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


def find(file: str | None, section: str) -> Path:
    """The path of the user's file; InputError, which names the section of the configuration, if it is not there."""
    if not file:
        raise InputError(f"{section}.file is not set; {section}.source 'npz' expects the path of an .npz file")
    return places.file(file, f"{section}.file", ".npz")


def read(paths: Sequence[str | os.PathLike[str]], settings: Any) -> Raw:
    """The patterns or images of the user's file.

    Parameters
    ----------
    paths : list of one pathlib.Path
        An .npz file with either the key `patterns`, (n, n_visible), all 0 or 1, and perhaps n_visible as a number, or
        the key `images`, (n, height, width) or (n, height, width, channels), finite numbers.
    settings : object
        Not used.

    Returns
    -------
    Raw

    Raises
    ------
    InputError
        If the file is something else, damaged, larger than MAX_BYTES unpacked, or an array is not as above or has its
        axes in an order that can hardly be meant (see `boltzprune.datasets.layouts`).
    """
    path = Path(paths[0])
    found = load(path, lambda names: _wanted(names, path), EXAMPLE)
    if "patterns" in found:
        patterns = _patterns(found["patterns"], found.get(layouts.STATED), path)
        return Raw(patterns=patterns, notes=[f"{len(patterns)} patterns from {path.name}"])
    images = _images(found["images"], path)
    return Raw(images=[images], notes=[f"{len(images)} images from {path.name}"])


def load(path: Path, choose: Callable[[list[str]], list[str]], example: str) -> dict[str, np.ndarray]:
    """Some arrays of an .npz file, each checked before any memory is taken for it.

    Parameters
    ----------
    path
    choose
        From the keys in the file those to read; InputError if they are not what they have to be.
    example
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
        is_npy = ": it is an .npy file, one array without a name" if _is_npy(path) else ""
        raise InputError(
            f"{path} cannot be read as an .npz file ({type(error).__name__}: {error}){is_npy}; expected what {example} "
            "writes"
        ) from None


def _is_npy(path: Path) -> bool:
    """Whether a file begins as one array without a name does."""
    try:
        check_regular(path)
        with open(path, "rb") as file:
            return file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX
    except OSError:
        return False


def named(names: list[str], path: Path, expected: str) -> str:
    """The start of a message on names in an .npz file, and what numpy does with arrays that are given none.

    Parameters
    ----------
    names
        Those in the file.
    path
    expected
        Names that should be there, in words.
    """
    nameless = ": numpy calls an array arr_0 that is saved without a name" if "arr_0" in names else ""
    return f"{path} has the keys {names[:9]}; expected {expected}{nameless}"


def _wanted(names: list[str], path: Path) -> list[str]:
    """The one key of the two that the file has, and the number beside `patterns` if it is there."""
    keys = [key for key in KEYS if key in names]
    if len(keys) != 1 or names.count(keys[0]) != 1:
        raise InputError(named(names, path, f"one of {' and '.join(KEYS)}, not both"))
    return [*keys, layouts.STATED] if keys == ["patterns"] and names.count(layouts.STATED) == 1 else keys


def _member(archive: zipfile.ZipFile, key: str, path: Path, example: str) -> np.ndarray:
    """One array of an open .npz file."""
    try:
        return npz.read_array(archive, key, MAX_BYTES)
    except ValueError as error:
        raise InputError(f"{path}: {key} {error}; expected what {example} writes") from None


def _patterns(array: np.ndarray, stated: np.ndarray | None, path: Path) -> npt.NDArray[np.uint8]:
    """(n, n_visible) uint8 in {0, 1}; `stated`: the number of units in the file, or None."""
    if array.ndim != 2 or 0 in array.shape:
        remedy = ": store patterns.reshape(len(patterns), -1), or the same as images" if array.ndim > 2 else ""
        raise InputError(f"{path}: patterns has the shape {array.shape}; expected (n, n_visible), neither 0{remedy}")
    if stated is not None and (stated.ndim != 0 or stated.dtype.kind not in "ui"):
        found = f"has the shape {stated.shape} and the type {stated.dtype}"
        raise InputError(f"{path}: {layouts.STATED} {found}; expected one integer, the number of units of a pattern")
    layouts.check_patterns(array.shape, None if stated is None else int(stated), f"{path}: patterns")
    is_binary = (array == 0) | (array == 1)
    if not is_binary.all():
        row, column = np.unravel_index(np.argmin(is_binary), array.shape)
        found = f"{array[row, column]} at [{row}, {column}]"
        raise InputError(f"{path}: patterns holds {found}; expected only 0 and 1: make them binary or store images")
    return array.astype(np.uint8)


def _images(array: np.ndarray, path: Path) -> np.ndarray:
    """(n, height, width, channels), finite numbers."""
    if array.ndim not in (3, 4) or 0 in array.shape:
        expected = "(n, height, width) or (n, height, width, channels), none of them 0"
        remedy = ": store images.reshape(len(images), height, width)" if array.ndim == 2 else ""
        raise InputError(f"{path}: images has the shape {array.shape}; expected {expected}{remedy}")
    layouts.check_images(array.shape, f"{path}: images")
    array = check_numbers(array, f"{path}: images")
    return array[..., None] if array.ndim == 3 else array


def check_numbers(array: np.ndarray, name: str) -> np.ndarray:
    """Finite numbers that fit an int64 sum; booleans as uint8; InputError otherwise."""
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise InputError(f"{name} holds values that are not finite; expected finite numbers")
    elif array.max() > MAX_INTEGER or array.min() < -MAX_INTEGER:
        raise InputError(f"{name} holds integers beyond {MAX_INTEGER}; expected smaller ones, or floats")
    return array.astype(np.uint8) if array.dtype.kind == "b" else array


def sizes(data: Any) -> PatchSizes:
    """Sizes by the headers of the user's file; nothing is known if they are not those of images or patterns."""
    shapes = npz_shapes(locate, data)
    if len(shapes.get("patterns", ())) == 2:
        return PatchSizes(n_patterns=shapes["patterns"][0], n_units=shapes["patterns"][1])
    if len(shapes.get("images", ())) in (3, 4):
        n, height, width, *_ = shapes["images"]
        return PatchSizes((height, width), n)
    return PatchSizes()


SOURCE = Source(
    name="npz",
    experiment="patches",
    label="own data",
    summary="an .npz file of the user's with binary patterns or with images",
    citation="the user's own data",
    locate=locate,
    read=read,
    sizes=sizes,
    place="file",
)
