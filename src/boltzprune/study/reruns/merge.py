"""`boltzprune merge`: one study out of the results of several, each with other seeds."""

import argparse
import sys
from pathlib import Path

import yaml

from boltzprune.errors import InputError
from boltzprune.results.store import write_bytes
from boltzprune.study import parts
from boltzprune.study.reruns import arguments, page, run
from boltzprune.study.reruns.page import count
from boltzprune.study.settings import lay, study_from

HEAD = "# Written by boltzprune merge, which writes it again. It puts together what other studies have computed.\n"
ABOUT = (
    "Put the results of several studies together that have equal settings and other seeds (key first_seed), for "
    "example of two computers: tables, figures and claims are made as if one study had computed all seeds. Each FOLDER "
    "is one of results, such as results/paper, or a copy of it with at least "
    f"{', '.join(parts.NEEDED)}. Written is NAME.yaml, a study like any other; its results lie in results/NAME. "
    "Folders of other settings or other data, or with a seed in common, are refused, and the message says in what they "
    "differ."
)
EXAMPLE = "example:\n  boltzprune merge both results/paper from-the-other-computer/paper"


def add_command(commands: argparse._SubParsersAction) -> None:
    """Add the subcommand to the command line."""
    about = "put results of equal settings and other seeds together"
    command = page.add_parser(commands, "merge", about, ABOUT, EXAMPLE)
    command.add_argument("name", metavar="NAME", help="of the study that is made")
    command.add_argument("folders", nargs="+", metavar="FOLDER", help="results of a study, or a copy of them")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="another value for NAME.yaml, as in run; repeatable",
    )
    command.add_argument("--no-run", action="store_true", help="write NAME.yaml and make nothing of it")
    command.set_defaults(function=_merge)


def _merge(options: argparse.Namespace) -> int:
    """Check the folders, write the study, and make it."""
    found = parts.joined(options.folders)
    values = lay(parts.values(options.name, found, options.folders), arguments.values(options.set))
    study_from(values, "the study that is put together")
    for folder in options.folders:
        if Path(folder).resolve() == Path("results", options.name).resolve():
            raise InputError(f"{folder}: is where the results of study {options.name} would lie; choose another name")
    file = Path(f"{options.name}.yaml")
    if file.exists() and not file.read_text(encoding="utf-8").startswith(HEAD):
        raise InputError(f"{file}: exists, and boltzprune merge did not write it; choose another name, or move it away")
    write_bytes(file, (HEAD + yaml.safe_dump(values, sort_keys=False)).encode())
    for experiment, some in found.items():
        n = sum(len(part.seeds[experiment]) for part in some)
        where = "; ".join(f"{parts.in_words(part.seeds[experiment])} from {part.folder}" for part in some)
        sys.stdout.write(f"{experiment}: {count(n, 'seed')}: {where}\n")
    sys.stdout.write(f"Written: {file}. Make it: boltzprune run {file}\n")
    sys.stdout.flush()
    return 0 if options.no_run else run.make([str(file)])
