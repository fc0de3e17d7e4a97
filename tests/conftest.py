"""What all tests share: the table of promises, logging as it was, and a GPU, real or emulated."""

import logging
import os

# before NumPy is imported, and for the processes of the tests too: one thread computes a stage as well, and others that
# wait for work keep the processors from the other workers
os.environ |= {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}

import pytest

from emulated import COMPILER, EmulatedCard

pytest_plugins = ["promises"]


@pytest.fixture(autouse=True)
def logging_as_before():
    """The command line sets up logging; the tests after this one need theirs back."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.raiseExceptions
    yield
    root.handlers[:], root.level, logging.raiseExceptions = before


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
