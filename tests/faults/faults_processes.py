"""Processes that are started to be killed, and what is left of them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import boltzprune

SOURCE = Path(boltzprune.__file__).parents[1]
RESULTS = {".npz", ".csv", ".gz", ".md", ".tex", ".png"}
SECONDS_TO_END = 10


def signals_as_usual():
    """What a process does on a signal, whatever started the tests: under nohup, say, SIGHUP is ignored."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)


def python(*arguments, folder, **options):
    """A started Python, with this package, whose output is read by `communicate`."""
    own = {"PYTHONPATH": str(SOURCE), "TMPDIR": str(folder)}  # what is killed leaves its lock file there
    environment = os.environ | own | options.pop("environment", {})
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=signals_as_usual, **options,
    )  # fmt: skip


def snakemake(workflow, *arguments):
    """A started Snakemake, in a process group of its own, whose output goes to out.txt."""
    environment = os.environ | {"TMPDIR": str(workflow.folder)}
    with open(workflow.folder / "out.txt", "w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *arguments, "--configfile", "study.yaml"],
            cwd=workflow.folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            preexec_fn=signals_as_usual,
        )  # fmt: skip


def wait_for(condition, process=None, seconds=60):
    """Wait until a condition holds and return what it gave, or None when the process has ended or time is out."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        if process is not None and process.poll() is not None:
            return None
        time.sleep(0.02)
    return None


def commands(folder):
    """Command lines of the living processes that work in a folder or below it: pid -> arguments."""
    found, folder = {}, Path(folder).resolve()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if Path(os.readlink(entry / "cwd")).is_relative_to(folder):
                found[int(entry.name)] = (entry / "cmdline").read_bytes().decode().split("\0")
    return found


def stages(folder):
    """The pids of the stages that run in a folder."""
    return sorted(pid for pid, words in commands(folder).items() if words[1:3] == ["-m", "boltzprune"])


def end_all(folder):
    """End what a failed test has left in its folder."""
    for pid in commands(folder):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def seconds_to_end(folder):
    """How long it takes until no process works in a folder any more; infinite if it takes too long."""
    start = time.monotonic()
    ended = wait_for(lambda: not commands(folder), seconds=SECONDS_TO_END)
    return time.monotonic() - start if ended else float("inf")


def results(folder):
    """The results of a study: path -> bytes, without logs and benchmarks."""
    found = {}
    for path in sorted((folder / "results").rglob("*")):
        name = path.relative_to(folder / "results")
        if path.suffix in RESULTS and not {"logs", "benchmarks"} & set(name.parts):
            found[str(name)] = path.read_bytes()
    return found


def partial(folder):
    """Temporary files of results."""
    return [path for path in Path(folder).rglob(".*.partial*") if path.is_file()]
