"""Logistic regression for a GPU: the optimum is scikit-learn's, with NumPy and on the card, real or emulated."""

import warnings

import numpy as np
import pytest
from emulated import EmulatedCard
from scipy.special import logsumexp
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from boltzprune.evaluation import logistic
from boltzprune.evaluation.logistic import log_softmax, loss_sums, minimise, penalised_mean

TOLERANCE = 1e-4
"""What the configuration has."""


class Plain:
    """NumPy as it is."""

    xp = np

    def asarray(self, array, dtype=None):
        return np.asarray(array, dtype=dtype)

    def to_host(self, array):
        return array


class Watched(EmulatedCard):
    """A card that notes what is moved."""

    def __init__(self):
        super().__init__()
        self.up, self.down = [], []

    def asarray(self, array, dtype=None):
        self.up.append((array.dtype, array.shape))
        return super().asarray(array, dtype)

    def to_host(self, array):
        self.down.append((array.dtype, array.shape))
        return super().to_host(array)


@pytest.fixture(params=["numpy", "card"])
def backend(request):
    return Plain() if request.param == "numpy" else request.getfixturevalue("gpu_card")


@pytest.fixture(scope="module")
def digits():
    """Scikit-learn's digits binarised at their mean, as uint8, and labels: the first 1200 train, the other 597 test."""
    images, labels = load_digits(return_X_y=True)
    images = (images > images.mean()).astype(np.uint8)
    return (images[:1200], labels[:1200]), (images[1200:], labels[1200:])


def cases(n_classes, kind="states", n=211, n_features=13, seed=2):
    """Noisy binary patterns of a prototype per class (or probabilities like them), feature 5 constant 0, and labels."""
    rng = np.random.default_rng(seed)
    prototypes = rng.random((n_classes, n_features)) < 0.5
    labels = rng.choice(n_classes, size=n, p=np.arange(1, n_classes + 1) / np.arange(1, n_classes + 1).sum())
    states = prototypes[labels] ^ (rng.random((n, n_features)) < 0.2)
    if kind == "states":
        features = states.astype(np.uint8)
    else:
        features = (0.1 + 0.8 * states * rng.random(states.shape)).astype(np.float32)
    features[:, 5] = 0
    return features, labels


def objective(features, labels, weights, bias, strength):
    """Mean of -log p(label | x) + |W|^2 / (2 n strength), in float64."""
    scores = features.astype(np.float64) @ weights + bias
    losses = logsumexp(scores, axis=1) - scores[np.arange(len(labels)), labels]
    return losses.mean() + (weights**2).sum() / (2 * len(labels) * strength)


def gradient_of(features, labels, weights, bias, strength, step=1e-5):
    """Central differences of the objective: (n_features + 1, n_classes)."""
    point = np.vstack([weights, bias])
    gradient = np.empty_like(point)
    for k in np.ndindex(point.shape):
        ends = []
        for sign in (1, -1):
            moved = point.copy()
            moved[k] += sign * step
            ends.append(objective(features, labels, moved[:-1], moved[-1], strength))
        gradient[k] = (ends[0] - ends[1]) / (2 * step)
    return gradient


def by_scikit_learn(features, labels, strength, tolerance):
    """Weights, bias and iterations of scikit-learn in float64, shaped as ours."""
    model = LogisticRegression(C=strength, max_iter=10_000, tol=tolerance)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(features.astype(np.float64), labels)
    weights, bias = model.coef_.T, model.intercept_
    if len(bias) == 1:
        weights, bias = np.hstack([np.zeros_like(weights), weights]), np.append(0.0, bias)
    return weights, bias, int(model.n_iter_[0])


def sums_of(backend, features, labels, parameters, product_type):
    """`loss_sums` on the host."""
    n_classes = parameters.shape[1]
    target = np.asarray(labels)[:, None] == np.arange(n_classes)
    on_card = (backend.asarray(features.astype(np.float32)), backend.asarray(target), backend.asarray(parameters))
    return np.asarray(backend.to_host(loss_sums(*on_card, product_type, backend.xp)))


@pytest.mark.parametrize("kind", ["states", "probabilities"])
@pytest.mark.parametrize("strength", [0.1, 1.0])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_the_solution_is_that_of_scikit_learn(backend, n_classes, strength, kind):
    features, labels = cases(n_classes, kind)
    weights, bias, _ = by_scikit_learn(features, labels, strength, 1e-9)
    best = objective(features, labels, weights, bias, strength)
    for tolerance, excess, distance, n_other in ((TOLERANCE, 1e-5, 0.06, 2), (1e-7, 1e-11, 1e-4, 0)):
        found, found_bias, n_iterations, converged = minimise(
            features, labels, n_classes, strength, 1000, tolerance, backend
        )
        assert converged is True and 0 < n_iterations < 1000
        for array, shape in ((found, (13, n_classes)), (found_bias, (n_classes,))):
            assert type(array) is np.ndarray and array.dtype == np.float64 and array.shape == shape
        assert -1e-12 < objective(features, labels, found, found_bias, strength) - best < excess
        np.testing.assert_allclose(found, weights, atol=distance)
        np.testing.assert_allclose(found_bias, bias, atol=distance)
        predicted, expected = ((features @ w + b).argmax(axis=1) for w, b in ((found, found_bias), (weights, bias)))
        assert (predicted != expected).sum() <= n_other
        assert not found[5].any()


@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_it_takes_as_many_iterations_as_scikit_learn(backend, n_classes):
    features, labels = cases(n_classes)
    for tolerance in (TOLERANCE, 1e-6):
        n_iterations = minimise(features, labels, n_classes, 1.0, 1000, tolerance, backend)[2]
        theirs = by_scikit_learn(features, labels, 1.0, tolerance)[2]
        assert abs(n_iterations - theirs) <= 3 + 0.1 * theirs


@pytest.mark.parametrize("tolerance", [TOLERANCE, 1e-7])
def test_the_tolerance_bounds_the_true_gradient(digits, tolerance):
    # products in float32 throughout would end, as converged, where components of the gradient of about 1e-5 are left
    (images, labels), _ = digits
    images, labels = images[labels < 3], labels[labels < 3]
    weights, bias, _, converged = minimise(images, labels, 3, 0.1, 1000, tolerance, Plain())
    gradient = gradient_of(images, labels, weights, bias, 0.1, step=1e-3)
    assert converged and np.abs(gradient).max() < 1.02 * tolerance + 1e-7


def test_errors_of_digits_are_those_of_scikit_learn(digits, backend):
    (images, labels), (test_images, test_labels) = digits
    for strength in (0.1, 1.0):
        wrong = []
        for fit in (
            minimise(images, labels, 10, strength, 1000, TOLERANCE, backend),
            by_scikit_learn(images, labels, strength, TOLERANCE),
        ):
            weights, bias = fit[:2]
            wrong.append(((test_images @ weights + bias).argmax(axis=1) != test_labels).sum())
        assert abs(wrong[0] - wrong[1]) <= 2 and 60 < wrong[1] < 90


@pytest.mark.parametrize("rows", [7, 53, 211, 1000])
@pytest.mark.parametrize("n_classes", [2, 3, 10])
def test_the_gradient_is_that_of_the_objective(backend, n_classes, rows, monkeypatch):
    monkeypatch.setattr(logistic, "ROWS_PER_BLOCK", rows)
    features, labels = cases(n_classes, "probabilities", n_features=7)
    parameters = np.random.default_rng(3).normal(size=(8, n_classes))
    weights, bias = parameters[:-1], parameters[-1]
    expected = objective(features, labels, weights, bias, 0.3), gradient_of(features, labels, weights, bias, 0.3)
    for product_type, accuracy in ((np.float64, 1e-9), (np.float32, 3e-7)):
        sums = sums_of(backend, features, labels, parameters, product_type)
        assert sums.dtype == np.float64
        loss, gradient = penalised_mean(sums, parameters, len(labels), 0.3)
        assert loss == pytest.approx(expected[0], rel=accuracy)
        np.testing.assert_allclose(gradient, expected[1], atol=accuracy)


def test_the_loss_of_each_class(backend):
    features, labels = cases(3)
    sums = sums_of(backend, features, labels, np.zeros((14, 3)), np.float32)
    np.testing.assert_allclose(sums[-1], np.bincount(labels) * np.log(3))


def test_large_scores_do_not_overflow(backend):
    scores = backend.asarray(np.array([[2000.0, 0.0, 1999.0], [-900.0, -900.0, -900.0]]))
    found = backend.to_host(log_softmax(scores, backend.xp))
    rest = np.log1p(np.exp(-1.0))
    np.testing.assert_allclose(found, [[-rest, -2000 - rest, -1 - rest], [-np.log(3)] * 3])


def test_too_few_iterations_are_told(backend):
    features, labels = cases(3)
    found = minimise(features, labels, 3, 1.0, 2, TOLERANCE, backend)
    assert found[2] == 2 and type(found[2]) is int and found[3] is False


@pytest.mark.parametrize("tolerance", [TOLERANCE, 1e-6])
def test_equal_input_gives_equal_bits(backend, tolerance):
    features, labels = cases(10)
    first = minimise(features, labels, 10, 1.0, 1000, tolerance, backend)
    for same in (features, features.astype(np.float32), backend.asarray(features)):
        again = minimise(same, labels, 10, 1.0, 1000, tolerance, backend)
        assert [np.asarray(x).tobytes() for x in again] == [np.asarray(x).tobytes() for x in first]


@pytest.mark.parametrize("n_classes", [2, 10])
def test_parameters_go_up_and_sums_come_down_once_per_evaluation(n_classes):
    features, labels = cases(n_classes)
    card = Watched()
    _, _, n_iterations, _ = minimise(features, labels, n_classes, 1.0, 1000, TOLERANCE, card)
    start = [(np.uint8, (211, 13)), (np.int32, (211,))]
    assert card.up[:2] in (start, start[::-1])
    assert len(card.down) > n_iterations and len(card.up) == 2 + len(card.down)
    assert set(card.up[2:]) == {(np.dtype(np.float64), (14, n_classes))}
    assert set(card.down) == {(np.dtype(np.float64), (15, n_classes))}


@pytest.mark.parametrize("kind", ["states", "probabilities"])
def test_features_and_labels_stay_as_they_are(backend, kind):
    features, labels = cases(3, kind)
    before = features.copy(), labels.copy()
    minimise(features, labels, 3, 1.0, 5, TOLERANCE, backend)
    np.testing.assert_array_equal(features, before[0])
    np.testing.assert_array_equal(labels, before[1])


@pytest.mark.parametrize("labels", [[0, 1, 3], [0, -1, 2], [0, 1], [[0], [1], [2]]])
def test_labels_that_are_no_classes_are_refused(labels):
    with pytest.raises(ValueError, match="expected 3 indices from 0 to 2"):
        minimise(np.eye(3, dtype=np.uint8), np.array(labels), 3, 1.0, 10, TOLERANCE, Plain())
