"""Values that nobody expects, from hypothesis: configurations, seeds, arrays and what an own criterion returns."""

import dataclasses
import io
import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from small_machines import criterion, random_evidence

from boltzprune.__main__ import MAX_SEEDS, _pairs, _seeds, _spec
from boltzprune.datasets import arrays, labelled
from boltzprune.errors import InputError
from boltzprune.pruning.criteria import resolve, saliency_of
from boltzprune.study.config import Section, Study
from boltzprune.study.settings import study_from

pytestmark = pytest.mark.torture
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.dates()
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=5) | LEAVES, v, max_size=3)
)
"""What YAML can hold."""


def paths(section=Study, before=()):
    """Every key of the configuration as a tuple of names."""
    for name, field in section.model_fields.items():
        yield (*before, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            yield from paths(field.annotation, (*before, name))


PATHS = list(paths())


def at(path, value):
    """A configuration with one value."""
    for name in reversed(path):
        value = {name: value}
    return value


def tried(n, strategy):
    """A decorator: the test, with as many values."""

    def decorate(test):
        wrapped = given(strategy)(test)
        quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.filter_too_much]
        return settings(max_examples=n, deadline=None, suppress_health_check=quiet, database=None, derandomize=True)(
            wrapped
        )

    return decorate


def test_any_value_at_any_key_is_refused_by_key_or_taken(promise, at_scale):
    with promise("configuration: any value at any key is refused by file and key, or taken") as count:

        @tried(at_scale(50, 10_000), st.tuples(st.sampled_from(PATHS), VALUES))
        def put(pair):
            path, value = pair
            try:
                held = isinstance(study_from(at(path, value), "my.yaml"), Study)
            except InputError as error:
                held = f"my.yaml: {path[0]}" in str(error) and len(str(error)) < 20_000
            count(held, f"{path} = {value!r}")

        put()


def test_any_text_as_seeds_is_refused_or_a_few_seeds(promise, at_scale):
    with promise("command line: any text as --seeds, --spec, --in is refused or taken") as count:
        seeds = st.text(st.sampled_from("0123456789-_ +e.x"), max_size=24)

        @tried(at_scale(100, 10_000), st.tuples(seeds, st.text(max_size=40), st.text(max_size=40)))
        def put(texts):
            for read, text in zip((_seeds, _spec, lambda item: list(_pairs([item]))), texts):
                try:
                    value = read(text)
                    held = len(value) <= MAX_SEEDS and (read is not _seeds or min(value) >= 0)
                except InputError as error:
                    held = "expected" in str(error) or "JSON" in str(error)
                count(held, repr(text))

        put()


ARRAYS = npst.arrays(
    npst.integer_dtypes() | npst.floating_dtypes() | npst.boolean_dtypes() | npst.unicode_string_dtypes(max_len=3)
    | npst.complex_number_dtypes() | npst.datetime64_dtypes(),
    npst.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4),
)  # fmt: skip


def test_any_arrays_of_a_user_are_refused_by_key_or_read(promise, at_scale, tmp_path):
    path, wanted = tmp_path / "my.npz", SimpleNamespace(n_classes=3, seed=7)
    keys = ("patterns", "images", "labels", "test_images", "test_labels")
    with promise("npz: any arrays under any keys are refused by file, or read") as count:

        @tried(at_scale(60, 10_000), st.dictionaries(st.sampled_from(keys), ARRAYS, max_size=4))
        def put(named):
            content = io.BytesIO()
            np.savez(content, **named)
            path.write_bytes(content.getvalue())
            for read in (arrays.read, labelled.read):
                try:
                    held = read([path], wanted) is not None
                except InputError as error:
                    held = "my.npz" in str(error) and "expected" in str(error)
                count(held, repr(named)[:300])

        put()


def test_whatever_an_own_criterion_returns_is_refused_or_finite(promise, at_scale):
    evidence = random_evidence()
    odd = st.sampled_from([0.0, 1.0, -1e308, float("nan"), float("inf")])
    fitting = npst.arrays(np.float64, (5, 7), elements=odd) | npst.arrays(npst.integer_dtypes(), (5, 7))
    with promise(
        "own criterion: whatever it returns is refused by name, or finite numbers of the right shape"
    ) as count:

        @tried(at_scale(100, 10_000), fitting | ARRAYS | VALUES)
        def put(value):
            with np.errstate(all="ignore"):
                try:
                    found = saliency_of(criterion(lambda _: value), "mine", evidence)
                    held = found.shape == (5, 7) and np.isfinite(found[evidence.mask]).all()
                except InputError as error:
                    held = str(error).startswith("criterion 'mine'") and "expected" in str(error)
            count(held, repr(value)[:300])

        put()


OWN = {
    "raises what is no Exception": "class E(BaseException): pass\ndef rule(e): raise E",
    "leaves": "def rule(e): raise SystemExit(0)",
    "calls exit": "import sys\ndef rule(e): sys.exit('bye')",
    "calls itself": "def rule(e): return rule(e)",
    "a text that cannot be shown": "class E(Exception):\n def __str__(self): 1 / 0\ndef rule(e): raise E",
    "runs out of memory": "def rule(e): raise MemoryError",
    "changes what it looks at": "def rule(e): e.weights[:] = 0; return e.weights",
    "changes the statistics": "def rule(e): e.pair_mean += 1; return e.pair_mean",
    "an array that raises": "class A:\n def __array__(self, *a, **k): 1 / 0\ndef rule(e): return A()",
    "a generator": "def rule(e): yield 1",
    "ragged": "def rule(e): return [[1], [2, 3]]",
    "a label that raises": "class R:\n def __call__(self, e): pass\n @property\n def label(self): 1 / 0\nrule = R()",
    "needs an array": "import numpy as np\ndef rule(e): return e.weights\nrule.needs = np.zeros(3)",
    "a colour that cannot be shown": "class C:\n def __str__(self): 1 / 0\ndef rule(e): pass\nrule.colour = C()",
    "no file of Python": "\x00",
    "exits when imported": "raise SystemExit(0)",
    "no Exception when imported": "class E(BaseException): pass\nraise E",
    "a module that hides": "def __getattr__(name): raise RuntimeError(name)",
    "imports itself": "import my_rules\n1 / 0",
}


@pytest.mark.parametrize("name", OWN)
def test_an_own_criterion_that_misbehaves_is_named(name, tmp_path):
    (tmp_path / "my_rules.py").write_text(OWN[name])
    rule, evidence = f"{tmp_path}/my_rules.py:rule", random_evidence()
    before = {field.name: np.copy(getattr(evidence, field.name)) for field in dataclasses.fields(evidence)}
    with pytest.raises(InputError, match=r"my_rules\.py:rule'.*expected"):
        saliency_of(resolve(rule), rule, evidence)
    for field, value in itertools.islice(before.items(), 5):
        assert np.array_equal(value, getattr(evidence, field)), field


def test_ctrl_c_is_no_fault_of_a_criterion():
    def rule(evidence):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        saliency_of(criterion(rule), "mine", random_evidence())
