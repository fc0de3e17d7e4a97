"""From a user's YAML to a checked `Study`: later files replace values; every problem is listed at once, one line each.

The values of a file replace those of `config/config.yaml`, the default study; see `lay`.
"""

import copy
import difflib
import functools
import os
import re
import reprlib
import typing
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic
import yaml

from boltzprune.errors import InputError
from boltzprune.pruning.controls import CONTROLS
from boltzprune.pruning.criteria import slug
from boltzprune.study import feasible, paths
from boltzprune.study.config import OWN_CRITERION, PRESETS, RENAMED, Section, Study
from boltzprune.study.yaml_files import read_yaml

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

DEFAULTS = Path(__file__).parents[3] / "config" / "config.yaml"
"""The default study, in a checkout; an installed package has the same values as the defaults of its models."""
DEFAULT_STUDY, FROM_COMMAND_LINE = "config/config.yaml", "the command line"
"""What messages call these two origins of values."""
WHOLE = ("colours", "last_iterations")
"""Mappings that are one value: a later one replaces an earlier one, so that {} means none."""
Layers = list[tuple[str, dict[str, Any]]]
"""Name and values of each file or other origin, the last one winning."""
_SHORT = reprlib.Repr()
"""Shows a value; a few lines of YAML can stand for one of gigabytes."""
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxstring, _SHORT.maxother = 3, 10, 200, 200


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two nested mappings as one, `over` winning; neither is changed."""
    result = copy.deepcopy(dict(base))
    for key, value in over.items():
        nested = isinstance(value, dict) and isinstance(result.get(key), dict) and key not in WHOLE
        result[key] = merged(result[key], value) if nested else copy.deepcopy(value)
    return result


def lay(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Values, some of them replaced by others: the one rule by which defaults, files and the command line make a study.

    A preset that `above` names sets all keys of the presets first; the keys that `above` has come last.

    Parameters
    ----------
    below, above : dict

    Returns
    -------
    dict
    """
    chosen = above.get("preset")
    return merged(merged(below, PRESETS.get(chosen, {}) if isinstance(chosen, str) else {}), above)


def typed(value: Any) -> Any:
    """A value of `--config` as the YAML scalar that it stands for, since Snakemake hands nested ones on as text."""
    if isinstance(value, dict):
        return {key: typed(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [typed(inner) for inner in value]
    if not isinstance(value, str) or value.startswith("#"):  # a colour, no comment
        return value
    try:
        scalar = yaml.safe_load(value)
    except Exception:  # PyYAML lets through what its makers of dates and numbers raise
        return value
    return scalar if scalar is None or isinstance(scalar, bool | int | float) else value


def study_of(
    files: Iterable[str | os.PathLike[str]],
    values: Mapping[str, Any] | None = None,
    defaults: str | os.PathLike[str] | None = None,
    source: str = FROM_COMMAND_LINE,
) -> Study:
    """The study of files: the values of each replace those of the files before it and of the default study.

    Parameters
    ----------
    files : iterable of path
    values : dict or None
        Those that come last, of the command line or of another workflow.
    defaults : path or None
        The default study; None: `DEFAULTS`, where the package lies in a checkout.
    source : str
        What messages call the origin of `values`.

    Returns
    -------
    Study

    Raises
    ------
    InputError
        With one line for each problem: the file that sets the key, key, value, what is expected.
    """
    defaults = Path(defaults or DEFAULTS)
    layers = [(DEFAULT_STUDY, read_yaml(defaults))] if defaults.is_file() else []
    layers += [(_shown(file), read_yaml(file)) for file in files]
    layers += [(source, typed(values))] if values else []
    return study_from(functools.reduce(lay, (layer for _, layer in layers), {}), layers)


def _shown(path: str | os.PathLike[str]) -> str:
    """A path as a person would write it: relative to the working folder where it lies in it."""
    path = Path(path)
    return str(path.relative_to(Path.cwd()) if path.is_absolute() and path.is_relative_to(Path.cwd()) else path)


def _origin(name: str | Layers, place: Sequence[str | int]) -> str:
    """The name of the last origin that sets a key, or a part of the way to it; a name that is text is that of all."""
    if isinstance(name, str):
        return name
    depths = [(_depth(values, place), position) for position, (_, values) in enumerate(name)]
    return name[max(depths)[1]][0] if depths else "config"


def _depth(values: Any, place: Sequence[str | int]) -> int:
    """How many parts of the way to a key there are in nested mappings."""
    for depth, part in enumerate(place):
        if not isinstance(values, dict) or part not in values:
            return depth
        values = values[part]
    return len(place)


def study_from(values: Mapping[str, Any], name: str | Layers = "config") -> Study:
    """Check a user's values and complete them with preset and defaults.

    Parameters
    ----------
    values : dict
        As read from YAML.
    name : str or list of (str, dict)
        For messages: the file that they come from, or the name and the values of each origin, the last one winning.

    Returns
    -------
    Study

    Raises
    ------
    InputError
        With one line for each problem: file, key, value, what is expected.
    """
    try:
        study = Study.model_validate(lay({}, values))
    except pydantic.ValidationError as error:
        lines = _lines(name, error.errors())
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        raise InputError("\n".join([f"{count} in the configuration:", *lines])) from None
    _check_together(study, name)
    return study


def _lines(name: str | Layers, problems: Iterable["ErrorDetails"]) -> list[str]:
    """One line for each wrong value, 'file: key = value: what is expected'; a value can miss several types."""
    found: dict[str, dict[str, None]] = {}
    for problem in problems:
        where, message = _line(name, problem)
        found.setdefault(where, {})[message] = None
    return [f"{where}: {' or '.join(messages).replace(' or expected ', ' or ')}" for where, messages in found.items()]


def _line(name: str | Layers, problem: "ErrorDetails") -> tuple[str, str]:
    """One problem: 'file: key = value', and what is expected."""
    place = [part for part in problem["loc"] if not re.match(r"(float|int|str)$|literal\[|function-", str(part))]
    name = _origin(name, place)
    key = ".".join(str(part) for part in place)
    shown = "" if isinstance(problem["input"], dict) else f" = {_SHORT.repr(problem['input'])}"
    if problem["type"] == "extra_forbidden":
        return f"{name}: {key}{shown}", f"unknown key{_suggestion(place)}"
    message = problem["msg"].removeprefix("Value error, ").partition(" or instance of")[0]
    if problem["type"] == "literal_error":
        message = "expected one of " + problem["ctx"]["expected"]
        now = RENAMED.get(str(problem["input"])) if key == "preset" else None
        message = f"this preset is now called {now}; {message}" if now else message
    elif problem["type"] == "string_too_long":
        message = f"expected at most {problem['ctx']['max_length']} characters; a folder gets this name"
    elif message.startswith("Input should be"):
        message = "expected" + message.removeprefix("Input should be")
    return f"{name}: {key or 'the whole file'}{shown}", message


def _suggestion(place: Sequence[str | int]) -> str:
    """', did you mean ...?' for a misspelt key, from the keys that its section has."""
    section: type[Section] = Study
    for part in place[:-1]:
        field = section.model_fields.get(str(part))
        options = [field.annotation, *typing.get_args(field.annotation)] if field else []
        inner = next((o for o in options if isinstance(o, type) and issubclass(o, Section)), None)
        if inner is None:
            return ""
        section = inner
    close = difflib.get_close_matches(str(place[-1]), section.model_fields, n=1, cutoff=0.6)
    return f", did you mean {close[0]}?" if close else "; known here: " + ", ".join(section.model_fields)


def _check_together(study: Study, name: str | Layers) -> None:
    """What no single key can tell."""
    problems = []
    for experiment in study.experiments:
        section = getattr(study, experiment)
        if section.data.source == "npz" and not section.data.file:
            problems.append(f"{experiment}.data.file = None: source npz needs the path of an .npz file")
        problems += [f"{experiment}.{problem}" for problem in _problems_of_criteria(section.criteria)]
        schedule = section.pruning.schedule
        if schedule and len(schedule) < section.iterations:
            problems.append(
                f"{experiment}.pruning.schedule = {schedule}: {len(schedule)} iterations have a fraction, and "
                f"{experiment}.iterations is {section.iterations}; expected a fraction for each"
            )
        problems += [f"{experiment}.data.{problem}" for problem in paths.problems_of_data(section.data)]
    problems += feasible.problems(study)
    known = list(dict.fromkeys([*study.patches.criteria, *study.digits.criteria]))
    for key in ("colours", "last_iterations"):
        for criterion in getattr(study.figures, key) if key in study.figures.model_fields_set else ():
            if criterion not in known and _origin(name, ("figures", key, criterion)) != DEFAULT_STUDY:
                problems.append(f"figures.{key}.{criterion}: no such criterion here; known: {', '.join(known)}")
    if problems:
        lines = (f"{_origin(name, re.split('[ :=]', text)[0].split('.'))}: {text}" for text in problems)
        raise InputError("\n".join(lines))


def _problems_of_criteria(criteria: Sequence[str]) -> list[str]:
    """Own criteria without a file, and those whose results would lie in the folder of others or of a control."""
    problems, folders = [], {name: f"control {name}" for name in CONTROLS}
    for criterion in criteria:
        own = OWN_CRITERION.match(criterion)
        if own and not os.path.isfile(own["file"]):
            problems.append(f"criteria = {_SHORT.repr(criterion)}: there is no file {own['file']}")
    for criterion in criteria:
        other = folders.setdefault(slug(criterion), criterion)
        if other != criterion:
            problems.append(
                f"criteria = {criterion!r}: its results would lie in the same folder as those of "
                f"{other!r}; rename one of them"
            )
    return problems


def json_schema() -> dict[str, Any]:
    """JSON schema of the configuration, for editors; nothing is required, since everything has a default."""
    schema = Study.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return schema
