"""Numba says when it compiles a loop or loads one from its cache; `preparation.PREPARATION` hears it."""

import functools

from numba.core import event

from boltzprune.backend.preparation import PREPARATION

COMPILING = "numba:compiler_lock"
"""Numba's event around all that its dispatchers do before they can call a loop."""


class _Listener(event.Listener):
    """Hands the begin and the end of compiling on."""

    def on_start(self, event: event.Event) -> None:
        PREPARATION.__enter__()

    def on_end(self, event: event.Event) -> None:
        PREPARATION.__exit__()


@functools.cache
def listen() -> None:
    """Begin to listen, once per process."""
    event.register(COMPILING, _Listener())
