"""Small CIFAR-like files, made on the fly, and the real ones where the user has them."""

import io
import os
import struct
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

BATCHES = [f"data_batch_{k}" for k in range(1, 6)]


def _text(value):
    """A str of Python 2, as its pickle of protocol 2 has it."""
    if len(value) < 256:
        return b"U" + bytes([len(value)]) + value
    return b"T" + struct.pack("<i", len(value)) + value


def _array(data, module=b"numpy.core.multiarray", dtype=b"u1", state=b"|", shape=None, raw=None):
    """A uint8 matrix in protocol 2 as Python 2 writes it; the other arguments make it wrong."""
    shape = data.shape if shape is None else shape
    return b"".join(
        (
            b"c" + module + b"\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85U\x01b\x87Rq\x04",
            b"(K\x01" + b"".join(b"J" + struct.pack("<i", n) for n in shape) + {1: b"\x85", 2: b"\x86"}[len(shape)],
            b"cnumpy\ndtype\nq\x05" + _text(dtype) + b"K\x00K\x01\x87Rq\x06(K\x03" + _text(state),
            b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb",
            b"\x89" + _text(data.tobytes() if raw is None else raw) + b"tb",
        )
    )


def _batch(data, labels=None, **wrong):
    """A whole batch file of the Python layout."""
    labels = [k % 10 for k in range(len(data))] if labels is None else labels
    listed = b"]q\x07(" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}q\x01(" + _text(b"data") + _array(data, **wrong) + _text(b"labels") + listed + b"u."


def _pixels(n, seed):
    return np.random.default_rng(seed).integers(0, 256, (n, 3072), dtype=np.uint8)


def _tar(path, members):
    """A .tar.gz of (TarInfo or name, content) pairs."""
    with tarfile.open(path, "w:gz") as archive:
        for member, content in members:
            info = tarfile.TarInfo(member) if isinstance(member, str) else member
            info.size = info.size if content is None else len(content)
            archive.addfile(info, None if content is None else io.BytesIO(content))
    return path


@pytest.fixture
def make():
    """Makers of files: batch, array, text, pixels, tar."""
    return SimpleNamespace(batch=_batch, array=_array, text=_text, pixels=_pixels, tar=_tar)


@pytest.fixture
def settings(tmp_path):
    """A function that makes settings; everything not named has a harmless value."""

    def build(**changed):
        values = {
            "source": "cifar10",
            "directory": str(tmp_path),
            "file": None,
            "download": False,
            "batches": BATCHES,
            "radius": 2.1,
            "n_patterns": 31,
            "median": "global",
            "at_median": 1,
            "seed": 7,
        }
        return SimpleNamespace(**{**values, **changed})

    return build


@pytest.fixture
def images():
    """Two stacks of different sizes, prime."""
    rng = np.random.default_rng(5)
    shapes = [(3, 17, 23, 3), (5, 19, 13, 2)]
    return [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]


@pytest.fixture
def real_cifar():
    """The folder of the user's real data, for tests marked `data`; they are skipped where it has no such images."""
    folder = os.environ["BOLTZPRUNE_TEST_DATA"]
    if not (Path(folder) / "cifar-10-batches-py").is_dir():
        pytest.skip(f"BOLTZPRUNE_TEST_DATA has no cifar-10-batches-py: {folder}")
    return folder
