"""Machines, pruned or those of a control -> retrained machines: the values that are there are the start."""

from typing import TYPE_CHECKING

from boltzprune.results.prepared import read_states
from boltzprune.results.store import read_machine
from boltzprune.study.stages.train import finish

if TYPE_CHECKING:
    from boltzprune.study.stages import Job


def run(job: "Job") -> None:
    """Retrain every seed's machine with the stream of the iteration, and write the machines."""
    spec, pruned = job.spec, job.arrays("machine")
    split = job.split(pruned)
    machines = [read_machine(pruned, seed) for seed in split[0]]
    finish(job, split, machines, read_states(job.arrays("patterns")), {spec["iteration"]: spec["retraining"]})
