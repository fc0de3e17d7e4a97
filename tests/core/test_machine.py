"""The machine: its equations against sums over all states, and what it refuses."""

import dataclasses
import itertools
import math

import by_hand
import numpy as np
import pytest

from boltzprune.core.machine import BoltzmannMachine, all_finite, energy, field_of, sigmoid
from boltzprune.errors import InputError
from boltzprune.sampling.exact import free_energy, log_z

SIZES = [(3, 5), (5, 3), (2, 3, 5), (5, 2, 3)]


@pytest.mark.parametrize("sizes", SIZES)
def test_energy_is_the_sum_over_weights_and_biases(sizes):
    machine = by_hand.machine(sizes, seed=3, density=0.7)
    states = by_hand.joint_states(sizes)
    expected = [by_hand.energy(machine, state) for state in zip(*states)]
    found = energy(machine, states)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("sizes", [(3, 5), (5, 3), (1, 7)])
def test_free_energy_sums_the_hidden_units_out(sizes):
    machine = by_hand.machine(sizes, seed=5, density=0.7)
    visible = np.array(list(itertools.product((0, 1), repeat=sizes[0])), dtype=np.uint8)
    hidden = list(itertools.product((0, 1), repeat=sizes[1]))
    expected = [-math.log(sum(math.exp(-by_hand.energy(machine, (v, h))) for h in hidden)) for v in visible]
    np.testing.assert_allclose(free_energy(machine, visible), expected, rtol=0, atol=1e-12)


def test_free_energy_of_strong_weights_does_not_overflow(no_warnings):
    machine = BoltzmannMachine(
        (np.full((2, 3), 5000.0),), (np.zeros(2), np.array([0.0, -3e4, 1.0])), (np.ones((2, 3), dtype=bool),)
    )
    expected = [-(2 * math.log(2) + math.log1p(math.e) - math.log(2)), -10001.0, -20001.0]
    np.testing.assert_allclose(free_energy(machine, [[0, 0], [1, 0], [1, 1]]), expected, rtol=1e-15)


@pytest.mark.parametrize("sizes", SIZES)
def test_field_is_the_energy_that_a_unit_saves_by_being_on(sizes):
    machine = by_hand.machine(sizes, seed=7, density=0.7, dtype=np.float64)
    states = by_hand.joint_states(sizes)
    for layer, n_units in enumerate(sizes):
        neighbours = [s if abs(other - layer) == 1 else None for other, s in enumerate(states)]
        field = field_of(machine, neighbours, layer)
        assert field.shape == states[layer].shape
        for unit in range(n_units):
            off, on = [s.copy() for s in states], [s.copy() for s in states]
            off[layer][:, unit], on[layer][:, unit] = 0, 1
            np.testing.assert_allclose(field[:, unit], energy(machine, off) - energy(machine, on), atol=1e-12)


def test_field_has_the_dtype_of_the_weights():
    machine = by_hand.machine((2, 3, 5), seed=7)
    states = by_hand.joint_states((2, 3, 5))
    assert {field_of(machine, states, layer).dtype for layer in range(3)} == {np.dtype(np.float32)}


def test_sigmoid_has_no_overflow_and_keeps_small_values(no_warnings):
    x = np.array([-700.0, -80.0, -1.0, 0.0, 1.0, 30.0, 1000.0])
    np.testing.assert_allclose(sigmoid(x)[:-1], 1 / (1 + np.exp(-x[:-1])), rtol=1e-13)
    assert sigmoid(x)[-1] == 1.0 and sigmoid(np.array([-1e6]))[0] == 0.0
    assert sigmoid(x.astype(np.float32)).dtype == np.float32


def _parts(sizes=(3, 5, 2)):
    return dataclasses.asdict(by_hand.machine(sizes, seed=11, density=0.6))


@pytest.mark.parametrize("name", ["weights", "masks", "units"])
@pytest.mark.parametrize("change", ["transposed", "missing", "extra", "shorter"])
def test_shapes_that_do_not_fit_are_refused(name, change):
    parts = _parts()
    arrays = list(parts[name])
    if change == "transposed":
        arrays[0] = arrays[0].T if arrays[0].ndim == 2 else arrays[0][None, :]
    elif change == "missing":
        arrays.pop()
    elif change == "extra":
        arrays.append(arrays[-1])
    else:
        arrays[1] = arrays[1][:-1]
    with pytest.raises(InputError, match=f"{name} have shapes"):
        BoltzmannMachine(**{**parts, name: tuple(arrays)})


def test_a_bias_too_short_is_refused():
    parts = _parts()
    with pytest.raises(InputError, match="expected"):
        BoltzmannMachine(parts["weights"], (parts["biases"][0][:-1], *parts["biases"][1:]), parts["masks"])


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("value", [1e-30, -1.0, np.nan, np.inf])
def test_a_weight_outside_its_mask_is_refused(layer, value):
    parts = _parts()
    weights = [w.copy() for w in parts["weights"]]
    i, j = np.argwhere(~parts["masks"][layer])[-1]
    weights[layer][i, j] = value
    with pytest.raises(InputError, match="outside its mask"):
        BoltzmannMachine(**{**parts, "weights": tuple(weights)})


def test_the_record_knows_its_sizes_and_is_frozen():
    machine = by_hand.machine((3, 5, 2), seed=11, density=0.6)
    assert machine.layer_sizes == (3, 5, 2) and not machine.is_rbm and by_hand.machine((3, 5), seed=1).is_rbm
    assert machine.n_weights == tuple(int(sum(map(sum, mask.tolist()))) for mask in machine.masks)
    assert [u.tolist() for u in machine.units] == [[0, 1, 2], [0, 1, 2, 3, 4], [0, 1]]
    with pytest.raises(dataclasses.FrozenInstanceError):
        machine.weights = ()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("name", "layer"), [("weights", 0), ("weights", 1), ("biases", 0), ("biases", 2)])
def test_all_finite_sees_every_parameter(name, layer, value):
    parts = {key: tuple(x.copy() for x in arrays) for key, arrays in _parts().items()}
    assert all_finite(BoltzmannMachine(**parts))
    where = tuple(np.argwhere(parts["masks"][layer])[0]) if name == "weights" else 1
    parts[name][layer][where] = value
    assert not all_finite(BoltzmannMachine(**parts, must_be_finite=False))
    with pytest.raises(InputError, match=rf"machine: {name}\[{layer}\] has NaN or infinite values; expected finite"):
        BoltzmannMachine(**parts)


MISUSED = {
    "one array": (
        "weights",
        lambda x: x[0],
        "machine: weights is ndarray; expected a tuple with an array for each layer",
    ),
    "nested lists": (
        "weights",
        lambda x: (x[0].tolist(), x[1]),
        r"weights\[0\] is list; expected an array: numpy.asarray",
    ),
    "integers": ("weights", lambda x: (x[0], x[1].astype(int)), r"weights\[1\] is int64; expected floats: x.astype"),
    "complex": ("weights", lambda x: (x[0] + 0j, x[1]), r"weights\[0\] is complex64; expected floats"),
    "half precision": ("weights", lambda x: (x[0].astype("f2"), x[1]), r"weights\[0\] is float16; expected floats"),
    "mask of floats": ("masks", lambda x: (x[0] * 1.0, x[1]), r"masks\[0\] is float64; expected booleans, or integers"),
    "mask of -1 and 1": (
        "masks",
        lambda x: (x[0], 2 * x[1] - 1),
        r"masks\[1\] is int64; expected booleans, or integers",
    ),
    "mask of 0 and 2": ("masks", lambda x: (2 * x[0], x[1]), r"masks\[0\] is int64; expected booleans, or integers"),
    "mask of text": ("masks", lambda x: (x[0], x[1].astype(str)), r"masks\[1\] is <U5; expected booleans"),
    "column": (
        "biases",
        lambda x: (x[0], x[1][:, None], x[2]),
        r"biases\[1\] has shape \(5, 1\); .* \(n_units,\): x.ravel",
    ),
    "a number": (
        "biases",
        lambda x: (x[0], x[1], x[2][0]),
        r"biases\[2\] has shape \(\); expected one number for each",
    ),
    "bias of integers": ("biases", lambda x: (x[0].astype(int), *x[1:]), r"biases\[0\] is int64; expected floats"),
    "one layer": ("biases", lambda x: x[:1], "biases are of 1 layers; expected those of two layers or more"),
    "units of floats": ("units", lambda x: (x[0] * 1.0, *x[1:]), r"units\[0\] is float64; expected integers"),
    "a unit twice": ("units", lambda x: (*x[:2], x[2] * 0), r"units\[2\] has an index twice or below 0"),
    "a unit below 0": ("units", lambda x: (x[0] - 1, *x[1:]), r"units\[0\] has an index twice or below 0"),
}


@pytest.mark.parametrize("case", MISUSED)
def test_parts_of_another_kind_are_refused_by_name(case):
    """albertbup/deep-belief-network#47: misuse of the Python API."""
    (name, change, expected), parts = MISUSED[case], _parts()
    with pytest.raises(InputError, match=expected):
        BoltzmannMachine(**{**parts, name: change(parts[name])})


@pytest.mark.parametrize("dtype", [int, np.uint8, np.int8])
def test_masks_of_integers_0_and_1_are_booleans(dtype):
    parts = _parts()
    machine = BoltzmannMachine(**parts | {"masks": [mask.astype(dtype) for mask in parts["masks"]]})
    assert [mask.dtype for mask in machine.masks] == [np.dtype(bool)] * 2
    assert all(np.array_equal(a, b) for a, b in zip(machine.masks, parts["masks"]))
    assert log_z(machine) == log_z(BoltzmannMachine(**parts))


def test_lists_of_arrays_are_tuples():
    machine = BoltzmannMachine(**{name: list(arrays) for name, arrays in _parts().items()})
    assert all(type(part) is tuple for part in (machine.weights, machine.biases, machine.masks, machine.units))
