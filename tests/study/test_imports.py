"""Imports point downwards; heavy libraries are imported late; only the workflow knows Snakemake."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import boltzprune

PACKAGE = Path(boltzprune.__file__).parent
PROGRAMS = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.py"))
LEVELS = [
    ["boltzprune", "errors"],
    ["core"],
    ["backend"],
    ["sampling"],
    ["pruning"],
    ["results"],
    ["learning", "evaluation", "datasets"],
    ["report"],
    ["study"],
    ["single"],
    ["estimators"],
    ["__main__"],
]
"""The rooms of the package, from the bottom up; rooms of one level do not know each other."""
LEVEL_OF = {room: level for level, rooms in enumerate(LEVELS) for room in rooms}
LIGHT = ("", ".study.stages", ".study.reruns", ".study.jobs", ".study.settings")
"""What the workflow and the command line import at every start, behind the name of the package."""


def modules():
    """Name of each module without the package's -> its file."""
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        yield name or "boltzprune", path


def imported(path):
    """Everything a file imports, at the top or inside functions: dotted names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room(name):
    """The room of a module, which is its folder, or the module itself if it lies in none."""
    return name.removeprefix("boltzprune.").split(".")[0]


def test_every_module_lies_in_a_room():
    assert {room(name) for name, _ in modules()} == set(LEVEL_OF)
    alone = {path.stem for path in PACKAGE.glob("*.py")}
    assert alone == {"__init__", "__main__", "errors"}


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=[name for name, _ in modules()])
def test_imports_point_downwards(name, path):
    for target in imported(path) if name != "boltzprune" else ():  # the front hands on names, see the test below
        if target.split(".")[0] != "boltzprune" or room(target) == room(name):
            continue
        level = LEVEL_OF.get(room(target), LEVEL_OF["boltzprune"])  # else a name of the package itself: the version
        assert level < LEVEL_OF[room(name)], f"{name} imports {target}, which is not below it"


def test_the_front_hands_on_the_same_names_to_people_and_to_type_checkers():
    """It imports a module when one of its names is asked for, so that `import boltzprune` loads none."""
    shown = {target for target in imported(PACKAGE / "__init__.py") if target.startswith("boltzprune.")}
    assert shown == {f"boltzprune.{home}.{name}" for home, names in boltzprune.HOMES.items() for name in names}
    assert sorted(boltzprune.__all__) == sorted(name for names in boltzprune.HOMES.values() for name in names)
    for name in boltzprune.__all__:
        assert getattr(boltzprune, name) is not None and name in dir(boltzprune)
    with pytest.raises(AttributeError, match="module 'boltzprune' has no attribute 'PrunedBRM'"):
        _ = boltzprune.PrunedBRM


def test_there_are_no_cycles():
    names = {f"boltzprune.{name}": path for name, path in modules() if name != "boltzprune"}
    meant = {name: {t if t in names else t.rpartition(".")[0] for t in imported(path)} for name, path in names.items()}
    graph = {name: targets & set(names) for name, targets in meant.items()}
    done, doing = set(), []

    def visit(name):
        assert name not in doing, " -> ".join([*doing[doing.index(name) :], name])
        if name not in done:
            doing.append(name)
            for target in graph[name]:
                visit(target)
            doing.pop()
            done.add(name)

    for name in graph:
        visit(name)


@pytest.mark.parametrize("path", PROGRAMS, ids=[path.name for path in PROGRAMS])
def test_benchmarks_import_what_is_there(path):
    """No test runs the long ones, which a function of another name would break unseen."""
    for target in imported(path):
        module, _, name = target.rpartition(".")
        if target.startswith("boltzprune.") and module != "boltzprune.backend.gpu.card":
            assert hasattr(importlib.import_module(module), name) or importlib.util.find_spec(target), target


def roots(path):
    return {target.split(".")[0] for target in imported(path)}


def test_one_folder_imports_numba():
    users = {name for name, path in modules() if "numba" in roots(path)}
    assert {name.rpartition(".")[0] for name in users} == {"backend.cpu"}


def test_one_module_imports_cupy_and_none_snakemake():
    assert [name for name, path in modules() if "cupy" in roots(path)] == ["backend.gpu.card"]
    assert not [name for name, path in modules() if "snakemake" in roots(path)]


def test_the_workflow_is_the_only_place_that_names_snakemake():
    named = [
        name
        for name, path in modules()
        if any(
            isinstance(node, ast.Name | ast.Attribute) and "snakemake" in ast.dump(node)
            for node in ast.walk(ast.parse(path.read_text()))
        )
    ]
    assert not named


def test_one_module_starts_snakemake_as_a_command():
    """It is the only one that knows what Snakemake prints, and where it keeps its marks."""
    starters = [
        name
        for name, path in modules()
        if any(
            isinstance(node, ast.Constant) and node.value in ("snakemake", ".snakemake")
            for node in ast.walk(ast.parse(path.read_text()))
        )
    ]
    assert starters == ["study.reruns.dry_run"]


@pytest.mark.parametrize("module", [f"boltzprune{name}" for name in LIGHT])
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numba", "matplotlib", "pandas", "sklearn", "scipy", "pooch", "rich", "snakemake", "cupy"}
    assert not heavy & set(done.stdout.split())
