"""A study that is killed, disturbed or damaged, and what its user does: the results are those of a calm run."""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import time

import numpy as np
import pytest
from faults_processes import SECONDS_TO_END, end_all, partial, results, seconds_to_end, snakemake, stages, wait_for
from workflow_copy import Copy

from boltzprune.study.settings import merged

log = logging.getLogger(__name__)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.path.exists("/proc/self/cwd"), reason="looks at processes in /proc"),
]

BLOCK = "results/tiny/patches/seeds0-2"
MACHINES = f"{BLOCK}/initial/initial.npz"
STATISTICS = f"{BLOCK}/initial/initial_statistics.npz"
LONG = {"patches": {"training": {"learning_rate": [0.05] * 3000, "momentum": [0.5] * 3000}}}
LOCKED = "Error: Directory cannot be locked."


@pytest.fixture(autouse=True)
def nothing_goes_on(tmp_path):
    """No process outlives its test."""
    yield
    end_all(tmp_path)


@pytest.fixture
def finished_copy(finished, tmp_path):
    """The finished study in a folder of this test's own."""
    copied = Copy(tmp_path / "study", finished.values)
    shutil.copy2(finished.folder / "rules.py", copied.folder)
    for name in ("results", ".snakemake"):
        shutil.copytree(finished.folder / name, copied.folder / name)  # keeps the times of files
    return copied


def restarted(workflow, *target):
    """Start as a user would: the same command; `--unlock` first if Snakemake asks for it."""
    done = workflow.snakemake(*target, "--cores", "2")
    if LOCKED in done.stdout and "--unlock" in done.stdout:
        assert workflow.snakemake("--unlock").returncode == 0
        done = workflow.snakemake(*target, "--cores", "2")
    assert done.returncode == 0, done.stdout
    return done


@pytest.mark.torture
def test_two_at_once_then_killed_then_started_again(promise, finished_copy):
    before = results(finished_copy.folder)
    with promise("two snakemakes at once, --unlock, kill -9, start again: refused, orphan ends, same results") as count:
        finished_copy.write(merged(finished_copy.values, LONG))
        running = snakemake(finished_copy, MACHINES, "--cores", "2")
        assert wait_for(lambda: stages(finished_copy.folder), running)
        second = finished_copy.snakemake(MACHINES, "--cores", "2")
        count(second.returncode == 1 and LOCKED in second.stdout and "--unlock" in second.stdout, second.stdout)
        assert finished_copy.snakemake("--unlock").returncode == 0
        second = finished_copy.snakemake(MACHINES, "--cores", "2")
        said = f"{MACHINES} is being made already, by process {running.pid}, " in second.stdout
        count(second.returncode == 1 and said and "Traceback" not in second.stdout, second.stdout)
        dry = finished_copy.snakemake(MACHINES, "--dry-run")
        count(dry.returncode == 0 and "This was a dry-run" in dry.stdout, dry.stdout)
        count(running.poll() is None and len(stages(finished_copy.folder)) == 1, "the first one goes on")
        running.kill()
        running.wait()
        count((took := seconds_to_end(finished_copy.folder)) < SECONDS_TO_END, f"orphan after {took:.1f} s")
        output = (finished_copy.folder / "out.txt").read_text()
        count("ERROR stopped: the workflow that started this job is gone" in output, output)
        finished_copy.write(finished_copy.values)
        restarted(finished_copy, MACHINES)
        count(results(finished_copy.folder) == before, "other results")
        count(not partial(finished_copy.folder))


@pytest.mark.torture
@pytest.mark.parametrize("how", ["emptied", "cut", "flipped"])
def test_a_damaged_result_is_named_and_made_again(promise, at_scale, finished_copy, how):
    if how != "cut":
        at_scale(0, 1)
    before = results(finished_copy.folder)
    path = finished_copy.folder / MACHINES
    content = bytearray(path.read_bytes())
    content[content.index(b"NUMPY") + 130] ^= 16  # in the numbers of the first array
    with promise(f"a result {how}: the next stage names it; deleted, it is made again") as count:
        path.write_bytes({"emptied": b"", "cut": content[: len(content) // 2], "flipped": content}[how])
        done = finished_copy.snakemake(STATISTICS, "--cores", "2")
        said = f"ERROR {MACHINES}: " in done.stdout and "run again" in done.stdout and "Traceback" not in done.stdout
        count(done.returncode == 1 and said, done.stdout)
        path.unlink()
        restarted(finished_copy, STATISTICS)
        count(results(finished_copy.folder) == before, "other results")


@pytest.mark.torture
def test_a_clock_set_back(promise, finished_copy):
    """Snakemake goes by dates: with files from the future it could take an old result for new."""
    before, path = results(finished_copy.folder), finished_copy.folder / MACHINES
    now = time.time()
    with promise("a clock set back: refused with a message; a result older than its input does no harm") as count:
        os.utime(path, (now + 3600, now + 3600))
        done = finished_copy.snakemake("--dry-run")
        expected = f"{MACHINES} is dated 60 minutes in the future: was the clock of this computer set back?"
        count(done.returncode == 1 and expected in done.stdout and "Traceback" not in done.stdout, done.stdout)
        os.utime(path, (now - 1e7, now - 1e7))
        restarted(finished_copy, STATISTICS)
        count(results(finished_copy.folder) == before, "other results")


@pytest.mark.torture
def test_results_deleted_underneath(promise, at_scale, finished, tmp_path):
    """The running study fails where it misses something; the same command then makes everything."""
    rng = np.random.default_rng(6)
    with promise(
        "results/ deleted while the study runs: no traceback of a stage; started again, same results"
    ) as count:
        for number in range(at_scale(0, 3)):
            workflow = fresh(finished, tmp_path / str(number))
            running = snakemake(workflow, "--cores", "2")
            assert wait_for((workflow.folder / MACHINES).exists, running, seconds=600)
            time.sleep(rng.uniform(0, 15))
            shutil.rmtree(workflow.folder / "results", ignore_errors=True)
            running.wait(timeout=600)
            output = (workflow.folder / "out.txt").read_text()
            count("this should not have happened" not in output, output)
            restarted(workflow)
            count(results(workflow.folder) == results(finished.folder), "other results")
            shutil.rmtree(workflow.folder)


@pytest.mark.torture
def test_a_full_and_a_read_only_disk(promise, at_scale, finished, tmp_path):
    with promise("a study on a full, then on a read-only disk: the message names it, and the study goes on") as count:
        at_scale(0, 1)
        disk = tmp_path / "disk"
        disk.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(disk)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"cannot mount a small disk here: {done.stderr.strip()}")
        try:
            on_small_disk(fresh(finished, disk), results(finished.folder), count)
        finally:
            subprocess.run(["umount", "--lazy", disk], check=True)


def on_small_disk(workflow, expected, count):
    """Fetch; then no room, then room again, then read-only."""
    restarted(workflow, "results/tiny/patches/source.json")
    filler = workflow.folder / "filler"
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass
    os.truncate(filler, filler.stat().st_size - 30_000)  # room for what Snakemake notes, not for the patterns
    done = workflow.snakemake(MACHINES, "--cores", "1")
    said = f"ERROR {BLOCK.rpartition('/')[0]}/patterns.npz: cannot be written (No space left on device)" in done.stdout
    count(done.returncode == 1 and said and not partial(workflow.folder), done.stdout)
    filler.unlink()
    restarted(workflow, MACHINES)
    found = results(workflow.folder)
    count(found and found.items() <= expected.items(), "other results")
    subprocess.run(["mount", "-o", "remount,ro", workflow.folder], check=True)
    done = workflow.snakemake(STATISTICS, "--cores", "1")
    count(
        done.returncode == 1 and "results is not writable; make it so, or use --directory" in done.stdout, done.stdout
    )
    count(results(workflow.folder) == found, "other results")


def fresh(finished, folder):
    """The study of `finished` in a new folder, without results."""
    workflow = Copy(folder, finished.values)
    shutil.copy2(finished.folder / "rules.py", folder)
    return workflow


VICTIMS = ("job", "process group", "snakemake")


def kill(victim, running, folder, rng):
    """Kill -9 of a job, of everything, or of snakemake alone; whether the study was still running."""
    while victim == "job" and (pids := wait_for(lambda: stages(folder), running, seconds=600)):
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile: the next one
            os.kill(pids[rng.integers(len(pids))], signal.SIGKILL)
            return True
    if running.poll() is not None:
        return False
    if victim == "process group":
        os.killpg(running.pid, signal.SIGKILL)
    else:
        running.kill()
    return True


def killed(finished, folder, victim, moment, rng):
    """A study that was killed so many seconds after its start, earlier if it was over by then."""
    while True:
        workflow = fresh(finished, folder)
        running = snakemake(workflow, "--cores", "2")
        time.sleep(moment)
        was_running = kill(victim, running, folder, rng)
        running.wait(timeout=600)
        if was_running:
            return workflow
        shutil.rmtree(folder)
        moment /= 2


@pytest.mark.torture
def test_killed_at_any_moment(promise, at_scale, finished, tmp_path):
    n_kills = at_scale(0, 20)
    calm = fresh(finished, tmp_path / "calm")
    start = time.monotonic()
    restarted(calm)
    seconds, expected = time.monotonic() - start, results(calm.folder)
    ends = promise("kill -9 of a job, the process group, snakemake: no process is left after 10 s")
    same = promise("kill -9 at a random moment, the same command again: results equal the calm run's, bit for bit")
    with ends as ended, same as count:
        for number in range(n_kills):
            rng, victim = np.random.default_rng(100 + number), VICTIMS[number % len(VICTIMS)]
            moment = rng.uniform(0, seconds)
            workflow = killed(finished, tmp_path / str(number), victim, moment, rng)
            what = f"{victim} after {moment:.1f} of {seconds:.1f} s"
            took = seconds_to_end(workflow.folder)
            ended(took < SECONDS_TO_END, f"{what}: {took:.1f} s")
            restarted(workflow)
            found = results(workflow.folder)
            other = [name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name)]
            count(not other and not partial(workflow.folder), f"{what}: {other}")
            log.info("%s: the last process was gone after %.2f s, %d other results", what, took, len(other))
            shutil.rmtree(workflow.folder)
