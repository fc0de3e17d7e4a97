"""The classifier of codes: optimality, known error, and codes that carry nothing."""

import logging

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from boltzprune.backend import get_backend
from boltzprune.evaluation.encoding import Classifier, classifier_arrays, error, fit, probabilities, read_classifier
from boltzprune.results import store

BACKEND = get_backend("reference")


@pytest.fixture(scope="module")
def digits():
    """Scikit-learn's digits binarised at their mean, as uint8, and labels: the first 1200 train, the other 597 test."""
    images, labels = load_digits(return_X_y=True)
    images = (images > images.mean()).astype(np.uint8)
    return (images[:1200], labels[:1200]), (images[1200:], labels[1200:])


def clusters(n, n_features, classes, seed):
    """Noisy binary patterns of a prototype per class, and their labels."""
    rng = np.random.default_rng(seed)
    prototypes = rng.random((len(classes), n_features)) < 0.5
    which = rng.integers(len(classes), size=n)
    return (prototypes[which] ^ (rng.random((n, n_features)) < 0.1)).astype(np.uint8), np.array(classes)[which]


def test_error_of_a_known_data_set(digits):
    # 73 of 597 with scikit-learn 1.9, 75 with the strength of 0.1; the optimum is unique and the range leaves room for
    # a few images that lie on the border of two classes
    (images, labels), (test_images, test_labels) = digits
    for strength, n_wrong in ((1.0, 73), (0.1, 75)):
        classifier = fit(images, labels, strength, 1000, 1e-4, BACKEND)
        assert classifier.converged and 20 < classifier.n_iterations < 1000
        assert error(classifier, test_images, test_labels, BACKEND) * 597 == pytest.approx(n_wrong, abs=3)
    assert error(fit(images, labels, 1.0, 1000, 1e-4, BACKEND), images, labels, BACKEND) * 1200 == pytest.approx(
        20, abs=3
    )


@pytest.mark.parametrize("classes", [(3, 5, 11), (2, 7)])
@pytest.mark.parametrize("strength", [1.0, 0.03])
def test_the_fit_is_the_optimum(classes, strength):
    features, labels = clusters(211, 13, classes, seed=2)
    found = fit(features, labels, strength, 1000, 1e-6, BACKEND)
    assert found.classes.tolist() == list(classes)
    assert found.weights.shape == (13, len(classes)) and found.bias.shape == (len(classes),)
    residual = probabilities(found, features, BACKEND) - (labels[:, None] == found.classes)
    np.testing.assert_allclose(residual.sum(axis=0), 0, atol=0.02)
    gradient = strength * features.T.astype(float) @ residual
    if len(classes) == 2:  # one vector of weights, that of the second class
        np.testing.assert_array_equal(found.weights[:, 0], 0)
        gradient, weights = gradient[:, 1], found.weights[:, 1]
    else:
        weights = found.weights
    np.testing.assert_allclose(weights, -gradient, atol=0.02)


@pytest.mark.parametrize("classes", [(3, 5, 11), (2, 7)])
def test_probabilities_are_those_of_scikit_learn(classes, monkeypatch):
    monkeypatch.setattr("boltzprune.evaluation.encoding.ROWS_PER_BLOCK", 7)
    features, labels = clusters(53, 5, classes, seed=3)
    model = LogisticRegression(C=0.7, max_iter=1000).fit(features.astype(np.float32), labels)
    found = fit(features, labels, 0.7, 1000, 1e-4, BACKEND)
    np.testing.assert_allclose(probabilities(found, features, BACKEND), model.predict_proba(features), atol=1e-5)
    assert error(found, features, labels, BACKEND) == pytest.approx(1 - model.score(features, labels))
    assert probabilities(found, features[:0], BACKEND).shape == (0, len(classes))


def test_probabilities_by_hand():  # scores of 2000 do not overflow
    classifier = Classifier(np.array([[2000.0, 0.0, 1.0]]), np.log([1.0, 2.0, 5.0]), np.array([4, 6, 9]), 1, True)
    found = probabilities(classifier, np.array([[0], [1]]), BACKEND)
    np.testing.assert_allclose(found, [[1 / 8, 2 / 8, 5 / 8], [1, 0, 0]], atol=1e-12)
    assert error(classifier, np.array([[0], [1], [1], [0]]), np.array([9, 4, 9, 6]), BACKEND) == 0.5


def test_single_precision_of_the_features_does_not_matter(digits):
    (images, labels), (test_images, test_labels) = digits
    codes, test_codes = images * 0.37, test_images * 0.37
    double = LogisticRegression(C=1.0, max_iter=1000).fit(codes, labels)
    found = fit(codes, labels, 1.0, 1000, 1e-4, BACKEND)
    assert error(found, test_codes, test_labels, BACKEND) * 597 == pytest.approx(
        597 * (1 - double.score(test_codes, test_labels)), abs=2
    )
    assert np.abs(probabilities(found, test_codes, BACKEND) - double.predict_proba(test_codes)).max() < 0.02


def test_equal_input_gives_equal_bits():
    features, labels = clusters(211, 13, (3, 5, 11), seed=5)
    a, b = (fit(features, labels, 1.0, 1000, 1e-4, BACKEND) for _ in range(2))
    assert a.weights.tobytes() == b.weights.tobytes() and a.bias.tobytes() == b.bias.tobytes()


def test_too_few_iterations_are_told(caplog, recwarn):
    features, labels = clusters(211, 13, (3, 5, 11), seed=7)
    with caplog.at_level(logging.WARNING):
        found = fit(features, labels, 1.0, 2, 1e-4, BACKEND)
    assert not found.converged and found.n_iterations == 2
    assert len(caplog.records) == 1 and "did not converge in 2 iterations" in caplog.text
    caplog.clear()
    assert fit(features, labels, 1.0, 1000, 1e-4, BACKEND).converged
    assert not caplog.records and not recwarn.list


def test_a_stronger_strength_fits_closer():
    features, labels = clusters(211, 13, (3, 5, 11), seed=11)
    size = [np.abs(fit(features, labels, strength, 1000, 1e-4, BACKEND).weights).sum() for strength in (0.01, 1.0)]
    assert size[1] > 3 * size[0]


@pytest.mark.parametrize("n_features", [0, 1, 7])
def test_codes_that_carry_nothing_leave_the_most_common_class(n_features):
    labels = np.array([8] * 11 + [1] * 7 + [3] * 5)
    found = fit(np.zeros((23, n_features)), labels, 1.0, 100, 1e-4, BACKEND)
    assert found.converged
    assert error(found, np.zeros((5, n_features)), np.array([8, 8, 1, 3, 8]), BACKEND) == pytest.approx(2 / 5)
    np.testing.assert_allclose(
        probabilities(found, np.zeros((1, n_features)), BACKEND)[0], np.array([7, 5, 11]) / 23, atol=1e-3
    )


def test_a_feature_that_never_changes_is_no_reason_to_fail():
    features, labels = clusters(211, 13, (3, 5, 11), seed=13)
    features[:, 4] = 1
    assert error(fit(features, labels, 1.0, 1000, 1e-4, BACKEND), features, labels, BACKEND) < 0.1


def test_one_unit_can_tell_two_of_three_classes():
    labels = np.repeat([2, 3, 5], [11, 7, 5])
    assert (
        error(fit((labels == 3)[:, None], labels, 100.0, 1000, 1e-4, BACKEND), (labels == 3)[:, None], labels, BACKEND)
        == 5 / 23
    )


def test_a_class_missing_in_training_is_never_predicted():
    features, labels = clusters(211, 13, (0, 1, 2), seed=17)
    seen = labels != 1
    found = fit(features[seen], labels[seen], 1.0, 1000, 1e-4, BACKEND)
    assert found.classes.tolist() == [0, 2]
    assert error(found, features[~seen], labels[~seen], BACKEND) == 1.0
    only = fit(features[labels == 2], labels[labels == 2], 1.0, 1000, 1e-4, BACKEND)
    assert only.classes.tolist() == [2] and only.converged and only.n_iterations == 0
    assert error(only, features, labels, BACKEND) == pytest.approx(np.mean(labels != 2))


@pytest.mark.parametrize("max_iterations", [2, 1000])
def test_a_classifier_survives_a_file(tmp_path, max_iterations):
    features, labels = clusters(53, 7, (3, 5, 11), seed=19)
    one = fit(features, labels, 1.0, max_iterations, 1e-4, BACKEND)
    other = fit(features[:, :3], labels, 1.0, max_iterations, 1e-4, BACKEND)
    path = tmp_path / "classifiers.npz"
    store.write_arrays(path, classifier_arrays(one) | classifier_arrays(other, "other/"), {})
    arrays = store.Arrays(path)
    for written, found in ((one, read_classifier(arrays)), (other, read_classifier(arrays, "other/"))):
        for name in ("weights", "bias", "classes"):
            np.testing.assert_array_equal(getattr(found, name), getattr(written, name))
        assert (found.n_iterations, found.converged) == (written.n_iterations, max_iterations == 1000)
        assert type(found.converged) is bool and type(found.n_iterations) is int
