"""Why a job would run, in a user's words, from the reason that a dry run gives."""

import ast
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from boltzprune.study.reruns.dry_run import Planned

FOLLOWS = "what it reads is computed anew"
LONG = 60
"""Characters of a value that are shown."""
FILES = re.compile(r"(Missing output files|Incomplete output files|Updated input files): (.*)")
PARAMS = (
    "Params have changed since last execution: Union of exclusive params before and now across all output: before: "
)
NOW = " now: "
NONE = "<nothing exclusive>"
PLACES = ("data.directory: ", "data.file: ", "data.source: ")
"""Where raw files lie or what they are: if that changed, that the files are others is no news."""
WORDS = {
    "Forced execution": "asked for",
    "Set of input files has changed since last execution": "it reads other files than before",
    "Code has changed since last execution": "its rule in workflow/ changed",
    "Software environment definition has changed since last execution": "its software environment changed",
}


def words(job: "Planned", place: Path) -> list[str]:
    """Reasons of a planned job.

    Parameters
    ----------
    job : dry_run.Planned
    place : Path
        Folder that its paths are relative to.

    Returns
    -------
    list of str
        Without repetition; that it follows from another job only where it has no reason of its own.
    """
    head, changed, params = job.reason.partition(PARAMS)
    found = []
    for part in filter(None, head.split("; ")):
        match = FILES.fullmatch(part)
        found += _files(job, match[1], match[2], place) if match else [_phrase(part)]
    if changed:
        params, more, _ = params.partition(" ; Software")
        found += _changes(params.strip()) + (
            [WORDS["Software environment definition has changed since last execution"]] * bool(more)
        )
    own = [word for word in dict.fromkeys(found) if word != FOLLOWS]
    return own or [FOLLOWS]


def is_changed(job: "Planned") -> bool:
    """Whether a job runs because its settings or its code changed, and not only because something is missing."""
    return PARAMS in job.reason


def _phrase(part: str) -> str:
    """A reason without files to name; Snakemake's own words where they are not known."""
    return FOLLOWS if part.startswith("Input files updated by another job") else WORDS.get(part, part)


def _files(job: "Planned", what: str, names: str, place: Path) -> list[str]:
    """A reason with files, which are named where a person would ask which."""
    named = [name for name in names.split(", ") if name]
    if what == "Incomplete output files":
        return ["a run that was stopped left it unfinished"]
    if what == "Updated input files":
        return [f"{name} is newer" for name in named]
    if any((place / name).exists() for name in job.outputs):
        return [f"{Path(name).name} is missing" for name in named]
    return ["no result yet"]


def _changes(text: str) -> list[str]:
    """Which keys of the spec differ, and whether the code does."""
    pair = _before_and_now(text)
    if not pair:
        return ["its settings or its code changed"]
    sides = [[value for value in values if isinstance(value, dict)] for values in pair]
    if any(len(side) != 1 for side in sides):
        return ["it reads other files than before"]
    before, now = (side[0] for side in sides)
    old, new = (json.loads(values["spec"]) for values in (before, now))
    found = list(differences(old, new))
    if before["spec"] != now["spec"] and not found:
        found = ["the order of its settings changed"]
    if not any(word.startswith(PLACES) for word in found):
        found += _replaced(before.get("files"), now["files"]) if "files" in now else []
    return found + (["the code behind it changed"] if before["code"] != now["code"] else [])


def _replaced(old: Mapping[str, str | None] | None, new: Mapping[str, str | None]) -> list[str]:
    """Which raw files of the user's are others than before; `old` is None of a study of an earlier version."""
    if old is None:
        return []
    words = []
    for name in dict.fromkeys([*old, *new]):
        if name not in new:
            words.append(f"raw file {name} is no longer there")
        elif new[name] is None:
            words.append(f"raw file {name} cannot be read")
        elif old.get(name) != new[name]:
            words.append(
                f"raw file {name} was replaced: its content is another" if name in old else f"raw file {name} is new"
            )
    return words


def _before_and_now(text: str) -> list[list[Any]] | None:
    """Values that only one side has, as two lists; None if the text is not understood."""
    for cut in (match.start() for match in re.finditer(re.escape(NOW), text)):
        sides = text[:cut].strip(), text[cut + len(NOW) :].strip()
        try:
            return [[] if side == NONE else ast.literal_eval(f"[{side}]") for side in sides]
        except (SyntaxError, ValueError):
            continue  # the words stood inside a value
    return None


def differences(old: Mapping[str, Any], new: Mapping[str, Any], key: str = "") -> Iterator[str]:
    """Keys that differ between two specs, as 'training.learning_rate: 0.05 -> 0.04'.

    Parameters
    ----------
    old, new : dict
    key : str
        Of the mappings themselves.

    Yields
    ------
    str
    """
    for name in dict.fromkeys([*old, *new]):
        path = f"{key}.{name}" if key else name
        if name not in new:
            yield f"{path}: no longer given"
        elif name not in old:
            yield f"{path}: {_short(new[name])} is new"
        elif isinstance(old[name], dict) and isinstance(new[name], dict):
            yield from differences(old[name], new[name], path)
        elif old[name] != new[name]:
            yield f"{path}: {_change(old[name], new[name])}"


def _change(old: Any, new: Any) -> str:
    """Two values, or what is different in two lists or texts."""
    if isinstance(old, list) and isinstance(new, list) and all(isinstance(item, str) for item in old + new):
        moved = [f"+ {item}" for item in new if item not in old] + [f"- {item}" for item in old if item not in new]
        return ", ".join(moved) or "another order"
    if isinstance(old, str) and isinstance(new, str) and max(len(old), len(new)) > LONG:
        old, new = _middle(old, new)
    return f"{_short(old)} -> {_short(new)}"


def _middle(old: str, new: str) -> tuple[str, str]:
    """Two texts without the words that both begin and end with."""
    before, now = old.split(), new.split()
    start = _n_equal(before, now)
    end = _n_equal(before[start:][::-1], now[start:][::-1])
    return " ".join(before[start : len(before) - end]), " ".join(now[start : len(now) - end])


def _n_equal(old: Sequence[str], new: Sequence[str]) -> int:
    """How many items two lists begin with alike."""
    return next((i for i, (a, b) in enumerate(zip(old, new)) if a != b), min(len(old), len(new)))


def _short(value: object) -> str:
    """A value as it is written in YAML, cut where it is long."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= LONG else f"{text[: LONG - 3]}..."
