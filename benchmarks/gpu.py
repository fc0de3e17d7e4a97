"""Speed of the GPU backend on the card that is there: `PYTHONPATH=src python benchmarks/gpu.py [--quick] [--no-write]`.

Every kernel is first compared with the reference in NumPy. Then the card is measured (copies, a matrix product,
launches, chains of dependent steps), and each kernel is timed at the sizes of the paper beside its floor, the least
time that those rates allow (`gpu_floors.py`), and beside the same work as array algebra in CuPy. Times are between CUDA
events, medians of several measurements; those of kernels are the card's alone, launches queued beforehand, and
`called_from_python_s` is what a caller sees; those of contrastive divergence and of the primitives, which the workflow
calls, include what goes to the card and comes back.

Needs numpy, scipy, cupy and scikit-learn and takes a few minutes. The exit status is 1 if a kernel is wrong or
something could not be timed, 2 if there is no GPU to use.
"""

import argparse
import dataclasses
import importlib.metadata
import json
import sys
import time
from typing import Any, NamedTuple

import gpu_card
import gpu_checks
import gpu_whole
import gpu_work
import record
from gpu_inputs import Sizes
from gpu_naive import Naive
from gpu_rows import measure, table

from boltzprune.backend.gpu import driver
from boltzprune.backend.gpu.backend import Backend
from boltzprune.errors import InputError

TENTH = {"updates": 3_000, "wide_updates": 200, "naive_updates": 30, "steps": 20, "joint_updates": 10}
"""Sizes with --quick."""


class Tools(NamedTuple):
    """What needs the card itself; the tests have others.

    Attributes
    ----------
    card : boltzprune.backend.gpu.card.Card
    clock : gpu_card.EventClock
    naive : Naive
    rates : callable
        Effort -> floors.Rates.
    about : callable
        () -> dict.
    """

    card: Any
    clock: Any
    naive: Any
    rates: Any
    about: Any


def gpu_tools():
    """Those of the GPU; InputError if there is none."""
    if problem := driver.problem():
        raise InputError(problem)
    from boltzprune.backend.gpu.card import Card

    card = Card()
    launch = gpu_card.OwnKernels(card).launch
    clock = gpu_card.EventClock(card, launch)
    return Tools(
        card,
        clock,
        Naive(card.xp),
        lambda effort: gpu_card.measure(card, clock, launch, effort),
        lambda: gpu_card.about(card),
    )


def opened(make_tools):
    """The tools of a benchmark, or None, once it is told why there is no GPU to use."""
    try:
        return make_tools()
    except InputError as error:
        print(f"no GPU to measure: {error}", file=sys.stderr)
        return None


def run(tools, sizes, effort):
    """Check, measure the card, time everything; raises CheckError at the first kernel that is wrong."""
    backend, start = Backend(card=tools.card), time.perf_counter()
    card = tools.about()
    tell("card", card)
    checks = gpu_checks.everything(backend, sizes, tell)
    rates = tools.rates(effort)
    tell("rates", dataclasses.asdict(rates))
    bench = gpu_work.Bench(backend, tools.naive, rates, sizes)
    kernels = [timed(*piece, bench, tools, effort) for piece in gpu_work.pieces(sizes)]
    whole = [timed(*piece, bench, tools, effort) for piece in gpu_whole.PIECES]
    return {
        "card": card,
        "rates": dataclasses.asdict(rates) | {"float_rate_of_128_lanes": of_128_lanes(rates)},
        "checks": checks,
        "kernels": kernels,
        "primitives": whole,
        "seconds": time.perf_counter() - start,
    }


def of_128_lanes(rates):
    """The float32 rate as a share of 128 multiply-adds a cycle and multiprocessor; beyond 1, tensor cores worked."""
    return rates.float_rate / (256 * rates.n_multiprocessors * rates.clock)


def timed(name, make, bench, tools, effort):
    """The row of one piece of work; where it fails, why, so that the others are still timed."""
    try:
        row = measure(make(bench), tools.clock, effort)
    except Exception as error:
        row = {"kernel": name, "failed": f"{type(error).__name__}: {error}"}
    tools.card.release()
    tell(f"timed: {name}", row)
    return row


def tell(what, outcome):
    """A line as the work goes on, so that a run that breaks off has said what it found."""
    print(f"{what}: {json.dumps(outcome)}", flush=True)


def packages():
    """Installed packages whose versions matter, CuPy's under the name that its wheel has."""
    wanted = ("numpy", "scipy", *driver.cupy_packages(), "scikit-learn")
    installed = {d.metadata.get("Name") for d in importlib.metadata.distributions()}
    return tuple(name for name in wanted if name in installed)


def options(words):
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the repeats and updates")
    parser.add_argument("--no-write", action="store_true", help="print the results and write no file")
    return parser.parse_args(words)


def main(words=None, make_tools=gpu_tools, sizes=None, effort=None):
    """Exit status."""
    chosen = options(words)
    sizes = sizes or dataclasses.replace(Sizes(), **TENTH if chosen.quick else {})
    effort = effort or (gpu_card.QUICK if chosen.quick else gpu_card.Effort())
    tools = opened(make_tools)
    if tools is None:
        return 2
    try:
        measurements = run(tools, sizes, effort)
    except gpu_checks.CheckError as error:
        print(f"a kernel is wrong, nothing was timed: {error}", file=sys.stderr)
        return 1
    record.write_or_print(chosen.no_write, "gpu", measurements, packages())
    rows = [*measurements["kernels"], *measurements["primitives"]]
    print(table(rows))
    return 1 if any("failed" in row for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
