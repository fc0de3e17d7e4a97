"""Which jobs an edit reruns: a study is computed once, then edited again and again in copies, each time a dry run.

The edits are those of docs/reruns.md, row for row.
"""

import copy
import hashlib
import json
import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
from edits import DATA, EDITS, OTHER, STAGES
from workflow_copy import ROOT

from boltzprune.pruning.controls import ANEW
from boltzprune.study import stages
from boltzprune.study.config import Digits, Figures, Patches, Study
from boltzprune.study.settings import merged

WORKERS = 2
"""Dry runs at once."""
OFTEN = list(EDITS)[::3]
"""Edits that are made in every run of the tests; all of them in the heavy run."""


@pytest.fixture(scope="module")
def other(finished, tmp_path_factory):
    """As if the study had been computed with device auto, from files, with two blocks of seeds."""
    made = finished.beside(tmp_path_factory.mktemp("other"))
    for name, text in DATA.items():
        (made.folder / name).parent.mkdir(exist_ok=True)
        (made.folder / name).write_text(text)
    for experiment in ("patches", "digits"):
        place = made.folder / "results" / "tiny" / experiment
        shutil.copytree(place / "seeds0-2", place / "seeds3-5")
    entry = {"path": str(made.folder / "mine.npz"), "sha256": hashlib.sha256(DATA["mine.npz"].encode()).hexdigest()}
    manifest = made.folder / "results" / "tiny" / "patches" / "source.json"
    manifest.write_text(json.dumps({"source": "npz", "files": [entry]}))
    made.values = merged(made.values, OTHER)
    made.write(made.values)
    done = made.snakemake("--touch", "--cores", "1")
    assert done.returncode == 0, done.stdout
    assert made.planned() == {}
    return made


@pytest.fixture(scope="module")
def uncontrolled(finished, tmp_path_factory):
    """As if the study had been computed without controls."""
    made = finished.beside(tmp_path_factory.mktemp("uncontrolled"))
    for experiment in ("patches", "digits"):
        place = made.folder / "results" / "tiny" / experiment / "seeds0-2"
        shutil.rmtree(place / "unpruned")
        for path in (path for phase in ANEW for path in place.rglob(f"{phase}*")):
            path.unlink()
    made.values = merged(made.values, {name: {"controls": []} for name in ("patches", "digits")})
    made.write(made.values)
    done = made.snakemake("--touch", "--cores", "1")
    assert done.returncode == 0, done.stdout
    assert made.planned() == {}
    return made


def planned_after(edit, workflow, folder):
    """What would run after an edit, made in a copy."""
    made = workflow.beside(folder, DATA, os.link)
    made.write(merged(copy.deepcopy(made.values), edit.values))
    for name, old, new in edit.sources:
        path = folder / name
        text = path.read_text()
        assert old in text, f"{name} has no {old!r}"
        path.unlink()  # may be a link to that of the study
        path.write_text(text.replace(old, new, 1))
    for name, text in edit.files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).unlink(missing_ok=True)
        if text is not None:
            (folder / name).write_text(text)
            os.utime(folder / name, edit.dated and (edit.dated, edit.dated))
    return made.planned()


@pytest.fixture(scope="module")
def plans(request, finished, other, uncontrolled, tmp_path_factory):
    """Name of an edit -> what would run, of all edits whose tests are wanted: some at once."""
    names = [item.callspec.params["name"] for item in request.session.items if "plans" in item.fixturenames]
    if not request.config.getoption("--heavy"):
        names = [name for name in names if name in OFTEN]
    with ThreadPoolExecutor(WORKERS) as pool:
        studies = {"finished": finished, "other": other, "uncontrolled": uncontrolled}
        yield {
            name: pool.submit(planned_after, EDITS[name], studies[EDITS[name].study], tmp_path_factory.mktemp("edit"))
            for name in names
        }


@pytest.fixture(scope="module")
def documented():
    """Edit -> rules, as docs/reruns.md has them."""
    rows = [
        [cell.strip() for cell in line.strip("|\n").split("|")]
        for line in (ROOT / "docs" / "reruns.md").read_text().splitlines()
        if line.startswith("|") and not line.startswith("|---")
    ]
    tables, groups = {}, {}
    for row in rows:
        if row[1] in ("rules", "what runs"):
            current = tables.setdefault(row[1], {})
        else:
            current[row[0].replace("`", "")] = row[1]
    for name, cell in tables["rules"].items():
        groups[name] = rules_in(cell, groups)
    return {name: rules_in(cell, groups) for name, cell in tables["what runs"].items()}


def rules_in(cell, groups):
    """Rules that a cell names, each in backticks, or as a group."""
    found = set()
    for part in filter(None, (part.strip() for part in cell.split(","))):
        if part.startswith("`"):
            found.add(re.fullmatch("`(\\w+)`", part)[1])
        elif part != "nothing":
            found |= groups[part]
    return found


def test_after_the_run_there_is_nothing_to_do(study):
    assert study.planned() == {}


@pytest.mark.torture
@pytest.mark.parametrize("name", EDITS)
def test_an_edit(plans, documented, name, at_scale):
    at_scale(name in OFTEN, True)
    planned = plans[name].result()
    assert planned == EDITS[name].expected
    assert set(planned) == documented[name]


def test_the_documentation_has_every_edit_and_no_other(documented):
    assert list(documented) == list(EDITS)
    assert len(documented) > 20


def test_every_stage_and_every_section_is_among_the_edits():
    assert set(STAGES) == {row.module for row in stages.STAGES.values()}
    names = [*Study.model_fields, *(f"{e}.{key}" for e, model in SECTIONS.items() for key in model.model_fields)]
    assert not [name for name in names if not any(re.search(rf"\b{re.escape(name)}\b", edit) for edit in EDITS)]


SECTIONS = {"patches": Patches, "digits": Digits, "figures": Figures}
