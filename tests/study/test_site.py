"""The documentation as a site: built without a warning, complete, its links lead somewhere, nothing comes from afar."""

import re
import runpy
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

import boltzprune
from boltzprune.study.config import Section, Study
from boltzprune.study.config.reference import as_markdown
from boltzprune.study.stages import STAGES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "docs" / "site" / "build.py"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site") / "made"
    done = subprocess.run([sys.executable, PROGRAM, folder], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"open {folder / 'index.html'}\n"
    return folder


class Page(HTMLParser):
    """What a page loads, what it links to, and what can be linked to in it."""

    def __init__(self, path):
        super().__init__()
        self.loads, self.links, self.places, self.text = [], [], set(), ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.places |= {values[name] for name in ("id", "name") if values.get(name)}
        if tag in ("script", "img") and "src" in values:
            self.loads.append(values["src"])
        if tag == "link" and values.get("rel") == "stylesheet":
            self.loads.append(values["href"])
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def pages(site):
    return {path: Page(path) for path in site.rglob("*.html")}


def test_every_part_is_there(site):
    parts = runpy.run_path(str(PROGRAM))["PAGES"]
    named = {f"{name}.html" for names in parts.values() for name in names}
    assert all((site / name).is_file() for name in named)
    written = {f"{path.stem}.html" for path in (ROOT / "docs").glob("*.md")} - {"README.html"}
    assert written <= named


def test_links_lead_somewhere_and_nothing_is_loaded_from_afar(site, pages):
    wrong, n_links = [], 0
    for path, page in pages.items():
        if path.name in ("search.html", "genindex.html"):
            continue
        for link in page.loads + page.links:
            if re.match("[a-z]+:", link):
                wrong += [(path.name, link)] * (link in page.loads)
                continue
            file, _, place = unquote(link).partition("#")
            target = (path.parent / file.partition("?")[0]).resolve() if file else path
            n_links += 1
            if not target.is_file() or (place and target in pages and place not in pages[target].places):
                wrong.append((path.relative_to(site).as_posix(), link))
    assert wrong == [] and n_links > 1000


def test_generated_pages_have_everything(site, pages):
    settings, commands, library = (pages[site / f"{name}.html"] for name in ("settings", "commands", "api"))
    assert all(name in settings.text for name in ("patches.sampling", "digits.pretraining.second", "n_clamped_steps"))
    assert {"boltzprune run", "boltzprune plan", "boltzprune merge"} <= set(
        re.findall("boltzprune [a-z]+", commands.text)
    )
    assert all(f"boltzprune {stage}" in commands.text for stage in STAGES)
    for name in set(boltzprune.__all__) - {"CRITERIA"}:
        assert any(place.endswith(f".{name}") for place in library.places), name
    assert any(place.endswith("PrunedDBM.retrain") for place in library.places)


def keys(model, prefix=""):
    """Dotted place of every section, and name of every key in it."""
    for key, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from keys(field.annotation, f"{prefix}{key}.")
        else:
            yield prefix.removesuffix("."), key


def test_every_setting_is_told_in_its_section_with_its_default():
    parts = dict(re.findall(r"^## `(.*?)`$(.*?)(?=^## |\Z)", as_markdown(Study), re.MULTILINE | re.DOTALL))
    parts[""] = as_markdown(Study).partition("\n## ")[0]
    told = {
        (section, key) for section, text in parts.items() for key in re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    }
    assert told == set(keys(Study))
    assert "Presets: published, paper 100; revision, preprint 1000. | an integer >= 1 | `50` |" in parts["digits"]
    assert "| `momentum_rule` |" in parts["digits.pretraining.second"]


def test_figures_and_measurements_are_part_of_it(site, pages):
    shown = [link for link in pages[site / "experiments.html"].loads if link.endswith(".png")]
    assert len(shown) == 5
    files = [link for link in pages[site / "gpu.html"].links if link.endswith("gpu.json")]
    assert files and (site / files[0]).is_file()
    for name, n_pictures in (("theory", 3), ("spikes", 2), ("criterion", 1)):
        page = pages[site / "notebooks" / f"{name}.html"]
        assert sum(link.endswith(".png") for link in page.loads) == n_pictures
        assert any(link.endswith(f"{name}.ipynb") for link in page.links)


def test_formulas_are_drawn_by_the_browser_and_a_dollar_elsewhere_is_one(site):
    found = {path.stem: path.read_text().count("<math") for path in site.glob("*.html")}
    source = (ROOT / "docs" / "theory.md").read_text()
    assert found.pop("theory") == len(re.findall(r"\$\$.*?\$\$|\$[^$]+\$", source, re.DOTALL)) > 20
    assert set(found.values()) == {0}
    assert "$" not in re.sub("<[^>]*>", "", (site / "theory.html").read_text().split('role="main"')[1])
