"""Digits prepared: crop, binarisation, random order, subsets, notes."""

from types import SimpleNamespace

import numpy as np
import pytest

from boltzprune.core import streams
from boltzprune.datasets import Labelled
from boltzprune.datasets.digits import binarise, crop, prepare
from boltzprune.errors import InputError

RNG = np.random.default_rng(23)
IMAGES = RNG.integers(0, 256, (53, 11, 7), dtype=np.uint8)
TEST_IMAGES = RNG.integers(0, 128, (29, 11, 7), dtype=np.uint8)  # darker: its mean is another
LABELS, TEST_LABELS = np.arange(53) % 5, (np.arange(29) * 2) % 5
DATA = Labelled(IMAGES, LABELS, TEST_IMAGES, TEST_LABELS, ["from a test"])


def _settings(**changed):
    given = {
        "crop": 2,
        "threshold": "mean",
        "n_train": None,
        "n_test": None,
        "n_classes": 5,
        "seed": 7,
        "transposed": False,
    }
    return SimpleNamespace(**{**given, **changed})


def _binary(images, threshold=None):
    """Cropped by 2 and binarised, pixel by pixel."""
    inner = images[:, 2:9, 2:5].astype(float)
    mean = sum(inner.ravel().tolist()) / inner.size if threshold is None else threshold
    return np.array([[int(image[y, x] > mean) for y in range(7) for x in range(3)] for image in inner])


def test_all_images_cropped_and_binarised_at_the_mean_of_their_own_set_in_random_order():
    found = prepare(DATA, _settings())
    order = streams.permutation(streams.fork(7, "choice of patterns", 1), 53)
    assert found.states.dtype == found.labels.dtype == found.test_states.dtype == found.test_labels.dtype == np.uint8
    np.testing.assert_array_equal(found.states, _binary(IMAGES)[order])
    np.testing.assert_array_equal(found.labels, LABELS[order])
    np.testing.assert_array_equal(found.test_states, _binary(TEST_IMAGES))
    np.testing.assert_array_equal(found.test_labels, TEST_LABELS)
    assert found.shape == (7, 3) and found.n_train == 53 and found.notes == ["from a test"]
    counts = {"images": 53, "test_images": 29, "n_train": 53, "pixels": 21, "constant_pixels": 0, "classes": 5}
    assert found.counts == counts
    assert 0.4 < found.test_states.mean() < 0.6  # at the mean of the training set it would be near 0


def test_the_mean_is_that_of_the_cropped_images():
    framed = np.full((53, 11, 7), 255, dtype=np.uint8)
    framed[:, 2:9, 2:5] = IMAGES[:, 2:9, 2:5]
    found = prepare(Labelled(framed, LABELS, TEST_IMAGES, TEST_LABELS), _settings())
    np.testing.assert_array_equal(found.states, prepare(DATA, _settings()).states)


def test_the_order_depends_on_the_seed_and_is_not_that_of_the_split():
    numbered = np.arange(53)
    data = Labelled(IMAGES, numbered, TEST_IMAGES, TEST_LABELS)
    orders = [prepare(data, _settings(seed=seed, n_classes=53)).labels.tolist() for seed in (7, 7, 8)]
    assert orders[0] == orders[1] != orders[2] and sorted(orders[0]) == numbered.tolist() != orders[0]
    assert orders[0] != streams.permutation(streams.fork(7, "choice of patterns"), 53).tolist()


def test_subsets_choose_images_and_change_none():
    whole, part = prepare(DATA, _settings()), prepare(DATA, _settings(n_train=17, n_test=13))
    np.testing.assert_array_equal(part.states, whole.states)
    np.testing.assert_array_equal(part.labels, whole.labels)
    np.testing.assert_array_equal(part.test_states, whole.test_states[:13])
    np.testing.assert_array_equal(part.test_labels, whole.test_labels[:13])
    assert part.n_train == part.counts["n_train"] == 17 and part.counts["test_images"] == 13
    assert part.counts["images"] == 53 and len(part.states) == 53


@pytest.mark.parametrize("threshold", [0, 100, 100.5, 130.0])
def test_a_threshold_is_for_both_sets_and_is_itself_0(threshold):
    found = prepare(DATA, _settings(threshold=threshold, n_train=53))
    assert 100 in TEST_IMAGES and 100 in IMAGES
    np.testing.assert_array_equal(np.sort(found.states, axis=0), np.sort(_binary(IMAGES, threshold), axis=0))
    np.testing.assert_array_equal(found.test_states, _binary(TEST_IMAGES, threshold))


def test_pixels_at_the_mean_are_0():
    assert binarise(np.array([[[2, 4, 6]]], dtype=np.uint8), "mean").tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int64, np.float16, np.float32, np.float64])
def test_any_number_type_in_either_memory_order(dtype):
    images = np.asfortranarray(IMAGES.astype(dtype))
    found = prepare(Labelled(images, LABELS, TEST_IMAGES.astype(dtype), TEST_LABELS), _settings())
    np.testing.assert_array_equal(found.states, prepare(DATA, _settings()).states)
    assert found.states.flags.c_contiguous


def test_the_threshold_is_compared_in_double_precision():
    images = np.array([[[np.float16(0.1), np.float16(0.3)]]])
    assert binarise(images, float(np.float16(0.1)) - 1e-9).tolist() == [[1, 1]]


@pytest.mark.parametrize(("margin", "shape"), [(0, (11, 7)), (1, (9, 5)), (3, (5, 1))])
def test_the_crop_takes_both_sides(margin, shape):
    found = crop(IMAGES, margin)
    assert found.shape == (53, *shape)
    np.testing.assert_array_equal(found[:, 0, 0], IMAGES[:, margin, margin])
    np.testing.assert_array_equal(found[:, -1, -1], IMAGES[:, 10 - margin, 6 - margin])


def test_images_that_are_stored_transposed_are_turned_before_they_are_cropped():
    """A seven, as EMNIST would store it: what is a row in the file is a column of the image."""
    seven = np.array([[9, 9, 9, 9, 9], [1, 1, 1, 9, 1], [1, 1, 9, 1, 1], [1, 9, 1, 1, 1], [1, 9, 1, 1, 1]])
    seven = np.vstack([np.zeros((2, 5)), seven])  # 7 x 5, not square
    stored = np.stack([seven.T, np.fliplr(seven).T, np.zeros((5, 7)), seven.T])
    data = Labelled(stored, np.array([0, 1, 2, 0]), stored[:2], np.array([0, 1]))
    found = prepare(data, _settings(transposed=True, crop=1, threshold=5, n_classes=3))
    assert found.shape == (5, 3)
    expected = (seven > 5)[1:-1, 1:-1].astype(np.uint8)
    np.testing.assert_array_equal(found.test_states[0].reshape(5, 3), expected)
    np.testing.assert_array_equal(found.test_states[1].reshape(5, 3), expected[:, ::-1])
    for state in found.states[found.labels == 0]:
        np.testing.assert_array_equal(state.reshape(5, 3), expected)
    turned = Labelled(stored.swapaxes(1, 2), data.train_labels, data.test_images.swapaxes(1, 2), data.test_labels)
    same = prepare(turned, _settings(crop=1, threshold=5, n_classes=3))
    np.testing.assert_array_equal(same.states, found.states)
    assert prepare(data, _settings(crop=1, threshold=5, n_classes=3)).shape == (3, 5)


@pytest.mark.parametrize("margin", [-1, 4, 5, 99])
def test_a_crop_that_leaves_nothing_is_refused(margin):
    with pytest.raises(InputError, match=rf"digits\.data\.crop is {margin}: .*11 x 7 .*expected 0 to 3"):
        prepare(DATA, _settings(crop=margin))
    with pytest.raises(InputError, match=r"8 x 8 .*expected 0 to 3"):
        crop(np.zeros((3, 8, 8)), 4)


@pytest.mark.parametrize(("key", "n", "which"), [("n_train", 53, "training"), ("n_test", 29, "test")])
def test_more_images_than_there_are_are_refused(key, n, which):
    for wanted in (0, -1, n + 1):
        with pytest.raises(
            InputError, match=rf"digits\.data\.{key} is {wanted}, .* {n} {which} images; expected 1 to {n}"
        ):
            prepare(DATA, _settings(**{key: wanted}))
    assert prepare(DATA, _settings(**{key: n})).counts["n_train"] == 53


def test_images_that_are_all_the_same_are_refused():
    for threshold in (300, -1.0):
        with pytest.raises(InputError, match=rf"all 53 training .*threshold {threshold}, .*values are 0 to 255;"):
            prepare(DATA, _settings(threshold=threshold))
    with pytest.raises(InputError, match="all 1 training images"):
        prepare(DATA, _settings(n_train=1))


def test_constant_pixels_are_counted_over_the_images_to_learn():
    images = IMAGES.copy()
    images[:, 3, 2], images[:, 8, 4] = 0, 255
    data = Labelled(images, LABELS, TEST_IMAGES, TEST_LABELS)
    found = prepare(data, _settings())
    assert found.counts["constant_pixels"] == 2
    assert found.notes == ["2 of 21 pixels are the same in all 53 images to learn"]
    few = prepare(data, _settings(n_train=3))
    states = few.states[:3]
    n_constant = sum(len(set(states[:, pixel])) == 1 for pixel in range(21))
    assert few.counts["constant_pixels"] == n_constant > 2


def test_classes_without_images_are_noted():
    labels = np.where(LABELS == 3, 6, LABELS)
    order = streams.permutation(streams.fork(7, "choice of patterns", 1), 53)
    labels[order[:11]] = 0
    data = Labelled(IMAGES, labels, TEST_IMAGES, TEST_LABELS)
    found = prepare(data, _settings(n_classes=8, n_train=11))
    assert found.counts["classes"] == 5
    assert found.notes[:2] == [
        "classes without an image in the training set: 3, 5, 7",
        "classes without an image among the 11 images to learn: 1, 2, 4, 6",
    ]


def test_labels_of_256_classes_fit_and_more_are_refused():
    data = Labelled(IMAGES, np.arange(53) + 203, TEST_IMAGES, TEST_LABELS)
    assert prepare(data, _settings(n_classes=256)).labels.max() == 255
    for n_classes in (0, 257):
        with pytest.raises(InputError, match=rf"digits\.data\.n_classes is {n_classes}; expected 1 to 256"):
            prepare(data, _settings(n_classes=n_classes))


def test_the_data_of_the_source_are_left_alone():
    before = IMAGES.copy()
    prepare(DATA, _settings()).states[:] = 7
    np.testing.assert_array_equal(IMAGES, before)
    assert DATA.notes == ["from a test"]
