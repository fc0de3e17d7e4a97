"""CIFAR-10 in both layouts, unpacked or as an archive, whole, partial or damaged."""

import gzip
import tarfile

import numpy as np
import pytest

from boltzprune.datasets import SOURCES, archives, cifar10
from boltzprune.errors import InputError

SOURCE = SOURCES["cifar10"]


def _records(pixels, labels=None):
    """The binary layout."""
    labels = np.arange(len(pixels)) % 10 if labels is None else np.asarray(labels)
    return np.column_stack([labels.astype(np.uint8), pixels]).tobytes()


def _load(settings):
    return SOURCE.read(SOURCE.locate(settings), settings)


def test_planes_become_channels_of_rows_and_columns(make, settings, tmp_path):
    pixels = make.pixels(3, 5)
    (tmp_path / "data_batch_1").write_bytes(make.batch(pixels))
    (stack,) = _load(settings()).images
    assert stack.shape == (3, 32, 32, 3) and stack.dtype == np.uint8
    for image, channel, y, x in [(0, 0, 0, 1), (1, 1, 2, 0), (2, 2, 31, 30), (2, 0, 17, 5)]:
        assert stack[image, y, x, channel] == pixels[image, 1024 * channel + 32 * y + x]


@pytest.mark.parametrize("folder", [".", "cifar-10-batches-py", "cifar-10-batches-bin"])
@pytest.mark.parametrize("binary", [False, True])
def test_both_layouts_are_found_in_three_folders_and_are_the_same(make, settings, tmp_path, folder, binary):
    (tmp_path / folder).mkdir(exist_ok=True)
    for k, n in [(1, 3), (2, 7)]:
        pixels = make.pixels(n, k)
        path = tmp_path / folder / f"data_batch_{k}{'.bin' if binary else ''}"
        path.write_bytes(_records(pixels) if binary else make.batch(pixels))
    raw = _load(settings())
    assert [len(stack) for stack in raw.images] == [3, 7] and raw.patterns is None
    np.testing.assert_array_equal(raw.images[1].transpose(0, 3, 1, 2).reshape(7, 3072), make.pixels(7, 2))
    assert raw.notes == ["2 of 5 batches of CIFAR-10 found: data_batch_1, data_batch_2 (10 images)"]


def test_batches_come_in_the_order_requested(make, settings, tmp_path):
    for k in (1, 2, 3):
        (tmp_path / f"data_batch_{k}").write_bytes(make.batch(make.pixels(k, k)))
    wanted = settings(batches=["data_batch_3", "data_batch_1"])
    assert [len(stack) for stack in _load(wanted).images] == [3, 1]


@pytest.mark.parametrize("batches", [[], ["data_batch_6"], ["../data_batch_1"], ["data_batch_1", "data_batch_1"]])
def test_names_that_are_not_batches_are_refused(settings, batches):
    with pytest.raises(InputError, match=r"patches\.data\.batches is .*expected different ones of data_batch_1"):
        SOURCE.locate(settings(batches=batches))


def test_nothing_found_says_what_to_do(settings, tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError, match=r"patches\.data\.directory is .* no batch of CIFAR-10") as caught:
        SOURCE.locate(settings())
    for part in (str(tmp_path), "data_batch_1", "it holds notes.txt", "or to null to use the cache"):
        assert part in str(caught.value)


def test_nothing_in_the_cache_says_what_to_do(settings, tmp_path, monkeypatch):
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / project)
    with pytest.raises(InputError, match="no batch of CIFAR-10") as caught:
        SOURCE.locate(settings(directory=None))
    folder = str(tmp_path / "boltzprune" / "cifar10")
    for part in (folder, "patches.data.download is false", "data_batch_1", "sample_images"):
        assert part in str(caught.value)


@pytest.mark.parametrize("kept", [0, 1, 100, 3072, 9000, 9218])
@pytest.mark.parametrize("binary", [False, True])
def test_a_truncated_or_empty_batch_is_refused_by_name(make, settings, tmp_path, kept, binary):
    path = tmp_path / ("data_batch_1.bin" if binary else "data_batch_1")
    path.write_bytes((_records(make.pixels(3, 5)) if binary else make.batch(make.pixels(3, 5)))[:kept])
    with pytest.raises(InputError, match=rf"{path.name}.*expected"):
        _load(settings())


def test_foreign_files_are_refused(make, settings, tmp_path):
    path = tmp_path / "data_batch_1"
    odd = make.array(np.zeros((3, 3071), dtype=np.uint8))
    contents = {
        "PNG": b"\x89PNG\r\n\x1a\n" + bytes(5000),
        "HTML": b"<!DOCTYPE html><html>Not Found</html>",
        "no data": b"\x80\x02}U\x04nameK\x01s.",
        "other shape": b"\x80\x02}U\x04data" + odd + b"s.",
        "labels": make.batch(make.pixels(3, 5), labels=[1, 2]),
        "no images": make.batch(make.pixels(0, 5)),
    }
    for content in contents.values():
        path.write_bytes(content)
        with pytest.raises(InputError, match="data_batch_1"):
            _load(settings())
    path.unlink()
    (tmp_path / "data_batch_1.bin").write_bytes(_records(make.pixels(3, 5), labels=[1, 10, 2]))
    with pytest.raises(InputError, match="a label is 10"):
        _load(settings())


def test_a_file_that_is_too_large_or_went_away_is_refused(make, settings, tmp_path, monkeypatch):
    path = tmp_path / "data_batch_1"
    path.write_bytes(make.batch(make.pixels(3, 5)))
    monkeypatch.setattr("boltzprune.datasets.safe_pickle.MAX_BYTES", 4999)
    with pytest.raises(InputError, match=r"data_batch_1 is larger than 4999 bytes"):
        _load(settings())
    path.unlink()
    with pytest.raises(InputError, match=r"data_batch_1 cannot be read \(No such file"):
        SOURCE.read([path], settings())


@pytest.mark.parametrize("prefix", ["", "./"])
@pytest.mark.parametrize("binary", [False, True])
def test_an_archive_is_read_without_unpacking(make, settings, tmp_path, binary, prefix):
    folder, suffix = ("cifar-10-batches-bin", ".bin") if binary else ("cifar-10-batches-py", "")
    pack = _records if binary else make.batch
    members = [(f"{prefix}{folder}/data_batch_{k}{suffix}", pack(make.pixels(k, k))) for k in (5, 2)]
    make.tar(
        tmp_path / f"cifar-10-{'binary' if binary else 'python'}.tar.gz", [(f"{folder}/readme.html", b"hi"), *members]
    )
    raw = _load(settings())
    assert [len(stack) for stack in raw.images] == [2, 5]
    assert raw.notes == ["2 of 5 batches of CIFAR-10 found: data_batch_2, data_batch_5 (7 images)"]
    np.testing.assert_array_equal(raw.images[0].transpose(0, 3, 1, 2).reshape(2, 3072), make.pixels(2, 2))
    assert len(list(tmp_path.iterdir())) == 1


def test_unpacked_batches_come_before_an_archive(make, settings, tmp_path):
    make.tar(tmp_path / cifar10.ARCHIVE, [("cifar-10-batches-py/data_batch_1", make.batch(make.pixels(2, 2)))])
    (tmp_path / "data_batch_1").write_bytes(make.batch(make.pixels(3, 3)))
    assert len(_load(settings()).images[0]) == 3


def _link(kind, target):
    info = tarfile.TarInfo("cifar-10-batches-py/data_batch_1")
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_a_member_that_is_a_link_or_special_is_refused(make, settings, tmp_path, kind):
    secret = tmp_path / "secret"
    secret.write_bytes(make.batch(make.pixels(3, 3)))
    make.tar(tmp_path / cifar10.ARCHIVE, [(_link(kind, str(secret)), None)])
    with pytest.raises(InputError, match=r"data_batch_1 is a link, a special file"):
        _load(settings())


@pytest.mark.parametrize("name", ["../data_batch_1", "/data_batch_1", "cifar-10-batches-py/../../data_batch_1", "x/y"])
def test_a_member_with_a_path_of_its_own_leads_nowhere(make, settings, tmp_path, name):
    folder = tmp_path / "inner"
    folder.mkdir()
    make.tar(folder / cifar10.ARCHIVE, [(name, make.batch(make.pixels(3, 3)))])
    with pytest.raises(InputError, match="expected at least one of data_batch_1"):
        _load(settings(directory=str(folder)))
    assert [path.name for path in tmp_path.iterdir()] == ["inner"] and len(list(folder.iterdir())) == 1


def test_a_member_twice_or_too_large_is_refused(make, settings, tmp_path, monkeypatch):
    member = ("cifar-10-batches-py/data_batch_1", make.batch(make.pixels(3, 3)))
    make.tar(tmp_path / cifar10.ARCHIVE, [member, member])
    with pytest.raises(InputError, match="there twice"):
        _load(settings())
    make.tar(tmp_path / cifar10.ARCHIVE, [member])
    monkeypatch.setattr("boltzprune.datasets.safe_pickle.MAX_BYTES", 4999)
    with pytest.raises(InputError, match="larger than 4999 bytes"):
        _load(settings())


def test_an_archive_that_unpacks_to_too_much_is_refused(settings, tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_UNPACKED", 2**20)
    name = tarfile.TarInfo("big")
    name.size = 2**40
    pax = tarfile.TarInfo("pax")
    pax.type, pax.size = tarfile.XHDTYPE, 2**40
    for info in (name, pax):
        (tmp_path / cifar10.ARCHIVE).write_bytes(gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + bytes(2**22)))
        with pytest.raises(InputError, match="unpacks to more than 1048576 bytes"):
            _load(settings())


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_archive_is_refused(make, settings, tmp_path, share):
    path = make.tar(tmp_path / cifar10.ARCHIVE, [("cifar-10-batches-py/data_batch_1", make.batch(make.pixels(7, 3)))])
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"cifar-10-python\.tar\.gz"):
        _load(settings())


def test_a_damaged_or_foreign_archive_is_refused(make, settings, tmp_path):
    path = make.tar(tmp_path / cifar10.ARCHIVE, [("cifar-10-batches-py/data_batch_1", make.batch(make.pixels(7, 3)))])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    for wrong in (bytes(content), b"<html>", gzip.compress(b"not a tar" * 999)):
        path.write_bytes(wrong)
        with pytest.raises(InputError, match="cannot be read as a"):
            _load(settings())


@pytest.mark.data
def test_the_real_batches(settings, real_cifar):
    raw = _load(settings(directory=real_cifar))
    assert raw.notes[0].startswith(f"{len(raw.images)} of 5 batches of CIFAR-10 found: data_batch_1")
    first = raw.images[0]
    assert first.shape == (10000, 32, 32, 3)
    assert first[0, 0, 0].tolist() == [59, 62, 63] and first[0, 0, 1].tolist() == [43, 46, 45]  # the frog
    assert 110 < first.mean() < 130
