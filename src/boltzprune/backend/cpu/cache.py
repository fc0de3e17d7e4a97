"""Compiled code on disk that no damage, no other job and no missing permission can turn against a job.

Numba runs what its cache holds: a file cut short ends the job with an error of `pickle`, a changed bit of machine code
is executed, and two jobs that compile one function for different arguments can swap files. Here each file carries its
SHA-256 and says what it was compiled for; what does not fit is compiled anew. A cache that cannot be written costs time
and nothing else.
"""

import hashlib
import logging
import os
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self, TypeVar

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, UserProvidedCacheLocator
from numba.core.runtime import rtsys

log = logging.getLogger(__name__)

N_CHECK = hashlib.sha256().digest_size
_config: Any = numba.config
"""Numba's settings, to which it gives names only while it is imported."""
_told: set[str] = set()
"""What has been logged by this process: thirty functions have one cache."""
Function = TypeVar("Function", bound=Callable[..., Any])


def njit(cache: bool = False, **options: Any) -> Callable[[Function], Function]:
    """`numba.njit` of those options, its compiled code kept in files that are checked when they are read."""

    def compiled(function: Function) -> Function:
        dispatcher = numba.njit(**options)(function)
        if cache:
            dispatcher._cache = _Cache(function)
        return dispatcher

    return compiled


def choose_folder() -> Path:
    """The folder of what this version of Numba compiled from just these sources.

    Numba itself notices edits of the file that a function stands in, and of no other. So the folder is named after a
    digest of all sources that count: those of this folder, and of `core`, whose named tuples compiled functions take.
    It lies in NUMBA_CACHE_DIR if that is set; else beside this file, or in the user's cache where that is not writable.
    """
    here = Path(__file__).parent
    sources = [path.read_bytes() for room in (here, here.parents[1] / "core") for path in sorted(room.glob("*.py"))]
    digest = hashlib.sha256(b"".join([numba.__version__.encode(), *sources])).hexdigest()
    roots = [Path(_config.CACHE_DIR)] if _config.CACHE_DIR else [here / "__pycache__", *_home()]
    folders = [root / f"numba-{digest[:16]}" for root in roots]
    return next((folder for folder in folders if _is_writable(folder)), folders[0])


def _home() -> list[Path]:
    """The user's cache; nothing in a container whose user has no home."""
    try:
        return [Path.home() / ".cache" / "boltzprune"]
    except RuntimeError:
        return []


def _is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, which is made if missing."""
    try:
        os.makedirs(folder, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _tell_once(what: str, message: str, *values: object) -> None:
    """Log a warning if this process has not logged one of that kind."""
    if what not in _told:
        _told.add(what)
        log.warning(message, *values)


class _Files(IndexDataCacheFile):
    """The files of one function: an index, and machine code for each kind of argument and processor."""

    def save(self, key: Any, data: Any) -> None:
        super().save(key, (key, data))

    def load(self, key: Any) -> Any:
        found_key, data = super().load(key) or (None, None)
        return data if found_key == key else None

    def _load_index(self) -> dict[Any, str]:
        version, stamp, names = self._read(self._index_path) or (None, None, {})
        return names if (version, stamp) == (self._version, self._source_stamp) else {}

    def _save_index(self, overloads: dict[Any, str]) -> None:
        self._write(self._index_path, (self._version, self._source_stamp, overloads))

    def _load_data(self, name: str) -> Any:
        return self._read(self._data_path(name))

    def _save_data(self, name: str, data: Any) -> None:
        self._write(self._data_path(name), data)

    def _read(self, path: str) -> Any:
        """What a file holds; None if it is not there, or not as it was written."""
        try:
            content = Path(path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        if hashlib.sha256(content[N_CHECK:]).digest() != content[:N_CHECK]:
            _tell_once("damaged", "%s: compiled code is damaged; what is damaged is compiled anew", path)
            return None
        return pickle.loads(content[N_CHECK:])

    def _write(self, path: str, value: Any) -> None:
        """Write a file with its checksum, whole or not at all."""
        content = self._dump(value)
        with self._open_for_write(path) as file:
            file.write(hashlib.sha256(content).digest() + content)


class _Locator(UserProvidedCacheLocator):
    """The folder chosen here, writable or not: what lies in it can be read.

    It is named after all sources, so code is found wherever they lie, and whenever they were written.
    """

    def get_cache_path(self) -> str:
        return str(_config.CACHE_DIR)

    def get_source_stamp(self) -> str:
        return ""

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> Self:
        return cls(py_func, py_file)


class _Impl(CompileResultCacheImpl):
    """No other folder: those that Numba would turn to know nothing of edits in other files."""

    _locator_classes = [_Locator]


class _Cache(FunctionCache):
    """The cache of one function; whatever is wrong with it, the function is compiled."""

    _impl_class = _Impl

    def __init__(self, py_func: Callable[..., Any]) -> None:
        super().__init__(py_func)
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, self._impl.locator.get_source_stamp())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Compiled code of a kind of arguments; None if there is none that can be used.

        Numba would first get ready to compile, which takes longer than many jobs compute: it loads what it knows of all
        functions, and SciPy with it. Compiled code needs the runtime alone, and Numba can still compile afterwards.
        """
        try:
            rtsys.initialize(target_context)
            return self._load_overload(sig, target_context)
        except MemoryError:
            raise
        except Exception as error:  # reading code that another program wrote can fail in any way
            what = "%s: compiled code cannot be used (%s: %s); it is compiled anew"
            _tell_once("unusable", what, self._cache_path, type(error).__name__, error)
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:
            _tell_once(
                "unwritable",
                "%s: compiled code cannot be kept (%s), so that every job compiles it anew; make the folder writable, "
                "or name another one in the environment variable NUMBA_CACHE_DIR",
                self._cache_path,
                error.strerror or error,
            )


_config.CACHE_DIR = str(choose_folder())
