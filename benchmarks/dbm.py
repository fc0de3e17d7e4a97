"""Speed of deep machines on one core: `python benchmarks/dbm.py [--mnist FOLDER]`; needs `pip install torch`.

A machine of the paper's shape (400-400-676, receptive fields) is trained first, on MNIST if a folder is given, else on
scikit-learn's digits enlarged to 20 x 20 pixels, since mean-field iteration is quick on random weights and slow on
trained ones. Then, in turn and in one process: joint updates against a straightforward PyTorch implementation of the
same algorithm (a batch iterates until all its images are done, as array code does), and Gibbs steps against NumPy.
"""

import argparse
from pathlib import Path

import numpy as np
import record
import torch
from pairs import paired
from threadpoolctl import threadpool_limits

from boltzprune.backend import get_backend
from boltzprune.core.joint import JointEpoch, JointState
from boltzprune.core.masks import receptive_fields
from boltzprune.core.streams import fork
from boltzprune.datasets import LABELLED_SOURCES
from boltzprune.datasets.digits import prepare
from boltzprune.learning.joint_training import train_jointly
from boltzprune.learning.pretraining import pretrain
from boltzprune.learning.training import Run
from boltzprune.study.config import DigitData, Digits
from boltzprune.study.progress import Progress

N_UPDATES, N_CHAINS, BATCH = 30, 100, 10
SETTINGS = {
    "data": {"source": "mnist"},
    "machine": {"receptive_field": 5, "n_hidden": [400, 676]},
    "pretraining": {
        "first": {"batch_size": BATCH, "learning_rate": [0.1, 0.001]},
        "second": {"batch_size": BATCH, "learning_rate": [0.1, 0.001]},
        "doubled_inputs": True,
    },
    "training": {"batch_size": BATCH, "learning_rate": [0.005, 0.0005]},
}
N_TRAINING_UPDATES = 24_000


def cases(folder):
    """Binary images of 20 x 20 pixels: (n, 400) uint8."""
    mnist = {"source": "mnist", "directory": folder, "crop": 4}
    settings = DigitData.model_validate(mnist if folder else {"source": "digits"})
    source = LABELLED_SOURCES[settings.source]
    images = prepare(source.read([Path(p) for p in source.locate(settings)], settings), settings)
    states = images.states[: images.n_train]
    if folder:
        return states
    small = np.kron(states.reshape(-1, 8, 8), np.ones((1, 2, 2), np.uint8))
    return np.pad(small, ((0, 0), (2, 2), (2, 2))).reshape(len(small), 400)


def trained(images, settings, backend):
    """A machine after pre-training and joint training, and its chains."""
    masks = [receptive_fields((20, 20), 5), np.ones((400, 676), dtype=bool)]
    n_epochs = max(1, round(N_TRAINING_UPDATES * BATCH / len(images)))
    pretraining = settings.pretraining
    first, second = (x.model_copy(update={"n_epochs": n_epochs}) for x in (pretraining.first, pretraining.second))
    pretraining = pretraining.model_copy(update={"first": first, "second": second})
    training = settings.training.model_copy(update={"n_epochs": n_epochs})
    with Progress(3 * N_TRAINING_UPDATES, "updates", "training", bar=False) as progress:
        start = settings.machine, pretraining, N_CHAINS, [0]
        [(machine, chains)] = pretrain(masks, images, *start, [Run(backend, progress)] * 2)
        how = training, settings.mean_field, [fork(0, "training", 0)], Run(backend, progress, ["training"])
        return train_jointly([machine], [chains], images, *how)[0]


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


def joint_updates(machine, chains, images, tolerance, backend):
    """Joint updates at batch 10 with 100 chains, ours against PyTorch; mean-field sweeps an image."""
    epoch = JointEpoch(1e-3, 0.0005, 1, BATCH, 0, 6.0, tolerance, 50)
    batch, key = images[: N_UPDATES * BATCH], fork(0, "training", 1)
    state, peer = JointState.at_rest(machine, chains), TorchMachine(machine, chains, epoch)
    batches = torch.tensor(batch.astype(np.float32)).split(BATCH)

    def ours():
        backend.joint_epoch(machine, state, key, batch, epoch, lambda n: None)

    def theirs():
        for v in batches:
            peer.update(v)

    n_sweeps = backend.mean_field(machine, batch, tolerance, 50)[1]
    found = paired(ours, theirs, N_UPDATES, N_UPDATES)
    return {"tolerance": tolerance, "mean_field_updates_an_image": float(n_sweeps.mean())} | found


def gibbs_steps(machine, chains, backend, n_gibbs_steps=20):
    """Chain-steps of 100 chains, ours against NumPy."""
    key, generator = fork(0, "samples", 0, 0), np.random.default_rng(0)
    rates = [float(layer.mean()) for layer in chains]

    def ours():
        backend.advance(machine, chains, key, 1, n_gibbs_steps, 0)

    def theirs():
        numpy_gibbs(machine, chains, n_gibbs_steps, generator)

    return {"rates": rates} | paired(ours, theirs, n_gibbs_steps * N_CHAINS, n_gibbs_steps * N_CHAINS)


def main(folder):
    """Train, then measure."""
    torch.set_num_threads(1)
    backend, settings, images = get_backend("cpu"), Digits.model_validate(SETTINGS), cases(folder)
    machine, chains = trained(images, settings, backend)
    measurements = {"data": "MNIST, 60,000 images" if folder else "scikit-learn digits, enlarged to 20 x 20"}
    for tolerance in (1e-5, 1e-7):
        name = f"joint_update_batch_{BATCH}_chains_{N_CHAINS}_tolerance_{tolerance:.0e}"
        measurements[name] = joint_updates(machine, chains, images, tolerance, backend)
    measurements["gibbs_chain_steps"] = gibbs_steps(machine, chains, backend)
    record.write("dbm", measurements, ("numpy", "numba", "torch"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mnist", help="folder with the four IDX files of MNIST")
    with threadpool_limits(1):
        main(parser.parse_args().mnist)
