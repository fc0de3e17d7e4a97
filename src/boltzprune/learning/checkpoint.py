"""Where a long training goes on from after it was killed: all that it changes, as it was after some update.

The file lies beside the result and is named after it, `initial.npz.checkpoint`: every job has its own, no rule declares
it, so that Snakemake, which deletes what an unfinished job has written, leaves it alone, and what looks for results
(`*.npz`) passes it by. Two jobs that write one do no harm: it appears whole, and any state in it is right for its key.
"""

import dataclasses
import itertools
import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import numpy as np

from boltzprune.errors import InputError
from boltzprune.results.store import Arrays, write_arrays

SECONDS = "BOLTZPRUNE_CHECKPOINT_SECONDS"
"""Environment variable: time between two checkpoints; 0 is at every place, inf is never. It changes no result."""
DEFAULT_SECONDS = 300

State = TypeVar("State")
"""Any nesting of lists, tuples and dataclasses around NumPy arrays."""

log = logging.getLogger(__name__)


class Checkpoint:
    """States of one training in a file; a context manager that deletes the file when its block ends well.

    Parameters
    ----------
    path : Path
    key : dict
        All that decides the bits of the states, as JSON has it. A file with another key is not used.
    """

    def __init__(self, path: str | os.PathLike[str], key: Mapping[str, Any]) -> None:
        self.path, self.key = Path(path), json.loads(json.dumps(key))
        self._between = seconds_between()
        self._due = time.monotonic() + self._between
        self._unwritten: tuple[int, str, Any] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            try:
                self.path.unlink(missing_ok=True)
            except OSError as problem:
                log.warning("%s: cannot be deleted (%s); nothing needs it any more", self.path, problem.strerror)

    def resume(self, start: State) -> tuple[int, State]:
        """Pieces done and the state after them, from the file if it has them, else 0 and the start.

        Parameters
        ----------
        start : state
            Before the first piece; what is read has its structure, shapes and dtypes.

        Returns
        -------
        (int, state)
        """
        if not self.path.exists():
            return 0, start
        try:
            arrays = Arrays(self.path)
            record = arrays.provenance
            others = [name for name in self.key if record["key"].get(name) != self.key[name]]
            if others:
                log.warning("%s: not used, it is of another %s; starting anew", self.path, ", ".join(others))
                return 0, start
            state = _filled(start, (arrays[str(place)] for place in itertools.count()))
        except InputError:
            log.warning("%s: not used, it is damaged or cannot be read; starting anew", self.path)
            return 0, start
        log.info("%s: going on after %s", self.path, record["place"])
        return record["n_done"], state

    def save(self, n_done: int, place: str, state: Any) -> None:
        """Take the state after some pieces of a training, at a place in people's words; write it if it is time.

        Parameters
        ----------
        n_done : int
        place : str
        state : state
        """
        self._unwritten = n_done, place, state
        if time.monotonic() >= self._due:
            self.flush()

    def flush(self) -> None:
        """Write the state last taken. If that fails the training goes on: it is worth more than its checkpoint."""
        if self._unwritten is None:
            return
        n_done, place, state = self._unwritten
        arrays = {str(place): array for place, array in enumerate(_arrays(state))}
        try:
            write_arrays(self.path, arrays, {"key": self.key, "n_done": n_done, "place": place})
            log.info("%s: written after %s", self.path, place)
        except InputError as error:
            log.warning("no checkpoint after %s, a kill would cost more; training goes on: %s", place, error)
        self._due, self._unwritten = time.monotonic() + self._between, None


def seconds_between() -> float:
    """Seconds between two checkpoints; InputError if `SECONDS` is none."""
    text = os.environ.get(SECONDS, str(DEFAULT_SECONDS))
    try:
        seconds = float(text)
    except ValueError:
        seconds = np.nan
    if not seconds >= 0:
        raise InputError(f"{SECONDS} = {text!r}: expected seconds; 0 is at every place, inf is never")
    return seconds


def _parts(state: Any) -> Any:
    """What a list, a tuple or a dataclass holds."""
    is_record = dataclasses.is_dataclass(state)
    return [getattr(state, field.name) for field in dataclasses.fields(state)] if is_record else state


def _arrays(state: Any) -> Iterator[np.ndarray]:
    """All arrays of a state, in order."""
    if isinstance(state, np.ndarray):
        yield state
    else:
        for part in _parts(state):
            yield from _arrays(part)


def _filled(state: Any, arrays: Iterator[np.ndarray]) -> Any:
    """The state with these arrays in place of its own; InputError if one does not fit."""
    if isinstance(state, np.ndarray):
        array = next(arrays)
        if (array.shape, array.dtype) != (state.shape, state.dtype):
            raise InputError(f"an array is {array.dtype} {array.shape}, expected {state.dtype} {state.shape}")
        return array
    parts = [_filled(part, arrays) for part in _parts(state)]
    made: Any = type(state)
    return made(*parts) if dataclasses.is_dataclass(state) else made(parts)
