"""The raw files that a study names: where they are, whether they are what they have to be, what is in them."""

import os
from pathlib import Path

from boltzprune.datasets import BY_EXPERIMENT, raw_files
from boltzprune.errors import InputError
from boltzprune.study.config import Study
from boltzprune.study.stages.fetch import MANIFEST, read_manifest


def local_files(study: Study, experiment: str = "patches") -> list[str]:
    """Raw files that the user put somewhere: list of str. Empty while they are missing or not what they have to be."""
    data = getattr(study, experiment).data
    if _place(study, experiment) is None:
        return []
    try:
        source = BY_EXPERIMENT[experiment][data.source]
        return [str(path) for path in source.locate(data.model_copy(update={"download": False}))]
    except InputError:
        return []


def check(study: Study, experiment: str, folder: str | os.PathLike[str] | None) -> None:
    """Check the file or folder with raw files that the user names: a job that finds a fault has lost its last result.

    Parameters
    ----------
    study : config.Study
    experiment : str
    folder : path or None
        Where the results of the experiment lie.

    Raises
    ------
    InputError
        If the file or folder is not what it has to be.
    """
    if _place(study, experiment) is not None and not _removed(study, experiment, folder):
        data = getattr(study, experiment).data
        BY_EXPERIMENT[experiment][data.source].locate(data)


def content(study: Study, experiment: str, folder: str | os.PathLike[str] | None) -> dict[str, str | None]:
    """Name of each raw file of the user's -> SHA-256. Those that were removed count as what they were.

    Parameters
    ----------
    study : config.Study
    experiment : str
    folder : path or None
        Where the results of the experiment lie.

    Returns
    -------
    dict of str to str or None
        None: it cannot be read.
    """
    if found := local_files(study, experiment):
        return raw_files.checksums(found, folder)
    return _removed(study, experiment, folder)


def _place(study: Study, experiment: str) -> str | None:
    """The user's file or folder with raw files; None if they come with a library or from a download."""
    data = getattr(study, experiment).data
    key = BY_EXPERIMENT[experiment][data.source].place
    return getattr(data, key) if key else None


def _removed(study: Study, experiment: str, folder: str | os.PathLike[str] | None) -> dict[str, str | None]:
    """Name -> SHA-256 of raw files that `fetch` found where the study names them and that are gone, if all are."""
    place = _place(study, experiment)
    if not place or folder is None or not raw_files.is_gone(place):
        return {}
    try:
        files = read_manifest(Path(folder) / MANIFEST)
    except InputError:
        return {}
    if not all(raw_files.lay_at(place, file["path"]) for file in files):
        return {}
    return {Path(file["path"]).name: file["sha256"] for file in files}
