"""Files that attack, and things that are no files: no code runs, nothing is written, each is refused by name."""

import os
import pickle
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from hostile_archives import npzs, tars
from hostile_pickles import pickles
from limits import fault, traced

from boltzprune.datasets import SOURCES, arrays, cifar10, idx, labelled, mnist
from boltzprune.results.store import Arrays, read_json
from boltzprune.results.tidy import read as read_table
from boltzprune.study.yaml_files import read_yaml

WANTED = SimpleNamespace(batches=list(cifar10.BATCHES), n_classes=10, seed=7)
FILES = {"pickle": ("data_batch_1", pickles), "tar": (cifar10.ARCHIVE, tars), "npz": ("my.npz", npzs)}
"""Kind of attack -> name of the file, its attacks."""
ATTACKS = [(kind, name) for kind, (_, attacks) in FILES.items() for name in attacks(Path("canary"))]
READERS = {
    "IDX images": idx.read_images,
    "IDX labels": idx.read_labels,
    "four files of MNIST": lambda path: mnist.read([path] * 4, WANTED),
    "CIFAR-10 pickle": lambda path: SOURCES["cifar10"].read([path], WANTED),
    "npz of patterns": lambda path: arrays.read([path], WANTED),
    "npz with labels": lambda path: labelled.read([path], WANTED),
    "results": Arrays,
    "JSON": read_json,
    "configuration": read_yaml,
    "table": lambda path: read_table([path], "metrics"),
}
"""Every function that opens a file of a user, or one of ours that something happened to."""
CIFAR_BY_NAME = {"CIFAR-10 binary": "data_batch_1.bin", "CIFAR-10 archive": cifar10.ARCHIVE}


def attacked(kind, name, folder):
    """What went wrong when the file was read, '' if nothing did."""
    file, attacks = FILES[kind]
    path, canary = folder / "inside" / file, folder / "canary"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(attacks(canary)[name]())
    before = sorted(folder.rglob("*"))
    source = SOURCES["npz" if kind == "npz" else "cifar10"]
    problem = fault(lambda p: source.read([p], WANTED), path)
    problem = problem or ("it imported a module" if "this" in sys.modules else "")
    return problem or ("it made a file" if sorted(folder.rglob("*")) != before else "")


@pytest.mark.parametrize(("kind", "name"), ATTACKS, ids=[f"{kind}-{name}" for kind, name in ATTACKS])
def test_an_attack_is_refused_and_does_nothing(kind, name, tmp_path):
    with traced():
        assert attacked(kind, name, tmp_path) == ""


@pytest.mark.torture
def test_attacks_are_counted(tmp_path, promise, at_scale):
    names = ATTACKS[:: at_scale(11, 1)]
    with (
        promise("malicious pickles, archives and .npz: none executed or written outside, each refused") as count,
        traced(),
    ):
        for kind, name in names:
            problem = attacked(kind, name, tmp_path)
            count(not problem, f"{kind}, {name}: {problem}")


REAL = ["subprocess.check_output", "os.system by STACK_GLOBAL", "builtins.open", "an array of objects"]


@pytest.mark.parametrize("name", REAL)
def test_the_attacks_are_real(name, tmp_path):
    _, attacks = FILES["pickle"]
    try:
        pickle.loads(attacks(tmp_path / "canary")[name]())
    except Exception as error:
        assert type(error).__name__ == "TypeError"  # what it built is of no use, after it ran
    for _ in range(100):
        if (tmp_path / "canary").exists():
            return
        time.sleep(0.02)
    raise AssertionError("nothing ran")


def odd_files(folder, name):
    """What can stand where a file is expected: kind -> path."""
    made = {}
    for kind in ("empty", "folder", "pipe", "zeros", "link to itself", "device", "missing"):
        (folder / kind).mkdir(parents=True)
        made[kind] = folder / kind / name
    made["empty"].touch()
    made["folder"].mkdir()
    os.mkfifo(made["pipe"])
    with made["zeros"].open("wb") as file:
        file.truncate(2**40)  # takes no room on the disk
    made["link to itself"].symlink_to(made["link to itself"])
    made["device"].symlink_to("/dev/zero")
    return made


@pytest.mark.torture
@pytest.mark.parametrize("reader", [*READERS, *CIFAR_BY_NAME])
def test_what_is_no_file_is_refused(reader, tmp_path, promise):
    name = CIFAR_BY_NAME.get(reader, "data_batch_1")
    read = READERS["CIFAR-10 pickle" if reader in CIFAR_BY_NAME else reader]
    with (
        promise(f"{reader}: empty files, folders, pipes, devices, 1 TiB of zeros are refused at once") as count,
        traced(),
    ):
        for kind, path in odd_files(tmp_path, name).items():
            may = (lambda values: values == {}) if (reader, kind) == ("configuration", "empty") else None
            problem = fault(read, path, may)
            count(not problem, f"{kind}: {problem}")
