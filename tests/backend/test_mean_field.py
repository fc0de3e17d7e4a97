"""Mean-field posteriors: definition in plain loops, fixed point, exact cases, and what may not change the result."""

import by_hand
import deep_by_hand as deep
import numpy as np
import pytest

from boltzprune.backend import get_backend
from boltzprune.core.machine import field_of, sigmoid
from boltzprune.sampling import exact

CPU, REFERENCE = get_backend("cpu"), get_backend("reference")
DAMPED = [((5, 7, 3), 0.8), ((7, 5, 11, 3), 0.5), ((3, 5, 2, 3, 2), 0.8), ((11, 67, 131), 0.15)]
"""Sizes and a scale of the weights at which iteration converges."""


def _assert_fixed_point(machine, visible, means, bound):
    """Every mean is the logistic function of its field."""
    layers = [visible.astype(float), *(m.astype(float) for m in means)]
    for layer in range(1, len(layers)):
        new = sigmoid(field_of(machine, layers, layer).astype(float))
        assert np.abs(new - layers[layer]).max(initial=0) <= bound, layer


@pytest.mark.parametrize("sizes", deep.SIZES)
@pytest.mark.parametrize("max_sweeps", [1, 2, 5])
def test_the_first_updates_by_hand(sizes, max_sweeps, backend):
    machine = by_hand.machine(sizes, seed=3, density=0.8)
    visible = by_hand.patterns(7, sizes[0], seed=5)
    means, n_sweeps = by_hand.on_host(backend, backend.mean_field(machine, visible, 1e-7, max_sweeps))
    assert [m.shape for m in means] == [(7, n) for n in sizes[1:]]
    assert n_sweeps.dtype == np.int64 and n_sweeps.shape == (7,)
    for c, case in enumerate(visible):
        expected, n = deep.mean_field(machine, case, 1e-7, max_sweeps)
        assert n_sweeps[c] == n
        for layer, values in enumerate(expected[1:]):
            np.testing.assert_allclose(means[layer][c], values, rtol=0, atol=2e-6)


@pytest.mark.parametrize("sizes", deep.SIZES)
def test_the_start_is_a_bottom_up_pass_with_doubled_input(sizes, backend):
    machine = by_hand.machine(sizes, seed=7)
    visible = by_hand.patterns(3, sizes[0], seed=11)
    means, n_sweeps = by_hand.on_host(backend, backend.mean_field(machine, visible, 1e-7, 0))
    assert (n_sweeps == 0).all()
    for c, case in enumerate(visible):
        for layer, values in enumerate(deep.mean_field_start(machine, case)[1:]):
            np.testing.assert_allclose(means[layer][c], values, rtol=0, atol=2e-6)


@pytest.mark.parametrize(("sizes", "scale"), DAMPED)
def test_fixed_point(sizes, scale, backend):
    machine = by_hand.machine(sizes, seed=13, scale=scale, density=0.9)
    visible = by_hand.patterns(13, sizes[0], seed=17)
    means, n_sweeps = by_hand.on_host(backend, backend.mean_field(machine, visible, 1e-5, 1000))
    assert (n_sweeps > 2).all() and (n_sweeps < 1000).all()
    _assert_fixed_point(machine, visible, means, 3e-5)


@pytest.mark.parametrize(("sizes", "scale"), DAMPED)
def test_backends_agree(sizes, scale, weights_in):
    machine = by_hand.machine(sizes, seed=19, scale=scale, density=0.9)
    visible = by_hand.patterns(23, sizes[0], seed=29)
    for tolerance, max_sweeps, bound in ((1e-5, 1000, 1e-4), (1e-7, 6, 2e-6)):
        (found, n), (expected, n_expected) = (
            b.mean_field(machine, visible, tolerance, max_sweeps) for b in (CPU, REFERENCE)
        )
        for a, b in zip(found, expected):
            assert a.shape == b.shape and np.abs(a - b).max() < bound
        assert np.abs(n - n_expected).max() <= 2  # units that hardly move are taken along at the end
        assert (n == n_expected).mean() > 0.75


@pytest.mark.parametrize(("sizes", "scale"), DAMPED[:2])
def test_number_of_updates_by_hand(sizes, scale, backend):
    machine = by_hand.machine(sizes, seed=31, scale=scale)
    visible = by_hand.patterns(11, sizes[0], seed=37)
    for tolerance in (0.1, 1e-3):
        _, n_sweeps = by_hand.on_host(backend, backend.mean_field(machine, visible, tolerance, 50))
        assert n_sweeps.tolist() == [deep.mean_field(machine, case, tolerance, 50)[1] for case in visible]


def test_at_most_as_many_updates_as_allowed(backend):
    machine = by_hand.machine((5, 7, 3), seed=41, scale=2.0)
    visible = by_hand.patterns(7, 5, seed=43)
    _, needed = by_hand.on_host(backend, backend.mean_field(machine, visible, 1e-5, 1000))
    assert needed.max() > 7
    for most in (1, 3, 7):
        assert (
            by_hand.on_host(backend, backend.mean_field(machine, visible, 1e-5, most))[1] == np.minimum(needed, most)
        ).all()


@pytest.mark.parametrize("sizes", [(5, 7), (13, 11), (11, 131)])
def test_one_hidden_layer_is_exact_at_once(sizes, backend):
    machine = by_hand.machine(sizes, seed=47, density=0.7)
    visible = by_hand.patterns(7, sizes[0], seed=53)
    [mean], n_sweeps = by_hand.on_host(backend, backend.mean_field(machine, visible, 1e-5, 50))
    assert (n_sweeps == 1).all()
    expected = sigmoid(machine.biases[1].astype(float) + visible @ machine.weights[0].astype(float))
    np.testing.assert_allclose(mean, expected, rtol=0, atol=1e-6)


def test_exact_posterior_where_layers_do_not_interact(backend):
    machine = deep.without_upper_weights(by_hand.machine((3, 5, 2), seed=59))
    for case in by_hand.patterns(3, 3, seed=61)[:, None]:
        means, _ = by_hand.on_host(backend, backend.mean_field(machine, case, 1e-5, 50))
        for mean, rate in zip(means, exact.clamped_statistics(machine, case).rates[1:]):
            np.testing.assert_allclose(mean[0], rate, rtol=0, atol=1e-6)


def test_near_the_exact_posterior_where_weights_are_weak(backend):
    machine = by_hand.machine((3, 5, 2), seed=67, scale=0.2)
    for case in by_hand.patterns(3, 3, seed=71)[:, None]:
        means, _ = by_hand.on_host(backend, backend.mean_field(machine, case, 1e-6, 50))
        for mean, rate in zip(means, exact.clamped_statistics(machine, case).rates[1:]):
            np.testing.assert_allclose(mean[0], rate, rtol=0, atol=5e-3)


@pytest.mark.parametrize(("shape", "side"), [((5, 7), 3), ((3, 11), 5)])
def test_receptive_fields(shape, side, weights_in):
    machine = deep.with_receptive_fields(shape, side, 13, seed=73)
    visible = by_hand.patterns(11, shape[0] * shape[1], seed=79)
    found, expected = (b.mean_field(machine, visible, 1e-7, 7)[0] for b in (CPU, REFERENCE))
    for a, b in zip(found, expected):
        assert np.abs(a - b).max() < 2e-6


@pytest.mark.parametrize(
    ("sizes", "scale"), [((5, 7), 1.0), *DAMPED, ((29, 67, 31), 0.3), ((29, 67, 131), 0.3), ((53, 67, 31, 41), 0.3)]
)
@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-5])
def test_a_case_does_not_depend_on_its_company(sizes, scale, tolerance, backend):
    machine = by_hand.machine(sizes, seed=83, scale=scale, density=0.9)
    visible = by_hand.patterns(23, sizes[0], seed=89)
    means, n_sweeps = by_hand.on_host(backend, backend.mean_field(machine, visible, tolerance, 100))
    rng = np.random.default_rng(97)
    for chosen in (range(10), [4], [3, 4], [10, 4, 0], [5, 5, 5], rng.permutation(23), range(1, 23), range(3, 23)):
        chosen = np.array(chosen)
        some, n_some = by_hand.on_host(backend, backend.mean_field(machine, visible[chosen], tolerance, 100))
        assert (n_some == n_sweeps[chosen]).all()
        for a, b in zip(some, means):
            if backend.__class__ is not REFERENCE.__class__:
                assert a.dtype == np.float32 and a.tobytes() == b[chosen].tobytes()
            else:
                np.testing.assert_allclose(a, b[chosen], rtol=0, atol=1e-12)


@pytest.mark.parametrize("sizes", [(5, 7, 0), (5, 0, 3), (5, 7, 0, 3), (5, 0), (5, 7, 3, 0)])
def test_layers_without_units(sizes, backend):
    machine = by_hand.machine(sizes, seed=101)
    visible = by_hand.patterns(5, 5, seed=103)
    means, n_sweeps = by_hand.on_host(backend, backend.mean_field(machine, visible, 1e-6, 100))
    assert [m.shape for m in means] == [(5, n) for n in sizes[1:]]
    assert (n_sweeps >= 1).all() and (n_sweeps < 100).all()
    _assert_fixed_point(machine, visible, means, 1e-5)


def test_no_case(backend):
    means, n_sweeps = by_hand.on_host(
        backend, backend.mean_field(by_hand.machine((5, 7, 3), 1), np.zeros((0, 5), np.uint8), 1e-5, 50)
    )
    assert [m.shape for m in means] == [(0, 7), (0, 3)] and n_sweeps.shape == (0,)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("layer", [0, 1])
def test_parameters_that_are_not_finite_end_at_the_limit(layer, value, backend):
    machine = by_hand.machine((5, 7, 3), seed=107)
    machine.weights[layer][2, 1] = value
    visible = by_hand.patterns(5, 5, seed=109)
    visible[:, 2] = 1
    with np.errstate(all="ignore"):
        means, n_sweeps = by_hand.on_host(backend, backend.mean_field(machine, visible, 1e-5, 13))
    assert (n_sweeps <= 13).all()
    if np.isnan(value):
        assert (n_sweeps == 13).all() and np.isnan(means[layer][:, 1]).all()


def test_what_goes_in_is_not_changed(backend):
    machine, visible = by_hand.machine((5, 7, 3), seed=113), by_hand.patterns(5, 5, seed=127)
    before = [x.copy() for x in (*deep.parameters(machine), visible)]
    by_hand.on_host(backend, backend.mean_field(machine, visible, 1e-5, 50))
    assert all((a == b).all() for a, b in zip((*deep.parameters(machine), visible), before))
