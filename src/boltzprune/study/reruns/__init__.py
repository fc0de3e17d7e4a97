"""Make a study, compare or join several; what would run and why, how far it is, whether it is intact: commands."""

import argparse

from boltzprune.study.reruns import compare, merge, plan, run, status, verify


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add the subcommands `run`, `plan`, `status`, `verify`, `compare` and `merge` to the command line."""
    for module in (run, plan, status, verify, compare, merge):
        module.add_command(commands)
