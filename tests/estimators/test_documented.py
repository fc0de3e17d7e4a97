"""Pages with Python: their code runs, and prints what the page says, up to what another processor rounds."""

import contextlib
import io
import re
from pathlib import Path

import pytest

PAGES = [Path(__file__).parents[2] / "docs" / name for name in ("library.md", "theory.md")]
BLOCK = re.compile(r"^```(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def blocks(page):
    """Kind and text of every block that is run or compared: not of those that read the results of a study."""
    return [(kind, text) for kind, text in BLOCK.findall(page.read_text()) if "results/" not in text]


def assert_alike(found, expected):
    assert NUMBER.sub("#", found) == NUMBER.sub("#", expected)
    for one, other in zip(NUMBER.findall(found), NUMBER.findall(expected), strict=True):
        assert float(one) == pytest.approx(float(other), rel=0.15, abs=1)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_prints_what_it_says(page, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    names, printed, n_compared = {}, "", 0
    for kind, text in blocks(page):
        if kind == "python":
            screen = io.StringIO()
            with contextlib.redirect_stdout(screen):
                exec(compile(text, str(page), "exec"), names)
            printed = screen.getvalue()
        elif kind == "text" and printed:  # other text is a formula
            assert_alike(printed, text)
            printed, n_compared = "", n_compared + 1
    assert n_compared >= 1
