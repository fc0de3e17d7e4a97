"""Imports point downwards; heavy libraries are imported late; only the workflow knows Snakemake."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import boltzprune

PACKAGE = Path(boltzprune.__file__).parent
ROOMS = [
    ["boltzprune"],  # the version
    ["errors", "schedules", "lifeline", "controls", "canonical", "known_digests", "memory", "processor"],
    ["streams", "progress", "machine", "masks", "files", "running", "paths"],
    ["backend", "npz"],
    ["fisher", "intervals", "own_files", "criterion_faults"],
    ["exact", "gibbs", "criteria", "training", "ais"],
    ["sampling", "pruning", "exact_deep", "pretraining", "joint_training"],
    ["deep_pruning"],
    ["datasets", "ending"],
    ["store", "tidy", "provenance", "patterns", "evaluation"],
    ["tables", "figures.style", "claims", "records", "checkpoint", "raw_files"],
    ["figures", "figures.digits", "digit_table"],  # the list of them
    ["config"],
    ["feasible", "sizes", "rates"],
    ["workload"],
    ["settings", "stages"],
    ["figures.fig1", "figures.fig2", "figures.fig3", "figures.fig4", "figures.s1"],
    ["figures.s2a"],
    ["raw_data"],
    ["jobs", "reruns"],
    ["limits"],
    ["__main__"],
]
"""From the bottom up. A module may import from lower rooms, and from its own entry if that is a folder."""
ENTRIES = {entry: level for level, room in enumerate(ROOMS) for entry in room}
BACKEND = {
    "compiling",
    "numba_",
    "numba_cache",
    "numba_cd",
    "numba_joint",
    "numba_layers",
    "numba_low_rank",
    "numba_math",
    "numba_mean_field",
}


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


def entry(name):
    """The longest entry of the rooms that holds a module or one of its names."""
    parts = name.split(".")
    return next((e for i in range(len(parts), 0, -1) if (e := ".".join(parts[:i])) in ENTRIES), None)


def test_every_module_has_a_room():
    homeless = [name for name, _ in modules() if entry(name) is None]
    assert not homeless, "give new modules a place in ROOMS"


@pytest.mark.parametrize(("name", "path"), list(modules()), ids=[name for name, _ in modules()])
def test_imports_point_downwards(name, path):
    for target in imported(path):
        if target.split(".")[0] != "boltzprune":
            continue
        short = target.removeprefix("boltzprune.")
        other = entry(short) or "boltzprune"
        if other == entry(name) and (PACKAGE / other.replace(".", "/")).is_dir():
            continue
        assert ENTRIES[other] < ENTRIES[entry(name)], f"{name} imports {target}, which is not below it"


def test_there_are_no_cycles():
    names = {f"boltzprune.{name}" if name != "boltzprune" else name: path for name, path in modules()}
    meant = {name: {t if t in names else t.rpartition(".")[0] for t in imported(path)} for name, path in names.items()}
    graph = {name: (targets & set(names)) - {"boltzprune"} for name, targets in meant.items()}
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


def roots(path):
    return {target.split(".")[0] for target in imported(path)}


def test_only_modules_of_the_backend_import_numba():
    users = {name for name, path in modules() if "numba" in roots(path)}
    assert users <= {f"backend.{name}" for name in BACKEND}
    assert "backend.numba_" in users


def test_one_module_imports_cupy_and_none_snakemake():
    assert [name for name, path in modules() if "cupy" in roots(path)] == ["backend.cupy_"]
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
    assert starters == ["reruns.dry_run"]


@pytest.mark.parametrize(
    "module", ["boltzprune", "boltzprune.stages", "boltzprune.reruns", "boltzprune.jobs", "boltzprune.settings"]
)
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numba", "matplotlib", "pandas", "sklearn", "scipy", "pooch", "rich", "snakemake", "cupy"}
    assert not heavy & set(done.stdout.split())
