"""Labels that are wrong, each in its way: what they are is said, and what takes them."""

import numpy as np
import pytest

from boltzprune.datasets import labels
from boltzprune.errors import InputError

GOOD = np.arange(31) % 4


def _with(place, value):
    changed = GOOD.astype(float)
    changed[place] = value
    return changed


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (_with(7, 0.5), r"my labels holds 0\.5 at \[7\]; expected one integer .*: mend it"),
        (_with(11, np.nan), r"my labels holds nan at \[11\]; .* leave out images that have no label"),
        (_with(5, np.inf), r"holds inf at \[5\]"),
        (GOOD.astype(float), r"type float64; expected one integer .*\(31,\): store labels\.astype\(int\)"),
        (GOOD > 1, r"type bool; .*: store labels\.astype\(int\), for two classes"),
        (np.eye(4)[GOOD], r"is one-hot, has the shape \(31, 4\) .*: store labels\.argmax\(axis=1\)"),
        (np.eye(4, dtype=int)[GOOD] * 2, r"shape \(31, 4\) and the type int64; .*: store one number for each image"),
        (GOOD[:, None], r"shape \(31, 1\) .*: store labels\.ravel\(\)"),
        (GOOD[None], r"shape \(1, 31\) .*: store labels\.ravel\(\)"),
        (np.array(3), r"shape \(\) .*: store one number for each image"),
    ],
)
def test_what_is_no_whole_number_for_each_image_is_told_apart(given, message):
    with pytest.raises(InputError, match=message):
        labels.integers(given, 31, "my labels")


def test_the_remedies_are_right():
    for given in (GOOD.astype(float).astype(int), np.eye(4)[GOOD].argmax(axis=1), GOOD[:, None].ravel()):
        np.testing.assert_array_equal(labels.integers(given, 31, "labels"), GOOD)


def _check(train, test, n_classes=4):
    sets = [(given, given, f"{name} images", f"{name} labels") for name, given in (("a", train), ("b", test))]
    return labels.check(sets, n_classes)


def test_the_largest_label_of_both_sets_is_named_at_once_with_the_key_that_takes_it():
    train, test = GOOD.copy(), GOOD.copy()
    train[[3, 5]], test[[2, 17]] = [4, 9], [8, 25]
    message = r"^b labels: label 17 \(of the images in b images\) is 25, the largest; expected 0 to 3: set digits"
    with pytest.raises(InputError, match=message + r"\.data\.n_classes to 26 \(now 4\)$"):
        _check(train, test)
    with pytest.raises(InputError, match=r"^a labels: label 5 .* is 9, the .*n_classes to 10 \(now 4\)"):
        _check(train, GOOD)
    found = _check(train, test, 26)
    np.testing.assert_array_equal(found[0], train)
    assert found[1].dtype == np.int64 and found[1][17] == 25


def test_labels_that_count_from_1_leave_a_class_empty():
    """EMNIST letters have labels 1 to 26."""
    letters = np.arange(1, 27)
    with pytest.raises(InputError, match=r"is 26, .*n_classes to 27, which leaves class 0 empty \(now 26\)"):
        _check(letters, letters, 26)
    with pytest.raises(InputError, match=r"n_classes to 27, which leaves classes 0 to 2 empty \(now 26\)"):
        _check(letters[2:], letters[5:], 26)


def test_labels_beyond_all_classes_have_to_be_numbered():
    for largest in (256, 2**63):
        with pytest.raises(InputError, match=rf"is {largest}, .* number the classes from 0 to at most 255 and set "):
            _check(np.array([0, largest], dtype=np.uint64), GOOD)


def test_labels_below_0_are_counted():
    wrong = GOOD.copy()
    wrong[[13, 29]] = [-2, -1]
    with pytest.raises(InputError, match=r"^b labels: label 13 .* is -2, one of 2 below 0; expected 0 to 3: mend them"):
        _check(GOOD, wrong)
