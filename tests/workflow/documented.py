"""Every command line that the documentation shows, as written; run as a program this lists them."""

import contextlib
import functools
import io
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from boltzprune.__main__ import main

ROOT = Path(__file__).parents[2]
PAGES = ("README.md", "CONTRIBUTING.md", "config/README.md", "results/README.md", "docs/*.md", "docs/results/README.md")
COMMENTED = ("config/*.yaml", "profiles/*/config.yaml", "Snakefile", "workflow/rules/*.smk", "Makefile")
COMMANDS = [
    *("run", "plan", "status", "verify", "compare", "merge", "init", "check-criterion", "check", "presets", "config"),
    *("schema", "device", "kernels"),
]
"""What people ask for, in the order of `boltzprune --help`."""
HELP = ("", *COMMANDS)
"""Commands whose --help is read."""
PROGRAMS = "boltzprune|snakemake|make|pip|python3?|uv|squeue|scancel"
FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
"""tests/study/test_documents.py allows sh, python and yaml for blocks of code, so that no command stands in another."""
INLINE = re.compile(rf"`((?:\.venv/bin/)?(?:{PROGRAMS})(?: [^`]*)?)`")
COMMENT = re.compile(rf"^ *#? +((?:\.venv/bin/)?(?:{PROGRAMS}) .*)$", re.MULTILINE)
NAMES_ONLY = {"boltzprune", "snakemake", "make", "pip", "uv"}
"""Alone they are names of programs in a sentence."""


@dataclass(frozen=True)
class Command:
    """One command line.

    Attributes
    ----------
    source : str
        File, or the command whose --help shows it.
    line : str
        As a person would type it, without the folder of the environment and the comment behind it.
    """

    source: str
    line: str


@functools.cache
def commands():
    """All of them, each once."""
    found = {}
    for page in _files(PAGES):
        text = page.read_text(encoding="utf-8")
        blocks = [line for block in FENCE.findall(text) for line in block.replace("\\\n", "").splitlines()]
        for line in [*blocks, *INLINE.findall(FENCE.sub("", text))]:
            _add(found, page.relative_to(ROOT).as_posix(), line)
    for file in _files(COMMENTED):
        text = "\n".join(
            line for line in file.read_text(encoding="utf-8").splitlines() if line.lstrip().startswith("#")
        )
        for line in [*COMMENT.findall(INLINE.sub("", text)), *INLINE.findall(text)]:
            _add(found, file.relative_to(ROOT).as_posix(), line)
    for name in HELP:
        text = _help(*name.split())
        examples = re.findall(r"^ {2}(boltzprune [a-z].*)$", text, re.MULTILINE)
        examples += re.findall(r"Example: (boltzprune .*)", text)
        for line in examples:
            _add(found, f"boltzprune {name} --help", line)
    return list(found.values())


def _help(*words):
    """What a command prints with --help; it runs in this process, since every worker of the tests asks at its start."""
    with contextlib.redirect_stdout(io.StringIO()) as printed, contextlib.suppress(SystemExit):
        main([*words, "--help"])
    return printed.getvalue()


def _files(patterns):
    """Files of the repository."""
    return [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def _add(found, source, line):
    """Note a command, unless it is empty, a mere name, or there already."""
    line = re.sub(r"( {2,}|\t| +#|;? and {2}).*$", "", line.strip()).replace(".venv/bin/", "").strip()
    if line and line not in NAMES_ONLY and not line.startswith("#"):
        found.setdefault(line, Command(source, line))


if __name__ == "__main__":
    sys.stdout.writelines(f"{command.source}: {command.line}\n" for command in commands())
