"""A run beside a living one that makes the same files is refused; one that has ended, however, is in nobody's way."""

import errno
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import boltzprune
from boltzprune.errors import InputError
from boltzprune.study import running

FIRST = {"reads": ["images.npz", "results/a/x.npz"], "writes": ["results/a/y.npz", "results/a/z.csv"]}
FOLDER = Path("marks", "runs")
RUN = """
import pathlib, sys
from boltzprune.study import running
running.enter(["images.npz", "results/a/x.npz"], ["results/a/y.npz", "results/a/z.csv"], pathlib.Path("marks/runs"))
print(flush=True)
sys.stdin.read()
"""


@pytest.fixture
def first(tmp_path, monkeypatch):
    """A run in this folder that lives until the test is over, or until it is killed."""
    monkeypatch.chdir(tmp_path)
    environment = os.environ | {"PYTHONPATH": str(Path(boltzprune.__file__).parents[1])}
    process = subprocess.Popen(
        [sys.executable, "-c", RUN], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdout.readline()
    yield process
    process.kill()
    process.communicate()


@pytest.fixture(autouse=True)
def nothing_held(monkeypatch):
    """What a test holds is let go of after it."""
    held = []
    monkeypatch.setattr(running, "_held", held)
    yield
    for handle in held:
        os.close(handle)


def known():
    """Names of the files of runs, without the host's."""
    return [path.name.rpartition(".run")[0].rpartition(".")[2] for path in FOLDER.iterdir()]


@pytest.mark.parametrize(
    ("reads", "writes", "shared"),
    [
        ([], ["results/a/z.csv"], "results/a/z.csv"),
        (["results/a/y.npz"], ["results/a/fig.png"], "results/a/y.npz"),
        (["other.npz"], ["results/a/x.npz"], "results/a/x.npz"),
    ],
    ids=["writes the same", "reads what it writes", "writes what it reads"],
)
def test_a_run_that_shares_what_is_written_is_refused(first, reads, writes, shared):
    with pytest.raises(InputError) as caught:
        running.enter(reads, writes, FOLDER)
    told = str(caught.value)
    assert told.startswith(f"{shared} is being made already, by process {first.pid}, which runs since 20")
    assert f"kill {first.pid} (the jobs" in told and "--unlock does not end it" in told
    assert known() == [str(first.pid)]


def test_runs_that_share_only_what_they_read_go_side_by_side(first):
    """Two studies of one data set, or the two experiments of one study."""
    running.enter(["images.npz"], ["results/b/y.npz"], FOLDER)
    assert sorted(known()) == sorted([str(first.pid), str(os.getpid())])
    other = json.loads(next(FOLDER.glob(f"*.{os.getpid()}.run")).read_text())
    assert (other["reads"], other["writes"]) == (["images.npz"], ["results/b/y.npz"])


@pytest.mark.parametrize("how", ["kill", "terminate", "ends"])
def test_a_run_that_has_ended_is_in_nobodys_way(first, how):
    if how == "ends":
        first.communicate()
        assert known() == []
    else:
        getattr(first, how)()
        first.wait()
    running.enter(FIRST["reads"], FIRST["writes"], FOLDER)
    assert known() == [str(os.getpid())]


def test_a_run_on_another_machine_is_named_with_it(first, monkeypatch):
    (path,) = FOLDER.iterdir()
    with open(path, "r+") as file:
        told = json.load(file) | {"host": "node7"}
        file.seek(0)
        file.truncate()
        json.dump(told, file)
    with pytest.raises(InputError, match=rf"by process {first.pid} on node7, which.*kill {first.pid} on node7"):
        running.enter([], FIRST["writes"], FOLDER)


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_where_files_cannot_be_locked_the_run_goes_on_and_says_so(tmp_path, monkeypatch, caplog, code):
    def refuse(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.chdir(tmp_path)
    running.enter([], ["results/a/y.npz"], FOLDER)
    (told,) = caplog.messages
    assert os.strerror(code) in told and "a second run after --unlock is not noticed" in told


def test_a_folder_that_cannot_be_made_is_no_reason_to_stop(tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "marks").touch()
    running.enter([], ["results/a/y.npz"], FOLDER)
    assert "no lock can be held here" in caplog.text
