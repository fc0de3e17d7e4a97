"""Subcommands about the configuration: `check`, `presets`, `config`, `schema`. They compute nothing of a study."""

import argparse
import json
import shlex
import sys


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Subcommands about the configuration."""
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
