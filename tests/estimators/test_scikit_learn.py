"""The estimators keep scikit-learn's conventions, as its own checks find."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

from boltzprune import PrunedDBM, PrunedRBM
from boltzprune.errors import InputError

FEW = {"n_epochs": 1, "batch_size": 7}
SHORT = {"pretraining": {"first": FEW, "second": FEW}, "training": FEW, "retraining": FEW, "n_chains": 5}


@parametrize_with_checks(
    [
        PrunedRBM(5, learning_rate=0.05, binarize="mean", device="cpu"),
        PrunedDBM((5, 3), **SHORT, binarize="mean", device="cpu"),
    ]
)
def test_it_is_an_estimator(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_other_values_than_0_and_1_are_all_that_the_checks_object_to_without_a_threshold():
    found = check_estimator(PrunedRBM(5, learning_rate=0.05, device="cpu"), on_fail=None)
    failed = [one for one in found if one["status"] == "failed"]
    assert len(found) - len(failed) >= 15
    for one in failed:
        texts = [str(one["exception"]), str(one["exception"].__cause__), str(one["exception"].__context__)]
        assert any("expected 0 or 1: set binarize to a number" in text for text in texts), one["check_name"]


def test_it_works_in_a_pipeline_and_a_search():
    X, y = load_digits(return_X_y=True)
    rbm = PrunedRBM(learning_rate=[0.05] * 2, n_samples=100, binarize="mean", device="cpu")
    search = GridSearchCV(make_pipeline(rbm, LogisticRegression(max_iter=500)), {"prunedrbm__n_hidden": [3, 31]}, cv=3)
    search.fit(X[:700], y[:700])
    assert search.best_params_ == {"prunedrbm__n_hidden": 31}
    assert search.score(X[700:], y[700:]) > 0.6


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_hidden": 0}, r"new_rbm.n_hidden = 0: Input should be greater than or equal to 1"),
        ({"learning_rate": -0.1}, r"train_rbm.learning_rate.0 = -0.1: Input should be greater than 0"),
        ({"learning_rate": [0.1, 0.1, 0.1], "momentum": [0.5, 0.9]}, r"learning_rate has 3 epochs and momentum 2"),
        ({"momentum_rule": "nesterov"}, r"train_rbm.momentum_rule = 'nesterov': Input should be 'classical' or"),
        ({"order": "random"}, r"train_rbm.order = 'random'"),
        (
            {"mask": np.ones((7, 5), dtype=bool)},
            r"mask is an array of shape \(7, 5\) and type bool; expected .*\(5, 7\)",
        ),
        ({"mask": np.full((5, 7), 0.5)}, r"mask is an array of shape \(5, 7\) and type float64; expected booleans"),
        ({"random_state": -1}, r"random_state is -1; expected 0 or more"),
        ({"binarize": "median"}, r"binarize is 'median'; expected None, a number, or 'mean'"),
        ({"device": "tpu"}, r"device 'tpu': expected one of auto, cpu"),
    ],
)
def test_a_wrong_parameter_is_named_with_its_value(values, message):
    X = np.random.default_rng(3).integers(0, 2, (31, 5))
    with pytest.raises(InputError, match=message):
        PrunedRBM(**({"n_hidden": 7, "device": "cpu"} | values)).fit(X)


def test_values_that_are_not_binary_are_shown():
    X = np.random.default_rng(3).integers(0, 2, (31, 5)).astype(float)
    X[11, 3] = 0.25
    with pytest.raises(InputError, match=r"^X\[11, 3\] is 0.25; expected 0 or 1: set binarize to a number"):
        PrunedRBM(7, device="cpu").fit(X)
    fitted = PrunedRBM(7, binarize=0.2, device="cpu").fit(X)
    assert fitted.threshold_ == 0.2 and np.array_equal(fitted._states(X), X > 0.2)


def test_the_mean_of_the_training_cases_is_the_threshold_for_others():
    X = np.random.default_rng(5).random((31, 5))
    fitted = PrunedRBM(7, binarize="mean", device="cpu").fit(X)
    assert fitted.threshold_ == X.mean()
    assert np.array_equal(fitted.transform(X[:3]), fitted.transform(X)[:3])
    assert not fitted._states(np.full((2, 5), X.mean() - 1e-9)).any()
    assert fitted._states(np.full((2, 5), X.mean() + 1e-9)).all()


def test_random_states_are_seeds():
    X = np.random.default_rng(7).integers(0, 2, (31, 5))
    one, same, other = (
        PrunedRBM(7, random_state=seed, device="cpu").fit(X).weights_ for seed in (11, np.int64(11), 13)
    )
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    generator = np.random.RandomState(17)
    drawn = [PrunedRBM(7, random_state=generator, device="cpu").fit(X).seed_ for _ in range(2)]
    assert drawn[0] != drawn[1]
    assert PrunedRBM(7, random_state=None, device="cpu").fit(X).seed_ >= 0
