"""What every test of the numerical core shares."""

import warnings

import pytest

from boltzprune.backend import get_backend
from boltzprune.backend.gpu.backend import Backend as GpuBackend


@pytest.fixture(params=["reference", "cpu", "gpu"])
def backend(request):
    """Each backend in turn; without a GPU its kernels run on the CPU."""
    if request.param == "gpu":
        return GpuBackend(card=request.getfixturevalue("gpu_card"))
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
