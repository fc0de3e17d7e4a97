"""One tiny study of each experiment, computed once, for the tests that read results."""

import pytest
from outer_deep_study import DeepRunner, deep_values, write_images
from outer_study import Runner, tiny_values, write_patterns


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A finished study: 2 seeds, 2 criteria, 2 iterations, 211 patterns of 5 pixels, 7 hidden units."""
    folder = tmp_path_factory.mktemp("tiny_study")
    write_patterns(folder / "my_patterns.npz")
    return Runner(tiny_values(folder / "my_patterns.npz"), folder).everything()


@pytest.fixture(scope="session")
def deep(tmp_path_factory):
    """A finished study of deep machines: 2 seeds, 2 criteria, 2 iterations, 101 of 131 images of 5 x 3 pixels."""
    folder = tmp_path_factory.mktemp("deep_study")
    write_images(folder / "my_images.npz")
    return DeepRunner(deep_values(folder / "my_images.npz"), folder).everything()
