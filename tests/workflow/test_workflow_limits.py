"""What jobs ask a cluster for, as a dry run prints it: account, partition, memory, limits of time."""

import re

import pytest
import yaml
from workflow_copy import ROOT, TINY, Copy

from boltzprune.study.settings import merged

PROFILE = ROOT / "profiles" / "slurm" / "config.yaml"
CHAIN = "results/tiny/patches/seeds0-2/eigenvector/iteration1"

TRAINING = {"learning_rate": [0.05] * 997, "momentum": [0.5] * 997, "n_gibbs_steps": 2}
SLOW = merged(TINY, {"patches": {"data": {"n_patterns": 20_000}, "training": TRAINING, "retraining": TRAINING}})
"""A study whose trainings take longer than the least limit of time."""


@pytest.fixture
def workflow(tmp_path):
    """The tiny study with the profile of SLURM for a queue of another kind, which is there without SLURM."""
    made = Copy(tmp_path, TINY)
    profile = yaml.safe_load(PROFILE.read_text()) | {"executor": "cluster-generic", "cluster-generic-submit-cmd": "x"}
    (made.folder / "queue").mkdir()
    profile = {key: value for key, value in profile.items() if not key.startswith("slurm-")}
    (made.folder / "queue" / "config.yaml").write_text(yaml.safe_dump(profile))
    return made


def resources(workflow, *arguments, target=f"{CHAIN}/metrics.csv"):
    """Rule -> resources of its jobs, as a dry run prints them."""
    done = workflow.snakemake("--dry-run", target, "--profile", "queue", *arguments)
    assert done.returncode == 0, done.stdout
    found = re.findall(r"^ *(?:local)?rule (\w+):\n(?: {4}.*\n)*? +resources: (.*)", done.stdout, flags=re.MULTILINE)
    assert {"train", "prune", "retrain", "evaluate"} <= {rule for rule, _ in found}
    return {rule: dict(item.split("=", 1) for item in line.split(", ") if "=" in item) for rule, line in found}


def test_account_and_partition_come_from_the_command_line(workflow):
    before = resources(workflow)
    after = resources(workflow, "--default-resources", "slurm_account=lab", "slurm_partition=short")
    assert set(before) == set(after)
    for rule, found in after.items():
        assert (found["slurm_account"], found["slurm_partition"]) == ("lab", "short")
        assert [found[key] for key in ("mem_mb", "runtime")] == [before[rule][key] for key in ("mem_mb", "runtime")]
        assert "slurm_account" not in before[rule]
    some = resources(workflow, "--set-resources", "train:slurm_partition=gpu")
    assert [rule for rule, found in some.items() if "slurm_partition" in found] == ["train"]


def test_limits_of_time_grow_with_the_study_and_shrink_with_threads(workflow):
    before = resources(workflow)
    workflow.write(SLOW)
    after = resources(workflow, "--cores", "8")  # a dry run without them knows one thread
    assert before["train"]["runtime"] == before["prune"]["runtime"] == after["prune"]["runtime"] == "30"
    of_one, of_all = (int(after[rule]["runtime"]) for rule in ("retrain", "train"))
    assert of_one == pytest.approx(3 * of_all, abs=3), "three seeds on one thread, and on eight"
    assert of_all > 30


def test_a_limit_does_not_depend_on_what_is_there(workflow):
    before = resources(workflow)
    path = workflow.folder / "results" / "tiny" / "logs" / "seeds0-2" / "train.sha256"
    path.parent.mkdir(parents=True)
    path.write_text("# {")
    assert resources(workflow) == before


LONG = ("train", "sample_initial", "pretrain", "train_jointly", "sample_initial_deep", "evaluate_initial_deep")
SHORT = ("reference", "retrain", "retrain_unpruned", "sample", "retrain_jointly", "sample_deep", "evaluate_digits")


def threads_of(workflow, *options):
    """Rule -> the threads of its job that a dry run on many cores prints last, and rule -> its lines."""
    done = workflow.snakemake("--dry-run", "--cores", "23", "--resources", "gpu=5", *options)
    jobs = dict(re.findall(r"^(?:local)?rule (\w+):\n((?: {4}.*\n)+)", done.stdout, flags=re.MULTILINE))
    return {rule: int((re.search(r"threads: (\d+)", lines) or [0, 1])[1]) for rule, lines in jobs.items()}, jobs


@pytest.mark.parametrize(("device", "n_threads"), [("cpu", 3), ("gpu", 1)])
def test_a_job_on_a_gpu_asks_for_it_and_for_one_thread(workflow, device, n_threads):
    threads, jobs = threads_of(workflow, "--config", f"device={device}")
    assert {rule: n for rule, n in threads.items() if n > 1} == dict.fromkeys(LONG if n_threads > 1 else (), n_threads)
    asked = {rule for rule, lines in jobs.items() if re.search(r"resources: .*\bgpu=1\b", lines)}
    assert asked == (set() if device == "cpu" else {*LONG, *SHORT}) and len(threads) > 30


@pytest.mark.parametrize(
    ("seeds", "seeds_per_job", "of_patches", "of_machines"), [(1, 5, 1, 2), (2, 1, 1, 1), (11, 11, 8, 8)]
)
def test_a_job_has_a_thread_for_each_seed_that_it_computes(workflow, seeds, seeds_per_job, of_patches, of_machines):
    threads, _ = threads_of(workflow, "--config", f"seeds={seeds}", f"seeds_per_job={seeds_per_job}")
    machines = "train_jointly", "sample_initial_deep"
    assert {threads[rule] for rule in LONG if rule not in machines} == {of_patches}
    assert {threads[rule] for rule in machines} == {of_machines}
