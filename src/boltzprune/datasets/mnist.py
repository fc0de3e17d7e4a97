"""MNIST, and any data set in four files of the same form: Fashion-MNIST, KMNIST, EMNIST."""

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from boltzprune.datasets import download, idx, labels, places
from boltzprune.datasets.raw import Labelled, Source
from boltzprune.datasets.sizes import DigitSizes
from boltzprune.errors import InputError

PARTS = (("train", "images"), ("train", "labels"), ("test", "images"), ("test", "labels"))
CHECKSUMS = {
    "train-images-idx3-ubyte": (
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train-labels-idx1-ubyte": (
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "t10k-images-idx3-ubyte": (
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "t10k-labels-idx1-ubyte": (
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}
"""SHA-256 of the official files in the order of PARTS, as distributed (gzipped) and unpacked."""
EXPECTED = "names like train-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte or set-test-images-idx3-ubyte"
MIRRORS = ["https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"]
"""Tried in turn; the checksums are the same at all."""
NAME = re.compile(
    r"(?P<stem>(?:.*[-_.])?(?P<part>train|t10k|test)[-_.](?:.*[-_.])?(?P<kind>images[-.]idx3|labels[-.]idx1)[-.]ubyte)"
    r"(?P<packed>\.gz)?",
    re.IGNORECASE,
)


def locate(settings: Any) -> list[Path]:
    """The four files: those of the user's directory, else those of the cache, downloaded where missing.

    Parameters
    ----------
    settings : object
        With directory (str or None: the user's cache) and download (bool; only into the cache, so that a mistyped
        directory never becomes another data set).

    Returns
    -------
    list of four pathlib.Path
        In the order of PARTS.

    Raises
    ------
    InputError
        If a file is missing, two could be meant, or nothing may or can be downloaded.
    """
    if settings.directory is not None:
        folder = places.folder(settings.directory, "digits.data.directory", f"four IDX files, {EXPECTED}")
        remedy = "set digits.data.directory to where they are, or to null to use the cache of downloads"
        return _four(_folder_of_files(folder), remedy)
    import pooch

    folder = Path(pooch.os_cache("boltzprune")) / "mnist"
    remedy = (
        f"put {', '.join(f'{stem}.gz' for stem in CHECKSUMS)} into {folder}, or set digits.data.directory to where "
        "they are, or digits.data.source to 'digits', which needs no download"
    )
    if not settings.download:
        return _four(folder, f"digits.data.download is false: {remedy}")
    return [
        download.fetch([f"{mirror}{stem}.gz" for mirror in MIRRORS], packed, folder / f"{stem}.gz", remedy)
        for stem, (packed, _) in CHECKSUMS.items()
    ]


def read(paths: Sequence[str | os.PathLike[str]], settings: Any) -> Labelled:
    """The images and labels of the four files.

    Parameters
    ----------
    paths : list of four pathlib.Path
        From `locate`.
    settings : object
        With n_classes (int) and transposed (bool), for a note only.

    Returns
    -------
    Labelled
        uint8 images as stored (EMNIST stores them transposed); notes: what was read, files whose checksum is not that
        of MNIST, files of EMNIST that nobody said are transposed.

    Raises
    ------
    InputError
        If a file is damaged or something else, images and labels are not equally many, a label is not below n_classes,
        or test images have another size than training images.
    """
    if len(paths) != len(PARTS):
        raise InputError(f"found {len(paths)} files of digits; expected {len(PARTS)}: images and labels of both sets")
    train, train_labels, test, test_labels = map(Path, paths)
    images, test_images = idx.read_images(train), idx.read_images(test)
    sets = [
        (images, idx.read_labels(train_labels), train, train_labels),
        (test_images, idx.read_labels(test_labels), test, test_labels),
    ]
    given = labels.check(sets, settings.n_classes)
    if images.shape[1:] != test_images.shape[1:]:
        sizes = [" x ".join(map(str, stack.shape[1:])) for stack in (images, test_images)]
        raise InputError(f"{train} has images of {sizes[0]} pixels and {test} of {sizes[1]}; expected the same size")
    notes = [f"{len(images)} training and {len(test_images)} test images from {train.name} and {test.name}"]
    notes += [note for path in map(Path, paths) for note in _other_checksum(path)]
    if "emnist" in train.name.lower() and not settings.transposed:
        notes.append(f"{train.name}: EMNIST stores its images transposed; digits.data.transposed: true turns them")
    return Labelled(images, given[0], test_images, given[1], notes)


def _matches(folder: Path) -> list[tuple[Path, re.Match[str]]]:
    """The files of a folder whose names are those of a part; none if it cannot be listed."""
    try:
        names = sorted(os.listdir(folder))
    except OSError:
        return []
    found = [(folder / name, NAME.fullmatch(name)) for name in names if not name.startswith(".")]
    return [(path, match) for path, match in found if match and os.path.isfile(path)]


def _folder_of_files(folder: Path) -> Path:
    """The folder itself if it has files of digits, else the only one that has: a subfolder, or `raw` in one."""
    if _matches(folder):
        return folder
    inner = [child for child in sorted(folder.glob("*")) + sorted(folder.glob("*/raw")) if os.path.isdir(child)]
    found = [child for child in inner if _matches(child)]
    if len(found) > 1:
        raise InputError(
            f"{len(found)} folders in {folder} have files of digits: {', '.join(map(str, found))}; expected one: set "
            "digits.data.directory to the one that you mean"
        )
    return found[0] if found else folder


def _four(folder: Path, remedy: str) -> list[Path]:
    """One file for each part, the unpacked one where both are there."""
    candidates: dict[tuple[str, str], dict[str, Path]] = {part: {} for part in PARTS}
    for path, match in _matches(folder):
        part = "train" if match["part"].lower() == "train" else "test", match["kind"][:6].lower()
        if match["stem"] not in candidates[part] or not match["packed"]:
            candidates[part][match["stem"]] = path
    wrong = [part for part in PARTS if len(candidates[part]) != 1]
    if wrong:
        found = [
            f"{which} {kind}: {', '.join(path.name for path in candidates[which, kind].values()) or 'none'}"
            for which, kind in wrong
        ]
        there = f"; {places.held(folder)}" if len(wrong) == len(PARTS) and os.path.isdir(folder) else ""
        raise InputError(f"{folder} has as {'; as '.join(found)}{there}; expected one file each, {EXPECTED}; {remedy}")
    return [next(iter(candidates[part].values())) for part in PARTS]


def _other_checksum(path: Path) -> list[str]:
    """A note if a file has a name of MNIST and is not that file."""
    official = CHECKSUMS.get(path.name.removesuffix(".gz"))
    if official is None:
        return []
    with open(path, "rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    if checksum in official:
        return []
    return [f"{path.name} has another checksum than the official MNIST file: sha256 {checksum}"]


def sizes(data: Any) -> DigitSizes | None:
    """Of MNIST, or by the headers of the files in the user's folder; None if these cannot be read."""
    if data.directory is None:
        return DigitSizes((28, 28), 60_000, 10_000, 10)
    try:
        train, _, test, _ = locate(data.model_copy(update={"download": False}))
        (n, height, width), (n_test, *_) = idx.sizes(train, "images"), idx.sizes(test, "images")
    except InputError:
        return None
    return DigitSizes((height, width), n, n_test)


SOURCE = Source(
    name="mnist",
    experiment="digits",
    summary="MNIST or another set in four IDX files: a folder of the user's, or a download of 11 MB (MNIST)",
    citation="LeCun, Bottou, Bengio & Haffner (1998), Gradient-based learning applied to document recognition, "
    "Proceedings of the IEEE 86: 2278-2324",
    locate=locate,
    read=read,
    sizes=sizes,
    place="directory",
)
