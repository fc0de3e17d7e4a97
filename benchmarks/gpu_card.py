"""What needs CuPy itself: a clock made of CUDA events, and what the card is and does.

The card is only asked through `boltzprune.backend.gpu.card.Card` and its array module, so that this file can be
imported where there is no GPU.
"""

import dataclasses
import functools
import statistics
import time
from pathlib import Path

import numpy as np
from gpu_floors import Rates

from boltzprune.backend.gpu import kernels

SPIN_HZ = 2e9
"""Cycles of `spin` per second that it is wanted for; a card with a slower clock spins longer."""
LONGEST_SPIN = 0.1
MOST_CALLS = 50
CHAIN_BLOCK, CHAIN_LENGTHS = 96, (1 << 14, 1 << 17)
CHAINS = ("BARRIER", "SHUFFLE", "LOGISTIC", "ADD", "SHARED")
MEETINGS, MEETING_MACHINES, MEETING_BLOCKS, MEETING_THREADS = (1000, 5000), 10, 8, 512
MATRIX, COPY_BYTES = 4096, 1 << 29
PRODUCTS_BLOCK, PRODUCTS_A_WARP, PRODUCT = 256, 8 * 4096, 2 * 16 * 8 * 32
"""Threads of a block of `products`, products that each of its warps does, and operations of one."""


@dataclasses.dataclass(frozen=True)
class Effort:
    """How long to measure.

    Attributes
    ----------
    repeats : int
        Measurements of each thing; fewer, but not fewer than `least`, where they would take more than `budget`.
    least : int
    budget, each : float, s
        `each` of them repeats short calls for about this long.
    """

    repeats: int = 20
    least: int = 3
    budget: float = 3.0
    each: float = 0.01


QUICK = Effort(repeats=2, least=2, budget=0.3, each=0.002)


class OwnKernels:
    """The kernels of latency.cu and meetings.cu on a card."""

    def __init__(self, card):
        self._card, self._function = card, functools.cache(self._compiled)

    def _compiled(self, name, defines, together):
        options = kernels.options(dict(defines))
        module = self._card.xp.RawModule(code=source(name), options=options, enable_cooperative_groups=together)
        return module.get_function(name)

    def launch(self, name, defines, grid, block, arguments, together=False):
        """As `Card.launch`."""
        self._function(name, tuple(defines.items()), together)(grid, (block,), tuple(arguments))


def source(name):
    """The text of the file that has a kernel, with what it includes."""
    file = "meetings.cu" if name == "meetings" else "latency.cu"
    text = Path(__file__).with_name(file).read_text(encoding="utf-8")
    return kernels.INCLUDE.sub(lambda found: (kernels.FOLDER / found[1]).read_text(encoding="utf-8"), text)


class EventClock:
    """Seconds between two events that the card passes.

    Parameters
    ----------
    card : boltzprune.backend.gpu.card.Card
    launch : callable
        `OwnKernels.launch`.
    """

    def __init__(self, card, launch):
        self._card, self._launch, self._cuda = card, launch, card.xp.cuda

    def __call__(self, function, n=1, queued=False):
        """Seconds of one of n calls in a row.

        queued: the card is kept busy until all are asked for, so that what Python takes to ask does not count; only for
        functions that do not wait for their result.
        """
        spin = 0.0
        if queued:
            self._card.synchronise()
            start = time.perf_counter()
            function()
            spin = min(LONGEST_SPIN, 2 * n * (time.perf_counter() - start) + 5e-4)
            self._card.synchronise()
        while True:
            seconds, was_ahead = self._once(function, n, spin)
            if was_ahead or not queued or spin >= LONGEST_SPIN:
                return seconds
            spin = min(LONGEST_SPIN, 4 * spin)

    def _once(self, function, n, spin):
        """Seconds of a call, and whether all were asked for before the first began."""
        start, end = self._cuda.Event(), self._cuda.Event()
        if spin:
            self._launch("spin", {}, (1,), 32, [np.uint64(spin * SPIN_HZ)])
        start.record()
        for _ in range(n):
            function()
        end.record()
        was_ahead = not start.done
        end.synchronize()
        return self._cuda.get_elapsed_time(start, end) / 1e3 / n, was_ahead


def wall_clock(function, n=1, queued=False):
    """Seconds of one of n calls of a function of the host."""
    start = time.perf_counter()
    for _ in range(n):
        function()
    return (time.perf_counter() - start) / n


def times(clock, function, effort, queued=False):
    """Seconds of a call, after a first one that compiles: median, least, most of so many measurements of n calls."""
    function()
    once = max(clock(function), 1e-9)
    n = max(1, min(MOST_CALLS, int(effort.each / once)))
    repeats = min(effort.repeats, max(effort.least, int(effort.budget / (n * once))))
    found = [clock(function, n, queued) for _ in range(repeats)]
    return {
        "time_s": statistics.median(found),
        "least_s": min(found),
        "most_s": max(found),
        "repeats": repeats,
        "calls_each": n,
    }


def median(clock, function, effort, queued=True):
    """The median of `times`."""
    return times(clock, function, effort, queued)["time_s"]


def bandwidth(card, clock, effort):
    """Bytes read and written a second, of a copy much larger than the second-level cache."""
    n_bytes = min(COPY_BYTES, int(card.free_memory() / 8))
    source, target = (card.xp.ones(n_bytes // 4, dtype=np.float32) for _ in range(2))
    return 2 * source.nbytes / median(clock, lambda: card.xp.copyto(target, source), effort)


def float_rate(card, clock, effort, n=MATRIX):
    """Operations a second of a matrix product in float32."""
    generator = np.random.default_rng(0)
    a, b, c = (card.asarray(generator.random((n, n), dtype=np.float32)) for _ in range(3))
    return 2 * n**3 / median(clock, lambda: card.xp.matmul(a, b, out=c), effort)


def byte_rate(card, clock, launch, effort):
    """Operations on bytes a second of the tensor cores: four blocks on every multiprocessor do nothing else."""
    n_blocks = 4 * card.n_multiprocessors
    result = card.asarray(np.zeros(n_blocks * PRODUCTS_BLOCK, np.int32))

    def run():
        launch("products", {}, (n_blocks,), PRODUCTS_BLOCK, [np.int32(PRODUCTS_A_WARP // 8), result])

    n_warps = n_blocks * PRODUCTS_BLOCK // 32
    return n_warps * PRODUCTS_A_WARP * PRODUCT / median(clock, run, effort)


def launches(clock, launch, effort):
    """Seconds of an empty launch: of many that are queued, and of many as Python asks for them."""

    def many():
        for _ in range(10):
            launch("empty", {}, (1,), 32, [])

    return [median(clock, many, effort, queued) / 10 for queued in (True, False)]


def chains(card, clock, launch, effort):
    """Seconds of one step of each chain of latency.cu, and the clock in Hz while the one of barriers runs."""
    result = card.asarray(np.zeros(CHAIN_BLOCK, np.float32))
    cycles = card.asarray(np.zeros(1, np.uint64))
    found = {}
    for chain in CHAINS:
        points = []
        for n in CHAIN_LENGTHS:

            def run(chain=chain, n=n):
                arguments = [np.int32(n), np.float32(1e-3), result, cycles]
                launch("latency", {"CHAIN": chain}, (1,), CHAIN_BLOCK, arguments)

            seconds = median(clock, run, effort)
            points.append((n, seconds, int(card.to_host(cycles)[0])))
        (n1, s1, c1), (n2, s2, c2) = points
        found[chain.lower()] = (s2 - s1) / (n2 - n1)
        if chain == "BARRIER":
            found["clock"] = (c2 - c1) / (s2 - s1)
    return found


def meeting(card, clock, launch, effort):
    """Seconds of a meeting of blocks: the slope between few and many."""
    n_machines = max(1, min(MEETING_MACHINES, card.n_multiprocessors // MEETING_BLOCKS))

    def run(n):
        launch_meetings(card, launch, {"HOW": 1}, MEETING_BLOCKS, n_machines, n)

    few, many = (median(clock, lambda n=n: run(n), effort, queued=False) for n in MEETINGS)
    return (many - few) / (MEETINGS[1] - MEETINGS[0])


def launch_meetings(card, launch, defines, n_blocks, n_machines, n):
    """The blocks of each machine meet n times, as meetings.cu is told."""
    counters, result = (
        card.asarray(np.zeros(size, np.uint32)) for size in (n_machines, n_machines * n_blocks * MEETING_THREADS)
    )
    arguments = [counters, np.int32(n_blocks), np.int32(n), result]
    grid, together = (n_machines * n_blocks,), "CLUSTER" not in defines
    launch("meetings", defines, grid, MEETING_THREADS, arguments, together=together)
    return result


def measure(card, clock, launch, effort):
    """What the card does: Rates."""
    queued, from_python = launches(clock, launch, effort)
    return Rates(
        bandwidth=bandwidth(card, clock, effort),
        float_rate=float_rate(card, clock, effort),
        byte_rate=byte_rate(card, clock, launch, effort),
        n_multiprocessors=int(card.n_multiprocessors),
        launch=queued,
        launch_from_python=from_python,
        meeting=meeting(card, clock, launch, effort),
        **chains(card, clock, launch, effort),
    )


def about(card):
    """What the card is, and what drives it."""
    runtime = card.xp.cuda.runtime
    free, total = runtime.memGetInfo()
    driver = Path("/proc/driver/nvidia/version")
    return {
        "name": card.name,
        "multiprocessors": int(card.n_multiprocessors),
        "compute_capability": card.xp.cuda.Device().compute_capability,
        "free_bytes": int(free),
        "total_bytes": int(total),
        "cuda_of_driver": int(runtime.driverGetVersion()),
        "cuda_runtime": int(runtime.runtimeGetVersion()),
        "nvidia_driver": driver.read_text().splitlines()[0] if driver.is_file() else None,
    }
