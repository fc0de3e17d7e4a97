"""Make a study; what would run and why, how far it is, whether its results are intact: commands for users."""

import argparse

from boltzprune.study.reruns import plan, run, status, verify


def add_commands(commands: argparse._SubParsersAction) -> None:
    """Add the subcommands `run`, `plan`, `status` and `verify` to the command line."""
    for module in (run, plan, status, verify):
        module.add_command(commands)
