"""The one place that starts Snakemake, as a command, and reads what a dry run of it prints."""

import argparse
import base64
import contextlib
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from boltzprune.errors import InputError
from boltzprune.report.figures import targets
from boltzprune.study import paths
from boltzprune.study.config import EXPERIMENTS
from boltzprune.study.cost import sizes

if TYPE_CHECKING:
    from boltzprune.study.reruns.arguments import Asked

JOB = re.compile(r"(?: {4})?(?:local)?(?:rule|checkpoint) (\w+):")
FIELD = re.compile(r" {4}(?: {4})?(\w+): (.*)")
"""A job and what it has; those of a group stand further to the right."""
COMMAND = "Shell command: "
NOISE = re.compile(
    sizes.LINE + r"|(Using|Assuming|Building|host: | {2}[A-Z]|SNAKEMAKE$|=+$|Config file .* is extended|Wildcards:$)"
)
"""Lines before a message of Snakemake that say nothing of what is wrong."""
OF_WORKFLOW = ("snakemake", "pandas", "matplotlib", "pooch", "rich", "threadpoolctl")
"""Packages that the library does without, and studies do not."""
INCOMPLETE = Path(".snakemake", "incomplete")
TRACE = re.compile(r' {2}File "|Traceback:$')
NO_RULE = re.compile(r"No rule to produce (\w+) \(.*")
TARGETS = ("all", *EXPERIMENTS, *targets(), "table1", "per_digit", "claims")
"""What a user asks for by name; any file of results/ can be asked for as well."""


@dataclass(frozen=True)
class Planned:
    """One job of a dry run.

    Attributes
    ----------
    rule : str
    inputs, outputs : tuple of str
    wildcards : dict of str to str
        block, criterion, iteration, phase, as far as the rule has them.
    log, benchmark : str
        Empty if the rule has none.
    reason : str
        Snakemake's words.
    threads : int
    command : str
        What the shell would be given.
    sizes : str
        Of the study, as `sizes.as_text` writes them.
    """

    rule: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    wildcards: dict[str, str]
    log: str
    benchmark: str
    reason: str
    threads: int = 1
    command: str = ""
    sizes: str = "{}"


def add_parser(
    commands: argparse._SubParsersAction,
    name: str,
    summary: str,
    about: str,
    function: Callable[[list[str]], int | None],
) -> None:
    """Add a subcommand that hands all its arguments on to Snakemake, and to `function`.

    No argument of it is an option of our own: with "+" for the sign of an option, argparse leaves those of Snakemake
    alone.

    Parameters
    ----------
    commands : action of argparse
        What `ArgumentParser.add_subparsers` returned.
    name : str
    summary, about : str
        Its line in the list of commands, and what its own --help says.
    function : callable
        Takes the arguments, a list of str; returns the exit status, or None for 0.
    """
    usage = (
        f"boltzprune {name} [-h] [TARGET ...] [FILE.yaml ...] [--set KEY=VALUE] [OPTION OF SNAKEMAKE ...] "
        "[-- OPTION OF SNAKEMAKE ...]"
    )
    command = commands.add_parser(
        name,
        help=summary,
        description=_wrapped(about),
        usage=usage,
        prefix_chars="+",
        add_help=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT", help=argparse.SUPPRESS)

    def run(options: argparse.Namespace) -> int | None:
        words = options.arguments
        if {"-h", "--help"} & set(words[: words.index("--")] if "--" in words else words):
            command.print_help()
            raise SystemExit(0)
        return function(words)

    command.set_defaults(function=run)


def _wrapped(about: str) -> str:
    """The first paragraph in lines of a terminal; what follows is laid out already."""
    first, *others = about.split("\n\n")
    return "\n\n".join([textwrap.fill(first, 100), *others])


def start(asked: "Asked", *more: str) -> subprocess.Popen[str]:
    """Start a dry run with a user's `arguments.Asked` and some options more, which come last."""
    if importlib.util.find_spec(OF_WORKFLOW[0]) is None:
        raise ModuleNotFoundError(name=OF_WORKFLOW[0])
    options = ["--dry-run", *more, "--quiet", "progress", "--printshellcmds"]
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", *asked.words(), *options],
        env=os.environ | {sizes.ASKED: "yes"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )


def finish(process: subprocess.Popen[str]) -> list[Planned]:
    """Jobs that a dry run names, without those that make no file; InputError with Snakemake's message if it fails."""
    output, _ = process.communicate()
    if process.returncode:
        raise InputError(_message(output))
    return [job for job in _jobs(output.splitlines()) if job.outputs]


def shown(asked: "Asked") -> str:
    """The call as a person would type it."""
    return shlex.join(["snakemake", *asked.words()])


def become(asked: "Asked") -> NoReturn:
    """Replace this process by Snakemake: signals, status and the end of jobs are then its own."""
    paths.put_first("PYTHONPATH", paths.PACKAGE)
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, "-m", "snakemake", *asked.words()])


def folder(asked: "Asked") -> Path:
    """The folder that paths are relative to."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--directory", "-d", default=".")
    return Path(parser.parse_known_args(asked.options)[0].directory)


def unfinished(place: Path) -> dict[str, float]:
    """Outputs of jobs that have begun and not ended, running or killed: path as the workflow names it -> start."""
    found = {}
    for mark in (place / INCOMPLETE).rglob("*"):
        parts = [part.removeprefix("@") for part in mark.relative_to(place / INCOMPLETE).parts]
        with contextlib.suppress(ValueError, FileNotFoundError):  # no mark of an output; ended meanwhile
            if mark.is_file():
                found[base64.urlsafe_b64decode("".join(parts)).decode()] = mark.stat().st_mtime
    return found


def _jobs(lines: Sequence[str]) -> Iterator[Planned]:
    """Jobs in the order of their lines."""
    name, fields = None, {}
    told = next((line.removeprefix(sizes.LINE) for line in lines if line.startswith(sizes.LINE)), "{}")
    for line in [*lines, "rule end:"]:
        if found := JOB.fullmatch(line):
            if name:
                yield _job(name, fields)
            name, fields = found[1], {"sizes": told}
        elif line.startswith(COMMAND):
            fields["command"] = line.removeprefix(COMMAND)
        elif found := FIELD.fullmatch(line):
            fields[found[1]] = found[2]


def _job(rule: str, fields: Mapping[str, str]) -> Planned:
    """One job from its lines."""
    several = {key: tuple(fields[key].split(", ")) if key in fields else () for key in ("input", "output", "wildcards")}
    wildcards = dict(item.split("=", 1) for item in several["wildcards"])
    log, benchmark, reason = (fields.get(key, "") for key in ("log", "benchmark", "reason"))
    more = int(fields.get("threads", 1)), fields.get("command", ""), fields["sizes"]
    return Planned(rule, several["input"], several["output"], wildcards, log, benchmark, reason, *more)


def _message(output: str) -> str:
    """What Snakemake says is wrong."""
    lines = [line for line in output.splitlines() if line.strip() and not NOISE.match(line)]
    if lines and lines[0].startswith(("Traceback", "usage: ")):  # an argument that Snakemake did not expect
        lines = lines[-1:]
    lines = [NO_RULE.sub(rf"No rule to produce \1; targets are {', '.join(TARGETS)}", line) for line in lines]
    return "\n".join(["Snakemake cannot plan this:", *(line for line in lines if not TRACE.match(line))])
