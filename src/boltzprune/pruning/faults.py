"""What a user's own criterion can get wrong, by what it is, raises or returns, in words that say what helps."""

import inspect
import reprlib
from typing import Any

import numpy as np
import numpy.typing as npt


def why_unsuitable(found: object) -> str | None:
    """Why an object of a user's file is no criterion, whatever it would return; None if it may be one."""
    if isinstance(found, type):
        return f"is a class; expected a function: name an object of it that can be called, obj = {found.__name__}()"
    if not callable(found):
        return f"is {reprlib.repr(found)}; expected a function"
    if inspect.iscoroutinefunction(found) or inspect.isasyncgenfunction(found):
        return "is a coroutine; expected a function: write def in place of async def"
    if inspect.isgeneratorfunction(found):
        return "yields; expected a function that returns one number per weight: write return in place of yield"
    try:
        signature = inspect.signature(found)
    except (TypeError, ValueError):  # written in C
        return None
    try:
        signature.bind(None)
    except TypeError:
        return (
            f"takes {signature}; expected a function of one argument, the evidence: give others a default, or use "
            "functools.partial"
        )
    return None


def remedy_for(error: BaseException) -> str:
    """What helps against an exception that a criterion raised; empty where that is not known."""
    try:
        is_of_read_only = isinstance(error, ValueError) and "read-only" in str(error)
    except Exception:  # of its text
        return ""
    return ": change a copy, as of evidence.weights.copy(); what is shown is for all" if is_of_read_only else ""


def problem_of(value: Any, array: np.ndarray, mask: npt.NDArray[np.bool_]) -> str | None:
    """What is wrong with what a criterion returned, and what helps; None if nothing is.

    Parameters
    ----------
    value : object
        As returned.
    array : numpy.ndarray
        The same as an array.
    mask : (n_lower, n_upper) bool
        Which weights exist.

    Returns
    -------
    str or None
    """
    if value is None:
        return "returned None; expected one number per weight: is its return missing?"
    if inspect.iscoroutine(value):
        value.close()
        return "returned a coroutine; expected one number per weight: write def in place of async def"
    if inspect.isgenerator(value):
        return "returned a generator; expected one number per weight: write return in place of yield"
    if array.shape != mask.shape:
        return f"returned shape {array.shape}; expected one saliency per weight, {mask.shape}{_reshaped(array, mask)}"
    if array.dtype.kind not in "fiu":
        return f"returned {array.dtype}; expected real numbers{_converted(array)}"
    n_bad = int(np.count_nonzero(~np.isfinite(array[mask])))
    if n_bad:
        return f"returned NaN or infinity for {n_bad} existing weights; expected finite numbers"
    return None


def _reshaped(array: np.ndarray, mask: npt.NDArray[np.bool_]) -> str:
    """How an array of another shape may have been meant."""
    n_lower, n_upper = mask.shape
    if array.size == 1:
        return ""
    if array.ndim == 2 and array.shape == (n_upper, n_lower):
        return ": transpose it"
    if array.size == mask.size:
        return ": reshape it"
    if array.shape in ((n_upper,), (1, n_upper)):
        return ": one number per upper unit becomes one per weight by numpy.broadcast_to(x, evidence.weights.shape)"
    if array.shape in ((n_lower,), (n_lower, 1)):
        return ": one number per lower unit becomes one per weight by numpy.repeat(x.reshape(-1, 1), n_upper, axis=1)"
    return ""


def _converted(array: np.ndarray) -> str:
    """How another type may have been meant."""
    return {
        "b": ": multiply it by 1.0 (which of equal weights go is then left to chance)",
        "c": ": take its real part or its magnitude",
        "O": ": make a float array of it",
    }.get(array.dtype.kind, "")
