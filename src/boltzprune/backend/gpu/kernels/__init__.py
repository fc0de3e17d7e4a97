"""The CUDA kernels of the GPU backend: one .cu file each, named as its function, with examples of its sizes."""

import functools
import re
from collections.abc import Mapping
from pathlib import Path

FOLDER = Path(__file__).parent
OPTIONS = ("-std=c++17",)
"""What the compiler is told, besides the defines."""
INCLUDE = re.compile(r'^#include "([\w.]+)"$', flags=re.MULTILINE)

EXAMPLE = re.compile(r"^// Example: (.*)$", flags=re.MULTILINE)
"""A line of a kernel's header: names and whole numbers that it is compiled with."""


def listed(folder: Path) -> dict[str, list[dict[str, int]]]:
    """The kernels of a folder.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict
        Name -> list of dict of str to int: the defines of each example in its header; [{}] where it has none.

    Raises
    ------
    ValueError
        If an example is not NAME=NUMBER NAME=NUMBER ...
    """
    found = {}
    for path in sorted(folder.glob("*.cu")):
        examples = EXAMPLE.findall(path.read_text(encoding="utf-8"))
        found[path.stem] = [_defines(path.name, example) for example in examples] or [{}]
    return found


def _defines(name: str, example: str) -> dict[str, int]:
    """The defines of one example."""
    pairs = re.findall(r"(\w+)=(\d+)", example)
    if " ".join("=".join(pair) for pair in pairs) != example:
        raise ValueError(f"{name}: Example: {example!r}, expected NAME=NUMBER NAME=NUMBER ...")
    return {key: int(value) for key, value in pairs}


KERNELS = listed(FOLDER)
"""Name -> what it is compiled with, as examples: every one is compiled for every architecture in the tests."""


def options(defines: Mapping[str, str | int]) -> tuple[str, ...]:
    """What a launch tells the compiler: `OPTIONS` and the defines."""
    return (*OPTIONS, *(f"-D{name}={value}" for name, value in defines.items()))


@functools.cache
def source(name: str) -> str:
    """The text of a kernel with what it includes, so that a digest of it changes when either does."""
    text = (FOLDER / f"{name}.cu").read_text(encoding="utf-8")
    return INCLUDE.sub(lambda found: (FOLDER / found[1]).read_text(encoding="utf-8"), text)
