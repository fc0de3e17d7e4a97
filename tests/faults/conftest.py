"""A stage that trains for minutes, to be stopped."""

import json

import pytest
from faults_processes import end_all, python
from tiny_study import write_patterns


@pytest.fixture(autouse=True)
def nothing_goes_on(tmp_path):
    """No process outlives its test."""
    yield
    end_all(tmp_path)


@pytest.fixture(scope="session")
def training(tmp_path_factory):
    """Arguments of a training on that device that writes machine.npz here."""
    folder = tmp_path_factory.mktemp("patterns")
    write_patterns(folder / "mine.npz", n=40_009)
    spec = json.dumps({"data": {"source": "npz", "file": str(folder / "mine.npz"), "n_patterns": 40_009}})
    manifest, patterns = folder / "source.json", folder / "patterns.npz"
    for words in (
        ["fetch", f"--out=manifest={manifest}"],
        ["prepare", f"--in=manifest={manifest}", f"--out=patterns={patterns}"],
    ):
        made = python("-m", "boltzprune", *words, f"--spec={spec}", folder=folder)
        _, told = made.communicate()
        assert made.returncode == 0, told

    def arguments(device="reference"):
        schedule = {"learning_rate": [0.1] * 3000, "momentum": [0.5] * 3000}
        spec = json.dumps({"machine": {"n_hidden": 7}, "training": schedule, "device": device})
        return ["train", f"--in=patterns={patterns}", "--out=machine=machine.npz", f"--spec={spec}"]

    return arguments
