"""Activity statistics of a machine as the configuration asks for them: drawn or enumerated."""

import functools

import numpy as np

from boltzprune import exact, gibbs
from boltzprune.fisher import Statistics, sampled_fisher_matrix, sampled_statistics
from boltzprune.machine import check_states, require_rbm

MAX_VISIBLE_AUTO = 16
PHASES = {"initial": 0, "retrained": 0, "pruned": 1}
"""Streams of the samples of one iteration: before and after its retraining."""


def draw(machine, n_samples, sampling, key, backend):
    """Joint samples of an RBM by the method of the configuration, where the backend computes.

    Returns
    -------
    tuple of (n_samples, n_units) uint8
    """
    few = machine.is_rbm and machine.layer_sizes[0] <= MAX_VISIBLE_AUTO
    if sampling.method == "exact" or (sampling.method == "auto" and few):
        return exact.sample(machine, n_samples, key, backend)
    return gibbs.sample(machine, n_samples, sampling.n_gibbs_steps, key, backend)


def estimate(machine, samples, sampling, backend):
    """Statistics of a machine, and a function that computes its full FIM.

    Parameters
    ----------
    machine : BoltzmannMachine
    samples : tuple of (n_samples, n_units) uint8
    sampling : config.Sampling
    backend : Backend

    Returns
    -------
    tuple
        fisher.Statistics, and a callable without arguments that returns the (n_parameters, n_parameters) FIM, where the
        backend computes.
    """
    require_rbm(machine, "sampling.estimate", "sampling.deep_statistics")
    if sampling.statistics == "enumerated":
        return exact.statistics(machine), functools.partial(exact.fisher_matrix, machine)
    layers, n_samples = [backend.pack(states) for states in samples], len(samples[0])
    fisher = functools.partial(sampled_fisher_matrix, *layers, machine.masks[0], n_samples, backend)
    return sampled_statistics(layers, n_samples, backend), fisher


def _reads(machine, chains, n_samples, sampling, key, backend):
    """Joint states in pieces that fit into memory, from the chains given or from fresh ones."""
    size = backend.piece(n_samples, gibbs.BYTES_A_UNIT * sum(machine.layer_sizes))
    if sampling.chains == "fresh":
        for first in range(0, n_samples, size):
            n = min(size, n_samples - first)
            yield gibbs.sample(machine, n, sampling.n_gibbs_steps, key, backend, first_chain=first)
        return
    n_chains = len(chains[0])
    reads_per_piece = max(1, size // n_chains)
    piece, states = [], list(chains)
    for read in range(-(-n_samples // n_chains)):
        states = backend.advance(machine, states, key, 1 + read * sampling.n_gibbs_steps, sampling.n_gibbs_steps, 0)
        piece.append(states)
        if len(piece) == reads_per_piece or (read + 1) * n_chains >= n_samples:
            done = (read + 1 - len(piece)) * n_chains
            yield tuple(backend.xp.concatenate(layer)[: n_samples - done] for layer in zip(*piece))
            piece = []


def deep_statistics(machine, chains, n_samples, sampling, key, backend, progress=None):
    """Statistics of a free-running deep machine, and its visible states; hidden states are counted, not kept.

    Parameters
    ----------
    machine : BoltzmannMachine
    chains : tuple of (n_chains, n_units) uint8
        Persistent chains, which go on; read all together after every n_gibbs_steps.
    n_samples : int
    sampling : config.DeepSampling
    key : np.uint64
    backend : Backend
    progress : Progress, optional
        Told of the samples done.

    Returns
    -------
    tuple
        fisher.Statistics, and (n_samples, n_bytes) uint8, the visible states, bit-packed along the units.
    """
    sizes = machine.layer_sizes
    if sampling.chains == "persistent":
        check_states(chains, sizes, "chains")
    ones = [np.zeros(n) for n in sizes]
    pairs = [np.zeros(shape) for shape in zip(sizes[:-1], sizes[1:])]
    visible, machine = [], backend.on_device(machine)
    for states in _reads(machine, chains, n_samples, sampling, key, backend):
        part = sampled_statistics([backend.pack(layer) for layer in states], len(states[0]), backend)
        for total, rate in zip(ones + pairs, part.rates + part.pair_means):
            total += np.rint(rate * len(states[0]))
        visible.append(np.packbits(backend.to_host(states[0]), axis=1))
        if progress is not None:
            progress.advance(len(states[0]))
    rates, means = (tuple(total / n_samples for total in group) for group in (ones, pairs))
    return Statistics(n_samples, rates, means), np.concatenate(visible)
