"""What is remembered of source files saves time and changes no digest."""

import json
import os

import pytest

from boltzprune.results import known_digests
from boltzprune.results.known_digests import file, keep, of_source


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package of its own, in which nothing is known yet."""
    for name in known_digests.MAKERS:
        (tmp_path / name).write_text(f"# {name}\n")
    monkeypatch.setattr(known_digests, "FOLDER", tmp_path)
    forget()
    yield tmp_path
    forget()


def forget():
    """What another process would know: the file."""
    known_digests._known.cache_clear()
    known_digests._salt.cache_clear()
    known_digests._news.clear()


def never():
    raise AssertionError("computed again")


def test_what_is_kept_is_not_computed_again(package):
    assert of_source(b"a", lambda: ["one", []]) == ["one", []]
    assert of_source(b"b", lambda: ["two", []]) == ["two", []]
    keep()
    forget()
    assert of_source(b"a", never) == ["one", []]
    assert of_source(b"b", never) == ["two", []]
    assert of_source(b"c", lambda: ["three", []]) == ["three", []]


@pytest.mark.parametrize("maker", known_digests.MAKERS)
def test_other_code_that_makes_them_computes_them_again(package, maker):
    of_source(b"a", lambda: ["one", []])
    keep()
    (package / maker).write_text("# edited\n")
    forget()
    assert of_source(b"a", lambda: ["new", []]) == ["new", []]


@pytest.mark.parametrize(
    "damage", [lambda text: text[:-9], lambda text: text.replace("one", "odd"), lambda text: "", None]
)
def test_a_damaged_file_is_no_file(package, damage):
    of_source(b"a", lambda: ["one", []])
    keep()
    text = file().read_text()
    file().write_text(damage(text) if damage else json.dumps([text]))
    forget()
    assert of_source(b"a", lambda: ["one again", []]) == ["one again", []]


@pytest.mark.skipif(os.geteuid() == 0, reason="root can write everywhere")
def test_a_folder_that_cannot_be_written_costs_time_only(package):
    package.chmod(0o500)
    of_source(b"a", lambda: ["one", []])
    keep()
    assert not file().exists()


def test_a_folder_that_is_a_file_costs_time_only(package):
    (package / "__pycache__").touch()
    of_source(b"a", lambda: ["one", []])
    keep()
    assert (package / "__pycache__").is_file()
