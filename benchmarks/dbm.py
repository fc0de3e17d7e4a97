"""Speed of deep machines on the CPU: `python benchmarks/dbm.py STUDY [--before CHECKOUT]`; needs `pip install torch`.

STUDY is the folder of a finished study of the digits, `results/digits-small`: its first seed's initial machine is
measured, and those that pruning by FI and by weight magnitude left with about 6 % of the weights h1-h2, since what a
loop has to do depends on how many units are on and how fast mean-field iteration converges, which random weights do
not tell. In turn and in one process: joint updates against a straightforward PyTorch implementation of the same
algorithm (a batch iterates until all its images are done, as array code does); chain-steps of free-running chains,
read every 20 steps, against NumPy; encodings of single images; and all three against another checkout of this package.
"""

import argparse
import importlib
import re
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import record
import torch
from pairs import in_turn
from threadpoolctl import threadpool_limits

from boltzprune.backend import get_backend
from boltzprune.core.joint import JointEpoch, JointState
from boltzprune.core.streams import fork
from boltzprune.results.prepared import read_digits
from boltzprune.results.store import Arrays, read_chains, read_machine

SEED, TARGET = 0, 0.06
PRUNED = {"pruned by FI": "variance_fi", "pruned by |w|": "weight_magnitude"}
N_READS, N_STEPS, N_IMAGES, MAX_SWEEPS = 200, 20, 2000, 50
UPDATES = {1: 600, 10: 200}
"""Images of a batch -> updates that are timed."""
RATE = {1: 0.001, 10: 0.005}


def read(path):
    """A machine and its chains."""
    arrays = Arrays(path)
    machine = read_machine(arrays, SEED)
    return machine, read_chains(arrays, SEED, machine.layer_sizes)


def machines(study):
    """Name -> machine and chains: the initial one, and of each criterion the iteration that is nearest to `TARGET`."""
    [block] = {path.name for path in study.glob("digits/seeds0-*")}
    folder = study / "digits" / block
    found = {"dense": read(folder / "initial" / "initial.npz")}
    for name, criterion in PRUNED.items():
        every = [read(path) for path in sorted(folder.glob(f"{criterion}/iteration*/retrained.npz"))]
        share = [machine.n_weights[1] / found["dense"][0].n_weights[1] for machine, _ in every]
        found[name] = min(zip(np.abs(np.array(share) - TARGET), every), key=lambda pair: pair[0])[1]
    return found


def another(checkout):
    """The CPU backend of another checkout and what makes a machine and an epoch for it; its package gets a new name."""
    folder = Path(tempfile.mkdtemp())
    shutil.copytree(
        Path(checkout) / "src" / "boltzprune", folder / "before", ignore=shutil.ignore_patterns("__pycache__")
    )
    for path in (folder / "before").rglob("*.py"):
        path.write_text(re.sub(r"\bboltzprune\b", "before", path.read_text()))
    sys.path.insert(0, str(folder))
    backend, joint = (importlib.import_module(f"before.{name}") for name in ("backend", "core.joint"))
    machine = importlib.import_module("before.core.machine")
    return backend.get_backend("cpu"), joint, machine.BoltzmannMachine


class TorchMachine:
    """Joint updates of a two-layer machine as one would write them in PyTorch."""

    def __init__(self, machine, chains, epoch):
        self.weights, self.biases, self.masks = (
            [torch.tensor(np.asarray(x, dtype=np.float32)) for x in group]
            for group in (machine.weights, machine.biases, machine.masks)
        )
        self.steps = [torch.zeros_like(x) for x in (*self.weights, *self.biases)]
        self.chains = [torch.tensor(layer.astype(np.float32)) for layer in chains]
        self.epoch = epoch

    def mean_field(self, v):
        """Posteriors of h1 and h2, iterated until no image of the batch changes by more than the tolerance."""
        (w1, w2), (_, b1, b2) = self.weights, self.biases
        below = v @ w1
        mu1 = torch.sigmoid(b1 + 2 * below)
        mu2 = torch.sigmoid(b2 + mu1 @ w2)
        for _ in range(self.epoch.max_sweeps):
            new1 = torch.sigmoid(b1 + below + mu2 @ w2.T)
            new2 = torch.sigmoid(b2 + new1 @ w2)
            change = max(float((new1 - mu1).abs().max()), float((new2 - mu2).abs().max()))
            mu1, mu2 = new1, new2
            if change <= self.epoch.tolerance:
                break
        return mu1, mu2

    def gibbs(self):
        """One step of all chains."""
        (w1, w2), (b0, b1, b2) = self.weights, self.biases
        v, _, h2 = self.chains
        h1 = torch.bernoulli(torch.sigmoid(b1 + v @ w1 + h2 @ w2.T))
        self.chains = [torch.bernoulli(torch.sigmoid(b0 + h1 @ w1.T)), h1, torch.bernoulli(torch.sigmoid(b2 + h1 @ w2))]

    def update(self, v):
        """One step up the gradient."""
        data = [v, *self.mean_field(v)]
        self.gibbs()
        n, m = len(v), len(self.chains[0])
        slopes = [data[i].T @ data[i + 1] / n - self.chains[i].T @ self.chains[i + 1] / m for i in range(2)]
        slopes = [slope * mask for slope, mask in zip(slopes, self.masks)]
        slopes += [a.mean(0) - b.mean(0) for a, b in zip(data, self.chains)]
        for parameter, step, slope in zip([*self.weights, *self.biases], self.steps, slopes):
            step.mul_(self.epoch.decay).add_(slope, alpha=self.epoch.learning_rate)
            parameter.add_(step)
        for weights in self.weights:
            weights.mul_(torch.clamp(self.epoch.max_norm / weights.norm(dim=0), max=1.0))


def numpy_gibbs(machine, chains, n_gibbs_steps, generator):
    """Gibbs steps as one would write them in NumPy, float32."""
    (w1, w2), (b0, b1, b2) = machine.weights, machine.biases
    v, _, h2 = (layer.astype(np.float32) for layer in chains)

    def draw(field):
        return (generator.random(field.shape, dtype=np.float32) < 1 / (1 + np.exp(-field))).astype(np.float32)

    for _ in range(n_gibbs_steps):
        h1 = draw(b1 + v @ w1 + h2 @ w2.T)
        h2, v = draw(b2 + h1 @ w2), draw(b0 + h1 @ w1.T)
    return v, h1, h2


def epoch_of(kind, batch, tolerance):
    """An epoch of joint training as the published preset has them."""
    return kind(
        learning_rate=RATE[batch],
        decay=0.5,
        n_gibbs_steps=1,
        batch_size=batch,
        first_update=0,
        max_norm=5.0,
        tolerance=tolerance,
        max_sweeps=MAX_SWEEPS,
    )


def ignore(n):
    """No progress."""


def joint_updates(machine, chains, images, batch, tolerance, before, threads=(1,)):
    """Joint updates a second, and the mean-field sweeps of an image."""
    n, key = UPDATES[batch], fork(0, "training", 0)
    cases, state = images[: n * batch], JointState.at_rest(machine, chains)
    epoch, sides, sweeps = epoch_of(JointEpoch, batch, tolerance), {}, []

    def ours(backend):
        def run():
            sweeps.append(backend.joint_epoch(machine, state, key, cases, epoch, ignore)[2] / len(cases))

        return run

    for n_threads in threads:
        sides["ours" if n_threads == 1 else f"ours on {n_threads} threads"] = ours(get_backend("cpu", n_threads)), n
    if before:
        backend, joint, kind = before
        old = kind(machine.weights, machine.biases, machine.masks), joint.JointState.at_rest(machine, chains)
        old_epoch = epoch_of(joint.JointEpoch, batch, tolerance)
        sides["before"] = lambda: backend.joint_epoch(*old, key, cases, old_epoch, ignore), n
    some = n // 10

    def in_torch():
        peer = TorchMachine(machine, chains, epoch)
        for start in range(0, some * batch, batch):
            peer.update(torch.tensor(cases[start : start + batch].astype(np.float32)))

    sides["PyTorch"] = in_torch, some
    rates = in_turn(sides)
    return {"sweeps_an_image": round(sweeps[-1], 2), **rates}


def chain_steps(machine, chains, before, threads=(1,)):
    """Steps of single chains a second, of all chains together, whose states are read every `N_STEPS` steps."""
    n, key, generator, sides = (
        N_READS * N_STEPS * len(chains[0]),
        fork(0, "samples", 0, 0),
        np.random.default_rng(0),
        {},
    )

    def ours(backend):
        def run():
            free = backend.free_run([machine], [chains], [key])
            for read in range(N_READS):
                free.advance(1 + read * N_STEPS, N_STEPS)

        return run

    for n_threads in threads:
        sides["ours" if n_threads == 1 else f"ours on {n_threads} threads"] = ours(get_backend("cpu", n_threads)), n
    if before:
        backend, _, kind = before
        old = kind(machine.weights, machine.biases, machine.masks)

        def in_before():
            states = list(chains)
            for read in range(N_READS):
                states = backend.advance(old, states, key, 1 + read * N_STEPS, N_STEPS, 0)

        sides["before"] = in_before, n
    sides["NumPy"] = lambda: numpy_gibbs(machine, chains, N_STEPS, generator), n // N_READS
    return {"active": [round(float(layer.mean()), 4) for layer in chains], **in_turn(sides)}


def encodings(machine, images, tolerance, before):
    """Mean-field posteriors a second."""
    cases, found = images[:N_IMAGES], {}

    def ours():
        found["sweeps"] = get_backend("cpu").mean_field(machine, cases, tolerance, MAX_SWEEPS)[1].mean()

    sides = {"ours": (ours, N_IMAGES)}
    if before:
        backend, _, kind = before
        old = kind(machine.weights, machine.biases, machine.masks)
        sides["before"] = lambda: backend.mean_field(old, cases, tolerance, MAX_SWEEPS), N_IMAGES
    rates = in_turn(sides)
    return {"sweeps_an_image": round(float(found["sweeps"]), 2), **rates}


def main(study, checkout):
    """Measure all machines."""
    torch.set_num_threads(1)
    before, digits = another(checkout) if checkout else None, read_digits(Arrays(Path(study) / "digits" / "digits.npz"))
    images = digits.states[: digits.n_train]
    measurements = {}
    for name, (machine, chains) in machines(Path(study)).items():
        of_one = {"weights": list(machine.n_weights), "layers": list(machine.layer_sizes)}
        for batch in UPDATES:
            threads = (1, 2) if name == "dense" else (1,)
            for tolerance in (1e-5, 1e-7) if name == "dense" else (1e-5,):
                key = f"joint updates, batch {batch}, tolerance {tolerance:.0e}"
                of_one[key] = joint_updates(machine, chains, images, batch, tolerance, before, threads)
        of_one["chain-steps"] = chain_steps(machine, chains, before, threads)
        for tolerance in (1e-5, 1e-7):
            of_one[f"encodings, tolerance {tolerance:.0e}"] = encodings(machine, images, tolerance, before)
        measurements[name] = of_one
    record.write("dbm", measurements, ("numpy", "numba", "torch"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", help="folder of a finished study of the digits, results/NAME")
    parser.add_argument("--before", help="another checkout of this repository to compare with")
    options = parser.parse_args()
    with threadpool_limits(1):
        main(options.study, options.before)
