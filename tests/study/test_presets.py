"""The readings of the paper: each row of the table "text against code" by its keys, and nothing else that differs."""

import re
import subprocess
import sys
import typing
from pathlib import Path

import pytest
import yaml
from test_settings import flat

from boltzprune.core.schedules import epochs
from boltzprune.errors import InputError
from boltzprune.study.config import PRESETS, Study
from boltzprune.study.config.presets import TRAINING_SET
from boltzprune.study.settings import merged, study_from, study_of

ROOT = Path(__file__).parents[2]
SCHEDULES = ("digits.pretraining.first", "digits.pretraining.second", "digits.training", "digits.retraining")
PRETRAINING, JOINT = SCHEDULES[:2], SCHEDULES[2:]
PRESET_KEYS = set(dict(flat(PRESETS["published"])))
NAMES = ("paper", "preprint", "revision", "published")
DIRECTORY_ORDER = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "test_batch"]


def row(keys, paper, preprint, revision, published):
    """One or several keys with the same values in the presets."""
    keys = [keys] if isinstance(keys, str) else keys
    return {key: dict(zip(NAMES, (paper, preprint, revision, published))) for key in keys}


def same(keys, value):
    """One or several keys with one value in all presets."""
    return row(keys, value, value, value, value)


def but(keys, paper, code):
    """One or several keys that the text and the code state differently, where `published` follows the code."""
    return row(keys, paper, code, code, code)


ROWS = {
    "1 learning rates of the patches": but("patches.training.learning_rate", [0.1, 0.01], [0.01, 0.01]),
    "1 momentum of the patches": same("patches.training.momentum", [0.9, 0.9]),
    "1 schedules counted from 1": but([f"{key}.skip_first" for key in PRETRAINING], False, True),
    "2 momentum rule": but(
        ["patches.training.momentum_rule", *(f"{key}.momentum_rule" for key in PRETRAINING)], "classical", "scaled"
    ),
    "3 joint learning rates": same("digits.training.learning_rate", [0.1, 0.0001]),
    "3 their epochs, images and steps an update": same("digits.training.n_epochs", 20)
    | same("digits.training.batch_size", 1)
    | same("digits.training.n_gibbs_steps", 1),
    "3 and 4 counted from 1, with the momentum rule that they are meant with": same(
        [f"{key}.skip_first" for key in JOINT], True
    )
    | same([f"{key}.momentum_rule" for key in JOINT], "scaled"),
    "4 retraining learning rates": same("digits.retraining.learning_rate", [0.1, 0.0001])
    | same("digits.retraining.schedule_epochs", 20)
    | same("digits.retraining.n_epochs", 10),
    "5 first RBM": same("digits.pretraining.first.learning_rate", [0.01, 0.0001]),
    "6 second RBM": but("digits.pretraining.second.learning_rate", [0.1, 0.0001], [0.1, 0.1])
    | but("digits.pretraining.second.last_learning_rate", None, pytest.approx(0.0695, abs=5e-5)),
    "7 persistent chains": row("digits.n_chains", 100, 1000, 1000, 100),
    "8 fractions": row("digits.pruning.fraction", [0.10, 0.25], [0.10, 0.10], [0.10, 0.25], [0.10, 0.25]),
    "9 variance FI in DBMs": row("digits.pruning.variance_weighting", "none", "squared_weight", "none", "none"),
    "10 zero rule": row("digits.pruning.zero_rule", "share", "ratio", "share", "share"),
    "11 eigenvector": row("patches.pruning.eigenvector_entry", "magnitude", "signed", "magnitude", "magnitude"),
    "12 batch of the retraining": row("digits.retraining.batch_size", 10, 1, 10, 10),
    "13 chains after a pruning": same("digits.retraining.chains", "restart"),
    "14 Anti-FI, digits": row("digits.pruning.anti_fi_threshold", "rank", "percentile", "rank", "rank"),
    "14 Anti-FI, patches": but("patches.pruning.anti_fi_threshold", "rank", "percentile"),
    "14 the other criteria": same(["patches.pruning.threshold", "digits.pruning.threshold"], "percentile"),
    "15 random units, digits": but("digits.pruning.whole_units", "proportion", "layer"),
    "16 random units, patches": but("patches.pruning.whole_units", "weights", "count"),
    "17 data of the second RBM": but("digits.pretraining.second_data", "sampled", "reconstructed"),
    "18 pre-training": but("digits.pretraining.doubled_inputs", False, True),
    "19 mean field": row("digits.mean_field.tolerance", 1e-7, 1e-7, 1e-7, 1e-5)
    | same("digits.mean_field.max_updates", 50),
    "20 encoding": but("digits.evaluation.encoding", "sampled", "mean_field"),
    "21 strength": but("digits.evaluation.strength_raw", 1.0, 0.1) | same("digits.evaluation.strength_encoding", 1.0),
    "22 quality": row("digits.evaluation.quality", "mean", "class_mean", "mean", "mean"),
    "23 steps between samples": row("digits.sampling.n_gibbs_steps", 200, 400, 400, 200),
    "23 the chains of the training are sampled": same("digits.sampling.chains", "persistent"),
    "25 evaluation right after pruning": row("digits.evaluation.after_pruning", False, True, False, False),
    "26 images of the patches": row(
        "patches.data.batches", TRAINING_SET, DIRECTORY_ORDER, DIRECTORY_ORDER, TRAINING_SET
    ),
    "27 one global median": same("patches.data.median", "global") | same("patches.data.at_median", 1),
    "28 iterations": same("digits.iterations", 10) | same("patches.iterations", 3),
    "29 order of the patches": same("patches.training.order", "shared"),
}
"""Row of the table "text against code" -> key -> preset -> value, at the paper's size."""
NO_PRESET_KEYS = {
    "patches.training.momentum",
    "digits.training.n_epochs",
    "digits.training.batch_size",
    "digits.training.n_gibbs_steps",
    "digits.retraining.n_epochs",
    "digits.pretraining.first.learning_rate",
    "digits.mean_field.max_updates",
    "digits.sampling.chains",
    "patches.data.median",
    "patches.data.at_median",
    "digits.iterations",
    "patches.iterations",
}
"""Keys of rows with one value everywhere that are ordinary defaults, or stand in config/paper.yaml."""


def values_of(preset, **more):
    """All values of a study, as dotted keys."""
    return dict(flat(study_from({"preset": preset} | more).model_dump()))


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """What `boltzprune check` prints of the study at the paper's size, under each preset."""
    found, folder = {}, tmp_path_factory.mktemp("presets")
    text = (ROOT / "config" / "paper.yaml").read_text()
    for preset in NAMES:
        file = folder / f"{preset}.yaml"
        file.write_text(re.sub("^preset: .*$", f"preset: {preset}", text, count=1, flags=re.MULTILINE))
        command = [sys.executable, "-m", "boltzprune", "check", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found[preset] = dict(flat(yaml.safe_load(done.stdout)))
        assert found[preset]["preset"] == preset
    return found


@pytest.mark.parametrize("preset", NAMES)
@pytest.mark.parametrize("row", ROWS)
def test_a_row_of_the_table(checked, row, preset):
    for key, values in ROWS[row].items():
        assert checked[preset][key] == values[preset], key


def test_the_documentation_shows_the_table_that_the_command_prints():
    done = subprocess.run([sys.executable, "-m", "boltzprune", "presets"], capture_output=True, text=True, check=True)
    table, same = done.stdout.rstrip().split("\n\n")
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert f"\n\n{table}\n\n{same}\n\n" in page
    cells = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    assert {row[0].strip("`") for row in cells} | set(re.findall("`(.*?)`", same)) == PRESET_KEYS
    assert ["`digits.n_chains`", "100", "1000", "1000", "100"] in cells
    assert ["`digits.mean_field.tolerance`", "1e-05", "1e-07", "1e-07", "1e-07"] in cells


def test_the_rows_are_all_that_presets_set():
    assert set(NAMES) == set(PRESETS)
    assert {key for row in ROWS.values() for key in row} - NO_PRESET_KEYS == PRESET_KEYS


@pytest.mark.parametrize("preset", PRESETS)
def test_random_units_are_among_the_criteria(preset):
    study = study_from({"preset": preset})
    assert "random_units" in study.patches.criteria
    assert "random_units" in study.digits.criteria


def test_the_default_is_the_published_preset():
    assert Study() == study_from({})
    assert Study().preset == "published"


def test_a_former_name_of_a_preset_is_refused_with_the_new_one():
    with pytest.raises(InputError, match="preset = 'authors': this preset is now called preprint; expected one of"):
        study_from({"preset": "authors"})


def test_momentum_and_learning_rate_of_each_epoch():
    paper = ROOT / "config" / "paper.yaml"
    text, code = (study_of([paper], {"preset": preset}).digits for preset in ("paper", "revision"))
    first, second = ([epochs(getattr(d.pretraining, which)) for d in (text, code)] for which in ("first", "second"))
    assert [[m for _, m in schedule].count(0.5) for schedule in first] == [5, 4]
    assert first[0][0] == (0.01, 0.5)
    assert first[1] == [*first[0][1:], first[0][-1]]
    assert [rate for rate, _ in second[1]] == pytest.approx([0.1] * 19 + [0.0695], abs=5e-5)
    assert [second[0][0][0], second[0][-1][0]] == pytest.approx([0.1, 0.0001])
    joint, again = epochs(code.training), epochs(code.retraining)
    assert [rate for rate, _ in joint[:2]] == pytest.approx([0.0695, 0.0483], abs=5e-5)
    assert [rate for rate, _ in joint[-2:]] == pytest.approx([0.0001, 0.0001])
    assert again == joint[:10]
    assert again[-1][0] == pytest.approx(0.0026, abs=5e-5)


def test_all_presets_set_the_same_keys_with_values_of_one_kind():
    assert set(PRESETS) == set(typing.get_args(Study.model_fields["preset"].annotation))
    for name, preset in PRESETS.items():
        assert set(dict(flat(preset))) == PRESET_KEYS
        Study.model_validate(preset | {"preset": name})


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("other", PRESETS)
def test_switching_changes_keys_of_the_presets_only(preset, other):
    before, after = values_of(preset), values_of(other)
    changed = {key for key in before if before[key] != after[key]}
    assert changed - {"preset", "patches.retraining"} <= PRESET_KEYS
    assert ("preset" in changed) == (preset != other)


def override(key):
    """A value for the key that no preset has, where there is one."""
    used = [dict(flat(preset))[key] for preset in PRESETS.values()]
    others = {
        "patches.training.learning_rate": [0.03, 0.02],
        "patches.data.batches": ["data_batch_3"],
        "digits.pretraining.second.learning_rate": [0.03, 0.02],
        "digits.pretraining.second.last_learning_rate": 0.7,
        "digits.training.learning_rate": [0.03, 0.02],
        "digits.retraining.learning_rate": [0.03, 0.02],
        "digits.mean_field.tolerance": 0.003,
        "digits.sampling.n_gibbs_steps": 17,
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
    values = {
        "preset": "preprint",
        "digits": {"retraining": {"n_epochs": 3}, "pretraining": {"first": {"n_epochs": 7}}},
    }
    digits = study_from(values).digits
    assert (digits.retraining.n_epochs, digits.retraining.batch_size, digits.retraining.schedule_epochs) == (3, 1, 20)
    assert (digits.pretraining.first.n_epochs, digits.pretraining.first.skip_first) == (7, True)
    assert digits.pretraining.second.learning_rate == [0.1, 0.1]
    assert merged(values, {}) == values
