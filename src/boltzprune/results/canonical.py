"""The text of Python code as it computes: the same for every interpreter, comments, docstrings and layout left out.

`ast.dump` is no such text: what it prints and which fields a node has change with Python's minor version, and so do the
pieces that f-strings are parsed into. A digest of it would differ, and a study be computed anew, after an upgrade of
Python. This module imports nothing but the standard library, so that any interpreter can run it.
"""

import ast
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

NOT_CODE = {"kind", "type_comment", "type_ignores", "ctx"}
"""Fields that say nothing of what is computed: the prefix u of a text, types written as comments, and whether a name is
read or written, which its place says."""


class _Mark(str):
    """Text that belongs to the canonical form, not to the code."""


def tree_of(path: str | os.PathLike[str]) -> ast.Module:
    """Syntax tree of a file without its docstrings."""
    tree = ast.parse(Path(path).read_bytes())
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [n for n in body if not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant))]
    return tree


def canonical(tree: ast.AST) -> str:
    """A syntax tree as one line of ASCII: nodes with the fields that hold something, by name; equal for equal code.

    What an interpreter of another version adds to a node is empty where the code does not use it, so that it does not
    appear. The loop has a stack of its own: a long sum of a user's is deeper than Python's.

    Parameters
    ----------
    tree : ast.AST

    Returns
    -------
    str
    """
    written: list[str] = []
    waiting: list[Any] = [tree]
    while waiting:
        item = waiting.pop()
        if isinstance(item, _Mark):
            written.append(item)
        elif isinstance(item, ast.Constant):
            written.append(f"{type(item.value).__name__}:{_value(item.value)}")
        elif isinstance(item, ast.AST):
            waiting += reversed(_opened(item))
        elif isinstance(item, list):
            waiting += reversed([_Mark("["), *(part for one in item for part in (one, _Mark(","))), _Mark("]")])
        else:
            written.append(_value(item))
    return "".join(written)


def _opened(node: ast.AST) -> list[Any]:
    """A node as marks and what is between them."""
    parts: list[Any] = [_Mark(f"{type(node).__name__}(")]
    for name, value in sorted(ast.iter_fields(node)):
        if isinstance(node, ast.JoinedStr) and name == "values":
            value = _pieces(value)
        if name not in NOT_CODE and value not in (None, []) and not _is_empty_text(value):
            parts += [_Mark(f"{name}="), value, _Mark(";")]
    return [*parts, _Mark(")")]


def _pieces(values: Sequence[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string, neighbouring texts in one: how they are cut differs between versions."""
    joined: list[ast.expr] = []
    for value in values:
        before = joined[-1] if joined else None
        if isinstance(value, ast.Constant) and isinstance(before, ast.Constant):
            joined[-1] = ast.Constant("".join(map(str, (before.value, value.value))))
        elif not (isinstance(value, ast.Constant) and value.value == ""):
            joined.append(value)
    return joined


def _is_empty_text(value: Any) -> bool:
    """Whether a field is an f-string without parts, as some versions have for the format of f'{x:}'."""
    return isinstance(value, ast.JoinedStr) and not _pieces(value.values)


def _value(value: Any) -> str:
    """A number, a text or a name in ASCII; `repr` would go by the interpreter's table of printable characters."""
    return hex(value) if type(value) is int else ascii(value)
