"""One device per process: real processes, real locks, and what ends them."""

import logging
import os
import re
import socket
import stat
import subprocess
import sys
import tempfile

import pytest

from boltzprune.backend.gpu import lock

pytest.importorskip("fcntl", reason="files are locked on POSIX systems only")

DEVICES = ["00000000:01:00.0", "00000000:C1:00.0"]
CLAIM = """
import logging, sys
from boltzprune.backend.gpu.lock import claim
logging.basicConfig(format="%(levelname)s %(message)s", stream=sys.stdout)
index = claim(sys.argv[2:], sys.argv[1], {})
assert claim(sys.argv[2:], sys.argv[1], {}) == index
print(index, flush=True)
sys.stdin.read()
"""


class Claimant:
    """A process that has claimed a device and keeps it until it ends."""

    def __init__(self, folder, devices=DEVICES):
        command = [sys.executable, "-c", CLAIM, str(folder), *devices]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def answer(self):
        """What it logged, and the index."""
        lines = []
        while not (line := self.process.stdout.readline().strip()).isdigit():
            assert line, "the process ended without an answer"
            lines.append(line)
        return lines, int(line)

    def kill(self):
        """End it as by kill -9."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.fixture
def start(tmp_path):
    """Start a process that claims; all are ended after the test."""
    running = []

    def claimant(**options):
        running.append(Claimant(tmp_path / "locks", **options))
        return running[-1]

    yield claimant
    for process in running:
        process.kill()


@pytest.fixture(autouse=True)
def claims(monkeypatch):
    """The claims of this process, forgotten after each test."""
    fresh = {}
    monkeypatch.setattr(lock, "_claims", fresh)
    yield fresh
    for _, handle in fresh.values():
        if handle is not None:
            os.close(handle)


def test_each_process_has_its_own_device_until_it_ends(start):
    first = start()
    assert first.answer() == ([], 0)
    second = start()
    assert second.answer() == ([], 1)
    third = start()
    [warning], index = third.answer()
    assert index == third.process.pid % 2
    assert warning.startswith("WARNING all 2 GPUs are taken by other jobs")
    assert f"shares device {index} ({DEVICES[index]})" in warning
    assert "run at most 2 such jobs at once" in warning
    first.kill()
    assert start().answer() == ([], 0)


def test_processes_that_start_together_share_out_the_devices(start):
    devices = ["d7", "d3", "d5"]
    together = [start(devices=devices) for _ in devices]
    assert sorted(process.answer() for process in together) == [([], 0), ([], 1), ([], 2)]


@pytest.mark.parametrize(("process", "index"), [(4, 0), (5, 1)])
def test_the_shared_device_follows_from_the_process(tmp_path, start, monkeypatch, process, index):
    assert sorted(claimant.answer() for claimant in (start(), start())) == [([], 0), ([], 1)]
    monkeypatch.setattr(os, "getpid", lambda: process)
    assert lock.claim(DEVICES, tmp_path / "locks", {}) == index


def test_devices_are_known_by_name_not_by_position(start):
    assert start().answer() == ([], 0)
    assert start(devices=DEVICES[::-1]).answer() == ([], 0)
    assert start(devices=[DEVICES[1].lower(), "other"]).answer() == ([], 1)


def test_a_claim_holds_in_its_process(tmp_path, start):
    """Also when a lower device becomes free."""
    first = start()
    assert first.answer() == ([], 0)
    assert lock.claim(DEVICES, tmp_path / "locks", {}) == 1
    first.kill()
    assert lock.claim(DEVICES, tmp_path / "locks", {}) == 1


@pytest.mark.parametrize(
    ("devices", "environment"),
    [
        ([], {}),
        (DEVICES[:1], {}),
        (DEVICES, {"CUDA_VISIBLE_DEVICES": "3"}),
        (DEVICES, {"CUDA_VISIBLE_DEVICES": "3,"}),
    ],
)
def test_without_a_choice_nothing_is_locked(tmp_path, devices, environment):
    assert lock.claim(devices, tmp_path / "locks", environment) == 0
    assert not (tmp_path / "locks").exists()


def test_by_default_the_environment_is_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    assert lock.claim(DEVICES, tmp_path / "locks") == 0
    assert not (tmp_path / "locks").exists()


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"CUDA_VISIBLE_DEVICES": "0,1"},
        {"SLURM_JOB_ID": "17"},
        {"SLURM_JOB_ID": "17", "CUDA_VISIBLE_DEVICES": ""},
        {"SLURM_JOB_ID": "17", "CUDA_VISIBLE_DEVICES": "0,1"},
    ],
)
def test_otherwise_a_file_is_locked(tmp_path, environment):
    assert lock.claim(DEVICES, tmp_path / "locks", environment) == 0
    host = re.sub("[^a-z0-9]+", "-", socket.gethostname().lower())
    assert [path.name for path in (tmp_path / "locks").iterdir()] == [f"{host}-00000000-01-00-0.lock"]


def test_the_folder_belongs_to_the_user_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert lock.claim(DEVICES, environment={}) == 0
    [folder] = tmp_path.iterdir()
    assert folder.name == f"boltzprune-gpu-{os.getuid()}"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    [file] = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def _somebody_elses(folder, monkeypatch):
    folder.mkdir(mode=0o700)
    owner = os.getuid()
    monkeypatch.setattr(os, "getuid", lambda: owner + 1)


def _open_to_all(folder, monkeypatch):
    folder.mkdir()
    folder.chmod(0o777)


def _a_link(folder, monkeypatch):
    (folder.parent / "elsewhere").mkdir(mode=0o700)
    folder.symlink_to(folder.parent / "elsewhere")


def _a_file(folder, monkeypatch):
    folder.write_text("not a folder")


def _a_link_inside(folder, monkeypatch):
    folder.mkdir(mode=0o700)
    (folder.parent / "precious").touch()
    for device in DEVICES:
        lock._lock_file(folder, device).symlink_to(folder.parent / "precious")


def _no_locks_there(folder, monkeypatch):
    def refuse(handle, operation):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(lock.fcntl, "flock", refuse)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (_somebody_elses, "is not a folder that this user alone may write to; remove it"),
        (_open_to_all, "is not a folder that this user alone may write to; remove it"),
        (_a_link, "is not a folder that this user alone may write to; remove it"),
        (_a_file, "File exists"),
        (_a_link_inside, "symbolic link"),
        (_no_locks_there, "No locks available"),
    ],
)
def test_where_nothing_can_be_locked_it_says_so(tmp_path, monkeypatch, caplog, claims, spoil, reason):
    spoil(tmp_path / "locks", monkeypatch)
    assert lock.claim(DEVICES, tmp_path / "locks", {}) == 0
    assert not claims
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert reason in record.getMessage()
    assert "takes device 0 of 2" in record.getMessage()


def test_where_there_are_no_file_locks_it_says_so(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(lock, "fcntl", None)
    caplog.set_level(logging.INFO)
    assert lock.claim(DEVICES, tmp_path / "locks", {}) == 0
    assert not (tmp_path / "locks").exists()
    assert "this job takes device 0 of 2" in caplog.text
