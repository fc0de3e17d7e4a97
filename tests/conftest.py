"""What all tests share: promises, needs, logging, a GPU, each backend, and a tiny study of each experiment."""

import logging
import os
import warnings
from pathlib import Path

# before NumPy is imported, and for the processes of the tests too: one thread computes a stage as well, and others that
# wait for work keep the processors from the other workers; copies of the project do not compile what is compiled here
os.environ |= {
    "NUMBA_CACHE_DIR": str(Path(__file__).parents[1] / "src" / "boltzprune" / "backend" / "cpu" / "__pycache__"),
    **os.environ,
    **{"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
}

import pytest
from deep_study import DeepRunner, deep_values, write_images
from emulated import COMPILER, EmulatedCard
from tiny_study import Runner, tiny_values, write_patterns

from boltzprune.backend import get_backend
from boltzprune.backend.cpu import network
from boltzprune.backend.gpu.backend import Backend as GpuBackend

pytest_plugins = ["promises", "needs"]


FIRST = ["cases", "workflow", "backend", "faults"]
"""Folders with the longest tests: they come first, so that no worker is left alone with one at the end."""


def pytest_collection_modifyitems(items):
    """Put the folders in their order; each stays together."""
    names = {item: item.path.parent.name for item in items}
    items.sort(key=lambda item: FIRST.index(names[item]) if names[item] in FIRST else len(FIRST))


LEVEL = logging.getLogger().level
"""Of the root logger, before any test; fixtures of the session run commands that set up logging, and come first."""


@pytest.fixture(autouse=True)
def logging_as_before():
    """The command line sets up logging; the tests after this one need theirs back."""
    root = logging.getLogger()
    root.setLevel(LEVEL)
    handlers, raises = root.handlers[:], logging.raiseExceptions
    yield
    root.handlers[:], root.level, logging.raiseExceptions = handlers, LEVEL, raises


@pytest.fixture(scope="session")
def gpu_card():
    """The real card where there is one, else the emulated one; tests that need either are skipped without both."""
    from boltzprune.backend.gpu import driver

    if driver.is_usable():
        from boltzprune.backend.gpu.card import Card

        return Card()
    if COMPILER is None:
        pytest.skip("neither a GPU nor g++ to emulate one")
    return EmulatedCard()


@pytest.fixture(params=["lists", "rows"])
def weights_in(request, monkeypatch):
    """How the CPU backend takes the weights of machines that are small: by lists, as it would, or by whole rows."""
    if request.param == "rows":
        request.getfixturevalue("in_rows")


@pytest.fixture
def in_rows(monkeypatch):
    """The CPU backend takes all weights by whole rows."""
    monkeypatch.setattr(network, "is_listed", lambda n_existing, n_weights: n_weights == 0)


@pytest.fixture(params=["reference", "cpu", "cpu_rows", "gpu"])
def backend(request):
    """Each backend in turn, that of the CPU also with all weights in rows; without a GPU its kernels run there."""
    if request.param == "gpu":
        return GpuBackend(card=request.getfixturevalue("gpu_card"))
    if request.param == "cpu_rows":
        request.getfixturevalue("in_rows")
        return get_backend("cpu")
    return get_backend(request.param)


@pytest.fixture
def no_warnings():
    """Any warning is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


class Counter:
    """Stands for `progress.Progress`: notes what it is told."""

    def __init__(self):
        self.done, self.stages = 0, []

    def advance(self, n):
        self.done += n

    def describe(self, stage):
        self.stages.append(stage)


@pytest.fixture
def progress():
    """A silent progress bar."""
    return Counter()


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
