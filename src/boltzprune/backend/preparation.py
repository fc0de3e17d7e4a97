"""Time that a process spends on compiling or loading loops and kernels, which is no time of its work."""

import threading
import time
from typing import Self


class Preparation:
    """Time in which this process compiles loops or kernels, or loads compiled ones: no work is done then.

    A context manager that can be entered again inside itself and by several threads at once.

    Attributes
    ----------
    processor : float
        Seconds of processor time of the threads that prepared something, up to the last that has ended.
    """

    def __init__(self) -> None:
        self.processor, self._before, self._since = 0.0, 0.0, 0.0
        self._n_threads, self._lock, self._mine = 0, threading.Lock(), threading.local()

    def __enter__(self) -> Self:
        self._mine.depth = getattr(self._mine, "depth", 0) + 1
        if self._mine.depth > 1:
            return self
        self._mine.start = time.thread_time()
        with self._lock:
            self._since = self._since if self._n_threads else time.monotonic()
            self._n_threads += 1
        return self

    def __exit__(self, *error: object) -> None:
        self._mine.depth -= 1
        if self._mine.depth:
            return
        with self._lock:
            self.processor += time.thread_time() - self._mine.start
            self._n_threads -= 1
            if not self._n_threads:
                self._before += time.monotonic() - self._since

    @property
    def seconds(self) -> float:
        """Seconds in which at least one thread prepared something, up to now."""
        with self._lock:
            return self._before + (time.monotonic() - self._since if self._n_threads else 0.0)


PREPARATION = Preparation()
"""That of this process. Backends enter it; no rate of a `Progress` counts it."""
