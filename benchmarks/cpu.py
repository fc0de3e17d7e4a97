"""Speed of the compiled loops on one core against scikit-learn and plain NumPy: `python benchmarks/cpu.py`.

Every comparison alternates the two programs in one process, five times, and reports medians and the median of the
paired ratios, so that a machine whose speed drifts changes neither side alone. The peer does the work as its users call
it: BernoulliRBM updates by persistent CD without momentum, ours by CD-1 with momentum (0.9, the default rule).
"""

import resource
import statistics

import numpy as np
import record
from pairs import REPEATS, in_turn, paired, seconds
from sklearn.neural_network import BernoulliRBM
from threadpoolctl import threadpool_limits

from boltzprune.backend import get_backend
from boltzprune.backend.cpu.cd import array_epoch, dense_epoch
from boltzprune.core.contrastive import Epoch, Velocity
from boltzprune.core.masks import receptive_fields
from boltzprune.core.streams import fork
from boltzprune.learning.pretraining import layer_rbm
from boltzprune.learning.training import data_rate, decay_of, new_rbm
from boltzprune.study.config.digits import DeepMachine


def contrastive_divergence(n_visible, n_hidden, activity, n_ours, n_peer):
    """CD-1 at batch size 1 against BernoulliRBM at batch size 1, on random binary data of that mean."""
    cases = (np.random.default_rng(0).random((n_ours, n_visible)) < activity).astype(np.uint8)
    machine = new_rbm(data_rate(cases), n_hidden, 0.1, -2.0, seed=0)
    epoch = Epoch(0.01, decay_of(0.01, 0.9, "scaled"), 1, 1, 0)
    backend, key = get_backend("cpu"), fork(0, "training", 0)
    peer_cases = cases[:n_peer].astype(np.float32)

    def ours():
        backend.cd_epoch([machine], [Velocity.zero(machine)], [key], cases, epoch, lambda n: None)

    def peer():
        BernoulliRBM(n_hidden, learning_rate=0.01, batch_size=1, n_iter=1, random_state=0).fit(peer_cases)

    return {"activity": activity, **paired(ours, peer, n_ours, n_peer)}


def receptive_field_rbm(batch_size, n_ours, n_dense, n_peer, side=20, field=5, activity=0.3):
    """CD-1 of an RBM with receptive fields: against loops over the whole matrix, and against BernoulliRBM without mask.

    The peer has no masks: it trains all pairs of units.
    """
    mask = receptive_fields((side, side), field)
    cases = (np.random.default_rng(0).random((n_ours, side * side)) < activity).astype(np.uint8)
    start = DeepMachine(receptive_field=field, n_hidden=[side**2, 1], weight_sd=0.1)
    machine, key = layer_rbm(mask, 0, start, seed=0), fork(0, "training", 0)
    epoch, backend = Epoch(0.01, decay_of(0.01, 0.9, "scaled"), 1, batch_size, 0), get_backend("cpu")
    whole, work = dense_epoch if batch_size == 1 else array_epoch, (machine, Velocity.zero(machine), key)
    peer_cases = cases[:n_peer].astype(np.float32)

    def ours():
        backend.cd_epoch(*([part] for part in work), cases, epoch, lambda n: None)

    def matrix():
        whole(*work, cases[:n_dense], epoch, lambda n: None)

    def peer():
        BernoulliRBM(side**2, learning_rate=0.01, batch_size=batch_size, n_iter=1, random_state=0).fit(peer_cases)

    return {
        "activity": activity,
        "existing_weights": int(mask.sum()),
        "whole_matrix": paired(ours, matrix, n_ours, n_dense),
        "scikit_learn": paired(ours, peer, n_ours, n_peer),
    }


def pair_means(n_samples=60_000, n_lower=400, n_upper=676):
    """Pair means of two layers of samples: packing and counting bits, against one float32 matrix product."""
    generator = np.random.default_rng(0)
    lower, upper = ((generator.random((n_samples, n)) < 0.3).astype(np.uint8) for n in (n_lower, n_upper))
    backend = get_backend("cpu")
    packed = backend.pack(lower), backend.pack(upper)
    backend.pair_counts(*packed)
    return {
        "count_s": statistics.median(seconds(lambda: backend.pair_counts(*packed)) for _ in range(REPEATS)),
        "pack_and_count_s": statistics.median(
            seconds(lambda: backend.pair_counts(backend.pack(lower), backend.pack(upper))) for _ in range(REPEATS)
        ),
        "float32_product_s": statistics.median(
            seconds(lambda: lower.astype(np.float32).T @ upper.astype(np.float32)) for _ in range(REPEATS)
        ),
    }


def gibbs_steps(n_visible=13, n_hidden=70, n_chains=5_000, n_steps=20):
    """Steps of many chains of a small RBM: ours, scikit-learn's, NumPy's as one would write it, and PyTorch's."""
    machine = new_rbm(np.full(n_visible, 0.4), n_hidden, 0.5, -1.0, seed=0)
    generator, backend, key = np.random.default_rng(0), get_backend("cpu"), fork(0, "samples", 0, 0)
    start = [(generator.random((n_chains, n)) < 0.4).astype(np.uint8) for n in (n_visible, n_hidden)]
    (weights,), (visible_bias, hidden_bias) = machine.weights, machine.biases
    peer = BernoulliRBM(n_hidden, random_state=0)
    peer.components_, peer.intercept_visible_, peer.intercept_hidden_ = weights.T.copy(), visible_bias, hidden_bias
    peer.random_state_, peer.n_features_in_ = np.random.RandomState(0), n_visible

    def in_scikit_learn():
        states = start[0].astype(np.float32)
        for _ in range(n_steps):
            states = peer.gibbs(states)

    def drawn(field):
        return (generator.random(field.shape, dtype=np.float32) < 1 / (1 + np.exp(-field))).astype(np.float32)

    def in_numpy():
        states = start[0].astype(np.float32)
        for _ in range(n_steps):
            states = drawn(visible_bias + drawn(hidden_bias + states @ weights) @ weights.T)

    def in_torch():
        import torch

        w, a, b = (torch.tensor(x) for x in (weights, visible_bias, hidden_bias))
        states = torch.tensor(start[0].astype(np.float32))
        for _ in range(n_steps):
            hidden = torch.bernoulli(torch.sigmoid(b + states @ w))
            states = torch.bernoulli(torch.sigmoid(a + hidden @ w.T))

    n = n_chains * n_steps
    sides = {"ours": (lambda: backend.advance(machine, start, key, 1, n_steps, 0), n)}
    return in_turn(sides | {"scikit-learn": (in_scikit_learn, n), "NumPy": (in_numpy, n), "PyTorch": (in_torch, n)})


if __name__ == "__main__":
    with threadpool_limits(1):
        measurements = {
            "cd1_13x70_batch1": contrastive_divergence(13, 70, 0.5, 1_000_000, 20_000),
            "cd1_400x676_batch1": contrastive_divergence(400, 676, 0.4, 20_000, 1_000),
            "cd1_400x400_fields_batch1": receptive_field_rbm(1, 50_000, 5_000, 1_000),
            "cd1_400x400_fields_batch10": receptive_field_rbm(10, 50_000, 5_000, 5_000),
            "gibbs_steps_13x70_5000_chains": gibbs_steps(),
            "pair_means_60000x400x676": pair_means(),
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
    record.write("cpu", measurements)
