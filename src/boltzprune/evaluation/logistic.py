"""Multinomial logistic regression on a GPU: objective and gradient as array algebra there, L-BFGS on the host."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from boltzprune.backend.reference import Backend

ROWS_PER_BLOCK = 1 << 14
FINEST_IN_SINGLE = 5e-5
"""Below this tolerance products are taken in float64. In float32 rounding moves the objective by some 1e-9 nats, which
stops L-BFGS where components of the gradient of up to 2e-5 are left (measured), and it reports that as convergence."""


def minimise(
    features: Any,
    labels: npt.NDArray[np.integer],
    n_classes: int,
    strength: float,
    max_iterations: int,
    tolerance: float,
    backend: "Backend",
) -> tuple[np.ndarray, np.ndarray, int, bool]:
    """Weights and biases of the multinomial logistic regression, those of scikit-learn's LogisticRegression.

    Minimises L = (1/n) sum over cases of -log p(label | x) + |W|^2 / (2 n strength), with p(. | x) = softmax(x.W + b),
    from W = b = 0 by SciPy's L-BFGS-B with the options that scikit-learn gives it. The bias is not penalised. Of two
    classes the first has score 0, as in scikit-learn, so that |W|^2 is that of one vector. Equal input gives equal bits
    on one device.

    Products of the features are float32 (float64 if the tolerance is below `FINEST_IN_SINGLE`), all else is float64. A
    tolerance below 1e-7 is not sensible: L no longer changes in float64, which ends the search as converged.

    On the device: 4 n n_features + n n_classes bytes for features and labels, 1 n n_features more while uint8 is
    converted; per block of `ROWS_PER_BLOCK` cases a few (rows, n_classes) float64 arrays and, for float64 products, one
    of (rows, n_features). An evaluation is 4 n n_features n_classes operations and some 10 n n_classes of log-softmax,
    reads the features twice (8 n n_features bytes; float64: 28) and moves (n_features + 1) n_classes float64 parameters
    to the device, as many and the loss of each class back.

    Parameters
    ----------
    features : (n, n_features) host or device array, uint8 or float32
    labels : (n,) int, host
        Index of the class, 0 to n_classes - 1.
    n_classes : int, >= 2
    strength : float, > 0
        Inverse of the regularisation, C in scikit-learn.
    max_iterations : int
    tolerance : float, > 0
        Largest component of the gradient of L, nats, at which to stop.
    backend : Backend
        Its xp, asarray and to_host.

    Returns
    -------
    weights : (n_features, n_classes) float64, host
    bias : (n_classes,) float64, host
    n_iterations : int
    converged : bool
        False after max_iterations, and where L-BFGS ends abnormally.

    Raises
    ------
    ValueError
        If labels does not hold one index per case, or one that is not a class.
    """
    from scipy.optimize import minimize

    n, n_features = features.shape
    target = _indicators(labels, n, n_classes, backend)
    features = backend.asarray(features).astype(np.float32, copy=False)
    product_type = np.float32 if tolerance >= FINEST_IN_SINGLE else np.float64
    n_free = 1 if n_classes == 2 else n_classes

    def unpack(x: np.ndarray) -> npt.NDArray[np.float64]:
        parameters = np.zeros((n_features + 1, n_classes))
        parameters[:, -n_free:] = x.reshape(n_features + 1, n_free)
        return parameters

    def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = unpack(x)
        sums = loss_sums(features, target, backend.asarray(parameters), product_type, backend.xp)
        loss, gradient = penalised_mean(backend.to_host(sums), parameters, n, strength)
        return loss, gradient[:, -n_free:].ravel()

    options = {"maxiter": max_iterations, "maxls": 50, "gtol": tolerance, "ftol": 64 * np.finfo(float).eps}
    start = np.zeros((n_features + 1) * n_free)
    found = minimize(objective, start, method="L-BFGS-B", jac=True, options=options)
    parameters = unpack(found.x)
    return parameters[:-1], parameters[-1], int(found.nit), found.status == 0


def _indicators(labels: npt.NDArray[np.integer], n: int, n_classes: int, backend: "Backend") -> Any:
    """Whether a case is of a class: (n, n_classes) bool on the device."""
    labels = np.asarray(labels)
    if labels.shape != (n,) or not ((labels >= 0) & (labels < n_classes)).all():
        raise ValueError(f"labels of shape {labels.shape}: expected {n} indices from 0 to {n_classes - 1}")
    return backend.asarray(labels.astype(np.int32))[:, None] == backend.xp.arange(n_classes, dtype=np.int32)


def loss_sums(features: Any, target: Any, parameters: Any, product_type: type[np.floating], xp: Any) -> Any:
    """Gradient of the sum of -log p(label | x) over the cases, and that sum, taken block by block.

    Parameters
    ----------
    features : (n, n_features) float32
    target : (n, n_classes) bool
        Whether the case is of the class.
    parameters : (n_features + 1, n_classes) float64
        Weights, and in the last row the bias.
    product_type : float32 or float64
        Of the two products with the features.
    xp : module of arrays

    Returns
    -------
    (n_features + 2, n_classes) float64, nats
        Gradient for the parameters; in the last row the sum of -log p over the cases of each class.
    """
    weights, bias = parameters[:-1].astype(product_type), parameters[-1]
    sums = xp.zeros((len(parameters) + 1, len(bias)), dtype=np.float64)
    for i in range(0, len(features), ROWS_PER_BLOCK):
        x, t = features[i : i + ROWS_PER_BLOCK].astype(product_type, copy=False), target[i : i + ROWS_PER_BLOCK]
        log_p = log_softmax((x @ weights).astype(np.float64) + bias, xp)
        residual = xp.exp(log_p) - t
        sums[:-2] += (x.T @ residual.astype(product_type)).astype(np.float64)
        sums[-2] += residual.sum(axis=0)
        sums[-1] -= xp.where(t, log_p, 0.0).sum(axis=0)
    return sums


def log_softmax(scores: Any, xp: Any) -> Any:
    """s_c - log sum over k of exp(s_k), by row: (n, n_classes) float64, nats, <= 0."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    return shifted - xp.log(xp.exp(shifted).sum(axis=1, keepdims=True))


def penalised_mean(
    sums: np.ndarray, parameters: np.ndarray, n: int, strength: float
) -> tuple[float, npt.NDArray[np.float64]]:
    """L = (sum of -log p) / n + |W|^2 / (2 n strength) and its gradient, from what `loss_sums` gives for n cases.

    Parameters
    ----------
    sums : (n_features + 2, n_classes) float64
    parameters : (n_features + 1, n_classes) float64
        Weights, and in the last row the bias.
    n : int
    strength : float

    Returns
    -------
    float, nats; (n_features + 1, n_classes) float64
    """
    gradient, weights = sums[:-1] / n, parameters[:-1]
    gradient[:-1] += weights / (n * strength)
    return float(sums[-1].sum() / n + (weights * weights).sum() / (2 * n * strength)), gradient
