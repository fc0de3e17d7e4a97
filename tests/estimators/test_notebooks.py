"""The notebooks run, by what everybody can import, and print what is stored in them, up to what a processor rounds."""

import ast
import contextlib
import io
import json
from pathlib import Path

import matplotlib
import pytest
from test_documented import assert_alike

NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))
PUBLIC = {"boltzprune", "boltzprune.sampling"}
"""Modules that a notebook imports from."""


def cells(path):
    """Code of every cell, and what is stored that it printed."""
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            printed = [one["text"] for one in cell["outputs"] if one["output_type"] == "stream"]
            yield "".join(cell["source"]), "".join(line for lines in printed for line in lines)


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == ["criterion", "spikes", "theory"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_use_what_is_public(path):
    for code, _ in cells(path):
        for node in ast.walk(ast.parse(code)):
            if isinstance(node, ast.ImportFrom) and node.module.startswith("boltzprune"):
                assert node.module in PUBLIC, code
            if isinstance(node, ast.Attribute):
                assert not node.attr.startswith("_"), code


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_they_run_and_print_what_they_store(path, monkeypatch, tmp_path):
    matplotlib.use("Agg")
    monkeypatch.chdir(tmp_path)
    names, n_compared = {}, 0
    for code, stored in cells(path):
        screen = io.StringIO()
        with contextlib.redirect_stdout(screen):
            exec(compile(code, str(path), "exec"), names)
        if stored and "e-16" not in stored:
            assert_alike(screen.getvalue(), stored)
            n_compared += 1
    assert n_compared >= 1
    matplotlib.pyplot.close("all")
