"""A stage: files in, one call of the library, files out. A rule runs one; so can a person. The list: `catalogue`."""

import functools
import importlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from boltzprune.backend import explained, get_backend
from boltzprune.checkpoint import Checkpoint, processor
from boltzprune.errors import InputError
from boltzprune.progress import Progress
from boltzprune.stages.catalogue import CLAIMS_INPUTS, SECTIONS, STAGES
from boltzprune.store import Arrays, checksum

__all__ = ["CLAIMS_INPUTS", "SECTIONS", "STAGES", "Job", "run"]


@dataclass(frozen=True)
class Job:
    """One run of a stage.

    Attributes
    ----------
    stage : str
    inputs : dict of str -> list of Path
    outputs : dict of str -> Path
    raw_spec : dict
        As given.
    seeds : tuple of int
    threads : int
    quiet : bool
        Whether progress goes to a log only, without a bar on the terminal.
    """

    stage: str
    inputs: dict
    outputs: dict
    raw_spec: dict
    seeds: tuple
    threads: int = 1
    quiet: bool = True

    @property
    def spec(self):
        """The spec with sections as checked, frozen models."""
        models = SECTIONS[STAGES[self.stage].experiment]
        return {
            key: _section(models[key], key, value) if key in models else value for key, value in self.raw_spec.items()
        }

    def arrays(self, name):
        """The one .npz file given under that name."""
        return Arrays(self.inputs[name][0])

    def backend(self):
        """The backend that the spec asks for."""
        return self._backend

    @functools.cached_property
    def _backend(self):
        return get_backend(self.raw_spec["device"], self.threads)

    def progress(self, total, unit):
        """A progress report with this stage's title."""
        return Progress(total, unit, self.stage, bar=not self.quiet)

    def provenance(self):
        """What this result is made by and from: equal for equal computations, whatever the folder or the time."""
        from boltzprune.provenance import versions

        inputs = {name: [checksum(path) for path in paths] for name, paths in self.inputs.items()}
        by_backend = self._backend.versions if "device" in self.raw_spec else {}
        return {
            "stage": self.stage,
            "spec": self.raw_spec,
            "seeds": list(self.seeds),
            "inputs": inputs,
            "versions": versions() | by_backend,
        }

    def checkpoint(self, part=""):
        """Where a training of this job goes on from; `part` tells several trainings apart. See `checkpoint.Checkpoint`.

        Its key is all that decides the bits, and the module `checkpoint` itself, which decides what a file holds.
        """
        from boltzprune.provenance import code_digest

        modules = f"boltzprune.stages.{STAGES[self.stage].module}", type(self._backend).__module__
        code = code_digest(*modules, "boltzprune.checkpoint")
        key = self.provenance() | {"code": code, "processor": processor(), "part": part}
        output = self.outputs["machine"]
        return Checkpoint(output.with_name(".".join([output.name, *([part] if part else []), "checkpoint"])), key)


def _section(model, key, value):
    """One section of a spec, checked."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, (key, *p['loc'])))} = {p['input']!r}: {p['msg']}" for p in error.errors())
        raise InputError(f"--spec: {'; '.join(problems)}") from None


def run(job):
    """Run a stage, once its files and its spec are what the stage asks for.

    Raises
    ------
    InputError
        If an input is missing, or the spec has unknown or lacks keys.
    DeviceError
        If the GPU or its driver failed.
    """
    stage = STAGES[job.stage]
    for what, found, expected in (
        ("--in", job.inputs, stage.inputs),
        ("--out", job.outputs, stage.outputs),
        ("key of --spec", job.raw_spec, stage.spec),
    ):
        for name in found:
            if name not in expected:
                raise InputError(f"{job.stage}: unknown {what} {name}; expected {', '.join(expected) or 'none'}")
        for name in expected:
            if name not in found and name not in stage.optional:
                raise InputError(f"{job.stage}: {what} {name} is missing")
    for path in (path for paths in job.inputs.values() for path in paths):
        if not Path(path).is_file():
            raise InputError(f"{job.stage}: there is no file {path}")
    try:
        importlib.import_module(f"boltzprune.stages.{stage.module}").run(job)
    except Exception as error:
        if (told := explained(error)) is None:
            raise
        raise told from error
