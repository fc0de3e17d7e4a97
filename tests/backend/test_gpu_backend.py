"""The GPU backend on the host's side: which device, what fits into memory, what a user is told; and what asks CuPy."""

import dataclasses
import inspect
import json
import logging
import sys
import threading
from types import SimpleNamespace

import by_hand
import numpy as np
import pytest
from emulated import COMPILER, EmulatedCard, OutOfMemory
from emulated_arrays import ATTRIBUTES, FUNCTIONS, METHODS, TYPES, Namespace

from boltzprune.__main__ import DEVICE_FAULT, USER_FAULT, main
from boltzprune.backend import MODULES, explained, get_backend, reference
from boltzprune.backend.cpu import backend as cpu_backend
from boltzprune.backend.gpu import backend as gpu_backend
from boltzprune.backend.gpu import card as card_module
from boltzprune.backend.gpu import cd_small, driver
from boltzprune.core import streams
from boltzprune.core.contrastive import Epoch, NotFiniteError, Velocity
from boltzprune.core.joint import JointEpoch, JointState
from boltzprune.errors import DeviceError, InputError
from boltzprune.results.provenance import versions
from boltzprune.sampling import gibbs
from boltzprune.study import stages

KEY = streams.fork(7, "training")
EPOCH = Epoch(0.03, 0.9, 1, 1, 5)
needs_compiler = pytest.mark.skipif(COMPILER is None, reason="no g++ to emulate a GPU")


def _ignore(n):
    pass


# Which device ---------------------------------------------------------------------------------------------------------


def test_auto_takes_the_gpu_where_there_is_one(monkeypatch, caplog):
    made = SimpleNamespace(Backend=lambda threads: ("a GPU", threads))
    monkeypatch.setitem(sys.modules, "made_up_backend", made)
    monkeypatch.setitem(MODULES, "gpu", "made_up_backend")
    monkeypatch.setattr(driver, "problem", lambda: None)
    with caplog.at_level("INFO"):
        assert get_backend("auto", 3) == ("a GPU", 3)
    assert "device auto: gpu (the driver has one, and CuPy compiles for it)" in caplog.text


def test_a_gpu_takes_the_machines_of_a_job_in_one_thread_whatever_is_asked_for():
    backend = gpu_backend.Backend(7, SimpleNamespace(xp=np, versions={}))
    assert backend.threads == 1
    assert {*backend.map(lambda item: threading.get_ident(), range(19))} == {threading.get_ident()}


def test_auto_takes_the_processor_where_there_is_none_and_says_why(monkeypatch, caplog):
    monkeypatch.setattr(driver, "problem", lambda: "the fan is stuck; loosen it")
    with caplog.at_level("INFO"):
        assert type(get_backend("auto")) is cpu_backend.Backend
    assert "device auto: cpu (the fan is stuck; loosen it)" in caplog.text


def test_gpu_without_a_gpu_is_an_input_error_with_the_remedy(monkeypatch):
    monkeypatch.setattr(driver, "problem", lambda: "the fan is stuck; loosen it")
    with pytest.raises(InputError, match=r"^device gpu: the fan is stuck; loosen it; or set device: cpu$"):
        get_backend("gpu")


def test_cupy_that_cannot_be_loaded(monkeypatch):
    monkeypatch.setattr(driver, "problem", lambda: None)
    monkeypatch.delenv("CUPY_TF32", raising=False)
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(
        InputError, match=r"^device gpu: CuPy cannot be loaded .*; install it anew, or set device: cpu$"
    ):
        get_backend("gpu")


NOT_FOUND = type(
    "DynamicLibNotFoundError", (RuntimeError,), {"__module__": "cuda.pathfinder._dynamic_libs.load_dl_common"}
)
NO_NVRTC = NOT_FOUND('Failure finding "libnvrtc.so.13 or libnvrtc.so.12": No such file\n  listdir("/usr/lib")')
HEADER = 'catastrophic error: cannot open source file "cuda_fp16.h"'
COMPILE = type("CompileException", (Exception,), {"__module__": "cupy.cuda.compiler"})
MISSING = {
    "NVRTC": (NO_NVRTC, "the CUDA library libnvrtc.so.13 or libnvrtc.so.12 is missing"),
    "a subclass": (type("DynamicLibNotAvailableError", (NOT_FOUND,), {})("no"), "a library of CUDA is missing"),
    "cuBLAS": (ImportError('Failure finding "libcublas.so.13": No such file'), "the CUDA library libcublas.so.13 is"),
    "the loader's": (
        ImportError("libcurand.so.10: cannot open shared object file: No such file or directory"),
        "the CUDA library libcurand.so.10 is missing",
    ),
    "a header": (COMPILE(HEADER), "the CUDA header cuda_fp16.h is missing"),
    "an old card": (
        COMPILE("invalid value for --gpu-architecture (-arch)"),
        "the CUDA compiler does not know this GPU",
    ),
}


@pytest.mark.parametrize("case", MISSING)
def test_cupy_without_its_cuda_libraries_is_told_by_name_and_auto_takes_the_processor(fake, monkeypatch, caplog, case):
    """cupy/cupy: the plain wheel has no library of CUDA, and is imported all the same."""
    error, expected = MISSING[case]

    def ones(n):
        raise error

    monkeypatch.setattr(sys.modules["cupy"], "ones", ones)
    told = explained(error)
    assert type(told) is InputError and str(told).startswith(f"device gpu: {expected}")
    for part in (f"{type(error).__name__}: ", "'boltzprune[gpu-cuda13]'", "'cupy-cuda13x[ctk]'", "or set device: cpu"):
        assert part in str(told)
    assert "\n" not in str(told)
    with pytest.raises(InputError) as caught:
        get_backend("gpu")
    assert str(caught.value) == str(told) or "CuPy cannot be loaded" in str(caught.value)
    with caplog.at_level("INFO"):
        assert type(get_backend("auto")) is cpu_backend.Backend
    assert f"device auto: cpu (device gpu: {expected}" in caplog.text


def test_a_library_that_cupy_misses_when_it_is_imported(monkeypatch, fake):
    class Finder:
        def find_spec(self, name, path, target=None):
            if name == "cupy":
                raise ImportError('Failure finding "libcublas.so.13"')

    monkeypatch.delitem(sys.modules, "cupy")
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    with pytest.raises(InputError, match=r"the CUDA library libcublas.so.13 is missing .*13x\[ctk\]"):
        get_backend("gpu")


def test_a_gpu_that_fails_is_no_reason_to_take_the_processor(fake, monkeypatch):
    def ones(n):
        raise FAULT

    monkeypatch.setattr(sys.modules["cupy"], "ones", ones)
    for device in ("gpu", "auto"):
        with pytest.raises(DeviceError, match="the GPU or its driver failed: CUDARuntimeError"):
            get_backend(device)


# Memory ---------------------------------------------------------------------------------------------------------------


class Room(Namespace):
    """Arrays of more than so many bytes do not fit."""

    def __init__(self, n_bytes):
        self.n_bytes = n_bytes

    def __getattr__(self, name):
        function = super().__getattr__(name)
        if name not in ("empty", "zeros"):
            return function

        def checked(shape, dtype=float):
            if np.prod(shape) * np.dtype(dtype).itemsize > self.n_bytes:
                raise OutOfMemory
            return function(shape, dtype=dtype)

        return checked


class SmallCard(EmulatedCard):
    """A card that runs out of memory where an array or a grid is too large; it counts how often it was released."""

    def __init__(self, n_bytes=1 << 30, largest_grid=1 << 30, **options):
        super().__init__(**options)
        self.xp, self.largest_grid, self.n_released = Room(n_bytes), largest_grid, 0

    def launch(self, kernel, defines, grid, *arguments, **options):
        if grid[0] > self.largest_grid:
            raise OutOfMemory
        super().launch(kernel, defines, grid, *arguments, **options)

    def release(self):
        self.n_released += 1


@pytest.mark.parametrize(
    ("memory", "n", "bytes_each", "expected"),
    [
        (1 << 30, 523, 1000, 523),
        (128_000 * 2, 523, 1000, 128),
        (128_000 * 2 - 1, 523, 1000, 64),
        (64_000 * 2 - 1, 523, 1000, 64),
        (0, 523, 1000, 64),
        (0, 61, 1000, 61),
        (1, 7, 0, 7),
        (1 << 30, 0, 1000, 0),
    ],
)
def test_a_piece_is_whole_tiles_in_half_of_the_free_memory(memory, n, bytes_each, expected, caplog):
    with caplog.at_level("INFO"):
        assert gpu_backend.Backend(card=EmulatedCard(memory=memory)).piece(n, bytes_each) == expected
    assert f"{expected} at once" in caplog.text


def _pieces(n, fits, memory=1 << 30):
    """What `in_pieces` asks for where so many fit, how often the card was released, and what came back."""
    card, asked = SmallCard(memory=memory), []

    def function(first, count):
        assert count > 0
        asked.append((first, count))
        if count > fits:
            raise OutOfMemory
        return list(range(first, first + count))

    return asked, card, gpu_backend.Backend(card=card).in_pieces(function, n, 1)


@pytest.mark.parametrize(("n", "fits"), [(0, 1), (1, 1), (523, 523), (523, 522), (523, 131), (523, 1), (64, 3)])
def test_pieces_are_halved_until_they_fit(n, fits):
    asked, card, results = _pieces(n, fits)
    assert [x for piece in results for x in piece] == list(range(n))
    failed, sizes = [count for _, count in asked if count > fits], [len(piece) for piece in results]
    assert all(half == whole // 2 for whole, half in zip(failed, [count for _, count in asked][1:]))
    assert card.n_released == len(failed) and sizes == sorted(sizes, reverse=True) and len(set(sizes[:-1])) <= 1


def test_results_before_a_piece_that_does_not_fit_are_kept():
    card, asked = SmallCard(memory=512), []

    def function(first, count):
        asked.append((first, count))
        if first == 256 and count > 128:
            raise OutOfMemory
        return count

    assert gpu_backend.Backend(card=card).in_pieces(function, 523, 1) == [256, 128, 128, 11]
    assert asked == [(0, 256), (256, 256), (256, 128), (384, 128), (512, 11)]


def test_a_card_too_small_for_one_chain(caplog):
    message = "device gpu: the card's memory does not suffice for 1 chains or cases of 1 bytes; .* set device: cpu"
    with pytest.raises(InputError, match=message):
        _pieces(7, 0)
    assert caplog.text.count("halving") == 2


@needs_compiler
def test_samples_are_the_same_in_halves(progress_counter):
    machine = by_hand.machine((13, 67), seed=3, scale=0.3)
    expected = gibbs.sample(machine, 523, 3, KEY, gpu_backend.Backend(card=EmulatedCard()))
    for card in (SmallCard(n_bytes=4 * 67 * 131), SmallCard(largest_grid=9)):
        counter = progress_counter()
        found = gibbs.sample(machine, 523, 3, KEY, gpu_backend.Backend(card=card), counter)
        assert counter.done == 523 and card.n_released == 2
        assert all((a == b).all() and a.shape == b.shape for a, b in zip(found, expected, strict=True))


@pytest.fixture
def progress_counter():
    """Makes what notes how many samples are done."""

    class Counter:
        done = 0

        def advance(self, n):
            self.done += n

    return Counter


# Contrastive divergence -----------------------------------------------------------------------------------------------


def _machines(sizes, density=0.8):
    """Machines, velocities and keys."""
    machines = [by_hand.machine(size, seed=seed, scale=0.1, density=density) for seed, size in enumerate(sizes)]
    machines = [
        dataclasses.replace(m, units=tuple(7 * np.arange(n) + k for n in m.layer_sizes)) for k, m in enumerate(machines)
    ]
    return (
        machines,
        [Velocity.zero(m) for m in machines],
        [streams.fork(seed, "training") for seed in range(len(sizes))],
    )


def _arrays(result):
    machine, velocity = result
    return [machine.weights[0], *machine.biases, velocity.weights, velocity.visible_bias, velocity.hidden_bias]


def _assert_same(found, expected):
    assert len(found) == len(expected)
    for a, b in zip(found, expected):
        assert all(x.tobytes() == y.tobytes() and type(x) is np.ndarray for x, y in zip(_arrays(a), _arrays(b)))


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ((1, 1), True),
        ((1, 512), True),
        ((1, 513), False),
        ((16, 512), True),
        ((17, 257), False),
        ((32, 256), True),
        ((33, 129), False),
        ((61, 128), True),
        ((61, 129), False),
        ((62, 1), False),
        ((0, 5), False),
        ((5, 0), False),
    ],
)
def test_which_machines_are_small(sizes, expected):
    machine = SimpleNamespace(layer_sizes=sizes)
    assert cd_small.is_small(machine, EPOCH) is expected
    assert not cd_small.is_small(machine, dataclasses.replace(EPOCH, batch_size=2))
    assert not cd_small.is_small(machine, dataclasses.replace(EPOCH, n_gibbs_steps=2))


class Watched(EmulatedCard):
    """A card that notes what a kernel is compiled with, and goes no further."""

    def launch(self, kernel, defines, *arguments, **options):
        raise StopIteration(defines)


def test_shared_memory_suffices_for_every_size():
    card, n_tried = Watched(), 0
    for n_visible in range(1, 62):
        for n_hidden in (1, 33, 65, 97, 129, 257, 512):
            [machine], [velocity], [key] = _machines([(n_visible, n_hidden)])
            if not cd_small.is_small(machine, EPOCH):
                continue
            with pytest.raises(StopIteration) as caught:
                cd_small.epoch_of_many(
                    card, [(machine, velocity, key)], card.asarray(np.zeros((1, n_visible), np.uint8)), EPOCH, _ignore
                )
            about = caught.value.args[0]
            drawn, padded = -(-n_visible // 4) * 4, 1 << (n_visible - 1).bit_length()
            assert about["N_VISIBLE"] == n_visible and about["BLOCK"] >= n_hidden and about["BLOCK"] % 32 == 0
            floats = about["N_AHEAD"] * (2 + about["BLOCK"] + drawn) + 2 * about["BLOCK"] // 32 * padded
            assert 4 * floats <= 48 << 10
            n_tried += 1
    assert n_tried == 4 * 61 + 32 + 2 * 16  # as many visible units as the threads allow


@needs_compiler
def test_machines_that_do_not_fit_together_are_halved(caplog):
    work, cases = _machines([(5, n) for n in (7, 31, 3, 33, 2)]), by_hand.patterns(37, 5, seed=1)
    expected = gpu_backend.Backend(card=EmulatedCard()).cd_epoch(*work, cases, EPOCH, _ignore)
    card, reported = SmallCard(largest_grid=2), []
    found = gpu_backend.Backend(card=card).cd_epoch(*work, cases, EPOCH, reported.append)
    _assert_same(found, expected)
    assert [grid for _, grid, _ in card.launches] == [(2,), (1,), (2,)]
    assert sum(reported) == 5 * 37 and caplog.text.count("halving") == card.n_released == 2
    with pytest.raises(InputError, match="does not suffice for 1 machines"):
        gpu_backend.Backend(card=SmallCard(largest_grid=0)).cd_epoch(*work, cases, EPOCH, _ignore)


@needs_compiler
@pytest.mark.parametrize(("batch_size", "n_gibbs_steps"), [(1, 1), (5, 1), (1, 2)])
def test_small_and_large_machines_in_their_order(batch_size, n_gibbs_steps):
    sizes = [(13, 7), (13, 521), (13, 31), (13, 11), (13, 523), (13, 97)]  # more than 512 hidden units: large
    machines, velocities, keys = _machines(sizes)
    cases = by_hand.patterns(31, 13, seed=1)
    epoch = dataclasses.replace(EPOCH, batch_size=batch_size, n_gibbs_steps=n_gibbs_steps)
    card, reported = EmulatedCard(), []
    found = gpu_backend.Backend(card=card).cd_epoch(machines, velocities, keys, cases, epoch, reported.append)
    together = [grid for kernel, grid, _ in card.launches if kernel == "contrastive"]
    assert together == ([(4,)] if batch_size == n_gibbs_steps == 1 else [])
    assert sum(reported) == len(sizes) * -(-31 // batch_size)
    exact = reference.Backend().cd_epoch(machines, velocities, keys, cases, epoch, _ignore)
    for one, other, before in zip(found, exact, machines, strict=True):
        assert (
            one[0].layer_sizes == before.layer_sizes and one[0].masks is before.masks and one[0].units is before.units
        )
        assert all(x.dtype == np.float32 and type(x) is np.ndarray for x in _arrays(one))
        assert (one[0].weights[0][~before.masks[0]] == 0).all()
        for a, b in zip(_arrays(one), _arrays(other)):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


@needs_compiler
def test_what_goes_in_and_what_comes_out_do_not_share_memory():
    machines, velocities, keys = _machines([(5, 7), (5, 521)])
    found = gpu_backend.Backend(card=EmulatedCard()).cd_epoch(
        machines, velocities, keys, by_hand.patterns(0, 5, 1), EPOCH, _ignore
    )
    _assert_same(found, list(zip(machines, velocities)))
    for one, before in zip(found, zip(machines, velocities)):
        assert not any(np.shares_memory(a, b) for a, b in zip(_arrays(one), _arrays(before)))


@needs_compiler
def test_the_first_machine_that_is_not_finite_is_named():
    machines, velocities, keys = _machines([(5, 7), (5, 521), (5, 11), (5, 13)], density=1.0)  # the second is large
    machines[2].biases[0][3] = np.nan
    machines[3].biases[0][:] = np.nan
    cases = by_hand.patterns(37, 5, seed=1)
    with pytest.raises(NotFiniteError) as caught:
        gpu_backend.Backend(card=EmulatedCard()).cd_epoch(machines, velocities, keys, cases, EPOCH, _ignore)
    assert (caught.value.update, caught.value.place) == (0, 2)


# Joint training -------------------------------------------------------------------------------------------------------


@needs_compiler
def test_deep_machines_that_do_not_fit_together_are_halved():
    epoch = JointEpoch(0.03, 0.5, 1, 3, 0, 1.5, 1e-5, 7)
    machines = [by_hand.machine((5, 7, 11), seed=seed, scale=0.3) for seed in range(5)]
    states = [JointState.at_rest(m, [by_hand.patterns(11, n, seed=n) for n in m.layer_sizes]) for m in machines]
    work = list(zip(machines, states, [streams.fork(seed, "training") for seed in range(5)]))
    cases = by_hand.patterns(7, 5, seed=1)
    expected = gpu_backend.Backend(card=EmulatedCard()).joint_epochs(work, cases, epoch, _ignore)
    card, reported = SmallCard(largest_grid=2), []
    found = gpu_backend.Backend(card=card).joint_epochs(work, cases, epoch, reported.append)
    assert {kernel for kernel, *_ in card.launches} == {"joint"} and card.n_released == 2 and sum(reported) == 5 * 3
    for (machine, state, n), (other, other_state, m) in zip(found, expected, strict=True):
        arrays = [[*x.weights, *x.biases, *s.chains] for x, s in ((machine, state), (other, other_state))]
        assert all(a.tobytes() == b.tobytes() for a, b in zip(*arrays, strict=True)) and n == m


# What a user is told --------------------------------------------------------------------------------------------------


def _error(module, name):
    """An exception as CuPy would raise it."""
    return type(name, (Exception,), {"__module__": module})("5 bytes")


OUT_OF_MEMORY = _error("cupy.cuda.memory", "OutOfMemoryError")
FAULT = _error("cupy_backends.cuda.api.runtime", "CUDARuntimeError")


def test_errors_of_the_gpus_libraries_are_explained():
    told = explained(OUT_OF_MEMORY)
    assert type(told) is InputError and "memory does not suffice (5 bytes)" in str(told) and "device: cpu" in str(told)
    for error in (FAULT, _error("cupy_backends.cuda.libs.cublas", "CUBLASError"), _error("cupy", "Other")):
        told = explained(error)
        assert type(told) is DeviceError and f"{type(error).__name__}: 5 bytes" in str(told)
    for error in (
        _error("cupyx_like", "OutOfMemoryError"),
        _error("numpy", "CUDARuntimeError"),
        MemoryError(),
        KeyError(),
    ):
        assert explained(error) is None


@pytest.fixture
def failing(monkeypatch, tmp_path):
    """Runs the stage `fetch` by the command line, with a body that raises."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    arguments = ["fetch", "--out", f"manifest={tmp_path / 'm.json'}", "--spec", json.dumps({"data": {}})]

    def run(error):
        def body(job):
            raise error

        monkeypatch.setattr("boltzprune.study.stages.fetch.run", body)
        return main([*arguments, "--log", str(tmp_path / "log.txt")])

    yield run
    root.handlers[:], root.level = before


@pytest.mark.parametrize(("error", "status"), [(OUT_OF_MEMORY, USER_FAULT), (FAULT, DEVICE_FAULT)])
def test_the_command_line_tells_it_in_one_line(failing, capsys, error, status):
    assert failing(error) == status == {OUT_OF_MEMORY: 2, FAULT: 4}[error]
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 1 and " ERROR " in shown[0] and str(explained(error)) in shown[0]


def test_other_errors_stay_what_they_are(failing, capsys):
    assert failing(KeyError("a name")) == 1
    assert "this should not have happened" in capsys.readouterr().err


@pytest.mark.parametrize(("error", "kind"), [(OUT_OF_MEMORY, InputError), (FAULT, DeviceError), (OSError(), OSError)])
def test_a_stage_raises_what_was_explained(monkeypatch, error, kind):
    def body(job):
        raise error

    monkeypatch.setattr("boltzprune.study.stages.fetch.run", body)
    with pytest.raises(kind) as caught:
        stages.run(stages.Job("fetch", {}, {"manifest": None}, {"data": {}}, (0,)))
    assert error in (caught.value, caught.value.__cause__)


def test_provenance_names_the_card(monkeypatch):
    job = stages.Job("train", {}, {}, {"device": "gpu"}, (3,))
    monkeypatch.setattr(stages, "get_backend", lambda device, threads: gpu_backend.Backend(threads, EmulatedCard()))
    assert job.provenance()["versions"] == versions() | dict.fromkeys(("cupy", "cuda"), "emulated") | {
        "gpu": "emulated card"
    }


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_provenance_of_the_processor_is_as_before(device):
    assert get_backend(device).versions == {}
    assert stages.Job("train", {}, {}, {"device": device}, (3,)).provenance()["versions"] == versions()
    assert stages.Job("prune", {}, {}, {"criterion": "variance_fi"}, (3,)).provenance()["versions"] == versions()


# The card, with a CuPy of our own ------------------------------------------------------------------------------------


class Kernel:
    """A compiled kernel: what it is launched with."""

    kernel = SimpleNamespace(ptr=17)

    def __init__(self):
        self.calls, self.max_dynamic_shared_size_bytes = [], None

    def __call__(self, grid, block, args, *, shared_mem):
        self.calls.append((grid, block, args, shared_mem))


class Device:
    """Device 0, 1 or 2."""

    compute_capability, mem_info, used = "90", (3 << 30, 5 << 30), []

    def __init__(self, number):
        self.number, self.pci_bus_id = number, f"0000:0{number}:00.0"

    def use(self):
        self.used.append(self.number)


@pytest.fixture
def fake(monkeypatch):
    """A module `cupy` that has what `Card` uses, and notes what it is asked for."""
    about = {"name": b"Card 7", "major": 9, "minor": 0, "multiProcessorCount": 11}
    about |= {"totalGlobalMem": 5 << 30, "sharedMemPerBlockOptin": 1 << 17}
    seen = SimpleNamespace(used=[], modules=[], claimed=[], converted=[], kernels=[], asked=[], n_released=0)
    monkeypatch.setattr(Device, "used", seen.used)

    def raw_module(code, options, enable_cooperative_groups):
        seen.modules.append((code, options, enable_cooperative_groups, kernel := Kernel()))
        return SimpleNamespace(get_function={"states": kernel, "pack": kernel}.__getitem__)

    def release():
        seen.n_released += 1

    def occupancy(function, block, shared):
        seen.asked.append((function, block, shared))
        return 2

    pool = SimpleNamespace(free_bytes=lambda: 7 << 20, free_all_blocks=release)
    runtime = SimpleNamespace(
        getDeviceCount=lambda: 3, getDeviceProperties=lambda number: about, runtimeGetVersion=lambda: 13020
    )
    memory = SimpleNamespace(OutOfMemoryError=OutOfMemory)
    of_driver = SimpleNamespace(occupancyMaxActiveBlocksPerMultiprocessor=occupancy)
    module = SimpleNamespace(
        __version__="14.2.0",
        ndarray=np.ma.MaskedArray,  # a type of its own
        asarray=lambda array, dtype, order: seen.converted.append((dtype, order)) or np.ma.array(array, dtype=dtype),
        asnumpy=np.asarray,
        ones=lambda n: seen.kernels.append(n) or np.ones(n),
        get_default_memory_pool=lambda: pool,
        RawModule=raw_module,
        cuda=SimpleNamespace(Device=Device, runtime=runtime, memory=memory, driver=of_driver),
    )
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setattr(driver, "problem", lambda: None)
    monkeypatch.setattr(card_module, "claim", lambda names: seen.claimed.append(names) or 1)
    monkeypatch.delenv("CUPY_TF32", raising=False)
    card_module._function.cache_clear()
    yield seen
    card_module._function.cache_clear()


def test_a_card_is_claimed_used_and_logged(fake, caplog):
    with caplog.at_level("INFO"):
        card = card_module.Card()
    assert fake.claimed == [[f"0000:0{number}:00.0" for number in range(3)]] and fake.used == [1]
    assert fake.kernels == [1]  # tried at once
    assert (card.name, card.n_multiprocessors, card.max_shared) == ("Card 7", 11, 1 << 17)
    assert card.versions == {"cupy": "14.2.0", "cuda": "13.2", "gpu": "Card 7"}
    assert card.free_memory() == (3 << 30) + (7 << 20)
    assert "GPU 1: Card 7, compute capability 90, 11 multiprocessors, 3.0 of 5.0 GiB free; CUDA 13.2" in caplog.text
    card.release()
    assert fake.n_released == 1
    assert gpu_backend.Backend().versions == card.versions


def test_arrays_of_a_card(fake):
    card = card_module.Card()
    on_card = card.asarray([[1, 2]], np.uint8)
    assert type(on_card) is np.ma.MaskedArray and fake.converted == [(np.uint8, "C")]
    host = card.to_host(on_card)
    assert type(host) is np.ndarray and host.tolist() == [[1, 2]]
    assert card.to_host(host) is host


def test_launches_of_a_card(fake):
    card, defines = card_module.Card(), {"N": 3, "M": 5}
    for kernel, shared, together in (("states", 0, False), ("states", 1 << 10, False), ("pack", (48 << 10) + 1, True)):
        card.launch(kernel, defines, (7, 2), 64, [np.int32(1), np.float32(2)], shared, together)
    assert [module[1:3] for module in fake.modules] == [
        (("-std=c++17", "-DN=3", "-DM=5"), False),
        (("-std=c++17", "-DN=3", "-DM=5"), True),
    ]  # each is compiled once
    assert "states(const float*" in fake.modules[0][0] and "pack(const u8*" in fake.modules[1][0]
    states, pack = (module[3] for module in fake.modules)
    arguments = (np.int32(1), np.float32(2))
    assert states.calls == [((7, 2), (64,), arguments, 0), ((7, 2), (64,), arguments, 1 << 10)]
    assert pack.calls == [((7, 2), (64,), arguments, (48 << 10) + 1)]
    assert pack.max_dynamic_shared_size_bytes == (48 << 10) + 1


def test_blocks_that_wait_for_each_other_are_never_more_than_fit(fake):
    """CuPy would launch as many as fit, and warn: they would wait for ever for those that never come."""
    card = card_module.Card()
    card.launch("pack", {}, (11, 2), 64, [], 31 << 10, together=True)  # 2 a multiprocessor, as the driver says
    card.launch("states", {}, (23,), 64, [])
    with pytest.raises(InputError, match=r"kernel pack needs 23 blocks of 64 threads at the same time.* room for 22"):
        card.launch("pack", {}, (23,), 64, [], together=True)
    assert fake.asked == [(17, 64, 31 << 10), (17, 64, 0)] and len(fake.modules[0][3].calls) == 1


def test_products_rounded_to_10_bits_are_refused(fake, monkeypatch):
    monkeypatch.setenv("CUPY_TF32", "1")
    with pytest.raises(InputError, match="CUPY_TF32 is set"):
        card_module.Card()
    monkeypatch.setenv("CUPY_TF32", "0")
    card_module.Card()


# CuPy itself, as far as it can be asked without a device --------------------------------------------------------------


@pytest.fixture(scope="module")
def cupy():
    """The installed one."""
    return pytest.importorskip("cupy", reason="CuPy is not installed", exc_type=ImportError)


def test_cupy_has_what_the_backend_uses(cupy):
    assert [name for name in sorted(TYPES | FUNCTIONS.keys()) if not hasattr(cupy, name)] == []
    of_arrays = ATTRIBUTES | METHODS.keys() | {"get", "__array_ufunc__"}
    assert [name for name in sorted(of_arrays) if not hasattr(cupy.ndarray, name)] == []
    assert callable(cupy.cuda.driver.occupancyMaxActiveBlocksPerMultiprocessor)
    assert callable(cupy.linalg.eigh) and callable(cupy.cuda.get_current_stream) and callable(cupy.asnumpy)
    device, runtime = cupy.cuda.Device, cupy.cuda.runtime
    assert all(hasattr(device, name) for name in ("pci_bus_id", "mem_info", "compute_capability", "use"))
    assert all(hasattr(runtime, f"get{name}") for name in ("DeviceCount", "DeviceProperties"))
    assert runtime.runtimeGetVersion() >= 12000


def test_cupy_takes_what_the_card_gives_it(cupy):
    assert {"dtype", "order"} <= set(inspect.signature(cupy.asarray).parameters)
    module = cupy.RawModule(code="", options=("-std=c++17",), enable_cooperative_groups=True)
    assert module.options == ("-std=c++17",) and module.enable_cooperative_groups is True
    kernel = cupy.RawKernel("", "states", options=())
    assert type(kernel).max_dynamic_shared_size_bytes.__set__ and "shared_mem" in type(kernel).__call__.__doc__
    pool = cupy.get_default_memory_pool()
    assert callable(pool.free_bytes) and callable(pool.free_all_blocks)


def test_an_allocation_that_does_not_fit_is_explained(cupy):
    error = cupy.cuda.memory.OutOfMemoryError(5, 7, 11)
    assert type(explained(error)) is InputError and "5 bytes" in str(explained(error))
    error = cupy.cuda.runtime.CUDARuntimeError(700)
    assert type(explained(error)) is DeviceError and "CUDARuntimeError: cudaError" in str(explained(error))


def test_a_missing_library_of_cuda_is_told_with_the_remedy():
    told = explained(ImportError('Failure finding "libcublasLt.so.13": No such file'))
    assert isinstance(told, InputError) and "libcublasLt.so.13" in str(told) and "gpu-cuda13" in str(told)
    assert explained(ImportError("No module named 'numba'")) is None
