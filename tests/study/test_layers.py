"""How the values of files, presets and the command line replace those of the default study."""

import pytest
import yaml

from boltzprune.errors import InputError
from boltzprune.study import settings, yaml_files
from boltzprune.study.config import PRESETS
from boltzprune.study.settings import lay, study_from, study_of, typed


def write(folder, **texts):
    """YAML files by name; their paths in order."""
    paths = [folder / f"{name}.yaml" for name in texts]
    for path, text in zip(paths, texts.values()):
        path.write_text(text)
    return paths


@pytest.fixture
def defaults(tmp_path, monkeypatch):
    """A default study whose values no model has."""
    (path,) = write(
        tmp_path, defaults="preset: paper\nseeds: 13\npatches: {iterations: 5}\ndigits: {n_chains: 17, iterations: 7}\n"
    )
    monkeypatch.setattr(settings, "DEFAULTS", path)
    return path


def test_a_file_changes_its_keys_and_no_others(defaults, tmp_path):
    own = study_of(write(tmp_path, mine="patches: {machine: {n_hidden: 11}}"))
    assert own.patches.machine.n_hidden == 11
    assert (own.seeds, own.patches.iterations, own.digits.n_chains) == (13, 5, 17)
    assert own.preset == "paper"
    assert own.patches.training.learning_rate == PRESETS["paper"]["patches"]["training"]["learning_rate"]


def test_later_files_and_the_command_line_come_last(defaults, tmp_path):
    files = write(
        tmp_path, a="seeds: 3\npatches: {iterations: 2}", b="patches: {iterations: 4}\ndigits: {iterations: 6}"
    )
    own = study_of(files, {"digits": {"iterations": "11"}})
    assert (own.seeds, own.patches.iterations, own.digits.iterations) == (3, 4, 11)


def test_a_preset_that_a_file_names_sets_its_keys_before_the_file_does(defaults, tmp_path):
    (file,) = write(tmp_path, mine="preset: preprint\ndigits: {retraining: {batch_size: 3}}")
    own = study_of([file])
    assert own.digits.n_chains == PRESETS["preprint"]["digits"]["n_chains"] != 17
    assert own.digits.retraining.batch_size == 3
    assert own.digits.iterations == 7  # no key of presets
    assert study_of([file], {"preset": "revision"}).digits.retraining.batch_size == 10


def test_a_file_and_the_same_keys_on_the_command_line_are_the_same_study(defaults, tmp_path):
    (file,) = write(tmp_path, mine="seeds: 3\nfigures: {dpi: 77}")
    assert study_of([file]) == study_of([], {"seeds": 3, "figures": {"dpi": "77"}})


def test_without_a_default_study_its_values_are_those_of_the_models(tmp_path, monkeypatch):
    shipped = study_of([])
    monkeypatch.setattr(settings, "DEFAULTS", tmp_path / "none.yaml")
    assert study_of([]) == shipped == study_from({})


def test_a_mistake_is_told_with_the_file_that_makes_it(defaults, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, a="seeds: -3\npatches: {iterations: 2}", b="patches: {iterations: 0, data: {source: npz}}")
    with pytest.raises(InputError) as caught:
        study_of(["a.yaml", "b.yaml"], {"figures": {"dpi": "low"}})
    lines = str(caught.value).splitlines()[1:]
    assert [line.partition(":")[0] for line in lines] == ["a.yaml", "b.yaml", "the command line"]
    assert [line.split()[1 + (i == 2)] for i, line in enumerate(lines)][:2] == ["seeds", "patches.iterations"]
    with pytest.raises(InputError, match=r"^b.yaml: patches.data.file = None: source npz needs"):
        study_of(["b.yaml"], {"patches": {"iterations": "3"}})
    defaults.write_text("sedes: 3")
    with pytest.raises(InputError, match=r"config/config.yaml: sedes = 3: unknown key, did you mean seeds"):
        study_of(["a.yaml"], {"seeds": 5})


@pytest.mark.parametrize(
    ("text", "key", "lines"),
    [
        ("seeds: 3\nstudy: mine\nseeds: 5\n", "seeds", (1, 3)),
        ("patches:\n  iterations: 2\ndigits: {}\npatches: {}\n", "patches", (1, 4)),
        ("digits: {n_chains: 3, n_chains: 3}\n", "n_chains", (1, 1)),
        ("patches:\n  data:\n    seed: 1\n    'seed': 2\n", "seed", (3, 4)),
        ("figures:\n  colours: {anti_fi: '#000000',\n    anti_fi: '#111111'}\n", "anti_fi", (2, 3)),
    ],
)
def test_a_key_that_is_given_twice_is_refused(tmp_path, text, key, lines):
    (file,) = write(tmp_path, twice=text)
    with pytest.raises(InputError) as caught:
        yaml_files.read_yaml(file)
    assert f"twice.yaml: the key {key} stands in line {lines[0]} and again in line {lines[1]}; " in str(caught.value)


def test_a_key_that_replaces_a_merged_one_is_no_repetition(tmp_path):
    text = "base: &base {a: 1, b: 2}\nmore: &more\n  <<: *base\n  b: 3\nlast:\n  <<: *more\n  a: 5\n"
    (file,) = write(tmp_path, merged=text)
    assert yaml_files.read_yaml(file) == yaml.safe_load(text)
    assert yaml_files.read_yaml(file)["last"] == {"a": 5, "b": 3}


def test_values_of_the_command_line_have_their_types():
    given = {
        "a": {"int": "4", "float": "0.5", "yes": "true", "none": "null", "word": "cifar10", "colour": "#aa0000"},
        "list": ["1", "2.5", "data_batch_1"],
        "path": {"file": "a: b.npz", "folder": "/x #y"},
        "text": "published",
    }
    assert typed(given) == {
        "a": {"int": 4, "float": 0.5, "yes": True, "none": None, "word": "cifar10", "colour": "#aa0000"},
        "list": [1, 2.5, "data_batch_1"],
        "path": {"file": "a: b.npz", "folder": "/x #y"},
        "text": "published",
    }


def test_laying_changes_neither():
    below, above = {"preset": "paper", "a": {"b": 1}}, {"preset": "preprint", "a": {"c": 2}}
    found = lay(below, above)
    assert (below, above) == ({"preset": "paper", "a": {"b": 1}}, {"preset": "preprint", "a": {"c": 2}})
    assert found["a"] == {"b": 1, "c": 2}
    assert found["digits"] == PRESETS["preprint"]["digits"]


def test_a_mapping_that_is_one_value_replaces_the_default(tmp_path):
    assert set(study_of([]).figures.last_iterations) == {"variance_fi", "heuristic_fi"}
    given = write(tmp_path, none="figures: {last_iterations: {}}", one="figures: {last_iterations: {anti_fi: 2}}")
    assert [study_of([file]).figures.last_iterations for file in given] == [{}, {"anti_fi": 2}]


def test_what_the_default_study_says_of_a_criterion_that_a_study_has_not_is_no_mistake(tmp_path):
    few = write(tmp_path, few="patches: {criteria: [anti_fi]}\ndigits: {criteria: [anti_fi]}")
    assert study_of(few).figures.last_iterations == study_of([]).figures.last_iterations
    wrong = write(tmp_path, wrong="figures: {last_iterations: {variance_fi: 2}}")
    with pytest.raises(InputError, match=r"wrong.yaml: figures.last_iterations.variance_fi: no such criterion here"):
        study_of([*few, *wrong])


def test_what_retraining_leaves_out_is_as_in_the_training(defaults, tmp_path):
    text = (
        "patches: {training: {learning_rate: [0.3, 0.2, 0.1], momentum: [0.5, 0.6, 0.7]}, retraining: {batch_size: 7}}"
    )
    patches = study_of(write(tmp_path, mine=text)).patches
    expected = patches.training.model_dump() | {"batch_size": 7, "homeostasis": None}
    assert patches.retraining.model_dump() == expected
