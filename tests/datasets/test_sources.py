"""The list of sources, and the one that comes with scikit-learn."""

import subprocess
import sys

import numpy as np
import pytest

from boltzprune.datasets import SOURCES, Raw, sample_images
from boltzprune.errors import InputError


def test_the_list_of_sources():
    assert list(SOURCES) == ["sample_images", "cifar10", "npz"]
    for name, source in SOURCES.items():
        assert source.name == name and source.summary and source.citation
        assert callable(source.locate) and callable(source.read)


def test_the_list_is_cheap_to_import():
    code = "import sys, boltzprune.datasets; print([m for m in sys.modules if m in ('sklearn', 'pooch', 'requests')])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


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
