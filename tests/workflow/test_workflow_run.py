"""`boltzprune run`, from the arguments to the last line."""

import os
import subprocess
import sys

import pytest
from workflow_copy import ROOT, TINY, Copy

from boltzprune.study.settings import merged

VALUES = merged(
    TINY, {"experiments": ["patches"], "device": "reference", "patches": {"criteria": ["variance_fi"], "controls": []}}
)
BAD = "def bad(evidence):\n    return evidence.weights * float('nan')\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A workflow in which `run` has made Table 1, and what it said."""
    workflow = Copy(tmp_path_factory.mktemp("run"), VALUES)
    return workflow, workflow.boltzprune("run", "study.yaml", "table1", "--cores", "2")


def test_a_study_in_few_lines(made):
    workflow, done = made
    assert done.returncode == 0, done.stderr
    first = done.stdout.splitlines()[0]
    assert first == "Study tiny: 12 jobs to run. By hand: snakemake table1 --cores 2 --configfile study.yaml"
    assert (workflow.folder / "results" / "tiny" / "tables" / "table1.md").is_file()
    lines = [line for line in done.stderr.splitlines() if " jobs done, " not in line]
    assert lines[-2].startswith("Done: 12 jobs in ")
    assert lines[-1] == "Open results/tiny/tables/table1.md."
    assert len(lines) <= 4
    assert list((workflow.folder / ".snakemake" / "log").glob("*.log"))


def test_again_there_is_nothing_to_do(made):
    workflow, _ = made
    again = workflow.boltzprune("run", "table1", "study.yaml")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.startswith("Nothing would run: ")


@pytest.mark.slow
def test_results_that_would_be_replaced_are_named_first_and_how_to_keep_them(made):
    workflow, _ = made
    for item, told in (
        ("patches.pruning.fraction=0.3", "results/tiny was made with other settings or other code: 2 results and what"),
        ("patches.machine.n_hidden=11", "results/tiny was made with other settings or other code: 1 result and what"),
        ("seeds=6", "Study tiny: "),  # more, and nothing replaced
        ("patches.iterations=2", "Study tiny: "),
        ("study=other", "Study other: "),
    ):
        plan = workflow.boltzprune("plan", "table1", "study.yaml", "--set", item)
        assert plan.returncode == 0, plan.stderr
        assert plan.stdout.startswith(told), item
    assert "--set study=tiny-2" in workflow.boltzprune("plan", "study.yaml", "--set", "patches.data.seed=3").stdout


@pytest.mark.slow
def test_a_job_that_fails_is_named_with_its_last_words(tmp_path):
    workflow = Copy(tmp_path, merged(VALUES, {"patches": {"criteria": ["rules.py:bad"]}}))
    (tmp_path / "rules.py").write_text(BAD)
    done = workflow.boltzprune("run", "table1", "study.yaml", "--cores", "2")
    assert done.returncode == 1
    (failed,) = [line for line in done.stderr.splitlines() if line.startswith("FAILED: ")]
    assert failed.startswith("FAILED: prune rules.bad iteration 1 seeds 0-2: ")
    assert "NaN" in failed
    assert done.stderr.splitlines()[-1] == "Mend the cause and run the same command again: what is finished stays."
    assert "1 job failed after " in done.stderr


def test_a_mistake_in_the_configuration_ends_before_anything_runs(tmp_path):
    workflow = Copy(tmp_path, merged(VALUES, {"patches": {"iterations": 0}}))
    done = workflow.boltzprune("run", "study.yaml")
    assert done.returncode == 2
    assert "study.yaml: patches.iterations = 0: expected greater than or equal to 1" in done.stderr
    assert not (tmp_path / "results").exists()


def test_the_display_of_one_checkout_beside_the_workflow_of_another(tmp_path):
    """Jobs are made by the package beside the Snakefile, whichever package Snakemake has imported before."""
    workflow = Copy(tmp_path, VALUES)
    stage = tmp_path / "src" / "boltzprune" / "study" / "stages" / "study.py"
    stage.write_text(stage.read_text().replace("sort_keys=False", "sort_keys=False, default_flow_style=True"))
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "results/tiny/study.yaml", "--cores", "1", "--logger", "boltzprune",
         "--configfile", "study.yaml"],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Done: 1 job in " in done.stderr
    assert workflow.folder.joinpath("results/tiny/study.yaml").read_text().count("{study: tiny, ") == 1


@pytest.mark.slow
def test_jobs_alone_wake_the_scheduler(study):
    """Snakemake's limit on the jobs of a second would wake it each second, once more for each job that has ended."""
    drawn = ["fig3", "fig4", "s1"]
    forced = ["--forcerun", *(f"draw_{name}" for name in drawn)]
    done = study.snakemake(*drawn, "--cores", "1", "--verbose", *forced)
    assert done.returncode == 0, done.stdout
    assert 0 < done.stdout.count("Ready jobs: ") <= done.stdout.count("Finished jobid: ")
