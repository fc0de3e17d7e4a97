"""Receptive fields: which pixels a unit sees."""

import numpy as np
import pytest

from boltzprune.core.masks import receptive_fields
from boltzprune.errors import InputError


def sees(mask, shape, place):
    """What the unit at a place sees, as an image."""
    return mask[:, np.ravel_multi_index(place, shape)].reshape(shape).astype(int).tolist()


def test_the_number_of_weights_of_the_paper():
    mask = receptive_fields((20, 20), 5)
    assert mask.shape == (400, 400) and mask.dtype == bool
    assert np.count_nonzero(mask) == 8836


@pytest.mark.parametrize("shape", [(3, 5), (7, 2), (1, 11), (5, 5)])
@pytest.mark.parametrize("side", [1, 3, 5, 13])
def test_number_of_weights_of_any_shape(shape, side):
    pairs = [sum(abs(a - b) <= side // 2 for a in range(n) for b in range(n)) for n in shape]
    mask = receptive_fields(shape, side)
    assert mask.shape == (shape[0] * shape[1],) * 2
    assert np.count_nonzero(mask) == pairs[0] * pairs[1]
    assert (mask == mask.T).all() and mask.diagonal().all()


def test_fields_by_hand():
    mask = receptive_fields((3, 5), 3)
    assert sees(mask, (3, 5), (1, 2)) == [[0, 1, 1, 1, 0]] * 3
    assert sees(mask, (3, 5), (0, 0)) == [[1, 1, 0, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0]]
    assert sees(mask, (3, 5), (2, 4)) == [[0, 0, 0, 0, 0], [0, 0, 0, 1, 1], [0, 0, 0, 1, 1]]
    assert sees(mask, (3, 5), (0, 3)) == [[0, 0, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 0, 0, 0]]


def test_a_field_does_not_go_round_the_border():
    mask = receptive_fields((5, 7), 5)
    assert sees(mask, (5, 7), (4, 6)) == [[0] * 7] * 2 + [[0, 0, 0, 0, 1, 1, 1]] * 3


def test_one_pixel_is_the_identity_and_a_large_field_is_everything():
    assert (receptive_fields((3, 2), 1) == np.eye(6, dtype=bool)).all()
    assert receptive_fields((3, 5), 9).all()
    assert not receptive_fields((3, 5), 7).all()  # 3 pixels to each side, 4 are needed


@pytest.mark.parametrize("side", [-1, 0, 2, 4])
def test_an_even_side_is_refused(side):
    with pytest.raises(InputError, match=f"receptive_field is {side}; expected an odd number"):
        receptive_fields((3, 5), side)
