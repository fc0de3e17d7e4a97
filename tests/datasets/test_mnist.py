"""The four files of MNIST and of sets like it: found, read, refused."""

import gzip
import hashlib
import os
import struct
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from boltzprune.datasets import LABELLED_SOURCES, mnist
from boltzprune.datasets.digits import prepare
from boltzprune.errors import InputError

SOURCE = LABELLED_SOURCES["mnist"]
PARTS = ["train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"]
RNG = np.random.default_rng(17)
ARRAYS = {
    PARTS[0]: RNG.integers(0, 256, (13, 5, 7), dtype=np.uint8),
    PARTS[1]: RNG.integers(0, 3, 13, dtype=np.uint8),
    PARTS[2]: RNG.integers(0, 256, (11, 5, 7), dtype=np.uint8),
    PARTS[3]: RNG.integers(0, 3, 11, dtype=np.uint8),
}


def _idx(array):
    sizes = b"".join(struct.pack(">I", n) for n in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def _write(folder, name="{}-ubyte.gz", pack=gzip.compress, parts=PARTS, **changed):
    """Four files in a folder; `changed`: other arrays, by part with _ for -."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in parts:
        array = changed.get(part.replace("-", "_"), ARRAYS[part])
        (folder / name.format(part)).write_bytes(pack(_idx(array)))


@pytest.fixture
def wanted(tmp_path):
    def build(**changed):
        return SimpleNamespace(
            **{"directory": str(tmp_path), "download": False, "n_classes": 3, "transposed": False, **changed}
        )

    return build


def _load(settings):
    return SOURCE.read(SOURCE.locate(settings), settings)


@pytest.mark.parametrize("pack", [gzip.compress, bytes])
@pytest.mark.parametrize(
    "name",
    [
        "{}-ubyte.gz",
        "{}-ubyte",
        "emnist-digits-{}-ubyte.gz",
        "fashion_{}-ubyte",
        "latest-{}-ubyte.gz",
        "KMNIST-{}-UBYTE.GZ",
    ],
)
def test_four_files_are_read_under_the_names_of_several_sets(wanted, tmp_path, name, pack):
    _write(tmp_path, name, pack)
    found = _load(wanted())
    np.testing.assert_array_equal(found.train_images, ARRAYS[PARTS[0]], strict=True)
    np.testing.assert_array_equal(found.train_labels, ARRAYS[PARTS[1]].astype(np.int64), strict=True)
    np.testing.assert_array_equal(found.test_images, ARRAYS[PARTS[2]], strict=True)
    np.testing.assert_array_equal(found.test_labels, ARRAYS[PARTS[3]].astype(np.int64), strict=True)
    assert found.notes[0].startswith("13 training and 11 test images from") and str(tmp_path) not in str(found.notes)


@pytest.mark.parametrize("rename", [lambda n: n.replace("t10k", "test"), lambda n: n.replace("-idx", ".idx")])
def test_other_spellings(wanted, tmp_path, rename):
    _write(tmp_path)
    for path in list(tmp_path.iterdir()):
        path.rename(tmp_path / rename(path.name))
    assert len(_load(wanted()).test_images) == 11


@pytest.mark.parametrize("folder", ["raw", "FashionMNIST/raw", "mnist"])
def test_one_folder_further_down_is_found(wanted, tmp_path, folder):
    (tmp_path / "empty").mkdir()
    _write(tmp_path / folder)
    assert [path.parent for path in SOURCE.locate(wanted())] == [tmp_path / folder] * 4


def test_files_in_the_folder_itself_come_first_and_folders_are_not_mixed(wanted, tmp_path):
    _write(tmp_path / "a")
    _write(tmp_path, parts=PARTS[:3])
    with pytest.raises(InputError, match=r"has as test labels: none;"):
        SOURCE.locate(wanted())
    _write(tmp_path)
    assert all(path.parent == tmp_path for path in SOURCE.locate(wanted()))


def test_two_folders_are_both_named(wanted, tmp_path):
    _write(tmp_path / "MNIST" / "raw")
    _write(tmp_path / "FashionMNIST" / "raw")
    with pytest.raises(InputError, match=r"FashionMNIST/raw, .*/MNIST/raw; expected one: set digits\.data\.directory"):
        SOURCE.locate(wanted())


def test_the_unpacked_file_is_taken_where_both_are_there(wanted, tmp_path):
    _write(tmp_path)
    _write(tmp_path, "{}-ubyte", bytes, PARTS[1:3])
    names = [path.name for path in SOURCE.locate(wanted())]
    assert names == [f"{part}-ubyte{'' if part in PARTS[1:3] else '.gz'}" for part in PARTS]


def test_two_candidates_are_listed(wanted, tmp_path):
    _write(tmp_path, "emnist-digits-{}-ubyte.gz")
    _write(tmp_path, "emnist-letters-{}-ubyte.gz", parts=PARTS[:1])
    message = r"as train images: emnist-digits-train-images-idx3-ubyte\.gz, emnist-letters-train-images-idx3-ubyte\.gz;"
    with pytest.raises(InputError, match=message):
        SOURCE.locate(wanted())


def test_what_only_looks_like_a_file_of_the_set_is_passed_over(wanted, tmp_path):
    _write(tmp_path)
    others = [".{}-ubyte", "{}-ubyte.gz.part", "re{}-ubyte", "{}", "{}-int"]
    for name in ("trainer-images-idx3-ubyte", *(name.format(PARTS[0]) for name in others)):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "other-train-images-idx3-ubyte").mkdir()
    assert [path.name for path in SOURCE.locate(wanted())] == [f"{part}-ubyte.gz" for part in PARTS]


@pytest.mark.parametrize("download", [False, True])
def test_an_empty_or_missing_folder_says_what_to_do_and_nothing_is_downloaded(wanted, tmp_path, monkeypatch, download):
    monkeypatch.setattr(mnist.download, "fetch", lambda *_: pytest.fail("downloaded"))
    with pytest.raises(
        InputError, match=r"as train images: none; as train labels: none; as test images: none"
    ) as caught:
        SOURCE.locate(wanted(download=download))
    for part in (str(tmp_path), "t10k-labels-idx1-ubyte", "set digits.data.directory"):
        assert part in str(caught.value)
    with pytest.raises(InputError, match=r"digits\.data\.directory is '.*no', which is not there"):
        SOURCE.locate(wanted(directory=str(tmp_path / "no"), download=download))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"train_labels_idx1": ARRAYS[PARTS[1]][:-1]}, r"train-images\S* has 13 images and \S*train-labels\S* has 12"),
        ({"t10k_labels_idx1": ARRAYS[PARTS[1]]}, r"t10k-images\S* has 11 images and \S*t10k-labels\S* has 13 labels"),
        (
            {"train_labels_idx1": np.eye(13, dtype=np.uint8)[5] * 3},
            r"train-labels\S*: label 5 .*train-images\S* is 3, the",
        ),
        (
            {"t10k_labels_idx1": np.eye(11, dtype=np.uint8)[7] * 255},
            r"t10k-labels\S*: label 7 .*t10k-images\S* is 255, the",
        ),
        (
            {"t10k_images_idx3": ARRAYS[PARTS[2]].reshape(11, 7, 5)},
            r"train-images\S* .*5 x 7 .*t10k-images\S* of 7 x 5",
        ),
        ({"train_images_idx3": ARRAYS[PARTS[1]]}, r"train-images\S* is an IDX file of labels"),
        ({"train_labels_idx1": ARRAYS[PARTS[0]]}, r"train-labels\S* is an IDX file of images"),
        ({"t10k_images_idx3": ARRAYS[PARTS[3]]}, r"t10k-images\S* is an IDX file of labels"),
        ({"t10k_labels_idx1": ARRAYS[PARTS[2]]}, r"t10k-labels\S* is an IDX file of images"),
    ],
)
def test_files_that_do_not_fit_together_are_refused_by_name(wanted, tmp_path, changed, message):
    _write(tmp_path, **changed)
    with pytest.raises(InputError, match=message):
        _load(wanted())


def test_a_label_beyond_the_classes_names_the_key(wanted, tmp_path):
    _write(tmp_path)
    assert ARRAYS[PARTS[1]].max() == 2
    with pytest.raises(
        InputError, match=r"is 2, the largest; expected 0 to 1: set digits\.data\.n_classes to 3 \(now 2\)"
    ):
        _load(wanted(n_classes=2))


@pytest.mark.parametrize("n", [0, 3, 5])
def test_another_number_of_files_is_refused(wanted, tmp_path, n):
    with pytest.raises(InputError, match=f"found {n} files"):
        SOURCE.read([tmp_path] * n, wanted())


@pytest.mark.parametrize(("name", "pack"), [("{}-ubyte.gz", gzip.compress), ("{}-ubyte", bytes)])
def test_files_with_names_but_not_the_checksum_of_mnist_are_noted(wanted, tmp_path, monkeypatch, name, pack):
    _write(tmp_path, name, pack)
    checksum = {part: hashlib.sha256((tmp_path / name.format(part)).read_bytes()).hexdigest() for part in PARTS}
    assert _load(wanted()).notes[1:] == [
        f"{name.format(part)} has another checksum than the official MNIST file: sha256 {checksum[part]}"
        for part in PARTS
    ]
    monkeypatch.setitem(mnist.CHECKSUMS, f"{PARTS[1]}-ubyte", (checksum[PARTS[1]], ""))
    monkeypatch.setitem(mnist.CHECKSUMS, f"{PARTS[2]}-ubyte", ("", checksum[PARTS[2]]))
    assert [note.split()[0] for note in _load(wanted()).notes[1:]] == [name.format(PARTS[0]), name.format(PARTS[3])]


def test_files_with_other_names_are_not_compared_with_mnist(wanted, tmp_path):
    _write(tmp_path, "emnist-digits-{}-ubyte.gz")
    assert len(_load(wanted(transposed=True)).notes) == 1


def test_images_of_emnist_are_transposed_and_a_note_says_so_until_the_user_does(wanted, tmp_path):
    _write(tmp_path, "EMNIST-letters-{}-ubyte.gz")
    note = (
        "EMNIST-letters-train-images-idx3-ubyte.gz: EMNIST stores its images transposed; digits.data.transposed: true"
    )
    assert [found.startswith(note) for found in _load(wanted()).notes] == [False, True]


@pytest.fixture(scope="module")
def real():
    """Settings for the real files, for tests marked `data`; they are skipped where there are no such images."""
    folder = os.environ["BOLTZPRUNE_TEST_DATA"]
    if not (Path(folder) / "mnist").is_dir():
        pytest.skip(f"BOLTZPRUNE_TEST_DATA has no mnist: {folder}")
    given = {"directory": folder, "download": False, "n_classes": 10, "seed": 7, "transposed": False}
    return SimpleNamespace(**given, crop=4, threshold="mean", n_train=10007, n_test=None)


@pytest.mark.data
def test_the_real_digits_as_an_independent_reader_has_them(real):
    paths = SOURCE.locate(real)
    labelled = SOURCE.read(paths, real)
    images, labels, test_images, test_labels = (np.frombuffer(gzip.open(path).read(), np.uint8) for path in paths)
    np.testing.assert_array_equal(labelled.train_images, images[16:].reshape(60000, 28, 28))
    np.testing.assert_array_equal(labelled.test_images, test_images[16:].reshape(10000, 28, 28))
    np.testing.assert_array_equal(labelled.train_labels, labels[8:])
    np.testing.assert_array_equal(labelled.test_labels, test_labels[8:])
    assert np.bincount(labelled.train_labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(labelled.test_labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert labelled.train_labels[:5].tolist() == [5, 0, 4, 1, 9]
    for note in labelled.notes[1:]:  # only the training images may differ from the official file
        assert note.startswith("train-images-idx3-ubyte.gz has another checksum than the official MNIST file")


@pytest.mark.data
def test_the_real_digits_prepared(real):
    labelled = SOURCE.read(SOURCE.locate(real), real)
    prepared = prepare(labelled, real)
    assert prepared.states.shape == (60000, 400) and prepared.test_states.shape == (10000, 400)
    assert prepared.shape == (20, 20) and prepared.n_train == 10007
    sizes = {"images": 60000, "test_images": 10000, "n_train": 10007, "pixels": 400}
    assert prepared.counts == sizes | {"constant_pixels": 0, "classes": 10}
    assert prepared.notes == labelled.notes
    ours = labelled.train_images[:, 4:24, 4:24].astype(np.int64)  # 1 where value * pixels > sum, in whole numbers
    np.testing.assert_array_equal(
        prepared.states.sum(axis=0, dtype=np.int64), (ours * ours.size > ours.sum()).sum(axis=0).ravel()
    )
    test = labelled.test_images[:, 4:24, 4:24].astype(np.int64)
    np.testing.assert_array_equal(prepared.test_states, (test * test.size > test.sum()).reshape(10000, 400))
    assert abs(prepared.states.mean() - 0.2955) < 1e-4 and abs(prepared.test_states.mean() - 0.2972) < 1e-4
    seven = prepared.test_states[0].reshape(20, 20)
    assert prepared.test_labels[0] == 7 and seven[4, 2:18].sum() == 15 and seven[0].sum() == 0
