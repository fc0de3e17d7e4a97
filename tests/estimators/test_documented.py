"""The page about the library: its code runs, and prints what the page says, up to what another processor rounds."""

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "library.md"
BLOCK = re.compile(r"^```(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def blocks():
    """Kind and text of every block that is run or compared: not of those that read the results of a study."""
    return [(kind, text) for kind, text in BLOCK.findall(PAGE.read_text()) if "results/" not in text]


def assert_alike(found, expected):
    assert NUMBER.sub("#", found) == NUMBER.sub("#", expected)
    for one, other in zip(NUMBER.findall(found), NUMBER.findall(expected), strict=True):
        assert float(one) == pytest.approx(float(other), rel=0.15, abs=1)


@pytest.mark.slow
def test_the_code_of_the_page_prints_what_it_says(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names, printed, n_compared = {}, "", 0
    for kind, text in blocks():
        if kind == "python":
            screen = io.StringIO()
            with contextlib.redirect_stdout(screen):
                exec(compile(text, str(PAGE), "exec"), names)
            printed = screen.getvalue()
        elif kind == "text":
            assert_alike(printed, text)
            n_compared += 1
    assert n_compared == sum(kind == "text" for kind, _ in blocks()) >= 5
