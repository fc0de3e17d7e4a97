"""Encodings of images, the activities of hidden units, and what they tell about the class: logistic regression.

`encode` (or `encode_by_sampling`) turns images into features, `fit` learns classes from features, and `error` says how
often it is wrong.
"""

import logging
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from boltzprune.core.machine import BoltzmannMachine, check_states
from boltzprune.errors import InputError
from boltzprune.evaluation.logistic import minimise
from boltzprune.sampling import gibbs

if TYPE_CHECKING:
    from boltzprune.backend.reference import Backend
    from boltzprune.results.store import Arrays

log = logging.getLogger(__name__)

ROWS_PER_BLOCK = 1 << 12
BYTES_A_UNIT = 40
"""Memory for a unit of an image under mean-field iteration: probabilities, their copies and their differences."""


def encode(
    machine: BoltzmannMachine, visible: npt.NDArray[np.uint8], tolerance: float, max_sweeps: int, backend: "Backend"
) -> tuple[list[Any], Any]:
    """Mean-field probabilities of all hidden units given images; those of the top layer are the paper's encoding.

    The posterior p(h|v) is approximated by independent units of mean mu_l in layer l, with mu_0 = v. Each sweep sets
    mu_l = s(b_l + mu_(l-1).W_(l-1) + W_l.mu_(l+1)), layer by layer from below, after a bottom-up pass with doubled
    input (Salakhutdinov & Hinton 2009; the field is that of Eqs. 9, 10). In an RBM mu_1 = p(h=1|v) is exact. The
    encoding of an image does not depend on the images beside it.

    Parameters
    ----------
    machine : BoltzmannMachine
    visible : (n, n_visible) uint8 in {0, 1}, n >= 1
        Images, on the host.
    tolerance : float, >= 0
        An image is done once no probability changes by more in a sweep.
    max_sweeps : int, >= 1
        Most sweeps for an image.
    backend : Backend

    Returns
    -------
    means : list of (n, n_units) float32 (reference: float64), in [0, 1]
        One array for each hidden layer, bottom first, where the backend computes: means[-1] for `fit`.
    n_sweeps : (n,) int64, there, too
        Sweeps that each image took.

    Raises
    ------
    InputError
        If the images are not of the visible layer, or a limit is out of its range.
    """
    _check_images(machine, visible)
    if not tolerance >= 0 or not max_sweeps >= 1:
        raise InputError(
            f"encode: tolerance is {tolerance} and max_sweeps {max_sweeps}; expected a tolerance of 0 or more "
            "(1e-5, say) and 1 sweep or more (50, say)"
        )
    device_machine = backend.on_device(machine)

    def piece(first: int, n: int) -> tuple[list[Any], Any]:
        return backend.mean_field(device_machine, visible[first : first + n], tolerance, max_sweeps)

    pieces = backend.in_pieces(piece, len(visible), BYTES_A_UNIT * sum(machine.layer_sizes))
    means, n_sweeps = zip(*pieces)
    return [backend.xp.concatenate(layer) for layer in zip(*means)], backend.xp.concatenate(n_sweeps)


def encode_by_sampling(
    machine: BoltzmannMachine, visible: npt.NDArray[np.uint8], n_gibbs_steps: int, key: np.uint64, backend: "Backend"
) -> Any:
    """States of the top layer after Gibbs steps with the visible units clamped to images: a draw from about p(h|v).

    The hidden layers start empty (all 0); each step draws the odd layers given the even ones, then the even ones (not
    the visible one) given the odd, by p(s_i=1) = s(field_i) (Eqs. 9, 10).

    Parameters
    ----------
    machine : BoltzmannMachine
    visible : (n, n_visible) uint8 in {0, 1}, n >= 1
        Images, on the host; image c is chain c.
    n_gibbs_steps : int, >= 1
    key : np.uint64
        Stream of these chains.
    backend : Backend

    Returns
    -------
    (n, n_top) uint8, where the backend computes

    Raises
    ------
    InputError
        If the images are not of the visible layer, or there is no step.
    """
    _check_images(machine, visible)
    if not n_gibbs_steps >= 1:
        raise InputError(f"encode_by_sampling: n_gibbs_steps is {n_gibbs_steps}, expected 1 or more")
    device_machine = backend.on_device(machine)

    def piece(first: int, n: int) -> Any:
        empty = [np.zeros((n, n_units), np.uint8) for n_units in machine.layer_sizes[1:]]
        start = [visible[first : first + n], *empty]
        return backend.advance(device_machine, start, key, 0, n_gibbs_steps, first, first_layer=1)[-1]

    pieces = backend.in_pieces(piece, len(visible), gibbs.BYTES_A_UNIT * sum(machine.layer_sizes))
    return backend.xp.concatenate(pieces)


def _check_images(machine: BoltzmannMachine, visible: np.ndarray) -> None:
    """InputError unless these are images, at least one, of the visible layer."""
    check_states([visible], machine.layer_sizes[:1], "visible")
    if not len(visible):
        raise InputError("visible holds no image; expected at least one")


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


def fit(
    features: Any,
    labels: npt.NDArray[np.integer],
    strength: float,
    max_iterations: int,
    tolerance: float,
    backend: "Backend",
) -> Classifier:
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


def _scikit_learn(
    features: Any,
    labels: npt.NDArray[np.integer],
    n_classes: int,
    strength: float,
    max_iterations: int,
    tolerance: float,
    backend: "Backend",
) -> tuple[np.ndarray, np.ndarray, int, bool]:
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


def probabilities(classifier: Classifier, features: Any, backend: "Backend") -> npt.NDArray[np.float64]:
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


def error(classifier: Classifier, features: Any, labels: npt.NDArray[np.integer], backend: "Backend") -> float:
    """Fraction of the cases whose most probable class is not their label.

    Parameters
    ----------
    classifier : Classifier
    features : (n, n_features) array
        On the host, or where the backend computes.
    labels : (n,) int
    backend : Backend

    Returns
    -------
    float, in [0, 1]
    """
    predicted = classifier.classes[probabilities(classifier, features, backend).argmax(axis=1)]
    return float(np.mean(predicted != labels))


def classifier_arrays(classifier: Classifier, prefix: str = "classifier/") -> dict[str, np.ndarray]:
    """A classifier as named arrays for `store.write_arrays`: classifier/weights, classifier/bias, ..."""
    return {f"{prefix}{name}": np.asarray(value) for name, value in vars(classifier).items()}


def read_classifier(arrays: "Arrays", prefix: str = "classifier/") -> Classifier:
    """The classifier from the `store.Arrays` that hold it."""
    classes = arrays.checked(f"{prefix}classes", "iu", (None,))
    bias = arrays.checked(f"{prefix}bias", "f", classes.shape)
    weights = arrays.checked(f"{prefix}weights", "f", (None, len(classes)))
    converged = bool(arrays.checked(f"{prefix}converged", "b", ()))
    if len(classes) == 0:
        raise arrays.damaged(f"'{prefix}classes' is empty")
    return Classifier(weights, bias, classes, arrays.number(f"{prefix}n_iterations"), converged)
