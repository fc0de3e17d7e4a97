"""Memory that runs out: one line that says where, how much was asked and what to lower; no result is called damaged."""

import errno
import json
import resource

import numpy as np
import pytest
from faults_processes import python
from small_machines import random_machine

from boltzprune.__main__ import main
from boltzprune.datasets import archives, arrays, safe_pickle
from boltzprune.results import npz
from boltzprune.results.store import Arrays, machine_arrays, write_arrays
from boltzprune.study import settings, yaml_files

ASKED = "Unable to allocate 14.9 GiB for an array with shape (2000000011,) and data type float64"
SMALL = """
import resource, sys
from boltzprune.__main__ import main
from boltzprune.study.stages import prepare
import boltzprune.results.provenance, numpy, threadpoolctl
with open("/proc/self/statm") as file:
    size = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 40 * 2**20, resource.RLIM_INFINITY))
sys.exit(main(sys.argv[1:]))
"""
"""The command line in a process that may take 40 MiB more than it has."""


def of_numpy():
    with pytest.raises(MemoryError) as caught:
        np.empty(2**59)
    return caught.value


def run_stage(monkeypatch, tmp_path, error, **options):
    """Exit status of stage `train` whose body raises that."""

    def body(job):
        raise error

    monkeypatch.setattr("boltzprune.study.stages.train.run", body)
    (tmp_path / "patterns.npz").touch()
    training = {"learning_rate": [0.1], "momentum": [0.5]}
    spec = {"machine": {"n_hidden": 71}, "training": training, "device": "reference"}
    words = [f"--in=patterns={tmp_path}/patterns.npz", f"--out=machine={tmp_path}/m.npz", f"--spec={json.dumps(spec)}"]
    return main(["train", *words, *(f"--{key}={value}" for key, value in options.items())])


@pytest.mark.parametrize(
    "error", [MemoryError(ASKED), OSError(errno.ENOMEM, ASKED), RuntimeError(f"can't start new thread: {ASKED}")]
)
def test_one_line_says_where_how_much_and_what_to_lower(monkeypatch, tmp_path, capsys, error):
    assert run_stage(monkeypatch, tmp_path, error, seeds="3-13", threads=5) == 2
    told = capsys.readouterr().err
    assert "ERROR train of seeds 3-13: this computer has too little memory (" in told and ASKED in told
    assert "lower seeds_per_job (11 seeds here), its threads (5), machine.n_hidden (71). No result" in told
    assert told.count("\n") == 1 and "report" not in told


def test_what_cannot_be_lowered_is_not_named(monkeypatch, tmp_path, capsys):
    assert run_stage(monkeypatch, tmp_path, of_numpy(), seeds="3") == 2
    told = capsys.readouterr().err
    assert "(Unable to allocate 4.00 EiB for an array with shape (576460752303423488,) and data type float64)" in told
    assert "seeds_per_job" not in told and "threads" not in told and "lower machine.n_hidden (71)" in told


def test_other_mistakes_of_the_program_are_still_reported(monkeypatch, tmp_path, capsys):
    assert run_stage(monkeypatch, tmp_path, RuntimeError("can't happen")) == 1
    assert "this should not have happened; please report it" in capsys.readouterr().err


def test_a_command_without_a_stage(monkeypatch, capsys):
    def read(path):
        raise MemoryError

    monkeypatch.setattr(settings, "read_yaml", read)
    assert main(["check", "study.yaml"]) == 2
    told = capsys.readouterr().err
    assert "ERROR boltzprune: this computer has too little memory (even a small piece was refused). Run" in told


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_AS"), reason="no limit of the address space here")
def test_memory_that_really_runs_out(tmp_path):
    patterns = np.zeros((3_000_017, 25), np.uint8)
    patterns[::7, ::3] = 1
    np.savez_compressed(tmp_path / "mine.npz", patterns=patterns)
    spec = json.dumps({"data": {"source": "npz", "file": "mine.npz", "n_patterns": 3_000_017}})
    for stage, *files in (["fetch", "--out=manifest=s.json"], ["prepare", "--in=manifest=s.json", "--out=patterns=p"]):
        job = python("-c", SMALL, stage, *files, f"--spec={spec}", folder=tmp_path)
        _, told = job.communicate(timeout=120)
    assert job.returncode == 2 and not (tmp_path / "p").exists(), told
    last = told.splitlines()[-1]
    assert "ERROR prepare of seeds 0: this computer has too little memory (Unable to allocate" in last
    assert "lower data.n_patterns (3000017)" in last


@pytest.fixture
def no_memory(monkeypatch):
    """Nothing can be read, for want of memory."""

    def refuse(*_, **__):
        raise MemoryError(ASKED)

    for place, name in ((npz, "read_array"), (safe_pickle, "_run"), (archives, "_scan"), (yaml_files, "_not_deep")):
        monkeypatch.setattr(place, name, refuse)


def test_no_file_is_called_damaged_because_memory_ran_out(no_memory, monkeypatch, tmp_path):
    """The advice would be to delete a result that is as it was written."""
    write_arrays(tmp_path / "m.npz", machine_arrays(3, random_machine(3, 2)), {"stage": "train"})
    found = Arrays(tmp_path / "m.npz")
    np.savez(tmp_path / "mine.npz", patterns=np.eye(5, dtype=np.uint8))
    (tmp_path / "study.yaml").write_text("study: mine\n")
    (tmp_path / "images.tar.gz").write_bytes(b"\x1f\x8b")
    for read in (
        lambda: found["seed3/bias0"],
        lambda: arrays.read([tmp_path / "mine.npz"], None),
        lambda: safe_pickle.loads(b"", "batch"),
        lambda: archives.read_members(tmp_path / "images.tar.gz", ["batch"], 7),
        lambda: yaml_files.read_yaml(tmp_path / "study.yaml"),
    ):
        with pytest.raises(MemoryError):
            read()
    monkeypatch.setattr(npz, "open_archive", npz.read_array)
    with pytest.raises(MemoryError):
        Arrays(tmp_path / "m.npz")
