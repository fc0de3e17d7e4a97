"""What the digests of code leave out can change no result: the list, and all that computing modules take from it."""

import ast
from pathlib import Path

import boltzprune
from boltzprune.backend import MODULES
from boltzprune.report.figures import FIGURES, module_of
from boltzprune.results.provenance import NOT_IN_DIGEST
from boltzprune.study.stages import SECTIONS, STAGES

PACKAGE = Path(boltzprune.__file__).parent
LEFT_OUT = {
    "boltzprune.study.config": "values travel as parameters of the rules",
    "boltzprune.pruning.criteria": "each criterion has a digest of its own, with saliency_of, Evidence and its row",
    "boltzprune.pruning.faults": "what is said of a user's function that cannot be a criterion",
    "boltzprune.pruning.own_criteria": "what a function says of itself, which is in the digest of its criterion",
    "boltzprune.pruning.own_files": "how a user's file is found and run; its content is in the digest of its criterion",
    "boltzprune.errors": "what a job says that ends without a result",
    "boltzprune.backend.preparation": "what a job says meanwhile",
    "boltzprune.backend.gpu.driver": "which device there is; the digest of a job has all that could compute it",
    "boltzprune.backend.gpu.lock": "which of several equal GPUs a job takes",
    "boltzprune.backend.cpu.cache": "where compiled code is kept; what is compiled, and how, is in the digest",
    "boltzprune.results.lifeline": "when a process ends, and which unfinished files it removes",
}
"""Module or package -> why no edit of it changes a result."""
TAKEN = {
    "boltzprune.study.config": {
        *(model.__name__ for sections in SECTIONS.values() for model in sections.values()),
        *("Section", "one_of"),
    },
    "boltzprune.pruning.criteria": {"Evidence", "resolve", "saliency_of"},
    "boltzprune.errors": {"DeviceError", "InputError", "TrainingError"},
    "boltzprune.backend.gpu.driver": {"problem"},
    "boltzprune.backend.gpu.lock": {"claim"},
    "boltzprune.backend.cpu.cache": {"njit"},
    "boltzprune.results.lifeline": {"unfinished"},
    "boltzprune.backend.preparation": {"PREPARATION"},
}
"""Module -> all that computing modules take from it; none takes anything from the others. Of the configuration these
are the sections, and what tells a name of a list, by which the list of stages checks a spec."""
ROOTS = {
    *(f"boltzprune.study.stages.{row.module}" for row in STAGES.values()),
    *map(module_of, FIGURES),
    *MODULES.values(),
}


def parsed(module):
    """The syntax tree of a module without what only a type checker reads; None if that is no module of the package."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not path.is_file():
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tree.body = [node for node in tree.body if not ast.unparse(node).startswith("if TYPE_CHECKING:")]
    return tree


def taken(module):
    """What a module takes from others of the package: (module, name or None), at the top or inside functions."""
    tree = parsed(module)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "boltzprune":
            yield node.module, None
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if parsed(whole) is None:
                    yield node.module, alias.name
                    continue
                yield whole, None
                name = alias.asname or alias.name
                yield from ((whole, read.attr) for read in ast.walk(tree) if is_read_of(read, name))
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("boltzprune") for alias in node.names), module


def is_read_of(node, name):
    """Whether a node is `name.something`."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name


def left_out(module):
    """The entry of the literal list that a module belongs to, or nothing."""
    return next((name for name in LEFT_OUT if f"{module}.".startswith(f"{name}.")), None)


def computing():
    """Every module that stages, figures and backends reach, and what is taken from those left out."""
    found, waiting, from_others = set(), [*ROOTS], {}
    while waiting:
        module = waiting.pop()
        if module in found or module == "boltzprune" or left_out(module):
            continue
        found.add(module)
        for other, name in taken(module):
            waiting.append(other)
            if name and (entry := left_out(other)):
                from_others.setdefault(entry, set()).add(name)
    return found, from_others


def test_the_list_is_the_one_that_was_thought_through():
    assert {*NOT_IN_DIGEST} == {*LEFT_OUT}
    assert len(NOT_IN_DIGEST) == len(LEFT_OUT)


def test_computing_modules_take_nothing_else_from_what_is_left_out():
    found, from_others = computing()
    assert from_others == TAKEN
    assert {
        "boltzprune.learning.training",
        "boltzprune.core.fisher",
        "boltzprune.core.streams",
        "boltzprune.backend.cpu.cd",
    } < found
