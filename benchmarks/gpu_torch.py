"""PyTorch beside our kernels: `PYTHONPATH=src python benchmarks/gpu_torch.py [--no-write]`; needs PyTorch for CUDA.

Ten machines of 400-400-676 units side by side, 100 chains each, random weights. PyTorch has the machines as one batch
(baddbmm), its own random numbers, float32 without TF32, and once more as a CUDA graph, which takes the launches from
Python out of it. Both sides do a Gibbs step of all chains, and an update of joint training with batches of 10 images
and a fixed number of mean-field sweeps.
"""

import argparse
import dataclasses
import functools
import sys

import gpu
import gpu_phases
import record
import torch
from gpu_inputs import binary, deep_machine, key_of

from boltzprune.backend.gpu.backend import Backend

SIZES, N_MACHINES, N_CHAINS, BATCH, SWEEPS = (400, 400, 676), 10, 100, 10, 12
RATE, DECAY = 1e-6, 0.5


class Torch:
    """The machines of a batch, their chains and their steps, as PyTorch's arrays."""

    def __init__(self, machines, chains, cases):
        def stacked(arrays):
            return torch.stack([torch.as_tensor(x, dtype=torch.float32) for x in arrays]).cuda()

        self.w = [stacked(m.weights[k] for m in machines) for k in (0, 1)]
        self.masks = [stacked(m.masks[k] for m in machines) for k in (0, 1)]
        self.b = [stacked(m.biases[k][None] for m in machines) for k in (0, 1, 2)]
        self.states = [stacked([layer] * len(machines)) for layer in chains]
        self.cases = stacked([cases] * len(machines))
        self.steps = [torch.zeros_like(x) for x in (*self.w, *self.b)]

    def gibbs_step(self):
        """Layer 1 given the others, then they given layer 1."""
        v, _, h2 = self.states
        h1 = torch.bernoulli(torch.sigmoid(torch.baddbmm(self.b[1], v, self.w[0]) + h2 @ self.w[1].mT))
        self.states[1].copy_(h1)
        self.states[0].copy_(torch.bernoulli(torch.sigmoid(torch.baddbmm(self.b[0], h1, self.w[0].mT))))
        self.states[2].copy_(torch.bernoulli(torch.sigmoid(torch.baddbmm(self.b[2], h1, self.w[1]))))

    def update(self):
        """Mean field, a Gibbs step, and a step up the gradient."""
        below = self.cases @ self.w[0]
        mu1 = torch.sigmoid(self.b[1] + 2 * below)
        mu2 = torch.sigmoid(torch.baddbmm(self.b[2], mu1, self.w[1]))
        for _ in range(SWEEPS):
            mu1 = torch.sigmoid(torch.baddbmm(self.b[1] + below, mu2, self.w[1].mT))
            mu2 = torch.sigmoid(torch.baddbmm(self.b[2], mu1, self.w[1]))
        self.gibbs_step()
        data, model = (self.cases, mu1, mu2), self.states
        slopes = [data[k].mT @ data[k + 1] / BATCH - model[k].mT @ model[k + 1] / N_CHAINS for k in (0, 1)]
        slopes = [slope * mask for slope, mask in zip(slopes, self.masks)]
        slopes += [x.mean(dim=1, keepdim=True) - y.mean(dim=1, keepdim=True) for x, y in zip(data, model)]
        for parameter, step, slope in zip((*self.w, *self.b), self.steps, slopes):
            step.mul_(DECAY).add_(slope, alpha=RATE)
            parameter.add_(step)


def seconds(function, n):
    """Seconds of one of n calls, the least of three measurements."""
    found = []
    for _ in range(3):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(n):
            function()
        end.record()
        torch.cuda.synchronize()
        found.append(start.elapsed_time(end) / 1e3 / n)
    return min(found)


def graphed(function):
    """The same work as a CUDA graph."""
    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(3):
            function()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        function()
    return graph.replay


def main(words=None):
    """Exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-write", action="store_true", help="print the results and write no file")
    chosen = parser.parse_args(words)
    tools = gpu.opened(gpu.gpu_tools)
    if tools is None:
        return 2
    torch.backends.cuda.matmul.allow_tf32 = False
    card, phases = tools.card, gpu_phases.Sizes()
    machines = [deep_machine(SIZES, seed=k) for k in range(N_MACHINES)]
    chains, cases = [binary((N_CHAINS, n), 0.3, seed=n) for n in SIZES], binary((BATCH, SIZES[0]), 0.3, seed=5)
    keys = [key_of("samples", k) for k in range(N_MACHINES)]
    run = Backend(card=card).free_run(machines, [chains] * N_MACHINES, keys)
    ours = {"Gibbs step": gpu_phases._slope(card, phases, lambda n: run.advance(1, n))}
    held, images, _ = gpu_phases._held(card, dataclasses.replace(phases, updates=500), BATCH, SWEEPS, gpu_phases.BUSY)
    ours["update"] = gpu_phases._seconds(card, lambda: held.run(images, 500, 0)) / 500
    rows = []
    for name, function in (("Gibbs step", Torch.gibbs_step), ("update", Torch.update)):
        theirs = Torch(machines, chains, cases)
        step = functools.partial(function, theirs)
        plain, replay = seconds(step, 50), seconds(graphed(step), 50)
        row = {"what": name, "machines": N_MACHINES, "ours_us": 1e6 * ours[name]}
        rows.append(row | {"torch_us": 1e6 * plain, "torch_graph_us": 1e6 * replay})
        gpu.tell(name, rows[-1])
    found = {"card": tools.about(), "torch": torch.__version__, "rows": rows}
    record.write_or_print(chosen.no_write, "gpu_torch", found, gpu.packages())
    return 0


if __name__ == "__main__":
    sys.exit(main())
