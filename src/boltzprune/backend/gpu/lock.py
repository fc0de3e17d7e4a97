"""One GPU per job on a machine with several: each process locks a file that stands for its device.

The kernel drops the lock when the process ends, however it ends. The files are never deleted: somebody may be about to
lock the one that goes. A forked child shares its parent's device and keeps it while it lives.
"""

import logging
import os
import re
import stat
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # a module that may be missing has no other type

log = logging.getLogger(__name__)

_claims: dict[tuple[Path, ...], tuple[int, int | None]] = {}
"""Lock files of the devices -> (index, open file handle or None): the choice of this process, kept until it ends."""


def claim(
    identifiers: Sequence[str],
    folder: str | os.PathLike[str] | None = None,
    environment: Mapping[str, str] = os.environ,
) -> int:
    """Index of the device that this process uses; the same on every call.

    Parameters
    ----------
    identifiers : list of str
        Names of the visible devices (PCI bus identifiers), equal in all processes of the machine.
    folder : path, optional
        Where the lock files are. Default: a folder of this user's in the folder for temporary files.
    environment : mapping of str to str
        Environment variables, which tell whether the user or a scheduler has chosen the device.

    Returns
    -------
    int, 0 <= index < len(identifiers)
        The first device that no other process has claimed. If all are taken one is shared, which is logged. 0 if there
        is one device, if somebody has chosen, or if files cannot be locked, which is logged.
    """
    if len(identifiers) <= 1 or _is_chosen(environment):
        return 0
    if fcntl is None:
        log.info("files cannot be locked on this system: this job takes device 0 of %d", len(identifiers))
        return 0
    try:
        return _first_free(identifiers, _private_folder(folder))
    except OSError as error:
        log.warning("cannot lock a GPU for this job (%s): it takes device 0 of %d", error, len(identifiers))
        return 0


def _is_chosen(environment: Mapping[str, str]) -> bool:
    """Whether the user or a scheduler named the one device; a job that was given several shares them out by locks."""
    return len([name for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]) == 1


def _private_folder(folder: str | os.PathLike[str] | None) -> Path:
    """The folder of the lock files, made if missing; refused if others could plant files in it."""
    path = Path(tempfile.gettempdir(), f"boltzprune-gpu-{os.getuid()}") if folder is None else Path(folder)
    os.makedirs(path, mode=0o700, exist_ok=True)
    status = os.lstat(path)  # of a link itself, not of what it points to
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o022:
        raise PermissionError(
            f"{path} is not a folder that this user alone may write to; remove it, or set TMPDIR to another place"
        )
    return path


def _lock_file(folder: Path, identifier: str) -> Path:
    """Lock file of a device; with the machine's name, as temporary files may be on a disk that machines share."""
    name = re.sub(r"[^a-z0-9]+", "-", f"{os.uname().nodename}-{identifier}".lower())
    return folder / f"{name}.lock"


def _first_free(identifiers: Sequence[str], folder: Path) -> int:
    """Index of the first device whose file can be locked, or of one that is shared."""
    paths = tuple(_lock_file(folder, identifier) for identifier in identifiers)
    if paths in _claims:
        return _claims[paths][0]
    for index, path in enumerate(paths):
        if (handle := _lock(path)) is not None:
            _claims[paths] = index, handle
            return index
    shared = os.getpid() % len(paths)
    _claims[paths] = shared, None
    log.warning(
        "all %d GPUs are taken by other jobs: this one shares device %d (%s), and both will be slower; "
        "run at most %d such jobs at once",
        len(paths),
        shared,
        identifiers[shared],
        len(paths),
    )
    return shared


def _lock(path: Path) -> int | None:
    """Handle of the locked file, or None where another process holds it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        return None
    except OSError:
        os.close(handle)
        raise
    return handle
