"""Folders and files that a user names: found however they are written, and described where they are wrong."""

from types import SimpleNamespace

import pytest

from boltzprune.datasets import LABELLED_SOURCES, SOURCES, places
from boltzprune.errors import InputError

IDX = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def located(source, **data):
    given = {"directory": None, "file": None, "download": True, "batches": ["data_batch_1"]}
    return source.locate(SimpleNamespace(**{**given, **data}))


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home folder that is the working folder too, with one file of each kind."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("sets/data_batch_1", *(f"sets/{name}" for name in IDX), "sets/mine.npz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    return tmp_path


@pytest.mark.parametrize("form", ["sets", "sets/", "./sets", "~/sets", "~/sets/", "{}/sets", "{}/sets//"])
def test_a_folder_is_found_however_it_is_written(home, form):
    folder = form.format(home)
    (path,) = located(SOURCES["cifar10"], directory=folder)
    assert path.resolve() == home / "sets" / "data_batch_1"
    assert [path.resolve() for path in located(LABELLED_SOURCES["mnist"], directory=folder)] == [
        home / "sets" / name for name in IDX
    ]
    for source in (SOURCES["npz"], LABELLED_SOURCES["npz"]):
        (path,) = located(source, file=f"{folder}/mine.npz")
        assert path.resolve() == home / "sets" / "mine.npz"


WRONG = [
    ("", r" is ''; expected a path, or null"),
    ("stes", r" is 'stes', which is not there \(looked for {home}/stes\); expected"),
    ("~/stes/", r" is '~/stes/', which is not there \(looked for {home}/stes\); expected"),
    ("{home}/stes", r" is '{home}/stes', which is not there; expected"),
    ("~nobody-of-this-name/x", r" is '~nobody-of-this-name/x': .*; expected a path, with ~ for your home folder"),
    ("sets/mine.npz", r" is 'sets/mine.npz', which is a file; expected the folder that holds it"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_a_wrong_folder_is_described(home, text, message):
    text, message = text.replace("{home}", str(home)), message.replace("{home}", str(home))
    for source, experiment in ((SOURCES["cifar10"], "patches"), (LABELLED_SOURCES["mnist"], "digits")):
        with pytest.raises(InputError, match=rf"{experiment}\.data\.directory{message}"):
            located(source, directory=text)


def test_a_wrong_file_is_described(home):
    (home / "link").symlink_to("link")
    (home / "empty").mkdir()
    for text, message in (
        (
            "mine.npz",
            rf" is 'mine.npz', which is not there \(looked for {home}/mine.npz\); expected the path of an .npz",
        ),
        ("sets/", r" is 'sets/', which is a folder, with mine.npz; expected the path of an .npz file"),
        ("empty", r" is 'empty', which is a folder, without any .npz file; expected"),
        ("link", r" is 'link', which is not there"),
        ("~nobody-of-this-name/x", r" is '~nobody-of-this-name/x': .*; expected a path"),
        ("/dev/null", r" is '/dev/null', which is no regular file"),
    ):
        for source, experiment in ((SOURCES["npz"], "patches"), (LABELLED_SOURCES["npz"], "digits")):
            with pytest.raises(InputError, match=rf"{experiment}\.data\.file{message}"):
                located(source, file=text)


HELD = [
    (["cifar-10-python.tar.gz"], "CIFAR-10"),
    (["cifar-10-batches-py/data_batch_1"], "CIFAR-10"),
    (["cifar-100-python.tar.gz"], "CIFAR-100"),
    (["cifar-100-python/train"], "CIFAR-100"),
    (["train", "test", "meta", "file.txt~"], "CIFAR-100"),
    (["renamed/train", "renamed/test", "renamed/meta"], "CIFAR-100"),
    (["train.bin", "test.bin", "fine_label_names.txt"], "CIFAR-100"),
    (["MNIST/train-images-idx3-ubyte.gz"], "MNIST or another set in IDX files"),
    (["train_32x32.mat", "test_32x32.mat"], "SVHN"),
    (["stl10_binary/train_X.bin"], "STL-10"),
    (["cifar-100-python/meta", "train-labels.idx1-ubyte"], "CIFAR-100 and MNIST or another set in IDX files"),
    (["train", "test"], "test, train"),
    ([f"{k}.png" for k in range(7)], "0.png, 1.png, 2.png, 3.png, 4.png and 2 more"),
    ([".hidden"], None),
]


@pytest.mark.parametrize(("names", "expected"), HELD)
def test_what_a_folder_holds_instead_is_said(tmp_path, names, expected):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert places.held(tmp_path) == (f"it holds {expected}" if expected else "it is empty")


def test_what_is_wanted_is_found_beside_other_sets(tmp_path):
    for folder in ("cifar-10-batches-py", "cifar-100-python"):
        (tmp_path / folder).mkdir()
    batch = tmp_path / "cifar-10-batches-py" / "data_batch_1"
    batch.touch()
    assert located(SOURCES["cifar10"], directory=str(tmp_path)) == [batch]
    with pytest.raises(InputError, match=r"it holds CIFAR-10 and CIFAR-100; expected one file each"):
        located(LABELLED_SOURCES["mnist"], directory=str(tmp_path))
    with pytest.raises(
        InputError, match=r"patches\.data\.batches names \(test_batch\); it holds CIFAR-10 and CIFAR-100"
    ):
        located(SOURCES["cifar10"], directory=str(tmp_path), batches=["test_batch"])
