"""What is timed of the kernels for deep machines: many Gibbs steps of few chains, joint training side by side."""

import gpu_floors as floors
from gpu_inputs import binary, deep_machine, joint_epoch, joint_work, key_of, parameters_on
from gpu_rows import Piece

from boltzprune.backend.gpu import joint as gpu_joint


def gibbs(bench, n_chains):
    """Many Gibbs steps of few chains of the deep machine."""
    backend, naive, rates, sizes = bench.backend, bench.naive, bench.rates, bench.sizes
    machine, n_gibbs_steps = deep_machine(sizes.deep), sizes.steps
    given = [binary((n_chains, n), 0.3, seed=k) for k, n in enumerate(sizes.deep)]
    parameters, layers = parameters_on(backend, machine), [backend.asarray(layer) for layer in given]
    weights, biases, floats = (naive.floats(group) for group in (machine.weights, machine.biases, given))

    def ours():
        return backend.advance(parameters, layers, key_of("samples"), 1, n_gibbs_steps, 0)

    def theirs():
        for _ in range(n_gibbs_steps):
            naive.gibbs_step(weights, biases, floats)

    on = [float(backend.to_host(layer).sum()) / n_chains for layer in ours()]
    bounds = floors.gibbs(rates, sizes.deep, on, n_chains, n_gibbs_steps)
    return Piece(
        "gibbs",
        f"{n_gibbs_steps} steps, {n_chains} chains of {'-'.join(map(str, sizes.deep))}",
        ours,
        queued=False,
        floor=floors.floor(rates, bounds),
        naive=theirs,
        counts={"chain_steps": n_gibbs_steps * n_chains},
        about=lambda: {"units_on": on},
    )


def free_run(bench, n_machines):
    """Many Gibbs steps of the persistent chains of several machines side by side; CuPy takes one after the other."""
    backend, naive, rates, sizes = bench.backend, bench.naive, bench.rates, bench.sizes
    machines, n_chains, n_gibbs_steps = (
        [deep_machine(sizes.deep, seed=k) for k in range(n_machines)],
        sizes.joint_chains,
        sizes.steps,
    )
    given = [binary((n_chains, n), 0.3, seed=k) for k, n in enumerate(sizes.deep)]
    run = backend.free_run(machines, [given] * n_machines, [key_of("samples", k) for k in range(n_machines)])
    weights, biases, floats = (naive.floats(group) for group in (machines[0].weights, machines[0].biases, given))

    def theirs():
        for _ in range(n_gibbs_steps):
            naive.gibbs_step(weights, biases, floats)

    bounds = floors.free_run(rates, sizes.deep, n_machines, n_chains, n_gibbs_steps)
    size = f"{n_machines} machines of {'-'.join(map(str, sizes.deep))}, {n_chains} chains, {n_gibbs_steps} steps"
    return Piece(
        "free_run",
        size,
        lambda: run.advance(1, n_gibbs_steps),
        queued=False,
        floor=floors.floor(rates, bounds),
        naive=theirs,
        naive_share=1 / n_machines,
        counts={"chain_steps": n_machines * n_gibbs_steps * n_chains},
        about=lambda: {"note": "random weights"},
    )


def joint(bench, n_machines):
    """Joint training of several deep machines side by side, random weights; CuPy trains one after the other."""
    backend, sizes, rates = bench.backend, bench.sizes, bench.rates
    n, batch, epoch = sizes.joint_updates, sizes.batch, joint_epoch(sizes.batch)
    work, cases = joint_work(sizes.deep, n_machines, sizes.joint_chains), binary((n * batch, sizes.deep[0]), 0.3)
    on_card, (first, state, _) = backend.asarray(cases), work[0]

    def ours():
        return backend.joint_epochs(work, on_card, epoch, lambda done: None)

    sweeps = sum(float(result[2]) for result in ours()) / len(cases) / n_machines
    plan = gpu_joint.plan(first, sizes.joint_chains, batch, backend.card)
    bounds = floors.joint(rates, sizes.deep, batch, sweeps, n, n_machines, plan.n_blocks if plan else 1)
    size = f"{n_machines} machines of {'-'.join(map(str, sizes.deep))}, {n} updates, batch {batch}"
    return Piece(
        "joint",
        f"{size}, {sizes.joint_chains} chains",
        ours,
        queued=False,
        floor=floors.floor(rates, bounds),
        naive=lambda: bench.naive.joint(first, state.chains, cases, epoch),
        naive_share=1 / n_machines,
        counts={"updates": n * n_machines, "updates_of_each_machine": n},
        about=lambda: {"mean_field_updates_an_image": sweeps, "plan": repr(plan), "note": "random weights"},
    )
