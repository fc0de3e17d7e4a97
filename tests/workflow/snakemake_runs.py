"""Runs of Snakemake, each in a fork of a process that has loaded it: loading takes most of the time of a dry run.

Run as a program this is that process: it reads requests, a line of JSON each, and answers with an exit status.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading

LATER = ("smart_open", "pandas")
"""What Snakemake loads at the first source file, and at the first job whose parameters it compares."""
_of_thread = threading.local()


def run(arguments, folder, environment):
    """A finished process: Snakemake with these arguments in a folder, its output as text in `stdout`."""
    if getattr(_of_thread, "server", None) is None:
        command = [sys.executable, __file__]
        _of_thread.server = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
    with tempfile.NamedTemporaryFile("r") as output:
        request = {"arguments": arguments, "folder": str(folder), "environment": environment, "output": output.name}
        print(json.dumps(request), file=_of_thread.server.stdin, flush=True)
        status = int(_of_thread.server.stdout.readline())
        return subprocess.CompletedProcess(["snakemake", *arguments], status, output.read())


def serve():
    """Answer requests until there are no more; in a fork, return what is to be run."""
    from snakemake import cli

    cli.parse_args(["--dry-run"])  # loads the plugins
    for name in LATER:
        if importlib.util.find_spec(name):
            importlib.import_module(name)
    for line in sys.stdin:
        process = os.fork()
        if not process:
            request = json.loads(line)
            enter(**request)
            return lambda: cli.main(request["arguments"])
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])}\n")
        sys.stdout.flush()
    return lambda: None


def enter(arguments, folder, environment, output):
    """Be as a process that was started there."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:], sys.path[0] = arguments, folder
    for file, flags, numbers in ((os.devnull, os.O_RDONLY, (0,)), (output, os.O_WRONLY | os.O_APPEND, (1, 2))):
        opened = os.open(file, flags)
        for number in numbers:
            os.dup2(opened, number)
        os.close(opened)


if __name__ == "__main__":
    serve()()
