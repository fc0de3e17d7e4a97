"""Situations from public reports about data that were not what they were taken for, rebuilt with synthetic files."""

import os
import pickle
import shutil
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from workflow_copy import Copy

from boltzprune.datasets import Raw, cifar10, mnist, patches
from boltzprune.errors import InputError
from boltzprune.results import records
from boltzprune.results.prepared import read_digits, read_states
from boltzprune.results.store import Arrays, checksum
from boltzprune.study.reruns.verify import DAMAGED
from boltzprune.study.settings import merged

OLD = 1_600_000_000
"""Seconds: long before any result was written."""
STUDY = {
    "study": "own",
    "device": "reference",
    "patches": {"data": {"source": "npz", "file": "mine.npz", "n_patterns": 307}},
    "digits": {"data": {"source": "mnist", "directory": "idx/", "n_classes": 3}},
}
PATTERNS, DIGITS = "results/own/patches/patterns.npz", "results/own/digits/digits.npz"
PARTS = {"train-images-idx3": (13, 5, 7), "train-labels-idx1": (13,), "t10k-images-idx3": (11, 5, 7)}
PARTS["t10k-labels-idx1"] = (11,)
BOTH = {"fetch": 1, "prepare": 1}
BOTH_DIGITS = {"fetch_digits": 1, "prepare_digits": 1}


def write_patterns(path, share):
    """More than 1 MB, of which Snakemake takes no checksum; two such files have the same size and the same dates."""
    np.savez(path, patterns=np.random.default_rng(61).random((30_011, 37)) < share)
    os.utime(path, (OLD, OLD))


def write_idx(folder, brightest):
    """Four files of digits, the same but for the training images."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(67)
    for name, sizes in PARTS.items():
        values = rng.integers(0, brightest if name == "train-images-idx3" else 3, sizes, dtype=np.uint8)
        header = bytes([0, 0, 8, len(sizes)]) + b"".join(struct.pack(">I", n) for n in sizes)
        (folder / f"{name}-ubyte").write_bytes(header + values.tobytes())
        os.utime(folder / f"{name}-ubyte", (OLD, OLD))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A study whose data are prepared, with other data beside them."""
    workflow = Copy(tmp_path_factory.mktemp("replaced"), STUDY)
    for number, (share, brightest) in enumerate([(0.1, 200), (0.5, 7)]):
        write_patterns(workflow.folder / f"{number}.npz", share)
        write_idx(workflow.folder / f"idx{number}", brightest)
    shutil.copy2(workflow.folder / "0.npz", workflow.folder / "mine.npz")
    shutil.copytree(workflow.folder / "idx0", workflow.folder / "idx")
    done = workflow.snakemake("--cores", "1", PATTERNS, DIGITS)
    assert done.returncode == 0, done.stdout
    return workflow


@pytest.fixture
def own(prepared):
    """That study; its data are put back afterwards."""
    yield prepared
    (prepared.folder / "mine.npz").unlink(missing_ok=True)
    shutil.copy2(prepared.folder / "0.npz", prepared.folder / "mine.npz")
    folder = prepared.folder / "idx"
    folder.unlink() if folder.is_symlink() else shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(prepared.folder / "idx0", prepared.folder / "idx")
    prepared.write(STUDY)


def planned(workflow):
    return workflow.planned(PATTERNS, DIGITS)


def test_a_data_file_replaced_by_an_older_one_is_noticed_and_named(own):
    """pytorch/vision#599 (Fashion-MNIST silently was MNIST), snakemake/snakemake#2011 and #1694 (dates)."""
    first, mine = own.folder / "0.npz", own.folder / "mine.npz"
    shutil.copy2(own.folder / "1.npz", mine)
    assert mine.stat().st_mtime_ns == first.stat().st_mtime_ns and mine.stat().st_size == first.stat().st_size
    assert planned(own) == BOTH
    shutil.copy2(own.folder / "idx1" / "train-images-idx3-ubyte", own.folder / "idx")
    plan = own.boltzprune("plan", PATTERNS, DIGITS, "--configfile", "study.yaml").stdout
    assert "Study own: 4 jobs would run" in plan
    assert "raw file mine.npz was replaced: its content is another" in plan
    assert "raw file train-images-idx3-ubyte was replaced: its content is another" in plan


def test_a_link_with_another_target_is_a_replaced_file_and_a_touched_one_is_not(own):
    """iterative/dvc#1648, snakemake/snakemake#1694: links that are switched, files that are only touched."""
    mine, folder = own.folder / "mine.npz", own.folder / "idx"
    mine.unlink()
    shutil.rmtree(folder)
    mine.symlink_to("0.npz")
    folder.symlink_to("idx0")
    assert planned(own) == {}, "the same content under another name"
    os.utime(own.folder / "0.npz")
    os.utime(folder / "t10k-labels-idx1-ubyte")
    assert planned(own) == {}, "the same content with another date"
    mine.unlink()
    folder.unlink()
    mine.symlink_to("1.npz")
    folder.symlink_to("idx1")
    assert planned(own) == BOTH | BOTH_DIGITS


def test_removed_data_are_told_and_stop_nothing_and_others_are_a_fault(own):
    """Raw data are often deleted or unmounted once they are prepared."""
    (own.folder / "mine.npz").unlink()
    shutil.rmtree(own.folder / "idx")
    assert planned(own) == {}
    done = own.boltzprune("verify", "results/own")
    assert done.returncode == 0, done.stderr
    assert "raw files that are not there any more: " in done.stdout and "idx/t10k" not in done.stdout
    (own.folder / "idx").mkdir()
    assert planned(own) == {}, "a disk that is not mounted"
    (own.folder / "idx" / "cifar-10-batches-py").mkdir()
    assert "it holds CIFAR-10; expected one file each" in own.snakemake("--dry-run", DIGITS).stdout
    shutil.copy2(own.folder / "1.npz", own.folder / "mine.npz")
    done = own.boltzprune("verify", "results/own")
    assert done.returncode == DAMAGED
    assert "mine.npz  another file now: changed, same size" in done.stdout
    assert own.boltzprune("verify", "--files", "results/own").stdout == "results/own/patches/source.json\n"


def test_a_mistyped_place_is_refused_before_anything_is_lost(own):
    """NVIDIA/DIGITS#132; a job that fails has lost its last result, and all that follows would be computed again."""
    before = {path: path.stat().st_mtime_ns for path in records.results_in(own.folder / "results" / "own")}
    assert len(before) == 4
    for data, message in (
        (
            {"patches": {"data": {"file": "mien.npz"}}},
            "patches.data.file is 'mien.npz', which is not there (looked for",
        ),
        ({"digits": {"data": {"directory": "idy"}}}, "digits.data.directory is 'idy', which is not there (looked for"),
        ({"digits": {"data": {"directory": ""}}}, "digits.data.directory is ''; expected a path, or null"),
    ):
        own.write(merged(STUDY, data))
        done = own.snakemake("--cores", "1", PATTERNS, DIGITS)
        assert done.returncode == 1
        assert message in done.stdout and "most recent call" not in done.stdout
    own.write(STUDY)
    assert planned(own) == {}
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_what_is_read_is_what_the_result_names(own, tmp_path):
    """pytorch/vision#599: after another edit the new file was read, and the checksum of the old one was noted."""
    copied = own.beside(tmp_path, ["mine.npz", "0.npz", "1.npz", "idx", "idx1"])
    shutil.copy2(copied.folder / "1.npz", copied.folder / "mine.npz")
    shutil.rmtree(copied.folder / "idx")
    shutil.copytree(copied.folder / "idx1", copied.folder / "idx")
    copied.write(merged(STUDY, {"patches": {"data": {"seed": 1}}}))
    done = copied.snakemake("--cores", "1", PATTERNS, DIGITS)
    assert done.returncode == 0, done.stdout
    found, digits = Arrays(copied.folder / PATTERNS), Arrays(copied.folder / DIGITS)
    assert abs(read_states(found).mean() - 0.5) < 4.5 * 0.5 / np.sqrt(307 * 37)
    assert found.provenance["data"]["files"] == [{"name": "mine.npz", "sha256": checksum(own.folder / "1.npz")}]
    images = np.random.default_rng(67).integers(0, 7, (13, 5, 7), dtype=np.uint8)
    assert sorted(map(bytes, read_digits(digits).states)) == sorted(
        image.tobytes() for image in (images > images.mean()).view(np.uint8)
    )
    for file in digits.provenance["data"]["files"]:
        assert file["sha256"] == checksum(own.folder / "idx1" / file["name"])


def test_a_wrong_directory_is_refused_and_never_filled(tmp_path, monkeypatch):
    """NVIDIA/DIGITS#132, mashijie1028/Happy-CGCD#13, pytorch/vision#599: another data set than the one named."""
    monkeypatch.setattr(cifar10.download, "fetch", lambda *_: pytest.fail("downloaded"))
    monkeypatch.setattr("pooch.os_cache", lambda project: pytest.fail("the cache is not asked for"))
    inner = tmp_path / "data" / "cifar-100-python"
    inner.mkdir(parents=True)
    for name in ("train", "test", "meta"):
        (inner / name).write_bytes(b"x")
    before = sorted(tmp_path.rglob("*"))
    for folder, message in (
        (tmp_path / "datta", r"datta', which is not there; expected a folder with data_batch_1"),
        (
            tmp_path / "data",
            r"data', in which there is no file of CIFAR-10 that .* names \(.*\); it holds CIFAR-100; expected data_bat",
        ),
        (inner, r"cifar-100-python', in which there is no file of CIFAR-10 that .*; it holds CIFAR-100; expected"),
        (inner / "train", r"train', which is a file; expected the folder that holds it"),
    ):
        for download in (True, False):
            asked = SimpleNamespace(directory=str(folder), batches=list(cifar10.BATCHES), download=download)
            with pytest.raises(InputError, match=r"patches\.data\.directory is '.*" + message):
                cifar10.locate(asked)
            with pytest.raises(
                InputError, match=r"digits\.data\.directory is|train images: none.*it holds CIFAR-100; "
            ):
                mnist.locate(SimpleNamespace(directory=str(folder), download=download))
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", ["data_batch_2", "data_batch_2.bin"])
def test_files_of_cifar_100_under_names_of_cifar_10_are_refused(tmp_path, name):
    """mashijie1028/Happy-CGCD#13."""
    content = pickle.dumps({"data": np.zeros((2, 3072), np.uint8), "fine_labels": [3, 5]}, protocol=2)
    (tmp_path / name).write_bytes(bytes(2 * 3074) if name.endswith(".bin") else content)
    with pytest.raises(InputError, match=rf"{name} .*CIFAR-100"):
        cifar10.read([tmp_path / name], SimpleNamespace(batches=["data_batch_2"]))


@pytest.mark.parametrize("median", ["global", "image"])
@pytest.mark.parametrize("at_median", [0, 1])
@pytest.mark.parametrize(("low", "high", "share"), [(0, 1, 0.2), (0, 200, 0.2), (3, 200, 0.7), (-1.5, 0.25, 0.5)])
def test_binary_images_are_taken_as_they_are(median, at_median, low, high, share):
    """charlesmartin14/emf-rbm#4 (binary or not, and where to cut)."""
    ones = np.random.default_rng(71).random((61, 17, 19)) < share
    settings = SimpleNamespace(radius=2.1, n_patterns=503, median=median, at_median=at_median, seed=0)
    images = np.where(ones, high, low)[..., None]
    stacks = [images[:40], images[40:]]
    found = patches.prepare(Raw(images=stacks), settings)
    expected = patches.prepare(Raw(images=[ones[..., None].astype(np.uint8)]), settings)
    np.testing.assert_array_equal(found.states, expected.states)
    assert abs(found.states.mean() - share) < 0.03
    assert f"two values, {low:g} and {high:g}, and are taken as they are" in found.notes[0]


@pytest.mark.parametrize("median", ["global", "image"])
def test_dark_images_name_the_key_that_helps(median):
    """charlesmartin14/emf-rbm#4."""
    rng = np.random.default_rng(73)
    dark = np.where(rng.random((61, 17, 19)) < 0.2, rng.integers(1, 256, (61, 17, 19)), 0).astype(np.uint8)[..., None]
    for images, at_median, word in ((dark, 1, "lowest"), (255 - dark, 0, "highest")):
        settings = SimpleNamespace(radius=2.1, n_patterns=503, median=median, at_median=at_median, seed=0)
        message = rf"the {word} value, which is then the median.*: set patches\.data\.at_median to {1 - at_median}$"
        with pytest.raises(InputError, match=message):
            patches.prepare(Raw(images=[images]), settings)
        settings.at_median = 1 - at_median
        found = patches.prepare(Raw(images=[images]), settings)
        share = found.states.mean()
        assert abs((share if at_median else 1 - share) - 0.2) < 0.03
