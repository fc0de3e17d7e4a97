"""Subcommands about the configuration: `init`, `check`, `check-criterion`, `presets`, `config`, `schema`.

They compute nothing of a study.
"""

import argparse
import json
import shlex
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from boltzprune.pruning.trial import Trial


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Subcommands about the configuration."""
    init = commands.add_parser(
        "init",
        help="write a study file of your own, with comments, to begin with",
        description="Write a short study file with comments, which runs as it is and is to be changed. With --data it "
        "is about your own data: patterns or images of an .npz file, and with labels the digits experiment.",
    )
    init.add_argument("file", nargs="?", default="my.yaml", metavar="FILE", help="default: my.yaml; must not exist")
    init.add_argument("--data", metavar="NPZ", help="an .npz file with patterns, images, or images and labels")
    init.set_defaults(function=_init)
    criterion = commands.add_parser(
        "check-criterion",
        help="try a criterion of your own on small weight layers, before a study does",
        description="Try criteria of a Python file on weight layers as studies have them, among them silent units, "
        "pruned units and a single weight: say what fails, how long one takes, and what it resembles.",
    )
    criterion.add_argument("name", metavar="FILE[:FUNCTION]", help="without a function: all that can be criteria")
    criterion.set_defaults(function=_check_criterion)
    about = (
        "Check configuration files, whose values replace those of config/config.yaml: list every problem, with the "
        "file that has it; or print all values that they lead to, and what the study will do. Nothing is computed."
    )
    check = commands.add_parser("check", help="check a configuration, and say what it will do", description=about)
    check.add_argument("files", nargs="*", metavar="FILE", help="none: the default study")
    check.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as in run; repeatable")
    check.set_defaults(function=_check)
    presets = commands.add_parser("presets", help="show the values of all presets side by side, as Markdown")
    presets.set_defaults(function=_presets)
    config = commands.add_parser(
        "config", help="print the default study, every key explained, as a file to begin with: config/config.yaml"
    )
    config.set_defaults(function=_config)
    schema = commands.add_parser("schema", help="print the JSON schema of the configuration, for editors")
    schema.set_defaults(function=_schema)


def _init(options: argparse.Namespace) -> None:
    """Write a study file, and say what can be done with it."""
    from boltzprune.study.starter import write

    write(options.file, options.data)
    sys.stdout.write(
        f"Written: {options.file}. Change it, then:\n"
        f"  boltzprune check {shlex.quote(options.file)}\n  boltzprune plan {shlex.quote(options.file)}\n"
        f"  boltzprune run {shlex.quote(options.file)}\n"
    )


def _check_criterion(options: argparse.Namespace) -> int:
    """Try criteria; exit status 2 if one of them fails."""
    from boltzprune.pruning.own_criteria import functions_in
    from boltzprune.pruning.trial import trial

    file, _, function = options.name.rpartition(":")
    names = [options.name] if file or not function.endswith(".py") else functions_in(function)
    trials = [trial(name) for name in names]
    for one in trials:
        sys.stdout.write("".join(f"{line}\n" for line in _lines_of(one)))
    return 2 if any(one.problems for one in trials) else 0


def _lines_of(one: "Trial") -> list[str]:
    """What is said of a criterion that was tried."""
    if one.problems or one.criterion is None:
        return [f"{one.name}: cannot be used", *(f"  {problem}" for problem in one.problems)]
    alike = ", ".join(f"{name} {value:.2f}" for name, value in one.correlations.items())
    goes = "whole units go" if one.criterion.whole_units else "weights go"
    return [
        f"{one.name}: good ({goes}; label {one.criterion.label!r}, colour {one.criterion.colour})",
        f"  {one.seconds:.2g} s for a weight layer of 401 x 677 units; rank correlation with {alike}",
        f"  in a study:  criteria: [{', '.join(dict.fromkeys([*one.correlations, one.name]))}]",
    ]


def _check(options: argparse.Namespace) -> None:
    """Print the study as YAML, and to standard error what it will do; or all its problems."""
    import yaml

    from boltzprune.study import feasible, jobs
    from boltzprune.study.reruns import arguments
    from boltzprune.study.settings import study_of

    study = study_of(options.files, arguments.values(options.set))
    sys.stdout.write(yaml.safe_dump(study.model_dump(), sort_keys=False))
    given = shlex.join([*options.files, *(word for item in options.set for word in (arguments.SET, item))])
    lines = [f"{given or 'the default study'}: good.", *jobs.prospect(study)]
    lines += [f"note: {note}" for note in feasible.notes(study)]
    lines.append(f"What would run, and for how long: boltzprune plan {given}".rstrip())
    lines.append(f"Make it, in results/{study.study}: boltzprune run {given}".rstrip())
    sys.stdout.flush()
    sys.stderr.writelines(f"{line}\n" for line in lines)


def _presets(options: argparse.Namespace) -> None:
    """Print the table of presets."""
    from boltzprune.study.config.preset_table import as_markdown

    sys.stdout.write(as_markdown())


def _config(options: argparse.Namespace) -> None:
    """Print the commented default configuration."""
    from boltzprune.study.config.commented import as_yaml

    sys.stdout.write(as_yaml())


def _schema(options: argparse.Namespace) -> None:
    """Print the JSON schema."""
    from boltzprune.study.settings import json_schema

    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")
