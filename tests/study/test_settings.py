"""What a configuration means: defaults, presets, the commented file, the schema."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from boltzprune.study.config import PRESETS, Section, Study, commented
from boltzprune.study.config.commented import as_yaml
from boltzprune.study.settings import json_schema, merged, study_from
from boltzprune.study.yaml_files import read_yaml

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config" / "config.yaml"
MAPPINGS = ("figures.colours", "figures.last_iterations")
"""Keys whose value is a mapping."""


def leaves(section=Study, prefix=""):
    """Every key of the models as a dotted name."""
    for key, field in section.model_fields.items():
        inner = [a for a in (field.annotation,) if isinstance(a, type) and issubclass(a, Section)]
        yield from leaves(inner[0], f"{prefix}{key}.") if inner else [prefix + key]


def flat(values, prefix=""):
    """Nested mappings as dotted keys; what a key of the models holds whole is a value."""
    for key, value in values.items():
        if isinstance(value, dict) and prefix + key not in ("patches.retraining", *MAPPINGS):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


PRESET_KEYS = set(dict(flat(PRESETS["published"])))


def uncommented(text):
    """The commented file with its commented-out preset keys switched on."""
    names = "|".join(key.rsplit(".", 1)[1] for key in PRESET_KEYS)
    return re.sub(rf"^( *)# ((?:{names}): (?:\[.*\]|[\w.-]+))$", r"\1\2", text, flags=re.MULTILINE)


def test_retraining_is_training_unless_it_is_given():
    study = study_from({"preset": "paper"})
    assert study.patches.retraining.model_dump() == study.patches.training.model_dump() | {"homeostasis": None}
    assert study.patches.retraining.learning_rate == [0.1, 0.01]
    own = study_from({"preset": "paper", "patches": {"retraining": {"learning_rate": [0.003, 0.001]}}}).patches
    assert own.retraining.learning_rate == [0.003, 0.001]
    assert own.training.learning_rate == [0.1, 0.01]


def test_a_key_left_out_of_retraining_has_the_value_of_the_preset():
    own = study_from({"preset": "paper", "patches": {"retraining": {"batch_size": 7}}}).patches
    assert own.retraining.momentum_rule == "classical"
    assert own.retraining.learning_rate == [0.1, 0.01]
    assert own.retraining.batch_size == 7
    assert study_from({"patches": {"retraining": {"batch_size": 7}}}).patches.retraining.momentum_rule == "scaled"


def test_merging_changes_neither_mapping():
    base, over = {"a": {"b": [1], "c": 2}, "d": 3}, {"a": {"b": [5]}, "e": {}}
    result = merged(base, over)
    assert result == {"a": {"b": [5], "c": 2}, "d": 3, "e": {}}
    result["a"]["b"].append(6)
    assert base == {"a": {"b": [1], "c": 2}, "d": 3}
    assert over == {"a": {"b": [5]}, "e": {}}


def test_the_shipped_configuration_is_what_the_models_say():
    assert CONFIG.read_text() == as_yaml(), "the models changed: run `boltzprune config > config/config.yaml`"


def test_the_shipped_configuration_has_every_key_and_no_other():
    assert [key for key, _ in flat(yaml.safe_load(uncommented(CONFIG.read_text())))] == list(leaves())


def test_the_shipped_configuration_sets_keys_of_the_presets_where_the_demonstration_differs_and_nowhere_else():
    values, published = dict(flat(read_yaml(CONFIG))), dict(flat(PRESETS["published"]))
    shown = {key for key in PRESET_KEYS if key in values}
    assert shown
    assert all(values[key] != published[key] for key in shown)


def test_the_shipped_configuration_has_the_values_of_the_defaults():
    for values in (read_yaml(CONFIG), yaml.safe_load(uncommented(CONFIG.read_text()))):
        assert dict(flat(study_from(values).model_dump())) == dict(flat(Study().model_dump()))


def test_the_shipped_configuration_says_what_the_presets_set_and_what_a_key_takes():
    lines = CONFIG.read_text().splitlines()
    place = (
        lines.index("    # weight_sd: 0.1") if "    # weight_sd: 0.1" in lines else lines.index("    weight_sd: 0.1")
    )
    assert lines[place - 1] == "    # Standard deviation of the initial weights. Paper: 0.1. Takes a number > 0."
    place = lines.index("  n_chains: 50")
    assert lines[place - 2 : place] == [
        "  # Persistent Markov chains of the joint training. Paper: 100. Takes an integer >= 1.",
        "  # Presets: published, paper 100; revision, preprint 1000.",
    ]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "integer", "minimum": 1}, "an integer >= 1"),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, "a number in (0, 1)"),
        ({"type": "number", "minimum": 0, "exclusiveMaximum": 1}, "a number in [0, 1)"),
        ({"type": "integer", "minimum": 30, "maximum": 2400}, "an integer in [30, 2400]"),
        ({"type": "integer", "minimum": 0, "exclusiveMaximum": 2**63}, "an integer >= 0"),
        ({"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "number"}}, "2 numbers"),
        ({"type": "array", "minItems": 1, "items": {"type": "number"}}, "a list of numbers"),
        ({"type": "array", "items": {"enum": ["pdf", "svg", "png"]}}, "a list of pdf, svg or png"),
        ({"anyOf": [{"const": "mean"}, {"type": "number"}, {"type": "null"}]}, "mean or a number or null"),
        ({"type": "boolean"}, "true or false"),
        ({"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}},
         "a mapping from names to an integer >= 1"),
    ],
)  # fmt: skip
def test_what_a_key_takes_in_words(schema, words):
    assert commented.takes(schema) == words


def test_the_configuration_of_the_papers_size():
    study = study_from(read_yaml(ROOT / "config" / "paper.yaml"))
    data = study.patches.data
    assert (study.patches.seeds, study.digits.seeds, study.seeds) == (30, None, 10)
    assert (data.source, data.n_patterns, data.radius) == ("cifar10", 90_000, 2.1)
    assert (study.patches.machine.n_hidden, study.patches.iterations, len(study.patches.criteria)) == (70, 3, 7)


def test_the_shipped_schema_is_in_sync():
    shipped = json.loads((ROOT / "workflow" / "schemas" / "config.schema.json").read_text())
    assert shipped == json_schema(), "the models changed: run `boltzprune schema > workflow/schemas/config.schema.json`"


@pytest.mark.parametrize("path", sorted((ROOT / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_the_schema_accepts_the_shipped_files(path):
    jsonschema.validate(read_yaml(path), json_schema())


@pytest.mark.parametrize(
    "wrong",
    [
        {"sedes": 3},
        {"patches": {"data": {"radios": 2.1}}},
        {"patches": {"pruning": {"fraction": 1}}},
        {"patches": {"training": {"momentum_rule": "clasical"}}},
        {"seeds": 0},
        {"device": "tpu"},
    ],
)
def test_the_schema_refuses_what_the_models_refuse(wrong):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, json_schema())


def test_every_key_has_a_description():
    def walk(section):
        for key, field in section.model_fields.items():
            if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
                walk(field.annotation)
            else:
                assert field.description, key

    walk(Study)


def test_a_study_is_frozen():
    with pytest.raises(ValueError, match="frozen"):
        Study().patches.pruning.fraction = 0.3
