"""A part of the tiny study through a queue, with a killed job and a killed controller: equal to the last bit."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from workflow_copy import ROOT, Copy, compared

from boltzprune.study.stages import STAGES

PROFILES = ROOT / "profiles"
FAKEQ = ROOT / "tests" / "cluster" / "fakeq"
CHAIN = "results/tiny/patches/seeds0-2/eigenvector/iteration1"
PATIENCE = 120


class Queue:
    """The jobs of a fake queue, by what is in their scripts."""

    def __init__(self, folder):
        self.folder = Path(folder)

    def jobs(self, word):
        """Numbers of the jobs whose script has that word, in the order of their submission."""
        scripts = sorted(self.folder.glob("*/script"), key=lambda path: int(path.parent.name))
        return [path.parent.name for path in scripts if word in path.read_text()]

    def wait(self, word, count=1):
        """Number of a job that has started, once there are so many with that word."""
        for _ in range(10 * PATIENCE):
            found = self.jobs(word)
            if len(found) >= count and (self.folder / found[-1] / "pid").exists():
                return found[-1]
            time.sleep(0.1)
        raise AssertionError(f"no job of {word} within {PATIENCE} s; there are {sorted(os.listdir(self.folder))}")

    def cancel(self, job):
        """Kill a job and all its processes."""
        subprocess.run([FAKEQ, "cancel", job], env={**os.environ, "FAKEQ": str(self.folder)}, check=True)


@pytest.fixture
def controller(tmp_path, finished):
    """Snakemake with a queue: (workflow, queue, a function that starts it)."""
    workflow, queue = Copy(tmp_path / "study", finished.values), Queue(tmp_path / "queue")
    queue.folder.mkdir()
    shutil.copy2(finished.folder / "rules.py", workflow.folder)
    profile = {
        **yaml.safe_load((PROFILES / "slurm" / "config.yaml").read_text()),
        "executor": "cluster-generic",
        "cluster-generic-submit-cmd": f"{FAKEQ} submit --mem {{resources.mem_mb}} --time {{resources.runtime}}",
        "cluster-generic-status-cmd": f"{FAKEQ} status",
        "cluster-generic-cancel-cmd": f"{FAKEQ} cancel",
        "seconds-between-status-checks": 1,
    }
    profile = {key: value for key, value in profile.items() if not key.startswith("slurm-")}
    (workflow.folder / "queue").mkdir()
    (workflow.folder / "queue" / "config.yaml").write_text(yaml.safe_dump(profile))
    started = []

    def start(*arguments):
        with (workflow.folder / "output").open("a") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "snakemake", *arguments, "--profile", "queue", "--configfile", "study.yaml"],
                cwd=workflow.folder, env={**os.environ, "FAKEQ": str(queue.folder)}, stdout=output, stderr=output,
            )  # fmt: skip
        started.append(process)
        return process

    yield workflow, queue, start
    for process in started:
        process.kill()
    for job in os.listdir(queue.folder):
        queue.cancel(job)


def memory_and_time(queue, job):
    """What a job asked for: memory in MB, minutes."""
    words = (queue.folder / job / "arguments").read_text().split()
    return int(words[1]), int(words[3])


@pytest.mark.slow
def test_a_killed_job_and_a_killed_controller_change_no_bit(controller, finished, promise):
    workflow, queue, start = controller
    target = f"{CHAIN}/metrics.csv"
    first = start(target)
    queue.cancel(queue.wait("'train:block"))
    queue.wait("'train:block", count=2)
    queue.wait("prune:block")
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert start("--unlock").wait() == 0
    finished_again = start(target).wait(PATIENCE)
    output = (workflow.folder / "output").read_text()
    assert finished_again == 0, output
    attempts = [memory_and_time(queue, job) for job in queue.jobs("'train:block")]
    assert len(attempts) == 2  # the restarted controller does not train again
    assert attempts[1] == tuple(2 * amount for amount in attempts[0])
    assert len(queue.jobs("prepare:")) == len(queue.jobs("sample_initial:block")) == 1
    assert len({queue.jobs(f"{rule}:block")[0] for rule in ("prune", "retrain", "evaluate")}) == 1  # one submission
    with promise("A job or the controller of a cluster is killed: the results are those of a local run") as count:
        made = {path.relative_to(workflow.folder) for path in (workflow.folder / "results").rglob("*.npz")}
        assert len(made) == 7
        for path, equal in compared(workflow, finished, made | {Path(target)}).items():
            count(equal, path)


def test_both_profiles_of_slurm_differ_in_how_gpus_are_asked_for():
    plain, gres = (yaml.safe_load((PROFILES / name / "config.yaml").read_text()) for name in ("slurm", "slurm-gres"))
    asked = gres.pop("set-resources")
    assert gres == plain
    rules = [rule for rule, stage in stages_of_rules().items() if "device" in STAGES[stage].spec]
    assert asked == {rule: {"gpu": 0, "gres": "gpu:1"} for rule in rules}


def test_every_rule_says_how_much_memory_and_time_the_stage_that_it_runs_takes():
    stages = stages_of_rules()
    assert len(stages) == 38
    for rule, text in texts_of_rules().items():
        found = re.findall(r'resources:\n +\*\*needs\("(\w+)", mem_mb=\d+\b', text)
        assert found == [stages[rule]] or (found == [] and text.startswith("use rule")), text


def stages_of_rules():
    """Rule -> the stage that its command runs."""
    found, texts = {}, texts_of_rules()
    for rule, text in texts.items():
        taken = re.match(r"use rule (\w+) as", text)
        found[rule] = found[taken[1]] if taken else re.search(r'command\("(\w+)"', text)[1]
    return found


def texts_of_rules():
    """Rule that runs something -> its text; the figures have one, which is named by an expression."""
    files = sorted((ROOT / "workflow" / "rules").glob("*.smk"))
    every = re.split(r"^(?= *(?:use )?rule\b.*:$)", "\n".join(path.read_text() for path in files), flags=re.MULTILINE)
    those = [text for text in every[1:] if "command(" in text or text.startswith("use rule")]
    return {re.search(r"(\w+)(?: with)?:\n", text)[1]: text for text in those}
