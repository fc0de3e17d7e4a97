"""`boltzprune run`: the call of Snakemake that makes a study, with its progress in a few lines."""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from boltzprune.study.reruns import arguments, display, dry_run, plan, times
from boltzprune.study.reruns.estimates import Estimate, Measured
from boltzprune.study.reruns.page import count

ABOUT = (
    "Make a study: targets (default: all) with configuration files, whose values replace those of config/config.yaml. "
    "The command first says what would be replaced, then calls Snakemake on all cores and shows its progress. Options "
    "of Snakemake can be given as well; those after -- are handed on without a look. What would run, without running "
    "it: boltzprune plan with the same arguments."
)
EXAMPLES = (
    "examples:\n"
    "  boltzprune run                                       the default study\n"
    "  boltzprune run fig2 my.yaml                          one figure of your study\n"
    "  boltzprune run patches config/paper.yaml --cores 8\n"
    "  boltzprune run my.yaml --set patches.iterations=4 --set study=longer\n"
    "  boltzprune run my.yaml --profile profiles/slurm      on a cluster\n"
    "  boltzprune run my.yaml -- --keep-going --retries 2   options of Snakemake"
)
WHERE = ("--cores", "-c", "--jobs", "-j", "--profile", "--executor", "-e")
"""Options that say on how many processors or computers to compute."""
OWN_WORDS = ("--logger", "--quiet", "-q", "--verbose", "--nocolor", "--no-color")
"""Options that say what Snakemake shall print: then it prints, and the display stays away."""
NO_RUN = (
    "--dry-run --dryrun -n --unlock --report --lint --dag --rulegraph --filegraph --d3dag --summary -S "
    "--detailed-summary -D --list-rules --list -l --touch -t --cleanup-metadata --archive --delete-all-output "
    "--delete-temp-output --conda-create-envs-only --generate-unit-tests --list-changes --list-input-changes "
    "--list-params-changes --version -v --print-compilation"
).split()
"""Options with which Snakemake computes no study."""
LOGGER = "boltzprune"
"""The display as Snakemake knows it."""


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the command line."""
    about = f"{ABOUT}\n\n{EXAMPLES}"
    dry_run.add_parser(commands, "run", "make a study: figures, tables and claims, with progress", about, make)


def make(words: list[str]) -> int:
    """Say what will happen, and become Snakemake.

    Parameters
    ----------
    words : list of str
        See `arguments.read`.
    """
    asked = arguments.read(words)
    if asked.has(*NO_RUN):
        return dry_run.become(asked)
    if not asked.has(*WHERE) and "SNAKEMAKE_PROFILE" not in os.environ:
        asked.options += ["--cores", "all"]
    jobs = dry_run.finish(dry_run.start(asked))
    place = dry_run.folder(asked)
    if not jobs:
        sys.stdout.write(plan.NOTHING)
        return 0
    results, study = (place / part for part in Path(jobs[0].outputs[0]).parts[:2])
    sys.stdout.write(plan.replaced(jobs, place))
    sys.stdout.write(f"Study {study.name}: {count(len(jobs), 'job')} to run. By hand: {dry_run.shown(asked)}\n")
    measured = Measured(results, study.name)
    seconds = [measured.seconds(job) for job in jobs]
    sys.stdout.write(times.summary(jobs, seconds, study.name, times.cores(asked.options)).partition("\n")[0] + "\n")
    sys.stdout.flush()
    if not asked.has(*OWN_WORDS):
        asked.options += ["--logger", LOGGER]
        os.environ[display.EXPECTED] = _expected(jobs, seconds)
    return dry_run.become(asked)


def _expected(jobs: Sequence[dry_run.Planned], seconds: Sequence[Estimate | None]) -> str:
    """Path of a file with the expected seconds of each job, or null, by its benchmark; the display deletes it."""
    found = {job.benchmark: estimate for job, estimate in zip(jobs, seconds) if job.benchmark}
    handle, path = tempfile.mkstemp(prefix="boltzprune-", suffix=".json")
    with open(handle, "w", encoding="utf-8") as file:
        json.dump({benchmark: estimate and estimate.value for benchmark, estimate in found.items()}, file)
    return path
