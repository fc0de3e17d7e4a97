"""Trainings that are killed go on from their checkpoint with the same bits; any other checkpoint is not used."""

import dataclasses
import errno
import itertools
import json
import logging
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from boltzprune.core.contrastive import Velocity
from boltzprune.errors import InputError
from boltzprune.learning import checkpoint, joint_training
from boltzprune.learning.checkpoint import Checkpoint
from boltzprune.results import provenance, store
from boltzprune.study import jobs
from boltzprune.study.progress import Progress
from boltzprune.study.settings import merged
from boltzprune.study.stages import Job, run

TRAINING = {"learning_rate": [0.1, 0.3, 0.2, 0.05, 0.1], "momentum": [0.5, 0.9, 0.8, 0.9, 0.5]}
PATCHES = {"train": {"training": TRAINING}, "retrain": {"retraining": TRAINING}}
PATCHES |= {"train_anew": {"retraining": TRAINING | {"batch_size": 5}}}
DIGITS = {
    "pretrain": {"pretraining": {"first": {"n_epochs": 4}, "second": {"n_epochs": 3}}},
    "train_jointly": {},
    "retrain_jointly": {"retraining": {"n_epochs": 3}},
    "train_deep_anew": {"pretraining": {"first": {"n_epochs": 2}, "second": {"n_epochs": 2}}},
}


class Killed(BaseException):
    """What stands in for the end of the process."""


@pytest.fixture
def cases(tiny, deep, tmp_path):
    """case(stage, device, seed): one job of a training whose result lies in a folder of its own."""

    def make(stage, device, **changed):
        study, of = (tiny, PATCHES) if stage in PATCHES else (deep, DIGITS)
        values = {"iteration": 1} if stage.startswith("re") else {}
        values |= {"iteration": 2, "phase": "scratch"} if stage.endswith("anew") else {}
        spec = json.loads(jobs.job(study.study, stage, **values)["spec"])
        spec = merged(merged(spec, of[stage]), changed) | {"device": device}
        data = "patterns" if stage in PATCHES else "digits"
        machine = {"retrain": "anti_fi1_pruned", "retrain_jointly": "anti_fi1_pruned", "train_jointly": "pretrained"}
        machine |= dict.fromkeys(("train_anew", "train_deep_anew"), "anti_fi2_retrained")
        inputs = {data: [study.folder / f"{data}.npz"]}
        inputs |= {"machine": [study.folder / f"{machine[stage]}.npz"]} if stage in machine else {}
        return Job(stage, inputs, {"machine": tmp_path / f"{stage}.npz"}, spec, (0, 1))

    return make


@pytest.fixture
def ticking(monkeypatch):
    """Checkpoints fall due after so many looks at the clock."""

    def set_to(n_looks):
        monkeypatch.setenv(checkpoint.SECONDS, str(n_looks))
        monkeypatch.setattr(checkpoint, "time", SimpleNamespace(monotonic=itertools.count().__next__))

    return set_to


def result(job):
    """The bytes that a job leaves, and nothing beside them."""
    run(job)
    target = job.outputs["machine"]
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    content = target.read_bytes()
    target.unlink()
    return content


def killed_after(n_reports, job, monkeypatch):
    """Whether the job was killed at that report of progress; else it ended."""
    left = itertools.count(n_reports, -1)

    def advance(self, n):
        if next(left) <= 0:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Progress, "advance", advance)
        try:
            run(job)
        except Killed:
            return True
    return False


def n_reports(job, monkeypatch):
    """Reports of progress of a whole training."""
    count = []
    with monkeypatch.context() as patched:
        patched.setattr(Progress, "advance", lambda self, n: count.append(n))
        run(job)
    job.outputs["machine"].unlink()
    return len(count)


@pytest.mark.slow
@pytest.mark.torture
def test_killed_trainings_go_on_with_the_same_bits(cases, ticking, monkeypatch, caplog, promise, at_scale):
    rng, devices = np.random.default_rng(61), ("cpu", "reference")
    works = [cases(stage, device) for stage in (*PATCHES, *DIGITS) for device in devices]
    caplog.set_level(logging.INFO, "boltzprune.learning.checkpoint")
    monkeypatch.setattr(joint_training, "UPDATES_AT_ONCE", 7)  # of 11 updates an epoch
    with promise("A training killed at random moments goes on from its checkpoint, bit for bit") as count:
        for job in works:
            expected, n = result(job), n_reports(job, monkeypatch)
            for turn in range(at_scale(2, 60)):
                ticking(int(rng.integers(0, 3)))
                kills = [int(rng.integers(n // 2, n))] * (turn == 0)  # the first time late, so that there is something
                kills += [int(k) for k in rng.integers(0, n, rng.integers(0, 4))]
                caplog.clear()
                for kill in kills:
                    killed_after(kill, job, monkeypatch)
                found = job.outputs["machine"].read_bytes() if job.outputs["machine"].exists() else result(job)
                job.outputs["machine"].unlink(missing_ok=True)
                went_on = "going on after epoch" in caplog.text
                what = f"{job.stage}, {job.raw_spec['device']}, killed at {kills} of {n}"
                count(found == expected and (went_on or turn > 0), what)


def test_what_was_done_is_not_done_again(cases, ticking, monkeypatch, caplog):
    job = cases("train_jointly", "cpu")
    ticking(0)
    caplog.set_level(logging.INFO)
    assert killed_after(2 * 2, job, monkeypatch)  # two of five epochs of two machines, 11 updates each, and some
    run(job)
    assert "train_jointly.npz.checkpoint: going on after epoch 2, update 11" in caplog.text
    assert "train_jointly: 66 updates in " in caplog.text and ", after 44 of an earlier run" in caplog.text


def test_the_first_rbm_is_not_trained_again(cases, monkeypatch, caplog):
    monkeypatch.setenv(checkpoint.SECONDS, "inf")
    job = cases("pretrain", "reference")
    assert killed_after((4 * 2 + 1) * 21, job, monkeypatch)  # in the first epoch of the second RBM
    names = sorted(path.name for path in job.outputs["machine"].parent.iterdir())
    assert names == ["pretrain.npz.rbm1.checkpoint"]
    caplog.set_level(logging.INFO)
    run(job)
    assert "pretrain: 126 updates in " in caplog.text and ", after 168 of an earlier run" in caplog.text


def test_of_trainings_one_after_the_other_those_that_ended_are_not_done_again(cases, monkeypatch, caplog):
    monkeypatch.setenv(checkpoint.SECONDS, "inf")
    job = cases("train_anew", "reference")
    expected = result(job)
    assert killed_after(2 * 211 + 2 * 5 * 43 + 1, job, monkeypatch)  # in the second retraining, of batches of five
    names = sorted(path.name for path in job.outputs["machine"].parent.iterdir())
    assert names == [f"train_anew.npz.iteration{k}.checkpoint" for k in (0, 1)]
    caplog.set_level(logging.INFO)
    assert result(job) == expected
    assert f"train_anew: {2 * 5 * 43} updates in " in caplog.text
    assert f", after {2 * 211 + 2 * 5 * 43} of an earlier run" in caplog.text


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda job: dataclasses.replace(job, seeds=(1, 2)), "seeds"),
        (lambda job: dataclasses.replace(job, raw_spec=merged(job.raw_spec, {"machine": {"weight_sd": 0.2}})), "spec"),
        (lambda job: dataclasses.replace(job, raw_spec=job.raw_spec | {"device": "reference"}), "spec, code"),
    ],
)
def test_a_checkpoint_of_other_parameters_is_not_used(cases, ticking, monkeypatch, caplog, change, named):
    job = cases("train", "cpu")
    other = change(job)
    expected = result(other)
    ticking(0)
    assert killed_after(5, job, monkeypatch)
    assert result(other) == expected
    assert caplog.messages == [
        f"{job.outputs['machine']}.checkpoint: not used, it is of another {named}; starting anew"
    ]


@pytest.mark.parametrize("what", ["code", "input", "version", "processor"])
def test_a_checkpoint_of_other_code_data_or_machine_is_not_used(cases, ticking, monkeypatch, caplog, tmp_path, what):
    job = cases("retrain", "cpu")
    ticking(0)
    assert killed_after(5, job, monkeypatch)
    if what == "code":
        monkeypatch.setattr(provenance, "code_digest", lambda *modules: "another")
    elif what == "version":
        monkeypatch.setattr(provenance, "versions", lambda: {"numpy": "another"})
    elif what == "processor":
        monkeypatch.setattr("boltzprune.study.stages.processor", lambda: "another")
    else:
        arrays = store.Arrays(job.inputs["patterns"][0])
        values = {name: arrays[name] for name in arrays.names if name != store.PROVENANCE}
        store.write_arrays(tmp_path / "others" / "patterns.npz", values, {"not": "the same"})
        job = dataclasses.replace(job, inputs=job.inputs | {"patterns": [tmp_path / "others" / "patterns.npz"]})
    run(job)
    named = {"input": "inputs", "version": "versions"}.get(what, what)
    assert f"not used, it is of another {named}; starting anew" in caplog.text
    assert not (tmp_path / "retrain.npz.checkpoint").exists()


@pytest.mark.parametrize("other_card", [False, True])
def test_a_checkpoint_of_a_card_goes_on_beside_another_processor_but_on_no_other_card(
    cases, ticking, monkeypatch, caplog, gpu_card, other_card
):
    """Only the card computes: a cluster may give the second half of a training another host."""
    monkeypatch.setattr("boltzprune.backend.gpu.card.Card", lambda: gpu_card)
    ticking(0)
    assert killed_after(3, cases("retrain", "gpu"), monkeypatch)
    monkeypatch.setattr("boltzprune.study.stages.processor", lambda: "another")
    if other_card:
        monkeypatch.setattr(gpu_card, "versions", gpu_card.versions | {"gpu": "another"})
    caplog.clear()
    with caplog.at_level("INFO"):
        run(cases("retrain", "gpu"))
    assert ("not used, it is of another versions; starting anew" if other_card else "going on after") in caplog.text


def _state(seed):
    rng = np.random.default_rng(seed)
    fields = (rng.normal(size=shape).astype(np.float32) for shape in ((5, 7), (5,), (7,)))
    return [(Velocity(*fields), (rng.random(3) < 0.5, np.arange(seed)[:2]))]


def _bits(state):
    return [(array.tobytes(), array.dtype, array.shape) for array in checkpoint._arrays(state)]


@pytest.mark.torture
def test_a_damaged_checkpoint_is_not_used(tmp_path, monkeypatch, promise, at_scale):
    monkeypatch.setenv(checkpoint.SECONDS, "0")
    kept, path = _state(3), tmp_path / "x.checkpoint"
    kept_as = Checkpoint(path, {"seeds": [3]})
    kept_as.save(5, "epoch 5", kept)
    whole, rng = path.read_bytes(), np.random.default_rng(67)
    with promise("A checkpoint cut anywhere or with one bit flipped is not used, or is read as it was") as count:
        for place in rng.choice(8 * len(whole), min(at_scale(500, 10**9), 8 * len(whole)), replace=False).tolist():
            flipped = bytearray(whole)
            flipped[place // 8] ^= 1 << place % 8
            for content in (flipped, whole[: place // 8]):
                path.write_bytes(content)
                n, found = kept_as.resume(_state(2))
                count((n, _bits(found)) in ((0, _bits(_state(2))), (5, _bits(kept))), f"bit {place}")
    path.write_bytes(whole)
    assert kept_as.resume(_state(2))[0] == 5


def test_a_state_of_other_shapes_is_not_used(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv(checkpoint.SECONDS, "0")
    kept_as = Checkpoint(tmp_path / "x.checkpoint", {})
    kept_as.save(1, "epoch 1", [np.zeros(3)])
    for start in ([np.zeros(2)], [np.zeros(3, np.float32)], [np.zeros(3)] * 2):
        caplog.clear()
        assert kept_as.resume(start) == (0, start)
        assert caplog.messages == [
            f"{tmp_path / 'x.checkpoint'}: not used, it is damaged or cannot be read; starting anew"
        ]


def test_a_full_disk_costs_the_checkpoint_and_not_the_training(cases, ticking, monkeypatch, caplog):
    job = cases("train_jointly", "reference")
    expected, replace = result(job), os.replace

    def full(source, target):
        if str(target).endswith(".checkpoint"):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    ticking(0)
    monkeypatch.setattr(store.os, "replace", full)
    assert result(job) == expected
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 5
    assert "no checkpoint after epoch 1, update 11, a kill would cost more; training goes on: " in warnings[0]
    assert "No space left on device" in warnings[0]


def test_short_trainings_write_none(cases, monkeypatch):
    monkeypatch.setattr(Checkpoint, "flush", lambda self: pytest.fail("a checkpoint in the first five minutes"))
    for stage in ("train", "train_jointly"):
        result(cases(stage, "cpu"))


@pytest.mark.parametrize("n_at_once", [1, 3, 11, 13])
def test_how_much_is_computed_at_once_changes_nothing(cases, monkeypatch, n_at_once):
    job = cases("train_jointly", "cpu")
    expected = result(job)
    monkeypatch.setattr(joint_training, "UPDATES_AT_ONCE", n_at_once)
    assert result(job) == expected


@pytest.mark.parametrize("text", ["soon", "", "-1", "nan"])
def test_the_time_between_checkpoints_is_a_number(tmp_path, monkeypatch, text):
    monkeypatch.setenv(checkpoint.SECONDS, text)
    with pytest.raises(InputError, match=f"{checkpoint.SECONDS} = '{text}': expected seconds"):
        Checkpoint(tmp_path / "x.checkpoint", {})


def test_progress_counts_what_an_earlier_run_did(caplog):
    caplog.set_level(logging.INFO)
    with Progress(100, "updates", "test", bar=False) as progress:
        progress.skip(60)
        progress.advance(30)
        assert progress.done == 90 and progress.rate < 31 / 1e-9
        progress._last_line -= 11
        progress._start -= 10
        progress.advance(5)
    assert "test: 95 % of 100 updates, 3.5 a second, 1 s left" in caplog.text
    assert "test: 35 updates in 10.0 s, 3.5 a second, after 60 of an earlier run" in caplog.text


@pytest.mark.torture
def test_a_process_killed_goes_on_with_the_same_bits(cases, tmp_path, promise, at_scale):
    rng, n_rounds = np.random.default_rng(71), at_scale(0, 10)
    job = cases("train_jointly", "cpu", training={"n_epochs": 100})
    command = [
        sys.executable,
        "-m",
        "boltzprune",
        "train_jointly",
        "--seeds",
        "0-1",
        "--spec",
        json.dumps(job.raw_spec),
    ]
    command += [word for name, [path] in job.inputs.items() for word in ("--in", f"{name}={path}")]
    command += ["--out", f"machine={job.outputs['machine']}", "--log", str(tmp_path / "log")]
    start = time.monotonic()
    expected = result(job)
    length = time.monotonic() - start
    with promise("A training whose process is killed (SIGKILL) goes on from its checkpoint, bit for bit") as count:
        for _ in range(n_rounds):
            n_kills, went_on = 0, False
            while not job.outputs["machine"].exists():
                process = subprocess.Popen(command, env=os.environ | {checkpoint.SECONDS: "0"})
                while process.poll() is None and not list(tmp_path.glob("*.checkpoint")):
                    time.sleep(0.01)
                try:
                    process.wait(rng.uniform(0, length))
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    n_kills += 1
                went_on |= "going on after epoch" in (tmp_path / "log").read_text()
            found = job.outputs["machine"].read_bytes()
            left = [path.name for path in tmp_path.iterdir() if path.suffix == ".checkpoint" and path.name[0] != "."]
            count(found == expected and not left and went_on, f"{n_kills} kills, went on: {went_on}, left: {left}")
            job.outputs["machine"].unlink()
