"""What cannot work is found when the configuration is read, with the remedy; what may surprise is a note of `check`."""

import gzip
import re
import struct

import numpy as np
import pytest
from own_criteria import SIZE, write

from boltzprune.__main__ import main
from boltzprune.datasets import SOURCES, cifar10
from boltzprune.datasets.patches import circle_offsets, prepare
from boltzprune.datasets.sizes import n_tiles
from boltzprune.errors import InputError
from boltzprune.study import feasible
from boltzprune.study.config import PatchData
from boltzprune.study.settings import study_from

VECTOR = "other = rule\ndef vector(e):\n    return abs(e.eigenvector)\nvector.needs = 'eigenvector'\n"
RBM = {"receptive_field": None, "n_hidden": [7, 5]}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with data of every kind, and criteria."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(3)
    np.savez("patterns.npz", patterns=rng.random((31, 23)) < 0.3)
    np.savez_compressed("wide.npz", patterns=rng.random((31, 307)) < 0.3)
    np.savez("images.npz", images=rng.random((3, 11, 17, 2)))
    np.savez("digits.npz", images=rng.random((13, 5, 7)), labels=np.arange(13) % 10)
    test = {"test_images": rng.random((11, 5, 7)), "test_labels": np.arange(11) % 10}
    np.savez("split.npz", images=rng.random((13, 5, 7)), labels=np.arange(13) % 10, **test)
    np.savez("other.npz", something=np.zeros(3))
    (tmp_path / "damaged.npz").write_bytes(b"PK\x03\x04 no archive")
    (tmp_path / "idx").mkdir()
    for name, n, pack in (("train", 13, gzip.compress), ("t10k", 11, bytes)):
        header = struct.pack(">4I", 0x803, n, 5, 7)
        (tmp_path / "idx" / f"{name}-images-idx3-ubyte").write_bytes(pack(header + bytes(n * 35)))
        labels = struct.pack(">2I", 0x801, n) + bytes(n)
        (tmp_path / "idx" / f"{name}-labels-idx1-ubyte").write_bytes(labels)
    write(
        tmp_path,
        rules=SIZE + "other = rule\ndef vector(e):\n    return abs(e.eigenvector)\nvector.needs = 'eigenvector'\n",
    )
    return tmp_path


def patches(**values):
    return {"patches": values}


def npz(name, **values):
    return {"patches": {"data": {"source": "npz", "file": name, "n_patterns": 31}, **values}}


def digits(machine=RBM, **values):
    return {"digits": {"data": values, "machine": machine}}


EXACT, ENUMERATED = {"method": "exact"}, {"statistics": "enumerated"}
NO_VECTOR = ["variance_fi"]
REFUSED = {
    "enumerated": (
        patches(data={"radius": 3, "n_patterns": 7}, sampling=ENUMERATED),
        "patches.sampling.statistics = 'enumerated': a patch of radius 3 has 29 pixels, and at most 20 can be "
        "enumerated; set it to 'sampled', or take a smaller patches.data.radius",
    ),
    "exact": (
        patches(data={"source": "cifar10", "radius": 2.9}, sampling=EXACT),
        "patches.sampling.method = 'exact': a patch of radius 2.9 has 25 pixels, and at most 20 can be enumerated; "
        "set it to 'gibbs', or take",
    ),
    "enumerated patterns": (
        npz("patterns.npz", sampling=ENUMERATED),
        "patches.sampling.statistics = 'enumerated': 23 visible units, and at most 20 can be enumerated; set it to "
        "'sampled', or take patterns of fewer units",
    ),
    "exact patterns": (npz("patterns.npz", sampling=EXACT), "patches.sampling.method = 'exact': 23 visible units, and"),
    "the whole matrix": (
        npz("wide.npz", criteria=["variance_fi", "eigenvector"]),
        "patches.criteria = eigenvector: needs the full FIM of 21,867 parameters (307 visible and 70 hidden units), "
        "and at most 20,000 are supported; leave it out, set patches.machine.n_hidden to 63 or less, or take patterns "
        "of fewer units",
    ),
    "the whole matrix, own": (
        npz("wide.npz", criteria=["rules.py:vector"]),
        "patches.criteria = rules.py:vector: needs",
    ),
    "the whole matrix, patches": (
        patches(data={"source": "cifar10", "radius": 9.5}, machine={"n_hidden": 70}),
        "(293 visible and 70 hidden units), and at most 20,000 are supported; leave it out, set "
        "patches.machine.n_hidden to 67 or less, or take a smaller patches.data.radius",
    ),
    "radius": (
        patches(data={"source": "cifar10", "radius": 16}),
        "patches.data.radius is 16.0: a patch is 33 pixels wide and an image has 32 x 32; expected a radius below 16",
    ),
    "radius without end": (patches(data={"radius": 1e12}), "an image has 427 x 640; expected a radius below 214"),
    "radius, own images": (
        {"patches": {"data": {"source": "npz", "file": "images.npz", "n_patterns": 2, "radius": 6.0}}},
        "a patch is 13 pixels wide and an image has 11 x 17; expected a radius below 6",
    ),
    "too many patches": (
        patches(data={"radius": 3.0}),
        "patches.data.n_patterns = 20000: the data hold 11102 patterns; expected 1 to 11102, or a smaller "
        "patches.data.radius",
    ),
    "too many own images": (
        {"patches": {"data": {"source": "npz", "file": "images.npz", "n_patterns": 19, "radius": 2.1}}},
        "patches.data.n_patterns = 19: the data hold 18 patterns",
    ),
    "too many patterns": (
        {"patches": {"data": {"source": "npz", "file": "patterns.npz", "n_patterns": 32}, "criteria": NO_VECTOR}},
        "patches.data.n_patterns = 32: the data hold 31 patterns; expected 1 to 31",
    ),
    "no function": (patches(criteria=["rules.py:yours"]), "functions there: rule, other, vector"),
    "own criterion of digits": (
        {"digits": {"criteria": ["anti_fi", "rules.py:vector"]}},
        "digits.criteria = 'rules.py:vector': needs the full FIM, which is computed for RBMs only; leave it out",
    ),
    "crop": (
        digits(source="mnist", crop=14),
        "digits.data.crop = 14: nothing is left of images of 28 x 28 pixels; expected 0 to 13",
    ),
    "crop of own": (digits(source="npz", file="digits.npz", crop=3), "images of 5 x 7 pixels; expected 0 to 2"),
    "crop of a folder": (digits(source="mnist", directory="idx", crop=3), "images of 5 x 7 pixels; expected 0 to 2"),
    "units of MNIST": (
        digits({"receptive_field": 5, "n_hidden": [64, 11]}, source="mnist", crop=4),
        "digits.machine.n_hidden = [64, 11]: with receptive fields h1 has one unit per pixel, 400; set [400, 11]",
    ),
    "units of own": (
        digits({"receptive_field": 3, "n_hidden": [34, 11]}, source="npz", file="split.npz"),
        "h1 has one unit per pixel, 35; set [35, 11], or receptive_field: null",
    ),
    "receptive field": (
        digits({"receptive_field": 9, "n_hidden": [35, 11]}, source="npz", file="split.npz"),
        "digits.machine.receptive_field = 9: an image has 5 x 7 pixels after the crop; expected at most 7, or null",
    ),
    "n_train": (
        digits(n_train=1349),
        "digits.data.n_train = 1349: the data hold 1348 training images; expected 1 to 1348",
    ),
    "n_test": (digits(n_test=450), "digits.data.n_test = 450: the data hold 449 test images; expected 1 to 449"),
    "n_train of MNIST": (digits(source="mnist", n_train=60_001), "the data hold 60000 training images"),
    "n_test of a folder": (digits(source="mnist", directory="idx", n_test=12), "the data hold 11 test images"),
    "n_train of a folder": (digits(source="mnist", directory="idx", n_train=14), "the data hold 13 training images"),
    "n_test of own": (
        digits(source="npz", file="digits.npz", n_test=4),
        "the data hold 3 test images; expected 1 to 3",
    ),
    "n_train of own": (digits(source="npz", file="digits.npz", n_train=11), "the data hold 10 training images"),
    "n_test of split": (digits(source="npz", file="split.npz", n_test=12), "the data hold 11 test images"),
    "classes": (
        digits(n_classes=9),
        "digits.data.n_classes = 9: source digits has class labels 0 to 9; expected 10 or more",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused_before_anything_is_computed(folder, case):
    values, expected = REFUSED[case]
    with pytest.raises(InputError) as caught:
        study_from(values, "mine.yaml")
    [line] = str(caught.value).splitlines()
    assert line.startswith("mine.yaml: ") and expected in line


WORKS = {
    "just enumerated": patches(data={"radius": 2.1}, sampling=ENUMERATED | EXACT),
    "a patch as wide as the image": patches(data={"source": "cifar10", "radius": 15.9}, criteria=NO_VECTOR),
    "just all patches": patches(data={"radius": 3, "n_patterns": 11_102}),
    "just all patterns": npz("patterns.npz"),
    "no criterion needs the matrix": npz("wide.npz", criteria=NO_VECTOR),
    "the largest matrix": npz("wide.npz", machine={"n_hidden": 63}),
    "all own images": {"patches": {"data": {"source": "npz", "file": "images.npz", "n_patterns": 18, "radius": 2.1}}},
    "all digits": digits(n_train=1348, n_test=449),
    "all of own": digits(source="npz", file="digits.npz", n_train=10, n_test=3, n_classes=3),
    "all of a folder": digits(source="mnist", directory="idx", n_train=13, n_test=11, crop=2),
    "a field as large as the image": digits(
        {"receptive_field": 7, "n_hidden": [35, 3]}, source="npz", file="split.npz"
    ),
    "files that are not there": npz("none.npz", sampling=EXACT) | digits(source="npz", file="none.npz", crop=99),
    "files that are damaged": npz("damaged.npz", sampling=EXACT) | digits(source="npz", file="damaged.npz", crop=99),
    "files of another kind": npz("other.npz", sampling=EXACT) | digits(source="npz", file="patterns.npz", crop=99),
    "a folder that is not there": digits(source="mnist", directory="none", crop=99),
}


@pytest.mark.parametrize("case", WORKS)
def test_what_can_work_is_not_refused(folder, case):
    study_from(WORKS[case])


def test_sizes_are_those_that_preparing_finds(folder):
    """Of every source that is here: the most that is not refused is prepared, one more is not."""
    for values in ({"source": "sample_images", "radius": 40.0}, {"source": "npz", "file": "images.npz", "radius": 2.1}):
        known = SOURCES[values["source"]].sizes(data := PatchData(**values))
        n = known.n_images * n_tiles(known.image, data.radius)
        raw = SOURCES[data.source].read(SOURCES[data.source].locate(data), data)
        prepared = prepare(raw, data.model_copy(update={"n_patterns": n}))
        assert prepared.states.shape == (n, len(circle_offsets(data.radius)))
        with pytest.raises(InputError, match="n_patterns"):
            prepare(raw, data.model_copy(update={"n_patterns": n + 1}))
    assert SOURCES["cifar10"].sizes(PatchData(source="cifar10")).image == (cifar10.SIDE, cifar10.SIDE)


def test_all_problems_are_told_at_once(folder):
    values = npz("wide.npz", sampling=EXACT | ENUMERATED, criteria=["eigenvector", "rules.py:no"])
    with pytest.raises(InputError) as caught:
        study_from(values | digits(n_train=1349, n_test=450))
    assert len(str(caught.value).splitlines()) == 6


# Notes ----------------------------------------------------------------------------------------------------------------


def notes(values):
    return feasible.notes(study_from(values))


def ends(n_hidden, iterations, criteria, **pruning):
    """Criteria -> the iteration in which nothing is left of 5 x n_hidden weights, as the notes say."""
    values = {"machine": {"n_hidden": n_hidden}, "criteria": criteria, "iterations": iterations, "pruning": pruning}
    found = notes({"patches": values | {"data": {"radius": 1.0}}})
    words = [
        re.search(r"is left in iteration (\d+) of (.*), whose", note).groups() for note in found if "is left" in note
    ]
    return {name: int(iteration) for iteration, names in words for name in names.split(", ")}


def test_the_iteration_that_leaves_no_weight():
    """35 weights: 17, 8, 4, 2, 1, 0 by rank."""
    by_rank = {"threshold": "rank", "anti_fi_threshold": "rank", "fraction": 0.5}
    assert ends(7, 5, ["variance_fi", "anti_fi"], **by_rank) == {}
    assert ends(7, 6, ["variance_fi"], **by_rank) == {"variance_fi": 6}
    assert ends(7, 60, ["anti_fi"], **by_rank) == {"anti_fi": 6}


def test_whole_units_that_go():
    """70 units that lose half of their weights an iteration; by count one always stays."""
    units = {"criteria": ["random_units"], "fraction": 0.5}
    assert ends(70, 6, whole_units="weights", **units) == {}
    assert ends(70, 7, whole_units="weights", **units) == {"random_units": 7}
    assert ends(70, 99, whole_units="count", **units) == {}


def test_other_notes(folder):
    write(folder, rules="def rule(e):\n    return abs(e.eigenvector)\n")
    [note] = notes({"patches": {"criteria": ["rules.py:rule"]}})
    assert "'rules.py:rule' reads evidence.eigenvector, which is None: set needs = 'eigenvector'" in note
    [note] = notes(npz("wide.npz", criteria=NO_VECTOR))
    assert "the full FIM is not computed: 21,867 parameters are more than 20,000; Figure 1 shows the rest" in note
    [note] = notes({"digits": {"sampling": {"n_samples": 99}, "n_chains": 100}})
    assert "digits.sampling.n_samples = 99: fewer than the 100 chains" in note
    values = {"machine": {"receptive_field": 3, "n_hidden": [64, 3]}, "criteria": ["random_weights"], "iterations": 9}
    [note] = notes({"digits": values | {"pruning": {"fraction": [0.1, 0.5], "threshold": "rank"}}})
    assert note.startswith("digits.iterations = 9: no weight is left in iteration 8 of random_weights, whose course")
    assert notes({}) == []


def test_check_prints_notes_beside_the_values(folder, capsys):
    (folder / "s.yaml").write_text(
        "patches: {data: {source: npz, file: wide.npz, n_patterns: 31}, criteria: [anti_fi]}"
    )
    assert main(["check", "s.yaml"]) == 0
    shown = capsys.readouterr()
    assert "note: patches: the full FIM is not computed" in shown.err
    assert "note" not in shown.out
