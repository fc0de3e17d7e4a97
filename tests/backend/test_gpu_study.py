"""Tiny studies end to end on the GPU, real or emulated, against the same studies on the CPU."""

import re

import numpy as np
import pandas as pd
import pytest
from deep_study import DeepRunner, deep_values, write_images
from tiny_study import Runner, tiny_values, write_patterns

from boltzprune.results.store import Arrays


@pytest.fixture(scope="module")
def on_gpu(gpu_card):
    """`device: gpu` finds the card of the tests."""
    from boltzprune.backend.gpu import card as card_module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(card_module, "Card", lambda: gpu_card)
        yield


def _run(runner, values, folder, device):
    folder.mkdir()
    return runner(values(folder) | {"device": device}, folder).everything([]).folder


def _patches(folder):
    write_patterns(folder / "my_patterns.npz")
    return tiny_values(folder / "my_patterns.npz", sampling={"method": "gibbs", "n_gibbs_steps": 11})


def _digits(folder):
    """Gentle rates: at higher ones training is chaotic, and a rounding error grows until states differ."""
    write_images(folder / "my_images.npz")
    gentle = {"learning_rate": [0.1, 0.02]}
    short = {"first": {"n_epochs": 3}, "second": {"n_epochs": 3}}
    return deep_values(folder / "my_images.npz", pretraining=short, training=gentle, retraining=gentle)


@pytest.fixture(scope="module")
def patches(on_gpu, tmp_path_factory):
    """Folders of the first experiment: on the GPU, on the CPU."""
    folder = tmp_path_factory.mktemp("patches")
    return [_run(Runner, _patches, folder / device, device) for device in ("gpu", "cpu")]


@pytest.fixture(scope="module")
def digits(on_gpu, tmp_path_factory):
    """Folders of the second experiment: on the GPU, on the CPU."""
    folder = tmp_path_factory.mktemp("digits")
    return [_run(DeepRunner, _digits, folder / device, device) for device in ("gpu", "cpu")]


CONTROLS = re.compile(r"unpruned|\w+_(rewind|scratch)\.npz")
"""Machines of controls; what they are made of, as pretrained.npz, is none."""


def _machines(folder):
    """All arrays of all machines of a study, by file and name."""
    paths = [path for path in folder.glob("*.npz") if {"seed0/weights0"} <= Arrays(path).names]
    names = {path: Arrays(path).names - {"provenance"} for path in paths}
    return {(path.name, name): Arrays(path)[name] for path in paths for name in names[path]}


def _assert_same_study(folders, bound, few):
    """Machines have the same shapes and nearly the same parameters; no more than a few states of chains differ."""
    found, expected = map(_machines, folders)
    assert found.keys() == expected.keys() and len(found) > 50
    for key, array in found.items():
        assert array.shape == expected[key].shape and array.dtype == expected[key].dtype, key
        if array.dtype == np.float32:
            n_trainings = 3 if CONTROLS.match(key[0]) else 1  # one after the other, without a pruning between them
            assert np.abs(array - expected[key]).max(initial=0) < n_trainings * bound, key
        elif array.dtype == np.uint8:  # states and masks, eight to a byte
            assert np.unpackbits(array ^ expected[key]).mean() <= few, key
        else:
            assert (array == expected[key]).all(), key


def test_patches_are_those_of_the_cpu(patches):
    _assert_same_study(patches, 1e-4, 0)
    found, expected = (pd.read_csv(folder / "metrics.csv") for folder in patches)
    assert len(found) == 2 * (1 + 2 * 2 * 2 + 2 + 2 * 2)
    pd.testing.assert_frame_equal(found, expected, rtol=0.02, atol=1e-6)
    for name in ("kl_exact", "mse_exact", "hidden_rate"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-3)


def test_counts_from_equal_samples_are_equal(patches):
    for name in ("initial", "eigenvector1_pruned", "anti_fi2_retrained"):
        found, expected = (Arrays(folder / f"{name}_statistics.npz") for folder in patches)
        for seed in range(2):
            assert found[f"seed{seed}/n_samples"] == expected[f"seed{seed}/n_samples"]
            pairs = [np.rint(a[f"seed{seed}/pair_mean0"] * 211).astype(int) for a in (found, expected)]
            assert np.abs(pairs[0] - pairs[1]).max() <= 1  # a state within rounding of its probability


@pytest.mark.slow
def test_digits_are_those_of_the_cpu(digits):
    _assert_same_study(digits, 2 * 0.1 / 13, 0.01)  # the step for two states of the 13 chains, at the learning rate
    names = sorted(path.name for path in digits[0].glob("*metrics*.csv"))
    assert names == sorted(path.name for path in digits[1].glob("*metrics*.csv")) and names
    for name in names:
        found, expected = (pd.read_csv(folder / name) for folder in digits)
        for column in ("n_weights", "n_units_1", "n_units_2"):
            if column in found:
                assert (found[column] == expected[column]).all(), (name, column)
        if "encoding_error" in found:
            assert (found["encoding_error"] - expected["encoding_error"]).abs().max() <= 2 / 31
            np.testing.assert_allclose(found["log_z"], expected["log_z"], rtol=0.01)


def test_results_of_the_gpu_say_so(patches, gpu_card):
    found, expected = (Arrays(folder / "initial.npz").provenance for folder in patches)
    assert found["versions"] == expected["versions"] | gpu_card.versions
    assert found["spec"]["device"] == "gpu"
