"""Encodings of images against plain loops, and what may not change them."""

import by_hand
import deep_by_hand as deep
import numpy as np
import pytest

from boltzprune.backend import get_backend
from boltzprune.core.streams import fork
from boltzprune.errors import InputError
from boltzprune.evaluation.encoding import encode, encode_by_sampling, error, fit

KEY = fork(3, "encodings", 2)
CPU = get_backend("cpu")


@pytest.fixture(params=[None, 3], ids=["together", "in threes"])
def pieces(request, backend, monkeypatch):
    """All images handled together, and three at a time."""
    if request.param:
        monkeypatch.setattr(type(backend), "piece", lambda self, n, bytes_each: min(n, request.param))


@pytest.mark.parametrize("sizes", deep.SIZES)
def test_an_encoding_is_the_mean_field_of_each_image(sizes, backend, pieces):
    machine, images = by_hand.machine(sizes, seed=3, scale=0.8), by_hand.patterns(11, sizes[0], seed=5)
    means, n_sweeps = by_hand.on_host(backend, encode(machine, images, 1e-7, 5, backend))
    expected, counts = zip(*(deep.mean_field(machine, image, 1e-7, 5) for image in images))
    assert [layer.shape for layer in means] == [(11, n) for n in sizes[1:]]
    for layer, found in enumerate(means, start=1):
        np.testing.assert_allclose(found, [one[layer] for one in expected], rtol=0, atol=2e-6)
    assert n_sweeps.tolist() == list(counts)


def test_the_encoding_of_an_rbm_is_its_posterior(backend):
    machine, images = by_hand.machine((7, 5), seed=7), by_hand.patterns(11, 7, seed=11)
    means, _ = by_hand.on_host(backend, encode(machine, images, 0.0, 3, backend))
    fields = images @ machine.weights[0].astype(float) + machine.biases[1]
    np.testing.assert_allclose(means[0], 1 / (1 + np.exp(-fields)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("sizes", [(5, 7), (5, 7, 3), (3, 5, 2, 3)])
def test_a_sampled_encoding_is_the_top_of_clamped_chains_that_start_empty(sizes, backend, pieces):
    machine, images = by_hand.machine(sizes, seed=13), by_hand.patterns(7, sizes[0], seed=17)
    found = by_hand.on_host(backend, encode_by_sampling(machine, images, 3, KEY, backend))
    empty = [[0] * n for n in sizes[1:]]
    expected = [deep.gibbs_steps(machine, [v, *empty], KEY, 0, 3, c, first_layer=1)[-1] for c, v in enumerate(images)]
    assert found.dtype == np.uint8 and found.tolist() == expected


def test_encodings_are_features_of_the_classifier():
    machine, images = by_hand.machine((11, 7, 3), seed=19), by_hand.patterns(101, 11, seed=23)
    means, _ = encode(machine, images, 1e-5, 50, CPU)
    labels = (means[-1][:, 0] > np.median(means[-1][:, 0])).astype(int)
    assert error(fit(means[-1], labels, 1e4, 1000, 1e-4, CPU), means[-1], labels, CPU) < 0.05


MACHINE, IMAGES = by_hand.machine((5, 3, 2), seed=29), by_hand.patterns(7, 5, seed=31)
REFUSED = {
    "pixels": (lambda: encode(MACHINE, IMAGES[:, 1:], 1e-5, 50, CPU), r"visible has shapes \[\(7, 4\)\]; expected"),
    "no image": (lambda: encode(MACHINE, IMAGES[:0], 1e-5, 50, CPU), "visible holds no image; expected at least one"),
    "tolerance": (lambda: encode(MACHINE, IMAGES, -1e-5, 50, CPU), "tolerance is -1e-05 and max_updates 50; expected"),
    "not a number": (lambda: encode(MACHINE, IMAGES, np.nan, 50, CPU), "tolerance is nan"),
    "no sweep": (lambda: encode(MACHINE, IMAGES, 1e-5, 0, CPU), "max_updates 0; expected .* 1 update or more"),
    "no step": (lambda: encode_by_sampling(MACHINE, IMAGES, 0, KEY, CPU), "n_gibbs_steps is 0, expected 1 or more"),
    "one image": (lambda: encode_by_sampling(MACHINE, IMAGES[0], 3, KEY, CPU), r"visible has shapes \[\(5,\)\]"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_encoded_is_refused_by_name(case):
    function, expected = REFUSED[case]
    with pytest.raises(InputError, match=expected):
        function()
