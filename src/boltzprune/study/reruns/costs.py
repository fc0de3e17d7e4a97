"""What jobs have to do and took: of finished ones by their records, of planned ones by their commands."""

import collections
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from boltzprune.backend.gpu import driver
from boltzprune.errors import InputError
from boltzprune.results import records
from boltzprune.study.cost import sizes
from boltzprune.study.stages import STAGES, Job

if TYPE_CHECKING:
    from boltzprune.study.reruns.dry_run import Planned

PROGRAM = ["-m", "boltzprune"]
WORD = re.compile(r"""(?:[^\s'"]|'[^']*'|"[^"]*")+""")
QUOTED = re.compile(r"""'([^']*)'|"([^"]*)\"""")
"""What `shlex.quote` writes. `shlex.split` reads more, and takes seconds for the commands of a large study."""


@dataclass(frozen=True)
class Cost:
    """What one job has to do.

    Attributes
    ----------
    name : str
        Its stage; of a figure, with the name.
    device : str
        See `backend.MODULES`.
    work : dict of str to float
        See `workload.work`.
    n_seeds : int
    """

    name: str
    device: str
    work: dict[str, float]
    n_seeds: int = 1

    def is_like(self, other: "Cost") -> bool:
        """Whether both are of one stage on one device."""
        return (self.name, self.device) == (other.name, other.device)


@dataclass(frozen=True)
class Finished(Cost):
    """What a finished job had to do, and took.

    Attributes
    ----------
    seconds : float
        Of processor time.
    """

    seconds: float = field(kw_only=True)


def finished(study: Path) -> dict[Path, Finished]:
    """The finished jobs of a study whose work and time are known: record -> what it took.

    Parameters
    ----------
    study : Path
        Its folder.
    """
    found = {}
    for path in records.in_study(study):
        try:
            about, _ = records.read(path)
        except InputError:  # verify names it
            continue
        cost = about.get("cost", {})
        if cost.get("work") is not None and cost.get("processor_s") is not None:
            name = _name(about["stage"], path.stem)
            found[path] = Finished(name, cost["device"], cost["work"], seconds=cost["processor_s"])
    return found


def planned(job: "Planned") -> Cost | None:
    """The work of a `dry_run.Planned`; None if its command runs no stage, or if its work is not known."""
    words = split(job.command)
    place = next((i for i in range(len(words)) if words[i : i + 2] == PROGRAM), len(words)) + 2
    if words[place : place + 1] == [] or words[place] not in STAGES:
        return None
    stage = words[place]
    given: dict[str, list[str]] = collections.defaultdict(list)
    inputs: dict[str, list[Path]] = collections.defaultdict(list)
    for option, value in zip(words[place + 1 :: 2], words[place + 2 :: 2]):
        given[option].append(value)
    for value in given["--in"]:
        name, _, path = value.partition("=")
        inputs[name].append(Path(path))
    spec = json.loads(given["--spec"][0])
    first, _, last = (given["--seeds"] or ["0"])[0].partition("-")
    run = Job(stage, dict(inputs), {}, spec, tuple(range(int(first), int(last or first) + 1)))
    work = run.work(sizes.from_text(job.sizes))
    if work is None:
        return None
    return Cost(_name(stage, spec.get("name")), _device(spec.get("device", "cpu")), work, len(run.seeds))


def split(command: str) -> list[str]:
    """The words of a command of the workflow, without their quotes."""
    return [QUOTED.sub(lambda found: found[1] or found[2] or "", word) for word in WORD.findall(command)]


def _name(stage: str, figure: str | None) -> str:
    """The stage; figures take unlike times, and are told apart."""
    return f"{stage} {figure}" if stage == "figure" else stage


def _device(asked: str) -> str:
    """Where a job computes here."""
    return ("gpu" if driver.is_usable() else "cpu") if asked == "auto" else asked
