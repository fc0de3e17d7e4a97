"""Every criterion of the list, and what a user's own criterion can get wrong."""

import dataclasses
import math
import re

import numpy as np
import pytest
from small_machines import criterion, random_evidence

from boltzprune.errors import InputError
from boltzprune.pruning.criteria import CRITERIA, resolve, saliency_of, slug
from boltzprune.pruning.own_criteria import OWN_COLOURS
from boltzprune.study.config import DeepPruning, Pruning

SEES = {
    "variance_fi": {"pair_mean"},
    "heuristic_fi": {"weights", "lower_rate", "upper_rate"},
    "eigenvector": {"eigenvector", "options"},
    "weight_magnitude": {"weights"},
    "random_weights": {"uniform_weights"},
    "anti_fi": {"pair_mean"},
    "random_units": {"uniform_units"},
    "deletion_cost": {"weights", "pair_mean"},
    "obd": {"weights", "pair_mean"},
    "variance_fi_of_units": {"pair_mean", "mask"},
    "deletion_cost_of_units": {"weights", "pair_mean", "mask"},
}
"""What each criterion of the list depends on; one more in the list may depend on the fields that its code names."""
FIELDS = [field.name for field in dataclasses.fields(random_evidence())]


def changed(evidence, field):
    """The evidence with one field different."""
    other = random_evidence(*evidence.weights.shape, seed=29)
    value = {"options": {"eigenvector_entry": "signed"}, "n_samples": 7}.get(field, getattr(other, field))
    return dataclasses.replace(evidence, **{field: value})


def permuted(evidence, rows, columns):
    """The evidence with its units in another order."""
    pick = {2: lambda a: a[rows][:, columns], 1: lambda a: a[columns] if len(a) == len(columns) else a[rows]}
    arrays = {f.name: getattr(evidence, f.name) for f in dataclasses.fields(evidence)}
    return dataclasses.replace(
        evidence, **{name: pick[a.ndim](a) for name, a in arrays.items() if isinstance(a, np.ndarray)}
    )


def test_the_criteria_of_the_paper_and_its_rivals_are_in_the_list():
    assert set(SEES) <= set(CRITERIA)


@pytest.mark.parametrize("name", CRITERIA)
def test_shape_type_and_finite_values(name):
    evidence = random_evidence()
    saliency = saliency_of(CRITERIA[name], name, evidence)
    assert saliency.shape == (5, 7)
    assert saliency.dtype == np.float64
    assert np.isfinite(saliency).all()


@pytest.mark.parametrize("rate", [0.0, 1.0])
@pytest.mark.parametrize("name", CRITERIA)
def test_finite_where_units_never_change(name, rate):
    evidence = random_evidence()
    lower, upper, pair = (np.full_like(a, rate) for a in (evidence.lower_rate, evidence.upper_rate, evidence.pair_mean))
    evidence = dataclasses.replace(evidence, lower_rate=lower, upper_rate=upper, pair_mean=pair)
    assert np.isfinite(saliency_of(CRITERIA[name], name, evidence)).all()


@pytest.mark.parametrize("name", CRITERIA)
@pytest.mark.parametrize("field", FIELDS)
def test_a_criterion_depends_on_what_it_should_see_and_on_nothing_else(name, field):
    evidence = random_evidence()
    before, after = (saliency_of(CRITERIA[name], name, e) for e in (evidence, changed(evidence, field)))
    if name in SEES:
        assert np.array_equal(before, after) == (field not in SEES[name])
    else:
        assert np.array_equal(before, after) or field in CRITERIA[name].saliency.__code__.co_names


@pytest.mark.parametrize("name", CRITERIA)
def test_the_order_of_the_units_does_not_matter(name):
    evidence, rng = random_evidence(), np.random.default_rng(31)
    rows, columns = rng.permutation(5), rng.permutation(7)
    one = saliency_of(CRITERIA[name], name, evidence)[rows][:, columns]
    assert np.array_equal(one, saliency_of(CRITERIA[name], name, permuted(evidence, rows, columns)))


@pytest.mark.parametrize("name", CRITERIA)
def test_label_colour_citation(name):
    row = CRITERIA[name]
    assert row.label.strip()
    assert row.citation.strip()
    assert re.fullmatch("#[0-9A-F]{6}", row.colour)
    assert row.needs in ("statistics", "eigenvector")
    assert row.saliency.__name__ == name  # the digest of a criterion looks it up by that name
    assert set(row.options) <= {*Pruning.model_fields, *DeepPruning.model_fields}


def test_colours_and_labels_are_distinct():
    colours = [row.colour.lower() for row in CRITERIA.values()] + [colour.lower() for colour in OWN_COLOURS]
    assert len(set(colours)) == len(colours)
    assert len({row.label for row in CRITERIA.values()}) == len(CRITERIA)


def test_colours_can_be_told_apart():
    channels = [[int(row.colour[i : i + 2], 16) for i in (1, 3, 5)] for row in CRITERIA.values()]
    for i, one in enumerate(channels):
        assert all(math.dist(one, other) > 60 for other in channels[:i])


def test_anti_fi_is_variance_fi_reversed():
    evidence = random_evidence()
    one, other = (saliency_of(CRITERIA[name], name, evidence) for name in ("variance_fi", "anti_fi"))
    assert np.array_equal(np.argsort(one.ravel()), np.argsort(other.ravel())[::-1])


def test_values_by_hand():
    evidence = random_evidence()
    expected = {
        "variance_fi": lambda i, j: evidence.pair_mean[i, j] * (1 - evidence.pair_mean[i, j]),
        "weight_magnitude": lambda i, j: abs(float(evidence.weights[i, j])),
        "eigenvector": lambda i, j: abs(evidence.eigenvector[i, j]),
        "random_weights": lambda i, j: evidence.uniform_weights[i, j],
        "random_units": lambda i, j: evidence.uniform_units[j],
        "deletion_cost": lambda i, j: cost(i, j),
        "obd": lambda i, j: pair(i, j) * (1 - pair(i, j)) * float(w[i, j]) ** 2 / 2,
        "variance_fi_of_units": lambda i, j: sum(
            pair(k, j) * (1 - pair(k, j)) for k in range(5) if evidence.mask[k, j]
        ),
        "deletion_cost_of_units": lambda i, j: sum(cost(k, j) for k in range(5) if evidence.mask[k, j]),
    }

    def pair(i, j):
        return float(evidence.pair_mean[i, j])

    def cost(i, j):
        return float(w[i, j]) * pair(i, j) + math.log(1 - pair(i, j) + pair(i, j) * math.exp(-float(w[i, j])))

    v, h, w = evidence.lower_rate, evidence.upper_rate, evidence.weights

    def heuristic(i, j):
        pair = h[j] / (1 + math.exp(-(math.log(v[i] / (1 - v[i])) + float(w[i, j]) * (1 - h[j]))))
        return pair * (1 - pair)

    for name, value in (expected | {"heuristic_fi": heuristic}).items():
        found = saliency_of(CRITERIA[name], name, evidence)
        assert found[2, 3] == pytest.approx(value(2, 3), rel=1e-12), name
        assert found[4, 6] == pytest.approx(value(4, 6), rel=1e-12), name


def test_eigenvector_signed_keeps_the_sign():
    evidence = random_evidence(options={"eigenvector_entry": "signed"})
    assert np.array_equal(saliency_of(CRITERIA["eigenvector"], "eigenvector", evidence), evidence.eigenvector)


OWN = """
import numpy as np

def closeness(evidence):
    return -np.abs(evidence.pair_mean - 0.25)

def labelled(evidence):
    return evidence.weights ** 2

labelled.label, labelled.colour, labelled.citation = "Squared", "#abcdef", "me"
labelled.needs, labelled.whole_units = "eigenvector", True
not_a_function = 3
"""


@pytest.fixture
def own(tmp_path):
    path = tmp_path / "my_rules.py"
    path.write_text(OWN)
    return path


def test_a_criterion_of_ones_own(own):
    row = resolve(f"{own}:closeness", position=1)
    assert (row.label, row.colour, row.needs, row.whole_units) == ("closeness", OWN_COLOURS[1], "statistics", False)
    evidence = random_evidence()
    assert np.array_equal(saliency_of(row, "own", evidence), -np.abs(evidence.pair_mean - 0.25))
    assert slug(f"{own}:closeness") == "my_rules.closeness"
    assert slug("anti_fi") == "anti_fi"


def test_a_criterion_of_ones_own_can_say_how_it_looks_and_what_it_needs(own):
    row = resolve(f"{own}:labelled")
    assert (row.label, row.colour, row.citation) == ("Squared", "#abcdef", "me")
    assert (row.needs, row.whole_units, row.options) == ("eigenvector", True, ("eigenvector_entry",))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("def other(e): pass", "has no function rule"),
        ("rule = 3", "has no function rule"),
        ("1 / 0", "cannot be executed: ZeroDivisionError: division by zero"),
        ("import sys; sys.exit('bye')", "cannot be executed: SystemExit: bye"),
        ("def rule(e:", "cannot be executed: SyntaxError"),
        ("import no_such_module_at_all", "cannot be executed: ModuleNotFoundError"),
        ("def rule(e): pass\nrule.colour = 'red'", "colour is 'red'; expected '#rrggbb'"),
        ("def rule(e): pass\nrule.label = 3", "label is 3; expected a text"),
        ("def rule(e): pass\nrule.needs = 'fim'", "needs is 'fim'; expected 'statistics' or 'eigenvector'"),
        ("def rule(e): pass\nrule.whole_units = 'no'", "whole_units is 'no'; expected True or False"),
    ],
)
def test_a_file_that_is_no_criterion(tmp_path, content, expected):
    path = tmp_path / "bad_rules.py"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        resolve(f"{path}:rule")
    assert f"{path}:rule" in str(caught.value)
    assert expected in str(caught.value)


def test_no_file_and_no_such_name(tmp_path):
    with pytest.raises(InputError, match=r"'none\.py:rule': there is no file none\.py"):
        resolve("none.py:rule")
    with pytest.raises(InputError, match="'fisher': expected one of variance_fi"):
        resolve("fisher")


def raising(evidence):
    raise RuntimeError("no idea")


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda e: e.weights[:, :-1], r"returned shape \(5, 6\); expected one saliency per weight, \(5, 7\)"),
        (lambda e: e.weights.T, r"returned shape \(7, 5\)"),
        (lambda e: 1.0, r"returned shape \(\)"),
        (lambda e: None, "returned None; expected one number per weight: is its return missing"),
        (lambda e: np.where(e.mask, np.nan, 0), "returned NaN or infinity for 32 existing weights"),
        (lambda e: np.where(e.mask & (e.weights > 0), np.inf, 0), r"returned NaN or infinity for \d+ existing"),
        (lambda e: 1j * e.weights, "returned complex64; expected real numbers"),
        (lambda e: np.full(e.weights.shape, "high"), "returned <U4; expected real numbers"),
        (lambda e: np.full(e.weights.shape, None), "returned object; expected real numbers"),
        (lambda e: e.weights > 0, "returned bool; expected real numbers"),
        (raising, "raised RuntimeError: no idea"),
        (lambda e: e.weight, "raised AttributeError"),
        (lambda: 3, "raised TypeError"),
        (lambda e: e.weights.__setitem__(0, 1), "raised ValueError.*read-only"),
    ],
)
def test_a_criterion_that_misbehaves(function, expected):
    with pytest.raises(InputError, match=f"^criterion 'mine' {expected}"):
        saliency_of(criterion(function), "mine", random_evidence())


def test_values_of_weights_that_do_not_exist_do_not_matter():
    evidence = random_evidence()
    assert not evidence.mask.all()
    value = saliency_of(criterion(lambda e: np.where(e.mask, 1, np.nan)), "mine", evidence)
    assert (value[evidence.mask] == 1).all()


def test_integers_are_numbers():
    assert saliency_of(criterion(lambda e: np.arange(35).reshape(5, 7)), "mine", random_evidence()).dtype == np.float64
