"""`boltzprune verify`: recompute the checksum of every result of a study, and name what is not as it was written.

The raw files that a study was made of are checked too. One that is missing is told and no fault, since nothing but the
preparation of the data reads it; one that is another now is a fault, since the results are of other data.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from boltzprune.errors import InputError
from boltzprune.results import records
from boltzprune.study.progress import Progress
from boltzprune.study.reruns.page import count, size, table
from boltzprune.study.stages.fetch import MANIFEST, read_manifest

DAMAGED = 5
"""Exit status: something is not as it was written."""
ABOUT = (
    "Recompute the SHA-256 of every result and compare it with the record that the job left beside its log. The "
    "command names every file that is missing, emptied, cut or changed in any byte, every file that no record lists, "
    "every damaged record, and every raw file that is not the one that the study was made of. Exit status: 0, every "
    "byte is as it was written (raw files may be missing, which is told); 5, some are not; 2, there is nothing to "
    "check."
)
NO_RECORD = "no record of it"
RAW = "raw file"
"""What stands for the stage of a file that no stage wrote."""


@dataclass(frozen=True)
class Finding:
    """One file that is not what it ought to be.

    Attributes
    ----------
    path : Path
    stage : str
    problem : str
    remade : Path or None
        The result that has to be computed again for it; None: the file itself.
    """

    path: Path
    stage: str
    problem: str
    remade: Path | None = None


def check(folder: Path, progress: Progress | None = None) -> tuple[list[Finding], int, int]:
    """Check all results of one study.

    Parameters
    ----------
    folder : Path
        That of the study, with `logs` in it.
    progress : Progress or None
        Advanced by the bytes of each file.

    Returns
    -------
    findings : list of Finding
        Files in order of their names; at the end those that no record lists.
    n_files, n_bytes : int
        What the records list.
    """
    findings, known, n_bytes = [], set(), 0
    for record in records.in_study(folder):
        try:
            _, entries = records.read(record)
        except InputError:
            findings.append(Finding(record, "-", "damaged record"))
            continue
        for entry in entries:
            known.add(os.path.normpath(entry.path))
            n_bytes += entry.n_bytes
            if problem := entry.problem():
                findings.append(Finding(entry.path, entry.stage, problem))
            if progress:
                progress.advance(entry.n_bytes)
    unknown = (path for path in records.results_in(folder) if os.path.normpath(path) not in known)
    findings = sorted(findings, key=lambda found: str(found.path))
    return [*findings, *(Finding(path, "-", NO_RECORD) for path in unknown)], len(known), n_bytes


def check_raw(folder: Path, progress: Progress | None = None) -> tuple[list[Finding], list[Path]]:
    """Check the raw files that a study was made of, as its manifests name them.

    Parameters
    ----------
    folder : Path
        That of the study.
    progress : Progress or None
        Advanced by the bytes of each file.

    Returns
    -------
    findings : list of Finding
        Files that are others now.
    missing : list of Path
    """
    findings, missing = [], []
    for manifest, entry in _raw_entries(folder):
        problem = entry.problem()
        if problem == records.MISSING:
            missing.append(entry.path)
        elif problem:
            findings.append(Finding(entry.path, entry.stage, f"another file now: {problem}", manifest))
        if progress:
            progress.advance(entry.n_bytes)
    return findings, missing


def _raw_entries(folder: Path) -> Iterator[tuple[Path, records.Entry]]:
    """Each raw file of a study with the manifest that names it; damaged manifests are found as results are."""
    for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
        try:
            files = read_manifest(manifest)
        except InputError:
            continue
        for file in files:
            n_bytes = file["bytes"] if isinstance(file.get("bytes"), int) else 0
            yield manifest, records.Entry(Path(file["path"]), file["sha256"], n_bytes, RAW)


def studies(folder: str | os.PathLike[str]) -> list[Path]:
    """Folders of studies in a folder, or the folder itself; InputError if there is none."""
    folder = Path(folder)
    found = [folder] if (folder / records.LOGS).is_dir() else sorted(p.parent for p in folder.glob(f"*/{records.LOGS}"))
    if not found:
        raise InputError(
            f"{folder}: there is no study; expected a folder such as results/demo, with {records.LOGS}/ in it, or one "
            "with such folders"
        )
    return found


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the command line."""
    command = commands.add_parser("verify", help="check every byte of the results of a study", description=ABOUT)
    command.add_argument(
        "folders",
        nargs="*",
        default=["results"],
        metavar="FOLDER",
        help="of a study, or of several (default: results)",
    )
    command.add_argument("--files", action="store_true", help="print the paths of what is wrong and nothing else")
    command.set_defaults(function=_verify)


def _verify(options: argparse.Namespace) -> int:
    """Check the studies, one after the other."""
    found = []
    for folder in (study for given in options.folders for study in studies(given)):
        with Progress(_n_bytes(folder), "bytes", f"verify {folder}") as progress:
            findings, n_files, n_bytes = check(folder, progress)
            of_raw, missing = check_raw(folder, progress)
        found += findings + of_raw
        if not options.files:
            _show(folder, findings + of_raw, n_files, n_bytes)
            _show_missing(missing)
    if options.files:
        results = (finding.remade or finding.path for finding in found if finding.path.suffix != records.SUFFIX)
        sys.stdout.writelines(f"{path}\n" for path in dict.fromkeys(map(os.path.relpath, results)))
    elif found:
        sys.stdout.write(_remedy(options.folders, any(finding.stage == RAW for finding in found)))
    return DAMAGED if found else 0


def _n_bytes(folder: Path) -> int:
    """How much there is to read."""
    n_bytes = sum(path.stat().st_size for path in records.results_in(folder) if path.is_file())
    return max(1, n_bytes + sum(entry.n_bytes for _, entry in _raw_entries(folder)))


def _show(folder: Path, findings: Sequence[Finding], n_files: int, n_bytes: int) -> None:
    """What was checked, what is wrong, and with which versions it was computed."""
    checked = f"{folder}: {count(n_files, 'file')}, {size(n_bytes)} recorded"
    if not findings:
        sys.stdout.write(f"{checked}; every byte is as it was written\n")
    else:
        rows = [(finding.stage, os.path.relpath(finding.path), finding.problem) for finding in findings]
        sys.stdout.write(f"{checked}; {len(findings):,} not as they were written\n\n")
        sys.stdout.write(table([("stage", "file", "what is wrong"), *rows]))
    for name, found in records.made_with(folder).items():
        if len(found) > 1:
            jobs = ", ".join(f"{version} ({count(n, 'job')})" for version, n in sorted(found.items()))
            on_several = name == records.PROCESSOR
            several = "on several processors" if on_several else f"with several versions of {name}"
            sys.stdout.write(f"computed {several}: {jobs}\n")
            sys.stdout.write("last bits differ between kinds of processors, see docs/faults.md\n" * on_several)


def _show_missing(missing: Sequence[Path]) -> None:
    """Raw files that are not there, which is no fault."""
    if missing:
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        sys.stdout.write(
            f"raw files that are not there any more: {missing[0]}{more}; the results do not need them, unless the data "
            "are to be prepared anew\n"
        )


def _remedy(folders: Sequence[str], is_raw: bool) -> str:
    """What to do. Snakemake does not compute a lost result again whose followers are there, unless it is told to."""
    call = shlex.join(["boltzprune", "verify", "--files", *folders])
    back = "Of raw files, put those of before back, or take the new ones with the same command.\n" if is_raw else ""
    return (
        "\nCompute these files again, and what follows from them, with your usual targets and files:\n"
        f"    {call} | tr '\\n' '\\0' | xargs -0 boltzprune run my.yaml --forcerun\n"
        "If there is no rule to produce one of them, it is no part of the study, or no longer: move or delete it, and\n"
        f"the record in {records.LOGS}/ that names it.\n{back}"
    )
