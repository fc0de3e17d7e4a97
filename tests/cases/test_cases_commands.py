"""Situations from public reports about commands and defaults, rebuilt with synthetic input."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from boltzprune.__main__ import main
from boltzprune.study.settings import study_of

ROOT = Path(__file__).parents[2]
TWICE = """study: mine
patches:
  data: {source: npz, file: recordings.npz, n_patterns: 5000}
  machine: {n_hidden: 30}
# added later
patches:
  iterations: 5
"""


def snakemake(folder, *words):
    """A dry run of the workflow of this checkout from a folder: status and output."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "snakemake", *words, "--dry-run"]
    done = subprocess.run(command, cwd=folder, env=environment, stdout=-1, stderr=subprocess.STDOUT, text=True)
    return done.returncode, done.stdout


@pytest.mark.parametrize("words", ["--configfile my.yaml table1", "table1 --configfile my.yaml", "my.yaml table1"])
def test_a_target_behind_the_configuration_file(tmp_path, words):
    """mozilla/translations#259, ptrebert/project-diploid-assembly#12, Wytamma/snk#98: the target is lost."""
    (tmp_path / "my.yaml").write_text("study: mine\n")
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, "-m", "boltzprune", "plan", *words.split()]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Study mine: ")
    assert "table1" in done.stdout
    assert "fig2" not in done.stdout


def test_a_section_that_is_written_twice(tmp_path, capsys):
    """yaml/pyyaml#165, #41; rbgirshick/yacs#17: the first of two equal keys vanishes without a word."""
    (tmp_path / "study.yaml").write_text(TWICE)
    assert main(["check", str(tmp_path / "study.yaml")]) == 2
    expected = "study.yaml: the key patches stands in line 2 and again in line 6"
    assert expected in capsys.readouterr().err
    status, told = snakemake(tmp_path, "--snakefile", str(ROOT / "Snakefile"), "--configfile", "study.yaml")
    assert status == 1
    assert expected in told


@pytest.mark.parametrize("preset", ["", "preset: paper\n"])
def test_a_file_with_one_key_and_that_key_on_the_command_line(tmp_path, capsys, preset):
    """snakemake/snakemake#730, vanheeringen-lab/seq2science#358, nextstrain/mpox#173: keys left out."""
    (tmp_path / "mine.yaml").write_text(f"{preset}seeds: 3\n")
    assert main(["check", str(tmp_path / "mine.yaml")]) == 0
    mine = yaml.safe_load(capsys.readouterr().out)
    given = ["--set", "seeds=3", *(["--set", "preset=paper"] if preset else [])]
    assert main(["check", *given]) == 0
    assert yaml.safe_load(capsys.readouterr().out) == mine
    assert main(["check"]) == 0
    shipped = yaml.safe_load(capsys.readouterr().out)
    assert shipped == study_of([ROOT / "config" / "config.yaml"]).model_dump()
    if not preset:
        assert {key for key in shipped if shipped[key] != mine[key]} == {"seeds"}


@pytest.mark.parametrize("way", ["into", "from"])
def test_another_folder(tmp_path, way):
    """snakemake-workflow-template#4, PyPSA/pypsa-eur#105, nanoporetech/pipeline-umi-amplicon#12."""
    if way == "into":
        status, told = snakemake(ROOT, "--directory", str(tmp_path), "fig1")
    else:
        status, told = snakemake(tmp_path, "--snakefile", str(ROOT / "Snakefile"), "fig1")
    assert status == 0, told
    assert "results/demo/figures/fig1.png" in told
