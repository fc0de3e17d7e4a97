"""What a code tells about the class: multinomial logistic regression (scikit-learn) and its error."""

import logging
import warnings
from dataclasses import dataclass

import numpy as np

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


def fit(features, labels, strength, max_iterations, tolerance):
    """Fit scikit-learn's LogisticRegression(C=strength, max_iter, tol), solver lbfgs, other settings at their defaults.

    Minimises strength * sum of -log p(label | x) + |weights|^2 / 2. Features are handled as float32, which halves the
    memory; the optimum is that of float64 within the tolerance. The result is deterministic for a given number of BLAS
    threads. Without features (a layer that lost all its units) the bias gives the frequencies of the classes.

    Parameters
    ----------
    features : (n, n_features) array
    labels : (n,) int
    strength : float, > 0
        Inverse of the regularisation.
    max_iterations : int
    tolerance : float

    Returns
    -------
    Classifier
        `converged` False, and a line in the log, where max_iterations did not suffice.
    """
    classes, counts = np.unique(labels, return_counts=True)
    n_features = features.shape[1]
    if len(classes) == 1 or n_features == 0:
        return Classifier(np.zeros((n_features, len(classes))), np.log(counts / counts.sum()), classes, 0, True)
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=max_iterations, tol=tolerance)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(np.asarray(features, dtype=np.float32), labels)
    converged = not any(issubclass(warning.category, ConvergenceWarning) for warning in caught)
    n_iterations = int(np.max(model.n_iter_))
    if not converged:
        log.warning(
            "the classifier (%d features, strength %g) did not converge in %d iterations; raise max_iterations or "
            "the tolerance",
            *(n_features, strength, n_iterations),
        )
    weights, bias = model.coef_.T.astype(np.float64), model.intercept_.astype(np.float64)
    if len(classes) == 2:  # scikit-learn gives the log-odds of the second class
        weights, bias = np.hstack([np.zeros_like(weights), weights]), np.append(0.0, bias)
    return Classifier(weights, bias, classes, n_iterations, converged)


def probabilities(classifier, features):
    """p(class | x) = exp(x.weights + bias) / sum over the classes: (n, n_classes) float64, rows sum to 1."""
    blocks = [np.empty((0, len(classifier.classes)))]
    for i in range(0, len(features), ROWS_PER_BLOCK):
        scores = np.asarray(features[i : i + ROWS_PER_BLOCK], dtype=np.float64) @ classifier.weights + classifier.bias
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        blocks.append(p / p.sum(axis=1, keepdims=True))
    return np.concatenate(blocks)


def error(classifier, features, labels):
    """Fraction of the cases whose most probable class is not their label."""
    predicted = classifier.classes[probabilities(classifier, features).argmax(axis=1)]
    return float(np.mean(predicted != labels))


def classifier_arrays(classifier, prefix="classifier/"):
    """A classifier as named arrays for `store.write_arrays`: classifier/weights, classifier/bias, ..."""
    return {f"{prefix}{name}": np.asarray(value) for name, value in vars(classifier).items()}


def read_classifier(arrays, prefix="classifier/"):
    """The classifier among named arrays, for example `store.Arrays`."""
    weights, bias, classes = (arrays[f"{prefix}{name}"] for name in ("weights", "bias", "classes"))
    n_iterations, converged = int(arrays[f"{prefix}n_iterations"]), bool(arrays[f"{prefix}converged"])
    return Classifier(weights, bias, classes, n_iterations, converged)
