"""Paths that the workflow cannot use, told before anything is computed. All others work, since rules quote theirs."""

import atexit
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from boltzprune.errors import InputError

if TYPE_CHECKING:
    from boltzprune.study.config import DigitData, PatchData

UNUSABLE = (
    (re.compile(r"[{}]"), "braces, which Snakemake takes for a name to be replaced"),
    (re.compile(r"<[a-z][a-z0-9_]*>"), "a word in angle brackets, which Snakemake takes for a name to be replaced"),
    (re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]"), "a control character, which ends lines of lists and logs"),
)
SHOWN = 200
"""Characters of a path that a message shows at most."""
LONG = 2**15
"""Characters of a job's list of files from which Snakemake may put the job's command into a script: half of what it
does so at, since quoting can double a list."""
PACKAGE = Path(__file__).parents[2]
"""What jobs are told to find the package in, by PYTHONPATH."""
UNQUOTED = '"$`'
"""Snakemake names that script in double quotes."""


def put_first(variable: str, folder: str | os.PathLike[str]) -> None:
    """Put a folder first into an environment variable that lists folders, once."""
    others = [path for path in os.environ.get(variable, "").split(os.pathsep) if path and path != str(folder)]
    os.environ[variable] = os.pathsep.join([str(folder), *others])


def unusable(path: str) -> list[str]:
    """What a path has that no rule can name."""
    return [what for pattern, what in UNUSABLE if pattern.search(path)]


def problems_of_data(data: "PatchData | DigitData") -> Iterator[str]:
    """Lines 'key = path: what is wrong' for raw files that cannot be named in rules."""
    for key in ("directory", "file"):
        path = getattr(data, key) or ""
        for what in unusable(path):
            yield f"{key} = {path[:SHOWN]!r}: the path has {what}; rename the folder or file"


def package_alone() -> Path:
    """A folder with this package and none other, for PYTHONPATH of a Python that has libraries of its own.

    Where the package is installed among others, that is a temporary folder with a link to it.

    Returns
    -------
    Path
    """
    own = ("boltzprune", "snakemake_logger_plugin_boltzprune", "__pycache__")
    if all(entry.name.startswith(own) for entry in PACKAGE.iterdir()):
        return PACKAGE
    folder = Path(tempfile.mkdtemp(prefix="boltzprune-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "boltzprune").symlink_to(PACKAGE / "boltzprune", target_is_directory=True)
    return folder


def check_places(workflow: str, results: Path, longest_list: int) -> None:
    """Check the folders that a workflow runs in.

    Parameters
    ----------
    workflow : str
        Folder of the Snakefile.
    results : Path
        Where the folders of studies lie, seen from the working folder.
    longest_list : int
        Characters of the files that one job is given, at most.

    Raises
    ------
    InputError
        If the workflow cannot lie there, results cannot be written there, or so many files cannot be handed to a job.
    """
    if re.search("[{}]", workflow):
        raise InputError(f"{workflow}: the path of the workflow has {UNUSABLE[0][1]}; move the workflow")
    if os.pathsep in str(PACKAGE):
        raise InputError(
            f"{PACKAGE}: this path has {os.pathsep!r}, at which PYTHONPATH would split it for jobs; move it"
        )
    if results.exists() and not os.access(results, os.W_OK):
        raise InputError(f"{results.resolve()} is not writable; make it so, or use --directory")
    here = str(Path.cwd())
    if longest_list > LONG and (found := [character for character in UNQUOTED if character in here]):
        raise InputError(
            f"{here}: the path of the working folder has {' and '.join(found)}, which Snakemake cannot quote for jobs "
            "with as many files as this study has; rename the folder, use --directory, or raise seeds_per_job"
        )
