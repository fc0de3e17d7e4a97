"""The computer on which a study starts: what its jobs find there, its GPU, its clock."""

import os
import sys
import time
from pathlib import Path

from boltzprune.backend.gpu import driver
from boltzprune.errors import InputError
from boltzprune.results import lifeline
from boltzprune.study import paths
from boltzprune.study.config import Study
from boltzprune.study.cost import sizes

SECONDS_BETWEEN_CLOCKS = 300
"""By so much the clocks of computers that share a disk may differ."""


def export_environment(study: Study) -> None:
    """Let every job find this Python and this package, installed or not, and end when this process does.

    A job notes what it had to do, for which it is told the sizes of the study; so is `boltzprune plan`, if it asks.
    """
    lifeline.hold()
    os.environ[sizes.VARIABLE] = sizes.as_text(sizes.of_study(study))
    if sizes.ASKED in os.environ:
        sys.stdout.write(f"{sizes.LINE}{os.environ[sizes.VARIABLE]}\n")
        sys.stdout.flush()
    paths.put_first("PATH", Path(sys.executable).parent)
    paths.put_first("PYTHONPATH", paths.PACKAGE)


def check_dates(folder: str | os.PathLike[str]) -> None:
    """InputError if a result seems to be made in the future: Snakemake goes by dates, and would take old for new."""
    now = time.time()
    for path in Path(folder).rglob("*"):
        try:
            ahead = path.stat().st_mtime - now
        except FileNotFoundError:  # another run has renamed it
            continue
        if ahead > SECONDS_BETWEEN_CLOCKS:
            raise InputError(
                f"{path} is dated {ahead / 60:.0f} minutes in the future: was the clock of this computer set back? "
                "What is old would be taken for new; set the clock, or delete what is dated so and let it be made again"
            )


def gpus_per_job(study: Study) -> int:
    """GPUs that a job which computes asks for: 1 if this study uses one here, else 0."""
    return int(study.device == "gpu" or (study.device == "auto" and driver.is_usable()))


def environment(study: Study) -> str:
    """Name of the conda environment of jobs that compute: with CuPy only where the study asks for a GPU by name."""
    return driver.environment(driver.ask()) if study.device == "gpu" else "cpu"
