"""A row of the table: what is timed, beside its floor and beside what somebody else would do."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gpu_card import median, times, wall_clock
from gpu_floors import Floor

HEADINGS = ("kernel", "size", "time", "floor", "what bounds it", "fraction", "naive", "ratio")


@dataclass(frozen=True)
class Piece:
    """Work that is timed.

    Attributes
    ----------
    kernel, size : str
    ours : callable
    queued : bool
        Whether it asks the card for launches and waits for none: then the time is the card's alone.
    floor : Floor or None
    naive : callable or None
        The same work done otherwise.
    naive_is : str
    naive_share : float
        The share of our work that one call of `naive` does: its time is extrapolated.
    on_host : bool
        Whether `naive` computes on the CPU.
    counts : dict of str to int
        What a call does, for rates.
    about : callable
        What else is to be written down, as a dict; called at the end.
    """

    kernel: str
    size: str
    ours: Callable[[], Any]
    queued: bool = True
    floor: Floor | None = None
    naive: Callable[[], Any] | None = None
    naive_is: str = "CuPy"
    naive_share: float = 1.0
    on_host: bool = False
    counts: dict = field(default_factory=dict)
    about: Callable[[], dict] = dict


def measure(piece, clock, effort):
    """Times, floor and rates of a piece of work."""
    row = {"kernel": piece.kernel, "size": piece.size, **times(clock, piece.ours, effort, piece.queued)}
    if piece.queued:
        row["called_from_python_s"] = median(clock, piece.ours, effort, queued=False)
    if piece.floor:
        row |= {"floor_s": piece.floor.seconds, "bound": piece.floor.bound, "bounds_s": piece.floor.bounds}
        row["fraction"] = piece.floor.seconds / row["time_s"]
    row |= {f"{name}_per_s": n / row["time_s"] for name, n in piece.counts.items()}
    if piece.naive:
        row |= _naive(piece, clock, effort, row["time_s"])
    return row | piece.about()


def _naive(piece, clock, effort, seconds):
    """Time and rates of the other way, or why it could not be had: ours are of use without it."""
    found = {"naive_is": piece.naive_is}
    try:
        watch = wall_clock if piece.on_host else clock
        timed = median(watch, piece.naive, effort, piece.queued and not piece.on_host)
    except Exception as error:
        return found | {"naive_failed": f"{type(error).__name__}: {error}"}
    naive = timed / piece.naive_share
    if piece.naive_share != 1:
        found["naive_share_timed"] = piece.naive_share
    found |= {"naive_s": naive, "ratio": naive / seconds}
    return found | {f"naive_{name}_per_s": n / naive for name, n in piece.counts.items()}


def table(rows):
    """Rows as text: words to the left, numbers to the right; ~ before a time that was extrapolated."""
    lines = [HEADINGS, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*lines)]
    words = (0, 1, 4)
    return "\n".join(
        "  ".join(
            cell.ljust(width) if k in words else cell.rjust(width) for k, (cell, width) in enumerate(zip(line, widths))
        ).rstrip()
        for line in lines
    )


def _cells(row):
    """The cells of a row; a rate beside its size, where there is one."""
    if "failed" in row:
        return (row["kernel"], row["failed"], *[""] * (len(HEADINGS) - 2))
    rates = [f"{value:,.3g} {name.removesuffix('_per_s')}/s" for name, value in row.items() if _is_rate(name)]
    naive = f"{'~' * ('naive_share_timed' in row)}{_time(row.get('naive_s'))} {row.get('naive_is', '')}".strip()
    return (
        row["kernel"],
        ": ".join([row["size"], *rates[:1]]),
        _time(row["time_s"]),
        _time(row.get("floor_s")),
        row.get("bound", "-"),
        _number(row.get("fraction")),
        naive,
        _number(row.get("ratio")),
    )


def _is_rate(name):
    """Whether a field of a row is a rate of ours."""
    return name.endswith("_per_s") and not name.startswith("naive_")


def _number(value):
    """Three digits, or - where there is none."""
    return "-" if value is None else f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _time(seconds):
    """Seconds in the unit that suits them."""
    if seconds is None:
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-6:.3g} us"
