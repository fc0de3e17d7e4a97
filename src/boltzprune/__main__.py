"""Command line: one subcommand per stage; `check`, `schema`; `device`, `kernels`; `plan`, `status`, `verify`."""

import argparse
import json
import logging
import os
import sys
from pathlib import Path

from boltzprune import __version__, lifeline
from boltzprune.errors import DeviceError, InputError, TrainingError

USER_FAULT, NOT_FINITE, DEVICE_FAULT = 2, 3, 4
MAX_SEEDS = 10**5

log = logging.getLogger("boltzprune")


def program():
    """`main` as a process of its own, which ends with its workflow, or when told to: see `lifeline`."""
    lifeline.start()
    return main()


def main(arguments=None):
    """Parse, run, and turn a user's mistake into one message and exit status 2."""
    options = _parser().parse_args(arguments)
    try:
        _start_logging(getattr(options, "log", None))
        return options.function(options) or 0
    except InputError as error:
        log.error("%s", error)
        return USER_FAULT
    except TrainingError as error:
        log.error("%s", error)
        return NOT_FINITE
    except DeviceError as error:
        log.error("%s", error)
        return DEVICE_FAULT
    except OSError as error:
        log.error("%s; is the disk full, the folder writable, was the file deleted meanwhile?", error)
        return USER_FAULT
    except Exception:
        log.exception("this should not have happened; please report it with the lines below")
        return 1


def _start_logging(path):
    """Everything to standard error; or, with a log file, everything to the file and only errors to standard error."""
    screen = logging.StreamHandler(sys.stderr)
    handlers = [screen]
    if path:
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            handlers.append(logging.FileHandler(path, mode="w", encoding="utf-8"))
        except OSError as error:
            raise InputError(f"--log {path}: cannot be written ({error.strerror})") from error
        screen.setLevel(logging.ERROR)
    logging.raiseExceptions = False  # a disk too full for the log is told by the result that cannot be written
    line = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=line, datefmt="%H:%M:%S", handlers=handlers, force=True)


def _parser():
    """All subcommands."""
    from boltzprune import reruns
    from boltzprune.backend import compiler
    from boltzprune.stages import STAGES

    parser = argparse.ArgumentParser(
        prog="boltzprune",
        description="Prune Boltzmann machines by Fisher information. The workflow runs these stages for you: see "
        "`snakemake -n`; a stage can also be run by hand.",
    )
    parser.add_argument("--version", action="version", version=f"boltzprune {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, stage in STAGES.items():
        files = f"Inputs: {', '.join(stage.inputs) or 'none'}. Outputs: {', '.join(stage.outputs)}."
        about = f"{stage.summary}. {files} Spec: {', '.join(stage.spec)}."
        command = commands.add_parser(name, help=stage.summary, description=about)
        command.add_argument(
            "--in", dest="inputs", action="append", default=[], metavar="NAME=FILE", help="an input file; repeatable"
        )
        command.add_argument(
            "--out", dest="outputs", action="append", default=[], metavar="NAME=FILE", help="an output file; repeatable"
        )
        command.add_argument("--spec", default="{}", help="the parameters of this stage, one JSON object")
        command.add_argument("--seeds", default="0", help="seeds of this job, as 3 or 0-9 (default 0)")
        command.add_argument("--threads", type=int, default=1, help="seeds computed side by side (default 1)")
        command.add_argument("--log", help="file for progress and messages; only errors are then shown")
        command.set_defaults(function=_run_stage, stage=name)
    check = commands.add_parser("check", help="check a configuration file and show all values it leads to")
    check.add_argument("file")
    check.set_defaults(function=_check)
    presets = commands.add_parser("presets", help="show the values of all presets side by side, as Markdown")
    presets.set_defaults(function=_presets)
    schema = commands.add_parser("schema", help="print the JSON schema of the configuration, for editors")
    schema.set_defaults(function=_schema)
    device = commands.add_parser("device", help="say what `device: auto` computes on here, and why")
    device.set_defaults(function=_device)
    compiler.add_command(commands)
    reruns.add_commands(commands)
    return parser


def _run_stage(options):
    """Run one stage with BLAS on one thread: threads are for seeds, and results must not depend on them.

    The limit reaches the libraries that are loaded already, the environment those that a stage loads later (SciPy's).
    """
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    from threadpoolctl import threadpool_limits

    from boltzprune import records
    from boltzprune.stages import Job, run

    inputs = {}
    for name, path in _pairs(options.inputs):
        inputs.setdefault(name, []).append(Path(path))
    outputs = {name: Path(path) for name, path in _pairs(options.outputs)}
    spec, seeds, log_file = _spec(options.spec), _seeds(options.seeds), options.log
    record = records.beside(log_file) if log_file else None
    job = Job(options.stage, inputs, outputs, spec, seeds, options.threads, bool(log_file), record)
    with threadpool_limits(1, user_api="blas"):
        run(job)


def _pairs(items):
    """NAME=FILE, split."""
    for item in items:
        name, separator, path = item.partition("=")
        if not separator:
            raise InputError(f"{item!r}: expected NAME=FILE")
        yield name, path


def _spec(text):
    """The spec as a dict."""
    try:
        spec = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"--spec is not JSON: {error}") from error
    if not isinstance(spec, dict):
        raise InputError("--spec: expected one JSON object")
    return spec


def _seeds(text):
    """0-9 as (0, ..., 9)."""
    first, _, last = text.partition("-")
    try:
        seeds = range(int(first), int(last or first) + 1)
    except ValueError:
        seeds = range(0)
    if not 1 <= seeds.stop - seeds.start <= MAX_SEEDS or seeds.start < 0 or seeds.stop > 2**63:
        expected = f"a number or a range such as 0-9, of at most {MAX_SEEDS}"
        raise InputError(f"--seeds {text[:80]!r}: expected {expected}")
    return tuple(seeds)


def _check(options):
    """Print the study as YAML, or all its problems; what will surprise goes to the log."""
    import yaml

    from boltzprune import feasible
    from boltzprune.settings import read_yaml, study_from

    study = study_from(read_yaml(options.file), options.file)
    for note in feasible.notes(study):
        log.info("note: %s: %s", options.file, note)
    sys.stdout.write(yaml.safe_dump(study.model_dump(), sort_keys=False))


def _presets(options):
    """Print the table of presets."""
    from boltzprune.config.preset_table import as_markdown

    sys.stdout.write(as_markdown())


def _device(options):
    """Print the device that `auto` chooses; a GPU is opened, so that one which fails is seen."""
    from boltzprune.backend import driver, get_backend

    problem, about = driver.problem(), None
    if not problem:
        try:
            about = ", ".join(f"{name} {value}" for name, value in get_backend("gpu").versions.items())
        except InputError as error:
            problem = str(error)
    sys.stdout.write(f"cpu: {problem}\n" if problem else f"gpu: {about}\n")


def _schema(options):
    """Print the JSON schema."""
    from boltzprune.settings import json_schema

    sys.stdout.write(json.dumps(json_schema(), indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(program())
