"""Machines, pruned or those of a control -> retrained machines: the values that are there are the start."""

from typing import TYPE_CHECKING

from boltzprune.learning.homeostasis import data_of, drawn_back
from boltzprune.results.prepared import read_states
from boltzprune.results.store import read_machine
from boltzprune.study.stages.train import finish

if TYPE_CHECKING:
    from boltzprune.study.stages import Job


def run(job: "Job") -> None:
    """Retrain every seed's machine with the stream of the iteration, and write the machines."""
    spec, pruned = job.spec, job.arrays("machine")
    split = job.split(pruned)
    machines, cases = [read_machine(pruned, seed) for seed in split[0]], read_states(job.arrays("patterns"))
    held = None
    if share := spec["retraining"].homeostasis:
        before = job.machines("before", split[0], "retraining.homeostasis")
        held = drawn_back(share, before, machines, data_of(cases), job.backend())
    finish(job, split, machines, cases, {spec["iteration"]: spec["retraining"]}, held)
