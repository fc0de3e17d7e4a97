"""How good and how varied generated patterns are, judged by a classifier of the data."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from boltzprune.core.streams import uniform
from boltzprune.evaluation.encoding import Classifier, probabilities

if TYPE_CHECKING:
    from boltzprune.backend.reference import Backend


@dataclass(frozen=True)
class Generation:
    """What a classifier says of a set of patterns; each is assigned to its most probable class.

    Attributes
    ----------
    quality_mean : float, in [0, 1]
        Mean over the patterns of the winning class's probability.
    quality_class_mean : float, in [0, 1]
        Mean over the classes that occur of their mean winning probability: rare classes count as much as others.
    diversity : float
        Entropy of the assigned classes, -sum_c share_c log share_c, nats; log(n_classes) is even.
    shares : (n_classes,) float64
        Fraction of the patterns assigned to each of the classifier's classes.
    class_quality : (n_classes,) float64
        Mean winning probability of the patterns assigned to the class; NaN where there are none.
    """

    quality_mean: float
    quality_class_mean: float
    diversity: float
    shares: np.ndarray
    class_quality: np.ndarray


def generation(classifier: Classifier, visible: np.ndarray, backend: "Backend") -> Generation:
    """Quality and diversity of patterns.

    Parameters
    ----------
    classifier : encoding.Classifier
        Fitted to patterns of the data.
    visible : (n, n_visible) array in {0, 1}, n >= 1
    backend : Backend

    Returns
    -------
    Generation
    """
    p = probabilities(classifier, visible, backend)
    winner, winning = p.argmax(axis=1), p.max(axis=1)
    counts = np.bincount(winner, minlength=p.shape[1])
    sums = np.bincount(winner, weights=winning, minlength=p.shape[1])
    occurs = counts > 0
    class_quality = np.where(occurs, sums / np.maximum(counts, 1), np.nan)
    shares = counts / len(p)
    diversity = -np.sum(shares[occurs] * np.log(shares[occurs]))
    return Generation(
        float(winning.mean()), float(class_quality[occurs].mean()), float(diversity) + 0.0, shares, class_quality
    )


def random_patterns(n: int, n_pixels: int, key: np.uint64) -> npt.NDArray[np.uint8]:
    """Patterns whose pixels are 1 with probability 1/2, independently of each other.

    Parameters
    ----------
    n, n_pixels : int
    key : np.uint64
        Stream of the patterns; pattern c has the random numbers of chain c.

    Returns
    -------
    (n, n_pixels) uint8
    """
    return (uniform(key, 0, 0, np.arange(n), n_pixels) < 0.5).astype(np.uint8)
