"""Compile the CUDA kernels for named GPUs, without a GPU and without CuPy, and read what each of them uses."""

import argparse
import dataclasses
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from boltzprune.backend.gpu import kernels, nvrtc
from boltzprune.backend.gpu.nvrtc import architectures
from boltzprune.errors import InputError

__all__ = ["DEFAULT_ARCHITECTURES", "Usage", "add_command", "architectures", "compile_kernel", "report"]

DEFAULT_ARCHITECTURES = (75, 80, 90, 120)
"""Compute capabilities, ten times: Turing, Ampere, Hopper, Blackwell."""

BY_CUPY = ("-ftz=true", "--device-as-default-execution-space")
"""What CuPy 14 adds to the options that it is given."""
VERBOSE = "-Xptxas=-v"

FRAME = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers(.*)")
SHARED = re.compile(r"(\d+) bytes smem")
WARNING = re.compile(r"\bwarning\b", flags=re.IGNORECASE)

NUMBERS = ("registers", "shared", "stack", "spill_stores", "spill_loads")
"""Fields of `Usage` that are columns of the table."""
ABOUT = (
    "Compile every CUDA kernel with NVRTC, no GPU needed, and show what it uses: a row for each kernel, the defines "
    "that it is compiled with, and each architecture. registers: of a thread, at most 255; the fewer, the more threads "
    "run side by side. shared: bytes of shared memory of a block, without what a launch adds. stack: bytes of a thread "
    "in local memory, for arrays that are not in registers. spill stores, spill loads: bytes that a thread moves to or "
    "from local memory because registers ran out; more than 0 costs time. The exit status is not 0 where a kernel does "
    "not compile or gives a warning."
)


@dataclass(frozen=True)
class Usage:
    """What one kernel uses on one architecture, as the assembler reports it.

    Attributes
    ----------
    kernel : str
    defines : dict of str to (str or int)
    architecture : int
        Compute capability, ten times.
    registers : int
        Of one thread.
    shared : int
        Bytes of static shared memory of one block.
    stack, spill_stores, spill_loads : int
        Bytes of one thread.
    warnings : tuple of str
        Everything that the compiler warned of.
    """

    kernel: str
    defines: Mapping[str, str | int]
    architecture: int
    registers: int
    shared: int
    stack: int
    spill_stores: int
    spill_loads: int
    warnings: tuple[str, ...]


def compile_kernel(name: str, defines: Mapping[str, str | int], architecture: int) -> Usage:
    """Compile one kernel with the options of a real launch.

    Parameters
    ----------
    name : str
        In `kernels.KERNELS`.
    defines : dict of str to (str or int)
        Name of a macro -> its value.
    architecture : int
        Compute capability, ten times: 90 for 9.0.

    Returns
    -------
    Usage

    Raises
    ------
    InputError
        If there is no NVRTC, it does not know the architecture, or the kernel does not compile; with its log.
    """
    _check_known([architecture])
    arguments = (*kernels.options(defines), *BY_CUPY, f"-arch=sm_{architecture}", VERBOSE)
    status, log = nvrtc.compile_text(f"{name}.cu", kernels.source(name), arguments)
    if status:
        raise InputError(
            f"kernel {name} ({_text_of(defines)}) does not compile for sm_{architecture}; correct {name}.cu, or "
            f"install boltzprune again if you did not change it:\n{log.strip() or f'NVRTC gave status {status}'}"
        )
    return _usage(name, defines, architecture, log)


def report(architectures: Sequence[int] = DEFAULT_ARCHITECTURES) -> list[Usage]:
    """A `Usage` for every kernel, every example of its defines and every architecture; raises as `compile_kernel`."""
    return [compile_kernel(*example) for example in _examples(architectures)]


def _examples(wanted: Sequence[int]) -> list[tuple[str, dict[str, int], int]]:
    """(name, defines, architecture) of everything that is to be compiled."""
    _check_known(wanted)
    examples = [(name, defines) for name, listed in kernels.KERNELS.items() for defines in listed]
    return [(*example, architecture) for example in examples for architecture in dict.fromkeys(wanted)]


def _check_known(wanted: Sequence[int]) -> None:
    """Refuse architectures that this NVRTC does not compile for."""
    known = architectures()
    for architecture in wanted:
        if architecture not in known:
            raise InputError(
                f"architecture {architecture}: NVRTC {nvrtc.version()} does not compile for it; expected ten times a "
                f"compute capability, one of {', '.join(map(str, known))}; newer ones come with: pip install --upgrade "
                "nvidia-cuda-nvrtc; older ones with nvidia-cuda-nvrtc-cu12 in its place"
            )


def _usage(name: str, defines: Mapping[str, str | int], architecture: int, log: str) -> Usage:
    """What the log says of the kernel; other functions in it do not count, warnings do, whatever they are about.

    The architecture is ten times the compute capability, and the log is what NVRTC wrote when it compiled for it.
    """
    entry = log.partition(f"Compiling entry function '{name}'")[2]  # what follows is first about this one
    frame, used = FRAME.search(entry), USED.search(entry)
    if not frame or not used:
        raise InputError(
            f"kernel {name}: {name}.cu compiles for sm_{architecture}, but without the kernel; expected an extern "
            f'"C" __global__ function {name} in it; the log:\n{log.strip()}'
        )
    shared = SHARED.search(used[2])
    block, (stack, stores, loads) = int(shared[1]) if shared else 0, map(int, frame.groups())
    return Usage(name, defines, architecture, int(used[1]), block, stack, stores, loads, _warnings(log))


def _warnings(log: str) -> tuple[str, ...]:
    """Every warning, with the lines that belong to it: up to an empty line, or one of the assembler's report."""
    found: list[list[str]] = []
    inside = False
    for line in log.splitlines():
        if not line.strip() or line.startswith(("ptxas info", "Remark:")):
            inside = False
        elif WARNING.search(line) and not line.startswith(" "):
            found.append([line])
            inside = True
        elif inside:
            found[-1].append(line)
    return tuple("\n".join(lines) for lines in found)


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand `kernels` to the command line."""
    command = commands.add_parser("kernels", help="compile the GPU kernels, without a GPU", description=ABOUT)
    command.add_argument(
        "--arch",
        type=int,
        nargs="+",
        default=DEFAULT_ARCHITECTURES,
        metavar="N",
        help="ten times the compute capability, 90 for 9.0; several can be given (default "
        f"{' '.join(map(str, DEFAULT_ARCHITECTURES))}: Turing, Ampere, Hopper, Blackwell)",
    )
    command.add_argument("--json", action="store_true", help="print JSON, with the text of warnings and errors")
    command.set_defaults(function=_show)


def _show(options: argparse.Namespace) -> None:
    """Print a row for everything that was compiled, then fail if anything was wrong with it."""
    rows = [_row(*example) for example in _examples(options.arch)]
    sys.stdout.write(json.dumps(rows, indent=2) + "\n" if options.json else _table(rows))
    wrong = [row for row in rows if _remark(row)]
    if wrong:
        texts = dict.fromkeys(text for row in wrong for text in row.get("warnings", [row.get("error")]))
        raise InputError(
            f"{len(wrong)} of {len(rows)} rows do not compile, or give a warning; expected none; correct:\n"
            + "\n".join(texts)
        )


def _row(name: str, defines: Mapping[str, str | int], architecture: int) -> dict[str, Any]:
    """The fields of a `Usage`; where the kernel does not compile, `error` in place of the numbers.

    The arguments are one of `_examples`: name of the kernel, its macros, ten times the compute capability.
    """
    try:
        return dataclasses.asdict(compile_kernel(name, defines, architecture))
    except InputError as error:
        return {"kernel": name, "defines": defines, "architecture": architecture, "error": str(error)}


def _remark(row: Mapping[str, Any]) -> str:
    """The last column."""
    return "does not compile" if "error" in row else "warning" if row["warnings"] else ""


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as text: words to the left, numbers to the right."""
    lines = [["kernel", "defines", "architecture", *(name.replace("_", " ") for name in NUMBERS), ""]]
    for row in rows:
        words = [row["kernel"], _text_of(row["defines"]), f"sm_{row['architecture']}"]
        lines.append([*words, *(str(row.get(name, "-")) for name in NUMBERS), _remark(row)])
    widths = [max(map(len, column)) for column in zip(*lines)]
    layout = "  ".join([f"{{:{'<' if i < 3 or i == 8 else '>'}{width}}}" for i, width in enumerate(widths)])
    return "".join(layout.format(*line).rstrip() + "\n" for line in lines)


def _text_of(defines: Mapping[str, str | int]) -> str:
    """Defines as a reader wants them."""
    return " ".join(f"{name}={value}" for name, value in defines.items()) or "-"
