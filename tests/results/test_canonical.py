"""The canonical text of code is the same for every interpreter, and another wherever something else is computed."""

import ast
import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import boltzprune
from boltzprune.pruning.criteria import CRITERIA
from boltzprune.results.canonical import canonical, tree_of
from boltzprune.results.provenance import ROW

SAMPLE = r'''
# -*- coding: utf-8 -*-
"""Whatever interpreters have parsed, printed or stored in different ways."""
from __future__ import annotations
import os.path as p, sys
from . import *
A, B = 0xFFFF_FFFF_FFFF_FFFF_FFFF, 123456789012345678901234567890
C = -1, +2.5, ~3, 1e999, 1e-310, 0.1, 3j, -0.0, True, None, ..., b"\x00\xff'", u"\u00e9\u200b\U0001f9ff" "a" 'b"'
D = f"a{A!r:>{B}.{C[0]}}b{{c}}" f'{D=}' "d" f"{A:}" f"{f'{A:{B}}'}" rf"\d{A}" f"{A:%Y-%m}" f"" f"{{}}"
E: list[int] | None = [*C, *range(10)]
def f(a, /, b: int = -1, *args: str, c, d=lambda x=1, *, y=(2, 3): x + y, **kwargs) -> "int":
    """Goes."""
    global G
    if (n := len(args)) > 1 < b <= c != d is not None and a not in args or not b:
        return {**kwargs, "k": n, **{}}, {1, *args}, [i for i in args if i for j in i], {k: v for k, v in C}
    return a[1:2, ..., ::3], a[:], -a ** -b @ c // d % 5 << 2 >> 1 & 6 ^ 7 | 8
@decorated(1, *A, k=2, **B)
@other
class K(Base, metaclass=M):
    x: int
    y: float = .5
    async def g(self):
        async with self.a as b, self.c:
            async for i in b:
                yield (await i)
        [x async for x in b]
    def h(self): yield from self; return
try:
    raise ValueError("x") from None
except* (TypeError, ValueError) as e:
    pass
else:
    ...
finally:
    del A, B[0], C.d
try: f()
except OSError: assert f, "no"
match C:
    case [1, -2.5, *rest] | {"k": None, **others} if rest: pass
    case K(x=0, y=str() as s) | (True | "a" "b") | -1 + 2j: pass
    case _: pass
while A: A += 1; continue
for i, (j, *k) in enumerate(E): break
with (open(p) as q, q): nonlocal_ = 1 if A else 2; A.b[c] = d = 3
'''
"""Constructs of Python 3.11, the oldest version that the package is for."""
DIGEST = "968cf61f9e48ab6c"
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"

OF_ALL = """
import json, sys
from collections import namedtuple
sys.path.insert(0, sys.argv[1])
from boltzprune.results.canonical import canonical, tree_of
from boltzprune.results.provenance import PACKAGE, ROW, code_digest, criterion_digest
names = [".".join(("boltzprune", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in PACKAGE.rglob("*.py")]
found = {name: code_digest(name.removesuffix(".__init__")) for name in names}
for name, fields in json.loads(sys.argv[2]).items():
    def function(): pass
    function.__name__ = name
    row = namedtuple("Row", ["saliency", "files", *ROW])(function, (), *map(str, fields))
    found["criterion " + name] = criterion_digest(name, row)
found["sample"] = canonical(tree_of(sys.argv[3]))
print(json.dumps(found))
"""


def digest(text, folder):
    """Digest of a text as of a file."""
    (folder / "sample.py").write_text(text, encoding="utf-8")
    return hashlib.sha256(canonical(tree_of(folder / "sample.py")).encode("ascii")).hexdigest()[:16]


def test_the_digest_of_a_sample_is_that_of_every_other_interpreter(tmp_path):
    """A literal: tests that run with another version of Python compare with it."""
    assert digest(SAMPLE, tmp_path) == DIGEST


def others():
    """Interpreters of other minor versions that are found and work: version -> path."""
    found = {}
    for name in [f"python3.{minor}" for minor in range(11, 20)]:
        pyenv = sorted(Path.home().glob(f".pyenv/versions/{name[6:]}.*/bin/{name}"))
        for path in filter(None, [*pyenv, shutil.which(name)]):
            command = [path, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0 and done.stdout.split() != [HERE]:
                found[done.stdout.strip()] = str(path)
    return found


@pytest.mark.slow
def test_every_module_and_criterion_has_the_same_digest_with_other_interpreters(tmp_path):
    """Of 3.12 and 3.13, say, which need nothing installed for it."""
    interpreters = others()
    if not interpreters:
        pytest.skip("no other python3.11 to python3.19 in PATH or ~/.pyenv; the digest of the sample is compared")
    rows = {row.saliency.__name__: [getattr(row, field) for field in ROW] for row in CRITERIA.values()}
    (tmp_path / "sample.py").write_text(SAMPLE)
    source = Path(boltzprune.__file__).parents[1]
    arguments = ["-I", "-c", OF_ALL, str(source), json.dumps(rows), str(tmp_path / "sample.py")]
    found = {
        version: json.loads(subprocess.check_output([path, *arguments], text=True))
        for version, path in {"here": sys.executable, **interpreters}.items()
    }
    assert len(found["here"]) > 100 and len(set(found["here"].values())) > 80
    for version, digests in found.items():
        assert digests == found["here"], version


def later(tree):
    """A tree as later versions of Python give it: more fields, the texts of f-strings cut in other places."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            node.type_params = []
            node._fields = (*(name for name in type(node)._fields if name != "type_params"), "type_params", "new")
            node.new = None
        if isinstance(node, ast.JoinedStr):
            cut = []
            for value in node.values:
                is_text = isinstance(value, ast.Constant)
                cut += [ast.Constant(letter) for letter in (*value.value, "")] if is_text else [value]
            node.values = cut
        if isinstance(node, ast.FormattedValue) and node.format_spec is None:
            node.format_spec = ast.JoinedStr([ast.Constant("")])
    return tree


def test_fields_that_versions_add_and_pieces_of_f_strings_change_nothing():
    """What 3.12 and 3.13 do to a tree, done here, where there may be no such interpreter."""
    assert canonical(later(ast.parse(SAMPLE))) == canonical(ast.parse(SAMPLE))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 'a' 'b'", "x = u'ab'  # type: str"),
        ("x = 0xff, 1_0, 1e1", "x = (255,\n 10, 10.0)"),
        ("def f():\n    'goes'\n    return f'a' f'{x}'", "def f(): return f'a{x}'"),
        ("x = f'{a:}{b}'", "x = f'{a}' '' f'{b}'"),
    ],
)
def test_what_is_written_in_another_way_is_the_same(tmp_path, one, other):
    assert digest(one, tmp_path) == digest(other, tmp_path)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'a'", "x = b'a'"),
        ("x = 'None'", "x = None"),
        ("x = f'{a}b'", "x = f'{a}{b}'"),
        ("x = f'{a}'", "x = f'{a:>3}'"),
        ("x = f'{a}'", "x = f'{a!r}'"),
        ("x = {**a, 'b': 1}", "x = {'b': 1, **a}"),
        ("def f(*, a, b=1): pass", "def f(*, a=1, b): pass"),
        ("x = [a, [b]]", "x = [[a], b]"),
        ("x = a[1:]", "x = a[:1]"),
        ("f(a, b)", "f('a', b)"),
        ("x = 'a,' 'b'", "x = 'a', 'b'"),
        ("x = a - b - c", "x = a - (b - c)"),
        ("if a:\n    b\nc", "if a:\n    b\n    c"),
        ("@a\ndef f(): pass", "def f(): pass"),
        ("def f(a, /): pass", "def f(a): pass"),
        ("async def f(): pass", "def f(): pass"),
        ("match x:\n    case None: pass", "match x:\n    case True: pass"),
        ("try: f()\nexcept A: g()", "try: f()\nexcept* A: g()"),
        ("def f(a: int): pass", "def f(a: float): pass"),
        ("x = '\\ue000'", "x = '\\\\ue000'"),
        ("[x for x in a if x if y]", "[x for x in a if y if x]"),
    ],
)
def test_other_code_is_another_text(tmp_path, one, other):
    assert digest(one, tmp_path) != digest(other, tmp_path)


def test_code_that_is_deeper_than_the_stack(tmp_path):
    """A sum of a user's, written out; `ast.dump` would end in a RecursionError."""
    long = " + ".join(f"x{i}" for i in range(900))
    assert digest(long, tmp_path) != digest(long + " + y", tmp_path)


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b"# coding: latin-1\n# \xe9\n"])
def test_a_file_in_another_encoding(tmp_path, start):
    """A user's file of criteria may begin with the mark of an editor, or say how it is encoded."""
    (tmp_path / "rules.py").write_bytes(start + b"x = 1\r\n")
    assert canonical(tree_of(tmp_path / "rules.py")) == canonical(ast.parse("x = 1"))
