"""Training of trained machines: `PYTHONPATH=src python benchmarks/gpu_trained.py DIGITS FILE... [--no-write]`.

How long an update takes depends on the machine: how many sweeps its mean field needs, how many units of h2 are on, how
many are left. DIGITS is a digits.npz and FILE a file of machines (initial.npz, retrained.npz) of a finished study; of
each file the first machine is trained ten times side by side, on the study's images, single ones and batches of ten;
once with all blocks of a machine for every image, and once with a block for an image (kernels/one_image.cuh).
"""

import argparse
import functools
import itertools
import sys
from pathlib import Path
from unittest import mock

import gpu
import gpu_phases
import record

from boltzprune.backend.gpu import machines_on_card
from boltzprune.backend.gpu.backend import Backend
from boltzprune.core.joint import JointEpoch, JointState
from boltzprune.core.streams import fork
from boltzprune.results.prepared import read_digits
from boltzprune.results.store import Arrays, read_chains, read_machine

EVERY = 1 << 20
"""More than a machine has units of h2."""
N_MACHINES, UPDATES = 10, {1: (1000, 5000), 10: (500, 2500)}
"""Machines side by side; images an update -> updates of two epochs, whose times differ by those of updates alone."""


def rows(card, digits, path):
    """Microseconds of an update of ten copies of a machine, each with its own random numbers."""
    arrays, backend = Arrays(path), Backend(card=card)
    [seed, *_] = arrays.seeds
    machine = read_machine(arrays, seed)
    state = JointState.at_rest(machine, read_chains(arrays, seed, machine.layer_sizes))
    work = [(machine, state, fork(k, "training", 1)) for k in range(N_MACHINES)]
    cases = card.asarray(digits.cases)
    for batch, alone in itertools.product(UPDATES, (0, EVERY)):
        epoch = JointEpoch(1e-5, 0.5, 1, batch, 1, max_norm=1e9, tolerance=1e-5, max_sweeps=50)
        (few, many), sweeps = UPDATES[batch], [0]

        def run(n, batch=batch, epoch=epoch, sweeps=sweeps):
            sweeps[0] = backend.joint_epochs(work, cases[: n * batch], epoch, lambda done: None)[0][2]

        with mock.patch.object(machines_on_card, "COLUMNS_ALONE", alone):
            short, long = (gpu_phases._seconds(card, functools.partial(run, n), 2) for n in (few, many))
        update = (long - short) / (many - few)
        row = {"machine": "/".join(Path(path).parts[-3:]), "layer_sizes": machine.layer_sizes, "batch": batch}
        row |= {"blocks_for_an_image": "one" if alone else "all"}
        yield row | {"machines": N_MACHINES, "sweeps_an_image": sweeps[0] / many / batch, "update_us": 1e6 * update}


def main(words=None, make_tools=gpu.gpu_tools):
    """Exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("digits", metavar="DIGITS")
    parser.add_argument("files", metavar="FILE", nargs="+")
    parser.add_argument("--no-write", action="store_true", help="print the results and write no file")
    chosen = parser.parse_args(words)
    tools = gpu.opened(make_tools)
    if tools is None:
        return 2
    digits = read_digits(Arrays(Path(chosen.digits)))
    found = {"card": tools.about(), "rows": []}
    for path in chosen.files:
        for row in rows(tools.card, digits, Path(path)):
            found["rows"].append(row)
            gpu.tell("trained", row)
    record.write_or_print(chosen.no_write, "gpu_trained", found, gpu.packages())
    return 0


if __name__ == "__main__":
    sys.exit(main())
