"""The same work as one would write it with CuPy's arrays: products, elementwise functions, its random numbers."""

import numpy as np


class Naive:
    """Array algebra in float32, states as float32.

    Parameters
    ----------
    xp : module
        CuPy.
    """

    def __init__(self, xp):
        self.xp = xp

    def uniform(self, shape):
        """Uniform random numbers, float32."""
        return self.xp.random.random(shape, dtype=np.float32)

    def floats(self, arrays):
        """Arrays where this computes, float32."""
        return [self.xp.asarray(array, dtype=np.float32) for array in arrays]

    def bytes(self, array):
        """An array where this computes, uint8."""
        return self.xp.asarray(array, dtype=np.uint8)

    def sigmoid(self, x):
        """s(x)."""
        return 1 / (1 + self.xp.exp(-x))

    def draw(self, probability):
        """States, float32."""
        return (self.uniform(probability.shape) < probability).astype(np.float32)

    def probability(self, weights, biases, layers, layer):
        """Of a layer given its neighbours  (Eq. 9)."""
        total = biases[layer]
        if layer > 0:
            total = total + layers[layer - 1] @ weights[layer - 1]
        if layer + 1 < len(layers):
            total = total + layers[layer + 1] @ weights[layer].T
        return self.sigmoid(total)

    def gibbs_step(self, weights, biases, layers):
        """Draw the odd layers, then the even ones, in place."""
        for layer in (*range(1, len(layers), 2), *range(0, len(layers), 2)):
            layers[layer] = self.draw(self.probability(weights, biases, layers, layer))

    def states(self, fields):
        """States from fields, uint8."""
        return (self.uniform(fields.shape) < self.sigmoid(fields)).astype(np.uint8)

    def pack(self, states):
        """States as bits along the samples, the bytes of `Backend.pack` in one row."""
        n_samples, n_units = states.shape
        padded = self.xp.zeros((n_units, 64 * -(-n_samples // 64)), dtype=np.uint8)
        padded[:, :n_samples] = states.T
        return self.xp.packbits(padded, bitorder="little")

    def pair_counts(self, lower, upper):
        """One matrix product of the states, float32: exact up to 2**24 samples."""
        return lower.astype(np.float32).T @ upper.astype(np.float32)

    def mean_field(self, weights, biases, visible, tolerance, max_sweeps):
        """Posteriors of two hidden layers, until no image of the batch changes by more than the tolerance."""
        (w1, w2), (_, b1, b2) = weights, biases
        below = visible @ w1
        mu1 = self.sigmoid(b1 + 2 * below)
        mu2 = self.sigmoid(b2 + mu1 @ w2)
        for _ in range(max_sweeps):
            new1 = self.sigmoid(b1 + below + mu2 @ w2.T)
            new2 = self.sigmoid(b2 + new1 @ w2)
            change = self.xp.maximum(abs(new1 - mu1).max(), abs(new2 - mu2).max())
            mu1, mu2 = new1, new2
            if float(change) <= tolerance:
                break
        return [visible, mu1, mu2]

    def joint(self, machine, chains, cases, epoch):
        """Joint training of one machine with two hidden layers: (weights, biases)."""
        weights, biases, masks, layers = (
            self.floats(x) for x in (machine.weights, machine.biases, machine.masks, chains)
        )
        steps, [cases] = [self.xp.zeros_like(x) for x in (*weights, *biases)], self.floats([cases])
        for start in range(0, len(cases), epoch.batch_size):
            visible = cases[start : start + epoch.batch_size]
            data = self.mean_field(weights, biases, visible, epoch.tolerance, epoch.max_sweeps)
            self.gibbs_step(weights, biases, layers)
            means = [(x.T @ y / len(x), u.T @ v / len(u)) for x, y, u, v in zip(data, data[1:], layers, layers[1:])]
            slopes = [(plus - minus) * mask for (plus, minus), mask in zip(means, masks)]
            slopes += [x.mean(axis=0) - u.mean(axis=0) for x, u in zip(data, layers)]
            for parameter, step, slope in zip((*weights, *biases), steps, slopes):
                step *= epoch.decay
                step += epoch.learning_rate * slope
                parameter += step
            for w in weights:
                w *= self.xp.minimum(epoch.max_norm / self.xp.sqrt((w * w).sum(axis=0)), 1)
        return weights, biases

    def contrastive(self, machines, cases, learning_rate, decay):
        """CD-1 at batch size 1, machines as a batch of matrices: [weights, visible biases, hidden biases] of all."""
        groups = ([m.weights[0] for m in machines], [m.biases[0] for m in machines], [m.biases[1] for m in machines])
        parameters = self.floats(map(np.stack, groups))
        steps = [self.xp.zeros_like(x) for x in parameters]
        cases, same = self.floats([cases, np.ones((len(machines), 1))])
        for k in range(len(cases)):
            for parameter, step, slope in zip(parameters, steps, self._gradient(*parameters, same * cases[k])):
                step *= decay
                step += learning_rate * slope
                parameter += step
        return parameters

    def _gradient(self, weights, visible_biases, hidden_biases, v0):
        """CD-1 gradient of every machine: v0 is (n_machines, n_visible)."""
        p0 = self.sigmoid(self._below(v0, weights) + hidden_biases)
        above = self.xp.matmul(weights, self.draw(p0)[:, :, None])[:, :, 0]
        v1 = self.draw(self.sigmoid(above + visible_biases))
        p1 = self.sigmoid(self._below(v1, weights) + hidden_biases)
        return v0[:, :, None] * p0[:, None, :] - v1[:, :, None] * p1[:, None, :], v0 - v1, p0 - p1

    def _below(self, visible, weights):
        """v.W of every machine."""
        return self.xp.matmul(visible[:, None, :], weights)[:, 0, :]
