"""What a user is told when the computer has too little memory: what was being done, and what to lower."""

import errno
from collections.abc import Iterator, Mapping
from typing import Any

MORE_TAKE_MORE = ("n_patterns", "n_train", "n_hidden", "n_samples", "n_chains", "chains", "ais_chains", "dpi")
"""Keys of specs whose value decides how much memory a stage takes."""


def ran_out(error: BaseException) -> bool:
    """Whether an exception says that there is no memory, or no room for another thread."""
    is_thread = isinstance(error, RuntimeError) and "can't start new thread" in str(error)
    return isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM or is_thread


def told(error: BaseException, doing: str, spec: Mapping[str, Any], n_seeds: int = 1, threads: int = 1) -> str:
    """The message.

    Parameters
    ----------
    error : Exception
        NumPy's says how much was asked for.
    doing : str
        For example "train of seeds 0-9".
    spec : dict
        As given to the stage.
    n_seeds, threads : int
        Of this job.

    Returns
    -------
    str
    """
    lower = [f"seeds_per_job ({n_seeds} seeds here)"] * (n_seeds > 1) + [f"its threads ({threads})"] * (threads > 1)
    lower += [f"{key} ({value})" for key, value in _found(spec)]
    advice = f"; lower {', '.join(lower)}" if lower else ""
    return (
        f"{doing}: this computer has too little memory ({str(error) or 'even a small piece was refused'}). "
        "Run fewer jobs at once (snakemake --cores, or --resources mem_mb=...), on a cluster let the job have more "
        f"(mem_mb of its rule){advice}. No result is half written"
    )


def _found(spec: Mapping[str, Any], key: str = "") -> Iterator[tuple[str, Any]]:
    """Keys of `MORE_TAKE_MORE` in a spec, with their sections, and their values."""
    for name, value in spec.items():
        path = f"{key}.{name}" if key else name
        if isinstance(value, dict):
            yield from _found(value, path)
        elif name in MORE_TAKE_MORE and (isinstance(value, list) or type(value) is int):
            yield path, value
