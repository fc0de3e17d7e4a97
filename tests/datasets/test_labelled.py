"""Images with labels: the list of sources, a user's .npz file, the digits of scikit-learn, the split."""

import subprocess
import sys
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest

from boltzprune.datasets import LABELLED_SOURCES, Labelled, arrays, labelled, scikit_digits
from boltzprune.errors import InputError

SOURCE = LABELLED_SOURCES["npz"]
RNG = np.random.default_rng(19)
IMAGES, TEST_IMAGES = RNG.integers(0, 100, (31, 5, 7)), RNG.integers(0, 100, (11, 5, 7))
LABELS, TEST_LABELS = RNG.integers(0, 4, 31), RNG.integers(0, 4, 11)
ALL = {"images": IMAGES, "labels": LABELS, "test_images": TEST_IMAGES, "test_labels": TEST_LABELS}


def _settings(**changed):
    return SimpleNamespace(**{"file": None, "n_classes": 4, "seed": 7, **changed})


@pytest.fixture
def read(tmp_path):
    """Saves arrays and reads them through the source."""

    def through_file(named, **changed):
        np.savez_compressed(tmp_path / "mine.npz", **named)
        wanted = _settings(file=str(tmp_path / "mine.npz"), **changed)
        return SOURCE.read(SOURCE.locate(wanted), wanted)

    return through_file


def test_the_list_of_sources():
    assert {"digits", "mnist", "npz"} <= set(LABELLED_SOURCES)
    for name, source in LABELLED_SOURCES.items():
        assert source.name == name and source.summary and source.citation
        assert callable(source.locate) and callable(source.read)


def test_the_list_is_cheap_to_import():
    heavy = "('sklearn', 'pooch', 'requests', 'pandas', 'scipy')"
    code = (
        f"import sys, boltzprune.datasets, boltzprune.datasets.digits; print([m for m in sys.modules if m in {heavy}])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.mark.parametrize("wrong", [0, 1, 2, 3])
def test_images_and_labels_have_to_agree(wrong):
    good = [IMAGES, LABELS, TEST_IMAGES, TEST_LABELS]
    assert Labelled(*good).notes == []
    for bad in (good[wrong][:-1], good[wrong][..., None], good[wrong][..., :-1]):
        with pytest.raises(ValueError, match="expected"):
            Labelled(*good[:wrong], bad, *good[wrong + 1 :])


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64, ">i4"])
@pytest.mark.parametrize("label_dtype", [np.uint8, np.int8, np.int64, np.uint64])
def test_four_arrays_are_read(read, dtype, label_dtype):
    named = {key: array.astype(dtype if "images" in key else label_dtype) for key, array in ALL.items()}
    found = read(named)
    for array, key in zip((found.train_images, found.train_labels, found.test_images, found.test_labels), ALL):
        np.testing.assert_array_equal(array, ALL[key])
    assert found.train_labels.dtype == found.test_labels.dtype == np.int64
    assert found.notes == ["31 training and 11 test images from mine.npz"]


def test_without_a_test_set_a_random_quarter_is_one(read):
    images = np.arange(31)[:, None, None] + np.zeros((1, 5, 7), dtype=int)  # every image shows its number
    found = read({"images": images, "labels": LABELS})
    train, test = found.train_images[:, 2, 3], found.test_images[:, 4, 6]
    assert len(test) == 7 and sorted([*train, *test]) == list(range(31))
    np.testing.assert_array_equal(found.train_labels, LABELS[train])
    np.testing.assert_array_equal(found.test_labels, LABELS[test])
    note = "no test set: a random quarter, 7 of 31 images, is set aside as one (seed 7)"
    assert found.notes == ["31 images from mine.npz", note]
    again, other = read({"images": images, "labels": LABELS}), read({"images": images, "labels": LABELS}, seed=8)
    np.testing.assert_array_equal(again.test_images, found.test_images)
    assert set(other.test_images[:, 0, 0]) != set(test) and sorted(test) != list(range(7))


def test_every_image_is_as_likely_to_be_set_aside():
    images = np.arange(20)[:, None, None] * np.ones((1, 2, 3), dtype=int)
    chosen = np.zeros(20)
    for seed in range(400):
        chosen[labelled.split(images, np.zeros(20, dtype=int), seed, []).test_images[:, 0, 0]] += 1
    assert np.abs(chosen - 100).max() < 4.5 * np.sqrt(400 * 0.25 * 0.75)


def test_booleans_become_bytes(read):
    found = read({**ALL, "images": IMAGES > 50, "test_images": TEST_IMAGES > 50})
    assert found.train_images.dtype == np.uint8
    np.testing.assert_array_equal(found.train_images, IMAGES > 50)


def _with(array, place, value):
    changed = array.copy() if np.result_type(array, type(value)) == array.dtype else array.astype(type(value))
    changed[place] = value
    return changed


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": None}, r"has the keys \['images', 'test_images', 'test_labels'\]; expected images and labels"),
        ({"images": None, "test_images": None, "test_labels": None}, r"has the keys \['labels'\]"),
        ({"test_labels": None}, r"either both of test_images and test_labels or neither"),
        ({"test_images": None}, r"either both of test_images and test_labels or neither"),
        ({"labels": LABELS[:-1]}, r"images has 31 images and .*mine\.npz: labels has 30 labels"),
        ({"test_labels": LABELS}, r"test_images has 11 images and .*test_labels has 31 labels"),
        (
            {"labels": _with(LABELS, 13, 4)},
            r"labels: label 13 .*images\) is 4, the largest; expected 0 to 3: set .*n_classes to 5 \(now 4\)",
        ),
        ({"labels": _with(LABELS, 2, -1)}, r"labels: label 2 .* is -1"),
        ({"test_labels": _with(TEST_LABELS, 3, 99)}, r"test_labels: label 3 .*test_images\) is 99"),
        ({"labels": LABELS.astype(np.uint64) + np.uint64(2**63)}, r"labels: label 0 .* is 922337203685477"),
        ({"labels": LABELS.astype(float)}, r"labels has the shape \(31,\) and the type float64; expected one integer"),
        ({"labels": LABELS > 1}, r"labels has .*the type bool"),
        ({"test_labels": TEST_LABELS[:, None]}, r"test_labels has the shape \(11, 1\)"),
        ({"images": IMAGES[..., None]}, r"images has the shape \(31, 5, 7, 1\); expected \(n, height, width\)"),
        ({"images": IMAGES.reshape(31, 35)}, r"images has the shape \(31, 35\)"),
        ({"images": IMAGES[:, :0]}, r"images has the shape \(31, 0, 7\)"),
        ({"test_images": TEST_IMAGES[:0], "test_labels": TEST_LABELS[:0]}, r"test_images has the shape \(0, 5, 7\)"),
        (
            {"test_images": TEST_IMAGES.reshape(11, 7, 5)},
            r"images has the shape \(31, 5, 7\) and test_images \(11, 7, 5\)",
        ),
        ({"images": _with(IMAGES, (3, 1, 2), np.nan)}, r": images holds values that are not finite"),
        ({"test_images": _with(TEST_IMAGES, (3, 1, 2), np.inf)}, r": test_images holds values that are not f"),
        ({"test_images": _with(TEST_IMAGES, (3, 1, 2), 2**40)}, r"test_images holds integers beyond"),
        ({"images": IMAGES.astype(object)}, r"images has the type object; expected integers"),
        ({"labels": LABELS.astype(str)}, r"labels has the type <U"),
    ],
)
def test_wrong_arrays_are_refused_by_file_and_key(read, changed, message):
    named = {key: array for key, array in {**ALL, **changed}.items() if array is not None}
    with pytest.raises(InputError, match=rf"mine\.npz.*{message}"):
        read(named)


def test_too_few_images_to_split(read):
    with pytest.raises(InputError, match=r"mine\.npz: no test set, .*expected 4 or more"):
        read({"images": IMAGES[:3], "labels": LABELS[:3]})
    assert len(read({"images": IMAGES[:4], "labels": LABELS[:4]}).test_images) == 1


def test_no_file_is_refused(tmp_path):
    for file, message in [
        (None, "is not set"),
        ("", "is not set"),
        (str(tmp_path), "is a folder, without"),
        ("/no", "'/no'"),
    ]:
        with pytest.raises(InputError, match=rf"digits\.data\.file.*{message}"):
            SOURCE.locate(_settings(file=file))


def test_damaged_and_too_large_files_are_refused(tmp_path, monkeypatch):
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, **ALL)
    content = path.read_bytes()
    for wrong in (content[:-30], content[:200], b"a,b\n", b""):
        path.write_bytes(wrong)
        with pytest.raises(
            InputError, match=r"mine\.npz cannot be read as an \.npz file.*images=\.\.\., labels=\.\.\."
        ):
            SOURCE.read([path], _settings())
    path.write_bytes(content)
    monkeypatch.setattr(arrays, "MAX_BYTES", IMAGES.nbytes - 1)
    with pytest.raises(InputError, match=f"images of shape .*at most {IMAGES.nbytes - 1}"):
        SOURCE.read([path], _settings())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_key_twice_is_refused(tmp_path):
    np.savez(tmp_path / "mine.npz", images=IMAGES, labels=LABELS)
    np.save(tmp_path / "labels.npy", LABELS[::-1])
    with zipfile.ZipFile(tmp_path / "mine.npz", "a") as archive:
        archive.write(tmp_path / "labels.npy", "labels.npy")
    with pytest.raises(InputError, match=r"has the keys \['images', 'labels', 'labels'\]"):
        SOURCE.read([tmp_path / "mine.npz"], _settings())


def test_the_digits_of_scikit_learn():
    from sklearn.datasets import load_digits

    source, wanted = LABELLED_SOURCES["digits"], _settings(n_classes=10)
    paths = source.locate(wanted)
    assert [path.name for path in paths] == ["digits.csv.gz"] and paths[0].is_file()
    found = source.read(paths, wanted)
    assert found.train_images.shape == (1348, 8, 8) and found.test_images.shape == (449, 8, 8)
    assert found.train_images.dtype == np.uint8 and found.train_labels.dtype == np.int64
    assert found.notes[0].startswith("1797 digits of 8 x 8 pixels") and "449 of 1797 images" in found.notes[1]
    theirs = load_digits()
    known = {image.tobytes(): label for image, label in zip(theirs.images.astype(np.uint8), theirs.target)}
    images = np.concatenate([found.train_images, found.test_images])
    labels = np.concatenate([found.train_labels, found.test_labels])
    assert [known[image.tobytes()] for image in images] == labels.tolist()
    assert len({image.tobytes() for image in images}) == len(known)
    with pytest.raises(InputError, match=r"digits\.csv\.gz: label \d+ .* is 9, the .*n_classes to 10 \(now 9\)"):
        source.read(paths, _settings(n_classes=9))


def test_digits_that_are_missing_or_unreadable_are_named(monkeypatch):
    import sklearn.datasets

    theirs = sklearn.datasets.load_digits()
    for images in (theirs.images[:-1], theirs.images + 1):
        changed = SimpleNamespace(images=images, target=theirs.target)
        monkeypatch.setattr(sklearn.datasets, "load_digits", lambda changed=changed: changed)
        with pytest.raises(InputError, match=r"x\.gz: found images of shape .*expected \(1797, 8, 8\), 0 to 16"):
            scikit_digits.read(["x.gz"], _settings(n_classes=10))
    monkeypatch.setattr(sklearn.datasets, "load_digits", lambda: 1 / 0)
    with pytest.raises(InputError, match=r"cannot read x\.gz \(division"):
        scikit_digits.read(["x.gz"], _settings(n_classes=10))
    monkeypatch.setattr(scikit_digits, "NAME", "absent.gz")
    with pytest.raises(InputError, match=r"absent\.gz is missing"):
        scikit_digits.locate(_settings())
