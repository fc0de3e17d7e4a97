"""One tiny study, computed once, for the tests that read results."""

import pytest
from outer_study import Runner, tiny_values, write_patterns


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """A finished study: 2 seeds, 2 criteria, 2 iterations, 211 patterns of 5 pixels, 7 hidden units."""
    folder = tmp_path_factory.mktemp("tiny_study")
    write_patterns(folder / "my_patterns.npz")
    return Runner(tiny_values(folder / "my_patterns.npz"), folder).everything()
