"""Files: whole or not at all, equal content in equal bytes, and a clear word about those that are damaged."""

import gzip
import json
import os

import numpy as np
import pandas as pd
import pytest
from small_machines import random_machine

from boltzprune.core.machine import BoltzmannMachine
from boltzprune.errors import InputError
from boltzprune.results.store import (
    Arrays,
    atomic,
    checksum,
    machine_arrays,
    read_json,
    read_machine,
    write_arrays,
    write_bytes,
    write_json,
    write_rows,
    write_table,
)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_the_block_ends_well(tmp_path):
    target = tmp_path / "deep" / "er" / "x.txt"
    with atomic(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
        assert temporary.parent == target.parent
        assert temporary.suffix == ".txt"
    assert target.read_text() == "new"
    assert files(target.parent) == ["x.txt"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_writer_that_raises_leaves_nothing_and_keeps_what_was_there(tmp_path, error):
    target = tmp_path / "x.txt"
    for before in (None, "old"):
        if before:
            target.write_text(before)
        with pytest.raises(error), atomic(target) as temporary:
            temporary.write_text("half")
            raise error
        assert files(tmp_path) == (["x.txt"] if before else [])
    assert target.read_text() == "old"


def test_a_writer_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"x\.txt: cannot be written"), atomic(tmp_path / "x.txt"):
        pass
    assert files(tmp_path) == []


def test_a_target_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(InputError, match=r"file/x\.bin: cannot be written .*is the folder writable, the disk full"):
        write_bytes(tmp_path / "file" / "x.bin", b"1")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="folder: cannot be written"):
        write_bytes(tmp_path / "folder", b"1")
    assert files(tmp_path) == ["file", "folder"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="Permission denied"):
        write_bytes(tmp_path / "x.bin", b"1")


@pytest.mark.parametrize("compress", [False, True])
def test_equal_content_gives_equal_bytes(tmp_path, compress):
    arrays = {"a/b": np.arange(7, dtype=np.int32), "c": np.ones((3, 5), dtype=bool)}
    write_arrays(tmp_path / "1.npz", arrays, {"x": 1, "y": [2]}, compress)
    write_arrays(tmp_path / "sub" / "2.npz", dict(arrays), {"y": [2], "x": 1}, compress)
    assert checksum(tmp_path / "1.npz") == checksum(tmp_path / "sub" / "2.npz")
    write_arrays(tmp_path / "3.npz", arrays, {"x": 2, "y": [2]}, compress)
    assert checksum(tmp_path / "1.npz") != checksum(tmp_path / "3.npz")


def test_arrays_round_trip(tmp_path):
    arrays = {"a/b": np.arange(7, dtype=np.int32), "c": np.array(3)}
    write_arrays(tmp_path / "x.npz", arrays, {"stage": "train", "spec": {"k": [1, None]}})
    found = Arrays(tmp_path / "x.npz")
    assert found.names == {"a/b", "c", "provenance"}
    assert found["a/b"].dtype == np.int32
    assert found["a/b"].tolist() == list(range(7))
    assert found.provenance == {"stage": "train", "spec": {"k": [1, None]}}
    with pytest.raises(InputError, match=r"x\.npz: has no 'd'; delete it and run again"):
        found["d"]


def test_machines_round_trip(tmp_path):
    machine = random_machine(5, 7, share=0.6)
    compact = BoltzmannMachine(machine.weights, machine.biases, machine.masks, (np.arange(5), np.arange(7) * 3 + 1))
    write_arrays(tmp_path / "m.npz", machine_arrays(3, compact) | machine_arrays(13, machine), {})
    for seed, original in ((3, compact), (13, machine)):
        found = read_machine(Arrays(tmp_path / "m.npz"), seed)
        for name in ("weights", "biases", "masks", "units"):
            for one, other in zip(getattr(found, name), getattr(original, name), strict=True):
                assert (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())


def test_machines_with_two_weight_layers_round_trip(tmp_path):
    rng = np.random.default_rng(1)
    masks = rng.random((5, 7)) < 0.5, rng.random((7, 3)) < 0.5
    weights = tuple(np.where(m, rng.normal(size=m.shape), 0).astype(np.float32) for m in masks)
    machine = BoltzmannMachine(weights, tuple(np.zeros(n, np.float32) for n in (5, 7, 3)), masks)
    write_arrays(tmp_path / "m.npz", machine_arrays(0, machine), {})
    assert read_machine(Arrays(tmp_path / "m.npz"), 0).layer_sizes == (5, 7, 3)


def test_a_seed_that_is_not_there(tmp_path):
    write_arrays(tmp_path / "m.npz", machine_arrays(13, random_machine()), {})
    for seed in (1, 3, 130):
        with pytest.raises(InputError, match=rf"m\.npz: has no machine of seed {seed}; delete it"):
            read_machine(Arrays(tmp_path / "m.npz"), seed)


def damaged(path, how):
    """A file that is not what it should be."""
    write_arrays(path, {"a": np.arange(1000)}, {})
    whole = path.read_bytes()
    content = {
        "truncated": whole[: len(whole) // 2],
        "empty": b"",
        "text": b"hello, this is a text file",
        "csv": b"a,b\n1,2\n",
        "zip header only": whole[:30],
        "npy": None,
    }[how]
    if content is None:
        with path.open("wb") as file:
            np.save(file, np.arange(3))
    else:
        path.write_bytes(content)
    return path


@pytest.mark.parametrize("how", ["truncated", "empty", "text", "csv", "zip header only", "npy"])
def test_a_damaged_or_foreign_file_is_named(tmp_path, how):
    path = damaged(tmp_path / "x.npz", how)
    with pytest.raises(InputError, match=r"x\.npz: not a readable result .*; delete it and run again"):
        Arrays(path)["a"]


def test_a_damaged_member_is_named(tmp_path):
    path = tmp_path / "x.npz"
    write_arrays(path, {"a": np.arange(1000)}, {})
    content = bytearray(path.read_bytes())
    content[500] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"x\.npz: 'a' is damaged"):
        Arrays(path)["a"]


def test_a_pickle_is_not_executed(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match=r"'a' is damaged .*allow_pickle"):
        Arrays(tmp_path / "x.npz")["a"]


def test_which_seeds_a_file_holds_and_which_ended(tmp_path):
    def of(**provenance):
        write_arrays(tmp_path / "m.npz", {}, provenance)
        return Arrays(tmp_path / "m.npz")

    assert (of(seeds=[3, 5]).seeds, of(seeds=[3, 5]).ended) == ([3, 5], {})
    arrays = of(seeds=[3], ended={"5": 2, "11": 7})
    assert (arrays.seeds, arrays.ended) == ([3], {5: 2, 11: 7})
    assert of(seeds=[], ended={"5": 2}).seeds == []
    for seeds in ([], ["3"], None, [True]):
        with pytest.raises(InputError, match=r"m\.npz: its seeds are .*; expected whole numbers"):
            _ = of(seeds=seeds).seeds
    for ended in ([5], {"x": 2}, {"5": 0}, {"5": "2"}, {"5": True}, {"-1": 2}):
        with pytest.raises(InputError, match=r"m\.npz: its ended seeds are .*; expected an iteration for each"):
            _ = of(seeds=[3], ended=ended).ended


def test_a_missing_file(tmp_path):
    with pytest.raises(InputError, match=r"none\.npz: there is no such file$"):
        Arrays(tmp_path / "none.npz")


def test_json(tmp_path):
    write_json(tmp_path / "x.json", {"b": [1, 2.5], "a": None})
    assert (tmp_path / "x.json").read_text() == json.dumps({"b": [1, 2.5], "a": None}, indent=2) + "\n"
    assert read_json(tmp_path / "x.json") == {"b": [1, 2.5], "a": None}
    (tmp_path / "y.json").write_text("{")
    for name in ("y.json", "none.json"):
        with pytest.raises(InputError, match=rf"{name}: not a readable JSON file"):
            read_json(tmp_path / name)


def test_rows(tmp_path):
    write_rows(tmp_path / "x.csv", [{"a": 1, "b": float("nan")}, {"a": 0.1 + 0.2, "b": "x, y"}])
    assert (tmp_path / "x.csv").read_text() == 'a,b\n1,\n0.30000000000000004,"x, y"\n'


def test_tables_keep_full_precision_and_compress_to_equal_bytes(tmp_path):
    frame = pd.DataFrame({"a": [1 / 3, np.nan], "b": [1, 2]})
    write_table(tmp_path / "x.csv", frame)
    assert (tmp_path / "x.csv").read_text() == "a,b\n0.3333333333333333,1\n,2\n"
    for name in ("1.csv.gz", "2.csv.gz"):
        write_table(tmp_path / name, frame)
    assert checksum(tmp_path / "1.csv.gz") == checksum(tmp_path / "2.csv.gz")
    assert gzip.decompress((tmp_path / "1.csv.gz").read_bytes()) == (tmp_path / "x.csv").read_bytes()
