"""What is timed of the kernels, one function a kernel and a size: ours, the floor, the naive way."""

import dataclasses
from typing import Any, NamedTuple

import gpu_deep
import gpu_floors as floors
import numpy as np
from gpu_inputs import Sizes, binary, key_of, parameters_on, random_machine
from gpu_rows import Piece

from boltzprune.backend.gpu import cd_large
from boltzprune.backend.gpu.cd_small import UPDATES_PER_LAUNCH
from boltzprune.backend.gpu.gibbs import Chains, drawing_weights
from boltzprune.core.contrastive import Epoch, Velocity

EPOCH = Epoch(0.01, 0.009, 1, 1, 0)
"""Learning rate 0.01, momentum 0.9 by the rule of the default configuration."""


class Bench(NamedTuple):
    """Who computes, what the card was measured to do, and how much is asked for."""

    backend: Any
    naive: Any
    rates: floors.Rates
    sizes: Sizes


def gibbs_step(bench):
    """One Gibbs step of all chains of an RBM: a launch for each layer, states in place."""
    rates, sizes = bench.rates, bench.sizes
    n_visible, n_hidden, n_chains = sizes.visible, sizes.hidden, sizes.chains
    ours, naive = _drawn(bench, (n_visible, n_hidden), n_chains, (1, 0))
    bounds = floors.together(
        floors.draw(rates, n_chains, n_hidden, n_visible), floors.draw(rates, n_chains, n_visible, n_hidden)
    )
    size = f"Gibbs step, {n_chains} chains of {n_visible} x {n_hidden}"
    counts = {"chain_steps": n_chains}
    return Piece("draw", size, ours, floor=floors.floor(rates, bounds, 2), naive=naive, counts=counts)


def first_hidden_layer(bench, n_chains):
    """States of h1 of the deep machine given both its neighbours."""
    below, n_units, above = bench.sizes.deep
    ours, naive = _drawn(bench, bench.sizes.deep, n_chains, (1,))
    bounds = floors.draw(bench.rates, n_chains, n_units, below + above)
    size = f"{n_chains} chains, {n_units} units of neighbours {below} + {above}"
    return Piece("draw", size, ours, floor=floors.floor(bench.rates, bounds), naive=naive)


def _drawn(bench, layer_sizes, n_chains, order):
    """Layers drawn one after the other, in place, by the kernel and by CuPy."""
    backend, naive, key = bench.backend, bench.naive, key_of("samples")
    machine = random_machine(layer_sizes)
    given = [binary((n_chains, n), 0.3, seed=k) for k, n in enumerate(layer_sizes)]
    parameters, chains = parameters_on(backend, machine), Chains(backend.card, [backend.asarray(x) for x in given])
    weights = {layer: drawing_weights(parameters, layer, backend.xp) for layer in order}
    floats, biases, layers = (naive.floats(group) for group in (machine.weights, machine.biases, given))

    def ours():
        for layer in order:
            chains.draw(layer, weights[layer], (key, 1, layer, 0))

    def theirs():
        for layer in order:
            layers[layer] = naive.draw(naive.probability(floats, biases, layers, layer))

    return ours, theirs


def probability(bench):
    """Mean-field probabilities of h2 of the deep machine."""
    backend, naive, (_, below, n_units) = bench.backend, bench.naive, bench.sizes.deep
    n_images, generator, machine = bench.sizes.images, np.random.default_rng(0), random_machine(bench.sizes.deep)
    means = [generator.random((n_images, n), dtype=np.float32) for n in bench.sizes.deep]
    parameters, on_card = parameters_on(backend, machine), [backend.asarray(x) for x in means]
    weights, biases, floats = (naive.floats(group) for group in (machine.weights, machine.biases, means))
    bounds = floors.field(bench.rates, n_images, n_units, below)
    return Piece(
        "field",
        f"{n_images} images, {n_units} units of neighbour {below}",
        lambda: backend.probability(parameters, on_card, 2),
        floor=floors.floor(bench.rates, bounds),
        naive=lambda: naive.probability(weights, biases, floats, 2),
    )


def states(bench):
    """States of the top layer from fields that lie in memory."""
    n_chains, n_units = bench.sizes.samples, bench.sizes.deep[-1]
    fields = np.random.default_rng(0).standard_normal((n_chains, n_units), dtype=np.float32)
    ours, [theirs] = bench.backend.asarray(fields), bench.naive.floats([fields])
    return Piece(
        "states",
        f"{n_chains} x {n_units}",
        lambda: bench.backend.sample_layer(ours, key_of("samples"), 1, 2, 0),
        floor=floors.floor(bench.rates, floors.states(bench.rates, n_chains, n_units)),
        naive=lambda: bench.naive.states(theirs),
    )


def pack(bench):
    """States of the top layer as bits."""
    n_samples, n_units = bench.sizes.samples, bench.sizes.deep[-1]
    given = binary((n_samples, n_units), 0.3)
    ours, theirs = bench.backend.asarray(given), bench.naive.bytes(given)
    return Piece(
        "pack",
        f"{n_samples} x {n_units}",
        lambda: bench.backend.pack(ours),
        floor=floors.floor(bench.rates, floors.pack(bench.rates, n_samples, n_units)),
        naive=lambda: bench.naive.pack(theirs),
    )


def pair_counts(bench, n_lower, n_upper, n_samples):
    """Pair counts of packed samples; the naive way is one float32 product of states that are not packed."""
    given = [binary((n_samples, n), 0.3, seed=n) for n in (n_lower, n_upper)]
    packed = [bench.backend.pack(bench.backend.asarray(layer)) for layer in given]
    theirs = [bench.naive.bytes(layer) for layer in given]
    bounds = floors.pair_counts(bench.rates, n_lower, n_upper, n_samples)
    return Piece(
        "pair_counts",
        f"{n_lower} x {n_upper} x {n_samples} samples",
        lambda: bench.backend.pair_counts(*packed),
        floor=floors.floor(bench.rates, bounds, 2),  # the counts are set to 0 first
        naive=lambda: bench.naive.pair_counts(*theirs),
    )


def contrastive(bench, n_machines):
    """An epoch of CD-1 of several small machines side by side."""
    sizes = bench.sizes
    shape, n = (sizes.visible, sizes.hidden), sizes.updates
    bounds = floors.contrastive(bench.rates, n_machines, *shape, n)
    floor = floors.floor(bench.rates, bounds, -(-n // UPDATES_PER_LAUNCH))
    return _contrastive(bench, "contrastive", shape, n_machines, n, floor)


def contrastive_wide(bench, n_machines):
    """An epoch of CD-1 of several machines that need more than a block each."""
    sizes, n = bench.sizes, bench.sizes.wide_updates
    plan = cd_large.plan(random_machine(sizes.wide), 1, bench.backend.card)
    bounds = floors.contrastive_wide(bench.rates, *sizes.wide, 1, n, n_machines, plan.n_blocks if plan else 1)
    piece = _contrastive(bench, "contrastive_wide", sizes.wide, n_machines, n, floors.floor(bench.rates, bounds))
    return dataclasses.replace(piece, about=lambda: {"plan": repr(plan)})


def _contrastive(bench, kernel, shape, n_machines, n, floor):
    """An epoch of CD-1 of several machines at batch size 1, with what goes to the card and comes back."""
    machines = [random_machine(shape, seed=k) for k in range(n_machines)]
    velocities, keys = [Velocity.zero(m) for m in machines], [key_of("training", k) for k in range(n_machines)]
    cases = binary((n, shape[0]), 0.5)
    on_card, few = bench.backend.asarray(cases), cases[: bench.sizes.naive_updates]
    return Piece(
        kernel,
        f"{n_machines} machines of {shape[0]} x {shape[1]}, {n} updates each",
        lambda: bench.backend.cd_epoch(machines, velocities, keys, on_card, EPOCH, lambda done: None),
        queued=False,
        floor=floor,
        naive=lambda: bench.naive.contrastive(machines, few, EPOCH.learning_rate, EPOCH.decay),
        naive_share=len(few) / n,
        counts={"updates": n * n_machines, "updates_of_each_machine": n},
    )


def pieces(sizes):
    """(name, function of a Bench that gives a Piece) of everything, in the order of the table."""
    pairs = ((*sizes.deep[1:], sizes.samples), (sizes.parameters, sizes.parameters, sizes.chains))
    return [
        ("draw", gibbs_step),
        *(("draw", lambda bench, n=n: first_hidden_layer(bench, n)) for n in sizes.deep_chains),
        ("field", probability),
        ("states", states),
        ("pack", pack),
        *(("pair_counts", lambda bench, pair=pair: pair_counts(bench, *pair)) for pair in pairs),
        *(("contrastive", lambda bench, n=n: contrastive(bench, n)) for n in sizes.machines),
        *(("contrastive_wide", lambda bench, n=n: contrastive_wide(bench, n)) for n in sizes.wide_machines),
        *(("gibbs", lambda bench, n=n: gpu_deep.gibbs(bench, n)) for n in sizes.few_chains),
        *(("free_run", lambda bench, n=n: gpu_deep.free_run(bench, n)) for n in sizes.joint_machines),
        *(("joint", lambda bench, n=n: gpu_deep.joint(bench, n)) for n in sizes.joint_machines),
    ]
