"""How long jobs may take: from what others had to do and took, or by the rates of the package, never made up."""

import json
import shlex
from dataclasses import replace

import pytest

from boltzprune.results import records
from boltzprune.study.config import Study
from boltzprune.study.cost import rates, sizes
from boltzprune.study.cost.workload import KINDS
from boltzprune.study.reruns import costs, dry_run, times
from boltzprune.study.reruns.estimates import Estimate, Measured, wall


def job(inputs=(), outputs=()):
    """A planned job, without what it does."""
    return dry_run.Planned("train", tuple(inputs), tuple(outputs), {}, "", "", "")


TRAINING = {"learning_rate": [0.1, 0.1], "momentum": [0.5, 0.5], "momentum_rule": "scaled"}


def command(stage, spec, seeds="0-9", more=""):
    """What the shell is given for a job."""
    return f"python -m boltzprune {stage} --in patterns=p.npz {more} --spec '{json.dumps(spec)}' --seeds {seeds}"


def asked(n_patterns=101, seeds="0-9", log="seeds0-9/train", stage="train", device="cpu", threads=8, **spec):
    """A planned training of RBMs of 5 visible and 7 hidden units: 70 weights and 2 epochs for each pattern and seed."""
    values = {"data": {"radius": 1.0, "n_patterns": n_patterns}, "machine": {"n_hidden": 7}}
    found = sizes.as_text(sizes.of_study(Study.model_validate({"patches": values})))
    spec = {"machine": values["machine"], "training": TRAINING, "device": device} | spec
    log = f"results/one/logs/{log}.log"
    return dry_run.Planned(stage, (), (), {}, log, "", "", threads, command(stage, spec, seeds), found)


def finish(place, name, seconds, device="cpu", stage="train", **work):
    """The record of a finished job."""
    study, inside = name.split("/", 1)
    cost = {"work": work, "device": device, "processor_s": seconds}
    path = place / study / "logs" / f"{inside}.sha256"
    path.parent.mkdir(parents=True, exist_ok=True)
    records.write(path, {"stage": stage, "versions": {}, "cost": cost}, [])


@pytest.fixture
def table(monkeypatch):
    """Rates of the package that are easy to reckon with: a millisecond for a weight, a second for a start."""
    found = rates.Table("a machine", dict.fromkeys(KINDS, 0.001), {"train": 1.0, "claims": 2.0, "figure fig1": 3.0})
    monkeypatch.setattr(rates, "shipped", lambda: found)
    return found


def test_a_job_with_as_much_to_do_takes_what_it_took(tmp_path, table):
    finish(tmp_path / "results", "one/seeds0-9/train", 17.0, dense=10 * 2 * 101 * 35)
    finish(tmp_path / "results", "two/seeds0-9/train", 1700.0, dense=10 * 2 * 101 * 35)
    measured = Measured(tmp_path / "results", "one")
    found = measured.seconds(asked(training=TRAINING | {"learning_rate": [0.3, 0.2]}))
    assert (found.value, found.study, found.is_own, found.threads) == (17.0, "one", True, 8)
    assert not measured.seconds(asked(103)).is_own, "more to do than last time"
    assert not Measured(tmp_path / "results", "two").seconds(asked(log="seeds10-19/train")).is_own


def test_other_jobs_are_scaled_by_what_they_have_to_do_but_for_the_start(tmp_path, table):
    results = tmp_path / "results"
    finish(results, "one/seeds0-1/train", 11.0, dense=20_000.0)
    finish(results, "one/seeds2-3/train", 21.0, dense=40_000.0)
    finish(results, "one/seeds0-1/retrain", 1000.0, stage="retrain", dense=1.0)
    finish(results, "two/seeds0-9/train", 9000.0, "gpu", dense=1.0)
    measured = Measured(results, "one")
    found = measured.seconds(asked(101, "4-9", "seeds4-9/train"))
    assert found.value == pytest.approx(1.0 + 0.0005 * 6 * 2 * 101 * 35)  # 1 s, and half of what the rates say
    assert (found.study, found.bounds, found.threads) == ("one", (found.value, found.value), 6)
    elsewhere = Measured(results, "three").seconds(asked(101, "4-9", "x"))
    assert (elsewhere.value, elsewhere.study) == (found.value, "one")
    assert Measured(results, "two").seconds(asked(101, "4-9", "x")).study == "one"


def test_far_from_what_was_measured_there_is_a_range(tmp_path, table):
    finish(tmp_path / "results", "two/train", 11.0, dense=20_000.0)
    n = 31 * 20_000 // 70
    found = Measured(tmp_path / "results", "one").seconds(asked(n, "0"))
    assert found.value == pytest.approx(1.0 + n * 70 * 0.0005)
    assert found.bounds == pytest.approx((found.value, 1.0 + n * 70 * 0.001))
    near = Measured(tmp_path / "results", "one").seconds(asked(n - 300, "0"))
    assert near.low is near.high is None


def test_jobs_that_only_started_do_not_say_how_fast_work_is_done(tmp_path, table):
    finish(tmp_path / "results", "two/train", 1.5, dense=70.0)
    finish(tmp_path / "results", "two/seeds1/train", 1.25, dense=210.0)
    measured = Measured(tmp_path / "results", "one")
    found = measured.seconds(asked(101, "0"))
    assert (found.value, found.study) == (pytest.approx(1.0 + 0.001 * 2 * 101 * 35), "")
    less = measured.seconds(asked(3, "0"))
    assert (less.value, less.study) == (1.25, "two"), "one of them had as much to do"


def test_commands_are_split_as_a_shell_does():
    words = ["python", "a b", "it's", '{"x": "y\'s", "z": []}', "", "'", '"', "name=/a b/c'd.npz", "--spec"]
    assert costs.split(shlex.join(words)) == words
    assert costs.split("a --in x='p q' --in 'y'") == ["a", "--in", "x=p q", "--in", "y"]


def test_what_nobody_measured_is_unknown(tmp_path, table):
    measured = Measured(tmp_path / "none", "one")
    assert measured.seconds(asked()).study == ""
    assert measured.seconds(asked(device="reference")) is None, "the rates are those of compiled loops"
    assert measured.seconds(replace(asked(), sizes="{}")) is None, "the size of the data is not known"
    assert measured.seconds(replace(asked(), command="")) is measured.seconds(replace(asked(), command="true")) is None
    assert measured.seconds(asked(stage="table1")) is None, "a stage that has no start in the table"
    assert measured.seconds(asked(stage="claims")).value == 2.0
    assert measured.seconds(asked(stage="figure", name="fig1")).value == 3.0


def test_records_that_tell_no_time_do_not_count(tmp_path, table):
    results = tmp_path / "results"
    finish(results, "one/seeds0-9/train", None, dense=10 * 2 * 101 * 35)  # a part was done by an earlier run
    records.write(results / "one" / "logs" / "old.sha256", {"stage": "train", "versions": {}}, [])
    (results / "one" / "logs" / "cut.sha256").write_text("# {")
    assert Measured(results, "one").seconds(asked()).study == ""


def test_sizes_of_files_are_those_of_the_last_time_else_in_proportion_to_seeds(tmp_path):
    results = tmp_path / "results"
    for name, n_bytes in (("seeds0-9/train", 1000), ("seeds10-19/train", 3000)):
        path = results / "one" / "patches" / f"{name}.npz"
        path.parent.mkdir(parents=True)
        path.write_text("x" * n_bytes)
    measured = Measured(results, "one")

    def found(name):
        estimate = measured.n_bytes(f"results/one/patches/{name}.npz")
        return estimate and (estimate.value, estimate.study, estimate.is_own)

    assert found("seeds10-19/train") == (3000, "one", True)
    assert found("seeds20-24/train") == (1000.0, "one", False)
    assert found("seeds20-24/other") is None


def test_the_time_on_so_many_processors():
    jobs = [
        job(outputs="a"),
        job(inputs="a", outputs="bc"),
        job(inputs="a", outputs="d"),
        job(inputs="bd", outputs="e"),
        job(outputs="f"),
    ]
    seconds = [Estimate(value, "one", threads=n) for value, n in ((1.0, 1), (2.0, 1), (10.0, 2), (7.0, 1), (3.0, 1))]
    assert wall(jobs, seconds) == 1.0 + 5.0 + 7.0
    assert wall(jobs, seconds, 1) == 23.0
    assert wall(jobs, seconds, 2) == 15.0  # a and f; b and the rest of f; d, on both; e
    assert wall(jobs, seconds, 3) == 15.0  # f is in the way of d
    assert wall(jobs, seconds, 4) == 13.0
    assert wall(jobs, [*seconds[:3], None, None]) == 6.0
    assert wall([], []) == 0.0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--cores", "7"], 7), (["-c3"], 3), (["--profile", "x", "-c", "5"], 5), (["--cores=2", "--keep-going"], 2),
        ([], None), (["--jobs", "4"], None), (["--cores", "all"], times.cores(["--cores"])),
    ],
)  # fmt: skip
def test_the_number_of_processors_that_was_asked_for(options, expected):
    assert times.cores(options) == expected
    assert times.cores(["--cores"]) >= 1


def test_the_summary_says_how_long_where_and_by_whose_measurement(table):
    jobs = [job(outputs=str(n)) for n in range(5)]
    seconds = [
        Estimate(3600.0, "one", is_own=True, threads=2),
        Estimate(7200.0, "one"),
        Estimate(36_000.0, "two", low=36_000.0, high=72_000.0, threads=2),
        Estimate(10.0, ""),
        None,
    ]
    assert times.summary(jobs, seconds, "one", 2).splitlines() == [
        "Time: 13.0 to 23.0 core-hours; on 2 cores about 7.5 h to 12.5 h",
        "      1 job with as much to do as last time: as measured then",
        "      1 job scaled from the jobs of their stage in study one, by what they have to do",
        "      1 job scaled from the jobs of their stage in study two, by what they have to do",
        "      1 job by rates measured on a machine",
        "      1 job with over 30 times the work that was measured: a range up to the package's rates",
        "      Nothing is taken off for what a pruning removes: jobs after it may take less",
        "Time of 1 job unknown, since none of the kind has run here on this device: train",
    ]
    assert times.summary(jobs[:1], seconds[:1], "one", None).splitlines() == [
        "Time: 60.0 min of one core; on any number of cores at least 30.0 min",
        "      1 job with as much to do as last time: as measured then",
    ]
    assert times.summary(jobs[:1], [None], "one", 2).startswith("Time of 1 job unknown")
