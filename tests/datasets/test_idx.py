"""IDX files, right, wrong and hostile."""

import gzip
import io
import math
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from boltzprune.datasets import idx
from boltzprune.errors import InputError

READERS = {"images": idx.read_images, "labels": idx.read_labels}
SHAPES = {"images": (11, 5, 7), "labels": (13,)}
MAGICS = {"images": b"\x00\x00\x08\x03", "labels": b"\x00\x00\x08\x01"}
KINDS = list(READERS)


def _array(kind):
    return np.random.default_rng(3).integers(0, 256, SHAPES[kind], dtype=np.uint8)


def _file(kind, sizes=None, content=None, magic=None):
    """An IDX file, written by hand."""
    sizes = SHAPES[kind] if sizes is None else sizes
    content = _array(kind).tobytes() if content is None else content
    return (MAGICS[kind] if magic is None else magic) + b"".join(struct.pack(">I", n) for n in sizes) + content


@pytest.fixture
def read(tmp_path):
    """Writes bytes to a file and reads it."""

    def through_file(kind, content, name="my.file"):
        (tmp_path / name).write_bytes(content)
        return READERS[kind](tmp_path / name)

    return through_file


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("pack", "name"), [(bytes, "a.gz"), (bytes, "a"), (gzip.compress, "a.gz"), (gzip.compress, "a")]
)
def test_what_was_written_is_read_whatever_its_name(read, kind, pack, name):
    found = read(kind, pack(_file(kind)), name)
    assert found.dtype == np.uint8 and found.flags.writeable
    np.testing.assert_array_equal(found, _array(kind), strict=True)


def test_rows_come_before_columns(read):
    images = read("images", _file("images", (2, 2, 3), bytes(range(12))))
    assert images[1, 0].tolist() == [6, 7, 8] and images[0, :, 1].tolist() == [1, 4]


def test_more_than_one_piece(read, monkeypatch):
    monkeypatch.setattr(idx, "PIECE", 17)
    np.testing.assert_array_equal(read("images", gzip.compress(_file("images"))), _array("images"))


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("kind", "content", "message"),
    [
        ("images", _file("labels"), r"is an IDX file of labels; expected an IDX file of images.*00 00 08 03"),
        ("labels", _file("images"), r"is an IDX file of images; expected an IDX file of labels.*00 00 08 01"),
        ("images", _file("images", magic=b"\x00\x00\x0d\x03"), r"begins with 00 00 0d 03; expected an IDX file"),
        ("images", _file("images", magic=b"\x03\x08\x00\x00"), r"begins with 03 08 00 00"),
        ("labels", b"<html>moved</html>", r"begins with 3c 68 74 6d"),
        ("labels", b"\x00\x00", r"begins with 00 00;"),
        ("images", b"", r"begins with nothing"),
        ("images", _file("images")[:15], r"ends within its sizes"),
        ("labels", _file("labels")[:4], r"ends within its sizes"),
        ("images", _file("images")[:16], r"truncated: .* \(11, 5, 7\), 385 bytes, and has 0;"),
        ("images", _file("images")[:-1], r"truncated: .* \(11, 5, 7\), 385 bytes, and has 384;"),
        ("labels", _file("labels")[:-1], r"truncated: .* \(13,\), 13 bytes, and has 12;"),
        ("images", _file("images") + b"\x00", r"goes on after the 385 bytes of its images"),
        ("labels", _file("labels") + bytes(99), r"goes on after the 13 bytes of its labels"),
        ("images", _file("images", (0, 28, 28), b""), r"sizes \(0, 28, 28\); expected numbers above 0"),
        ("images", _file("images", (3, 0, 28), b""), r"sizes \(3, 0, 28\)"),
        ("images", _file("images", (3, 28, 0), b""), r"sizes \(3, 28, 0\)"),
        ("labels", _file("labels", (0,), b""), r"sizes \(0,\)"),
        ("images", _file("images", (2**32 - 1,) * 3), r"sizes \(4294967295, .* at most 1073741824 bytes"),
        ("images", _file("images", (2**16, 2**16, 2**32 - 1)), r"at most 1073741824 bytes"),
        ("labels", _file("labels", (2**30 + 1,)), r"at most 1073741824 bytes"),
    ],
)
def test_wrong_files_are_refused_by_name(read, pack, kind, content, message):
    with pytest.raises(InputError, match=rf"my\.file.*{message}"):
        read(kind, pack(content))


def test_the_limit_itself_is_allowed(read, monkeypatch):
    monkeypatch.setattr(idx, "MAX_BYTES", 385)
    assert read("images", _file("images")).shape == SHAPES["images"]
    monkeypatch.setattr(idx, "MAX_BYTES", 384)
    with pytest.raises(InputError, match="at most 384 bytes"):
        read("images", _file("images"))


def test_a_file_that_is_not_there_or_a_folder_is_named(tmp_path):
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match=rf"{path} cannot be read"):
            idx.read_images(path)


@pytest.mark.parametrize("kept", [2, 3, 9, 10, 30, -9, -8, -5, -4, -1])
def test_a_truncated_gzip_is_refused(read, kept):
    with pytest.raises(InputError, match=r"my\.file cannot be read \((EOFError|BadGzipFile)"):
        read("images", gzip.compress(_file("images"))[:kept])


def test_a_damaged_gzip_is_refused(read):
    content = gzip.compress(_file("images"))
    for place in (12, len(content) // 2, len(content) - 6, len(content) - 2):  # deflate, deflate, checksum, length
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        with pytest.raises(InputError, match=r"my\.file"):
            read("images", bytes(damaged))
    with pytest.raises(InputError, match=r"my\.file cannot be read \(BadGzipFile"):
        read("images", content + b"more")


def _bomb(header, n_zeros):
    """A small gzip file that unpacks to many zeros."""
    buffer, piece = io.BytesIO(), bytes(2**20)
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1) as file:
        file.write(header)
        for _ in range(n_zeros // len(piece)):
            file.write(piece)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("sizes", "n_zeros", "message"),
    [
        ((1, 5, 7), 2**26, "goes on after the 35 bytes"),
        ((2**20, 2**10, 2**10), 2**26, "at most 1073741824 bytes"),
        ((2**10, 2**10, 2**10), 2**21, "truncated: .* and has 2097152"),
    ],
)
def test_neither_promises_nor_bombs_take_memory(read, sizes, n_zeros, message):
    content = _bomb(_file("images", sizes, b""), n_zeros)
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=message):
            read("images", content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 2**20


@pytest.mark.parametrize("kind", KINDS)
def test_no_beginning_of_a_file_is_accepted(read, kind):
    content = _file(kind)
    for end in range(len(content)):
        with pytest.raises(InputError, match=r"my\.file"):
            read(kind, content[:end])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(KINDS),
    packed=st.booleans(),
    changes=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=3),
    cut=st.integers(0, 40),
    tail=st.binary(max_size=5),
)
def test_damage_is_refused_or_harmless(read, kind, packed, changes, cut, tail):
    content = gzip.compress(_file(kind), mtime=0) if packed else _file(kind)
    damaged = bytearray(content)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    damaged = damaged[: max(0, len(content) - cut)] + tail
    try:
        found = read(kind, bytes(damaged))
    except InputError as error:
        assert "my.file" in str(error) and "expected" in str(error)
        return
    is_gzip = damaged[:2] == b"\x1f\x8b"
    unpacked = gzip.decompress(damaged) if is_gzip else bytes(damaged)
    assert unpacked[:4] == MAGICS[kind] and found.dtype == np.uint8
    assert unpacked[4 + 4 * found.ndim :] == found.tobytes() and found.size == math.prod(found.shape) > 0


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(KINDS), content=st.binary(max_size=64), packed=st.booleans(), good_magic=st.booleans())
def test_noise_is_refused(read, kind, content, packed, good_magic):
    content = (MAGICS[kind] if good_magic else b"") + content
    try:
        found = read(kind, gzip.compress(content) if packed else content)
    except InputError as error:
        assert "my.file" in str(error)
        return
    assert found.size == len(content) - 4 - 4 * found.ndim
