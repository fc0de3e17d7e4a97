"""From a user's YAML to a checked `Study`: merge with the preset, list every problem at once, one line each."""

import copy
import difflib
import itertools
import re
import reprlib
import typing
from pathlib import Path

import pydantic
import yaml

from boltzprune import feasible
from boltzprune.config import OWN_CRITERION, PRESETS, RENAMED, Section, Study
from boltzprune.controls import CONTROLS
from boltzprune.criteria import slug
from boltzprune.errors import InputError
from boltzprune.files import check_regular

MAX_BYTES, MAX_DEPTH = 2**20, 100
"""Of a configuration; the one that explains every key has 20 thousand."""
_SHORT = reprlib.Repr()
"""Shows a value; a few lines of YAML can stand for one of gigabytes."""
_SHORT.maxlevel, _SHORT.maxlist, _SHORT.maxstring, _SHORT.maxother = 3, 10, 200, 200


def read_yaml(path):
    """The mapping in one YAML file; InputError names the file and what is wrong with it."""
    path = Path(path)
    try:
        check_regular(path, MAX_BYTES)
        values = yaml.safe_load(_not_deep(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected a YAML file") from error
    except Exception as error:  # PyYAML lets through what its makers of dates and numbers raise
        what = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not YAML ({what}); expected keys and values, as in config/config.yaml") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected keys and values, found {type(values).__name__}")
    return values


def _not_deep(text):
    """The text of a YAML file as it is; ValueError if its brackets are so deep that PyYAML would take hours."""
    depth = max(itertools.accumulate((c in "[{") - (c in "]}") for c in text), default=0)
    if depth > MAX_DEPTH:
        raise ValueError(f"brackets are nested {depth} deep, more than {MAX_DEPTH}")
    return text


def merged(base, over):
    """Two nested mappings as one, `over` winning; neither is changed."""
    result = copy.deepcopy(base)
    for key, value in over.items():
        nested = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if nested else copy.deepcopy(value)
    return result


def study_from(values, name="config"):
    """Check a user's values and complete them with preset and defaults.

    Parameters
    ----------
    values : dict
        As read from YAML.
    name : str
        The file or files they come from, for messages.

    Returns
    -------
    Study

    Raises
    ------
    InputError
        With one line for each problem: file, key, value, what is expected.
    """
    chosen = values.get("preset", Study.model_fields["preset"].default)
    preset = PRESETS.get(chosen, {}) if isinstance(chosen, str) else {}
    patches = values.get("patches")
    if preset and isinstance(patches, dict) and isinstance(patches.get("retraining"), dict):
        preset = merged(preset, {"patches": {"retraining": preset["patches"]["training"]}})
    try:
        study = Study.model_validate(merged(preset, values))
    except pydantic.ValidationError as error:
        lines = _lines(name, error.errors())
        count = "1 problem" if len(lines) == 1 else f"{len(lines)} problems"
        raise InputError("\n".join([f"{count} in the configuration:", *lines])) from None
    _check_together(study, name)
    return study


def _lines(name, problems):
    """One line for each wrong value, 'file: key = value: what is expected'; a value can miss several types."""
    found = {}
    for problem in problems:
        where, message = _line(name, problem)
        found.setdefault(where, {})[message] = None
    return [f"{where}: {' or '.join(messages).replace(' or expected ', ' or ')}" for where, messages in found.items()]


def _line(name, problem):
    """One problem: 'file: key = value', and what is expected."""
    place = [part for part in problem["loc"] if not re.match(r"(float|int|str)$|literal\[|function-", str(part))]
    key = ".".join(str(part) for part in place)
    shown = "" if isinstance(problem["input"], dict) else f" = {_SHORT.repr(problem['input'])}"
    if problem["type"] == "extra_forbidden":
        return f"{name}: {key}{shown}", f"unknown key{_suggestion(place)}"
    message = problem["msg"].removeprefix("Value error, ").partition(" or instance of")[0]
    if problem["type"] == "literal_error":
        message = "expected one of " + problem["ctx"]["expected"]
        now = RENAMED.get(str(problem["input"])) if key == "preset" else None
        message = f"this preset is now called {now}; {message}" if now else message
    elif message.startswith("Input should be"):
        message = "expected" + message.removeprefix("Input should be")
    return f"{name}: {key or 'the whole file'}{shown}", message


def _suggestion(place):
    """', did you mean ...?' for a misspelt key, from the keys that its section has."""
    section = Study
    for part in place[:-1]:
        field = section.model_fields.get(part)
        options = [field.annotation, *typing.get_args(field.annotation)] if field else []
        section = next((o for o in options if isinstance(o, type) and issubclass(o, Section)), None)
        if section is None:
            return ""
    close = difflib.get_close_matches(str(place[-1]), section.model_fields, n=1, cutoff=0.6)
    return f", did you mean {close[0]}?" if close else "; known here: " + ", ".join(section.model_fields)


def _check_together(study, name):
    """What no single key can tell."""
    problems = []
    for experiment in ("patches", "digits"):
        section = getattr(study, experiment)
        if section.data.source == "npz" and not section.data.file:
            problems.append(f"{name}: {experiment}.data.file = None: source npz needs the path of an .npz file")
        problems += [f"{name}: {experiment}.{problem}" for problem in _problems_of_criteria(section.criteria)]
    problems += [f"{name}: {problem}" for problem in feasible.problems(study)]
    known = list(dict.fromkeys([*study.patches.criteria, *study.digits.criteria]))
    for key in ("colours", "last_iterations"):
        for criterion in getattr(study.figures, key) if key in study.figures.model_fields_set else ():
            if criterion not in known:
                problems.append(f"{name}: figures.{key}.{criterion}: no such criterion here; known: {', '.join(known)}")
    if problems:
        raise InputError("\n".join(problems))


def _problems_of_criteria(criteria):
    """Own criteria without a file, and those whose results would lie in the folder of others or of a control."""
    problems, folders = [], {name: f"control {name}" for name in CONTROLS}
    for criterion in criteria:
        own = OWN_CRITERION.match(criterion)
        if own and not Path(own["file"]).is_file():
            problems.append(f"criteria = {criterion!r}: there is no file {own['file']}")
    for criterion in criteria:
        other = folders.setdefault(slug(criterion), criterion)
        if other != criterion:
            problems.append(
                f"criteria = {criterion!r}: its results would lie in the same folder as those of "
                f"{other!r}; rename one of them"
            )
    return problems


def json_schema():
    """JSON schema of the configuration, for editors; nothing is required, since everything has a default."""
    schema = Study.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return schema
