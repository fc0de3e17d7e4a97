"""The benchmark of the GPU without a GPU: its checks and its work on the emulated card, its arithmetic by hand."""

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import emulated
import numpy as np
import pytest
from emulated import EmulatedCard
from emulated_arrays import DeviceArray, memory_of

from boltzprune.backend import reference
from boltzprune.backend.gpu import driver, kernels, nvrtc
from boltzprune.core.contrastive import Arithmetic, Parameters, gradient
from boltzprune.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import gpu  # noqa: E402
import gpu_card  # noqa: E402
import gpu_floors as floors  # noqa: E402
import gpu_rows  # noqa: E402
import gpu_work  # noqa: E402
import record  # noqa: E402
from gpu_inputs import Sizes, binary, deep_machine, joint_epoch, joint_work, random_machine  # noqa: E402
from gpu_naive import Naive  # noqa: E402

needs_compiler = pytest.mark.skipif(emulated.COMPILER is None, reason="needs g++ to emulate a GPU")
RATES = floors.Rates(
    bandwidth=1e12,
    float_rate=2e13,
    byte_rate=5e14,
    clock=1e9,
    n_multiprocessors=10,
    launch=2e-6,
    launch_from_python=6e-6,
    meeting=1.5e-6,
    barrier=20e-9,
    shuffle=10e-9,
    logistic=50e-9,
    add=4e-9,
    shared=25e-9,
)
TINY = Sizes(
    visible=5,
    hidden=7,
    chains=70,
    steps=2,
    parameters=11,
    machines=(1, 3),
    updates=6,
    naive_updates=3,
    deep=(11, 13, 17),
    deep_chains=(3, 66),
    samples=130,
    images=5,
    cases=60,
    classes=3,
    joint_updates=2,
    batch=2,
    joint_chains=3,
    check_chains=9,
    check_updates=20,
    check_machines=((5, (7, 3)), (9, (4,))),
    wide=(67, 5),
    wide_machines=(2,),
    wide_updates=4,
    check_wide=((67, (5, 3), 4, 1), (67, (4,), 2, 3)),
    few_chains=(2,),
    joint_machines=(1, 3),
    check_joint=(((4, 4, 7), 2, 5, 2),),
)
ONCE = gpu_card.Effort(repeats=1, least=1, budget=0, each=0)
BLOCKED = "snakemake numba pydantic pandas matplotlib sklearn cupy cupyx cupy_backends rich yaml pooch threadpoolctl"


class OnHost(Naive):
    """NumPy in CuPy's place."""

    def __init__(self):
        super().__init__(np)
        self.generator = np.random.default_rng(0)

    def uniform(self, shape):
        return self.generator.random(shape, dtype=np.float32)


def tools(card=None, naive=None):
    """The tools of the benchmark without a GPU."""
    return gpu.Tools(
        card or EmulatedCard(), gpu_card.wall_clock, naive or OnHost(), lambda effort: RATES, lambda: {"name": "none"}
    )


def run(words=("--no-write",), **made):
    return gpu.main(list(words), lambda: tools(**made), TINY, ONCE)


def test_it_can_be_imported_with_few_packages():
    program = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED.split()!r}:
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocker())
import gpu
"""
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT / "benchmarks")])
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert done.returncode == 0, done.stderr


def test_without_a_gpu_the_reason_is_told():
    hidden = {"PYTHONPATH": str(ROOT / "src"), "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--quick", "--no-write"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | hidden)
    assert done.returncode == 2 and "NVIDIA driver" in done.stderr and "Traceback" not in done.stderr


def test_what_the_driver_says_is_what_is_told(monkeypatch, capsys):
    monkeypatch.setattr(driver, "problem", lambda: "the card is on fire; call for help")
    assert gpu.main(["--no-write"]) == 2
    assert "the card is on fire; call for help" in capsys.readouterr().err


@needs_compiler
def test_everything_is_checked_and_timed(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    monkeypatch.setattr(gpu, "packages", lambda: ("numpy", "scipy"))
    assert run(words=()) == 0
    written = json.loads((tmp_path / "gpu.json").read_text())
    found = written["measurements"]
    assert set(written["versions"]) == {"numpy", "scipy"} and found["card"] == {"name": "none"}
    assert found["rates"]["barrier"] == RATES.barrier
    checked, rows = " ".join(found["checks"]), found["kernels"]
    assert all(row["kernel"] in checked for row in rows)
    assert [row["kernel"] for row in rows] == [
        *["draw"] * 3,
        *("field", "states", "pack", "pair_counts", "pair_counts", "contrastive", "contrastive"),
        *("contrastive_wide", "gibbs", "free_run", "free_run", "joint", "joint"),
    ]
    assert [row["kernel"] for row in found["primitives"]] == ["advance", "mean_field", "eigh", "logistic"]
    for row in rows:
        assert row["time_s"] > 0 and row["floor_s"] > 0 and row["bound"] in row["bounds_s"] and row["naive_s"] > 0
        assert row["fraction"] == pytest.approx(row["floor_s"] / row["time_s"])
        assert row["ratio"] == pytest.approx(row["naive_s"] / row["time_s"])
    for row in found["primitives"]:
        assert row["time_s"] > 0 and "naive_failed" not in row
    for row, n_machines, n_updates, share in ((rows[9], 3, 6, 0.5), (rows[-1], 3, 2, 1 / 3)):
        assert row["updates_per_s"] == pytest.approx(n_machines * n_updates / row["time_s"])
        assert row["updates_of_each_machine_per_s"] == pytest.approx(n_updates / row["time_s"])
        assert row["naive_share_timed"] == share
    printed = capsys.readouterr().out
    assert all(heading in printed for heading in gpu_rows.HEADINGS) and "right: pack, 130 x 17" in printed


@needs_compiler
def test_what_is_timed_is_what_the_backend_launches(monkeypatch, tmp_path):
    monkeypatch.setattr(record, "RESULTS", tmp_path)
    monkeypatch.setattr(gpu, "packages", lambda: ("numpy", "scipy"))
    card = EmulatedCard()
    assert run(words=(), card=card) == 0
    rows = json.loads((tmp_path / "gpu.json").read_text())["measurements"]["kernels"]
    assert {kernel for kernel, *_ in card.launches} == {row["kernel"] for row in rows} <= set(kernels.KERNELS)


class Wrong(EmulatedCard):
    """A card of which one kernel gives one wrong number."""

    def __init__(self, kernel, place, number):
        super().__init__()
        self.kernel, self.place, self.number = kernel, place, number

    def launch(self, kernel, defines, grid, block, arguments, *others, **options):
        super().launch(kernel, defines, grid, block, arguments, *others, **options)
        if kernel == self.kernel:
            array = memory_of(arguments[self.place]).reshape(-1)
            array[0] = array[0] ^ 1 if array.dtype.kind == "u" else array[0] + self.number


@needs_compiler
@pytest.mark.parametrize(
    ("kernel", "place", "number"),
    [
        ("field", -1, 0.001),
        ("field", -1, np.nan),
        ("draw", -1, 1),
        ("states", -1, 1),
        ("pack", -1, 1),
        ("pair_counts", -1, 1),
        ("contrastive", 0, 0.001),
        ("contrastive_wide", 0, 0.001),
        ("gibbs", 0, 1),
        ("free_run", 0, 1),
        ("joint", 0, 0.001),
    ],
)
def test_a_wrong_kernel_is_told_and_nothing_is_timed(kernel, place, number, capsys):
    assert run(card=Wrong(kernel, place, number)) == 1
    told = capsys.readouterr()
    assert f"a kernel is wrong, nothing was timed: {kernel}" in told.err and "timed:" not in told.out


@needs_compiler
def test_what_fails_is_told_and_the_rest_is_timed(monkeypatch, capsys):
    class Broken(OnHost):
        def pack(self, states):
            raise RuntimeError("no packbits here")

    def broken(bench):
        raise RuntimeError("no room")

    monkeypatch.setattr(gpu_work, "pieces", lambda sizes: [("states", broken), ("pack", gpu_work.pack)])
    monkeypatch.setattr(gpu.gpu_whole, "PIECES", [])
    assert run(naive=Broken()) == 1
    out = capsys.readouterr().out
    assert "RuntimeError: no room" in out and "RuntimeError: no packbits here" in out
    assert '"kernel": "pack", "size": "130 x 17", "time_s"' in out


def test_the_naive_ways_do_the_same_work():
    naive, lower, upper = OnHost(), binary((130, 5), 0.3), binary((130, 7), 0.4, seed=1)
    expected = [reference.Backend().pack(layer) for layer in (lower, upper)]
    assert naive.pack(lower).tobytes() == expected[0].tobytes()
    np.testing.assert_array_equal(naive.pair_counts(lower, upper), reference.Backend().pair_counts(*expected))
    machine = random_machine((5, 7, 3))
    means = naive.floats([binary((4, n), 0.5, seed=n) for n in (5, 7, 3)])
    for layer in (1, 2):
        found = naive.probability(machine.weights, machine.biases, means, layer)
        np.testing.assert_allclose(found, reference.Backend().probability(machine, means, layer), rtol=1e-5)


def test_naive_contrastive_divergence_is_contrastive_divergence():
    naive = OnHost()
    naive.uniform = lambda shape: np.full(shape, 0.5, np.float32)
    machines, cases = [random_machine((5, 7), seed=k, scale=2) for k in range(2)], binary((4, 5), 0.5)
    found = naive.contrastive(machines, cases, 0.1, 0.5)
    halves = Arithmetic(lambda p, *place: (p > 0.5).astype(np.float32), np.float32)
    for k, machine in enumerate(machines):
        parameters = [machine.weights[0], *machine.biases]
        steps = [0, 0, 0]
        for case in cases.astype(np.float32)[:, None]:
            slopes = gradient(Parameters(*parameters), case, None, 0, 1, halves)
            steps = [0.5 * step + 0.1 * slope for step, slope in zip(steps, slopes)]
            parameters = [parameter + step for parameter, step in zip(parameters, steps)]
        for array, expected in zip(found, parameters):
            np.testing.assert_allclose(array[k], expected, atol=1e-5)


def test_naive_joint_training_is_joint_training():
    naive = OnHost()
    naive.uniform = lambda shape: np.full(shape, 0.5, np.float32)
    [(machine, state, key)] = joint_work((4, 4, 7), 1, 3)
    epoch, cases = dataclasses.replace(joint_epoch(2, learning_rate=0.1), max_norm=0.2), binary((6, 4), 0.5)

    class Half(reference.Backend):
        def sample_layer(self, fields, *place):
            return (np.asarray(fields) > 0).astype(np.uint8)

    expected = Half().joint_epoch(machine, state, key, cases, epoch, lambda n: None)[0]
    weights, biases = naive.joint(machine, state.chains, cases, epoch)
    for found, wanted in zip((*weights, *biases), (*expected.weights, *expected.biases)):
        np.testing.assert_allclose(found, wanted, atol=2e-5)


def test_floors_by_hand():
    # 100 chains, 10 units of 20 neighbours; instructions at 1e13 a second, bytes at 1e12
    drawn = floors.draw(RATES, 100, 10, 20)
    assert drawn["operations"] == pytest.approx(100 * 10 * 30 / 1e13)
    assert drawn["products"] == pytest.approx(2 * 3 * 100 * 10 * 20 / 5e14)
    assert drawn["bytes"] == pytest.approx((100 * 30 + 10 * (3 * 20 + 8)) / 1e12)
    computed = floors.field(RATES, 100, 10, 20)
    assert computed["operations"] == pytest.approx(100 * 10 * (20 + 15) / 1e13)
    assert computed["bytes"] == pytest.approx((4 * 100 * 30 + 4 * 10 * 21) / 1e12)
    assert floors.states(RATES, 100, 10)["bytes"] == pytest.approx(5e-9)
    assert floors.pack(RATES, 65, 10)["bytes"] == pytest.approx((650 + 160) / 1e12)
    # 65 samples are 2 words of 64 bits, 4 of 32; 16 a cycle on each of 10 multiprocessors
    counts = floors.pair_counts(RATES, 10, 20, 65)
    assert counts["popcounts"] == pytest.approx(10 * 20 * 4 / (16 * 10 * 1e9))
    assert counts["bytes"] == pytest.approx(8 * (2 * 30 + 200) / 1e12)


def test_the_floor_of_contrastive_divergence_by_hand():
    # 13 visible: sums of 4 additions in four strands, 2 that join, 1 bias, twice; 5 halvings; 3 warps and a bias; 4
    chain = 20e-9 + 25e-9 + 5 * 10e-9 + 3 * 50e-9 + (14 + 5 + 4 + 4) * 4e-9
    assert floors.update_chain(RATES, 13, 70) == pytest.approx(chain)
    bounds = floors.contrastive(RATES, 10, 13, 70, 1000)
    assert bounds["chain"] == pytest.approx(1000 * chain)
    assert bounds["operations"] == pytest.approx(1000 * 13 * 13 / 1e9)  # three warps, four schedulers
    # 21 machines on 10 multiprocessors: three on one of them, nine warps, three a scheduler
    assert floors.contrastive(RATES, 21, 13, 70, 1000)["operations"] == pytest.approx(3 * bounds["operations"])
    assert bounds["bytes"] == pytest.approx(8 * 1000 * 10 / 1e12)


def test_the_floors_of_deep_machines_by_hand():
    # 3 units of h1 see 1.5 + 0.5 units that are on, 2 visible ones and 4 of h2 see 1 each; 30 a draw of 9 units
    bounds = floors.gibbs(RATES, (2, 3, 4), (1.5, 1.0, 0.5), 10, 100)
    assert bounds["operations"] == pytest.approx(10 * 100 * (3 * 2 + 2 * 1 + 4 * 1 + 30 * 9) / 1e13)
    assert bounds["chain"] == pytest.approx(100 * 3 * 4 * 20e-9)
    assert bounds["bytes"] == pytest.approx((4 * (6 + 12) + 2 * 10 * 9) / 1e12)
    # 4 mean-field sweeps: 11 products of 2 x 3 x 4; 3 machines of 4 blocks on 10 multiprocessors take turns
    bounds = floors.joint(RATES, (9, 3, 4), 2, 4, 7, 3, 4)
    assert bounds["operations"] == pytest.approx(2 * 7 * 11 * 24 / (0.4 * 1e13))
    assert bounds["chain"] == pytest.approx(2 * 7 * (4 + 5) * 1.5e-6)
    # two images: 10 multiply-adds and 6 more for each of 3 x 4 weights; 2 machines of 5 blocks at a time
    bounds = floors.contrastive_wide(RATES, 3, 4, 2, 7, 2, 5)
    assert bounds["operations"] == pytest.approx(7 * 16 * 12 / (0.5 * 1e13))
    assert bounds["chain"] == pytest.approx(7 * (1.5e-6 + 3 * 50e-9))


def test_the_largest_bound_is_the_floor_and_launches_add():
    bounds = {"bytes": 3e-6, "operations": 5e-6}
    assert floors.floor(RATES, bounds)[:2] == (5e-6, "operations")
    assert floors.floor(RATES, {"bytes": 1e-6})[:2] == (2e-6, "launches")
    assert floors.floor(RATES, bounds, 2)[:2] == (pytest.approx(9e-6), "operations")
    assert floors.floor(RATES, bounds, 4)[:2] == (pytest.approx(13e-6), "launches")
    assert floors.together(bounds, bounds) == {"bytes": 6e-6, "operations": 1e-5}
    assert gpu.of_128_lanes(RATES) == pytest.approx(2e13 / (256 * 10 * 1e9))


def test_latencies_are_slopes():
    # a launch of 5 us, 3 ns a step; 2 cycles a step at 2/3 GHz
    cycles, launched = np.zeros(1, np.uint64), []
    card = SimpleNamespace(asarray=lambda x: cycles if x.dtype == np.uint64 else x, to_host=lambda x: x)

    def launch(name, defines, grid, block, arguments):
        launched.append((defines["CHAIN"], int(arguments[0])))
        cycles[0] = 100 + 2 * arguments[0]

    def clock(function, n=1, queued=False):
        function()
        return 5e-6 + 3e-9 * launched[-1][1]

    found = gpu_card.chains(card, clock, launch, ONCE)
    assert found.pop("clock") == pytest.approx(2 / 3e-9)
    assert found == {chain.lower(): pytest.approx(3e-9) for chain in gpu_card.CHAINS}
    assert {chain for chain, _ in launched} == set(gpu_card.CHAINS)


def test_rates_from_times():
    card = SimpleNamespace(
        xp=np, free_memory=lambda: 1 << 20, n_multiprocessors=7, asarray=np.asarray, to_host=lambda x: x
    )

    def clock(function, n=1, queued=False):
        function()
        return 1e-3 if queued else 2e-3

    assert gpu_card.bandwidth(card, clock, ONCE) == pytest.approx(2 * (1 << 17) / 1e-3)
    assert gpu_card.float_rate(card, clock, ONCE, n=8) == pytest.approx(2 * 8**3 / 1e-3)
    assert gpu_card.launches(clock, lambda *given: None, ONCE) == pytest.approx([1e-4, 2e-4])


class FakeCuda:
    """Events whose time is the number of launches so far, in ms; the card is ahead of the host if `spin` is short."""

    def __init__(self, needed):
        self.needed, self.spins, self.n = needed, [], 0
        cuda = self

        class Event:
            def record(self):
                self.at = cuda.n

            def synchronize(self):
                cuda.waited = True

            @property
            def done(self):
                return not cuda.spins or cuda.spins[-1] < cuda.needed

        self.Event, self.get_elapsed_time = Event, lambda a, b: b.at - a.at

    def launch(self, name, defines, grid, block, arguments):
        assert name == "spin" and type(arguments[0]) is np.uint64
        self.spins.append(int(arguments[0]) / gpu_card.SPIN_HZ)

    def work(self):
        self.n += 1


@pytest.mark.parametrize(("needed", "most"), [(0.0, 1), (0.05, 5), (10.0, 6)])
def test_the_card_is_kept_busy_until_everything_is_asked_for(needed, most):
    cuda = FakeCuda(needed)
    card = SimpleNamespace(xp=SimpleNamespace(cuda=cuda), synchronise=lambda: None)
    clock = gpu_card.EventClock(card, cuda.launch)
    assert clock(cuda.work, 7, queued=True) == pytest.approx(1e-3)
    assert 1 <= len(cuda.spins) <= most and cuda.spins[-1] <= gpu_card.LONGEST_SPIN + 1e-9
    assert cuda.spins[-1] >= min(needed, gpu_card.LONGEST_SPIN - 1e-9)
    cuda.spins.clear()
    assert clock(cuda.work, 3) == pytest.approx(1e-3) and not cuda.spins


def test_short_calls_are_repeated_and_long_ones_are_not():
    def at(seconds):
        calls = []

        def clock(function, n=1, queued=False):
            calls.append(n)
            return seconds

        return gpu_card.times(clock, lambda: None, gpu_card.Effort(20, 3, 3.0, 0.01)), calls

    found, calls = at(1e-3)
    assert found["repeats"] == 20 and found["calls_each"] == 10 and calls == [1] + [10] * 20
    found, calls = at(2.0)
    assert found["repeats"] == 3 and calls == [1] * 4 and found["time_s"] == 2.0
    assert at(1e-7)[0]["calls_each"] == gpu_card.MOST_CALLS


@needs_compiler
def test_chains_of_steps_on_the_emulated_card(monkeypatch):
    monkeypatch.setattr(kernels, "source", lambda name: gpu_card.source(name))
    card, n, lanes = EmulatedCard(), 11, np.arange(96)
    expected = {
        "BARRIER": lanes + 0.5 * lanes,
        "SHUFFLE": (lanes ^ 8 ^ 4 ^ 2 ^ 1 ^ 8 ^ 4 ^ 2 ^ 1 ^ 4 ^ 2 ^ 1) + 0.5 * lanes,
        "ADD": lanes + 0.5 * n + 0.5 * lanes,
        "SHARED": lanes + 0.5 * ((lanes + n) % 96),
        "LOGISTIC": np.full(96, 0.659046) + 0.5 * lanes,
    }
    assert set(expected) == set(gpu_card.CHAINS)
    for chain, result in expected.items():
        found, cycles = card.asarray(np.zeros(96, np.float32)), card.asarray(np.zeros(1, np.uint64))
        card.launch("latency", {"CHAIN": chain}, (1,), 96, [np.int32(n), np.float32(0.5), found, cycles])
        assert isinstance(found, DeviceArray) and int(card.to_host(cycles)[0]) > 0
        np.testing.assert_allclose(card.to_host(found), result, atol=1e-4)
    card.launch("spin", {}, (1,), 32, [np.uint64(30)])


@needs_compiler
def test_products_are_done_as_often_as_they_are_counted(monkeypatch):
    monkeypatch.setattr(kernels, "source", lambda name: gpu_card.source(name))
    card, totals = EmulatedCard(), {}
    for n in (1, 3):
        found = card.asarray(np.zeros(64, np.int32))
        card.launch("products", {}, (1,), 64, [np.int32(n), found])
        totals[n] = card.to_host(found)
    assert (totals[3] == 3 * totals[1]).all() and (totals[1] % 8 == 0).all() and totals[1].any()


def test_the_rate_of_products_by_hand():
    # 4 blocks of 8 warps on each of 7 multiprocessors, 32,768 products each of 16 x 8 x 32 multiply-adds
    launched, card = [], SimpleNamespace(n_multiprocessors=7, asarray=np.asarray)

    def clock(function, n=1, queued=False):
        function()
        return 2e-3

    rate = gpu_card.byte_rate(card, clock, lambda *launch: launched.append(launch), ONCE)
    assert rate == pytest.approx(4 * 7 * 8 * 32_768 * 16 * 8 * 32 * 2 / 2e-3)
    name, _, grid, block, (n, result) = launched[0]
    assert (name, grid, block, n, result.shape) == ("products", (28,), 256, 4096, (28 * 256,))


@pytest.mark.parametrize("architecture", [75, 90, 120])
def test_chains_of_steps_compile(architecture):
    try:
        known = nvrtc.architectures()
    except InputError as error:
        pytest.skip(str(error))
    if architecture not in known:
        pytest.skip(f"this NVRTC does not compile for {architecture}")
    for chain in gpu_card.CHAINS:
        arguments = (*kernels.options({"CHAIN": chain}), f"-arch=sm_{architecture}")
        status, log = nvrtc.compile_text("latency.cu", gpu_card.source("latency"), arguments)
        assert status == 0 and "warning" not in log, log


@pytest.mark.parametrize("how", [0, 1, 2, 3, 4])
def test_meetings_compile(how):
    try:
        nvrtc.architectures()
    except InputError as error:
        pytest.skip(str(error))
    arguments = (*kernels.options({"HOW": how} | ({"CLUSTER": 8} if how in (2, 3) else {})), "-arch=sm_90")
    status, log = nvrtc.compile_text("meetings.cu", gpu_card.source("meetings"), arguments)
    assert status == 0 and "warning" not in log, log


@needs_compiler
def test_meetings_on_the_emulated_card(monkeypatch):
    monkeypatch.setattr(kernels, "source", gpu_card.source)
    card = EmulatedCard()
    card.n_multiprocessors, counters = 17, []

    def launch(name, defines, grid, block, arguments, together):
        card.launch(name, defines, grid, block, arguments, together=together)
        counters.append(card.to_host(arguments[0]).tolist())

    found = gpu_card.launch_meetings(card, launch, {"HOW": 1}, 3, 2, 5)
    assert counters == [[15, 15]] and (card.to_host(found) == 4).all() and found.shape == (2 * 3 * 512,)


def test_the_time_of_a_meeting_is_a_slope():
    launched, card = [], SimpleNamespace(n_multiprocessors=17, asarray=np.asarray)

    def launch(name, defines, grid, block, arguments, together):
        launched.append((name, defines, grid, block, together, int(arguments[2])))

    def clock(function, n=1, queued=False):
        function()
        return 5e-6 + 1e-6 * launched[-1][-1]

    assert gpu_card.meeting(card, clock, launch, ONCE) == pytest.approx(1e-6)
    assert {one[-1] for one in launched} == {1000, 5000}
    assert all(one[:5] == ("meetings", {"HOW": 1}, (16,), 512, True) for one in launched)


def test_sizes_are_those_of_the_paper_and_quick_ones_a_tenth():
    sizes = Sizes()
    assert (sizes.visible + 1) * (sizes.hidden + 1) - 1 == sizes.parameters
    assert deep_machine(sizes.deep).n_weights == (8_836, 270_400)
    quick = dataclasses.replace(sizes, **gpu.TENTH)
    assert (quick.updates, quick.naive_updates, quick.steps) == (3_000, 30, 20)


def test_a_table_says_what_is_missing_and_what_is_extrapolated():
    row = {"kernel": "contrastive", "size": "10", "time_s": 0.012, "floor_s": 0.006, "bound": "chain", "fraction": 0.5}
    row |= {"naive_s": 3.0, "naive_is": "CuPy", "ratio": 250.0, "naive_share_timed": 0.01, "updates_per_s": 2.5e7}
    plain = {"kernel": "eigh", "size": "9", "time_s": 2e-6}
    lines = gpu_rows.table([row, plain, {"kernel": "pack", "failed": "no room"}]).splitlines()
    assert lines[0].split() == "kernel size time floor what bounds it fraction naive ratio".split()
    assert lines[1].split() == "contrastive 10: 2.5e+07 updates/s 12 ms 6 ms chain 0.5 ~3 s CuPy 250".split()
    assert lines[2].split() == "eigh 9 2 us - - - - -".split()
    assert lines[3].split() == "pack no room".split()
