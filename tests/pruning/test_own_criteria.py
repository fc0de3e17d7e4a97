"""A criterion in a user's own file: what it may import and use, whose code counts, and what is said where it cannot be.

The helpers beside it: snakemake/snakemake#1063 and #2914, files that import what lies beside them.
"""

import dataclasses
import importlib
import sys

import numpy as np
import pytest
from own_criteria import SIZE, write
from small_machines import prune_with, random_evidence, random_machine

from boltzprune.errors import InputError
from boltzprune.pruning.criteria import resolve, saliency_of

EVIDENCE = random_evidence()
WEIGHTS = np.abs(EVIDENCE.weights.astype(np.float64))


def saliency(name, evidence=EVIDENCE):
    """What a criterion says of the evidence."""
    return saliency_of(resolve(name), name, evidence)


def refusal(name, evidence=EVIDENCE):
    """What is said where a criterion cannot be used."""
    with pytest.raises(InputError) as caught:
        saliency(name, evidence)
    return str(caught.value)


HELPER = {"helper": "import numpy as np\nFACTOR = 3.0\ndef size(w):\n    return FACTOR * np.abs(w)\n"}
WORKS = {
    "from helper": (HELPER, "from helper import size\ndef rule(e):\n    return size(e.weights)\n", 3),
    "import helper": (HELPER, "import helper\ndef rule(e):\n    return helper.size(e.weights)\n", 3),
    "in the function": (HELPER, "def rule(e):\n    from helper import size\n    return size(e.weights)\n", 3),
    "by name": (
        HELPER,
        "import importlib\ndef rule(e):\n    return importlib.import_module('helper').size(e.weights)\n",
        3,
    ),
    "through another": (
        HELPER | {"between": "import helper\nsize = helper.size\n"},
        "import between\ndef rule(e):\n    return between.size(e.weights)\n",
        3,
    ),
    "a package": (
        {"kit/__init__": "from . import parts\n", "kit/parts": HELPER["helper"]},
        "import kit\nfrom kit.parts import FACTOR\ndef rule(e):\n    return kit.parts.size(e.weights) * FACTOR\n",
        9,
    ),
    "a folder without __init__.py": (
        {"kit/parts": HELPER["helper"]},
        "import kit.parts\ndef rule(e):\n    return kit.parts.size(e.weights)\n",
        3,
    ),
    "a circle": (
        {"helper": "import rules\ndef size(w):\n    return rules.FACTOR * abs(w)\n"},
        "FACTOR = 5\nimport helper\ndef rule(e):\n    return helper.size(e.weights)\n",
        5,
    ),
    "a folder of its own": (
        {"lib/helper": HELPER["helper"]},
        "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).parent / 'lib'))\n"
        "def rule(e):\n    import helper\n    return helper.size(e.weights)\n",
        3,
    ),
    "data beside it": (
        {"factor.json": "7"},
        "from pathlib import Path\nFACTOR = float((Path(__file__).parent / 'factor.json').read_text())\n"
        "def rule(e):\n    return FACTOR * abs(e.weights)\n",
        7,
    ),
    "dataclasses, annotations as text": (
        {},
        "from __future__ import annotations\nimport typing\nfrom dataclasses import KW_ONLY, dataclass\n"
        "@dataclass\nclass Rule:\n    factor: typing.ClassVar[float] = 2.0\n    _: KW_ONLY\n    power: int = 1\n"
        "    def __call__(self, e: Evidence) -> 'Saliency':\n"
        "        assert typing.get_type_hints(Rule)['power'] is int\n"
        "        return self.factor * abs(e.weights) ** self.power\nrule = Rule()\n",
        2,
    ),
    "pickle": (
        HELPER,
        "import helper, pickle\nclass Kept:\n    factor = 2\n"
        "kept = pickle.dumps([Kept(), helper.size])\ndef rule(e):\n"
        "    mine, size = pickle.loads(kept)\n    return mine.factor * size(pickle.loads(pickle.dumps(e)).weights)\n",
        6,
    ),
    "a program of its own": (
        {},
        SIZE + "if __name__ == '__main__':\n    raise SystemExit(rule(input()))\n",
        1,
    ),
    "a partial object": (
        {},
        "import functools\ndef scaled(e, factor):\n    return factor * abs(e.weights)\n"
        "rule = functools.partial(scaled, factor=4)\n",
        4,
    ),
    "a lambda": ({}, "rule = lambda e: abs(e.weights)\n", 1),
    "a method": ({}, "class K:\n    def size(self, e):\n        return abs(e.weights)\nrule = K().size\n", 1),
    "an object": ({}, "class K:\n    def __call__(self, e):\n        return abs(e.weights)\nrule = K()\n", 1),
    "lists": ({}, "def rule(e):\n    return abs(e.weights).tolist()\n", 1),
    "half precision": (
        {},
        "def rule(e):\n    return 2 * abs(e.weights).astype('f2').astype('f4') * 0 + abs(e.weights)\n",
        1,
    ),
    "a data frame": ({}, "import pandas\ndef rule(e):\n    return pandas.DataFrame(abs(e.weights))\n", 1),
    "masked where there is no weight": (
        {},
        "import numpy as np\ndef rule(e):\n    return np.ma.masked_array(abs(e.weights), mask=~e.mask)\n",
        1,
    ),
    "with an eigenvector, if there is one": (
        {},
        "def rule(e):\n    return abs(e.weights) if e.eigenvector is None else e.eigenvector\n",
        1,
    ),
    "a byte order mark": ({}, "\ufeff" + SIZE, 1),
}


@pytest.mark.parametrize("case", WORKS)
def test_what_works_in_a_module_works_in_a_criterion(tmp_path, case):
    files, text, factor = WORKS[case]
    evidence = random_evidence(eigenvector=None)
    found = saliency(write(tmp_path, rules=text, **files), evidence)
    np.testing.assert_allclose(found[evidence.mask], factor * WEIGHTS[evidence.mask], rtol=1e-6)


def test_helpers_of_one_name_in_two_folders_are_two_helpers(tmp_path):
    text = (
        "import helper\nfrom kit import size\ndef rule(e):\n    import late\n    return helper.F * late.F * size(e)\n"
    )
    names = []
    for folder, factor in (("one", 2), ("other", 3)):
        kit = f"def size(e):\n    return {factor} * abs(e.weights)\n"
        files = {"helper": f"F = {factor}", "late": f"F = {factor}", "kit/__init__": kit}
        names.append(write(tmp_path / folder, rules=text, **files))
    rows = [resolve(name) for name in names]
    for _ in range(2):
        for row, name, factor in zip(rows, names, (8, 27)):
            np.testing.assert_allclose(saliency_of(row, name, EVIDENCE), factor * WEIGHTS, rtol=1e-6)


def test_nothing_of_it_stays_in_this_process_and_nothing_in_its_folder(tmp_path, monkeypatch):
    """A library of the name of a helper stays what it was."""
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "helper.py").write_text("WHOSE = 'library'")
    monkeypatch.syspath_prepend(tmp_path / "installed")
    library = importlib.import_module("helper")
    modules, path, finders = set(sys.modules), sys.path[:], sys.meta_path[:]
    text = "import sys, helper, kit.parts\nsys.path.append('/nowhere')\n" + SIZE + "rule.label = helper.WHOSE\n"
    name = write(tmp_path / "mine", rules=text, helper="WHOSE = 'mine'", **{"kit/parts": ""})
    row = resolve(name)
    saliency_of(row, name, EVIDENCE)
    assert row.label == "mine"
    assert importlib.import_module("helper") is library and library.WHOSE == "library"
    assert (set(sys.modules), sys.path, sys.meta_path) == (modules, path, finders)
    assert sorted(x.name for x in (tmp_path / "mine").rglob("*")) == ["helper.py", "kit", "parts.py", "rules.py"]
    monkeypatch.delitem(sys.modules, "helper")


def test_a_folder_of_data_with_the_name_of_a_library_does_not_hide_it(tmp_path, monkeypatch):
    (tmp_path / "installed").mkdir()
    (tmp_path / "installed" / "a_library.py").write_text("FACTOR = 3")
    monkeypatch.syspath_prepend(tmp_path / "installed")
    text = "import a_library\nrule = lambda e: a_library.FACTOR * abs(e.weights)\n"
    name = write(tmp_path / "mine", rules=text, **{"a_library/data.csv": "1"})
    np.testing.assert_allclose(saliency(name), 3 * WEIGHTS)
    monkeypatch.delitem(sys.modules, "a_library")


def test_what_it_prints_is_no_output_of_the_command(tmp_path, capsys):
    resolve(write(tmp_path, rules="print('hello')\n" + SIZE))
    assert capsys.readouterr() == ("", "hello\n")


@pytest.mark.parametrize("name", ["random", "numpy", "boltzprune"])
def test_a_file_with_the_name_of_a_library_does_not_take_its_place(tmp_path, name):
    """Whatever imports that library from now on, or within the file, gets the library."""
    (tmp_path / f"{name}.py").write_text(
        f"import {name}, numpy\nrule = lambda e: numpy.abs(e.weights)\nx = {name}.__doc__\n"
    )
    criterion = f"{tmp_path / name}.py:rule"
    np.testing.assert_allclose(saliency(criterion), WEIGHTS)
    beside = write(tmp_path, rules=f"from {name} import x\n" + SIZE)
    assert f"{name} means the library of that name, not {name}.py beside it: give that another name" in refusal(beside)


PROBLEMS = {
    "1 / 0": ("ZeroDivisionError: division by zero in {rules}, line 2", "correct it (`python {rules}` shows"),
    "def f(:": ("SyntaxError: invalid syntax (rules.py, line 2) in {rules}, line 2", "correct it"),
    "import helper": ("AttributeError: module 'math' has no attribute 'no' in {helper}, line 3", "correct it"),
    "import broken": ("in {broken}, line 1", "correct it"),
    "import no_such_thing": ("No module named 'no_such_thing' in {rules}, line 2", "install no_such_thing, or put"),
    "import no.such": ("No module named 'no' in {rules}, line 2", "put no.py beside rules.py"),
    "from . import helper": ("in {rules}, line 2", "write `import helper` for a helper.py"),
    "import sys; sys.exit(3)": ("SystemExit: 3 in {rules}, line 2", "under `if __name__ == '__main__':`"),
    "raise KeyError": ("KeyError:  in {rules}, line 2", "correct it"),
}


@pytest.mark.parametrize("line", PROBLEMS)
def test_a_file_that_cannot_be_loaded_is_told_by_file_line_and_remedy(tmp_path, line):
    files = {"helper": "import math\n\nmath.no\n", "broken": "def\n"}
    name = write(tmp_path, rules=f"import math\n{line}\n{SIZE}", **files)
    places = {key: tmp_path / f"{key}.py" for key in ("rules", "helper", "broken")}
    told = refusal(name)
    assert told.startswith(f"criterion {name!r}: {places['rules']} cannot be executed: ")
    for part in PROBLEMS[line]:
        assert part.format(**places) in told


NO_FUNCTION = (
    "has no function rule{}; expected one of that name: correct what stands after the colon; functions there: {}"
)
REFUSED = {
    "": NO_FUNCTION.format("", "none"),
    "def mine(e):\n    pass\nother = lambda e: 1\ndef two(e, f):\n    pass": NO_FUNCTION.format("", "mine, other"),
    "rule = 'abs'": NO_FUNCTION.format(" (rule is 'abs')", "none"),
    "class rule:\n    pass": "is a class; expected a function: name an object of it that can be called, obj = rule()",
    "async def rule(e):\n    return 1": "is a coroutine; expected a function: write def in place of async def",
    "async def rule(e):\n    yield 1": "is a coroutine; expected a function: write def in place of async def",
    "def rule(e):\n    yield 1": "yields; expected a function that returns one number per weight",
    "def rule(e, power):\n    pass": "takes (e, power); expected a function of one argument, the evidence: give others",
    "def rule():\n    pass": "takes (); expected a function of one argument",
    "def rule(*, evidence):\n    pass": "takes (*, evidence); expected a function of one argument",
}


@pytest.mark.parametrize("text", REFUSED)
def test_what_can_be_no_criterion_is_refused_before_anything_is_computed(tmp_path, text):
    name = write(tmp_path, rules=text + "\n")
    with pytest.raises(InputError) as caught:
        resolve(name)
    assert f"criterion {name!r}: " in str(caught.value) and REFUSED[text] in str(caught.value)


CALLED = {
    "return None": "returned None; expected one number per weight: is its return missing?",
    "e.weights[0] = 0; return e.weights": "read-only in {rules}, line 3; expected one number per weight: change a copy",
    "return e.weights > 0": "returned bool; expected real numbers: multiply it by 1.0",
    "return 1j * e.weights": "returned complex64; expected real numbers: take its real part or its magnitude",
    "return e.weights.astype(object)": "returned object; expected real numbers: make a float array of it",
    "return abs(e.weights).ravel()": "returned shape (35,); expected one saliency per weight, (5, 7): reshape it",
    "return e.weights.T": "returned shape (7, 5); expected one saliency per weight, (5, 7): transpose it",
    "return e.weights.sum(0)": "(7,); expected one saliency per weight, (5, 7): one number per upper unit becomes",
    "return e.weights.sum(1)": "(5,); expected one saliency per weight, (5, 7): one number per lower unit becomes",
    "return {}": "returned shape (); expected one saliency per weight, (5, 7)",
    "return (x for x in e.weights)": "returned a generator; expected one number per weight: write return",
    "return late()": "returned a coroutine; expected one number per weight: write def",
    "return np.ma.masked_array(e.weights, e.mask)": "returned NaN or infinity for 32 existing weights",
    "return [[1, 2], [3]]": "raised ValueError: setting an array element with a sequence",
    "import no_such_thing": "No module named 'no_such_thing' in {rules}, line 3",
    "return e.wieghts": "no attribute 'wieghts' in {rules}, line 3; expected one number per weight",
}


@pytest.mark.filterwarnings("error::RuntimeWarning")  # a coroutine that nobody waits for
@pytest.mark.parametrize("line", CALLED)
def test_what_goes_wrong_in_a_call_is_told(tmp_path, line):
    name = write(tmp_path, rules=f"import numpy as np\ndef rule(e):\n    {line}\nasync def late():\n    pass\n")
    assert CALLED[line].format(rules=tmp_path / "rules.py") in refusal(name)


FORGOTTEN = "evidence.eigenvector is None unless the function asks for it: set needs = 'eigenvector' on it"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("return np.abs(e.eigenvector)", True),
        ("return e.eigenvector ** 2", True),
        ("return e.eigenvector", True),
        ("return np.asarray(e.eigenvector, float)", True),
        ("return getattr(e, 'eigen' + 'vector').ravel()", True),
        ("return e.weights[0]", False),
    ],
)
def test_needs_forgotten(tmp_path, line, told):
    name = write(tmp_path, rules=f"import numpy as np\ndef rule(e):\n    {line}\n")
    assert (FORGOTTEN in refusal(name, random_evidence(eigenvector=None))) == told


def test_a_criterion_cannot_change_what_others_see():
    """Every array of the evidence is for reading."""
    seen = {}

    def look(evidence):
        seen.update({f.name: getattr(evidence, f.name) for f in dataclasses.fields(evidence)})
        return np.abs(evidence.weights)

    vector = np.linspace(-1, 1, 5 * 7 + 5 + 7)
    prune_with(look, random_machine(), vector=vector, needs="eigenvector")
    arrays = {name: array for name, array in seen.items() if isinstance(array, np.ndarray)}
    assert len(arrays) == 8
    assert not any(array.flags.writeable for array in arrays.values())


def test_symbolic_links_and_strange_names(tmp_path):
    """Helpers beside the link and beside the file itself are found; a name that is no identifier is no obstacle."""
    write(tmp_path / "shared", helper="F = 2\n")
    (tmp_path / "shared" / "it's my rules.v2.py").write_text(
        "import helper\nrule = lambda e: helper.F * abs(e.weights)\n"
    )
    (tmp_path / "rules.py").symlink_to(tmp_path / "shared" / "it's my rules.v2.py")
    for name in (f"{tmp_path / 'rules.py'}:rule", f"{tmp_path / 'shared' / chr(105)}t's my rules.v2.py:rule"):
        np.testing.assert_allclose(saliency(name), 2 * WEIGHTS)
