"""The list of sources, and the one that comes with scikit-learn."""

import json
import subprocess
import sys

import numpy as np
import pytest

from boltzprune.__main__ import main
from boltzprune.datasets import SOURCES, Raw, Source, places, sample_images
from boltzprune.datasets.sizes import PatchSizes
from boltzprune.errors import InputError
from boltzprune.results.prepared import read_states
from boltzprune.results.store import Arrays
from boltzprune.study.config import PatchData


def test_the_list_of_sources():
    assert {"sample_images", "cifar10", "npz"} <= set(SOURCES)
    for name, source in SOURCES.items():
        assert source.name == name and source.summary and source.citation
        assert callable(source.locate) and callable(source.read) and callable(source.sizes)


def test_the_list_is_cheap_to_import():
    code = "import sys, boltzprune.datasets; print([m for m in sys.modules if m in ('sklearn', 'pooch', 'requests')])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_the_files_of_scikit_learn_are_found_without_importing_it():
    code = (
        "import sys; from boltzprune.datasets import LABELLED_SOURCES, SOURCES;"
        "paths = SOURCES['sample_images'].locate(None) + LABELLED_SOURCES['digits'].locate(None);"
        "assert 'sklearn' not in sys.modules; import sklearn; print(sklearn.__path__[0], *paths)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    folder, *paths = run.stdout.split()
    assert [path.removeprefix(f"{folder}/datasets/") for path in paths] == [
        *("images/china.jpg", "images/flower.jpg", "data/digits.csv.gz")
    ]


def test_a_library_that_is_not_installed_is_named():
    with pytest.raises(InputError, match="the library no_such_library is not installed"):
        places.of_library("no_such_library")


def test_raw_holds_either_images_or_patterns():
    with pytest.raises(ValueError, match="either images or patterns"):
        Raw()
    with pytest.raises(ValueError, match="either images or patterns"):
        Raw(images=[], patterns=np.zeros((2, 3), dtype=np.uint8))


def test_the_photographs_of_scikit_learn(settings):
    source = SOURCES["sample_images"]
    paths = source.locate(settings())
    assert [path.name for path in paths] == ["china.jpg", "flower.jpg"] and all(path.is_file() for path in paths)
    raw = source.read(paths, settings())
    assert raw.images[0].shape == (2, 427, 640, 3) and raw.images[0].dtype == np.uint8 and raw.patterns is None
    assert "china.jpg, flower.jpg" in raw.notes[0]


def test_photographs_that_are_missing_or_unreadable_are_named(settings, monkeypatch):
    import sklearn.datasets

    def broken():
        raise ImportError("no Pillow")

    monkeypatch.setattr(sklearn.datasets, "load_sample_images", broken)
    with pytest.raises(InputError, match=r"cannot read x\.jpg \(no Pillow\)"):
        sample_images.read(["x.jpg"], settings())
    monkeypatch.setattr(sample_images, "NAMES", ("absent.jpg",))
    with pytest.raises(InputError, match=r"absent\.jpg is missing"):
        sample_images.locate(settings())


def stripes(paths, data):
    """Seven patterns of five units, computed."""
    assert paths == []
    return Raw(patterns=np.tri(7, 5, data.seed, dtype=np.uint8), notes=["stripes, computed"])


def test_a_source_without_files_is_fetched_and_prepared(tmp_path, monkeypatch):
    said = {"name": "stripes", "experiment": "patches", "summary": "computed stripes", "citation": "nobody"}
    row = Source(**said, locate=lambda data: [], read=stripes, sizes=lambda data: PatchSizes(), place=None)
    monkeypatch.setitem(SOURCES, "stripes", row)
    manifest, patterns = tmp_path / "source.json", tmp_path / "patterns.npz"
    data = PatchData(source="stripes", n_patterns=7, seed=1)
    spec = json.dumps({"data": data.model_dump(include={"source", "directory", "file", "download", "batches"})})
    assert main(["fetch", "--out", f"manifest={manifest}", "--spec", spec]) == 0
    assert json.loads(manifest.read_text()) == {"source": "stripes", "files": []}
    words = ["--in", f"manifest={manifest}", "--out", f"patterns={patterns}"]
    assert main(["prepare", *words, "--spec", json.dumps({"data": data.model_dump()})]) == 0
    states = read_states(Arrays(patterns))
    assert sorted(states.sum(axis=1)) == [2, 3, 4, 5, 5, 5, 5]


def test_a_source_with_a_place_has_files(tmp_path):
    manifest = tmp_path / "source.json"
    manifest.write_text(json.dumps({"source": "npz", "files": []}))
    words = ["--in", f"manifest={manifest}", "--out", f"patterns={tmp_path / 'patterns.npz'}"]
    data = PatchData(source="npz", file="x.npz")
    assert main(["prepare", *words, "--spec", json.dumps({"data": data.model_dump()})]) == 2
    assert not (tmp_path / "patterns.npz").exists()
