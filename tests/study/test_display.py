"""What `boltzprune run` shows, from log records as Snakemake makes them."""

import io
import json
import logging
import os
from types import SimpleNamespace

import pytest

from boltzprune.study.reruns import display
from boltzprune.study.reruns.display import Display


@pytest.fixture
def shown(monkeypatch):
    """A display without a terminal, and what it writes; its own clock stands still."""
    monkeypatch.setattr(display, "SECONDS_BETWEEN_LINES", 1e6)
    made = Display(stream=io.StringIO())
    yield made
    made.close()


def record(**values):
    """One log record."""
    return SimpleNamespace(levelno=logging.INFO, getMessage=lambda: "", **values)


def job(number, rule="train", wildcards=(), outputs=(), logs=()):
    """What is told of one job."""
    benchmark = f"results/s/benchmarks/{number}.tsv"
    names = {"rule_name": rule, "wildcards": dict(wildcards), "output": list(outputs), "log": list(logs)}
    return record(jobid=number, benchmark=benchmark, **names)


def text(shown):
    return shown.stream.getvalue()


def test_the_lines_of_a_study_and_its_jobs(shown, tmp_path):
    log = tmp_path / "train.log"
    log.write_text(
        "19:00:00 INFO start\n19:00:10 INFO train, epoch 2: 37 % of 4000 updates, 123 a second, 241 s left\n"
    )
    shown.note("run_info", record(stats={"total": 41, "train": 2}))
    wildcards = {"block": "0-6", "criterion": "anti_fi", "iteration": "3", "phase": "pruned"}
    shown.note("job_info", job(5, "sample", wildcards))
    shown.note("job_info", job(7, "train", {"block": "7-12"}, logs=[str(log)]))
    shown.note("job_info", job(9, "prune"))
    shown.note("job_started", record(jobs=[7, 5]))
    shown.note("progress", record(done=11, total=41))
    lines = shown.lines()
    assert lines[0] == "11 of 41 jobs done, 27 %"
    assert set(lines[1:]) == {
        "  train seeds 7-12: 37 %, about 4.0 min left (epoch 2)",
        "  sample anti_fi pruned iteration 3 seeds 0-6: for 0.0 s",
    }
    log.write_text("19:00:20 INFO train: 41 % of 4000 updates, 123 a second, 199 s left\n")
    assert "  train seeds 7-12: 41 %, about 3.3 min left" in shown.lines()
    shown.note("job_finished", record(job_id=7))
    assert len(shown.lines()) == 2


def test_many_running_jobs_do_not_fill_the_screen(shown):
    for number in range(17):
        shown.note("job_info", job(number))
    shown.note("job_started", record(jobs=list(range(17))))
    assert len(shown.lines()) == 2 + display.SHOWN_JOBS
    assert shown.lines()[-1] == "  and 5 jobs more"


def test_the_share_follows_the_expected_seconds(monkeypatch, tmp_path):
    path = tmp_path / "expected.json"
    known = ((1, 70), (2, 20), (3, 10), (4, None))
    path.write_text(json.dumps({f"results/s/benchmarks/{n}.tsv": seconds for n, seconds in known}))
    monkeypatch.setenv(display.EXPECTED, str(path))
    monkeypatch.setattr(display, "SECONDS_BETWEEN_LINES", 0.0)
    shown = Display(dry=True, stream=io.StringIO())
    assert not path.exists()
    assert display.EXPECTED not in os.environ
    for number in (1, 2, 3):
        shown.note("job_info", job(number))
    shown.note("job_started", record(jobs=[2]))
    shown.note("job_finished", record(job_id=2))
    shown.note("progress", record(done=1, total=5))  # with the target, which makes no file
    shown._start -= 30.0
    assert shown.lines()[0] == "1 of 4 jobs done, 20 %, about 2.0 min left"


def test_a_file_of_expected_seconds_that_is_not_readable_is_no_obstacle(monkeypatch, tmp_path):
    for content in ("{", None):
        path = tmp_path / "expected.json"
        if content:
            path.write_text(content)
        monkeypatch.setenv(display.EXPECTED, str(path))
        assert Display(dry=True, stream=io.StringIO())._expected == {}


def test_the_last_words_name_what_to_open(shown):
    figure = [f"results/s/figures/fig2.{ending}" for ending in ("pdf", "svg", "png")]
    shown.note("job_info", job(1, "draw_fig2", outputs=[*figure, "results/s/figures/fig2_a.csv"]))
    shown.note("job_info", job(2, "claims", outputs=["results/s/tables/claims.csv", "results/s/tables/claims.md"]))
    shown.note("job_info", job(3, "train", outputs=["results/s/patches/x.npz"]))
    for number in (1, 2, 3):
        shown.note("job_started", record(jobs=[number]))
        shown.note("job_finished", record(job_id=number))
    shown.note("progress", record(done=3, total=3))
    shown.close()
    assert text(shown) == "Done: 3 jobs in 0.0 s.\nOpen results/s/figures/fig2.png, results/s/tables/claims.md.\n"


def test_what_failed_is_named_with_the_last_line_of_its_log(shown, tmp_path):
    log = tmp_path / "prune.log"
    log.write_text("10:00:00 INFO start\n10:00:01 ERROR criterion mine: returned NaN\n")
    failed = job(4, "prune", {"criterion": "mine", "iteration": 2, "block": "0-2"}, logs=[str(log)])
    shown.note("job_info", failed)
    shown.note("job_started", record(jobs=[4]))
    shown.note("job_error", record(jobid=4, rule_name="prune", log=[str(log)]))
    shown.note("error", record(levelname="ERROR"))
    shown.note("progress", record(done=6, total=13))
    shown.close()
    assert text(shown).splitlines() == [
        "FAILED: prune mine iteration 2 seeds 0-2: 10:00:01 ERROR criterion mine: returned NaN",
        "",
        "1 job failed after 0.0 s; 6 of 13 done:",
        f"  prune mine iteration 2 seeds 0-2: see {log}",
        "Mend the cause and run the same command again: what is finished stays.",
    ]


def test_a_run_that_was_stopped_says_how_to_go_on(shown):
    shown.note("progress", record(done=6, total=13))
    shown.close()
    assert text(shown) == "Stopped after 0.0 s; 6 of 13 done. The same command goes on from there.\n"


def test_warnings_are_shown_once_and_chatter_is_not(shown):
    for level, message in ((logging.INFO, "Building DAG of jobs..."), *[(logging.WARNING, "clock is odd")] * 2):
        shown.note("", SimpleNamespace(levelno=level, getMessage=lambda message=message: message))
    assert text(shown) == "clock is odd\n"


def test_an_error_before_any_job_is_shown(shown):
    shown.note("error", SimpleNamespace(levelno=logging.ERROR, getMessage=lambda: "No rule to produce fig9"))
    assert text(shown) == "No rule to produce fig9\n"


def test_lines_come_by_themselves_without_a_terminal(monkeypatch):
    monkeypatch.setattr(display, "SECONDS_BETWEEN_LINES", 0.01)
    shown = Display(stream=io.StringIO())
    shown.note("progress", record(done=2, total=7))
    shown._thread.join(0.2)
    shown.close()
    assert "2 of 7 jobs done, 29 %" in text(shown).splitlines()[0]
