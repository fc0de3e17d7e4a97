"""The definitions, written out in plain loops over all joint states: what the tests of the core compare with."""

import itertools
import math

import numpy as np

from boltzprune.core import streams
from boltzprune.core.machine import BoltzmannMachine


def machine(sizes, seed, scale=1.0, density=1.0, dtype=np.float32):
    """A Boltzmann machine with random parameters and, below density 1, random masks."""
    rng = np.random.default_rng(seed)
    shapes = list(zip(sizes[:-1], sizes[1:]))
    masks = tuple(rng.random(shape) < density for shape in shapes)
    weights = tuple((rng.normal(0, scale, mask.shape) * mask).astype(dtype) for mask in masks)
    return BoltzmannMachine(weights, tuple(rng.normal(-0.3, scale, n).astype(dtype) for n in sizes), masks)


def patterns(n_cases, n_units, seed, rate=0.4):
    """Random binary patterns: (n_cases, n_units) uint8."""
    return (np.random.default_rng(seed).random((n_cases, n_units)) < rate).astype(np.uint8)


def on_host(backend, found):
    """What a primitive returned as NumPy arrays: an array, or a tuple or list of such."""
    if isinstance(found, tuple | list):
        return type(found)(on_host(backend, x) for x in found)
    return backend.to_host(found)


def enough(backend, n):
    """How many samples to draw: fewer where a GPU's threads run one after the other on a CPU."""
    return n if getattr(getattr(backend, "card", None), "name", "") != "emulated card" else n // 11


def joint_states(sizes):
    """Every joint state, the last unit of the last layer changing fastest: a list of (2**sum(sizes), n_units) uint8."""
    states = np.array(list(itertools.product((0, 1), repeat=sum(sizes))), dtype=np.uint8)
    return np.split(states, np.cumsum(sizes)[:-1], axis=1)


def energy(machine, state):
    """E of one joint state, a sum over every weight and every bias."""
    total = 0.0
    for layer, weights in enumerate(machine.weights):
        for i, j in itertools.product(range(weights.shape[0]), range(weights.shape[1])):
            total -= int(state[layer][i]) * float(weights[i, j]) * int(state[layer + 1][j])
    for layer, bias in enumerate(machine.biases):
        for i in range(len(bias)):
            total -= float(bias[i]) * int(state[layer][i])
    return total


def joint_distribution(machine):
    """Every joint state and its probability: a list of (n_states, n_units) uint8, and (n_states,) float64."""
    states = joint_states(machine.layer_sizes)
    boltzmann = np.array([math.exp(-energy(machine, state)) for state in zip(*states)])
    return states, boltzmann / boltzmann.sum()


def derivatives(visible, hidden, mask):
    """-dE/dphi of every joint state: existing weights row by row, visible biases, hidden biases."""
    pairs = [(i, j) for i in range(mask.shape[0]) for j in range(mask.shape[1]) if mask[i, j]]
    columns = [visible[:, i].astype(float) * hidden[:, j] for i, j in pairs]
    return np.column_stack([*columns, visible.astype(float), hidden.astype(float)])


def uniform(key, step, layer, chain, unit):
    """The uniform number of one unit's decision, from the words of Philox."""
    word = streams.philox4x32((unit // 4, chain, step, layer), key)[unit % 4]
    return (int(word) >> 8) * 2.0**-24


def logistic(x):
    """s(x)."""
    return 1.0 / (1.0 + math.exp(-x))


class Chain:
    """One Markov chain of an RBM in Python's floats."""

    def __init__(self, weights, visible_bias, hidden_bias, key, number):
        self.weights, self.visible_bias, self.hidden_bias = weights, visible_bias, hidden_bias
        self.key, self.number = key, number

    def hidden_probability(self, v):
        n = len(self.hidden_bias)
        return [logistic(self.hidden_bias[j] + sum(v[i] * self.weights[i, j] for i in range(len(v)))) for j in range(n)]

    def visible_probability(self, h):
        n = len(self.visible_bias)
        return [
            logistic(self.visible_bias[i] + sum(self.weights[i, j] * h[j] for j in range(len(h)))) for i in range(n)
        ]

    def draw(self, probability, step, layer):
        return [int(uniform(self.key, step, layer, self.number, unit) < p) for unit, p in enumerate(probability)]


def contrastive_divergence(machine, cases, key, rates, decays, n_gibbs_steps=1, batch_size=1, first_update=0):
    """CD-k with momentum, one epoch per learning rate: [W, b_v, b_h] and their last steps, float64."""
    parameters = [x.astype(float) for x in (machine.weights[0], machine.biases[0], machine.biases[1])]
    steps = [np.zeros_like(parameter) for parameter in parameters]
    update = first_update
    for rate, decay in zip(rates, decays):
        for start in range(0, len(cases), batch_size):
            batch = cases[start : start + batch_size]
            gradients = [np.zeros_like(parameter) for parameter in parameters]
            for number, case in enumerate(batch):
                chain = Chain(*parameters, key, number)
                v = [int(x) for x in case]
                p0 = p = chain.hidden_probability(v)
                for k in range(n_gibbs_steps):
                    step = update * n_gibbs_steps + k
                    h = chain.draw(p, step, layer=1)
                    v = chain.draw(chain.visible_probability(h), step, layer=0)
                    p = chain.hidden_probability(v)
                gradients[0] += (np.outer(case, p0) - np.outer(v, p)) * machine.masks[0] / len(batch)
                gradients[1] += (case.astype(float) - v) / len(batch)
                gradients[2] += (np.array(p0) - p) / len(batch)
            for parameter, step, gradient in zip(parameters, steps, gradients):
                step[...] = decay * step + rate * gradient
                parameter += step
            update += 1
    return parameters, steps


def assert_within_standard_errors(found, expected, standard_error, n=5):
    """Every entry of `found` is at most n standard errors from `expected`; entries without spread are equal."""
    found, expected, standard_error = np.broadcast_arrays(found, expected, standard_error)
    distance = np.abs(found - expected) - n * standard_error
    worst = np.unravel_index(np.argmax(distance), distance.shape)
    assert (distance <= 1e-12).all(), (
        f"entry {tuple(map(int, worst))} is {found[worst]:.6g}, expected {expected[worst]:.6g} "
        f"with standard error {standard_error[worst]:.2g}"
    )


def chi_square_p_value(counts, probability):
    """Probability of counts at least this far from the expected ones; rare bins are pooled to an expectation of 5."""
    from scipy.stats import chisquare

    counts, expected = np.asarray(counts, dtype=float), np.asarray(probability) * np.sum(counts)
    order = np.argsort(expected)
    n_rare = int(np.searchsorted(np.cumsum(expected[order]), 5.0)) + 1
    rare, common = order[:n_rare], order[n_rare:]
    return chisquare(
        np.append(counts[common], counts[rare].sum()), np.append(expected[common], expected[rare].sum())
    ).pvalue


def assert_samples_follow(machine, layers):
    """Rates, means of neighbouring pairs and joint states of independent samples are those of the machine."""
    states, probability = joint_distribution(machine)
    n = len(layers[0])
    for below, above, s_below, s_above in zip(layers[:-1], layers[1:], states[:-1], states[1:]):
        pair = np.einsum("s,si,sj->ij", probability, s_below, s_above)
        found = below.T.astype(float) @ above / n
        assert_within_standard_errors(found, pair, np.sqrt(pair * (1 - pair) / n))
    for layer, s in zip(layers, states):
        rate = probability @ s
        assert_within_standard_errors(layer.mean(axis=0), rate, np.sqrt(rate * (1 - rate) / n))
    joint = np.concatenate(layers, axis=1).astype(np.int64)
    codes = joint @ (1 << np.arange(joint.shape[1] - 1, -1, -1))
    assert chi_square_p_value(np.bincount(codes, minlength=len(probability)), probability) > 1e-3
