"""Pruned DBMs -> their architecture, pre-trained and trained anew for as long: the controls rewind and scratch."""

from typing import TYPE_CHECKING

from boltzprune.core.machine import with_architecture
from boltzprune.learning.pretraining import layer_rbm
from boltzprune.learning.training import course
from boltzprune.pruning.controls import CONTROLS
from boltzprune.results.prepared import read_digits
from boltzprune.results.store import read_machine
from boltzprune.study.stages.pretrain import initial_masks, pretrained
from boltzprune.study.stages.train_jointly import finish

if TYPE_CHECKING:
    from boltzprune.study.stages import Job


def run(job: "Job") -> None:
    """Begin as the initial machine or a new draw, with the weights that are left, and train as the pruned one was."""
    spec, pruned, digits = job.spec, job.arrays("machine"), read_digits(job.arrays("digits"))
    masks, split = initial_masks(digits.shape, spec["machine"]), job.split(pruned)
    other = CONTROLS[spec["phase"]].other_weights
    stacks = []
    for seed in split[0]:
        like = read_machine(pruned, seed)
        rbms = [layer_rbm(mask, layer, spec["machine"], seed, other) for layer, mask in enumerate(masks)]
        parts = ((rbm, like.masks[layer : layer + 1], like.units[layer : layer + 2]) for layer, rbm in enumerate(rbms))
        stacks.append([with_architecture(*part) for part in parts])
    with job.checkpoint("rbm1") as first, job.checkpoint("rbm2") as second:
        stacked = pretrained(job, split[0], stacks, digits.cases, (first, second))
        finish(job, split, stacked, digits.cases, course(spec))
