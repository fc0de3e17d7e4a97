"""Every CUDA kernel compiles for every architecture, on any Linux machine, and uses no more than a GPU has."""

import dataclasses
import functools
import json
import logging
from importlib import metadata
from types import SimpleNamespace

import pytest

from boltzprune.__main__ import main
from boltzprune.backend.gpu import compiler, kernels, nvrtc
from boltzprune.errors import InputError

try:
    nvrtc.library()
    MISSING = ""
except InputError as error:
    MISSING = str(error)
needs_nvrtc = pytest.mark.skipif(bool(MISSING), reason=MISSING)

LARGEST_SHARED = 232448
"""Bytes of shared memory that a block can have on the largest GPU, Hopper's."""
MAY_SPILL = {"joint": 416, "contrastive_wide": 72}
"""Kernel -> bytes that may be spilled; every other must not. Addresses, used once an update, and what `joint` saves
around the call of the function that iterates an image alone, once an image."""

SLOW = {"joint"}
"""Kernels that the assembler takes five seconds for: `make test` compiles them once."""


def example(name, defines, architecture, is_slow):
    """A case of the tests below, with a name that tells it."""
    marks = [pytest.mark.slow] if is_slow else []
    values = "-".join(map(str, defines.values()))
    return pytest.param(name, defines, architecture, id=f"{name}-{values}-sm_{architecture}", marks=marks)


EXAMPLES = [
    example(name, defines, architecture, name in SLOW and place > 0)
    for name, listed in kernels.KERNELS.items()
    for place, defines in enumerate(listed)
    for architecture in compiler.DEFAULT_ARCHITECTURES
]
OFTEN = []
"""Examples that are compiled in every run of the tests: a slow kernel with all of its defines and for all
architectures, but with each of its defines for one of them; all in the heavy run."""
for name, listed in kernels.KERNELS.items():
    for place, defines in enumerate(listed):
        every = compiler.DEFAULT_ARCHITECTURES
        chosen = [every[place % len(every)]] if name in SLOW else every
        OFTEN += [(name, defines, number) for number in chosen]
compile_kernel = compiler.compile_kernel


@functools.cache
def _compiled(name, defines, architecture):
    return compile_kernel(name, dict(defines), architecture)


def compiled(name, defines, architecture):
    """As `compile_kernel`, once for all tests."""
    return _compiled(name, tuple(defines.items()), architecture)


def numbered(name, defines, architecture):
    """In place of `compile_kernel`: numbers of which no two are equal, in one example and among all."""
    place = 1009 * [example.values for example in EXAMPLES].index((name, defines, architecture))
    return compiler.Usage(name, defines, architecture, *(place + n for n in (2, 3, 5, 7, 11)), warnings=())


@pytest.fixture(autouse=True)
def logging_as_before():
    """The command line sets up logging; the tests after this one need theirs back."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


@pytest.fixture
def only(monkeypatch):
    """Replace all kernels by one, `planted`, with this text."""

    def replace(text, defines=()):
        monkeypatch.setattr(kernels, "KERNELS", {"planted": [dict(defines)]})
        monkeypatch.setattr(kernels, "source", lambda name: text)

    return replace


@pytest.fixture
def no_wheel(monkeypatch):
    """A machine without NVRTC."""
    monkeypatch.setattr(nvrtc, "wheel", lambda distribution: None)
    monkeypatch.setattr(nvrtc, "by_pathfinder", lambda: None)
    monkeypatch.setattr(nvrtc, "SYSTEM", ("libnvrtc_of_nobody.so.13",))
    nvrtc.library.cache_clear()
    yield
    nvrtc.library.cache_clear()


def test_a_kernel_is_known_by_its_file_alone(tmp_path):
    (tmp_path / "plain.cu").write_text("// What it does. Example: none\n")
    (tmp_path / "sized.cu").write_text(
        "// Of WIDTH units.\n//\n// Example: WIDTH=13 N=2\n// Example: WIDTH=7 N=5\n\n#if N\n"
    )
    (tmp_path / "shared.cuh").write_text("// Example: WIDTH=3\n")
    assert kernels.listed(tmp_path) == {"plain": [{}], "sized": [{"WIDTH": 13, "N": 2}, {"WIDTH": 7, "N": 5}]}
    assert {path.stem for path in kernels.FOLDER.glob("*.cu")} == set(kernels.KERNELS)


@pytest.mark.parametrize("example", ["WIDTH 13", "WIDTH=13, N=2", "WIDTH=", "WIDTH=1 3"])
def test_an_example_that_says_no_sizes_is_told_with_its_file(tmp_path, example):
    (tmp_path / "planted.cu").write_text(f"// Example: {example}\n")
    with pytest.raises(ValueError, match=f"^planted.cu: Example: '{example}', expected NAME=NUMBER"):
        kernels.listed(tmp_path)


def test_every_kernel_is_compiled_with_all_defines_and_for_all_architectures_in_every_run():
    for name, listed in kernels.KERNELS.items():
        assert all(any(example[:2] == (name, defines) for example in OFTEN) for defines in listed)
        assert {example[2] for example in OFTEN if example[0] == name} == set(compiler.DEFAULT_ARCHITECTURES)


@needs_nvrtc
@pytest.mark.torture
@pytest.mark.parametrize(("name", "defines", "architecture"), EXAMPLES)
def test_kernels_compile_without_a_warning(at_scale, name, defines, architecture):
    at_scale((name, defines, architecture) in OFTEN, True)
    usage = compiled(name, defines, architecture)
    assert (usage.kernel, usage.defines, usage.architecture) == (name, defines, architecture)
    assert usage.warnings == ()
    assert 1 <= usage.registers <= 255
    assert 0 <= usage.shared <= LARGEST_SHARED
    assert usage.stack >= 0


@needs_nvrtc
@pytest.mark.torture
@pytest.mark.parametrize(("name", "defines", "architecture"), EXAMPLES)
def test_registers_suffice(at_scale, name, defines, architecture):
    at_scale((name, defines, architecture) in OFTEN, True)
    usage = compiled(name, defines, architecture)
    assert usage.spill_stores + usage.spill_loads <= MAY_SPILL.get(name, 0)


@needs_nvrtc
def test_the_report_has_everything_once(monkeypatch):
    monkeypatch.setattr(compiler, "compile_kernel", numbered)
    found = [(usage.kernel, usage.defines, usage.architecture) for usage in compiler.report()]
    assert found == [example.values for example in EXAMPLES]
    assert len(compiler.report([90, 90])) == sum(architecture == 90 for *_, architecture in found)


@needs_nvrtc
def test_architectures_of_nvrtc():
    known = compiler.architectures()
    assert set(compiler.DEFAULT_ARCHITECTURES) <= set(known)
    assert list(known) == sorted(known)


# ---- what the log says, on kernels that are known to use it

KEEPS_100_NUMBERS = """
extern "C" __global__ void __launch_bounds__(1024) planted(float* x) {
    float a[100];
#pragma unroll
    for (int i = 0; i < 100; i++) a[i] = x[1024 * i + threadIdx.x];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < 100; i++) x[1024 * i + threadIdx.x] = a[99 - i];
}
"""
INDEXES_101_NUMBERS = """
extern "C" __global__ void planted(float* x, int k) {
    float a[101];
    for (int i = 0; i < 101; i++) a[i] = x[i];
    __syncthreads();
    x[0] = a[k];
}
"""
SHARES_17_NUMBERS = """
extern "C" __global__ void larger(float* x) {
    __shared__ float row[1009];
    row[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = row[1008 - threadIdx.x];
}
extern "C" __global__ void planted(float* x) {
    __shared__ float row[17];
    row[threadIdx.x] = x[threadIdx.x];
    __syncthreads();
    x[threadIdx.x] = row[16 - threadIdx.x];
}
"""
FINE = 'extern "C" __global__ void planted(int* x) { x[0] = 1; }\n'
UNUSED = 'extern "C" __global__ void planted(int* x) {\n    int unused_number;\n    x[0] = 1;\n}\n'
BROKEN = 'extern "C" __global__ void planted(int* x) {\n    int a = 1\n    x[0] = a;\n}\n'


def planted(architecture=90, **defines):
    return compiler.compile_kernel("planted", defines, architecture)


@needs_nvrtc
@pytest.mark.parametrize("architecture", compiler.DEFAULT_ARCHITECTURES)
def test_spills_are_seen(only, architecture):
    only(KEEPS_100_NUMBERS)
    usage = planted(architecture)
    assert usage.registers == 64  # 1024 threads share 65536
    assert min(usage.spill_stores, usage.spill_loads, usage.stack) >= 36 * 4


@needs_nvrtc
def test_an_array_in_local_memory_is_stack_and_not_spilt(only):
    only(INDEXES_101_NUMBERS)
    usage = planted()
    assert 101 * 4 <= usage.stack <= 104 * 4
    assert (usage.spill_stores, usage.spill_loads) == (0, 0)


@needs_nvrtc
def test_the_numbers_are_those_of_the_kernel_of_the_name(only):
    only(SHARES_17_NUMBERS)
    assert planted().shared == 17 * 4
    assert compiler.compile_kernel("larger", {}, 90).shared == 1009 * 4
    only(FINE)
    assert planted().shared == 0
    with pytest.raises(InputError, match=r'kernel larger: .*expected an extern "C" __global__ function larger'):
        compiler.compile_kernel("larger", {}, 90)


@needs_nvrtc
def test_defines_and_options_reach_the_compiler(only):
    only("#if WIDTH != 13 || __cplusplus != 201703L\n#error not told\n#endif\n" + FINE)
    assert planted(WIDTH=13).defines == {"WIDTH": 13}
    with pytest.raises(
        InputError, match=r"planted \(WIDTH=29\) does not compile for sm_90.*\n.*\(2\): .*error.*not told"
    ):
        planted(WIDTH=29)
    assert kernels.options({"WIDTH": 13, "TYPE": "float"}) == ("-std=c++17", "-DWIDTH=13", "-DTYPE=float")


@needs_nvrtc
def test_every_warning_is_told(only):
    only(UNUSED)
    [warning] = planted().warnings
    assert "planted.cu(2)" in warning and '"unused_number" was declared but never referenced' in warning
    only(UNUSED.replace("int unused_number;", "int unused_number; float another;"))
    assert len(planted().warnings) == 2


@needs_nvrtc
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in kernels.KERNELS]
)
def test_a_warning_in_a_real_kernel_is_told(monkeypatch, name):
    text = kernels.source(name) + "\n__global__ void another(int* x) { int unused_number; x[0] = 1; }\n"
    monkeypatch.setattr(kernels, "source", lambda name: text)
    [warning] = compile_kernel(name, kernels.KERNELS[name][0], 90).warnings
    assert f"{name}.cu" in warning and "unused_number" in warning


def test_an_assemblers_warning_counts():
    log = "ptxas warning : Stack size cannot be determined\nptxas info    : Function properties for warning\n"
    assert compiler._warnings(log) == ("ptxas warning : Stack size cannot be determined",)


@needs_nvrtc
def test_an_error_is_told_with_its_line(only):
    only(BROKEN)
    with pytest.raises(InputError, match=r"planted\.cu\(3\): error: expected a \";\"(.|\n)*x\[0\] = a;"):
        planted()


# ---- the command line


@needs_nvrtc
def test_the_table_has_a_row_for_everything(monkeypatch, capsys):
    monkeypatch.setattr(compiler, "compile_kernel", numbered)
    assert main(["kernels"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == "kernel defines architecture registers shared stack spill stores spill loads".split()
    for line, example in zip(lines, EXAMPLES, strict=True):
        name, defines, architecture = example.values
        usage = numbered(*example.values)
        words = [f"{key}={value}" for key, value in defines.items()] or ["-"]
        numbers = [usage.registers, usage.shared, usage.stack, usage.spill_stores, usage.spill_loads]
        assert line.split() == [name, *words, f"sm_{architecture}", *map(str, numbers)]


@needs_nvrtc
def test_json_has_every_field(only, capsys):
    only(FINE, {"WIDTH": 13})
    assert main(["kernels", "--json", "--arch", "75", "90"]) == 0
    expected = [dataclasses.asdict(planted(architecture, WIDTH=13)) | {"warnings": []} for architecture in (75, 90)]
    assert json.loads(capsys.readouterr().out) == expected


@needs_nvrtc
@pytest.mark.parametrize(("text", "remark"), [(UNUSED, "warning"), (BROKEN, "does not compile")])
def test_the_command_fails_where_a_kernel_does_but_shows_the_others(only, monkeypatch, capsys, text, remark):
    only(FINE)
    monkeypatch.setitem(kernels.KERNELS, "other", [{}])
    good = FINE.replace("planted", "other")
    monkeypatch.setattr(kernels, "source", lambda name: text if name == "planted" else good)
    assert main(["kernels", "--arch", "90"]) == 2
    seen = capsys.readouterr()
    _, wrong, right = seen.out.splitlines()
    assert wrong.startswith("planted") and wrong.endswith(remark)
    assert right.startswith("other") and right.endswith("0")
    assert "1 of 2 rows" in seen.err and "planted.cu(" in seen.err
    assert main(["kernels", "--arch", "90", "--json"]) == 2
    rows = json.loads(capsys.readouterr().out)
    assert "planted.cu(" in str(rows[0]) and "planted.cu(" not in str(rows[1])


@needs_nvrtc
def test_an_unknown_architecture_is_refused_before_anything_is_compiled(capsys):
    assert main(["kernels", "--arch", "90", "7"]) == 2
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "architecture 7: NVRTC" in seen.err and "75" in seen.err and "nvidia-cuda-nvrtc" in seen.err


# ---- where NVRTC is found, and where it is not


def test_without_nvrtc_the_message_says_what_to_install(no_wheel, monkeypatch, capsys):
    monkeypatch.setattr(nvrtc, "sys", SimpleNamespace(platform="linux"))
    assert main(["kernels"]) == 2
    message = capsys.readouterr().err
    assert "libnvrtc_of_nobody.so.13" in message
    assert "pip install nvidia-cuda-nvrtc" in message


def test_elsewhere_than_on_linux_the_message_says_so(no_wheel, monkeypatch):
    monkeypatch.setattr(nvrtc, "sys", SimpleNamespace(platform="darwin"))
    with pytest.raises(InputError, match="used on Linux, and this is darwin"):
        compiler.architectures()


@pytest.mark.parametrize("version", ["12", "13"])
def test_both_halves_of_a_wheel_are_found_and_no_others(monkeypatch, version):
    names = [f"libnvrtc{half}{other}.so.{version}" for half in ("-builtins", "") for other in (".alt", "", ".alt")]
    files = [SimpleNamespace(name=name, locate=lambda name=name: f"/lib/{name}") for name in ["nvrtc.h", *names]]
    monkeypatch.setattr(metadata, "distribution", lambda name: SimpleNamespace(files=files))
    assert nvrtc.wheel("any") == (f"/lib/libnvrtc-builtins.so.{version}", f"/lib/libnvrtc.so.{version}")


@pytest.mark.parametrize("files", [None, [], [SimpleNamespace(name="nvrtc.h", locate=lambda: "/nvrtc.h")]])
def test_a_wheel_without_libraries_is_none(monkeypatch, files):
    monkeypatch.setattr(metadata, "distribution", lambda name: SimpleNamespace(files=files))
    assert nvrtc.wheel("any") is None
