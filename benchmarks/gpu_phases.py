"""Where the time of the kernels for deep machines goes: `PYTHONPATH=src python benchmarks/gpu_phases.py [--no-write]`.

Clock reads are put between the phases of kernels/joint.cu and free_run.cu, and the first thread of the first block
takes down how many cycles each took; the kernels as they are are timed too. Besides: an update of
kernels/contrastive_wide.cu, and what a meeting of blocks costs in several ways (meetings.cu). Ten machines side by side
with random weights; what matters is how many units are on, so h2 is taken as silent as in trained machines, and as busy
as at the start. Takes half a minute. The exit status is 1 if something could not be measured, 2 if there is no GPU.
"""

import argparse
import contextlib
import dataclasses
import sys
import time

import gpu
import gpu_card
import numpy as np
import record
from gpu_inputs import binary, deep_machine, joint_epoch, joint_work, key_of, parameters_on, random_machine

from boltzprune.backend.gpu import joint as gpu_joint
from boltzprune.backend.gpu import kernels
from boltzprune.backend.gpu.backend import Backend
from boltzprune.backend.gpu.machines_on_card import MachinesOnCard
from boltzprune.core.contrastive import Epoch, Velocity

SILENT, BUSY = (0.006, (-6.0, -40.0, -40.0)), (0.3, (-1.0,))
"""Share of the units of h2 that are on, and their biases in turn: of trained machines two thirds are never on."""
MEETINGS = {
    (0, False): "a counter, fences and __nanosleep",
    (1, False): "a counter, release and acquire (kernels/meet.cuh)",
    (2, True): "a cluster, release and acquire",
    (3, True): "a cluster, without fences",
    (4, False): "a counter that answers each arrival, release and acquire",
}
"""(HOW of meetings.cu, whether the blocks of a machine are a cluster) -> what it is."""
PHASES = (
    ("look(my, cases + (u64)start * n0, n);", "images"),
    ("tell_inputs(my);\n", "fields from below"),
    ("meet_others(my);\n        if (*(volatile", "meeting: fields from below"),
    ("climb_up<true>(my, all, tolerance, SILENT);\n    bool is_alone", "start"),
    ("my.n1 <= UNITS_ALONE && tell_start(my, n, most_alone, turn);", "meeting: the start of h2"),
    ("meet_others(my);\n        hear_of_images", "images, each by one block, and a meeting"),
    ("hear_of_images(my, n);\n", "what other blocks found"),
    ("contribute(my, partial + (u64)my.g * my.most1 * PADDED);", "sweep: contribution of the columns"),
    ("meet_others(my);\n            turn ^= 1;\n            if (!climb_down", "sweep: meeting"),
    ("if (!climb_down(my, partial, told, is_first, open, tolerance)) break;", "sweep: h1, and the second meeting"),
    ("climb_up<false>(my, open, tolerance, quiet);", "sweep: h2"),
    ("climb_up<true>(my, all, tolerance, SILENT);\n        open =", "all of h2"),
    ("contribute_of_chains(my);\n", "Gibbs: contribution of the columns"),
    ("meet_others(my);\n    for (int word", "Gibbs: meeting 1"),
    ("meet_others(my);\n    copy_told<u32, AHEAD>(my.bits1", "Gibbs: h1 and meeting 2"),
    ("draw_layer_2(my, step);", "Gibbs: h2"),
    ("meet_others(my);\n    copy_told<u32, AHEAD>(my.bits0", "Gibbs: v and meeting 3"),
    ("bool is_bad = learn_above(my, n, rates);", "upper weights"),
    ("is_bad = learn_below(my, n, rates) || is_bad;", "lower weights"),
)
"""(text of joint.cu that ends a phase, name): of several statements the first ends it."""
FREE_PHASES = (
    ("draw_groups(my, even, odd, 0, n_odd_groups, first_step + s, none);", "odd layers"),
    ("meet(counters + machine, wanted, n_blocks);\n        read(odd", "meeting 1"),
    ("read(odd, n_chains);", "odd layers of all blocks"),
    ("draw_groups(my, odd, even, n_odd_groups, n_groups, first_step + s, none);", "even layers"),
    ("meet(counters + machine, wanted, n_blocks);\n        read(even", "meeting 2"),
    ("read(even, n_chains);\n    }", "even layers of all blocks"),
)
"""The same of free_run.cu."""
CLOCKED = {
    "joint": (
        PHASES,
        "    Rates rates",
        "    if (t == 0 && n_counted) atomicAdd(&n_mean_field[machine], n_counted);\n",
        "    if (blockIdx.x == 0 && threadIdx.x < 32) n_mean_field[threadIdx.x] = phase_cycles[threadIdx.x];\n",
    ),
    "free_run": (
        FREE_PHASES,
        "    Annealing none = {};",
        "        read(even, n_chains);PHASE(5)\n    }\n",
        "        read(even, n_chains);PHASE(5)\n    }\n"
        "    if (blockIdx.x == 0 && threadIdx.x < 32) all_states[threadIdx.x] = phase_cycles[threadIdx.x];\n",
    ),
}
"""Kernel -> its phases, where their clock starts, and what to replace at its end by what takes down the cycles."""
CLOCKS = """
__shared__ u64 phase_cycles[32], phase_start;
#define PHASE(k) if (threadIdx.x == 0) { u64 now = clock64(); phase_cycles[k] += now - phase_start, phase_start = now; }
"""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much of everything."""

    deep: tuple = (400, 400, 676)
    machines: int = 10
    chains: int = 100
    updates: int = 100
    steps: int = 400
    wide_updates: int = 1000
    meetings: tuple = (1000, 5000)


def with_clocks(name, source):
    """A kernel with clock reads at the ends of its phases; cycles go where other results would."""
    phases, begin, end, new_end = CLOCKED[name]
    for k, (text, _) in enumerate(phases):
        if source.count(text) != 1:
            raise ValueError(f"{name}.cu has {source.count(text)} times {text!r}, expected once")
        first, rest = text.split(";", 1)
        source = source.replace(text, f"{first};PHASE({k}){rest}")
    clear = (
        "    if (threadIdx.x < 32) phase_cycles[threadIdx.x] = 0;\n    phase_start = clock64();\n    __syncthreads();\n"
    )
    dynamic = next(line for line in source.splitlines() if line.startswith("DYNAMIC_SHARED("))
    for text, new in ((dynamic, dynamic + CLOCKS), (begin, clear + begin), (end, new_end)):
        if text not in source:
            raise ValueError(f"{name}.cu has no {text!r}")
        source = source.replace(text, new, 1)
    return source


@contextlib.contextmanager
def _clocked(card, name):
    """Within, a kernel is compiled with clock reads."""
    plain = kernels.source
    try:
        kernels.source = lambda one: with_clocks(one, plain(one)) if one == name else plain(one)
        card.forget_kernels()
        yield
    finally:
        kernels.source = plain
        card.forget_kernels()


def _set_bias(machine, biases):
    """Biases of h2: these in turn."""
    machine.biases[2][:] = np.resize(biases, len(machine.biases[2]))


def _held(card, sizes, batch, n_sweeps, h2):
    """Machines that are trained side by side, with a fixed number of mean-field sweeps, and images for them."""
    rate, bias = h2
    work = joint_work(sizes.deep, sizes.machines, sizes.chains)
    for machine, state, _ in work:
        state.chains[2][:] = binary(state.chains[2].shape, rate, seed=9)
        _set_bias(machine, bias)
    epoch = joint_epoch(batch, learning_rate=1e-6)
    epoch = dataclasses.replace(epoch, tolerance=-1.0, max_sweeps=n_sweeps)  # no change is as small as that
    plans = [gpu_joint.plan(machine, sizes.chains, batch, card) for machine, *_ in work]
    held = MachinesOnCard(card, plans, *zip(*work), epoch)
    return held, card.asarray(binary((sizes.updates * batch, sizes.deep[0]), 0.3, seed=5)), plans[0].n_blocks


def joint(card, sizes, batch, sweeps, h2):
    """Microseconds of an update of each of several machines, and of its phases."""
    held, cases, n_blocks = _held(card, sizes, batch, sweeps, h2)
    update = _seconds(card, lambda: held.run(cases, sizes.updates, 0)) / sizes.updates
    with _clocked(card, "joint"):
        held.n_mean_field = card.asarray(np.zeros(32, np.uint64))
        total = _seconds(card, lambda: held.run(cases, sizes.updates, 0), 1) / sizes.updates
        cycles = card.to_host(held.n_mean_field)[: len(PHASES)].astype(float)
    share = cycles / cycles.sum()
    names = [name for _, name in PHASES]
    each = [s * total * 1e6 / (sweeps if name.startswith("sweep") else 1) for s, name in zip(share, names)]
    return {
        "what": "joint",
        "machines": sizes.machines,
        "blocks_each": n_blocks,
        "batch": batch,
        "sweeps": sweeps,
        "h2_on": h2[0],
        "update_us": 1e6 * update,
        "phases_us": dict(zip(names, each)),
    }


def free_run(card, sizes, h2):
    """Microseconds of a Gibbs step of the chains of several machines side by side, and of one machine's alone."""
    machines = [deep_machine(sizes.deep, seed=k) for k in range(sizes.machines)]
    chains = [binary((sizes.chains, n), h2[0] if k == 2 else 0.35, seed=k) for k, n in enumerate(sizes.deep)]
    for machine in machines:
        _set_bias(machine, h2[1])
    keys = [key_of("samples", k) for k in range(len(machines))]
    backend = Backend(card=card)
    run = backend.free_run(machines, [chains] * len(machines), keys)
    parameters, layers = parameters_on(backend, machines[0]), [card.asarray(layer) for layer in chains]
    together = _slope(card, sizes, lambda n: run.advance(1, n))
    alone = _slope(card, sizes, lambda n: backend.advance(parameters, layers, keys[0], 1, n, 0))
    [held] = run._held
    with _clocked(card, "free_run"):
        held.run(1, sizes.steps)
        cycles = card.to_host(held.states_on_card)[: len(FREE_PHASES)].astype(float)
    shares = dict(zip((name for _, name in FREE_PHASES), cycles / cycles.sum()))
    row = {"what": "chains that run freely", "machines": len(machines), "chains": sizes.chains, "h2_on": h2[0]}
    row |= {
        "blocks_each": held.plans[0].n_blocks,
        "phases_us": {name: 1e6 * together * s for name, s in shares.items()},
    }
    return row | {"step_us": 1e6 * together, "step_of_one_machine_by_gibbs_cu_us": 1e6 * alone}


def wide(card, sizes, shape, batch):
    """Microseconds of an update by kernels/contrastive_wide.cu, with what goes to the card and comes back."""
    machines = [random_machine(shape, seed=k) for k in range(sizes.machines)]
    cases = card.asarray(binary((sizes.wide_updates * batch, shape[0]), 0.3))
    keys, backend = [key_of("training", k) for k in range(len(machines))], Backend(card=card)
    rest, epoch = [Velocity.zero(machine) for machine in machines], Epoch(1e-6, 0.0, 1, batch, 0)
    seconds = _seconds(card, lambda: backend.cd_epoch(machines, rest, keys, cases, epoch, lambda n: None))
    row = {"what": "contrastive_wide", "machines": len(machines), "sizes": list(shape), "batch": batch}
    return row | {"update_us": 1e6 * seconds / sizes.wide_updates}


def meeting(card, sizes, how, is_cluster, n_blocks, n_machines):
    """Microseconds of a meeting of the blocks of a machine."""
    launch, defines = gpu_card.OwnKernels(card).launch, {"HOW": how} | ({"CLUSTER": n_blocks} if is_cluster else {})

    def run(n):
        gpu_card.launch_meetings(card, launch, defines, n_blocks, n_machines, n)

    few, many = sizes.meetings
    seconds = (_seconds(card, lambda: run(many)) - _seconds(card, lambda: run(few))) / (many - few)
    row = {"what": "meeting", "how": MEETINGS[how, is_cluster], "blocks": n_blocks, "machines": n_machines}
    return row | {"us": 1e6 * seconds}


def _seconds(card, function, repeats=3):
    """The least of some measurements, after a first call that compiles."""
    function()
    card.synchronise()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        card.synchronise()
        found.append(time.perf_counter() - start)
    return min(found)


def _slope(card, sizes, run):
    """Seconds of one of many steps, without what a call takes."""
    few = sizes.steps // 8
    return (_seconds(card, lambda: run(few + sizes.steps)) - _seconds(card, lambda: run(few))) / sizes.steps


def measure(card, sizes, has_cupy):
    """All rows; one that fails says why, and the others are measured all the same."""
    work = [
        *((joint, batch, sweeps, h2) for batch, sweeps in ((1, 7), (10, 12)) for h2 in (SILENT, BUSY)),
        *((free_run, h2) for h2 in (SILENT, BUSY)),
        *((wide, shape, batch) for shape, batch in ((sizes.deep[:2], 1), (sizes.deep[1:], 1), (sizes.deep[1:], 10))),
    ]
    for how, is_cluster in MEETINGS if has_cupy else ():
        work += [(meeting, how, is_cluster, 8, 10)] + ([] if is_cluster else [(meeting, how, is_cluster, 13, 10)])
    rows = []
    for function, *arguments in work:
        try:
            rows.append(function(card, sizes, *arguments))
        except Exception as error:
            rows.append(
                {"what": function.__name__, "of": repr(arguments), "failed": f"{type(error).__name__}: {error}"}
            )
        gpu.tell(rows[-1]["what"], rows[-1])
    return rows


def main(words=None, make_tools=gpu.gpu_tools, sizes=None):
    """Exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-write", action="store_true", help="print the results and write no file")
    chosen = parser.parse_args(words)
    tools = gpu.opened(make_tools)
    if tools is None:
        return 2
    rows = measure(tools.card, sizes or Sizes(), isinstance(tools.clock, gpu_card.EventClock))
    found = {"card": tools.about(), "rows": rows}
    record.write_or_print(chosen.no_write, "gpu_phases", found, gpu.packages())
    return 1 if any("failed" in row for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
