"""A user's .npz files, right and wrong."""

import io
import zipfile

import numpy as np
import pytest

from boltzprune.datasets import SOURCES, arrays
from boltzprune.errors import InputError

SOURCE = SOURCES["npz"]
PATTERNS = np.random.default_rng(3).integers(0, 2, (31, 7))


@pytest.fixture
def read(settings, tmp_path):
    """Saves arrays and reads them through the source."""

    def through_file(save=np.savez_compressed, **named):
        save(tmp_path / "mine.npz", **named)
        wanted = settings(source="npz", file=str(tmp_path / "mine.npz"))
        return SOURCE.read(SOURCE.locate(wanted), wanted)

    return through_file


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int8, np.int64, np.float16, np.float64, ">i4", np.uint64])
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_patterns_of_any_type_are_read(read, dtype, save):
    raw = read(save, patterns=PATTERNS.astype(dtype))
    assert raw.images is None and raw.patterns.dtype == np.uint8 and raw.notes == ["31 patterns from mine.npz"]
    np.testing.assert_array_equal(raw.patterns, PATTERNS)


@pytest.mark.parametrize("shape", [(3, 5, 7), (3, 5, 7, 2)])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_images_are_read(read, shape, dtype):
    images = np.random.default_rng(5).integers(0, 100, shape).astype(dtype)
    raw = read(images=np.asfortranarray(images))
    assert raw.patterns is None and raw.notes == ["3 images from mine.npz"]
    np.testing.assert_array_equal(raw.images[0], images.reshape(3, 5, 7, -1))


def _with(value):
    changed = PATTERNS.astype(float)
    changed[11, 3] = value
    return changed


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"patterns": _with(2)}, r"patterns holds 2\.0 at \[11, 3\]; expected only 0 and 1"),
        ({"patterns": _with(0.5)}, r"holds 0\.5 at \[11, 3\]"),
        ({"patterns": _with(-1)}, r"holds -1\.0"),
        ({"patterns": _with(np.nan)}, r"holds nan"),
        ({"patterns": PATTERNS[0]}, r"patterns has the shape \(7,\); expected \(n, n_visible\)"),
        ({"patterns": PATTERNS[:0]}, r"shape \(0, 7\)"),
        ({"patterns": PATTERNS[:, :0]}, r"shape \(31, 0\)"),
        ({"patterns": PATTERNS.astype(object)}, r"patterns has the type object; expected integers"),
        ({"patterns": PATTERNS.astype(str)}, r"patterns has the type <U"),
        ({"patterns": PATTERNS.astype(complex)}, r"patterns has the type complex128"),
        ({"patterns": np.zeros(5, dtype=[("a", "u1")])}, r"patterns has the type \[\('a'"),
        ({"images": np.zeros((5, 7))}, r"images has the shape \(5, 7\); expected \(n, height, width\) or"),
        ({"images": np.zeros((2, 3, 5, 7, 11))}, r"images has the shape"),
        ({"images": np.zeros((3, 0, 7))}, r"images has the shape \(3, 0, 7\)"),
        ({"images": np.full((2, 3, 5), np.inf)}, r"images holds values that are not finite"),
        ({"images": np.full((2, 3, 5), 2**40)}, r"images holds integers beyond"),
        ({"data": PATTERNS}, r"has the keys \['data'\]; expected one of patterns and images, not both"),
        ({"patterns": PATTERNS, "images": np.zeros((2, 3, 5))}, r"not both"),
        ({}, r"has the keys \[\]"),
    ],
)
def test_wrong_arrays_are_refused_by_file_and_key(read, named, message):
    with pytest.raises(InputError, match=rf"mine\.npz.*{message}"):
        read(**named)


def test_no_file_is_refused(settings, tmp_path):
    for file, message in [
        (None, "is not set"),
        ("", "is not set"),
        (str(tmp_path), "is a folder, without"),
        ("/no", "'/no'"),
    ]:
        with pytest.raises(InputError, match=f"patches.data.file.*{message}"):
            SOURCE.locate(settings(source="npz", file=file))


def _member(header_shape, n_bytes, descr="|u1"):
    """The content of an .npy file whose header promises one shape and which has so many bytes."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": descr, "fortran_order": False, "shape": header_shape})
    return buffer.getvalue() + bytes(n_bytes)


def _zip(path, content, name="patterns.npy"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path


@pytest.mark.parametrize("shape", [(2**20, 2**30), (31, 8), (31, 6)])
def test_a_header_that_promises_something_else_is_refused_before_memory_is_taken(tmp_path, settings, shape):
    path = _zip(tmp_path / "mine.npz", _member(shape, 31 * 7))
    with pytest.raises(InputError, match=r"patterns of shape .* and has 217; expected the same number"):
        SOURCE.read([path], settings())


def test_an_array_above_the_limit_is_refused(tmp_path, settings, monkeypatch):
    monkeypatch.setattr(arrays, "MAX_BYTES", 216)
    with pytest.raises(InputError, match=r"at most 216"):
        SOURCE.read([_zip(tmp_path / "mine.npz", _member((31, 7), 217))], settings())


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"\x93NUMPY\x09\x00v\x00", b"text", _member((3, 5), 15)[:40]])
def test_a_member_that_is_no_array_is_refused(tmp_path, settings, content):
    with pytest.raises(InputError, match=r"mine\.npz"):
        SOURCE.read([_zip(tmp_path / "mine.npz", content)], settings())


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_file_is_refused(tmp_path, settings, share):
    path = tmp_path / "mine.npz"
    np.savez_compressed(path, patterns=PATTERNS)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match=r"mine\.npz cannot be read as an \.npz file"):
        SOURCE.read([path], settings())


def test_foreign_and_damaged_files_are_refused(tmp_path, settings):
    path = tmp_path / "mine.npz"
    np.save(tmp_path / "one.npy", PATTERNS)
    np.savez_compressed(path, patterns=PATTERNS)
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 0xFF
    for content in (bytes(damaged), (tmp_path / "one.npy").read_bytes(), b"a,b\n1,2\n", b"PK\x03\x04" + bytes(99)):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"mine\.npz"):
            SOURCE.read([path], settings())
