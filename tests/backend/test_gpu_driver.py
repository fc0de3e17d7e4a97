"""What is said when no GPU can be used: the driver's answers and the packages, all of them made up."""

import ctypes
import importlib
import shutil
import subprocess
import sys
import types

import pytest

from boltzprune.backend.gpu import driver as module
from boltzprune.backend.gpu import nvrtc
from boltzprune.backend.gpu.driver import Driver, cupy_packages, environment, is_usable, problem
from boltzprune.errors import InputError

FAKE_DRIVER = """
#include <stdlib.h>
static int answer(const char *name) { const char *text = getenv(name); return text ? atoi(text) : 0; }
static int initialised = 0;
int cuDriverGetVersion(int *version) { *version = answer("FAKE_VERSION"); return answer("FAKE_VERSION_STATUS"); }
int cuInit(unsigned flags)
{
    int status = flags ? 1 : answer("FAKE_INIT_STATUS");
    initialised = status == 0;
    return status;
}
int cuDeviceGetCount(int *count)
{
    *count = answer("FAKE_COUNT");
    return initialised ? answer("FAKE_COUNT_STATUS") : 3;
}
#ifdef WITH_NAMES
int cuGetErrorName(int status, const char **name)
{
    *name = status == 803 ? "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH" : NULL;
    return *name ? 0 : 1;
}
#endif
"""
OLD, CUDA12, CUDA13 = (Driver(version, 1, None) for version in ((11, 8), (12, 4), (13, 1)))
BROKEN = Driver(None, 0, "no NVIDIA driver was found; install one")
GOOD = {"cupy-cuda12x": "14.0.1"}


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """Driver libraries that answer what the environment tells them: `with_names`, `without_names`; `empty`."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform == "win32":
        pytest.skip("needs a C compiler (cc or gcc) for a made-up driver library")
    folder = tmp_path_factory.mktemp("fake_driver")
    (folder / "fake.c").write_text(FAKE_DRIVER)
    (folder / "empty.c").write_text("int nothing;\n")
    paths = {}
    for name, source, options in (
        ("with_names", "fake.c", ["-DWITH_NAMES"]),
        ("without_names", "fake.c", []),
        ("empty", "empty.c", []),
    ):
        paths[name] = str(folder / f"{name}.so")
        subprocess.run([compiler, "-shared", "-fPIC", *options, "-o", paths[name], folder / source], check=True)
    return paths


@pytest.fixture
def ask(monkeypatch, capfd):
    """Ask a driver library of that name, with these variables set; nothing may be printed."""
    for name in ("VERSION", "VERSION_STATUS", "INIT_STATUS", "COUNT", "COUNT_STATUS"):
        monkeypatch.delenv(f"FAKE_{name}", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def with_answers(library, **variables):
        monkeypatch.setitem(module.LIBRARIES, sys.platform, library)
        for name, value in variables.items():
            monkeypatch.setenv(name if name.startswith("CUDA") else f"FAKE_{name}", str(value))
        module.ask.cache_clear()
        found = module.ask()
        assert capfd.readouterr() == ("", "")
        return found

    yield with_answers
    module.ask.cache_clear()


def test_two_devices_are_found(ask, libraries):
    assert ask(libraries["with_names"], VERSION=12040, COUNT=2) == Driver((12, 4), 2, None)
    assert ask(libraries["without_names"], VERSION=13010, COUNT=1) == Driver((13, 1), 1, None)


def test_the_driver_is_asked_once(ask, libraries, monkeypatch):
    first = ask(libraries["with_names"], VERSION=12040, COUNT=2)
    monkeypatch.setattr(ctypes, "CDLL", None)
    assert module.ask() is first


def test_no_library_is_no_driver(ask):
    found = ask("libcuda-of-nobody.so.1")
    assert (found.cuda_version, found.n_devices) == (None, 0)
    assert "no NVIDIA driver was found (libcuda-of-nobody.so.1" in found.problem
    assert "install version 525 or newer" in found.problem


def test_a_platform_without_cuda(ask, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(module, "LIBRARIES", {"linux": "libcuda.so.1"})
    module.ask.cache_clear()
    assert module.ask() == Driver(None, 0, "CUDA exists on Linux and Windows, and this is darwin")


def test_another_library_of_that_name(ask, libraries):
    found = ask(libraries["empty"])
    assert (found.cuda_version, found.n_devices) == (None, 0)
    assert "empty.so is not a CUDA driver library" in found.problem
    assert "reinstall the NVIDIA driver" in found.problem


@pytest.mark.parametrize(
    ("library", "answers", "expected"),
    [
        ("with_names", {"INIT_STATUS": 803}, ["cuInit", "error 803 CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;", "restart"]),
        ("without_names", {"INIT_STATUS": 803}, ["cuInit", "error 803;", "restart"]),
        ("with_names", {"INIT_STATUS": 804}, ["cuInit", "error 804;", "cuda-compat", "LD_LIBRARY_PATH"]),
        ("with_names", {"INIT_STATUS": 802}, ["cuInit", "error 802;", "nvidia-fabricmanager"]),
        ("with_names", {"INIT_STATUS": 34, "VERSION_STATUS": 34}, ["cuInit", "error 34;", "stub"]),
        ("with_names", {"INIT_STATUS": 999}, ["cuInit", "error 999;", "check that nvidia-smi"]),
        ("with_names", {"COUNT_STATUS": 999}, ["cuDeviceGetCount", "error 999;", "check that nvidia-smi"]),
    ],
)
def test_errors_are_given_by_number_and_name(ask, libraries, library, answers, expected):
    found = ask(libraries[library], VERSION=12040, COUNT=2, **answers)
    assert found.cuda_version == (None if "VERSION_STATUS" in answers else (12, 4))
    assert found.n_devices == 0
    for part in expected:
        assert part in found.problem


@pytest.mark.parametrize("answers", [{"INIT_STATUS": 100}, {"COUNT_STATUS": 100}, {"COUNT": 0}])
@pytest.mark.parametrize("visible", [None, "", "-1"])
def test_no_device_and_what_hides_them(ask, libraries, answers, visible):
    hidden = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    found = ask(libraries["with_names"], **{"VERSION": 12040, "COUNT": 2} | answers | hidden)
    assert (found.cuda_version, found.n_devices) == ((12, 4), 0)
    assert "the NVIDIA driver found no GPU" in found.problem
    assert (f"CUDA_VISIBLE_DEVICES={visible!r}" in found.problem) == (visible is not None)
    assert ("unset it" in found.problem) == (visible is not None)


INSTALL12, INSTALL13 = ("pip install 'boltzprune[gpu-cuda12]'", "pip install 'boltzprune[gpu-cuda13]'")


@pytest.mark.parametrize(
    ("driver", "packages", "expected"),
    [
        (BROKEN, {}, [BROKEN.problem]),
        (BROKEN, GOOD, [BROKEN.problem]),
        (OLD, {}, ["supports CUDA 11.8, expected 12.0 or newer", "update it to version 525 or newer"]),
        (OLD, GOOD, ["supports CUDA 11.8, expected 12.0 or newer", "update it to version 525 or newer"]),
        (CUDA12, {}, ["CuPy is not installed", INSTALL12]),
        (CUDA13, {}, ["CuPy is not installed", INSTALL13]),
        (Driver((13, 0), 1, None), {}, [INSTALL13]),
        (Driver((14, 2), 1, None), {}, [INSTALL13]),
        (Driver(None, 1, None), {}, [INSTALL12]),
        (
            CUDA13,
            {"cupy": "14.0.0", "cupy-cuda12x": "13.6.0"},
            ["cupy 14.0.0 and cupy-cuda12x 13.6.0 are installed", "pip uninstall cupy cupy-cuda12x; then", INSTALL13],
        ),
        (CUDA12, {"cupy-rocm-7-0": "14.0.0"}, ["AMD", "pip uninstall cupy-rocm-7-0; then", INSTALL12]),
        (CUDA13, {"amd-cupy": "13.5.1"}, ["AMD", "pip uninstall amd-cupy; then", INSTALL13]),
        (CUDA13, {"cupy-cuda11x": "13.6.0"}, ["cupy-cuda11x 13.6.0", "CuPy 14 or newer", INSTALL13]),
        (CUDA12, {"cupy-cuda12x": "9.6.0"}, ["cupy-cuda12x 9.6.0", "CuPy 14 or newer", INSTALL12]),
        (CUDA12, {"cupy": "13.6.0"}, ["cupy 13.6.0", "CuPy 14 or newer", "pip uninstall cupy; then"]),
        (
            CUDA12,
            {"cupy-cuda13x": "14.2.0"},
            [
                "cupy-cuda13x 14.2.0 is installed, which needs a driver for CUDA 13",
                "the NVIDIA driver supports CUDA 12.4",
                "pip uninstall cupy-cuda13x; then",
                INSTALL12,
                "or update the NVIDIA driver to version 580 or newer",
            ],
        ),
        (CUDA13, {"cupy-cuda14x": "15.0.0"}, ["needs a driver for CUDA 14", INSTALL13, "or update the NVIDIA driver"]),
    ],
)
def test_what_is_wrong_and_what_helps(driver, packages, expected):
    found = problem(driver, packages)
    for part in expected:
        assert part in found


@pytest.mark.parametrize(
    ("driver", "packages"),
    [
        (CUDA12, {"cupy-cuda12x": "14.0.1"}),
        (CUDA13, {"cupy-cuda12x": "15.1.0rc1"}),
        (CUDA13, {"cupy-cuda13x": "14.2.0"}),
        (CUDA12, {"cupy": "14.0.0"}),
        (Driver((12, 0), 3, None), GOOD),
        (Driver(None, 1, None), {"cupy-cuda13x": "14.0.0"}),
        (CUDA12, {"cupy": "of unknown version"}),
    ],
)
def test_nothing_is_wrong(driver, packages):
    assert problem(driver, packages, lambda: None) is None


@pytest.mark.parametrize(
    ("driver", "packages", "expected"),
    [
        (
            CUDA12,
            GOOD,
            f"14.0.1 is installed without CUDA's compiler: rusty; run: {INSTALL12} (that is, 'cupy-cuda12x[ctk]')",
        ),
        (CUDA13, {"cupy-cuda13x": "14.2.0"}, f"rusty; run: {INSTALL13} (that is, 'cupy-cuda13x[ctk]')"),
        (
            CUDA13,
            {"cupy": "14.2.0"},
            "cupy 14.2.0 is installed without CUDA's compiler: rusty; install NVRTC of CUDA's toolkit",
        ),
    ],
)
def test_cupy_that_cannot_compile_is_no_gpu(driver, packages, expected):
    assert expected in problem(driver, packages, lambda: "rusty")


def test_the_compiler_is_asked_last(monkeypatch):
    def compiler():
        raise AssertionError("nobody needs it")

    assert problem(BROKEN, GOOD, compiler) == BROKEN.problem
    assert "CuPy is not installed" in problem(CUDA12, {}, compiler)


@pytest.fixture
def compiler(monkeypatch):
    """Forget which NVRTC was found, before and after; none is found by default."""
    monkeypatch.setattr(nvrtc, "wheel", lambda distribution: None)
    monkeypatch.setattr(nvrtc, "SYSTEM", ("libnvrtc_of_nobody.so.13",))
    monkeypatch.setattr(nvrtc, "by_pathfinder", lambda: None)
    for function in (nvrtc.library, nvrtc.problem):
        function.cache_clear()
    yield
    for function in (nvrtc.library, nvrtc.problem):
        function.cache_clear()


@pytest.mark.skipif(sys.platform != "linux", reason="NVRTC is looked for on Linux")
class TestTheCompiler:
    def test_where_there_is_none(self, compiler):
        assert "libnvrtc_of_nobody.so.13" in nvrtc.problem()

    def test_another_library_of_that_name(self, compiler, libraries, monkeypatch):
        monkeypatch.setattr(nvrtc, "SYSTEM", (libraries["empty"],))
        assert "undefined symbol: nvrtc" in nvrtc.problem()

    def test_it_is_found_as_cupy_finds_it(self, compiler, libraries, monkeypatch):
        """By cuda-pathfinder, whose exception is a RuntimeError."""
        monkeypatch.undo()
        place = types.ModuleType("cuda.pathfinder")
        place.load_nvidia_dynamic_lib = lambda name: types.SimpleNamespace(abs_path=libraries["empty"])
        monkeypatch.setitem(sys.modules, "cuda", types.ModuleType("cuda"))
        monkeypatch.setitem(sys.modules, "cuda.pathfinder", place)
        assert nvrtc.by_pathfinder()._name == libraries["empty"]

        def fails(name):
            raise RuntimeError("Failure finding")

        place.load_nvidia_dynamic_lib = fails
        assert nvrtc.by_pathfinder() is None

    def test_one_that_does_not_compile(self, compiler, monkeypatch):
        monkeypatch.setattr(nvrtc, "compile_text", lambda *a: (6, "error: no builtins\n"))
        monkeypatch.setattr(nvrtc, "version", lambda: "13.0")
        assert nvrtc.problem() == "NVRTC 13.0 does not compile (status 6): error: no builtins"

    def test_the_real_one_compiles_an_empty_kernel(self):
        try:
            nvrtc.library()
        except InputError as error:
            pytest.skip(str(error))
        nvrtc.problem.cache_clear()
        assert nvrtc.problem() is None


def test_by_default_the_machine_is_asked(monkeypatch):
    monkeypatch.setattr(module, "ask", lambda: CUDA12)
    monkeypatch.setattr(module, "cupy_packages", lambda: GOOD)
    monkeypatch.setattr(nvrtc, "problem", lambda: None)
    assert is_usable()
    monkeypatch.setattr(nvrtc, "problem", lambda: "rusty")
    assert not is_usable() and "rusty" in problem()
    monkeypatch.setattr(nvrtc, "problem", lambda: None)
    monkeypatch.setattr(module, "cupy_packages", dict)
    assert not is_usable()
    assert problem() == problem(CUDA12, {})
    monkeypatch.setattr(module, "ask", lambda: BROKEN)
    assert not is_usable()
    assert problem() == BROKEN.problem


@pytest.mark.parametrize(
    ("version", "name"),
    [((13, 0), "cuda13"), ((14, 1), "cuda13"), ((12, 9), "cuda12"), ((11, 4), "cuda12"), (None, "cuda12")],
)
def test_environment_follows_the_driver(version, name):
    assert environment(Driver(version, 1, None)) == name


def test_installed_packages_are_read_by_normalised_name(tmp_path, monkeypatch):
    """Two folders on the path; the same distribution in both counts once, as the first is imported."""
    plant = {
        "first": [("CuPy_CUDA12X", "14.0.1"), ("cupy.rocm-7_0", "14.1.0"), ("cupy-cuda112", "10.6.0")],
        "second": [("cupy-cuda12x", "13.0.0"), ("cupy", "14.2.0"), ("cupyx-helpers", "1.0"), ("numpy", "2.0.0")],
    }
    for folder, distributions in plant.items():
        for name, version in distributions:
            where = tmp_path / folder / f"{name}-{version}.dist-info"
            where.mkdir(parents=True)
            (where / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (tmp_path / "second" / "cupy_broken-1.0.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [str(tmp_path / folder) for folder in plant])
    importlib.invalidate_caches()
    expected = {"cupy": "14.2.0", "cupy-cuda112": "10.6.0", "cupy-cuda12x": "14.0.1", "cupy-rocm-7-0": "14.1.0"}
    assert cupy_packages() == expected


def test_importing_the_module_is_cheap():
    """Against a start of Python without it, as the site's own start-up files may import anything."""
    heavy = "print({'numpy', 'cupy', 'numba', 'importlib.metadata'} & {*sys.modules})"
    code = f"import sys; {heavy}; import boltzprune.backend.gpu.driver; {heavy}"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    before, after = run.stdout.splitlines()
    assert sorted(after) == sorted(before)
