"""The workflow as a module of another, with a prefix, from a repository, and with conda environments."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tiny_study import write_patterns
from workflow_copy import ROOT, TINY, Copy

import boltzprune
from boltzprune.__main__ import _listed
from boltzprune.study import paths
from boltzprune.study.settings import merged

pytestmark = pytest.mark.slow

VALUES = merged(
    TINY,
    {
        "study": "odd",
        "seeds": 1,
        "device": "reference",
        "experiments": ["patches"],
        "patches": {"data": {"n_patterns": 199}, "controls": [], "criteria": ["variance_fi"]},
    },
)

MODULE = re.search(r"```python\n(configfile.*?)```", (ROOT / "config" / "README.md").read_text(), re.DOTALL)[1]
"""The Snakefile that the documentation shows."""
GITHUB = 'github("OWNER/boltzprune", path="workflow/Snakefile", tag="v0.1.0")'


def snakemake(folder, *arguments, **environment):
    """Run Snakemake in a folder: the finished process, its output as text in `stdout`."""
    inherited = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", *arguments], cwd=folder, env=inherited | environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def user(tmp_path_factory):
    """A user's own workflow with this one as a module, computed; its data lie beside it, its results under a prefix."""
    folder, source = tmp_path_factory.mktemp("user"), tmp_path_factory.mktemp("workflow")
    Copy(source, {})
    values = merged(VALUES, {"patches": {"data": {"source": "npz", "file": "raw.npz"}}})
    (folder / "study.yaml").write_text(yaml.safe_dump(values))
    assert MODULE.count(GITHUB) == 1
    (folder / "Snakefile").write_text(MODULE.replace(GITHUB, repr(str(source / "workflow" / "Snakefile"))))
    write_patterns(folder / "raw.npz", n=199)
    for target in ((), ("boltzprune_fig1",)):
        done = snakemake(folder, *target)
        assert done.returncode == 0, done.stdout
    return folder


def test_as_a_module_all_results_lie_under_the_prefix(user):
    """snakemake/snakemake#1632, snakemake/snakemake#2914."""
    found = {path.name for path in user.iterdir() if not path.name.startswith(".")}
    assert found == {"Snakefile", "study.yaml", "raw.npz", "summary.txt", "pruning"}
    results = user / "pruning" / "results" / "odd"
    figures = {"fig1.png", "fig1_a.csv", "fig1_b.csv.gz", "fig1_c.csv", "fig1_d.csv", "fig1_e.csv"}
    assert {path.name for path in (results / "figures").iterdir()} == figures
    assert "pruning/results/odd/tables/table1.csv" in (user / "summary.txt").read_text()
    assert (results / "logs" / "fig1.log").is_file() and (results / "benchmarks" / "fig1.tsv").is_file()
    assert "Nothing to be done" in snakemake(user, "--dry-run", "everything", "boltzprune_fig1").stdout
    report = snakemake(user, "--report", "report.html", "boltzprune_table1")
    (user / "report.html").unlink()
    assert report.returncode == 0 and "Adding table1.csv" in report.stdout, report.stdout


def test_as_a_module_the_checks_look_under_the_prefix(user):
    metrics = user / "pruning" / "results" / "odd" / "tables" / "metrics.csv"
    about = metrics.stat()
    os.utime(metrics, (about.st_atime, about.st_mtime + 3607))
    try:
        said = snakemake(user, "--dry-run").stdout
    finally:
        os.utime(metrics, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert "pruning/results/odd/tables/metrics.csv is dated" in said


ODD = 'it\'s "$HOME" & `id`; *?[1] #%=:@ ü'


def test_as_a_module_a_prefix_is_quoted(user):
    """snakemake/snakemake#85, snakemake/snakemake#2981: apostrophes and the like in paths of results."""
    text = (user / "Snakefile").read_text()
    assert text.count('"pruning"') == 1
    (user / "odd.smk").write_text(text.replace('"pruning"', repr(ODD)))
    said = snakemake(user, "--snakefile", "odd.smk", "--dry-run", "--printshellcmds", "boltzprune_fig1").stdout
    (user / "odd.smk").unlink()
    (command, files) = re.search(
        r"^Shell command: (python -m boltzprune figure .*)\n((?:.*\n)*?)FILES$", said, re.M
    ).groups()
    assert f"folder={ODD}/results/odd/figures" in shlex.split(command)
    place = Path(ODD, "results", "odd", "patches")
    assert list(_listed(files)) == [
        ("patterns", str(place / "patterns.npz")),
        ("statistics", str(place / "seeds0-0" / "initial" / "initial_statistics.npz")),
    ]


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
    (folder / "study.yaml").write_text(yaml.safe_dump(VALUES))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for key, value in (("COUNT", "1"), ("KEY_0", f"url.file://{tmp_path}/hub/.insteadOf")):
        monkeypatch.setenv(f"GIT_CONFIG_{key}", value)
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "https://github.com/")
    return folder


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


CONDA = """#!{python}
import json, pathlib, sys, venv
here, words = pathlib.Path(__file__).parent, sys.argv[1:]
if words[:2] == ["info", "--json"]:
    print(json.dumps({{"conda_prefix": str(here.parent), "platform": "linux-64"}}))
elif words == ["--version"]:
    print("conda 24.7.1")
elif words[:1] == ["config"]:
    print(json.dumps({{"get": {{"channel_priority": "strict"}}}}))
elif words[:2] == ["env", "create"]:
    wanted, made = (pathlib.Path(words[words.index(name) + 1]) for name in ("--file", "--prefix"))
    (here / "wanted.yaml").write_text(wanted.read_text())
    venv.create(made)
    next(made.glob("lib/python*/site-packages"), made).joinpath("libraries.pth").write_text({libraries!r})
"""


def test_as_a_module_jobs_in_a_conda_environment_find_the_package(user, tmp_path):
    """IKIM-Essen/uncovar#506: an environment has the libraries, and Snakemake takes PYTHONPATH from its jobs."""
    if (Path(boltzprune.__file__).parents[1] / "snakemake").is_dir():
        pytest.skip("the package is installed beside the libraries, and would be in the environment with them")
    (tmp_path / "bin").mkdir()
    libraries = str(Path(pd.__file__).parents[1])
    (tmp_path / "bin" / "conda").write_text(CONDA.format(python=sys.executable, libraries=libraries))
    (tmp_path / "bin" / "conda").chmod(0o755)
    (tmp_path / "bin" / "activate").write_text('export PATH="$1/bin:$PATH"\n')
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    options = ["--sdm", "conda", "--conda-prefix", str(tmp_path / "environments"), "--forcerun", "boltzprune_fetch"]
    done = snakemake(user, *options, "--until", "boltzprune_prepare", "--", "boltzprune_table1", PATH=path)
    assert done.returncode == 0 and "Activating conda environment" in done.stdout, done.stdout
    assert (tmp_path / "bin" / "wanted.yaml").read_text() == (ROOT / "envs" / "cpu.yaml").read_text()


def test_a_package_among_others_is_named_alone(tmp_path, monkeypatch):
    assert paths.package_alone() == Path(boltzprune.__file__).parents[1]
    monkeypatch.setattr(paths, "PACKAGE", tmp_path)
    for name in ("boltzprune", "numpy"):
        (tmp_path / name).mkdir()
    (tmp_path / "boltzprune" / "__init__.py").touch()
    alone = paths.package_alone()
    assert [path.name for path in alone.iterdir()] == ["boltzprune"]
    assert (alone / "boltzprune" / "__init__.py").samefile(tmp_path / "boltzprune" / "__init__.py")
    shutil.rmtree(alone)
