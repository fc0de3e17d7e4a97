"""`boltzprune compare`: two studies side by side: settings, bytes, numbers seed by seed, claims."""

import argparse
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from boltzprune.errors import InputError
from boltzprune.results import records, store, tidy
from boltzprune.study import jobs, parts
from boltzprune.study.config.preset_table import flat
from boltzprune.study.reruns import page
from boltzprune.study.reruns.page import count

if TYPE_CHECKING:
    import pandas as pd

MOST_NAMED = 5
"""Files of other bytes that are named."""
ABOUT = (
    "Compare the results of two studies, for example of two presets, two versions or two computers: the keys that "
    "differ; how many files have equal bytes; how each number about the machines differs, paired by seed, with a 95 % "
    "interval; and the verdicts on the claims side by side. Each FOLDER is one of results, such as results/demo, or a "
    "copy of it with study.yaml and tables. Printed is Markdown, of the last iteration that both have and of the "
    "differences whose interval leaves out 0; with --all every iteration and every number."
)
EXAMPLE = "example:\n  boltzprune compare results/demo results/my-study"


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the command line."""
    about = "two studies side by side: settings, bytes, numbers by seed, claims"
    command = page.add_parser(commands, "compare", about, ABOUT, EXAMPLE)
    command.add_argument("first", metavar="FOLDER", help="results of a study, or a copy of them")
    command.add_argument("second", metavar="FOLDER", help="those of another")
    command.add_argument("--all", action="store_true", help="every iteration, and numbers that hardly differ, too")
    command.add_argument("--csv", metavar="FILE", help="write how all numbers differ to this file")
    command.set_defaults(function=_compare)


def _compare(options: argparse.Namespace) -> int:
    """Read both, print the page, and write the table if it is wanted."""
    first, second = parts.read(options.first), parts.read(options.second)
    shared = [experiment for experiment in first.seeds if experiment in second.seeds]
    if not shared:
        one, other = (f"{part.folder} is of {' and '.join(part.seeds)}" for part in (first, second))
        raise InputError(f"{one}, {other}; expected an experiment in common")
    sections = [*_settings(first, second), *_bytes(Path(options.first), Path(options.second))]
    tables = []
    for experiment in shared:
        lines, found = _numbers(experiment, first, second, options.all)
        sections += lines
        tables.append(found.assign(experiment=experiment))
    sections += _claims(first, second)
    sys.stdout.write(f"# {options.first} and {options.second}\n\n" + "\n\n".join(sections) + "\n")
    if options.csv:
        import pandas as pd

        store.write_table(options.csv, pd.concat(tables, ignore_index=True))
    return 0


def _settings(first: parts.Part, second: parts.Part) -> Iterator[str]:
    """The keys that differ."""
    one, other = (dict(flat(part.study.model_dump(mode="json"))) for part in (first, second))
    keys = [key for key in dict.fromkeys([*one, *other]) if key != "study" and one.get(key) != other.get(key)]
    yield "## Settings"
    if keys:
        from boltzprune.report.tables.text import markdown_grid

        rows = [(f"`{key}`", *(json.dumps(values.get(key)) for values in (one, other))) for key in keys]
        yield markdown_grid(("Key", "First", "Second"), rows)
    else:
        yield "All keys are equal."


def _bytes(first: Path, second: Path) -> Iterator[str]:
    """How many of the files that both studies list are equal to the last byte."""
    one, other = (dict(_checksums(folder)) for folder in (first, second))
    yield "## Bytes"
    shared = [name for name in one if name in other]
    if not shared:
        without = " and ".join(str(folder) for folder, found in ((first, one), (second, other)) if not found)
        yield f"{without or 'The two'}: no checksums of files that both have, so that bytes are not compared."
        return
    different = [name for name in shared if one[name] != other[name]]
    equal = f"Of {count(len(shared), 'file')} that both have {len(shared) - len(different)} are equal to the last byte."
    named = f" Others: {', '.join(different[:MOST_NAMED])}" + (" ..." if len(different) > MOST_NAMED else "")
    yield equal + (f"{named}." if different else "")


def _checksums(folder: Path) -> Iterator[tuple[str, str]]:
    """The files that the records of a study list, relative to its folder, with their checksums."""
    for record in records.in_study(folder):
        for entry in records.read(record)[1]:
            yield os.path.relpath(entry.path, folder), entry.sha256


def _numbers(experiment: str, first: parts.Part, second: parts.Part, is_all: bool) -> tuple[list[str], "pd.DataFrame"]:
    """How the numbers about the machines of one experiment differ: the page, and the whole table."""
    from boltzprune.report import side_by_side

    name = parts.TABLES[experiment][0]
    found = side_by_side.effects(*(tidy.read([parts.table(part, name)], name) for part in (first, second)))
    shown = found
    if not is_all and len(found):
        last = found.groupby("criterion")["iteration"].transform("max")
        shown = side_by_side.clear(found[found["iteration"] == last])
    seeds = sorted(set(first.seeds[experiment]) & set(second.seeds[experiment]))
    about = f"Seeds in both: {parts.in_words(seeds) or 'none'}. {len(shown)} of {count(len(found), 'number')} shown."
    lines = [f"## Numbers: {experiment}", f"{about} {side_by_side.HOW_TO_READ}"]
    if len(shown):
        lines.append(side_by_side.effects_page(shown, jobs.all_labels(first.study)))
    return lines, found


def _claims(first: parts.Part, second: parts.Part) -> Iterator[str]:
    """The verdicts side by side, where both have them."""
    from boltzprune.report import side_by_side

    yield "## Claims"
    paths = [Path(parts.table(part, "claims")) for part in (first, second)]
    if missing := [str(path) for path in paths if not path.is_file()]:
        yield f"{' and '.join(missing)}: not there, so that claims are not compared."
        return
    rows = side_by_side.verdicts(*map(_read_claims, paths))
    same = int((rows["verdict_first"] == rows["verdict_second"]).sum())
    yield f"{same} of {count(len(rows), 'verdict')} are the same."
    yield side_by_side.verdicts_page(rows, jobs.all_labels(first.study))


def _read_claims(path: Path) -> "pd.DataFrame":
    """A table of claims; InputError if it is none."""
    import pandas as pd

    from boltzprune.report.claims.claim import VERDICTS

    try:
        table = pd.read_csv(path, keep_default_na=False)
        table = table[["experiment", "statement", "criterion", "verdict"]]
        if len(other := table.loc[~table["verdict"].isin(VERDICTS), "verdict"]):
            raise ValueError(f"{other.iloc[0]!r} is no verdict")
        return table
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: not a readable table of claims ({error}); make it again") from error
