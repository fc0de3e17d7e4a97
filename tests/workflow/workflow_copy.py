"""A copy of the workflow in a folder of its own, and Snakemake run in it."""

import functools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import snakemake_runs
import yaml

from boltzprune.results import provenance
from boltzprune.study.config import PRESETS
from boltzprune.study.settings import merged

ROOT = Path(__file__).parents[2]
SCHEDULE = {"n_epochs": 2, "batch_size": 20, "learning_rate": [0.1, 0.05]}
TINY = merged(
    PRESETS["published"],
    {
        "study": "tiny",
        "seeds": 3,
        "seeds_per_job": 3,
        "patches": {
            "data": {"source": "sample_images", "n_patterns": 499},
            "machine": {"n_hidden": 7},
            "training": {"learning_rate": [0.05], "momentum": [0.5], "momentum_rule": "scaled"},
            "criteria": ["variance_fi", "eigenvector"],
            "iterations": 1,
            "pruning": {"threshold": "rank"},
        },
        "digits": {
            "data": {"source": "digits", "crop": 2, "n_train": 199, "n_test": 97},
            "machine": {"receptive_field": 3, "n_hidden": [16, 7]},
            "pretraining": {"first": SCHEDULE, "second": SCHEDULE},
            "n_chains": 11,
            "training": SCHEDULE,
            "retraining": SCHEDULE,
            "sampling": {"n_samples": 101, "n_gibbs_steps": 3},
            "criteria": ["variance_fi"],
            "iterations": 1,
            "evaluation": {"ais_chains": 5, "ais_temperatures": 7, "after_pruning": True},
        },
        "figures": {"formats": ["png"], "dpi": 50},
    },
)
"""A study of some seconds; the keys of presets have their values, so that another preset changes nothing."""


class Copy:
    """The workflow in a folder.

    Parameters
    ----------
    folder : Path
    values : dict
        The configuration, written to study.yaml.
    """

    def __init__(self, folder, values):
        self.folder, self.values = Path(folder), values
        self.refresh()
        self.write(values)

    def refresh(self):
        """Copy the sources afresh, as a new checkout would, beside whatever results there are."""
        remember_digests()
        ignore = shutil.ignore_patterns("*.pyc", "numba-*", "*.egg-info")
        for name in ("workflow", "config", "profiles", "envs", "src"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, self.folder / name, ignore=ignore, copy_function=shutil.copyfile)
        shutil.copyfile(ROOT / "Snakefile", self.folder / "Snakefile")

    def beside(self, folder, data=(), link=shutil.copy2):
        """A fresh checkout in another folder, with the same results; times of results and data are kept."""
        made = Copy(folder, self.values)
        for name in {"results", ".snakemake", "rules.py", *(path.split("/")[0] for path in data)}:
            source = self.folder / name
            if source.is_dir():
                shutil.copytree(source, made.folder / name, copy_function=link)
            elif source.exists():
                shutil.copy2(source, made.folder)
        return made

    def write(self, values):
        """Make this the configuration."""
        (self.folder / "study.yaml").write_text(yaml.safe_dump(values))

    def snakemake(self, *arguments, configfile="study.yaml"):
        """Run Snakemake: the finished process, its output as text in `stdout`."""
        configuration = ["--configfile", configfile] if configfile else []
        return snakemake_runs.run([*map(str, arguments), *configuration], self.folder, _environment())

    def boltzprune(self, *arguments):
        """Run the command line on the sources of this folder: the finished process, `stdout` and `stderr` apart."""
        return subprocess.run(
            [sys.executable, "-m", "boltzprune", *arguments], cwd=self.folder,
            env=_environment() | {"PYTHONPATH": str(self.folder / "src")}, capture_output=True, text=True, check=False,
        )  # fmt: skip

    def planned(self, *arguments):
        """What a dry run would do: rule -> number of jobs."""
        done = self.snakemake("--dry-run", *arguments)
        assert done.returncode == 0, done.stdout
        if "Nothing to be done" in done.stdout:
            return {}
        table = re.search(r"^Job stats:\n.*\n[ -]*\n((?:\S+ +\d+\n)+)", done.stdout, flags=re.MULTILINE).group(1)
        counts = {rule: int(count) for rule, count in (line.split() for line in table.splitlines())}
        return {rule: count for rule, count in counts.items() if rule not in ("all", "default", "total")}


def _environment():
    """That of a user, who has no path of the tests; what Python compiles may stay in the folder of the copy."""
    ours = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
    return {key: value for key, value in os.environ.items() if key not in ours}


@functools.cache
def remember_digests():
    """Have the digests of the package's sources in the file beside it, which copies take along.

    Each start of Snakemake in a fresh copy would compute them again, which takes as long as all the rest of a dry run.
    They are found by the content of a source, so that a copy which is edited computes those of what was edited.
    """
    source = ROOT / "src"
    names = [path.relative_to(source).with_suffix("").parts for path in (source / "boltzprune").rglob("*.py")]
    provenance.code_digest(*(".".join(name).removesuffix(".__init__") for name in names))


def compared(one, other, paths):
    """Files of two copies: path -> whether they are equal to the last bit."""
    return {path: (one.folder / path).read_bytes() == (other.folder / path).read_bytes() for path in sorted(paths)}
