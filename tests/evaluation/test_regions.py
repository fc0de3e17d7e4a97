"""Border and centre of an image: by hand, symmetric, apart."""

import numpy as np
import pytest

from boltzprune.evaluation.regions import border_and_centre


def test_by_hand():
    found = border_and_centre((11, 7))
    border, centre = np.ones((11, 7), dtype=bool), np.zeros((11, 7), dtype=bool)
    border[1:10, 1:6] = False
    centre[3:8, 2:5] = True
    assert found["border"].tolist() == border.ravel().tolist()
    assert found["centre"].tolist() == centre.ravel().tolist()
    # 20 x 20: two pixels wide, and the ten in the middle
    border, centre = (mask.reshape(20, 20) for mask in border_and_centre((20, 20)).values())
    assert np.array_equal(np.flatnonzero(centre.any(axis=0)), np.arange(5, 15))
    assert (~border).sum() == 16 * 16


@pytest.mark.parametrize("shape", [(11, 7), (20, 20), (8, 8), (7, 11), (3, 3), (1, 5), (2, 2)])
def test_symmetric_and_apart(shape):
    border, centre = (mask.reshape(shape) for mask in border_and_centre(shape).values())
    for mask in (border, centre):
        assert np.array_equal(mask, mask[::-1]) and np.array_equal(mask, mask[:, ::-1])
    assert not (border & centre).any()
    assert border.any()
    assert centre.any() == (min(shape) > 2)
