"""Folders and files that a user names, or that come with a library: found, or refused with what is there instead."""

import importlib.util
import os
import re
from collections.abc import Sequence
from pathlib import Path

from boltzprune.errors import InputError

SIGNS = {
    "CIFAR-10": r"cifar-10-(batches-py|batches-bin|python\.tar\.gz|binary\.tar\.gz)|data_batch_[1-5](\.bin)?",
    "CIFAR-100": r"cifar-100-(python|binary)(\.tar\.gz)?|(fine|coarse)_label_names\.txt",
    "MNIST or another set in IDX files": r".*(images[-.]idx3|labels[-.]idx1)[-.]ubyte(\.gz)?",
    "SVHN": r"(train|test|extra)_32x32\.mat",
    "STL-10": r"stl10_binary(\.tar\.gz)?|(train|test|unlabeled)_X\.bin",
}
"""Data set -> names of files or folders that only it has."""
FILES_OF_CIFAR_100 = {"meta", "train", "test"}
"""What is in its folder; no name of these is its alone."""
SHOWN = 5


def path_of(text: str, key: str) -> Path:
    """A path that a user wrote, with `~` as the home folder; InputError, which names the key, if that is unknown."""
    if not text:
        raise InputError(f"{key} is {text!r}; expected a path, or null")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise InputError(f"{key} is {text!r}: {error}; expected a path, with ~ for your home folder alone") from None


def folder(text: str, key: str, expected: str) -> Path:
    """A folder that is there.

    Parameters
    ----------
    text
        As the user wrote it.
    key
        Of the configuration.
    expected
        What the folder should hold.

    Returns
    -------
    pathlib.Path

    Raises
    ------
    InputError
        If it is not there or a file; it is never made, so that a mistyped folder never becomes another data set.
    """
    path = path_of(text, key)
    if os.path.isfile(path):
        raise InputError(f"{key} is {text!r}, which is a file; expected the folder that holds it, with {expected}")
    if not os.path.isdir(path):
        raise InputError(
            f"{key} is {text!r}, which is not there{_looked_for(path, text)}; expected a folder with {expected}"
        )
    return path


def file(text: str, key: str, ending: str) -> Path:
    """A file that is there; InputError, which names the key and what is there instead, if it is none.

    Parameters
    ----------
    text
        As the user wrote it.
    key
        Of the configuration.
    ending
        Of its name, for the message.
    """
    path = path_of(text, key)
    expected = f"expected the path of an {ending} file"
    if os.path.isdir(path):
        inside = [name for name in sorted(os.listdir(path)) if name.endswith(ending)]
        there = f"with {_some(inside)}" if inside else f"without any {ending} file"
        raise InputError(f"{key} is {text!r}, which is a folder, {there}; {expected}")
    if not os.path.exists(path):
        raise InputError(f"{key} is {text!r}, which is not there{_looked_for(path, text)}; {expected}")
    if not os.path.isfile(path):
        raise InputError(f"{key} is {text!r}, which is no regular file; {expected}")
    return path


def of_library(module: str) -> Path:
    """The folder of an installed library, found without importing it, which takes some most of a second.

    InputError if the library is not installed.
    """
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise InputError(f"the library {module} is not installed; install boltzprune again, with what it needs")
    return Path(spec.origin).parent


def held(path: Path) -> str:
    """What a folder without the wanted data set holds, for a message: other data sets by name, else some names."""
    names = _names(path)
    below = {name for child in names for name in _names(path / child)}
    found = [
        name for name, sign in SIGNS.items() if any(re.fullmatch(sign, each, re.IGNORECASE) for each in names | below)
    ]
    if any(_names(place) >= FILES_OF_CIFAR_100 for place in (path, *(path / child for child in names))):
        found = list(dict.fromkeys([*found, "CIFAR-100"]))
    if found:
        return f"it holds {' and '.join(found)}"
    return f"it holds {_some(sorted(names))}" if names else "it is empty"


def _names(path: Path) -> set[str]:
    """Names in a folder without hidden ones; none if it is no folder or cannot be listed."""
    try:
        return {name for name in os.listdir(path) if not name.startswith(".")}
    except OSError:
        return set()


def _some(names: Sequence[str]) -> str:
    """A few names."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def _looked_for(path: Path, text: str) -> str:
    """Where a relative path or one with `~` leads: the former begins at the working folder of the workflow."""
    return "" if os.path.isabs(text) else f" (looked for {path.absolute()})"
