"""The readings of the paper: each row of the table "text against code" by its keys, and nothing else that differs."""

import re
import typing

import pytest
from test_settings import flat

from boltzprune.config import PRESETS, Section, Study
from boltzprune.config.presets import TRAINING_SET
from boltzprune.schedules import epochs
from boltzprune.settings import merged, study_from

SCHEDULES = ("digits.pretraining.first", "digits.pretraining.second", "digits.training", "digits.retraining")
BOTH_RULES = ("patches.training", *SCHEDULES)
PRESET_KEYS = set(dict(flat(PRESETS["published"])))


def same(keys, paper, authors):
    """Several keys with the same two values."""
    return dict.fromkeys(keys, (paper, authors))


ROWS = {
    "1 learning rates of the RBMs": {"patches.training.learning_rate": ([0.1, 0.01], [0.01, 0.01])},
    "1 schedules counted from 1": same([f"{key}.skip_first" for key in SCHEDULES], False, True),
    "2 momentum": same([f"{key}.momentum_rule" for key in BOTH_RULES], "classical", "scaled"),
    "3 second RBM": {"digits.pretraining.second.learning_rate": ([0.1, 0.0001], [0.1, 0.1])},
    "4 persistent chains": {"digits.n_chains": (100, 1000)},
    "5 fractions": {"digits.pruning.fraction": ([0.10, 0.25], [0.10, 0.10])},
    "6 variance FI in DBMs": {"digits.pruning.variance_weighting": ("none", "squared_weight")},
    "7 zero rule": {"digits.pruning.zero_rule": ("share", "ratio")},
    "8 eigenvector": {"patches.pruning.eigenvector_entry": ("magnitude", "signed")},
    "9 batch of the retraining": {"digits.retraining.batch_size": (10, 1)},
    "10 encoding": {"digits.evaluation.encoding": ("sampled", "mean_field")},
    "11 strength, raw": {"digits.evaluation.strength_raw": (1.0, 0.1)},
    "11 strength, encodings": {"digits.evaluation.strength_encoding": (1.0, 1.0)},
    "12 quality": {"digits.evaluation.quality": ("mean", "class_mean")},
    "13 images": {"patches.data.batches": (TRAINING_SET, [*TRAINING_SET[:4], "test_batch"])},
    "16 pre-training": {"digits.pretraining.doubled_inputs": (False, True)},
    "17 data of the second RBM": {"digits.pretraining.second_data": ("sampled", "reconstructed")},
    "19 schedule of the retraining": {"digits.retraining.schedule_epochs": (None, 20)},
    "threshold": {
        "patches.pruning.threshold": ("rank", "percentile"),
        "digits.pruning.threshold": ("rank", "percentile"),
    },
}
"""Row -> key -> values of presets paper and authors."""
BOTH = {
    "14 one global median": ("patches.data.median", "global"),
    "14 a pixel equal to the median": ("patches.data.at_median", 1),
    "15 the chains of the training go on": ("digits.sampling.chains", "persistent"),
    "15 Gibbs steps between two samples": ("digits.sampling.n_gibbs_steps", 200),
    "18 seeds": ("seeds", 10),
    "epochs of the retraining": ("digits.retraining.n_epochs", 10),
}
"""Rows where one value serves both: key and value of every preset."""


def values_of(preset, **more):
    """All values of a study, as dotted keys."""
    return dict(flat(study_from({"preset": preset} | more).model_dump()))


@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_table(row):
    for key, (paper, authors) in ROWS[row].items():
        assert values_of("paper")[key] == paper
        assert values_of("authors")[key] == authors


def test_the_rows_are_all_that_presets_set():
    assert {key for row in ROWS.values() for key in row} == PRESET_KEYS


@pytest.mark.parametrize("row", BOTH)
@pytest.mark.parametrize("preset", PRESETS)
def test_a_row_that_has_one_value(preset, row):
    key, expected = BOTH[row]
    assert values_of(preset)[key] == expected


@pytest.mark.parametrize("preset", PRESETS)
def test_random_units_are_among_the_criteria(preset):
    study = study_from({"preset": preset})
    assert "random_units" in study.patches.criteria
    assert "random_units" in study.digits.criteria


PUBLISHED = {
    "patches.training.learning_rate": [0.01, 0.01],
    **{f"{key}.momentum_rule": "scaled" for key in BOTH_RULES},
    "digits.pretraining.doubled_inputs": True,
    "digits.evaluation.encoding": "mean_field",
    "digits.evaluation.strength_raw": 0.1,
}
"""What the default takes from the code; in all else it is the text."""


def test_the_default_learns_by_the_rule_of_the_code_and_follows_the_text_in_all_else():
    text = {key: paper for row in ROWS.values() for key, (paper, _) in row.items()}
    found = values_of("published")
    assert {key: found[key] for key in text} == text | PUBLISHED
    assert Study() == study_from({})
    assert Study().preset == "published"


def test_momentum_and_learning_rate_of_each_epoch():
    text, code = (study_from({"preset": preset}).digits for preset in ("paper", "authors"))
    first = [epochs(digits.pretraining.first) for digits in (text, code)]
    assert [[m for _, m in schedule].count(0.5) for schedule in first] == [5, 4]
    assert first[0][0] == (0.01, 0.5)
    assert first[1] == [*first[0][1:], first[0][-1]]
    shortened, cut = (digits.model_copy().retraining for digits in (text, code))
    whole = epochs(code.training.model_copy(update={"learning_rate": cut.learning_rate}))
    assert epochs(cut) == whole[:10]
    assert len(epochs(shortened)) == 10
    assert epochs(shortened)[-1][0] == pytest.approx(shortened.learning_rate[1])
    assert epochs(cut)[-1][0] > 3 * cut.learning_rate[1]


def keys_of(section=Study, prefix=""):
    """Every key of the models: dotted name, field, name of the section that holds it."""
    for name, field in section.model_fields.items():
        options = [field.annotation, *typing.get_args(field.annotation)]
        inner = [o for o in options if isinstance(o, type) and issubclass(o, Section)]
        if inner:
            yield from keys_of(inner[0], f"{prefix}{name}.")
        if not inner or field.description:
            yield f"{prefix}{name}", field, prefix.rstrip(".").rpartition(".")[2]


def marked():
    """Keys whose description says (preset), or (preset, in this section)."""
    for key, field, section in keys_of():
        where = re.search(r"\(preset(?:, in (\w+))?\)$", field.description or "")
        if where and where.group(1) in (None, section):
            yield key


def test_a_key_is_marked_where_presets_set_it_and_nowhere_else():
    follows = {key for key in marked() if key.startswith("patches.retraining.")}  # as training, unless it is given
    assert {key.replace("retraining", "training") for key in follows} <= PRESET_KEYS
    assert set(marked()) - follows == PRESET_KEYS


def test_all_presets_set_the_same_keys_with_values_of_one_kind():
    assert set(PRESETS) == set(typing.get_args(Study.model_fields["preset"].annotation))
    for name, preset in PRESETS.items():
        assert set(dict(flat(preset))) == PRESET_KEYS
        Study.model_validate(preset | {"preset": name})


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("other", PRESETS)
def test_switching_changes_marked_keys_only(preset, other):
    before, after = values_of(preset), values_of(other)
    changed = {key for key in before if before[key] != after[key]}
    assert changed - {"preset", "patches.retraining"} <= set(marked())
    assert ("preset" in changed) == (preset != other)


def override(key):
    """A value for the key that no preset has, where there is one."""
    used = [dict(flat(preset))[key] for preset in PRESETS.values()]
    others = {
        "patches.training.learning_rate": [0.03, 0.02],
        "patches.data.batches": ["data_batch_3"],
        "digits.pretraining.second.learning_rate": [0.03, 0.02],
        "digits.pruning.fraction": [0.3, 0.2],
        "digits.n_chains": 17,
        "digits.retraining.batch_size": 7,
        "digits.retraining.schedule_epochs": 13,
        "digits.evaluation.strength_raw": 0.7,
        "digits.evaluation.strength_encoding": 0.7,
    }
    return [others[key]] if key in others else used


@pytest.mark.parametrize("key", sorted(PRESET_KEYS))
@pytest.mark.parametrize("preset", PRESETS)
def test_any_key_overrides_the_preset_and_no_other(preset, key):
    for value in override(key):
        nested = value
        for part in reversed(key.split(".")):
            nested = {part: nested}
        found, before = values_of(preset, **nested), values_of(preset)
        assert found[key] == value
        assert {k for k in found if found[k] != before[k]} <= {key, "patches.retraining"}


def test_keys_of_a_section_that_are_left_out_have_the_values_of_the_preset():
    values = {"preset": "authors", "digits": {"retraining": {"n_epochs": 3}, "pretraining": {"first": {"n_epochs": 7}}}}
    digits = study_from(values).digits
    assert (digits.retraining.n_epochs, digits.retraining.batch_size, digits.retraining.schedule_epochs) == (3, 1, 20)
    assert (digits.pretraining.first.n_epochs, digits.pretraining.first.skip_first) == (7, True)
    assert digits.pretraining.second.learning_rate == [0.1, 0.1]
    assert merged(values, {}) == values
