"""A criterion of a user's own: a function that the configuration names as file.py:function, and what it says of itself.

The function may carry attributes: label, colour, citation, needs, whole_units, zeros_go (see `criteria.Criterion`).
"""

import os
import re
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from boltzprune.errors import InputError, told
from boltzprune.pruning.faults import why_unsuitable
from boltzprune.pruning.own_files import OwnFile

OWN_COLOURS = ("#8C6D31", "#332288", "#882255", "#117733", "#AA4499")
"""Of those that name none, in the order of the configuration."""


def criterion_of(function: Callable[..., Any]) -> dict[str, Any]:
    """What is known of a criterion that is a function of the running program.

    Parameters
    ----------
    function : callable

    Returns
    -------
    dict of str -> object
        The fields of `criteria.Criterion`.

    Raises
    ------
    InputError
        If it cannot be a criterion, or an attribute is not what it has to be.
    """
    name = getattr(function, "__name__", type(function).__name__)
    if problem := why_unsuitable(function):
        raise InputError(f"criterion {name!r} {problem}")
    fields = _said_of_itself(function, name, name, 0)
    _check(name, fields)
    return fields | {"saliency": function, "options": _options(fields)}


def own_criterion(name: str, position: int = 0) -> dict[str, Any]:
    """What is known of a criterion in a user's Python file.

    Parameters
    ----------
    name : str
        file.py:function
    position : int
        Among the criteria of a user's own in the study: which of `OWN_COLOURS` it has, if it names none.

    Returns
    -------
    dict of str -> object
        The fields of `criteria.Criterion`.

    Raises
    ------
    InputError
        If there is no such file or function, the file cannot be executed, or an attribute is not what it has to be.
    """
    file, _, function_name = name.rpartition(":")
    own = _load(name, Path(file))
    try:
        with own.in_place():
            function = _function(name, own.module, function_name)
            fields = _said_of_itself(function, function_name, own.path, position)
            _check(name, fields)
            return fields | {
                "saliency": own.calling(function),
                "options": _options(fields),
                "files": own.files(),
                "reads": frozenset(getattr(getattr(function, "__code__", None), "co_names", ())),
            }
    except InputError:
        raise
    except Exception as error:
        raise InputError(f"criterion {name!r}: an attribute raised {told(error)}; expected plain values") from error


def _options(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """Keys of section `pruning` that such a criterion is shown."""
    return ("eigenvector_entry",) if str(fields["needs"]) == "eigenvector" else ()


def _said_of_itself(function: Callable[..., Any], name: str, origin: object, position: int) -> dict[str, Any]:
    """Attributes of a user's function, or what stands for those that it has not.

    Parameters
    ----------
    function : callable
    name : str
        Of the function.
    origin : object
        What is cited: the path of the file.
    position : int
        See `own_criterion`.
    """
    defaults = {
        "label": name.replace("_", " "),
        "colour": OWN_COLOURS[position % len(OWN_COLOURS)],
        "citation": str(origin),
        "needs": "statistics",
        "whole_units": False,
        "zeros_go": False,
    }
    return {attribute: getattr(function, attribute, default) for attribute, default in defaults.items()}


def _check(name: str, fields: Mapping[str, Any]) -> None:
    """InputError for an attribute that is not what it has to be."""
    for attribute, is_good, expected in (
        ("label", isinstance(fields["label"], str), "a text"),
        ("colour", bool(re.fullmatch("#[0-9A-Fa-f]{6}", str(fields["colour"]))), "'#rrggbb'"),
        ("citation", isinstance(fields["citation"], str), "a text"),
        ("needs", str(fields["needs"]) in ("statistics", "eigenvector"), "'statistics' or 'eigenvector'"),
        ("whole_units", isinstance(fields["whole_units"], bool), "True or False"),
        ("zeros_go", isinstance(fields["zeros_go"], bool), "True or False"),
    ):
        if not is_good:
            raise InputError(f"criterion {name!r}: {attribute} is {fields[attribute]!r}; expected {expected}")


def functions_in(file: str) -> list[str]:
    """Everything in a Python file of a user's that can be a criterion, as file.py:function.

    Parameters
    ----------
    file : str

    Returns
    -------
    list of str

    Raises
    ------
    InputError
        If there is no such file, it cannot be executed, or it has nothing of the kind.
    """
    module = _load(file, Path(file)).module
    own = {name: value for name, value in vars(module).items() if not name.startswith("_")}
    found = [
        f"{file}:{name}"
        for name, value in own.items()
        if why_unsuitable(value) is None and getattr(value, "__module__", None) == module.__name__
    ]
    if not found:
        raise InputError(f"{file}: has no function of one argument, the evidence; see docs/own_criterion.md")
    return found


def _load(name: str, file: Path) -> OwnFile:
    """A user's file, executed."""
    if not os.path.isfile(file) or file.suffix != ".py":
        raise InputError(f"criterion {name!r}: there is no file {file}; expected one that ends in .py")
    try:
        return OwnFile(file)
    except InputError as error:
        raise InputError(f"criterion {name!r}: {error}") from error.__cause__


def _function(name: str, module: ModuleType, function_name: str) -> Callable[..., Any]:
    """The function of a user's file; InputError for anything that cannot be a criterion.

    Parameters
    ----------
    name : str
        Of the criterion, file.py:function.
    module : module
        The file, executed.
    function_name : str
    """
    file, found = Path(name.rpartition(":")[0]), getattr(module, function_name, None)
    problem = why_unsuitable(found)
    if found is None or not callable(found):
        others = ", ".join(key for key, value in vars(module).items() if why_unsuitable(value) is None) or "none"
        found_there = "" if found is None else f" ({function_name} is {reprlib.repr(found)})"
        raise InputError(
            f"criterion {name!r}: {file} has no function {function_name}{found_there}; expected one of that name: "
            f"correct what stands after the colon; functions there: {others}"
        )
    if problem:
        raise InputError(f"criterion {name!r}: {function_name} in {file} {problem}")
    return found
