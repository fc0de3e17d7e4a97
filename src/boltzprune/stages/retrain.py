"""Machines, pruned or those of a control -> retrained machines: the values that are there are the start."""

from boltzprune.patterns import read_states
from boltzprune.stages.train import finish
from boltzprune.store import read_machine


def run(job):
    """Retrain every seed's machine with the stream of the iteration, and write the machines."""
    spec, pruned = job.spec, job.arrays("machine")
    split = job.split(pruned)
    machines = [read_machine(pruned, seed) for seed in split[0]]
    finish(job, split, machines, read_states(job.arrays("patterns")), spec["retraining"], spec["iteration"])
