"""`config/config.yaml` as it follows from the models: every key with its meaning, range, presets and default.

What a key means, and the paper's value, stands in the description of its field; its range is the one that the model
checks; what the presets set stands in `presets`. So nothing is written twice, and nothing can drift apart.
"""

import textwrap
from collections.abc import Mapping
from typing import Any

import yaml

from boltzprune.study.config import PRESETS, Section, Study
from boltzprune.study.config.preset_table import flat, short

WIDTH = 120
HEAD = """\
# The default study: photographs and digits that come with scikit-learn, no download, a few minutes.
#
# Your own file has the keys that differ; its values replace those of this one:  boltzprune run my.yaml  (or snakemake
# --configfile my.yaml). Check it with  boltzprune check my.yaml . A `preset` that your file names sets every key that
# has a line "Presets" here; your file's other keys come last. Keys that have the value of preset `published` are
# commented out.
#
# This file is made from the models in src/boltzprune/study/config/; `boltzprune config` prints it.
# yaml-language-server: $schema=../workflow/schemas/config.schema.json
"""
PRESET_VALUES = {name: dict(flat(values)) for name, values in PRESETS.items()}


def as_yaml() -> str:
    """The commented default configuration.

    Returns
    -------
    str
    """
    return f"{HEAD}\n" + "\n\n".join(_section(Study(), Study, "", set())) + "\n"


def _section(values: Section, model: type[Section], prefix: str, told: set[str]) -> list[str]:
    """The keys of a section, each as lines with what explains it; sections among them set apart by empty lines.

    Parameters
    ----------
    values : Section
        The defaults.
    model : type
        Of the section.
    prefix : str
        Dotted place of the section, with a dot at its end unless it is the whole study.
    told : set of str
        Explanations that the experiment has already, which are not repeated; grows.
    """
    ranges, blocks = model.model_json_schema()["properties"], []
    for key, field in model.model_fields.items():
        place, kind, indent = f"{prefix}{key}", field.annotation, "  " * prefix.count(".")
        if isinstance(kind, type) and issubclass(kind, Section):
            inner = _section(getattr(values, key), kind, f"{place}.", told if prefix else set())
            about = _comment(_words(kind.__doc__ or ""), indent)
            apart = "\n\n" if not prefix else "\n"
            blocks.append(f"{about}{indent}{key}:\n" + apart.join(inner))
            continue
        value = getattr(values, key) if field.default is not None else None
        about = f"{field.description} Takes {takes(ranges[key])}."
        lines = "" if about in told else _comment(about, indent)
        told.add(about)
        lines += _comment(presets_of(place), indent)
        is_preset = place in PRESET_VALUES["published"] and PRESET_VALUES["published"][place] == value
        blocks.append(lines + _key(key, value, f"{indent}{'# ' if is_preset else ''}"))
    return blocks


def _words(text: str) -> str:
    """A docstring as one line."""
    return " ".join(text.split())


def _comment(text: str, indent: str) -> str:
    """Text as lines of a comment."""
    begin = f"{indent}# "
    lines = textwrap.wrap(text, WIDTH, initial_indent=begin, subsequent_indent=begin, break_on_hyphens=False)
    return "".join(f"{line}\n" for line in lines)


def _key(key: str, value: object, begin: str) -> str:
    """A key with its value on one line, or with an entry on each where one line is too short."""
    line = f"{begin}{key}: {yaml_of(value)}"
    if len(line) <= WIDTH or not isinstance(value, list):
        return line
    return "\n".join([f"{begin}{key}:", *(f"{begin}  - {yaml_of(entry)}" for entry in value)])


def yaml_of(value: object) -> str:
    """A value in YAML, in one line."""
    return yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6).removesuffix("\n...\n").strip()


def presets_of(place: str) -> str:
    """What the presets set a key to, as a sentence; empty for other keys."""
    if place not in PRESET_VALUES["published"]:
        return ""
    names: dict[str, list[str]] = {}
    for name, values in PRESET_VALUES.items():
        names.setdefault(short(values[place]), []).append(name)
    if len(names) == 1:
        return f"Presets: all {next(iter(names))}."
    parts = [f"{', '.join(some)} {value}" for value, some in names.items()]
    return f"Presets: {'; '.join(parts)}."


ARTICLES = {"integer": "an", "number": "a"}
WORDS = {"boolean": "true or false", "string": "text", "null": "null"}


def takes(schema: Mapping[str, Any]) -> str:
    """What a key takes, in words, from its JSON schema."""
    if "anyOf" in schema:
        return " or ".join(map(takes, schema["anyOf"]))
    if "$ref" in schema:
        return "a section"
    if "const" in schema or "enum" in schema:
        *others, last = map(short, schema.get("enum", [schema.get("const")]))
        return f"{', '.join(others)} or {last}" if others else last
    kind = schema["type"]
    if kind == "array":
        return _list(schema)
    if kind == "object":
        return f"a mapping from names to {takes(schema['additionalProperties'])}"
    return WORDS[kind] if kind in WORDS else f"{ARTICLES[kind]} {kind}{_bounds(schema)}"


def _list(schema: Mapping[str, Any]) -> str:
    """What a key takes whose value is a list."""
    entry = schema["items"]
    each = f"{entry['type']}s{_bounds(entry)}" if entry.get("type") in ARTICLES else takes(entry)
    each = f"lists of {each.removeprefix('a list of ')}" if entry.get("type") == "array" else each
    n = schema.get("maxItems")
    return f"{n} {each}" if n and n == schema.get("minItems") else f"a list of {each}"


def _bounds(schema: Mapping[str, Any]) -> str:
    """The bounds of a number: an interval, or one sign; what only keeps a seed in 64 bits is not worth a word."""
    low, high = (next((name for name in names if name in schema), None) for names in SIGNS)
    if high and schema[high] >= 2**62:
        high = None
    if low and high:
        ends = f"{schema[low]:g}, {schema[high]:g}"
        return f" in {'[' if low == 'minimum' else '('}{ends}{']' if high == 'maximum' else ')'}"
    return "".join(f" {SIGN[name]} {schema[name]:g}" for name in (low, high) if name)


SIGN = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}
SIGNS = ("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")
"""Keywords of JSON schema for a lower and for an upper bound."""
