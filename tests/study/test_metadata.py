"""Files about the project for people and machines: they agree with each other, and what they name is there."""

import json
import re
import tomllib
from pathlib import Path

import pytest
import yaml

import boltzprune

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
CODEMETA = json.loads((ROOT / "codemeta.json").read_text())
MANIFEST = yaml.safe_load((ROOT / "codecheck.yml").read_text())
DOI = "10.1371/journal.pcbi.1009458"


def name_of(requirement):
    return re.match(r"[\w.-]+", requirement)[0]


def test_version_licence_and_keywords_agree():
    assert CITATION["version"] == CODEMETA["version"] == boltzprune.__version__
    assert CITATION["license"] == PROJECT["license"] == CODEMETA["license"].rpartition("/")[2] == "MIT"
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")
    assert CITATION["keywords"] == PROJECT["keywords"] == CODEMETA["keywords"]
    assert {one["name"] for one in CITATION["authors"]} == {one["name"] for one in CODEMETA["author"]}


def test_all_cite_the_paper():
    assert CITATION["references"][0]["doi"] == DOI
    assert CODEMETA["referencePublication"]["identifier"] == MANIFEST["paper"]["reference"] == f"https://doi.org/{DOI}"
    assert DOI in (ROOT / "README.md").read_text()


def test_requirements_are_those_of_the_package():
    assert CODEMETA["softwareRequirements"] == [name_of(one) for one in PROJECT["dependencies"]]


def test_conda_environments_have_what_the_package_needs_in_the_versions_that_it_needs():
    extras = PROJECT["optional-dependencies"]
    needed = [*PROJECT["dependencies"], *extras["workflow"], *extras["plot"]]
    versions = {name_of(one): one.partition(">=")[2] for one in needed if not one.startswith("boltzprune")}
    versions["matplotlib-base"] = versions.pop("matplotlib")
    del versions["snakemake"]  # which runs the jobs, outside of their environments
    for path in (ROOT / "envs").glob("*.yaml"):
        listed = dict(one.split(" >=") for one in yaml.safe_load(path.read_text())["dependencies"] if " >=" in one)
        assert {name: listed.get(name) for name in versions} == versions, path.name


@pytest.mark.parametrize("entry", MANIFEST["manifest"], ids=lambda entry: entry["file"])
def test_every_output_of_the_manifest_is_there_and_says_how_it_is_made(entry):
    assert (ROOT / entry["file"]).stat().st_size > 500
    assert entry["comment"]


def test_recipes_of_containers_copy_what_is_there_and_install_what_exists():
    docker, apptainer = ((ROOT / "envs" / name).read_text() for name in ("Dockerfile", "apptainer.def"))
    copied = [word for line in re.findall(r"^COPY (.*) \S+$", docker, re.MULTILINE) for word in line.split()]
    copied += re.findall(r"^    (\S+) /opt/boltzprune/", apptainer, re.MULTILINE)
    assert {"pyproject.toml", "requirements.lock", "src", "Snakefile", "workflow", "config"} <= set(copied)
    assert [name for name in copied if not (ROOT / name).exists()] == []
    for text in (docker, apptainer):
        (extra,) = re.findall(r'pip install .*-c requirements.lock .*"\.\[(\w+)\]"', text)
        assert extra in PROJECT["optional-dependencies"]
        (python,) = re.findall(r"python:(3\.\d+)-slim", text)
        assert f">={python}" >= PROJECT["requires-python"]
