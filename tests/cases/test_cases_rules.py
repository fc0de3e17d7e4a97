"""The rules' command lines and paths: odd names, long lists, the workflow as a module of another, or from GitHub."""

import io
import os
import re
import resource
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from outer_study import write_patterns
from workflow_copy import ROOT, TINY, Copy

import boltzprune
from boltzprune import paths
from boltzprune.__main__ import main
from boltzprune.errors import InputError
from boltzprune.settings import merged, study_from

OWN = "import numpy as np\n\n\ndef mine(evidence):\n    return np.abs(evidence.weights)\n"
ODD = 'it\'s "$HOME" & `id`; *?[1] #%~!|<>,=:@ ü'
SMALL = merged(
    TINY,
    {
        "device": "reference",
        "patches": {"data": {"n_patterns": 199}, "controls": []},
        "experiments": ["patches"],
        "digits": {"criteria": ["variance_fi", "heuristic_fi"]},
    },
)


def block(names):
    """Values of a study of the patches with one machine and these criteria."""
    return merged(SMALL, {"study": "odd", "seeds": 1, "patches": {"criteria": names}})


@pytest.mark.slow
def test_names_that_a_shell_would_take_apart_are_quoted_everywhere(tmp_path):
    """snakemake/snakemake#85, snakemake/snakemake#2981: apostrophes, in the working folder too."""
    values = block([f"{ODD}/{ODD}.py:mine", f"{ODD}/-x.py:mine", "weight_magnitude"])
    values["patches"]["data"] |= {"source": "npz", "file": f"{ODD}/raw.npz"}
    workflow = Copy(tmp_path / ODD.replace(":", ""), values)
    (workflow.folder / ODD).mkdir()
    for name in (f"{ODD}.py", "-x.py"):
        (workflow.folder / ODD / name).write_text(OWN)
    write_patterns(workflow.folder / ODD / "raw.npz", n=199)
    done = workflow.snakemake("table1", "fig2", "--cores", "2")
    assert done.returncode == 0, done.stdout
    tables = workflow.folder / "results" / "odd" / "tables"
    assert set(pd.read_csv(tables / "table1.csv")["criterion"]) == set(values["patches"]["criteria"])
    pruned = pd.read_csv(tables / "metrics.csv").query("phase == 'pruned'")
    assert (len(pruned), pruned["kl_exact"].nunique()) == (3, 1)  # all three are |w|
    assert {path.name for path in (tables.parent / "patches" / "seeds0-0").iterdir()} == {
        *("initial", "weight_magnitude", f"{ODD}.mine", "-x.mine")
    }


@pytest.mark.parametrize("stem", ["a{b}", "{}", "a}b", "<results>", "a\tb", "one, two", "ü" * 126])
def test_a_name_that_snakemake_cannot_have_in_a_path_is_refused(tmp_path, monkeypatch, stem):
    """snakemake/snakemake#2981."""
    monkeypatch.chdir(tmp_path)
    Path(f"{stem}.py").write_text(OWN)
    with pytest.raises(InputError, match=r"patches\.criteria = .*: its name has .*; rename the file"):
        study_from(block([f"{stem}.py:mine"]))


def test_names_that_come_close_are_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a{b}").mkdir()
    for stem in ("a{b}/c", "a<b>c, d/x", "A<B>", "one,two", "ü" * 125):
        Path(f"{stem}.py").parent.mkdir(exist_ok=True)
        Path(f"{stem}.py").write_text(OWN)
        study_from(block([f"{stem}.py:mine"]))


@pytest.mark.parametrize("experiment", ["patches", "digits"])
@pytest.mark.parametrize(("key", "path"), [("file", "raw{1}.npz"), ("directory", "<raw>/x"), ("file", "a\nb.npz")])
def test_raw_files_that_snakemake_cannot_name_are_refused(experiment, key, path):
    values = merged(
        TINY, {"experiments": [experiment], experiment: {"data": {"source": "npz", "file": "x", key: path}}}
    )
    with pytest.raises(InputError, match=rf"{experiment}\.data\.{key} = .*; rename the folder or file"):
        study_from(values)


def test_folders_that_cannot_work_are_refused(tmp_path, monkeypatch):
    for name in ("plain's", 'a"b', "a$b", "a`b"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        paths.check_places("/x", Path("results"), paths.LONG)
        if name == "plain's":
            paths.check_places("/x", Path("results"), 10**7)
        else:
            with pytest.raises(InputError, match=r"the path of the working folder has [\"$`],.*raise seeds_per_job"):
                paths.check_places("/x", Path("results"), paths.LONG + 1)
    with pytest.raises(InputError, match=r"^/x\{y\}: .*move the workflow"):
        paths.check_places("/x{y}", Path("results"), 0)
    monkeypatch.setattr(paths, "PACKAGE", Path("/a:b/src"))
    with pytest.raises(InputError, match=r"^/a:b/src: .*has ':', .*; move it"):
        paths.check_places("/x", Path("results"), 0)


LINES = "metrics a.csv 'b c.csv'\nstatistics \"it's.npz\"\n\nmetrics ''d\n"


def test_a_stage_takes_files_from_standard_input(monkeypatch):
    from boltzprune.__main__ import _inputs

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(LINES.encode())))
    found = list(_inputs(["patterns=x=y.npz", "-"]))
    assert found == [
        *(("patterns", "x=y.npz"), ("metrics", "a.csv"), ("metrics", "b c.csv"), ("statistics", "it's.npz")),
        ("metrics", "d"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("metrics\n", "line 1 is 'metrics'; expected NAME FILE"), ("\nmetrics 'a\n", "line 2 is .*as a shell has them")],
)
def test_a_list_that_is_none_is_refused(monkeypatch, capsys, text, expected):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert main(["collect", "--in", "-"]) == 2
    assert re.search(expected, capsys.readouterr().err)


N_BLOCKS, LONG_NAME = 179, "x" * 245
SMALL_STACK = 2**19
"""Bytes; Linux lets arguments have a quarter of that, 128 KiB."""


def spread(folder, first):
    """Results of one block of seeds as those of all."""
    for seed in range(1, N_BLOCKS):
        copied = shutil.copytree(first, folder / f"seeds{seed}-{seed}")
        for path in copied.rglob("metrics.csv"):
            about = path.stat()
            table = pd.read_csv(path).assign(seed=seed)
            table.to_csv(path, index=False)
            os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


@pytest.mark.slow
def test_no_number_of_files_is_too_many_for_the_last_steps(tmp_path):
    """snakemake/snakemake#85: a rule's command with more files than a command line may have."""
    values = merged(SMALL, {"study": "many", "seeds": N_BLOCKS, "seeds_per_job": 1})
    values["patches"] |= {"criteria": [f"{LONG_NAME}.py:mine"]}
    workflow = Copy(tmp_path, values)
    (tmp_path / f"{LONG_NAME}.py").write_text(OWN)
    folder, chain = Path("results/many/patches"), f"{LONG_NAME}.mine/iteration1/metrics.csv"
    first = [f"{folder}/seeds0-0/{name}" for name in ("initial/metrics.csv", chain)]
    assert workflow.snakemake(*first, "--cores", "2").returncode == 0
    spread(tmp_path / folder, tmp_path / folder / "seeds0-0")
    target = "results/many/tables/metrics.csv"
    limits = resource.getrlimit(resource.RLIMIT_STACK)
    resource.setrlimit(resource.RLIMIT_STACK, (SMALL_STACK, limits[1]))
    try:
        done = workflow.snakemake(target, "--cores", "1", "--printshellcmds")
    finally:
        resource.setrlimit(resource.RLIMIT_STACK, limits)
    assert done.returncode == 0, done.stdout[-3000:]
    (command,) = re.findall(r"^Shell command: (python -m .*)\n((?:.*\n)*?)FILES$", done.stdout, re.MULTILINE)
    assert len(command[0]) < 1000 and len(command[1]) > 2**17
    lists = [shlex.split(line) for line in command[1].splitlines()]
    assert [(name, len(files)) for name, *files in lists] == [
        *(("patterns", 1), ("metrics", 2 * N_BLOCKS), ("statistics", 2 * N_BLOCKS))
    ]
    metrics = pd.read_csv(tmp_path / target)
    assert metrics.groupby("phase")["seed"].agg(["nunique", "max"]).values.tolist() == [[N_BLOCKS, N_BLOCKS - 1]] * 3
    shown = pd.read_csv((tmp_path / target).with_name("pattern_probabilities.csv"))
    assert set(shown["n_seeds"]) == {N_BLOCKS}


MODULE = """
configfile: "study.yaml"

rule everything:
    input: "summary.txt"

module boltzprune:
    snakefile: {snakefile!r}
    config: config
    prefix: "elsewhere"

use rule * from boltzprune as pruning_*

rule summary:
    input: rules.pruning_table1.output.csv, rules.pruning_draw_fig1.output
    output: "summary.txt"
    shell: "wc {{input:q}} > {{output:q}}"
"""


def snakemake(folder, *arguments, **environment):
    """Run Snakemake in a folder: the finished process, its output as text in `stdout`."""
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments], cwd=folder, env=inherited | environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """A user's own workflow with this one as a module, computed; its data lie beside it, its results elsewhere."""
    folder, source = tmp_path_factory.mktemp("user"), tmp_path_factory.mktemp("workflow")
    Copy(source, {})
    values = merged(block(["variance_fi"]), {"patches": {"data": {"source": "npz", "file": "raw.npz"}}})
    (folder / "study.yaml").write_text(yaml.safe_dump(values))
    (folder / "Snakefile").write_text(MODULE.format(snakefile=str(source / "workflow" / "Snakefile")))
    write_patterns(folder / "raw.npz", n=199)
    done = snakemake(folder)
    assert done.returncode == 0, done.stdout
    return folder


@pytest.mark.slow
def test_as_a_module_all_results_lie_under_the_prefix(user):
    """snakemake/snakemake#1632, snakemake/snakemake#2914."""
    found = {path.name for path in user.iterdir() if not path.name.startswith(".")}
    assert found == {"Snakefile", "study.yaml", "raw.npz", "summary.txt", "elsewhere"}
    results = user / "elsewhere" / "results" / "odd"
    figures = {"fig1.png", "fig1_a.csv", "fig1_b.csv.gz", "fig1_c.csv", "fig1_d.csv", "fig1_e.csv"}
    assert {path.name for path in (results / "figures").iterdir()} == figures
    assert len((user / "summary.txt").read_text().splitlines()) == 1 + len(figures) + 1
    assert (results / "logs" / "fig1.log").is_file() and (results / "benchmarks" / "fig1.tsv").is_file()
    assert "Nothing to be done" in snakemake(user, "--dry-run").stdout
    report = snakemake(user, "--report", "report.html", "pruning_table1")
    (user / "report.html").unlink()
    assert report.returncode == 0 and "Adding table1.csv" in report.stdout, report.stdout


@pytest.mark.slow
def test_as_a_module_the_checks_look_under_the_prefix(user):
    metrics = user / "elsewhere" / "results" / "odd" / "tables" / "metrics.csv"
    about = metrics.stat()
    os.utime(metrics, (about.st_atime, about.st_mtime + 3607))
    try:
        said = snakemake(user, "--dry-run").stdout
    finally:
        os.utime(metrics, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert "elsewhere/results/odd/tables/metrics.csv is dated" in said


DEPLOYED = """
configfile: "study.yaml"

module boltzprune:
    snakefile: github("lab/boltzprune", path="workflow/Snakefile", tag="v0.1.0")
    config: config

use rule * from boltzprune
"""
HIDE = """
import pathlib, sys
sys.path[:] = [path for path in sys.path if not (pathlib.Path(path) / "boltzprune").is_dir()]
"""


@pytest.fixture
def deployed(tmp_path, monkeypatch):
    """What snakedeploy writes, and an environment in which a local repository stands for github.com."""
    if not shutil.which("git"):
        pytest.skip("no git")
    source, folder = tmp_path / "source", tmp_path / "user"
    source.mkdir(), folder.mkdir()
    Copy(source, {})
    identity = {f"GIT_{who}_{what}": "x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for key, value in identity.items():
        monkeypatch.setenv(key, value)
    for words in ("init --quiet", "add .", "commit --quiet --message x", "tag v0.1.0"):
        subprocess.run(["git", *words.split()], cwd=source, check=True)
    subprocess.run(["git", "clone", "--quiet", "--bare", source, tmp_path / "hub" / "lab" / "boltzprune"], check=True)
    (folder / "Snakefile").write_text(DEPLOYED)
    (folder / "study.yaml").write_text(yaml.safe_dump(block(["variance_fi"])))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for key, value in (("COUNT", "1"), ("KEY_0", f"url.file://{tmp_path}/hub/.insteadOf")):
        monkeypatch.setenv(f"GIT_CONFIG_{key}", value)
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/")
    return folder


@pytest.mark.slow
def test_deployed_from_github_it_runs_once_its_package_is_installed(deployed):
    """IKIM-Essen/uncovar#506."""
    done = snakemake(deployed, "fig1", PYTHONPATH=str(ROOT / "src"))
    assert done.returncode == 0, done.stdout
    assert (deployed / "results" / "odd" / "figures" / "fig1.png").is_file()


def test_deployed_from_github_without_the_package_it_says_what_to_install(deployed, tmp_path):
    """IKIM-Essen/uncovar#506, snakemake/snakemake#2914: a module from a repository brings its rules and no package."""
    if (Path(boltzprune.__file__).parents[1] / "snakemake").is_dir():
        pytest.skip("the package is installed beside Snakemake, so that one cannot be hidden without the other")
    (tmp_path / "sitecustomize.py").write_text(HIDE)
    done = snakemake(deployed, "--dry-run", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert f"{sys.executable} -m pip install git+https://github.com/lab/boltzprune@v0.1.0" in done.stdout
    assert "Traceback" not in done.stdout
