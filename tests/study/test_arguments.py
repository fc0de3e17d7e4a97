"""What a user writes after `run`, `plan` and `status`, sorted into arguments of Snakemake."""

import pytest
import yaml

from boltzprune.errors import InputError
from boltzprune.study.reruns import arguments
from boltzprune.study.reruns.arguments import read
from boltzprune.study.settings import typed


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A working folder with a workflow and two configuration files."""
    for name in ("Snakefile", "a.yaml", "b.json"):
        (tmp_path / name).write_text("{}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", ""),
        ("fig2 a.yaml", "fig2 --configfile a.yaml"),
        ("a.yaml fig2 table1 b.json", "fig2 table1 --configfile a.yaml b.json"),
        ("--configfile a.yaml fig2", "fig2 --configfile a.yaml"),
        ("fig2 --configfile a.yaml b.json", "fig2 --configfile a.yaml b.json"),
        ("--configfile=a.yaml fig2", "fig2 --configfile a.yaml"),
        ("--configfiles a.yaml fig2 --cores 3", "fig2 --cores 3 --configfile a.yaml"),
        ("--config seeds=3 fig2", "fig2 --config seeds=3"),
        ("a.yaml -C seeds=3 study=x", "--configfile a.yaml --config seeds=3 study=x"),
        ("fig1 a.yaml --cores 3 --forcerun train sample", "fig1 --cores 3 --forcerun train sample --configfile a.yaml"),
        ("--cores 3 fig1", "--cores 3 fig1"),
        ("a.yaml --forcerun x/source.json x/study.yaml", "--forcerun x/source.json x/study.yaml --configfile a.yaml"),
        ("--set seeds=3 fig1", "fig1 --config seeds=3"),
        ("fig1 --set=seeds=3 a.yaml", "fig1 --configfile a.yaml --config seeds=3"),
        ("fig1 -- --keep-going c.yaml", "fig1 --keep-going c.yaml"),
    ],
)
def test_any_order(given, expected):
    assert read(given.split()).words() == expected.split()


@pytest.mark.parametrize(
    ("item", "value"),
    [
        ("patches.iterations=4", {"patches": {"iterations": 4}}),
        ("digits.pruning.fraction=[0.1, 0.25]", {"digits": {"pruning": {"fraction": [0.1, 0.25]}}}),
        ("patches.data.directory=/a b/c=d", {"patches": {"data": {"directory": "/a b/c=d"}}}),
        ("patches.data.directory=it's {mine}, #1: no", {"patches": {"data": {"directory": "it's {mine}, #1: no"}}}),
        ("figures.colours.anti_fi=#aa0000", {"figures": {"colours": {"anti_fi": "#aa0000"}}}),
        ("digits.evaluation.ais_chains=null", {"digits": {"evaluation": {"ais_chains": None}}}),
        ("patches.criteria=[anti_fi, rules.py:mine]", {"patches": {"criteria": ["anti_fi", "rules.py:mine"]}}),
        ("digits.evaluation.after_pruning=true", {"digits": {"evaluation": {"after_pruning": True}}}),
        ("seeds=3", {"seeds": 3}),
    ],
)
def test_a_value_with_dots_is_the_same_for_check_and_for_snakemake(item, value):
    """Snakemake reads nested values with the loader of YAML that leaves everything text."""
    (given,) = read(["--set", item]).values
    key, _, text = given.partition("=")
    assert typed({key: {"seeds": 3}.get(key, yaml.load(text, yaml.BaseLoader))}) == value
    assert arguments.values([item]) == value


def test_several_values_of_one_section():
    assert arguments.values(["patches.iterations=4", "patches.data.seed=5", "seeds=3"]) == {
        "patches": {"iterations": 4, "data": {"seed": 5}},
        "seeds": 3,
    }


@pytest.mark.parametrize("words", [["--set"], ["--set", "seeds"], ["--set", ".seeds=3"], ["--set", "a..b=3"]])
def test_a_set_that_is_none(words):
    with pytest.raises(InputError, match="expected KEY=VALUE"):
        read(words)


def test_a_file_that_is_not_there():
    with pytest.raises(InputError, match=r"mine.yaml: there is no such configuration file; the working folder is /"):
        read(["fig1", "mine.yaml"])


def test_a_folder_without_a_workflow_uses_that_of_the_checkout(folder):
    (folder / "Snakefile").unlink()
    assert read(["fig1"]).words() == ["fig1", "--snakefile", str(arguments.OWN)]
    assert read(["-s", "x/Snakefile"]).words() == ["-s", "x/Snakefile"]
    assert read(["--snakefile=x/Snakefile"]).words() == ["--snakefile=x/Snakefile"]
    (folder / "workflow").mkdir()
    (folder / "workflow" / "Snakefile").touch()
    assert read(["fig1"]).words() == ["fig1"]


def test_a_package_without_a_workflow_says_where_to_find_one(folder, monkeypatch):
    (folder / "Snakefile").unlink()
    monkeypatch.setattr(arguments, "OWN", folder / "none")
    with pytest.raises(InputError, match="installed without the workflow"):
        read(["fig1"]).words()


@pytest.mark.parametrize("words", [["-n"], ["-nq"], ["--dry-run"], ["fig1", "--cores", "3", "-n"], ["--", "-n"]])
def test_an_option_is_seen(words):
    assert read(words).has("-n", "--dry-run")
    assert not read(words).has("--report", "-t")


def test_no_option_is_seen_in_a_longer_one():
    assert not read(["--notemp", "--report-metadata", "x"]).has("-n", "--report")
    assert read(["--report=x.html"]).has("--report")
