"""Links in the place of what a job writes: what they point to, or share, stays as it is."""

import json
import os
import socket
from pathlib import Path

import numpy as np
import pytest

from boltzprune.__main__ import _new_log, main
from boltzprune.learning.checkpoint import SECONDS, Checkpoint
from boltzprune.results import records
from boltzprune.results.store import write_bytes

KEPT = b"what somebody else needs"


@pytest.fixture
def kept(tmp_path):
    """A file outside the study."""
    path = tmp_path / "elsewhere" / "kept.bin"
    path.parent.mkdir()
    path.write_bytes(KEPT)
    return path


def stage(folder):
    """Stage `study` in that folder."""
    words = [f"--out=config={folder}/study.yaml", f"--log={folder}/logs/study.log", '--spec={"config": {"seeds": 7}}']
    return main(["study", *words])


def test_a_log_is_not_written_through_a_link(tmp_path, kept, caplog):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "study.log").symlink_to(kept)
    assert stage(tmp_path) == 2
    (told,) = caplog.messages
    assert f"--log {tmp_path}/logs/study.log: is a link to {kept}, which would be overwritten; remove it, or" in told
    assert kept.read_bytes() == KEPT and not (tmp_path / "study.yaml").exists()


def test_a_link_to_nothing_makes_no_file_elsewhere(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "study.log").symlink_to(tmp_path / "none")
    assert stage(tmp_path) == 2
    assert not (tmp_path / "none").exists()


def test_a_log_that_a_copy_shares_is_replaced(tmp_path, kept):
    """`cp -al results saved` makes hard links; the saved log keeps its lines."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "study.log").hardlink_to(kept)
    assert stage(tmp_path) == 0
    assert kept.read_bytes() == KEPT and (tmp_path / "logs" / "study.log").stat().st_nlink == 1


def test_a_log_of_a_former_run_is_replaced_and_a_folder_may_be_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "logs").symlink_to(tmp_path / "real")
    (tmp_path / "real" / "study.log").write_text("of the former run\n")
    assert stage(tmp_path) == 0
    assert "former" not in (tmp_path / "real" / "study.log").read_text()


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="no device to write to")
def test_a_device_stays():
    """`--log /dev/null`, whose user may be root."""
    assert _new_log(Path("/dev/null")) == "w"
    assert os.path.exists("/dev/null") and not os.path.isfile("/dev/null")


@pytest.mark.parametrize("name", ["study.yaml", "logs/study.sha256"])
def test_results_and_records_take_the_place_of_a_link(tmp_path, kept, name):
    (tmp_path / "logs").mkdir()
    (tmp_path / name).symlink_to(kept)
    assert stage(tmp_path) == 0
    assert kept.read_bytes() == KEPT and not (tmp_path / name).is_symlink()
    assert [entry.problem() for entry in records.read(tmp_path / "logs" / "study.sha256")[1]] == [""]


def test_a_checkpoint_takes_the_place_of_a_link_and_goes_alone(tmp_path, kept, monkeypatch):
    monkeypatch.setenv(SECONDS, "0")
    path = tmp_path / "x.checkpoint"
    path.symlink_to(kept)
    with Checkpoint(path, {"seeds": [3]}) as checkpoint:
        checkpoint.save(1, "epoch 1", [np.zeros(3)])
        assert kept.read_bytes() == KEPT and not path.is_symlink() and path.stat().st_size > 0
    path.symlink_to(kept)
    with Checkpoint(path, {"seeds": [3]}):
        pass
    assert kept.read_bytes() == KEPT and not path.is_symlink()


def test_a_temporary_name_that_is_a_link_is_not_followed(tmp_path, kept):
    name = f".x.json.{socket.gethostname()}.{os.getpid()}.partial.json"
    (tmp_path / name).symlink_to(kept)
    write_bytes(tmp_path / "x.json", json.dumps([1]).encode())
    assert kept.read_bytes() == KEPT and (tmp_path / "x.json").read_text() == "[1]"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["elsewhere", "x.json"]
