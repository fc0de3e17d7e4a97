"""Pruned machines -> retrained machines: the surviving values are the start."""

from boltzprune.patterns import read_states
from boltzprune.stages.train import finish
from boltzprune.store import read_machine


def run(job):
    """Retrain every seed's pruned machine with the stream of its iteration, and write the machines."""
    spec, pruned = job.spec, job.arrays("machine")
    machines = [read_machine(pruned, seed) for seed in job.seeds]
    finish(job, machines, read_states(job.arrays("patterns")), spec["retraining"], spec["iteration"])
