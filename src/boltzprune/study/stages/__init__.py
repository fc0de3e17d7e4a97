"""A stage: files in, one call of the library, files out. A rule runs one; so can a person. The list: `catalogue`."""

import functools
import importlib
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from boltzprune.backend import MODULES, explained, get_backend
from boltzprune.backend.preparation import PREPARATION
from boltzprune.errors import InputError
from boltzprune.learning.checkpoint import Checkpoint
from boltzprune.report.figures import FIGURES
from boltzprune.results import records
from boltzprune.results.processor import processor
from boltzprune.results.store import CHECKPOINT, Arrays, checksum, read_machine
from boltzprune.study.config.base import checked, problems
from boltzprune.study.cost import sizes, workload
from boltzprune.study.progress import Progress
from boltzprune.study.stages.catalogue import CLAIMS_INPUTS, SECTIONS, STAGES, VALUES

if TYPE_CHECKING:
    from boltzprune.backend.arrays import Backend
    from boltzprune.core.machine import BoltzmannMachine

__all__ = ["CLAIMS_INPUTS", "SECTIONS", "STAGES", "Job", "run"]


Training = TypeVar("Training")
"""Settings of a training."""


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
    record : Path or None
        Where the checksums of what is written go, if anywhere.
    """

    stage: str
    inputs: dict[str, list[Path]]
    outputs: dict[str, Path]
    raw_spec: dict[str, Any]
    seeds: tuple[int, ...]
    threads: int = 1
    quiet: bool = True
    record: Path | None = None

    @property
    def spec(self) -> dict[str, Any]:
        """The spec with sections as checked, frozen models."""
        models = SECTIONS[STAGES[self.stage].experiment]
        return {
            key: checked(models[key], value, f"--spec: {key}") if key in models else value
            for key, value in self.raw_spec.items()
        }

    def arrays(self, name: str) -> Arrays:
        """The one .npz file given under that name."""
        return Arrays(self.inputs[name][0])

    def machines(self, name: str, seeds: Iterable[int], key: str) -> "list[BoltzmannMachine]":
        """Machines that a key of the spec asks for besides, in a file given under that name.

        Raises
        ------
        InputError
            If there is no such file.
        """
        if name not in self.inputs:
            raise InputError(f"{self.stage}: --in {name} is missing; {key} needs these machines")
        arrays = self.arrays(name)
        return [read_machine(arrays, seed) for seed in seeds]

    def backend(self) -> "Backend":
        """The backend that the spec asks for."""
        return self._backend

    @functools.cached_property
    def _backend(self) -> "Backend":
        return get_backend(self.raw_spec["device"], self.threads)

    @property
    def device(self) -> str:
        """Where it computes: a key of `backend.MODULES`."""
        if "device" not in self.raw_spec:
            return "cpu"
        return next(name for name, module in MODULES.items() if module == type(self._backend).__module__)

    @functools.cached_property
    def reports(self) -> list[Progress]:
        """Every progress report of this job."""
        return []

    def progress(self, total: int, unit: str) -> Progress:
        """A progress report with this stage's title."""
        self.reports.append(Progress(total, unit, self.stage, bar=not self.quiet))
        return self.reports[-1]

    def split(self, machines: Arrays) -> tuple[list[int], dict[int, int]]:
        """Its seeds by whether a file of machines has one of them.

        Parameters
        ----------
        machines : store.Arrays

        Returns
        -------
        tuple
            The seeds with a machine, a list of int; and those whose course has ended, with the iteration of that:
            dict of int -> int, what `provenance` is to be told.
        """
        ended = {seed: iteration for seed, iteration in machines.ended.items() if seed in self.seeds}
        return [seed for seed in self.seeds if seed not in ended], ended

    def provenance(self, ended: Mapping[int, int] | None = None) -> dict[str, Any]:
        """What this result is made by and from: equal for equal computations, whatever the folder or the time.

        `ended`: seeds that the result has nothing of, see `split`.
        Where it was computed stands in the record of the job: files whose numbers are equal shall have equal bytes.
        """
        inputs = {name: [checksum(path) for path in paths] for name, paths in self.inputs.items()}
        return {
            "stage": self.stage,
            "spec": self.raw_spec,
            "seeds": [seed for seed in self.seeds if not ended or seed not in ended],
            "inputs": inputs,
            "versions": self.versions(),
        } | ({"ended": {str(seed): iteration for seed, iteration in ended.items()}} if ended else {})

    def versions(self) -> dict[str, str]:
        """Versions of everything that computes this job."""
        from boltzprune.results.provenance import versions

        return versions() | (self._backend.versions if "device" in self.raw_spec else {})

    def work(self, found: Mapping[str, sizes.Sizes | None]) -> dict[str, float] | None:
        """What this job has to do, see `workload.work`, in a study whose experiments have these sizes."""
        n_inputs = {name: len(paths) for name, paths in self.inputs.items()}
        of_experiment = found.get(STAGES[self.stage].experiment)
        return workload.work(self.stage, self.spec, len(self.seeds), n_inputs, of_experiment)

    def written(self) -> list[Path]:
        """Every file that this job writes; those of a figure lie in a folder with others."""
        if self.stage != "figure":
            return list(self.outputs.values())
        name, folder = self.raw_spec["name"], self.outputs["folder"]
        names = [f"{name}.{extension}" for extension in self.raw_spec["formats"]]
        return [folder / file for file in (*names, *(f"{name}_{panel}" for panel in FIGURES[name].panels))]

    def checkpoint(self, part: str = "") -> Checkpoint:
        """Where a training of this job goes on from; `part` tells several trainings apart. See `checkpoint.Checkpoint`.

        Its key is all that decides the bits, and the module `checkpoint` itself, which decides what a file holds.
        """
        from boltzprune.results.provenance import code_digest

        modules = f"boltzprune.study.stages.{STAGES[self.stage].module}", type(self._backend).__module__
        code = code_digest(*modules, "boltzprune.learning.checkpoint")
        key = self.provenance() | {"code": code, "processor": self._processor(), "part": part}
        output = self.outputs["machine"]
        return Checkpoint(output.with_name(f"{output.name}{part and f'.{part}'}{CHECKPOINT}"), key)

    @contextmanager
    def one_after_the_other(
        self, trainings: Mapping[int, Training]
    ) -> Iterator[list[tuple[int, Training, Checkpoint, str]]]:
        """The trainings of a job, each with a checkpoint that is kept until the block ends well, and with its name.

        Parameters
        ----------
        trainings : dict of int -> settings
            Iteration -> how it trains.

        Yields
        ------
        list of (iteration, settings, Checkpoint, what messages call it)
        """
        several = len(trainings) > 1
        with ExitStack() as stack:
            yield [
                (
                    iteration,
                    training,
                    stack.enter_context(self.checkpoint(f"iteration{iteration}" if several else "")),
                    f"{self.stage}, training of iteration {iteration}" if several else self.stage,
                )
                for iteration, training in trainings.items()
            ]

    def _processor(self) -> str | None:
        """What the bits of a training depend on besides: on the CPU its kind; a card is among the versions."""
        return None if self.device == "gpu" else processor()


def _check_values(job: Job) -> None:
    """InputError for a value of the spec that is no section and not what its key takes."""
    if job.threads < 1:
        raise InputError(f"{job.stage}: --threads is {job.threads}; expected 1 or more")
    for key in (key for key in job.raw_spec if key in VALUES):
        try:
            TypeAdapter(VALUES[key]).validate_python(job.raw_spec[key], strict=True)
        except ValidationError as error:
            raise InputError(problems(error, f"--spec: {key}")) from None


class Clock:
    """Processor time of this process that is spent for its jobs, one after the other."""

    seconds = 0.0

    @classmethod
    def lap(cls) -> float:
        """Seconds since the last job ended, or since the process began, without compiling and loading loops."""
        before, cls.seconds = cls.seconds, time.process_time() - PREPARATION.processor
        return cls.seconds - before


def _cost(job: Job) -> dict[str, Any]:
    """What a finished job had to do and took, for estimates of others.

    The work is null where no workflow told the sizes of the study, the time where an earlier run did a part of it.
    """
    found, seconds = sizes.told(), Clock.lap()
    return {
        "work": job.work(found) if found else None,
        "device": job.device,
        "processor_s": None if any(one.skipped for one in job.reports) else round(seconds, 3),
    }


def run(job: Job) -> None:
    """Run a stage, once its files and its spec are what the stage asks for; its record, if any, comes last.

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
    _check_values(job)
    if job.record:
        records.discard(job.record)
    try:
        importlib.import_module(f"boltzprune.study.stages.{stage.module}").run(job)
    except Exception as error:
        if (told := explained(error)) is None:
            raise
        raise told from error
    if job.record:
        about = {"stage": job.stage, "versions": job.versions(), "processor": processor(), "cost": _cost(job)}
        records.write(job.record, about, job.written())
