"""What would run again and why, how far a study is, whether its results are intact: three commands for users."""

from boltzprune.reruns import plan, status, verify


def add_commands(commands):
    """Add the subcommands `plan`, `status` and `verify` to the command line."""
    for module in (plan, status, verify):
        module.add_command(commands)
