"""What the functions for one machine have in common: their data, their settings, and where they compute."""

import contextlib
import functools
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boltzprune.backend import get_backend
from boltzprune.errors import InputError
from boltzprune.study.config.base import Kind, checked
from boltzprune.study.progress import Progress

if TYPE_CHECKING:
    from boltzprune.backend.arrays import Backend

log = logging.getLogger("boltzprune")


def states_of(
    cases: npt.ArrayLike,
    n_visible: int | None = None,
    name: str = "cases",
    remedy: str = "make them binary first, for example by cases > threshold",
) -> npt.NDArray[np.uint8]:
    """Binary cases as the kernels take them.

    Parameters
    ----------
    cases : (n_cases, n_visible) array in {0, 1}
        Of any type of number, or booleans.
    n_visible : int, optional
        How many columns there have to be.
    name, remedy : str
        What messages call them, and say of a value that is neither 0 nor 1.

    Returns
    -------
    (n_cases, n_visible) uint8

    Raises
    ------
    InputError
        If these are no cases, there is none, or one has a value that is neither 0 nor 1.
    """
    array = np.asarray(cases)
    if array.ndim != 2 or 0 in array.shape or array.dtype.kind not in "biuf":
        raise InputError(
            f"{name} is an array of shape {array.shape} and type {array.dtype}; expected one row of 0 and 1 for each "
            "case: (n_cases, n_visible)"
        )
    if n_visible is not None and array.shape[1] != n_visible:
        raise InputError(f"{name} has {array.shape[1]} columns, but the machine has {n_visible} visible units")
    wrong = (array != 0) & (array != 1)
    if wrong.any():
        row, column = (int(place) for place in np.argwhere(wrong)[0])
        raise InputError(f"{name}[{row}, {column}] is {array[row, column]}; expected 0 or 1: {remedy}")
    return np.ascontiguousarray(array, dtype=np.uint8)


def section(model: type[Kind], values: Mapping[str, Any], name: str) -> Kind:
    """A section of the configuration, made of the keyword arguments of a function; see `config.base.checked`."""
    return checked(model, {key: plain(value) for key, value in values.items()}, name)


def plain(value: Any) -> Any:
    """Tuples and arrays as lists, numbers of NumPy as those of Python, inside of mappings and sequences as well."""
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


@functools.lru_cache(maxsize=8)
def backend_for(device: str, threads: int) -> "Backend":
    """The backend of a device, which is opened once."""
    return get_backend(device, threads)


class _Silent:
    """A progress report that tells nobody."""

    def describe(self, stage: str, /) -> None:
        """Say nothing."""

    def advance(self, n: int, /) -> None:
        """Say nothing."""

    def skip(self, n: int, /) -> None:
        """Say nothing."""


@contextlib.contextmanager
def progress(verbose: bool, total: int, unit: str, title: str) -> Iterator[Progress | _Silent]:
    """How far a long computation is: a bar on a terminal, a line every ten seconds elsewhere; nothing unless verbose.

    Parameters
    ----------
    verbose : bool
    total, unit, title
        As of `study.progress.Progress`.
    """
    if not verbose:
        yield _Silent()
        return
    if not log.hasHandlers():
        log.addHandler(logging.StreamHandler())
        log.setLevel(logging.INFO)
    with Progress(total, unit, title) as shown:
        yield shown
