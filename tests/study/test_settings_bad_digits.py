"""What a user can get wrong in section digits: one line a problem, with file, key, value and what was expected."""

import pytest
import yaml
from test_settings_bad_input import FILE, problems

from boltzprune.errors import InputError
from boltzprune.study import jobs
from boltzprune.study.settings import study_from

WRONG = [
    ("digits: 3", "digits = 3", "expected a valid dictionary"),
    ("digits:", "digits = None", "expected a valid dictionary"),
    ("digits: {machin: {}}", "digits.machin", "unknown key, did you mean machine?"),
    ("digits: {data: {radius: 2.1}}", "digits.data.radius = 2.1", "unknown key; known here: source, directory, file"),
    ("digits: {data: {source: mnst}}", "digits.data.source = 'mnst'", "one of npz, mnist, digits"),
    ("digits: {data: {source: cifar10}}", "digits.data.source = 'cifar10'", "one of npz, mnist, digits"),
    ("digits: {data: {source: npz}}", "digits.data.file = None", "source npz needs the path of an .npz file"),
    ("digits: {data: {source: npz, file: 3}}", "digits.data.file = 3", "expected a valid string"),
    ("digits: {data: {download: 'no'}}", "digits.data.download = 'no'", "expected a valid boolean"),
    ("digits: {data: {crop: -1}}", "digits.data.crop = -1", "greater than or equal to 0"),
    ("digits: {data: {crop: 1.5}}", "digits.data.crop = 1.5", "expected a valid integer"),
    ("digits: {data: {n_train: 0}}", "digits.data.n_train = 0", "greater than or equal to 1"),
    ("digits: {data: {n_train: all}}", "digits.data.n_train = 'all'", "expected a valid integer"),
    ("digits: {data: {n_test: 0}}", "digits.data.n_test = 0", "greater than or equal to 1"),
    ("digits: {data: {n_classes: 1}}", "digits.data.n_classes = 1", "greater than or equal to 2"),
    ("digits: {data: {n_classes: 257}}", "digits.data.n_classes = 257", "less than or equal to 256"),
    ("digits: {data: {seed: -1}}", "digits.data.seed = -1", "greater than or equal to 0"),
    ("digits: {data: {threshold: high}}", "digits.data.threshold = 'high'", "'mean'"),
    ("digits: {data: {threshold: .inf}}", "digits.data.threshold = inf", "finite number"),
    ("digits: {data: {threshold: true}}", "digits.data.threshold = True", "valid number"),
    ("digits: {data: {threshold: null}}", "digits.data.threshold = None", "valid number"),
    ("digits: {machine: {receptive_field: 4}}", "digits.machine.receptive_field = 4", "odd number of pixels"),
    ("digits: {machine: {receptive_field: 0}}", "digits.machine.receptive_field = 0", "greater than or equal to 1"),
    ("digits: {machine: {receptive_field: -3}}", "digits.machine.receptive_field = -3", "greater than or equal to 1"),
    ("digits: {machine: {n_hidden: 64}}", "digits.machine.n_hidden = 64", "expected a valid list"),
    ("digits: {machine: {n_hidden: [64]}}", "digits.machine.n_hidden = [64]", "at least 2 items"),
    ("digits: {machine: {n_hidden: [64, 11, 7]}}", "digits.machine.n_hidden = [64, 11, 7]", "at most 2 items"),
    ("digits: {machine: {n_hidden: [64, 0]}}", "digits.machine.n_hidden.1 = 0", "greater than or equal to 1"),
    (
        "digits: {machine: {receptive_field: 3, n_hidden: [63, 11]}}",
        "digits.machine.n_hidden = [63, 11]",
        "one unit per pixel, 64",
    ),
    (
        "digits: {machine: {receptive_field: 3}, data: {crop: 1}}",
        "digits.machine.n_hidden = [196, 256]",
        "one unit per pixel, 36",
    ),
    ("digits: {machine: {weight_sd: 0}}", "digits.machine.weight_sd = 0", "greater than 0"),
    ("digits: {machine: {visible_bias: nan}}", "digits.machine.visible_bias = nan", "finite number"),
    ("digits: {pretraining: {third: {}}}", "digits.pretraining.third", "known here: first, second, doubled_inputs"),
    ("digits: {pretraining: {first: {n_epochs: 0}}}", "digits.pretraining.first.n_epochs = 0", "equal to 1"),
    ("digits: {pretraining: {first: {learning_rate: 1}}}", "digits.pretraining.first.learning_rate = 1", "valid list"),
    (
        "digits: {pretraining: {second: {learning_rat: [1, 1]}}}",
        "digits.pretraining.second.learning_rat = [1, 1]",
        "did you mean learning_rate?",
    ),
    (
        "digits: {pretraining: {second: {learning_rate: [1, 0]}}}",
        "digits.pretraining.second.learning_rate.1 = 0",
        "greater than 0",
    ),
    (
        "digits: {pretraining: {second_data: samples}}",
        "digits.pretraining.second_data = 'samples'",
        "'sampled' or 'reconstructed'",
    ),
    ("digits: {pretraining: {doubled_inputs: 2}}", "digits.pretraining.doubled_inputs = 2", "valid boolean"),
    ("digits: {n_chains: 0}", "digits.n_chains = 0", "greater than or equal to 1"),
    ("digits: {mean_field: {tolerance: 0}}", "digits.mean_field.tolerance = 0", "greater than 0"),
    ("digits: {mean_field: {tolerance: 1}}", "digits.mean_field.tolerance = 1", "less than 1"),
    ("digits: {mean_field: {tolerance: tiny}}", "digits.mean_field.tolerance = 'tiny'", "expected a valid number"),
    ("digits: {mean_field: {max_updates: 0}}", "digits.mean_field.max_updates = 0", "greater than or equal to 1"),
    ("digits: {training: {max_norm: 0}}", "digits.training.max_norm = 0", "greater than 0"),
    ("digits: {training: {max_norm: big}}", "digits.training.max_norm = 'big'", "expected a valid number"),
    ("digits: {training: {skip_first: 1}}", "digits.training.skip_first = 1", "expected a valid boolean"),
    ("digits: {training: {momentum: [0.5, 1]}}", "digits.training.momentum.1 = 1", "less than 1"),
    ("digits: {training: {momentum_switch: -1}}", "digits.training.momentum_switch = -1", "equal to 0"),
    ("digits: {training: {momentum_rule: new}}", "digits.training.momentum_rule = 'new'", "'classical' or 'scaled'"),
    ("digits: {training: {n_gibbs_steps: 0}}", "digits.training.n_gibbs_steps = 0", "greater than or equal to 1"),
    ("digits: {training: {n_epochs: 9, schedule_epochs: 8}}", "digits.training", "schedule_epochs is 8; expected at"),
    (
        "digits: {retraining: {n_epochs: 10, schedule_epochs: 9}}",
        "digits.retraining",
        "schedule_epochs is 9; expected at least n_ep",
    ),
    ("digits: {retraining: {schedule_epochs: 0}}", "digits.retraining.schedule_epochs = 0", "equal to 1"),
    (
        "{preset: preprint, digits: {retraining: {n_epochs: 21}}}",
        "digits.retraining",
        "schedule_epochs is 20; expected",
    ),
    ("digits: {retraining: null}", "digits.retraining = None", "expected a valid dictionary"),
    ("digits: {retraining: {batch_size: 0}}", "digits.retraining.batch_size = 0", "greater than or equal to 1"),
    ("digits: {sampling: {chains: new}}", "digits.sampling.chains = 'new'", "'persistent' or 'fresh'"),
    ("digits: {sampling: {n_samples: 1}}", "digits.sampling.n_samples = 1", "greater than or equal to 2"),
    ("digits: {sampling: {n_gibbs_steps: 0}}", "digits.sampling.n_gibbs_steps = 0", "greater than or equal to 1"),
    ("digits: {sampling: {method: gibbs}}", "digits.sampling.method = 'gibbs'", "known here: chains, n_samples"),
    ("digits: {criteria: []}", "digits.criteria = []", "at least 1 item"),
    ("digits: {criteria: [antifi]}", "digits.criteria = ['antifi']", "'antifi' is no criterion"),
    ("digits: {criteria: [anti_fi, anti_fi]}", "digits.criteria = ['anti_fi', 'anti_fi']", "listed twice"),
    ("digits: {criteria: [eigenvector]}", "digits.criteria = ['eigenvector']", "eigenvector needs the full FIM"),
    (
        "digits: {criteria: [anti_fi, eigenvector]}",
        "digits.criteria = ['anti_fi', 'eigenvector']",
        "eigenvector needs the full FIM",
    ),
    ("digits: {criteria: ['nope.py:f']}", "digits.criteria = 'nope.py:f'", "there is no file nope.py"),
    ("digits: {iterations: 0}", "digits.iterations = 0", "greater than or equal to 1"),
    ("digits: {pruning: {fraction: 0.1}}", "digits.pruning.fraction = 0.1", "expected a valid list"),
    ("digits: {pruning: {fraction: [0.1]}}", "digits.pruning.fraction = [0.1]", "at least 2 items"),
    ("digits: {pruning: {fraction: [0.1, 1]}}", "digits.pruning.fraction.1 = 1", "less than 1"),
    ("digits: {pruning: {fraction: [0, 0.1]}}", "digits.pruning.fraction.0 = 0", "greater than 0"),
    ("digits: {pruning: {zero_rule: both}}", "digits.pruning.zero_rule = 'both'", "'share' or 'ratio'"),
    ("digits: {pruning: {variance_weighting: w}}", "digits.pruning.variance_weighting = 'w'", "'squared_weight'"),
    ("digits: {pruning: {eigenvector_entry: signed}}", "digits.pruning.eigenvector_entry = 'signed'", "unknown key"),
    ("digits: {evaluation: {encoding: mean}}", "digits.evaluation.encoding = 'mean'", "'mean_field' or 'sampled'"),
    ("digits: {evaluation: {n_clamped_steps: 0}}", "digits.evaluation.n_clamped_steps = 0", "equal to 1"),
    ("digits: {evaluation: {strength_raw: 0}}", "digits.evaluation.strength_raw = 0", "greater than 0"),
    ("digits: {evaluation: {strength_encoding: -1}}", "digits.evaluation.strength_encoding = -1", "greater than 0"),
    ("digits: {evaluation: {quality: median}}", "digits.evaluation.quality = 'median'", "'mean' or 'class_mean'"),
    ("digits: {evaluation: {ais_chains: 1}}", "digits.evaluation.ais_chains = 1", "greater than or equal to 2"),
    ("digits: {evaluation: {ais_chains: few}}", "digits.evaluation.ais_chains = 'few'", "expected a valid integer"),
    ("digits: {evaluation: {ais_temperatures: 1}}", "digits.evaluation.ais_temperatures = 1", "equal to 2"),
    ("figures: {last_iterations: {anti_fi: 0}}", "figures.last_iterations.anti_fi = 0", "greater than or equal to 1"),
    ("figures: {last_iterations: 3}", "figures.last_iterations = 3", "expected a valid dictionary"),
    ("figures: {last_iterations: {antifi: 3}}", "figures.last_iterations.antifi", "no such criterion here; known: var"),
]


@pytest.mark.parametrize(("text", "key", "expected"), WRONG, ids=[text for text, *_ in WRONG])
def test_one_mistake_is_one_line_with_file_key_value_and_expectation(text, key, expected):
    lines = problems(text)
    assert len(lines) == 1
    assert lines[0].startswith(f"{FILE}: {key}: ")
    assert expected in lines[0]
    assert "instance of" not in lines[0]


def test_an_own_criterion_that_needs_the_eigenvector_is_refused_for_the_digits(tmp_path):
    path = tmp_path / "rules.py"
    path.write_text("def f(evidence):\n    return evidence.eigenvector\n\nf.needs = 'eigenvector'\n")
    name = f"{path}:f"
    jobs.criteria(study_from({"patches": {"criteria": [name]}}), "patches")
    with pytest.raises(InputError) as caught:
        jobs.criteria(study_from({"digits": {"criteria": ["anti_fi", name]}}), "digits")
    assert "digits.criteria" in str(caught.value)
    assert name in str(caught.value)
    assert "full FIM" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "digits: {data: {threshold: 127}}",
        "digits: {data: {threshold: 1e-1}}",
        "digits: {data: {threshold: mean}}",
        "digits: {data: {n_train: null}, sampling: {n_samples: null}}",
        "digits: {data: {source: mnist, crop: 4}, machine: {receptive_field: 5, n_hidden: [400, 11]}}",
        "digits: {data: {crop: 1}, machine: {n_hidden: [36, 11]}}",
        "digits: {data: {crop: 1}, machine: {receptive_field: null}}",
        "digits: {training: {max_norm: null, n_epochs: 9, schedule_epochs: 9}}",
        "digits: {evaluation: {ais_chains: null}}",
        "figures: {last_iterations: {}}",
    ],
)
def test_what_is_right_is_not_refused(text):
    study_from(yaml.safe_load(text))
