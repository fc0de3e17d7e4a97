"""Damaged raw data: whatever happened to a file, it is refused by name or read as what it is."""

import gzip
import io
import pickle
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from limits import try_beginnings, try_mutants

from boltzprune.datasets import SOURCES, arrays, cifar10, idx, labelled, mnist

pytestmark = pytest.mark.torture
RNG = np.random.default_rng(17)


def _idx(*sizes):
    header = struct.pack(">I", {3: 0x803, 1: 0x801}[len(sizes)]) + b"".join(struct.pack(">I", n) for n in sizes)
    return header + RNG.integers(0, 3, sizes, dtype=np.uint8).tobytes()


def _npz(save=np.savez, **named):
    content = io.BytesIO()
    save(content, **named)
    return content.getvalue()


def _is_bytes(shape_of):
    """A check of uint8 arrays with as many dimensions, none of them 0."""
    return lambda a: a.dtype == np.uint8 and a.ndim == shape_of and a.size > 0


def _is_labelled(found):
    """Whether images, labels and test set fit together."""
    pairs = ((found.train_images, found.train_labels), (found.test_images, found.test_labels))
    same = found.train_images.shape[1:] == found.test_images.shape[1:]
    fits = [x.ndim == 3 and x.size and len(x) == len(y) and y.dtype == np.int64 for x, y in pairs]
    return same and all(fits) and all(0 <= y.min() and y.max() < 4 for _, y in pairs)


def _is_raw(raw):
    """Whether patterns are binary and images finite numbers."""
    if raw.patterns is not None:
        return raw.patterns.dtype == np.uint8 and raw.patterns.max() <= 1 and raw.patterns.ndim == 2
    return all(x.ndim == 4 and x.size and x.dtype.kind in "uif" and np.isfinite(x).all() for x in raw.images)


def _is_cifar(raw):
    return all(x.shape[1:] == (32, 32, 3) and x.dtype == np.uint8 and len(x) for x in raw.images)


def _batches(path):
    return SOURCES["cifar10"].read([path], SimpleNamespace(batches=["data_batch_1", "data_batch_2"]))


def _four(path):
    """MNIST whose training images are the file; the others lie beside it."""
    return mnist.read([path, *(path.parent / f"{k}" for k in range(3))], SimpleNamespace(n_classes=4))


@pytest.fixture
def loader(request, make, tmp_path):
    """(valid files, kind of mutant, read, holds) by name, and the name of the file."""
    wanted = SimpleNamespace(n_classes=4, seed=7)
    for k, sizes in enumerate(((13,), (5, 5, 7), (5,))):
        (tmp_path / str(k)).write_bytes(_idx(*sizes))
    pixels = make.pixels(2, 3)
    batch = [make.batch(pixels), pickle.dumps({"data": pixels[:1], "labels": [3], "f": ["a.png"]}, 2)]
    batch.append(pickle.dumps({b"data": pixels[:1], b"labels": (3,), b"n": [None, 2**40]}, 4))
    records = b"".join(bytes([k]) + row.tobytes() for k, row in enumerate(pixels))
    members = [
        [("cifar-10-batches-py/data_batch_1", batch[0])],
        [("a", b"b"), ("cifar-10-batches-py/data_batch_2", batch[1])],
    ]
    tars = [make.tar(tmp_path / f"{k}.tar.gz", pairs).read_bytes() for k, pairs in enumerate(members)]
    images, labels = RNG.integers(0, 99, (11, 5, 7)), RNG.integers(0, 4, 11)
    both = {"images": images, "labels": labels}
    four = [_idx(13, 5, 7), gzip.compress(_idx(13, 5, 7), mtime=0)]
    sets = [_idx(11, 5, 7), gzip.compress(_idx(7, 3, 5), mtime=0)]
    return {
        "IDX images": ("my.idx", (sets, "gzip", idx.read_images, _is_bytes(3))),
        "IDX labels": ("my.idx", ([_idx(13), gzip.compress(_idx(7), mtime=0)], "gzip", idx.read_labels, _is_bytes(1))),
        "four files of MNIST": ("my.idx", (four, "gzip", _four, _is_labelled)),
        "CIFAR-10 pickle": ("data_batch_1", (batch, "bytes", _batches, _is_cifar)),
        "CIFAR-10 binary": ("data_batch_1.bin", ([records, records[:3073]], "bytes", _batches, _is_cifar)),
        "CIFAR-10 archive": (cifar10.ARCHIVE, (tars, "gzip", _batches, _is_cifar)),
        "npz of patterns or images": ("my.npz", (
            [_npz(patterns=images[0] % 2), _npz(np.savez_compressed, images=images), _npz(images=images / 3)],
            "npz", lambda path: arrays.read([path], wanted), _is_raw)),
        "npz with labels": ("my.npz", (
            [_npz(**both), _npz(np.savez_compressed, **both, test_images=images[:3] / 3, test_labels=labels[:3])],
            "npz", lambda path: labelled.read([path], wanted), _is_labelled)),
    }[request.param]  # fmt: skip


LOADERS = ["IDX images", "IDX labels", "four files of MNIST", "CIFAR-10 pickle", "CIFAR-10 binary", "CIFAR-10 archive"]
LOADERS += ["npz of patterns or images", "npz with labels"]


@pytest.mark.parametrize(("loader", "name"), [(name, name) for name in LOADERS], indirect=["loader"], ids=LOADERS)
def test_a_damaged_file_is_refused_or_read(loader, name, tmp_path, promise, at_scale):
    with promise(f"{name}: a damaged file is refused by name or read as what it is") as count:
        try_mutants(count, at_scale(150, 10_000), loader[1], tmp_path / loader[0])


@pytest.mark.parametrize(("loader", "name"), [(name, name) for name in LOADERS], indirect=["loader"], ids=LOADERS)
def test_no_beginning_of_a_file_is_accepted(loader, name, tmp_path, promise, at_scale):
    if name == "CIFAR-10 binary":  # whole records are a whole file: nothing in the format says how many there are
        loader = loader[0], ([loader[1][0][1]], *loader[1][1:])
    with promise(f"{name}: a file cut anywhere is refused") as count:
        try_beginnings(count, at_scale(60, 10**6), loader[1], tmp_path / loader[0])
