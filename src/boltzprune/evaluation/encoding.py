"""What a code tells about the class: multinomial logistic regression and its error."""

import logging
import warnings
from dataclasses import dataclass

import numpy as np

from boltzprune.evaluation.logistic import minimise

log = logging.getLogger(__name__)

ROWS_PER_BLOCK = 1 << 12


@dataclass(frozen=True)
class Classifier:
    """A fitted multinomial logistic regression: p(class | x) is proportional to exp(x.weights + bias).

    Attributes
    ----------
    weights : (n_features, n_classes) float64
    bias : (n_classes,) float64
    classes : (n_classes,) int
        Labels that occurred in training, ascending. Another is never predicted.
    n_iterations : int
        Of the optimiser; 0 where there was nothing to optimise.
    converged : bool
    """

    weights: np.ndarray
    bias: np.ndarray
    classes: np.ndarray
    n_iterations: int
    converged: bool


def fit(features, labels, strength, max_iterations, tolerance, backend):
    """Fit scikit-learn's LogisticRegression(C=strength, max_iter, tol), solver lbfgs, other settings at their defaults.

    Minimises strength * sum of -log p(label | x) + |weights|^2 / 2. Features are handled as float32, which halves the
    memory; the optimum is that of float64 within the tolerance. The result is deterministic for a given number of BLAS
    threads. Without features (a layer that lost all its units) the bias gives the frequencies of the classes. Where the
    backend computes on a GPU, `logistic.minimise` does it there, to the same optimum.

    Parameters
    ----------
    features : (n, n_features) array
        On the host, or where the backend computes.
    labels : (n,) int
    strength : float, > 0
        Inverse of the regularisation.
    max_iterations : int
    tolerance : float
    backend : Backend

    Returns
    -------
    Classifier
        `converged` False, and a line in the log, where max_iterations did not suffice.
    """
    classes, counts = np.unique(labels, return_counts=True)
    n_features = features.shape[1]
    if len(classes) == 1 or n_features == 0:
        return Classifier(np.zeros((n_features, len(classes))), np.log(counts / counts.sum()), classes, 0, True)
    solve = _scikit_learn if backend.xp is np else minimise
    places = np.searchsorted(classes, labels)
    weights, bias, n_iterations, converged = solve(
        features, places, len(classes), strength, max_iterations, tolerance, backend
    )
    if not converged:
        log.warning(
            "the classifier (%d features, strength %g) did not converge in %d iterations; raise max_iterations or "
            "the tolerance",
            *(n_features, strength, n_iterations),
        )
    return Classifier(weights, bias, classes, n_iterations, converged)


def _scikit_learn(features, labels, n_classes, strength, max_iterations, tolerance, backend):
    """Weights, bias, iterations and convergence by scikit-learn; arguments as those of `logistic.minimise`."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=max_iterations, tol=tolerance)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(np.asarray(features, dtype=np.float32), labels)
    converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    weights, bias = model.coef_.T.astype(np.float64), model.intercept_.astype(np.float64)
    if n_classes == 2:  # scikit-learn gives the log-odds of the second class
        weights, bias = np.hstack([np.zeros_like(weights), weights]), np.append(0.0, bias)
    return weights, bias, int(np.max(model.n_iter_)), converged


def probabilities(classifier, features, backend):
    """p(class | x) = exp(x.weights + bias) / sum over the classes.

    Parameters
    ----------
    classifier : Classifier
    features : (n, n_features) array
        On the host, or where the backend computes.
    backend : Backend

    Returns
    -------
    (n, n_classes) float64, rows sum to 1, on the host
    """
    xp, weights, bias = backend.xp, backend.asarray(classifier.weights), backend.asarray(classifier.bias)
    blocks = [np.empty((0, len(classifier.classes)))]
    for i in range(0, len(features), ROWS_PER_BLOCK):
        scores = backend.asarray(features[i : i + ROWS_PER_BLOCK], dtype=np.float64) @ weights + bias
        p = xp.exp(scores - scores.max(axis=1, keepdims=True))
        blocks.append(backend.to_host(p / p.sum(axis=1, keepdims=True)))
    return np.concatenate(blocks)


def error(classifier, features, labels, backend):
    """Fraction of the cases whose most probable class is not their label."""
    predicted = classifier.classes[probabilities(classifier, features, backend).argmax(axis=1)]
    return float(np.mean(predicted != labels))


def classifier_arrays(classifier, prefix="classifier/"):
    """A classifier as named arrays for `store.write_arrays`: classifier/weights, classifier/bias, ..."""
    return {f"{prefix}{name}": np.asarray(value) for name, value in vars(classifier).items()}


def read_classifier(arrays, prefix="classifier/"):
    """The classifier from the `store.Arrays` that hold it."""
    classes = arrays.checked(f"{prefix}classes", "iu", (None,))
    bias = arrays.checked(f"{prefix}bias", "f", classes.shape)
    weights = arrays.checked(f"{prefix}weights", "f", (None, len(classes)))
    converged = bool(arrays.checked(f"{prefix}converged", "b", ()))
    if len(classes) == 0:
        raise arrays.damaged(f"'{prefix}classes' is empty")
    return Classifier(weights, bias, classes, arrays.number(f"{prefix}n_iterations"), converged)
