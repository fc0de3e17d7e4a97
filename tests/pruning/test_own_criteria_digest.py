"""Whose code counts in the digest of a user's own criterion: that of its file, and of the modules that it imports."""

import os
import subprocess
import sys

import pytest
from own_criteria import SIZE, write

from boltzprune.pruning.criteria import resolve
from boltzprune.results.provenance import criterion_digest
from boltzprune.study import jobs
from boltzprune.study.settings import study_from

# what is imported inside functions is not loaded with the file
TEXTS = {
    "rules": "import helper\nfrom kit import parts\ndef rule(e):\n    import late\n    return helper.size(e)\n",
    "helper": "def size(e):\n    import deep\n    return deep.f(e)\n",
    "deep": "def f(e):\n    return e.weights\n",
    "late": "F = 3\n",
    "kit/__init__": "def f():\n    from .inner import x\n    return x\n",
    "kit/inner": "x = 3\n",
    "kit/parts": "def g():\n    from . import more\n    return more\n",
    "kit/more": "y = 3\n",
    "chosen": "z = 3\n",
    "other": "nobody = 'imports this'\n",
}


@pytest.fixture
def digest(tmp_path):
    """The digest of the criterion in a process of its own, with some of its files changed."""
    texts = TEXTS | {"rules": TEXTS["rules"] + "import importlib\nimportlib.import_module('cho' + 'sen')\n"}
    name = write(tmp_path, **texts)
    code = "from boltzprune.pruning import criteria; from boltzprune.results import provenance\n"
    code += f"print(provenance.criterion_digest({name!r}, criteria.resolve({name!r})))"

    def of(**changed):
        write(tmp_path, **{key: value(texts[key]) for key, value in changed.items()})
        found = subprocess.check_output([sys.executable, "-c", code], text=True, env=os.environ)
        write(tmp_path, **{key: texts[key] for key in changed})
        return found

    return of


def test_modules_beside_it_that_it_imports_count(digest):
    before = digest()
    counted = {key for key in TEXTS if digest(**{key: lambda text: text + "more = 1\n"}) != before}
    assert counted == set(TEXTS) - {"other"}


def test_comments_and_docstrings_of_helpers_do_not_count(digest):
    assert (
        digest(helper=lambda text: '"""What helps."""\n' + text + "# more\n", late=lambda text: text + "\n\n")
        == digest()
    )


def test_what_is_installed_does_not_count(tmp_path):
    row = resolve(write(tmp_path, rules="import pandas, scipy, json\n" + SIZE))
    assert row.files == (tmp_path / "rules.py",)


def test_a_helper_that_is_no_python_counts_by_its_bytes(tmp_path):
    name = write(tmp_path, rules="try:\n    import helper\nexcept SyntaxError:\n    pass\n" + SIZE, helper="def(\n")
    first = criterion_digest(name, resolve(name))
    (tmp_path / "helper.py").write_text("def((\n")
    criterion_digest.cache_clear()
    assert criterion_digest(name, resolve(name)) != first


def test_the_job_that_prunes_has_the_digest(tmp_path):
    name = write(tmp_path, rules="import helper\n" + SIZE, helper="F = 1\n")
    given = jobs.prune_job(study_from({"patches": {"criteria": [name]}}), name, 1)
    assert given["code"].endswith(criterion_digest(name, resolve(name)))
