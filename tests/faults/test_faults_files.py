"""Disks that are full or read-only, results that are emptied, cut or changed: one line, and no wrong result."""

import contextlib
import errno
import json
import logging
import os
import resource
import subprocess

import numpy as np
import pandas as pd
import pytest
from faults_processes import partial
from small_machines import random_machine

from boltzprune.__main__ import main
from boltzprune.errors import InputError
from boltzprune.results import tidy
from boltzprune.results.store import Arrays, machine_arrays, read_machine, write_arrays, write_bytes, write_table

STUDY = {"config": {"study": "x" * 50_000}}
"""A spec whose result does not fit on a disk of 32 KiB."""


def write_study(folder):
    """Stage `study`, which writes its spec as YAML, with a log beside it."""
    return main(["study", f"--out=config={folder}/study.yaml", f"--spec={json.dumps(STUDY)}", f"--log={folder}/log"])


@pytest.fixture
def mounted(tmp_path):
    """mounted(options): a small disk of its own; skips the test where this user may not mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(options):
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"cannot mount a small disk here: {done.stderr.strip()}")
        return disk

    yield mount
    subprocess.run(["umount", "--lazy", disk], capture_output=True, check=False)


@contextlib.contextmanager
def file_size_limit(size):
    """No file may become larger: what a full quota looks like, for users who cannot mount."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def refused(folder, capsys, reason):
    """Whether the stage ended with status 2 and one line that names file, reason and remedy, the old result intact."""
    capsys.readouterr()
    logging.getLogger().handlers.clear()  # of the call before, which cannot close its log for want of room
    status = write_study(folder)
    error = capsys.readouterr().err
    expected = f"{folder}/study.yaml: cannot be written ({reason}); is the folder writable, the disk full?"
    kept = (folder / "study.yaml").read_bytes() == b"old" and not partial(folder)
    return status == 2 and expected in error and error.count("\n") == 1 and kept


@pytest.mark.torture
def test_a_full_disk(promise, mounted, capsys):
    with promise("disk full: one line, the old result intact, no temporary file") as count:
        disk = mounted("size=32k")
        write_bytes(disk / "study.yaml", b"old")
        count(refused(disk, capsys, "No space left on device"))
        (disk / "filler").write_bytes(b"x" * 8192)
        with contextlib.suppress(OSError), open(disk / "filler", "ab", buffering=0) as filler:
            while filler.write(b"x" * 4096):
                pass
        count(refused(disk, capsys, "No space left on device"), "not even room for the log")


@pytest.mark.torture
def test_a_full_quota(promise, tmp_path, capsys):
    write_bytes(tmp_path / "study.yaml", b"old")
    with promise("a file that may not grow: one line, the old result intact, no temporary file") as count:
        for size in (0, 1, 4096, 49_999):
            with file_size_limit(size):
                count(refused(tmp_path, capsys, "File too large"), f"{size} bytes")


@pytest.mark.torture
def test_a_read_only_folder(promise, mounted, capsys, caplog):
    with promise("read-only folder: one line, the old result intact") as count:
        disk = mounted("size=1m")
        write_bytes(disk / "study.yaml", b"old")
        (disk / "log").touch()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        assert write_study(disk) == 2
        count(f"--log {disk}/log: cannot be written (Read-only file system)" in caplog.text)
        status = main(["study", f"--out=config={disk}/study.yaml", f"--spec={json.dumps(STUDY)}"])
        error = capsys.readouterr().err
        count(status == 2 and f"{disk}/study.yaml: cannot be written (Read-only file system)" in error, error)
        count((disk / "study.yaml").read_bytes() == b"old")


def test_any_other_failure_of_a_disk_is_one_line(tmp_path, monkeypatch, capsys):
    def run(job):
        raise OSError(errno.EIO, "Input/output error", "patterns.npz")

    monkeypatch.setattr("boltzprune.study.stages.study.run", run)
    assert write_study(tmp_path) == 2
    error = capsys.readouterr().err
    assert "[Errno 5] Input/output error: 'patterns.npz'; is the disk full" in error
    assert error.count("\n") == 1


def machines_read(path):
    """Everything that a later stage reads from a file of machines: names and bytes; None where that is refused."""
    try:
        arrays = Arrays(path)
        machines = [read_machine(arrays, seed) for seed in (0, 1)]
        assert arrays.names and arrays.provenance
    except InputError as error:
        assert str(path) in str(error) and "delete" in str(error)
        return None
    fields = [layer for m in machines for part in (m.weights, m.masks, m.biases, m.units) for layer in part]
    return [(field.dtype.str, field.shape, field.tobytes()) for field in fields], arrays.provenance


@pytest.fixture(params=["stored", "compressed"])
def machines(request, tmp_path):
    """A file of two machines as results are, or compressed."""
    path = tmp_path / f"{request.param}.npz"
    arrays = machine_arrays(0, random_machine(3, 2)) | machine_arrays(1, random_machine(2, 3, share=0.6))
    write_arrays(path, arrays, {"stage": "train"}, compress=request.param == "compressed")
    return path


@pytest.mark.torture
def test_no_changed_bit_gives_another_machine(promise, at_scale, machines):
    whole, before = machines.read_bytes(), machines_read(machines)
    n_bits = 8 * len(whole)
    bits = np.random.default_rng(3).permutation(n_bits)[: at_scale(400, n_bits)]
    with promise(f"{machines.stem} .npz: one bit changed anywhere gives a clear message or the same arrays") as count:
        for bit in map(int, bits):
            content = bytearray(whole)
            content[bit // 8] ^= 1 << bit % 8
            machines.write_bytes(content)
            count((after := machines_read(machines)) is None or after == before, f"bit {bit} of {n_bits}")


def test_a_name_that_changed_in_the_directory_alone_is_noticed(machines):
    content = bytearray(machines.read_bytes())
    content[content.rindex(b"seed0/bias1.npy") + len("seed0/")] ^= 2
    machines.write_bytes(content)
    assert machines_read(machines) is None


def test_a_member_that_another_swallows_is_noticed(tmp_path):
    """A comment that seems to be 64 bytes long, which is just what the next entry of the directory takes."""
    path, hidden = tmp_path / "x.npz", "b" * 14
    write_arrays(path, {"a": np.arange(3), hidden: np.arange(5)}, {})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 32] ^= 64
    path.write_bytes(content)
    with np.load(path) as file:
        assert file.files == ["a", "provenance"]
    with pytest.raises(InputError, match=r"x\.npz: not a readable result \(its directory has lost an entry\)"):
        Arrays(path)


@pytest.mark.parametrize(("old", "new"), [(b"(3001,", b"(1001,"), (b"<f4", b">f4")])
def test_a_header_that_changed_is_noticed_in_a_large_array_too(tmp_path, old, new):
    """A reader that stops where the header says never comes to the checksum."""
    path = tmp_path / "x.npz"
    write_arrays(path, {"a": np.random.default_rng(5).random(3001, dtype=np.float32)}, {})
    content = path.read_bytes()
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, new))
    with pytest.raises(InputError, match=r"x\.npz: 'a' is damaged .*(Bad CRC|should have 4004 bytes)"):
        Arrays(path)["a"]


@pytest.mark.torture
def test_a_file_that_is_cut_is_refused(promise, at_scale, machines):
    whole = machines.read_bytes()
    lengths = np.random.default_rng(4).permutation(len(whole))[: at_scale(100, len(whole))]
    with promise(f"{machines.stem} .npz: emptied or cut anywhere is refused, with file and remedy") as count:
        for length in (0, *map(int, lengths)):
            machines.write_bytes(whole[:length])
            count(machines_read(machines) is None, f"{length} of {len(whole)} bytes")


@pytest.mark.torture
def test_a_table_that_is_emptied_or_cut_in_a_line_is_refused(promise, tmp_path):
    path = tmp_path / "digits_references.csv"
    frame = pd.DataFrame({"reference": ["raw pixels", "chance", "C"], "error": np.arange(3) / 7})
    write_table(path, frame)
    pd.testing.assert_frame_equal(tidy.read([path], "digits_references"), frame)
    whole = path.read_bytes()
    ends = {i + 1 for i, byte in enumerate(whole) if byte == ord("\n")}
    with promise("Tables: emptied or cut within a line is refused, with file and remedy") as count:
        for length in sorted({*range(len(whole))} - ends):
            path.write_bytes(whole[:length])
            try:
                tidy.read([path], "digits_references")
            except InputError as error:
                count(f"{path}: not a readable table" in str(error) and "delete it and run again" in str(error))
            else:
                count(False, f"{length} of {len(whole)} bytes")


def test_no_temporary_file_is_counted_when_its_folder_is_gone(tmp_path):
    (tmp_path / "gone").write_bytes(b"")
    with pytest.raises(InputError, match="cannot be written"):
        write_bytes(tmp_path / "gone" / "x.bin", b"1")
    assert os.listdir(tmp_path) == ["gone"]
