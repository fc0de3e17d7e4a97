"""What a result was made by: a digest of the code behind a stage, and the versions of the libraries.

Snakemake does not see edits of imported modules. So every rule carries, as a parameter, a digest of the stage's module
and of the project's modules it imports: edited code reruns the stages that use it, a comment or a docstring nothing.
"""

import ast
import functools
import hashlib
import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

from boltzprune import __version__
from boltzprune.results import known_digests
from boltzprune.results.canonical import canonical, tree_of

if TYPE_CHECKING:
    from boltzprune.pruning.criteria import Criterion

PACKAGE = Path(__file__).parents[1]
NOT_IN_DIGEST = (
    *("boltzprune.study.config", "boltzprune.pruning.criteria", "boltzprune.errors", "boltzprune.backend.preparation"),
    *("boltzprune.pruning.faults", "boltzprune.pruning.own_criteria", "boltzprune.pruning.own_files"),
    *(
        "boltzprune.backend.gpu.driver",
        "boltzprune.backend.gpu.lock",
        "boltzprune.backend.cpu.cache",
        "boltzprune.results.lifeline",
    ),
)
"""Values of the configuration travel as parameters, criteria have a digest each; messages, the choice of a GPU, the
cache of compiled code and the end of a process are no results."""
ROW = ("needs", "whole_units", "zeros_go", "options", "threshold", "ties_stay")
"""Fields of a row of criteria that change results; the others are how it looks."""


@functools.cache
def code_digest(*modules: str) -> str:
    """Digest of modules of this package and of all modules of it that they import, without comments and docstrings.

    Of a folder with GPU kernels, every byte of those.

    Parameters
    ----------
    *modules
        For example "boltzprune.learning.training".

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    found, waiting = {}, list(modules)
    while waiting:
        module = waiting.pop()
        if module not in found and not _is_left_out(module):
            found[module], imports = _digest_and_imports(module)
            waiting += imports
    known_digests.keep()
    return _hash(*(f"{name}\n{found[name]}" for name in sorted(found)))


@functools.cache
def criterion_digest(name: str, criterion: "Criterion") -> str:
    """Digest of one criterion: its function, what that calls, and the fields of its row that change results.

    A criterion of a user's own: the whole file, and every module beside it that it imports.
    """
    fields = repr([getattr(criterion, field) for field in ROW])
    if criterion.files:
        return _hash(fields, name, *map(_content, criterion.files))
    body = _tree(PACKAGE / "pruning" / "criteria.py").body
    definitions = {name: node for node in body for name in _names(node)}
    found, waiting, modules = {}, [criterion.saliency.__name__, "Evidence", "saliency_of"], {"boltzprune.core.fisher"}
    while waiting:
        name = waiting.pop()
        if name in definitions and name not in found:
            node = definitions[name]
            found[name] = canonical(node)
            modules |= _imports(node)
            waiting += [child.id for child in ast.walk(node) if _is_read(child)]
    return _hash(fields, *(found[key] for key in sorted(found)), code_digest(*sorted(modules)))


def _is_left_out(module: str) -> bool:
    """Whether a module does not count: the version, or one of the list, or in it."""
    return module == "boltzprune" or any(f"{module}.".startswith(f"{name}.") for name in NOT_IN_DIGEST)


def _is_read(node: ast.AST) -> TypeGuard[ast.Name]:
    """Whether a node is a name that is read; a field of a class that has the name of a function is not."""
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)


@functools.cache
def _digest_and_imports(module: str) -> tuple[str, set[str]]:
    """Digest of a module without comments and docstrings, and what it imports of this package."""
    path = _path(module)
    digest, imports, perhaps = known_digests.of_source(path.read_bytes(), lambda: _found_in(_tree(path)))
    kernels = sorted(path.parent.glob("*.cu*")) if path.name == "__init__.py" else []
    text = "\n".join([digest, *(kernel.read_text(encoding="utf-8") for kernel in kernels)])
    return text, {*imports, *(name for name in perhaps if _path(name).is_file())}


def _found_in(tree: ast.AST) -> list[str | list[str]]:
    """Of a syntax tree: its digest, modules of this package that it imports, and names that may be modules."""
    return [hashlib.sha256(canonical(tree).encode()).hexdigest(), *map(sorted, _imported(tree))]


def _names(node: ast.stmt) -> list[str]:
    """What a statement defines: a function, a class, or constants."""
    targets = [*getattr(node, "targets", []), getattr(node, "target", None)]
    return [node.name] if hasattr(node, "name") else [target.id for target in targets if isinstance(target, ast.Name)]


def versions() -> dict[str, str]:
    """Versions of this package, of Python and of the libraries that compute."""
    found = {"boltzprune": __version__, "python": ".".join(map(str, sys.version_info[:3]))}
    return found | {name: _installed(name) for name in ("numpy", "scipy", "numba")}


@functools.cache
def _installed(name: str) -> str:
    """Version of a library."""
    return importlib.metadata.version(name)


def _hash(*texts: str) -> str:
    """16 hexadecimal digits over the texts."""
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:16]


def _path(module: str) -> Path:
    """The file of a module of this package."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _content(path: Path) -> str:
    """What counts of a user's file: code without comments and docstrings, or every byte of what is no readable code."""
    try:
        return canonical(_tree(path))
    except (SyntaxError, ValueError):
        return hashlib.sha256(path.read_bytes()).hexdigest()


@functools.cache
def _tree(path: Path) -> ast.Module:
    """Syntax tree of a file without its docstrings, parsed once."""
    return tree_of(path)


def _imports(tree: ast.AST) -> set[str]:
    """Modules of this package that a tree imports, at the top or inside functions."""
    imports, perhaps = _imported(tree)
    return imports | {name for name in perhaps if _path(name).is_file()}


def _executed(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node of a tree but what stands behind `if TYPE_CHECKING:`, which only a type checker reads."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            waiting += node.orelse
        else:
            waiting += ast.iter_child_nodes(node)


def _imported(tree: ast.AST) -> tuple[set[str], set[str]]:
    """Modules of this package that a tree imports, and names that it takes from them, which may be modules."""
    imports, perhaps = set(), set()
    for node in _executed(tree):
        if isinstance(node, ast.Import):
            imports |= {alias.name for alias in node.names if alias.name.split(".")[0] == "boltzprune"}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "boltzprune":
            imports.add(node.module)
            perhaps |= {f"{node.module}.{alias.name}" for alias in node.names}
    return imports, perhaps
