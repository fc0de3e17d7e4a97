"""The parts of plan, status and verify that need no Snakemake: reasons, estimates, records, numbers."""

import json
import re
import time
from dataclasses import replace
from pathlib import Path

import pytest

from boltzprune.__main__ import main
from boltzprune.errors import InputError
from boltzprune.results import records
from boltzprune.study import stages
from boltzprune.study.config import Study
from boltzprune.study.cost import sizes
from boltzprune.study.reruns import dry_run, verify
from boltzprune.study.reruns.arguments import read
from boltzprune.study.reruns.estimates import kind, n_seeds
from boltzprune.study.reruns.page import duration, size
from boltzprune.study.reruns.reasons import FOLLOWS, PARAMS, words
from boltzprune.study.stages import Job


def job(reason="", inputs=(), outputs=("results/s/x.npz",)):
    return dry_run.Planned("train", tuple(inputs), tuple(outputs), {}, "", "", reason)


def changed(before, now):
    """Snakemake's reason for parameters, as it prints it."""
    return f"{PARAMS}{before} now: {now} "


def params(code="a1", **spec):
    return str({"spec": json.dumps(spec), "code": code})


ANOTHER, LATER = "Input files updated by another job: results/a.npz", " has changed since last execution"
LONG = "Study x: " + "word " * 20
CHANGES = [
    (params(t={"rate": 0.05, "n": 3}), params(t={"rate": 0.04, "n": 3}), ["t.rate: 0.05 -> 0.04"]),
    (params(a=1), params(code="b2", a=1), ["the code behind it changed"]),
    (params(a=1, b=2), params(b=1, a=2, code="b2"), ["a: 1 -> 2", "b: 2 -> 1", "the code behind it changed"]),
    (params(a=1, b=2), params(b=2, a=1), ["the order of its settings changed"]),
    (params(a="x; now: y"), params(a="x; now: 'z' now: ["), ["a: x; now: y -> x; now: 'z' now: ["]),
    (params(c=["p", "q"]), params(c=["q", "r"]), ["c: + r, - p"]),
    (params(a={"b": None}), params(a={"c": True}), ["a.b: no longer given", "a.c: true is new"]),
    (params(s=LONG + "10 seeds; end"), params(s=LONG + "20 seeds; end"), ["s: 10 -> 20"]),
    (f"'--in a',{params(k=1)}", f"{params(k=2)},'--in b'", ["k: 1 -> 2"]),
    ("<nothing exclusive>", "'--in b'", ["it reads other files than before"]),
    ("{", "}", ["its settings or its code changed"]),
]
REASONS = [
    *((changed(before, now), expected) for before, now, expected in CHANGES),
    (
        changed(params(a=1), params(a=2)) + f"; Software environment definition{LATER}",
        ["a: 1 -> 2", "its software environment changed"],
    ),
    (ANOTHER, [FOLLOWS]),
    (f"Missing output files: results/s/x.npz; {ANOTHER}", ["no result yet"]),
    (f"Missing output files: results/s/x.npz; Code{LATER}", ["no result yet", "its rule in workflow/ changed"]),
    ("Updated input files: mine.npz, results/a.npz", ["mine.npz is newer", "results/a.npz is newer"]),
    (f"Updated input files: ; {ANOTHER}", [FOLLOWS]),
    ("Incomplete output files: results/s/x.npz", ["a run that was stopped left it unfinished"]),
    (f"Set of input files{LATER}", ["it reads other files than before"]),
    ("Forced execution", ["asked for"]),
    ("A reason of a later Snakemake", ["A reason of a later Snakemake"]),
]


@pytest.mark.parametrize(("reason", "expected"), REASONS, ids=[" ".join(words) for _, words in REASONS])
def test_a_reason_in_plain_words(reason, expected, tmp_path):
    assert words(job(reason), tmp_path) == expected


def test_one_missing_output_of_several_is_named(tmp_path):
    (tmp_path / "a.csv").write_text("")
    assert words(job("Missing output files: b.csv", outputs=("a.csv", "b.csv")), tmp_path) == ["b.csv is missing"]


PRINTED = """Using profile x
rule sample:
    input: results/s/a.npz, results/s/b.npz
    output: results/s/patches/seeds0-9/anti_fi/iteration2/pruned_statistics.npz
    log: results/s/logs/x.log
    jobid: 7
    benchmark: results/s/benchmarks/x.tsv
    reason: Forced execution
    wildcards: block=0-9, criterion=anti_fi, iteration=2, phase=pruned
localrule all:
    input: results/s/c.npz
    reason: Forced execution
Job stats:
""".splitlines()


def test_jobs_of_a_group_are_read_as_well():
    """Snakemake prints them further to the right, but for their commands."""
    grouped = ["group job x (jobs in lexicogr. order):", *(f"    {line}" for line in PRINTED[1:9])]
    lines = [f"{sizes.LINE}{{}}", *grouped[:9], f"{dry_run.COMMAND}python -m boltzprune sample", "rule all:"]
    alone, *_ = dry_run._jobs(PRINTED)
    [found, _] = dry_run._jobs(lines)
    assert found == replace(alone, command="python -m boltzprune sample")


def test_threads_commands_and_sizes_are_read_from_what_is_printed():
    lines = [f'{sizes.LINE}{{"patches": null}}', *PRINTED[1:9], "    threads: 7", f"{dry_run.COMMAND}true", ""]
    [found] = dry_run._jobs(lines)
    assert (found.threads, found.command, found.sizes) == (7, "true", '{"patches": null}')


def test_jobs_are_read_from_what_is_printed():
    first, second = dry_run._jobs(PRINTED)
    assert first == dry_run.Planned(
        "sample",
        ("results/s/a.npz", "results/s/b.npz"),
        ("results/s/patches/seeds0-9/anti_fi/iteration2/pruned_statistics.npz",),
        {"block": "0-9", "criterion": "anti_fi", "iteration": "2", "phase": "pruned"},
        "results/s/logs/x.log",
        "results/s/benchmarks/x.tsv",
        "Forced execution",
    )
    assert (second.rule, second.outputs) == ("all", ())


@pytest.mark.parametrize("arguments", [["-d", "x"], ["--directory", "x"], ["fig1", "--directory=x", "--cores", "3"]])
def test_the_folder_of_the_workflow(arguments):
    assert dry_run.folder(read(arguments)) == Path("x")
    assert dry_run.folder(read(["--cores", "3"])) == Path()


def test_kinds_and_seeds():
    assert kind("digits/seeds10-19/rules.mine/iteration12/sample_pruned.tsv") == "digits/sample_pruned.tsv"
    assert kind("tables/table1.csv") == "tables/table1.csv"
    assert (n_seeds("seeds10-16/train.tsv"), n_seeds("collect.tsv")) == (7, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (duration(0.94), "0.9 s"), (duration(14.2), "14 s"), (duration(119), "119 s"), (duration(210), "3.5 min"),
        (duration(7560), "2.1 h"), (duration(259_200), "3.0 days"), (size(512), "512 B"), (size(1234), "1.2 kB"),
        (size(34_500_000), "34.5 MB"), (size(1.26e9), "1.3 GB"), (size(5e12), "5.0 TB"),
    ],
)  # fmt: skip
def test_numbers(text, expected):
    assert text == expected


def study(folder, target="study.yaml"):
    """Run the smallest stage with a log."""
    out, log = folder / target, folder / "logs" / "deep" / "study.log"
    return main(["study", f"--out=config={out}", '--spec={"config": {"seeds": 3}}', f"--log={log}"])


def test_a_record_comes_last_and_goes_first(tmp_path):
    assert study(tmp_path) == 0
    record = tmp_path / "logs" / "deep" / "study.sha256"
    about, (entry,) = records.read(record)
    assert (about["stage"], entry.path, entry.problem()) == ("study", tmp_path / "study.yaml", "")
    assert set(about["versions"]) >= {"numpy", "python", "boltzprune"}
    (tmp_path / "file").write_text("")
    assert study(tmp_path, "file/study.yaml") == 2
    assert not record.exists(), "a job that failed has no record"


def test_a_record_says_what_the_job_had_to_do_and_took(tmp_path, monkeypatch):
    monkeypatch.delenv(sizes.VARIABLE, raising=False)
    record = tmp_path / "logs" / "deep" / "study.sha256"
    assert study(tmp_path) == 0
    cost = records.read(record)[0]["cost"]
    assert (cost["work"], cost["device"]) == (None, "cpu"), "no workflow told the sizes of the study"
    used = time.process_time()  # a job counts from the end of the one before in its process, or from the start
    monkeypatch.setenv(sizes.VARIABLE, sizes.as_text(sizes.of_study(Study())))
    assert study(tmp_path) == 0
    cost = records.read(record)[0]["cost"]
    assert cost["work"] == {}
    assert 0 <= cost["processor_s"] <= time.process_time() - used + 1e-3


def test_the_time_of_a_training_that_went_on_is_not_noted():
    job = Job("train", {}, {}, {"device": "reference"}, (0,))
    whole, part = job.progress(3, "updates"), job.progress(5, "updates")
    whole.advance(3)
    assert stages._cost(job)["processor_s"] >= 0 and job.device == "reference"
    part.skip(2)
    assert stages._cost(job)["processor_s"] is None


def test_a_stage_without_a_log_leaves_no_record(tmp_path):
    assert main(["study", f"--out=config={tmp_path / 'x.yaml'}", '--spec={"config": {}}']) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["x.yaml"]


def test_verify_of_several_studies_or_of_none(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        assert study(Path("results", name)) == 0
    assert main(["verify"]) == 0
    assert re.findall(r"^(\S+): 1 file, ", capsys.readouterr().out, re.MULTILINE) == ["results/one", "results/two"]
    Path("results/two/study.yaml").write_text("")
    Path("results/two/.hidden").write_text("")
    Path("results/two/notes").write_text("")
    assert main(["verify", "results/one"]) == 0
    capsys.readouterr()
    assert main(["verify", "--files", "results"]) == verify.DAMAGED
    assert capsys.readouterr().out == "results/two/study.yaml\nresults/two/notes\n"
    with pytest.raises(InputError, match=r"results/one/logs: there is no study; expected a folder such as"):
        verify.studies("results/one/logs")
