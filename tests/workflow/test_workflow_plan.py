"""`boltzprune plan` and `status` beside a finished study: what they say is what a dry run and the files say."""

import base64
import copy
import re
import shutil

import pytest

from boltzprune.results import records
from boltzprune.study.reruns.page import duration
from boltzprune.study.settings import merged

N_JOBS = 67
"""Jobs of the finished study."""


@pytest.fixture
def copied(finished, tmp_path):
    """The finished study in a folder of its own."""
    return finished.beside(tmp_path)


def edit(workflow, values):
    """Change the configuration."""
    workflow.write(merged(copy.deepcopy(workflow.values), values))


def told(workflow, command, *arguments):
    """What a command prints."""
    done = workflow.boltzprune(command, *arguments, "--configfile", "study.yaml")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def rules(text):
    """Rule -> what follows on its line, of a plan or a status."""
    rows = re.findall(r"^ *(\w+) +(\d.*)$", text.partition("iterations finished")[0], flags=re.MULTILINE)
    return {name: re.split(r" {2,}", rest) for name, rest in rows}


def seconds(path):
    """Processor time in the record of a job."""
    about, _ = records.read(path)
    assert about["cost"]["work"] is not None
    return about["cost"]["processor_s"]


def test_nothing_to_do(copied):
    assert told(copied, "plan").startswith("Nothing would run: ")
    status = told(copied, "status")
    assert f"Study tiny in results/tiny: {N_JOBS} of {N_JOBS} jobs done" in status
    assert all(cells[0] == cells[1] and cells[2:4] == [".", "."] for cells in rules(status).values())
    assert re.search(r"patches: iterations finished\ncriterion +of 1  seeds\neigenvector +1  0-2\n", status)


def test_the_plan_names_keys_code_versions_times_and_sizes(copied):
    edit(
        copied, {"patches": {"training": {"learning_rate": [0.04]}, "retraining": copied.values["patches"]["training"]}}
    )
    source = copied.folder / "src" / "boltzprune" / "study" / "stages" / "per_digit.py"
    source.write_text(source.read_text() + "\nEXTRA = 1\n")
    fake = copied.folder / "src" / "numpy-99.0.dist-info" / "METADATA"
    fake.parent.mkdir()
    fake.write_text("Metadata-Version: 2.1\nName: numpy\nVersion: 99.0\n")
    plan, planned = told(copied, "plan"), copied.planned()
    found = rules(plan)
    assert {rule: int(cells[0]) for rule, cells in found.items()} == planned
    assert found["train"][2] == "training.learning_rate: [0.05] -> [0.04]"
    assert found["per_digit"][2] == "the code behind it changed"
    assert found["retrain"][2] == "what it reads is computed anew"
    measured = copied.folder / "results" / "tiny" / "logs"
    jobs = "train sample_initial evaluate_initial collect table1 claims study per_digit fig1 fig2".split()
    jobs += ["controls_patches", "survivors", "survival_patches"]
    times = [seconds(path) for name in jobs for path in measured.rglob(f"{name}.sha256") if "digits" not in path.parts]
    times += [seconds(path) for path in (measured / "seeds0-2").glob("*/iteration1/*.sha256")]
    assert len(times) == sum(planned.values())
    time = re.search(r"^Time: ([\d.]+ (?:s|min)) of one core; on any number of cores at least ", plan, re.MULTILINE)
    assert time[1] in {duration(sum(times) + error) for error in (-1e-9, 0, 1e-9)}, "whatever order they are added in"
    assert f"      {len(times)} jobs with as much to do as last time: as measured then\n" in plan
    assert "unknown" not in plan
    size = re.search(r"Disk: ([\d.]+ kB) in (\d+) files, of which ([\d.]+ kB) replace older results", plan)
    assert size[1] == size[3]
    assert re.search(
        rf"^Computed with another numpy than 99.0, which is installed: \S+ \({N_JOBS} jobs\)$", plan, re.MULTILINE
    )


def test_times_of_another_study_are_said_to_be_so_and_none_is_invented(copied):
    edit(copied, {"study": "second"})
    shutil.rmtree(copied.folder / "results" / "tiny" / "logs" / "digits")
    plan = told(copied, "plan")
    found = rules(plan)
    assert plan.startswith(f"Study second: {N_JOBS} jobs would run\n")
    assert all(cells[-1] == "no result yet" for cells in found.values())
    assert found["train"][1].endswith(" s")
    assert found["pretrain"] == ["1", "unknown", "no result yet"]
    planned = copied.planned()
    n = sum(count for rule, count in planned.items() if re.search("pretrain|jointly|_deep|evaluate_digits", rule))
    n -= planned["prune_deep"] + planned["survivors_deep"]
    assert f"{N_JOBS - n - planned['prune_deep']} jobs scaled from the jobs of their stage in study tiny, " in plan
    assert f"{planned['prune_deep']} jobs by rates measured on one core of " in plan, "it computes on CPUs only"
    assert f"Time of {n} jobs unknown, since none of the kind has run here on this device: " in plan


def test_the_paper_takes_hours_by_the_rates_of_the_package(copied):
    """docs/running.md: at most 15 core-hours by the stages of a seed, and more by rates of briefly trained machines."""
    paper = copied.folder / "config" / "paper.yaml"
    plan = copied.boltzprune("plan", "digits", str(paper), "--set", "device=cpu", "--cores", "2").stdout
    found = re.search(
        r"^Time: ([\d.]+)(?: to [\d.]+)? core-hours; on 2 cores about ([\d.]+) (h|days)", plan, re.MULTILINE
    )
    hours, wall = float(found[1]), float(found[2]) * {"h": 1, "days": 24}[found[3]]
    assert 15 < hours < 15 * 4
    assert hours / 2 * 0.99 < wall < hours
    assert "Time of " not in plan


def test_the_status_of_a_study_that_is_not_done(copied):
    edit(copied, {"patches": {"iterations": 2}, "digits": {"sampling": {"n_gibbs_steps": 4}}})
    chain = copied.folder / "results" / "tiny" / "patches" / "seeds0-2" / "eigenvector" / "iteration1"
    (chain / "pruned_statistics.npz").unlink()
    begun = "results/tiny/patches/seeds0-2/eigenvector/iteration2/pruned.npz"
    mark = copied.folder / ".snakemake" / "incomplete" / base64.urlsafe_b64encode(begun.encode()).decode()
    mark.write_text("{}")
    status, planned = told(copied, "status"), copied.planned()
    found = rules(status)
    n_jobs = (
        N_JOBS + 2 * 5 + 3
    )  # of two criteria and the unpruned machine; what is trained anew is so after iteration 2
    assert f"{n_jobs - sum(planned.values())} of {n_jobs} jobs done" in status
    numbers = {rule: [int(cell.replace(".", "0")) for cell in cells[:4]] for rule, cells in found.items()}
    assert {rule: row[2] + row[3] for rule, row in numbers.items() if row[2] + row[3]} == planned
    assert numbers["sample"] == [12, 5, 0, 7]
    assert numbers["sample_deep"] == [7, 0, 7, 0]
    assert re.search(r"\neigenvector +1  0-2\n", status)
    assert re.search(r"\nvariance_fi +0  0-2\n", status)
    lost = (chain / "pruned_statistics.npz").relative_to(copied.folder)
    assert f"1 result missing, which nothing that is to do needs: {lost}\n" in status
    assert re.search(
        r"running or killed:\n  prune 0-2 eigenvector 2: for [\d.]+ s; its log was written never\n", status
    )


def test_mistakes_end_with_what_snakemake_says(copied):
    for arguments, expected in (
        (["--config", "sedes=3"], "sedes = 3: unknown key, did you mean seeds?"),
        (["--snakemaker"], "unrecognized arguments: --snakemaker"),
    ):
        done = copied.boltzprune("plan", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert expected in done.stderr
        assert "Traceback" not in done.stderr
