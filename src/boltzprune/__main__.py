"""Command line: what a user asks for (`run`, `plan`, `check`, ...), and one subcommand per stage, for the workflow."""

import argparse
import gc
import json
import logging
import os
import shlex
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boltzprune import __version__
from boltzprune.errors import DeviceError, InputError, TrainingError
from boltzprune.results import lifeline
from boltzprune.study import memory

if TYPE_CHECKING:
    from boltzprune.study.stages.catalogue import Stage

USER_FAULT, NOT_FINITE, DEVICE_FAULT = 2, 3, 4
STATUS = {InputError: USER_FAULT, TrainingError: NOT_FINITE, DeviceError: DEVICE_FAULT}
"""Exit status of what is foreseen; of memory that runs out and of what a disk refuses: that of a user's fault."""
MAX_SEEDS = 10**5
STDIN = "-"
ENVIRONMENT = {
    **{"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
}
"""What libraries read when they are loaded. BLAS has one thread, since threads are for seeds, and results must not
depend on them; idle ones would spin, too. Pydantic does not search all that is installed for plugins."""
NEW_OBJECTS = 10_000
"""After so many Python looks for objects in cycles, instead of 700: nearly all of a short job are of its imports."""

log = logging.getLogger("boltzprune")


def program() -> int:
    """`main` as a process of its own, which ends with its workflow, or when told to: see `lifeline`.

    Its end would search all that it has imported for objects in cycles, which takes a tenth of a second.
    """
    gc.set_threshold(NEW_OBJECTS)
    lifeline.start()
    status = main()
    gc.freeze()
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Parse, run, and turn a user's mistake into one message and exit status 2."""
    os.environ |= ENVIRONMENT
    words = sys.argv[1:] if arguments is None else arguments
    options = argparse.Namespace()
    try:
        options = command_line(*words[:1]).parse_args(words)
        _start_logging(getattr(options, "log", None))
        status = options.function(options) or 0
        sys.stdout.flush()
        return status
    except (InputError, TrainingError, DeviceError) as error:
        log.error("%s", error)
        return next(status for kind, status in STATUS.items() if isinstance(error, kind))
    except BrokenPipeError:  # whoever reads this has had enough, as in `boltzprune status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        from boltzprune.study.reruns.dry_run import OF_WORKFLOW

        if isinstance(error, ModuleNotFoundError) and (error.name or "").partition(".")[0] in OF_WORKFLOW:
            log.error("%s is not installed, which studies need: pip install 'boltzprune[workflow]'", error.name)
        elif memory.ran_out(error):
            log.error("%s", _out_of_memory(error, options))
        elif isinstance(error, OSError):
            log.error("%s; is the disk full, the folder writable, was the file deleted meanwhile?", error)
        else:
            log.exception("this should not have happened; please report it with the lines below")
            return 1
        return USER_FAULT


def _out_of_memory(error: Exception, options: argparse.Namespace) -> str:
    """The message for memory that ran out in a stage, or in another command."""
    if not hasattr(options, "stage"):
        return memory.told(error, "boltzprune", {})
    job = f"{options.stage} of seeds {options.seeds}"
    return memory.told(error, job, _spec(options.spec), len(_seeds(options.seeds)), options.threads)


def _start_logging(path: str | None) -> None:
    """Everything to standard error; or, with a log file, everything to the file and only errors to standard error."""
    screen = logging.StreamHandler(sys.stderr)
    handlers: list[logging.Handler] = [screen]
    if path:
        try:
            handlers.append(logging.FileHandler(path, mode=_new_log(Path(path)), encoding="utf-8"))
        except OSError as error:
            raise InputError(f"--log {path}: cannot be written ({error.strerror})") from error
        screen.setLevel(logging.ERROR)
    logging.raiseExceptions = False  # a disk too full for the log is told by the result that cannot be written
    line = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=line, datefmt="%H:%M:%S", handlers=handlers, force=True)


def _new_log(path: Path) -> str:
    """Make room for a log that is a file of its own, and tell how to open it.

    Written in place, a link would have the file overwritten that it points to, and a hard link, as copies of results by
    `cp -al` are, all that share it. Results, records and checkpoints are renamed to their names, which touches neither.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        target = os.readlink(path)
        raise InputError(f"--log {path}: is a link to {target}, which would be overwritten; remove it, or name another")
    if path.is_file():
        path.unlink()
    return "w" if path.exists() else "x"  # a device such as /dev/null stays


def command_line(first: str = "") -> argparse.ArgumentParser:
    """All subcommands; of a stage, which the workflow starts some hundred times, that one alone.

    Parameters
    ----------
    first : str
        The first argument.
    """
    from boltzprune.study.stages import STAGES

    parser = argparse.ArgumentParser(
        prog="boltzprune",
        description="Prune Boltzmann machines by Fisher information, and see which synapses they can lose.",
        epilog=f"The workflow runs stages, which a person can run as well, each with its --help: {', '.join(STAGES)}.",
    )
    parser.add_argument("--version", action="version", version=f"boltzprune {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    if first in STAGES:
        _add_stage(commands, first, STAGES[first])
        return parser
    _add_commands(commands)
    for name, stage in STAGES.items():
        _add_stage(commands, name, stage)
    return parser


def _add_commands(commands: argparse._SubParsersAction) -> None:
    """Subcommands that a user asks for."""
    from boltzprune.backend.gpu import compiler
    from boltzprune.study import configuration_commands, reruns

    reruns.add_commands(commands)
    configuration_commands.add_commands(commands)
    device = commands.add_parser("device", help="say what `device: auto` computes on here, and why")
    device.set_defaults(function=_device)
    compiler.add_command(commands)


def _add_stage(commands: argparse._SubParsersAction, name: str, stage: "Stage") -> None:
    """The subcommand of a stage; it has no help, so that it is not in the list of commands."""
    files = f"Inputs: {', '.join(stage.inputs) or 'none'}. Outputs: {', '.join(stage.outputs)}."
    about = f"{stage.summary}. {files} Spec: {', '.join(stage.spec)}."
    command = commands.add_parser(name, description=about)
    command.add_argument(
        "--in",
        dest="inputs",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="an input file; repeatable; "
        "-: more of them on standard input, a line NAME FILE ... for each name, quoted as in a shell",
    )
    command.add_argument(
        "--out", dest="outputs", action="append", default=[], metavar="NAME=FILE", help="an output file; repeatable"
    )
    command.add_argument("--spec", default="{}", help="the parameters of this stage, one JSON object")
    command.add_argument("--seeds", default="0", help="seeds of this job, as 3 or 0-9 (default 0)")
    command.add_argument("--threads", type=int, default=1, help="seeds computed side by side (default 1)")
    command.add_argument("--log", help="file for progress and messages; only errors are then shown")
    command.set_defaults(function=_run_stage, stage=name)


def _run_stage(options: argparse.Namespace) -> None:
    """Run one stage with BLAS on one thread, even where another program has loaded it with more."""
    from threadpoolctl import threadpool_limits

    from boltzprune.results import records
    from boltzprune.study.stages import Job, run

    inputs: dict[str, list[Path]] = {}
    for name, path in _inputs(options.inputs):
        inputs.setdefault(name, []).append(Path(path))
    outputs = {name: Path(path) for name, path in _pairs(options.outputs)}
    spec, seeds, log_file = _spec(options.spec), _seeds(options.seeds), options.log
    record = records.beside(log_file) if log_file else None
    job = Job(options.stage, inputs, outputs, spec, seeds, options.threads, bool(log_file), record)
    with threadpool_limits(1, user_api="blas"):
        run(job)


def _inputs(items: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Name and path of every input: NAME=FILE each; where one is "-", standard input names more."""
    yield from _pairs(item for item in items if item != STDIN)
    if STDIN in items:
        yield from _listed(os.fsdecode(sys.stdin.buffer.read()))


def _listed(text: str) -> Iterator[tuple[str, str]]:
    """Lines NAME FILE ..., split: a command line has a limit, which the files of a thousand jobs exceed."""
    for number, line in enumerate(text.split("\n"), start=1):
        try:
            name, *paths = shlex.split(line) or [""]
        except ValueError as error:
            raise InputError(f"--in -: line {number} is {line[:80]!r}; expected words as a shell has them") from error
        if name and not paths:
            raise InputError(f"--in -: line {number} is {line[:80]!r}; expected NAME FILE ...")
        yield from ((name, path) for path in paths)


def _pairs(items: Iterable[str]) -> Iterator[tuple[str, str]]:
    """NAME=FILE, split."""
    for item in items:
        name, separator, path = item.partition("=")
        if not separator:
            raise InputError(f"{item!r}: expected NAME=FILE")
        yield name, path


def _spec(text: str) -> dict[str, Any]:
    """The spec as a dict."""
    try:
        spec = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"--spec is not JSON: {error}") from error
    if not isinstance(spec, dict):
        raise InputError("--spec: expected one JSON object")
    return spec


def _seeds(text: str) -> tuple[int, ...]:
    """0-9 as (0, ..., 9)."""
    first, _, last = text.partition("-")
    try:
        seeds = range(int(first), int(last or first) + 1)
    except ValueError:
        seeds = range(0)
    if not 1 <= seeds.stop - seeds.start <= MAX_SEEDS or seeds.start < 0 or seeds.stop > 2**63:
        expected = f"a number or a range such as 0-9, of at most {MAX_SEEDS}"
        raise InputError(f"--seeds {text[:80]!r}: expected {expected}")
    return tuple(seeds)


def _device(options: argparse.Namespace) -> None:
    """Print the device that `auto` chooses; a GPU is opened, so that one which fails is seen."""
    from boltzprune.backend import get_backend
    from boltzprune.backend.gpu import driver

    problem, about = driver.problem(), None
    if not problem:
        try:
            about = ", ".join(f"{name} {value}" for name, value in get_backend("gpu").versions.items())
        except InputError as error:
            problem = str(error)
    sys.stdout.write(f"cpu: {problem}\n" if problem else f"gpu: {about}\n")


if __name__ == "__main__":
    sys.exit(program())
