"""The kind of processor is part of records and of keys of checkpoints, and of no result."""

import json

import pytest

from boltzprune.__main__ import main
from boltzprune.results import records
from boltzprune.results.processor import CHOOSING, processor
from boltzprune.results.store import write_bytes
from boltzprune.study import jobs
from boltzprune.study.stages import Job, run

FEATURES = {"sse2": True, "avx": True, "avx2": True, "fma": True, "avx512f": False, "avx512vl": False, "crc32": True}


@pytest.fixture
def host(monkeypatch):
    """host(name, features): what LLVM finds here."""

    def set_to(name, features):
        monkeypatch.setattr("platform.machine", lambda: "x86_64")
        monkeypatch.setattr("llvmlite.binding.get_host_cpu_name", lambda: name)
        monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", lambda: features)

    return set_to


def test_a_processor_in_words(host):
    host("znver3", FEATURES)
    assert processor({}) == "x86_64 znver3 avx avx2 fma"
    host("znver3", FEATURES | {"avx512f": True})  # a virtual machine that hides less
    assert processor({}) == "x86_64 znver3 avx avx2 fma avx512f"


def test_what_makes_libraries_compute_as_another_processor_is_told(host):
    host("znver3", FEATURES)
    environment = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "", "OPENBLAS_CORETYPE": "Haswell", "HOME": "/x"}
    assert processor(environment) == "x86_64 znver3 avx avx2 fma, NUMBA_CPU_NAME=generic, OPENBLAS_CORETYPE=Haswell"
    assert len({processor({}), *(processor({name: "1"}) for name in CHOOSING)}) == 1 + len(CHOOSING)
    assert {"NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES"} < set(CHOOSING)


def test_an_architecture_that_llvm_does_not_know(host, monkeypatch):
    def unknown():
        raise RuntimeError("failed to get host CPU features")

    host("generic", {})
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_features", unknown)
    assert processor({}) == "x86_64 generic"


def test_this_processor_has_a_kind():
    assert len(processor({}).split()) >= 2


def trained(tiny, monkeypatch, kind, study, name):
    """Bytes of the result of a training on that processor; its record lies among the logs of a study."""
    monkeypatch.setattr("boltzprune.study.stages.processor", lambda: kind)
    output = study / f"{name}.npz"
    spec = json.loads(jobs.job(tiny.study, "train")["spec"])
    files = {"patterns": [tiny.folder / "patterns.npz"]}, {"machine": output}
    run(Job("train", *files, spec, (0, 1), record=study / "logs" / f"{name}.sha256"))
    return output.read_bytes()


def test_the_record_says_where_and_the_result_does_not(tiny, monkeypatch, tmp_path):
    """Equal numbers have equal bytes, wherever they were computed."""
    one = trained(tiny, monkeypatch, "x86_64 znver3 avx2", tmp_path, "first")
    two = trained(tiny, monkeypatch, "x86_64 skylake avx2", tmp_path, "second")
    assert one == two
    assert records.read(tmp_path / "logs" / "first.sha256")[0]["processor"] == "x86_64 znver3 avx2"


def test_verify_tells_of_results_of_several_processors(tiny, monkeypatch, tmp_path, capsys):
    for number, kind in enumerate(["x86_64 znver3 avx2", "x86_64 skylake avx2", "x86_64 znver3 avx2"]):
        trained(tiny, monkeypatch, kind, tmp_path, f"machine{number}")
        assert main(["verify", str(tmp_path)]) == 0
        told = capsys.readouterr().out
        assert ("computed on several processors" in told) == (number > 0)
    expected = "computed on several processors: x86_64 skylake avx2 (1 job), x86_64 znver3 avx2 (2 jobs)\n"
    assert expected in told and "last bits differ between kinds of processors, see docs/faults.md" in told


def test_records_of_former_versions_say_nothing_of_the_processor(tmp_path, capsys):
    write_bytes(tmp_path / "x.npz", b"7")
    records.write(
        tmp_path / "logs" / "x.sha256", {"stage": "train", "versions": {"numpy": "2.0"}}, [tmp_path / "x.npz"]
    )
    assert main(["verify", str(tmp_path)]) == 0
    assert "processor" not in capsys.readouterr().out
