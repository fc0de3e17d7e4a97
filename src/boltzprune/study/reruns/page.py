"""Numbers, tables and the help of commands as a terminal shows them."""

import argparse
import textwrap
from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """Rows as aligned lines: words to the left, columns in `numbers` to the right."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    layout = "  ".join(f"{{:{'>' if i in numbers else '<'}{width}}}" for i, width in enumerate(widths))
    return "".join(layout.format(*row).rstrip() + "\n" for row in rows)


def duration(seconds: float) -> str:
    """Seconds as 0.9 s, 14 s, 3.5 min, 2.1 h, 3.0 days."""
    for limit, unit, size in ((10, "s", 1), (120, "s", 1), (7200, "min", 60), (172_800, "h", 3600)):
        if seconds < limit:
            return f"{seconds / size:.{1 if seconds < 10 or size > 1 else 0}f} {unit}"
    return f"{seconds / 86_400:.1f} days"


def size(n_bytes: float) -> str:
    """Bytes as 512 B, 1.2 kB, 34.5 MB, 1.2 GB."""
    if n_bytes < 1000:
        return f"{n_bytes:.0f} B"
    for unit in ("kB", "MB", "GB"):
        n_bytes /= 1000
        if n_bytes < 999.95:
            return f"{n_bytes:.1f} {unit}"
    return f"{n_bytes / 1000:.1f} TB"


def count(n: int, thing: str) -> str:
    """1 job, 2 jobs, 1,000 jobs."""
    return f"{n:,} {thing}" if n == 1 else f"{n:,} {thing}s"


def add_parser(
    commands: argparse._SubParsersAction, name: str, summary: str, about: str, example: str
) -> argparse.ArgumentParser:
    """A subcommand whose --help says what it is about and ends with an example, in lines of its own."""
    return commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(about, 100),
        epilog=example,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
