"""Pruned RBMs -> their architecture, trained anew for as long: the controls rewind and scratch."""

from typing import TYPE_CHECKING

from boltzprune.core.machine import with_architecture
from boltzprune.learning.training import course, data_rate, new_rbm
from boltzprune.pruning.controls import CONTROLS
from boltzprune.results.prepared import read_states
from boltzprune.results.store import read_machine
from boltzprune.study.stages.train import finish

if TYPE_CHECKING:
    from boltzprune.study.stages import Job


def run(job: "Job") -> None:
    """Begin as the initial machine or a new draw, with the weights that are left, and train as the pruned one was."""
    spec, pruned, cases = job.spec, job.arrays("machine"), read_states(job.arrays("patterns"))
    start, other, split = spec["machine"], CONTROLS[spec["phase"]].other_weights, job.split(pruned)
    options = data_rate(cases), start.n_hidden, start.weight_sd, start.hidden_bias
    machines = []
    for seed in split[0]:
        like = read_machine(pruned, seed)
        machines.append(with_architecture(new_rbm(*options, seed, other), like.masks, like.units))
    finish(job, split, machines, cases, course(spec))
