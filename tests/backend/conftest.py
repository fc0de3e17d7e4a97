"""The cards that kernels are tested on."""

import pytest
from emulated import COMPILER, EmulatedCard

from boltzprune.backend.gpu.backend import Backend


@pytest.fixture(
    params=["up", pytest.param("down", marks=pytest.mark.slow), pytest.param("card", marks=pytest.mark.gpu)]
)
def card(request):
    """Kernels on the CPU, threads of a block one after the other in either order; and the card, where there is one."""
    if request.param == "card":
        return request.getfixturevalue("gpu_card")
    if COMPILER is None:
        pytest.skip("no g++ to emulate a GPU")
    return EmulatedCard(order=["up", "down"].index(request.param))


@pytest.fixture
def gpu(card):
    """The backend on that card."""
    return Backend(card=card)
