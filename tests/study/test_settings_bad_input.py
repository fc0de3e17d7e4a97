"""What a user can get wrong in a configuration: one line a problem, with file, key, value and what was expected."""

import pytest
import yaml

from boltzprune.errors import InputError
from boltzprune.study.settings import study_from
from boltzprune.study.yaml_files import read_yaml

FILE = "my_study.yaml"
WRONG = [
    ("sedes: 3", "sedes = 3", "unknown key, did you mean seeds?"),
    ("patches: {data: {radios: 3}}", "patches.data.radios = 3", "unknown key, did you mean radius?"),
    ("patches: {trainin: {}}", "patches.trainin", "unknown key, did you mean training?"),
    ("patches: {retraining: {learning_rat: [0.1]}}", "patches.retraining.learning_rat", "did you mean learning_rate?"),
    ("patches: {evaluation: {zzz: 1}}", "patches.evaluation.zzz = 1", "unknown key; known here: missing_patterns"),
    ("patches: {pruning: {fraction: 0}}", "patches.pruning.fraction = 0", "expected greater than 0"),
    ("patches: {pruning: {fraction: 1}}", "patches.pruning.fraction = 1", "expected less than 1"),
    ("patches: {pruning: {fraction: 1.5}}", "patches.pruning.fraction = 1.5", "expected less than 1"),
    ("patches: {pruning: {fraction: -0.5}}", "patches.pruning.fraction = -0.5", "expected greater than 0"),
    ("patches: {pruning: {fraction: half}}", "patches.pruning.fraction = 'half'", "expected a valid number"),
    ("patches: {pruning: {fraction: true}}", "patches.pruning.fraction = True", "expected a valid number"),
    ("seeds: 0", "seeds = 0", "expected greater than or equal to 1"),
    ("seeds: -1", "seeds = -1", "expected greater than or equal to 1"),
    ("seeds: ten", "seeds = 'ten'", "expected a valid integer"),
    ("seeds: 3.5", "seeds = 3.5", "expected a valid integer"),
    ("seeds: true", "seeds = True", "expected a valid integer"),
    ("seeds: null", "seeds = None", "expected a valid integer"),
    ("patches: {seeds: 0}", "patches.seeds = 0", "expected greater than or equal to 1"),
    ("digits: {seeds: 2.5}", "digits.seeds = 2.5", "expected a valid integer"),
    ("seeds_per_job: 0", "seeds_per_job = 0", "expected greater than or equal to 1"),
    ("preset: publshed", "preset = 'publshed'", "'published', 'revision', 'preprint' or 'paper'"),
    ("preset: [paper]", "preset = ['paper']", "'published', 'revision', 'preprint' or 'paper'"),
    ("device: tpu", "device = 'tpu'", "'auto', 'cpu', 'gpu' or 'reference'"),
    ("study: my study", "study = 'my study'", "pattern"),
    ("study: ../up", "study = '../up'", "pattern"),
    (f"study: {'s' * 101}", "study = 'sss", "expected at most 100 characters; a folder gets this name"),
    ("patches: {criteria: [anti_fi, anti_fi]}", "patches.criteria", "listed twice"),
    ("patches: {criteria: [antifi]}", "patches.criteria", "'antifi' is no criterion; expected one of variance_fi,"),
    ("patches: {criteria: [rules.py]}", "patches.criteria", "file.py:function"),
    ("patches: {criteria: []}", "patches.criteria = []", "at least 1 item"),
    ("patches: {criteria: anti_fi}", "patches.criteria = 'anti_fi'", "expected a valid list"),
    ("patches: {criteria: ['nope.py:f']}", "patches.criteria = 'nope.py:f'", "there is no file nope.py"),
    (
        "digits: {sampling: {statistics: enumerated}}",
        "digits.sampling.statistics = 'enumerated'",
        "expected one of 'sampled' or 'conditional'",
    ),
    ("patches: {controls: [rewound]}", "patches.controls.0 = 'rewound'", "expected one of 'unpruned'"),
    ("patches: {controls: [unpruned, unpruned]}", "patches.controls", "a control is listed twice"),
    ("patches: {criteria: [unpruned]}", "patches.criteria", "'unpruned' is no criterion"),
    ("patches: {training: {learning_rate: [0.1]}}", "patches.training", "1 epochs and momentum 2"),
    ("patches: {retraining: {momentum: [0.1]}}", "patches.retraining", "2 epochs and momentum 1"),
    ("patches: {training: {learning_rate: [.nan, 0.1]}}", "patches.training.learning_rate.0 = nan", "finite number"),
    ("patches: {training: {learning_rate: [0.1, 0]}}", "patches.training.learning_rate.1 = 0", "greater than 0"),
    ("patches: {training: {momentum: [0.9, 1]}}", "patches.training.momentum.1 = 1", "less than 1"),
    ("patches: {training: {learning_rate: []}}", "patches.training.learning_rate = []", "at least 1 item"),
    ("patches: {training: {batch_size: 0}}", "patches.training.batch_size = 0", "greater than or equal to 1"),
    ("patches: {data: {radius: .inf}}", "patches.data.radius = inf", "finite number"),
    ("patches: {data: {radius: nan}}", "patches.data.radius = nan", "finite number"),
    ("patches: {data: {radius: -1}}", "patches.data.radius = -1", "greater than or equal to 0"),
    ("patches: {data: {at_median: 2}}", "patches.data.at_median = 2", "expected one of 0 or 1"),
    ("patches: {data: {download: 'yes'}}", "patches.data.download = 'yes'", "expected a valid boolean"),
    ("patches: {data: {seed: -1}}", "patches.data.seed = -1", "greater than or equal to 0"),
    ("patches: {data: {seed: 9223372036854775808}}", "patches.data.seed", "less than 9223372036854775808"),
    (
        "patches: {data: {source: cifar}}",
        "patches.data.source = 'cifar'",
        "one of npz, cifar10, sample_images",
    ),
    ("patches: {data: {source: npz}}", "patches.data.file = None", "source npz needs the path of an .npz file"),
    ("patches: {machine: {weight_sd: 0}}", "patches.machine.weight_sd = 0", "greater than 0"),
    ("patches: {machine: {n_hidden: 0}}", "patches.machine.n_hidden = 0", "greater than or equal to 1"),
    ("patches: {sampling: {n_samples: 1}}", "patches.sampling.n_samples = 1", "greater than or equal to 2"),
    ("patches: {sampling: {method: gibs}}", "patches.sampling.method = 'gibs'", "'auto', 'exact' or 'gibbs'"),
    ("patches: {iterations: 0}", "patches.iterations = 0", "greater than or equal to 1"),
    ("patches: 3", "patches = 3", "expected a valid dictionary"),
    ("patches:", "patches = None", "expected a valid dictionary"),
    ("patches: {data: []}", "patches.data = []", "expected a valid dictionary"),
    ("figures: {colours: {antifi: '#aa0000'}}", "figures.colours.antifi", "no such criterion here; known: variance_fi"),
    ("figures: {colours: {anti_fi: red}}", "figures.colours.anti_fi = 'red'", "pattern"),
    ("figures: {formats: [jpg]}", "figures.formats.0 = 'jpg'", "'pdf', 'svg' or 'png'"),
    ("figures: {formats: [png, png]}", "figures.formats", "listed twice"),
    ("figures: {formats: []}", "figures.formats = []", "at least 1 item"),
    ("figures: {dpi: 10}", "figures.dpi = 10", "greater than or equal to 30"),
    ("1: 2", "1", "Keys should be strings"),
]


def problems(text):
    with pytest.raises(InputError) as caught:
        study_from(yaml.safe_load(text), FILE)
    return [line for line in str(caught.value).splitlines() if line.startswith(FILE)]


@pytest.mark.parametrize(("text", "key", "expected"), WRONG, ids=[text for text, *_ in WRONG])
def test_one_mistake_is_one_line_with_file_key_value_and_expectation(text, key, expected):
    lines = problems(text)
    assert len(lines) == 1
    assert lines[0].startswith(f"{FILE}: {key}")
    assert expected in lines[0]


@pytest.mark.parametrize(
    ("stem", "function", "n"),
    [("x" * 99, "y", 101), ("x", "y" * 255, 257), ("\u00e9" * 50, "f", 102), ("x" * 98, "y", 100)],
)
def test_a_criterion_whose_folder_would_have_too_long_a_name(tmp_path, stem, function, n):
    """Bytes count, and a letter can have several; the folder of the file does not count."""
    folder = tmp_path / ("d" * 150)
    folder.mkdir()
    (folder / f"{stem}.py").write_text(f"def {function}(evidence):\n    return evidence.weights\n")
    values = {"study": "s" * 100, "patches": {"criteria": [f"{folder}/{stem}.py:{function}"]}}
    if n <= 100:
        assert study_from(values, FILE).study == "s" * 100
        return
    with pytest.raises(InputError) as caught:
        study_from(values, FILE)
    head, line = str(caught.value).splitlines()
    assert head == "1 problem in the configuration:" and line.startswith(f"{FILE}: patches.criteria = ['/")
    assert "its results would lie in a folder named after file and function, " in line
    assert line.endswith(f" of {n} bytes; expected at most 100")


def test_a_criterion_in_a_file_whose_name_no_system_has():
    (line,) = problems(f"patches: {{criteria: ['{'x' * 300}/x.py:f']}}")
    assert "there is no file xxx" in line


def test_all_problems_at_once_one_line_each():
    text = """
    sedes: 3
    device: tpu
    patches:
      data: {radios: 2, n_patterns: 0}
      pruning: {fraction: 1}
      criteria: [antifi]
    """
    with pytest.raises(InputError) as caught:
        study_from(yaml.safe_load(text), FILE)
    head, *lines = str(caught.value).splitlines()
    assert head == "6 problems in the configuration:"
    keys = {line.removeprefix(f"{FILE}: ").split(" = ")[0] for line in lines}
    patches = {f"patches.{key}" for key in ("data.radios", "data.n_patterns", "pruning.fraction", "criteria")}
    assert keys == {"sedes", "device"} | patches


def test_problems_between_keys_are_listed_together():
    text = """
    patches: {data: {source: npz}, criteria: ['a.py:f', 'b.py:g']}
    digits: {data: {source: npz}, criteria: [variance_fi, 'c.py:h']}
    figures: {colours: {anti_fi: '#aa0000', variance_fi: '#aa0000'}, last_iterations: {anti_fi: 1, variance_fi: 1}}
    """
    keys = {line.removeprefix(f"{FILE}: ").split(": ")[0] for line in problems(text)}
    assert keys == {
        "patches.data.file = None",
        "digits.data.file = None",
        "patches.criteria = 'a.py:f'",
        "patches.criteria = 'b.py:g'",
        "digits.criteria = 'c.py:h'",
        "figures.colours.anti_fi",
        "figures.last_iterations.anti_fi",
    }


def test_two_criteria_of_ones_own_that_would_share_a_folder_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "rules.py").write_text("def f(evidence):\n    return evidence.pair_mean\n\ng = f\n")
    (line,) = problems("patches: {criteria: ['a/rules.py:f', 'b/rules.py:f']}")
    assert "'b/rules.py:f'" in line
    assert "'a/rules.py:f'" in line
    study_from({"patches": {"criteria": ["a/rules.py:f", "b/rules.py:g"]}})


@pytest.mark.parametrize("text", ["1e-2", "'1e-2'", "1.0e-2", "0.01"])
def test_numbers_that_yaml_reads_as_text_are_numbers(text):
    values = yaml.safe_load(f"patches: {{training: {{learning_rate: [{text}], momentum: [0.9]}}}}")
    assert study_from(values).patches.training.learning_rate == [0.01]


def test_an_integer_is_a_number():
    assert study_from({"patches": {"data": {"radius": 2}}}).patches.data.radius == 2.0


def test_an_empty_file_and_a_file_of_comments_are_the_defaults(tmp_path):
    for text in ("", "# nothing\n"):
        path = tmp_path / "empty.yaml"
        path.write_text(text)
        assert study_from(read_yaml(path)) == study_from({})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"seeds: [1", "not YAML"),
        (b"seeds: 3\n\tpatches: 1", "not YAML"),
        (b"a: b: c", "not YAML"),
        (b"\xff\xfe\x00", "not YAML"),
        (b"- seeds\n- 3", "expected keys and values, found list"),
        (b"ten", "expected keys and values, found str"),
        (b"!!python/object/apply:os.system [ls]", "not YAML"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path, content, expected):
    path = tmp_path / "wrong.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}: {expected}")
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"none\.yaml: cannot be read \(No such file"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(InputError, match="cannot be read"):
        read_yaml(tmp_path)
