"""The report as a reader sees it: Chromium opens it, clicks through it and looks at every figure and the claims.

Elsewhere these tests are deselected (`needs.py`); `make test-browser` installs Chromium and runs them.
"""

import time

import matplotlib.image
import pandas as pd
import pytest

from boltzprune.report.claims.claim import VERDICTS
from boltzprune.report.figures import FIGURES
from needs import BROWSER

pytestmark = [pytest.mark.browser, pytest.mark.slow]

OPTIONS = (
    *("headless=new", "no-sandbox", "disable-gpu", "disable-dev-shm-usage"),
    *("no-first-run", "disable-background-networking", "disable-component-update"),
)
"""Of Chromium, which as root refuses its sandbox, and which asks the network for nothing."""
ICON = "css selector", "a[iconname]"
SIZE = 1423, 1009
PATIENCE_S = 20


class Reader:
    """Somebody who has opened the report.

    Parameters
    ----------
    browser : selenium.webdriver.Chrome
    path : pathlib.Path
        The report.
    """

    def __init__(self, browser, path):
        self.browser, self.address = browser, path.as_uri()

    def open(self):
        """The first page, as a new reader finds it."""
        self.browser.get("about:blank")
        self.browser.get(self.address)
        return self.once(lambda: self.links("Figures") and self.text())

    def once(self, seen):
        """What a function finds, once it finds something: scripts make the page, and images take a moment."""
        end = time.monotonic() + PATIENCE_S
        while not (found := seen()):
            assert time.monotonic() < end, f"not shown within {PATIENCE_S} s; the page says: {self.text()[:2000]}"
            time.sleep(0.05)
        return found

    def all(self, selector):
        """Elements of the page, by their selector in CSS."""
        return self.browser.find_elements("css selector", selector)

    def text(self):
        """All that can be read."""
        return "\n".join(element.text for element in self.all("#app"))

    def links(self, name):
        """Links with this text."""
        return [link for link in self.all("li a") if link.text.strip() == name]

    def entries(self, category):
        """Open a category, and list its entries."""
        self.open()
        self.links(category)[-1].click()
        return self.once(self.listed)

    def listed(self):
        """The entries of the category that is open: label of each -> icon by what it stands for."""
        rows = {row.find_element("tag name", "td").text: row.find_elements(*ICON) for row in self.all("tbody tr")}
        return {name: {icon.get_attribute("iconname"): icon for icon in icons} for name, icons in rows.items() if icons}

    def look_at(self, category, label):
        """Show an entry with the text beside it."""
        self.entries(category)[label]["eye"].click()
        self.listed()[label]["information-circle"].click()
        self.once(lambda: "DESCRIPTION" in self.text())

    def image(self):
        """The image that is shown; a file that is broken has no width."""
        shown = [image for image in self.all("#app img") if "logo.svg" not in image.get_attribute("src")[:60]]
        return next((image for image in shown if image.get_property("naturalWidth")), None)


@pytest.fixture(scope="module")
def study(finished, tmp_path_factory):
    """The finished study with its report."""
    made = finished.beside(tmp_path_factory.mktemp("read"))
    done = made.snakemake("--report", "report.html")
    assert done.returncode == 0, done.stdout
    return made


@pytest.fixture(scope="module")
def reader(study):
    """A reader with a window of a fixed size."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location, driver = BROWSER
    for option in (*OPTIONS, "window-size={},{}".format(*SIZE)):
        options.add_argument(f"--{option}")
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    yield Reader(browser, study.folder / "report.html")
    browser.quit()


def tables(study):
    return study.folder / "results" / "tiny" / "tables"


def screenshot(reader, path):
    """What is seen, pixels by colours in [0, 1]."""
    assert reader.browser.save_screenshot(str(path))
    return matplotlib.image.imread(path)[:, :, :3]


def test_the_first_page_says_what_was_computed_and_how_many_statements_hold(reader, study):
    text = reader.open()
    assert "Scholl, Rule and Hennig (2021)" in text
    assert text.count("Study tiny: preset published, ") == 2 and "2 criteria, 1 iteration" in text
    claims = pd.read_csv(tables(study) / "claims.csv")
    for experiment, name in (("patches", "Image patches"), ("digits", "Digits")):
        mine = claims[(claims["experiment"] == experiment) & (claims["origin"] == "paper")]
        counts = mine["verdict"].value_counts()
        assert f"\n{name} {' '.join(str(counts.get(verdict, 0)) for verdict in VERDICTS)}\n" in text


def test_every_figure_of_the_study_has_an_entry_and_no_other(reader, study):
    files = (study.folder / "results" / "tiny" / "figures").glob("*.png")
    titles = {FIGURES[path.stem].caption.split(".**")[0].strip("*") for path in files}
    assert len(titles) == 9 and set(reader.entries("Figures")) == titles


@pytest.mark.parametrize("name", [name for name, row in FIGURES.items() if not row.repeats])
def test_a_figure_is_shown_with_its_caption_beside_it(reader, study, tmp_path, name):
    title, _, caption = FIGURES[name].caption.strip("*").partition(".**")
    reader.look_at("Figures", title)
    image = reader.once(reader.image)
    text = " ".join(reader.text().partition("DESCRIPTION")[2].partition("SNAKEMAKE RULE")[0].split())
    assert " ".join(caption.split())[:60] in text
    assert "Study tiny: preset published, " in text
    corner, size = image.location, image.size
    assert size["width"] > 250 and corner["x"] + size["width"] <= SIZE[0]
    seen = screenshot(reader, tmp_path / "seen.png")
    rows = slice(int(corner["y"]), int(corner["y"] + size["height"]))
    part = seen[rows, int(corner["x"]) : int(corner["x"] + size["width"])]
    white = (part > 0.99).all(axis=2).mean()
    assert 0.3 < white < 0.99, "an image on a white ground with something on it"
    drawn = matplotlib.image.imread(study.folder / "results" / "tiny" / "figures" / f"{name}.png")
    expected = drawn.shape[1] / drawn.shape[0]
    assert size["width"] / size["height"] == pytest.approx(expected, rel=0.02)


def test_every_statement_is_shown_with_its_verdict(reader, study, tmp_path):
    claims = pd.read_csv(tables(study) / "claims.csv")
    (label,) = reader.entries("Claims")
    reader.look_at("Claims", label)
    (table,) = (shown for shown in reader.all("#app nav .prose table") if "Statement" in shown.text)
    rows = [
        [cell.text for cell in row.find_elements("tag name", "td")] for row in table.find_elements("tag name", "tr")
    ]
    shown = [(row[0], row[2].partition(" (")[0]) for row in rows if row]
    assert shown == list(zip(claims["statement"], claims["verdict"]))
    corner = table.location
    seen = screenshot(reader, tmp_path / "claims.png")[int(corner["y"]) :, int(corner["x"]) : int(corner["x"]) + 300]
    assert len(seen) > 100 and seen.std() > 0.05, "text is seen below the top of the table"


@pytest.mark.parametrize(("category", "name"), [("Tables", "table1"), ("Tables", "per_digit")])
def test_a_table_stands_beside_its_entry(reader, study, category, name):
    lines = (tables(study) / f"{name}.md").read_text().splitlines()
    head = [cell.strip() for cell in next(line for line in lines if line.startswith("|")).split("|")[1:-1]]
    labels = reader.entries(category)
    found = []
    for label in labels:
        reader.look_at(category, label)
        shown = reader.all("#app nav .prose table")
        found += [[cell.text for cell in table.find_elements("tag name", "th")] for table in shown]
    assert [cell or "–" for cell in head] in found
