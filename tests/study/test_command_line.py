"""The command line: help, one clear message and exit status 2 for a user's mistake, no traceback."""

import json
import logging
import os
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from documented import COMMANDS
from tiny_study import write_patterns

from boltzprune import backend
from boltzprune.__main__ import main
from boltzprune.backend.gpu import driver
from boltzprune.errors import InputError
from boltzprune.results.store import Arrays, read_machine
from boltzprune.study.config import Study
from boltzprune.study.settings import json_schema, study_from
from boltzprune.study.stages import STAGES

TRAIN = {"machine": {"n_hidden": 7}, "training": {"learning_rate": [0.1], "momentum": [0.5]}, "device": "reference"}


@pytest.fixture(autouse=True)
def logging_as_before():
    """The command line sets up logging; the tests after this one need theirs back."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


@pytest.fixture
def patterns(tmp_path):
    """Prepared patterns, by the command line."""
    write_patterns(tmp_path / "mine.npz")
    data = {"source": "npz", "file": str(tmp_path / "mine.npz"), "n_patterns": 101}
    manifest, target = tmp_path / "source.json", tmp_path / "patterns.npz"
    assert main(["fetch", "--out", f"manifest={manifest}", "--spec", json.dumps({"data": data})]) == 0
    arguments = ["--in", f"manifest={manifest}", "--out", f"patterns={target}", "--spec", json.dumps({"data": data})]
    assert main(["prepare", *arguments]) == 0
    return target


@pytest.mark.parametrize("command", [*STAGES, *COMMANDS])
def test_help(command, capsys):
    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert f"usage: boltzprune {command}" in capsys.readouterr().out


STARTED = """
import gc, sys
from threadpoolctl import threadpool_info
from boltzprune.__main__ import program
status = program()
print(status, gc.get_freeze_count() > 10_000, *(row["num_threads"] for row in threadpool_info()))
"""


def test_a_process_starts_one_thread_of_blas_and_ends_without_a_search(tmp_path):
    """With more cores than one, idle threads would spin; objects that are frozen are not searched."""
    free = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
    stage = ["study", "--out", f"config={tmp_path / 'study.yaml'}", "--spec", '{"config": {}}']
    command = [sys.executable, "-c", STARTED, *stage]
    done = subprocess.run(command, env=free, capture_output=True, text=True, check=False)
    status, is_frozen, *threads = done.stdout.split()
    assert (status, is_frozen) == ("0", "True") and set(threads) == {"1"}, done.stderr


def test_help_of_all_names_every_command(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    named = [line.split()[0] for line in text.splitlines() if re.match(" {4}[a-z]", line)]
    assert named == COMMANDS
    stages = " ".join(text.partition("workflow runs stages")[2].split())
    assert stages.endswith(f"--help: {', '.join(STAGES)}.")


def train(patterns, **changed):
    """Arguments of `train` that would work, some replaced; None: left out."""
    options = {
        "--in": f"patterns={patterns}",
        "--out": f"machine={patterns.with_name('machine.npz')}",
        "--spec": json.dumps(TRAIN),
        "--seeds": "0-1",
    } | {f"--{key}": value for key, value in changed.items()}
    return ["train", *(f"{key}={value}" for key, value in options.items() if value is not None)]


def test_a_stage_by_hand(patterns):
    assert main(train(patterns)) == 0
    machines = Arrays(patterns.with_name("machine.npz"))
    assert [read_machine(machines, seed).layer_sizes for seed in (0, 1)] == [(5, 7)] * 2


MISTAKES = [
    ({"in": None}, "train: --in patterns is missing"),
    ({"in": "pattern=x.npz"}, "train: unknown --in pattern; expected patterns"),
    ({"in": "x.npz"}, "'x.npz': expected NAME=FILE"),
    ({"in": "patterns=none.npz"}, "train: there is no file none.npz"),
    ({"in": "patterns=."}, "train: there is no file ."),
    ({"out": None}, "train: --out machine is missing"),
    ({"out": "machines=x.npz"}, "train: unknown --out machines; expected machine"),
    ({"out": "machine=/dev/null/x.npz"}, "/dev/null/x.npz: cannot be written"),
    ({"spec": None}, "train: key of --spec machine is missing"),
    ({"spec": "{"}, "--spec is not JSON"),
    ({"spec": "[1]"}, "--spec: expected one JSON object"),
    ({"spec": json.dumps(TRAIN | {"machin": 1})}, "train: unknown key of --spec machin; expected machine, training"),
    ({"spec": json.dumps(TRAIN | {"machine": {"n_hidden": 0}})}, "--spec: machine.n_hidden = 0: Input should be"),
    ({"spec": json.dumps(TRAIN | {"machine": {"n": 1}})}, "--spec: machine.n = 1: Extra inputs"),
    ({"spec": json.dumps(TRAIN | {"training": 3})}, "--spec: training = 3"),
    ({"spec": json.dumps(TRAIN | {"device": "tpu"})}, "device 'tpu': expected one of auto, cpu, gpu, reference"),
    ({"seeds": "ten"}, "--seeds 'ten': expected a number or a range such as 0-9"),
    ({"seeds": "-1"}, "--seeds '-1': expected a number or a range such as 0-9"),
    ({"seeds": "3-1"}, "--seeds '3-1': expected a number or a range such as 0-9"),
    ({"seeds": "1-2-3"}, "--seeds '1-2-3': expected a number or a range such as 0-9"),
    ({"seeds": ""}, "--seeds '': expected a number or a range such as 0-9"),
]


@pytest.mark.parametrize(("changed", "expected"), MISTAKES, ids=[expected for _, expected in MISTAKES])
def test_a_mistake_is_one_line_and_status_2(patterns, capsys, changed, expected):
    before = sorted(patterns.parent.iterdir())
    capsys.readouterr()
    assert main(train(patterns, **changed)) == 2
    shown = capsys.readouterr()
    lines = [line for line in shown.err.splitlines() if " INFO " not in line]
    assert len(lines) == 1
    assert expected in lines[0]
    assert " ERROR " in lines[0]
    assert shown.out == ""
    assert sorted(patterns.parent.iterdir()) == before


def test_a_damaged_file_is_named(patterns, capsys):
    patterns.write_bytes(patterns.read_bytes()[:300])
    assert main(train(patterns)) == 2
    error = capsys.readouterr().err
    assert f"{patterns}: not a readable result" in error
    assert "Traceback" not in error


def test_parameters_that_are_no_longer_numbers_give_status_3(patterns, capsys):
    spec = TRAIN | {
        "training": {"learning_rate": [3e38], "momentum": [0.9], "momentum_rule": "classical"},
        "device": "cpu",
    }
    assert main(train(patterns, spec=json.dumps(spec))) == 3
    error = capsys.readouterr().err
    assert " ERROR " in error
    assert "Traceback" not in error
    assert not patterns.with_name("machine.npz").exists()


FIGURE = '{"name": "%s", "study": "s", "formats": [], "dpi": 50}'


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["figure", "--out=folder=x", f"--spec={FIGURE % 'fig9'}"], "figure: there is no 'fig9'; expected one of "),
        (["figure", "--out=folder=x", f"--spec={FIGURE % 'fig1'}"], "figure fig1: --in patterns is missing"),
        (["check", "none.yaml"], "none.yaml: cannot be read"),
    ],
)
def test_other_mistakes(arguments, expected, capsys):
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert expected in error
    assert "Traceback" not in error


@pytest.mark.parametrize("arguments", [[], ["trian"], ["train", "--threads", "two"], ["check", "--set"]])
def test_arguments_that_do_not_parse(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: boltzprune" in capsys.readouterr().err


def test_a_log_file_has_everything_and_the_screen_the_errors(patterns, tmp_path, capsys):
    capsys.readouterr()
    log = tmp_path / "logs" / "train.log"
    assert main([*train(patterns), f"--log={log}"]) == 0
    assert capsys.readouterr().err == ""
    assert " INFO train: 202 updates in " in log.read_text()
    assert main([*train(patterns, seeds="x"), f"--log={log}"]) == 2
    assert "--seeds 'x'" in log.read_text()
    assert "--seeds 'x'" in capsys.readouterr().err


def test_check_prints_the_study_that_the_file_means(tmp_path, capsys):
    values = {"preset": "paper", "seeds": 3, "patches": {"retraining": {"learning_rate": [1e-3, 1e-4]}}}
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(values))
    assert main(["check", str(path)]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert study_from(printed) == study_from(values)
    assert set(printed) == set(Study.model_fields)
    path.write_text("sedes: 3")
    assert main(["check", str(path)]) == 2
    shown = capsys.readouterr()
    assert f"{path}: sedes = 3: unknown key, did you mean seeds?" in shown.err
    assert shown.out == ""


def test_schema_prints_the_schema(capsys):
    assert main(["schema"]) == 0
    assert json.loads(capsys.readouterr().out) == json_schema()


def test_as_a_program(tmp_path):
    def run(*arguments):
        command = [sys.executable, "-m", "boltzprune", *arguments]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    done = run("train", "--out", "machine=x.npz")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1
    done = run("--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("boltzprune ")


@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_seeds_that_share_a_job_or_a_thread_do_not_change_each_other(patterns, tmp_path, device):
    spec = json.dumps(TRAIN | {"device": device})
    sampling = {"sampling": {}, "device": device, "criterion": "none", "iteration": 0, "phase": "initial"}
    sampling = json.dumps(sampling | {"eigenvector": True, "matrix_of": 1})
    for name, seeds, threads in (("all", "0-2", 2), ("0", "0", 1), ("1", "1-1", 1), ("2", "2", 1)):
        machine, statistics = tmp_path / f"m{name}.npz", tmp_path / f"s{name}.npz"
        common = [f"--in=patterns={patterns}", f"--seeds={seeds}", f"--threads={threads}"]
        assert main(["train", *common, f"--out=machine={machine}", f"--spec={spec}"]) == 0
        sample = ["sample", *common, f"--in=machine={machine}", f"--out=statistics={statistics}"]
        assert main([*sample, f"--spec={sampling}"]) == 0
    for kind in "ms":
        whole = Arrays(tmp_path / f"{kind}all.npz")
        for seed in range(3):
            one = Arrays(tmp_path / f"{kind}{seed}.npz")
            names = {name for name in whole.names if name.startswith(f"seed{seed}/")}
            assert names | {"provenance"} == one.names
            for name in names:
                assert whole[name].dtype == one[name].dtype
                assert whole[name].tobytes() == one[name].tobytes(), name
    machines = Arrays(tmp_path / "mall.npz")
    assert not np.array_equal(machines["seed0/weights0"], machines["seed1/weights0"])


def test_a_log_that_cannot_be_written_is_named(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    log = tmp_path / "file" / "log"
    assert main(["fetch", "--log", str(log)]) == 2
    assert f"--log {log}: cannot be written" in caplog.text


def test_the_device_that_auto_takes_is_told_with_its_reason(monkeypatch, capsys):
    monkeypatch.setattr(driver, "problem", lambda: "no NVIDIA driver was found; install one")
    assert main(["device"]) == 0
    assert capsys.readouterr().out == "cpu: no NVIDIA driver was found; install one\n"
    card = SimpleNamespace(versions={"gpu": "Card 7", "cupy": "14.9"})
    monkeypatch.setattr(driver, "problem", lambda: None)
    monkeypatch.setattr(backend, "get_backend", {"gpu": card}.get)
    assert main(["device"]) == 0
    assert capsys.readouterr().out == "gpu: gpu Card 7, cupy 14.9\n"

    def broken(device):
        raise InputError("device gpu: the CUDA library libnvrtc.so.13 is missing")

    monkeypatch.setattr(backend, "get_backend", broken)
    assert main(["device"]) == 0
    assert capsys.readouterr().out == "cpu: device gpu: the CUDA library libnvrtc.so.13 is missing\n"
