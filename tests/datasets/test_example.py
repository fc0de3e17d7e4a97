"""The patch that the figure shows."""

import numpy as np
import pytest

from boltzprune.datasets import Raw, patches


def _check(example, offsets, channels):
    height, width = example["binary"].shape
    assert example["image"].shape == (height, width, channels) and example["image"].dtype == np.uint8
    assert example["grey"].shape == (height, width) and max(height, width) <= 64
    y, x = example["centre"]
    assert min(y, x) >= 2 and y + 2 < height and x + 2 < width
    np.testing.assert_array_equal(example["binary"][y + offsets[:, 0], x + offsets[:, 1]], example["state"])
    assert 0 < example["state"].sum() < len(offsets)


def test_it_is_the_most_varied_patch_with_its_image(images, settings):
    prepared = patches.prepare(Raw(images=images), settings())
    example = prepared.example
    _check(example, prepared.offsets, example["image"].shape[2])
    np.testing.assert_array_equal(example["grey"], example["image"].astype(int).sum(axis=-1))
    same_size = [image for stack in images for image in stack if image.shape == example["image"].shape]
    assert any((example["image"] == image).all() for image in same_size)
    n_ones = prepared.states.sum(axis=1)
    assert min(example["state"].sum(), 13 - example["state"].sum()) == np.minimum(n_ones, 13 - n_ones).max()
    again = patches.prepare(Raw(images=images), settings()).example
    assert all(np.array_equal(example[key], again[key]) for key in example)


def test_among_equals_it_is_the_nearest_to_the_middle(settings):
    stripes = np.zeros((1, 25, 35, 1), dtype=np.uint8)
    stripes[:, :, ::2] = 9  # every patch is as varied as every other
    prepared = patches.prepare(Raw(images=[stripes]), settings(n_patterns=35, median="image"))
    assert prepared.example["centre"].tolist() == [12, 17]


@pytest.mark.parametrize("seed", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_of_a_large_image_it_has_a_crop(settings, seed, dtype):
    stack = np.random.default_rng(seed).integers(0, 256, (1, 97, 131, 1)).astype(dtype)
    prepared = patches.prepare(Raw(images=[stack]), settings(n_patterns=3, seed=seed))
    _check(prepared.example, prepared.offsets, 1)
    assert prepared.example["binary"].shape == (64, 64) and prepared.example["grey"].dtype != np.uint8


def test_values_that_are_not_bytes_are_stretched(settings):
    stack = np.random.default_rng(23).normal(size=(1, 17, 19, 3))
    prepared = patches.prepare(Raw(images=[stack]), settings(n_patterns=7))
    image = prepared.example["image"]
    assert image.min() == 0 and image.max() == 255
    np.testing.assert_allclose(image / 255, (stack[0] - stack.min()) / np.ptp(stack), atol=0.002)
