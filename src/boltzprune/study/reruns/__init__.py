"""Make a study or put several together; what would run and why, how far it is, whether it is intact: commands."""

import argparse

from boltzprune.study.reruns import merge, plan, run, status, verify


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add the subcommands `run`, `plan`, `status`, `verify` and `merge` to the command line."""
    for module in (run, plan, status, verify, merge):
        module.add_command(commands)
