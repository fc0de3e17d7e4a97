"""The criteria of the paper's studies are named: one more in the list of criteria enters none of them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from boltzprune.study.settings import study_from
from boltzprune.study.yaml_files import read_yaml

FOLDER = Path(__file__).parents[2] / "config"
STUDIES = ["config.yaml", "digits-small.yaml", "paper.yaml"]
WEIGHTS = ["variance_fi", "heuristic_fi", "weight_magnitude", "random_weights", "anti_fi", "random_units"]
PAPER = {"patches": [*WEIGHTS[:2], "eigenvector", *WEIGHTS[2:]], "digits": WEIGHTS}
EXPERIMENTS = {"digits-small.yaml": ["digits"]}
"""What a study is of; others: both."""

WITH_ONE_MORE = """
import dataclasses, json, sys
from boltzprune.pruning import criteria
criteria.CRITERIA["one_more"] = dataclasses.replace(criteria.CRITERIA["anti_fi"], label="One more")
from boltzprune.study.settings import study_from
from boltzprune.study.yaml_files import read_yaml
studies = [study_from(read_yaml(path)) for path in sys.argv[1:]]
studies.append(study_from({"patches": {"criteria": ["one_more"]}}))
print(json.dumps([study.model_dump() for study in [study_from({}), *studies]]))
"""


def test_the_list_of_studies_is_whole():
    assert sorted(path.name for path in FOLDER.glob("*.yaml")) == STUDIES


@pytest.mark.parametrize("name", STUDIES)
def test_the_files_name_the_papers_criteria(name):
    values = yaml.safe_load((FOLDER / name).read_text())
    for experiment in EXPERIMENTS.get(name, PAPER):
        assert values[experiment]["criteria"] == PAPER[experiment]


def test_the_defaults_are_the_papers_criteria():
    study = study_from({})
    assert {experiment: getattr(study, experiment).criteria for experiment in PAPER} == PAPER


def test_a_criterion_more_in_the_list_changes_no_study():
    paths = [FOLDER / name for name in STUDIES]
    done = subprocess.run(
        [sys.executable, "-c", WITH_ONE_MORE, *map(str, paths)], capture_output=True, text=True, check=True
    )
    *found, own = json.loads(done.stdout)
    assert found == [study.model_dump() for study in (study_from({}), *(study_from(read_yaml(p)) for p in paths))]
    assert own["patches"]["criteria"] == ["one_more"]  # which is known
