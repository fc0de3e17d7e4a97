"""Every kernel against the reference in NumPy, on the same inputs, before it is timed."""

from typing import NamedTuple

import numpy as np
from gpu_inputs import binary, joint_epoch, joint_work, key_of, parameters_on, random_machine

from boltzprune.backend import reference
from boltzprune.backend.gpu.cd_small import is_small
from boltzprune.core import streams
from boltzprune.core.contrastive import Epoch, Velocity
from boltzprune.core.machine import field_of, sigmoid

TOLERANCE = 1e-5
"""Of probabilities and trained parameters; where a uniform number is this close to a probability, states may differ."""
STEP, FIRST_CHAIN = 3, 5
"""Counter of the random numbers that are compared."""
CD_UPDATE, JOINT_UPDATE = 104, 9
"""First updates of the trainings, for which no uniform number of the reference is within 1e-5 of its probability."""


class CheckError(ArithmeticError):
    """A kernel does not give what the reference gives."""


class Draw(NamedTuple):
    """Where the random numbers of a layer come from."""

    key: np.uint64
    step: int
    layer: int
    first_chain: int


def exactly(name, found, expected):
    """Whole numbers are equal."""
    if found.shape != expected.shape:
        raise CheckError(f"{name}: shape {found.shape}, expected {expected.shape}")
    if n := int((found != expected).sum()):
        place = tuple(int(k) for k in np.argwhere(found != expected)[0])
        first = f"the first at {place}: {found[place]}, expected {expected[place]}"
        raise CheckError(f"{name}: {n} of {found.size} numbers differ, {first}")
    return {"numbers": int(found.size), "different": 0}


def nearly(name, found, expected):
    """Numbers are finite and equal within the tolerance."""
    if found.shape != expected.shape:
        raise CheckError(f"{name}: shape {found.shape}, expected {expected.shape}")
    largest = float(np.abs(found.astype(np.float64) - expected).max(initial=0.0))
    if not largest <= TOLERANCE:
        raise CheckError(f"{name}: the largest difference is {largest:.3g}, expected at most {TOLERANCE:g}")
    return {"numbers": int(found.size), "largest_difference": largest}


def same_states(name, found, fields, draw):
    """States are equal except where the uniform number lies within the tolerance of the probability."""
    if found.shape != fields.shape:
        raise CheckError(f"{name}: shape {found.shape}, expected {fields.shape}")
    expected = reference.Backend().sample_layer(fields, draw.key, draw.step, draw.layer, draw.first_chain)
    chains = draw.first_chain + np.arange(len(fields))
    uniform = streams.uniform(draw.key, draw.step, draw.layer, chains, fields.shape[1])
    close = np.abs(uniform - sigmoid(fields.astype(np.float64))) < TOLERANCE
    different = found != expected
    if n := int((different & ~close).sum()):
        raise CheckError(
            f"{name}: {n} of {found.size} states differ from the reference where the uniform number is further than "
            f"{TOLERANCE:g} from the probability, expected none"
        )
    return {"states": int(found.size), "close": int(close.sum()), "different": int(different.sum())}


def gibbs_step(backend, layer_sizes, n_chains):
    """One Gibbs step; each layer is compared given the neighbours that it was drawn from."""
    machine, key = random_machine(layer_sizes, density=0.8), key_of("samples")
    given = [binary((n_chains, n), 0.4, seed=n) for n in layer_sizes]
    on_card = [backend.asarray(layer) for layer in given]
    found = backend.advance(machine, on_card, key, STEP, 1, FIRST_CHAIN)
    results = {}
    for layer in (*range(1, len(given), 2), *range(0, len(given), 2)):
        name, state = f"draw, layer {layer} of {layer_sizes}", backend.to_host(found[layer])
        draw = Draw(key, STEP, layer, FIRST_CHAIN)
        results[name] = same_states(name, state, field_of(machine, given, layer), draw)
        given[layer] = state
    return results


def many_steps(backend, layer_sizes, n_chains, n_gibbs_steps):
    """Gibbs steps of few chains in one launch, to the last bit those of the other kernel one by one."""
    machine, key = random_machine(layer_sizes, density=0.8), key_of("samples", 1)
    states = [backend.asarray(binary((n_chains, n), 0.4, seed=n)) for n in layer_sizes]
    found, expected = backend.advance(machine, states, key, STEP, n_gibbs_steps, FIRST_CHAIN), states
    for step in range(STEP, STEP + n_gibbs_steps):
        expected = backend.advance(machine, expected, key, step, 1, FIRST_CHAIN)
    both = [np.concatenate([backend.to_host(layer) for layer in layers], axis=1) for layers in (found, expected)]
    name = f"gibbs, {n_gibbs_steps} steps of {n_chains} chains of {layer_sizes} against draw"
    return {name: exactly(name, *both)}


def free_run(backend, layer_sizes, n_chains, n_gibbs_steps):
    """Chains of two machines that run freely, to the last bit those of the other samplers."""
    machines = [random_machine(layer_sizes, seed, density=0.8) for seed in (0, 1)]
    keys, chains = [key_of("samples", k) for k in (0, 1)], [binary((n_chains, n), 0.4, seed=n) for n in layer_sizes]
    found = backend.free_run(machines, [chains] * 2, keys).advance(STEP, n_gibbs_steps)
    expected = [backend.advance(machine, chains, key, STEP, n_gibbs_steps, 0) for machine, key in zip(machines, keys)]
    both = [np.concatenate([backend.to_host(x) for one in side for x in one], axis=1) for side in (found, expected)]
    name = f"free_run, {n_gibbs_steps} steps of {n_chains} chains of {layer_sizes} against gibbs or draw"
    return {name: exactly(name, *both)}


def probabilities(backend, layer_sizes, n_cases):
    """Probabilities of every layer, with one and with both neighbours, and with a doubled input."""
    machine, results = random_machine(layer_sizes, density=0.8), {}
    generator = np.random.default_rng(1)
    means = [generator.random((n_cases, n), dtype=np.float32) for n in layer_sizes]
    on_card, parameters = [backend.asarray(x) for x in means], parameters_on(backend, machine)
    for layer in range(1, len(layer_sizes)):
        for n_layers, gain in ((layer + 1, 2), (len(layer_sizes), 1)):
            name = f"field, layer {layer} of {layer_sizes[:n_layers]}, gain {gain}"
            found = backend.to_host(backend.probability(parameters, on_card[:n_layers], layer, gain))
            expected = reference.Backend().probability(machine, means[:n_layers], layer, gain)
            results[name] = nearly(name, found, expected)
    return results


def states(backend, n_chains, n_units):
    """States from fields."""
    fields = np.random.default_rng(2).normal(0, 2, (n_chains, n_units)).astype(np.float32)
    draw = Draw(key_of("samples"), STEP, 2, FIRST_CHAIN)
    found = backend.to_host(backend.sample_layer(backend.asarray(fields), *draw))
    return {"states": same_states("states", found, fields, draw)}


def bits(backend, n_samples, n_lower, n_upper):
    """Packed states and pair counts: whole numbers, equal."""
    layers = [binary((n_samples, n), 0.3, seed=n) for n in (n_lower, n_upper)]
    packed = [backend.pack(backend.asarray(layer)) for layer in layers]
    expected = [reference.Backend().pack(layer) for layer in layers]
    results = {}
    for layer, found, wanted in zip(layers, packed, expected):
        name = f"pack, {layer.shape[0]} x {layer.shape[1]}"
        results[name] = exactly(name, backend.to_host(found), wanted)
    name = f"pair_counts, {n_lower} x {n_upper} x {n_samples}"
    found = backend.to_host(backend.pair_counts(*packed))
    results[name] = exactly(name, found, reference.Backend().pair_counts(*expected))
    return results


def contrastive(backend, n_visible, widths, n_updates, batch=1):
    """Trained parameters and steps of several machines side by side, the first of them pruned."""
    machines = [random_machine((n_visible, n), k, density=0.7 if k == 0 else 1.0) for k, n in enumerate(widths)]
    velocities, keys = [Velocity.zero(m) for m in machines], [key_of("training", k) for k in range(len(machines))]
    cases = binary((n_updates * batch, n_visible), 0.4, seed=n_visible)
    epoch = Epoch(0.01, 0.5, 1, batch, first_update=CD_UPDATE, up=2.0)
    arguments = machines, velocities, keys
    found = backend.cd_epoch(*arguments, backend.asarray(cases), epoch, lambda n: None)
    expected = reference.Backend().cd_epoch(*arguments, cases, epoch, lambda n: None)
    kernel = "contrastive" if is_small(machines[0], epoch) else "contrastive_wide"
    name = f"{kernel}, {len(machines)} of {n_visible} x {max(widths)}, {n_updates} updates, batch {batch}"
    both = [np.concatenate([flat(one) for one in results]) for results in (found, expected)]
    return {name: nearly(name, *both)}


def flat(trained):
    """All parameters and steps of one (machine, velocity), end to end."""
    machine, velocity = trained
    steps = (velocity.weights, velocity.visible_bias, velocity.hidden_bias)
    return np.concatenate([np.ravel(x) for x in (*machine.weights, *machine.biases, *steps)])


def joint(backend, layer_sizes, n_machines, n_chains, n_updates):
    """Trained parameters, steps and chains of several deep machines; batches of 10, the last one cut short."""
    work, cases = joint_work(layer_sizes, n_machines, n_chains), binary((10 * n_updates - 3, layer_sizes[0]), 0.3)
    epoch = joint_epoch(10, learning_rate=0.01, first_update=JOINT_UPDATE)
    found = backend.joint_epochs(work, backend.asarray(cases), epoch, lambda n: None)
    expected = reference.Backend().joint_epochs(work, cases, epoch, lambda n: None)
    name = f"joint, {n_machines} of {layer_sizes}, {n_chains} chains, {n_updates} updates"
    outcome = nearly(name, *(np.concatenate([flat_joint(one) for one in many]) for many in (found, expected)))
    chains = [np.concatenate([layer for one in many for layer in one[1].chains], 1) for many in (found, expected)]
    exactly(f"{name}: chains", *chains)
    updates = {"mean_field_updates": [int(one[2]) for one in found], "expected": [int(one[2]) for one in expected]}
    return {name: outcome | updates}


def flat_joint(trained):
    """All parameters and steps of one (machine, state, mean-field sweeps), end to end."""
    machine, state, _ = trained
    groups = (machine.weights, machine.biases, state.weight_steps, state.bias_steps)
    return np.concatenate([np.ravel(x) for group in groups for x in group])


def everything(backend, sizes, tell):
    """All checks; `tell` is called with the name and the outcome of each. Raises CheckError at the first that fails."""
    rbm, results = (sizes.visible, sizes.hidden), {}
    checks = [
        ("field", gibbs_step, rbm, sizes.check_chains),
        ("field", gibbs_step, sizes.deep, sizes.check_chains),
        ("field", probabilities, sizes.deep, sizes.images),
        ("states", states, sizes.check_chains, sizes.deep[-1]),
        ("pack and pair_counts", bits, sizes.samples, *sizes.deep[1:]),
        *(("gibbs", many_steps, layers, sizes.joint_chains, sizes.check_steps) for layers in (rbm, sizes.deep)),
        ("free_run", free_run, sizes.deep, sizes.joint_chains, sizes.check_steps),
        *(("contrastive", contrastive, *shape, sizes.check_updates) for shape in sizes.check_machines),
        *(("contrastive_wide", contrastive, *shape) for shape in sizes.check_wide),
        *(("joint", joint, *shape) for shape in sizes.check_joint),
    ]
    for kernel, check, *arguments in checks:
        tell("checking", f"{kernel}, {arguments}")
        for name, outcome in check(backend, *arguments).items():
            tell(f"right: {name}", outcome)
            results[name] = outcome
    return results
