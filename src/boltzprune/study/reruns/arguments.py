"""What a user writes after `boltzprune run`, `plan` and `status`, as the arguments of Snakemake that it stands for.

Snakemake's `--configfile` takes every word that follows, and so the target of `--configfile FILE TARGET` for a file.
Here targets, files and options may come in any order.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from boltzprune.errors import InputError

CONFIG_FILES, CONFIG = ("--configfile", "--configfiles"), ("--config", "-C")
SET, END = "--set", "--"
SUFFIXES = (".yaml", ".yml", ".json")
"""Of configuration files."""
OF_NAMES = ("--forcerun", "-R", "--until", "-U", "--omit-from", "-O", "--allowed-rules", "--report-metadata")
"""Options of Snakemake that take names of files or rules, of which some end as configuration files do."""
SNAKEFILES = ("Snakefile", "snakefile", "workflow/Snakefile", "workflow/snakefile")
"""Where Snakemake looks for one, in the working folder."""
OWN = Path(__file__).parents[4] / "Snakefile"
"""That of this checkout, if the package lies in one."""


@dataclass
class Asked:
    """Arguments, sorted.

    Attributes
    ----------
    targets : list of str
        Words that stand before any option.
    files : list of str
        Configuration files.
    values : list of str
        KEY=VALUE, for `--config` of Snakemake.
    options : list of str
        Options of Snakemake with their values, in order, and everything after `--`.
    """

    targets: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    values: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)

    def words(self) -> list[str]:
        """The arguments of Snakemake, so ordered that none takes another for its own."""
        files = [CONFIG_FILES[0], *self.files] if self.files else []
        values = [CONFIG[0], *self.values] if self.values else []
        return [*self.targets, *self._snakefile(), *self.options, *files, *values]

    def has(self, *names: str) -> bool:
        """Whether one of these options is there, as `--name`, `--name=value` or `-n4`."""
        words = [word for word in self.options if word.startswith("-")]
        return any(
            word == name or word.startswith(f"{name}=" if name.startswith("--") else name)
            for word in words
            for name in names
            if name.startswith("--") or not word.startswith("--")
        )

    def _snakefile(self) -> list[str]:
        """The workflow of this checkout, where the working folder has none."""
        if self.has("--snakefile", "-s") or any(Path(name).exists() for name in SNAKEFILES):
            return []
        if not OWN.is_file():
            raise InputError(
                "there is no Snakefile in this folder, and the package was installed without the workflow; run this in "
                "a clone of the repository, or name its Snakefile with --snakefile"
            )
        return ["--snakefile", str(OWN)]


def read(words: list[str]) -> Asked:
    """Sort a user's arguments.

    Parameters
    ----------
    words : list of str
        Targets, configuration files (by their ending, or after `--configfile`), `--set KEY=VALUE` with dots in KEY,
        options of Snakemake; after `--` options of Snakemake that are not looked at.

    Returns
    -------
    Asked

    Raises
    ------
    InputError
        If a configuration file is not there, or `--set` has no KEY=VALUE.
    """
    end = words.index(END) if END in words else len(words)
    asked, group = Asked(), None
    for word in words[:end]:
        name, equals, value = word.partition("=")
        if name in (*CONFIG_FILES, *CONFIG, SET):
            group = name
            word = value
            if not equals:
                continue
        elif word.startswith("-"):
            group = word
        group = _sort(asked, group, word)
    if group == SET:
        raise InputError(f"{SET}: expected KEY=VALUE after it, for example {SET} patches.iterations=4")
    asked.options += words[end + 1 :]
    return asked


def _sort(asked: Asked, group: str | None, word: str) -> str | None:
    """Put one word where it belongs; the option that the next word may belong to."""
    if group == SET:
        asked.values.append(_nested(word))
        return None
    if group in CONFIG and "=" in word:
        asked.values.append(word)
    elif word.endswith(SUFFIXES) and not word.startswith("-") and group not in OF_NAMES:
        if not os.path.exists(word):
            raise InputError(f"{word}: there is no such configuration file; the working folder is {Path.cwd()}")
        asked.files.append(word)
    elif group is None or group in (*CONFIG, *CONFIG_FILES):
        asked.targets.append(word)
        return None if group is None else group
    else:
        asked.options.append(word)
    return group


def _nested(text: str) -> str:
    """patches.iterations=4 as patches={"iterations": 4}, for `--config` of Snakemake."""
    key, equals, value = text.partition("=")
    first, *others = key.split(".")
    if not equals or not all([first, *others]):
        raise InputError(f"{SET} {text}: expected KEY=VALUE, for example {SET} patches.iterations=4")
    if not others:
        return text
    value = _json(value)
    for part in reversed(others):
        value = f"{{{json.dumps(part)}: {value}}}"
    return f"{first}={value}"


def values(items: Iterable[str]) -> dict[str, Any]:
    """KEY=VALUE with dots in KEY, as nested values."""
    from boltzprune.study.settings import merged, typed

    found: dict[str, Any] = {}
    for item in items:
        key, _, text = _nested(item).partition("=")
        try:
            found = merged(found, {key: typed(yaml.safe_load(text))})
        except yaml.YAMLError as error:
            raise InputError(f"{SET} {item}: {text} is no value of YAML") from error
    return found


def _json(value: str) -> str:
    """A value as it stands in a flow mapping of YAML: lists, mappings and quoted text as they are, the rest quoted."""
    return value if value[:1] in ("[", "{", '"', "'") else json.dumps(value)
