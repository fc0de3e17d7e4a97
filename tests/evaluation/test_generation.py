"""Quality and diversity by hand, and patterns at random."""

import numpy as np
import pytest

from boltzprune.backend import get_backend
from boltzprune.core import streams
from boltzprune.evaluation.encoding import Classifier, probabilities
from boltzprune.evaluation.generation import generation, random_patterns

BACKEND = get_backend("reference")


def one_pixel_per_class(n_classes, odds=3.0):
    """A classifier by which a pixel multiplies the odds of its class."""
    classes = np.arange(n_classes) * 2 + 1
    return Classifier(np.log(odds) * np.eye(n_classes), np.zeros(n_classes), classes, 1, True)


def test_quality_and_diversity_by_hand():
    # two pixels: 3 / 8 with the first class winning; one pixel: 3 / 7; class 3 of 5 never wins
    patterns = np.array([[1, 0, 0, 0, 1]] * 2 + [[1, 0, 0, 0, 0]] + [[0, 0, 1, 0, 0]] * 4 + [[0, 1, 0, 0, 0]] * 4)
    classifier = one_pixel_per_class(5)
    found = generation(classifier, patterns, BACKEND)
    p_one, p_two = 3 / 7, 3 / 9
    shares = np.array([3, 4, 4, 0, 0]) / 11
    np.testing.assert_allclose(found.shares, shares)
    class_quality = [(2 * p_two + p_one) / 3, p_one, p_one, np.nan, np.nan]
    np.testing.assert_allclose(found.class_quality, class_quality)
    assert found.quality_mean == pytest.approx((2 * p_two + 9 * p_one) / 11)
    assert found.quality_class_mean == pytest.approx(np.mean(class_quality[:3]))
    assert found.diversity == pytest.approx(-(shares[:3] * np.log(shares[:3])).sum())
    assert {type(value) for value in (found.quality_mean, found.quality_class_mean, found.diversity)} == {float}


def test_an_even_spread_has_the_entropy_of_the_number_of_classes():
    found = generation(one_pixel_per_class(7), np.tile(np.eye(7), (3, 1)), BACKEND)
    assert found.diversity == pytest.approx(np.log(7))
    assert found.quality_mean == pytest.approx(found.quality_class_mean) == pytest.approx(3 / 9)


def test_one_class_alone_has_no_diversity():
    found = generation(one_pixel_per_class(7), np.tile(np.eye(7)[4], (5, 1)), BACKEND)
    assert found.diversity == 0 and str(found.diversity) == "0.0"
    assert found.quality_class_mean == found.quality_mean == pytest.approx(3 / 9)
    assert found.shares.tolist() == [0, 0, 0, 0, 1, 0, 0] and np.isnan(found.class_quality).sum() == 6


def test_the_measures_agree_with_their_definitions_on_random_patterns():
    rng = np.random.default_rng(3)
    classifier = Classifier(rng.normal(0, 1, (13, 5)), rng.normal(0, 1, 5), np.arange(5), 1, True)
    patterns = rng.integers(0, 2, (211, 13))
    p = probabilities(classifier, patterns, BACKEND)
    winner = p.argmax(axis=1)
    found = generation(classifier, patterns, BACKEND)
    assert found.quality_mean == pytest.approx(p.max(axis=1).mean())
    means = [p[winner == c].max(axis=1).mean() for c in range(5) if (winner == c).any()]
    assert found.quality_class_mean == pytest.approx(np.mean(means))
    assert abs(found.quality_class_mean - found.quality_mean) > 0.01  # so that one could not pass for the other
    assert found.shares.sum() == pytest.approx(1)


def test_random_patterns_are_even_bits_of_the_stream():
    key = streams.fork(5, "samples")
    found = random_patterns(1009, 101, key)
    assert found.dtype == np.uint8 and found.shape == (1009, 101) and set(np.unique(found)) == {0, 1}
    assert abs(found.mean() - 0.5) < 4 * 0.5 / np.sqrt(found.size)
    spread = 4 / np.sqrt(2 * 1009)
    for axis, n in ((0, 1009), (1, 101)):
        z = (found.mean(axis=axis) - 0.5) * 2 * np.sqrt(n)
        assert abs(z.std() - 1) < max(spread, 4 / np.sqrt(2 * len(z)))
    assert (random_patterns(7, 101, key) == found[:7]).all()
    assert (found[3, :5] == (streams.uniform(key, 0, 0, [3], 5)[0] < 0.5)).all()
    assert (random_patterns(7, 101, streams.fork(6, "samples")) != found[:7]).any()
