"""Deep machines in plain loops over units, with Python's floats: what the tests of deep machines compare with."""

import dataclasses
import math

import by_hand
import numpy as np

from boltzprune.core.masks import receptive_fields

SIZES = [(5, 7), (5, 7, 3), (7, 5, 11, 3), (3, 5, 2, 3, 2)]
"""One to four hidden layers."""


def field(machine, state, layer, unit):
    """Bias and weighted input from below and from above of one unit."""
    total = float(machine.biases[layer][unit])
    if layer > 0:
        total += sum(float(machine.weights[layer - 1][i, unit]) * x for i, x in enumerate(state[layer - 1]))
    if layer < len(machine.weights):
        total += sum(float(machine.weights[layer][unit, k]) * x for k, x in enumerate(state[layer + 1]))
    return total


def mean_field_start(machine, case):
    """The bottom-up pass, input of all layers but the top one doubled: the case, then the means of each layer."""
    means = [[float(x) for x in case]]
    for layer, weights in enumerate(machine.weights, start=1):
        gain = 1 if layer == len(machine.weights) else 2
        sums = [sum(x * float(w) for x, w in zip(means[-1], column)) for column in weights.T]
        means.append([by_hand.logistic(float(b) + gain * x) for b, x in zip(machine.biases[layer], sums)])
    return means


def mean_field_update(machine, means):
    """All layers once, from below: the new means and the largest change."""
    means, change = list(means), 0.0
    for layer in range(1, len(means)):
        new = [by_hand.logistic(field(machine, means, layer, unit)) for unit in range(len(means[layer]))]
        change = max([change, *(abs(a - b) for a, b in zip(new, means[layer]))])
        means[layer] = new
    return means, change


def mean_field(machine, case, tolerance, max_sweeps):
    """Means of one case and the number of updates."""
    means, n_sweeps, change = mean_field_start(machine, case), 0, math.inf
    while n_sweeps < max_sweeps and change > tolerance:
        means, change = mean_field_update(machine, means)
        n_sweeps += 1
    return means, n_sweeps


def gibbs_steps(machine, state, key, first_step, n_gibbs_steps, chain, first_layer=0):
    """One chain after these steps: odd layers, then even ones, none below first_layer."""
    state = [[int(x) for x in layer] for layer in state]
    for step in range(first_step, first_step + n_gibbs_steps):
        for parity in (1, 0):
            for layer in range(parity, len(state), 2):
                if layer >= first_layer:
                    probability = [
                        by_hand.logistic(field(machine, state, layer, unit)) for unit in range(len(state[layer]))
                    ]
                    state[layer] = [
                        int(by_hand.uniform(key, step, layer, chain, unit) < p) for unit, p in enumerate(probability)
                    ]
    return state


def joint_training(machine, chains, cases, key, epochs):
    """The definition of joint training: machine in float64, steps, chains, mean-field sweeps."""
    weights, biases = ([x.astype(float) for x in group] for group in (machine.weights, machine.biases))
    machine = dataclasses.replace(machine, weights=tuple(weights), biases=tuple(biases))
    steps = [[np.zeros_like(x) for x in group] for group in (weights, biases)]
    chains, n_updates = [layer.copy() for layer in chains], 0
    for epoch in epochs:
        for update, start in enumerate(range(0, len(cases), epoch.batch_size)):
            batch = cases[start : start + epoch.batch_size]
            means, n = zip(*(mean_field(machine, case, epoch.tolerance, epoch.max_sweeps) for case in batch))
            n_updates += sum(n)
            first_step = (epoch.first_update + update) * epoch.n_gibbs_steps
            states = [
                gibbs_steps(machine, state, key, first_step, epoch.n_gibbs_steps, chain)
                for chain, state in enumerate(zip(*chains))
            ]
            chains = [np.array(layer, dtype=np.uint8) for layer in zip(*states)]
            _climb(machine, steps, list(means), states, epoch)
    return machine, steps, chains, n_updates


def _climb(machine, steps, data, states, epoch):
    """One step up the gradient, in place, then the limit of the norms."""
    for layer, (weights, mask) in enumerate(zip(machine.weights, machine.masks)):
        slope = sum(np.outer(m[layer], m[layer + 1]) for m in data) / len(data)
        slope = slope - sum(np.outer(s[layer], s[layer + 1]) for s in states) / len(states)
        steps[0][layer] = epoch.decay * steps[0][layer] + epoch.learning_rate * slope * mask
        weights += steps[0][layer]
        for unit in range(weights.shape[1]):
            norm = math.sqrt(sum(weights[:, unit] ** 2))
            if norm > epoch.max_norm:
                weights[:, unit] *= epoch.max_norm / norm
    for layer, bias in enumerate(machine.biases):
        slope = sum(np.array(m[layer]) for m in data) / len(data) - sum(np.array(s[layer]) for s in states) / len(
            states
        )
        steps[1][layer] = epoch.decay * steps[1][layer] + epoch.learning_rate * slope
        bias += steps[1][layer]


def exact_samples(machine, n, seed):
    """Independent joint states drawn from the enumerated distribution: a tuple of (n, n_units) uint8."""
    states, probability = by_hand.joint_distribution(machine)
    chosen = np.random.default_rng(seed).choice(len(probability), size=n, p=probability)
    return tuple(layer[chosen] for layer in states)


def without_upper_weights(machine):
    """The machine with all weights above h1 set to 0: then the mean-field posterior is exact."""
    weights = (machine.weights[0], *(np.zeros_like(w) for w in machine.weights[1:]))
    return dataclasses.replace(machine, weights=weights)


def with_receptive_fields(shape, side, n_upper, seed, scale=0.3):
    """A machine whose first hidden layer sees squares of the image."""
    n = shape[0] * shape[1]
    machine = by_hand.machine((n, n, n_upper), seed, scale)
    masks = receptive_fields(shape, side), machine.masks[1]
    return dataclasses.replace(machine, weights=(machine.weights[0] * masks[0], machine.weights[1]), masks=masks)


def parameters(machine):
    """All arrays that training changes."""
    return [*machine.weights, *machine.biases]
