"""Does every kernel run on the card that is there? `PYTHONPATH=src python benchmarks/gpu_smoke.py [NAME] [--emulated]`.

Every piece runs in a process of its own with a time limit, some at once, so that a kernel that hangs or faults takes
nothing else along: the thing to run first on a new kind of card or after a change of a kernel. Each compares with
NumPy, or asks for the same bits again, where blocks that do not wait for each other would give others. With NAME one
piece runs in this process, for a debugger or compute-sanitizer. Prints a line of JSON a piece. The exit status is 1 if
one fails, 2 if there is no GPU to use.

With --emulated the pieces are small and run on the card that the tests emulate on the CPU (`tests/shared/emulated.py`,
which needs g++): whoever is lent a GPU for an hour tries the program itself beforehand.
"""

import argparse
import dataclasses
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gpu
import gpu_card
import gpu_checks
import numpy as np
from gpu_inputs import Sizes, binary, deep_machine, joint_epoch, joint_work, key_of

from boltzprune.backend import reference
from boltzprune.backend.gpu.backend import Backend
from boltzprune.errors import InputError

AT_ONCE = 6
PRODUCT = 1e-6
"""Largest error of a product in float32, as a share of its largest number; rounded to TF32 it would be some 3e-4."""

SMALL = dataclasses.replace(
    Sizes(), visible=5, hidden=7, check_chains=9, wide=(67, 5), deep=(9, 16, 17), joint_machines=(2,)
)
"""Sizes that threads of a CPU finish, one after the other, in seconds."""


def emulated_tools():
    """Those of the card that the tests emulate; InputError if it cannot be."""
    sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "shared"))
    import emulated

    if emulated.COMPILER is None:
        raise InputError("--emulated needs g++, which is not in PATH; install it")
    about = {"name": emulated.EmulatedCard.name}
    return gpu.Tools(emulated.EmulatedCard(), gpu_card.wall_clock, None, None, lambda: about)


def same_bits(backend, sizes, n_machines, n_updates, batch):
    """Joint training three times, and of one machine alone: any other bit is a race."""
    work, epoch = joint_work(sizes, n_machines, 100), joint_epoch(batch, learning_rate=0.01)
    cases = backend.asarray(binary((n_updates * batch, sizes[0]), 0.3, seed=5))

    def run(part):
        found = backend.joint_epochs(part, cases, epoch, lambda n: None)
        return [(gpu_checks.flat_joint(one).tobytes(), [c.tobytes() for c in one[1].chains], one[2]) for one in found]

    first = run(work)
    for again, expected in ((run(work), first), (run(work), first), (run(work[-1:]), first[-1:])):
        if again != expected:
            raise gpu_checks.CheckError("joint: the same work gave other bits")
    return {f"joint, {n_machines} of {sizes}, {n_updates} updates of {batch}: same bits": {"times": 3, "alone": 1}}


def free_run(backend, sizes, n_machines, n_gibbs_steps):
    """Chains that run freely, three times and of one machine alone; the first step as the reference draws it."""
    machines = [deep_machine(sizes, seed=k) for k in range(n_machines)]
    chains, keys = [binary((100, n), 0.3, seed=n) for n in sizes], [key_of("samples", k) for k in range(n_machines)]

    def run(part, n):
        found = backend.free_run(machines[part], [chains] * len(machines[part]), keys[part]).advance(1, n)
        return [[backend.to_host(layer) for layer in one] for one in found]

    expected = reference.Backend().advance(machines[0], chains, keys[0], 1, 1, 0)
    different = sum(int((a != b).sum()) for a, b in zip(run(slice(None), 1)[0], expected))
    first, last = run(slice(None), n_gibbs_steps), slice(n_machines - 1, None)
    for again, wanted in ((run(slice(None), n_gibbs_steps), first), (run(last, n_gibbs_steps), first[last])):
        if not all(np.array_equal(a, b) for one, other in zip(again, wanted) for a, b in zip(one, other)):
            raise gpu_checks.CheckError("free_run: the same work gave other states")
    if different > 2:  # a uniform number within rounding of its probability
        raise gpu_checks.CheckError(f"free_run: {different} states of the first step differ from the reference")
    return {f"free_run, {n_machines} of {sizes}, {n_gibbs_steps} steps": {"different_in_the_first": different}}


def algebra(backend):
    """What CUDA's libraries give: products that are not rounded to TF32, eigenvectors in float64."""
    generator = np.random.default_rng(0)
    x, y = (generator.random(shape, dtype=np.float32) for shape in ((331, 676), (676, 131)))
    exact = x.astype(np.float64) @ y
    error = float(np.abs(backend.to_host(backend.asarray(x) @ backend.asarray(y)) - exact).max() / exact.max())
    if not error < PRODUCT:
        raise gpu_checks.CheckError(f"a product in float32 is off by {error:.2g} of its largest number")
    matrix = np.cov(generator.standard_normal((331, 1000)))
    values, vectors = map(backend.to_host, backend.eigh(backend.asarray(matrix)))
    gpu_checks.nearly("eigh", (vectors * values) @ vectors.T, matrix)
    return {"product": {"error": error}}


def logistic(backend):
    """Both minima of one convex function, in float64 by scikit-learn and in float32: their values agree."""
    from sklearn.linear_model import LogisticRegression

    from boltzprune.evaluation.logistic import minimise

    generator = np.random.default_rng(0)
    x = binary((997, 67), 0.3)
    y = (x @ generator.standard_normal((67, 10)) + generator.gumbel(size=(997, 10))).argmax(axis=1)
    weights, biases, *_ = minimise(backend.asarray(x), y, 10, 1.0, 1000, 1e-4, backend)
    model = LogisticRegression(C=1.0, max_iter=10000, tol=1e-8).fit(x.astype(np.float64), y)

    def loss(coefficients, intercepts):
        scores = x @ coefficients.T + intercepts
        likelihood = scores[np.arange(len(y)), y] - np.log(np.exp(scores).sum(axis=1))
        return float((coefficients**2).sum() / 2 - likelihood.sum())

    found, expected = loss(np.asarray(weights).T, np.asarray(biases)), loss(model.coef_, model.intercept_)
    if not abs(found - expected) <= 1e-4 * expected:
        raise gpu_checks.CheckError(f"logistic: loss {found:.6g}, expected {expected:.6g}")
    return {"logistic": {"loss": found, "expected": expected}}


def ais(backend):
    """Annealed importance sampling with the same random numbers as the reference."""
    from boltzprune.sampling.ais import ais as estimate

    machine = deep_machine((13, 17, 31))
    found, expected = (estimate(machine, 100, 60, key_of("log Z"), one).log_z for one in (backend, reference.Backend()))
    if not abs(found - expected) < 0.05:
        raise gpu_checks.CheckError(f"ais: log Z {found:.6g}, expected {expected:.6g}")
    return {"ais": {"log_z": found, "expected": expected}}


def pieces(backend, sizes):
    """Name -> function without arguments that gives results by name, or raises."""
    c, deep, rbm = gpu_checks, sizes.deep, (sizes.visible, sizes.hidden)
    return {
        "states": lambda: c.states(backend, 211, 67),
        "field": lambda: c.probabilities(backend, (61, 67, 131), 129),
        "draw": lambda: c.gibbs_step(backend, (61, 67, 131), 257) | c.gibbs_step(backend, rbm, sizes.check_chains),
        "gibbs": lambda: c.many_steps(backend, rbm, 7, 9) | c.many_steps(backend, deep, 7, 9),
        "bits": lambda: c.bits(backend, 331, 67, 131),
        "contrastive": lambda: c.contrastive(backend, 13, (70, 53, 70), 100) | c.contrastive(backend, 40, (33, 20), 50),
        "contrastive_wide": lambda: (
            c.contrastive(backend, 67, (31, 59), 20, 1) | c.contrastive(backend, sizes.wide[0], sizes.wide[1:], 3, 10)
        ),
        "joint": lambda: c.joint(backend, (13, 17, 31), 3, 37, 5) | c.joint(backend, deep, 1, 37, 2),
        "joint_bits": lambda: same_bits(backend, deep, sizes.joint_machines[-1], 20, 10),
        "joint_bits_batch_1": lambda: same_bits(backend, deep, sizes.joint_machines[-1], 50, 1),
        "free_run": lambda: free_run(backend, deep, sizes.joint_machines[-1], 50),
        "algebra": lambda: algebra(backend),
        "logistic": lambda: logistic(backend),
        "ais": lambda: ais(backend),
    }


NAMES = tuple(pieces(None, Sizes()))


def one(name, backend, sizes):
    """The line of a piece that runs in this process."""
    start = time.perf_counter()
    found = pieces(backend, sizes)[name]()
    backend.card.synchronise()
    return {"piece": name, "right": True, "seconds": round(time.perf_counter() - start, 2), "found": found}


def apart(name, chosen):
    """The line of a piece that runs in a process of its own."""
    command, limit = [sys.executable, __file__, name, *["--emulated"] * chosen.emulated], chosen.limit
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired:
        why = f"no end after {limit:g} s: blocks that wait for ever for each other, or a slow compilation"
        return {"piece": name, "right": False, "why": why}
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    return {"piece": name, "right": False, "why": (done.stdout + done.stderr).strip()[-1500:]}


def options(words):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", nargs="?", choices=NAMES, help="run this piece here; default: all, each apart")
    parser.add_argument("--limit", type=float, default=120.0, metavar="S", help="seconds for each piece (default 120)")
    parser.add_argument("--emulated", action="store_true", help="small pieces on a card emulated by the CPU")
    return parser.parse_args(words)


def main(words=None, make_tools=gpu.gpu_tools):
    """Exit status."""
    chosen = options(words)
    tools = gpu.opened(emulated_tools if chosen.emulated else make_tools)
    if tools is None:
        return 2
    if chosen.name:
        print(json.dumps(one(chosen.name, Backend(card=tools.card), SMALL if chosen.emulated else Sizes())))
        return 0
    with ThreadPoolExecutor(AT_ONCE) as pool:
        lines = []
        for line in pool.map(lambda name: apart(name, chosen), NAMES):
            print(json.dumps(line), flush=True)
            lines.append(line)
    print(f"{sum(line['right'] for line in lines)} of {len(lines)} pieces right")
    return 0 if all(line["right"] for line in lines) else 1


if __name__ == "__main__":
    sys.exit(main())
