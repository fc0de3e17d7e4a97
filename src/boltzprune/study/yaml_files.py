"""Reading a YAML file that a user wrote: one mapping, no key twice, and bounds for what a few lines can stand for."""

import itertools
import os
from pathlib import Path
from typing import Any

import yaml

from boltzprune.errors import InputError
from boltzprune.results.files import check_regular

MAX_BYTES, MAX_DEPTH = 2**20, 100
"""Of a configuration; the one that explains every key has 20 thousand bytes."""


def read_yaml(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The mapping in one YAML file; InputError names the file and what is wrong with it."""
    path = Path(path)
    try:
        check_regular(path, MAX_BYTES)
        values = yaml.load(_not_deep(path.read_text(encoding="utf-8")), _UniqueKeys)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected a YAML file") from error
    except MemoryError:
        raise
    except _RepeatedKey as error:
        raise InputError(f"{path}: {error}; the first of them would be lost: join the two") from error
    except Exception as error:  # PyYAML lets through what its makers of dates and numbers raise
        what = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{path}: not YAML ({what}); expected keys and values, as in config/config.yaml") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected keys and values, found {type(values).__name__}")
    return values


class _RepeatedKey(ValueError):
    """A mapping has a key twice."""


class _UniqueKeys(yaml.SafeLoader):
    """Reads YAML as `yaml.safe_load` does, but refuses a key that a mapping has twice: the first would be lost."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        first: dict[str, int] = {}
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            line = key.start_mark.line + 1
            if key.value in first:
                raise _RepeatedKey(f"the key {key.value} stands in line {first[key.value]} and again in line {line}")
            first[key.value] = line
        return node


def _not_deep(text: str) -> str:
    """The text of a YAML file as it is; ValueError if its brackets are so deep that PyYAML would take hours."""
    depth = max(itertools.accumulate((c in "[{") - (c in "]}") for c in text), default=0)
    if depth > MAX_DEPTH:
        raise ValueError(f"brackets are nested {depth} deep, more than {MAX_DEPTH}")
    return text
