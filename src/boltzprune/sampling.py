"""Activity statistics of a machine as the configuration asks for them: drawn or enumerated."""

import functools

from boltzprune import exact, gibbs
from boltzprune.fisher import pack, sampled_fisher_matrix, sampled_statistics

MAX_VISIBLE_AUTO = 16


def draw(machine, n_samples, sampling, key, backend):
    """Joint samples of an RBM by the method of the configuration: a tuple of (n_samples, n_units) uint8."""
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
        fisher.Statistics, and a callable without arguments that returns the (n_parameters, n_parameters) FIM.
    """
    if sampling.statistics == "enumerated":
        return exact.statistics(machine), functools.partial(exact.fisher_matrix, machine)
    layers, n_samples = [pack(states) for states in samples], len(samples[0])
    fisher = functools.partial(sampled_fisher_matrix, *layers, machine.masks[0], n_samples, backend)
    return sampled_statistics(layers, n_samples, backend), fisher
