"""Every command line of the documentation works as it is written.

Each is given to bash. The programs that it names are stand-ins, which turn what would compute or install into a dry run
or a check, and run the rest for real (one kernel is compiled for one architecture here, all for four in tests/backend).
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest
from documented import ROOT, commands

pytestmark = pytest.mark.slow

STAND_INS = {
    "snakemake": 'case " $* " in *" --unlock "*) ;; *) set -- "$@" --dry-run;; esac\n{python} -m snakemake "$@"',
    "boltzprune": (
        'case "$1 $*" in "run "*--report*) set -- "$@" study.yaml;; "run "*--unlock*) ;;\n'
        '"run "*) shift; set -- run --dry-run "$@";;\n'
        '"merge "*) set -- "$@" --no-run;;\n'
        '"init "*) shift; [ $# = 0 ] || shift; set -- init "$(mktemp -d)/mine.yaml" "$@";;\n'
        '"kernels "*) exec {python} {here}/kernels_check.py "$@" --arch 90;; esac\n'
        'exec {python} -m boltzprune "$@"'
    ),
    "make": 'exec {make} --dry-run "$@" >/dev/null',
    "uv": '[ "$1 $2 $3" = "run --extra workflow" ] && shift 3 && exec "$@"',
    "pip": 'exec {python} {here}/pip_check.py "$@"',
    "python": 'exec {python} {here}/python_check.py "$@"',
    "python3": 'exec {python} {here}/python_check.py "$@"',
    "squeue": 'echo "3 RUNNING boltzprune_x all"',
    "scancel": "exit 0",
}
PIP_CHECK = """
import re, sys, tomllib
from pathlib import Path
project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
known = " ".join([*project["dependencies"], *(name for names in extras.values() for name in names)])
command, *words = sys.argv[1:]
assert command == "install"
while words:
    word = words.pop(0)
    if word == "-c":
        assert Path(words.pop(0)).is_file()
    elif word == "-e" or word.startswith("."):
        given = words.pop(0) if word == "-e" else word
        assert given == "." or set(re.fullmatch(r"[.][[](.*)]", given)[1].split(",")) <= set(extras)
    else:
        assert word in known or word == "nvidia-cuda-nvrtc", word
"""
PYTHON_CHECK = """
import sys
from pathlib import Path
words = sys.argv[1:]
if words[:2] == ["-m", "pytest"]:
    assert all(Path(word).exists() for word in words[2:])
elif words[:2] == ["-m", "venv"]:
    assert words[2:] == [".venv"]
else:
    assert Path(words[0]).is_file()
"""
KERNELS_CHECK = """
import sys
from boltzprune.__main__ import main
from boltzprune.backend.gpu.kernels import KERNELS
for name in set(KERNELS) - {"pack"}:
    del KERNELS[name]
sys.exit(main())
"""
NEEDS_MORE = {"boltzprune kernels": "nvidia-cuda-nvrtc", "boltzprune run --set device=gpu": "gpu"}
"""What may be missing here -> a word of the message that then says so."""
SYNTAX = re.compile(r"[\[(][A-Z]+|\.\.\.")
"""Lines that show the form of a command instead of one."""


@pytest.fixture(scope="module")
def place(finished, tmp_path_factory):
    """A checkout with a finished study, the default name, a user's file, and the stand-ins first on the path."""
    workflow = finished.beside(tmp_path_factory.mktemp("documented"))
    folder = workflow.folder
    shutil.copytree(folder / "results" / "tiny", folder / "results" / "demo")
    for name in ("pyproject.toml", "requirements.lock", "Makefile"):
        shutil.copy(ROOT / name, folder)
    for name in ("tests", "benchmarks"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "my.yaml").write_text("seeds: 3\n")
    (folder / "my_rules.py").write_text("def used(evidence):\n    return abs(evidence.weights) * evidence.pair_mean\n")
    np.savez(folder / "my_images.npz", images=np.random.default_rng(3).random((11, 23, 29)))
    others = folder / "from-the-other-computer"
    stored = folder / "docs" / "results"
    for name in ("digits", "digits-seed5"):
        shutil.copytree(ROOT / "docs" / "results" / name, stored / name)
    (folder / "results" / "my-study").symlink_to(folder / "results" / "tiny")
    _with_other_seeds(folder / "results" / "tiny", others / "my-study", 100)
    _with_other_seeds(stored / "digits", folder / "results" / "paper", 100)
    _with_other_seeds(stored / "digits", others / "paper", 200)
    (folder / "bin").mkdir()
    for name, script in STAND_INS.items():
        text = script.format(python=sys.executable, here=folder / "bin", make=shutil.which("make"))
        (folder / "bin" / name).write_text(f"#!/bin/bash\n{text}\n")
        (folder / "bin" / name).chmod(0o755)
    for name, script in (("pip", PIP_CHECK), ("python", PYTHON_CHECK), ("kernels", KERNELS_CHECK)):
        (folder / "bin" / f"{name}_check.py").write_text(script)
    return folder


def _with_other_seeds(results, target, later):
    """Tables and settings of a study as another computer would have them, with seeds that many numbers later."""
    shutil.copytree(results, target)
    study = target / "study.yaml"
    study.write_text(study.read_text().replace("first_seed: 0\n", f"first_seed: {later}\n"))
    for path in (target / "tables").glob("*metrics.csv"):
        table = pd.read_csv(path)
        table.assign(seed=table["seed"] + later).to_csv(path, index=False)


def environment(folder):
    """The sources of the folder, the stand-ins, and SLURM's options where its plugin is not installed."""
    paths = [str(folder / "src")]
    if importlib.util.find_spec("snakemake_executor_plugin_slurm") is None:
        paths.append(str(ROOT / "tests" / "cluster" / "slurm_options"))
    given = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "SNAKEMAKE_PROFILE")}
    return given | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": ":".join(paths)}


def start(line, folder):
    """A finished process: a command line, given to bash."""
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], cwd=folder, env=environment(folder), capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def finished_commands(place, request):
    """Line -> finished process, of all that are asked for, on all processors."""
    lines = [
        item.callspec.params["command"].line
        for item in request.session.items
        if item.module is request.module and hasattr(item, "callspec")
    ]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(lines, pool.map(start, lines, [place] * len(lines))))


@pytest.mark.parametrize("command", [c for c in commands() if not SYNTAX.search(c.line)], ids=lambda c: c.line)
def test_a_documented_command_works(finished_commands, command):
    done = finished_commands[command.line]
    told = done.stdout + done.stderr
    if done.returncode and command.line in NEEDS_MORE:
        assert NEEDS_MORE[command.line] in told
    else:
        assert done.returncode == 0, f"{command.source}: {command.line}\n{told[-3000:]}"
    assert "Traceback" not in told


def test_the_list_has_commands_of_every_kind_of_source():
    sources = {command.source.split("/")[0] for command in commands()}
    assert {
        "README.md",
        "CONTRIBUTING.md",
        "docs",
        "config",
        "profiles",
        "Snakefile",
        "boltzprune run --help",
    } <= sources


def test_a_command_that_does_not_work_is_noticed(place):
    for line in ("snakemake fig9 --cores 1", "boltzprune run --configfile none.yaml fig2", "pip install -e .[none]"):
        assert start(line, place).returncode != 0, line
