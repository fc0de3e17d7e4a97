"""A cache of compiled code that is damaged, mixed up, in the way or read-only: the same results, and one line."""

import itertools
import json
import logging
import os
import runpy
import shutil
from pathlib import Path

import numba
import pytest
from faults_processes import python

from boltzprune.backend.cpu import cache as numba_cache


@pytest.fixture
def cache(tmp_path, monkeypatch, caplog):
    """A folder for compiled code, in a process that has logged nothing about it."""
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(numba_cache, "_told", set())
    caplog.set_level(logging.INFO)
    return tmp_path / "cache"


def compiled():
    """A function that Numba has not seen in this process, so that it looks into its cache."""

    @numba_cache.njit(cache=True, nogil=True)
    def doubled(x):
        return x + x + 1

    return doubled


def was_cached(argument=3):
    """Call the function, which must be right, and tell whether it came from the cache."""
    function = compiled()
    assert function(argument) == 2 * argument + 1
    return bool(function.stats.cache_hits)


def files(cache, suffix):
    """Files of that kind in the cache."""
    return sorted(cache.rglob(f"*{suffix}"))


def cut(content):
    return content[: len(content) // 2]


def flipped(content):
    """One bit, in the middle of what is pickled or compiled."""
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :]


DAMAGES = {"emptied": lambda content: b"", "cut": cut, "flipped": flipped, "other": lambda content: b"garbage" * 99}


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_compiled_anew_and_replaced(cache, caplog, suffix, damage):
    assert [was_cached(), was_cached()] == [False, True]
    (file,) = files(cache, suffix)
    file.write_bytes(DAMAGES[damage](file.read_bytes()))
    assert not was_cached()
    assert caplog.messages == [f"{file}: compiled code is damaged; what is damaged is compiled anew"]
    assert was_cached() and len(files(cache, ".nb?")) == 2


@pytest.mark.torture
def test_no_changed_bit_of_compiled_code_is_run(promise, at_scale, cache):
    was_cached()
    whole = {file: file.read_bytes() for file in files(cache, ".nb?")}
    bits = [(file, bit) for file, content in whole.items() for bit in range(8 * len(content))]
    with promise("compiled code on disk with one bit changed is never run") as count:
        for file, bit in bits[:: len(bits) // at_scale(30, 3000)]:
            content = bytearray(whole[file])
            content[bit // 8] ^= 1 << bit % 8
            file.write_bytes(content)
            count(not was_cached(), f"bit {bit} of {file.name}")
            for path, before in whole.items():
                path.write_bytes(before)


COUNTS = """
import sys
import numpy as np
from boltzprune.backend import get_backend
bits = np.array([[5], [7]], dtype=np.uint64)
assert get_backend("cpu").pair_counts(bits, bits).tolist() == [[2, 2], [2, 3]]
print(*sys.modules)
"""


def test_code_from_the_cache_runs_without_what_numba_needs_to_compile(tmp_path):
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    for is_cached in (False, True):
        output, problems = python("-c", COUNTS, folder=tmp_path, environment=environment).communicate()
        needed = {"numba.np.linalg", "scipy.linalg"} & set(output.split())
        assert len(needed) == (0 if is_cached else 2), problems


def test_a_function_is_compiled_with_one_that_came_from_the_cache(cache):
    assert not was_cached()
    doubled = compiled()

    @numba_cache.njit()
    def twice(x):
        return doubled(doubled(x))

    assert doubled(3) == 7 and doubled.stats.cache_hits and twice(3) == 15


def test_code_for_other_arguments_is_not_taken(cache):
    """As two jobs leave it that compile at once: each believes that it is the first, and names its file number 1."""
    assert not was_cached(3)
    (whole_numbers,) = files(cache, ".nbc")
    kept = whole_numbers.read_bytes()
    shutil.rmtree(cache)
    assert not was_cached(2.5)
    whole_numbers.write_bytes(kept)
    assert not was_cached(2.5)
    assert was_cached(2.5)


def test_code_that_another_program_left_is_not_taken(cache, caplog):
    was_cached()
    (file,) = files(cache, ".nbc")
    content = b"cno_such_module\nanything\n."
    file.write_bytes(numba_cache.hashlib.sha256(content).digest() + content)
    assert not was_cached()
    assert "compiled code cannot be used (ModuleNotFoundError: No module named 'no_such_module')" in caplog.text
    assert was_cached()


@pytest.mark.parametrize("what", ["a file", "no such place"])
def test_a_cache_that_cannot_be_written_costs_time_only(cache, caplog, monkeypatch, what):
    if what == "a file":
        cache.write_text("in the way")
    else:
        monkeypatch.setattr(numba.config, "CACHE_DIR", "/proc/none")
    assert [was_cached(), was_cached()] == [False, False]
    (said,) = caplog.messages
    assert "compiled code cannot be kept (" in said and "name another one in the environment variable" in said


def test_a_cache_that_has_become_read_only_is_read(cache, monkeypatch):
    """In a container, say, whose compiled code was made when it was built."""
    was_cached()

    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(numba_cache._Locator, "ensure_cache_path", refuse)
    assert was_cached()


def test_memory_that_runs_out_is_no_damage(cache, monkeypatch):
    def full(self, key):
        raise MemoryError

    monkeypatch.setattr(numba_cache._Files, "load", full)
    with pytest.raises(MemoryError):
        compiled()(3)


def test_the_folder_is_the_first_that_can_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(numba_cache, "__file__", str(tmp_path / "package" / "cache.py"))
    assert numba_cache.choose_folder().parent == tmp_path / "package" / "__pycache__"
    monkeypatch.setattr(numba_cache, "__file__", str(tmp_path / "file" / "cache.py"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert numba_cache.choose_folder().parent == tmp_path / "home" / ".cache" / "boltzprune"

    def homeless():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert numba_cache.choose_folder().parent == tmp_path / "file" / "__pycache__"
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "own"))
    assert numba_cache.choose_folder().parent == tmp_path / "own"


def test_edited_sources_and_another_numba_have_a_folder_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(numba_cache, "__file__", str(tmp_path / "backend" / "cpu" / "cache.py"))
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path / "own"))
    found = set()
    for name, text in itertools.product(("backend/cpu/x.py", "core/y.py"), ("x = 1", "x = 2")):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        found.add(numba_cache.choose_folder())
    monkeypatch.setattr(numba, "__version__", "99.0")
    found.add(numba_cache.choose_folder())
    assert len(found) == 5


def test_the_same_sources_elsewhere_and_of_another_date_are_compiled_already(tmp_path, cache):
    """A checkout that is copied, or made again, has the same code; what it is called counts, where it lies does not."""
    text = "from boltzprune.backend.cpu.cache import njit\n\n@njit(cache=True)\ndef doubled(x):\n    return 2 * x\n"
    hits = []
    for i, place in enumerate(("here/doubling.py", "there/doubling.py", "there/other.py")):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_text(text)
        os.utime(tmp_path / place, (1e9 + i, 1e9 + i))
        found = runpy.run_path(str(tmp_path / place))["doubled"]
        assert found(7) == 14
        hits.append(bool(found.stats.cache_hits))
    assert hits == [False, True, False]


@pytest.mark.slow
def test_a_training_whose_compiled_code_is_damaged(training, tmp_path):
    """Every file of the real cache in every way that is known; the result is the same to the last bit."""
    results = []
    for place in ("whole", "damaged"):
        folder = tmp_path / place
        folder.mkdir()
        if results:
            shutil.copytree(tmp_path / "whole" / "cache", folder / "cache")
            for file, damage in zip(files(folder / "cache", ".nb?"), itertools.cycle(DAMAGES.values())):
                file.write_bytes(damage(file.read_bytes()))
        arguments = training("cpu")
        spec = json.loads(arguments[-1].removeprefix("--spec="))
        spec["training"] = {"learning_rate": [0.1], "momentum": [0.5]}
        words = ["-m", "boltzprune", *arguments[:-1], f"--spec={json.dumps(spec)}", "--log=log"]
        job = python(*words, folder=folder, environment={"NUMBA_CACHE_DIR": str(folder / "cache")})
        _, error = job.communicate(timeout=300)
        assert job.returncode == 0, error
        results.append((folder / "machine.npz").read_bytes())
    assert results[0] == results[1]
    assert len(files(tmp_path / "whole", ".nb?")) >= 2
    assert (tmp_path / "damaged" / "log").read_text().count("WARNING") == 1
