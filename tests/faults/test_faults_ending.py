"""How jobs end: with their workflow, or when they are told to; and two that write one result."""

import os
import signal
import time

import numpy as np
import pytest
from faults_processes import SECONDS_TO_END, partial, python, wait_for

from boltzprune.results import lifeline
from boltzprune.results.store import write_bytes

pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/cwd"), reason="looks at processes in /proc")

HOLDER = """
import subprocess, sys
from boltzprune.results import lifeline
lifeline.hold()
job = subprocess.Popen(["bash", "-c", 'set -euo pipefail; "$0" "$@"; true', sys.executable, *sys.argv[1:]])
print(flush=True)
sys.exit(job.wait())
"""
"""A workflow that starts one job, through a shell."""

WRITER = """
import sys, time
from pathlib import Path
from boltzprune.results import lifeline
from boltzprune.results.whole_files import atomic
lifeline.start()
with atomic("result.bin") as temporary:
    temporary.write_bytes(b"half")
    Path("ready").touch()
    time.sleep(100)
    temporary.write_bytes(b"orphan")
"""
"""A job that is in the middle of writing."""

TWO = """
import sys
from boltzprune.results.store import write_bytes
for _ in range(int(sys.argv[2])):
    write_bytes("result.bin", sys.argv[1].encode() * 300_007)
"""


def is_training(folder):
    return (folder / "log").exists()


@pytest.mark.torture
def test_a_job_that_is_told_to_end_ends_with_one_line(promise, at_scale, training, tmp_path):
    rng = np.random.default_rng(1)
    with promise("SIGTERM, SIGHUP, Ctrl-C to a job: it ends with one line, 128 + n, the old result is intact") as count:
        for number in range(at_scale(3, 60)):
            name = list(lifeline.STOPPING)[number % 3]
            device = ["reference", "cpu"][number // 3 % 2]
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / "machine.npz").write_bytes(b"old")
            job = python("-m", "boltzprune", *training(device), "--log=log", folder=folder)
            assert wait_for(lambda folder=folder: is_training(folder), job)
            time.sleep(rng.uniform(0, 1.5))
            start = time.monotonic()
            job.send_signal(getattr(signal, name))
            _, error = job.communicate(timeout=60)
            said = error.count("\n") == 1 and f"ERROR stopped: {lifeline.STOPPING[name]}" in error
            kept = (folder / "machine.npz").read_bytes() == b"old" and not partial(folder)
            status = job.returncode == 128 + getattr(signal, name)
            quick = time.monotonic() - start < SECONDS_TO_END
            count(said and kept and status and quick, f"{name}, {device}: {job.returncode} {error}")


@pytest.mark.torture
def test_a_job_ends_when_its_workflow_is_killed(promise, at_scale, training, tmp_path):
    rng = np.random.default_rng(2)
    with promise("a workflow killed with -9: its job ends within 10 s and leaves no partial result") as count:
        for number in range(at_scale(2, 40)):
            device = ["reference", "cpu"][number % 2]
            folder = tmp_path / str(number)
            folder.mkdir()
            job = training(device)
            workflow = python("-c", HOLDER, "-m", "boltzprune", *job, "--log=log", folder=folder)
            workflow.stdout.readline()
            if number:  # the first one is killed before its job looks
                assert wait_for(lambda folder=folder: is_training(folder), workflow)
                time.sleep(rng.uniform(0, 1))
            start = time.monotonic()
            workflow.kill()
            _, error = workflow.communicate(timeout=60)  # comes when the job has closed it, too
            took = time.monotonic() - start
            said = "the workflow that started this job is gone" in error and error.count("\n") == 1
            kept = not partial(folder) and not (folder / "machine.npz").exists()
            count(said and kept and took < SECONDS_TO_END, f"{device}: {took:.1f} s, {error}")


def test_the_status_of_a_job_without_its_workflow(training, tmp_path):
    (tmp_path / "dropped").touch()  # a lock that nobody holds
    job = python("-m", "boltzprune", *training(), folder=tmp_path, environment={lifeline.VARIABLE: "dropped"})
    _, error = job.communicate(timeout=60)
    assert job.returncode == lifeline.ORPHANED
    assert "the workflow that started this job is gone" in error


def test_a_job_from_another_machine_says_that_it_watches_nothing(tmp_path):
    environment = {lifeline.VARIABLE: str(tmp_path / "none")}
    job = python("-m", "boltzprune", "schema", folder=tmp_path, environment=environment)
    _, error = job.communicate(timeout=60)
    assert job.returncode == 0
    assert "none: No such file or directory; this job goes on if the workflow that started it is killed" in error


def test_the_workflow_holds_one_lock_and_forgets_whose_it_was_started_by(tmp_path):
    code = (
        "import os; from boltzprune.results import lifeline; lifeline.hold(); first = os.environ[lifeline.VARIABLE];"
        "lifeline.hold(); assert os.environ[lifeline.VARIABLE] == first; print(first)"
    )
    environment = {lifeline.VARIABLE: "/other/machine", "TMPDIR": str(tmp_path)}
    held, _ = python("-c", code, folder=tmp_path, environment=environment).communicate(timeout=60)
    assert os.path.dirname(held.strip()) == str(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_workflow_that_cannot_lock_says_so_and_names_no_other_lock(tmp_path):
    code = (
        "import os; from boltzprune.results import lifeline\n"
        "def refuse(*_): raise OSError(37, 'No locks available')\n"
        "lifeline.fcntl.flock = refuse; lifeline.hold(); print(os.environ.get(lifeline.VARIABLE))"
    )
    held, error = python("-c", code, folder=tmp_path, environment={lifeline.VARIABLE: "/other"}).communicate(timeout=60)
    assert held == "None\n"
    assert "cannot be locked ([Errno 37] No locks available): if this process is killed its jobs go on" in error


def test_a_writer_that_is_told_to_end_takes_its_half_with_it(tmp_path):
    (tmp_path / "result.bin").write_bytes(b"old")
    job = python("-c", WRITER, folder=tmp_path)
    assert wait_for((tmp_path / "ready").exists, job)
    assert len(partial(tmp_path)) == 1
    job.terminate()
    assert job.wait(timeout=60) == 143
    assert (tmp_path / "result.bin").read_bytes() == b"old"
    assert not partial(tmp_path)


def test_what_a_killed_writer_left_goes_with_the_next_writer(tmp_path):
    jobs = []
    for _ in range(2):
        jobs.append(python("-c", WRITER, folder=tmp_path))
        assert wait_for((tmp_path / "ready").exists, jobs[-1])
        (tmp_path / "ready").unlink()
    jobs[0].kill()
    jobs[0].wait()
    assert len(partial(tmp_path)) == 2
    write_bytes(tmp_path / "result.bin", b"new")
    (left,) = partial(tmp_path)  # of the one that lives
    assert f".{jobs[1].pid}." in left.name
    assert (tmp_path / "result.bin").read_bytes() == b"new"
    jobs[1].kill()
    jobs[1].wait()


@pytest.mark.torture
def test_an_orphan_does_not_overwrite_a_later_result(promise, at_scale, tmp_path):
    with promise("an orphan does not overwrite the result of a later run") as count:
        for number in range(at_scale(1, 20)):
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / "job.py").write_text(WRITER)
            workflow = python("-c", HOLDER, "job.py", folder=folder)
            assert wait_for((folder / "ready").exists, workflow)
            workflow.kill()
            write_bytes(folder / "result.bin", b"later")
            workflow.communicate(timeout=60)  # comes when the job has ended
            count((folder / "result.bin").read_bytes() == b"later" and not partial(folder))


@pytest.mark.torture
def test_two_writers_leave_the_whole_result_of_one(promise, at_scale, tmp_path):
    times = at_scale(30, 1000)
    target = tmp_path / "result.bin"
    with promise("two jobs that write one result at once: every reader sees the whole of one") as count:
        writers = [python("-c", TWO, letter, times, folder=tmp_path) for letter in "ab"]
        assert wait_for(target.exists)
        while any(writer.poll() is None for writer in writers):
            content = target.read_bytes()
            count(content in (b"a" * 300_007, b"b" * 300_007), f"{len(content)} bytes, {set(content)}")
        assert [writer.wait() for writer in writers] == [0, 0]
        assert not partial(tmp_path)
