"""What the rules tell their jobs: the iteration, criterion and phase of the file that they write, and its seeds."""

import hashlib
import json
import re
import shlex
from pathlib import Path

import pytest
from workflow_copy import TINY, Copy

from boltzprune.study.settings import merged

VALUES = {"seeds": 5, "seeds_per_job": 3, "patches": {"criteria": ["anti_fi", "eigenvector"], "iterations": 3}}
VALUES |= {"digits": {"criteria": ["anti_fi", "heuristic_fi"], "iterations": 2}}
PLACE = re.compile(r"results/tiny/\w+/seeds(?P<block>\d+-\d+)/(?P<place>\w+)(/iteration(?P<k>\d))?/(?P<name>\w+)")
TOLD = {
    "prune": {"criterion", "iteration"},
    "prune_deep": {"criterion", "iteration"},
    "retrain": {"iteration"},
    "retrain_jointly": {"iteration"},
    "sample": {"criterion", "iteration", "phase"},
    "sample_deep": {"criterion", "iteration", "phase"},
}
"""Stage -> what its spec says of the machines."""


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """Every command that is told the machines: stage, place of its file, spec, seeds."""
    workflow = Copy(tmp_path_factory.mktemp("specs"), merged(TINY, VALUES))
    done = workflow.snakemake("--dry-run", "--printshellcmds")
    assert done.returncode == 0, done.stdout
    found = []
    for line in re.findall(r"python -m boltzprune (.*)", done.stdout):
        stage, *words = shlex.split(line)
        options = dict(zip(words[::2], words[1::2]))
        if stage in TOLD:
            found.append((stage, PLACE.search(options["--out"]), json.loads(options["--spec"]), options["--seeds"]))
    return found


def test_all_jobs_are_there(commands):
    counts = {stage: sum(name == stage for name, *_ in commands) for stage in TOLD}
    patches, digits = 2 * 2 * 3, 2 * 2 * 2  # blocks, criteria, iterations
    control = 2 * 3
    assert counts == {
        "prune": patches,
        "prune_deep": digits,
        "retrain": patches + control,
        "retrain_jointly": digits,
        "sample": 2 * patches + control + 2,
        "sample_deep": 2 * digits + 2,
    }


def test_jobs_are_told_which_machines_they_make(commands):
    for stage, place, spec, seeds in commands:
        initial = place["k"] is None
        phase = place["name"].removesuffix("_statistics").removesuffix("_samples")
        expected = {
            "criterion": "none" if initial else place["place"],
            "iteration": 0 if initial else int(place["k"]),
            "phase": phase,
        }
        assert {key: spec[key] for key in expected if key in spec} == {key: expected[key] for key in TOLD[stage]}
        assert seeds == place["block"], place[0]


def test_the_control_is_retrained_as_pruned_machines_of_that_iteration_are(commands):
    told = {}
    for stage, place, spec, _ in commands:
        if stage == "retrain":
            told.setdefault(place["k"], {})[place["place"]] = spec
    assert {*told} == {"1", "2", "3"}
    for iteration, specs in told.items():
        assert {*specs} == {"unpruned", "anti_fi", "eigenvector"}
        assert specs["unpruned"] == specs["anti_fi"] == specs["eigenvector"], iteration
    assert len({json.dumps(specs["unpruned"]) for specs in told.values()}) == 3


COMMANDS = {
    "fetch": "python -m boltzprune fetch --out manifest={output.manifest:q} --spec {params.job[spec]:q} --log {log:q}",
    "train": (
        "python -m boltzprune train --in patterns={input.patterns:q} --out machine={output.machine:q} "
        "--spec {params.job[spec]:q} --seeds {wildcards.block} --threads {threads} --log {log:q}"
    ),
    "evaluate": (
        "python -m boltzprune evaluate --in patterns={input.patterns:q} "
        "--in machine={input.machine[0]:q} --in machine={input.machine[1]:q} "
        "--in statistics={input.statistics[0]:q} --in statistics={input.statistics[1]:q} "
        "--out metrics={output.metrics:q} --spec {params.job[spec]:q} --seeds {wildcards.block} --log {log:q}"
    ),
    "evaluate_digits": (
        "python -m boltzprune evaluate_digits --in - --out metrics={output.metrics:q} --out classes={output.classes:q} "
        "--spec {params.job[spec]:q} --seeds {wildcards.block} --threads {threads} --log {log:q} "
        "<<'FILES'\n{params.files}FILES"
    ),
    "draw_s1": (
        "python -m boltzprune figure --in - --out folder={params.folder:q} --spec {params.job[spec]:q} --log {log:q} "
        "<<'FILES'\n{params.files}FILES"
    ),
}
"""Rule -> its command as Snakemake remembers it of finished jobs."""
OF_ALL_RULES = "e7ef0449ef0a87da864e8d65da5768cc331a97570af3f9855ead9f045c484888"
"""SHA-256 over the sorted commands of all rules."""


def test_rules_have_the_commands_that_studies_were_finished_with(finished):
    """With another command every finished job of a rule runs again: if that is meant, the digest changes with it."""
    files = [path for path in (finished.folder / ".snakemake" / "metadata").rglob("*") if path.is_file()]
    found = {about["rule"]: about["code"] for about in map(json.loads, map(Path.read_text, files))}
    assert {rule: found[rule] for rule in COMMANDS} == COMMANDS
    assert (
        len(found) == 45 and hashlib.sha256("\n".join(sorted({*found.values()})).encode()).hexdigest() == OF_ALL_RULES
    )
