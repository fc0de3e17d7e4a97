"""The tiny study on a real SLURM of one node: `make test-slurm`. Elsewhere these tests are deselected (`needs.py`)."""

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from workflow_copy import ROOT, Copy, compared

from boltzprune.backend.gpu import driver
from boltzprune.study.settings import merged

pytestmark = pytest.mark.cluster

SLURM = ROOT / "tests" / "cluster" / "slurm_local.sh"
PLUGINS = os.environ.get("BOLTZPRUNE_SLURM_PLUGIN", "")
DEVICES = Path("/var/tmp/boltzprune-slurm/devices")
KINDS = {".npz", ".csv", ".md", ".tex", ".png"}
QUICK = ["--slurm-init-seconds-before-status-checks", "2", "--latency-wait", "5"]
GPU_RULES = list(yaml.safe_load((ROOT / "profiles" / "slurm-gres" / "config.yaml").read_text())["set-resources"])


def told(*command):
    """What a command prints."""
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.fixture(scope="module")
def slurm():
    """A SLURM of this machine's own, or the reason why not."""
    for step in "install", "start":
        done = subprocess.run([SLURM, step], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode == 3:
            pytest.skip(f"no SLURM here: {done.stdout.strip().splitlines()[-1]}")
        assert done.returncode == 0, done.stdout
    yield
    for process in Run.started:
        process.kill()
    subprocess.run([SLURM, "stop"], check=True)


class Run:
    """Snakemake with a profile, in the background."""

    started = []

    def __init__(self, workflow, profile, *arguments):
        self.workflow, self.output = workflow, workflow.folder / f"{profile}.output"
        path = f"{ROOT / 'tests' / 'cluster' / 'bin'}{os.pathsep}{os.environ['PATH']}"
        environment = {**os.environ, "PYTHONPATH": PLUGINS, "PATH": path}
        command = [sys.executable, "-m", "snakemake", *arguments, "--profile", f"profiles/{profile}", *QUICK]
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [*command, "--configfile", "study.yaml"],
                cwd=workflow.folder, env=environment, stdout=output, stderr=output,
            )  # fmt: skip
        self.started.append(self.process)

    def running(self, word):
        """Number of a job whose comment has that word, once a step of it runs."""
        while self.process.poll() is None:
            for line in told("squeue", "-h", "-t", "R", "-o", "%A %k").splitlines():
                if word in line and (job := line.split()[0]) in devices():
                    return job
            time.sleep(0.2)
        raise AssertionError(self.output.read_text())

    def end(self):
        """Wait for success; the output."""
        status = self.process.wait(timeout=600)
        assert status == 0, self.output.read_text()
        return self.output.read_text()


def asked():
    """What the jobs of the queue asked for: job -> (comment, GPUs, memory in MB, minutes)."""
    found = {}
    for text in told("scontrol", "show", "job").split("\n\n"):
        values = dict(re.findall(r"(\w+)=(\S+)", text))
        if "Comment" in values:  # sent by Snakemake
            hours, minutes, _ = map(int, values["TimeLimit"].split(":"))
            gpus = values.get("TresPerJob") or values.get("TresPerNode")
            memory = int(re.search(r"mem=(\d+)M", values["TRES"])[1])
            found[values["JobId"]] = values["Comment"], gpus, memory, 60 * hours + minutes
    return found


def devices():
    """Job -> the devices that its steps saw."""
    lines = [line.split(maxsplit=1) for line in DEVICES.read_text().splitlines()] if DEVICES.exists() else []
    return {job: {line[1] for line in lines if line[0] == job and len(line) > 1} for job in {line[0] for line in lines}}


def copy_of(finished, folder, results=False, **values):
    """The tiny study in another folder, with its results or without."""
    workflow = Copy(folder, merged(finished.values, values))
    for name in ("results", ".snakemake") if results else ():
        shutil.copytree(finished.folder / name, workflow.folder / name)  # keeps the times of files
    (workflow.folder / "rules.py").write_bytes((finished.folder / "rules.py").read_bytes())
    return workflow


def uses_gpu(comment):
    """Whether a submission has a rule that asks for a GPU."""
    return "prune" in comment or re.match(r"rule_(\w+?)(_wildcards.*)?$", comment)[1] in GPU_RULES


def test_a_study_with_a_cancelled_job_equals_the_local_one(slurm, finished, tmp_path, promise):
    workflow = copy_of(finished, tmp_path)
    # the reference backend needs no GPU; every rule that could use one asks for one all the same
    run = Run(workflow, "slurm", "--set-resources", *(f"{rule}:gpu=1" for rule in GPU_RULES))
    cancelled = run.running("patches_0-2_eigenvector_1")
    told("scancel", cancelled)
    assert "Trying to restart" in run.end()
    jobs = asked()
    again = [job for job, row in jobs.items() if row[0] == jobs[cancelled][0]]
    first, second = (jobs[job] for job in sorted(again, key=int))
    assert second[1:] == ("gres:gpu:1", 2 * first[2], 2 * first[3])
    for comment, gpus, _, _ in jobs.values():
        assert gpus == ("gres:gpu:1" if uses_gpu(comment) else None), comment
    seen = devices()
    assert {job for job in jobs if uses_gpu(jobs[job][0]) and len(seen.get(job, ())) != 1} <= {cancelled}
    with promise("SLURM: a study with a cancelled job equals the local one, every file to the last bit") as count:
        made = {path.relative_to(finished.folder) for path in (finished.folder / "results").rglob("*.*")}
        made = {path for path in made if path.suffix in KINDS}
        assert len(made) > 60
        for path, equal in compared(workflow, finished, made).items():
            count(equal, path)


def test_the_gres_profile_asks_for_one_gpu(slurm, finished, tmp_path):
    before = set(asked())
    workflow = copy_of(finished, tmp_path, results=True)
    target = "results/tiny/patches/seeds0-2/eigenvector/iteration1/metrics.csv"
    Run(workflow, "slurm-gres", target, "--forcerun", "train").end()
    jobs = {job: row for job, row in asked().items() if job not in before}
    names = {row[0].partition("_wildcards")[0].partition("_0-2")[0] for row in jobs.values()}
    assert names == {"rule_train", "rule_sample_initial", "rule_patches"}
    for comment, gpus, _, _ in jobs.values():
        assert gpus == ("gres:gpu:1" if uses_gpu(comment) else None), comment
    assert all(len(devices()[job]) == 1 for job in jobs if uses_gpu(jobs[job][0]))
    assert all(compared(workflow, finished, [Path(target)]).values())


def test_jobs_on_one_machine_get_a_gpu_each(slurm):
    code = (
        "import os, time; from boltzprune.backend.gpu import lock; time.sleep(3);"
        "named = os.environ['CUDA_VISIBLE_DEVICES']; print(named, lock.claim(named.split(',')))"
    )
    command = ["srun", "--gpus=1", "--mem=200", sys.executable, "-c", code]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert {run.communicate()[0].strip() for run in runs} == {"0 0", "1 0"}


def test_without_a_gpu_the_job_says_so(slurm, finished, tmp_path):
    if driver.is_usable():
        pytest.skip("there is a GPU")
    before = set(asked())
    workflow = copy_of(finished, tmp_path, results=True, device="gpu")
    run = Run(workflow, "slurm", "results/tiny/patches/seeds0-2/initial/initial.npz", "--retries", "0")
    assert run.process.wait(timeout=300) == 1
    (row,) = [row for job, row in asked().items() if job not in before]
    assert row[:2] == ("rule_train_wildcards_0-2", "gres:gpu:1")
    assert "device gpu" in (workflow.folder / "results/tiny/logs/seeds0-2/train.log").read_text()
