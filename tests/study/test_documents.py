"""What a stranger reads: README is short, every link leads somewhere, and every example is what it says."""

import ast
import importlib
import re
import subprocess
import sys

import numpy as np
import pytest
from documented import PAGES as PATTERNS
from documented import ROOT

PAGES = [page for pattern in PATTERNS for page in sorted(ROOT.glob(pattern))]
LONGEST_README = 150
BLOCK = re.compile(r"^```(.*?)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LANGUAGES = {"sh", "python", "yaml", "text"}
"""Of blocks of code: tests/workflow/documented.py runs the commands of those in sh."""
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.*?)\s*$", re.MULTILINE)
SOURCE = re.compile(r"`((?:src|tests|workflow|benchmarks|envs|config|profiles(?!/mine)|docs)/[\w./-]*)`")
"""A file or folder of the repository; profiles/mine is a user's."""
of_every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def prose(page):
    """The text of a page without its blocks of code."""
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def blocks(page, language):
    """The blocks of code of a page in one language."""
    return [text for name, text in BLOCK.findall(page.read_text(encoding="utf-8")) if name == language]


def anchors(text):
    """What `#...` can name on a page: its headings as GitHub writes them."""
    found = []
    for heading in HEADING.findall(text):
        name = re.sub(r"[^\w\- ]", "", LINK.sub("", heading).lower()).replace(" ", "-")
        found.append(f"{name}-{found.count(name)}" if name in found else name)
    return found


def missing(page, links):
    """Those of the links of a page that lead to no file, or to no heading."""
    found = []
    for link in links:
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(prose(target))):
            found.append(link)
    return found


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= LONGEST_README


@of_every_page
def test_every_link_leads_somewhere(page):
    links = [link for link in LINK.findall(CODE.sub("``", prose(page))) if not re.match("[a-z]+:", link)]
    assert missing(page, links) == []


def test_a_link_that_leads_nowhere_is_noticed():
    page = ROOT / "docs" / "README.md"
    wrong = ["none.md", "running.md#none", "#none", "../docs/none/"]
    right = ["running.md", "running.md#install", "#documentation", "../config/", "../CITATION.cff"]
    assert missing(page, [*wrong, *right]) == wrong
    assert anchors("# One `two`, three: (4)\n## A-b\n## A-b\n") == ["one-two-three-4", "a-b", "a-b-1"]


def test_every_page_can_be_reached_from_readme():
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page not in reached:
            reached.add(page)
            paths = [(page.parent / link.partition("#")[0]).resolve() for link in LINK.findall(prose(page))]
            waiting += [path for path in paths if path.suffix == ".md" and path.is_file()]
    assert {page for page in PAGES if page not in reached} == set()


@of_every_page
def test_every_block_of_code_names_its_language(page):
    assert {name for name, _ in BLOCK.findall(page.read_text(encoding="utf-8"))} <= LANGUAGES


@of_every_page
def test_every_file_that_is_named_exists(page):
    assert [name for name in SOURCE.findall(prose(page)) if not (ROOT / name).exists()] == []


@of_every_page
def test_every_python_example_imports_what_exists(page):
    for text in blocks(page, "python"):
        if "snakefile:" not in text:  # Snakemake's own language
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ImportFrom):
                    module = importlib.import_module(node.module)
                    for name in node.names:
                        if not hasattr(module, name.name):
                            importlib.import_module(f"{node.module}.{name.name}")


@of_every_page
def test_every_name_of_the_package_exists(page):
    for name in re.findall(r"`boltzprune((?:\.\w+)+)`", prose(page)):
        *parents, last = name.removeprefix(".").split(".")
        module = importlib.import_module(".".join(["boltzprune", *parents]))
        assert hasattr(module, last) or importlib.import_module(f"boltzprune{name}")


@of_every_page
def test_every_configuration_that_is_shown_is_valid(page, tmp_path):
    (tmp_path / "my_rules.py").write_text("def weight_times_activity(evidence):\n    return evidence.weights\n")
    images, labels = np.random.default_rng(5).random((53, 64, 64)), np.arange(53) % 26
    np.savez(tmp_path / "my_images.npz", images=images)
    np.savez(tmp_path / "my_letters.npz", images=images[:, :20, :20], labels=labels)
    for text in blocks(page, "yaml"):
        if re.search("^(patches|digits):", text, re.MULTILINE):
            (tmp_path / "my.yaml").write_text(text)
            done = subprocess.run(
                [sys.executable, "-m", "boltzprune", "check", "my.yaml"], cwd=tmp_path, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stdout + done.stderr
