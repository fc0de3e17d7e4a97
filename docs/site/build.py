"""Build the documentation as a site, by Sphinx, without network and without a warning: `make docs`.

The pages are written for people who read them as files. This program collects them, makes README.md the front page,
adds pages that lie beside the code and pages that are generated, and has every link lead to a page of the site; other
files that a page links to are put into the site. Sphinx does the rest.
"""

import argparse
import base64
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import boltzprune
from boltzprune.__main__ import command_line
from boltzprune.estimators.base import PrunedMachine
from boltzprune.study.config import Study
from boltzprune.study.config.reference import as_markdown

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PAGES = {
    "Start": ["tutorial", "running", "faq"],
    "Yours": ["library", "api", "own_criterion", "own_data"],
    "Notebooks": ["notebooks/theory", "notebooks/spikes", "notebooks/criterion"],
    "The paper": ["experiments", "results", "reproduces", "controls", "theory", "deviations", "results/README"],
    "Settings": ["configuration", "settings", "config/README", "commands", "results_files"],
    "Computers": ["clusters", "gpu", "speed", "reruns", "faults"],
    "About": ["testing", "glossary", "CONTRIBUTING", "CHANGELOG"],
}
"""Part of the site -> its pages."""
ELSEWHERE = {
    "README.md": "index.md",
    "config/README.md": "config/README.md",
    "results/README.md": "results_files.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "docs/README.md": "index.md",
}
"""Path in the repository of a page outside of docs, or of the index that the site replaces -> page of the site."""
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)(\))")
CODE = re.compile(r"(^```.*?^```$|`[^`\n]*`)", re.MULTILINE | re.DOTALL)
EXACT = (
    *("log_z", "free_energy", "visible_log_probabilities", "statistics", "clamped_statistics"),
    *("log_likelihood_gradient", "fisher_matrix", "sample"),
)
"""Functions of `boltzprune.sampling.exact` that the page of the library has."""
METHODS = [name for name, value in vars(PrunedMachine).items() if callable(value) and not name.startswith("_")] + [
    "load"
]
"""Of the estimators, in the order in which they are written; their attributes are told by the class."""


def main():
    """Collect the pages in a folder of their own, and call Sphinx."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("target", type=Path, nargs="?", default=ROOT / "build" / "site", help="default: build/site")
    target = parser.parse_args().target
    with tempfile.TemporaryDirectory(prefix="boltzprune-site-") as folder:
        collect(Path(folder))
        words = ["-m", "sphinx", "-b", "html", "--fail-on-warning", "--keep-going", "--quiet", "-d", f"{folder}/.trees"]
        status = subprocess.run([sys.executable, *words, folder, str(target)], check=False).returncode
    if not status:
        sys.stdout.write(f"open {target / 'index.html'}\n")
    return status


def collect(folder):
    """Put everything that the site is made of into a folder."""
    os.environ["COLUMNS"] = "100"
    sources = {path: page_of(path) for path in tracked("docs") if not path.startswith("docs/site/")}
    pages = {path: target for path, target in (sources | ELSEWHERE).items() if target.endswith(".md")}
    pages.pop("docs/README.md")
    others = {path: target for path, target in sources.items() if path not in pages and path != "docs/README.md"}
    for path, target in pages.items():
        text = notebook(path, folder / target) if path.endswith(".ipynb") else (ROOT / path).read_text(encoding="utf-8")
        text, linked = with_links(path, target, text)
        title = "" if re.match("# ", text) else f"# {Path(target).parent.name}: {Path(target).stem}\n\n"
        write(folder / target, title + text + contents_of(target))
        others |= linked
    for target, text in (("settings.md", as_markdown(Study)), ("commands.md", commands()), ("api.md", api())):
        text, linked = with_links(f"docs/{target}", target, text)
        write(folder / target, text)
        others |= linked
    others |= {path: f"files/{path}" for path in pages if path.endswith(".ipynb")}
    for path, target in others.items():
        (folder / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, folder / target)
    shutil.copy(HERE / "conf.py", folder)
    write(folder / "_static" / "site.css", (HERE / "site.css").read_text())


def tracked(folder):
    """Files of the repository below a folder that Git knows or would add."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", folder]
    listed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [path for path in listed if (ROOT / path).is_file()]


def page_of(path):
    """Where the site has a file of docs; a notebook becomes a page."""
    return path.removeprefix("docs/").removesuffix(".ipynb") + ".md" * path.endswith(".ipynb")


def notebook(path, target):
    """A notebook as the text of a page; its pictures are written beside the page."""
    parts, target_folder = [], target.parent
    target_folder.mkdir(parents=True, exist_ok=True)
    for number, cell in enumerate(json.loads((ROOT / path).read_text(encoding="utf-8"))["cells"]):
        source = "".join(cell["source"])
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", []):
            if output["output_type"] == "stream":
                parts.append(block("".join(output["text"])))
            elif picture := output.get("data", {}).get("image/png"):
                name = f"{target.stem}_{number}.png"
                (target_folder / name).write_bytes(base64.b64decode("".join(picture)))
                parts.append(f"![]({name})")
    return "\n\n".join(parts) + "\n"


def write(path, text):
    """Write a file, in a folder that may be new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def contents_of(page):
    """What a page of the site has at its end: the parts of the site, pages below it, or the notebook that it shows."""
    if page == "index.md":
        return "".join(toctree(part, names) for part, names in PAGES.items())
    if page.startswith("notebooks/"):
        name = Path(page).with_suffix(".ipynb").name
        return f"\nThis page as a notebook: [{name}](../files/docs/notebooks/{name})\n"
    if page == "results/README.md":
        return toctree("", sorted(path.removeprefix("docs/results/") for path in tracked("docs/results/*/*.md")))
    return ""


def toctree(caption, names):
    """What tells Sphinx the order of pages."""
    head = [":hidden:", *[f":caption: {caption}"] * bool(caption)]
    return "\n".join(["\n```{toctree}", *head, "", *(name.removesuffix(".md") for name in names), "```\n"])


def with_links(path, page, text):
    """The text of a page with links into the site, and what else it links to: path in the repository -> in the site."""
    linked = {}

    def new(match):
        before, link, after = match.groups()
        if re.match("[a-z]+:", link) or link.startswith("#"):
            return match[0]
        name, _, anchor = link.partition("#")
        found = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
        if (ROOT / found).is_dir():
            found = f"{found}/README.md"
            if not (ROOT / found).is_file():  # nothing to show of a folder
                return before.partition("[")[2].removesuffix("](")
        target = ELSEWHERE.get(found) or (page_of(found) if found.startswith("docs/") else None)
        if target is None and not (ROOT / found).exists():  # a picture of a notebook
            return match[0]
        if target is None:
            target = linked[found] = f"files/{found}"
        relative = posixpath.relpath(target, posixpath.dirname(page) or ".")
        return f"{before}{relative}{'#' + anchor if anchor else ''}{after}"

    parts = CODE.split(text)  # every other one is code, which is set aside
    text = LINK.sub(new, "".join(f"\0{place}\0" if place % 2 else part for place, part in enumerate(parts)))
    return re.sub(r"\0(\d+)\0", lambda match: parts[int(match[1])], text), linked


def commands():
    """The page of the command line: what every command says of itself."""
    parser = command_line()
    (choices,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    listed = [action.dest for action in choices._choices_actions]
    text = ["# Commands", "What `boltzprune COMMAND --help` prints.", block(parser.format_help())]
    for name in listed:
        text += [f"## boltzprune {name}", block(choices.choices[name].format_help())]
    text += ["## Stages", "The workflow runs these; a person can run them as well."]
    for name, command in choices.choices.items():
        if name not in listed:
            text += [f"### boltzprune {name}", block(command.format_help())]
    return "\n\n".join(text) + "\n"


def block(text):
    """Text as it is."""
    return f"```text\n{text.rstrip()}\n```"


def api():
    """The page of the library: every public name with its docstring."""
    homes = {name: home for home, names in boltzprune.HOMES.items() for name in names}
    functions = [name for name, home in homes.items() if home.startswith("single") and name[0].islower()]
    estimators = ["PrunedRBM", "PrunedDBM"]
    others = [name for name in boltzprune.__all__ if name not in (*functions, *estimators, "CRITERIA")]
    text = [
        "# The library in full",
        "Everything here is imported from `boltzprune`: `from boltzprune import PrunedRBM`.",
    ]
    text += ["## Estimators", *(described(homes[name], name, METHODS) for name in estimators)]
    text += ["## Functions for one machine", *(described(homes[name], name) for name in functions)]
    text += ["## Records and equations", *(described(homes[name], name) for name in others)]
    text += ["## Exact results", "Of machines that are small enough, from `boltzprune.sampling.exact`."]
    text += [described("sampling.exact", name) for name in EXACT]
    return "\n\n".join(text) + "\n"


def described(home, name, methods=()):
    """What has Sphinx show a name with its docstring, and some of its methods."""
    kind, path = "autoclass" if name[0].isupper() else "autofunction", f"boltzprune.{home}.{name}"
    members = [f"\n   .. automethod:: {path}.{method}" for method in methods]
    return "\n".join(["```{eval-rst}", f".. {kind}:: {path}", *members, "```"])


if __name__ == "__main__":
    sys.exit(main())
