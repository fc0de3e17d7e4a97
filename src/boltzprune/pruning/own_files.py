"""A user's Python file, run as a module that imports what lies beside it.

While code of the file runs, the modules beside it are found first, under their own names, as if the file were run by
`python my_rules.py`; afterwards they are put away. So two files in different folders can have helpers of one name, and
nothing else in this process takes a helper for a library. Code of the file runs when it is loaded and whenever a
function of it is called, since a function can import, pickle or look up a type as late as that.
"""

import ast
import contextlib
import importlib
import importlib.util
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any, cast

from boltzprune.errors import InputError, told

LIBRARIES = frozenset({*sys.stdlib_module_names, "__main__", "boltzprune", "numpy", "scipy"})
"""Names of modules that never mean a file beside the user's: too much of this process imports them when it likes."""
INSTALLED = {"site-packages", "dist-packages"}
"""Folders of what pip installs, which is not the user's own code."""

_in_turn = threading.RLock()
"""Held while modules are in place, since `sys.modules` belongs to the whole process."""


class OwnFile:
    """One file of a user's, executed.

    Parameters
    ----------
    path : pathlib.Path
        Ends in .py.

    Attributes
    ----------
    module : module

    Raises
    ------
    InputError
        If the file raises: file, line, what is wrong, remedy.
    """

    def __init__(self, path: Path) -> None:
        self.path, whole = path, path.absolute()
        self._folders = list(dict.fromkeys([str(whole.parent), str(whole.resolve().parent)]))
        self._beside = {entry.partition(".")[0] for folder in self._folders for entry in os.listdir(folder)} - LIBRARIES
        name = re.sub(r"\W", "_", path.stem)
        self._name = f"own_{name}" if name in LIBRARIES else name
        self._names = {self._name}
        self._modules: dict[str, ModuleType] = {}
        self._added: list[str] = []
        self._before: list[str] | None = None
        self._loaded: list[ModuleType] = []
        importlib.invalidate_caches()  # a helper may be a moment old
        spec = cast(ModuleSpec, importlib.util.spec_from_file_location(self._name, whole))  # it ends in .py
        self.module = self._modules[self._name] = importlib.util.module_from_spec(spec)
        try:
            with self.in_place(), contextlib.redirect_stdout(sys.stderr):  # `check` prints YAML
                cast(Loader, spec.loader).exec_module(self.module)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            what = in_words(error, self.files())
            raise InputError(
                f"{path} cannot be executed: {what}; expected Python that can be imported: {self._remedy(error)}"
            ) from error
        self._loaded = [module for _, module in sorted(self._modules.items())]

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """The file and the modules beside it that were found before are in `sys.modules`, and others are found."""
        with _in_turn:
            if self._before is not None:
                yield
                return
            self._before, writes = sys.path[:], sys.dont_write_bytecode
            others = {name: module for name, module in sys.modules.items() if self._is_in_the_way(name)}
            for name in others:
                del sys.modules[name]
            sys.modules.update(self._modules)
            sys.path[:0] = self._added
            sys.meta_path.insert(0, self)
            sys.dont_write_bytecode = True  # the folder is the user's
            try:
                yield
            finally:
                sys.dont_write_bytecode = writes
                sys.meta_path.remove(self)
                self._added = self._folders_added()
                self._modules = {n: m for n, m in sys.modules.items() if n.partition(".")[0] in self._names}
                for name in self._modules:
                    del sys.modules[name]
                sys.modules.update(others)
                sys.path[:], self._before = self._before, None

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """For Python's import: a module beside the file, or in a folder that its code put on `sys.path`.

        Parameters
        ----------
        name : str
        path : list of str or None
            Where the package lies that the module is in, if it is in one.
        target : object
            Python's; not used.

        Returns
        -------
        importlib.machinery.ModuleSpec or None
        """
        if path is not None or name in LIBRARIES:
            return None
        spec = PathFinder.find_spec(name, [*self._folders, *self._folders_added()])
        if spec is None or (spec.loader is None and _is_code(PathFinder.find_spec(name))):
            return None  # a folder without __init__.py counts only where there is no module of that name
        self._names.add(name)
        return spec

    def _folders_added(self) -> list[str]:
        """Folders that code of the file has put on `sys.path`."""
        before = cast(list[str], self._before)  # the modules are in place
        return [f for f in sys.path if f not in before and not INSTALLED & set(Path(f).parts)]

    def _is_in_the_way(self, name: str) -> bool:
        """Whether a module of this process has the name of one beside the file."""
        first = name.partition(".")[0]
        return first in self._names or (first in self._beside and _is_code(PathFinder.find_spec(first, self._folders)))

    def calling(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, with the modules beside its file in place whenever it is called."""

        def call(*arguments: Any) -> Any:
            with self.in_place():
                return function(*arguments)

        return call

    def files(self) -> tuple[Path, ...]:
        """The files whose code this is: the file, and every module beside it that it imports, directly or through them.

        Imports inside functions count, and so does what was loaded with the file in any other way.

        Returns
        -------
        tuple of pathlib.Path
        """
        found: dict[Path, None] = {}
        waiting = [(self.path.absolute(), "")]
        while waiting:
            path, package = waiting.pop(0)
            if path not in found:
                found[path] = None
                waiting += [place for name in _imported(path, package) for place in self._places(name)]
        loaded = [getattr(module, "__file__", None) for module in self._loaded]
        return tuple(found | {Path(path): None for path in loaded if path})

    def _places(self, name: str) -> list[tuple[Path, str]]:
        """Of a dotted name and the packages that it is in: (file, package for relative imports in it), if own."""
        parts, folders, places = name.split("."), [*self._folders, *self._added], []
        for i in range(len(parts) if parts[0] not in LIBRARIES else 0):
            spec = PathFinder.find_spec(".".join(parts[: i + 1]), folders)
            if spec is None:
                break
            inside = spec.submodule_search_locations
            if spec.has_location:
                places.append((Path(cast(str, spec.origin)), ".".join(parts[: i + (inside is not None)])))
            folders = list(inside or [])
        return places

    def _remedy(self, error: BaseException) -> str:
        """What helps against an exception while the file was loaded."""
        missing = getattr(error, "name", None) or ""
        if isinstance(error, ModuleNotFoundError) and missing:
            return f"install {missing}, or put {missing.replace('.', '/')}.py beside {self.path.name}"
        if isinstance(error, ImportError) and "relative import" in str(error):
            return "write `import helper` for a helper.py that lies beside it, without a dot"
        if isinstance(error, ImportError) and missing in LIBRARIES and PathFinder.find_spec(missing, self._folders):
            return f"{missing} means the library of that name, not {missing}.py beside it: give that another name"
        if isinstance(error, SystemExit):
            return "put what runs as a program under `if __name__ == '__main__':`"
        return f"correct it (`python {self.path}` shows the whole error)"


def in_words(error: BaseException, files: Collection[Path]) -> str:
    """An exception, with the innermost line of these files that it comes from, if there is one."""
    if isinstance(error, SyntaxError) and error.filename and Path(error.filename).is_file():
        return f"{told(error)} in {error.filename}, line {error.lineno}"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename) in files:
            return f"{told(error)} in {frame.filename}, line {frame.lineno}"
    return told(error)


def _is_code(spec: ModuleSpec | None) -> bool:
    """Whether that is a module or a package, not a mere folder."""
    return spec is not None and spec.loader is not None


def _imported(path: Path, package: str) -> Iterator[str]:
    """Dotted names that a Python file imports, at the top or inside functions; none of what is no readable Python."""
    try:
        tree = ast.parse(path.read_bytes()) if path.suffix == ".py" else ast.Module([], [])
    except (OSError, SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            outer = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = [*outer, *filter(None, [node.module])]
            yield from (".".join([*base, alias.name]) for alias in node.names)
